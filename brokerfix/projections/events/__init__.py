"""The event stream: every fact, at a queue of the desk's, for whoever wants to know."""
