"""The FIX edge: the only place that knows FIX text, and the only importer of QuickFIX's engine."""
