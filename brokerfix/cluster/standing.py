"""What operators ask of all shards at once, and what of it stands: kills, halts and limits hold also for a shard that
is down or can't be reached. They are kept in the cluster's keys, in their order, and a shard carries out what it has
not before it takes orders again."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client

from brokerfix.cluster.broker_end import BrokerEnd
from brokerfix.cluster.keys import Keys
from brokerfix.cluster.lease import Away, Stale
from brokerfix.operate.admin import ActionRefused, Answer

log = logging.getLogger("brokerfix.cluster")

STANDING = ("kill", "halt", "resume", "set-limits")
"""What is kept for shards that do not answer."""
FOR_ALL = (*STANDING, "status", "limits", "pending-limits", "positions", "working", "sessions", "killed", "parts")
"""What may be asked of all shards."""
FOR_ONE = ("answer-limits", "can-take")
"""What may be asked of one that is not here."""
KEY = "standing"
MOST_KEPT = 500
TRIES = 50
ANSWER_SECONDS = 3.0
MOST_SHARDS = 100
NOT_THERE = "it is not there"
MINUTE = 60 * 10**9
Asking = Callable[[int, int], Awaitable[dict[str, Any]]]
"""Asks a shard for what is kept under a number (0: it is not), see `ask_one`."""


class Beat(msgspec.Struct):
    """What a shard tells of itself, again and again: `beat` counts, `done` is the number of the last request to all
    that it has carried out, `at` when it was (ns UTC)."""

    shard: int
    node: str
    name: str
    epoch: int
    accounts: int
    beat: int
    done: int
    at: int = 0


class Asked(msgspec.Struct):
    """Something that stands: its number, whose request it is, when it came (ns UTC), and by which role ("": as the
    shard itself knows the name)."""

    number: int
    by: str
    at: int
    request: dict[str, Any]
    role: str = ""


class Standing(msgspec.Struct):
    last: int = 0
    asked: list[Asked] = []


def subject_of(cluster: str, shard: int) -> str:
    """Where the agent of a shard takes requests."""
    return f"brokerfix.{cluster}.shard.{shard}"


async def read_standing(keys: Keys) -> tuple[int, Standing]:
    """What stands, and its revision. Raises Away."""
    found = await keys.read(KEY)
    return (found[0], msgspec.json.decode(found[1], type=Standing)) if found is not None else (0, Standing())


def still_asked(asked: Asked, now: int) -> dict[str, Any] | None:
    """What of a request is to be done at `now` (ns UTC): a limit that was set for some minutes is set for what is left
    of them, and where nothing is left, not at all (None)."""
    minutes = asked.request.get("minutes", 0)
    if type(minutes) is not int or not minutes:
        return asked.request
    left = minutes - max(0, now - asked.at) // MINUTE
    return {**asked.request, "minutes": left} if left > 0 else None


def kept(asked: list[Asked], most: int = MOST_KEPT) -> list[Asked]:
    """What is kept of it: of too much, first what something later says anew, then the oldest."""
    last = {_about(one.request): one.number for one in asked}
    by_worth = sorted(asked, key=lambda one: (last[_about(one.request)] == one.number, one.number))
    dropped = {one.number for one in by_worth[: max(0, len(asked) - most)]}
    return [one for one in asked if one.number not in dropped]


def _about(request: dict[str, Any]) -> tuple[str, ...]:
    """What a request is about: a later one about the same makes it void."""
    of = tuple(str(request.get(name, "")) for name in ("kind", "name", "symbol"))
    if request["action"] != "set-limits":
        return of
    return (*of, *sorted(request["settings"]), str(request.get("minutes", 0) and request["settings"]))


async def keep(keys: Keys, by: str, request: dict[str, Any], role: str = "") -> int:
    """Keep a request for all shards. Returns its number. Raises Away."""
    for _ in range(TRIES):
        revision, standing = await read_standing(keys)
        asked = Asked(standing.last + 1, by, time.time_ns(), request, role)
        now = Standing(asked.number, kept([*standing.asked, asked]))
        try:
            await keys.write(KEY, msgspec.json.encode(now), revision)
            return asked.number
        except Stale:
            continue
    raise Away("too many ask at once")


class CarriedOut:
    """What of it one shard has carried out: `done` is up to where, `kept` up to where the cluster's keys have that (-1:
    it is not known yet); `last` is the number of the last request that there is, as it was read last."""

    def __init__(self, keys: Keys, broker: BrokerEnd, shard: int) -> None:
        self._keys, self._broker, self._shard = keys, broker, shard
        self.done = self.kept = -1
        self.last = 0
        self._answers: dict[int, Answer] = {}

    async def catch_up(self) -> None:
        """Carry out what was not carried out here, in its order. Raises Away and NotRunning: then there is more."""
        if self.done < 0:
            found = await self._keys.read(f"done.{self._shard}")
            self.done = self.kept = int(found[1]) if found is not None else 0
        _, standing = await read_standing(self._keys)
        self.last = max(self.last, standing.last)
        due = [asked for asked in standing.asked if asked.number > self.done]
        lost = standing.last - self.done - len(due)
        if lost > 0:
            await self._broker.ask(
                "alert", code="SHARD_MISSED", text=f"{lost} requests of operators to all shards are too old to be kept "
                "and were not carried out here: compare halts and limits with another shard's",
            )  # fmt: skip
        for asked in due:
            self._answers[asked.number] = await self._carry_out(asked)
            for number in list(self._answers)[:-MOST_KEPT]:
                del self._answers[number]
            self.done = asked.number
        if self.kept < self.done:
            # Only what a standby that takes over knows of need not be done by it. The next look tries it again.
            with suppress(Away):
                await self._broker.settled(for_good=True)
                await self._keys.write(f"done.{self._shard}", str(self.done).encode())
                self.kept = self.done

    async def do_again(self, account: str, since: int) -> None:
        """Carry out again what was asked about an account after a number and is done here (-1: nothing). Raises Away
        and NotRunning."""
        _, standing = await read_standing(self._keys)
        for asked in standing.asked if since >= 0 else ():
            about = asked.request.get("kind"), asked.request.get("name")
            if since < asked.number <= self.done and about == ("account", account):
                await self._carry_out(asked)

    async def _carry_out(self, asked: Asked) -> Answer:
        """What came of it."""
        log.warning("shard %d: %s asked of all: %s", self._shard, asked.by, asked.request)
        request = still_asked(asked, time.time_ns())
        if request is None:
            log.warning("shard %d: the minutes that it was for are over", self._shard)
            return {"ok": True}
        try:
            return {"ok": True, **await ask_broker(self._broker, asked.by, asked.role, request)}
        except ActionRefused as error:
            return {"ok": False, "error": str(error)}

    async def answer(self, number: int) -> Answer:
        """What came of what stands under a number, which is carried out now if it was not. Raises Away and
        NotRunning."""
        if self.done < number:
            await self.catch_up()
        return self._answers.get(number, {"ok": True})


async def ask_broker(broker: BrokerEnd, by: str, role: str, request: dict[str, Any]) -> Answer:
    """Ask a broker in somebody's name; his role goes along, where it is known. Raises ActionRefused and NotRunning."""
    fields = {name: value for name, value in request.items() if name not in ("action", "by", "role")}
    return await broker.ask(request["action"], by, **fields, **({"role": role} if role else {}))


async def shards_of(keys: Keys) -> list[int]:
    """The shards that have ever joined. Raises Away."""
    return sorted(int(key.removeprefix("shard.")) for key in await keys.below("shard."))


async def ask_one(
    client: Client, cluster: str, shard: int, by: str, request: dict[str, Any], number: int = 0, role: str = ""
) -> dict[str, Any]:
    """Ask one shard's agent, in the name of somebody of that role. The answer is {"shard", "ok", ...}, also where there
    is none."""
    payload = json.dumps({"by": by, "number": number, "request": request, "role": role}).encode()
    try:
        message = await client.request(subject_of(cluster, shard), payload, timeout=ANSWER_SECONDS)
        answer: dict[str, Any] = json.loads(message.data)
    except (TimeoutError, nats.errors.Error, OSError, ValueError) as error:
        gone = isinstance(error, nats.errors.NoRespondersError)
        return {"shard": shard, "ok": False, "error": NOT_THERE if gone else "it does not answer", "away": True}
    return {"shard": shard, **answer}


async def ask_all(
    keys: Keys, asking: Asking, by: str, request: dict[str, Any], role: str = "", known: Iterable[int] = ()
) -> dict[str, Any]:
    """Ask all shards, each by `asking`; where the cluster's keys do not say which there are, those that are `known`.
    Returns {"answers": [of each shard], "kept": whether what stands is kept for those that did not answer, "number":
    under which number (0: none), "error": why it is not}. Where nobody knows the shards, who takes requests at all is
    asked. Raises Away where nobody does."""
    number, error, shards = 0, "", sorted(known)
    if request["action"] in STANDING:
        try:
            number = await keep(keys, by, request, role)
        except Away as away:
            error = str(away)
    if not (error and shards):
        # Where the keys can't be written they are not waited for again.
        try:
            shards = await shards_of(keys)
        except Away as away:
            error = error or str(away)
    is_known = bool(shards) or not error
    found = shards if is_known else range(MOST_SHARDS)
    answers = await asyncio.gather(*(asking(shard, number) for shard in found))
    if not is_known:
        answers = [answer for answer in answers if answer.get("error") != NOT_THERE]
        if not answers:
            raise Away(error)
    return {"answers": answers, "kept": bool(number), "number": number, "error": error}
