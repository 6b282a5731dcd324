"""Working an order: turning a plan into facts, and settling an order when something of it has changed."""

from collections.abc import Callable

import msgspec

from brokerfix.domain import CxlRejReason, OrdRejReason, OrdStatus, Request
from brokerfix.engine.orders import Child, Order
from brokerfix.engine.router import plan
from brokerfix.engine.state import State
from brokerfix.facts import (
    ChildCancelSent,
    Fact,
    OrderBooked,
    OrderCanceled,
    OrderExpired,
    OrderRefused,
    OrderReplaced,
    OrderRouted,
    OrderUnbooked,
    RequestRejected,
    Trade,
)

NewId = Callable[[], int]
"""Gives the next fact's number."""


class View:
    """An order as it will be when the facts decided so far have been applied: the overlay of one command."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.leaves = order.leaves
        self.cum = order.cum
        self.in_book = order.in_book
        self.open = {child.child_id: child.leaves for child in order.children if child.open}
        self.waiting = {child.child_id for child in order.children if child.open and child.request is not None}

    @property
    def unplaced(self) -> int:
        return self.leaves - self.in_book - sum(self.open.values())

    def fill(self, child: Child, qty: int) -> None:
        self.leaves = max(0, self.leaves - qty)
        self.cum += qty
        if child.child_id in self.open:
            self.open[child.child_id] -= qty
            if self.open[child.child_id] <= 0:
                self.end(child)

    def end(self, child: Child) -> None:
        self.open.pop(child.child_id, None)
        self.waiting.discard(child.child_id)


def work(
    state: State, order: Order, qty: int, at: int, new_id: NewId, others_open: bool = False, avoid: str = ""
) -> list[Fact]:
    """Place `qty` of the order, not at the venue to `avoid`. What can't be placed is canceled, unless something of
    the order is open elsewhere (`others_open`), whose end settles it."""
    planned = plan(state, order, qty, avoid)
    facts: list[Fact] = []
    order_id = order.order_id
    for cross in planned.crosses:
        new_id()  # the maker's ExecID
        facts.append(Trade(at, new_id(), cross.maker_order_id, order_id, cross.qty, cross.price))
        qty -= cross.qty
    for route in planned.routes:
        facts.append(
            OrderRouted(
                at,
                new_id(),
                order_id,
                route.venue,
                route.qty,
                route.price,
                route.ord_type,
                route.time_in_force,
                route.why,
            )
        )
        qty -= route.qty
    if planned.book:
        facts.append(OrderBooked(at, new_id(), order_id, planned.book))
    elif qty and not planned.routes and not others_open:
        facts.append(OrderCanceled(at, new_id(), order_id, "", planned.why_left))
    return facts


def withdraw(order: Order, at: int, new_id: NewId) -> list[Fact]:
    """Take the order out of our book and ask every exchange that holds some of it to cancel."""
    facts: list[Fact] = []
    if order.in_book:
        facts.append(OrderUnbooked(at, new_id(), order.order_id))
    for child in order.open_children():
        if child.request is None:
            facts.append(ChildCancelSent(at, new_id(), child.child_id))
    return facts


def trim(view: View, at: int, new_id: NewId) -> list[Fact]:
    """An exchange has filled more than it held: what rests elsewhere beyond the order's leaves is taken back."""
    order = view.order
    facts: list[Fact] = []
    if order.in_book and view.unplaced < 0:
        facts.append(OrderUnbooked(at, new_id(), order.order_id))
        view.in_book = max(0, order.in_book + view.unplaced)
        if view.in_book:
            facts.append(OrderBooked(at, new_id(), order.order_id, view.in_book))
    if view.unplaced < 0:
        facts += [
            ChildCancelSent(at, new_id(), child.child_id)
            for child in order.children
            if child.child_id in view.open and child.request is None
        ]
    return facts


def settle(
    state: State,
    view: View,
    at: int,
    new_id: NewId,
    refused: str = "",
    reason: CxlRejReason = CxlRejReason.TOO_LATE,
) -> list[Fact]:
    """What follows for the order once a child has been filled, ended or refused to change.

    `refused` and `reason` are the exchange's words if it just refused a request. Without a pending request, what is in
    no place is placed again; a pending request is answered as soon as no child is waited for.
    """
    order = view.order
    if order.ended is not None:
        return []
    pending = order.pending
    if pending is None:
        return work(state, order, view.unplaced, at, new_id, bool(view.open)) if view.unplaced > 0 else []
    if view.waiting:
        return []
    if not view.leaves:
        if pending.request is Request.EXPIRE:
            return []
        return [_answer(order, at, new_id, "TOO_LATE: the order is filled")]
    if view.open:
        # An exchange still holds some of it and has refused to let go.
        facts: list[Fact] = []
        if pending.request is not Request.EXPIRE:
            facts.append(_answer(order, at, new_id, f"VENUE: {refused or 'the exchange refused the request'}", reason))
        if view.unplaced > 0:
            facts += work(state, order, view.unplaced, at, new_id, True)
        return facts
    if pending.request is Request.CANCEL:
        return [OrderCanceled(at, new_id(), order.order_id, pending.cl_ord_id)]
    if pending.request is Request.EXPIRE:
        return [OrderExpired(at, new_id(), order.order_id)]
    return replaced(state, order, view.cum, at, new_id)


def replaced(state: State, order: Order, cum: int, at: int, new_id: NewId) -> list[Fact]:
    """The pending replace takes effect; nothing of the order rests anywhere, so what is left is placed anew."""
    pending = order.pending
    assert pending is not None
    return replace_and_work(
        state, order, cum, pending.cl_ord_id, pending.qty, pending.price, pending.risk_price, at, new_id
    )


def replace_and_work(
    state: State, order: Order, cum: int, cl_ord_id: str, qty: int, price: int, risk_price: int, at: int, new_id: NewId
) -> list[Fact]:
    """Give an order that rests nowhere new terms (never less than what is filled) and place what is left."""
    qty = max(qty, cum)
    facts: list[Fact] = [OrderReplaced(at, new_id(), order.order_id, cl_ord_id, qty, price, risk_price)]
    if qty > cum:
        changed = msgspec.structs.replace(
            order, qty=qty, price=price, risk_price=risk_price, cum=cum, in_book=0, at_venues=0, pending=None
        )
        facts += work(state, changed, qty - cum, at, new_id)
    return facts


def ended_by_venue(view: View, status: OrdStatus, text: str, at: int, new_id: NewId) -> list[Fact]:
    """A venue ended the order's only resting child and nobody had asked: the order ends as the venue says."""
    order = view.order
    facts: list[Fact] = []
    if order.pending is not None and order.pending.request is not Request.EXPIRE:
        facts.append(_answer(order, at, new_id, "TOO_LATE: the exchange ended the order"))
    if status is OrdStatus.EXPIRED:
        facts.append(OrderExpired(at, new_id(), order.order_id, text))
    elif status is OrdStatus.REJECTED and not view.cum:
        facts.append(OrderRefused(at, new_id(), order.order_id, OrdRejReason.BROKER_OPTION, text))
    else:
        facts.append(OrderCanceled(at, new_id(), order.order_id, "", text))
    return facts


def _answer(
    order: Order, at: int, new_id: NewId, text: str, reason: CxlRejReason = CxlRejReason.TOO_LATE
) -> RequestRejected:
    """The pending request is refused."""
    pending = order.pending
    assert pending is not None
    return RequestRejected(
        at,
        new_id(),
        order.client,
        order.order_id,
        pending.cl_ord_id,
        order.cl_ord_id,
        pending.request,
        reason,
        text,
        ends_pending=True,
    )
