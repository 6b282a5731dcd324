"""What stands for the days of a journal that were deleted.

Beside the first segment that is left, `<day>.base` is the whole state behind the days before it (a kept state that no
newer one replaces), and `<day>.before` has those of their facts that are still needed to read what follows, as records
of a segment: what instruments, exchanges, clients, accounts, market makers, groups and limits are, the facts of orders
that are still open, alerts of surveillance, and what was deleted or erased. `journal.read` begins with them.
"""

import os
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from brokerfix import facts as f
from brokerfix.domain import DeletedFile
from brokerfix.engine.evolve import evolve
from brokerfix.engine.state import State
from brokerfix.record.frames import HEADER, MAGIC, link, payloads
from brokerfix.record.journal import JournalError, Place, Record, before_path, read, read_payload, segments, told_before
from brokerfix.record.kept import oldest, write_base
from brokerfix.record.merkle import Tree, leaf_hash

MOST_FACTS = 1000
"""Facts of one record."""
BLOCK = 1 << 20
DEFINITIONS = tuple(kind for kind in f.KINDS if kind.__name__.endswith("Defined"))
ALWAYS = (f.RecordsDeleted, f.PersonalErased, f.SurveillanceAlerted, f.AlertDisposed)


class Needed:
    """Is shown all facts in their order, just after they were applied, and keeps those that later ones refer to."""

    def __init__(self) -> None:
        self._defined: dict[Any, f.Fact] = {}
        self._always: list[f.Fact] = []
        self._orders: dict[int, list[f.Fact]] = {}
        self._order_of: dict[int, int] = {}

    def see(self, fact: f.Fact, state: State) -> None:
        """The fact was applied, and the state is this one. A base of before has no state with its facts: they are shown
        with the one that follows."""
        if isinstance(fact, DEFINITIONS):
            self._defined[type(fact), _key(fact)] = fact
        elif isinstance(fact, f.LimitsSet):
            self._defined[type(fact), fact.kind, fact.name, fact.symbol] = fact
        elif isinstance(fact, ALWAYS):
            self._always.append(fact)
        elif isinstance(fact, f.DayRolled):
            self._forget(state)
        else:
            for order_id in self._orders_of(fact):
                self._orders.setdefault(order_id, []).append(fact)

    def _orders_of(self, fact: Any) -> Iterator[int]:
        if isinstance(fact, f.Trade):
            self._order_of[fact.id - 1], self._order_of[fact.id] = fact.maker_order_id, fact.taker_order_id
            yield from (fact.maker_order_id, fact.taker_order_id)
        elif isinstance(fact, f.OrderAccepted):
            yield fact.id
        elif isinstance(order_id := getattr(fact, "order_id", None), int):
            self._order_of[fact.id] = order_id
            yield order_id
        else:
            number = getattr(fact, "child_id", 0) or getattr(fact, "exec_id", 0)
            if isinstance(number, int) and number in self._order_of:
                self._order_of[fact.id] = self._order_of[number]
                yield self._order_of[number]

    def _forget(self, state: State) -> None:
        """Of orders that are over nothing is needed."""
        self._orders = {number: facts for number, facts in self._orders.items() if _is_open(state, number)}
        self._order_of = {number: order for number, order in self._order_of.items() if order in self._orders}

    def facts(self, state: State) -> list[f.Fact]:
        """What is needed behind the last fact that was shown, in its order."""
        self._forget(state)
        found = {fact.id: fact for facts in self._orders.values() for fact in facts}
        found |= {fact.id: fact for fact in (*self._defined.values(), *self._always)}
        return [found[number] for number in sorted(found)]


def _key(fact: f.Fact) -> object:
    """What a definition is of: its first field, or that one's first field."""
    value = getattr(fact, fact.__struct_fields__[2])
    return getattr(value, value.__struct_fields__[0]) if isinstance(value, msgspec.Struct) else value


def _is_open(state: State, order_id: int) -> bool:
    order = state.orders.get(order_id)
    return order is not None and order.ended is None and order.leaves > 0


def prepare(journal: Path, count: int) -> list[DeletedFile]:
    """Make what will stand for a journal's first `count` segments, and say what each of them was. Nothing is deleted.
    Raises JournalError where that can't be done."""
    every = segments(journal)
    doomed, first = every[:count], every[count]
    state, since = oldest(journal)
    if since > Place(doomed[0].name, len(MAGIC)):
        raise JournalError(
            f"{journal}: its oldest segments were taken away by hand, and the oldest kept state is of {since.segment}: "
            f"what stands for {doomed[0].name} can't be made"
        )
    needed, found = Needed(), list[DeletedFile]()
    for record in told_before(journal):
        for fact in record.facts:
            needed.see(fact, state)
    for segment in doomed:
        found.append(_described(segment, state, needed))
    write_base(journal, state, first.name)
    digest = _write(before_path(first), needed.facts(state))
    found[-1] = msgspec.structs.replace(found[-1], state=state.hash(), before=digest)
    return found


def _described(segment: Path, state: State, needed: Needed) -> DeletedFile:
    """What a segment was; its facts are applied."""
    tree, last, offset = Tree(), b"", len(MAGIC)
    for end, payload in payloads(segment):
        tree.append(leaf_hash(payload))
        last, offset = link(payload), end
        for fact in read_payload(payload).facts:
            evolve(state, fact)
            needed.see(fact, state)
    size = segment.stat().st_size
    if offset != size:
        raise JournalError(f"{segment}: the record at byte {offset} is damaged: it is not deleted as it is")
    return DeletedFile(
        "journal", segment.name, size, file_hash(segment), tree.size, state.last_id, tree.root().hex(), last.hex()
    )  # fmt: skip


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _write(path: Path, facts: list[f.Fact]) -> str:
    """Write facts as records. Returns the file's SHA-256."""
    new = path.with_suffix(".tmp")
    with new.open("wb") as file:
        file.write(MAGIC)
        for at in range(0, len(facts), MOST_FACTS):
            payload = msgspec.msgpack.encode(Record(facts[at : at + MOST_FACTS], written=1))
            file.write(HEADER.pack(len(payload), zlib.crc32(payload)) + payload)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    return file_hash(path)


def remove(journal: Path, names: list[str]) -> int:
    """Delete segments, and what stood for those before them. Returns how many bytes that were."""
    size = 0
    for name in sorted(names):
        path = journal / name
        if path.exists():
            size += path.stat().st_size
            path.unlink()
        for stood in (path.with_suffix(".base"), before_path(path)):
            stood.unlink(missing_ok=True)
    folder = os.open(journal, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return size


def deletions(journal: Path) -> list[f.RecordsDeleted]:
    """What the journal says was deleted, oldest first. Raises JournalError."""
    return [fact for record in read(journal) for fact in record.facts if isinstance(fact, f.RecordsDeleted)]


def told_gone(journal: Path) -> str:
    """Which days were deleted, by whom and why, as words; "": the journal has all. Raises JournalError."""
    first = next(iter(segments(journal)), None)
    if first is None or not before_path(first).exists():
        return ""
    gone = [one for one in deletions(journal) if one.file.what == "journal" and one.file.name < first.name]
    days = [one.file.name.removesuffix(".journal") for one in gone]
    which = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    who = ", ".join(dict.fromkeys(f"{one.operator} under {one.rule}" for one in gone))
    return f"{which} {'was' if len(days) == 1 else 'were'} deleted, by {who}"
