"""The door for people without FIX: REST and a WebSocket stream. Each API key uses a client's ordinary FIX session."""
