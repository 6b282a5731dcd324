"""What a client asks about many orders at once: mass status, mass cancel, lists, crosses."""

from brokerfix.commands import AskListStatus, AskMassStatus, ClientOther, CrossOrder, MassCancel, NewOrder
from brokerfix.domain import BusinessRejectReason, OrdRejReason, OrdType, Reject, Side, TimeInForce, to_text
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.clients import is_cancelable, named, status_of
from brokerfix.engine.orders.order import Order
from brokerfix.engine.orders.working import NewId
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.state import Client, JobKind, State
from brokerfix.facts import (
    Alerted,
    Fact,
    ListReported,
    MassCanceled,
    MessageRefused,
    OrderAccepted,
    OrderRejected,
    StatusesAsked,
    StatusReported,
    Trade,
)

OF_SECURITY, ALL = "1", "7"
"""MassCancelRequestType(530)."""
MOST_REPORTED = 50
"""Reports of a mass status that are made at once."""
MOST_COUNTED = 20_000
"""Working orders among which those that a mass cancel concerns are counted before it is confirmed."""
UNKNOWN_SECURITY, OTHER = "1", "99"
"""MassCancelRejectReason(532)."""


def ask_mass_status(state: State, c: AskMassStatus, new_id: NewId) -> list[Fact]:
    """A report for each working order that matches, of those too whose copies the client gets; many are a job. Without
    any, one report that says so."""
    req_ids = ("", c.req_id) if c.is_mass else (c.req_id, "")
    client = state.clients[c.client]
    found = [
        order
        for one in (client, *[state.clients[name] for name in client.options.drop_copy if name in state.clients])
        for order in _matching(one, c.symbol, c.account)
    ]
    if not found:
        none = OrdRejReason.UNKNOWN_ORDER, "NO_ORDERS: nothing works that matches the request"
        return [StatusReported(c.at, new_id(), c.client, "", 0, c.symbol, Side.BUY, *none, *req_ids, 0, True)]
    if len(found) > MOST_REPORTED and any(job.kind is JobKind.REPORT and job.name == c.client for job in state.jobs):
        told = "MASS_STATUS: the last one is still being answered"
        kind = "AF" if c.is_mass else "H"
        return [MessageRefused(c.at, new_id(), c.client, 0, kind, BusinessRejectReason.OTHER, told, c.req_id)]
    if len(found) > MOST_REPORTED:
        return [StatusesAsked(c.at, new_id(), c.client, tuple(order.order_id for order in found), *req_ids)]
    last = found[-1]
    return [report(order, c.client, *req_ids, len(found), order is last, c.at, new_id) for order in found]


def report(
    order: Order, client: str, req_id: str, mass_id: str, total: int, is_last: bool, at: int, new_id: NewId
) -> StatusReported:
    """One of the `total` reports that a mass status has."""
    named = client, order.cl_ord_id, order.order_id, order.symbol, order.side
    return StatusReported(
        at,
        new_id(),
        *named,
        status_req_id=req_id,
        mass_status_req_id=mass_id,
        total=total,
        is_last=is_last,
    )


def open_orders(state: State, client: Client, at: int, new_id: NewId) -> list[Fact]:
    """All that works of the clients whose copies a drop-copy session gets, as if it had asked."""
    return ask_mass_status(state, AskMassStatus(at, client.client, "", False), new_id)


def _matching(client: Client, symbol: str, account: str, side: str = "") -> list[Order]:
    return [
        order
        for order in client.working.values()
        if symbol in ("", order.symbol) and account in ("", order.account) and side in ("", order.side)
    ]


def mass_cancel(state: State, c: MassCancel, new_id: NewId) -> list[Fact]:
    """Cancel every working order that matches, which is a job. Each is reported as if it had been canceled unasked."""
    if c.kind == OF_SECURITY and c.symbol not in state.instruments:
        text = f"UNKNOWN_SYMBOL: value={c.symbol}"
        return [MassCanceled(c.at, new_id(), c.client, c.cl_ord_id, c.kind, 0, UNKNOWN_SECURITY, text)]
    symbol = c.symbol if c.kind == OF_SECURITY else ""
    client = state.clients[c.client]
    count = -1
    if len(client.working) <= MOST_COUNTED:
        count = sum(is_cancelable(order) for order in _matching(client, symbol, c.account, c.side))
    meant = symbol, c.account, c.side
    return [MassCanceled(c.at, new_id(), c.client, c.cl_ord_id, c.kind, count, "", "", True, *meant)]


def cross_order(state: State, c: CrossOrder, new_id: NewId) -> list[Fact]:
    """The broker's cross desk: the two sides trade with each other at the price, all or nothing. The price must be
    neither above the best offer nor below the best bid in sight, so that nobody's better price is passed over."""
    orders = [
        NewOrder(c.at, c.client, cl_ord_id, account, c.symbol, side, OrdType.LIMIT, TimeInForce.DAY, qty, c.price)
        for side, cl_ord_id, account, qty in c.sides
    ]
    client = state.clients[c.client]
    known = client.requests
    if c.possible_duplicate and all(one.cl_ord_id in known for one in orders):
        return [status_of(known[one.cl_ord_id], c.client, one.cl_ord_id, c.at, new_id) for one in orders]
    refused = c.defect or _bad_cross(state, c, orders)
    if refused is not None:
        return [
            OrderRejected(
                c.at, new_id(), c.client, one.cl_ord_id, one.account, c.symbol, one.side, one.ord_type,
                one.time_in_force, one.qty, one.price, refused.reason, refused.text, before is None,
                before.order_id if before else 0,
            )
            for one in orders
            for before in [named(state, client, one.cl_ord_id, False)]
        ]  # fmt: skip
    facts: list[Fact] = []
    numbers = []
    accounts = state.clients[c.client].accounts
    for one in orders:
        numbers.append(new_id())
        terms = one.side, one.ord_type, one.time_in_force, one.qty, one.price, one.price
        facts.append(
            OrderAccepted(c.at, numbers[-1], c.client, one.cl_ord_id, one.account or accounts[0], c.symbol, *terms)
        )
    new_id()  # the first side's ExecID
    facts.append(Trade(c.at, new_id(), numbers[0], numbers[1], orders[0].qty, c.price, True))
    return facts


def _bad_cross(state: State, c: CrossOrder, orders: list[NewOrder]) -> Reject | None:
    client = state.clients[c.client]
    first, second = orders
    if first.side is second.side or first.qty != second.qty or first.cl_ord_id == second.cl_ord_id:
        return Reject(OrdRejReason.OTHER, "CROSS: needs a buy and a sell of the same quantity, each with its ClOrdID")
    for one in orders:
        if named(state, client, one.cl_ord_id, False) is not None:
            return Reject(OrdRejReason.DUPLICATE_ORDER, f"DUPLICATE: ClOrdID={one.cl_ord_id}")
        account = one.account or client.accounts[0]
        refused = risk.check_session(state, client, account, c.symbol, c.at)
        if refused is None:
            instrument = state.instruments[c.symbol]
            terms = one.side, one.ord_type, one.qty, one.price, one.price
            refused = risk.check_terms(state, state.accounts[account], instrument, *terms)
        if refused is not None:
            return refused
    for side in Side:
        for best in (state.books[c.symbol].best(side), state.market.best(c.symbol, side)):
            if best is not None and best != c.price and at_least_as_good(side.opposite, best, c.price):
                price = to_text(best, state.instruments[c.symbol].price_digits)
                return Reject(OrdRejReason.OTHER, f"CROSS: limit={price}, there is a better price")
    return None


def ask_list_status(state: State, c: AskListStatus, new_id: NewId) -> list[Fact]:
    return [ListReported(c.at, new_id(), c.client, c.list_id, c.cl_ord_ids)]


def client_other(state: State, c: ClientOther, new_id: NewId) -> list[Fact]:
    return [Alerted(c.at, new_id(), c.client, c.code, c.text, c.raw)]
