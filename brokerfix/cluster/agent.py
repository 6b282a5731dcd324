"""The process beside the broker's that speaks with the cluster: it alone. `python -m brokerfix.cluster.agent CONFIG
PARENT_PID WAKE_FD MAY_BEGIN`.

It holds or watches the lease, publishes the journal or follows it, and tells the broker through the mapped file. The
broker wakes it through an eventfd. What else the cluster's nodes do on the same connection is a task of `Agent.tasks`.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from brokerfix import __version__
from brokerfix.cluster.files import Files
from brokerfix.cluster.follow import Follower
from brokerfix.cluster.keys import Keys, OneKey, open_keys
from brokerfix.cluster.lease import KILL_AFTER, RENEWALS, Away, Held, Lease, May, Stale
from brokerfix.cluster.nodes import Nodes
from brokerfix.cluster.publish import Fenced, Publisher
from brokerfix.cluster.segments import Incoming, Outgoing, end_of
from brokerfix.cluster.shard import Shard
from brokerfix.cluster.shared import Role, Shared, Slot, clock
from brokerfix.cluster.stream import LOOK_BACK, Head, Refused, Stream
from brokerfix.cluster.told import Told
from brokerfix.cluster.versions import check_kinds, fingerprint, tell_kinds
from brokerfix.queues.nats import ServerAway, connect
from brokerfix.record.place import OFFSET_BITS
from brokerfix.settings.base import ConfigError
from brokerfix.settings.load import load
from brokerfix.settings.sections import Config

log = logging.getLogger("brokerfix.cluster")

AGAIN_SECONDS = 0.2
SHARE_AGAIN_SECONDS = 1.0
TICK_SECONDS = 0.05
REACT_SECONDS = 2.0
"""A standby whose broker has not turned for so long does not take over."""
HUNG_SECONDS = 10.0
"""A primary's broker whose loop has not turned for so long is given up, where a standby could take over."""
LOOKS = 20
"""How often in a lease's time it is watched."""
SECOND = 10**9


class Agent:
    """One node's part in the cluster of one shard."""

    def __init__(self, config: Config, parent: int, wake: int, may_begin: bool) -> None:
        """`parent` is the broker's process, `wake` the eventfd that it wakes us by (-1: none); with `may_begin` the
        node may be the first primary of all."""
        assert config.cluster is not None
        self.config = config
        self.section = config.cluster
        self.shard = config.broker.shard
        self.node = self.section.node_name
        self.may_begin = may_begin
        self.lease_ns = int(self.section.lease_seconds * SECOND)
        self.seconds = max(0.2, min(1.0, self.section.lease_seconds / 3))
        """What one request may take."""
        self.shared = Shared(config.data)
        self.told = Told(config.data)
        self.client = Client()
        self._parent, self._wake = parent, wake
        self._reconnected_at = 0.0
        self._is_lost = False
        self._turned = self._still = 0
        self._troubles: dict[str, str] = {}
        self.held = asyncio.Event()
        self.before = ""
        self._writes = asyncio.Lock()
        self.fenced_by = 0
        self.publisher: Publisher | None = None
        self.tasks: list[Callable[[], Coroutine[Any, Any, None]]] = [
            self._keep_lease, self._take_part, self._tick, self._tell_nodes,
        ]  # fmt: skip
        if config.is_shard:
            self.tasks.append(self._share)

    async def run(self) -> None:
        """Until the broker ends, or ends us."""
        await self._connect()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
        try:
            async with asyncio.TaskGroup() as group:
                for task in self.tasks:
                    group.create_task(task())
        except* Refused as refused:
            self._refuse(str(refused.exceptions[0]))
        except* Fenced as fenced:
            self.lose(str(fenced.exceptions[0]))
        # The broker ends us when it has read why.
        await self._tick()

    async def _connect(self) -> None:
        told = ""
        while True:
            try:
                name = f"brokerfix {self.section.name}.{self.shard} {self.node}"
                self.client = await connect(
                    self.config.path, "cluster", self.section, name, seconds=self.seconds, disconnected=self._cut_off
                )
                break
            except ServerAway as error:
                if str(error) != told:
                    told = str(error)
                    log.error("%s", told)
                    self.told.update(trouble=told)
                self._check_parent()
                await asyncio.sleep(AGAIN_SECONDS)
        self.told.update(trouble="")
        self.keys = Keys(self.client, self.section.name, self.seconds)
        self.stream = Stream(self.client, self.section.name, self.shard, max(1.0, self.seconds))
        me = Held(
            self.node, self.shared[Slot.INSTANCE], 0, version=__version__, kinds=fingerprint(),
            address=f"{self.config.broker.address}:{self.config.broker.port}",
        )  # fmt: skip
        self.lease = Lease(OneKey(self.keys, f"primary.{self.shard}"), self.lease_ns, me)
        folder = self.config.data / "journal"
        self.follower = Follower(self.stream, Incoming(folder, "disk" in self.config.broker.durability))
        self.nodes = Nodes(self.keys, self.shard, self.node)
        self.files = Files(self.keys, self.shard, self.config.data)
        name, replicas = self.section.name, self.section.replicas
        await self._again("the keys", lambda: open_keys(self.client.jetstream(), name, replicas))
        await self._again("the stream", lambda: self.stream.open(replicas))

    async def _cut_off(self) -> None:
        if self.shared.role is Role.PRIMARY:
            log.warning("the connection to the cluster's servers is lost")

    async def _again(self, what: str, asked: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do it until it is done, whenever the servers are there."""
        while True:
            try:
                await asked()
                return self._trouble(what, "")
            except Away as away:
                self._trouble(what, str(away))
                self._check_parent()
                await asyncio.sleep(AGAIN_SECONDS)

    def _trouble(self, what: str, text: str) -> None:
        """What is wrong with one thing that is asked of the servers, or ""."""
        if self._troubles.get(what, "") != text:
            self._troubles[what] = text
            log.log(logging.WARNING if text else logging.INFO, "%s: %s", what, text or "all is well again")
            self.told.update(trouble="; ".join(f"{what}: {text}" for what, text in self._troubles.items() if text))

    def _check_parent(self) -> None:
        if os.getppid() != self._parent:
            os._exit(0)

    # The lease

    async def _keep_lease(self) -> None:
        while not self._is_lost:
            began = time.monotonic()
            try:
                async with self._writes:
                    if self.lease.holding is not None:
                        await self._renew()
                    elif not self._is_lost:
                        await self._watch()
                self._trouble("the lease", "")
            except Away as away:
                self._trouble("the lease", str(away))
                await self._look_after_connection()
            every = RENEWALS if self.lease.holding is not None else LOOKS
            left = self.lease_ns / SECOND / every - (time.monotonic() - began)
            await asyncio.sleep(max(0.01, left))

    async def _renew(self) -> None:
        holding = self.lease.holding
        assert holding is not None
        if await self.lease.renew(clock):
            self.shared[Slot.DEADLINE] = holding.deadline
            self.shared[Slot.EPOCH] = holding.held.epoch
            self.held.set()
            return
        last = self.lease.last
        self.lose(f"node {last.node} is the primary, in epoch {last.epoch}" if last else "the lease's key is gone")

    async def _watch(self) -> None:
        may = await self.lease.look(clock)
        if self.lease.holding is not None:
            # It was ours before this process began, which may not have been the primary yet.
            self.before = self.lease.holding.held.after
            return
        last = self.lease.last
        if last is None:
            if self.may_begin and self._may_be_primary():
                await self._take()
            return
        self.told.update(primary=last.node, epoch=last.epoch, address=last.address, released=last.released)
        await self._check_versions(last)
        if may is May.TAKE and self._may_be_primary():
            await self._take()

    async def _take(self) -> None:
        before = self.lease.last
        if await self.lease.take(clock, self.follower.epoch):
            holding = self.lease.holding
            assert holding is not None
            log.info("node %s has the lease, for epoch %d", self.node, holding.held.epoch)
            self.shared[Slot.DEADLINE] = holding.deadline
            self.shared[Slot.EPOCH] = holding.held.epoch
            self.before = before.node if before is not None else ""
            await tell_kinds(self.keys, self.shard)
            self.held.set()

    def _may_be_primary(self) -> bool:
        """Whether this node has what the stream has, and its state is not known to be another one than the
        primary's."""
        return self.follower.caught_up and self._reacts and self.nodes.is_eligible(self.shared)

    @property
    def _reacts(self) -> bool:
        """Whether our broker follows: with the lease one that hangs would keep all others from it."""
        return bool(self._turned) and self._still * TICK_SECONDS < REACT_SECONDS

    async def _check_versions(self, last: Held) -> None:
        if last.kinds != self.lease.me.kinds and last.node != self.node:
            await check_kinds(self.keys, self.shard, last)

    def lose(self, why: str) -> None:
        """This node is not the primary any more; the broker stops at once."""
        if not self._is_lost:
            self._is_lost = True
            log.error("%s: this node stops being the primary at once", why)
            self.told.update(stopped=why)
            self.shared[Slot.ROLE] = Role.LOST

    def _refuse(self, why: str) -> None:
        self.told.update(refused=why)
        self.shared[Slot.ROLE] = Role.REFUSED

    async def _look_after_connection(self) -> None:
        """A server that does not answer, though the connection to it is there, may be alone: another is asked."""
        now = time.monotonic()
        if self.client.is_connected and now - self._reconnected_at > self.section.lease_seconds:
            self._reconnected_at = now
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self.client.force_reconnect(), self.seconds)
        if self.client.is_closed:
            sys.exit("the connection to the cluster's servers is closed")

    # The journal

    async def _take_part(self) -> None:
        """Follow until this node is the primary, then publish."""
        if self.shared.role is Role.PRIMARY:
            await self._go_on()
        else:
            await self._again("the stream", self.follower.join)
            self.shared[Slot.FOLLOWED] = self.follower.position
            self.shared[Slot.ROLE] = Role.STANDBY
            await self._take_over(await self._follow())
        assert self.publisher is not None
        await self.publisher.run(self.seconds)

    async def _follow(self) -> Head:
        """Follow until this node has the lease, and all that the stream has before our epoch. Returns who we are."""

        async def fence() -> Head:
            await self.held.wait()
            holding = self.lease.holding
            assert holding is not None
            me = Head(0, 0, 0, 0, holding.held.epoch, self.node, holding.held.instance)
            await self._fence(me)
            return me

        fencing = asyncio.create_task(fence())
        while not fencing.done() or self.follower.seq < self.fenced_by:
            await self._step()
        return fencing.result()

    async def _step(self) -> None:
        try:
            if await self.follower.step():
                self.shared[Slot.FOLLOWED] = self.follower.position
            self.shared[Slot.STREAM_END] = max(self.follower.position, self.nodes.primary_has)
            self._trouble("the stream", "")
            self._trouble("the journal", "")
        except Away as away:
            self._trouble("the stream", str(away))
            await asyncio.sleep(AGAIN_SECONDS)
        except OSError as error:
            self._trouble("the journal", f"{self.config.data}: it can't be written: {error.strerror}: make space there")
            await asyncio.sleep(AGAIN_SECONDS)

    async def _take_over(self, me: Head) -> None:
        """Whoever was primary is fenced, and this node has what the stream has: have the broker begin."""
        end = self.follower.position
        own = end_of(self.config.data / "journal")
        # Before us it was this node, or nobody, and the stream had nothing that is not here.
        went_on = (self.lease.was_ours or me.epoch == 1) and not self.follower.took
        self.shared[Slot.WENT_ON] = int(went_on)
        if not went_on:
            # Who was the primary meanwhile may have told others what is not in the stream; we have told nobody.
            self.follower.incoming.cut_own()
            own = end
        self.follower.incoming.close()
        await self.stream.forget()
        self.shared[Slot.FOLLOWED] = max(own, end)
        self.shared[Slot.CONFIRMED] = end
        self._tell_takeover(me, end)
        await self._until_renewed()
        log.info("node %s is the primary, in epoch %d", self.node, me.epoch)
        self.shared[Slot.ROLE] = Role.PRIMARY
        while not self.shared[Slot.TAIL]:
            await asyncio.sleep(0.002)
        self._publish(me, self.fenced_by, end, self.follower.incoming.crc)

    async def _until_renewed(self) -> None:
        """Wait until the lease lasts: a broker that begins without it has to stop at once. Where it is lost this does
        not come back."""
        while self._is_lost or self.shared[Slot.DEADLINE] <= clock():
            await asyncio.sleep(0.002)

    def _tell_takeover(self, me: Head, end: int) -> None:
        """Tell from whom this node takes over and, where messages do not wait for the stream, what may be lost."""
        last = self.nodes.known.get(self.before)
        lost = ""
        if last is not None and self.before != self.node and "cluster" not in self.config.broker.durability:
            more = last.position - end
            same = last.position >> OFFSET_BITS == end >> OFFSET_BITS
            lost = f"{more} bytes, by its last word, and what it has written since" if same and more > 0 else (
                f"what it has written in the {self.nodes.every:g} s after its last word"
            )  # fmt: skip
        self.told.update(
            before=self.before, lost=lost, primary=self.node, epoch=me.epoch, address=self.lease.me.address
        )

    async def _fence(self, me: Head) -> None:
        """Append where our epoch begins, behind whatever is there: nobody else is confirmed any more."""
        while True:
            try:
                _, last = await self.stream.ends()
                for seq in range(max(1, last - LOOK_BACK), last + 1):
                    found = await self.stream.get(seq)
                    if found is None or found.head.epoch < me.epoch:
                        continue
                    if (found.head.epoch, found.head.instance) != (me.epoch, me.instance):
                        raise Fenced(f"node {found.head.node} has written in epoch {found.head.epoch}")
                    self.fenced_by = seq
                    return
                self.fenced_by = await self.stream.append(me, b"", last)
                return
            except Stale:
                continue
            except Away as away:
                self._trouble("the stream", str(away))
                await asyncio.sleep(AGAIN_SECONDS / 4)

    async def _go_on(self) -> None:
        """The agent before this one was ended while this node was the primary."""
        await self.held.wait()
        holding = self.lease.holding
        assert holding is not None
        me = Head(0, 0, 0, 0, holding.held.epoch, self.node, holding.held.instance)
        while True:
            try:
                first, end = await self.stream.ends()
                last = await self.stream.last_data(end + 1, first)
                if await self.stream.highest_epoch(end) > me.epoch:
                    raise Fenced(f"another node has begun an epoch after {me.epoch}")
                break
            except Away as away:
                self._trouble("the stream", str(away))
                await asyncio.sleep(AGAIN_SECONDS / 4)
        self._publish(me, end, last.head.end if last is not None else 0)

    def _publish(self, me: Head, seq: int, end: int, crc: int | None = None) -> None:
        """Publish from a position on, before which the segment has this CRC32, if it is known."""
        shared = self.shared

        def confirmed(position: int) -> None:
            shared[Slot.CONFIRMED] = position

        self.publisher = Publisher(
            self.stream, Outgoing(self.config.data / "journal"), me, lambda: shared[Slot.TAIL], confirmed,
            lambda text: self._trouble("the journal's stream", text),
        )  # fmt: skip
        self.publisher.begin(seq, min(end, shared[Slot.TAIL]), crc if end <= shared[Slot.TAIL] else None)
        shared[Slot.QUORUM] = 1
        if self._wake >= 0:
            asyncio.get_running_loop().add_reader(self._wake, self._woken)

    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        assert self.publisher is not None
        self.publisher.woken.set()

    # The clock

    async def _tick(self) -> None:
        """Look at the broker, and at what is not confirmed; hand over where the broker asks for it."""
        while True:
            self._check_parent()
            self._check_deadline()
            self._check_loop()
            if self.publisher is not None:
                self.publisher.woken.set()
                since = self.publisher.unconfirmed_since
                now = time.monotonic()
                self.shared[Slot.UNCONFIRMED_SINCE] = int(since * SECOND)
                late = since and now - since > self.section.lease_seconds / 2
                left = self.shared[Slot.DEADLINE] - clock()
                self.shared[Slot.QUORUM] = int(not late and left > self.lease_ns / 3)
            if self.shared[Slot.SWITCH] and not self.shared[Slot.SWITCHED] and self.publisher is not None:
                await self._hand_over()
            await asyncio.sleep(TICK_SECONDS)

    def _check_deadline(self) -> None:
        """A broker that goes on long after it should have stopped is ended."""
        if self.shared.role not in (Role.PRIMARY, Role.LOST) or not self.shared[Slot.DEADLINE]:
            return
        if self.section.cancels_without_quorum == "send" and not self._is_lost:
            return
        if clock() > self.shared[Slot.DEADLINE] + int(KILL_AFTER * self.lease_ns):
            log.critical("the broker (process %d) goes on without the lease: it is killed", self._parent)
            os.kill(self._parent, signal.SIGKILL)

    def _check_loop(self) -> None:
        """A broker that hangs would keep the lease for ever, as it is we who renew it: it is ended, where a standby
        could take over. Our own ticks are counted: that the whole machine slept is no reason."""
        turned = self.shared[Slot.TURNED]
        if turned != self._turned or not turned:
            self._turned, self._still = turned, 0
            return self._trouble("the broker", "")
        self._still += 1
        if self._still * TICK_SECONDS < HUNG_SECONDS or self.shared.role is not Role.PRIMARY:
            return
        told = f"process {self._parent} has not reacted for {HUNG_SECONDS:g} s"
        if not self.shared[Slot.STANDBYS]:
            return self._trouble("the broker", f"{told}, and no standby could take over: look after it")
        log.critical("the broker: %s: it is killed, so that a standby takes over", told)
        self.told.update(stopped=told)
        os.kill(self._parent, signal.SIGKILL)

    async def _hand_over(self) -> None:
        """Give the lease up, once all is confirmed."""
        assert self.publisher is not None
        if self.publisher.confirmed < self.shared[Slot.TAIL] or self.lease.holding is None:
            return
        try:
            async with self._writes:
                await self.lease.release(clock, self.shared.name)
                self._is_lost = True
        except Away as away:
            self._trouble("the lease", str(away))
            return
        self.shared[Slot.SWITCHED] = 1

    async def _share(self) -> None:
        """As the primary of one of several shards: divide limits with the others, and have accounts move. What goes
        wrong there must not cost the lease."""
        while self.shared.role is not Role.PRIMARY:
            await asyncio.sleep(TICK_SECONDS)
        while True:
            try:
                await Shard(self.config, self.client, self.shared).run()
            except Exception:
                log.exception("what this shard shares with others failed; it begins anew")
            await asyncio.sleep(SHARE_AGAIN_SECONDS)

    async def _tell_nodes(self) -> None:
        """Tell the others how this node is, and know how they are."""
        while True:
            try:
                await self.nodes.tell(self.shared, self.publisher is not None, self.told, self._reacts)
                if self.publisher is not None:
                    await self.files.tell()
                elif self.shared.role is Role.STANDBY:
                    await self.files.take()
                self._trouble("the nodes' keys", "")
            except (Away, OSError) as error:
                self._trouble("the nodes' keys", str(error))
            await asyncio.sleep(self.nodes.every)


def main() -> None:
    path, parent, wake, may_begin = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        config = load(Path(path))
    except ConfigError as error:
        sys.exit(str(error))
    asyncio.run(Agent(config, int(parent), int(wake), may_begin == "yes").run())


if __name__ == "__main__":
    main()
