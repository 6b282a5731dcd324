"""API keys: made and revoked while all runs. A new one is made here, shown once, and kept nowhere."""

from typing import Any

from nicegui import ui

from brokerfix.console.pages.clients_told import as_settings, key_rows
from brokerfix.console.view import View, panel, show_rows, table
from brokerfix.doors.desk import hash_of, make_key
from brokerfix.settings.base import COMP_ID

ADD, REVOKE = "add-api-key", "revoke-api-key"
SCOPES = {"read": "read", "trade": "trade", "market": "market data"}


class Keys:
    """The panel."""

    def __init__(self, view: View) -> None:
        self._view = view
        with panel("API keys", wide=True):
            ui.label(
                "For the HTTP door and its WebSocket, and for queues. The broker keeps hashes alone; what a key's "
                "client may ask for, all its keys share."
            ).classes("soft")
            self._table = table(
                (
                    ("name", "Key"), ("client", "Client"), ("scopes", "May"), ("accounts", "Accounts"),
                    ("door", "Door"), ("made", "Made in"), ("state", "State"),
                ),
                [], "key", "API keys",
            )  # fmt: skip
            self._empty = ui.label("There is no API key.").classes("soft")
            with ui.row().classes("clients-line"):
                self._make = ui.button("Make a key", icon="key", on_click=self._new).props("dense outline no-caps")
                self._which = ui.select([], label="Key").props("dense outlined")
                self._revoke_button = (
                    ui.button("Revoke", icon="key_off", on_click=self._revoke)
                    .props("dense outline no-caps")
                    .classes("clients-revoke")
                )
            self._make.set_visibility(view.may(ADD))
            self._which.set_visibility(view.may(REVOKE))
            self._revoke_button.set_visibility(view.may(REVOKE))
        view.every(1.0, self._update)

    async def _update(self) -> None:
        told = await self._view.ask("api-keys", 1.0)
        keys: list[dict[str, Any]] = told.get("keys", [])
        show_rows(self._table, key_rows(keys))
        self._empty.set_visibility(not keys)
        self._table.set_visibility(bool(keys))
        names = [one["name"] for one in keys if not one["revoked"]]
        if list(self._which.options) != names:
            self._which.set_options(names, value=self._which.value if self._which.value in names else None)

    async def _new(self) -> None:
        """Ask for the terms, have the broker take it, and show it."""
        view = self._view
        clients = list(view.desk.config.clients)
        with view.client, ui.dialog() as dialog, ui.card().classes("dialog"):
            dialog.props('aria-label="Make an API key"')
            ui.label("Make an API key").classes("dialog-title")
            name = ui.input("Name").props("dense outlined autofocus maxlength=32").classes("full-width")
            client = ui.select(clients, label="Client").props("dense outlined").classes("full-width")
            scopes = ui.select(SCOPES, value=["read"], multiple=True, label="May").props("dense outlined")
            scopes.classes("full-width")
            accounts = ui.select([], value=[], multiple=True, label="Accounts (none: all of the client)").props(
                "dense outlined"
            )
            accounts.classes("full-width")
            client.on_value_change(
                lambda: accounts.set_options(list(view.desk.config.clients[client.value].accounts), value=[])
            )
            with ui.row().classes("dialog-buttons"):
                ui.button("Cancel", on_click=lambda: dialog.submit(False)).props("flat")
                ui.button("Make", on_click=lambda: dialog.submit(True)).props("outline")
        is_meant = await dialog
        dialog.delete()
        if not is_meant:
            return
        called = f"{name.value or ''}".strip()
        if not COMP_ID.fullmatch(called) or not client.value:
            view.warn("a key has a name of 1 to 32 letters, digits, dots, dashes, underlines, and a client")
            return
        made = make_key(called)
        settings = as_settings(hash_of(made), client.value, list(scopes.value), list(accounts.value))
        if await view.act(ADD, name=called, settings=settings) is not None:
            await self._once(called, made)

    async def _once(self, name: str, made: str) -> None:
        """The only time that it is seen."""
        with self._view.client, ui.dialog().props("persistent") as dialog, ui.card().classes("dialog"):
            dialog.props('aria-label="The new API key"')
            ui.label(f"The key {name}").classes("dialog-title")
            ui.label(made).classes("clients-key").props('aria-label="API key"')
            ui.label("It is shown this once: copy it now. The HTTP door takes it from now on.")
            with ui.row().classes("dialog-buttons"):
                ui.button("I have it", on_click=lambda: dialog.submit(True)).props("outline")
        await dialog
        dialog.delete()

    async def _revoke(self) -> None:
        view, name = self._view, f"{self._which.value or ''}"
        if not name:
            view.warn("choose a key")
            return
        told = "It counts no more from then on, for good; what it has open ends."
        if await view.confirm(f"Revoke the key {name}", told, "Revoke"):
            await view.act(REVOKE, done=f"{name}: revoked", name=name)
