"""Search over the facts of a day."""

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from brokerfix.access.roles import Kind
from brokerfix.console.desk import Refused
from brokerfix.console.view import View, panel
from brokerfix.projections.events.form import TOLD
from brokerfix.projections.events.values import moment_of

PAGE = 50


class Search:
    """The panel. Nothing is shown but what was asked for, a page at a time."""

    def __init__(self, view: View, day: str) -> None:
        self._view = view
        self._after: list[str] = [""]
        self._words: list[str] = []
        self._last = ""
        with panel("Search the facts", wide=True):
            with ui.row().classes("audit-line"):
                self._day = ui.input("Trading day", value=day).props("type=date dense outlined")
                self._kind = (
                    ui.select(["", *sorted(TOLD)], value="", label="Kind", with_input=True)
                    .props("dense outlined options-dense")
                    .classes("audit-kind")
                )
                self._account = ui.input("Account").props("dense outlined").classes("audit-short")
                self._order = ui.input("OrderID or ClOrdID").props("dense outlined").classes("audit-order")
                self._text = ui.input("Text").props("dense outlined").classes("audit-short")
                self._since, self._until = (
                    ui.input(name).props("dense outlined type=time step=1 stack-label").classes("audit-time")
                    for name in ("From", "Until")
                )
                self._go = ui.button("Search", icon="search", on_click=self._begin).props("dense outline no-caps")
            for field in (self._account, self._order, self._text):
                field.on("keydown.enter", self._begin)
            self._said = (
                ui.label(f"Facts will be here, each in words and as JSON. Times are of {view.desk.section.zone}.")
                .classes("soft")
                .props("role=status")
            )
            self._list = ui.element("ol").classes("audit-facts").props('tabindex=0 aria-label="Facts found"')
            with ui.row().classes("audit-line"):
                self._back = ui.button("Earlier", on_click=partial(self._turn, -1)).props("dense flat no-caps")
                self._on = ui.button("Later", on_click=partial(self._turn, 1)).props("dense flat no-caps")
        self._more = False
        self._buttons()

    def _buttons(self) -> None:
        self._back.set_visibility(len(self._after) > 1)
        self._on.set_visibility(self._more)

    async def _begin(self) -> None:
        """A new question."""
        day = f"{self._day.value or ''}"
        words = ["search", f"--day={day}"]
        for name, field in (
            ("--kind", self._kind), ("--account", self._account), ("--order", self._order), ("--text", self._text),
        ):  # fmt: skip
            value = f"{field.value or ''}".strip()
            if value:
                words.append(f"{name}={value}")
        for name, field in (("--from", self._since), ("--until", self._until)):
            if field.value:
                try:
                    words.append(f"{name}={utc_of(day, f'{field.value}', self._view.desk.zone)}")
                except ValueError:
                    self._said.text = "A time is like 08:30:00, a day like 2026-11-27."
                    return
        if not await self._view.reads(Kind.JOURNAL, " ".join(words)):
            return
        self._words, self._after = [*words, f"--limit={PAGE}"], [""]
        await self._look()

    async def _turn(self, by: int) -> None:
        if by < 0:
            self._after.pop()
        else:
            self._after.append(self._last)
        await self._look()

    async def _look(self) -> None:
        self._go.disable()
        self._said.text = "Reading the journal …"
        words = [*self._words, *([f"--after={self._after[-1]}"] if self._after[-1] else [])]
        try:
            told = await self._view.desk.tell(*words)
        except Refused as error:
            self._said.text = f"{error}"
            return
        finally:
            self._go.enable()
        rows, self._more = told["facts"], bool(told["more"])
        self._last = rows[-1]["id"] if rows else ""
        many = "No fact" if not rows else "1 fact" if len(rows) == 1 else f"{len(rows)} facts"
        page = f", page {len(self._after)}" if len(self._after) > 1 or self._more else ""
        self._said.text = f"{many}{page}; {told['looked']:,} looked at."
        self._list.clear()
        with self._list:
            for row in rows:
                self._row(row)
        self._buttons()

    def _row(self, row: dict[str, Any]) -> None:
        with ui.element("li"):
            self._view.moment(moment_of(row["at"]))
            ui.label(row["id"]).classes("audit-id")
            ui.label(row.pop("words")).classes("audit-words")
            button = ui.button("JSON").props(f'flat dense no-caps size=sm aria-label="JSON of {row["id"]}"')
            raw = ui.label("").classes("audit-raw")
            raw.set_visibility(False)

            def turn() -> None:
                raw.text = json.dumps(row, indent=1, ensure_ascii=False)
                raw.set_visibility(not raw.visible)

            button.on_click(turn)


def utc_of(day: str, clock: str, zone: ZoneInfo) -> str:
    """A time of a day in a zone -> UTC as `search` takes it. Raises ValueError."""
    return f"{datetime.fromisoformat(f'{day}T{clock}').replace(tzinfo=zone).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def build(view: View, day: str) -> None:
    """The panel; `day` is proposed."""
    Search(view, day)
