"""What is reckoned beforehand, outside the engine, for what the engine then only looks up."""
