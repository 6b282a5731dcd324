"""Where an order goes: how much, at what price, and why. Everything here reads and changes nothing."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

import msgspec

from brokerfix.domain import IMMEDIATE, Instrument, OrdStatus, OrdType, TimeInForce
from brokerfix.engine.book import Entry, at_least_as_good
from brokerfix.engine.market import Level
from brokerfix.engine.orders import Order
from brokerfix.engine.state import State

MAX_ROUTES = 50
"""Children an order may have had before it is no longer routed again: a venue that lies can't keep us busy."""


class Cross(msgspec.Struct, frozen=True, gc=False):
    """A trade with an order that rests in our book."""

    maker_order_id: int
    qty: int
    price: int


class Route(msgspec.Struct, frozen=True, gc=False):
    """A child order to send."""

    venue: str
    qty: int
    price: int
    ord_type: OrdType
    time_in_force: TimeInForce
    why: str


class Plan(msgspec.Struct, gc=False):
    """What to do with a quantity. What `crosses`, `routes` and `book` leave over can't be placed now."""

    crosses: list[Cross] = []
    routes: list[Route] = []
    book: int = 0
    why_left: str = ""


def plan(state: State, order: Order, qty: int, avoid: str = "") -> Plan:
    """Place `qty` of the order: cross it with our book where the policy allows, take the best venues up to its
    limit, and rest what is left where the policy says. Venues that refused it, and `avoid`, are left out."""
    instrument = state.instruments[order.symbol]
    if order.ex_destination:
        return _direct(state, order, qty)
    result = Plan()
    shunned = {avoid, *[child.venue for child in order.children if child.status is OrdStatus.REJECTED]}
    if order.routes >= MAX_ROUTES:
        shunned.update(state.venues)
    taken = _take(state, instrument, order, qty, shunned, result)
    left = qty - taken
    if order.time_in_force is TimeInForce.FOK and not _fill_or_kill(state, order, qty, shunned, result):
        return Plan(why_left=f"FOK: limit={qty}, value={taken}: not to be had in one place")
    if not left:
        return result
    if order.time_in_force in IMMEDIATE or order.ord_type is OrdType.MARKET:
        result.why_left = "NO_LIQUIDITY: nothing more to be had at once"
    elif instrument.post == "book" or not state.venues:
        result.book = left
    else:
        _post(state, order, left, shunned, result)
    return result


def _cheapest_first(state: State, quotes: Iterator[Entry[Level]]) -> Iterator[Entry[Level]]:
    """The quotes with those of one price ordered by the venue's taker fee."""
    for _, tied in groupby(quotes, key=attrgetter("price")):
        level = list(tied)
        if len(level) > 1:
            level.sort(key=lambda quote: Decimal(state.venues[quote.key[0]].taker_fee))
        yield from level


def _direct(state: State, order: Order, qty: int) -> Plan:
    venue = order.ex_destination
    at_once = order.time_in_force in IMMEDIATE or order.ord_type is OrdType.MARKET
    if at_once and order.routes:
        return Plan(why_left=f"NO_LIQUIDITY: nothing more to be had at {venue}")
    if not state.venue_quotes(venue, order.symbol) or order.routes >= MAX_ROUTES:
        return Plan(why_left=f"NO_VENUE: {venue} is not available")
    return Plan(routes=[Route(venue, qty, order.price, order.ord_type, order.time_in_force, "ExDestination")])


def _take(state: State, instrument: Instrument, order: Order, qty: int, shunned: set[str], result: Plan) -> int:
    """Walk our book and the venues together, best price first; put crosses and routes into `result`."""
    side, limited = order.side, order.ord_type is OrdType.LIMIT
    book = state.books[order.symbol]
    if limited:
        # Most orders that rest meet nothing: then there is nothing to walk.
        ours, theirs = book.best(side.opposite), state.market.best(order.symbol, side.opposite)
        if (ours is None or not at_least_as_good(side, ours, order.price)) and (
            theirs is None or not at_least_as_good(side, theirs, order.price)
        ):
            return 0
    resting = iter(()) if instrument.cross == "never" else book.walk(side.opposite)
    mine = next(resting, None)
    quotes = _cheapest_first(state, state.market.walk(order.symbol, side.opposite))
    quote = next(quotes, None)
    hits: dict[str, tuple[int, int]] = {}
    left = qty
    while left:
        if quote is not None and quote.key[0] in shunned:
            quote = next(quotes, None)
            continue
        internal = mine is not None and (
            quote is None or instrument.cross == "always" or at_least_as_good(side, mine.price, quote.price)
        )
        best = mine if internal else quote
        if best is None or (limited and not at_least_as_good(side, best.price, order.price)):
            break
        part = min(left, best.qty)
        left -= part
        if internal:
            assert mine is not None
            result.crosses.append(Cross(mine.key, part, mine.price))
            mine = next(resting, None)
        else:
            assert quote is not None
            venue = quote.key[0]
            hits[venue] = (hits.get(venue, (0, 0))[0] + part, quote.price)
            quote = next(quotes, None)
    for venue, (part, price) in hits.items():
        result.routes.append(Route(venue, part, price, OrdType.LIMIT, TimeInForce.IOC, "best price"))
    return qty - left


def _fill_or_kill(state: State, order: Order, qty: int, shunned: set[str], result: Plan) -> bool:
    """All of it in one place: our book, or one venue whose quotes hold it. Two places can't promise both or none."""
    if sum(cross.qty for cross in result.crosses) == qty:
        return True
    held: dict[str, int] = {}
    for quote in state.market.walk(order.symbol, order.side.opposite):
        if order.ord_type is OrdType.LIMIT and not at_least_as_good(order.side, quote.price, order.price):
            break
        venue = quote.key[0]
        held[venue] = held.get(venue, 0) + quote.qty
        if held[venue] >= qty and venue not in shunned:
            result.crosses.clear()
            result.routes[:] = [Route(venue, qty, quote.price, OrdType.LIMIT, TimeInForce.FOK, "holds all of it")]
            return True
    return False


def _post(state: State, order: Order, left: int, shunned: set[str], result: Plan) -> None:
    """Rest `left` at the first venue taken from, as one Day or GTC child with what is taken there; without one, at
    the venue with the lowest maker fee."""
    if result.routes:
        first = result.routes[0]
        result.routes[0] = Route(
            first.venue, first.qty + left, order.price, OrdType.LIMIT, order.time_in_force, "best price, then posted"
        )
        return
    open_to_it = [
        venue
        for venue in state.venues.values()
        if venue.venue not in shunned and state.venue_quotes(venue.venue, order.symbol)
    ]
    if not open_to_it:
        result.why_left = f"NO_VENUE: no exchange for {order.symbol} takes it"
        return
    venue = min(open_to_it, key=lambda venue: Decimal(venue.maker_fee))
    result.routes.append(
        Route(venue.venue, left, order.price, OrdType.LIMIT, order.time_in_force, "posted, lowest maker fee")
    )
