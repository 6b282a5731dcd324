"""Messages that a peer may have missed and that are too many for memory: a file beside the journal, which a recovery
makes anew as it replays."""

import logging
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from struct import Struct

import msgspec

log = logging.getLogger("brokerfix.fix")
LENGTH = Struct("<I")


class Sent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A message: its MsgSeqNum(34), when it was sent (ns UTC), its text as it was made (in FIX.4.4), and whether it has
    repeating groups."""

    number: int
    at: int
    text: str
    groups: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Sent).decode


class Older:
    """Messages in their order, each with its length (little-endian u32) before it. `first` and `end` are the bytes
    between which those stand that are kept; nothing is kept without a path. What can't be written is told and let go:
    it is in the journal, and the next recovery has it."""

    __slots__ = ("_descriptor", "_known", "_path", "end", "first")

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor = -1
        self.first = self.end = 0
        self._known = 0, 0

    def __iter__(self) -> Iterator[Sent]:
        for one, _ in self._read(self.first):
            yield one

    def since(self, number: int) -> Iterator[Sent]:
        """At least the messages from this MsgSeqNum on. Who asks for one part after the other gets each from where the
        one before ended."""
        known, at = self._known
        for one, end in self._read(at if known <= number and self.first <= at <= self.end else self.first):
            if one.number < number:
                self._known = one.number + 1, end
            yield one

    def _read(self, at: int) -> Iterator[tuple[Sent, int]]:
        """Each message from a byte on, with the byte behind it."""
        if at == self.end or self._path is None:
            return
        with self._path.open("rb") as file:
            file.seek(at)
            while at < self.end:
                (length,) = LENGTH.unpack(file.read(LENGTH.size))
                at += LENGTH.size + length
                yield _decode(file.read(length)), at

    def add(self, one: Sent) -> None:
        if self._path is None:
            return
        data = _encode(one)
        data = LENGTH.pack(len(data)) + data
        try:
            if self._descriptor < 0:
                self._path.parent.mkdir(exist_ok=True)
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            if os.pwrite(self._descriptor, data, self.end) == len(data):
                self.end += len(data)
                return
            reason = "the disk is full"
        except OSError as error:
            reason = error.strerror or str(error)
        log.error("%s: a message that its receiver may have missed can't be kept: %s", self._path, reason)

    def drop(self, count: int) -> None:
        """Let the first `count` go."""
        for end in [end for _, end in islice(self._read(self.first), count)][-1:]:
            self.first = end
        if self.first == self.end:
            self.clear()

    def clear(self) -> None:
        self.close()
        if self.end and self._path is not None:
            self._path.unlink(missing_ok=True)
        self.first = self.end = 0
        self._known = 0, 0

    def load(self, first: int, end: int) -> None:
        """Keep what a kept state says was there; what came after it is added again. A file that is shorter has been
        cleared since, as it will be again by the facts that follow."""
        if self._path is not None and self._path.exists() and self._path.stat().st_size >= end:
            self.first, self.end = first, end

    def sync(self) -> None:
        """Bring it to the disk, before a kept state that refers to it."""
        if self._descriptor >= 0:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
