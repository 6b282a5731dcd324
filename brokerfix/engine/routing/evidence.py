"""What a routing decision has seen and weighed, as its fact tells it."""

from typing import Any

from brokerfix.domain import Score, Side, average_text, money_text
from brokerfix.engine.charges import exchange_fee
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.order import Order
from brokerfix.engine.routing.costs import all_in, fee_text
from brokerfix.engine.routing.plans import NOWHERE, Avoid, Plan
from brokerfix.engine.routing.statistics import is_open
from brokerfix.engine.state import State


def evidence(state: State, order: Order, qty: int, planned: Plan, at: int, avoid: Avoid = NOWHERE) -> dict[str, Any]:
    """The fields of the RouteDecided of a plan for `qty` of the order, which had something to `avoid`."""
    instrument = state.instruments[order.symbol]
    expected_qty = notional = fee = 0
    for one in planned.seen:
        if one.aimed:
            expected_qty += one.aimed
            notional += one.aimed * one.price
            worth = one.aimed * one.price * instrument.money_factor
            fee += exchange_fee(state.venues[one.venue], one.aimed, instrument.qty_digits, worth, False)
    bid, ask = (_best(state, order.symbol, side) for side in Side)
    placed = planned.book + planned.held + sum(one.qty for one in planned.crosses)
    placed += sum(one.qty for one in planned.routes)
    return {
        "order_id": order.order_id,
        "mode": planned.mode,
        "qty": qty,
        "bid": bid,
        "ask": ask,
        "seen": planned.seen,
        "scores": tuple(_scores(state, order, planned, at, avoid)),
        "expected_qty": expected_qty,
        "expected_px": average_text(notional, expected_qty, instrument.price_digits) if expected_qty else "",
        "expected_fee": money_text(fee) if fee else "",
        "note": planned.note or (planned.why_left if placed < qty else ""),
    }


def _best(state: State, symbol: str, side: Side) -> tuple[int, int] | None:
    """The best price of the whole market and what is there in all."""
    ours = next(state.books[symbol].levels(side), None)
    theirs = next(state.market.books[symbol].levels(side), None)
    if ours is None or theirs is None:
        return theirs if ours is None else ours
    if ours[0] == theirs[0]:
        return ours[0], ours[1] + theirs[1]
    return ours if at_least_as_good(side.opposite, ours[0], theirs[0]) else theirs


def _scores(state: State, order: Order, planned: Plan, at: int, avoid: Avoid) -> list[Score]:
    """Each exchange that might have got some."""
    instrument, market, side = state.instruments[order.symbol], state.market, order.side
    gets: dict[str, int] = {}
    for route in planned.routes:
        gets[route.venue] = gets.get(route.venue, 0) + route.qty
    scores = []
    for venue in state.venues.values():
        name = venue.venue
        if venue.removed or venue.drop_copy or (venue.symbols and order.symbol not in venue.symbols):
            continue
        quotes = market.quotes.get((name, order.symbol))
        levels = quotes.side(side.opposite) if quotes is not None and not quotes.out else None
        cost, shown = "", 0
        if levels:
            best = levels.keys()[0] * (1 if side is Side.BUY else -1)
            cost = fee_text(abs(all_in(instrument, side, best, venue)))
            shown = levels.values()[0]
        got = gets.get(name, 0)
        why = "" if got else _why_not(state, order, name, bool(levels), at, avoid)
        scores.append(Score(name, cost, shown, got, why))
    return scores


def _why_not(state: State, order: Order, venue: str, shows: bool, at: int, avoid: Avoid) -> str:
    """Why an exchange gets nothing."""
    if not state.market.up.get(venue):
        return "down"
    out = state.market.why_out(venue, order.symbol)
    if out:
        return out
    if not state.venue_quotes(venue, order.symbol):
        return "halted here"
    if venue in order.shunned or (venue == avoid.venue and avoid.limit is None):
        return "has rejected a part of it"
    if venue == avoid.venue and shows:
        return "has just not filled what it showed"
    failing = is_open(state, venue, at)
    if failing:
        return failing
    return "others are better, or it is not needed" if shows else "shows nothing"
