"""brokerfix: a FIX broker in one process. The architecture is drawn in README.md."""

__version__ = "0.1.0"
