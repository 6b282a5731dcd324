"""Orders, the children they have at exchanges, and the order-state table."""

import msgspec

from brokerfix.domain import (
    IMMEDIATE,
    CxlRejReason,
    ExecInst,
    Hold,
    Instructions,
    OrderTags,
    OrdRejReason,
    OrdStatus,
    OrdType,
    OwnQuote,
    Request,
    Side,
    TimeInForce,
    day_of,
)
from brokerfix.facts import OrderAccepted, OrderRouted


class Pending(msgspec.Struct, gc=False):
    """A request that waits, for exchanges or for its turn: its ClOrdID and, for a replace, the terms asked for.
    `announced`: its sender has been told that it is pending. `reason`, `text` and `operator`: why and who, where the
    client did not ask. `through`: the request to an exchange that does a replace (0: all is called back).
    `reserved_qty` and `reserved_notional` (price x quantity) are what it would add to what is open: that counts as open
    until it is answered."""

    request: Request
    cl_ord_id: str
    qty: int = 0
    price: int = 0
    risk_price: int = 0
    instructions: Instructions | None = None
    announced: bool = False
    reason: str = ""
    text: str = ""
    operator: str = ""
    through: int = 0
    reserved_qty: int = 0
    reserved_notional: int = 0


class Fill(msgspec.Struct, gc=False):
    """A fill as it stands now: its order and child (0: made in our book, where `is_maker` is one of two), quantity (0:
    busted) and price. `last_id` is the ExecID of its last correction, `fee`
    what it costs (decimal text of money, "": nothing), `liquidity` the exchange's LastLiquidityInd(851), and `sma`
    what it has added to the SMA (money, as an integer's text)."""

    exec_id: int
    order_id: int
    child_id: int
    qty: int
    price: int
    last_id: int
    is_maker: bool = False
    fee: str = ""
    liquidity: str = ""
    sma: str = ""


class Child(msgspec.Struct, gc=False):
    """What one exchange holds, or may hold, of an order.

    `request_id` is the ClOrdID of the cancel or replace that waits for the exchange's answer (0: none). `covered` is
    how much of `cum` was learnt from status reports: fills that tell of it again are not new. `seen` and `numbering`
    are the `Link.lost` and `Link.anew` of the exchange's session when it last confirmed the child, and when the child
    or its request was sent, which was first at `sent_at` (ns), and last asked back at
    `asked_at`. `asks` counts the status requests without an answer,
    `ask_at` is when the next is due.
    """

    child_id: int
    order_id: int
    venue: str
    symbol: str
    side: Side
    qty: int
    price: int
    ord_type: OrdType
    time_in_force: TimeInForce
    cum: int = 0
    notional: int = 0
    status: OrdStatus = OrdStatus.PENDING_NEW
    venue_order_id: str = ""
    cl_ord_id: int = 0
    request_id: int = 0
    request: Request | None = None
    asked_qty: int = 0
    asked_price: int = 0
    covered: int = 0
    instructions: Instructions | None = None
    asked_instructions: Instructions | None = None
    seen: int = 0
    numbering: int = 0
    asks: int = 0
    ask_at: int = 0
    sent_at: int = 0
    asked_at: int = 0

    @property
    def open(self) -> bool:
        return self.status in OPEN

    @property
    def leaves(self) -> int:
        return max(0, self.qty - self.cum) if self.status in OPEN else 0


OPEN = frozenset((OrdStatus.PENDING_NEW, OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED))


class Order(msgspec.Struct, gc=False):
    """A client's order. At any time each unit of it is in one place:

    qty = cum + canceled + in_book + at_venues (the leaves of open children) + held + what is being placed right now

    An exchange may fill more than it held; `excess` is how much of that was booked. `notional` is the sum of price x
    quantity of its fills, in price x quantity scale; `prior_cum` and `prior_notional` are what of both is of earlier
    days. `ended` is the final status of an order that ended before it was filled, `noted` what an exchange has said of
    it since (done for day, stopped, suspended, calculated). `hold` says why `held` is with us, `passed` which holds the
    order has behind it; `stop_px` is where the stop is now. `queue` are requests that wait for their turn. `renewed`:
    the order is older than the day that began with `renewed_on`; `restated_on`: its client was told so. `children` are
    those that are open, `routes` counts all and `tries` those since the last fill; `shunned` are the exchanges that
    have rejected one. `done` is the number of the fact with which it had ended or was filled and no exchange held any
    of it (0: it works). `visited` are the dark exchanges that it was at. Of one that is worked over time `worked_at` is
    when a slice was placed last (ns), `progress` how much of it was filled when its client was told last (percent),
    `traded` what the market had traded before it; `paused`: an operator
    has it pause. `quote_id` is the quote that it takes, or is the maker's side of, `own_quote` the quote of its
    client's that it is a side of.
    """

    order_id: int
    at: int
    client: str
    cl_ord_id: str
    account: str
    symbol: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    qty: int
    price: int
    risk_price: int
    ex_destination: str
    instructions: Instructions | None = None
    acknowledged: bool = True
    operator: str = ""
    cash: str = ""
    cum: int = 0
    notional: int = 0
    canceled: int = 0
    in_book: int = 0
    at_venues: int = 0
    ended: OrdStatus | None = None
    pending: Pending | None = None
    orig_cl_ord_id: str = ""
    children: tuple[Child, ...] = ()
    routes: int = 0
    tries: int = 0
    excess: int = 0
    reason: OrdRejReason | None = None
    held: int = 0
    hold: Hold | None = None
    passed: tuple[Hold, ...] = ()
    stop_px: int = 0
    repriced_at: int = 0
    last_px: int = 0
    noted: OrdStatus | None = None
    queue: tuple[Pending, ...] = ()
    prior_cum: int = 0
    prior_notional: int = 0
    renewed: bool = False
    renewed_on: int = 0
    restated_on: int = 0
    shunned: tuple[str, ...] = ()
    done: int = 0
    capacity: str = ""
    tags: OrderTags | None = None
    visited: tuple[str, ...] = ()
    worked_at: int = 0
    progress: int = 0
    traded: int = 0
    paused: bool = False
    quote_id: int = 0
    own_quote: OwnQuote | None = None

    @classmethod
    def from_fact(cls, fact: OrderAccepted) -> "Order":
        order = cls(
            fact.id, fact.at, fact.client, fact.cl_ord_id, fact.account, fact.symbol, fact.side, fact.ord_type,
            fact.time_in_force, fact.qty, fact.price, fact.risk_price, fact.ex_destination, fact.instructions,
            fact.acknowledged, fact.operator, fact.cash, capacity=fact.capacity, tags=fact.tags,
            quote_id=fact.quote_id, own_quote=fact.own_quote,
        )  # fmt: skip
        if fact.instructions is not None:
            order.stop_px = fact.instructions.stop_px
        return order

    @property
    def strategy(self) -> str:
        """The strategy that it is of, as halts name it: CLIENT/TAG ("": of none)."""
        return f"{self.client}/{self.tags.strategy}" if self.tags is not None and self.tags.strategy else ""

    @property
    def side_told(self) -> str:
        """Side(54) as messages have it."""
        return self.side if self.tags is None else self.tags.short_sale or self.side

    @property
    def leaves(self) -> int:
        """LeavesQty(151): what may still be filled."""
        return max(0, self.qty - self.cum) if self.ended is None else 0

    @property
    def reserved(self) -> tuple[int, int]:
        """(quantity, price x quantity) that its pending and waiting requests have reserved."""
        if self.pending is None and not self.queue:
            return 0, 0
        asked = self.queue if self.pending is None else (self.pending, *self.queue)
        return sum(one.reserved_qty for one in asked), sum(one.reserved_notional for one in asked)

    @property
    def unplaced(self) -> int:
        """What is in no place: neither with us, nor in our book, nor at an exchange."""
        return self.leaves - self.in_book - self.at_venues - self.held

    @property
    def works_as(self) -> OrdType:
        """MARKET or LIMIT: how the order trades once nothing holds it back."""
        if self.ord_type is OrdType.LIMIT or self.ord_type is OrdType.MARKET:
            return self.ord_type
        if self.ord_type is OrdType.STOP or (self.ord_type is OrdType.MARKET_TO_LIMIT and not self.price):
            return OrdType.MARKET
        if self.ord_type is OrdType.PEGGED and not self.price and self.has(ExecInst.TRAILING_STOP):
            return OrdType.MARKET
        return OrdType.LIMIT

    def has(self, exec_inst: ExecInst) -> bool:
        return self.instructions is not None and exec_inst in self.instructions.exec_inst

    @property
    def status(self) -> OrdStatus:
        """OrdStatus(39) by the FIX specification's precedence (FIX 4.4 volume 4, ExecutionReport)."""
        if self.ended is not None:
            return self.ended
        if self.pending is not None and self.pending.request in PENDING_STATUS:
            return PENDING_STATUS[self.pending.request]
        if self.queue and self.queue[0].announced:
            return PENDING_STATUS[self.queue[0].request]
        if self.noted in ABOVE_FILLED:
            return self.noted
        if self.cum >= self.qty:
            return OrdStatus.FILLED
        if self.noted is not None:
            return self.noted
        if self.cum:
            return OrdStatus.PARTIALLY_FILLED
        return OrdStatus.NEW if self.acknowledged else OrdStatus.PENDING_NEW

    @property
    def working(self) -> bool:
        return self.ended is None and (self.cum < self.qty or self.pending is not None)


ABOVE_FILLED = (OrdStatus.DONE_FOR_DAY, OrdStatus.CALCULATED)
PENDING_STATUS = {Request.CANCEL: OrdStatus.PENDING_CANCEL, Request.REPLACE: OrdStatus.PENDING_REPLACE}

TOO_LATE = CxlRejReason.TOO_LATE
REQUEST_REJECTED_IN: dict[OrdStatus, tuple[CxlRejReason, str] | None] = {
    OrdStatus.PENDING_NEW: None,
    OrdStatus.NEW: None,
    OrdStatus.PARTIALLY_FILLED: None,
    OrdStatus.STOPPED: None,
    OrdStatus.SUSPENDED: None,
    OrdStatus.CALCULATED: None,
    OrdStatus.DONE_FOR_DAY: None,
    OrdStatus.PENDING_CANCEL: (CxlRejReason.ALREADY_PENDING, "PENDING: a cancel is already pending"),
    OrdStatus.PENDING_REPLACE: (CxlRejReason.ALREADY_PENDING, "PENDING: a replace is already pending"),
    OrdStatus.FILLED: (TOO_LATE, "TOO_LATE: the order is filled"),
    OrdStatus.CANCELED: (TOO_LATE, "TOO_LATE: the order is canceled"),
    OrdStatus.EXPIRED: (TOO_LATE, "TOO_LATE: the order is expired"),
    OrdStatus.REJECTED: (TOO_LATE, "TOO_LATE: the order is rejected"),
}
"""The order-state table: what a cancel or replace request gets in each OrdStatus (None: it is taken). Two exceptions:
a replace may raise a filled order's quantity, and a request may queue behind a replace (`ClientOptions.pending`)."""


def child_from_fact(fact: OrderRouted, order: Order) -> Child:
    return Child(
        fact.id, fact.order_id, fact.venue, order.symbol, order.side, fact.qty, fact.price, fact.ord_type,
        fact.time_in_force, cl_ord_id=fact.id, instructions=fact.instructions, sent_at=fact.at,
    )  # fmt: skip


def was_refused(child: Child, status: OrdStatus) -> bool:
    """Whether an exchange that ends the child with this status has not filled what was for what it showed."""
    immediate = child.time_in_force in IMMEDIATE or child.ord_type is OrdType.MARKET
    return immediate and child.leaves > 0 and child.request is None and status is not OrdStatus.REJECTED


def is_over(order: Order, day: int, at: int) -> bool:
    """Whether an order was good till an earlier day or time."""
    if order.time_in_force is TimeInForce.GTC:
        return False
    if order.time_in_force is not TimeInForce.GTD:
        return day_of(order.order_id) < day
    asked = order.instructions
    return asked is not None and (0 < asked.expire_day < day or 0 < asked.expire_at <= at)


def follows_market(ord_type: OrdType, asked: Instructions | None) -> bool:
    """Whether an order has to be looked at whenever the market moves: pegs, trailing stops, conditions on what is there
    to be had or on being the best."""
    if asked is None:
        return False
    if asked.strategy is not None and asked.strategy.name:
        return True
    return ord_type is OrdType.PEGGED or asked.min_qty > 0 or not FOLLOWING.isdisjoint(asked.exec_inst)


FOLLOWING = frozenset((ExecInst.ALL_OR_NONE, ExecInst.TRAILING_STOP, ExecInst.CANCEL_IF_NOT_BEST))


def may_live_on(child: Child, cum: int) -> bool:
    """Whether an exchange that has filled all of a child may yet work more of it, as we have asked."""
    return child.request is Request.REPLACE and child.asked_qty > cum
