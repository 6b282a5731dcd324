"""The page "Clients": their sessions and budgets, rules of engagement, certifications, and API keys."""

import asyncio
from functools import partial
from typing import Any

from nicegui import ui

from brokerfix.console.certified import certified
from brokerfix.console.pages.clients_keys import Keys
from brokerfix.console.pages.clients_told import BUDGETS, CLIENTS, budget_rows, client_rows
from brokerfix.console.view import View, panel, show_rows, table

Row = dict[str, Any]


def build(view: View) -> None:
    """The page."""
    Sessions(view)
    Keys(view)
    _certifications(view)


class Sessions:
    """The clients as they are, and one of them with its budgets and what may be done."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._rows: list[Row] = []
        with panel("Clients", wide=True):
            self._said = ui.label("").classes("soft").props("role=status")
            with ui.element("div").classes("clients-tall").props('tabindex=0 role=region aria-label="Clients"'):
                self._table = table(CLIENTS, [], "name", "Clients")
        with panel("One client"):
            with ui.row().classes("clients-line"):
                names = list(view.desk.config.clients)
                self._name = ui.select(names, value=names[0] if names else None, label="Client").props("dense outlined")
                for text, action, what in (
                    ("Disconnect", "disconnect", "logged out; it may log on again at once"),
                    ("Reset numbers", "reset", "logged out; its sequence numbers begin anew"),
                ):
                    button = ui.button(text, on_click=partial(self._act, text, action, what)).props(
                        "dense outline no-caps"
                    )
                    button.set_visibility(view.may(action))
            self._terms = ui.label("")
            with ui.row().classes("clients-line"):
                ui.label("Rules of engagement:")
                for form, text in (("html", "HTML"), ("md", "Markdown")):
                    ui.button(text, icon="download", on_click=partial(self._rules, form)).props(
                        f'dense flat no-caps aria-label="Rules of engagement as {text}"'
                    )
                ui.link("Limits and exposure", "/risk")
        with panel("Budgets of this client"):
            self._budgets_said = ui.label("").classes("soft")
            self._budgets = table(BUDGETS, [], "name", "Budgets")
        view.every(1.0, self._update)

    async def _update(self) -> None:
        view = self._view
        told = await view.ask("sessions", 1.0)
        gateway = await view.desk.gateway.sessions()
        config, state = view.desk.config, view.state
        self._rows = client_rows(told.get("sessions", []), gateway, config, state)
        show_rows(self._table, self._rows)
        up = sum(row["state"] == "up" for row in self._rows)
        asks = config.gateway is not None and config.gateway.operation_port
        where = "" if asks else "; [gateway] operation_port tells addresses, certificates and budgets"
        self._said.text = f"{len(self._rows)} clients, {up} logged on{where}."
        names = [row["name"] for row in self._rows]
        if names and list(self._name.options) != names:
            self._name.set_options(names, value=self._name.value if self._name.value in names else names[0])
        self._one(gateway)

    def _one(self, gateway: dict[str, Row]) -> None:
        name, config = f"{self._name.value or ''}", self._view.desk.config
        section = config.clients.get(name)
        if section is None:
            return
        self._terms.text = (
            f"{section.fix}; accounts {', '.join(section.accounts) or 'none'}; password "
            f"{'yes' if section.password_hash else 'no'}; pinned certificates {len(section.certificates)}."
        )
        used = gateway.get(name, {}).get("budgets", {})
        met = gateway.get(name)
        if met is not None:
            self._terms.text += f" It leaves {met['unread_bytes']:,} bytes unread; its certificate: " + (
                met["certificate"] or "none"
            )
        show_rows(self._budgets, budget_rows(config.budgets(name), used))
        self._budgets_said.text = (
            "Messages a second and at once; what is left now."
            if used
            else "Messages a second and at once; what is left is known while the client is logged on."
        )

    async def _act(self, text: str, action: str, what: str) -> None:
        name = f"{self._name.value or ''}"
        question = f"{name} is {what}."
        if await self._view.confirm(f"{text}: {name}", question, text, word=name if action == "reset" else ""):
            await self._view.act(action, done=question, name=name)

    def _rules(self, form: str) -> None:
        ui.download.from_url(f"/data/rules/{self._name.value}?form={form}")


def _certifications(view: View) -> None:
    """What `certify` has found."""
    config = view.desk.config
    assert config.console is not None
    folder = config.console.certification_folder(config.path, config.data)
    with panel("Certifications", wide=True):
        rows = table(
            (
                ("client", "Client"), ("fix", "FIX"), ("time", "When"), ("verdict", "Verdict"), ("#steps", "Steps"),
                ("failed", "What failed"),
            ),
            [], "file", "Certifications",
        )  # fmt: skip
        empty = ui.label(
            f"There is no report. brokerfix certify --client CLIENT --report {folder}/CLIENT leads a client through a "
            "scripted session, and writes one."
        ).classes("soft")

    async def update() -> None:
        try:
            found = await asyncio.to_thread(certified, folder)
        except OSError:
            found = []
        show_rows(
            rows,
            [
                {
                    "file": one.file, "client": one.client, "fix": one.fix, "time": view.time(one.at, date=True)[:19],
                    "verdict": "passed" if one.passed else "NOT passed", "steps": f"{one.ok} of {one.steps}",
                    "failed": one.failed,
                }
                for one in found
            ],
        )  # fmt: skip
        empty.set_visibility(not found)
        rows.set_visibility(bool(found))

    view.every(5.0, update)
