"""Alerts about clients' conduct, with their evidence and what people made of them."""

import re
from typing import Any

from nicegui import ui

from brokerfix.access.roles import Kind
from brokerfix.console.desk import Refused
from brokerfix.console.view import View, panel, pill

DISPOSE = "dispose-alert"
STATUSES = {
    "reviewing": "Reviewing", "closed-no-issue": "Closed, no issue", "escalated": "Escalated", "reported": "Reported",
}  # fmt: skip
KINDS = {"open": "bad", "reviewing": "warn", "escalated": "warn", "closed-no-issue": "good", "reported": "good"}
ALERT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
MOST = 100


class Surveillance:
    """The panel."""

    def __init__(self, view: View) -> None:
        self._view = view
        with panel("Surveillance", wide=True):
            with ui.row().classes("audit-line"):
                self._only_open = ui.switch("Only what is left to be done", value=True, on_change=self._look)
                self._go = ui.button("Look", icon="search", on_click=self._look).props("dense flat no-caps")
            self._said = (
                ui.label("Alerts of the rules in [surveillance] will be here.").classes("soft").props("role=status")
            )
            self._list = ui.element("div").classes("audit-alerts")
        ui.timer(0.2, self._look, once=True)

    async def _look(self) -> None:
        view = self._view
        if not await view.reads(Kind.SURVEILLANCE, "alerts"):
            return
        self._go.disable()
        try:
            found = await view.desk.tell("surveillance", *(["--open"] if self._only_open.value else []))
        except Refused as error:
            self._said.text = f"{error}"
            return
        finally:
            self._go.enable()
        left = "" if not self._only_open.value else " about which something is left to be done"
        self._said.text = f"{len(found)} {'alert' if len(found) == 1 else 'alerts'}{left}." + (
            f" The newest {MOST} are shown." if len(found) > MOST else ""
        )
        self._list.clear()
        with self._list:
            for one in reversed(found[-MOST:]):
                self._alert(one)

    def _alert(self, one: dict[str, Any]) -> None:
        with ui.element("article").classes("audit-alert"):
            with ui.row().classes("audit-line"):
                pill(one["status"], KINDS.get(one["status"], ""))
                ui.label(f"{one['severity']}, score {one['score']}").classes("audit-severity")
                ui.label(f"{one['rule']}: {', '.join(one['accounts'])} {one['symbol']}")
                ui.label(f"{one['alert']}").classes("audit-id")
                evidence = ui.button("Evidence").props(f'flat dense no-caps aria-label="Evidence of {name_of(one)}"')
                if self._view.may(DISPOSE):
                    ui.button("Dispose", on_click=lambda: self._dispose(one)).props(
                        f'flat dense no-caps aria-label="Dispose of {name_of(one)}"'
                    )
            for sentence in one["sentences"]:
                ui.label(sentence)
            if one["by"]:
                ui.label(f"{one['status']}, by {one['by']}: {one['why']}").classes("soft")
            shown = ui.element("ol").classes("story")
            evidence.on_click(lambda: self._evidence(one, shown))

    async def _evidence(self, one: dict[str, Any], shown: ui.element) -> None:
        if not ALERT.fullmatch(one["alert"]):
            return
        if not await self._view.reads(Kind.SURVEILLANCE, f"alert {one['alert']}"):
            return
        told = await self._view.tell("surveillance", "show", one["alert"])
        shown.clear()
        with shown:
            for fact in (told or {"facts": []})["facts"]:
                with ui.element("li"):
                    with ui.element("time"):
                        ui.label(f"{fact['time']}")
                    ui.label(f"{fact['what happened']} (fact {fact['fact']})")

    async def _dispose(self, one: dict[str, Any]) -> None:
        """How it stands from now on, in the person's name."""
        with self._view.client, ui.dialog() as dialog, ui.card().classes("dialog"):
            dialog.props('aria-label="Dispose of an alert"')
            ui.label(f"{one['rule']}: {', '.join(one['accounts'])} {one['symbol']}").classes("dialog-title")
            status = ui.select(STATUSES, value="reviewing", label="It is").props("dense outlined")
            text = ui.input("Why, for the record").props("dense outlined maxlength=200").classes("full-width")
            with ui.row().classes("dialog-buttons"):
                ui.button("Cancel", on_click=lambda: dialog.submit(False)).props("flat")
                ui.button("Put on record", on_click=lambda: dialog.submit(True)).props("outline")
        is_meant = await dialog
        dialog.delete()
        if is_meant:
            terms = {"alert": one["alert"], "status": f"{status.value}", "text": f"{text.value or ''}"}
            if await self._view.act(DISPOSE, done=f"{one['alert']}: {status.value}", **terms) is not None:
                await self._look()


def name_of(one: dict[str, Any]) -> str:
    """An alert's name for an attribute."""
    return re.sub(r"[^A-Za-z0-9._ :-]", "", f"{one['alert']}")
