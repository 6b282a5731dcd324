"""What all shards have: orders that work, positions with their sums, and the limits that they share."""

from nicegui import ui

from brokerfix.console.elements.listing import Listing, columns
from brokerfix.console.pages.shards_told import (
    Told,
    first_sentence,
    missing,
    order_rows,
    part_rows,
    position_rows,
    sum_rows,
)
from brokerfix.console.view import View, panel

SECONDS = 2.0
"""Between two looks at what all shards have: each is a question to every broker."""
POSITIONS_SECONDS = 5.0
"""The same of positions, which a broker sums over all accounts: 10,000 take it 5 ms."""


class Answers:
    """What is said above a table: how many rows there are, and in red who has not answered. Where nobody has there is
    no table: an empty one would say that there is nothing."""

    def __init__(self) -> None:
        self._count = ui.label("").classes("soft")
        self._missing = ui.label("").classes("bad").props("role=status")
        self._missing.set_visibility(False)

    def show(self, told: Told, field: str, count: str, *tables: Listing) -> None:
        is_silent, silent = "silent" in told, missing(told, field)
        self._count.text = "" if is_silent else count
        self._missing.text = f"! Without what these have: {'; '.join(silent)}" if silent else ""
        if is_silent:
            self._missing.text = f"! {first_sentence(told['silent'])}"
        self._missing.set_visibility(is_silent or bool(silent))
        for one in tables:
            one.set_visibility(not is_silent)


class Orders:
    """The orders that work, at all shards."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._told: Told = {}
        with panel("Orders of all shards", wide=True) as part:
            part.classes("shards-orders")
            with ui.element("div").classes("shards-line"):
                self._text = ui.input("Words: an account, a symbol, shard 2", on_change=self._show)
                self._text.props("dense clearable")
                self._answers = Answers()
            self._rows = Listing(
                columns(
                    "at At", "shard Shard", "order Order", "client Client", "account Account", "side Side",
                    "symbol Symbol", "#qty Quantity", "#leaves Open", "#price Price", "name ClOrdID",
                ),
                "order", "Orders of all shards", "No order works that is as asked for.",
            )  # fmt: skip
        view.every(SECONDS, self._update)

    async def _update(self) -> None:
        self._told = await self._view.ask_door("all", SECONDS / 2, request={"action": "working"})
        self._show()

    def _show(self) -> None:
        rows, count = order_rows(self._told, self._text.value or "", self._view.time)
        self._rows.show(rows)
        self._answers.show(self._told, "orders", count, self._rows)


class Positions:
    """What all hold together, by symbol; and what each account holds, where it is."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._told: Told = {}
        with panel("Positions of all shards") as part:
            part.classes("shards-tall")
            self._sums = Listing(
                columns("what Symbol", "#sum All together", "parts Of these"), "what", "Sums over all shards",
                "Nothing is held.",
            )  # fmt: skip
            with ui.element("div").classes("shards-line"):
                self._text = ui.input("Account, symbol or shard", on_change=self._show).props("dense clearable")
                self._answers = Answers()
            self._rows = Listing(
                columns("account Account", "shard Shard", "symbol Symbol", "#qty Quantity"), "key",
                "Positions of all shards", "Nothing is held that is as asked for.",
            )  # fmt: skip
        view.every(POSITIONS_SECONDS, self._update)

    async def _update(self) -> None:
        asked = {"action": "positions", "kind": "held"}
        self._told = await self._view.ask_door("all", POSITIONS_SECONDS / 2, request=asked)
        self._show()

    def _show(self) -> None:
        rows, count = position_rows(self._told, self._text.value or "")
        self._sums.show(sum_rows(self._told))
        self._rows.show(rows)
        self._answers.show(self._told, "sums", count, self._sums, self._rows)


class Parts:
    """The limits that all share: which shard may use how much, and uses."""

    def __init__(self, view: View) -> None:
        self._view = view
        with panel("Limits that all share") as part:
            part.classes("shards-tall shards-wrap")
            self._answers = Answers()
            self._rows = Listing(
                columns("level Level", "limit Limit", "#most Most", "used In use", "parts Used of each shard's part"),
                "key", "Limits that all share",
                "No limit is shared: limits of the firm are, and those of clients and groups on several shards.",
            )  # fmt: skip
        view.every(SECONDS, self._update)

    async def _update(self) -> None:
        view = self._view
        told = await view.ask_door("all", SECONDS / 2, request={"action": "parts"})
        rows, count = part_rows(told, await view.ask_door("parts", SECONDS / 2))
        self._rows.show(rows)
        self._answers.show(told, "parts", count, self._rows)
