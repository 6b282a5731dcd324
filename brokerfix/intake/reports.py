"""Reports of a client's session, on their way to a queue."""

import asyncio
import logging
import time
from collections import deque

import msgspec

from brokerfix.doors.desk import Caller, Desk
from brokerfix.doors.model import Report
from brokerfix.doors.told import Told as Heard
from brokerfix.doors.users import User
from brokerfix.intake.queue import Queue, Told
from brokerfix.queues.away import ServerAway

log = logging.getLogger("brokerfix.intake")
BATCH = 256
RETRY_SECONDS = 0.2
AWAY_SECONDS = 1.0
UNKNOWN = "unknown"
"""The account of a report that tells none."""


class Reports:
    """Publishes a client's reports in order, at least once: until one is kept, the session's next run will be told it
    again. When more than `most` wait and the queue has taken none for a moment, the session is ended until they are
    gone: the broker keeps what the client misses meanwhile."""

    def __init__(self, desk: Desk, user: User, queue: Queue, most: int) -> None:
        self._desk, self._user, self._queue, self._most = desk, user, queue, most
        self._callers = [caller for caller in desk.keys.values() if caller.key.client == user.name]
        self._waiting: deque[tuple[int, Told]] = deque()
        self._some = asyncio.Event()
        self._taken_at = 0.0
        self._leaving: asyncio.Task[None] | None = None
        user.streams.add(self)

    def tell(self, what: Heard) -> None:
        if not isinstance(what, Report) or not any(self._sees(caller, what) for caller in self._callers):
            return
        session = self._user.session
        # What is told unasked between reports, as how far an order is that is worked over time, has no ExecID.
        number = what.exec_id if what.exec_type != "I" else f"{self._user.name}-{session.began_at}-{session.number}"
        told = Told(what.order.account or UNKNOWN, number, msgspec.json.encode(what))
        if not self._waiting:
            self._taken_at = time.monotonic()
        self._waiting.append((session.hold(session.number), told))
        self._some.set()
        is_away = time.monotonic() - self._taken_at > AWAY_SECONDS
        if is_away and len(self._waiting) > self._most and session.may_log_on:
            log.error("%s: %d reports wait for the queue: its session ends until they are gone",
                      self._user.name, len(self._waiting))  # fmt: skip
            session.may_log_on = False
            self._leaving = asyncio.get_running_loop().create_task(session.leave())

    def _sees(self, caller: Caller, report: Report) -> bool:
        return self._desk.sees(caller, report.order)

    @property
    def waiting(self) -> int:
        """How many are not kept yet."""
        return len(self._waiting)

    async def run(self) -> None:
        """Publish for ever."""
        is_away = False
        while True:
            await self._some.wait()
            batch = [self._waiting[n] for n in range(min(BATCH, len(self._waiting)))]
            try:
                await self._queue.report([told for _, told in batch])
            except ServerAway as error:
                if not is_away:
                    log.warning("reports of %s wait: %s", self._user.name, error)
                is_away = True
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if is_away:
                log.info("reports of %s are taken again", self._user.name)
            is_away = False
            self._taken_at = time.monotonic()
            for number, _ in batch:
                self._waiting.popleft()
                self._user.session.release(number)
            if not self._waiting:
                self._some.clear()
                self._user.session.may_log_on = True
