"""What exchanges tell. Nothing an exchange says is dropped: what can't be applied is kept in an alert."""

from collections.abc import Callable
from fractions import Fraction
from itertools import count

from brokerfix.commands import VenueCancelReject, VenueOther, VenueReport
from brokerfix.domain import (
    GOOD_TILL,
    IMMEDIATE,
    CxlRejReason,
    ExecType,
    Hold,
    OrdRejReason,
    OrdStatus,
    OrdType,
    Request,
    RestatementReason,
)
from brokerfix.engine import risk
from brokerfix.engine.orders import Child, Fill, Order
from brokerfix.engine.state import State
from brokerfix.engine.working import NewId, View, acknowledged, ended_by_venue, replace_loose, settle, trim
from brokerfix.facts import (
    Alerted,
    ChildAccepted,
    ChildCancelSent,
    ChildConfirmed,
    ChildEnded,
    ChildFilled,
    ChildNoted,
    ChildReplaced,
    ChildRequestRejected,
    ChildRestated,
    ChildStatusAsked,
    Fact,
    OrderCanceled,
    OrderHeld,
    OrderNoted,
    OrderReplaced,
    OrderRestated,
    TradeBusted,
    TradeCorrected,
)

ENDED = {
    ExecType.CANCELED: OrdStatus.CANCELED,
    ExecType.REJECTED: OrdStatus.REJECTED,
    ExecType.EXPIRED: OrdStatus.EXPIRED,
    ExecType.DONE_FOR_DAY: OrdStatus.DONE_FOR_DAY,
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
    order = state.order_of(child)
    if order.noted is not None and child.open:
        noted = ChildNoted(c.at, new_id(), child.child_id, c.exec_id, c.exec_type)
        return [noted, OrderNoted(c.at, new_id(), order.order_id, None)]
    if not child.open or child.venue_order_id:
        return []
    accepted = ChildAccepted(c.at, new_id(), child.child_id, c.venue_order_id, c.exec_id)
    return [accepted, *acknowledged(order, c.at, new_id)]


def _pending(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    return []


def _filled(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    if c.qty <= 0:
        return [_alert(c, new_id, "BAD_FILL", f"{c.venue} sent a fill without a quantity; not applied")]
    if 0 <= c.cum <= child.covered:
        return [_alert(c, new_id, "COVERED", "this fill was booked from a status report already; not applied")]
    view = View(state.order_of(child))
    facts: list[Fact] = acknowledged(view.order, c.at, new_id)
    facts += [ChildFilled(c.at, new_id(), child.child_id, c.exec_id, c.qty, c.price)]
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
    view.fill(child, c.qty, c.price)
    facts += trim(view, c.at, new_id)
    return facts + settle(state, view, c.at, new_id)


def _ended(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    if c.exec_type == ExecType.DONE_FOR_DAY and child.time_in_force in GOOD_TILL and child.open:
        return _noted(state, c, child, new_id)
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
        last = facts[-1].id
        elsewhere = replace_loose(state, view, c.at, new_id, child.venue)
        if not any(isinstance(fact, OrderCanceled) for fact in elsewhere):
            return facts + elsewhere
        # There is no other place: the order ends with the exchange's reason instead.
        new_id = count(last + 1).__next__
    elif _was_to_go(child, order) or view.open or view.in_book:
        return facts + settle(state, view, c.at, new_id)
    text = f"{c.venue}: {text or status.name.lower()}"
    return facts + ended_by_venue(view, status, text, c.at, new_id, c.restatement_reason)


def _was_to_go(child: Child, order: Order) -> bool:
    """Whether the child's end is no news: we asked for it, or it was for what could be had at once."""
    if child.request is Request.CANCEL or child.time_in_force in IMMEDIATE:
        return True
    return child.ord_type is OrdType.MARKET and order.ord_type is OrdType.MARKET_TO_LIMIT


NOTES = {
    ExecType.DONE_FOR_DAY: OrdStatus.DONE_FOR_DAY,
    ExecType.STOPPED: OrdStatus.STOPPED,
    ExecType.SUSPENDED: OrdStatus.SUSPENDED,
    ExecType.CALCULATED: OrdStatus.CALCULATED,
}
"""What an exchange may say of an order that it goes on to hold."""


def _noted(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    """The exchange holds the order as before but works it no more today, guarantees a price, or the like."""
    order = state.order_of(child)
    noted = ChildNoted(c.at, new_id(), child.child_id, c.exec_id, c.exec_type)
    if order.ended is not None:
        return [noted]
    status = NOTES[ExecType(c.exec_type)]
    return [noted, OrderNoted(c.at, new_id(), order.order_id, status, c.qty, c.price, c.text)]


def _restated(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    """The exchange has changed the child's terms unasked: the order's follow."""
    order = state.order_of(child)
    qty, price = c.order_qty or child.qty, c.order_px or child.price
    if not child.open:
        return [_alert(c, new_id, "UNEXPECTED", f"{c.venue} restated a child that had ended")]
    facts: list[Fact] = [ChildRestated(c.at, new_id(), child.child_id, c.exec_id, qty, price)]
    if order.ended is not None:
        return facts
    more = max(0, qty - child.cum) - child.leaves
    total = order.cum + max(0, order.leaves + more)
    worth = price if order.price and len(order.open_children()) == 1 and not order.in_book else order.price
    facts.append(OrderRestated(c.at, new_id(), order.order_id, c.restatement_reason or "8", total, worth, c.text))
    if qty > child.cum:
        return facts
    # The exchange holds nothing more of it.
    view = View(order)
    view.leaves = total - order.cum
    view.end(child)
    return facts + settle(state, view, c.at, new_id)


def _busted(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    """The exchange takes a fill back. What it does not work again is held for the operator."""
    found = _fill_of(state, c, child)
    if found is None or not found.qty:
        return [_alert(c, new_id, "UNKNOWN_FILL", f"{c.venue} busts a fill that we do not have: {c.exec_ref_id}")]
    order = state.order_of(child)
    works_again = child.status is OrdStatus.FILLED and child.time_in_force not in IMMEDIATE and c.leaves != 0
    reinstated = child.open or (works_again and order.ended is None)
    facts: list[Fact] = [TradeBusted(c.at, new_id(), found.exec_id, found.last_id, c.exec_id, reinstated, text=c.text)]
    if not reinstated and order.ended is None:
        facts += hold_for_operator(order, found.qty, c.at, new_id)
    elif works_again and order.ended is not None:
        told = f"{c.venue} may work {found.qty} again of an order that has ended; see that it does not"
        facts.append(_alert(c, new_id, "REINSTATED", told))
    return facts


def _corrected(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    found = _fill_of(state, c, child)
    if found is None or not found.qty:
        return [_alert(c, new_id, "UNKNOWN_FILL", f"{c.venue} corrects a fill that we do not have: {c.exec_ref_id}")]
    if c.qty <= 0:
        return [_alert(c, new_id, "BAD_FILL", f"{c.venue} corrects a fill to no quantity; not applied")]
    view = View(state.order_of(child))
    facts: list[Fact] = [
        TradeCorrected(c.at, new_id(), found.exec_id, found.last_id, c.exec_id, c.qty, c.price, text=c.text)
    ]
    more = c.qty - found.qty
    if more > 0:
        view.fill(child, more, c.price)
        facts += trim(view, c.at, new_id)
        return facts + settle(state, view, c.at, new_id)
    if more < 0 and not child.open and view.order.ended is None:
        facts += hold_for_operator(view.order, -more, c.at, new_id)
    return facts


def _fill_of(state: State, c: VenueReport, child: Child) -> Fill | None:
    """The fill that an exchange's ExecRefID(19) names, by its first ExecID or that of a correction."""
    execs = state.venue_execs.get(c.venue, {}), state.old_venue_execs.get(c.venue, {})
    number = next((known[c.exec_ref_id] for known in execs if c.exec_ref_id in known), 0)
    found = state.fills.get(number)
    if found is None:
        found = next((fill for fill in state.fills.values() if fill.last_id == number), None)
    return found if found is not None and found.child_id == child.child_id else None


def hold_for_operator(order: Order, qty: int, at: int, new_id: NewId) -> list[Fact]:
    """What is open again after a bust waits for an operator, who releases or cancels it; and with it whatever else of
    the order is with us."""
    return [OrderHeld(at, new_id(), order.order_id, order.held + qty, Hold.MANUAL)]


def _replaced(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    if child.request is not Request.REPLACE:
        return [_alert(c, new_id, "UNEXPECTED", f"{c.venue} replaced a child unasked; our terms stand")]
    order = state.order_of(child)
    facts: list[Fact] = [
        ChildReplaced(c.at, new_id(), child.child_id, child.request_id, c.exec_id, child.asked_qty, child.asked_price)
    ]
    pending = order.pending
    if pending is None or pending.through != child.request_id:
        more = max(0, child.asked_qty - child.cum) - child.leaves
        if more and order.ended is None:
            # The exchange had restated the child meanwhile, and now it has what we asked for before.
            total = order.cum + max(0, order.leaves + more)
            reason = RestatementReason.MARKET_OPTION
            facts.append(OrderRestated(c.at, new_id(), order.order_id, reason, total, order.price))
        return facts + _called_back(order, child, c.at, new_id)
    terms = max(pending.qty, order.cum), pending.price, pending.risk_price, pending.instructions
    facts.append(OrderReplaced(c.at, new_id(), order.order_id, pending.cl_ord_id, *terms))
    return facts


def _called_back(order: Order, child: Child, at: int, new_id: NewId) -> list[Fact]:
    """The exchange has answered a new price of a peg. Whatever has been asked of the order since waits for the child to
    come back."""
    if order.pending is None or not child.open or child.cum >= child.asked_qty:
        return []
    return [ChildCancelSent(at, new_id(), child.child_id)]


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
        view.fill(child, missed, price)
    elif c.cum >= 0 and missed < 0:
        facts.append(_alert(c, new_id, "CUM_QTY", f"{c.venue} says CumQty {c.cum}, we have {child.cum}"))
    if not child.open:
        return facts
    status = FINAL.get(c.ord_status)
    if status is not None and child.child_id in view.open:
        return facts + _end(state, c, child, view, status, c.text, new_id)
    if child.child_id in view.open and not child.venue_order_id:
        facts.append(ChildAccepted(c.at, new_id(), child.child_id, c.venue_order_id, c.exec_id))
        facts += acknowledged(view.order, c.at, new_id)
    elif child.child_id in view.open:
        facts.append(ChildConfirmed(c.at, new_id(), child.child_id, c.venue_order_id, c.exec_id))
    if child.child_id in view.open and child.in_doubt and child.request is not None:
        return facts + _asked_again(state, c, child, view, new_id)
    return facts + settle(state, view, c.at, new_id)


def _asked_again(state: State, c: VenueReport, child: Child, view: View, new_id: NewId) -> list[Fact]:
    """The session was lost with a request of ours on its way, and the exchange still holds the child: a cancel is asked
    for again; a replace has come to pass if the exchange knows the child by its ClOrdID, and never got there if not."""
    if child.request is Request.CANCEL:
        return [ChildCancelSent(c.at, new_id(), child.child_id)]
    if c.cl_ord_id == child.request_id:
        return _replaced(state, c, child, new_id)
    facts: list[Fact] = [ChildRequestRejected(c.at, new_id(), child.child_id, "99", "it never got there")]
    if view.order.pending is None or view.order.pending.through != child.request_id:
        return facts + _called_back(view.order, child, c.at, new_id)
    view.waiting.discard(child.child_id)
    return facts + settle(state, view, c.at, new_id, "the session was lost before the request got there")


FINAL: dict[str, OrdStatus] = {
    OrdStatus.FILLED: OrdStatus.CANCELED,
    OrdStatus.CANCELED: OrdStatus.CANCELED,
    OrdStatus.REJECTED: OrdStatus.REJECTED,
    OrdStatus.EXPIRED: OrdStatus.EXPIRED,
    OrdStatus.DONE_FOR_DAY: OrdStatus.DONE_FOR_DAY,
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
    order = state.order_of(child)
    if child.request is Request.REPLACE and (order.pending is None or order.pending.through != child.request_id):
        return facts + _called_back(order, child, c.at, new_id)
    view = View(order)
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
    ExecType.RESTATED: _restated,
    ExecType.TRADE_CANCEL: _busted,
    ExecType.TRADE_CORRECT: _corrected,
    ExecType.TRIGGERED: _pending,
    **dict.fromkeys(NOTES, _noted),
    **dict.fromkeys(ENDED, _ended),
}
