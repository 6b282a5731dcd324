"""The primary's side of the stream: what the journal has more than it goes there, some messages at a time."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from brokerfix.cluster.lease import Away, Stale
from brokerfix.cluster.segments import Outgoing
from brokerfix.cluster.stream import IN_FLIGHT, Head, Message, Stream

AGAIN_SECONDS = 0.05


class Fenced(Exception):
    """Another one has written to the stream: this node is not the primary any more."""


class Publisher:
    """Publishes the journal from `confirmed` on, under an epoch of ours. `tail` tells up to where there is something;
    `tell` gets each position up to which the stream has it."""

    def __init__(
        self, stream: Stream, outgoing: Outgoing, me: Head, tail: Callable[[], int], tell: Callable[[int], None],
        trouble: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`me` has the epoch, node and instance that each message says; `trouble` gets what is wrong with the stream,
        or "" when that is over."""
        self.trouble = trouble
        self.stream = stream
        self.outgoing = outgoing
        self.me = me
        self.tail = tail
        self.tell = tell
        self.confirmed = 0
        self.seq = self._confirmed_seq = 0
        self.woken = asyncio.Event()
        self._stuck_since = 0.0
        self._in_flight: deque[tuple[asyncio.Future[int], int, int, float]] = deque()

    @property
    def unconfirmed_since(self) -> float:
        """When the oldest message that is not confirmed was first sent (time.monotonic); 0: none. What is refused is
        sent again and again."""
        return self._stuck_since or (self._in_flight[0][3] if self._in_flight else 0.0)

    def begin(self, seq: int, position: int, crc: int | None = None) -> None:
        """Go on behind a message and a position, before which the segment has this CRC32. Raises Refused."""
        self.seq, self.confirmed, self._confirmed_seq = seq, position, seq
        self.outgoing.go_to(position, crc)
        self.tell(position)

    async def run(self, seconds: float) -> None:
        """Publish, for ever, whenever `woken` is set, which has to be from time to time. What is not confirmed within
        so many seconds is looked after. Raises Fenced, Refused."""
        while True:
            self.woken.clear()
            try:
                await self._publish()
                self._take_confirmed()
                oldest = self._in_flight[0] if self._in_flight else None
                if oldest is not None and time.monotonic() - oldest[3] > seconds:
                    raise Away("a message is not confirmed in time")
            except (Away, Stale) as error:
                self.trouble(str(error))
                await asyncio.sleep(AGAIN_SECONDS)
                await self._find_out()
                continue
            await self.woken.wait()

    async def _publish(self) -> None:
        while len(self._in_flight) < IN_FLIGHT:
            run = self.outgoing.next(self.tail())
            if run is None:
                return
            day, offset, crc, before, data = run
            me = self.me
            head = Head(day, offset, len(data), crc, me.epoch, me.node, me.instance, before)
            future = await self.stream.publish(head, data, self.seq)
            self.seq += 1
            self._in_flight.append((future, self.seq, head.end, time.monotonic()))
            future.add_done_callback(self._wake)

    def _wake(self, future: "asyncio.Future[int]") -> None:
        self.woken.set()

    def _take_confirmed(self) -> None:
        while self._in_flight and self._in_flight[0][0].done():
            future, seq, end, _ = self._in_flight[0]
            found = future.result()
            self._in_flight.popleft()
            if found != seq:
                raise Away(f"message {found} was to be {seq}")
            self.confirmed, self._confirmed_seq = end, seq
            if self._stuck_since:
                self._stuck_since = 0.0
                self.trouble("")
            self.tell(end)

    async def _find_out(self) -> None:
        """Something was not confirmed: what the stream has tells from where to go on."""
        self._stuck_since = self.unconfirmed_since or time.monotonic()
        while self._in_flight:
            future = self._in_flight.popleft()[0]
            if not future.done():
                future.cancel()
            elif not future.cancelled():
                future.exception()
        while True:
            try:
                last, message = await self._since_confirmed()
                break
            except Away as away:
                self.trouble(str(away))
                await asyncio.sleep(AGAIN_SECONDS)
        if message is not None:
            self.begin(last, message.head.end, message.head.crc)
        else:
            self.begin(last, self.confirmed)
        if self.confirmed >= self.tail():
            self._stuck_since = 0.0
            self.trouble("")

    async def _since_confirmed(self) -> tuple[int, Message | None]:
        """The stream's last sequence, and the last message with bytes of ours after the one that was confirmed last.
        Raises Away, Fenced."""
        _, last = await self.stream.ends()
        ours: Message | None = None
        me = self.me
        for seq in range(self._confirmed_seq + 1, last + 1):
            message = await self.stream.get(seq)
            if message is None:
                raise Away(f"the stream's message {seq} is not there")
            head = message.head
            if (head.epoch, head.node, head.instance) == (me.epoch, me.node, me.instance):
                ours = ours if head.is_epoch else message
            elif head.epoch >= me.epoch:
                raise Fenced(f"node {head.node} has written to {self.stream.name} in epoch {head.epoch}")
            # Else it is void: its writer had it under way when our epoch began.
        return last, ours
