"""Estimating what the market maker's models need."""
