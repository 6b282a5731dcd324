"""FIX tag=value text: taking it apart, timestamps."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

SOH = "\x01"
MILLISECOND = 10**6
SECOND = 10**9
HEADER = (34, 43, 49, 50, 52, 56, 57, 97, 122)
"""The header tags of the usual message, in QuickFIX's order (behind 8, 9 and 35)."""

Fields = dict[str, str | None]
"""Tag -> value; a tag that a reader asks for is always there, None if the message does not have it."""


def pairs(text: str) -> list[list[str]]:
    """A whole message -> [[tag, value], ...] in wire order."""
    return [field.split("=", 1) for field in text.split(SOH) if "=" in field]


class Reader:
    """Takes messages of one type apart. Made for the messages as they nearly always are, with the `taken` tags and
    perhaps the `ignored` ones in ascending order, as QuickFIX gives them: one anchored regular expression does it.
    Every other message is split field by field. Both ways give the same."""

    def __init__(self, message_type: str, taken: Iterable[int], ignored: Iterable[int]) -> None:
        wanted = set(taken)
        kept = [34, 43, 97, *sorted(wanted)]
        body = sorted(wanted | set(ignored))
        self.tags = [str(tag) for tag in kept]
        self._none: Fields = dict.fromkeys(self.tags)
        optional = "".join(
            f"(?:{tag}=([^\x01]*)\x01)?" if tag in kept else f"(?:{tag}=[^\x01]*\x01)?" for tag in (*HEADER, *body)
        )
        usual = f"8=FIX[^\x01]*\x019=[0-9]*\x0135={message_type}\x01{optional}10=[0-9]*\x01"
        self._match = re.compile(usual).fullmatch

    def read(self, text: str) -> tuple[Fields, bool]:
        """(fields, whether the message has none but the known tags). Of a tag that stands twice the first counts: a
        second can only come from inside a repeating group or from bytes inside another value."""
        found = self._match(text)
        if found is not None:
            return dict(zip(self.tags, found.groups(), strict=True)), True
        return self._none | dict(reversed(pairs(text))), False


def printable(text: str) -> str:
    """A raw message as people read it."""
    return text.replace(SOH, "|")


def clean(text: str) -> str:
    """Text that is safe as a FIX value: no field separators."""
    return text.replace(SOH, " ")


def timestamp(at: int) -> str:
    """Nanoseconds UTC -> FIX UTCTimestamp with milliseconds."""
    return f"{_second(at // SECOND)}.{at // MILLISECOND % 1000:03d}"


@lru_cache(maxsize=16)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d-%H:%M:%S")
