"""What happened. Facts are the journal, the audit trail, the event stream and the recovery, all four.

They are written to disk by position: a field may be added at the end of a class (with a default), never moved.
Scales and numbers are told in `domain`.
"""

import msgspec

from brokerfix.domain import (
    BusinessRejectReason,
    CxlRejReason,
    Instrument,
    Limits,
    OrdRejReason,
    OrdStatus,
    OrdType,
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


class VenueDefined(Base, frozen=True, gc=False):
    venue: Venue


class VenueUp(Base, frozen=True, gc=False):
    venue: str


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
    """A client's order is ours. Its OrderID is this fact's id. `risk_price` values it while it is open."""

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


class OrderRejected(Base, frozen=True, gc=False):
    """A client's order was refused. `known_as_new`: its ClOrdID was not used before, so it now names this refusal."""

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


class OrderBooked(Base, frozen=True, gc=False):
    """`qty` of the order now rests in our own book at the order's price."""

    order_id: int
    qty: int


class OrderUnbooked(Base, frozen=True, gc=False):
    """All of the order that rested in our own book is taken out of it."""

    order_id: int


class OrderRouted(Base, frozen=True, gc=False):
    """A child order goes to an exchange. Its ClOrdID there is this fact's id."""

    order_id: int
    venue: str
    qty: int
    price: int
    ord_type: OrdType
    time_in_force: TimeInForce
    why: str


class ChildAccepted(Base, frozen=True, gc=False):
    child_id: int
    venue_order_id: str
    venue_exec_id: str


class ChildFilled(Base, frozen=True, gc=False):
    """An exchange's fill. `from_status`: learnt from a status report and not from a fill."""

    child_id: int
    venue_exec_id: str
    qty: int
    price: int
    from_status: bool = False


class ChildEnded(Base, frozen=True, gc=False):
    """The exchange holds nothing more of the child."""

    child_id: int
    venue_exec_id: str
    status: OrdStatus
    text: str


class ChildCancelSent(Base, frozen=True, gc=False):
    """The exchange is asked to cancel; the request's ClOrdID there is this fact's id."""

    child_id: int


class ChildReplaceSent(Base, frozen=True, gc=False):
    """The exchange is asked for a new quantity (of the child, in all) and price."""

    child_id: int
    qty: int
    price: int


class ChildReplaced(Base, frozen=True, gc=False):
    child_id: int
    request_id: int
    venue_exec_id: str
    qty: int
    price: int


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
    """Two orders of ours met in our book. The taker's ExecID is this fact's id, the maker's is one less."""

    maker_order_id: int
    taker_order_id: int
    qty: int
    price: int


class CancelPending(Base, frozen=True, gc=False):
    """The order is being cancelled: an exchange is asked. EXPIRE has no request of a client behind it."""

    order_id: int
    cl_ord_id: str
    request: Request = Request.CANCEL


class ReplacePending(Base, frozen=True, gc=False):
    order_id: int
    cl_ord_id: str
    qty: int
    price: int
    risk_price: int


class OrderCanceled(Base, frozen=True, gc=False):
    """What was left of the order is gone. `cl_ord_id` is the request's, or empty where nobody asked."""

    order_id: int
    cl_ord_id: str
    text: str = ""


class OrderExpired(Base, frozen=True, gc=False):
    order_id: int
    text: str = ""


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
    """A status was asked for, or a known order came again. `order_id` 0: unknown, or refused (then see `reason`)."""

    client: str
    cl_ord_id: str
    order_id: int
    symbol: str
    side: Side
    reason: OrdRejReason = OrdRejReason.UNKNOWN_ORDER
    text: str = ""
    status_req_id: str = ""


class MessageRefused(Base, frozen=True, gc=False):
    client: str
    ref_seq_num: int
    ref_msg_type: str
    reason: BusinessRejectReason
    text: str
    ref_id: str = ""


class Alerted(Base, frozen=True, gc=False):
    """Something an operator must see: who it came from, what it is, and the message it was in."""

    source: str
    code: str
    text: str
    raw: str = ""


Fact = (
    Started | Stopped | DayRolled | InstrumentDefined | AccountDefined | ClientDefined | VenueDefined
    | VenueUp | VenueDown | ClientUp | ClientDown | Quoted
    | OrderAccepted | OrderRejected | OrderBooked | OrderUnbooked | OrderRouted
    | ChildAccepted | ChildFilled | ChildEnded | ChildCancelSent | ChildReplaceSent | ChildReplaced
    | ChildRequestRejected | ChildStatusAsked | ChildConfirmed
    | Trade | CancelPending | ReplacePending | OrderCanceled | OrderExpired | OrderRefused | OrderReplaced
    | RequestRejected | StatusReported | MessageRefused | Alerted
)  # fmt: skip
