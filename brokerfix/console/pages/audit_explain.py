"""The story of an order, a fill, an account or a day."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from nicegui import ui

from brokerfix.access.roles import Kind
from brokerfix.console.desk import Refused
from brokerfix.console.view import View, panel

ORDER = re.compile(r"(?<=[Oo]rder )(\d{8}-\d\d-\d+)")
ASKED = re.compile(r"[!-~ ]{1,64}")
MOST, MOST_FILLS = 300, 10


class Explain:
    """The panel."""

    def __init__(self, view: View, asked: str) -> None:
        self._view = view
        self._told: dict[str, Any] = {}
        with panel("Explain") as section:
            section.classes(replace="panel two-thirds")
            with ui.row().classes("audit-line"):
                self._field = ui.input("OrderID, ExecID, account or day", value=asked).props("dense outlined")
                self._field.on("keydown.enter", self._ask).classes("audit-long")
                self._go = ui.button("Explain", icon="menu_book", on_click=self._ask).props("dense outline no-caps")
                self._keep = ui.button("JSON", icon="download", on_click=self._download).props(
                    'dense flat no-caps aria-label="Download the story as JSON"'
                )
                self._keep.set_visibility(False)
            self._said = (
                ui.label("The story will be here, each sentence with the facts that it rests on.")
                .classes("soft")
                .props("role=status")
            )
            self._links = ui.row().classes("audit-line")
            self._story = ui.element("ol").classes("story audit-story").props('tabindex=0 aria-label="Story"')
        if asked:
            ui.timer(0.1, self._ask, once=True)

    async def _ask(self) -> None:
        what = f"{self._field.value or ''}".strip()
        if not ASKED.fullmatch(what) or what.startswith("-"):
            self._said.text = "Say what: 20261127-00-42, an account, or a day as 2026-11-27."
            return
        if not await self._view.reads(Kind.JOURNAL, f"explain {what}"):
            return
        self._go.disable()
        self._said.text = "Reading the journal …"
        try:
            self._told = await self._view.desk.tell("explain", what)
        except Refused as error:
            self._said.text, self._told = f"{error}", {}
        finally:
            self._go.enable()
        self._show(what)

    def _show(self, what: str) -> None:
        story = self._told.get("story", [])
        self._keep.set_visibility(bool(self._told))
        self._links.clear()
        self._story.clear()
        if not self._told:
            return
        kind = self._told["kind"]
        shown = f"; the first {MOST} are shown, JSON has all" if len(story) > MOST else ""
        self._said.text = f"{kind.capitalize()} {what}: {len(story)} sentences{shown}."
        with self._links:
            order = order_of(self._told)
            if order:
                ui.link(f"Order {order}", f"/orders/{order}")
            if kind in ("order", "exec"):
                ui.link(f"Prove {what}", f"/audit?prove={what}")
            for fill in self._told.get("fills", [])[:MOST_FILLS]:
                ui.link(f"Prove fill {fill['exec_id']}", f"/audit?prove={fill['exec_id']}")
        with self._story:
            for row in story[:MOST]:
                self._line(row)

    def _line(self, row: dict[str, Any]) -> None:
        at = nanoseconds(row["time"])
        with ui.element("li"):
            with ui.element("time"):
                self._view.moment(at)
            with ui.element("div"):
                if row["what happened"].startswith(" "):
                    # A line of a table; of its facts tells the sentence before it.
                    ui.label(row["what happened"]).classes("audit-columns")
                    return
                with ui.element("span"):
                    for number, part in enumerate(ORDER.split(row["what happened"])):
                        if number % 2:
                            ui.link(part, f"/orders/{part}")
                        else:
                            ui.label(part).classes("audit-part")
                who = f"{row['who']}; " if row["who"] else ""
                ui.label(f"{who}fact {', '.join(row['facts'])}").classes("soft audit-rests")

    def _download(self) -> None:
        ui.download.content(json.dumps(self._told, indent=1).encode(), "story.json", "application/json")


def order_of(told: dict[str, Any]) -> str:
    """The OrderID that a story is about, "" where it is about none."""
    number = (told.get("order") or told.get("exec") or {}).get("order_id") or ""
    return f"{number}" if told["kind"] in ("order", "exec") else ""


def nanoseconds(text: str) -> int:
    """A story's time, 2026-11-27 08:00:00.123 (UTC) -> ns."""
    moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


def build(view: View, asked: str) -> None:
    """The panel; what is `asked` for in the page's address is explained at once."""
    Explain(view, asked[:64])
