"""Working an order: turning a plan into facts, and settling an order when something of it has changed."""

from collections.abc import Callable

import msgspec

from brokerfix.domain import CxlRejReason, Hold, OrdRejReason, OrdStatus, OrdType, Request
from brokerfix.engine.orders.order import Child, Order, Pending, may_live_on
from brokerfix.engine.routing.plan import NOWHERE, Avoid, Plan, plan
from brokerfix.engine.state import State
from brokerfix.facts import (
    ChildCancelSent,
    Fact,
    OrderAcknowledged,
    OrderBooked,
    OrderCanceled,
    OrderExpired,
    OrderHeld,
    OrderRefused,
    OrderReplaced,
    OrderRepriced,
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
        self.held = order.held
        self.last_px = order.last_px
        self.pending = order.pending
        self.open = {child.child_id: child.leaves for child in order.children}
        self.waiting = {child.child_id for child in order.children if child.request is not None}
        self.avoid = NOWHERE

    @property
    def unplaced(self) -> int:
        return self.leaves - self.in_book - self.held - sum(self.open.values())

    def fill(self, child: Child, qty: int, price: int) -> None:
        self.leaves = max(0, self.leaves - qty)
        self.cum += qty
        self.last_px = price
        left = self.open.get(child.child_id)
        if left is not None:
            self.open[child.child_id] = max(0, left - qty)
            # A command fills a child once.
            if left <= qty and not may_live_on(child, child.cum + qty):
                self.end(child)

    def end(self, child: Child) -> None:
        self.open.pop(child.child_id, None)
        self.waiting.discard(child.child_id)

    def resize(self, child: Child, qty: int) -> int:
        """The exchange has the child with another quantity. Returns how much more that is."""
        self.waiting.discard(child.child_id)
        more = max(0, qty - child.cum) - self.open[child.child_id]
        self.open[child.child_id] += more
        if not self.open[child.child_id]:
            self.end(child)
        return more

    def grant(self, terms: Pending, qty: int) -> None:
        """The pending request has come to pass: the order has these terms, and this quantity."""
        self.order = msgspec.structs.replace(
            self.order,
            qty=qty,
            price=terms.price,
            risk_price=terms.risk_price,
            instructions=terms.instructions,
            pending=None,
        )
        self.leaves = max(0, qty - self.cum)
        self.pending = None


def work(
    state: State,
    order: Order,
    qty: int,
    at: int,
    new_id: NewId,
    others_open: bool = False,
    avoid: Avoid = NOWHERE,
    held: int = 0,
    kept: int = 0,
    last_px: int = 0,
    take: bool = True,
) -> list[Fact]:
    """Place `qty` of the order, not where it is to `avoid`. What can't be placed is canceled, unless something of
    the order is open elsewhere (`others_open`), whose end settles it. `held` is what of `qty` was with us, `kept` what
    is with us besides and stays; `last_px` is the price of the order's last fill. Without `take` it only rests."""
    facts: list[Fact] = []
    order_id = order.order_id
    if order.ord_type is OrdType.MARKET_TO_LIMIT and not order.price and last_px:
        facts.append(OrderRepriced(at, new_id(), order_id, last_px))
        order = msgspec.structs.replace(order, price=last_px)
    planned = plan(state, order, qty, avoid, take)
    if planned.price and planned.price != order.price:
        facts.append(OrderRepriced(at, new_id(), order_id, planned.price))
    if planned.held != held:
        why = planned.hold or order.hold or Hold.CONDITION
        facts.append(OrderHeld(at, new_id(), order_id, planned.held + kept, why))
    left = qty - planned.book - planned.held
    if planned.crosses:
        left -= _crossed(state, planned, order_id, at, new_id, facts)
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
                route.instructions,
            )
        )
        left -= route.qty
    if planned.book:
        facts.append(OrderBooked(at, new_id(), order_id, planned.book))
    if not left or planned.routes or planned.held or planned.book or others_open:
        return facts
    if order.ord_type is OrdType.MARKET_TO_LIMIT and not order.price and planned.crosses:
        price = planned.crosses[-1].price
        return facts + work(state, order, left, at, new_id, last_px=price, take=False)
    facts.append(OrderCanceled(at, new_id(), order_id, "", planned.why_left))
    return facts


def _crossed(state: State, planned: Plan, order_id: int, at: int, new_id: NewId, facts: list[Fact]) -> int:
    """Add the trades with our book to the facts. An iceberg whose slice is taken shows its next one. Returns the
    quantity that has traded."""
    shown: dict[int, int] = {}
    hidden: dict[int, int] = {}
    total = 0
    for cross in planned.crosses:
        maker = state.orders[cross.maker_order_id]
        key = maker.order_id
        new_id()  # the maker's ExecID
        facts.append(Trade(at, new_id(), key, order_id, cross.qty, cross.price))
        total += cross.qty
        if maker.hold is not Hold.ICEBERG:
            continue
        assert maker.instructions is not None
        shown[key] = shown.get(key, maker.in_book) - cross.qty
        left = hidden.get(key, maker.held)
        if not shown[key] and left:
            shown[key] = min(left, maker.instructions.max_floor)
            hidden[key] = left - shown[key]
            facts.append(OrderHeld(at, new_id(), key, hidden[key], Hold.ICEBERG))
            facts.append(OrderBooked(at, new_id(), key, shown[key]))
    return total


def withdraw(order: Order, at: int, new_id: NewId) -> list[Fact]:
    """Take the order out of our book and ask every exchange that holds some of it to cancel."""
    facts: list[Fact] = []
    if order.in_book:
        facts.append(OrderUnbooked(at, new_id(), order.order_id))
    for child in order.children:
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
    pending = view.pending
    if pending is None:
        return replace_loose(state, view, at, new_id)
    if view.waiting:
        return []
    if not view.leaves:
        return [_answer(order, pending, at, new_id, "TOO_LATE: the order is filled")] if pending.cl_ord_id else []
    if view.open:
        # An exchange still holds some of it and has refused to let go.
        text = f"VENUE: {refused or 'the exchange refused the request'}"
        answered = _answer(order, pending, at, new_id, text, reason)
        return [answered, *replace_loose(state, view, at, new_id)]
    if pending.request is Request.CANCEL:
        why = pending.text, pending.reason, pending.operator
        return [OrderCanceled(at, new_id(), order.order_id, pending.cl_ord_id, *why)]
    if pending.request is Request.EXPIRE:
        return [OrderExpired(at, new_id(), order.order_id)]
    return replace_and_work(state, order, view.cum, pending, at, new_id, view.avoid)


def replace_loose(state: State, view: View, at: int, new_id: NewId) -> list[Fact]:
    """Place what is in no place, and what was held for a reason that is over: an iceberg shows nothing any more, the
    first fill has reached MinQty."""
    order = view.order
    loose, taken_back = max(0, view.unplaced), 0
    shows = bool(view.open or view.in_book)
    if view.held:
        if order.hold is Hold.ICEBERG and shows:
            return [OrderHeld(at, new_id(), order.order_id, view.held + loose, Hold.ICEBERG)] if loose else []
        if order.hold is Hold.ICEBERG or (order.hold is Hold.CONDITION and (loose or _condition_is_met(view))):
            taken_back = view.held
    if not loose + taken_back:
        return []
    if view.cum != order.cum:
        order = msgspec.structs.replace(order, cum=view.cum, tries=0)
    kept = view.held - taken_back
    placed = work(
        state,
        order,
        loose + taken_back,
        at,
        new_id,
        bool(shows or kept),
        view.avoid,
        held=taken_back,
        kept=kept,
        last_px=view.last_px,
    )
    if kept and all(isinstance(fact, OrderRepriced) for fact in placed):
        # It can't be placed now, and some of the order waits for an operator: so does this.
        placed.append(OrderHeld(at, new_id(), order.order_id, kept + loose, order.hold or Hold.MANUAL))
    return placed


def _condition_is_met(view: View) -> bool:
    asked = view.order.instructions
    return asked is not None and 0 < asked.min_qty <= view.cum


def acknowledged(order: Order, at: int, new_id: NewId) -> list[Fact]:
    """The first sign of an exchange makes New an order that waited for it."""
    return [] if order.acknowledged else [OrderAcknowledged(at, new_id(), order.order_id)]


def replace_and_work(
    state: State, order: Order, cum: int, terms: Pending, at: int, new_id: NewId, avoid: Avoid = NOWHERE
) -> list[Fact]:
    """Give an order that rests nowhere new terms (never less than what is filled) and place what is left."""
    qty = max(terms.qty, cum)
    facts: list[Fact] = [
        OrderReplaced(
            at, new_id(), order.order_id, terms.cl_ord_id, qty, terms.price, terms.risk_price, terms.instructions
        )
    ]
    held = min(order.held, max(0, qty - order.cum))
    if qty > cum:
        changed = msgspec.structs.replace(
            order,
            qty=qty,
            price=terms.price,
            risk_price=terms.risk_price,
            instructions=terms.instructions,
            cum=cum,
            in_book=0,
            at_venues=0,
            held=0,
            pending=None,
        )
        if terms.instructions is not None and terms.instructions.stop_px:
            changed.stop_px = terms.instructions.stop_px
        last_px = order.last_px if cum else 0
        facts += work(state, changed, qty - cum, at, new_id, avoid=avoid, held=held, last_px=last_px)
    return facts


def ended_by_venue(view: View, status: OrdStatus, text: str, at: int, new_id: NewId, reason: str = "") -> list[Fact]:
    """A venue ended the order's only resting child and nobody had asked: the order ends as the venue says."""
    order = view.order
    facts: list[Fact] = []
    if view.pending is not None and view.pending.cl_ord_id:
        facts.append(_answer(order, view.pending, at, new_id, "TOO_LATE: the exchange ended the order"))
    if status in (OrdStatus.EXPIRED, OrdStatus.DONE_FOR_DAY):
        facts.append(OrderExpired(at, new_id(), order.order_id, text, status))
    elif status is OrdStatus.REJECTED and not view.cum:
        facts.append(OrderRefused(at, new_id(), order.order_id, OrdRejReason.BROKER_OPTION, text))
    else:
        facts.append(OrderCanceled(at, new_id(), order.order_id, "", text, reason))
    return facts


def _answer(
    order: Order, pending: Pending, at: int, new_id: NewId, text: str, reason: CxlRejReason = CxlRejReason.TOO_LATE
) -> RequestRejected:
    """The pending request is refused; nobody is told of one that no client has made."""
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
