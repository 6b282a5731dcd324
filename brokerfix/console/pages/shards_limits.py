"""Limits set for all shards, and those that wait for a second person at them."""

from typing import Any

from nicegui import ui

from brokerfix.console.pages.risk_limits import Editor, Waiting
from brokerfix.console.pages.shards_stop import Asked
from brokerfix.console.pages.shards_told import pending_rows
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


class WaitingAtAny(Waiting):
    """What waits for a second person, at any shard: he answers it at all where it waits."""

    TITLE = "Waiting for a second person, at all shards"
    SECONDS = 2.0

    async def waiting(self) -> list[dict[str, Any]]:
        return pending_rows(await self.view.ask_door("all", 1.0, request={"action": "pending-limits"}))

    def where(self, row: dict[str, Any]) -> str:
        return f"at shard {', '.join(map(str, row['at']))}"

    async def answer(self, row: dict[str, Any], approve: bool) -> None:
        done = []
        for shard, number in row["at"].items():
            request = {"action": "answer-limits", "proposal": number, "approve": int(approve)}
            if await self.view.act_at_door("one", shard=shard, request=request) is not None:
                done.append(f"{shard}")
        if done:
            self.view.say(f"{'Approved' if approve else 'Declined'} at shard {', '.join(done)}")
