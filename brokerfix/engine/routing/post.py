"""Where what is left of an order rests."""

from brokerfix.domain import (
    AT_AUCTION,
    ExecInst,
    Hold,
    Instructions,
    OrdType,
    RouteRule,
    TimeInForce,
)
from brokerfix.engine.orders.instructions import (
    NONE,
    needs,
)
from brokerfix.engine.orders.order import Order
from brokerfix.engine.routing.costs import fee_of_unit, unit_of
from brokerfix.engine.routing.plans import Plan, Route
from brokerfix.engine.state import State


def post(state: State, order: Order, left: int, shunned: set[str], result: Plan) -> None:
    """Rest `left` at the first venue taken from, as one child with what is taken there; without one, at the venue with
    the lowest maker fee, one that can do what the order asks for before one that can't."""
    takes = next((route for route in result.routes if route.time_in_force is TimeInForce.IOC), None)
    if takes is not None:
        at = result.routes.index(takes)
        result.routes.pop(at)
        send(state, order, left, takes.venue, RouteRule.BEST_PRICE_THEN_POST, result, takes.qty)
        result.routes.insert(at, result.routes.pop())
        return
    open_to_it = [
        venue
        for venue in state.venues.values()
        if venue.venue not in shunned and not venue.dark and state.venue_quotes(venue.venue, order.symbol)
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
            fee_of_unit(state.terms_of(venue.venue), worth, True),
        ),
    )
    send(state, order, left, venue.venue, RouteRule.LOWEST_MAKER_FEE, result)


def send(state: State, order: Order, qty: int, venue: str, why: RouteRule, result: Plan, taken: int = 0) -> None:
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


def rest(order: Order, left: int, result: Plan) -> None:
    """Rest in our own book; an iceberg shows MaxFloor and keeps the rest with us."""
    shown = left
    if order.instructions is not None and order.instructions.max_floor:
        shown = min(left, order.instructions.max_floor)
    result.book = shown
    if left > shown:
        result.held, result.hold = left - shown, Hold.ICEBERG
