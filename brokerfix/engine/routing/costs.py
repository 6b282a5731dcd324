"""What taking a quote costs all in: its price and what the exchange takes for it. Numbers are money of one unit of the
instrument, exact, so that quotes of all exchanges can be compared."""

import heapq
from collections.abc import Iterable, Iterator
from functools import lru_cache

from brokerfix.domain import Instrument, Side, Venue, money_text
from brokerfix.engine.charges import exchange_fee
from brokerfix.engine.market import VenueLevel
from brokerfix.engine.matching.book import Entry

fee_text = lru_cache(maxsize=4096)(money_text)


def unit_of(instrument: Instrument) -> int:
    """The money of one unit of the instrument at a price of one tick."""
    unit: int = instrument.money_factor * 10**instrument.qty_digits
    return unit


def fee_of_unit(venue: Venue, worth: int, is_maker: bool = False) -> int:
    """What an exchange takes for one unit that is worth so much (below 0: it gives)."""
    return exchange_fee(venue, 1, 0, worth, is_maker)


def all_in(instrument: Instrument, taker: Side, price: int, venue: Venue | None, besides: int = 0) -> int:
    """What one unit costs who buys it, or with its sign turned what it brings who sells it: less is better either way.
    Without an exchange (our own book) it is the price. `besides` is what else it costs there, as money."""
    worth = price * unit_of(instrument)
    fee = fee_of_unit(venue, worth) if venue is not None else 0
    return (worth if taker is Side.BUY else -worth) + fee + besides


def by_cost(
    instrument: Instrument,
    taker: Side,
    levels: Iterable[list[Entry[VenueLevel]]],
    venues: dict[str, Venue],
    besides: dict[str, int],
) -> Iterator[Entry[VenueLevel]]:
    """Quotes, given by price with the best first, by what they cost all in; equal ones as they come. No more levels are
    looked at than are needed: at a worse price none is cheaper than the least that an exchange takes makes it.
    `besides` is what else a unit costs at an exchange."""
    waiting: list[tuple[int, int, Entry[VenueLevel]]] = []
    unit, count, sign = unit_of(instrument), 0, 1 if taker is Side.BUY else -1
    # Most exchanges take the same of a unit at any price.
    fees = {name: fee_of_unit(venue, 0) + besides.get(name, 0) for name, venue in venues.items()}
    is_flat = all(venue.taker_bps == "0" for venue in venues.values())
    for level in levels:
        worth = level[0].price * unit
        if not is_flat:
            fees = {name: fee_of_unit(venue, worth) + besides.get(name, 0) for name, venue in venues.items()}
        bound = sign * worth + min(fees.values(), default=0)
        while waiting and waiting[0][0] <= bound:
            yield heapq.heappop(waiting)[2]
        for quote in level:
            heapq.heappush(waiting, (sign * worth + fees[quote.key[0]], count, quote))
            count += 1
    while waiting:
        yield heapq.heappop(waiting)[2]
