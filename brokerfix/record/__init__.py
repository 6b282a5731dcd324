"""What is on record: the journal, the kept state, and the one way that both change."""
