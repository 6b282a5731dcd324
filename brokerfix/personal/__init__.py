"""Clients' personal data, apart from the journal, which has names of clients and accounts only; each client's encrypted
with a key of its own, whose destruction erases them."""
