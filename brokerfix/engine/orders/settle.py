"""What follows for an order when something of it has changed: it is placed again, answered, or ends."""

import msgspec

from brokerfix.domain import CxlRejReason, ExecInst, Hold, OrdRejReason, OrdStatus, Request, id_text
from brokerfix.engine.orders.order import Order, Pending
from brokerfix.engine.orders.work import View, work
from brokerfix.engine.risk.halts import killed_by
from brokerfix.engine.routing.plans import NOWHERE, Avoid
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.facts import (
    Alerted,
    KillRefused,
    OrderCanceled,
    OrderExpired,
    OrderHeld,
    OrderRefused,
    OrderReplaced,
    OrderRepriced,
    RequestRejected,
    RouteDecided,
)


def settle(
    state: State, view: View, step: Step, refused: str = "", reason: CxlRejReason = CxlRejReason.TOO_LATE
) -> None:
    """What follows for the order once a child has been filled, ended or refused to change.

    `refused` and `reason` are the exchange's words if it just refused a request. Without a pending request, what is in
    no place is placed again; a pending request is answered as soon as no child is waited for.
    """
    order, pending = view.order, view.pending
    if order.ended is not None:
        return
    if pending is None:
        replace_loose(state, view, step)
    elif view.waiting:
        return
    elif not view.leaves:
        if pending.cl_ord_id:
            _refuse(order, pending, step, "TOO_LATE: the order is filled")
    elif view.open:
        # An exchange still holds some of it and has refused to let go.
        is_killed = killed_by(state, order) is not None
        if pending.request is Request.CANCEL and (
            is_killed or (order.has(ExecInst.DO_NOT_INCREASE) and not pending.cl_ord_id)
        ):
            step.emit(KillRefused, order.order_id, refused)
            told = f"an exchange does not cancel order {id_text(order.order_id)} ({refused}); it is asked again"
            step.emit(Alerted, "risk", "KILL_REFUSED" if is_killed else "REDUCE_REFUSED", told)
        _refuse(order, pending, step, f"VENUE: {refused or 'the exchange refused the request'}", reason)
        replace_loose(state, view, step)
    elif pending.request is Request.CANCEL:
        why = pending.text, pending.reason, pending.operator
        step.emit(OrderCanceled, order.order_id, pending.cl_ord_id, *why)
    elif pending.request is Request.EXPIRE:
        step.emit(OrderExpired, order.order_id)
    else:
        replace_and_work(state, order, view.cum, pending, step, view.avoid)


def replace_loose(state: State, view: View, step: Step) -> None:
    """Place what is in no place, and what was held for a reason that is over: an iceberg shows nothing any more, the
    first fill has reached MinQty."""
    order = view.order
    loose, taken_back = max(0, view.unplaced), 0
    shows = bool(view.open or view.in_book)
    if view.held:
        if order.hold is Hold.ICEBERG and shows:
            if loose:
                step.emit(OrderHeld, order.order_id, view.held + loose, Hold.ICEBERG)
            return
        if order.hold is Hold.ICEBERG or (order.hold is Hold.CONDITION and (loose or _condition_is_met(view))):
            taken_back = view.held
    if not loose + taken_back:
        return
    if view.cum != order.cum:
        order = msgspec.structs.replace(order, cum=view.cum, tries=0)
    kept = view.held - taken_back
    placed = step.fork()
    work(
        state,
        order,
        loose + taken_back,
        placed,
        others_open=bool(shows or kept),
        avoid=view.avoid,
        held=taken_back,
        kept=kept,
        last_px=view.last_px,
    )
    step.join(placed)
    if kept and all(isinstance(fact, OrderRepriced | RouteDecided) for fact in placed.facts):
        # It can't be placed now, and some of the order waits for an operator: so does this.
        step.emit(OrderHeld, order.order_id, kept + loose, order.hold or Hold.MANUAL)


def _condition_is_met(view: View) -> bool:
    asked = view.order.instructions
    return asked is not None and 0 < asked.min_qty <= view.cum


def grant(order: Order, terms: Pending, qty: int, price: int, step: Step) -> None:
    """The order gets the terms asked for, with this quantity and price."""
    step.emit(
        OrderReplaced,
        order_id=order.order_id,
        cl_ord_id=terms.cl_ord_id,
        qty=qty,
        price=price,
        risk_price=terms.risk_price,
        instructions=terms.instructions,
    )


def replace_and_work(state: State, order: Order, cum: int, terms: Pending, step: Step, avoid: Avoid = NOWHERE) -> None:
    """Give an order that rests nowhere new terms (never less than what is filled) and place what is left."""
    qty = max(terms.qty, cum)
    grant(order, terms, qty, terms.price, step)
    if qty <= cum:
        return
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
    held = min(order.held, max(0, qty - order.cum))
    work(state, changed, qty - cum, step, avoid=avoid, held=held, last_px=order.last_px if cum else 0)


def ended_by_venue(view: View, status: OrdStatus, text: str, step: Step, reason: str = "") -> None:
    """A venue ended the order's only resting child and nobody had asked: the order ends as the venue says."""
    order = view.order
    if view.pending is not None and view.pending.cl_ord_id:
        _refuse(order, view.pending, step, "TOO_LATE: the exchange ended the order")
    if status in (OrdStatus.EXPIRED, OrdStatus.DONE_FOR_DAY):
        step.emit(OrderExpired, order.order_id, text, status)
    elif status is OrdStatus.REJECTED and not view.cum:
        step.emit(OrderRefused, order.order_id, OrdRejReason.BROKER_OPTION, text)
    else:
        step.emit(OrderCanceled, order.order_id, "", text, reason)


def _refuse(
    order: Order, pending: Pending, step: Step, text: str, reason: CxlRejReason = CxlRejReason.TOO_LATE
) -> None:
    """The pending request is refused; nobody is told of one that no client has made."""
    step.emit(
        RequestRejected,
        client=order.client,
        order_id=order.order_id,
        cl_ord_id=pending.cl_ord_id,
        orig_cl_ord_id=order.cl_ord_id,
        response_to=pending.request,
        reason=reason,
        text=text,
        ends_pending=True,
    )
