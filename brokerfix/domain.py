"""The words that commands and facts are made of, in FIX's own names.

Scales. A price is an int of 10**-price_digits, a quantity an int of 10**-qty_digits of its
instrument; money (cash, notional) is an int of 10**-MONEY_DIGITS. `at` is nanoseconds UTC since 1970.

Numbers. Facts are numbered without a gap: `<trading day>-<sequence>` is held as the int
`day * DAY + sequence` (20261122-000000017 -> 20261122000000017). An order's OrderID is the number of
its OrderAccepted, a child's ClOrdID that of its OrderRouted, an ExecID that of the fact it reports.
"""

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache

import msgspec

MONEY_DIGITS = 12
AVG_PX_DIGITS = 6
"""Decimals of an average price beyond the instrument's price digits."""
DAY = 10**9
MAX_TEXT = 64
"""Longest text of a number that is looked at."""
MAX_DIGITS = 15
"""Longest scaled price or quantity taken, in decimal digits: a product of two fits no float but is exact here."""


class Side(StrEnum):
    """FIX Side(54)."""

    BUY = "1"
    SELL = "2"

    opposite: "Side"


Side.BUY.opposite, Side.SELL.opposite = Side.SELL, Side.BUY


class OrdType(StrEnum):
    """FIX OrdType(40), as far as taken."""

    MARKET = "1"
    LIMIT = "2"


class TimeInForce(StrEnum):
    """FIX TimeInForce(59), as far as taken."""

    DAY = "0"
    GTC = "1"
    IOC = "3"
    FOK = "4"


IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)


class OrdStatus(StrEnum):
    """FIX OrdStatus(39)."""

    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    CANCELED = "4"
    PENDING_CANCEL = "6"
    REJECTED = "8"
    PENDING_NEW = "A"
    EXPIRED = "C"
    PENDING_REPLACE = "E"


class ExecType(StrEnum):
    """FIX ExecType(150). FIX 4.4 reports every fill as TRADE."""

    NEW = "0"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    REPLACED = "5"
    PENDING_CANCEL = "6"
    STOPPED = "7"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    CALCULATED = "B"
    EXPIRED = "C"
    RESTATED = "D"
    PENDING_REPLACE = "E"
    TRADE = "F"
    TRADE_CORRECT = "G"
    TRADE_CANCEL = "H"
    ORDER_STATUS = "I"


class OrdRejReason(StrEnum):
    """FIX OrdRejReason(103)."""

    BROKER_OPTION = "0"
    UNKNOWN_SYMBOL = "1"
    EXCHANGE_CLOSED = "2"
    EXCEEDS_LIMIT = "3"
    UNKNOWN_ORDER = "5"
    DUPLICATE_ORDER = "6"
    UNSUPPORTED = "11"
    INCORRECT_QUANTITY = "13"
    UNKNOWN_ACCOUNT = "15"
    OTHER = "99"


class CxlRejReason(StrEnum):
    """FIX CxlRejReason(102)."""

    TOO_LATE = "0"
    UNKNOWN_ORDER = "1"
    BROKER_OPTION = "2"
    ALREADY_PENDING = "3"
    DUPLICATE = "6"
    OTHER = "99"


class BusinessRejectReason(StrEnum):
    """FIX BusinessRejectReason(380)."""

    OTHER = "0"
    UNKNOWN_ID = "1"
    UNKNOWN_SECURITY = "2"
    UNSUPPORTED_MESSAGE = "3"
    NOT_AVAILABLE = "4"
    CONDITIONALLY_REQUIRED_MISSING = "5"


class Request(StrEnum):
    """What an order or a child waits for. The values of CANCEL and REPLACE are CxlRejResponseTo(434)'s."""

    CANCEL = "1"
    REPLACE = "2"
    EXPIRE = "X"


class Instrument(msgspec.Struct, frozen=True, gc=False):
    """What can be traded. `tick` and `lot` are scaled ints; `collar` is in basis points of the mark (0: none);
    `reference` is the mark before the first quote or trade (0: none); `opens` and `closes` are seconds of the UTC
    day (equal: always open)."""

    symbol: str
    price_digits: int
    qty_digits: int
    tick: int
    lot: int
    cross: str
    post: str
    collar_bps: int = 0
    reference: int = 0
    opens: int = 0
    closes: int = 0
    halted: bool = False
    money_factor: int = 0

    def __post_init__(self) -> None:
        """Set `money_factor`: price x qty x money_factor = money."""
        factor = 10 ** (MONEY_DIGITS - self.price_digits - self.qty_digits)
        msgspec.structs.force_setattr(self, "money_factor", factor)


class Venue(msgspec.Struct, frozen=True, gc=False):
    """An exchange. Fees are decimal text per unit (negative: a rebate); `symbols` empty means every instrument.
    `market_data`: whether it sends us its book."""

    venue: str
    taker_fee: str = "0"
    maker_fee: str = "0"
    symbols: tuple[str, ...] = ()
    market_data: bool = True


class Limits(msgspec.Struct, frozen=True, gc=False):
    """Pre-trade limits as decimal text, empty for none: quantity in units, notional and cash in money."""

    max_order_qty: str = ""
    max_order_notional: str = ""
    buying_power: bool = True


class Reject(msgspec.Struct, frozen=True, gc=False):
    """Why an order is refused: OrdRejReason(103) and Text(58) `CODE: limit=.., value=..`."""

    reason: OrdRejReason
    text: str


class Inexact(ValueError):
    """A decimal text that has no exact scaled value: not a number, too many digits, or enormous."""


@lru_cache(maxsize=1 << 16)
def to_scaled(text: str, digits: int) -> int:
    """Decimal text -> int of 10**-digits. Never rounds: raises Inexact where it would have to."""
    if len(text) > MAX_TEXT:
        raise Inexact(f"{text[:MAX_TEXT]}... is too large")
    whole, _, part = text.partition(".")
    bare = whole[1:] if whole[:1] == "-" else whole
    part = part.rstrip("0")
    if not (bare + part).isdecimal() or not text.isascii():
        raise Inexact(f"{text!r} is not a decimal number")
    if len(part) > digits:
        raise Inexact(f"{text} has more than {digits} decimals")
    if len(bare.lstrip("0")) + digits > MAX_DIGITS:
        raise Inexact(f"{text} is too large")
    return int(whole + part + "0" * (digits - len(part)))


@lru_cache(maxsize=1 << 16)
def to_text(value: int, digits: int) -> str:
    """Int of 10**-digits -> decimal text with exactly `digits` decimals."""
    if not digits:
        return str(value)
    if value < 0:
        return "-" + to_text(-value, digits)
    text = str(value)
    if len(text) <= digits:
        text = text.zfill(digits + 1)
    return f"{text[:-digits]}.{text[-digits:]}"


def to_money(text: str) -> int:
    """Decimal text -> money. Raises Inexact. Unlike a price it may be of any size."""
    try:
        scaled = Decimal(text).scaleb(MONEY_DIGITS)
        whole = int(scaled)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise Inexact(f"{text!r} is not a decimal number") from error
    if whole != scaled:
        raise Inexact(f"{text} has more than {MONEY_DIGITS} decimals")
    return whole


def money_text(money: int) -> str:
    """Money -> decimal text without trailing zeros (at least two decimals)."""
    text = to_text(money, MONEY_DIGITS).rstrip("0")
    whole, _, part = text.partition(".")
    return f"{whole}.{part.ljust(2, '0')}"


def average_text(notional: int, cum: int, price_digits: int) -> str:
    """AvgPx(6): the fills' notional (price x quantity) by their quantity, half up, to AVG_PX_DIGITS more decimals than
    a price has."""
    if not cum:
        return "0"
    scaled = (2 * notional * 10**AVG_PX_DIGITS + cum) // (2 * cum)
    text = to_text(scaled, price_digits + AVG_PX_DIGITS)
    return text[:-AVG_PX_DIGITS] + text[-AVG_PX_DIGITS:].rstrip("0") if price_digits else text.rstrip("0").rstrip(".")


def id_text(number: int) -> str:
    """20261122000000017 -> '20261122-17'."""
    day, sequence = divmod(number, DAY)
    return f"{day}-{sequence}"


def id_number(text: str) -> int:
    """'20261122-17' -> 20261122000000017; anything that id_text could not have made -> 0, which numbers nothing."""
    if not text:
        return 0
    day, _, sequence = text.partition("-")
    if not (len(day) == 8 and sequence.isdecimal() and day.isdecimal() and text.isascii()):
        return 0
    number = int(day) * DAY + int(sequence)
    return number if id_text(number) == text else 0
