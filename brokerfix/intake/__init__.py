"""The door for queues: orders that come as messages, in a process of its own."""
