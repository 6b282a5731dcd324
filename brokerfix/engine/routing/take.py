"""What an order takes: our book and the exchanges' quotes walked together, best first."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import takewhile

import msgspec

from brokerfix.domain import (
    Hold,
    Instrument,
    OrdType,
    RouteRule,
    Seen,
    Side,
    TimeInForce,
)
from brokerfix.engine.making.protection import Allowance, allowance
from brokerfix.engine.market import VenueLevel, is_stale
from brokerfix.engine.matching.book import Entry, at_least_as_good
from brokerfix.engine.orders.order import Order, is_over
from brokerfix.engine.routing.costs import all_in, by_cost, fee_of_unit, fee_text, unit_of
from brokerfix.engine.routing.modes import RULES, Hits, spread
from brokerfix.engine.routing.own import can_end, may_shrink, own_orders
from brokerfix.engine.routing.plans import Avoid, Cross, Plan, Route
from brokerfix.engine.routing.statistics import SHARE, latency_costs, rank
from brokerfix.engine.state import State


def take(
    state: State, instrument: Instrument, order: Order, qty: int, shunned: set[str], avoid: Avoid, result: Plan
) -> int:
    """Walk our book and the venues together, best price first; put crosses and routes into `result`."""
    side, limited = order.side, order.ord_type is OrdType.LIMIT or order.works_as is OrdType.LIMIT
    book = state.books[order.symbol]
    if limited:
        # Most orders that rest meet nothing: then there is nothing to walk.
        ours, theirs = book.best(side.opposite), state.market.best(order.symbol, side.opposite)
        if (ours is None or not at_least_as_good(side, ours, order.price)) and (
            theirs is None or not at_least_as_good(side, theirs, order.price)
        ):
            return 0
    resting = iter(()) if instrument.cross == "never" else _resting(state, order.symbol, side.opposite)
    if state.makers or state.quoters:
        resting = _of_makers(state, order, resting, avoid.at)
    mine = next(resting, None)
    quotes = _cheapest_first(state, instrument, side.opposite, shunned, avoid, order.price if limited else 0)
    quote = next(quotes, None)
    own = own_orders(state, order)
    hits: dict[str, tuple[int, int]] = {}
    seen: list[Seen] = []
    left, decremented = qty, 0
    last: Entry[VenueLevel] | None = None
    while left:
        if mine is not None and limited and not at_least_as_good(side, mine.price, order.price):
            mine = None
        internal = mine is not None and (
            quote is None or _crosses_always(instrument) or _is_ours_better(state, instrument, side, mine, quote)
        )
        best = mine if internal else quote
        if best is None or (limited and not at_least_as_good(side, best.price, order.price)):
            break
        if own is not None:
            maker = mine.key if internal and mine is not None else None
            met = own.met(maker, best.price, quote)
            result.ends += [number for number in met if own.ends_other and can_end(state.orders[number])]
            if met and maker is not None and own.decrements and may_shrink(state, order, maker):
                lost = min(left, state.orders[maker].leaves)
                result.decrements.append((maker, lost))
                left -= lost
                decremented += lost
            elif met and own.ends_self:
                result.stopped = True
                break
            own.forget(met)
            if maker in own.ended:
                mine = next(resting, None)
                continue
        part = min(left, best.qty)
        left -= part
        if internal:
            assert mine is not None
            price = _shared(state, instrument, order, mine.price, part)
            result.crosses.append(Cross(mine.key, part, price))
            mine = next(resting, None)
        else:
            assert quote is not None
            venue, last = quote.key[0], quote
            hits[venue] = (hits.get(venue, (0, 0))[0] + part, quote.price)
            seen.append(_seen(state, instrument, quote, part))
            quote = next(quotes, None)
    if quote is not None:
        seen.append(_seen(state, instrument, quote, 0))
    result.seen = tuple(seen)
    by_cost_too = by_whole_cost(instrument)
    rule = RULES.get(result.mode, RouteRule.LOWEST_COST if by_cost_too else RouteRule.BEST_PRICE)
    if by_cost_too and hits:
        result.note = result.note or "by price and fee together"
    if last is not None and len(hits) > 1 and result.mode in RULES and instrument.trade_through == "off":
        swept = sum(part for part, _ in hits.values())
        hits = _spread_anew(state, instrument, order, shunned, avoid, hits, last, result)
        # What another mode leaves for later waits for this to end.
        later = swept - sum(part for part, _ in hits.values())
        result.waits = later > 0
        left += later
    for venue, (part, price) in hits.items():
        result.routes.append(Route(venue, part, price, OrdType.LIMIT, TimeInForce.IOC, rule))
    return qty - left - decremented


def _spread_anew(
    state: State,
    instrument: Instrument,
    order: Order,
    shunned: set[str],
    avoid: Avoid,
    hits: Hits,
    last: Entry[VenueLevel],
    result: Plan,
) -> Hits:
    """What was swept, up to the `last` quote, as the plan's mode spreads it, which the plan's evidence then tells."""
    reach = _reach(state, instrument, order, shunned, avoid, last)
    spread_out = spread(result.mode, instrument, order.side, hits, reach)
    result.seen = _seen_by(state, instrument, reach, spread_out)
    return spread_out


def _reach(
    state: State,
    instrument: Instrument,
    order: Order,
    shunned: set[str],
    avoid: Avoid,
    last: Entry[VenueLevel],
) -> list[Entry[VenueLevel]]:
    """The quotes from the first to those that are as good as the last one swept, by price or by cost."""
    side = order.side
    limit = order.price if order.works_as is OrdType.LIMIT else 0
    quotes = _cheapest_first(state, instrument, side.opposite, shunned, avoid, limit)
    if not by_whole_cost(instrument):
        return list(takewhile(lambda quote: at_least_as_good(side, quote.price, last.price), quotes))
    besides = latency_costs(state, instrument)

    def whole(quote: Entry[VenueLevel]) -> int:
        venue = quote.key[0]
        return all_in(instrument, side, quote.price, state.terms_of(venue), besides.get(venue, 0))

    bound = whole(last)
    return list(takewhile(lambda quote: whole(quote) <= bound, quotes))


def _seen_by(state: State, instrument: Instrument, reach: list[Entry[VenueLevel]], hits: Hits) -> tuple[Seen, ...]:
    """The quotes in reach as evidence, with what of each the children aim at."""
    left = {venue: part for venue, (part, _) in hits.items()}
    seen = []
    for quote in reach:
        venue = quote.key[0]
        part = min(left.get(venue, 0), quote.qty)
        left[venue] = left.get(venue, 0) - part
        seen.append(_seen(state, instrument, quote, part))
    return tuple(seen)


def _shared(state: State, instrument: Instrument, order: Order, maker_px: int, part: int) -> int:
    """The price of a trade with our book: the maker's, or as far from it towards the best price of the exchanges, if
    that is worse for the taker, as the instrument lets the maker share in the improvement; on a tick, and within the
    taker's limit. A price that is not shown for as much, or beyond the collar, improves nothing."""
    sign = 1 if order.side is Side.BUY else -1
    there = state.market.books[order.symbol].top(order.side.opposite) if instrument.cross_share else None
    if there is None or there[1] < part or sign * (there[0] - maker_px) <= 0:
        return maker_px
    mark = state.marks.get(order.symbol) or instrument.reference
    if mark and abs(there[0] - mark) * SHARE > mark * (instrument.collar_bps or SHARE):
        return maker_px
    gap = sign * (there[0] - maker_px)
    better = gap * instrument.cross_share // SHARE // instrument.tick * instrument.tick
    price = maker_px + sign * better
    if order.works_as is OrdType.LIMIT and not at_least_as_good(order.side, price, order.price):
        return order.price
    return price


def _is_ours_better(
    state: State, instrument: Instrument, side: Side, mine: Entry[int], quote: Entry[VenueLevel]
) -> bool:
    """Whether our book's order is met before an exchange's quote: at the same price it is."""
    if not by_whole_cost(instrument):
        return at_least_as_good(side, mine.price, quote.price)
    venue = quote.key[0]
    there = all_in(instrument, side, quote.price, state.terms_of(venue), latency_costs(state, instrument).get(venue, 0))
    return all_in(instrument, side, mine.price, None) <= there


def by_whole_cost(instrument: Instrument) -> bool:
    """Whether price and fee together decide. Where nothing may trade through a better price, the price does."""
    return instrument.route_by == "cost" and instrument.trade_through == "off"


def _crosses_always(instrument: Instrument) -> bool:
    return instrument.cross == "always" and instrument.trade_through == "off"


def _seen(state: State, instrument: Instrument, quote: Entry[VenueLevel], part: int) -> Seen:
    """A quote as evidence, with what the exchange takes for a unit."""
    venue = quote.key[0]
    fee = fee_of_unit(state.terms_of(venue), quote.price * unit_of(instrument))
    return Seen(venue, quote.price, quote.qty, part, fee_text(fee) if fee else "")


def _cheapest_first(
    state: State, instrument: Instrument, side: Side, shunned: set[str], avoid: Avoid, limit: int
) -> Iterator[Entry[VenueLevel]]:
    """The quotes of a side that may be aimed at. By price they come best first, those of one price by what the exchange
    takes; by cost as price and fee together make them, up to a limit (0: at any price)."""
    taker = side.opposite
    levels = state.market.by_price(instrument.symbol, side)
    if by_whole_cost(instrument):
        if limit:
            levels = takewhile(lambda level: at_least_as_good(taker, level[0].price, limit), levels)
        ranked = _ranked(state, instrument, levels, False)
        quotes = by_cost(instrument, taker, ranked, state.all_terms(), latency_costs(state, instrument))
    else:
        quotes = (quote for level in _ranked(state, instrument, levels, True) for quote in level)
    for quote in quotes:
        if quote.key[0] not in shunned and not _is_avoided(quote, side, avoid):
            yield quote


def _ranked(
    state: State, instrument: Instrument, levels: Iterable[list[Entry[VenueLevel]]], by_fee: bool
) -> Iterator[list[Entry[VenueLevel]]]:
    """Each price's quotes by what the exchange takes, if that counts, and by what it has been like."""
    ranks: dict[str, tuple[int, int, str]] = {}
    fees: dict[str, int] = {}
    unit = unit_of(instrument)
    for level in levels:
        if len(level) > 1:
            worth = level[0].price * unit
            for quote in level:
                venue = quote.key[0]
                if venue not in ranks:
                    ranks[venue] = rank(state, venue, instrument.symbol)
                if by_fee:
                    fees[venue] = fee_of_unit(state.terms_of(venue), worth)
            if by_fee:
                level.sort(key=lambda quote: (fees[quote.key[0]], ranks[quote.key[0]]))
            else:
                level.sort(key=lambda quote: ranks[quote.key[0]])
        yield level


def _is_avoided(quote: Entry[VenueLevel], side: Side, avoid: Avoid) -> bool:
    return avoid.limit is not None and is_stale(quote, side, avoid.venue, avoid.limit)


def _resting(state: State, symbol: str, side: Side) -> Iterator[Entry[int]]:
    """Our book's entries in the order in which a taker meets them: when all that a price shows is taken, the icebergs
    there show their next slices. Each entry that is followed by another is meant to be taken whole."""
    entries = _with_hidden(state, symbol, side) if state.watching[symbol] else state.books[symbol].walk(side)
    if not state.jobs:
        return entries
    # While a day's begin is worked off, orders of the day before may still stand there.
    return (entry for entry in entries if not is_over(state.orders[entry.key], state.day, 0))


def _of_makers(state: State, order: Order, entries: Iterator[Entry[int]], at: int) -> Iterator[Entry[int]]:
    """The entries as far as the protections of makers, and of clients that quote, let them be taken: once a limit is
    reached all their quotes are to be pulled. Neither a maker nor what trades for its account meets its own."""
    allowed: dict[str, Allowance] = {}
    for entry in entries:
        resting = state.orders[entry.key]
        name = resting.client
        making = state.makers.get(name)
        if making is None and resting.own_quote is None:
            yield entry
        elif making is None or (name != order.client and order.account != making.maker.account):
            if name not in allowed:
                protected = state.quoters[name] if making is None else making
                traded = [what[1] for _, what in state.agenda if isinstance(what, tuple) and what[0] == name]
                allowed[name] = allowance(protected, order.symbol, order.side is Side.BUY, at, traded)
            part = allowed[name].take(entry.qty)
            if part:
                yield entry if part == entry.qty else msgspec.structs.replace(entry, qty=part)


def _with_hidden(state: State, symbol: str, side: Side) -> Iterator[Entry[int]]:
    for level in state.books[symbol].by_price(side):
        waiting = deque(level)
        hidden: dict[int, int] = {}
        while waiting:
            entry = waiting.popleft()
            yield entry
            order = state.orders[entry.key]
            left = hidden.get(entry.key, order.held if order.hold is Hold.ICEBERG else 0)
            if left:
                assert order.instructions is not None
                part = min(left, order.instructions.max_floor)
                hidden[entry.key] = left - part
                waiting.append(Entry(entry.key, side, entry.price, part))


def in_one_place(
    state: State, order: Order, least: int, qty: int, shunned: set[str], avoid: Avoid, result: Plan
) -> bool:
    """Narrow `result` to one place that has at least `least` of `qty`: our book, or one venue whose quotes hold it. Two
    places can't promise both or none."""
    if sum(cross.qty for cross in result.crosses) >= least:
        result.routes.clear()
        return True
    held: dict[str, tuple[int, int]] = {}
    for quote in state.market.walk(order.symbol, order.side.opposite):
        if order.works_as is OrdType.LIMIT and not at_least_as_good(order.side, quote.price, order.price):
            break
        venue = quote.key[0]
        if venue not in shunned and not _is_avoided(quote, order.side.opposite, avoid):
            held[venue] = min(qty, held.get(venue, (0, 0))[0] + quote.qty), quote.price
            if held[venue][0] == qty:
                break
    enough = [(venue, *offer) for venue, offer in held.items() if offer[0] >= least]
    if not enough:
        return False
    venue, part, price = max(enough, key=lambda offer: offer[1])
    result.seen = tuple(Seen(name, at, qty, part if name == venue else 0) for name, (qty, at) in held.items())
    result.crosses.clear()
    # Of its own client's it meets those at that exchange only, see `keep_from_own`.
    result.ends.clear()
    result.routes[:] = [Route(venue, part, price, OrdType.LIMIT, TimeInForce.FOK, RouteRule.HOLDS_ENOUGH)]
    return True
