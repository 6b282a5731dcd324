"""FIX text -> commands."""
