"""Several machines: the journal replicated, one primary, standbys, shards."""
