"""Clients that quote in our own book, and the firm quotes that clients were given."""

import time
from itertools import islice
from typing import Any

from nicegui import ui

from brokerfix.console.elements.listing import Listing, columns, pill
from brokerfix.console.view import View, panel
from brokerfix.domain import id_text, to_text

MOST_ROWS = 100


class ClientQuoters:
    """Clients with quotes of their own: how many stand, why they may not, stop and start."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._name = ""
        with panel("Clients that quote") as section:
            self._rows = Listing(
                columns("client Client", "state State", "#quotes Quotes", "symbols Symbols", "why Why"),
                "client", "Clients that quote", "None does.", self._pick,
            )  # fmt: skip
            with ui.element("div").classes("making-line"):
                self._told = ui.label("Pick one to stop or start it.").classes("soft")
                self._stop = ui.button("Stop", on_click=self._stopped, color="negative").props("no-caps dense")
                self._start = ui.button("Start", on_click=self._started).props("no-caps dense")
            self._stop.set_visibility(view.may("stop-maker"))
            self._start.set_visibility(view.may("start-maker"))
        self._section = section
        view.every(1.0, self._update)

    def _update(self) -> None:
        state, at = self._view.state, time.time_ns()
        rows: list[dict[str, Any]] = []
        for name, quoter in state.quoters.items():
            if quoter.gone:
                continue
            stops = [
                f"{f'{symbol}: ' if symbol else ''}{code}: {stop.text}"
                for symbol, by_code in quoter.stops.items()
                for code, stop in by_code.items()
                if not stop.is_over(at)
            ]
            count = len(quoter.quotes)
            rows.append({
                "client": name,
                "state": pill("STOPPED", "bad") if stops else pill("QUOTES", "good") if count else pill("NO QUOTES"),
                "quotes": f"{count:,}",
                "symbols": ", ".join(quoter.quoting.symbols) or "all",
                "why": "; ".join(stops),
            })  # fmt: skip
        self._section.set_visibility(bool(rows))
        self._rows.show(rows[:MOST_ROWS])

    def _pick(self, name: str) -> None:
        self._name = name
        self._rows.pick(name)
        self._told.text = name

    async def _stopped(self) -> None:
        name, view = self._name, self._view
        told = "All its quotes are taken back, and none is taken until somebody starts it."
        if name and await view.confirm(f"Stop {name}?", told, "Stop"):
            await view.act("stop-maker", f"{name}: stopped", maker=name)

    async def _started(self) -> None:
        if self._name:
            await self._view.act("start-maker", f"{self._name}: may quote again", maker=self._name)


class GivenQuotes:
    """The firm quotes that clients may still take."""

    def __init__(self, view: View) -> None:
        self._view = view
        with panel("Firm quotes to clients") as section:
            self._rows = Listing(
                columns(
                    "quote QuoteID", "client Client", "symbol Symbol", "maker Maker", "#bid Bid", "#bid_left Left",
                    "#ask Offer", "#ask_left Left", "until Firm until",
                ),
                "quote", "Firm quotes to clients", "Quotes that a client has asked for, while they are firm.",
            )  # fmt: skip
        self._section = section
        view.every(0.5, self._update)

    def _update(self) -> None:
        state, rows = self._view.state, []
        gives = any(making.maker.valid for making in state.makers.values())
        self._section.set_visibility(gives or bool(state.firm))
        for _, number in islice(state.firm, MOST_ROWS):
            quote = state.given[number]
            instrument = state.instruments[quote.symbol]
            prices, qtys = instrument.price_digits, instrument.qty_digits
            rows.append({
                "quote": id_text(number), "client": quote.client, "symbol": quote.symbol, "maker": quote.maker,
                "bid": to_text(quote.bid, prices) if quote.bid else "",
                "bid_left": to_text(quote.bid_left, qtys) if quote.bid else "",
                "ask": to_text(quote.ask, prices) if quote.ask else "",
                "ask_left": to_text(quote.ask_left, qtys) if quote.ask else "",
                "until": self._view.time(quote.valid_until)[:8],
            })  # fmt: skip
        self._rows.show(rows)
