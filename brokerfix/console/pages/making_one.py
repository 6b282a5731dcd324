"""One maker in one symbol: its quotes against the market, how that and what it earned went, and its terms."""

from typing import Any

from nicegui import ui

from brokerfix.console.elements.listing import Listing, columns
from brokerfix.console.makers import Point, ladder, makers_of
from brokerfix.console.view import View, panel
from brokerfix.domain import MONEY_DIGITS
from brokerfix.settings.quoting import table_of

Row = dict[str, Any]
SOFT, GRID = "#7d8b98", "rgba(128,128,128,.25)"
LINES = (
    ("market bid", "#5b8fb5", "dashed"), ("market offer", "#b5755b", "dashed"), ("own bid", "#2f8fd3", "solid"),
    ("own offer", "#d9653b", "solid"),
)  # fmt: skip
PARTS = (
    ("total", "#7d8b98", "solid"), ("spread", "#3aa564", "solid"), ("inventory", "#d9653b", "solid"),
    ("hedges", "#8e6bd1", "dashed"), ("fees", "#b8962e", "dashed"),
)  # fmt: skip
EVERY = 2.0
"""Seconds between two pictures."""


class Ladder:
    """The prices around the market, with what exchanges show and what the maker quotes."""

    def __init__(self, view: View) -> None:
        self._view = view
        with panel("Quotes against the market") as section:
            section.classes("making-ladder")
            self._rows = Listing(
                columns(
                    "market_bid Exchanges' bid", "bid Own bid", "#price Price", "ask Own offer",
                    "market_ask Exchanges' offer", "where Where",
                ),
                "price", "Quotes against the market", "Neither the exchanges nor the maker show a price.",
            )  # fmt: skip
            ui.label("The exchanges' side is as last recorded, the maker's are its working quotes.").classes("soft")

    def show(self, row: Row | None) -> None:
        state = self._view.state
        making = state.makers.get(row["maker"]) if row is not None else None
        if row is not None and making is not None and row["symbol"] in making.desks:
            self._rows.show(ladder(state, making, row["symbol"]))


class Chart:
    """How the quotes, and what was earned, went."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._made = makers_of(view.desk)
        self._shown: tuple[Any, ...] = ()
        self._at = 0.0
        with panel("Quotes and P&L over the last minutes"):
            self._quotes = self._chart(LINES, "Own quotes and the exchanges' best prices over time")
            self._earned = self._chart(PARTS, "What was earned today, by part, over time")

    def _chart(self, lines: tuple[tuple[str, str, str], ...], label: str) -> ui.echart:
        axis = {"axisLabel": {"color": SOFT}, "splitLine": {"lineStyle": {"color": GRID}}, "scale": True}
        chart = ui.echart(
            {
                "animation": False,
                "grid": {"left": 64, "right": 12, "top": 30, "bottom": 24},
                "legend": {"top": 0, "textStyle": {"color": SOFT}, "itemWidth": 18},
                "tooltip": {"trigger": "axis"},
                "xAxis": {"type": "time", "axisLabel": {"color": SOFT, "hideOverlap": True}},
                "yAxis": {"type": "value", **axis},
                "series": [
                    {
                        "name": name, "type": "line", "step": "end", "showSymbol": False, "data": [],
                        "lineStyle": {"width": 1.5, "type": kind}, "itemStyle": {"color": colour},
                    }
                    for name, colour, kind in lines
                ],
            }
        )  # fmt: skip
        return chart.classes("making-chart").props(f'role=img aria-label="{label}"')

    def show(self, row: Row | None) -> None:
        if row is None:
            return
        points = self._made.points.get((row["maker"], row["symbol"]))
        if not points:
            return
        shown = (row["maker"], row["symbol"], points[-1].at // int(EVERY * 10**9))
        if shown == self._shown:
            return
        self._shown = shown
        digits = self._view.state.instruments[row["symbol"]].price_digits
        self._draw(self._quotes, points, _prices, digits)
        self._draw(self._earned, points, _parts, MONEY_DIGITS)

    def _draw(self, chart: ui.echart, points: Any, of: Any, digits: int) -> None:
        """Floats are for the eye alone."""
        scale = 10**digits
        sides = list(zip(*(of(point) for point in points), strict=True))
        for series, values in zip(chart.options["series"], sides, strict=True):
            series["data"] = [
                [point.at // 10**6, None if value is None else round(value / scale, 4)]
                for point, value in zip(points, values, strict=True)
            ]
        chart.update()


def _prices(point: Point) -> tuple[int | None, ...]:
    return point.market_bid, point.market_ask, point.bid, point.ask


def _parts(point: Point) -> tuple[int, ...]:
    return tuple(value // 2 for value in (point.total, point.spread, point.inventory, point.hedging, point.fees))


class Terms:
    """By what terms it quotes, and others for it."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._of: tuple[str, str] = ("", "")
        self._had: dict[str, str] = {}
        self._fields: dict[str, tuple[ui.label, ui.input]] = {}
        self._may = view.may("set-maker")
        with panel("Terms"):
            self._head = ui.label("").classes("soft")
            self._box = ui.element("div").classes("making-terms")
            self._send = ui.button("Set", on_click=self._set).props("no-caps dense")
            self._send.set_visibility(self._may)

    def show(self, row: Row | None) -> None:
        state = self._view.state
        making = state.makers.get(row["maker"]) if row is not None else None
        if row is None or making is None or row["symbol"] not in making.desks:
            return
        of = row["maker"], row["symbol"]
        desk = making.desks[row["symbol"]]
        found = _flat(table_of(desk.quoting, state.instruments))
        if of != self._of or found.keys() != self._had.keys():
            self._of = of
            self._build(found)
        elif found != self._had:
            for name, text in found.items():
                now, wanted = self._fields[name]
                if wanted.value == self._had[name]:
                    wanted.value = text
                now.text = text
        self._had = found
        self._head.text = f"{of[0]} in {of[1]}, as in [makers.{of[0]}.quotes.{of[1]}]" + (
            "; others hold at once and over restarts" if self._may else ""
        )

    def _build(self, found: dict[str, str]) -> None:
        self._box.clear()
        self._fields = {}
        with self._box:
            for title in ("term", "now", "new"):
                ui.label(title).classes("head-of")
            for name, text in found.items():
                ui.label(name)
                now = ui.label(text).classes("number")
                wanted = ui.input(value=text).props(f'dense outlined aria-label="new {name}"')
                wanted.set_enabled(self._may)
                self._fields[name] = now, wanted

    async def _set(self) -> None:
        view, (maker, symbol) = self._view, self._of
        settings = {
            name: (wanted.value or "").strip()
            for name, (_, wanted) in self._fields.items()
            if (wanted.value or "").strip() != self._had[name]
        }
        if not settings:
            return view.warn('Nothing is to be changed: write into the column "new".')
        answer = await view.act("set-maker", maker=maker, symbol=symbol, settings=settings)
        if answer is not None:
            told = ", ".join(f"{key} {now} (was {was or 'not set'})" for key, (was, now) in answer["changes"].items())
            view.say(f"{maker} {symbol}: {told}")
        return None


def _flat(table: dict[str, Any]) -> dict[str, str]:
    """Terms as `making set` names them: those of a table with a dot."""
    found: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= {f"{name}.{part}": _text(one) for part, one in value.items()}
        elif value is not None:
            found[name] = _text(value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return f"{value}".lower()
    return ",".join(value) if isinstance(value, tuple) else f"{value}"
