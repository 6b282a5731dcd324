"""Placing an order: turning a plan into facts, and taking back what rests."""

import msgspec

from brokerfix.domain import Hold, OrdType, RestatementReason
from brokerfix.engine.fees import trade
from brokerfix.engine.orders.ending import cancel
from brokerfix.engine.orders.order import Child, Order, Pending, may_live_on
from brokerfix.engine.risk.halts import KILLED, killed_by
from brokerfix.engine.routing.evidence import evidence
from brokerfix.engine.routing.plan import plan
from brokerfix.engine.routing.plans import NOWHERE, SELF_MATCH, Avoid, Plan
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.facts import (
    ChildCancelSent,
    OrderAcknowledged,
    OrderBooked,
    OrderCanceled,
    OrderHeld,
    OrderRepriced,
    OrderRestated,
    OrderRouted,
    OrderUnbooked,
    RouteDecided,
)


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
    step: Step,
    *,
    others_open: bool = False,
    avoid: Avoid = NOWHERE,
    held: int = 0,
    kept: int = 0,
    last_px: int = 0,
    take: bool = True,
) -> None:
    """Place `qty` of the order, not where it is to `avoid`. What can't be placed is canceled, unless something of the
    order is open elsewhere (`others_open`), whose end settles it. Nothing of an order under a kill is placed. `held` is
    what of `qty` was with us, `kept` what is with us besides and stays; `last_px` is the price of the order's last
    fill. Without `take` it only rests."""
    order_id = order.order_id
    if killed_by(state, order) is not None:
        if not others_open:
            step.emit(OrderCanceled, order_id, "", KILLED, RestatementReason.TRADING_HALT)
        return
    if order.ord_type is OrdType.MARKET_TO_LIMIT and not order.price and last_px:
        step.emit(OrderRepriced, order_id, last_px)
        order = msgspec.structs.replace(order, price=last_px)
    planned = plan(state, order, qty, avoid, take, step.at)
    if state.venues and planned.held < qty:
        step.emit(RouteDecided, **evidence(state, order, qty, planned, step.at, avoid))
    for number, lost in planned.decrements:
        other = state.orders[number]
        if lost < other.leaves:
            _decrement(other, lost, step)
        else:
            cancel(other, "", step, RestatementReason.MARKET_OPTION, SELF_MATCH)
    for number in planned.ends:
        cancel(state.orders[number], "", step, RestatementReason.MARKET_OPTION, SELF_MATCH)
    if planned.price and planned.price != order.price:
        step.emit(OrderRepriced, order_id, planned.price)
    if planned.held != held:
        step.emit(OrderHeld, order_id, planned.held + kept, planned.hold or order.hold or Hold.CONDITION)
    left = qty - planned.book - planned.held
    lost = sum(lost for _, lost in planned.decrements)
    becomes_limit = order.ord_type is OrdType.MARKET_TO_LIMIT and not order.price and bool(planned.crosses)
    if lost and (planned.routes or planned.book or planned.held or others_open or becomes_limit):
        _decrement(order, lost, step)
        left -= lost
    if planned.crosses:
        left -= _cross(state, planned, order, step)
    for route in planned.routes:
        step.emit(
            OrderRouted,
            order_id=order_id,
            venue=route.venue,
            qty=route.qty,
            price=route.price,
            ord_type=route.ord_type,
            time_in_force=route.time_in_force,
            why=route.why,
            instructions=route.instructions,
        )
        left -= route.qty
    if planned.book:
        step.emit(OrderBooked, order_id, planned.book)
    if not left or planned.routes or planned.held or planned.book or others_open:
        return
    if becomes_limit:
        if lost:
            order = msgspec.structs.replace(order, qty=order.qty - lost)
        work(state, order, left, step, last_px=planned.crosses[-1].price, take=False)
        return
    step.emit(OrderCanceled, order_id, "", planned.why_left)


def _decrement(order: Order, lost: int, step: Step) -> None:
    """An order loses what it would have traded with another one that it must not trade with."""
    step.emit(
        OrderRestated,
        order_id=order.order_id,
        reason=RestatementReason.MARKET_OPTION,
        qty=order.qty - lost,
        price=order.price,
        text=SELF_MATCH,
    )


def _cross(state: State, planned: Plan, taker: Order, step: Step) -> int:
    """Trade with our book. An iceberg whose slice is taken shows its next one. Returns the quantity that has traded."""
    shown: dict[int, int] = {}
    hidden: dict[int, int] = {}
    total = 0
    for cross in planned.crosses:
        maker = state.orders[cross.maker_order_id]
        key = maker.order_id
        trade(state, maker, taker, cross.qty, cross.price, step)
        total += cross.qty
        if maker.hold is not Hold.ICEBERG:
            continue
        assert maker.instructions is not None
        shown[key] = shown.get(key, maker.in_book) - cross.qty
        left = hidden.get(key, maker.held)
        if not shown[key] and left:
            shown[key] = min(left, maker.instructions.max_floor)
            hidden[key] = left - shown[key]
            step.emit(OrderHeld, key, hidden[key], Hold.ICEBERG)
            step.emit(OrderBooked, key, shown[key])
    return total


def trim(view: View, step: Step) -> None:
    """An exchange has filled more than it held: what rests elsewhere beyond the order's leaves is taken back."""
    order = view.order
    if order.in_book and view.unplaced < 0:
        step.emit(OrderUnbooked, order.order_id)
        view.in_book = max(0, order.in_book + view.unplaced)
        if view.in_book:
            step.emit(OrderBooked, order.order_id, view.in_book)
    if view.unplaced < 0:
        for child in order.children:
            if child.child_id in view.open and child.request is None:
                step.emit(ChildCancelSent, child.child_id)


def acknowledge(order: Order, step: Step) -> None:
    """The first sign of an exchange makes New an order that waited for it."""
    if not order.acknowledged:
        step.emit(OrderAcknowledged, order.order_id)
