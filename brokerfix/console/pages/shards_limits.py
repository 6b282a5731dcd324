"""Limits set for all shards, and those that wait for a second person at them."""

from functools import partial
from typing import Any

from nicegui import ui

from brokerfix.console.pages.risk_limits import Editor
from brokerfix.console.pages.shards_stop import Asked
from brokerfix.console.pages.shards_told import pending_rows
from brokerfix.console.view import View, panel
from brokerfix.domain import Level


class EditorOfAll(Editor):
    """The editor of the page of risk, whose limits go to all shards. What holds now is what this shard has."""

    TITLE = "Set limits at all shards"
    KIND = "firm"

    def above(self) -> None:
        ui.label(f"What holds now and is configured is what shard {self.view.desk.config.broker.shard} has.").classes(
            "soft"
        )

    def below(self) -> None:
        self._asked = Asked(self.view)

    async def send(self, level: Level, settings: dict[str, str], request: dict[str, Any]) -> bool:
        what = f"Set {level}: {', '.join(f'{name} {value}' for name, value in settings.items())}"
        told = await self._asked.ask(
            what, "set, from the next order on", action="set-limits", settings=settings, **request
        )
        return told is not None


class Waiting:
    """What waits for a second person, at any shard: he answers it at all where it waits."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._shown: list[dict[str, Any]] = []
        with panel("Waiting for a second person, at all shards", wide=True) as section:
            section.classes("shards-waiting").props("aria-live=polite")
            self._rows = ui.element("div")
        self._section = section
        section.set_visibility(False)
        view.every(2.0, self._update)

    async def _update(self) -> None:
        rows = pending_rows(await self._view.ask_door("all", 1.0, request={"action": "pending-limits"}))
        if rows == self._shown:
            return
        self._shown = rows
        self._section.set_visibility(bool(rows))
        self._rows.clear()
        with self._rows:
            for row in rows:
                self._row(row)

    def _row(self, row: dict[str, Any]) -> None:
        at: dict[int, str] = row["at"]
        own = " · yours: another person has to approve it" if row["by"] == self._view.person.name else ""
        with ui.element("div").classes("shards-proposal"):
            with ui.element("div"):
                ui.label(f"{row['level']}: {row['change']}").classes("bold")
                where = f"at shard {', '.join(map(str, at))}"
                ui.label(f"{row['by']} says: {row['text'] or 'nothing'} · {where}{own}").classes("soft")
            if self._view.may("answer-limits"):
                for word, approve in (("Approve", 1), ("Decline", 0)):
                    button = ui.button(word, on_click=partial(self._answer, at, approve))
                    button.props(f"no-caps{'' if approve else ' flat'}")

    async def _answer(self, at: dict[int, str], approve: int) -> None:
        done = []
        for shard, number in at.items():
            request = {"action": "answer-limits", "proposal": number, "approve": approve}
            if await self._view.act_at_door("one", shard=shard, request=request) is not None:
                done.append(f"{shard}")
        if done:
            self._view.say(f"{'Approved' if approve else 'Declined'} at shard {', '.join(done)}")
