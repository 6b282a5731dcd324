"""FIX tag=value text: splitting it, decimals, timestamps."""

from datetime import UTC, datetime
from functools import lru_cache

SOH = "\x01"
MILLISECOND = 10**6
SECOND = 10**9


def pairs(text: str) -> list[list[str]]:
    """A whole message -> [[tag, value], ...] in wire order."""
    return [field.split("=", 1) for field in text.split(SOH) if "=" in field]


def fields(text: str) -> dict[str, str]:
    """A message without repeating groups -> tag -> value. Of a tag that stands twice the first counts: a second can
    only come from bytes inside another value."""
    return dict(reversed(pairs(text)))


def printable(text: str) -> str:
    """A raw message as people read it."""
    return text.replace(SOH, "|")


def clean(text: str) -> str:
    """Text that is safe as a FIX value: no field separators."""
    return text.replace(SOH, " ")


def timestamp(at: int) -> str:
    """Nanoseconds UTC -> FIX UTCTimestamp with milliseconds."""
    second, rest = divmod(at, SECOND)
    return f"{_second(second)}.{rest // MILLISECOND:03d}"


@lru_cache(maxsize=16)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d-%H:%M:%S")
