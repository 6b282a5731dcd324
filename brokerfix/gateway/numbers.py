"""The MsgSeqNums of a client's messages on their way to the broker: which one it expects next, which wait there beyond
a gap, and how what waits is done away with. No I/O and no clock."""

from brokerfix.gateway.messages import Names

MOST_EARLY_BYTES = 1 << 20
"""How many bytes may wait for a gap to be filled."""


class Numbers:
    """The numbers of one session, after a Logon with the number `logon`. At most `most_early` messages may wait beyond
    a gap."""

    def __init__(self, names: Names, logon: int, most_early: int) -> None:
        self.names = names
        self.most_early = most_early
        self.expected = logon + 1
        self._logon = logon
        self._early: set[int] = set()
        self._early_bytes = 0

    def take(self, seq_num: int, size: int = 0) -> bool:
        """Note the MsgSeqNum of a message. Returns whether the broker can be given it: only so many wait there for a
        gap to be filled."""
        if seq_num == self.expected:
            self.expected += 1
            self._catch_up()
        elif seq_num > self.expected:
            self._early_bytes += size
            if len(self._early) >= self.most_early or self._early_bytes > MOST_EARLY_BYTES:
                return False
            self._early.add(seq_num)
        return True

    def _catch_up(self) -> None:
        if self._early:
            while self.expected in self._early:
                self._early.remove(self.expected)
                self.expected += 1
            self._early = {seq_num for seq_num in self._early if seq_num > self.expected}
        if not self._early:
            self._early_bytes = 0

    def skip(self, new: int, message: bytes) -> bytes:
        """The client goes over all numbers before a `new` one with a message. Returns what the broker gets instead:
        what waits there of those numbers would wait for ever, and once the numbers begin anew be taken for another
        message, so nothing of it is left."""
        waiting = sorted(seq_num for seq_num in self._early if self.expected <= seq_num < new)
        if not waiting:
            self.expected = max(new, self.expected)
            self._catch_up()
            return message
        skipped = [self.names.heartbeat(seq_num) for seq_num in waiting]
        while self.expected < new:
            skipped.append(self._fill_to(min((seq_num for seq_num in self._early if seq_num < new), default=new)))
        return b"".join(skipped)

    def _fill_to(self, following: int) -> bytes:
        """A gap fill for all numbers from the expected one up to before the following."""
        fill = self.names.gap_fill(self.expected, True, following)
        self.expected = following
        self._catch_up()
        return fill

    def fill(self) -> bytes:
        """The client sends no more of what is missing: has the broker take what waits for it."""
        filled = b""
        while self._early:
            filled += self._fill_to(min(self._early))
        return filled

    def begin_anew(self) -> None:
        """The broker has taken a Logon with the number 1, and nothing after it."""
        self._logon, self.expected = 1, 2
        self._early.clear()
        self._early_bytes = 0

    def missing_from(self, first: int) -> None:
        """The broker asks for messages again: then it expects the first of them."""
        if first < self.expected and self.expected - self._logon <= self.most_early:
            self._early |= set(range(max(first + 1, self._logon), self.expected))
            self.expected = first
