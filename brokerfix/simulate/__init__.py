"""What stands in for an exchange's surroundings: faults, and a quoter."""
