"""What somebody asks or tells, at a time. Scales and numbers are told in `domain`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import msgspec

from brokerfix.domain import (
    BusinessRejectReason,
    ClientOptions,
    Instructions,
    Instrument,
    Limits,
    OrdType,
    Phase,
    Reject,
    Side,
    TimeInForce,
    Venue,
)

NOTHING_TOLD: Mapping[str, str | None] = MappingProxyType({})


class Command(msgspec.Struct, frozen=True, gc=False):
    """Something asked or told, at a time."""

    at: int


class ClientCommand(Command, frozen=True, gc=False):
    """A message of a client; `MSG_TYPE` is its MsgType(35)."""

    MSG_TYPE: ClassVar[str] = ""
    client: str


class Start(Command, frozen=True, gc=False):
    """The process starts: the trading day, what the configuration says now, the phases of instruments with hours."""

    day: int
    instruments: tuple[Instrument, ...] = ()
    accounts: tuple[tuple[str, str, Limits], ...] = ()
    clients: tuple[tuple[str, tuple[str, ...], int, ClientOptions], ...] = ()
    venues: tuple[Venue, ...] = ()
    phases: tuple[tuple[str, Phase], ...] = ()


class Stop(Command, frozen=True, gc=False):
    """The process stops in good order."""


class RollDay(Command, frozen=True, gc=False):
    """A trading day begins (`day` is YYYYMMDD)."""

    day: int


class ChangePhase(Command, frozen=True, gc=False):
    """The clock says that an instrument is in this phase."""

    symbol: str
    phase: Phase


class SettlePhase(Command, frozen=True, gc=False):
    """An instrument's phase has changed: orders that it concerns have their turn."""

    symbol: str


class ExpireOrders(Command, frozen=True, gc=False):
    """Orders that are good till a time may have reached it."""


class ClientAway(Command, frozen=True, gc=False):
    """A client's session has been lost for as long as its options allow."""

    client: str


class NextRequest(Command, frozen=True, gc=False):
    """An order's next waiting request has its turn."""

    order_id: int


class RecordQuotes(Command, frozen=True, gc=False):
    """Time to put the live market's best prices and the risk marks on record, of these symbols (None: of all)."""

    symbols: tuple[str, ...] | None = None


class SessionUp(Command, frozen=True, gc=False):
    """A client or an exchange has logged on; `anew`: with sequence numbers that have begun anew."""

    comp_id: str
    venue: bool
    anew: bool = False


class AskAgain(Command, frozen=True, gc=False):
    """Exchanges may owe us answers for too long."""


class WorkOff(Command, frozen=True, gc=False):
    """The next slice of a job that is too large to be done at once."""


class SessionDown(Command, frozen=True, gc=False):
    """A client or an exchange is gone."""

    comp_id: str
    venue: bool


class NewOrder(ClientCommand, frozen=True, gc=False):
    """NewOrderSingle(D). `defect` is what the codec found that no scaled int can say. `possible_duplicate`:
    PossDupFlag(43) or PossResend(97). `instructions` is None for a plain order. `cash` is CashOrderQty(152) as decimal
    text, with `qty` 0. `operator` is who entered the order by hand. `told` is the message, tag -> value."""

    MSG_TYPE: ClassVar[str] = "D"
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
    instructions: Instructions | None = None
    cash: str = ""
    operator: str = ""
    told: Mapping[str, str | None] = NOTHING_TOLD


class CancelOrder(ClientCommand, frozen=True, gc=False):
    """OrderCancelRequest(F). `order_id` finds an order that has no ClOrdID."""

    MSG_TYPE: ClassVar[str] = "F"
    cl_ord_id: str
    orig_cl_ord_id: str
    possible_duplicate: bool = False
    order_id: int = 0


class ReplaceOrder(ClientCommand, frozen=True, gc=False):
    """OrderCancelReplaceRequest(G): the order's new quantity (total, with what is filled) and price."""

    MSG_TYPE: ClassVar[str] = "G"
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
    instructions: Instructions | None = None
    order_id: int = 0


class AskStatus(ClientCommand, frozen=True, gc=False):
    """OrderStatusRequest(H)."""

    MSG_TYPE: ClassVar[str] = "H"
    cl_ord_id: str
    symbol: str
    side: Side
    status_req_id: str = ""
    order_id: int = 0


class AskMassStatus(ClientCommand, frozen=True, gc=False):
    """OrderMassStatusRequest(AF), or an OrderStatusRequest(H) that names no order (`req_id` is then its
    OrdStatusReqID and `is_mass` False): the working orders, all or those of a symbol or account."""

    MSG_TYPE: ClassVar[str] = "AF"
    req_id: str
    is_mass: bool
    symbol: str = ""
    account: str = ""


class MassCancel(ClientCommand, frozen=True, gc=False):
    """OrderMassCancelRequest(q). `kind` is MassCancelRequestType(530); `side` "" is both."""

    MSG_TYPE: ClassVar[str] = "q"
    cl_ord_id: str
    kind: str
    symbol: str = ""
    account: str = ""
    side: str = ""


class CrossOrder(ClientCommand, frozen=True, gc=False):
    """NewOrderCross(s): two orders of the client that trade with each other. `sides` are (Side, ClOrdID, Account,
    quantity)."""

    MSG_TYPE: ClassVar[str] = "s"
    cross_id: str
    symbol: str
    price: int
    sides: tuple[tuple[Side, str, str, int], ...]
    defect: Reject | None = None
    possible_duplicate: bool = False


class AskListStatus(ClientCommand, frozen=True, gc=False):
    """The orders of a NewOrderList(E) have been taken or refused: tell of the list as a whole."""

    MSG_TYPE: ClassVar[str] = "E"
    list_id: str
    cl_ord_ids: tuple[str, ...]


class ClientOther(ClientCommand, frozen=True, gc=False):
    """A message of a client that is kept and alerted (DontKnowTrade)."""

    MSG_TYPE: ClassVar[str] = "Q"
    code: str
    text: str
    raw: str


class RefuseMessage(ClientCommand, frozen=True, gc=False):
    """A message that the codec could not take: it gets a BusinessMessageReject(j)."""

    ref_seq_num: int
    ref_msg_type: str
    reason: BusinessRejectReason
    text: str
    ref_id: str = ""


class VenueReport(Command, frozen=True, gc=False):
    """An exchange's ExecutionReport(8). Ids that are not ours are 0; `price`/`qty` are LastPx/LastQty, `order_qty` and
    `order_px` OrderQty and Price; `cum` and `leaves` are below 0 and `avg_px` empty where absent. `raw` is the text of
    the message, `defect` what of it was not exact."""

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
    leaves: int = -1
    order_qty: int = 0
    order_px: int = 0
    exec_ref_id: str = ""
    restatement_reason: str = ""


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


class OperatorCommand(Command, frozen=True, gc=False):
    """Something that a person does by hand."""

    operator: str


class OperatorActs(OperatorCommand, frozen=True, gc=False):
    """Something that is done outside of the engine, for the record."""

    action: str
    text: str


class DefineClient(OperatorCommand, frozen=True, gc=False):
    """A client is added to a running broker."""

    client: str
    accounts: tuple[str, ...]
    max_rate: int
    options: ClientOptions


class OperatorCancel(OperatorCommand, frozen=True, gc=False):
    """`reason` is ExecRestatementReason(378)."""

    order_id: int
    reason: str = "2"
    text: str = ""


class OperatorRelease(OperatorCommand, frozen=True, gc=False):
    order_id: int


class OperatorResolve(OperatorCommand, frozen=True, gc=False):
    """What an exchange has said of a child otherwise than by FIX: that `qty` more was filled at `price`, that what is
    left is `canceled`, or that it has `refused` our cancel or replace, or never had it."""

    child_id: int
    qty: int = 0
    price: int = 0
    canceled: bool = False
    text: str = ""
    refused: bool = False


class OperatorBust(OperatorCommand, frozen=True, gc=False):
    exec_id: int
    text: str = ""


class OperatorReverse(OperatorCommand, frozen=True, gc=False):
    """Take back a fill of an order that has left the state, by its terms: see `FillReversed`."""

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
    text: str = ""


class OperatorCorrect(OperatorCommand, frozen=True, gc=False):
    exec_id: int
    qty: int
    price: int
    text: str = ""


class OperatorHalt(OperatorCommand, frozen=True, gc=False):
    """`kind` is "all" (with no name), "account", "symbol" or "venue"."""

    kind: str
    name: str


class OperatorResume(OperatorCommand, frozen=True, gc=False):
    kind: str
    name: str


class OperatorSplit(OperatorCommand, frozen=True, gc=False):
    symbol: str
    numerator: int
    denominator: int


class MarketUpdate(msgspec.Struct, frozen=True, gc=False):
    """Market data of one venue and symbol: not a command, it changes the live view only. `levels` are
    (side, price, quantity), quantity 0 deletes; `trades` are (price, quantity) of
    prints, oldest first."""

    venue: str
    symbol: str
    snapshot: bool
    levels: tuple[tuple[Side, int, int], ...]
    trades: tuple[tuple[int, int], ...] = ()
