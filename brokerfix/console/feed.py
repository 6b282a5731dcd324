"""The journal's tail, as pages see it: the state after the newest fact, and which orders have changed since when."""

import asyncio
import logging
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from pathlib import Path

from brokerfix.domain import id_number
from brokerfix.engine.evolve import evolve, note
from brokerfix.engine.state import State
from brokerfix.engine.touched import Touched
from brokerfix.facts import Alerted, DayRolled, Fact, OperatorActed
from brokerfix.operate.operations import ACKNOWLEDGED
from brokerfix.record.journal import JournalError, Place, Record, segments
from brokerfix.record.kept import belongs, newest, oldest, place_of
from brokerfix.record.onward import Onward

log = logging.getLogger("brokerfix.console.feed")

AT_ONCE = 100
"""Records that are applied before pages have their turn."""
LOOK_SECONDS = 0.1
TROUBLE_SECONDS = 2.0
MOST_ALERTS = 1_000
RECENT = 2_000
"""Facts that are remembered as they came."""

Listener = Callable[[State, Fact, Record], None]


LEAST_LOG = 1_000


class Changes:
    """Which orders are other ones since when: a number that goes up with every change. `generation` is another one when
    all that was told before is void."""

    def __init__(self) -> None:
        self.version = 0
        self.generation = time.time_ns()
        self._by_order: dict[int, int] = {}
        # (version, order), also those that have a later version: these are skipped, and thrown away once they are many.
        self._log: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._by_order)

    def changed(self, order_id: int) -> None:
        self.version += 1
        self._by_order[order_id] = self.version
        self._log.append((self.version, order_id))
        if len(self._log) > LEAST_LOG + 2 * len(self._by_order):
            self._log = [one for one in self._log if self._by_order[one[1]] == one[0]]

    def version_of(self, order_id: int) -> int:
        """The version with which an order has changed last, 0: there is none."""
        return self._by_order.get(order_id, 0)

    def since(self, version: int, most: int) -> tuple[list[int], int]:
        """The orders that have changed after `version`, the one first that changed first, so many at most; and the
        version that whoever has taken them has."""
        found: list[int] = []
        for at in range(bisect_left(self._log, (version + 1,)), len(self._log)):
            changed, order_id = self._log[at]
            if self._by_order[order_id] == changed:
                found.append(order_id)
                if len(found) == most:
                    return found, changed
        return found, max(version, self.version)

    def anew(self, order_ids: list[int]) -> None:
        """These are all there are now."""
        self._by_order.clear()
        self._log.clear()
        self.generation = time.time_ns()
        for order_id in order_ids:
            self.changed(order_id)


class Feed:
    """Follows a data folder's journal. `open_alerts` are the day's that nobody has acknowledged, `recent` the newest
    facts. `state` is never to be changed by who reads it. Listeners are told each fact
    since the trading day began once, as soon as it is applied."""

    def __init__(self, data: Path) -> None:
        self.folder = data / "journal"
        self.state = State()
        self.orders = Changes()
        self.recent: deque[Fact] = deque(maxlen=RECENT)
        self.open_alerts: dict[int, Alerted] = {}
        self.trouble = ""
        self.is_ready = False
        self._listeners: list[Listener] = []
        self._last_told = 0
        self._onward: Onward | None = None
        self._caught_up = time.monotonic()

    def on(self, listener: Listener) -> None:
        """Tell it each fact. It has to be asked for before `run`."""
        self._listeners.append(listener)

    def behind_seconds(self) -> float:
        """For how long there was more to read than was read."""
        return time.monotonic() - self._caught_up

    async def run(self) -> None:
        """Follow until canceled. Where the journal can't be read, `trouble` says why, and it is tried again."""
        while True:
            try:
                count = self.follow()
                if not count:
                    self.trouble = ""
            except Exception as error:
                # Whatever it is: pages that are silently old would be worse.
                if isinstance(error, JournalError | OSError):
                    log.error("%s", error)
                else:
                    log.exception("the journal can't be followed")
                self.trouble, count = f"the journal can't be followed: {error}", 0
                self._onward, self.is_ready = None, False
                await asyncio.sleep(TROUBLE_SECONDS)
            await asyncio.sleep(0 if count else LOOK_SECONDS)

    def follow(self) -> int:
        """Apply the next records. Returns how many those were."""
        if self._onward is None:
            self._begin()
            if self._onward is None:
                return 0
        count, touched = 0, Touched()
        for record, _ in self._onward.take(AT_ONCE):
            for fact in record.facts:
                self._apply(fact, record, touched)
            count += 1
        # A child whose exchange was lost is in doubt, though nothing has happened to its order.
        for order_id in {**touched.orders, **{child.order_id: None for child in touched.children.values()}}:
            if order_id in self.state.orders:
                self.orders.changed(order_id)
        if not count:
            self._caught_up = time.monotonic()
            self.is_ready = True
        return count

    def _apply(self, fact: Fact, record: Record, touched: Touched) -> None:
        evolve(self.state, fact)
        note(self.state, fact, touched)
        if isinstance(fact, DayRolled):
            touched.orders.clear()
            self.orders.anew(list(self.state.orders))
        if fact.id > self._last_told:
            self._last_told = fact.id
            self._tell(fact, record)

    def _tell(self, fact: Fact, record: Record) -> None:
        """Tell a fact to all. None is told again when the journal is read anew, after it could not be read."""
        self.recent.append(fact)
        if isinstance(fact, DayRolled):
            self.open_alerts.clear()
        elif isinstance(fact, Alerted):
            self.open_alerts[fact.id] = fact
            if len(self.open_alerts) > MOST_ALERTS:
                del self.open_alerts[next(iter(self.open_alerts))]
        elif isinstance(fact, OperatorActed) and fact.action == ACKNOWLEDGED:
            self.open_alerts.pop(id_number(fact.text), None)
        for listener in self._listeners:
            try:
                listener(self.state, fact, record)
            except Exception:
                # The state goes on; what this one shows may be wrong until the console starts anew.
                log.exception("a page's figures missed the fact %d", fact.id)

    def _begin(self) -> None:
        """The state just before the newest day's first fact, or the first there is."""
        if not self.folder.is_dir() or not (days := segments(self.folder)):
            return
        day = Place(days[-1].name, 0)
        found = newest(self.folder, lambda head: place_of(head) <= day and belongs(self.folder, head))
        if found is not None:
            self.state, head, _ = found
            place = place_of(head)
        else:
            self.state, place = oldest(self.folder)
        self._onward = Onward(self.folder, place)
        self.orders.anew(list(self.state.orders))
