"""Surveillance: rules that look for patterns of market abuse in the journal's facts, and the register of what they have
found and what people made of it. It follows the journal from a process of its own; the order path knows nothing of
it."""
