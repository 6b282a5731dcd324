"""What one FIX session has been sent, as far as its peer may ask for it again, and the numbers of both sides."""

import re
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import chain, islice, takewhile
from pathlib import Path

import msgspec

from brokerfix.fix.session.older import Older, Sent


class Gap(msgspec.Struct, frozen=True):
    """Numbers that are not sent again: from `first` to before `following`."""

    first: int
    following: int


class Mailbox:
    """`next_out` and `next_in` are the next MsgSeqNums, of ours and of the peer's messages; `epoch` counts how often
    they have begun anew. `sent` is the number that our next message has on the wire: behind `next_out` while messages
    wait for the disk.

    `unnoted` counts the numbers that were used since the journal last named this session otherwise than by messages
    that follow from records: by the session's own messages, market data, a new beginning. `waiting` are those that it
    has named since, in records that wait for the disk or for others: after a loss of power they count as unnoted.

    The last `most` messages are kept, and all since `missed_from` (the first that its peer may have missed; 0: none):
    what is too many for memory in `older`. Of what was missed when numbers begin anew, that a client must not miss is
    kept in `missed`, and before it in `older_missed`.
    """

    __slots__ = (
        "_changed", "_mapped", "epoch", "key", "messages", "missed", "missed_from", "most", "next_in", "next_out",
        "older", "older_missed", "sent", "unnoted", "waiting",
    )  # fmt: skip

    def __init__(self, key: str, most: int, changed: "dict[str, Mailbox]", path: Path | None = None) -> None:
        """`changed` are the mailboxes, by key, that have used numbers that are not noted; `path` is how the files of
        what is too many for memory begin."""
        self.key = key
        self.most = most
        self.epoch = 0
        self.next_out = self.next_in = self.sent = 1
        self.unnoted = self.waiting = 0
        self.messages: deque[Sent] = deque()
        self.missed: deque[Sent] = deque()
        self.older = Older(path and path.with_name(f"{path.name}.sent"))
        self.older_missed = Older(path and path.with_name(f"{path.name}.missed"))
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
        if len(messages) > self.most:
            if not self.missed_from or messages[0].number < self.missed_from:
                messages.popleft()
            elif len(messages) > MOST_IN_MEMORY:
                self.older.add(messages.popleft())

    def use(self) -> int:
        """A message of the session's own goes out. Returns its number; nothing waits for the disk."""
        number = self.next_out
        self.next_out += 1
        self.note_later()
        self.went()
        return number

    @property
    def must_note(self) -> bool:
        """Whether no more numbers may be used before they are noted, and that has reached the disk."""
        return self.unnoted + self.waiting >= MOST_UNNOTED

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
            for one in chain(self.older, self.messages):
                if one.number >= self.missed_from and MISSABLE.search(one.text):
                    self._put_aside(one)
            self.missed_from = 0
        self.older.clear()
        self.messages.clear()
        self.epoch += 1
        self.next_out = self.next_in = self.sent = 1
        self.note_later()
        if self._mapped is not None:
            self._mapped(self.epoch, 1, 1)

    def may_miss(self, first: int) -> None:
        """The peer may not have got the messages from this number on."""
        self.missed_from = min(self.missed_from, first) if self.missed_from else first

    def _put_aside(self, one: Sent) -> None:
        self.missed.append(one)
        if len(self.missed) > MOST_IN_MEMORY:
            self.older_missed.add(self.missed.popleft())

    def first_missed(self, most: int) -> list[Sent]:
        """The first of what was missed before the numbers began anew."""
        return list(islice(chain(self.older_missed, self.missed), most))

    def has_all(self) -> None:
        """The peer has got what it had missed."""
        self.missed_from = 0
        self.older.clear()
        self.missed.clear()
        self.older_missed.clear()

    def has(self, texts: Container[str]) -> None:
        """The peer is told these, which are the first of what it has missed."""
        told = sum(1 for _ in takewhile(lambda one: one.text in texts, self.older_missed))
        self.older_missed.drop(told)
        while self.missed and not self.older_missed.end and self.missed[0].text in texts:
            self.missed.popleft()

    def find(self, number: int) -> Sent | None:
        """The message of this number, if it is kept."""
        return next((one for one in reversed(self.messages) if one.number == number), None)

    def between(self, first: int, following: int, is_wanted: Callable[[Sent], bool]) -> Iterator[Sent | Gap]:
        """What to send again of the numbers from `first` to before `following`: those kept messages that are wanted,
        and gaps for all others."""
        kept: Iterable[Sent] = self.messages
        if self.older.end and first < self.messages[0].number:
            kept = chain(self.older.since(first), kept)
        for one in kept:
            if first <= one.number < following and is_wanted(one):
                if one.number > first:
                    yield Gap(first, one.number)
                yield one
                first = one.number + 1
        if first < following:
            yield Gap(first, following)


MOST_UNNOTED = 1000
"""Numbers that a session may use before they have to be noted in the journal."""
MOST_IN_MEMORY = 100_000
"""How many messages for a peer that is away are kept in memory: the latest."""
MISSABLE = re.compile("\x0135=[89jrN]\x01")
"""The messages that a client must not miss: reports and rejects, and no market data."""
