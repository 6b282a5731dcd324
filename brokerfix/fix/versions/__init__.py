"""What FIX 4.2, 4.4 and 5.0 have of each message."""
