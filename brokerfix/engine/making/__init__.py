"""Quotes that the broker makes itself."""
