"""Between the gateway and several shards: to a client one FIX session, whatever shards its accounts are on."""
