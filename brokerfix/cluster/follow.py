"""Where a node's own journal and the stream part, and how it goes on with the stream's."""

import logging

from brokerfix.cluster.segments import RESTORE, Incoming, crc_of, end_of
from brokerfix.cluster.stream import MOST_AT_ONCE, Gap, Message, Refused, Stream
from brokerfix.record.place import spoken

log = logging.getLogger("brokerfix.cluster")


async def common(stream: Stream, incoming: Incoming) -> int:
    """Find the last message whose bytes this node has, and have `incoming` begin behind them. Returns its sequence, or
    the one before the first message. Raises Away, and Refused where the journals have nothing to do with each
    other."""
    first, last = await stream.ends()
    if last < first:
        return last
    end = end_of(incoming.folder)
    found, seq = await _last_same(stream, incoming, first, last)
    if found is not None:
        incoming.begin(found.head.end, found.head.crc)
        return seq
    opening = await _data_from(stream, first, last)
    if opening is None:
        return last
    head = opening.head
    if not head.offset and head.before == (0, 0):
        # The stream has all; the first message tells whether ours is the same.
        return opening.seq - 1
    position, crc = head.before if not head.offset else (head.start, None)
    if crc is not None and end >= position and crc_of(incoming.folder, position) == crc:
        incoming.begin(position, crc)
        return opening.seq - 1
    has = f"ends at {spoken(end)}" if end else "is empty"
    raise Refused(f"{incoming.folder}: {has}, and the stream {stream.name} begins at {spoken(head.start)}: {RESTORE}")


async def _last_same(stream: Stream, incoming: Incoming, first: int, last: int) -> tuple[Message | None, int]:
    """The last message whose bytes this node has, and the sequence up to which it has all. It is near the end, mostly:
    the steps back grow, and what is between the last two is halved."""
    high, step, low = last + 1, 1, 0
    best: Message | None = None
    probe = last
    while probe >= first:
        found = await _same_at(stream, incoming, probe, first)
        if found is not None:
            best, low = found, probe
            break
        high = probe
        probe -= step
        step *= 2
    if best is None:
        if high == first:
            return None, 0
        found = await _same_at(stream, incoming, first, first)
        if found is None:
            return None, 0
        best, low = found, first
    while high - low > 1:
        middle = (low + high) // 2
        found = await _same_at(stream, incoming, middle, first)
        if found is None:
            high = middle
        else:
            best, low = found, middle
    return best, low


async def _same_at(stream: Stream, incoming: Incoming, seq: int, first: int) -> Message | None:
    """The message with bytes at or before a sequence, if this node has those."""
    found = await stream.last_data(seq + 1, first)
    if found is None or crc_of(incoming.folder, found.head.end) != found.head.crc:
        return None
    return found


async def _data_from(stream: Stream, first: int, last: int) -> Message | None:
    """The first message with bytes."""
    for number in range(first, last + 1):
        found = await stream.get(number)
        if found is not None and not found.head.is_epoch:
            return found
    return None


class Follower:
    """Makes this node's segments what the stream has. `seq` is up to which message they are, `position` up to which
    place, `epoch` that of the last message; `took` counts what was not here. `caught_up`: there was nothing more to
    take, or not much."""

    def __init__(self, stream: Stream, incoming: Incoming) -> None:
        self.stream = stream
        self.incoming = incoming
        self.seq = 0
        self.epoch = 0
        self.joined = False
        self.caught_up = False
        self.took = 0

    @property
    def position(self) -> int:
        return self.incoming.position

    async def join(self) -> None:
        """Find out from where on to follow. Raises Away, Refused."""
        self.seq = await common(self.stream, self.incoming)
        self.epoch = await self.stream.highest_epoch(self.seq) if self.seq else 0
        self.joined = True

    async def step(self) -> int:
        """Take the next messages; waits a little for the first. Returns how many there were. Raises Away, Refused, and
        OSError where they can't be written here: then the next step begins with the one that was not."""
        try:
            messages = await self.stream.following(self.seq)
        except Gap as gap:
            raise Refused(
                f"{self.incoming.folder}: ends at {spoken(self.position)}, and the stream {self.stream.name} has "
                f"nothing between that and its message {gap}: {RESTORE}"
            ) from gap
        for message in messages:
            head = message.head
            if head.epoch < self.epoch:
                log.info("message %d of epoch %d is void: epoch %d had begun", message.seq, head.epoch, self.epoch)
            else:
                # What this node has published itself may come late.
                self.took += self._take(message)
                self.epoch = head.epoch
            self.seq = message.seq
        self.caught_up = not messages or messages[-1].more < MOST_AT_ONCE
        return len(messages)

    def _take(self, message: Message) -> bool:
        try:
            return self.incoming.take(message.head, message.data)
        except OSError:
            self.caught_up = False
            raise
