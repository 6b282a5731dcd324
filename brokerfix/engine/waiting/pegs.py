"""Pegs, which follow the market."""

import msgspec

from brokerfix.domain import ExecInst, OrdType, RestatementReason
from brokerfix.engine.orders.ending import cancel
from brokerfix.engine.orders.instructions import Anchors, peg_price
from brokerfix.engine.orders.order import Order
from brokerfix.engine.orders.work import work
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.routing.own import would_meet_own
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.facts import ChildReplaceSent, OrderRepriced, OrderUnbooked


def repeg(state: State, order: Order, anchors: Anchors, step: Step) -> None:
    """Follow the market."""
    price = peg_price(state, order, anchors)
    if not price or price == order.price or order.pending is not None or order.queue:
        return
    if order.has(ExecInst.TRAILING_STOP):
        return
    refused = risk.check_again(state, order, price, max(order.risk_price, price), step.at)
    if refused is not None:
        return cancel(order, "", step, RestatementReason.BROKER_OPTION, refused.text)
    if order.in_book:
        free = msgspec.structs.replace(order, in_book=0)
        step.emit(OrderUnbooked, order.order_id)
        others_open = bool(order.at_venues or order.held)
        work(state, free, order.in_book, step, others_open=others_open, kept=order.held)
        return
    children = order.children
    if len(children) != 1 or children[0].request is not None or children[0].ord_type is not OrdType.LIMIT:
        return
    child = children[0]
    if would_meet_own(state, order, child.venue, price):
        # It stays where it is.
        return
    step.emit(OrderRepriced, order.order_id, price)
    step.emit(ChildReplaceSent, child.child_id, child.qty, price, child.instructions)
