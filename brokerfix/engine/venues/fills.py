"""Fills that exchanges report, take back and correct."""

from brokerfix.commands import VenueReport
from brokerfix.domain import IMMEDIATE, ExecType, Hold, OrdStatus
from brokerfix.engine.fees import child_fee
from brokerfix.engine.orders.order import Child, Fill, Order
from brokerfix.engine.orders.settle import settle
from brokerfix.engine.orders.work import View, acknowledge, trim
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.venues.breaks import differs
from brokerfix.engine.venues.reports import alert, on, printable
from brokerfix.facts import ChildFilled, OrderHeld, TradeBusted, TradeCorrected


@on(ExecType.TRADE)
def _filled(state: State, c: VenueReport, child: Child, step: Step) -> None:
    if c.qty <= 0:
        return alert(c, step, "BAD_FILL", f"{c.venue} sent a fill without a quantity; not applied")
    if 0 <= c.cum <= child.covered:
        return alert(c, step, "COVERED", "this fill was booked from a status report already; not applied")
    view = View(state.order_of(child))
    acknowledge(view.order, step)
    fee = child_fee(state, child, c.qty, c.price, c.liquidity)
    step.emit(
        ChildFilled,
        child_id=child.child_id,
        venue_exec_id=c.exec_id,
        qty=c.qty,
        price=c.price,
        fee=fee,
        liquidity=c.liquidity,
    )
    if c.defect:
        alert(c, step, "INEXACT", c.defect)
    if not child.open and child.status is not OrdStatus.FILLED:
        alert(c, step, "FILL_AFTER_END", f"{c.venue} filled {c.qty} of a child that had ended; booked")
    elif c.qty > child.leaves:
        alert(c, step, "OVERFILL", f"{c.venue} filled {c.qty - child.leaves} more than the child had; booked")
    elif 0 <= c.cum != child.cum + c.qty:
        more, told = c.cum - child.cum - c.qty, f"{c.venue} says CumQty {c.cum}, we have {child.cum + c.qty}"
        differs(state, c.venue, child, "CUM_QTY", more, c.price, told, step, printable(c.raw))
    view.fill(child, c.qty, c.price)
    trim(view, step)
    settle(state, view, step)


@on(ExecType.TRADE_CANCEL)
def _busted(state: State, c: VenueReport, child: Child, step: Step) -> None:
    """The exchange takes a fill back. What it does not work again is held for the operator."""
    found = _fill_of(state, c, child)
    if found is None or not found.qty:
        return _unknown(state, c, child, f"{c.venue} busts a fill that we do not have: {c.exec_ref_id}", step)
    order = state.order_of(child)
    works_again = child.status is OrdStatus.FILLED and child.time_in_force not in IMMEDIATE and c.leaves != 0
    reinstated = child.open or (works_again and order.ended is None)
    step.emit(
        TradeBusted,
        exec_id=found.exec_id,
        ref_id=found.last_id,
        venue_exec_id=c.exec_id,
        reinstated=reinstated,
        text=c.text,
    )
    if order.ended is None:
        again = max(0, child.qty - child.cum + found.qty) - child.leaves if reinstated else 0
        hold_for_operator(order, found.qty, step, again)
    elif works_again:
        told = f"{c.venue} may work {found.qty} again of an order that has ended; see that it does not"
        alert(c, step, "REINSTATED", told)


@on(ExecType.TRADE_CORRECT)
def _corrected(state: State, c: VenueReport, child: Child, step: Step) -> None:
    found = _fill_of(state, c, child)
    if found is None or not found.qty:
        return _unknown(state, c, child, f"{c.venue} corrects a fill that we do not have: {c.exec_ref_id}", step)
    if c.qty <= 0:
        return alert(c, step, "BAD_FILL", f"{c.venue} corrects a fill to no quantity; not applied")
    view = View(state.order_of(child))
    step.emit(
        TradeCorrected,
        exec_id=found.exec_id,
        ref_id=found.last_id,
        venue_exec_id=c.exec_id,
        qty=c.qty,
        price=c.price,
        text=c.text,
        fee=child_fee(state, child, c.qty, c.price, c.liquidity or found.liquidity),
    )
    more = c.qty - found.qty
    if more > 0:
        view.fill(child, more, c.price)
        trim(view, step)
        settle(state, view, step)
    elif more < 0 and not child.open and view.order.ended is None:
        hold_for_operator(view.order, -more, step)


def _unknown(state: State, c: VenueReport, child: Child, text: str, step: Step) -> None:
    differs(state, c.venue, child, "UNKNOWN_FILL", c.qty, c.price, text, step, printable(c.raw))


def _fill_of(state: State, c: VenueReport, child: Child) -> Fill | None:
    """The fill that an exchange's ExecRefID(19) names, by its first ExecID or that of a correction."""
    execs = state.venue_execs.get(c.venue, {}), state.old_venue_execs.get(c.venue, {})
    number = next((known[c.exec_ref_id] for known in execs if c.exec_ref_id in known), 0)
    found = state.fills.get(number)
    if found is None:
        found = next((fill for fill in state.fills.values() if fill.last_id == number), None)
    return found if found is not None and found.child_id == child.child_id else None


def hold_for_operator(order: Order, qty: int, step: Step, again: int = 0) -> None:
    """What is open again after `qty` was taken back waits for an operator, who releases or cancels it, and with it
    whatever else of the order is with us; but for what an exchange works `again`."""
    leaves = max(0, order.qty - order.cum + qty)
    loose = min(qty, leaves - order.in_book - order.at_venues - order.held - again)
    if loose > 0:
        step.emit(OrderHeld, order.order_id, order.held + loose, Hold.MANUAL)
