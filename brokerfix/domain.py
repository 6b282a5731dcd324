"""The words that commands and facts are made of, in FIX's own names.

Scales. A price is an int of 10**-price_digits, a quantity an int of 10**-qty_digits of its
instrument; money (cash, notional) is an int of 10**-MONEY_DIGITS. `at` is nanoseconds UTC since 1970.

Numbers. Facts are numbered without a gap: trading day (8 digits), shard (2) and sequence (9) are held as one int
(20261122-03-17 -> 2026112203000000017). Journals of before shards have day and sequence only (20261122-17 ->
20261122000000017): such a number is of shard 0, and smaller than any with one. An order's OrderID is the number of its
OrderAccepted, a child's ClOrdID that of its OrderRouted, an ExecID that of the fact it reports.
"""

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec

MONEY_DIGITS = 12
AVG_PX_DIGITS = 6
"""Decimals of an average price beyond the instrument's price digits."""
SEQUENCES = 10**9
"""Numbers that a day and shard have."""
SHARDS = 100
LAST_DAY = 99_999_999
MOST_AT_HAND = 512
"""How many ids' texts are kept. Each is used within a moment and never again: more would only be cold memory."""
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
    STOP = "3"
    STOP_LIMIT = "4"
    MARKET_TO_LIMIT = "K"
    PEGGED = "P"


class TimeInForce(StrEnum):
    """FIX TimeInForce(59), as far as taken."""

    DAY = "0"
    GTC = "1"
    OPENING = "2"
    IOC = "3"
    FOK = "4"
    GTD = "6"
    CLOSING = "7"


IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)
ECHOED = ("18", "38", "40", "44", "59", "99", "110", "111", "126", "152", "211", "432")
"""The tags of an order that its rejection repeats as they came."""
GOOD_TILL = (TimeInForce.GTC, TimeInForce.GTD)
AT_AUCTION = (TimeInForce.OPENING, TimeInForce.CLOSING)


class ExecInst(StrEnum):
    """FIX ExecInst(18), as far as taken. An order may have several."""

    POST_ONLY = "6"
    ALL_OR_NONE = "G"
    KEEP = "H"
    REINSTATE_ON_HALT = "J"
    CANCEL_ON_HALT = "K"
    MID_PEG = "M"
    MARKET_PEG = "P"
    PRIMARY_PEG = "R"
    CANCEL_IF_NOT_BEST = "Z"
    TRAILING_STOP = "a"
    CANCEL_ON_LOSS = "o"


PEGS = (ExecInst.PRIMARY_PEG, ExecInst.MARKET_PEG, ExecInst.MID_PEG)


class Hold(StrEnum):
    """Why a quantity of an order is with the broker, neither in its book nor at an exchange."""

    MANUAL = "manual"
    STOP = "stop"
    AUCTION = "auction"
    PEG = "peg"
    CONDITION = "condition"
    ICEBERG = "iceberg"


class Phase(StrEnum):
    """An instrument's trading phase."""

    CLOSED = "closed"
    PRE_OPEN = "pre-open"
    OPENING_AUCTION = "opening auction"
    CONTINUOUS = "continuous"
    CLOSING_AUCTION = "closing auction"


CALLS = (Phase.PRE_OPEN, Phase.OPENING_AUCTION, Phase.CLOSING_AUCTION)
"""The phases in which orders are collected and not matched."""

FEATURES = (
    "stop", "stop-limit", "trailing-stop", "market-to-limit", "pegged", "iceberg", "min-qty", "all-or-none",
    "post-only", "opening", "closing", "gtd",
)  # fmt: skip
"""What an exchange may support beyond market and limit orders for Day, GTC, IOC and FOK."""


class OrdStatus(StrEnum):
    """FIX OrdStatus(39)."""

    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    PENDING_CANCEL = "6"
    STOPPED = "7"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    CALCULATED = "B"
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
    TRIGGERED = "L"


class RestatementReason(StrEnum):
    """FIX ExecRestatementReason(378)."""

    CORPORATE_ACTION = "0"
    GT_RENEWAL = "1"
    VERBAL_CHANGE = "2"
    REPRICING = "3"
    BROKER_OPTION = "4"
    PARTIAL_DECLINE = "5"
    TRADING_HALT = "6"
    SYSTEM_FAILURE = "7"
    MARKET_OPTION = "8"
    NOT_BEST = "9"


class OrdRejReason(StrEnum):
    """FIX OrdRejReason(103)."""

    BROKER_OPTION = "0"
    UNKNOWN_SYMBOL = "1"
    EXCHANGE_CLOSED = "2"
    EXCEEDS_LIMIT = "3"
    UNKNOWN_ORDER = "5"
    DUPLICATE_ORDER = "6"
    DUPLICATE_OF_VERBAL = "7"
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
    `reference` is the mark before the first quote or trade (0: none); `opens` and `closes` are seconds of the day in
    `zone` (equal: always open); `pre_open`, `opening_auction` and `closing_auction` are how many seconds these phases
    last. `trigger` is what stops look at, "last" or "quote"; `peg_interval` is ns between two prices of a peg."""

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
    trigger: str = "last"
    peg_interval: int = 100_000_000
    pre_open: int = 0
    opening_auction: int = 0
    closing_auction: int = 0
    zone: str = "UTC"

    def __post_init__(self) -> None:
        """Set `money_factor`: price x qty x money_factor = money."""
        factor = 10 ** (MONEY_DIGITS - self.price_digits - self.qty_digits)
        msgspec.structs.force_setattr(self, "money_factor", factor)


class Venue(msgspec.Struct, frozen=True, gc=False):
    """An exchange. Fees are decimal text per unit (negative: a rebate); `symbols` empty means every instrument.
    `market_data`: whether it sends us its book. `supports`: the FEATURES that it has itself. `removed`: it is no longer
    configured; what it holds of ours is still in our books."""

    venue: str
    taker_fee: str = "0"
    maker_fee: str = "0"
    symbols: tuple[str, ...] = ()
    market_data: bool = True
    supports: tuple[str, ...] = ()
    removed: bool = False


class Instructions(msgspec.Struct, frozen=True, gc=False):
    """What an order asks for beyond type, quantity, price and time in force; 0 or empty for what it does not.

    `stop_px` StopPx(99); `expire_at` ExpireTime(126) in ns; `expire_day` ExpireDate(432) as YYYYMMDD; `max_floor`
    MaxFloor(111), what an iceberg shows; `min_qty` MinQty(110); `peg_offset` PegOffsetValue(211), added to the peg's
    price or, without its sign, the trailing stop's distance; `limit` a pegged order's Price(44), which it never goes
    beyond; `manual` HandlInst(21) 3: only an operator releases it."""

    stop_px: int = 0
    expire_at: int = 0
    expire_day: int = 0
    max_floor: int = 0
    min_qty: int = 0
    peg_offset: int = 0
    limit: int = 0
    exec_inst: tuple[str, ...] = ()
    manual: bool = False


class ClientOptions(msgspec.Struct, frozen=True, gc=False):
    """How a client is served. `pending`: what a replace or cancel gets while a replace waits for an exchange: "queue"
    (its turn comes), "announce" (and it is told so at once), "reject". `acknowledge`: New is sent when the order is
    "accepted" by us or when it is "placed". `cancel_on_disconnect`: "none", "day" or "all" orders are canceled
    `grace` ns after the session is lost. `drop_copy`: the clients whose reports this one gets copies of,
    `drop_copy_snapshot`: it is told of their open orders at logon. `most_following`: how many orders it may have that
    follow the market (pegs, trailing stops, conditions). `self_match`: what happens to orders of the client that would
    trade with each other: nothing, or "cancel-newest", "cancel-oldest", "cancel-both"."""

    pending: str = "queue"
    acknowledge: str = "accepted"
    cancel_on_disconnect: str = "none"
    grace: int = 0
    drop_copy: tuple[str, ...] = ()
    drop_copy_snapshot: bool = False
    most_following: int = 500
    self_match: str = "none"


class Limits(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The pre-trade limits of one level, in the configuration's own words: those that are numbers as decimal text
    (empty for none), quantities in units, notionals in money. What each forbids stands in `risk.controls`; `duplicates`
    are so many of the same, and `window_seconds` and `duplicate_seconds` how long what was accepted counts."""

    max_order_qty: str = ""
    max_order_notional: str = ""
    buying_power: bool = True
    max_window_qty: str = ""
    max_window_notional: str = ""
    window_seconds: int = 60
    max_long: str = ""
    max_short: str = ""
    max_gross: str = ""
    max_net: str = ""
    duplicates: str = ""
    duplicate_seconds: int = 10
    long_only: bool = False
    reduce_only: bool = False

    def numbers(self) -> dict[str, int]:
        """Name -> number of the limits that are set, scaled by MONEY_DIGITS; what must not be at all is 0. Raises
        Inexact."""
        texts = msgspec.structs.asdict(self).items()
        numbers = {name: to_money(text) for name, text in texts if isinstance(text, str) and text}
        return numbers | {name: 0 for name in ("long_only", "reduce_only") if getattr(self, name)}


class Level(NamedTuple):
    """Whose limits: the `kind` is firm, client, group (of accounts) or account; those of an account may be in one
    symbol."""

    kind: str
    name: str = ""
    symbol: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, self))


class Evidence(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a refusal rests on: the check that refused, its limit, and the value that was beyond it, both as people
    write them (empty: the check has none), and at which level the limit stands."""

    check: str
    limit: str = ""
    value: str = ""
    at: str = ""


class Reject(msgspec.Struct, frozen=True, gc=False):
    """Why an order is refused: OrdRejReason(103), and the evidence; what it does not say, in words."""

    reason: OrdRejReason
    check: str
    words: str = ""
    limit: str = ""
    value: str = ""
    at: str = ""

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.check, self.limit, self.value, self.at)

    @property
    def text(self) -> str:
        """Text(58): `CHECK: limit=.., value=.., at=.., words`."""
        numbers = ("limit", self.limit), ("value", self.value), ("at", self.at)
        told = *(f"{name}={value}" for name, value in numbers if value), self.words
        return f"{self.check}: {', '.join(filter(None, told))}"


class RouteRule(StrEnum):
    """Which rule of the router has sent a child order to an exchange. Older versions have HOLDS_ALL where it is now
    HOLDS_ENOUGH."""

    BEST_PRICE = "best price"
    BEST_PRICE_THEN_POST = "best price, then posted"
    LOWEST_MAKER_FEE = "posted, lowest maker fee"
    HOLDS_ENOUGH = "holds enough of it"
    HOLDS_ALL = "holds all of it"
    DOES_IT_ITSELF = "does it itself"
    EX_DESTINATION = "ExDestination"


class Seen(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A quote of an exchange that a routing decision has looked at: price in ticks, scaled quantity, and how much of it
    the child orders aim at."""

    venue: str
    price: int
    qty: int
    aimed: int


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


def first_of_day(day: int, shard: int) -> int:
    """The number with which a trading day (YYYYMMDD) of a shard begins."""
    return (day * SHARDS + shard) * SEQUENCES


def day_of(number: int) -> int:
    """The trading day (YYYYMMDD) of a number."""
    head = number // SEQUENCES
    return head // SHARDS if head > LAST_DAY else head


def shard_of(number: int) -> int:
    """The shard of a number; 0 for those of before shards."""
    head = number // SEQUENCES
    return head % SHARDS if head > LAST_DAY else 0


def sequence_of(number: int) -> int:
    """A number within its day and shard."""
    return number % SEQUENCES


@lru_cache(maxsize=MOST_AT_HAND)
def id_text(number: int) -> str:
    """2026112203000000017 -> '20261122-03-17', and of before shards 20261122000000017 -> '20261122-17'."""
    head, sequence = divmod(number, SEQUENCES)
    return f"{head}-{sequence}" if head <= LAST_DAY else f"{head // SHARDS}-{head % SHARDS:02}-{sequence}"


def id_number(text: str) -> int:
    """The number that `id_text` makes this text of; 0, which numbers nothing, for any other text."""
    if not text or not text.isascii():
        return 0
    head, _, sequence = text.rpartition("-")
    day, _, shard = head.partition("-")
    if not (len(day) == 8 and (day + shard + sequence).isdecimal()):
        return 0
    number = int(day + shard) * SEQUENCES + int(sequence) if sequence else 0
    return number if id_text(number) == text else 0
