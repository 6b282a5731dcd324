"""Limits: how much of each is used, their editor, what waits for a second person, and who has changed what."""

import heapq
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from nicegui import ui

from brokerfix.console.accounts import limit_row
from brokerfix.console.elements.listing import Listing, columns
from brokerfix.console.parts import Story, only_here
from brokerfix.console.utilised import Use, utilised
from brokerfix.console.view import View, panel
from brokerfix.console.watch import watch_of
from brokerfix.domain import Level, Limits
from brokerfix.engine.entities import Override
from brokerfix.engine.risk.bounds import is_known
from brokerfix.engine.risk.controls import CONTROLS
from brokerfix.engine.risk.levels import pending

MOST_ROWS = 200
"""Limits that are shown: those of which most is used."""
MOST_HINTS = 200
FLAGS = {True: "yes", False: "no"}
LEVELS = {"firm": "firm", "client": "client", "group": "group of accounts", "account": "account"}
NAMES = msgspec.structs.fields(Limits)


class Utilisation:
    """Every limit that is set, those of which most is used first. `on_pick` is told the level of a row that is
    picked."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.on_pick: Callable[[Level], None] = lambda level: None
        self._levels: dict[str, Level] = {}
        with panel("Limits in use") as section:
            section.classes("risk-limits")
            only_here(view, "Of a limit that all share, Most is the part of {}.")
            with ui.element("div").classes("risk-line"):
                self._text = ui.input("Level or limit", on_change=self.update).props("dense clearable")
                self._told = ui.label("").classes("soft")
            self._rows = Listing(
                columns("level Level", "limit Limit", "#most Most", "used In use", "until Until"),
                "key",
                "Limits and how much of each is used",
                "No limit is set. The editor beside sets some; [limits] in the configuration does for good.",
                self._picked,
            )
        view.every(1.0, self.update)

    async def update(self) -> None:
        view = self._view
        text = (self._text.value or "").strip().lower()
        every = await utilised(view.desk)
        found = [one for one in every if text in one.name.lower()] if text else every
        shown, self._levels = [], {}
        for one in worst(found, MOST_ROWS):
            override: Override | None = view.state.overrides.get(one.level)
            until = view.time(override.until)[:8] if override is not None else ""
            shown.append(limit_row(f"{one.level}", one.limit, one.most, one.used, one.percent, until))
            self._levels[one.name] = one.level
        self._rows.show(shown)
        more = f"{len(shown)} of {len(found):,} shown, " if len(found) > len(shown) else ""
        self._told.text = f"{more}{len(every):,} limits; a bar is yellow from 75 %, red from 90 %"

    def _picked(self, key: str) -> None:
        self._rows.pick(key)
        if key in self._levels:
            self.on_pick(self._levels[key])


class Editor:
    """The limits of one level: what is now, what the configuration says, and what is wanted. `send` has them set."""

    TITLE = "Set limits"
    KIND = "account"
    """The level that is shown at first."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._shown: tuple[Any, ...] | None = None
        may = view.may("set-limits")
        with panel(self.TITLE):
            self.above()
            with ui.element("div").classes("risk-line"):
                self._kind = ui.select(LEVELS, value=self.KIND, label="Level", on_change=self._turned).props("dense")
                self._name = ui.input("Name", on_change=self._show).props("dense")
                self._symbol = ui.input("Symbol, or group", on_change=self._show).props("dense")
            self._note = ui.label("").classes("soft")
            with ui.element("div").classes("risk-fields") as fields:
                if not may:
                    # Nothing in it can have the focus, by which it is moved with keys.
                    fields.props('tabindex=0 role=group aria-label="Limits of this level"')
                for title in ("limit", "now", "configured", "new"):
                    ui.label(title).classes("head-of")
                self._fields = {field.name: self._field(field.name, may) for field in NAMES}
            with ui.element("div").classes("risk-line"):
                self._minutes = ui.input("Minutes, or empty: for good").props("dense inputmode=numeric")
                self._why = ui.input("Why").props("dense")
                self._why.style("flex: 1")
                self._send = ui.button("Set", on_click=self._set).props("no-caps")
            if not may:
                ui.label("Your role sees limits and does not set them.").classes("soft")
                for element in (self._minutes, self._why, self._send):
                    element.disable()
            self.below()
        self._hints: tuple[list[str], list[str]] = ([], [])
        # At once: what somebody types before the first turn would be lost at it.
        self._show()
        view.every(1.0, self._show)

    def _field(self, name: str, may: bool) -> tuple[ui.label, ui.label, Any]:
        label = ui.label(name)
        control = CONTROLS.get(name)
        if control is not None:
            label.tooltip(control.words)
        now, configured = ui.label("").classes("number"), ui.label("").classes("number soft")
        if isinstance(getattr(Limits(), name), bool):
            wanted: Any = ui.select(["yes", "no"])
        else:
            wanted = ui.input()
        wanted.props(f'dense outlined aria-label="new {name}"')
        wanted.set_enabled(may)
        return now, configured, wanted

    @property
    def level(self) -> Level:
        kind = f"{self._kind.value}"
        name = (self._name.value or "").strip() if kind != "firm" else ""
        return Level(kind, name, (self._symbol.value or "").strip() if kind == "account" else "")

    def edit(self, level: Level) -> None:
        """Show a level."""
        self._kind.value, self._name.value, self._symbol.value = level
        self._show(anew=True)

    def _turned(self) -> None:
        self._name.set_enabled(self._kind.value != "firm")
        self._symbol.set_enabled(self._kind.value == "account")
        self._show()

    def _show(self, *_: Any, anew: bool = False) -> None:
        """What holds now; what somebody has typed stays unless the level is another one."""
        state, level = self.view.state, self.level
        self._hint()
        now = state.limits.get(level, Limits())
        configured = state.configured.get(level, Limits())
        override = state.overrides.get(level)
        there_is = is_known(state, level)
        shown = (level, now, configured, override, there_is)
        if shown == self._shown and not anew:
            return
        had = self._shown
        self._shown = shown
        for name, (label, other, wanted) in self._fields.items():
            label.text, other.text = _told(getattr(now, name)), _told(getattr(configured, name))
            typed = had is not None and had[0] == level and wanted.value != _told(getattr(had[1], name))
            if anew or not typed:
                wanted.value = _told(getattr(now, name))
        note = f"{level}" if there_is else f"there is no {level}" if level.name else "Which one?"
        shard = state.sharing.elsewhere.get(level.name) if level.kind == "account" else None
        if shard is not None:
            note = f"account {level.name} is on shard {shard}: what holds there is not shown here"
        if override is not None:
            until = self.view.time(override.until, True)
            note += f": set by {override.operator} until {until}, then as before; what is set for good ends that"
        self._note.text = note

    def _hint(self) -> None:
        state = self.view.state
        known = {
            "client": state.clients, "group": state.groups,
            "account": {**state.accounts, **state.sharing.elsewhere},
        }.get(self._kind.value, {})  # fmt: skip
        hints = _first(known), _first({**state.instruments, **state.symbol_groups})
        if hints != self._hints:
            self._hints = hints
            self._name.set_autocomplete(hints[0])
            self._symbol.set_autocomplete(hints[1])

    async def _set(self) -> None:
        view, level = self.view, self.level
        now = view.state.limits.get(level, Limits())
        settings = {
            name: _said(getattr(now, name), wanted.value)
            for name, (_, _, wanted) in self._fields.items()
            if (wanted.value or "").strip() != _told(getattr(now, name))
        }
        minutes, why = (self._minutes.value or "").strip(), (self._why.value or "").strip()
        if not settings:
            return view.warn('Nothing is to be changed: write into the column "new".')
        if minutes and not minutes.isdecimal():
            return view.warn("Minutes are a whole number.")
        if not why:
            return view.warn("Say why: it is kept on record with your name.")
        kind, name, symbol = level
        request = {"kind": kind, "name": name, "symbol": symbol, "text": why}
        request |= {"minutes": int(minutes)} if minutes else {}
        if await self.send(level, settings, request):
            self._minutes.value = self._why.value = ""
            self._show(anew=True)
        return None

    def above(self) -> None:
        """What stands above the editor."""
        only_here(self.view, "These are the limits of {}, and this sets them there only.")

    def below(self) -> None:
        """What stands below it."""

    async def send(self, level: Level, settings: dict[str, str], request: dict[str, Any]) -> bool:
        """Have limits set. Returns whether that is asked for; where not, it is said why."""
        answer = await self.view.act("set-limits", settings=settings, **request)
        if answer is None:
            return False
        if "proposal" in answer:
            self.view.say(f"{level}: proposed as {answer['proposal']}; another person has to approve it")
        else:
            self.view.say(f"{level}: {', '.join(settings)} set, from the next order on")
        return True


class Waiting:
    """The limits that wait for a second person: for all who may answer, at once."""

    TITLE = "Waiting for a second person"
    SECONDS = 0.5
    """How often it is looked at."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._shown: list[dict[str, Any]] = []
        with panel(self.TITLE, wide=True) as section:
            section.classes("risk-waiting").props("id=waiting aria-live=polite")
            self._rows = ui.element("div")
        self._section = section
        section.set_visibility(False)
        view.every(self.SECONDS, self._update)

    async def _update(self) -> None:
        rows = await self.waiting()
        if rows == self._shown:
            return
        self._shown = rows
        self._section.set_visibility(bool(rows))
        self._rows.clear()
        with self._rows:
            for row in rows:
                self._row(row)

    def _row(self, row: dict[str, Any]) -> None:
        where = self.where(row)
        own = " · yours: another person has to approve it" if row["by"] == self.view.person.name else ""
        with ui.element("div").classes("risk-proposal"):
            with ui.element("div"):
                ui.label(f"{row['level']}: {row['change']}").classes("bold")
                said = f"{row['by']} says: {row['text']}" if row["text"] else f"by {row['by']}"
                ui.label(f"{said} · {where}{own}").classes("soft")
            if self.view.may("answer-limits"):
                for word, approve in (("Approve", True), ("Decline", False)):
                    button = ui.button(word, on_click=partial(self.answer, row, approve))
                    button.props(f'no-caps {"" if approve else "flat"} aria-label="{word} {where}"')

    async def waiting(self) -> list[dict[str, Any]]:
        """What waits: its level, the change, who has proposed it and why."""
        return pending(self.view.state)

    def where(self, row: dict[str, Any]) -> str:
        """Where one of them waits, in words."""
        return f"{row['number']}"

    async def answer(self, row: dict[str, Any], approve: bool) -> None:
        """Approve or decline it."""
        done = f"{row['number']}: {'approved, it is in force' if approve else 'declined'}"
        await self.view.act("answer-limits", done, proposal=row["number"], approve=int(approve))


def changes(view: View) -> None:
    """Who has set, proposed, approved and declined which limits today."""
    watch = watch_of(view.desk)
    with panel("Limits changed today"):
        story = Story(view, "Nobody has changed a limit today.")

    def update() -> None:
        story.show([(one.at, one.fact, f"{one.who}: {one.text}") for one in watch.limits])

    view.every(0.5, update)


def worst(found: Sequence[Use], most: int) -> list[Use]:
    """Those of which the largest share is used."""
    return heapq.nsmallest(most, found, key=lambda one: (-one.percent, one.name))


def _told(value: str | bool | int) -> str:
    return FLAGS[value] if isinstance(value, bool) else f"{value}"


def _said(now: str | bool | int, value: str | None) -> str:
    """What was typed, as a request has it."""
    text = (value or "").strip().replace(",", "")
    return {"yes": "true", "no": "false"}[text] if isinstance(now, bool) else text


def _first(known: dict[str, Any]) -> list[str]:
    return sorted(list(known)[:MOST_HINTS])
