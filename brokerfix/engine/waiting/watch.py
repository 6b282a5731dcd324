"""What waits for the market: stops, pegs, all-or-none and minimum quantities, and orders that rest in our book while an
exchange shows a better price. Each command lets one order act; it is asked for again until nothing moves."""

from itertools import count

import msgspec

from brokerfix.commands import MarketMoved
from brokerfix.domain import CALLS, ExecInst, Hold, OrdType, Phase, RestatementReason, Side
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.clients import cancel
from brokerfix.engine.orders.instructions import Anchors, best, peg_price, stop_reached, trailing_stop
from brokerfix.engine.orders.order import Order, is_over
from brokerfix.engine.orders.working import NewId, work
from brokerfix.engine.state import State
from brokerfix.facts import (
    ChildReplaceSent,
    Fact,
    OrderBooked,
    OrderReleased,
    OrderRepriced,
    OrderRouted,
    OrderUnbooked,
    StopMoved,
    Trade,
)


def market_moved(state: State, c: MarketMoved, new_id: NewId) -> list[Fact]:
    """The first order that the market as it is now lets act: pegs first, which only follow."""
    symbol = c.symbol
    if state.phase(symbol) in CALLS or state.phase(symbol) is Phase.CLOSED or is_halted(state, symbol):
        return []
    watching = [state.orders[order_id] for order_id in state.watching[symbol]]
    if watching:
        anchors = Anchors(state, symbol)
        interval = state.instruments[symbol].peg_interval
        for order in watching:
            # This is looked at for each of many, at each move.
            if order.ord_type is OrdType.PEGGED and order.hold is None and c.at - order.repriced_at >= interval:
                facts = _repegged(state, order, anchors, c.at)
                if facts:
                    return facts
    for order in watching:
        facts = _watched(state, order, c.at)
        if facts:
            return facts
    return _stopped(state, symbol, c.at) or _better_elsewhere(state, symbol, c.at)


def is_halted(state: State, symbol: str) -> bool:
    return state.instruments[symbol].halted or ("all", "") in state.halts or ("symbol", symbol) in state.halts


def released(state: State, order: Order, why: Hold, at: int, operator: str = "") -> list[Fact]:
    """What held the order back is over: it is worked."""
    new_id = _fresh(state)
    facts: list[Fact] = [OrderReleased(at, new_id(), order.order_id, why, operator=operator)]
    free = msgspec.structs.replace(order, held=0, hold=None, passed=(*order.passed, why))
    others_open = bool(order.in_book or order.at_venues)
    return facts + work(state, free, order.held, at, new_id, others_open, last_px=order.last_px)


def _fresh(state: State) -> NewId:
    """Fact numbers for facts that may be thrown away."""
    return count(state.last_id + 1).__next__


def _stopped(state: State, symbol: str, at: int) -> list[Fact]:
    stops = state.stops[symbol]
    if not len(stops):
        return []
    for side in Side:
        # A buy's stop is filed as an offer and a sell's as a bid: the best is the next to be reached.
        nearest = stops.best(side.opposite)
        if nearest is not None and stop_reached(state, symbol, side, nearest):
            return released(state, state.orders[next(stops.walk(side.opposite)).key], Hold.STOP, at)
    return []


def _watched(state: State, order: Order, at: int) -> list[Fact]:
    if order.pending is not None or order.queue:
        return []
    if order.hold is Hold.STOP:
        if order.has(ExecInst.TRAILING_STOP) and (stop_px := trailing_stop(state, order)) != order.stop_px:
            return [StopMoved(at, state.last_id + 1, order.order_id, stop_px)]
        return []
    if order.hold in (Hold.CONDITION, Hold.PEG):
        return _tried(state, order, at)
    if order.has(ExecInst.CANCEL_IF_NOT_BEST) and (order.in_book or order.at_venues):
        there = best(state, order, order.side)
        if there is not None and not at_least_as_good(order.side.opposite, order.price, there):
            reason = RestatementReason.NOT_BEST
            return cancel(order, "", at, _fresh(state), reason, "NOT_BEST: there is a better price")
    return []


def _tried(state: State, order: Order, at: int) -> list[Fact]:
    """Work what is held, if that gives it a place now."""
    free = msgspec.structs.replace(order, held=0, hold=None)
    others_open = bool(order.in_book or order.at_venues)
    facts = work(state, free, order.held, at, _fresh(state), others_open, held=order.held, last_px=order.last_px)
    return facts if any(isinstance(fact, Trade | OrderRouted | OrderBooked) for fact in facts) else []


def _repegged(state: State, order: Order, anchors: Anchors, at: int) -> list[Fact]:
    """Follow the market."""
    price = peg_price(state, order, anchors)
    if not price or price == order.price or order.pending is not None or order.queue:
        return []
    if order.has(ExecInst.TRAILING_STOP):
        return []
    new_id = _fresh(state)
    if order.in_book:
        free = msgspec.structs.replace(order, in_book=0)
        unbooked = OrderUnbooked(at, new_id(), order.order_id)
        others_open = bool(order.at_venues or order.held)
        return [unbooked, *work(state, free, order.in_book, at, new_id, others_open, kept=order.held)]
    children = order.children
    if len(children) != 1 or children[0].request is not None or children[0].ord_type is not OrdType.LIMIT:
        return []
    child = children[0]
    return [
        OrderRepriced(at, new_id(), order.order_id, price),
        ChildReplaceSent(at, new_id(), child.child_id, child.qty, price, child.instructions),
    ]


def _better_elsewhere(state: State, symbol: str, at: int) -> list[Fact]:
    """An order that rests in our book goes to a venue that now shows a price it would take."""
    book = state.books[symbol]
    if not len(book):
        return []
    for side in Side:
        there = state.market.best(symbol, side.opposite)
        if there is None:
            continue
        for entry in book.walk(side):
            if not at_least_as_good(side, there, entry.price):
                break
            order = state.orders[entry.key]
            if order.has(ExecInst.POST_ONLY) or is_over(order, state.day, at):
                continue
            facts = _send_out(state, order, at)
            if facts:
                return facts
    return []


def _send_out(state: State, order: Order, at: int) -> list[Fact]:
    new_id = _fresh(state)
    unbooked = OrderUnbooked(at, new_id(), order.order_id)
    placed = work(state, order, order.in_book, at, new_id, others_open=True, kept=order.held)
    return [unbooked, *placed] if any(isinstance(fact, OrderRouted) for fact in placed) else []
