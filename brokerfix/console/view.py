"""One page in one browser: who looks at it, what they may do, and the frame around it."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from nicegui import ui
from nicegui.client import Client

from brokerfix.access.people import Person
from brokerfix.access.roles import Kind, may_read
from brokerfix.console.desk import Desk, Refused
from brokerfix.console.logins import Login
from brokerfix.operate.admin import Answer

log = logging.getLogger("brokerfix.console")

LEAST_SECONDS = 0.2
"""Between two updates of a page: five times a second."""

Update = Callable[[], Any] | Callable[[], Awaitable[Any]]


class Entry(NamedTuple):
    """A page in the navigation: its path, its title, its icon, and the key that leads to it after a `g`."""

    path: str
    title: str
    icon: str
    key: str


class View:
    """What a page is built with. It is of one browser window and ends with it."""

    def __init__(self, desk: Desk, login: Login, person: Person, name: str) -> None:
        self.desk = desk
        self.login = login
        self.person = person
        self.name = name
        self.client: Client = ui.context.client
        self._built_for = person.role
        self._chosen = desk.preferences(person.name)

    @property
    def state(self) -> Any:
        """The broker's state after the newest fact: only to be read, and anew in every update."""
        return self.desk.feed.state

    # Acting

    def may(self, action: str) -> bool:
        return self.desk.may(self.person, action)

    async def act(self, action: str, done: str = "", **request: Any) -> Answer | None:
        """Do something in the person's name and say that it is done, or why not. Returns None where it was not."""
        answer, why = await self.attempt(action, **request)
        if why:
            self.warn(why)
        elif done:
            self.say(done)
        return answer

    async def attempt(self, action: str, **request: Any) -> tuple[Answer | None, str]:
        """The same without a word: what the broker answers, or None and why it was not done."""
        return await self._done(lambda person: self.desk.act(person, action, **request))

    async def act_at_door(self, action: str, **request: Any) -> Answer | None:
        """Ask the cluster's agent to do something in the person's name, and say why it was not done. Returns None
        then."""
        answer, why = await self._done(lambda person: self.desk.act_at_door(person, action, **request))
        if why:
            self.warn(why)
        return answer

    async def _done(self, doing: Callable[[Person], Awaitable[Answer]]) -> tuple[Answer | None, str]:
        person = self._standing()
        if person is None:
            return None, "log in again"
        try:
            return await doing(person), ""
        except Refused as error:
            return None, f"{error}" or "the broker refuses it"

    async def ask(self, action: str, seconds: float = 0.5, **request: Any) -> Answer:
        """What the broker says to a question; {} where it does not answer, which the page's head says."""
        try:
            return await self.desk.ask(action, seconds, **request)
        except Refused:
            return {}

    async def ask_door(self, action: str, seconds: float = 0.5, **request: Any) -> Answer:
        """What the cluster's agent says to a question; {"silent": why} where it does not answer."""
        try:
            return await self.desk.ask_door(action, seconds, **request)
        except Refused as error:
            return {"silent": f"{error}"}

    def may_read(self, kind: Kind) -> bool:
        """Whether the person's role may read records of a kind."""
        return may_read(self.person.role, kind)

    async def reads(self, kind: Kind, what: str) -> bool:
        """Whether the person may read `what` of a kind of records; that he does is on record. Where not, it is said."""
        person = self._standing()
        if person is None:
            return False
        try:
            await self.desk.note_read(person, kind, what)
        except Refused as error:
            self.warn(f"{error}")
            return False
        return True

    async def tell(self, *words: str | Path) -> Any:
        """What a command of `brokerfix` prints as JSON, None where it fails, which is said."""
        try:
            return await self.desk.tell(*words)
        except Refused as error:
            self.warn(f"{error}")
            return None

    def _standing(self) -> Person | None:
        """The person as he is now; who is logged out goes to the login."""
        found = self.desk.logins.standing(self.login)
        if found is None:
            with self.client:
                ui.navigate.to("/login")
            return None
        self.desk.logins.use(self.login)
        self.person = found[1]
        return self.person

    def say(self, text: str) -> None:
        with self.client:
            ui.notify(text, type="positive", position="bottom-right")

    def warn(self, text: str) -> None:
        with self.client:
            ui.notify(text, type="negative", position="bottom-right", timeout=10_000, close_button="Close")

    async def confirm(self, title: str, text: str, button: str, word: str = "") -> bool:
        """Whether the person means it. With `word` he has to type it."""
        with self.client, ui.dialog() as dialog, ui.card().classes("dialog"):
            dialog.props(f'aria-label="{escape(title)}"')
            ui.label(title).classes("dialog-title")
            ui.label(text)
            typed = ui.input(f"Type {word}").classes("full-width").props("autofocus") if word else None
            with ui.row().classes("dialog-buttons"):
                ui.button("Cancel", on_click=lambda: dialog.submit(False)).props("flat")
                go = ui.button(button, on_click=lambda: dialog.submit(True), color="negative")
                if typed is not None:
                    go.bind_enabled_from(typed, "value", lambda value: value == word)
        answered = await dialog
        dialog.delete()
        return bool(answered)

    # Updating

    def every(self, seconds: float, update: Update) -> ui.timer:
        """Call it at once and every so many seconds, at most five times a second, as long as the browser is there and
        somebody is logged in. One that fails is logged, and goes on."""

        async def turn() -> None:
            if not self.client.has_socket_connection:
                return
            found = self.desk.logins.standing(self.login)
            if found is None or found[1].role is not self._built_for:
                # A page is for the role that it was built for: another one gets another page.
                with self.client:
                    ui.navigate.to("/login" if found is None else self.client.request.url.path)
                return
            try:
                updating = update()
                if inspect.isawaitable(updating):
                    await updating
            except Exception:
                log.exception("%s: an update failed", self.client.page.path)

        return ui.timer(max(seconds, LEAST_SECONDS), turn)

    # What the person has chosen

    def chosen(self, key: str, default: Any) -> Any:
        return self._chosen.get(key, default)

    def choose(self, key: str, value: Any) -> None:
        self._chosen[key] = value
        self.desk.prefer(self.person.name, {key: value})

    # How things are said

    def time(self, nanoseconds: int, date: bool = False) -> str:
        return self.desk.time(nanoseconds, date) if nanoseconds else ""

    def moment(self, nanoseconds: int, date: bool = False) -> ui.label:
        """A time in the desk's zone, with UTC at hand."""
        label = ui.label(self.time(nanoseconds, date)).classes("number")
        if nanoseconds:
            label.tooltip(self.desk.utc(nanoseconds))
        return label


@contextmanager
def panel(title: str, wide: bool = False) -> Iterator[ui.element]:
    """A part of a page with a heading. It is as wide as a column, or `wide` as the page."""
    with ui.element("section").classes("panel wide" if wide else "panel") as section:
        ui.label(title).props("role=heading aria-level=2").classes("panel-title")
        yield section


def table(columns: Sequence[tuple[str, str]], rows: Sequence[dict[str, Any]], key: str, label: str) -> ui.table:
    """A small table: (field, title) of each column; a field that begins with "#" is a number, to the right. `key` is
    the field that names a row. Change its `rows` and call `update()`, see `show_rows`."""
    made = ui.table(
        columns=[
            {
                "name": field.lstrip("#"), "label": title, "field": field.lstrip("#"), "sortable": True,
                "align": "right" if field.startswith("#") else "left",
            }
            for field, title in columns
        ],
        rows=list(rows),
        row_key=key,
    )  # fmt: skip
    return made.props(
        f'dense flat hide-pagination hide-no-data :rows-per-page-options="[0]" aria-label="{escape(label)}"'
    ).classes("plain-table")


def show_rows(made: ui.table, rows: Sequence[dict[str, Any]]) -> None:
    """Show other rows, where they are others."""
    if list(made.rows) != list(rows):
        made.rows = list(rows)


def pill(text: str, kind: str = "") -> ui.label:
    """A word in a coloured field: `kind` is good, warn, bad or "" (neither)."""
    return ui.label(text).classes(f"pill {kind}")
