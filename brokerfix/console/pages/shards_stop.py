"""The kill switch for all shards, and what each of them has answered to what was asked of all."""

import time
from functools import partial
from html import escape
from typing import Any

from nicegui import ui

from brokerfix.console.kill import MOST_HALTS, SHEET, choice, names_of, scope_text
from brokerfix.console.pages.shards_told import Line, Told, missing, outcome, stopped
from brokerfix.console.view import View, panel, pill

NOTE = (
    "Halt: no new orders. Kill: also all that work are canceled. It reaches every shard; one that is away does it "
    "before it takes orders again."
)
NOBODY = (
    "! From here nobody can be asked now. At the command line `brokerfix kill all --all-shards` goes to the cluster's "
    "servers itself; `brokerfix kill` here is carried out at this broker's next start."
)


NOT_KEPT = (
    "! The cluster can't keep it ({}): a shard that is away, or is not named here, does not get it. Ask again once the "
    "cluster's servers answer."
)


class Asked:
    """What this page has asked of all shards last, and what came of it at each."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._told: Told = {}
        self._what = self._done = ""
        self._shown: list[Line] = []
        self._box = ui.element("div").classes("shards-asked").props('role=status aria-label="What each shard answered"')
        self._box.set_visibility(False)
        view.every(1.0, self._update)

    async def ask(self, what: str, done: str, **request: Any) -> Told | None:
        """Ask all shards, and show what each answers. `what` is asked, in words, and `done` what it is then. Returns
        None where nobody could be asked, which is said."""
        told = await self._view.act_at_door("all", request=request)
        if told is None:
            return None
        at = self._view.time(time.time_ns())[:8]
        self._told, self._what, self._done, self._shown = told, f"{at} {what}", done, []
        await self._update()
        return told

    async def _update(self) -> None:
        if not self._told:
            return
        lines = outcome(self._told, self._done, await self._view.ask_door("shards", 0.5))
        if lines == self._shown:
            return
        self._shown = lines
        self._box.set_visibility(True)
        self._box.clear()
        with self._box:
            ui.label(self._what).classes("bold")
            if self._told["error"]:
                ui.label(NOT_KEPT.format(self._told["error"])).classes("bad")
            for line in lines:
                with ui.element("div").classes("shards-answer"):
                    pill(f"{'✓' if line.kind == 'good' else '!'} shard {line.shard}", line.kind)
                    ui.label(line.text).classes("" if line.kind == "good" else line.kind)


class Stop:
    """The switch."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._may_resume = view.may("resume")
        self._shown: object = None
        ui.add_head_html(SHEET)
        with panel("Kill switch for all shards"):
            self._choice = choice(view, "all", NOTE, self._names, self._stop)
            self._asked = Asked(view)
            self._silent = ui.label("").classes("bad").props("role=status")
            self._standing = ui.element("div").classes("kill-halts")
            self._standing.props('role=list aria-label="What is stopped at all shards"')
        view.every(1.0, self._update)

    def _names(self, kind: str) -> list[str]:
        state = self._view.state
        names = names_of(state, kind)
        return sorted({*names, *state.sharing.elsewhere}) if kind == "account" else names

    async def _stop(self, kill: bool, kind: str, name: str) -> None:
        view = self._view
        scope, word = scope_text(kind, name), "Kill" if kill else "Halt"
        text = "No new orders are taken at any shard until it is resumed"
        text += ", and all that work are canceled, at every exchange." if kill else "; those that work go on working."
        if await view.confirm(f"{word} {scope} at all shards?", text, word, word=scope if kill else ""):
            done = "killed" if kill else "halted"
            await self._asked.ask(f"{word} {scope}", done, action=word.lower(), kind=kind, name=name)

    async def _resume(self, kind: str, name: str) -> None:
        scope = scope_text(kind, name)
        text = "New orders are taken again, at every shard. What was canceled stays canceled."
        if await self._view.confirm(f"Resume {scope} at all shards?", text, "Resume"):
            await self._asked.ask(f"Resume {scope}", "goes on", action="resume", kind=kind, name=name)

    async def _update(self) -> None:
        if self._choice is not None:
            self._choice.show_names()
        told = await self._view.ask_door("all", 1.0, request={"action": "killed"})
        silent = missing(told, "stopped")
        self._silent.text = f"! What is stopped there is not known: {'; '.join(silent)}" if silent else ""
        if "silent" in told:
            self._silent.text = NOBODY
        self._silent.set_visibility(bool(self._silent.text))
        rows = stopped(told)
        shown = (rows, bool(told.get("answers")), bool(silent))
        if shown == self._shown:
            return
        self._shown = shown
        self._standing.clear()
        self._standing.set_visibility("answers" in told)
        with self._standing:
            if not rows and shown[1]:
                nothing = ui.label("Nothing is stopped at the others." if silent else "Nothing is stopped.")
                nothing.classes("soft").props("role=listitem")
            for row in rows[:MOST_HALTS]:
                self._row(*row)
            if len(rows) > MOST_HALTS:
                ui.label(f"and {len(rows) - MOST_HALTS} more").classes("soft").props("role=listitem")

    def _row(self, kind: str, name: str, by: str, killed: bool, not_at: str) -> None:
        scope = scope_text(kind, name)
        with ui.element("div").classes("kill-row").props("role=listitem"):
            pill("killed" if killed else "halted", "bad")
            ui.label(scope).classes("kill-scope")
            ui.label(f"by {by}").classes("soft")
            if not_at:
                ui.label(f"! {not_at}").classes("bad")
            if self._may_resume:
                resume = ui.button("Resume", on_click=partial(self._resume, kind, name), color=None)
                resume.props(f'flat dense no-caps aria-label="{escape(f"Resume {scope} at all shards")}"')
