"""The page "Positions and risk"."""

from brokerfix.console.view import View, panel


def build(view: View) -> None:
    """The page."""
    with panel("Positions and risk"):
        pass
