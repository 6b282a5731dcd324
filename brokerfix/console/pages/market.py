"""The page "Market": the depth of a symbol with its exchanges, the day's candles, and where an order would go."""

from typing import Any

from nicegui import events, ui

from brokerfix.console.bars import MID, TRADES, WIDTHS
from brokerfix.console.elements.ladder import Ladder
from brokerfix.console.elements.market_chart import MarketChart
from brokerfix.console.pages.market_best import Best
from brokerfix.console.view import View, panel

KINDS = {TRADES: "trades", MID: "mid of best quotes"}


def build(view: View) -> None:
    """The page."""
    Page(view)


class Page:
    """What the person has chosen is kept: the symbol, how wide candles are and what they are of."""

    def __init__(self, view: View) -> None:
        self._view = view
        symbols = list(view.state.instruments)
        self._symbol = self._first(symbols)
        self._empty = ui.label("No symbol is known yet: symbols stand here once the broker has started.")
        self._empty.classes("soft panel wide")
        self._empty.set_visibility(not symbols)
        self._choice(symbols)
        with panel("Depth") as part:
            part.classes("market-left")
            self._ladder = Ladder(self._symbol)
        with ui.element("div").classes("market-right"):
            with panel("Today"):
                self._chart = MarketChart(self._symbol, self._minutes.value, self._kind.value, view.desk.section.zone)
            self._best = Best(view, self._symbol)
        ui.keyboard(on_key=self._key)
        view.every(2.0, self._look)

    def _first(self, symbols: list[str]) -> str:
        """The symbol to begin with: what the address asks for, what was looked at last, or the first."""
        request = self._view.client.request
        asked = request.query_params.get("symbol", "") if request is not None else ""
        wanted = (asked, self._view.chosen("market-symbol", ""), *symbols[:1])
        return next((one for one in wanted if one in self._view.state.instruments), "")

    def _choice(self, symbols: list[str]) -> None:
        view = self._view
        minutes, kind = view.chosen("market-minutes", 1), view.chosen("market-kind", TRADES)
        with ui.element("div").classes("panel wide market-bar"):
            self._select = ui.select(symbols, value=self._symbol or None, label="Symbol", with_input=True)
            self._select.props("dense outlined").on_value_change(self._chosen)
            ui.button(icon="chevron_left", on_click=lambda: self._step(-1), color=None).props(
                'flat dense round aria-label="Previous symbol"'
            )
            ui.button(icon="chevron_right", on_click=lambda: self._step(1), color=None).props(
                'flat dense round aria-label="Next symbol"'
            )
            widths = {width: f"{width} min" for width in WIDTHS}
            self._minutes = ui.select(widths, value=minutes if minutes in WIDTHS else 1, label="Candles")
            self._kind = ui.select(KINDS, value=kind if kind in KINDS else TRADES, label="of")
            for one in (self._minutes, self._kind):
                one.props("dense outlined").on_value_change(self._redraw)
            ui.label("/ symbol   [ previous   ] next").classes("key market-keys only-wide")

    # What the person does

    def _chosen(self, event: events.ValueChangeEventArguments[Any]) -> None:
        symbol = event.value
        if symbol not in self._view.state.instruments or symbol == self._symbol:
            return
        self._symbol = symbol
        self._view.choose("market-symbol", symbol)
        self._ladder.show(symbol)
        self._best.show(symbol)
        self._redraw()

    def _redraw(self) -> None:
        self._view.choose("market-minutes", self._minutes.value)
        self._view.choose("market-kind", self._kind.value)
        self._chart.show(self._symbol, self._minutes.value, self._kind.value)

    def _step(self, by: int) -> None:
        symbols = list(self._view.state.instruments)
        if symbols:
            place = symbols.index(self._symbol) if self._symbol in symbols else -by
            self._select.value = symbols[(place + by) % len(symbols)]

    def _key(self, event: events.KeyEventArguments) -> None:
        modifiers = event.modifiers
        if not event.action.keydown or modifiers.ctrl or modifiers.alt or modifiers.meta:
            return
        if event.key == "[":
            self._step(-1)
        elif event.key == "]":
            self._step(1)
        elif event.key == "/":
            self._select.run_method("focus")

    def _look(self) -> None:
        """Symbols may come while the page is open."""
        symbols: list[Any] = list(self._view.state.instruments)
        self._empty.set_visibility(not symbols)
        if self._select.options != symbols:
            self._select.set_options(symbols, value=self._symbol or (symbols[0] if symbols else None))
