"""Regulatory records out of the journal. None of them is a certified filing."""
