"""Message queues of others."""
