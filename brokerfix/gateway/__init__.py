"""The door: TLS, authentication, framing and budgets in front of the broker. It knows FIX's framing, and no orders."""
