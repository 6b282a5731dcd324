"""How long records are kept, and what holds them."""

import json
from typing import Any

from nicegui import ui

from brokerfix.console.desk import Refused
from brokerfix.console.view import View, panel, table


def build(view: View) -> None:
    """The panel. Personal data are not shown here."""
    records = view.desk.config.records
    with panel("Records: retention and holds"):
        for what, days in (("The journal", records.journal_days), ("The market history", records.history_days)):
            ui.label(f"{what} is kept {f'{days:,} days' if days else 'for ever'}.")
        for one in records.outputs.values():
            ui.label(f"{one.files} is kept {one.days:,} days.")
        rows = [
            {
                "name": name,
                "covers": ", ".join((*hold.clients, *hold.accounts)) or "everything",
                "days": f"{hold.first or 'the beginning'} to {hold.last or 'today'}",
                "reason": hold.reason,
                "by": f"{hold.by}, {hold.since}",
            }
            for name, hold in records.holds.items()
        ]
        if rows:
            columns = ("name", "Hold"), ("covers", "Covers"), ("days", "Days"), ("reason", "Reason"), ("by", "By")
            table(columns, rows, "name", "Legal holds")
        else:
            ui.label("There is no legal hold ([records.holds]).").classes("soft")
        said = ui.element("div").classes("soft").props("role=status")

        async def look() -> None:
            go.disable()
            try:
                told = await view.desk.told.ask("retention", f"{view.desk.config.path}", "--json", seconds=60.0)
                lines = list(due_lines(told.output))
            except Refused as error:
                lines = [f"{error}"]
            go.enable()
            said.clear()
            with said:
                for line in lines:
                    ui.label(line)

        go = ui.button("What is due", icon="event_busy", on_click=look).props("dense flat no-caps")


def due_lines(output: bytes) -> list[str]:
    """What `retention --json` says, a line each."""
    items: list[dict[str, Any]] = json.loads(output)["items"]
    if not items:
        return ["Nothing is older than it is to be kept."]
    return [
        f"{one['what']} {one['name']} ({one['size']:,} bytes, {one['day']}): "
        + (f"stays: {one['why']}" if one["why"] else "may go (brokerfix retention --delete)")
        for one in items
    ]
