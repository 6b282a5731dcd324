"""The projection of a journal to a database: what SQLite and PostgreSQL have in common."""

import time
from pathlib import Path
from typing import NamedTuple, Protocol

from brokerfix.domain import day_of, later
from brokerfix.engine.state import State
from brokerfix.facts import Fact
from brokerfix.projections.lag import Lag
from brokerfix.projections.rows import Rows
from brokerfix.projections.tail import Anew, Tail
from brokerfix.record.journal import Place, Record

POLL_SECONDS = 0.05
BATCH = 2000
"""Records projected in one transaction."""
LOOK_SECONDS = 1.0
"""How often a projection that has nothing to do looks whether its rows are still its own."""


class Progress(NamedTuple):
    """How far a database has a journal: up to a place, behind the fact with this number."""

    place: Place
    last_id: int


NOTHING = Progress(Place("", 0), 0)


class Store(Protocol):
    """A database, of which one journal's rows are meant. What it can't do raises its own errors, and nothing is
    written then."""

    def progress(self) -> Progress:
        """What it has; NOTHING for nothing."""

    def write(self, rows: Rows, old: Progress, new: Progress, written: int) -> None:
        """Put in rows, and that it has the journal up to `new`, whose last record was written then (ns UTC; 0: nobody
        knows), in one transaction. Raises Anew where it does not have it up to `old`."""

    def clear(self) -> None:
        """Forget all rows."""

    def trim(self, first: str) -> bool:
        """Forget what is of trading days before `first` (YYYYMMDD). False: not now, it has to be asked again."""


class Projection:
    """Keeps a database up to date with the journal of a data folder. `keep_days`: so many days before the trading day
    stay in it; 0: all."""

    def __init__(self, data: Path, store: Store, keep_days: int = 0, lag: Lag | None = None) -> None:
        self.folder = data / "journal"
        self.store = store
        self.keep_days = keep_days
        self.rows = Rows()
        self.lag = lag or Lag(data)
        self._written = 0
        self._look_at = 0.0
        self._begin()

    @property
    def state(self) -> State:
        return self.tail.state

    def _begin(self) -> None:
        try:
            self._resume(self.store.progress())
        except Anew:
            self._anew()

    def _resume(self, known: Progress) -> None:
        if known == NOTHING:
            self.store.clear()
        self._trimmed = ""
        self.rows.clear()
        self.tail = Tail(self.folder, *known)
        if self.tail.begins_with_state:
            self.tail.whole_state()
            self.rows.whole(self.state)
            self._flush()
        self.lag.has(self.tail.stored_id)

    def _anew(self) -> None:
        self.store.clear()
        self._resume(NOTHING)

    def follow(self) -> int:
        """Project what the journal has beyond what was projected. Returns how many records that were."""
        total = 0
        try:
            while count := self.tail.follow(self._note, BATCH):
                total += count
                self._flush()
            self._look()
        except Anew:
            self._anew()
            return 1 + self.follow()
        self.lag.caught_up()
        return total

    def go_on(self) -> None:
        """The database answers again. What it was last given it may have, though it could not say so."""
        known, new = self.store.progress(), self._reached
        if known not in (new, self._stored):
            self._begin()
        elif known == new:
            self._is_stored()
        else:
            self._flush()

    @property
    def _reached(self) -> Progress:
        return Progress(self.tail.place, self.state.last_id)

    @property
    def _stored(self) -> Progress:
        return Progress(self.tail.stored, self.tail.stored_id)

    def _note(self, fact: Fact, record: Record) -> None:
        self._written = record.written
        self.rows.note(self.state, fact)

    def _flush(self) -> None:
        """Write the rows that changed and how far the journal is projected, in one transaction."""
        self.rows.touch(self.state, self.tail.touched)
        if self.tail.place > self.tail.stored:
            self.store.write(self.rows, self._stored, self._reached, self._written)
        self._is_stored()
        self._trim()

    def _is_stored(self) -> None:
        self.rows.clear()
        self.tail.is_stored()
        self.lag.has(self.tail.stored_id, self._written)

    def _look(self) -> None:
        """Raises Anew where somebody has taken our rows away, as `brokerfix rebuild` does."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        if self.store.progress() != self._stored:
            raise Anew
        self._trim()

    def _trim(self) -> None:
        if not self.keep_days or not self.tail.stored_id:
            return
        first = str(later(day_of(self.tail.stored_id), -self.keep_days))
        if first != self._trimmed and self.store.trim(first):
            self._trimmed = first
