"""What exchanges tell. Nothing an exchange says is dropped: what can't be applied is kept in an alert."""

from collections.abc import Callable
from fractions import Fraction
from itertools import count

from brokerfix.commands import OperatorResolve, VenueCancelReject, VenueOther, VenueReport
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
from brokerfix.engine.orders.order import Child, Fill, Order, was_refused
from brokerfix.engine.orders.working import NewId, View, acknowledged, ended_by_venue, replace_loose, settle, trim
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.routing.plan import Avoid
from brokerfix.engine.state import State
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

Told = VenueReport | VenueCancelReject | OperatorResolve
"""What may tell that a child is over."""
ENDED = {
    ExecType.CANCELED: OrdStatus.CANCELED,
    ExecType.REJECTED: OrdStatus.REJECTED,
    ExecType.EXPIRED: OrdStatus.EXPIRED,
    ExecType.DONE_FOR_DAY: OrdStatus.DONE_FOR_DAY,
}
"""The reports after which an exchange holds nothing more of a child, and what the child then is."""


def venue_report(state: State, c: VenueReport, new_id: NewId) -> list[Fact]:
    child = _child_of(state, c, c.orig_cl_ord_id, c.cl_ord_id)
    if child is None:
        return [
            _alert(
                c, new_id, "UNKNOWN_ORDER", f"{c.venue} reports on an order that we have not sent it, or have no more"
            )
        ]
    if c.possible_duplicate and _is_of(state, state.old_venue_execs.get(c.venue, {}).get(c.exec_id, 0), child):
        return []
    if c.exec_type != ExecType.ORDER_STATUS and c.exec_id in state.venue_execs[c.venue]:
        if c.possible_duplicate:
            return []
        return [_alert(c, new_id, "REPEATED_EXEC_ID", f"{c.venue} sent ExecID {c.exec_id} again; not applied")]
    handler = REPORTS.get(c.exec_type)
    if handler is None:
        return [_alert(c, new_id, "UNEXPECTED", f"{c.venue} sent ExecType {c.exec_type} for {child.child_id}")]
    return handler(state, c, child, new_id)


def _child_of(state: State, c: VenueReport | VenueCancelReject, *numbers: int) -> Child | None:
    """The child that a message of its exchange is about: that of the first of these ClOrdIDs that names one."""
    children = state.children
    for number in numbers:
        child = children.get(number)
        if child is not None:
            return child if child.venue == c.venue and child.order_id in state.orders else None
    return None


def _is_of(state: State, number: int, child: Child) -> bool:
    """Whether what an ExecID of the day before stands for (our fact, or the child) was about this child: exchanges may
    begin their ExecIDs anew."""
    fill = state.fills.get(number)
    return number > 0 and (fill.child_id == child.child_id if fill is not None else child.child_id <= number)


def _alert(c: VenueReport | VenueCancelReject, new_id: NewId, code: str, text: str) -> Alerted:
    return Alerted(c.at, new_id(), c.venue, code, text, c.raw.replace("\x01", "|"))


def _acknowledged(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    order = state.order_of(child)
    if order.noted is not None and child.open:
        noted = ChildNoted(c.at, new_id(), child.child_id, c.exec_id, c.exec_type)
        return [noted, OrderNoted(c.at, new_id(), order.order_id, None)]
    if not child.open or (child.venue_order_id and child.status is not OrdStatus.PENDING_NEW):
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
    if c.exec_type == ExecType.REJECTED and c.ord_rej_reason == OrdRejReason.DUPLICATE_ORDER:
        # It came twice, as after a crash of ours: what has become of the first?
        return [ChildStatusAsked(c.at, new_id(), child.child_id)]
    view = View(state.order_of(child))
    return end_child(state, c, child, view, ENDED[ExecType(c.exec_type)], c.text, new_id)


def end_child(
    state: State, c: Told, child: Child, view: View, status: OrdStatus, text: str, new_id: NewId
) -> list[Fact]:
    """The child is gone: answer the pending request, place what is left, or end the order with it."""
    exec_id = c.exec_id if isinstance(c, VenueReport) else ""
    operator = c.operator if isinstance(c, OperatorResolve) else ""
    facts: list[Fact] = [ChildEnded(c.at, new_id(), child.child_id, exec_id, status, text, operator)]
    view.end(child)
    order = view.order
    if order.ended is not None or (view.pending is None and view.unplaced <= 0):
        return facts
    if not view.leaves:
        return facts + settle(state, view, c.at, new_id)
    if was_refused(child, status):
        view.avoid = Avoid(child.venue, child.price)
    if status is OrdStatus.REJECTED and view.pending is None and not order.ex_destination:
        last = facts[-1].id
        view.avoid = Avoid(child.venue)
        elsewhere = replace_loose(state, view, c.at, new_id)
        if not any(isinstance(fact, OrderCanceled) for fact in elsewhere):
            return facts + elsewhere
        # There is no other place: the order ends with the exchange's reason instead.
        new_id = count(last + 1).__next__
    elif _was_to_go(child, view) or view.open or view.in_book:
        return facts + settle(state, view, c.at, new_id)
    text = f"{child.venue}: {text or status.name.lower()}"
    reason = c.restatement_reason if isinstance(c, VenueReport) else ""
    return facts + ended_by_venue(view, status, text, c.at, new_id, reason)


def _was_to_go(child: Child, view: View) -> bool:
    """Whether the child's end is no news: it was asked for, or it was for what could be had at once."""
    if child.request is Request.CANCEL or child.time_in_force in IMMEDIATE:
        return True
    if view.pending is not None and view.pending.request is not Request.REPLACE:
        return True
    return child.ord_type is OrdType.MARKET and view.order.ord_type is OrdType.MARKET_TO_LIMIT


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
    worth = price if order.price and len(order.children) == 1 and not order.in_book else order.price
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
    if order.ended is None:
        again = max(0, child.qty - child.cum + found.qty) - child.leaves if reinstated else 0
        facts += hold_for_operator(order, found.qty, c.at, new_id, again)
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


def hold_for_operator(order: Order, qty: int, at: int, new_id: NewId, again: int = 0) -> list[Fact]:
    """What is open again after `qty` was taken back waits for an operator, who releases or cancels it, and with it
    whatever else of the order is with us; but for what an exchange works `again`."""
    leaves = max(0, order.qty - order.cum + qty)
    loose = min(qty, leaves - order.in_book - order.at_venues - order.held - again)
    return [OrderHeld(at, new_id(), order.order_id, order.held + loose, Hold.MANUAL)] if loose > 0 else []


def _replaced(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    if child.request is not Request.REPLACE:
        alert = _alert(c, new_id, "UNEXPECTED", f"{c.venue} replaced a child unasked; see what it holds")
        return [alert, ChildStatusAsked(c.at, new_id(), child.child_id)] if child.open else [alert]
    view = View(state.order_of(child))
    facts = _apply_replace(c, child, view, new_id)
    if c.cum > child.cum and child.child_id in view.open:
        facts.append(ChildStatusAsked(c.at, new_id(), child.child_id))
    return facts + _called_back(view, child, c.at, new_id)


def _apply_replace(c: VenueReport, child: Child, view: View, new_id: NewId) -> list[Fact]:
    """The child has the terms that we have asked for or, where the exchange tells others, those; never less quantity
    than it says is filled."""
    order = view.order
    filled = max(child.cum, c.cum)
    qty = max(c.order_qty or child.asked_qty, filled)
    limited = child.ord_type is OrdType.LIMIT
    price = c.order_px if limited and c.order_px else child.asked_price
    facts: list[Fact] = [ChildReplaced(c.at, new_id(), child.child_id, child.request_id, c.exec_id, qty, price)]
    more = view.resize(child, qty)
    pending = order.pending
    if pending is not None and pending.through == child.request_id:
        other = (c.order_qty or child.asked_qty) - child.asked_qty
        total = max(pending.qty + other, order.cum + filled - child.cum)
        worth = price if limited and price != child.asked_price else pending.price
        terms = total, worth, pending.risk_price, pending.instructions
        facts.append(OrderReplaced(c.at, new_id(), order.order_id, pending.cl_ord_id, *terms))
        view.grant(pending, total)
    elif more and order.ended is None:
        # The exchange had restated the child meanwhile, and now it has what we asked for before.
        view.leaves = max(0, view.leaves + more)
        total = order.cum + view.leaves
        reason = RestatementReason.MARKET_OPTION
        facts.append(OrderRestated(c.at, new_id(), order.order_id, reason, total, order.price))
    return facts


def _called_back(view: View, child: Child, at: int, new_id: NewId) -> list[Fact]:
    """The exchange has answered a new price of a peg. Whatever has been asked of the order since waits for the child to
    come back."""
    if view.pending is None or child.child_id not in view.open:
        return []
    return [ChildCancelSent(at, new_id(), child.child_id)]


def _status(state: State, c: VenueReport, child: Child, new_id: NewId) -> list[Fact]:
    """An answer to our OrderStatusRequest: book fills that we never saw, and learn whether the child lives and what has
    become of our request for it."""
    view = View(state.order_of(child))
    if c.ord_status == OrdStatus.REJECTED and c.ord_rej_reason == OrdRejReason.UNKNOWN_ORDER:
        if not child.open:
            return []
        lost = _alert(c, new_id, "LOST", f"{c.venue} does not know the child; what it held is placed elsewhere")
        return [lost, *end_child(state, c, child, view, OrdStatus.REJECTED, "unknown to the exchange", new_id)]
    facts: list[Fact] = []
    if child.request is Request.REPLACE and _has_taken_effect(c, child):
        facts += _apply_replace(c, child, view, new_id)
    missed = c.cum - child.cum
    if c.cum >= 0 and missed > 0:
        price = _missed_price(state, c, child, missed)
        facts.append(ChildFilled(c.at, new_id(), child.child_id, c.exec_id, missed, price, True))
        facts.append(_alert(c, new_id, "MISSED_FILL", f"{missed} filled at {c.venue} without a report; booked"))
        view.fill(child, missed, price)
        facts += trim(view, c.at, new_id)
    elif c.cum >= 0 and missed < 0:
        facts.append(_alert(c, new_id, "CUM_QTY", f"{c.venue} says CumQty {c.cum}, we have {child.cum}"))
    if not child.open:
        if c.ord_status in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED):
            facts.append(
                _alert(c, new_id, "ALIVE", f"{c.venue} works a child that has ended here; see that it does not")
            )
        return facts
    status = FINAL.get(c.ord_status)
    if c.ord_status == OrdStatus.FILLED and child.child_id in view.waiting and not view.open[child.child_id]:
        # It is filled, but our wish for more of it has no answer yet.
        status = None
    if status is not None and child.child_id in view.open:
        return facts + end_child(state, c, child, view, status, c.text, new_id)
    if child.child_id in view.open:
        is_new = child.status is OrdStatus.PENDING_NEW or not child.venue_order_id
        if not is_new or c.ord_status == OrdStatus.PENDING_NEW:
            facts.append(ChildConfirmed(c.at, new_id(), child.child_id, c.venue_order_id, c.exec_id))
        else:
            facts.append(ChildAccepted(c.at, new_id(), child.child_id, c.venue_order_id, c.exec_id))
            facts += acknowledged(view.order, c.at, new_id)
        if child.child_id in view.waiting:
            return facts + _after_request(state, c, child, view, new_id)
        if child.request is None and _has_other_terms(c, child):
            return facts + _follow_terms(state, c, child, missed > 0, new_id)
        if view.pending is not None and view.order.pending is None:
            return facts + _called_back(view, child, c.at, new_id)
    return facts + settle(state, view, c.at, new_id)


def _has_other_terms(c: VenueReport, child: Child) -> bool:
    """Whether the exchange has the child with another quantity or price than we know. One that goes by an older ClOrdID
    is of before."""
    if child.ord_type is not OrdType.LIMIT or c.cl_ord_id != child.cl_ord_id:
        return False
    return c.order_qty not in (0, child.qty) or c.order_px not in (0, child.price)


def _follow_terms(state: State, c: VenueReport, child: Child, has_missed: bool, new_id: NewId) -> list[Fact]:
    """What the exchange has is what is so, also where we had asked for something else: the order follows. Fills that
    have just been learnt are applied first, and the terms asked for again."""
    told = f"{c.venue} has child {child.child_id} as {c.order_qty} at {c.order_px}, we had {child.qty} at {child.price}"
    alert = _alert(c, new_id, "TERMS", told)
    if has_missed:
        return [alert, ChildStatusAsked(c.at, new_id(), child.child_id)]
    return [alert, *_restated(state, c, child, new_id)]


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


def _after_request(state: State, c: VenueReport, child: Child, view: View, new_id: NewId) -> list[Fact]:
    """The exchange holds the child as before, and our request for it has no answer yet. A session delivers in order and
    resends what was lost, so that it never got there only if the session's numbers have begun anew since; else its
    answer is waited for."""
    if c.ord_status in PENDING or child.numbering == state.links[child.venue].anew:
        return []
    if child.request is Request.CANCEL:
        return [ChildCancelSent(c.at, new_id(), child.child_id)]
    facts: list[Fact] = [ChildRequestRejected(c.at, new_id(), child.child_id, "99", "it never got there")]
    view.waiting.discard(child.child_id)
    if view.pending is None or view.pending.through != child.request_id:
        return facts + _called_back(view, child, c.at, new_id)
    return facts + settle(state, view, c.at, new_id, "the session began anew before the request got there")


PENDING = (OrdStatus.PENDING_CANCEL, OrdStatus.PENDING_REPLACE)
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
    """A request of ours is refused. What its OrdStatus(39) says of the child is so: on a session that was not lost, all
    fills have come before. Where it leaves open what the child is, the exchange is asked, until it has told."""
    child = _child_of(state, c, c.cl_ord_id, c.orig_cl_ord_id)
    if child is None:
        return [_alert(c, new_id, "UNKNOWN_ORDER", f"{c.venue} refuses a request that we have not sent it")]
    if not child.request_id or child.request_id != c.cl_ord_id:
        return []
    facts: list[Fact] = [ChildRequestRejected(c.at, new_id(), child.child_id, c.reason, c.text)]
    view = View(state.order_of(child))
    unknown = c.reason == CxlRejReason.UNKNOWN_ORDER
    over = None if unknown or child.cum >= child.qty else FINAL.get(c.ord_status)
    if over is not None and c.ord_status != OrdStatus.FILLED and not state.in_doubt(child):
        return facts + end_child(state, c, child, view, over, c.text, new_id)
    if unknown:
        facts.append(_alert(c, new_id, "UNKNOWN_ORDER", f"{c.venue} does not know an order that we sent it"))
    if child.cum >= child.qty:
        view.end(child)
    elif unknown or over is not None or c.reason == CxlRejReason.TOO_LATE:
        facts.append(ChildStatusAsked(c.at, new_id(), child.child_id))
    view.waiting.discard(child.child_id)
    if child.request is Request.REPLACE and (view.pending is None or view.pending.through != child.request_id):
        return facts + _called_back(view, child, c.at, new_id)
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
