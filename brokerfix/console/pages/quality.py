"""The page "Execution quality"."""

from brokerfix.console.view import View, panel


def build(view: View) -> None:
    """The page."""
    with panel("Execution quality"):
        pass
