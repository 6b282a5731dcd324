"""What exchanges tell, and what they are asked."""
