"""What a routing decision has seen and weighed, as its fact tells it."""

from functools import lru_cache
from typing import Any

from brokerfix.domain import Score, Side, Venue, average_text, money_text, to_text
from brokerfix.engine.charges import exchange_fee
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.order import Order
from brokerfix.engine.routing.costs import fee_of_unit, fee_text, unit_of
from brokerfix.engine.routing.plans import NOWHERE, Avoid, Plan
from brokerfix.engine.routing.statistics import is_open
from brokerfix.engine.state import State


def evidence(state: State, order: Order, qty: int, planned: Plan, at: int, avoid: Avoid = NOWHERE) -> dict[str, Any]:
    """The fields of the RouteDecided of a plan for `qty` of the order, which had something to `avoid`."""
    instrument = state.instruments[order.symbol]
    expected_qty = notional = fee = 0
    price = ""
    for one in planned.seen:
        if one.aimed:
            price = "" if expected_qty else to_text(one.price, instrument.price_digits)
            expected_qty += one.aimed
            notional += one.aimed * one.price
            worth = one.aimed * one.price * instrument.money_factor
            fee += exchange_fee(state.terms_of(one.venue), one.aimed, instrument.qty_digits, worth, False)
    if expected_qty and not price:
        price = average_text(notional, expected_qty, instrument.price_digits)
    bid, ask = _best(state, order.symbol, Side.BUY), _best(state, order.symbol, Side.SELL)
    return {
        "order_id": order.order_id,
        "mode": planned.mode,
        "qty": qty,
        "bid": bid,
        "ask": ask,
        "seen": planned.seen,
        "scores": tuple(_scores(state, order, planned, at, avoid)),
        "expected_qty": expected_qty,
        "expected_px": price,
        "expected_fee": fee_text(fee) if fee else "",
        "note": planned.note or planned.why_left,
    }


def _best(state: State, symbol: str, side: Side) -> tuple[int, int] | None:
    """The best price of the whole market and what is there in all."""
    ours, theirs = state.books[symbol].top(side), state.market.books[symbol].top(side)
    if ours is None or theirs is None:
        return theirs if ours is None else ours
    if ours[0] == theirs[0]:
        return ours[0], ours[1] + theirs[1]
    return ours if at_least_as_good(side.opposite, ours[0], theirs[0]) else theirs


def _scores(state: State, order: Order, planned: Plan, at: int, avoid: Avoid) -> list[Score]:
    """Each exchange that might have got some."""
    symbol, side, quotes_of = order.symbol, order.side.opposite, state.market.quotes
    unit = unit_of(state.instruments[symbol])
    gets: dict[str, int] = {}
    for route in planned.routes:
        gets[route.venue] = gets.get(route.venue, 0) + route.qty
    scores = []
    is_plain = not state.circuits and not state.halts and not avoid.venue
    for name, venue in state.venues.items():
        if venue.removed or venue.drop_copy or (venue.symbols and symbol not in venue.symbols):
            continue
        quotes = quotes_of.get((name, symbol))
        cost, shown = "", 0
        if quotes is not None and not quotes.out:
            levels = quotes.asks if side is Side.SELL else quotes.bids
            if levels:
                rank, shown = levels.peekitem(0)
                terms = state.terms_of(name) if venue.tiers else venue
                fees = terms.taker_fee, terms.taker_bps, terms.fee_cap_bps
                cost = _cost(*fees, abs(rank) * unit, side is Side.SELL)
        got = gets.get(name, 0)
        if got:
            why = ""
        elif shown and is_plain and name not in order.shunned:
            why = OTHERS
        else:
            why = _why_not(state, order, name, bool(shown), at, avoid)
        scores.append(Score(name, cost, shown, got, why))
    return scores


@lru_cache(maxsize=1 << 14)
def _cost(taker_fee: str, taker_bps: str, fee_cap_bps: str, worth: int, is_bought: bool) -> str:
    """What a unit that is worth so much money costs with the exchange's fee, or what it brings without it."""
    fee = fee_of_unit(Venue("", taker_fee, taker_bps=taker_bps, fee_cap_bps=fee_cap_bps), worth)
    return money_text(worth + fee if is_bought else worth - fee)


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
    return OTHERS if shows else "shows nothing"


OTHERS = "others are better, or it is not needed"
