"""The pure core: no clock, no randomness, no input or output. It imports only the domain and sortedcontainers."""
