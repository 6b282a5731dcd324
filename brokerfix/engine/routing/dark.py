"""Exchanges that show nothing, asked at the mid before the others are."""

from brokerfix.domain import Instrument, OrdType, RouteRule, Side, TimeInForce
from brokerfix.engine.market import uncrossed
from brokerfix.engine.orders.order import Order
from brokerfix.engine.routing.modes import equal_shares
from brokerfix.engine.routing.plans import Route
from brokerfix.engine.state import State


def dark_first(state: State, order: Order, instrument: Instrument, qty: int, shunned: set[str]) -> list[Route]:
    """Equal shares for the dark exchanges that the order was not at yet, at the mid (on the tick that is the better one
    for the order, and within its limit), to be filled at once or not at all. Nothing where there is no mid."""
    dark = [
        venue.venue
        for venue in state.venues.values()
        if venue.dark
        and venue.venue not in shunned
        and venue.venue not in order.visited
        and state.venue_quotes(venue.venue, order.symbol)
    ]
    price = _mid(state, order, instrument) if dark else 0
    if not price:
        return []
    shares = equal_shares(qty, dict.fromkeys(dark, qty), instrument.lot)
    return [
        Route(venue, share, price, OrdType.LIMIT, TimeInForce.IOC, RouteRule.DARK_FIRST)
        for venue, share in shares.items()
        if share
    ]


def _mid(state: State, order: Order, instrument: Instrument) -> int:
    book, quotes = state.books[order.symbol], state.market.books[order.symbol]
    best = []
    for side in Side:
        sides = [one for one in (next(book.levels(side), None), next(quotes.levels(side), None)) if one is not None]
        if not sides:
            return 0
        best.append(max(sides) if side is Side.BUY else min(sides))
    bid, ask = uncrossed(iter(best[:1]), iter(best[1:]))
    if bid is None or ask is None:
        return 0
    up = 1 if order.side is Side.SELL else -1
    # Half a tick goes in the order's favour.
    price = up * -(-(up * (bid[0] + ask[0])) // (2 * instrument.tick)) * instrument.tick
    if order.works_as is OrdType.LIMIT:
        price = min(price, order.price) if order.side is Side.BUY else max(price, order.price)
    return price
