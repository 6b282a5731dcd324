"""The frame around every page: navigation, how the broker is, alerts, the person, keyboard shortcuts."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from fastapi import Request
from nicegui import events, ui

from brokerfix.console.desk import Desk, Refused
from brokerfix.console.view import Entry, View
from brokerfix.settings.sections import Config

STATIC = Path(__file__).parent / "static"
ICON = (STATIC / "icon.svg").read_text()
"""In the page itself: NiceGUI would have it asked for below the page's own path."""

Build = Callable[[View], Awaitable[None] | None]

PAGES = (
    Entry("/", "Overview", "dashboard", "v"),
    Entry("/orders", "Orders", "list_alt", "o"),
    Entry("/market", "Market", "candlestick_chart", "m"),
    Entry("/risk", "Positions and risk", "shield", "r"),
    Entry("/making", "Making", "balance", "k"),
    Entry("/quality", "Execution quality", "speed", "q"),
    Entry("/audit", "Audit", "fact_check", "a"),
    Entry("/clients", "Clients", "groups", "c"),
)
SHARDS = Entry("/shards", "Shards", "hub", "s")


def pages_of(config: Config) -> tuple[Entry, ...]:
    """The pages of a broker's console: one of several shards has one more."""
    return (*PAGES, SHARDS) if config.is_shard else PAGES


def framed(desk: Desk, path: str, title: str, build: Build) -> None:
    """Have a page at `path`, in the frame. One of the name of its path has a style sheet of its own."""
    name = path.strip("/").partition("/")[0] or "overview"

    @ui.page(path, title=f"{title}: {desk.config.broker.name}", favicon=ICON, response_timeout=20)
    async def page(request: Request) -> None:
        view = View(desk, request.scope["login"], request.scope["person"], name)
        Frame(view, title)
        with ui.element("main").classes("page").props('id="main"'):
            built = build(view)
            if built is not None:
                await built


class Frame:
    """The head and the navigation of a page."""

    def __init__(self, view: View, title: str) -> None:
        self._view = view
        self._pages = pages_of(view.desk.config)
        self._leader = False
        for sheet in ("console", view.name):
            if (STATIC / f"{sheet}.css").exists():
                ui.add_head_html(f'<link rel="stylesheet" href="/static/{sheet}.css">')
        self._dark = ui.dark_mode(view.chosen("dark", None))
        self._navigation()
        with ui.header(elevated=False).classes("head"):
            ui.button(icon="menu", on_click=self._drawer.toggle).props(
                "flat dense round color=white aria-label=Navigation"
            ).classes("only-narrow")
            ui.label(view.desk.config.broker.name).classes("desk-name")
            if view.desk.config.is_shard:
                shard = ui.link(f"shard {view.desk.config.broker.shard}", SHARDS.path).classes("pill shard")
                shard.tooltip("All pages but Shards show this shard alone")
            ui.label(title).props("role=heading aria-level=1").classes("page-title")
            ui.space()
            self._state = ui.label("").classes("pill").props('role=status aria-label="State of the broker"')
            self._halts = ui.label("").classes("pill bad")
            for label in (self._state, self._halts):
                label.classes("hidden")
            with ui.link(target="/#alerts").classes("alerts-link").props('aria-label="Alerts"'):
                ui.icon("notifications")
                self._alerts = ui.label("")
            self._clock = ui.label("").classes("number clock")
            self._utc = ui.tooltip("")
            self._utc.move(self._clock)
            ui.button(icon="contrast", on_click=self._turn).props(
                'flat dense round color=white aria-label="Dark or light"'
            )
            self._menu()
        ui.keyboard(on_key=self._key)
        view.every(1.0, self._update)

    def _navigation(self) -> None:
        with (
            ui.left_drawer(value=True, fixed=True, bordered=True).props(
                'width=224 breakpoint=900 aria-label="Pages"'
            ) as drawer,
            ui.element("nav").props('aria-label="Pages"'),
        ):
            here = self._view.client.page.path.partition("/{")[0]
            for entry in self._pages:
                active = " active" if entry.path == here else ""
                with ui.link(target=entry.path).classes(f"nav{active}") as link:
                    ui.icon(entry.icon)
                    ui.label(entry.title)
                    ui.label(f"g {entry.key}").classes("key")
                if active:
                    link.props("aria-current=page")
        # As wide as the window says. Made so, NiceGUI would ask the browser by a script, and complain of a slow one.
        drawer.value = None
        self._drawer = drawer

    def _menu(self) -> None:
        person, login = self._view.person, self._view.login
        with ui.button(icon="account_circle").props(f'flat dense no-caps color=white aria-label="{person.name}"'):
            ui.label(person.name).classes("only-wide person")
            with ui.menu(), ui.element("div").classes("menu"):
                ui.label(f"{person.name}, {person.role.value}").classes("menu-title")
                ui.label(f"from {login.address}")
                ui.button("Keyboard shortcuts", on_click=self._help).props("flat dense no-caps")
                with ui.element("form").props("method=post action=/logout"):
                    ui.element("input").props(f"type=hidden name=csrf value={login.csrf}")
                    ui.button("Log out").props("flat dense no-caps type=submit")

    def _turn(self) -> None:
        self._dark.value = not (self._dark.value if self._dark.value is not None else False)
        self._view.choose("dark", self._dark.value)

    async def _update(self) -> None:
        view, feed = self._view, self._view.desk.feed
        if view.desk.logins.standing(view.login) is None:
            ui.navigate.to("/login")
            return
        now = time.time_ns()
        self._clock.text = view.time(now)[:8]
        self._utc.text = f"{view.desk.section.zone}; {view.desk.utc(now)}"
        try:
            told = await view.desk.ask("status", 1.0)
            text, kind = f"day {told['day']}", "good"
        except Refused as error:
            text, kind = f"{error}", "bad"
        if feed.trouble or feed.behind_seconds() > 5 or not feed.is_ready:
            text, kind = feed.trouble or "reading the journal", "warn"
        self._show(self._state, text, kind)
        self._alerts.text = f"{len(feed.open_alerts)}"
        halts = [f"{kind} {name}".strip() for kind, name in feed.state.halts]
        self._show(
            self._halts, f"HALTED: {', '.join(halts[:3])}{' …' if len(halts) > 3 else ''}" if halts else "", "bad"
        )

    @staticmethod
    def _show(label: ui.label, text: str, kind: str) -> None:
        label.text = text
        label.classes(replace=f"pill {kind}{'' if text else ' hidden'}")

    def _key(self, event: events.KeyEventArguments) -> None:
        if not event.action.keydown or event.modifiers.ctrl or event.modifiers.alt or event.modifiers.meta:
            return
        key = f"{event.key}"
        if self._leader:
            self._leader = False
            for entry in self._pages:
                if entry.key == key:
                    ui.navigate.to(entry.path)
        elif key == "g":
            self._leader = True
            ui.timer(2.0, partial(setattr, self, "_leader", False), once=True)
        elif key == "?":
            self._help()
        elif key == "d":
            self._turn()

    def _help(self) -> None:
        with ui.dialog(value=True).props('aria-label="Keyboard shortcuts"'), ui.card().classes("dialog"):
            ui.label("Keyboard shortcuts").classes("dialog-title")
            with ui.element("div").classes("keys"):
                for entry in self._pages:
                    ui.label(f"g {entry.key}").classes("key")
                    ui.label(entry.title)
                for key, what in (("d", "Dark or light"), ("?", "These shortcuts")):
                    ui.label(key).classes("key")
                    ui.label(what)
