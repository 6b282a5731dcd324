"""Where an order goes: how much, at what price, and why. Everything here reads and changes nothing."""

from collections import deque
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

import msgspec

from brokerfix.domain import (
    AT_AUCTION,
    IMMEDIATE,
    ExecInst,
    Hold,
    Instructions,
    Instrument,
    OrdType,
    RouteRule,
    Seen,
    Side,
    TimeInForce,
)
from brokerfix.engine.entities import Client
from brokerfix.engine.market import VenueLevel, is_stale
from brokerfix.engine.matching.book import Entry, at_least_as_good
from brokerfix.engine.orders.ending import is_cancelable, waits
from brokerfix.engine.orders.instructions import (
    ADDED,
    NONE,
    is_collecting,
    natively,
    needs,
    next_hold,
    peg_price,
    would_take,
)
from brokerfix.engine.orders.order import Order, is_over
from brokerfix.engine.routing.costs import all_in, by_cost, fee_of_unit, fee_text, unit_of
from brokerfix.engine.state import State

AT_ONCE = (*IMMEDIATE, TimeInForce.OPENING)
MAX_TRIES = 50
"""Children without a fill after which an order is no longer routed again: a venue that lies can't keep us busy."""


class Avoid(NamedTuple):
    """Where a quantity is not to go: the venue that has just rejected it (without a `limit`), or what a venue that has
    just not filled it shows up to a limit (0: at any price)."""

    venue: str = ""
    limit: int | None = None


NOWHERE = Avoid()
SELF_MATCH = "SELF_MATCH: it would trade with another order of its client"


class Cross(msgspec.Struct, frozen=True, gc=False):
    """A trade with an order that rests in our book."""

    maker_order_id: int
    qty: int
    price: int


class Route(msgspec.Struct, frozen=True, gc=False):
    """A child order to send. `instructions` are what the exchange is asked to do itself."""

    venue: str
    qty: int
    price: int
    ord_type: OrdType
    time_in_force: TimeInForce
    why: RouteRule
    instructions: Instructions | None = None


class Plan(msgspec.Struct, gc=False):
    """What to do with a quantity. What `crosses`, `routes`, `book` and `held` leave over can't be placed now. `price`
    is where a peg works (0: at the order's price). `seen` are the exchanges' quotes that were looked at. `ends` are
    orders that it must not trade with, and that end instead; `stopped`: it ends itself. `decrements` are those that
    lose a quantity, (order, quantity), as it does: it trades neither with them nor elsewhere."""

    crosses: list[Cross] = []
    routes: list[Route] = []
    book: int = 0
    held: int = 0
    hold: Hold | None = None
    price: int = 0
    why_left: str = ""
    seen: tuple[Seen, ...] = ()
    ends: list[int] = []
    decrements: list[tuple[int, int]] = []
    stopped: bool = False


def plan(state: State, order: Order, qty: int, avoid: Avoid = NOWHERE, take: bool = True) -> Plan:
    """Place `qty` of the order: cross it with our book where the policy allows, take the best venues up to its
    limit, and rest what is left where the policy says. Venues that refused it, and `avoid`, are left out. Without
    `take` all of it rests."""
    if order.instructions is not None or state.phases:
        result = _special(state, order, qty, avoid, take)
    elif order.ex_destination:
        result = _direct(state, order, qty)
    else:
        result = _take_and_rest(state, order, qty, avoid)
    if result.routes and state.clients[order.client].options.self_match != "none":
        _keep_from_own(state, order, result)
    return result


def _keep_from_own(state: State, order: Order, result: Plan) -> None:
    """Nothing is sent to an exchange to meet an order of the same client that rests there: by its policy that one is
    called back before, or this one ends. One that can't be called back now ends this one too."""
    own = _own(state, order)
    if own is None:
        return
    for route in result.routes:
        met = [number for number in own.there(route.venue, route.price) if number not in result.ends]
        if not met:
            continue
        called_back = own.ends_other and all(_can_end(state.orders[number]) for number in met)
        if called_back:
            result.ends += met
        if own.ends_self or not called_back:
            result.routes.clear()
            result.book = result.held = 0
            result.hold, result.stopped, result.why_left = None, True, SELF_MATCH
            return


def _take_and_rest(state: State, order: Order, qty: int, avoid: Avoid, take: bool = True) -> Plan:
    instrument = state.instruments[order.symbol]
    result = Plan()
    shunned = _shunned(state, order, avoid) if state.venues else set()
    taken = 0
    if take and (order.instructions is None or not order.has(ExecInst.POST_ONLY)):
        taken = _take(state, instrument, order, qty, shunned, avoid, result)
    left = qty - taken
    if result.stopped:
        result.why_left = SELF_MATCH
        return result
    left -= sum(lost for _, lost in result.decrements)
    if order.time_in_force is TimeInForce.FOK and not _in_one_place(state, order, qty, qty, shunned, avoid, result):
        return Plan(why_left=f"FOK: limit={qty}, value={taken}: not to be had in one place")
    if not left:
        result.why_left = SELF_MATCH
        return result
    limited = order.ord_type is OrdType.LIMIT or order.works_as is OrdType.LIMIT
    if order.time_in_force in AT_ONCE or not limited:
        result.why_left = "NO_LIQUIDITY: nothing more to be had at once"
    elif instrument.post == "book" or not state.venues:
        if order.instructions is None:
            result.book = left
        else:
            _rest(order, left, result)
    else:
        _post(state, order, left, shunned, result)
    return result


def _shunned(state: State, order: Order, avoid: Avoid) -> set[str]:
    shunned = set(order.shunned)
    if avoid.limit is None:
        shunned.add(avoid.venue)
    if order.tries >= MAX_TRIES:
        shunned.update(state.venues)
    return shunned


def _special(state: State, order: Order, qty: int, avoid: Avoid, take: bool) -> Plan:
    """An order with instructions, or in a call phase: an exchange that can do all of it gets it whole; else what is to
    be waited for holds it with us, and then it is worked like any other, as far as its instructions allow."""
    asked = order.instructions or NONE
    hold = next_hold(state, order)
    if hold is Hold.MANUAL:
        return Plan(held=qty, hold=hold)
    if any(feature not in ADDED for feature in needs(order)):
        venue = natively(state, order, avoid.venue if avoid.limit is None else "")
        if venue:
            price = asked.limit or order.price
            route = Route(venue, qty, price, order.ord_type, order.time_in_force, RouteRule.DOES_IT_ITSELF, asked)
            return Plan(routes=[route])
    if hold is not None:
        return Plan(held=qty, hold=hold)
    price = 0
    if order.ord_type is OrdType.PEGGED and not order.has(ExecInst.TRAILING_STOP):
        price = peg_price(state, order)
        if not price:
            return Plan(held=qty, hold=Hold.PEG)
        order = msgspec.structs.replace(order, price=price)
    if order.has(ExecInst.ALL_OR_NONE) or "min-qty" in needs(order):
        collecting = is_collecting(state, order.symbol)
        result = Plan(held=qty, hold=Hold.CONDITION) if collecting else _conditional(state, order, qty, avoid)
    elif is_collecting(state, order.symbol):
        result = _collected(order, qty)
    elif order.ex_destination:
        result = _direct(state, order, qty)
    elif order.has(ExecInst.POST_ONLY) and would_take(state, order, order.price):
        result = Plan(why_left="POST_ONLY: it would take at its price")
    else:
        result = _take_and_rest(state, order, qty, avoid, take)
    result.price = price
    return result


def _collected(order: Order, qty: int) -> Plan:
    """In a call phase orders rest without being matched."""
    result = Plan()
    if order.time_in_force in IMMEDIATE:
        result.why_left = "AUCTION: nothing is to be had at once before the auction"
    else:
        _rest(order, qty, result)
    return result


def _conditional(state: State, order: Order, qty: int, avoid: Avoid) -> Plan:
    """All or none, or a first fill of at least MinQty: taken where one place has enough, else held until one has."""
    asked = order.instructions or NONE
    at_once = order.time_in_force in IMMEDIATE
    result = Plan()
    shunned = _shunned(state, order, avoid)
    least = qty if order.has(ExecInst.ALL_OR_NONE) or order.time_in_force is TimeInForce.FOK else asked.min_qty
    if order.ex_destination:
        shunned |= {venue for venue in state.venues if venue != order.ex_destination}
    else:
        _take(state, state.instruments[order.symbol], order, qty, shunned, avoid, result)
    if result.stopped:
        return Plan(why_left=SELF_MATCH)
    if not _in_one_place(state, order, least, qty, shunned, avoid, result):
        return Plan(why_left="MIN_QTY: not to be had in one place") if at_once else Plan(held=qty, hold=Hold.CONDITION)
    left = qty - sum(cross.qty for cross in result.crosses) - sum(route.qty for route in result.routes)
    if left and at_once:
        result.why_left = "NO_LIQUIDITY: nothing more to be had at once"
    elif left:
        result.held, result.hold = left, Hold.CONDITION
    return result


def _rest(order: Order, left: int, result: Plan) -> None:
    """Rest in our own book; an iceberg shows MaxFloor and keeps the rest with us."""
    shown = left
    if order.instructions is not None and order.instructions.max_floor:
        shown = min(left, order.instructions.max_floor)
    result.book = shown
    if left > shown:
        result.held, result.hold = left - shown, Hold.ICEBERG


def _cheapest_first(
    state: State, instrument: Instrument, side: Side, shunned: set[str], avoid: Avoid, limit: int
) -> Iterator[Entry[VenueLevel]]:
    """The quotes of a side that may be aimed at. By price they come best first, those of one price by what the exchange
    takes; by cost as price and fee together make them, up to a limit (0: at any price)."""
    taker = side.opposite
    levels = state.market.by_price(instrument.symbol, side)
    if instrument.route_by == "cost":
        if limit:
            levels = takewhile(lambda level: at_least_as_good(taker, level[0].price, limit), levels)
        quotes = by_cost(instrument, taker, levels, state.venues)
    else:
        quotes = (quote for level in levels for quote in _by_fee(state, instrument, level))
    for quote in quotes:
        if quote.key[0] not in shunned and not _is_avoided(quote, side, avoid):
            yield quote


def _by_fee(state: State, instrument: Instrument, level: list[Entry[VenueLevel]]) -> list[Entry[VenueLevel]]:
    if len(level) > 1:
        worth = level[0].price * unit_of(instrument)
        level.sort(key=lambda quote: fee_of_unit(state.venues[quote.key[0]], worth))
    return level


def _is_avoided(quote: Entry[VenueLevel], side: Side, avoid: Avoid) -> bool:
    return avoid.limit is not None and is_stale(quote, side, avoid.venue, avoid.limit)


def _direct(state: State, order: Order, qty: int) -> Plan:
    venue = order.ex_destination
    at_once = order.time_in_force in IMMEDIATE or order.works_as is OrdType.MARKET
    if at_once and order.routes:
        return Plan(why_left=f"NO_LIQUIDITY: nothing more to be had at {venue}")
    if not state.venue_quotes(venue, order.symbol) or order.tries >= MAX_TRIES:
        return Plan(why_left=f"NO_VENUE: {venue} is not available")
    if at_once:
        terms = qty, order.price, order.works_as, order.time_in_force
        return Plan(routes=[Route(venue, *terms, RouteRule.EX_DESTINATION)])
    result = Plan()
    _send(state, order, qty, venue, RouteRule.EX_DESTINATION, result)
    return result


def _take(
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
    mine = next(resting, None)
    quotes = _cheapest_first(state, instrument, side.opposite, shunned, avoid, order.price if limited else 0)
    quote = next(quotes, None)
    own = _own(state, order)
    hits: dict[str, tuple[int, int]] = {}
    seen: list[Seen] = []
    left, decremented = qty, 0
    while left:
        if mine is not None and limited and not at_least_as_good(side, mine.price, order.price):
            mine = None
        internal = mine is not None and (
            quote is None or instrument.cross == "always" or _is_ours_better(state, instrument, side, mine, quote)
        )
        best = mine if internal else quote
        if best is None or (limited and not at_least_as_good(side, best.price, order.price)):
            break
        if own is not None:
            maker = mine.key if internal and mine is not None else None
            met = own.met(maker, best.price, quote)
            result.ends += [number for number in met if own.ends_other and _can_end(state.orders[number])]
            if met and maker is not None and own.decrements and _may_shrink(state, order, maker):
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
            result.crosses.append(Cross(mine.key, part, mine.price))
            mine = next(resting, None)
        else:
            assert quote is not None
            venue = quote.key[0]
            hits[venue] = (hits.get(venue, (0, 0))[0] + part, quote.price)
            seen.append(_seen(state, instrument, quote, part))
            quote = next(quotes, None)
    if quote is not None:
        seen.append(_seen(state, instrument, quote, 0))
    result.seen = tuple(seen)
    for venue, (part, price) in hits.items():
        result.routes.append(Route(venue, part, price, OrdType.LIMIT, TimeInForce.IOC, RouteRule.BEST_PRICE))
    return qty - left - decremented


def _is_ours_better(
    state: State, instrument: Instrument, side: Side, mine: Entry[int], quote: Entry[VenueLevel]
) -> bool:
    """Whether our book's order is met before an exchange's quote: at the same price it is."""
    if instrument.route_by != "cost":
        return at_least_as_good(side, mine.price, quote.price)
    there = all_in(instrument, side, quote.price, state.venues[quote.key[0]])
    return all_in(instrument, side, mine.price, None) <= there


def _seen(state: State, instrument: Instrument, quote: Entry[VenueLevel], part: int) -> Seen:
    """A quote as evidence, with what the exchange takes for a unit."""
    venue = quote.key[0]
    fee = fee_of_unit(state.venues[venue], quote.price * unit_of(instrument))
    return Seen(venue, quote.price, quote.qty, part, fee_text(fee) if fee else "")


def _may_shrink(state: State, order: Order, maker: int) -> bool:
    """Whether both may lose what they would trade: neither has conditions on its quantity or waits for an answer."""
    other = state.orders[maker]
    is_whole = order.time_in_force is TimeInForce.FOK or any(
        one.has(ExecInst.ALL_OR_NONE) or "min-qty" in needs(one) for one in (order, other)
    )
    return not is_whole and _can_end(other) and other.pending is None and not other.children


class _Own:
    """What an order meets of its own client's (or group's): the orders in our book, and at each exchange those on the
    other side with their prices. The policy says which of the two end; `ended` are those that do."""

    def __init__(self, policy: str, side: Side, orders: list[Order]) -> None:
        self.decrements = policy == "decrement"
        # What an exchange holds can't be made smaller without its answer: then the new one ends.
        self.ends_self = policy in ("cancel-newest", "cancel-both", "decrement")
        self.ends_other = policy in ("cancel-oldest", "cancel-both")
        self.ended: set[int] = set()
        self._side = side
        self._in_book = {order.order_id for order in orders if order.in_book}
        self._at: dict[str, list[tuple[int, int]]] = {}
        for order in orders:
            for child in order.children:
                self._at.setdefault(child.venue, []).append((child.price, order.order_id))

    def met(self, maker: int | None, price: int, quote: Entry[VenueLevel] | None) -> list[int]:
        """The client's orders that are met by trading with the maker in our book or, without one, with a quote: at its
        exchange and at this price or a better one there may be some."""
        if maker is not None:
            return [maker] if maker in self._in_book else []
        assert quote is not None
        there = self._at.get(quote.key[0], ())
        return [number for at, number in there if not at or at_least_as_good(self._side, at, price)]

    def there(self, venue: str, price: int) -> list[int]:
        """The client's orders at an exchange that one with this limit (0: none) may meet."""
        there = self._at.get(venue, ())
        return [number for at, number in there if not at or not price or at_least_as_good(self._side, at, price)]

    def forget(self, met: list[int]) -> None:
        """They end, and are not met again."""
        self.ended.update(met)
        self._in_book.difference_update(met)
        self._at = {venue: [one for one in there if one[1] not in met] for venue, there in self._at.items()}


def would_meet_own(state: State, order: Order, venue: str, price: int) -> bool:
    """Whether an order that rests at an exchange would meet there, at another price, one that it must not trade
    with."""
    if not price or all(at_least_as_good(order.side.opposite, child.price, price) for child in order.children):
        # It goes no further than it does now.
        return False
    own = _own(state, order)
    return own is not None and bool(own.there(venue, price))


def _can_end(order: Order) -> bool:
    return is_cancelable(order) and not waits(order)


def _own(state: State, order: Order) -> _Own | None:
    """The working orders on the other side that it must not trade with: of the same client, or of its account's groups
    too, and with the same SelfMatchPreventionID (or without one, as it is)."""
    client = state.clients[order.client]
    if client.options.self_match == "none":
        return None
    key = order.symbol, order.side.opposite
    others = list(client.sides[key].values()) if key in client.sides else []
    if client.options.self_match_scope == "group":
        others += _of_groups(state, client, order, key)
    mark = order.tags.self_match_id if order.tags is not None else ""
    others = [one for one in others if (one.tags.self_match_id if one.tags is not None else "") == mark]
    return _Own(client.options.self_match, order.side, others) if others else None


def _of_groups(state: State, client: Client, order: Order, key: tuple[str, str]) -> Iterator[Order]:
    """The working orders of other clients that prevent self-matches too, in accounts of the order's groups."""
    together = {name for accounts in state.groups.values() if order.account in accounts for name in accounts}
    clients = {other: None for name in together if name in state.accounts for other in state.accounts[name].clients}
    for name in sorted(clients):
        if name != client.client and state.clients[name].options.self_match_scope == "group":
            yield from (one for one in state.clients[name].sides.get(key, {}).values() if one.account in together)


def _resting(state: State, symbol: str, side: Side) -> Iterator[Entry[int]]:
    """Our book's entries in the order in which a taker meets them: when all that a price shows is taken, the icebergs
    there show their next slices. Each entry that is followed by another is meant to be taken whole."""
    entries = _with_hidden(state, symbol, side) if state.watching[symbol] else state.books[symbol].walk(side)
    if not state.jobs:
        return entries
    # While a day's begin is worked off, orders of the day before may still stand there.
    return (entry for entry in entries if not is_over(state.orders[entry.key], state.day, 0))


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


def _in_one_place(
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
    # Of its own client's it meets those at that exchange only, see `_keep_from_own`.
    result.ends.clear()
    result.routes[:] = [Route(venue, part, price, OrdType.LIMIT, TimeInForce.FOK, RouteRule.HOLDS_ENOUGH)]
    return True


def _post(state: State, order: Order, left: int, shunned: set[str], result: Plan) -> None:
    """Rest `left` at the first venue taken from, as one child with what is taken there; without one, at the venue with
    the lowest maker fee, one that can do what the order asks for before one that can't."""
    if result.routes:
        first = result.routes.pop(0)
        _send(state, order, left, first.venue, RouteRule.BEST_PRICE_THEN_POST, result, first.qty)
        result.routes.insert(0, result.routes.pop())
        return
    open_to_it = [
        venue
        for venue in state.venues.values()
        if venue.venue not in shunned and state.venue_quotes(venue.venue, order.symbol)
    ]
    if not open_to_it:
        result.why_left = f"NO_VENUE: no exchange for {order.symbol} takes it"
        return
    wanted = needs(order) if order.instructions is not None else []
    worth = order.price * unit_of(state.instruments[order.symbol])
    venue = min(
        open_to_it,
        key=lambda venue: (
            sum(feature not in venue.supports for feature in wanted),
            fee_of_unit(venue, worth, True),
        ),
    )
    _send(state, order, left, venue.venue, RouteRule.LOWEST_MAKER_FEE, result)


def _send(state: State, order: Order, qty: int, venue: str, why: RouteRule, result: Plan, taken: int = 0) -> None:
    """Route what rests at a venue, and `taken` with it. What the venue can't do itself we do: it gets a slice of an
    iceberg at a time, and a GTD order as GTC."""
    time_in_force, sent = order.time_in_force, None
    if time_in_force in AT_AUCTION:
        time_in_force = TimeInForce.DAY
    if order.instructions is not None:
        asked, supports = order.instructions, state.venues[venue].supports
        if asked.max_floor and "iceberg" not in supports and qty > asked.max_floor:
            result.held, result.hold = qty - asked.max_floor, Hold.ICEBERG
            qty = asked.max_floor
        if time_in_force is TimeInForce.GTD and "gtd" not in supports:
            time_in_force = TimeInForce.GTC
        sent = Instructions(
            max_floor=asked.max_floor if "iceberg" in supports else 0,
            expire_at=asked.expire_at if time_in_force is TimeInForce.GTD else 0,
            expire_day=asked.expire_day if time_in_force is TimeInForce.GTD else 0,
            exec_inst=(str(ExecInst.POST_ONLY),) if order.has(ExecInst.POST_ONLY) and "post-only" in supports else (),
        )
        sent = sent if sent != NONE else None
    result.routes.append(Route(venue, taken + qty, order.price, OrdType.LIMIT, time_in_force, why, sent))
