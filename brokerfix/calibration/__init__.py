"""What a market maker's models need, estimated and solved outside the engine."""
