"""The broker's cross desk: two orders of a client that trade with each other."""

from brokerfix.commands import CrossOrder, NewOrder
from brokerfix.domain import OrdRejReason, OrdType, Reject, Side, TimeInForce, to_text
from brokerfix.engine.fees import trade
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.accept import named, reject
from brokerfix.engine.orders.order import Order
from brokerfix.engine.orders.status import report_known
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.facts import OrderAccepted

DECIDE = Decisions()


@DECIDE.on(CrossOrder)
def cross_order(state: State, c: CrossOrder, step: Step) -> None:
    """The two sides trade with each other at the price, all or nothing. The price must be neither above the best offer
    nor below the best bid in sight, so that nobody's better price is passed over."""
    orders = [
        NewOrder(c.at, c.client, cl_ord_id, account, c.symbol, side, OrdType.LIMIT, TimeInForce.DAY, qty, c.price)
        for side, cl_ord_id, account, qty in c.sides
    ]
    client = state.clients[c.client]
    known = client.requests
    if c.possible_duplicate and all(one.cl_ord_id in known for one in orders):
        for one in orders:
            report_known(known[one.cl_ord_id], c.client, one.cl_ord_id, step)
        return
    refused = c.defect or _bad_cross(state, c, orders)
    if refused is not None:
        for one in orders:
            before = named(state, client, one.cl_ord_id, False)
            reject(one, step, refused, before is None, before.order_id if before else 0)
        return
    first, second = (
        step.emit(
            OrderAccepted,
            client=c.client,
            cl_ord_id=one.cl_ord_id,
            account=one.account or client.accounts[0],
            symbol=c.symbol,
            side=one.side,
            ord_type=one.ord_type,
            time_in_force=one.time_in_force,
            qty=one.qty,
            price=one.price,
            risk_price=one.price,
        )
        for one in orders
    )
    trade(state, Order.from_fact(first), Order.from_fact(second), orders[0].qty, c.price, step, True)


def _bad_cross(state: State, c: CrossOrder, orders: list[NewOrder]) -> Reject | None:
    client = state.clients[c.client]
    first, second = orders
    if first.side is second.side or first.qty != second.qty or first.cl_ord_id == second.cl_ord_id:
        return Reject(OrdRejReason.OTHER, "CROSS", "needs a buy and a sell of the same quantity, each with its ClOrdID")
    sides = []
    for one in orders:
        if named(state, client, one.cl_ord_id, False) is not None:
            return Reject(OrdRejReason.DUPLICATE_ORDER, "DUPLICATE", f"ClOrdID={one.cl_ord_id}")
        account = one.account or client.accounts[0]
        refused = risk.check_session(state, client, account, c.symbol, c.at)
        if refused is None:
            instrument = state.instruments[c.symbol]
            terms = risk.Terms(one.side, one.ord_type, one.qty, one.price, one.price)
            refused = risk.check_terms(state, client, state.accounts[account], instrument, terms, c.at)
        if refused is not None:
            return refused
        sides.append((client, state.accounts[account], terms))
    refused = risk.check_together(state, c.symbol, sides, c.at)
    if refused is not None:
        return refused
    for side in Side:
        for best in (state.books[c.symbol].best(side), state.market.best(c.symbol, side)):
            if best is not None and best != c.price and at_least_as_good(side.opposite, best, c.price):
                price = to_text(best, state.instruments[c.symbol].price_digits)
                return Reject(OrdRejReason.OTHER, "CROSS", "there is a better price", limit=price)
    return None
