"""What was held back, once the reason is over: it is worked."""

import msgspec

from brokerfix.domain import ExecInst, Hold, RestatementReason
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.ending import cancel
from brokerfix.engine.orders.instructions import best
from brokerfix.engine.orders.order import Order
from brokerfix.engine.orders.work import work
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.routing.algorithms import strategy_of, work_slice
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.waiting.reposts import repost
from brokerfix.engine.waiting.stops import trail
from brokerfix.facts import OrderBooked, OrderReleased, OrderRouted, Trade


def release(state: State, order: Order, why: Hold, step: Step, operator: str = "") -> None:
    """What held the order back is over: it is worked. A stop that the market has reached is weighed again, now that it
    is known where."""
    valued_at = 0
    if why is Hold.STOP:
        valued_at = risk.worst_price(state, order)
        refused = risk.check_again(state, order, order.price, valued_at, step.at)
        if refused is not None:
            return cancel(order, "", step, RestatementReason.BROKER_OPTION, refused.text)
    step.emit(OrderReleased, order.order_id, why, operator=operator, risk_price=valued_at)
    free = msgspec.structs.replace(order, held=0, hold=None, passed=(*order.passed, why))
    others_open = bool(order.in_book or order.at_venues)
    work(state, free, order.held, step, others_open=others_open, last_px=order.last_px)


def look_at(state: State, order: Order, step: Step) -> None:
    """What an order that is watched does about the market as it is now."""
    if order.pending is not None or order.queue:
        return
    if order.hold is Hold.STOP:
        trail(state, order, step)
    elif strategy_of(order) is not None:
        work_slice(state, order, step)
    elif order.hold in (Hold.CONDITION, Hold.PEG):
        _try(state, order, step)
    elif order.has(ExecInst.CANCEL_IF_NOT_BEST) and (order.in_book or order.at_venues):
        there = best(state, order, order.side)
        if there is not None and not at_least_as_good(order.side.opposite, order.price, there):
            cancel(order, "", step, RestatementReason.NOT_BEST, "NOT_BEST: there is a better price")
    elif order.at_venues and state.instruments[order.symbol].repost_interval:
        repost(state, order, step)


def _try(state: State, order: Order, step: Step) -> None:
    """Work what is held, if that gives it a place now."""
    free = msgspec.structs.replace(order, held=0, hold=None)
    others_open = bool(order.in_book or order.at_venues)
    tried = step.fork()
    work(state, free, order.held, tried, others_open=others_open, held=order.held, last_px=order.last_px)
    if tried.has(Trade, OrderRouted, OrderBooked):
        step.join(tried)
