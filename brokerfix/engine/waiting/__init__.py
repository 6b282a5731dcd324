"""What waits for the market or a time."""
