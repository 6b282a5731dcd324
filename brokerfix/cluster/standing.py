"""What operators ask of all shards at once, and what of it stands: kills, halts and limits hold also for a shard that
is down or can't be reached. They are kept in the cluster's keys, in their order, and a shard carries out what it has
not before it takes orders again."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client

from brokerfix.cluster.keys import Keys
from brokerfix.cluster.lease import Away, Stale

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


async def keep(keys: Keys, by: str, request: dict[str, Any], role: str = "") -> int:
    """Keep a request for all shards. Returns its number. Raises Away."""
    for _ in range(TRIES):
        revision, standing = await read_standing(keys)
        asked = Asked(standing.last + 1, by, time.time_ns(), request, role)
        now = Standing(asked.number, [*standing.asked, asked][-MOST_KEPT:])
        try:
            await keys.write(KEY, msgspec.json.encode(now), revision)
            return asked.number
        except Stale:
            continue
    raise Away("too many ask at once")


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
        return {"shard": shard, "ok": False, "error": "it is not there" if gone else "it does not answer", "away": True}
    return {"shard": shard, **answer}


async def ask_all(
    keys: Keys, asking: Asking, by: str, request: dict[str, Any], role: str = "", known: Iterable[int] = ()
) -> dict[str, Any]:
    """Ask all shards, each by `asking`; where the cluster's keys do not say which there are, those that are `known`.
    Returns {"answers": [of each shard], "kept": whether what stands is kept for those that did not answer, "number":
    under which number (0: none), "error": why it is not}. Raises Away where not even the shards are known."""
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
        except Away:
            if not shards:
                raise
    answers = await asyncio.gather(*(asking(shard, number) for shard in shards))
    return {"answers": answers, "kept": bool(number), "number": number, "error": error}
