"""What is made of the journal for others."""
