"""The page "Making": how market makers quote, what they have and earn, why they stopped; stop, start, reset, terms."""

from time import time_ns
from typing import Any

from nicegui import ui

from brokerfix.console.elements.listing import Listing, columns, pill
from brokerfix.console.makers import gained, inventory, makers_of, what_ends_it
from brokerfix.console.pages.making_clients import ClientQuoters, GivenQuotes
from brokerfix.console.pages.making_day import Day
from brokerfix.console.pages.making_one import Chart, Ladder, Terms
from brokerfix.console.parts import Story, column
from brokerfix.console.view import View, panel
from brokerfix.domain import to_text
from brokerfix.operate.makers import HEDGES, QUOTES, STOPPED, WAITS

KINDS = {QUOTES: "good", STOPPED: "bad", WAITS: "warn", HEDGES: ""}
EXAMPLE = """[accounts.MM]
cash = "10000000"

[makers.MM]
account = "MM"

[makers.MM.quotes.AAPL]
size = "100"
most_long = "1000"
most_short = "-1000"
bid_spread = "0.02"
ask_spread = "0.02"
protection = { window_ms = 5000, qty = "500", sliding = true }
max_loss = "1000"
"""


def build(view: View) -> None:
    """The page."""
    ui.add_head_html('<link rel="stylesheet" href="/static/listing.css">')
    nobody = Nobody(view)
    board = Board(view)
    with column():
        ladder = Ladder(view)
        state = Standing(view)
        happened(view)
        GivenQuotes(view)
    with column():
        chart = Chart(view)
        terms = Terms(view)
        ClientQuoters(view)
    Day(view)

    def update() -> None:
        nobody.update()
        row = board.picked
        for part in (ladder, chart, state, terms):
            part.show(row)

    board.on_update = update


class Nobody:
    """What a desk without makers sees: how to configure one."""

    def __init__(self, view: View) -> None:
        self._view = view
        with panel("No market makers", wide=True) as section:
            ui.label("This desk has no market maker. One is configured like this, and quotes after a restart:")
            ui.label(EXAMPLE).classes("making-example")
            ui.label("config/broker.toml explains every key; `brokerfix making` calibrates models and backtests them.")
        self._section = section
        section.set_visibility(False)

    def update(self) -> None:
        self._section.set_visibility(self._view.desk.feed.is_ready and not self._view.state.makers)


class Board:
    """All makers, a row for each instrument. `picked` is the row that is looked at, the first at the beginning;
    `on_update` is called after each update."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.picked: dict[str, Any] | None = None
        self._key = ""
        self.on_update: Any = lambda: None
        with panel("Market makers", wide=True) as section:
            section.classes("making-all")
            self._listing = Listing(
                columns(
                    "maker Maker", "symbol Symbol", "state State", "#bid Bid", "#bid_qty Qty", "#ask Offer",
                    "#ask_qty Qty", "#mid Mid", "inventory Inventory", "#total P&L today", "#spread_captured Spread",
                    "#revaluation Inventory", "#hedging Hedges", "#fees Fees",
                ),
                "key", "Market makers", "No maker is there.", self._pick,
            )  # fmt: skip
            with ui.element("div").classes("making-line"):
                self._buttons()
        self._section = section
        view.every(0.5, self._update)

    def _buttons(self) -> None:
        view = self._view
        self._name = ui.label("").classes("bold")
        stop = ui.button("Stop", icon="stop", on_click=lambda: self._stop(False), color="negative")
        start = ui.button("Start", icon="play_arrow", on_click=lambda: self._start(False))
        reset = ui.button("Reset", icon="restart_alt", on_click=self._reset)
        stop_all = ui.button("Stop all its symbols", on_click=lambda: self._stop(True)).props("flat color=negative")
        start_all = ui.button("Start all its symbols", on_click=lambda: self._start(True)).props("flat")
        for button, action in (
            (stop, "stop-maker"), (start, "start-maker"), (reset, "start-maker"), (stop_all, "stop-maker"),
            (start_all, "start-maker"),
        ):  # fmt: skip
            button.props("no-caps dense")
            button.set_visibility(view.may(action))
        reset.tooltip("What its protection has counted, and what it has lost until now, is forgotten")
        if not view.may("start-maker"):
            ui.label(f"A {view.person.role.value} starts no maker.").classes("soft")

    async def _update(self) -> None:
        found = await self._view.ask("makers", 0.5)
        rows = found.get("makers", [])
        keyed = {f"{row['maker']} {row['symbol']}": row for row in rows}
        if self._key not in keyed:
            self._key = next(iter(keyed), "")
        self.picked = keyed.get(self._key)
        self._section.set_visibility(bool(rows))
        self._listing.show([_row(key, row) for key, row in keyed.items()])
        self._listing.pick(self._key)
        self._name.text = self._key
        self.on_update()

    def _pick(self, key: str) -> None:
        self._key = key

    async def _stop(self, everything: bool) -> None:
        row, view = self.picked, self._view
        if row is None:
            return
        symbol = "" if everything else row["symbol"]
        what = f"{row['maker']} {symbol}".strip()
        told = "Its quotes are taken back, and none is made until somebody starts it. It hedges on."
        if await view.confirm(f"Stop {what}?", told, "Stop"):
            await view.act("stop-maker", f"{what}: stopped", maker=row["maker"], symbol=symbol)

    async def _start(self, everything: bool) -> None:
        if self.picked is not None:
            await self._go(self.picked, "" if everything else self.picked["symbol"], "started", None)

    async def _reset(self) -> None:
        row = self.picked
        if row is None:
            return
        told = "What its protection has counted is forgotten, and a loss until now no longer counts towards max_loss."
        if await self._view.confirm(f"Reset {row['maker']} {row['symbol']}?", told, "Reset"):
            await self._go(row, row["symbol"], "reset", "yes")

    async def _go(self, row: dict[str, Any], symbol: str, done: str, reset: str | None) -> None:
        what = f"{row['maker']} {symbol}".strip()
        answer = await self._view.act("start-maker", maker=row["maker"], symbol=symbol, reset=reset)
        if answer is None:
            return
        still = "; ".join(f"{one} does not quote yet: {why}" for one, why in answer["pulled"].items())
        told = f"{what}: {done}" if answer["started"] else f"{what} runs already; Reset forgets what is counted"
        self._view.say(f"{told}{f'. {still}' if still else ''}")


def _row(key: str, row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: "" if row[name] is None else row[name] for name in ("maker", "symbol", "bid", "ask", "mid")}
    parts = {name: gained(row[name]) for name in ("total", "spread_captured", "revaluation", "hedging", "fees")}
    return {
        **shown,
        **parts,
        "key": key,
        "state": pill(row["state"].upper(), KINDS.get(row["state"], "")),
        "bid_qty": row["bids"] or "",
        "ask_qty": row["asks"] or "",
        "inventory": inventory(row["position"], row["most_short"], row["most_long"]),
    }


class Standing:
    """In words how the maker stands: why it stopped and what ends that, its model, protection, fills, last hedge."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._made = makers_of(view.desk)
        with panel("How it stands"):
            with ui.element("div").classes("making-line"):
                self._pill = ui.label("").classes("pill").props("role=status aria-label='State of the maker'")
                self._head = ui.label("").classes("bold")
            self._why = ui.label("").classes("making-words")
            self._words = {
                name: self._line(name) for name in ("protection", "of all its symbols", "model", "fills today", "hedge")
            }

    def _line(self, name: str) -> ui.label:
        with ui.element("div").classes("making-line"):
            ui.label(name).classes("soft")
            return ui.label("")

    def show(self, row: dict[str, Any] | None) -> None:
        if row is None:
            return
        self._pill.text = row["state"].upper()
        self._pill.classes(replace=f"pill {KINDS.get(row['state'], '')}")
        self._head.text = f"{row['maker']} in {row['symbol']}"
        ends = what_ends_it(row["until"])
        stopped = row["state"] == STOPPED
        self._why.text = (
            f"It quotes nothing: {row['why']}; {ends}." if stopped else f"It quotes less: {row['why']}." if row["why"]
            else ""
        )  # fmt: skip
        self._why.classes(replace=f"making-words {'bad' if stopped else 'warn'}")
        fills = self._made.fills.get((row["maker"], row["symbol"]))
        age = f", the reference is {row['mid_age_s']} s old" if row["mid_age_s"] not in (None, "0.0") else ""
        model = f"{row['model']} ({row['parameters']}), {row['from']}" if row["model"] else "it only hedges"
        told = {
            "protection": row["protection"] or "none is configured",
            "of all its symbols": row["protection_of_all"] or "none is configured",
            "model": f"{model}{age}",
            "fills today": self._rate(row, fills),
            "hedge": row["last_hedge"] or "none yet",
        }
        for name, text in told.items():
            self._words[name].text = text

    def _rate(self, row: dict[str, Any], fills: Any) -> str:
        if fills is None or not fills.number:
            return "none"
        hours = max((time_ns() - self._made.began) / 3.6e12, 1 / 60)
        qty = to_text(fills.qty, self._view.state.instruments[row["symbol"]].qty_digits)
        return f"{fills.number} of {qty} in all, {fills.number / hours:.1f} an hour"


def happened(view: View) -> None:
    """Who or what has stopped and started makers today."""
    made = makers_of(view.desk)
    with (
        panel("Stopped and started today"),
        ui.element("div").classes("making-story").props('aria-live=polite tabindex=0 aria-label="What happened"'),
    ):
        story = Story(view, "Nothing was stopped or started today.")
    view.every(0.5, lambda: story.show(made.lines))
