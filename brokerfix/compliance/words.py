"""Numbers and times as regulatory records write them."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from brokerfix.domain import Instrument, to_text

EASTERN = ZoneInfo("America/New_York")
NS = 10**9
NOT_CERTIFIED = "Not certified: made from the broker's journal, accepted or checked by no regulator."


@lru_cache(maxsize=1024)
def _eastern(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, EASTERN).strftime("%Y%m%dT%H%M%S")


def eastern(at: int) -> str:
    """A time (ns) as CAT has it, in Eastern Time to the ns."""
    seconds, part = divmod(at, NS)
    return f"{_eastern(seconds)}.{part:09}"


def eastern_second(at: int) -> str:
    """The same to the second, as manual events have it."""
    return _eastern(at // NS)


def eastern_date(at: int) -> str:
    return _eastern(at // NS)[:8]


def utc(at: int, digits: int = 6) -> str:
    """A time (ns) as ISO 8601 in UTC, cut off to so many decimals of a second."""
    seconds, part = divmod(at, NS)
    told = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{told}.{part:09}"[: len(told) + 1 + digits] + "Z" if digits else f"{told}Z"


def price_of(price: int, instrument: Instrument) -> Decimal:
    return Decimal(to_text(price, instrument.price_digits))


def qty_of(qty: int, instrument: Instrument) -> Decimal | int:
    return Decimal(to_text(qty, instrument.qty_digits)) if instrument.qty_digits else qty


def dashed(day: int) -> str:
    """YYYYMMDD -> YYYY-MM-DD."""
    return f"{day // 10_000}-{day // 100 % 100:02}-{day % 100:02}"
