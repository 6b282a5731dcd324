"""Who is primary: a key with compare-and-set, and the rules by which it is held, watched and taken.

No clock is compared with another machine's. Who holds the lease counts its time from before it sent the renewal that
was taken; who watches it counts from after it has read a revision, and takes it only if there has been no other for
longer than that. The key itself is what decides: it is written only over the revision that was read.
"""

from collections.abc import Callable
from enum import Enum
from typing import Protocol

import msgspec

Clock = Callable[[], int]
"""Nanoseconds that never go back, see `shared.clock`."""
PATIENCE = 1.25
"""Who watches waits so many times as long as the lease: clocks do not all run alike, and who has lost it and does not
stop is killed before."""
KILL_AFTER = 0.15
"""So much of a lease's time after its end, a broker that goes on is killed by its agent."""
RENEWALS = 4
"""How often a lease is renewed in its time."""


class Held(msgspec.Struct, frozen=True):
    """What the key says. `instance` is the start of the node that wrote it, `beat` its count of writes; `kinds` and
    `version` tell what facts it writes, `address` where its clients connect. `released`: it is given up, in favour of
    the node `to` ("": any). `after` is the node that held it before this epoch ("": none, or an older version wrote
    it)."""

    node: str
    instance: int
    epoch: int
    beat: int = 0
    version: str = ""
    kinds: str = ""
    address: str = ""
    released: bool = False
    to: str = ""
    after: str = ""


class Stale(Exception):
    """The key has another revision than the one that was to be overwritten."""


class Away(Exception):
    """The servers do not answer, or have no quorum."""


class Key(Protocol):
    """The key, wherever it is."""

    async def read(self) -> tuple[int, bytes] | None:
        """Its revision and value, or None. Raises Away."""

    async def write(self, value: bytes, over: int) -> int:
        """Write it over a revision (0: there is none). Returns the new one. Raises Stale, and Away: then it may be
        written, or not."""


class May(Enum):
    """What may be done with a lease of others."""

    WAIT = "wait"
    TAKE = "take"


class Watch:
    """Whether a lease that another holds may be taken, by our own clock (ns)."""

    def __init__(self, lease: int) -> None:
        self.patience = int(lease * PATIENCE)
        self.revision = -1
        self.since = 0

    def saw(self, revision: int, now: int) -> None:
        """A revision was read; `now` is after the answer came."""
        if revision != self.revision:
            self.revision, self.since = revision, now

    def may(self, now: int, held: Held | None, node: str) -> May:
        """What may be done: one that was given up is whose favour it was given up in, at once."""
        if held is not None and held.released and held.to in ("", node):
            return May.TAKE
        return May.TAKE if self.revision >= 0 and now - self.since >= self.patience else May.WAIT


class Holding:
    """A lease of ours, by our own clock: `deadline` is until when (ns)."""

    def __init__(self, lease: int, held: Held) -> None:
        self.lease = lease
        self.held = held
        self.revision = 0
        self.deadline = 0
        self._sent: dict[int, int] = {}

    def next(self, now: int) -> Held:
        """What to write; `now` is before it is sent."""
        self.held = msgspec.structs.replace(self.held, beat=self.held.beat + 1)
        self._sent[self.held.beat] = now
        return self.held

    def taken(self, beat: int, revision: int) -> None:
        """The key has what was written with this beat. Of a beat that another process of ours wrote, it is not known
        when it was sent: it gives no time."""
        self.revision = revision
        sent = self._sent.get(beat)
        if sent is not None:
            self.deadline = max(self.deadline, sent + self.lease)
            self._sent = {later: at for later, at in self._sent.items() if later > beat}


def _encode(held: Held) -> bytes:
    return msgspec.json.encode(held)


def decode(value: bytes) -> Held:
    """What the key says. Raises msgspec's errors where another program wrote it."""
    return msgspec.json.decode(value, type=Held)


class Lease:
    """The lease of one shard, for one node. `holding` is None while others have it, or nobody; `last` is what the key
    said when it was last read; `was_ours`: before the epoch that we hold, this node held it as well."""

    def __init__(self, key: Key, lease: int, me: Held) -> None:
        """`me` says who we are; `lease` is in ns."""
        self.key = key
        self.lease = lease
        self.me = me
        self.watch = Watch(lease)
        self.holding: Holding | None = None
        self.last: Held | None = None
        self.was_ours = False
        self._before = 0

    async def look(self, clock: Clock) -> May | None:
        """Read the key. Returns what may be done with it, and None where there is no such key. A lease that we hold,
        since before this process began, is ours again. Raises Away."""
        read = await self.key.read()
        now = clock()
        if read is None:
            self.last = None
            return None
        revision, value = read
        self.last = held = decode(value)
        self._before = revision
        self.watch.saw(revision, now)
        if held.instance == self.me.instance and held.node == self.me.node and not held.released:
            if self.holding is None:
                self.holding = Holding(self.lease, held)
                self.was_ours = held.after == self.me.node
            self.holding.taken(held.beat, revision)
            return May.TAKE
        return self.watch.may(now, held, self.me.node)

    async def take(self, clock: Clock, least: int = 0) -> bool:
        """Take it as it was last read, for an epoch above `least`. Returns whether it is ours now. Raises Away: then it
        may be ours, and `look` tells."""
        last = self.last
        epoch = max(least, last.epoch if last is not None else 0) + 1
        after = last.node if last is not None else ""
        self.was_ours = after == self.me.node
        holding = Holding(self.lease, msgspec.structs.replace(self.me, epoch=epoch, after=after))
        tried = holding.next(clock())
        try:
            revision = await self.key.write(_encode(tried), self._before if last is not None else 0)
        except Stale:
            return False
        holding.taken(tried.beat, revision)
        self.holding = holding
        return True

    async def renew(self, clock: Clock) -> bool:
        """Renew a lease of ours. Returns whether it is still ours: if not, it is lost. Raises Away."""
        holding = self.holding
        assert holding is not None
        sent = holding.next(clock())
        try:
            revision = await self.key.write(_encode(sent), holding.revision)
        except Stale:
            # It may be a renewal of ours that we had no answer to.
            read = await self.key.read()
            if read is None:
                return False
            revision, value = read
            self.last = found = decode(value)
            if (found.node, found.instance, found.epoch) != (holding.held.node, holding.held.instance, sent.epoch):
                return False
            holding.taken(found.beat, revision)
            return True
        holding.taken(sent.beat, revision)
        self.last = sent
        return True

    async def release(self, clock: Clock, to: str) -> bool:
        """Give a lease of ours up in favour of a node. Returns whether it was still ours. Raises Away."""
        holding = self.holding
        assert holding is not None
        given = msgspec.structs.replace(holding.next(clock()), released=True, to=to)
        try:
            await self.key.write(_encode(given), holding.revision)
        except Stale:
            return False
        self.holding, self.last = None, given
        return True
