"""What a maker takes for the market: the exchanges' best prices without its own quotes there."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from brokerfix.domain import Request, Side
from brokerfix.engine.making.desk import Desk, Making
from brokerfix.engine.market import uncrossed
from brokerfix.engine.matching.book import Entry
from brokerfix.engine.orders.ending import is_cancelable
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State

Level = tuple[int, int]
"""(price, quantity), scaled."""


class Seen(NamedTuple):
    """The market at a look: best bid and offer (price, quantity) of others at exchanges, None where there is none.
    `mid` is twice the mid of what is left when all that could trade with each other has (0: one side is missing)."""

    bid: Level | None
    ask: Level | None
    mid: int
    is_crossed: bool = False


NOTHING = Seen(None, None, 0)


def look(state: State, making: Making, symbol: str, anchor: int = 0, at: int = 0) -> Seen:
    """What a maker sees of a symbol at a time. Where a simulation says where the market is (`anchor`, scaled), it is
    there."""
    desk = making.desks[symbol]
    if desk.quoting.reference == "own":
        centre = anchor or desk.anchor or state.instruments[symbol].reference
        return Seen(None, None, 2 * centre) if centre else NOTHING
    own, echoes = _own(state, making, desk) if desk.quoting.place != "book" else {}, desk.echoes
    bid, ask = (next(_others(state, symbol, side, own, echoes, at), None) for side in (Side.BUY, Side.SELL))
    if bid is None or ask is None:
        return Seen(bid, ask, 0)
    if bid[0] < ask[0]:
        return Seen(bid, ask, bid[0] + ask[0])
    # Enough of both sides to part what is crossed; a market deeper in itself has no mid.
    bids, asks = (islice(_others(state, symbol, side, own, echoes, at), MOST_CROSSED) for side in (Side.BUY, Side.SELL))
    low, high = uncrossed(bids, asks)
    mid = low[0] + high[0] if low is not None and high is not None else 0
    return Seen(bid, ask, mid, bid[0] > ask[0])


MOST_CROSSED = 50


VenueLevel = tuple[str, Side, int]


def _others(
    state: State,
    symbol: str,
    side: Side,
    own: dict[VenueLevel, int],
    echoes: dict[VenueLevel, tuple[int, int]],
    at: int,
) -> Iterator[Level]:
    """The exchanges' levels without what of them is, or was until a moment ago, the desk's."""
    for entry in state.market.books[symbol].walk(side):
        qty = _less_own(entry, own, echoes, at) if own or echoes else entry.qty
        if qty > 0:
            yield entry.price, qty


def _less_own(
    entry: Entry[VenueLevel], own: dict[VenueLevel, int], echoes: dict[VenueLevel, tuple[int, int]], at: int
) -> int:
    until, had = echoes.get(entry.key, NO_ECHO)
    ours = own.get(entry.key, 0)
    return entry.qty - (max(ours, had) if at < until else ours)


NO_ECHO = (0, 0)


def best_of_others(state: State, making: Making, symbol: str, side: Side, at: int) -> tuple[int, str] | None:
    """The best price of others at exchanges, and the exchange, if there is one. "": none of the desk's quotes is in the
    way of one who goes for it at any of them."""
    desk = making.desks[symbol]
    own = _own(state, making, desk)
    for entry in state.market.books[symbol].walk(side):
        if _less_own(entry, own, desk.echoes, at) > 0:
            is_free = not any(one[1] is side for one in own)
            return entry.price, "" if is_free else entry.key[0]
    return None


def quote_in(state: State, making: Making, name: str) -> Order | None:
    """The quote that works under a slot's ClOrdID."""
    known = state.clients[making.maker.maker].requests.get(name)
    return known if isinstance(known, Order) and known.working else None


def quotes_of(state: State, making: Making, desk: Desk) -> dict[str, Order]:
    """The quotes of a desk that work, by their slots' ClOrdIDs."""
    known = state.clients[making.maker.maker].requests
    found = {}
    for name in desk.slots:
        order = known.get(name)
        if isinstance(order, Order) and order.working:
            found[name] = order
    return found


def is_waiting(order: Order) -> bool:
    """Whether an order can't be changed now: a request for it is under way."""
    return order.pending is not None or bool(order.queue) or not is_cancelable(order)


def _own(state: State, making: Making, desk: Desk) -> dict[VenueLevel, int]:
    """What of the desk's quotes stands at exchanges, or may be shown there: quantity by (exchange, side, price)."""
    found: dict[VenueLevel, int] = {}
    if not any(venue for venue, _, _ in desk.slots.values()):
        return found
    for name, order in quotes_of(state, making, desk).items():
        for child in order.children if desk.slots[name][0] else ():
            key = child.venue, child.side, child.price
            found[key] = found.get(key, 0) + child.leaves
            if child.request is Request.REPLACE and child.asked_price != child.price:
                # The market data may be here before the answer.
                key = child.venue, child.side, child.asked_price
                found[key] = found.get(key, 0) + child.asked_qty - child.cum
    return found
