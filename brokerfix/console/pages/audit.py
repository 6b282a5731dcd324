"""The page "Audit"."""

from brokerfix.console.view import View, panel


def build(view: View) -> None:
    """The page."""
    with panel("Audit"):
        pass
