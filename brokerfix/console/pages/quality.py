"""The page "Execution quality": how well a day's orders were executed, and what exchanges are like now."""

import time
from functools import partial
from typing import Any

import msgspec
from nicegui import ui

from brokerfix.access.roles import READS, Kind, who_may
from brokerfix.console.desk import Refused
from brokerfix.console.pages.audit_reports import fetch
from brokerfix.console.pages.quality_charts import bars, slippage_bars, wait_bars
from brokerfix.console.pages.quality_words import (
    BY,
    EXCHANGES,
    NOTHING,
    SCORES,
    TABLES,
    age,
    exchange_row,
    scores,
    table_rows,
)
from brokerfix.console.reports import REPORTS
from brokerfix.console.view import View, panel, show_rows, table

KEPT_SECONDS = 300.0


def build(view: View) -> None:
    """The page."""
    if view.may_read(Kind.REPORTS):
        Day(view)
    else:
        with panel("Execution quality", wide=True):
            ui.label(
                f"How well orders were executed is for {who_may(READS['reports'])}; below is what exchanges are like."
            )
    _exchanges(view)


class Day:
    """The figures of a day: made in a process of its own, and kept for some minutes for all who look."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._told: dict[str, Any] | None = None
        self._at = 0.0
        self._is_busy = False
        today = f"{view.state.day}" if view.state.day else time.strftime("%Y%m%d", time.gmtime())
        with panel("Execution quality", wide=True):
            with ui.row().classes("quality-head"):
                self._day = ui.input("Trading day", value=f"{today[:4]}-{today[4:6]}-{today[6:]}").props(
                    "type=date dense outlined"
                )
                self._by = ui.toggle(BY, value="exchange").props(
                    'no-caps dense toggle-color=grey-8 aria-label="Rows are of"'
                )
                self._anew = ui.button("Count anew", icon="refresh", on_click=lambda: self._look(True)).props(
                    "dense flat no-caps"
                )
                for form in REPORTS["execution-quality"].forms:
                    ui.button(form.upper(), icon="download", on_click=partial(self._fetch, form)).props(
                        f'dense flat no-caps aria-label="Download as {form.upper()}"'
                    )
            self._said = ui.label("").classes("soft").props("role=status")
            self._scores = ui.element("div").classes("figures").props('role=group aria-label="Scorecard"')
            self._figures: dict[str, ui.label] = {}
            with self._scores:
                for name, _, hint in SCORES:
                    with ui.element("div").classes("figure"):
                        self._figures[name] = ui.label(NOTHING).classes("big")
                        ui.label(name).classes("soft").tooltip(hint)
        self._charts = []
        for title, label in (
            ("Slippage against the mid at receipt", "Shares by slippage in basis points"),
            ("Time from receipt to fill", "Shares by time to fill"),
        ):
            with panel(title):
                self._charts.append(
                    ui.echart(bars([], [], "")).classes("quality-chart").props(f'role=img aria-label="{label}"')
                )
        self._tables = {}
        for name, columns in TABLES.items():
            with panel(name.capitalize(), wide=True), _region(name.capitalize()):
                self._tables[name] = table(columns, [], "key", name.capitalize())
        with panel("What these figures are made of", wide=True):
            self._notes = ui.element("ul").classes("quality-notes")
        self._day.on_value_change(lambda: self._look(False))
        self._by.on_value_change(self._show)
        ui.timer(0.1, lambda: self._look(False), once=True)
        view.every(5.0, self._age)

    async def _look(self, anew: bool) -> None:
        """Fetch the day's figures, which may take some seconds."""
        view, day = self._view, f"{self._day.value or ''}"
        if self._is_busy or len(day) != 10:
            return
        if not await view.reads(Kind.REPORTS, f"execution-quality of {day}"):
            return
        self._is_busy = True
        self._anew.disable()
        self._said.text = "Reading the journal …"
        words = (
            "report",
            "execution-quality",
            f"--day={day}",
            *(f"--by={by}" for by in BY),
            "--format",
            "json",
            "--config",
            f"{view.desk.config.path}",
        )
        try:
            told = await view.desk.told.ask(*words, seconds=KEPT_SECONDS, anew=anew)
            self._told, self._at = msgspec.json.decode(told.output), told.at
        except Refused as error:
            self._told = None
            self._said.text = f"{error}"
        finally:
            self._is_busy = False
            self._anew.enable()
        self._show()
        self._age()
        if f"{self._day.value}" != day:
            await self._look(False)

    def _age(self) -> None:
        if self._told is not None and not self._is_busy:
            orders = self._told["orders"]
            self._said.text = (
                f"{orders:,} {'order' if orders == 1 else 'orders'} received on this day; counted "
                f"{age(time.time() - self._at)} ago, at {self._view.time(int(self._at) * 10**9)[:8]}. "
                "Not a certified filing."
            )

    async def _fetch(self, form: str) -> None:
        await fetch(self._view, "execution-quality", f"{self._day.value or ''}", form)

    def _show(self) -> None:
        told = self._told or {"rows": [], "slippage_bps": [], "notes": []}
        every = [row for row in told["rows"] if row["by"] == "all"]
        for name, text in scores(every):
            self._figures[name].text = text
        for chart, options in zip(self._charts, (slippage_bars(told["slippage_bps"]), wait_bars(every)), strict=True):
            chart.options.clear()
            chart.options.update(options)
            chart.update()
        rows = [row for row in told["rows"] if row["by"] == self._by.value]
        for name, shown in self._tables.items():
            show_rows(shown, table_rows(rows, name))
        self._notes.clear()
        with self._notes:
            for note in told["notes"]:
                with ui.element("li"):
                    ui.label(note)


def _exchanges(view: View) -> None:
    """What exchanges have been like up to now, as routing sees it."""
    with panel("Exchanges now", wide=True):
        ui.label(
            "Running averages that routing goes by, since the broker knows the exchange; times in microseconds, "
            "price improvement and markouts in the smallest price step."
        ).classes("soft")
        with _region("Exchanges"):
            shown = table(EXCHANGES, [], "key", "Exchanges now")
        empty = ui.label("No order has been sent to an exchange yet.").classes("soft")

    async def update() -> None:
        told = await view.ask("exchanges", 1.0)
        rows = [exchange_row(row) for row in told.get("exchanges", [])]
        show_rows(shown, rows)
        empty.set_visibility(not rows)

    view.every(2.0, update)


def _region(label: str) -> ui.element:
    """Where a wide table can be moved sideways, by keyboard too."""
    return ui.element("div").classes("quality-wide").props(f'tabindex=0 role=region aria-label="{label}, table"')
