"""The overview: what there is, how it is, and what needs a hand."""

from brokerfix.console import kill
from brokerfix.console.view import View, panel, show_rows, table


def build(view: View) -> None:
    """The page."""
    with panel("Sessions"):
        sessions = table((("kind", "Kind"), ("name", "Name"), ("state", "State")), [], "name", "Sessions")
    kill.panel(view)

    async def update() -> None:
        told = await view.ask("sessions", 1.0)
        show_rows(
            sessions,
            [{key: str(row.get(key, "")) for key in ("kind", "name", "state")} for row in told.get("sessions", [])],
        )

    view.every(1.0, update)
