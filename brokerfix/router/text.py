"""FIX messages as bytes: the head that a session makes, and the rest, which is passed on as it is.

The `rest` of a message are its fields behind MsgType(35) but for those that each session has of its own: CompIDs,
MsgSeqNum, SendingTime, PossDupFlag, OrigSendingTime. It ends with the field separator, or is empty.
"""

import re
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from brokerfix.gateway.framing import TRAILER, frame

OWN = (b"34", b"43", b"49", b"52", b"56", b"122")
"""The header tags that are each session's own."""
HEAD = re.compile(
    rb"8=[^\x01]*\x019=[0-9]+\x0135=([^\x01]+)\x01"
    rb"((?:(?:34|43|49|50|52|56|57|97|115|116|122|128|129|142|143|144|145|347|369|1128|1129|1137|1156)=[^\x01]*\x01)*)"
)
FIELD = re.compile(rb"([0-9]+)=([^\x01]*)\x01")


class Cut(NamedTuple):
    """A message: its MsgType, MsgSeqNum (0 without one), SendingTime, PossDupFlag, and the rest."""

    kind: bytes
    number: int
    sent: bytes
    again: bool
    rest: bytes


def cut(message: bytes) -> Cut:
    """A framed message, taken apart."""
    head = HEAD.match(message)
    if head is None:
        return Cut(b"", 0, b"", False, b"")
    number, sent, again, kept = 0, b"", False, b""
    for tag, value in FIELD.findall(head[2]):
        if tag == b"34":
            number = int(value) if value.isdigit() and len(value) <= 10 else 0
        elif tag == b"52":
            sent = value
        elif tag == b"43":
            again = value == b"Y"
        elif tag not in OWN:
            kept += b"%b=%b\x01" % (tag, value)
    rest = message[head.end() : -TRAILER]
    return Cut(head[1], number, sent, again, kept + rest if kept else rest)


class Names:
    """How one side's messages of a session begin."""

    def __init__(self, begin_string: str, sender: str, target: str) -> None:
        self.begin_string = begin_string
        self._ids = b"\x0149=%b\x0156=%b\x0134=" % (sender.encode(), target.encode())

    def message(self, kind: bytes, number: int, rest: bytes, at: int = 0, *, sent: bytes = b"") -> bytes:
        """A whole message. `at` (ms UTC): when it was sent first, if it is sent again; `sent`: its SendingTime, if not
        now."""
        again = b"43=Y\x01122=%b\x01" % timestamp(at) if at else b""
        head = b"35=%b%b%d\x0152=%b\x01%b" % (kind, self._ids, number, sent or timestamp(now_ms()), again)
        return frame(self.begin_string, head + rest)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def timestamp(ms: int) -> bytes:
    """Milliseconds UTC -> a FIX UTCTimestamp."""
    second, part = divmod(ms, 1000)
    return b"%b.%03d" % (_second(second), part)


@lru_cache(maxsize=16)
def _second(second: int) -> bytes:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d-%H:%M:%S").encode()


def seconds_of(text: bytes) -> float | None:
    """A FIX UTCTimestamp -> seconds UTC, to the second; None for what is none."""
    return _seconds_of(text[:17])


@lru_cache(maxsize=64)
def _seconds_of(text: bytes) -> float | None:
    try:
        return datetime.strptime(text.decode("ascii"), "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _tag(tag: int) -> re.Pattern[bytes]:
    return re.compile(rb"(?:\A|\x01)%d=([^\x01]*)" % tag)


def value(rest: bytes, tag: int) -> bytes:
    """The first value of a tag, or b""."""
    found = _tag(tag).search(rest)
    return found[1] if found is not None else b""


def text_of(rest: bytes) -> str:
    """The Text(58) of a message."""
    return value(rest, 58).decode("ascii", "replace")


def values(rest: bytes, tag: int) -> list[bytes]:
    """All values of a tag."""
    return _tag(tag).findall(rest)


def without(rest: bytes, *tags: int) -> bytes:
    """The rest without these tags."""
    left = {b"%d" % tag for tag in tags}
    return b"".join(b"%b=%b\x01" % pair for pair in FIELD.findall(rest) if pair[0] not in left)


def changed(rest: bytes, tag: int, told: bytes) -> bytes:
    """The rest with another value of a tag that it has; as it is if it has not."""
    found = _tag(tag).search(rest)
    return rest if found is None else rest[: found.start(1)] + told + rest[found.end(1) :]


def clean(text: str) -> bytes:
    """Text that is safe as a FIX value."""
    return text.replace("\x01", " ").encode("ascii", "replace")
