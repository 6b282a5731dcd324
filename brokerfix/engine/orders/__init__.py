"""Orders: taken, changed, worked, settled."""
