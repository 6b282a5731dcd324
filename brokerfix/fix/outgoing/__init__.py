"""Facts -> FIX text."""
