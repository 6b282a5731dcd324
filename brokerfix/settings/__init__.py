"""The configuration: read, checked, frozen."""
