"""The rules of the lease, in a time of their own: servers that answer late or not at all, machines that pause, clocks
that are off and do not run alike. There are never two holders."""

import heapq
from collections.abc import Coroutine, Generator
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from brokerfix.cluster.lease import Away, Held, Lease, May, Stale

LEASE = 1000
RENEW = LEASE // 4


class Nap:
    """Waits in the world's time."""

    def __init__(self, time: int) -> None:
        self.time = time

    def __await__(self) -> Generator[int, None, None]:
        yield self.time


class World:
    """Runs what nodes do, in the order of a time that only stands here."""

    def __init__(self) -> None:
        self.now = 0
        self._due: list[tuple[int, int, Coroutine[Any, Any, None]]] = []
        self._count = 0

    def start(self, coroutine: Coroutine[Any, Any, None], at: int = 0) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, coroutine))

    def run(self, until: int) -> None:
        while self._due and self._due[0][0] <= until:
            self.now, _, coroutine = heapq.heappop(self._due)
            try:
                nap = coroutine.send(None)
            except StopIteration:
                continue
            self.start(coroutine, self.now + nap)
        for _, _, coroutine in self._due:
            coroutine.close()


class ServerKey:
    """The key at the servers, reached over a network that is drawn: how long each way takes, and what is lost."""

    def __init__(self, world: World, random: Random) -> None:
        self.world, self.random = world, random
        self.revision = 0
        self.value: bytes | None = None

    async def _way(self) -> None:
        await Nap(self.random.choice((1,) * 10 + (5, 20, 50, 400, 2500)))

    async def read(self) -> tuple[int, bytes] | None:
        await self._way()
        found = (self.revision, self.value) if self.value is not None else None
        await self._way()
        if self.random.random() < 0.05:
            raise Away("lost")
        return found

    async def write(self, value: bytes, over: int) -> int:
        await self._way()
        if self.random.random() < 0.05:
            raise Away("lost on the way there")
        if over != self.revision:
            await self._way()
            raise Stale("another revision")
        self.revision += 1
        self.value = value
        written = self.revision
        await self._way()
        if self.random.random() < 0.05:
            raise Away("the answer is lost")
        return written


class Machine:
    """A node as its agent does it, with a clock that is off and does not run as the others'."""

    def __init__(self, world: World, key: ServerKey, name: str, off: int, rate: float, random: Random) -> None:
        self.world, self.random, self.name = world, random, name
        self.off, self.rate = off, rate
        self.lease = Lease(key, LEASE, Held(name, hash(name) % 1000, 0))
        self.lost = False

    def clock(self) -> int:
        return self.off + int(self.world.now * self.rate)

    @property
    def holds(self) -> bool:
        holding = self.lease.holding
        return holding is not None and not self.lost and self.clock() < holding.deadline

    async def live(self) -> None:
        while True:
            try:
                if self.lease.holding is not None:
                    self.lost = not await self.lease.renew(self.clock)
                    if self.lost:
                        # It begins anew, as another instance.
                        self.lease = Lease(self.lease.key, LEASE, Held(self.name, self.lease.me.instance + 1, 0))
                        self.lost = False
                elif await self.lease.look(self.clock) in (May.TAKE, None) and self.lease.holding is None:
                    await self.lease.take(self.clock)
            except Away:
                pass
            # Sometimes the machine stands still.
            await Nap(self.random.choice((10, *((RENEW // 2,) * 12), RENEW, LEASE, 3 * LEASE)))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_there_are_never_two_holders(seed: int) -> None:
    random = Random(seed)
    world = World()
    key = ServerKey(world, random)
    machines = [
        Machine(world, key, name, random.randrange(10**6), random.choice((0.95, 1.0, 1.05)), random) for name in "abc"
    ]
    holders_of_all: set[str] = set()

    async def watch() -> None:
        while True:
            holders = [machine.name for machine in machines if machine.holds]
            assert len(holders) <= 1, f"at {world.now} {holders} hold it"
            holders_of_all.update(holders)
            await Nap(3)

    for machine in machines:
        world.start(machine.live())
    world.start(watch())
    world.run(20 * LEASE)
    assume(holders_of_all)


class QuickKey:
    """The key, at once."""

    def __init__(self) -> None:
        self.revision, self.value = 0, b""
        self.answers = self.takes = True

    async def read(self) -> tuple[int, bytes] | None:
        if not self.answers:
            raise Away("no quorum")
        return (self.revision, self.value) if self.revision else None

    async def write(self, value: bytes, over: int) -> int:
        if self.takes:
            if over != self.revision:
                raise Stale("another")
            self.revision, self.value = self.revision + 1, value
        if not self.answers:
            raise Away("no answer")
        return self.revision


def do(coroutine: Coroutine[Any, Any, Any]) -> Any:
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    return ended.value.value


def test_a_holder_counts_from_before_it_sent_and_a_watcher_from_after_it_read() -> None:
    key = QuickKey()
    holder, watcher = Lease(key, LEASE, Held("a", 1, 0)), Lease(key, LEASE, Held("b", 2, 0))
    assert do(holder.look(lambda: 100)) is None
    assert do(holder.take(lambda: 100))
    assert holder.holding is not None
    assert holder.holding.deadline == 100 + LEASE
    # The watcher's clock is another one altogether: 2 s off is nothing.
    assert do(watcher.look(lambda: 2_000_000)) is May.WAIT
    assert do(watcher.look(lambda: 2_000_000 + LEASE)) is May.WAIT
    assert do(watcher.look(lambda: 2_000_000 + LEASE * 5 // 4)) is May.TAKE
    assert do(holder.renew(lambda: 1000))
    assert holder.holding.deadline == 1000 + LEASE
    assert do(watcher.take(lambda: 0)) is False, "it was renewed meanwhile"
    assert do(watcher.look(lambda: 2_002_000)) is May.WAIT, "a new revision counts anew"


def test_a_renewal_without_an_answer_is_found_again_with_its_own_time() -> None:
    key = QuickKey()
    holder = Lease(key, LEASE, Held("a", 1, 0))
    do(holder.look(lambda: 0))
    do(holder.take(lambda: 0))
    assert holder.holding is not None
    key.answers = False
    with pytest.raises(Away):
        do(holder.renew(lambda: 200))
    assert holder.holding.deadline == LEASE, "nobody said that it was taken"
    key.answers = True
    assert do(holder.renew(lambda: 900))
    assert holder.holding.deadline == 200 + LEASE, "the one that is there was sent then"
    assert do(holder.renew(lambda: 950))
    assert holder.holding.deadline == 950 + LEASE


def test_a_lease_that_is_given_up_is_for_whom_it_is_given_up() -> None:
    key = QuickKey()
    holder = Lease(key, LEASE, Held("a", 1, 0))
    do(holder.look(lambda: 0))
    do(holder.take(lambda: 0))
    assert do(holder.release(lambda: 10, "c"))
    b, c = Lease(key, LEASE, Held("b", 2, 0)), Lease(key, LEASE, Held("c", 3, 0))
    assert do(b.look(lambda: 20)) is May.WAIT
    assert do(c.look(lambda: 20)) is May.TAKE
    assert do(c.take(lambda: 20))
    assert c.holding is not None
    assert c.holding.held.epoch == 2
    assert do(b.look(lambda: 20 + LEASE)) is May.WAIT


def test_a_lease_that_was_taken_away_is_lost() -> None:
    key = QuickKey()
    holder, other = Lease(key, LEASE, Held("a", 1, 0)), Lease(key, LEASE, Held("b", 2, 0))
    do(holder.look(lambda: 0))
    do(holder.take(lambda: 0))
    do(other.look(lambda: 0))
    assert do(other.look(lambda: 2 * LEASE)) is May.TAKE
    assert do(other.take(lambda: 2 * LEASE))
    assert do(holder.renew(lambda: 2 * LEASE)) is False


def test_an_agent_that_was_killed_goes_on_with_the_lease_of_its_instance() -> None:
    key = QuickKey()
    first = Lease(key, LEASE, Held("a", 1, 0))
    do(first.look(lambda: 0))
    do(first.take(lambda: 0))
    again = Lease(key, LEASE, Held("a", 1, 0))
    assert do(again.look(lambda: 100)) is May.TAKE
    assert again.holding is not None
    assert again.holding.deadline == 0, "when it was sent is not known"
    assert do(again.renew(lambda: 100))
    assert again.holding.deadline == 100 + LEASE
    assert again.holding.held.epoch == 1
    started_anew = Lease(key, LEASE, Held("a", 7, 0))
    assert do(started_anew.look(lambda: 100)) is May.WAIT, "another instance of the same node waits as others do"


def test_who_is_killed_while_it_takes_over_still_knows_whether_another_node_was_before_it() -> None:
    """If none was, what this node has beyond the stream is its own, and told to clients: it must not be cut."""
    for before, is_ours in (("a", True), ("b", False)):
        key = QuickKey()
        last, first = Lease(key, LEASE, Held(before, 1, 0)), Lease(key, LEASE, Held("a", 2, 0))
        do(last.look(lambda: 0))
        do(last.take(lambda: 0))
        do(first.look(lambda: 0))
        assert do(first.look(lambda: 2 * LEASE)) is May.TAKE
        assert do(first.take(lambda: 2 * LEASE))
        assert do(first.renew(lambda: 2 * LEASE))
        again = Lease(key, LEASE, Held("a", 2, 0))
        assert do(again.look(lambda: 2 * LEASE)) is May.TAKE
        assert again.holding is not None
        assert (first.was_ours, again.was_ours, again.holding.held.after) == (is_ours, is_ours, before)
