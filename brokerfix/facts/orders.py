"""Facts: what became of clients' orders and of what is asked about them."""

from brokerfix.domain import (
    BusinessRejectReason,
    CxlRejReason,
    Evidence,
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
)
from brokerfix.facts.base import Fact


class OrderAccepted(Fact, frozen=True, gc=False, kw_only=True):
    """A client's order is ours. Its OrderID is this fact's id. `risk_price` values it while it is open. An order that
    is not `acknowledged` yet has no New. `operator` entered it for the client; `cash` is CashOrderQty(152) as it
    came, `capacity` OrderCapacity(528), `tags` what it says of itself besides, `quote_id` the quote that it takes;
    `own_quote` is the quote of its client's that it is a side of."""

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
    ex_destination: str = ""
    instructions: Instructions | None = None
    acknowledged: bool = True
    operator: str = ""
    cash: str = ""
    capacity: str = ""
    tags: OrderTags | None = None
    quote_id: int = 0
    own_quote: OwnQuote | None = None


class OrderAcknowledged(Fact, frozen=True, gc=False):
    """The order has found its place: now it is New."""

    order_id: int


class OrderRejected(Fact, frozen=True, gc=False, kw_only=True):
    """A client's order was refused. `known_as_new`: its ClOrdID was not used before, so it now names this refusal;
    else it may be that of the order `order_id`. `told` are its terms as they came, (tag, value). `evidence` is what the
    refusal rests on (None: an older version's)."""

    client: str
    cl_ord_id: str
    account: str
    symbol: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    qty: int
    price: int
    reason: OrdRejReason
    text: str
    known_as_new: bool = True
    order_id: int = 0
    told: tuple[tuple[str, str], ...] = ()
    evidence: Evidence | None = None


class OrderWorked(Fact, frozen=True, gc=False, kw_only=True):
    """A slice of an order that is worked over time: `due` is placed, `done` of it is or was at work with it. `traded`
    is what the market had traded on the day before it began (scaled); `percent` how much of it is filled, where its
    client is told (0: it is not). `risk_price` is what risk values it at from now on (0: as
    before)."""

    order_id: int
    due: int
    done: int
    traded: int
    percent: int = 0
    risk_price: int = 0


class OrderPaused(Fact, frozen=True, gc=False):
    """An operator has an order that is worked over time pause, or go on."""

    order_id: int
    paused: bool
    operator: str


class OrderHeld(Fact, frozen=True, gc=False):
    """`qty` of the order (0: nothing any more) is now with us, for the reason `hold`."""

    order_id: int
    qty: int
    hold: Hold


class OrderReleased(Fact, frozen=True, gc=False):
    """What held the order back is over: its stop was reached, its auction begins, an operator let it go. From now on it
    is valued at `risk_price` (0: as before)."""

    order_id: int
    hold: Hold
    price: int = 0
    operator: str = ""
    risk_price: int = 0


class StopMoved(Fact, frozen=True, gc=False):
    """A trailing stop has followed the market."""

    order_id: int
    stop_px: int


class OrderRepriced(Fact, frozen=True, gc=False):
    """The order works at another price: a peg follows the market, a market order's leftover becomes a limit order."""

    order_id: int
    price: int


class OrderNoted(Fact, frozen=True, gc=False):
    """An exchange has said that the order is done for day, stopped, suspended or calculated, or (None) no longer so.
    `qty` and `price` are what it guarantees."""

    order_id: int
    status: OrdStatus | None
    qty: int = 0
    price: int = 0
    text: str = ""


class OrderRestated(Fact, frozen=True, gc=False, kw_only=True):
    """The order has other terms, or the same on another day, without a request of the client. `reason` is
    ExecRestatementReason(378)."""

    order_id: int
    reason: str
    qty: int
    price: int
    text: str = ""
    operator: str = ""


class OrderBooked(Fact, frozen=True, gc=False):
    """`qty` of the order now rests in our own book at the order's price."""

    order_id: int
    qty: int


class OrderUnbooked(Fact, frozen=True, gc=False):
    """All of the order that rested in our own book is taken out of it."""

    order_id: int


class CancelPending(Fact, frozen=True, gc=False, kw_only=True):
    """The order is being cancelled: an exchange is asked. EXPIRE has no request of a client behind it."""

    order_id: int
    cl_ord_id: str
    request: Request = Request.CANCEL
    reason: str = ""
    text: str = ""
    operator: str = ""


class ReplacePending(Fact, frozen=True, gc=False, kw_only=True):
    order_id: int
    cl_ord_id: str
    qty: int
    price: int
    risk_price: int
    instructions: Instructions | None = None


class RequestQueued(Fact, frozen=True, gc=False, kw_only=True):
    """A cancel or replace waits for its turn behind a replace. `announced`: its sender is told so now."""

    order_id: int
    cl_ord_id: str
    request: Request
    qty: int = 0
    price: int = 0
    risk_price: int = 0
    instructions: Instructions | None = None
    announced: bool = False
    reason: str = ""
    text: str = ""
    operator: str = ""


class OrderCanceled(Fact, frozen=True, gc=False):
    """What was left of the order is gone. `cl_ord_id` is the request's, or empty where the client did not ask; then
    `reason` is ExecRestatementReason(378)."""

    order_id: int
    cl_ord_id: str
    text: str = ""
    reason: str = ""
    operator: str = ""


class OrderExpired(Fact, frozen=True, gc=False):
    """`status` EXPIRED, or DONE_FOR_DAY: an exchange will not work a Day order any more today."""

    order_id: int
    text: str = ""
    status: OrdStatus = OrdStatus.EXPIRED


class OrderRefused(Fact, frozen=True, gc=False):
    """An accepted order was rejected by the exchange before anything of it was filled."""

    order_id: int
    reason: OrdRejReason
    text: str


class OrderReplaced(Fact, frozen=True, gc=False, kw_only=True):
    order_id: int
    cl_ord_id: str
    qty: int
    price: int
    risk_price: int
    instructions: Instructions | None = None


class RequestRejected(Fact, frozen=True, gc=False, kw_only=True):
    """A cancel or replace is refused. `order_id` 0: no such order of this client. `known_as_new` as in
    OrderRejected. `ends_pending`: it was the order's pending request. `evidence`: of a replace whose terms were
    refused."""

    client: str
    order_id: int
    cl_ord_id: str
    orig_cl_ord_id: str
    response_to: Request
    reason: CxlRejReason
    text: str
    known_as_new: bool = True
    ends_pending: bool = False
    evidence: Evidence | None = None


class StatusReported(Fact, frozen=True, gc=False, kw_only=True):
    """A status was asked for, or a known order came again. `order_id` 0: unknown, or refused (then see `reason`). Of
    a mass status this is one of `total` reports."""

    client: str
    cl_ord_id: str
    order_id: int
    symbol: str
    side: Side
    reason: OrdRejReason = OrdRejReason.UNKNOWN_ORDER
    text: str = ""
    status_req_id: str = ""
    mass_status_req_id: str = ""
    total: int = 0
    is_last: bool = False


class StatusesAsked(Fact, frozen=True, gc=False):
    """The states of many orders were asked for; they are told in slices. Which, and under which ids, see
    `requests.ask_mass_status`."""

    client: str
    orders: tuple[int, ...]
    status_req_id: str = ""
    mass_status_req_id: str = ""


class MassCanceled(Fact, frozen=True, gc=False, kw_only=True):
    """A mass cancel was asked for; `orders` are being canceled (-1: they were not counted), in slices where it is a
    `job`: those of the symbol, account and side. `reject` is MassCancelRejectReason(532)."""

    client: str
    cl_ord_id: str
    kind: str
    orders: int
    reject: str = ""
    text: str = ""
    job: bool = False
    symbol: str = ""
    account: str = ""
    side: str = ""


class ListReported(Fact, frozen=True, gc=False):
    """A list of orders is in our hands."""

    client: str
    list_id: str
    cl_ord_ids: tuple[str, ...]


class MessageRefused(Fact, frozen=True, gc=False, kw_only=True):
    client: str
    ref_seq_num: int
    ref_msg_type: str
    reason: BusinessRejectReason
    text: str
    ref_id: str = ""
