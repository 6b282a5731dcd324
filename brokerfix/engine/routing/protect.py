"""No trade through a better price that another exchange shows (SEC Regulation NMS, Rule 611, and the exception of its
paragraph (b)(6) for intermarket sweep orders): a policy, by instrument."""

from brokerfix.domain import IMMEDIATE, ExecInst, Instructions, OrdType, RouteRule, TimeInForce
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.order import Order
from brokerfix.engine.routing.plans import Plan, Route
from brokerfix.engine.state import State


def better_elsewhere(state: State, order: Order, venue: str, qty: int) -> dict[str, tuple[int, int]]:
    """What other exchanges show at better prices than `qty` of an order at `venue` would trade at, price by price:
    (quantity, worst price) by exchange. Nothing if it would not trade there at once."""
    side = order.side.opposite
    limit = order.price if order.works_as is OrdType.LIMIT else 0
    there = 0
    levels: list[tuple[int, int, list[tuple[str, int]]]] = []
    for entries in state.market.by_price(order.symbol, side):
        price = entries[0].price
        if limit and not at_least_as_good(order.side, price, limit):
            break
        mine = sum(entry.qty for entry in entries if entry.key[0] == venue)
        there += mine
        levels.append((price, mine, [(entry.key[0], entry.qty) for entry in entries if entry.key[0] != venue]))
    found: dict[str, tuple[int, int]] = {}
    for price, mine, others in levels:
        qty -= min(qty, mine)
        there -= mine
        if not qty or not there:
            # The order goes no further there.
            break
        for name, shown in others:
            if name not in order.shunned and state.venue_quotes(name, order.symbol):
                part = min(qty, shown)
                found[name] = found.get(name, (0, 0))[0] + part, price
                qty -= part
    return {name: one for name, one in found.items() if one[0]}


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
    left -= min(left, there.qty)
    shown = min(there.qty, qty - sum(part for part, _ in better.values()))
    planned.held, planned.hold = left, planned.hold if left else None
    if shown:
        terms = there.price, there.ord_type, there.time_in_force, RouteRule.EX_DESTINATION
        marks = _mark(state, there.venue, True) if there.time_in_force in IMMEDIATE else there.instructions
        away.append(Route(there.venue, shown, *terms, marks))
    planned.routes = away
    return planned


def _mark(state: State, venue: str, sweeps: bool) -> Instructions | None:
    """What tells an exchange that knows of it that the other better prices are gone for too."""
    if not sweeps or "iso" not in state.venues[venue].supports:
        return None
    return Instructions(exec_inst=(str(ExecInst.INTERMARKET_SWEEP),))
