"""Orders that are to end: at once, or as soon as the exchanges that hold them have let go."""

from brokerfix.domain import Request
from brokerfix.engine.orders.order import Order
from brokerfix.engine.step import Step
from brokerfix.facts import CancelPending, ChildCancelSent, OrderCanceled, OrderUnbooked, RequestQueued


def cancel(order: Order, cl_ord_id: str, step: Step, reason: str = "", text: str = "", operator: str = "") -> None:
    """Cancel an order, at once or as soon as the exchanges that hold some of it have let go. Without a client's request
    (`cl_ord_id` empty) the reason is told."""
    if waits(order):
        # It has its turn once the replace is answered: till then the exchange may hold what was asked for.
        step.emit(
            RequestQueued,
            order_id=order.order_id,
            cl_ord_id=cl_ord_id,
            request=Request.CANCEL,
            reason=str(reason),
            text=text,
            operator=operator,
        )
    elif not order.children:
        step.emit(OrderCanceled, order.order_id, cl_ord_id, text, str(reason), operator)
    else:
        step.emit(
            CancelPending,
            order_id=order.order_id,
            cl_ord_id=cl_ord_id,
            request=Request.CANCEL,
            reason=str(reason),
            text=text,
            operator=operator,
        )
        withdraw(order, step)


def is_cancelable(order: Order) -> bool:
    """Whether a working order is not being canceled already."""
    if order.pending is not None and order.pending.request is not Request.REPLACE:
        return False
    return not any(waiting.request is Request.CANCEL for waiting in order.queue)


def waits(order: Order) -> bool:
    """Whether a new request has to wait for its turn."""
    return (order.pending is not None and order.pending.request is Request.REPLACE) or bool(order.queue)


def withdraw(order: Order, step: Step) -> None:
    """Take the order out of our book and ask every exchange that holds some of it to cancel."""
    if order.in_book:
        step.emit(OrderUnbooked, order.order_id)
    for child in order.children:
        if child.request is None:
            step.emit(ChildCancelSent, child.child_id)
