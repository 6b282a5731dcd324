"""What is not journalled: the market as it is told to subscribers."""
