"""What a market maker wishes: orders that stand in our own book, by side and level."""

from brokerfix.commands import Quote
from brokerfix.domain import OrdType, Phase, Reject, Request, Side, TimeInForce
from brokerfix.engine.entities import Client
from brokerfix.engine.orders.order import Order, Pending
from brokerfix.engine.orders.settle import replace_and_work
from brokerfix.engine.orders.work import work
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.facts import OrderAccepted, OrderCanceled, OrderRejected, OrderUnbooked

DECIDE = Decisions()


@DECIDE.on(Quote, silent="the maker's orders stand as wished")
def quote(state: State, c: Quote, step: Step) -> None:
    """Bring the maker's order of this level to the wished price and quantity. It goes through the checks that a
    client's order does; where it may not stand, it is taken back. The level is its ClOrdID, all the time."""
    client = state.clients[c.client]
    slot = f"{c.symbol}-{'B' if c.side is Side.BUY else 'S'}{c.level}"
    known = client.requests.get(slot)
    standing = known if isinstance(known, Order) and known.working else None
    refused = _bad_quote(state, client, c, standing) if c.qty else None
    if standing is not None:
        if not c.qty or refused is not None:
            step.emit(OrderCanceled, standing.order_id, "", refused.text if refused else "")
        elif standing.price != c.price or standing.leaves != c.qty:
            if standing.in_book:
                step.emit(OrderUnbooked, standing.order_id)
            terms = Pending(Request.REPLACE, slot, standing.cum + c.qty, c.price, c.price)
            replace_and_work(state, standing, standing.cum, terms, step)
        return
    if not c.qty or state.phase(c.symbol) is Phase.CLOSED:
        return
    if refused is not None:
        if isinstance(known, OrderRejected) and known.text.partition(":")[0] == refused.check:
            # That was told already.
            return
        step.emit(
            OrderRejected,
            client=c.client,
            cl_ord_id=slot,
            account=c.account,
            symbol=c.symbol,
            side=c.side,
            ord_type=OrdType.LIMIT,
            time_in_force=TimeInForce.DAY,
            qty=c.qty,
            price=c.price,
            reason=refused.reason,
            text=refused.text,
            evidence=refused.evidence,
        )
        return
    accepted = step.emit(
        OrderAccepted,
        client=c.client,
        cl_ord_id=slot,
        account=c.account,
        symbol=c.symbol,
        side=c.side,
        ord_type=OrdType.LIMIT,
        time_in_force=TimeInForce.DAY,
        qty=c.qty,
        price=c.price,
        risk_price=c.price,
    )
    work(state, Order.from_fact(accepted), c.qty, step)


def _bad_quote(state: State, client: Client, c: Quote, standing: Order | None) -> Reject | None:
    refused = risk.check_market(state, client, c.account, c.symbol)
    if refused is not None:
        return refused
    qty = c.qty + standing.cum if standing is not None else c.qty
    terms = risk.Terms(c.side, OrdType.LIMIT, qty, c.price, c.price)
    account, instrument = state.accounts[c.account], state.instruments[c.symbol]
    return risk.check_terms(state, client, account, instrument, terms, c.at, standing)
