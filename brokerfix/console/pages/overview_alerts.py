"""The day's alerts on the overview, and who has acknowledged them."""

from functools import partial

from nicegui import ui

from brokerfix.console.activity import Seen
from brokerfix.console.view import View, panel, pill
from brokerfix.domain import id_text

MOST_SHOWN = 30
MOST_ALL = 200


class Alerts:
    """The newest first; those that nobody has acknowledged alone, or all."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._shown: object = None
        self._may = view.may("acknowledge")
        with panel("Alerts") as part:
            part.classes("two-thirds").props('id="alerts"')
            with ui.element("div").classes("overview-bar"):
                self._count = ui.label("").classes("soft")
                self._all = ui.checkbox("Show acknowledged ones too", on_change=lambda: self.show())
                self._all.props("dense")
                self._every = ui.button("Acknowledge all shown", on_click=self._acknowledge_all, color=None).props(
                    "flat dense no-caps"
                )
            self._list = ui.element("div").classes("overview-alerts").props('role=list aria-label="Alerts"')

    def show(self) -> None:
        seen = self._view.desk.activity.alerts
        wanted = [one for one in reversed(seen.values()) if self._all.value or not one.by]
        most = MOST_ALL if self._all.value else MOST_SHOWN
        kept = self._view.state.alerts
        oldest = kept[0].id if kept else 0
        shown = ([(one.alert.id, one.by) for one in wanted[:most]], oldest, len(wanted))
        if shown == self._shown:
            return
        self._shown = shown
        open_ones = sum(not one.by for one in seen.values())
        self._count.text = f"{len(seen):,} today, {open_ones:,} not acknowledged"
        self._every.set_visibility(self._may and any(not one.by and one.alert.id >= oldest for one in wanted[:most]))
        self._list.clear()
        with self._list:
            for one in wanted[:most]:
                self._row(one, oldest)
            if len(wanted) > most:
                ui.label(f"and {len(wanted) - most:,} older ones").classes("soft").props("role=listitem")
            if not wanted:
                empty = ui.label("Alerts of the day stand here until somebody acknowledges them.")
                empty.classes("soft").props("role=listitem")

    def _row(self, one: Seen, oldest: int) -> None:
        alert = one.alert
        with ui.element("div").classes("overview-alert").props("role=listitem"):
            self._view.moment(alert.at)
            pill(alert.code, "" if one.by else "bad")
            ui.label(alert.source).classes("overview-source")
            with ui.element("div").classes("overview-text"):
                ui.label(alert.text)
                if alert.raw:
                    with ui.element("details"):
                        with ui.element("summary"):
                            ui.label("the message").classes("soft")
                        ui.label(alert.raw.replace("\x01", "|")).classes("overview-raw")
            if one.by:
                ui.label(f"✓ {one.by}, {self._view.time(one.at)[:8]}").classes("soft overview-by")
            elif alert.id < oldest:
                ui.label("too old to acknowledge").classes("soft overview-by")
            elif self._may:
                button = ui.button("Acknowledge", on_click=partial(self._acknowledge, alert.id), color=None)
                button.props(f'outline dense no-caps aria-label="Acknowledge {id_text(alert.id)}"').classes(
                    "overview-by"
                )

    async def _acknowledge(self, number: int) -> None:
        await self._view.act("acknowledge", done="Acknowledged", alert=id_text(number))

    async def _acknowledge_all(self) -> None:
        seen, kept = self._view.desk.activity.alerts, self._view.state.alerts
        oldest = kept[0].id if kept else 0
        wanted = [number for number, one in reversed(seen.items()) if not one.by and number >= oldest][:MOST_SHOWN]
        text = f"Your name will stand with {len(wanted)} alerts: you have seen them, and see to them."
        if not await self._view.confirm("Acknowledge them all?", text, "Acknowledge"):
            return
        for number in wanted:
            if await self._view.act("acknowledge", alert=id_text(number)) is None:
                return
        self._view.say(f"{len(wanted)} alerts acknowledged")
