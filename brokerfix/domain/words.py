"""FIX's enumerations, as far as taken, and the broker's own."""

from enum import StrEnum


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
    PREVIOUSLY_QUOTED = "D"
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
    DO_NOT_INCREASE = "E"
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
    INTERMARKET_SWEEP = "f"
    SUSPEND = "S"
    RELEASE = "q"


PEGS = (ExecInst.PRIMARY_PEG, ExecInst.MARKET_PEG, ExecInst.MID_PEG)


class Hold(StrEnum):
    """Why a quantity of an order is with the broker, neither in its book nor at an exchange."""

    MANUAL = "manual"
    STOP = "stop"
    AUCTION = "auction"
    PEG = "peg"
    CONDITION = "condition"
    ICEBERG = "iceberg"
    ALGORITHM = "algorithm"


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
    "post-only", "opening", "closing", "gtd", "iso",
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
    TOO_LATE = "4"
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


ROUTE_MODES = ("best", "pro-rata", "sequential", "spray", "dark-first", "split")
"""How a quantity is spread over exchanges: the best price (or cost) first, at all at once; pro rata to what they show;
one after the other; in equal shares; dark ones at the mid first; taken or queued as Cont and Kukanov have it."""
ALGORITHMS = ("twap", "vwap", "pov", "is")
"""How an order is worked over time."""


class RouteRule(StrEnum):
    """Which rule of the router has sent a child order to an exchange. Older versions have HOLDS_ALL where it is now
    HOLDS_ENOUGH."""

    BEST_PRICE = "best price"
    LOWEST_COST = "lowest price and fee together"
    BEST_PRICE_THEN_POST = "best price, then posted"
    LOWEST_MAKER_FEE = "posted, lowest maker fee"
    HOLDS_ENOUGH = "holds enough of it"
    HOLDS_ALL = "holds all of it"
    DOES_IT_ITSELF = "does it itself"
    EX_DESTINATION = "ExDestination"
    PRO_RATA = "pro rata to what is shown"
    SEQUENTIAL = "one exchange after the other"
    SPRAY = "equal shares"
    DARK_FIRST = "dark, at the mid"
    SPLIT = "queued where it costs least"
    ROUTED_AWAY = "routed away from a worse price"
    ISO_SWEEP = "intermarket sweep"
    PROBE = "a small share, to try it again"
