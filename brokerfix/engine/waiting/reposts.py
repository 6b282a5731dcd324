"""What is queued at an exchange moves: where another exchange shows a price that the order would take, or, of one that
is queued at the best price of its side, when that is another one now."""

from brokerfix.domain import IMMEDIATE, ExecInst, OrdStatus, OrdType
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.order import Child, Order
from brokerfix.engine.routing.queueing import is_behind
from brokerfix.engine.routing.statistics import is_open
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.facts import ChildCancelSent


def repost(state: State, order: Order, step: Step) -> None:
    """Call back what should be elsewhere; when it has come back it is placed anew."""
    if order.ex_destination or order.has(ExecInst.POST_ONLY):
        return
    interval = state.instruments[order.symbol].repost_interval
    for child in order.children:
        moves = child.time_in_force not in IMMEDIATE and child.ord_type is OrdType.LIMIT and child.request is None
        if (
            not moves
            or child.status is OrdStatus.PENDING_NEW
            or step.at - max(child.sent_at, child.asked_at) < interval
        ):
            continue
        if _is_better_elsewhere(state, order, child, step.at) or (
            child.price != order.price and is_behind(state, order, child.price)
        ):
            step.emit(ChildCancelSent, child.child_id)


def _is_better_elsewhere(state: State, order: Order, child: Child, at: int) -> bool:
    for quote in state.market.walk(order.symbol, order.side.opposite):
        if not at_least_as_good(order.side, quote.price, child.price):
            return False
        name = quote.key[0]
        if name == child.venue or name in order.shunned or not state.venue_quotes(name, order.symbol):
            continue
        if not is_open(state, name, at):
            return True
    return False
