"""Reports of a day to download."""

from functools import partial

from nicegui import ui

from brokerfix.access.roles import Kind
from brokerfix.console.desk import Refused
from brokerfix.console.reports import REPORTS, is_known
from brokerfix.console.view import View, panel


async def fetch(view: View, name: str, day: str, form: str) -> None:
    """Have the browser download a report, once it is made; why it can't be is said. The route that it fetches it by
    looks at the role again."""
    if not is_known(name, day, form):
        view.warn("a report is of a day, as 2026-11-27")
        return
    if not view.may_read(Kind.REPORTS):
        view.warn(f"the role {view.person.role.value} may not read reports")
        return
    try:
        await view.desk.reports.get(name, day, form)
    except Refused as error:
        view.warn(f"{error}")
        return
    with view.client:
        ui.download.from_url(f"/data/reports/{name}?day={day}" + (f"&form={form}" if form else ""))


def build(view: View, day: str) -> None:
    """The panel; `day` is proposed."""
    with panel("Reports to download"):
        ui.label("Made of the journal's facts. None of these files is a certified filing.").classes("soft")
        chosen = ui.input("Trading day", value=day).props("type=date dense outlined")
        for name, report in REPORTS.items():
            with ui.row().classes("audit-line"):
                ui.label(report.title).classes("audit-report")
                for form in report.forms or ("",):
                    text = form.upper() or "ZIP"
                    ui.button(text, icon="download", on_click=partial(_fetch, view, chosen, name, form)).props(
                        f'dense flat no-caps size=sm aria-label="{report.title} as {text}"'
                    )


async def _fetch(view: View, chosen: ui.input, name: str, form: str) -> None:
    await fetch(view, name, f"{chosen.value or ''}", form)
