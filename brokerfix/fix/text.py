"""FIX tag=value text: taking it apart, timestamps."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby

from brokerfix.access.redact import redacted

SOH = "\x01"
MILLISECOND = 10**6
HEADER = (34, 43, 49, 50, 52, 56, 57, 97, 122, 1128)
"""The header tags of the usual message, in QuickFIX's order (behind 8, 9 and 35)."""

Fields = dict[str, str | None]
"""Tag -> value; a tag that a reader asks for is always there, None if the message does not have it."""


def pairs(text: str) -> list[list[str]]:
    """A whole message -> [[tag, value], ...] in wire order."""
    return [field.split("=", 1) for field in text.split(SOH) if "=" in field]


class Reader:
    """Takes messages of one type apart. Made for the messages as they nearly always are, with the `taken` tags in
    ascending order, as QuickFIX gives them, and the `ignored` ones between: one anchored regular expression does it.
    Every other message is split field by field. Both ways give the same. Where `values` has values for a tag, only
    those are usual."""

    def __init__(
        self,
        message_type: str,
        taken: Iterable[int],
        ignored: Iterable[int],
        values: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        kept = [34, 43, 97, *sorted(taken)]
        self.tags = [str(tag) for tag in kept]
        self._none: Fields = dict.fromkeys(self.tags)
        only = {int(tag): "|".join(map(re.escape, sorted(usual))) for tag, usual in (values or {}).items()}
        body = "".join(
            _fields_pattern(tag in kept, list(run), only.get(tag, "[^\x01]*+")) for tag, run in _runs(kept, ignored)
        )
        usual = f"8=FIX[^\x01]*+\x019=[0-9]*+\x0135={message_type}\x01{body}10=[0-9]*+\x01"
        self._match = re.compile(usual).fullmatch

    def match(self, text: str) -> Fields | None:
        """The fields of a message that is as it nearly always is, or None."""
        found = self._match(text)
        return None if found is None else dict(zip(self.tags, found.groups(), strict=True))

    def read(self, text: str) -> tuple[Fields, bool]:
        """(fields, whether the message has none but the known tags). Of a tag that stands twice the first counts: a
        second can only come from inside a repeating group or from bytes inside another value."""
        found = self._match(text)
        if found is not None:
            return dict(zip(self.tags, found.groups(), strict=True)), True
        return self._none | dict(reversed(pairs(text))), False


def _runs(kept: list[int], ignored: Iterable[int]) -> Iterator[tuple[int, Iterator[int]]]:
    """The tags in ascending order, the header's first: each kept tag by itself, ignored ones between them together."""
    header = [tag for tag in HEADER if tag not in kept[3:]]
    others = sorted((set(kept[3:]) | set(ignored)) - set(header))
    for _, run in groupby([*header, *others], key=lambda tag: tag if tag in kept else 0):
        tags = list(run)
        yield tags[0], iter(tags)


def _fields_pattern(is_kept: bool, tags: list[int], value: str) -> str:
    """A pattern for one kept field of this `value`, which may be missing, or for any number of ignored ones. No field
    is gone back to."""
    if is_kept:
        return f"(?:{tags[0]}=({value})\x01)?+"
    return f"(?:(?:{'|'.join(map(str, tags))})=[^\x01]*+\x01)*+"


def possible_duplicate(message: Fields) -> bool:
    """Whether a message says that it may have come before: PossDupFlag(43) or PossResend(97)."""
    return message["43"] == "Y" or message["97"] == "Y"


def printable(text: str) -> str:
    """A raw message as people read it, without the secrets in it."""
    return redacted(text).replace(SOH, "|")


def clean(text: str) -> str:
    """Text that is safe as a FIX value: no field separators."""
    return text.replace(SOH, " ")


def timestamp(at: int) -> str:
    """Nanoseconds UTC -> FIX UTCTimestamp with milliseconds."""
    second, millisecond = divmod(at // MILLISECOND, 1000)
    return f"{_second(second)}.{millisecond:03d}"


def at_of(text: str) -> int:
    """A FIX UTCTimestamp -> nanoseconds UTC. Raises ValueError, also for what 64 bits do not hold."""
    pattern = "%Y%m%d-%H:%M:%S.%f" if "." in text else "%Y%m%d-%H:%M:%S"
    moment = datetime.strptime(text, pattern).replace(tzinfo=UTC)
    at = int(moment.replace(microsecond=0).timestamp()) * 10**9 + moment.microsecond * 1000
    if not 0 < at < LATEST:
        raise ValueError(f"{text} is not between the years 1970 and 2262")
    return at


LATEST = 1 << 63


def day_of(text: str) -> int:
    """A FIX LocalMktDate -> YYYYMMDD. Raises ValueError."""
    return int(datetime.strptime(text, "%Y%m%d").strftime("%Y%m%d"))


@lru_cache(maxsize=16)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d-%H:%M:%S")
