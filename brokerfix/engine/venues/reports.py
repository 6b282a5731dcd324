"""What exchanges report of their children. Nothing an exchange says is dropped: what can't be applied is kept in an
alert."""

from collections.abc import Callable

from brokerfix.commands import OperatorResolve, VenueCancelReject, VenueOther, VenueReport
from brokerfix.domain import GOOD_TILL, IMMEDIATE, ExecType, Hold, OrdRejReason, OrdStatus, OrdType, Request
from brokerfix.engine.orders.order import Child, was_refused
from brokerfix.engine.orders.settle import ended_by_venue, replace_loose, settle
from brokerfix.engine.orders.work import View, acknowledge
from brokerfix.engine.routing.plans import Avoid
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.engine.venues.breaks import differs
from brokerfix.facts import (
    Alerted,
    ChildAccepted,
    ChildEnded,
    ChildNoted,
    ChildRestated,
    ChildStatusAsked,
    OrderCanceled,
    OrderNoted,
    OrderRestated,
)

DECIDE = Decisions()
TellsOfEnd = VenueReport | VenueCancelReject | OperatorResolve
"""What may tell that a child is over."""
ENDED = {
    ExecType.CANCELED: OrdStatus.CANCELED,
    ExecType.REJECTED: OrdStatus.REJECTED,
    ExecType.EXPIRED: OrdStatus.EXPIRED,
    ExecType.DONE_FOR_DAY: OrdStatus.DONE_FOR_DAY,
}
"""The reports after which an exchange holds nothing more of a child, and what the child then is."""
ReportHandler = Callable[[State, VenueReport, Child, Step], None]
REPORTS: dict[str, ReportHandler] = {}
"""What handles each ExecType(150)."""


def on(*exec_types: str) -> Callable[[ReportHandler], ReportHandler]:
    """Enter the function below as the handler of these ExecTypes."""

    def enter(handler: ReportHandler) -> ReportHandler:
        REPORTS.update(dict.fromkeys(exec_types, handler))
        return handler

    return enter


@DECIDE.on(VenueReport, silent="an acknowledgement or a resend of what is known")
def venue_report(state: State, c: VenueReport, step: Step) -> None:
    child = child_of(state, c, c.orig_cl_ord_id, c.cl_ord_id)
    if child is None:
        text = f"{c.venue} reports on an order that we have not sent it, or have no more"
        if c.exec_type == ExecType.TRADE:
            return differs(state, c.venue, None, "UNKNOWN_ORDER", c.qty, c.price, text, step, printable(c.raw))
        return alert(c, step, "UNKNOWN_ORDER", text)
    if c.possible_duplicate and _is_of(state, state.old_venue_execs.get(c.venue, {}).get(c.exec_id, 0), child):
        return
    if c.exec_type != ExecType.ORDER_STATUS and c.exec_id in state.venue_execs[c.venue]:
        if not c.possible_duplicate:
            alert(c, step, "REPEATED_EXEC_ID", f"{c.venue} sent ExecID {c.exec_id} again; not applied")
        return
    handler = REPORTS.get(c.exec_type)
    if handler is None:
        return alert(c, step, "UNEXPECTED", f"{c.venue} sent ExecType {c.exec_type} for {child.child_id}")
    handler(state, c, child, step)


def child_of(state: State, c: VenueReport | VenueCancelReject, *numbers: int) -> Child | None:
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


def alert(c: VenueReport | VenueCancelReject, step: Step, code: str, text: str) -> None:
    step.emit(Alerted, c.venue, code, text, printable(c.raw))


def printable(raw: str) -> str:
    return raw.replace("\x01", "|")


@on(ExecType.NEW)
def _acknowledged(state: State, c: VenueReport, child: Child, step: Step) -> None:
    order = state.order_of(child)
    if order.noted is not None and child.open:
        step.emit(ChildNoted, child.child_id, c.exec_id, c.exec_type)
        step.emit(OrderNoted, order.order_id, None)
    elif child.open and (not child.venue_order_id or child.status is OrdStatus.PENDING_NEW):
        step.emit(ChildAccepted, child.child_id, c.venue_order_id, c.exec_id)
        acknowledge(order, step)


@on(ExecType.PENDING_NEW, ExecType.PENDING_CANCEL, ExecType.PENDING_REPLACE, ExecType.TRIGGERED)
def _pending(state: State, c: VenueReport, child: Child, step: Step) -> None:
    """It changes nothing that we hold there."""


@on(*ENDED)
def _ended(state: State, c: VenueReport, child: Child, step: Step) -> None:
    if c.exec_type == ExecType.DONE_FOR_DAY and child.time_in_force in GOOD_TILL and child.open:
        _noted(state, c, child, step)
    elif not child.open:
        alert(c, step, "ENDED_AGAIN", f"{c.venue} ended a child that had ended ({child.status.name})")
    elif c.exec_type == ExecType.REJECTED and c.ord_rej_reason == OrdRejReason.DUPLICATE_ORDER:
        # It came twice, as after a crash of ours: what has become of the first?
        step.emit(ChildStatusAsked, child.child_id)
    else:
        end_child(state, c, child, View(state.order_of(child)), ENDED[ExecType(c.exec_type)], c.text, step)


def end_child(state: State, c: TellsOfEnd, child: Child, view: View, status: OrdStatus, text: str, step: Step) -> None:
    """The child is gone: answer the pending request, place what is left, or end the order with it."""
    exec_id = c.exec_id if isinstance(c, VenueReport) else ""
    operator = c.operator if isinstance(c, OperatorResolve) else ""
    step.emit(ChildEnded, child.child_id, exec_id, status, text, operator)
    view.end(child)
    order = view.order
    if order.ended is not None or (view.pending is None and view.unplaced <= 0):
        return
    if not view.leaves:
        return settle(state, view, step)
    if was_refused(child, status):
        view.avoid = Avoid(child.venue, child.price)
    if status is OrdStatus.REJECTED and view.pending is None and not order.ex_destination:
        view.avoid = Avoid(child.venue)
        elsewhere = step.fork()
        replace_loose(state, view, elsewhere)
        if not elsewhere.has(OrderCanceled):
            return step.join(elsewhere)
        # There is no other place: the order ends with the exchange's reason instead.
    elif _was_to_go(child, view) or view.open or view.in_book or order.hold is Hold.ALGORITHM:
        return settle(state, view, step)
    text = f"{child.venue}: {text or status.name.lower()}"
    reason = c.restatement_reason if isinstance(c, VenueReport) else ""
    ended_by_venue(view, status, text, step, reason)


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


@on(ExecType.STOPPED, ExecType.SUSPENDED, ExecType.CALCULATED)
def _noted(state: State, c: VenueReport, child: Child, step: Step) -> None:
    """The exchange holds the order as before but works it no more today, guarantees a price, or the like."""
    order = state.order_of(child)
    step.emit(ChildNoted, child.child_id, c.exec_id, c.exec_type)
    if order.ended is None:
        step.emit(OrderNoted, order.order_id, NOTES[ExecType(c.exec_type)], c.qty, c.price, c.text)


@on(ExecType.RESTATED)
def restated(state: State, c: VenueReport, child: Child, step: Step) -> None:
    """The exchange has changed the child's terms unasked: the order's follow."""
    order = state.order_of(child)
    qty, price = c.order_qty or child.qty, c.order_px or child.price
    if not child.open:
        return alert(c, step, "UNEXPECTED", f"{c.venue} restated a child that had ended")
    step.emit(ChildRestated, child.child_id, c.exec_id, qty, price)
    if order.ended is not None:
        return
    more = max(0, qty - child.cum) - child.leaves
    total = order.cum + max(0, order.leaves + more)
    step.emit(
        OrderRestated,
        order_id=order.order_id,
        reason=c.restatement_reason or "8",
        qty=total,
        price=price if order.price and len(order.children) == 1 and not order.in_book else order.price,
        text=c.text,
    )
    if qty > child.cum:
        return
    # The exchange holds nothing more of it.
    view = View(order)
    view.leaves = total - order.cum
    view.end(child)
    settle(state, view, step)


@DECIDE.on(VenueOther)
def venue_other(state: State, c: VenueOther, step: Step) -> None:
    step.emit(Alerted, c.venue, c.code, c.text, c.raw)
