"""Reading the stream: at its queue, or out of the journal itself."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from brokerfix.domain import day_of, id_number
from brokerfix.projections.events.checkpoints import EVERYWHERE, Checkpoints, number_of
from brokerfix.projections.events.destination import ServerAway, What, Where
from brokerfix.projections.events.form import CHECKPOINT, DECODERS, MARKET, TOLD
from brokerfix.projections.events.queues import reader_of
from brokerfix.projections.events.source import Source
from brokerfix.projections.events.values import moment_of

log = logging.getLogger("brokerfix.projections.events")
POLL_SECONDS, AGAIN_SECONDS = 0.05, 0.5
AHEAD = timedelta(days=1)
"""A trading day begins so long before its date at most, in whatever time zone."""
LATE_NS = 60 * 10**9
"""A queue's clock may be so far from the broker's."""
FIELDS = ("kind", "account", "symbol")
ENVELOPE = ("v", "id", "at", "shard", *FIELDS)
Row = dict[str, Any]


class BadQuestion(Exception):
    """What is asked for is not understood."""


class Asked(msgspec.Struct, frozen=True):
    """Which facts are wanted: by number or time (ns) from which on, and by the values of fields (none: any)."""

    number: int = 0
    since: int = 0
    values: dict[str, frozenset[str]] = {}

    @classmethod
    def of(cls, since: str, filters: Iterable[str]) -> "Asked":
        """As people write it: an id or a time, and `kind=Trade,account=BOB`. Raises BadQuestion."""
        values: dict[str, set[str]] = {}
        for pair in ",".join(filters).split(","):
            name, _, value = pair.strip().partition("=")
            if not pair.strip():
                continue
            if name not in FIELDS or not value:
                raise BadQuestion(f"{pair!r} is no filter: write {', '.join(f'{one}=VALUE' for one in FIELDS)}")
            if name == "kind" and value not in (*TOLD, CHECKPOINT, MARKET):
                raise BadQuestion(f"there is no kind {value}: `brokerfix schema --kinds` has all")
            values.setdefault(name, set()).add(value)
        if CHECKPOINT in (told := values.get("kind", set())) and len(told) > 1:
            raise BadQuestion(f"kind={CHECKPOINT} has a stream of its own: ask for it without other kinds")
        number = id_number(since)
        try:
            if number:
                _day_of(number)
            at = 0 if number or not since else moment_of(since)
        except ValueError as error:
            raise BadQuestion(f"{since!r} is no fact's id, and no time like 2026-11-27T08:00:00Z") from error
        return cls(number, at, {name: frozenset(wanted) for name, wanted in values.items()})

    def takes(self, row: Row) -> bool:
        if self.number and id_number(row["id"]) < self.number:
            return False
        if self.since and moment_of(row["at"]) < self.since:
            return False
        return all(row.get(name, "") in wanted for name, wanted in self.values.items())

    @property
    def what(self) -> What:
        """The stream that has it."""
        return "checkpoints" if CHECKPOINT in self.values.get("kind", ()) else "facts"

    @property
    def begins(self) -> int:
        """The time (ns) from which on a queue has to be read."""
        if self.number:
            return int((_day_of(self.number) - AHEAD).timestamp()) * 10**9
        return max(0, self.since - LATE_NS)


def _day_of(number: int) -> datetime:
    """When the trading day of a number begins in UTC. Raises ValueError where there is no such day."""
    return datetime.strptime(str(day_of(number)), "%Y%m%d").replace(tzinfo=UTC)


class Once:
    """What came before comes once more where a publisher could not know that it had arrived. An account's facts come in
    their order."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def is_new(self, row: Row) -> bool:
        if row["kind"] == CHECKPOINT:
            number, of = number_of(row), ""
        else:
            # Market data are ordered by symbol.
            number, of = id_number(row["id"]), row["symbol"] if row["kind"] == MARKET else row["account"]
        if number <= self._last.get(of, 0):
            return False
        self._last[of] = number
        return True


async def at_queue(where: Where, asked: Asked, follow: bool, what: What = "facts") -> AsyncGenerator[Row, None]:
    """The wanted facts that a queue has, or what another stream has. With `follow` it never ends. Raises ServerAway,
    but not of a server that goes away while it is followed."""
    decode, once, begins, has_begun = DECODERS[where.section.format], Once(), asked.begins, False
    has_told = False
    while True:
        try:
            async with aclosing(reader_of(where, what).read(begins, follow)) as bodies:
                async for body in bodies:
                    has_begun = True
                    row, at = _read(decode, body)
                    if row is None:
                        if not has_told:
                            log.warning("events.%s: some messages there are none of ours: left out", where.name)
                        has_told = True
                        continue
                    begins = max(begins, at - LATE_NS)
                    if once.is_new(row) and asked.takes(row):
                        yield row
            return
        except ServerAway:
            # Who follows waits for it to be back, and goes on.
            if not (follow and has_begun):
                raise
            await asyncio.sleep(AGAIN_SECONDS)


def _read(decode: Callable[[bytes], Any], body: bytes) -> tuple[Row | None, int]:
    """A message, and its time (ns); None where somebody else has sent it."""
    try:
        row = decode(body)
        if {"id", "kind"} <= row.keys():
            return row, moment_of(row["at"])
    except (msgspec.MsgspecError, UnicodeDecodeError, AttributeError, KeyError, TypeError, ValueError):
        pass
    return None, 0


def in_journal(folder: Path, asked: Asked, follow: bool) -> Iterator[Row]:
    """The wanted facts of the journal in a folder. Raises JournalError."""
    source = Source(folder, max(0, asked.number - 1))
    while True:
        messages = source.read(1000)
        for message in messages:
            row: Row = msgspec.json.decode(message.body)
            if asked.takes(row):
                yield row
        if not messages:
            if not follow:
                return
            time.sleep(POLL_SECONDS)


def checkpoints_in(data: Path, shard: int, asked: Asked, follow: bool) -> Iterator[Row]:
    """The wanted checkpoints of a data folder."""
    found = Checkpoints(data, shard)
    while True:
        while (one := found.next(EVERYWHERE)) is not None:
            found.sent()
            row: Row = msgspec.json.decode(one[1].body)
            if asked.takes(row):
                yield row
        if not follow:
            return
        time.sleep(POLL_SECONDS)


def line(row: Row) -> str:
    """A fact for people."""
    if row["kind"] == CHECKPOINT:
        said = {"size": row["size"], "root": row["note"].split("\n")[2], "origin": row["origin"]}
    elif row["kind"] == MARKET:
        said = {name: row[name] for name in row if name not in ENVELOPE}
    else:
        said = row["fact"] or {}
    told = " ".join(f"{name}={value}" for name, value in _told(said))
    who = " ".join(filter(None, (row.get("account", ""), row.get("symbol", ""))))
    return f"{row['at']}  {row['id']}  {row['kind']:<18} {who:<14} {told}".rstrip()


def _told(fact: Row) -> Iterator[tuple[str, str]]:
    """What a fact says, but for what it says nothing of."""
    for name, value in fact.items():
        if value in (None, "", [], {}, False) or name in FIELDS:
            continue
        yield name, value if isinstance(value, str) else msgspec.json.encode(value).decode()
