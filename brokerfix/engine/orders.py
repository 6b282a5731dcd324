"""Orders, the children they have at exchanges, and the order-state table."""

import msgspec

from brokerfix.domain import CxlRejReason, OrdRejReason, OrdStatus, OrdType, Request, Side, TimeInForce
from brokerfix.facts import OrderAccepted, OrderRouted


class Pending(msgspec.Struct, gc=False):
    """A request that waits for exchanges: its ClOrdID and, for a replace, the terms asked for."""

    request: Request
    cl_ord_id: str
    qty: int = 0
    price: int = 0
    risk_price: int = 0


class Child(msgspec.Struct, gc=False):
    """What one exchange holds, or may hold, of an order.

    `request_id` is the ClOrdID of the cancel or replace that waits for the exchange's answer (0: none).
    `covered` is how much of `cum` was learnt from status reports: fills that tell of it again are not new.
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
    in_doubt: bool = False
    covered: int = 0

    @property
    def open(self) -> bool:
        return self.status in OPEN

    @property
    def leaves(self) -> int:
        return max(0, self.qty - self.cum) if self.status in OPEN else 0


OPEN = frozenset((OrdStatus.PENDING_NEW, OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED))


class Order(msgspec.Struct, gc=False):
    """A client's order. At any time each unit of it is in one place:

    qty = cum + canceled + in_book + at_venues (the leaves of open children) + what is being placed right now

    An exchange may fill more than it held; `excess` is how much of that was booked.
    `notional` is the sum of price x quantity of its fills, in price x quantity scale.
    `ended` is the final status of an order that ended before it was filled.
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
    excess: int = 0
    reason: OrdRejReason | None = None

    @classmethod
    def from_fact(cls, fact: OrderAccepted) -> "Order":
        return cls(
            fact.id, fact.at, fact.client, fact.cl_ord_id, fact.account, fact.symbol, fact.side, fact.ord_type,
            fact.time_in_force, fact.qty, fact.price, fact.risk_price, fact.ex_destination,
        )  # fmt: skip

    @property
    def leaves(self) -> int:
        """LeavesQty(151): what may still be filled."""
        return max(0, self.qty - self.cum) if self.ended is None else 0

    @property
    def unplaced(self) -> int:
        """What neither rests in our book nor is at an exchange."""
        return self.leaves - self.in_book - self.at_venues

    @property
    def status(self) -> OrdStatus:
        """OrdStatus(39) by the FIX specification's precedence."""
        if self.ended is not None:
            return self.ended
        if self.pending is not None and self.pending.request in PENDING_STATUS:
            return PENDING_STATUS[self.pending.request]
        if self.cum >= self.qty:
            return OrdStatus.FILLED
        return OrdStatus.PARTIALLY_FILLED if self.cum else OrdStatus.NEW

    @property
    def working(self) -> bool:
        return self.ended is None and (self.cum < self.qty or self.pending is not None)

    def open_children(self, but: Child | None = None) -> list[Child]:
        return [child for child in self.children if child.open and child is not but]


PENDING_STATUS = {Request.CANCEL: OrdStatus.PENDING_CANCEL, Request.REPLACE: OrdStatus.PENDING_REPLACE}

REQUEST_REJECTED_IN: dict[OrdStatus, tuple[CxlRejReason, str] | None] = {
    OrdStatus.NEW: None,
    OrdStatus.PARTIALLY_FILLED: None,
    OrdStatus.PENDING_CANCEL: (CxlRejReason.ALREADY_PENDING, "PENDING: a cancel is already pending"),
    OrdStatus.PENDING_REPLACE: (CxlRejReason.ALREADY_PENDING, "PENDING: a replace is already pending"),
    OrdStatus.FILLED: (CxlRejReason.TOO_LATE, "TOO_LATE: the order is filled"),
    OrdStatus.CANCELED: (CxlRejReason.TOO_LATE, "TOO_LATE: the order is canceled"),
    OrdStatus.EXPIRED: (CxlRejReason.TOO_LATE, "TOO_LATE: the order is expired"),
    OrdStatus.REJECTED: (CxlRejReason.TOO_LATE, "TOO_LATE: the order is rejected"),
}
"""The order-state table: what a cancel or replace request gets in each OrdStatus (None: it is taken)."""


def child_from_fact(fact: OrderRouted, order: Order) -> Child:
    return Child(
        fact.id, fact.order_id, fact.venue, order.symbol, order.side, fact.qty, fact.price, fact.ord_type,
        fact.time_in_force, cl_ord_id=fact.id,
    )  # fmt: skip
