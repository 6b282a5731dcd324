"""What operators ask of all shards at once, and what of it stands: kills, halts and limits hold also for a shard that
is down or can't be reached. They are kept in the cluster's keys, in their order, and a shard carries out what it has
not before it takes orders again."""

import asyncio
import json
import time
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client

from brokerfix.cluster.keys import Keys
from brokerfix.cluster.lease import Away, Stale

STANDING = ("kill", "halt", "resume", "set-limits")
"""What is kept for shards that do not answer."""
FOR_ALL = (*STANDING, "status", "limits", "pending-limits", "positions", "working", "sessions", "killed")
"""What may be asked of all shards."""
KEY = "standing"
MOST_KEPT = 500
TRIES = 50
ANSWER_SECONDS = 3.0


class Asked(msgspec.Struct):
    """Something that stands: its number, whose request it is, and when it came (ns UTC)."""

    number: int
    by: str
    at: int
    request: dict[str, Any]


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


async def keep(keys: Keys, by: str, request: dict[str, Any]) -> int:
    """Keep a request for all shards. Returns its number. Raises Away."""
    for _ in range(TRIES):
        revision, standing = await read_standing(keys)
        asked = Asked(standing.last + 1, by, time.time_ns(), request)
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
    client: Client, cluster: str, shard: int, by: str, request: dict[str, Any], number: int = 0
) -> dict[str, Any]:
    """Ask one shard's agent. The answer is {"shard", "ok", ...}, also where there is none."""
    payload = json.dumps({"by": by, "number": number, "request": request}).encode()
    try:
        message = await client.request(subject_of(cluster, shard), payload, timeout=ANSWER_SECONDS)
        answer: dict[str, Any] = json.loads(message.data)
    except (TimeoutError, nats.errors.Error, OSError, ValueError) as error:
        gone = isinstance(error, nats.errors.NoRespondersError)
        return {"shard": shard, "ok": False, "error": "it is not there" if gone else "it does not answer", "away": True}
    return {"shard": shard, **answer}


async def ask_all(client: Client, keys: Keys, by: str, request: dict[str, Any]) -> dict[str, Any]:
    """Ask all shards. Returns {"answers": [of each shard], "kept": whether what stands is kept for those that did not
    answer, "error": why it is not}. Raises Away where not even the shards are known."""
    number, error = 0, ""
    if request["action"] in STANDING:
        try:
            number = await keep(keys, by, request)
        except Away as away:
            error = str(away)
    shards = await shards_of(keys)
    asked = (ask_one(client, keys.cluster, shard, by, request, number) for shard in shards)
    return {"answers": await asyncio.gather(*asked), "kept": bool(number), "error": error}
