"""Stops, and those that trail the market."""

from brokerfix.domain import ExecInst, Side
from brokerfix.engine.orders.instructions import stop_reached, trailing_stop
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.facts import StopMoved


def trail(state: State, order: Order, step: Step) -> None:
    """A trailing stop follows the market."""
    if order.has(ExecInst.TRAILING_STOP) and (stop_px := trailing_stop(state, order)) != order.stop_px:
        step.emit(StopMoved, order.order_id, stop_px)


def next_reached(state: State, symbol: str) -> Order | None:
    """The first order whose stop the market has reached."""
    stops = state.stops[symbol]
    if not len(stops):
        return None
    for side in Side:
        # A buy's stop is filed as an offer and a sell's as a bid: the best is the next to be reached.
        nearest = stops.best(side.opposite)
        if nearest is not None and stop_reached(state, symbol, side, nearest):
            return state.orders[next(stops.walk(side.opposite)).key]
    return None
