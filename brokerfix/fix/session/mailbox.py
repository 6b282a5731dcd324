"""What one FIX session has been sent, as far as its peer may ask for it again, and the numbers of both sides."""

from collections import deque
from collections.abc import Callable, Container, Iterator

import msgspec


class Sent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A message: its MsgSeqNum(34), when it was sent (ns UTC), its text as it was made (in FIX.4.4), and whether it has
    repeating groups."""

    number: int
    at: int
    text: str
    groups: bool


class Gap(msgspec.Struct, frozen=True):
    """Numbers that are not sent again: from `first` to before `following`."""

    first: int
    following: int


class Mailbox:
    """`next_out` and `next_in` are the next MsgSeqNums, of ours and of the peer's messages; `epoch` counts how often
    they have begun anew. `sent` is the number that our next message has on the wire: behind `next_out` while messages
    wait for the disk.

    `unnoted` counts the numbers that were used since the journal last named this session otherwise than by messages
    that follow from records: by the session's own messages, market data, a new beginning.

    The last `most` messages are kept, and of those since `missed_from` (the first that its peer may have missed; 0:
    none) many more. What was missed when numbers begin anew is kept in `missed`.
    """

    __slots__ = (
        "_changed", "_mapped", "epoch", "key", "messages", "missed", "missed_from", "most", "next_in", "next_out",
        "sent", "unnoted",
    )  # fmt: skip

    def __init__(self, key: str, most: int, changed: "dict[str, Mailbox]") -> None:
        """`changed` are the mailboxes, by key, that have used numbers that are not noted."""
        self.key = key
        self.most = most
        self.epoch = 0
        self.next_out = self.next_in = self.sent = 1
        self.unnoted = 0
        self.messages: deque[Sent] = deque()
        self.missed: deque[Sent] = deque(maxlen=MOST_MISSED)
        self.missed_from = 0
        self._changed = changed
        self._mapped: Callable[[int, int, int], None] | None = None

    def map_to(self, mapped: Callable[[int, int, int], None] | None) -> None:
        """Write epoch, `sent` and `next_in` there whenever they change."""
        self._mapped = mapped
        if mapped is not None:
            mapped(self.epoch, self.sent, self.next_in)

    def post(self, at: int, text: str, groups: bool) -> None:
        """Give a message its number, and keep it."""
        messages = self.messages
        messages.append(Sent(self.next_out, at, text, groups))
        self.next_out += 1
        if len(messages) > self.most and (
            not self.missed_from or messages[0].number < self.missed_from or len(messages) > MOST_MISSED
        ):
            messages.popleft()

    def use(self) -> int:
        """A message of the session's own goes out. Returns its number; nothing waits for the disk."""
        number = self.next_out
        self.next_out += 1
        self.note_later()
        self.went()
        return number

    def note_later(self) -> None:
        """The next record has to note the session's next number."""
        self.unnoted += 1
        self._changed[self.key] = self

    def went(self) -> None:
        """The next message is on its way."""
        self.sent += 1
        if self._mapped is not None:
            self._mapped(self.epoch, self.sent, self.next_in)

    def came(self, next_in: int) -> None:
        """The peer's messages before this number are dealt with."""
        if next_in != self.next_in:
            self.next_in = next_in
            if self._mapped is not None:
                self._mapped(self.epoch, self.sent, next_in)

    def begin_anew(self) -> None:
        """Both sides' numbers begin at 1. What the peer may have missed is put aside."""
        if self.missed_from:
            self.missed.extend(one for one in self.messages if one.number >= self.missed_from)
            self.missed_from = 0
        self.messages.clear()
        self.epoch += 1
        self.next_out = self.next_in = self.sent = 1
        self.note_later()
        if self._mapped is not None:
            self._mapped(self.epoch, 1, 1)

    def may_miss(self, first: int) -> None:
        """The peer may not have got the messages from this number on."""
        self.missed_from = min(self.missed_from, first) if self.missed_from else first

    def has_all(self) -> None:
        """The peer has got what it had missed."""
        self.missed_from = 0
        self.missed.clear()

    def has(self, texts: Container[str]) -> None:
        """The peer is told these of what it has missed."""
        left = [one for one in self.missed if one.text not in texts]
        self.missed.clear()
        self.missed.extend(left)

    def find(self, number: int) -> Sent | None:
        """The message of this number, if it is kept."""
        return next((one for one in reversed(self.messages) if one.number == number), None)

    def between(self, first: int, following: int, is_wanted: Callable[[Sent], bool]) -> Iterator[Sent | Gap]:
        """What to send again of the numbers from `first` to before `following`: those kept messages that are wanted,
        and gaps for all others."""
        for one in self.messages:
            if first <= one.number < following and is_wanted(one):
                if one.number > first:
                    yield Gap(first, one.number)
                yield one
                first = one.number + 1
        if first < following:
            yield Gap(first, following)


MOST_UNNOTED = 1000
"""Numbers that a session may use before they have to be noted in the journal."""
MOST_MISSED = 100_000
"""How many messages are kept for a peer that is away: the latest."""
