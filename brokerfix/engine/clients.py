"""What clients ask: new orders, cancels, replaces, status. And what a market maker wishes."""

import msgspec

from brokerfix.commands import AskStatus, CancelOrder, NewOrder, Quote, RefuseMessage, ReplaceOrder
from brokerfix.domain import CxlRejReason, OrdRejReason, OrdType, Reject, Request, TimeInForce, to_text
from brokerfix.engine import risk
from brokerfix.engine.orders import REQUEST_REJECTED_IN, Order
from brokerfix.engine.state import State
from brokerfix.engine.working import NewId, replace_and_work, withdraw, work
from brokerfix.facts import (
    CancelPending,
    ChildReplaceSent,
    Fact,
    MessageRefused,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderUnbooked,
    ReplacePending,
    RequestRejected,
    StatusReported,
)


def new_order(state: State, c: NewOrder, new_id: NewId) -> list[Fact]:
    client = state.clients[c.client]
    known = client.requests.get(c.cl_ord_id)
    if known is not None:
        if c.possible_duplicate:
            return [_status(known, c.client, c.cl_ord_id, c.at, new_id)]
        return [_rejected(c, new_id, Reject(OrdRejReason.DUPLICATE_ORDER, f"DUPLICATE: ClOrdID={c.cl_ord_id}"), False)]
    name = c.account or client.accounts[0]
    refused = risk.check_session(state, client, name, c.symbol, c.at) or c.defect
    if refused is not None:
        return [_rejected(c, new_id, refused)]
    instrument = state.instruments[c.symbol]
    valued_at = risk.risk_price(state, instrument, c.side, c.ord_type, c.price)
    refused = risk.check_terms(
        state, state.accounts[name], instrument, c.side, c.ord_type, c.qty, c.price, valued_at
    ) or _no_venue(state, c.ex_destination, c.symbol)
    if refused is not None:
        return [_rejected(c, new_id, refused)]
    accepted = OrderAccepted(
        c.at,
        new_id(),
        c.client,
        c.cl_ord_id,
        name,
        c.symbol,
        c.side,
        c.ord_type,
        c.time_in_force,
        c.qty,
        c.price,
        valued_at,
        c.ex_destination,
    )
    return [accepted, *work(state, Order.from_fact(accepted), c.qty, c.at, new_id)]


def _rejected(c: NewOrder, new_id: NewId, why: Reject, known_as_new: bool = True) -> OrderRejected:
    return OrderRejected(
        c.at,
        new_id(),
        c.client,
        c.cl_ord_id,
        c.account,
        c.symbol,
        c.side,
        c.ord_type,
        c.time_in_force,
        c.qty,
        c.price,
        why.reason,
        why.text,
        known_as_new,
    )


def _no_venue(state: State, ex_destination: str, symbol: str) -> Reject | None:
    """An order that can go nowhere is refused; a broker without exchanges matches in its own book."""
    if ex_destination:
        if ex_destination not in state.venues:
            return Reject(OrdRejReason.OTHER, f"UNKNOWN_VENUE: value={ex_destination}")
        if not state.venue_quotes(ex_destination, symbol):
            return Reject(OrdRejReason.BROKER_OPTION, f"NO_VENUE: {ex_destination} is not available for {symbol}")
        return None
    if not state.venues or state.instruments[symbol].post == "book":
        return None
    if any(state.venue_quotes(venue, symbol) for venue in state.venues):
        return None
    return Reject(OrdRejReason.BROKER_OPTION, f"NO_VENUE: no exchange for {symbol} is connected")


def _status(
    known: Order | OrderRejected | RequestRejected, client: str, cl_ord_id: str, at: int, new_id: NewId
) -> Fact:
    """The answer to a request that came before: what became of it."""
    if isinstance(known, Order):
        return StatusReported(at, new_id(), client, cl_ord_id, known.order_id, known.symbol, known.side)
    if isinstance(known, OrderRejected):
        return StatusReported(at, new_id(), client, cl_ord_id, 0, known.symbol, known.side, known.reason, known.text)
    return msgspec.structs.replace(known, at=at, id=new_id(), known_as_new=False, ends_pending=False)


def ask_status(state: State, c: AskStatus, new_id: NewId) -> list[Fact]:
    known = state.clients[c.client].requests.get(c.cl_ord_id)
    if known is None or isinstance(known, RequestRejected):
        unknown = f"UNKNOWN_ORDER: ClOrdID={c.cl_ord_id}"
        return [
            StatusReported(
                c.at,
                new_id(),
                c.client,
                c.cl_ord_id,
                0,
                c.symbol,
                c.side,
                OrdRejReason.UNKNOWN_ORDER,
                unknown,
                c.status_req_id,
            )
        ]
    found = _status(known, c.client, c.cl_ord_id, c.at, new_id)
    assert isinstance(found, StatusReported)
    return [msgspec.structs.replace(found, status_req_id=c.status_req_id)]


def cancel_order(state: State, c: CancelOrder, new_id: NewId) -> list[Fact]:
    found = _target(state, c, Request.CANCEL, new_id)
    if not isinstance(found, Order):
        return [found]
    if not found.open_children():
        return [OrderCanceled(c.at, new_id(), found.order_id, c.cl_ord_id)]
    pending = CancelPending(c.at, new_id(), found.order_id, c.cl_ord_id)
    return [pending, *withdraw(found, c.at, new_id)]


def _target(state: State, c: CancelOrder | ReplaceOrder, request: Request, new_id: NewId) -> Order | Fact:
    """The order that a cancel or replace is about, or the answer if there is none that can be changed."""
    client = state.clients[c.client]
    known = client.requests.get(c.cl_ord_id)
    order = client.requests.get(c.orig_cl_ord_id)
    if known is not None and c.possible_duplicate:
        return _status(known, c.client, c.cl_ord_id, c.at, new_id)
    if not isinstance(order, Order):
        refused = CxlRejReason.UNKNOWN_ORDER, f"UNKNOWN_ORDER: OrigClOrdID={c.orig_cl_ord_id}"
    elif known is not None:
        refused = CxlRejReason.DUPLICATE, f"DUPLICATE: ClOrdID={c.cl_ord_id}"
    else:
        in_state = REQUEST_REJECTED_IN[order.status]
        if in_state is None and order.pending is not None and request is Request.REPLACE:
            in_state = CxlRejReason.ALREADY_PENDING, "PENDING: the order is expiring"
        if in_state is None:
            return order
        refused = in_state
    order_id = order.order_id if isinstance(order, Order) else 0
    return RequestRejected(
        c.at, new_id(), c.client, order_id, c.cl_ord_id, c.orig_cl_ord_id, request, *refused, known_as_new=known is None
    )


def replace_order(state: State, c: ReplaceOrder, new_id: NewId) -> list[Fact]:
    order = _target(state, c, Request.REPLACE, new_id)
    if not isinstance(order, Order):
        return [order]
    refused = _bad_terms(state, c, order)
    if refused is not None:
        reason = CxlRejReason.BROKER_OPTION if refused.reason is OrdRejReason.EXCEEDS_LIMIT else CxlRejReason.OTHER
        return [
            RequestRejected(
                c.at,
                new_id(),
                c.client,
                order.order_id,
                c.cl_ord_id,
                c.orig_cl_ord_id,
                Request.REPLACE,
                reason,
                refused.text,
            )
        ]
    valued_at = c.price or order.risk_price
    children = order.open_children()
    if not children:
        return _replace_in_book(state, c, order, valued_at, new_id)
    pending = ReplacePending(c.at, new_id(), order.order_id, c.cl_ord_id, c.qty, c.price, valued_at)
    child = children[0]
    if len(children) > 1 or order.in_book or child.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC):
        # More than one place holds it: everything is called back and placed anew under the new terms.
        return [pending, *withdraw(order, c.at, new_id)]
    qty = child.qty + c.qty - order.qty
    return [pending, ChildReplaceSent(c.at, new_id(), child.child_id, qty, c.price)]


def _replace_in_book(state: State, c: ReplaceOrder, order: Order, valued_at: int, new_id: NewId) -> list[Fact]:
    """At the same price and with less quantity the order keeps its place in the queue; else it is placed anew."""
    if c.price == order.price and c.qty <= order.qty:
        return [OrderReplaced(c.at, new_id(), order.order_id, c.cl_ord_id, c.qty, c.price, valued_at)]
    facts: list[Fact] = []
    if order.in_book:
        facts.append(OrderUnbooked(c.at, new_id(), order.order_id))
    return facts + replace_and_work(state, order, order.cum, c.cl_ord_id, c.qty, c.price, valued_at, c.at, new_id)


def _bad_terms(state: State, c: ReplaceOrder, order: Order) -> Reject | None:
    """Why an order may not get these terms."""
    if c.symbol != order.symbol or c.side is not order.side or c.ord_type is not order.ord_type:
        return Reject(OrdRejReason.OTHER, "FIXED: Symbol, Side and OrdType can't be replaced")
    if c.time_in_force is not None and c.time_in_force is not order.time_in_force:
        return Reject(OrdRejReason.OTHER, "FIXED: TimeInForce can't be replaced")
    if c.defect is not None:
        return c.defect
    instrument = state.instruments[c.symbol]
    if c.qty < order.cum:
        limit, value = (to_text(qty, instrument.qty_digits) for qty in (order.cum, c.qty))
        return Reject(OrdRejReason.OTHER, f"BELOW_FILLED: limit={limit}, value={value}")
    client = state.clients[c.client]
    refused = risk.check_session(state, client, order.account, c.symbol, c.at)
    if refused is not None:
        return refused
    valued_at = c.price or order.risk_price
    return risk.check_terms(
        state, state.accounts[order.account], instrument, c.side, c.ord_type, c.qty, c.price, valued_at, order
    )


def refuse_message(state: State, c: RefuseMessage, new_id: NewId) -> list[Fact]:
    return [MessageRefused(c.at, new_id(), c.client, c.ref_seq_num, c.ref_msg_type, c.reason, c.text, c.ref_id)]


def quote(state: State, c: Quote, new_id: NewId) -> list[Fact]:
    """Bring the maker's order of this level to the wished price and quantity."""
    slot = f"{c.symbol}-{'B' if c.side == '1' else 'S'}{c.level}-"
    standing = [
        order
        for order in state.clients[c.client].working.values()
        if order.symbol == c.symbol and order.cl_ord_id.startswith(slot)
    ]
    if standing:
        order = standing[0]
        if not c.qty:
            return [OrderCanceled(c.at, new_id(), order.order_id, "")]
        if order.price == c.price and order.leaves == c.qty:
            return []
        facts: list[Fact] = [OrderUnbooked(c.at, new_id(), order.order_id)] if order.in_book else []
        return facts + replace_and_work(
            state, order, order.cum, f"{slot}{c.at}", order.cum + c.qty, c.price, c.price, c.at, new_id
        )
    if not c.qty:
        return []
    accepted = OrderAccepted(
        c.at,
        new_id(),
        c.client,
        f"{slot}{c.at}",
        c.account,
        c.symbol,
        c.side,
        OrdType.LIMIT,
        TimeInForce.DAY,
        c.qty,
        c.price,
        c.price,
    )
    return [accepted, *work(state, Order.from_fact(accepted), c.qty, c.at, new_id)]
