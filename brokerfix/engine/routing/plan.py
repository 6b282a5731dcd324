"""Where an order goes: how much, at what price, and why. Everything here reads and changes nothing."""

import msgspec

from brokerfix.domain import (
    IMMEDIATE,
    ExecInst,
    Hold,
    Instrument,
    OrdType,
    RouteRule,
    TimeInForce,
)
from brokerfix.engine.orders.instructions import (
    ADDED,
    NONE,
    PLAIN,
    is_collecting,
    natively,
    needs,
    next_hold,
    peg_price,
    would_take,
)
from brokerfix.engine.orders.order import Order
from brokerfix.engine.routing.dark import dark_first
from brokerfix.engine.routing.modes import mode_of
from brokerfix.engine.routing.own import keep_from_own
from brokerfix.engine.routing.plans import AT_ONCE, MAX_TRIES, NOWHERE, SELF_MATCH, Avoid, Plan, Route
from brokerfix.engine.routing.post import post, rest, send
from brokerfix.engine.routing.protect import protected
from brokerfix.engine.routing.queueing import queued
from brokerfix.engine.routing.statistics import failing, probing
from brokerfix.engine.routing.take import in_one_place, take
from brokerfix.engine.state import State


def plan(state: State, order: Order, qty: int, avoid: Avoid = NOWHERE, takes: bool = True, at: int = 0) -> Plan:
    """Place `qty` of the order: cross it with our book where the policy allows, take the best venues up to its
    limit, and rest what is left where the policy says. Venues that refused it, and `avoid`, are left out. Without
    `takes` all of it rests. `at` is the time (ns): exchanges that fail are left out for a while."""
    if state.circuits:
        avoid = avoid._replace(failing=failing(state, at))
    if state.makers or state.quoters:
        avoid = avoid._replace(at=at)
    if order.instructions is not None or state.phases:
        result = _special(state, order, qty, avoid, takes)
    elif order.ex_destination:
        result = _direct(state, order, qty)
    else:
        result = _take_and_rest(state, order, qty, avoid)
    if state.circuits and result.routes:
        result = _probed(state, order, qty, avoid, result, at, takes)
    if result.routes and state.clients[order.client].options.self_match != "none":
        keep_from_own(state, order, result)
    return result


def _take_and_rest(state: State, order: Order, qty: int, avoid: Avoid, takes: bool = True) -> Plan:
    instrument = state.instruments[order.symbol]
    result = Plan(mode=mode_of(state, order, instrument))
    shunned = _shunned(state, order, avoid) if state.venues else set()
    taken = 0
    takes = takes and not order.has(ExecInst.POST_ONLY)
    if takes and result.mode in ("dark-first", "split"):
        if order.ord_type in PLAIN and order.time_in_force is not TimeInForce.FOK and not needs(order):
            _first(state, order, instrument, qty, shunned, result)
        qty -= sum(route.qty for route in result.routes)
        if not qty:
            return result
    if takes:
        taken = take(state, instrument, order, qty, shunned, avoid, result)
    left = qty - taken
    if result.stopped:
        result.why_left = SELF_MATCH
        return result
    left -= sum(lost for _, lost in result.decrements)
    if order.time_in_force is TimeInForce.FOK and not in_one_place(state, order, qty, qty, shunned, avoid, result):
        return Plan(why_left=f"FOK: limit={qty}, value={taken}: not to be had in one place")
    if not left:
        if result.decrements:
            result.why_left = SELF_MATCH
        return result
    if result.waits:
        return result
    limited = order.ord_type is OrdType.LIMIT or order.works_as is OrdType.LIMIT
    if order.time_in_force in AT_ONCE or not limited:
        result.why_left = "NO_LIQUIDITY: nothing more to be had at once"
    elif instrument.post == "book" or not state.venues:
        if order.instructions is None:
            result.book = left
        else:
            rest(order, left, result)
    else:
        post(state, order, left, shunned, result)
    return result


def _first(state: State, order: Order, instrument: Instrument, qty: int, shunned: set[str], result: Plan) -> None:
    """What goes before anything is taken: to dark exchanges, or into queues."""
    if result.mode == "dark-first":
        result.routes = dark_first(state, order, instrument, qty, shunned)
    elif order.time_in_force not in IMMEDIATE and instrument.post == "venue":
        result.routes, result.note = queued(state, order, instrument, qty, shunned)


def _probed(state: State, order: Order, qty: int, avoid: Avoid, result: Plan, at: int, takes: bool) -> Plan:
    """An exchange whose circuit is half-open gets a small share of what is meant for it; the others get the rest. What
    can't be parted goes there whole."""
    instrument = state.instruments[order.symbol]
    if order.time_in_force is TimeInForce.FOK or order.ex_destination or result.price or needs(order):
        return result
    tried = tuple(probing(state, at))
    meant = next((route for route in result.routes if route.venue in tried), None)
    small = max(instrument.lot, qty // PROBE_SHARE // instrument.lot * instrument.lot)
    # What is asked of dark exchanges is asked of all of them, and is no part of a sweep.
    is_sweep = meant is not None and meant.time_in_force is TimeInForce.IOC and meant.why is not RouteRule.DARK_FIRST
    if meant is None or meant.qty <= small or not is_sweep:
        return result
    other = _take_and_rest(state, order, qty - small, avoid._replace(failing=(*avoid.failing, *tried)), takes)
    placed = other.book + other.held + sum(route.qty for route in other.routes)
    if placed + sum(cross.qty for cross in other.crosses) < qty - small:
        # Nobody else can: it goes there as it is.
        return result
    terms = meant.price, meant.ord_type, meant.time_in_force
    other.routes.append(Route(meant.venue, small, *terms, RouteRule.PROBE))
    return other


PROBE_SHARE = 10
"""An exchange is tried with one part in so many."""


def _shunned(state: State, order: Order, avoid: Avoid) -> set[str]:
    shunned = set(order.shunned)
    if avoid.limit is None:
        shunned.add(avoid.venue)
    shunned.update(avoid.failing)
    if order.tries >= MAX_TRIES:
        shunned.update(state.venues)
    return shunned


def _special(state: State, order: Order, qty: int, avoid: Avoid, takes: bool) -> Plan:
    """An order with instructions, or in a call phase: an exchange that can do all of it gets it whole; else what is to
    be waited for holds it with us, and then it is worked like any other, as far as its instructions allow."""
    asked = order.instructions or NONE
    hold = next_hold(state, order)
    if hold is Hold.MANUAL:
        return Plan(held=qty, hold=hold)
    if asked.strategy is not None and asked.strategy.name:
        return Plan(held=qty, hold=Hold.ALGORITHM)
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
        result = _take_and_rest(state, order, qty, avoid, takes)
    result.price = price
    return result


def _collected(order: Order, qty: int) -> Plan:
    """In a call phase orders rest without being matched."""
    result = Plan()
    if order.time_in_force in IMMEDIATE:
        result.why_left = "AUCTION: nothing is to be had at once before the auction"
    else:
        rest(order, qty, result)
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
        take(state, state.instruments[order.symbol], order, qty, shunned, avoid, result)
    if result.stopped:
        return Plan(why_left=SELF_MATCH)
    if not in_one_place(state, order, least, qty, shunned, avoid, result):
        return Plan(why_left="MIN_QTY: not to be had in one place") if at_once else Plan(held=qty, hold=Hold.CONDITION)
    left = qty - sum(cross.qty for cross in result.crosses) - sum(route.qty for route in result.routes)
    if left and at_once:
        result.why_left = "NO_LIQUIDITY: nothing more to be had at once"
    elif left:
        result.held, result.hold = left, Hold.CONDITION
    return result


def _direct(state: State, order: Order, qty: int) -> Plan:
    venue = order.ex_destination
    at_once = order.time_in_force in IMMEDIATE or order.works_as is OrdType.MARKET
    # A slice of an order that is worked over time goes there however often.
    if at_once and venue in order.visited and order.hold is not Hold.ALGORITHM:
        return Plan(why_left=f"NO_LIQUIDITY: nothing more to be had at {venue}")
    if not state.venue_quotes(venue, order.symbol) or order.tries >= MAX_TRIES:
        return Plan(why_left=f"NO_VENUE: {venue} is not available")
    if at_once:
        terms = qty, order.price, order.works_as, order.time_in_force
        return protected(state, order, Plan(routes=[Route(venue, *terms, RouteRule.EX_DESTINATION)]), qty)
    result = Plan()
    send(state, order, qty, venue, RouteRule.EX_DESTINATION, result)
    return protected(state, order, result, qty)
