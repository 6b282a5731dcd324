"""Commands: what clients ask, and what a market maker wishes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from brokerfix.commands.base import Command
from brokerfix.domain import BusinessRejectReason, Instructions, OrderTags, OrdType, Reject, Side, TimeInForce

NOTHING_TOLD: Mapping[str, str | None] = MappingProxyType({})


class ClientCommand(Command, frozen=True, gc=False):
    """A message of a client; `MSG_TYPE` is its MsgType(35)."""

    MSG_TYPE: ClassVar[str] = ""
    client: str


class NewOrder(ClientCommand, frozen=True, gc=False):
    """NewOrderSingle(D). `defect` is what the codec found that no scaled int can say. `possible_duplicate`:
    PossDupFlag(43) or PossResend(97). `instructions` is None for a plain order. `cash` is CashOrderQty(152) as decimal
    text, with `qty` 0. `capacity` is OrderCapacity(528), `tags` what it says of itself besides. `operator` is who
    entered the order by hand. `told` is the message, tag -> value."""

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
    capacity: str = ""
    tags: OrderTags | None = None
    told: Mapping[str, str | None] = NOTHING_TOLD


class CancelOrder(ClientCommand, frozen=True, gc=False):
    """OrderCancelRequest(F). `order_id` finds an order that has no ClOrdID."""

    MSG_TYPE: ClassVar[str] = "F"
    cl_ord_id: str
    orig_cl_ord_id: str
    possible_duplicate: bool = False
    order_id: int = 0


class ReplaceOrder(ClientCommand, frozen=True, gc=False):
    """OrderCancelReplaceRequest(G): the order's new quantity (total, with what is filled) and price. `short_sale` as
    in `OrderTags`."""

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
    short_sale: str = ""


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


class NextRequest(Command, frozen=True, gc=False):
    """An order's next waiting request has its turn."""

    order_id: int
