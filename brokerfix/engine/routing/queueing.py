"""Taken now or queued: what of an order is sent to be filled at once, and what waits in which exchange's queue at the
best price of its own side, by what both are expected to cost (`placement`)."""

from brokerfix.domain import MONEY_DIGITS, Instrument, OrdType, RouteRule, TimeInForce, to_scaled
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.order import Order
from brokerfix.engine.routing.costs import fee_of_unit, unit_of
from brokerfix.engine.routing.placement import Terms, VenueTerms, allocate
from brokerfix.engine.routing.plans import Route
from brokerfix.engine.state import State


def queued(state: State, order: Order, instrument: Instrument, qty: int, shunned: set[str]) -> tuple[list[Route], str]:
    """The children that are queued, which leave the rest of `qty` to be taken, and what they were reckoned with, as
    text. None where the instrument has no terms for it, the market is one-sided or locked, or the best price is beyond
    the order's limit."""
    terms, market = instrument.placement, state.market
    own, other = market.best(order.symbol, order.side), market.best(order.symbol, order.side.opposite)
    if terms is None or own is None or other is None or at_least_as_good(order.side, other, own):
        return [], ""
    if order.works_as is OrdType.LIMIT and not at_least_as_good(order.side, own, order.price):
        return [], ""
    money = 10**MONEY_DIGITS
    unit, scale = unit_of(instrument), 10**instrument.qty_digits
    outflow = to_scaled(terms.outflow, 8) * scale / 10**8
    # What is taken is taken where the best price is.
    first = next(iter(market.by_price(order.symbol, order.side.opposite)))
    fee = min(fee_of_unit(state.terms_of(quote.key[0]), other * unit) for quote in first)
    there = [
        VenueTerms(
            venue.venue,
            fee / money,
            -fee_of_unit(state.terms_of(venue.venue), own * unit, True) / money,
            _shown(state, venue.venue, order, own),
            outflow,
        )
        for venue in state.venues.values()
        if venue.venue not in shunned and not venue.dark and state.venue_quotes(venue.venue, order.symbol)
    ]
    half = abs(other - own) * unit / 2 / money
    lambda_u, theta = (to_scaled(text, 8) / 10**8 for text in (terms.lambda_u, terms.theta))
    # Where a fill costs more than to miss it nothing is queued.
    there = [one for one in there if lambda_u + half + one.rebate + theta > 0]
    if not there:
        return [], ""
    placed = allocate(qty, instrument.lot, Terms(half, theta, lambda_u), there)
    note = (
        f"half spread {half:g}, outflow {terms.outflow}, lambda_u {terms.lambda_u}: {sum(placed.limit.values())} queued"
    )
    return [
        Route(venue, part, own, OrdType.LIMIT, _rests(order.time_in_force), RouteRule.SPLIT)
        for venue, part in placed.limit.items()
    ], note


def _shown(state: State, venue: str, order: Order, price: int) -> int:
    quotes = state.market.quotes.get((venue, order.symbol))
    return quotes.qty(order.side, price) if quotes is not None else 0


def _rests(time_in_force: TimeInForce) -> TimeInForce:
    return time_in_force if time_in_force is TimeInForce.GTC else TimeInForce.DAY


def is_behind(state: State, order: Order, price: int) -> bool:
    """Whether a child that is queued at a price is no longer at the best of its side, its own quantity aside, though
    the order's limit lets it be there."""
    mine = {(child.venue, child.price): child.leaves for child in order.children}
    best = next(
        (
            quote.price
            for quote in state.market.walk(order.symbol, order.side)
            if quote.qty > mine.get((quote.key[0], quote.price), 0)
        ),
        None,
    )
    if best is None or at_least_as_good(order.side.opposite, price, best):
        return False
    return (
        order.works_as is not OrdType.LIMIT or at_least_as_good(order.side, best, order.price) or price != order.price
    )
