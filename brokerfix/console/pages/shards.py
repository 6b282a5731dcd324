"""The page "Shards": who is there, the orders, positions and limits of all, and what is done at all of them."""

from nicegui import ui

from brokerfix.console.elements.listing import Listing, columns
from brokerfix.console.needs import Need
from brokerfix.console.pages.shards_limits import EditorOfAll, WaitingAtAny
from brokerfix.console.pages.shards_stop import Stop
from brokerfix.console.pages.shards_tables import Orders, Parts, Positions
from brokerfix.console.pages.shards_told import shard_rows, troubles
from brokerfix.console.parts import column
from brokerfix.console.view import View, panel, pill


def build(view: View) -> None:
    """The page. Each part asks for itself: a shard that is slow keeps no other part waiting."""
    for sheet in ("listing", "risk"):
        ui.add_head_html(f'<link rel="stylesheet" href="/static/{sheet}.css">')
    Who(view)
    WaitingAtAny(view)
    with column():
        Stop(view)
    with column():
        Parts(view)
    Orders(view)
    with column():
        Positions(view)
    with column():
        EditorOfAll(view)


class Who:
    """Every shard that has ever taken part, and above them in words what is wrong."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._shown: list[Need] | None = None
        with panel("Shards", wide=True):
            self._wrong = ui.element("ul").classes("shards-wrong").props('role=list aria-label="What is wrong"')
            self._rows = Listing(
                columns(
                    "shard Shard", "node Node", "state State", "#heard Last heard", "#epoch Epoch",
                    "#accounts Accounts", "#day Trading day", "#facts Facts", "#working Working orders",
                    "#alerts Alerts", "#pause Longest pause, last minute", "#done Requests to all, carried out",
                ),
                "shard", "Shards", "No shard is known yet.",
            )  # fmt: skip
        view.every(1.0, self._update)

    async def _update(self) -> None:
        shards = await self._view.ask_door("shards", 0.5)
        # Who is there is shown before anybody is waited for.
        self._show(shards, {})
        self._show(shards, await self._view.ask_door("all", 1.5, request={"action": "status"}))

    def _show(self, shards: dict[str, object], status: dict[str, object]) -> None:
        self._rows.set_visibility("silent" not in shards)
        if status or not self._rows.rows:
            self._rows.show(shard_rows(shards, status))
        found = troubles(shards, status)
        if found == self._shown:
            return
        self._shown = found
        self._wrong.clear()
        with self._wrong:
            for need in found:
                with ui.element("li").props("role=listitem"):
                    pill("! now" if need.kind == "bad" else "look", need.kind)
                    ui.label(need.what).classes("bold")
                    ui.label(need.do).classes("soft")
