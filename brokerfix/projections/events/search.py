"""Searching the facts of a trading day in the journal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from brokerfix.domain import day_of, first_of_day, id_number, id_text
from brokerfix.projections.events.form import Message
from brokerfix.projections.events.source import Source
from brokerfix.projections.events.words import in_words

AT_ONCE = 1000
MOST = 500
Row = dict[str, Any]


class Sought(NamedTuple):
    """Which facts of the day (YYYYMMDD) are sought; "" and 0: any. `order` is an OrderID, or a ClOrdID, which stands
    for the orders that have had it; `text` is somewhere in the fact, in whatever case. From `since` to before `until`
    (ns UTC), with a number higher than `after`; `most` of them."""

    day: int
    kind: str = ""
    account: str = ""
    order: str = ""
    text: str = ""
    since: int = 0
    until: int = 0
    after: int = 0
    most: int = 50


class Found(NamedTuple):
    """Rows as the stream has them, each with its `words`; whether there are more; how many facts were looked at."""

    facts: list[Row]
    more: bool
    looked: int


def search(folder: Path, shard: int, sought: Sought) -> Found:
    """The facts in the journal's folder, the oldest first. Raises JournalError."""
    found: list[Row] = []
    looked = 0
    names = _Names(sought.order)
    for message in _of_day(folder, shard, sought.day):
        looked += 1
        if sought.until and message.at >= sought.until:
            break
        row = _taken(message, sought, names)
        if row is None or message.number <= sought.after:
            continue
        if len(found) >= min(sought.most, MOST):
            return Found(found, True, looked)
        row["words"] = in_words(row)
        found.append(row)
    return Found(found, False, looked)


def _of_day(folder: Path, shard: int, day: int) -> Iterator[Message]:
    source = Source(folder, first_of_day(day, shard) - 1)
    while messages := source.read(AT_ONCE):
        for message in messages:
            if day_of(message.number) > day:
                return
            if day_of(message.number) == day:
                yield message


class _Names:
    """What an order is called in facts: its number, and of a ClOrdID the orders that have had it."""

    def __init__(self, order: str) -> None:
        number = id_number(order)
        self.given, self.is_id = id_text(number) if number else order, bool(number)
        self._known = [_quoted(self.given)] if order else []
        self._cl_ord_id = b"" if self.is_id or not order else b'"cl_ord_id":' + _quoted(order)

    def takes(self, body: bytes) -> bool:
        """Whether a fact is about it."""
        if not any(one in body for one in self._known):
            return False
        if self._cl_ord_id and self._cl_ord_id in body:
            row = msgspec.json.decode(body)
            name = _quoted((row["fact"] or {}).get("order_id") or row["id"])
            if name not in self._known:
                self._known.append(name)
        elif b'"kind":"OrderRouted"' in body:
            # What exchanges tell has the number of what was sent there.
            self._known.append(_quoted(msgspec.json.decode(body)["id"]))
        return True


def _quoted(text: str) -> bytes:
    return msgspec.json.encode(text)


def _taken(message: Message, sought: Sought, names: _Names) -> Row | None:
    """The row, None where it is not sought. Most are told from their bytes alone."""
    if sought.order and not names.takes(message.body):
        return None
    if sought.kind and message.kind != sought.kind:
        return None
    if message.at < sought.since or (sought.account and message.account != sought.account):
        return None
    if sought.text and _quoted(sought.text)[1:-1].decode().lower() not in message.body.decode().lower():
        return None
    row: Row = msgspec.json.decode(message.body)
    return row
