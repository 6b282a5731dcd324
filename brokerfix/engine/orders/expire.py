"""Orders whose time is over: at a trading day's begin, or at a time."""

from brokerfix import facts as f
from brokerfix.domain import GOOD_TILL, Request, RestatementReason
from brokerfix.engine.orders.ending import withdraw
from brokerfix.engine.orders.order import Order, is_over
from brokerfix.engine.state import State
from brokerfix.engine.step import Step


def at_day_begin(state: State, order: Order, step: Step, overdue: list[int]) -> None:
    """What a new trading day means for an order: what was for the day before expires, what is good longer is restated.
    One that waits for an exchange's answer is put among the `overdue`."""
    if order.done:
        return
    if is_over(order, state.day, step.at):
        if not expire(order, step, "end of the trading day"):
            overdue.append(order.order_id)
        return
    told = order.restated_on == state.day_began
    if order.time_in_force in GOOD_TILL and order.order_id < state.day_began and not told:
        step.emit(
            f.OrderRestated,
            order_id=order.order_id,
            reason=RestatementReason.GT_RENEWAL,
            qty=order.qty,
            price=order.price,
        )


def expire(order: Order, step: Step, text: str) -> bool:
    """The order expires, one that is at an exchange once that has let go of it. One that waits for an exchange's answer
    is left for the next time; one that an exchange would not let go of is asked for again. Returns whether there was
    anything to do."""
    children = order.children
    if order.pending is not None and order.pending.request is not Request.EXPIRE:
        return False
    if not children:
        step.emit(f.OrderExpired, order.order_id, text)
        return True
    if all(child.request is not None for child in children):
        return False
    step.emit(f.CancelPending, order_id=order.order_id, cl_ord_id="", request=Request.EXPIRE)
    withdraw(order, step)
    return True
