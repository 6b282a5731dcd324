"""The blotter: a grid of orders that fetches what is new by itself, see `data.orders`."""

from collections.abc import Callable
from typing import Any

import nicegui.elements.aggrid  # noqa: F401  (has the grid itself served)
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from brokerfix.console.data.orders import ORDER_FIELDS

GROUPINGS = ("", "account", "client", "symbol", "side", "status", "venues")
MOST_ORDERS = 1_000
"""That are chosen at a time."""
Column = dict[str, Any]


class Blotter(Element, component="blotter.js", esm={"brokerfix-blotter": "blotter"}):
    """`columns` and `grouping` are what the person has had before, as `on_columns` and `on_grouping` were told.
    `on_open` is told an OrderID, `on_select` those that are chosen and how many that are in all, `on_ask` what a key
    asks for: "cancel" or "close"."""

    def __init__(
        self,
        zone: str,
        columns: Any,
        grouping: Any,
        *,
        on_open: Callable[[str], Any],
        on_select: Callable[[list[str], int], Any],
        on_columns: Callable[[list[Column]], None],
        on_grouping: Callable[[str], None],
        on_ask: Callable[[str], Any],
    ) -> None:
        super().__init__()
        self._props["zone"] = zone
        self._props["state"] = columns_of(columns)
        self._props["grouping"] = grouping if grouping in GROUPINGS else ""
        self._props["label"] = "Orders"
        self._on_select = on_select
        self.on("opened", lambda event: on_open(f"{event.args}"))
        self.on("selected", self._selected)
        self.on("columns", lambda event: on_columns(columns_of(event.args)))
        self.on("grouped", lambda event: on_grouping(event.args) if event.args in GROUPINGS else None)
        self.on("asked", lambda event: on_ask(f"{event.args}"))

    def _selected(self, event: GenericEventArguments) -> Any:
        orders = [f"{one}" for one in event.args["orders"]][:MOST_ORDERS]
        return self._on_select(orders, int(event.args["count"]))

    def show_day(self, day: str) -> None:
        """Show the orders of a trading day (YYYYMMDD) out of the database, "": those that there are now."""
        self.run_method("show_day", day)

    def deselect(self) -> None:
        self.run_method("deselect")

    def save(self) -> None:
        """Have the browser keep what is shown as a CSV file."""
        self.run_method("save")


def columns_of(told: Any) -> list[Column]:
    """What a browser says of its columns, as far as it can be so: their order, widths, sorting, and which are not
    shown. [] is as they are at first."""
    kept: list[Column] = []
    for one in told if isinstance(told, list) else []:
        if not isinstance(one, dict) or one.get("colId") not in ORDER_FIELDS:
            continue
        width, place = one.get("width"), one.get("sortIndex")
        kept.append(
            {
                "colId": one["colId"],
                "width": min(max(width, 30), 1000) if type(width) is int else 90,
                "hide": one.get("hide") is True,
                "sort": one["sort"] if one.get("sort") in ("asc", "desc") else None,
                "sortIndex": place if type(place) is int else None,
                "pinned": one["pinned"] if one.get("pinned") in ("left", "right") else None,
            }
        )
    return kept if len({one["colId"] for one in kept}) == len(kept) else []
