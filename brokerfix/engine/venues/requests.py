"""What exchanges answer to our requests: replaces that are done, refusals, and the states that we ask for."""

from fractions import Fraction

from brokerfix.commands import VenueCancelReject, VenueReport
from brokerfix.domain import CxlRejReason, ExecType, OrdRejReason, OrdStatus, OrdType, Request, RestatementReason
from brokerfix.engine.fees import child_fee
from brokerfix.engine.orders.order import Child
from brokerfix.engine.orders.settle import grant, settle
from brokerfix.engine.orders.work import View, acknowledge, trim
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.engine.venues.breaks import differs
from brokerfix.engine.venues.reports import alert, child_of, end_child, on, printable, restated
from brokerfix.facts import (
    ChildAccepted,
    ChildCancelSent,
    ChildConfirmed,
    ChildFilled,
    ChildReplaced,
    ChildRequestRejected,
    ChildStatusAsked,
    OrderRestated,
)

DECIDE = Decisions()


@on(ExecType.REPLACED)
def _replaced(state: State, c: VenueReport, child: Child, step: Step) -> None:
    if child.request is not Request.REPLACE:
        alert(c, step, "UNEXPECTED", f"{c.venue} replaced a child unasked; see what it holds")
        if child.open:
            step.emit(ChildStatusAsked, child.child_id)
        return
    view = View(state.order_of(child))
    _apply_replace(c, child, view, step)
    if c.cum > child.cum and child.child_id in view.open:
        step.emit(ChildStatusAsked, child.child_id)
    _call_back(view, child, step)


def _apply_replace(c: VenueReport, child: Child, view: View, step: Step) -> None:
    """The child has the terms that we have asked for or, where the exchange tells others, those; never less quantity
    than it says is filled."""
    order = view.order
    filled = max(child.cum, c.cum)
    qty = max(c.order_qty or child.asked_qty, filled)
    limited = child.ord_type is OrdType.LIMIT
    price = c.order_px if limited and c.order_px else child.asked_price
    step.emit(ChildReplaced, child.child_id, child.request_id, c.exec_id, qty, price)
    more = view.resize(child, qty)
    pending = order.pending
    if pending is not None and pending.through == child.request_id:
        other = (c.order_qty or child.asked_qty) - child.asked_qty
        # Where a fill was busted meanwhile, the exchange holds more than what was asked for.
        total = max(pending.qty + other, order.cum + qty - child.cum)
        worth = price if limited and price != child.asked_price else pending.price
        grant(order, pending, total, worth, step)
        view.grant(pending, total)
    elif more and order.ended is None:
        # The exchange had restated the child meanwhile, and now it has what we asked for before.
        view.leaves = max(0, view.leaves + more)
        step.emit(
            OrderRestated,
            order_id=order.order_id,
            reason=RestatementReason.MARKET_OPTION,
            qty=order.cum + view.leaves,
            price=order.price,
        )


def _call_back(view: View, child: Child, step: Step) -> None:
    """The exchange has answered a new price of a peg. Whatever has been asked of the order since waits for the child to
    come back."""
    if view.pending is not None and child.child_id in view.open:
        step.emit(ChildCancelSent, child.child_id)


@on(ExecType.ORDER_STATUS)
def _status(state: State, c: VenueReport, child: Child, step: Step) -> None:
    """An answer to our OrderStatusRequest: book fills that we never saw, and learn whether the child lives and what has
    become of our request for it."""
    view = View(state.order_of(child))
    if c.ord_status == OrdStatus.REJECTED and c.ord_rej_reason == OrdRejReason.UNKNOWN_ORDER:
        if child.open:
            alert(c, step, "LOST", f"{c.venue} does not know the child; what it held is placed elsewhere")
            end_child(state, c, child, view, OrdStatus.REJECTED, "unknown to the exchange", step)
        return
    if child.request is Request.REPLACE and _has_taken_effect(c, child):
        _apply_replace(c, child, view, step)
    missed = c.cum - child.cum
    if c.cum >= 0 and missed > 0:
        _book_missed(state, c, child, view, missed, step)
    elif c.cum >= 0 and missed < 0:
        told = f"{c.venue} says CumQty {c.cum}, we have {child.cum}"
        differs(state, c.venue, child, "CUM_QTY", missed, 0, told, step, printable(c.raw))
    if not child.open:
        if c.ord_status in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED):
            told = f"{c.venue} works a child that has ended here; see that it does not"
            differs(state, c.venue, child, "ALIVE", max(0, c.leaves), 0, told, step, printable(c.raw))
        return
    status = ENDED_WITH.get(c.ord_status)
    if c.ord_status == OrdStatus.FILLED and child.child_id in view.waiting and not view.open[child.child_id]:
        # It is filled, but our wish for more of it has no answer yet.
        status = None
    if status is not None and child.child_id in view.open:
        return end_child(state, c, child, view, status, c.text, step)
    if child.child_id in view.open:
        is_new = child.status is OrdStatus.PENDING_NEW or not child.venue_order_id
        if not is_new or c.ord_status == OrdStatus.PENDING_NEW:
            step.emit(ChildConfirmed, child.child_id, c.venue_order_id, c.exec_id)
        else:
            step.emit(ChildAccepted, child.child_id, c.venue_order_id, c.exec_id)
            acknowledge(view.order, step)
        if child.child_id in view.waiting:
            return _after_request(state, c, child, view, step)
        if child.request is None and _has_other_terms(c, child):
            return _follow_terms(state, c, child, missed > 0, step)
        if view.pending is not None and view.order.pending is None:
            return _call_back(view, child, step)
    settle(state, view, step)


def _book_missed(state: State, c: VenueReport, child: Child, view: View, missed: int, step: Step) -> None:
    """Fills of which only the status tells."""
    price = _missed_price(state, c, child, missed)
    step.emit(
        ChildFilled,
        child_id=child.child_id,
        venue_exec_id=c.exec_id,
        qty=missed,
        price=price,
        from_status=True,
        fee=child_fee(state, child, missed, price),
    )
    alert(c, step, "MISSED_FILL", f"{missed} filled at {c.venue} without a report; booked")
    view.fill(child, missed, price)
    trim(view, step)


def _has_other_terms(c: VenueReport, child: Child) -> bool:
    """Whether the exchange has the child with another quantity or price than we know. One that goes by an older ClOrdID
    is of before."""
    if child.ord_type is not OrdType.LIMIT or c.cl_ord_id != child.cl_ord_id:
        return False
    return c.order_qty not in (0, child.qty) or c.order_px not in (0, child.price)


def _follow_terms(state: State, c: VenueReport, child: Child, has_missed: bool, step: Step) -> None:
    """What the exchange has is what is so, also where we had asked for something else: the order follows. Fills that
    have just been learnt are applied first, and the terms asked for again."""
    told = f"{c.venue} has child {child.child_id} as {c.order_qty} at {c.order_px}, we had {child.qty} at {child.price}"
    alert(c, step, "TERMS", told)
    if has_missed:
        step.emit(ChildStatusAsked, child.child_id)
    else:
        restated(state, c, child, step)


def _has_taken_effect(c: VenueReport, child: Child) -> bool:
    """Whether the exchange's status says that it has the child on the terms of our replace: it goes by the request's
    ClOrdID, or has the quantity and price asked for where those are others. One that is pending has not."""
    if c.ord_status in PENDING:
        return False
    if c.order_qty and c.order_qty not in (child.asked_qty, c.cum):
        return False
    if c.cl_ord_id == child.request_id:
        return True
    asked, had = (child.asked_qty, child.asked_price), (child.qty, child.price)
    return asked != had and (c.order_qty, c.order_px) == asked


def _after_request(state: State, c: VenueReport, child: Child, view: View, step: Step) -> None:
    """The exchange holds the child as before, and our request for it has no answer yet. A session delivers in order and
    resends what was lost, so that it never got there only if the session's numbers have begun anew since; else its
    answer is waited for."""
    if c.ord_status in PENDING or child.numbering == state.links[child.venue].anew:
        return
    if child.request is Request.CANCEL:
        step.emit(ChildCancelSent, child.child_id)
        return
    step.emit(ChildRequestRejected, child.child_id, "99", "it never got there")
    view.waiting.discard(child.child_id)
    if view.pending is None or view.pending.through != child.request_id:
        _call_back(view, child, step)
    else:
        settle(state, view, step, "the session began anew before the request got there")


PENDING = (OrdStatus.PENDING_CANCEL, OrdStatus.PENDING_REPLACE)
ENDED_WITH: dict[str, OrdStatus] = {
    OrdStatus.FILLED: OrdStatus.CANCELED,
    OrdStatus.CANCELED: OrdStatus.CANCELED,
    OrdStatus.REJECTED: OrdStatus.REJECTED,
    OrdStatus.EXPIRED: OrdStatus.EXPIRED,
    OrdStatus.DONE_FOR_DAY: OrdStatus.DONE_FOR_DAY,
}
"""What a child is when an exchange's status says that it holds nothing more of it. FILLED for less than we sent means
that the rest was cut."""


def _missed_price(state: State, c: VenueReport, child: Child, missed: int) -> int:
    """The price of fills that only AvgPx(6) tells of, to the nearest price unit (the alert shows the message). An
    exchange that does not tell it leaves the child's own price, or the mark, as the best guess."""
    instrument = state.instruments[child.symbol]
    try:
        average = Fraction(c.avg_px or "0") * int(10**instrument.price_digits)
    except ValueError:
        average = Fraction(0)
    price = round((average * c.cum - child.notional) / missed)
    return price if price > 0 else child.price or risk.reference(state, instrument)


@DECIDE.on(VenueCancelReject, silent="the request was answered before")
def venue_cancel_reject(state: State, c: VenueCancelReject, step: Step) -> None:
    """A request of ours is refused. What its OrdStatus(39) says of the child is so: on a session that was not lost, all
    fills have come before. Where it leaves open what the child is, the exchange is asked, until it has told."""
    child = child_of(state, c, c.cl_ord_id, c.orig_cl_ord_id)
    if child is None:
        return alert(c, step, "UNKNOWN_ORDER", f"{c.venue} refuses a request that we have not sent it")
    if not child.request_id or child.request_id != c.cl_ord_id:
        return
    step.emit(ChildRequestRejected, child.child_id, c.reason, c.text)
    view = View(state.order_of(child))
    unknown = c.reason == CxlRejReason.UNKNOWN_ORDER
    over = None if unknown or child.cum >= child.qty else ENDED_WITH.get(c.ord_status)
    if over is not None and c.ord_status != OrdStatus.FILLED and not state.in_doubt(child):
        return end_child(state, c, child, view, over, c.text, step)
    if unknown:
        alert(c, step, "UNKNOWN_ORDER", f"{c.venue} does not know an order that we sent it")
    if child.cum >= child.qty:
        view.end(child)
    elif unknown or over is not None or c.reason == CxlRejReason.TOO_LATE:
        step.emit(ChildStatusAsked, child.child_id)
    view.waiting.discard(child.child_id)
    if child.request is Request.REPLACE and (view.pending is None or view.pending.through != child.request_id):
        return _call_back(view, child, step)
    # Other reasons are about our request to the exchange, not about the client's to us.
    settle(state, view, step, c.text, PASSED_ON.get(c.reason, CxlRejReason.OTHER))


PASSED_ON: dict[str, CxlRejReason] = {reason: reason for reason in (CxlRejReason.TOO_LATE, CxlRejReason.BROKER_OPTION)}
