"""The FIX sessions: the only user of QuickFIX's engine."""
