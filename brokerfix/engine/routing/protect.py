"""No trade through a better price that another exchange shows (SEC Regulation NMS, Rule 611, and the exception of its
paragraph (b)(6) for intermarket sweep orders): a policy, by instrument."""

from brokerfix.domain import IMMEDIATE, ExecInst, Instructions, OrdType, RouteRule, Side, TimeInForce
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.order import Order
from brokerfix.engine.routing.plans import Plan, Route
from brokerfix.engine.state import State


def better_elsewhere(state: State, order: Order, venue: str, qty: int) -> dict[str, tuple[int, int]]:
    """What exchanges show at better prices than an order at `venue` would trade at, up to `qty`: (quantity, worst
    price) by exchange. Nothing if it would not trade there at once."""
    side = order.side.opposite
    quotes = state.market.quotes.get((venue, order.symbol))
    levels = quotes.side(side) if quotes is not None and not quotes.out else None
    limited = order.works_as is OrdType.LIMIT
    if not levels:
        return {}
    there = levels.keys()[0] if side is Side.SELL else -levels.keys()[0]
    if limited and not at_least_as_good(order.side, there, order.price):
        return {}
    found: dict[str, tuple[int, int]] = {}
    for quote in state.market.walk(order.symbol, side):
        if not qty or at_least_as_good(order.side, there, quote.price):
            break
        name = quote.key[0]
        if name in order.shunned or not state.venue_quotes(name, order.symbol):
            continue
        part = min(qty, quote.qty)
        found[name] = found.get(name, (0, 0))[0] + part, quote.price
        qty -= part
    return found


def protected(state: State, order: Order, planned: Plan, qty: int) -> Plan:
    """The plan of an order for one exchange, without trading through: it is routed away to better prices first, and the
    rest waits; or all goes at once, marked as intermarket sweep orders."""
    policy = state.instruments[order.symbol].trade_through
    better = better_elsewhere(state, order, order.ex_destination, qty) if policy != "off" and planned.routes else {}
    if not better:
        return planned
    sweeps = policy == "iso"
    rule = RouteRule.ISO_SWEEP if sweeps else RouteRule.ROUTED_AWAY
    away = [
        Route(venue, part, price, OrdType.LIMIT, TimeInForce.IOC, rule, _mark(state, venue, sweeps))
        for venue, (part, price) in better.items()
    ]
    left = qty - sum(part for part, _ in better.values())
    planned.note = f"{order.ex_destination} would trade through a better price"
    if not sweeps:
        return Plan(routes=away, waits=True, note=planned.note)
    (there,) = planned.routes
    if left:
        immediate = there.time_in_force in IMMEDIATE
        terms = there.price, there.ord_type, there.time_in_force, rule
        away.append(
            Route(there.venue, left, *terms, _mark(state, there.venue, True) if immediate else there.instructions)
        )
    planned.routes = away
    return planned


def _mark(state: State, venue: str, sweeps: bool) -> Instructions | None:
    """What tells an exchange that knows of it that the other better prices are gone for too."""
    if not sweeps or "iso" not in state.venues[venue].supports:
        return None
    return Instructions(exec_inst=(str(ExecInst.INTERMARKET_SWEEP),))
