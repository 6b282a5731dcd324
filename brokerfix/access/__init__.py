"""Vouchers of the gateway for its clients, and secrets that no log shows."""
