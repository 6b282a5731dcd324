"""The day's report of market making, out of the journal: what was earned, how long and how near was quoted."""

import time
from typing import Any

from nicegui import ui

from brokerfix.console.elements.listing import Listing, columns
from brokerfix.console.makers import gained
from brokerfix.console.view import View, panel

NOTHING = "There is nothing of it today."


class Day:
    """Reckoned when somebody asks for it, in a process of its own: it reads the whole day."""

    def __init__(self, view: View) -> None:
        self._view = view
        with panel("The day", wide=True) as section:
            section.classes("making-tall")
            with ui.element("div").classes("making-line"):
                self._ask = ui.button("Reckon the day", on_click=self._reckon).props("no-caps dense")
                self._told = ui.label("Uptime, time at the best price, fills by level and P&L, exact to the last fact.")
                self._told.classes("soft")
            self._tables = ui.element("div")
            with self._tables:
                ui.label("How it quoted").classes("soft")
                self._quoting = Listing(
                    columns(
                        "maker Maker", "symbol Symbol", "#hours_up Hours it could quote",
                        "#both_sides_pct Both sides %",
                        "#spread Spread", "#bid_at_best_pct Bid at best %", "#ask_at_best_pct Offer at best %",
                        "#placed Placed", "#moved Moved", "#pulls Stopped", "pulled_for For",
                    ),
                    "key", "How it quoted today", NOTHING,
                )  # fmt: skip
                ui.label("What it earned").classes("soft")
                self._earned = Listing(
                    columns(
                        "maker Maker", "symbol Symbol", "#fills Fills", "#bought Bought", "#sold Sold",
                        "#spread_captured Spread", "#revaluation Inventory", "#carried Carried", "#hedging Hedges",
                        "#fees Fees", "#total Total",
                    ),
                    "key", "What it earned today", NOTHING,
                )  # fmt: skip
                ui.label("Fills by level").classes("soft")
                self._levels = Listing(
                    columns(
                        "maker Maker", "symbol Symbol", "place Place", "side Side", "#level Level", "#hours Hours",
                        "#quantity Quantity", "#from_mid From the mid", "#fills Fills", "#filled Filled",
                        "#fills_per_hour Fills an hour",
                    ),
                    "key", "Fills by level today", NOTHING,
                )  # fmt: skip
        self._tables.set_visibility(False)

    async def _reckon(self) -> None:
        view = self._view
        if not view.may("stop-maker"):
            return view.warn("Whoever may stop a maker may reckon its day")
        self._ask.props("loading")
        try:
            told = await view.tell("report", "making", view.desk.config.path)
        finally:
            self._ask.props(remove="loading")
        if told is None:
            return None
        self._tables.set_visibility(True)
        self._told.text = f"{told['scope']}; reckoned at {view.time(time.time_ns())[:8]}"
        self._quoting.show([_shown(row, "maker", "symbol") for row in told["quoting"]])
        self._levels.show([_shown(row, "maker", "symbol", "place", "side", "level") for row in told["levels"]])
        parts = ("spread_captured", "revaluation", "carried", "hedging", "fees", "total")
        self._earned.show([
            _shown(row, "maker", "symbol", "currency") | {name: gained(row[name]) for name in parts}
            for row in told["earned"]
        ])  # fmt: skip


def _shown(row: dict[str, Any], *names: str) -> dict[str, Any]:
    """A row of the report, named by some of its fields."""
    return {name: "" if value is None else value for name, value in row.items()} | {
        "key": " ".join(f"{row[name]}" for name in names)
    }
