"""The market has moved: what waits for it acts, one order a command; it is asked for again until nothing moves."""

from brokerfix.commands import MarketMoved
from brokerfix.domain import CALLS, ExecInst, Hold, OrdType, Phase, Side
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.instructions import Anchors
from brokerfix.engine.orders.order import Order, is_over
from brokerfix.engine.orders.work import work
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.engine.waiting.holds import look_at, release
from brokerfix.engine.waiting.pegs import repeg
from brokerfix.engine.waiting.stops import next_reached
from brokerfix.facts import OrderRouted, OrderUnbooked

DECIDE = Decisions()


@DECIDE.on(MarketMoved, silent="nothing that waits for the market may act")
def market_moved(state: State, c: MarketMoved, step: Step) -> None:
    """The first order that the market as it is now lets act: pegs first, which only follow."""
    symbol = c.symbol
    if state.phase(symbol) in CALLS or state.phase(symbol) is Phase.CLOSED or state.is_halted(symbol):
        return
    watching = [state.orders[order_id] for order_id in state.watching[symbol]]
    if watching:
        anchors = Anchors(state, symbol)
        interval = state.instruments[symbol].peg_interval
        for order in watching:
            # This is looked at for each of many, at each move.
            if order.ord_type is OrdType.PEGGED and order.hold is None and c.at - order.repriced_at >= interval:
                repeg(state, order, anchors, step)
                if step.facts:
                    return
    for order in watching:
        look_at(state, order, step)
        if step.facts:
            return
    reached = next_reached(state, symbol)
    if reached is not None:
        release(state, reached, Hold.STOP, step)
    else:
        _go_where_it_is_better(state, symbol, step)


def _go_where_it_is_better(state: State, symbol: str, step: Step) -> None:
    """An order that rests in our book goes to a venue that now shows a price it would take."""
    book = state.books[symbol]
    if not len(book):
        return
    for side in Side:
        there = state.market.best(symbol, side.opposite)
        if there is None:
            continue
        for entry in book.walk(side):
            if not at_least_as_good(side, there, entry.price):
                break
            order = state.orders[entry.key]
            if not order.has(ExecInst.POST_ONLY) and not is_over(order, state.day, step.at):
                _send_out(state, order, step)
                if step.facts:
                    return


def _send_out(state: State, order: Order, step: Step) -> None:
    sent = step.fork()
    sent.emit(OrderUnbooked, order.order_id)
    work(state, order, order.in_book, sent, others_open=True, kept=order.held)
    if sent.has(OrderRouted):
        step.join(sent)
