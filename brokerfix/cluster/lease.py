"""What goes wrong with keys of the cluster."""


class Away(Exception):
    """The servers do not answer, or have no quorum: what was asked for may be done or not."""


class Stale(Exception):
    """A key has another revision than the one that it was to be written over."""
