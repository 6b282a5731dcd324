"""What somebody asks or tells, at a time. Scales and numbers are told in `domain`."""

import msgspec

from brokerfix.domain import (
    BusinessRejectReason,
    Instrument,
    Limits,
    OrdType,
    Reject,
    Side,
    TimeInForce,
    Venue,
)


class Command(msgspec.Struct, frozen=True, gc=False):
    """Something asked or told, at a time."""

    at: int


class Start(Command, frozen=True, gc=False):
    """The process starts: the trading day and what the configuration says now."""

    day: int
    instruments: tuple[Instrument, ...] = ()
    accounts: tuple[tuple[str, str, Limits], ...] = ()
    clients: tuple[tuple[str, tuple[str, ...], int], ...] = ()
    venues: tuple[Venue, ...] = ()


class Stop(Command, frozen=True, gc=False):
    """The process stops in good order."""


class RollDay(Command, frozen=True, gc=False):
    """A trading day begins (`day` is YYYYMMDD)."""

    day: int


class RecordQuotes(Command, frozen=True, gc=False):
    """Time to put the live market's best prices and the risk marks on record."""


class SessionUp(Command, frozen=True, gc=False):
    """A client or an exchange has logged on."""

    comp_id: str
    venue: bool


class SessionDown(Command, frozen=True, gc=False):
    """A client or an exchange is gone."""

    comp_id: str
    venue: bool


class NewOrder(Command, frozen=True, gc=False):
    """NewOrderSingle(D). `defect` is what the codec found that no scaled int can say. `possible_duplicate`:
    PossDupFlag(43) or PossResend(97)."""

    client: str
    cl_ord_id: str
    account: str
    symbol: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    qty: int
    price: int
    ex_destination: str = ""
    possible_duplicate: bool = False
    defect: Reject | None = None


class CancelOrder(Command, frozen=True, gc=False):
    """OrderCancelRequest(F)."""

    client: str
    cl_ord_id: str
    orig_cl_ord_id: str
    possible_duplicate: bool = False


class ReplaceOrder(Command, frozen=True, gc=False):
    """OrderCancelReplaceRequest(G): the order's new quantity (total, with what is filled) and price."""

    client: str
    cl_ord_id: str
    orig_cl_ord_id: str
    symbol: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce | None
    qty: int
    price: int
    possible_duplicate: bool = False
    defect: Reject | None = None


class AskStatus(Command, frozen=True, gc=False):
    """OrderStatusRequest(H)."""

    client: str
    cl_ord_id: str
    symbol: str
    side: Side
    status_req_id: str = ""


class RefuseMessage(Command, frozen=True, gc=False):
    """A message that the codec could not take: it gets a BusinessMessageReject(j)."""

    client: str
    ref_seq_num: int
    ref_msg_type: str
    reason: BusinessRejectReason
    text: str
    ref_id: str = ""


class VenueReport(Command, frozen=True, gc=False):
    """An exchange's ExecutionReport(8). Ids that are not ours are 0; `price`/`qty` are LastPx/LastQty; `cum` is
    below 0 and `avg_px` empty where absent. `raw` is the message's text, `defect` what of it was not exact."""

    venue: str
    exec_id: str
    exec_type: str
    ord_status: str
    cl_ord_id: int
    orig_cl_ord_id: int
    venue_order_id: str
    qty: int = 0
    price: int = 0
    cum: int = -1
    avg_px: str = ""
    ord_rej_reason: str = ""
    text: str = ""
    raw: str = ""
    defect: str = ""
    possible_duplicate: bool = False


class VenueCancelReject(Command, frozen=True, gc=False):
    """An exchange's OrderCancelReject(9)."""

    venue: str
    cl_ord_id: int
    orig_cl_ord_id: int
    ord_status: str
    reason: str
    text: str = ""
    raw: str = ""


class VenueOther(Command, frozen=True, gc=False):
    """A message of an exchange that is kept and alerted but changes nothing (Reject, BusinessMessageReject, ...)."""

    venue: str
    code: str
    text: str
    raw: str


class MarketMoved(Command, frozen=True, gc=False):
    """The live market of a symbol has changed: resting orders may have become marketable."""

    symbol: str


class Quote(Command, frozen=True, gc=False):
    """A market maker's wish: what its order number `level` of a side should rest at in our book (qty 0: nothing)."""

    client: str
    account: str
    symbol: str
    side: Side
    level: int
    price: int
    qty: int


class MarketUpdate(msgspec.Struct, frozen=True, gc=False):
    """Market data of one venue and symbol: not a command, it changes the live view only. `levels` are
    (side, price, quantity), quantity 0 deletes; `trades` are (price, quantity) of
    prints, oldest first."""

    venue: str
    symbol: str
    snapshot: bool
    levels: tuple[tuple[Side, int, int], ...]
    trades: tuple[tuple[int, int], ...] = ()
