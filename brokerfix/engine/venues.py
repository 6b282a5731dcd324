"""What exchanges tell. Nothing an exchange says is dropped: what can't be applied is kept in an alert."""

from collections.abc import Callable
from fractions import Fraction
from itertools import count

from brokerfix.commands import VenueCancelReject, VenueOther, VenueReport
from brokerfix.domain import IMMEDIATE, CxlRejReason, ExecType, OrdRejReason, OrdStatus, Request
from brokerfix.engine import risk
from brokerfix.engine.orders import Child
from brokerfix.engine.state import State
from brokerfix.engine.working import NewId, View, ended_by_venue, settle, trim, work
from brokerfix.facts import (
    Alerted,
    ChildAccepted,
    ChildConfirmed,
    ChildEnded,
    ChildFilled,
    ChildReplaced,
    ChildRequestRejected,
    ChildStatusAsked,
    Fact,
    OrderCanceled,
    OrderReplaced,
)

ENDED = {
    ExecType.CANCELED: OrdStatus.CANCELED,
    ExecType.REJECTED: OrdStatus.REJECTED,
    ExecType.EXPIRED: OrdStatus.EXPIRED,
    ExecType.DONE_FOR_DAY: OrdStatus.EXPIRED,
}
"""The reports after which an exchange holds nothing more of a child, and what the child then is."""


def venue_report(state: State, c: VenueReport, new_id: NewId) -> list[Fact]:
    child = state.children.get(c.orig_cl_ord_id) or state.children.get(c.cl_ord_id)
    if child is None or child.venue != c.venue:
        return [_alert(c, new_id, "UNKNOWN_ORDER", f"{c.venue} reports on an order that we have not sent it")]
    if c.possible_duplicate and c.exec_id in state.old_venue_execs.get(c.venue, ()):
        return []
    if c.exec_type != ExecType.ORDER_STATUS and c.exec_id in state.venue_execs[c.venue]:
        if c.possible_duplicate:
            return []
        return [_alert(c, new_id, "REPEATED_EXEC_ID", f"{c.venue} sent ExecID {c.exec_id} again; not applied")]
    handler = REPORTS.get(c.exec_type)
    if handler is None:
        return [_alert(c, new_id, "UNEXPECTED", f"{c.venue} sent ExecType {c.exec_type} for {child.child_id}")]
    return handler(state, c, child, new_id)


def _alert(c: VenueReport | VenueCancelReject, new_id: NewId, code: str, text: str) -> Alerted:
    return Alerted(c.at, new_id(), c.venue, code, text, c.raw.replace("\x01", "|"))


def _acknowledged(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    if not child.open or child.venue_order_id:
        return []
    return [ChildAccepted(c.at, new_id(), child.child_id, c.venue_order_id, c.exec_id)]


def _pending(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    return []


def _filled(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    if c.qty <= 0:
        return [_alert(c, new_id, "BAD_FILL", f"{c.venue} sent a fill without a quantity; not applied")]
    if 0 <= c.cum <= child.covered:
        return [_alert(c, new_id, "COVERED", "this fill was booked from a status report already; not applied")]
    view = View(state.order_of(child))
    facts: list[Fact] = [ChildFilled(c.at, new_id(), child.child_id, c.exec_id, c.qty, c.price)]
    if c.defect:
        facts.append(_alert(c, new_id, "INEXACT", c.defect))
    if not child.open and child.status is not OrdStatus.FILLED:
        facts.append(_alert(c, new_id, "FILL_AFTER_END", f"{c.venue} filled {c.qty} of a child that had ended; booked"))
    elif c.qty > child.leaves:
        over = c.qty - child.leaves
        facts.append(_alert(c, new_id, "OVERFILL", f"{c.venue} filled {over} more than the child had; booked"))
    elif 0 <= c.cum != child.cum + c.qty:
        told = f"{c.venue} says CumQty {c.cum}, we have {child.cum + c.qty}"
        facts.append(_alert(c, new_id, "CUM_QTY", told))
    view.fill(child, c.qty)
    facts += trim(view, c.at, new_id)
    return facts + settle(state, view, c.at, new_id)


def _ended(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    if not child.open:
        return [_alert(c, new_id, "ENDED_AGAIN", f"{c.venue} ended a child that had ended ({child.status.name})")]
    view = View(state.order_of(child))
    return _end(state, c, child, view, ENDED[ExecType(c.exec_type)], c.text, new_id)


def _end(
    state: State, c: VenueReport, child: Child, view: View, status: OrdStatus, text: str, new_id: NewId
) -> list[Fact]:
    """The child is gone: answer the pending request, place what is left, or end the order with it."""
    facts: list[Fact] = [ChildEnded(c.at, new_id(), child.child_id, c.exec_id, status, text)]
    view.end(child)
    order = view.order
    if order.ended is not None or (order.pending is None and view.unplaced <= 0):
        return facts
    if status is OrdStatus.REJECTED and order.pending is None and not order.ex_destination:
        others_open = bool(view.open or view.in_book)
        elsewhere = work(state, order, view.unplaced, c.at, new_id, others_open, avoid=child.venue)
        if others_open or not isinstance(elsewhere[0], OrderCanceled):
            return facts + elsewhere
        # There is no other place: the order ends with the exchange's reason, in the place of that fact.
        new_id = count(elsewhere[0].id).__next__
    elif child.request is Request.CANCEL or child.time_in_force in IMMEDIATE or view.open or view.in_book:
        return facts + settle(state, view, c.at, new_id)
    text = f"{c.venue}: {text or status.name.lower()}"
    return facts + ended_by_venue(view, status, text, c.at, new_id)


def _replaced(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    if child.request is not Request.REPLACE:
        return [_alert(c, new_id, "UNEXPECTED", f"{c.venue} replaced a child unasked; our terms stand")]
    order = state.order_of(child)
    facts: list[Fact] = [
        ChildReplaced(c.at, new_id(), child.child_id, child.request_id, c.exec_id, child.asked_qty, child.asked_price)
    ]
    pending = order.pending
    if pending is None:
        return facts
    qty = max(pending.qty, order.cum)
    facts.append(
        OrderReplaced(c.at, new_id(), order.order_id, pending.cl_ord_id, qty, pending.price, pending.risk_price)
    )
    return facts


def _status(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    """An answer to our OrderStatusRequest: book fills that we never saw, and learn whether the child lives."""
    view = View(state.order_of(child))
    if c.ord_status == OrdStatus.REJECTED and c.ord_rej_reason == OrdRejReason.UNKNOWN_ORDER:
        if not child.open:
            return []
        lost = _alert(c, new_id, "LOST", f"{c.venue} does not know the child; what it held is placed elsewhere")
        return [lost, *_end(state, c, child, view, OrdStatus.REJECTED, "unknown to the exchange", new_id)]
    facts: list[Fact] = []
    missed = c.cum - child.cum
    if c.cum >= 0 and missed > 0:
        price = _missed_price(state, c, child, missed)
        facts.append(ChildFilled(c.at, new_id(), child.child_id, c.exec_id, missed, price, True))
        facts.append(_alert(c, new_id, "MISSED_FILL", f"{missed} filled at {c.venue} without a report; booked"))
        view.fill(child, missed)
    elif c.cum >= 0 and missed < 0:
        facts.append(_alert(c, new_id, "CUM_QTY", f"{c.venue} says CumQty {c.cum}, we have {child.cum}"))
    if not child.open:
        return facts
    status = FINAL.get(c.ord_status)
    if status is not None and child.child_id in view.open:
        return facts + _end(state, c, child, view, status, c.text, new_id)
    if child.child_id in view.open and not child.venue_order_id:
        facts.append(ChildAccepted(c.at, new_id(), child.child_id, c.venue_order_id, c.exec_id))
    elif child.child_id in view.open:
        facts.append(ChildConfirmed(c.at, new_id(), child.child_id, c.venue_order_id, c.exec_id))
    return facts + settle(state, view, c.at, new_id)


FINAL: dict[str, OrdStatus] = {
    OrdStatus.FILLED: OrdStatus.CANCELED,
    OrdStatus.CANCELED: OrdStatus.CANCELED,
    OrdStatus.REJECTED: OrdStatus.REJECTED,
    OrdStatus.EXPIRED: OrdStatus.EXPIRED,
    "3": OrdStatus.EXPIRED,
}
"""What a child is when an exchange's status report says that it holds nothing more of it. FILLED for less than we
sent means that the rest was cut."""


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


def venue_cancel_reject(state: State, c: VenueCancelReject, new_id: NewId) -> list[Fact]:
    child = state.children.get(c.cl_ord_id) or state.children.get(c.orig_cl_ord_id)
    if child is None or child.venue != c.venue:
        return [_alert(c, new_id, "UNKNOWN_ORDER", f"{c.venue} refuses a request that we have not sent it")]
    if not child.request_id or child.request_id != c.cl_ord_id:
        return []
    facts: list[Fact] = [ChildRequestRejected(c.at, new_id(), child.child_id, c.reason, c.text)]
    if c.reason == "1":
        facts.append(_alert(c, new_id, "UNKNOWN_ORDER", f"{c.venue} does not know an order that we sent it"))
        facts.append(ChildStatusAsked(c.at, new_id(), child.child_id))
    view = View(state.order_of(child))
    view.waiting.discard(child.child_id)
    # Other reasons are about our request to the exchange, not about the client's to us.
    reason = PASSED_ON.get(c.reason, CxlRejReason.OTHER)
    return facts + settle(state, view, c.at, new_id, c.text, reason)


PASSED_ON: dict[str, CxlRejReason] = {reason: reason for reason in (CxlRejReason.TOO_LATE, CxlRejReason.BROKER_OPTION)}


def venue_other(state: State, c: VenueOther, new_id: NewId) -> list[Fact]:
    return [Alerted(c.at, new_id(), c.venue, c.code, c.text, c.raw)]


REPORTS: dict[str, Callable[[State, VenueReport, Child, NewId], list[Fact]]] = {
    ExecType.NEW: _acknowledged,
    ExecType.TRADE: _filled,
    ExecType.REPLACED: _replaced,
    ExecType.ORDER_STATUS: _status,
    ExecType.PENDING_NEW: _pending,
    ExecType.PENDING_CANCEL: _pending,
    ExecType.PENDING_REPLACE: _pending,
    **dict.fromkeys(ENDED, _ended),
}
