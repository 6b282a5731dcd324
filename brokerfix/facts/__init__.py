"""What happened. Facts are the journal, the audit trail, the event stream and the recovery, all four.

They are written to disk by position: a field may be added at the end of a class (with a default), never moved.
Scales and numbers are told in `domain`.
"""

import msgspec

from brokerfix.domain import (
    BusinessRejectReason,
    ClientOptions,
    CxlRejReason,
    Hold,
    Instructions,
    Instrument,
    Limits,
    OrdRejReason,
    OrdStatus,
    OrdType,
    Phase,
    Request,
    Side,
    TimeInForce,
    Venue,
)


class Base(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """`at`: when (ns UTC). `id`: the fact's own number, one more than the fact's before."""

    at: int
    id: int


class Started(Base, frozen=True, gc=False):
    """The process began; every session was down and every open child's fate unknown."""


class Stopped(Base, frozen=True, gc=False):
    """The process ended in good order; everything was sent."""


class DayRolled(Base, frozen=True, gc=False):
    """A trading day began; its number starts the ids."""

    day: int


class SliceDone(Base, frozen=True, gc=False):
    """A slice of the first job is done: the last `seen` of what it has to look at. `overdue` are the orders among them
    whose time is over but that wait for an exchange."""

    seen: int
    overdue: tuple[int, ...] = ()


class StateKept(Base, frozen=True, gc=False):
    """The whole state as it was just before a trading day began, as older versions kept it in the journal; it is
    a file of its own now. It has the number of the fact before it, and changes nothing that was there. `missed` is
    what clients that are away have not got: (client, text, whether it has groups)."""

    day: int
    state_hash: str
    data: bytes
    missed: tuple[tuple[str, str, bool], ...] = ()


class InstrumentDefined(Base, frozen=True, gc=False):
    instrument: Instrument


class AccountDefined(Base, frozen=True, gc=False):
    """`cash` is the account's paid-in money as decimal text: a later fact with another value is a deposit."""

    account: str
    cash: str
    limits: Limits


class ClientDefined(Base, frozen=True, gc=False):
    """The accounts a client may trade for, the first by default, and its orders per second (0: no limit)."""

    client: str
    accounts: tuple[str, ...]
    max_rate: int
    options: ClientOptions = ClientOptions()


class VenueDefined(Base, frozen=True, gc=False):
    venue: Venue


class ClientGone(Base, frozen=True, gc=False):
    """The client has not come back in time: what its options say of its orders is done. `job`: in slices."""

    client: str
    job: bool = False


class VenueUp(Base, frozen=True, gc=False):
    """`anew`: the session's sequence numbers have begun anew, so that what was on its way may be lost."""

    venue: str
    anew: bool = False


class VenueDown(Base, frozen=True, gc=False):
    """The exchange's session is gone: what it holds of ours is in doubt until it says."""

    venue: str


class ClientUp(Base, frozen=True, gc=False):
    client: str


class ClientDown(Base, frozen=True, gc=False):
    client: str


class Quoted(Base, frozen=True, gc=False):
    """The consolidated best levels (price, quantity, venue) at a conflated rate, the last print, and the risk mark."""

    symbol: str
    bids: tuple[tuple[int, int, str], ...]
    asks: tuple[tuple[int, int, str], ...]
    last: tuple[int, int] | None
    mark: int


class OrderAccepted(Base, frozen=True, gc=False):
    """A client's order is ours. Its OrderID is this fact's id. `risk_price` values it while it is open. An order that
    is not `acknowledged` yet has no New. `operator` entered it for the client; `cash` is CashOrderQty(152) as it
    came."""

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


class OrderAcknowledged(Base, frozen=True, gc=False):
    """The order has found its place: now it is New."""

    order_id: int


class OrderRejected(Base, frozen=True, gc=False):
    """A client's order was refused. `known_as_new`: its ClOrdID was not used before, so it now names this refusal;
    else it may be that of the order `order_id`. `told` are its terms as they came, (tag, value)."""

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


class OrderHeld(Base, frozen=True, gc=False):
    """`qty` of the order (0: nothing any more) is now with us, for the reason `hold`."""

    order_id: int
    qty: int
    hold: Hold


class OrderReleased(Base, frozen=True, gc=False):
    """What held the order back is over: its stop was reached, its auction begins, an operator let it go."""

    order_id: int
    hold: Hold
    price: int = 0
    operator: str = ""


class StopMoved(Base, frozen=True, gc=False):
    """A trailing stop has followed the market."""

    order_id: int
    stop_px: int


class OrderRepriced(Base, frozen=True, gc=False):
    """The order works at another price: a peg follows the market, a market order's leftover becomes a limit order."""

    order_id: int
    price: int


class OrderNoted(Base, frozen=True, gc=False):
    """An exchange has said that the order is done for day, stopped, suspended or calculated, or (None) no longer so.
    `qty` and `price` are what it guarantees."""

    order_id: int
    status: OrdStatus | None
    qty: int = 0
    price: int = 0
    text: str = ""


class OrderRestated(Base, frozen=True, gc=False):
    """The order has other terms, or the same on another day, without a request of the client. `reason` is
    ExecRestatementReason(378)."""

    order_id: int
    reason: str
    qty: int
    price: int
    text: str = ""
    operator: str = ""


class OrderBooked(Base, frozen=True, gc=False):
    """`qty` of the order now rests in our own book at the order's price."""

    order_id: int
    qty: int


class OrderUnbooked(Base, frozen=True, gc=False):
    """All of the order that rested in our own book is taken out of it."""

    order_id: int


class OrderRouted(Base, frozen=True, gc=False):
    """A child order goes to an exchange. Its ClOrdID there is this fact's id. `instructions` are what the exchange
    itself is asked for."""

    order_id: int
    venue: str
    qty: int
    price: int
    ord_type: OrdType
    time_in_force: TimeInForce
    why: str
    instructions: Instructions | None = None


class ChildAccepted(Base, frozen=True, gc=False):
    child_id: int
    venue_order_id: str
    venue_exec_id: str


class ChildFilled(Base, frozen=True, gc=False):
    """An exchange's fill. `from_status`: learnt from a status report and not from a fill. `operator`: who has entered
    what the exchange said otherwise."""

    child_id: int
    venue_exec_id: str
    qty: int
    price: int
    from_status: bool = False
    operator: str = ""


class ChildEnded(Base, frozen=True, gc=False):
    """The exchange holds nothing more of the child. `operator` as in ChildFilled."""

    child_id: int
    venue_exec_id: str
    status: OrdStatus
    text: str
    operator: str = ""


class ChildCancelSent(Base, frozen=True, gc=False):
    """The exchange is asked to cancel; the request's ClOrdID there is this fact's id."""

    child_id: int


class ChildReplaceSent(Base, frozen=True, gc=False):
    """The exchange is asked for a new quantity (of the child, in all) and price."""

    child_id: int
    qty: int
    price: int
    instructions: Instructions | None = None


class ChildReplaced(Base, frozen=True, gc=False):
    child_id: int
    request_id: int
    venue_exec_id: str
    qty: int
    price: int


class ChildRestated(Base, frozen=True, gc=False):
    """The exchange has changed the child's terms unasked."""

    child_id: int
    venue_exec_id: str
    qty: int
    price: int


class ChildNoted(Base, frozen=True, gc=False):
    """The exchange has told something of the child that changes nothing we hold there."""

    child_id: int
    venue_exec_id: str
    exec_type: str


class ChildRequestRejected(Base, frozen=True, gc=False):
    child_id: int
    reason: str
    text: str


class ChildStatusAsked(Base, frozen=True, gc=False):
    child_id: int


class ChildConfirmed(Base, frozen=True, gc=False):
    """The exchange's status report says what we know: the child is no longer in doubt."""

    child_id: int
    venue_order_id: str
    venue_exec_id: str


class Trade(Base, frozen=True, gc=False):
    """Two orders of ours met in our book. The taker's ExecID is this fact's id, the maker's is one less. In an
    `auction` neither takes: both give up what they have in the book or with us."""

    maker_order_id: int
    taker_order_id: int
    qty: int
    price: int
    auction: bool = False


class TradeBusted(Base, frozen=True, gc=False):
    """A fill is taken back. `exec_id` is the ExecID that it had first, `ref_id` that of its last correction;
    `reinstated`: the exchange works its quantity again. `operator` is empty where an exchange did it."""

    exec_id: int
    ref_id: int
    venue_exec_id: str
    reinstated: bool
    operator: str = ""
    text: str = ""


class TradeCorrected(Base, frozen=True, gc=False):
    """A fill is of another quantity or price than was told; both are given in full. Otherwise as TradeBusted."""

    exec_id: int
    ref_id: int
    venue_exec_id: str
    qty: int
    price: int
    operator: str = ""
    text: str = ""


class FillReversed(Base, frozen=True, gc=False):
    """A fill of an order that has left the state is taken back by an operator, who has told its terms: OrderID, ExecID,
    and what the order was and is filled. Quantities and prices are scaled."""

    client: str
    account: str
    symbol: str
    side: Side
    exec_id: int
    order_id: int
    cl_ord_id: str
    order_qty: int
    cum: int
    qty: int
    price: int
    operator: str
    text: str = ""


class PhaseChanged(Base, frozen=True, gc=False):
    symbol: str
    phase: Phase


class Halted(Base, frozen=True, gc=False):
    """No new orders are taken for `name`; `kind` is "all", "account", "symbol" or "venue" (where nothing is sent).
    `job`: the orders that end with it are canceled in slices."""

    kind: str
    name: str
    operator: str
    job: bool = False


class Resumed(Base, frozen=True, gc=False):
    kind: str
    name: str
    operator: str


class CancelPending(Base, frozen=True, gc=False):
    """The order is being cancelled: an exchange is asked. EXPIRE has no request of a client behind it."""

    order_id: int
    cl_ord_id: str
    request: Request = Request.CANCEL
    reason: str = ""
    text: str = ""
    operator: str = ""


class ReplacePending(Base, frozen=True, gc=False):
    order_id: int
    cl_ord_id: str
    qty: int
    price: int
    risk_price: int
    instructions: Instructions | None = None


class RequestQueued(Base, frozen=True, gc=False):
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


class OrderCanceled(Base, frozen=True, gc=False):
    """What was left of the order is gone. `cl_ord_id` is the request's, or empty where the client did not ask; then
    `reason` is ExecRestatementReason(378)."""

    order_id: int
    cl_ord_id: str
    text: str = ""
    reason: str = ""
    operator: str = ""


class OrderExpired(Base, frozen=True, gc=False):
    """`status` EXPIRED, or DONE_FOR_DAY: an exchange will not work a Day order any more today."""

    order_id: int
    text: str = ""
    status: OrdStatus = OrdStatus.EXPIRED


class OrderRefused(Base, frozen=True, gc=False):
    """An accepted order was rejected by the exchange before anything of it was filled."""

    order_id: int
    reason: OrdRejReason
    text: str


class OrderReplaced(Base, frozen=True, gc=False):
    order_id: int
    cl_ord_id: str
    qty: int
    price: int
    risk_price: int
    instructions: Instructions | None = None


class RequestRejected(Base, frozen=True, gc=False):
    """A cancel or replace is refused. `order_id` 0: no such order of this client. `known_as_new` as in
    OrderRejected. `ends_pending`: it was the order's pending request."""

    client: str
    order_id: int
    cl_ord_id: str
    orig_cl_ord_id: str
    response_to: Request
    reason: CxlRejReason
    text: str
    known_as_new: bool = True
    ends_pending: bool = False


class StatusReported(Base, frozen=True, gc=False):
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


class StatusesAsked(Base, frozen=True, gc=False):
    """The states of many orders were asked for; they are told in slices. Which, and under which ids, see
    `requests.ask_mass_status`."""

    client: str
    orders: tuple[int, ...]
    status_req_id: str = ""
    mass_status_req_id: str = ""


class OperatorRefused(Base, frozen=True, gc=False):
    """An operator's action that could not be done."""

    operator: str
    action: str
    text: str


class OperatorActed(Base, frozen=True, gc=False):
    """An operator did something that changes nothing here: sessions, the day's roll, a client added."""

    operator: str
    action: str
    text: str


class SplitApplied(Base, frozen=True, gc=False):
    """`numerator` new shares for `denominator` old ones: quantities, prices and positions are other ones now."""

    symbol: str
    numerator: int
    denominator: int
    operator: str


class MassCanceled(Base, frozen=True, gc=False):
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


class ListReported(Base, frozen=True, gc=False):
    """A list of orders is in our hands."""

    client: str
    list_id: str
    cl_ord_ids: tuple[str, ...]


class MessageRefused(Base, frozen=True, gc=False):
    client: str
    ref_seq_num: int
    ref_msg_type: str
    reason: BusinessRejectReason
    text: str
    ref_id: str = ""


NO_STATUS = "NO_STATUS"
"""The code of an alert that an exchange answers no status request."""


class Alerted(Base, frozen=True, gc=False):
    """Something an operator must see: who it came from, what it is, and the message it was in."""

    source: str
    code: str
    text: str
    raw: str = ""


Fact = (
    Started | Stopped | StateKept | DayRolled | SliceDone | InstrumentDefined | AccountDefined | ClientDefined
    | VenueDefined | VenueUp | VenueDown | ClientUp | ClientDown | ClientGone | Quoted | PhaseChanged | Halted | Resumed
    | OperatorRefused | OperatorActed | SplitApplied | FillReversed | StatusesAsked
    | OrderAccepted | OrderAcknowledged | OrderRejected | OrderBooked | OrderUnbooked | OrderHeld | OrderReleased
    | StopMoved | OrderRepriced | OrderNoted | OrderRestated | OrderRouted
    | ChildAccepted | ChildFilled | ChildEnded | ChildCancelSent | ChildReplaceSent | ChildReplaced | ChildRestated
    | ChildNoted | ChildRequestRejected | ChildStatusAsked | ChildConfirmed
    | Trade | TradeBusted | TradeCorrected | CancelPending | ReplacePending | RequestQueued
    | OrderCanceled | OrderExpired | OrderRefused | OrderReplaced
    | RequestRejected | StatusReported | MassCanceled | ListReported | MessageRefused | Alerted
)  # fmt: skip
