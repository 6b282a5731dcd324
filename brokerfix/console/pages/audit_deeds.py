"""Who did what."""

from nicegui import ui

from brokerfix.console.view import View, panel, show_rows, table
from brokerfix.domain import id_text

MOST = 200


def build(view: View) -> None:
    """The panel: the newest first, by person, action and text."""
    deeds = view.desk.deeds
    with panel("Who did what") as section:
        section.classes(replace="panel two-thirds")
        with ui.row().classes("audit-line"):
            who = ui.select({"": "everybody"}, value="", label="Person").props("dense outlined")
            what = ui.select({"": "everything"}, value="", label="Action").props("dense outlined")
            text = ui.input("Text or fact").props("dense outlined clearable")
            said = ui.label("").classes("soft")
        with ui.element("div").classes("audit-tall").props('tabindex=0 role=region aria-label="What people did"'):
            rows = table(
                (("time", "Time"), ("who", "Person"), ("what", "Action"), ("text", "What"), ("fact", "Fact")),
                [], "fact", "Who did what",
            )  # fmt: skip
        empty = ui.label("What people do at the operators' door and in the console will be here.").classes("soft")
    shown = (-1, "", "", "")

    def update() -> None:
        nonlocal shown
        asked = deeds.version, f"{who.value or ''}", f"{what.value or ''}", f"{text.value or ''}"
        if asked == shown:
            return
        shown = asked
        for select, names, every in ((who, deeds.people, "everybody"), (what, deeds.actions, "everything")):
            options = {"": every} | {name: f"{name} ({many})" for name, many in sorted(names.items())}
            if select.options != options:
                select.set_options(options)
        found = deeds.found(*asked[1:], most=MOST)
        show_rows(
            rows,
            [
                {
                    "fact": id_text(deed.fact),
                    "time": view.time(deed.at, date=True),
                    "who": deed.who,
                    "what": f"{deed.what} (refused)" if deed.is_refused else deed.what,
                    "text": deed.text,
                }
                for deed in found
            ],
        )
        empty.set_visibility(not deeds.rows)
        more = f", the newest {MOST} are shown" if len(found) == MOST else ""
        said.text = f"{len(deeds.rows):,} since this trading day began{more}"

    for element in (who, what, text):
        element.on_value_change(update)
    view.every(0.5, update)
