"""The journal as messages of the stream, from a number on."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, cast

from brokerfix.engine.evolve import evolve
from brokerfix.facts import Quoted, StateKept, Trade
from brokerfix.projections.events.about import about, about_maker_side
from brokerfix.projections.events.form import Form, Message
from brokerfix.projections.events.market import Market
from brokerfix.projections.events.values import Digits
from brokerfix.record.journal import Place, Record, places
from brokerfix.record.kept import belongs, newest, oldest, place_of


class Wanted(NamedTuple):
    """What goes into a stream: these kinds and accounts (none named: all), and nothing from before `since` (ns)."""

    kinds: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    since: int = 0

    def takes(self, kind: str, account: str, at: int) -> bool:
        return (
            at >= self.since
            and (not self.kinds or kind in self.kinds)
            and (not self.accounts or account in self.accounts)
        )


class Synced:
    """Up to where the disk has the journal in a folder: `reach` has it there, at the price of a sync for what is new
    since."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._has = Place("", 0)

    def reach(self, place: Place) -> bool:
        if place > self._has:
            descriptor = os.open(self._folder / place.segment, os.O_RDONLY)
            try:
                end = os.fstat(descriptor).st_size
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            self._has = Place(place.segment, end)
        return True


class Source:
    """Follows the journal in `folder` for a stream that has all up to the number `after`. `last_id` is the last fact
    that was read, and `at_after` when that with the number `after` was (0: it was not read). `gap` is the first number
    that the journal still tells, where it begins behind `after`: the facts between are gone (0: none are). Records
    up to a place that is not `confirmed` wait, and that some do is told by `waits`. Latest prices of symbols gather in
    `market`. Raises JournalError."""

    def __init__(
        self, folder: Path, after: int, format: str = "json", wanted: Wanted | None = None,
        confirmed: Callable[[Place], bool] = lambda place: True,
    ) -> None:  # fmt: skip
        self.folder, self.after, self.wanted = folder, after, wanted or Wanted()
        self._confirmed, self.waits = confirmed, False
        found = newest(folder, lambda head: head.last_id < after and belongs(folder, head))
        if found is not None:
            self.state, head, _ = found
            self._place = place_of(head)
        else:
            self.state, self._place = oldest(folder)
        self.gap = self.state.last_id + 1 if self.state.last_id > after else 0
        self.at_after = 0
        self._form = Form(Digits(self.state.instruments), format)
        self.market = Market(self.state.instruments, format)
        self._messages = self._all()

    @property
    def last_id(self) -> int:
        return self.state.last_id

    @property
    def place(self) -> Place:
        """All messages of the records before it were read."""
        return self._place

    def read(self, most: int) -> list[Message]:
        """The next messages that are wanted, so many at most; none: there are no more now."""
        found = []
        for message in self._messages:
            if message is None:
                break
            found.append(message)
            if len(found) >= most:
                break
        return found

    def _all(self) -> Iterator[Message | None]:
        """Every message that is wanted; None where there is no more now."""
        while True:
            # A last record may be in the middle of its write: it is whole at the next look.
            for record, place in places(self.folder, since=self._place):
                while not self._confirmed(place):
                    self.waits = True
                    yield None
                self.waits = False
                yield from self._of_record(record)
                self._place = place
            yield None

    def _of_record(self, record: Record) -> Iterator[Message]:
        state, wanted, form, after = self.state, self.wanted, self._form, self.after
        for fact in record.facts:
            evolve(state, fact)
            kind = type(fact)
            is_trade = kind is Trade
            if fact.id <= after or kind is StateKept:
                if fact.id == after:
                    self.at_after = fact.at
                continue
            if kind is Quoted:
                self.market.note(cast(Quoted, fact))
            if is_trade:
                yield from self._maker_side(cast(Trade, fact), record)
            found = about(state, fact)
            if wanted.takes(kind.__name__, found[0], fact.at):
                yield form.message(fact.id, fact, found, record.origin)

    def _maker_side(self, fact: Trade, record: Record) -> Iterator[Message]:
        """A trade has two numbers, each side's ExecID: that of the order in the book comes first."""
        if fact.id - 1 == self.after:
            self.at_after = fact.at
            return
        found = about_maker_side(self.state, fact)
        if self.wanted.takes("Trade", found[0], fact.at):
            yield self._form.message(fact.id - 1, fact, found, record.origin)
