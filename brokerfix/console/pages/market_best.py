"""Who is best now and why: what the router would do with an order of a size that a person types."""

from typing import Any

from nicegui import ui

from brokerfix.console.desk import Refused
from brokerfix.console.view import View, panel, show_rows, table

ASK_SECONDS = 1.0
"""The broker is asked once a second for one question, however many look."""
Told = dict[str, Any]


class Best:
    """Asked anew every second, as long as a quantity is there."""

    def __init__(self, view: View, symbol: str) -> None:
        self._view, self._symbol = view, symbol
        self._told: Told = {}
        with panel("Who is best, and why"):
            with ui.element("div").classes("market-asked"):
                self._side = ui.toggle({"buy": "Buy", "sell": "Sell"}, value="buy").props(
                    'dense no-caps unelevated aria-label="Side"'
                )
                self._qty = ui.input("OrderQty", value=view.chosen("market-qty", "100")).props("dense outlined")
                self._price = ui.input("Limit, or at market").props("dense outlined")
                clients = list(view.state.clients)
                self._client = ui.select(clients, value=clients[0] if clients else None, label="As an order of")
                self._client.props("dense outlined")
            self._words = ui.element("ol").classes("market-words").props('aria-label="What the router would do"')
            self._parts = table(
                (
                    ("exchange", "Exchange"), ("#qty", "Quantity"), ("#price", "Limit"), ("#fee", "Fee a unit"),
                    ("#all_in", "All in a unit"), ("why", "Rule"),
                ),
                [], "key", "Where it would go",
            )  # fmt: skip
            self._others = table(
                (("exchange", "Not taken"), ("#price", "Price"), ("#qty", "Quantity"), ("reason", "Why not")),
                [], "key", "What would not be taken",
            )  # fmt: skip
            self._others.classes("market-others")
        for one in (self._side, self._qty, self._price, self._client):
            one.on_value_change(self.update)
        self._qty.on("blur", self._keep)
        view.every(ASK_SECONDS, self.update)

    def show(self, symbol: str) -> None:
        """Ask about another symbol."""
        self._symbol = symbol

    def _keep(self) -> None:
        self._view.choose("market-qty", self._qty.value)

    async def update(self) -> None:
        """Ask, and show what is told."""
        qty, price, client = (
            f"{self._qty.value or ''}".strip(),
            f"{self._price.value or ''}".strip(),
            self._client.value,
        )
        if not qty or not self._symbol:
            return self._show({"words": ["Type a quantity: where it would go now, and why, will stand here."]})
        asked = {"symbol": self._symbol, "side": self._side.value, "qty": qty}
        asked |= {name: value for name, value in (("price", price), ("client", client)) if value}
        try:
            told = await self._view.desk.ask("would-route", ASK_SECONDS, **asked)
        except Refused as error:
            told = {"words": [f"! {error}"]}
        self._show(told)

    def _show(self, told: Told) -> None:
        if told == self._told:
            return
        self._told = told
        self._words.clear()
        with self._words:
            for sentence in told["words"]:
                with ui.element("li"):
                    ui.label(sentence)
        parts = [
            {**part, "exchange": part["exchange"] or "our own book", "key": number}
            for number, part in enumerate(told.get("parts", ()))
        ]
        show_rows(self._parts, parts)
        others = [
            {**one, "price": one["price"] or "-", "key": number} for number, one in enumerate(told.get("not_taken", ()))
        ]
        show_rows(self._others, others)
        self._parts.set_visibility(bool(parts))
        self._others.set_visibility(bool(others))
