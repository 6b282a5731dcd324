"""What the loop does while nothing happens: it sleeps until a socket of the process has something to read.

QuickFIX is polled and does not tell its descriptors, so the process's own are looked up. Only the loop's thread opens
sockets, so none can appear between a look and the sleep behind it. What no descriptor tells (QuickFIX's own timers, a
connect that an exchange has answered) and what the looks overlook (a number closed and taken again in one turn) waits
for `LONGEST_REST` at most: then the loop turns anyway. Where nothing at all has happened for `QUIET_AFTER`, so that the
looks have found what there is, it waits for `LONGEST_QUIET_REST`.
"""

import os
import select
import socket
import time
from contextlib import suppress

from brokerfix.fix.session.listen import sockets

AWAKE = 200e-6
"""Seconds that the loop goes on turning after a message: the next one is often near, and to be woken takes longer."""
LONGEST_REST = 4e-3
LONGEST_QUIET_REST = 32e-3
LOOK_EVERY = 1.0
"""Seconds between looks for new sockets that nothing gave a reason for."""
QUIET_AFTER = 2.0
"""Longer than LOOK_EVERY."""
SHORTEST_DRAIN, LONGEST_DRAIN = 1.0, 5.0
FUTILE = 50
"""After so many rests in a row that end with something to read, which no turn takes in, the next are slept through."""


class Idle:
    """The rests of one loop. Made before the process has many descriptors: select(2) takes numbers below 1024 only."""

    def __init__(self) -> None:
        self._readable = select.epoll()
        self._writable = select.poll()
        self._connected: set[int] = set()
        self._lowest_free = -1
        self._look_due = 0.0
        self._activity = -1
        self._awake_until = 0.0
        self._choked: dict[int, float] = {}
        self._drained_at = 0.0
        self._futile = 0
        self._changes = 0
        self._quiet_at = 0.0

    def is_awake(self, activity: int) -> bool:
        """Whether messages come: `activity` is, or was a moment ago, another than the last time."""
        now = time.perf_counter()
        if activity != self._activity:
            self._activity = activity
            self._awake_until = now + AWAKE
            self._quiet_at = now + QUIET_AFTER
            self._futile = 0
        return now < self._awake_until

    def rest(self, activity: int, seconds: float, changes: int = 0) -> bool:
        """Sleep until there is something to read, but not longer than `seconds`, and not at all while messages come
        (`is_awake`). With other `changes` than the last time, as when a session has logged on, new sockets are looked
        for. Returns whether a sleep has ended with something to read.
        """
        if self.is_awake(activity):
            return False
        now = time.perf_counter()
        try:
            if changes != self._changes or self._next_number() != self._lowest_free:
                self._changes = changes
                self._quiet_at = now + QUIET_AFTER
                self._look(now)
            elif now >= self._look_due:
                self._look(now)
        except OSError:
            # No descriptor is free to look with. What was watched is watched, the rest waits for the clock.
            self._look_due = now + LOOK_EVERY
        if self._drains(now):
            return False
        is_quiet = now >= self._quiet_at and not self._choked and self._futile < FUTILE
        seconds = max(0.0, min(seconds, LONGEST_QUIET_REST if is_quiet else LONGEST_REST))
        if self._futile >= FUTILE:
            time.sleep(seconds)
            return True
        # Not with epoll's own timeout: it counts in whole milliseconds.
        ready = bool(select.select([self._readable], [], [], seconds)[0])
        if ready:
            self._quiet_at = now + QUIET_AFTER
        self._futile = self._futile + 1 if ready else 0
        return ready

    def _drains(self, now: float) -> bool:
        """Whether QuickFIX may hold messages back for a peer that has begun to read again: it sends one at each poll.
        The longer the peer did not read, the more there may be."""
        events = dict(self._writable.poll(0))
        for descriptor in self._connected - events.keys():
            self._choked.setdefault(descriptor, now)
        for descriptor in self._choked.keys() & events.keys():
            since = self._choked.pop(descriptor)
            if events[descriptor] == select.POLLOUT:
                drain = min(max(SHORTEST_DRAIN, now - since), LONGEST_DRAIN)
                self._drained_at = max(self._drained_at, now + drain)
        return now < self._drained_at

    def _look(self, now: float) -> None:
        """Watch every socket that there is. One that was closed has left the epoll set by itself."""
        self._look_due = now + LOOK_EVERY
        connected = set()
        for descriptor in sockets():
            with suppress(FileExistsError):
                self._readable.register(descriptor, select.EPOLLIN)
            if _is_connected(descriptor):
                connected.add(descriptor)
        for gone in self._connected - connected:
            self._writable.unregister(gone)
            self._choked.pop(gone, None)
        for new in connected - self._connected:
            self._writable.register(new, select.POLLOUT)
        self._connected = connected
        self._lowest_free = self._next_number()

    def _next_number(self) -> int:
        """The number that the next descriptor will get. While it stays the same, none was opened, but for one that has
        taken the number of one that was closed in the same turn."""
        number = os.dup(self._readable.fileno())
        os.close(number)
        return number

    def close(self) -> None:
        self._readable.close()


def _is_connected(descriptor: int) -> bool:
    """Whether QuickFIX may have something for it: the operator's door sends its own."""
    with socket.socket(fileno=os.dup(descriptor)) as found:
        if found.family == socket.AF_UNIX:
            return False
        try:
            found.getpeername()
        except OSError:
            return False
    return True
