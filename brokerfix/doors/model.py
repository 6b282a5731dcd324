"""What goes in and out over HTTP: JSON with decimal numbers as text, so that they stay exact."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Id = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._:-]{1,40}(?!\n)$",
        description="A ClOrdID: none that the client has used in this trading day, nor that of an order that is open.",
    ),
]
Decimal = Annotated[str, Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,12})?(?!\n)$", description="A decimal number.")]
SignedDecimal = Annotated[
    str, Meta(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,12})?(?!\n)$", description="A decimal number, maybe below 0.")
]
Symbol = Annotated[str, Meta(pattern=r"^[!-~]{1,32}(?!\n)$")]
Account = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,32}(?!\n)$")]
Moment = Annotated[
    datetime, Meta(tz=True, description="Date and time with a time zone (RFC 3339), to the millisecond.")
]
Side = Literal["buy", "sell"]
OrdType = Literal["market", "limit", "stop", "stop_limit", "market_to_limit", "pegged"]
TimeInForce = Literal["day", "gtc", "opening", "ioc", "fok", "gtd", "closing"]
ExecInst = Literal[
    "post_only", "all_or_none", "primary_peg", "market_peg", "mid_peg", "trailing_stop", "cancel_if_not_best",
    "keep", "cancel_on_loss", "reinstate_on_halt", "cancel_on_halt", "not_held", "held", "do_not_increase",
    "intermarket_sweep",
]  # fmt: skip
ExecInsts = Annotated[
    tuple[ExecInst, ...],
    Meta(
        max_length=15,
        description="ExecInst(18) in words. A pegged order needs one of the pegs or trailing_stop. keep and "
        "cancel_on_loss say what becomes of the order when the session is lost.",
    ),
]
Status = Literal[
    "new", "partially_filled", "filled", "done_for_day", "canceled", "pending_cancel", "stopped", "rejected",
    "suspended", "pending_new", "calculated", "expired", "pending_replace",
]  # fmt: skip
Phase = Literal["closed", "pre_open", "opening_auction", "continuous", "closing_auction"]
RouteMode = Literal["best", "pro-rata", "sequential", "spray", "dark-first", "split"]
ENDED_STATUSES = ("filled", "canceled", "rejected", "expired")


class Strategy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an order is worked over time and routed: TargetStrategy(847) and its parameters. It is worked from `start`
    (now) to `end`, in slices `interval_seconds` apart: `twap` evenly, `vwap` as the market usually trades, `pov` as
    `participation_rate` percent of what the market trades (of the others: at most so much), `is` the sooner the higher
    its `urgency`. With `catch_up` what could not be had in time is wanted at once, else it is spread over the rest.
    `style`: a slice takes what is there, or is posted first. Without a `name` it is only routed as `route_mode` says.
    """

    name: Literal["twap", "vwap", "pov", "is"] | None = None
    start: Moment | None = None
    end: Moment | None = None
    interval_seconds: Decimal | None = None
    participation_rate: Decimal | None = None
    urgency: Decimal | None = None
    catch_up: bool | None = None
    style: Literal["take", "post"] | None = None
    route_mode: RouteMode | None = None


class NewOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order, in FIX's words. `limit` and `stop_limit` orders have a price, `pegged` ones may have one that they
    never go beyond; `stop_px` is where a stop is set off; `min_qty` the least to be filled; `max_floor` what an iceberg
    shows; `expire_time` or `expire_date` goes with gtd; `peg_offset` is added to the peg's price or is a trailing
    stop's distance; `cash_order_qty` stands for a quantity and is what may be spent; `ex_destination` names the
    exchange; a `manual` order waits for the broker's desk (HandlInst 3); with a `strategy` it is worked over time. What
    can't go together the broker refuses."""

    cl_ord_id: Id
    symbol: Symbol
    side: Side
    qty: Decimal | None = None
    type: OrdType = "limit"
    price: Decimal | None = None
    time_in_force: TimeInForce = "day"
    account: Account | None = None
    stop_px: Decimal | None = None
    min_qty: Decimal | None = None
    max_floor: Decimal | None = None
    expire_time: Moment | None = None
    expire_date: date | None = None
    peg_offset: SignedDecimal | None = None
    exec_inst: ExecInsts = ()
    cash_order_qty: Decimal | None = None
    ex_destination: Account | None = None
    manual: bool = False
    strategy: Strategy | None = None


class Replace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of an order is to be another. What is left out stays as it is; "0" takes an instruction away, [] all of
    `exec_inst`. A `strategy` takes the place of the one before, as a whole; `paused` stops an order that is worked over
    time (ExecInst S) until it is false. `cl_ord_id` names the request, and from then on the order."""

    cl_ord_id: Id
    qty: Decimal | None = None
    price: Decimal | None = None
    stop_px: Decimal | None = None
    min_qty: Decimal | None = None
    max_floor: Decimal | None = None
    expire_time: Moment | None = None
    expire_date: date | None = None
    peg_offset: SignedDecimal | None = None
    exec_inst: ExecInsts | None = None
    manual: bool | None = None
    strategy: Strategy | None = None
    paused: bool | None = None


class Order(msgspec.Struct, frozen=True):
    """An order as the broker last reported it. `entered` is when it was taken, `peg_price` where its peg stands now;
    what is not known of it, or what it has not, is null. An `ex_destination` of "" is none."""

    cl_ord_id: str
    order_id: str
    account: str
    symbol: str
    side: Side
    qty: str
    price: str | None
    status: Status
    cum_qty: str
    leaves_qty: str
    avg_px: str
    text: str = ""
    type: OrdType | Literal["previously_quoted"] | None = None
    time_in_force: TimeInForce | None = None
    stop_px: str | None = None
    min_qty: str | None = None
    max_floor: str | None = None
    expire_time: str | None = None
    expire_date: str | None = None
    peg_offset: str | None = None
    peg_price: str | None = None
    exec_inst: tuple[ExecInst, ...] = ()
    cash_order_qty: str | None = None
    ex_destination: str | None = None
    manual: bool | None = None
    entered: str | None = None
    strategy: Strategy | None = None
    paused: bool = False

    @property
    def is_open(self) -> bool:
        """Whether something of it may still be filled."""
        return self.leaves_qty.strip("0.") != ""


class Execution(msgspec.Struct, frozen=True):
    """A fill, as it is now: what was busted has no quantity any more, what was corrected its new quantity and price.
    `changed_by` is the ExecID of the report that said so last, "" for what is as it was made. `venue` is the exchange,
    "" our own book."""

    exec_id: str
    at: str
    order_id: str
    cl_ord_id: str
    account: str
    symbol: str
    side: Side
    last_qty: str
    last_px: str
    venue: str
    state: Literal["booked", "busted", "corrected"] = "booked"
    changed_by: str = ""


class Position(msgspec.Struct, frozen=True):
    """An account's holding of a symbol."""

    account: str
    symbol: str
    qty: str
    bought: str
    sold: str
    mark: str


class AccountLimits(msgspec.Struct, frozen=True):
    """What one order may be at most, null for no limit, and whether buying power is checked."""

    max_order_qty: str | None
    max_order_notional: str | None
    buying_power: bool


class LimitUse(msgspec.Struct, frozen=True):
    """One limit of an account, in a symbol or group of symbols (null: in any): its name, its number, and how much of it
    is used by what is held and open, as decimal text (null where that depends on the time)."""

    symbol: str | None
    limit: str
    most: str
    used: str | None
    percent: float | None


class AccountRisk(msgspec.Struct, frozen=True):
    """What an account has and needs: `kind` is cash, or that of its margin; `equity` is with loan value, `excess` what
    is above the maintenance margin (of a cash account: its buying power), and `credit_multiplier` what it may use of
    its available funds."""

    kind: str
    standing: str
    equity: str
    maintenance: str
    excess: str
    credit_multiplier: str


class AccountState(msgspec.Struct, frozen=True):
    """An account: what was paid in, its cash and buying power, cash in other currencies, the limits of one order, its
    margin, and how much of each of its own limits is used."""

    account: str
    paid_in: str
    cash: str
    buying_power: str
    balances: dict[str, str]
    limits: AccountLimits
    risk: AccountRisk
    in_use: list[LimitUse]


class Instrument(msgspec.Struct, frozen=True):
    """What can be traded: decimals of a price and a quantity; what both are multiples of; how far from the mark a price
    may be (`collar`, a fraction; null: any); its hours, clock times in `time_zone`, or the exchange `calendar` that has
    them (equal times and no calendar: always open). `phase` is null while it is not known."""

    symbol: str
    price_digits: int
    qty_digits: int
    tick: str
    lot: str
    collar: str | None
    open: str
    close: str
    time_zone: str
    calendar: str | None
    pre_open_seconds: int
    opening_auction_seconds: int
    closing_auction_seconds: int
    phase: Phase | None
    halted: bool | None


class Hours(msgspec.Struct, frozen=True):
    """Where an instrument's trading day is: `next_open` and `next_close` are null where it never closes."""

    symbol: str
    phase: Phase | None
    halted: bool | None
    next_open: str | None
    next_close: str | None


class Clock(msgspec.Struct, frozen=True):
    """The server's time, the broker's trading day, and the instruments' phases."""

    now: str
    trading_day: str
    instruments: list[Hours]


class Level(msgspec.Struct, frozen=True):
    """A price and what is there: in all, or (by exchange) at one `exchange`, null for the broker's own book."""

    price: str
    qty: str
    exchange: str | msgspec.UnsetType | None = msgspec.UNSET


class Book(msgspec.Struct, frozen=True):
    """The consolidated book of a symbol, best prices first; by exchange, and of a price the broker's own book first,
    where that is asked for."""

    symbol: str
    bids: list[Level]
    asks: list[Level]


class Last(msgspec.Struct, frozen=True):
    """The last trade."""

    price: str
    qty: str


class Statistics(msgspec.Struct, frozen=True):
    """What the market has traded of a symbol in the trading day: its first, highest, lowest, average (by quantity) and
    last price, and how much. Before the first trade there is nothing of it."""

    symbol: str
    open: str | None = None
    high: str | None = None
    low: str | None = None
    vwap: str | None = None
    volume: str | None = None
    last: Last | None = None


class Problem(msgspec.Struct, frozen=True):
    """What went wrong (RFC 9457). `order` is the order's state where there is one."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    order: Order | None = None


class Report(msgspec.Struct, frozen=True, tag="report"):
    """Something happened to an order: with what ExecType, and the last fill if it was one."""

    order: Order
    exec_id: str
    exec_type: str
    last_qty: str = ""
    last_px: str = ""


class Quote(msgspec.Struct, frozen=True, tag="quote"):
    """A symbol's book has changed."""

    book: Book


class Changed(msgspec.Struct, frozen=True, tag="statistics"):
    """A symbol's statistics have changed."""

    statistics: Statistics


class Trade(msgspec.Struct, frozen=True, tag="trade"):
    """The market has traded."""

    symbol: str
    price: str
    qty: str
