"""What clients ask: new orders, cancels, replaces, status. And what a market maker wishes."""

import msgspec

from brokerfix.commands import AskStatus, CancelOrder, NewOrder, NextRequest, Quote, RefuseMessage, ReplaceOrder
from brokerfix.domain import (
    ECHOED,
    IMMEDIATE,
    CxlRejReason,
    ExecInst,
    Instructions,
    OrdRejReason,
    OrdStatus,
    OrdType,
    Phase,
    Reject,
    Request,
    Side,
    TimeInForce,
)
from brokerfix.engine.orders.instructions import NONE, first_stop, not_now, refusal
from brokerfix.engine.orders.order import REQUEST_REJECTED_IN, Order, Pending, follows_market, is_over
from brokerfix.engine.orders.working import NewId, replace_and_work, withdraw, work
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.state import Client, State
from brokerfix.facts import (
    CancelPending,
    ChildReplaceSent,
    Fact,
    MessageRefused,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderRouted,
    OrderUnbooked,
    ReplacePending,
    RequestQueued,
    RequestRejected,
    StatusReported,
)


def new_order(state: State, c: NewOrder, new_id: NewId) -> list[Fact]:
    client = state.clients[c.client]
    known = named(state, client, c.cl_ord_id, c.possible_duplicate)
    if known is not None:
        if c.possible_duplicate:
            return [status_of(known, c.client, c.cl_ord_id, c.at, new_id)]
        verbal = isinstance(known, Order) and known.operator
        reason = OrdRejReason.DUPLICATE_OF_VERBAL if verbal else OrdRejReason.DUPLICATE_ORDER
        order_id = known.order_id if isinstance(known, Order) else 0
        return [_rejected(c, new_id, Reject(reason, f"DUPLICATE: ClOrdID={c.cl_ord_id}"), False, order_id)]
    name = c.account or client.accounts[0]
    refused = risk.check_session(state, client, name, c.symbol, c.at) or c.defect
    if refused is not None:
        return [_rejected(c, new_id, refused)]
    instrument = state.instruments[c.symbol]
    asked = c.instructions
    valued_at = risk.risk_price(state, instrument, c.side, c.ord_type, c.price, asked)
    qty = risk.qty_for(instrument, c.cash, c.price or valued_at) if c.cash else c.qty
    terms = c.side, c.ord_type, qty, c.price, valued_at
    refused = risk.check_terms(state, state.accounts[name], instrument, *terms)
    refused = refused or _no_venue(state, c.ex_destination, c.symbol)
    if refused is None and asked is not None:
        refused = refusal(instrument, c.ord_type, c.time_in_force, qty, asked)
    if refused is not None:
        return [_rejected(c, new_id, refused)]
    if asked is not None and ExecInst.TRAILING_STOP in asked.exec_inst and not asked.stop_px:
        asked = msgspec.structs.replace(asked, stop_px=first_stop(state, instrument, c.side, asked))
    # It is the command's first fact.
    accepted = OrderAccepted(
        c.at,
        state.last_id + 1,
        c.client,
        c.cl_ord_id,
        name,
        c.symbol,
        c.side,
        c.ord_type,
        c.time_in_force,
        qty,
        c.price,
        valued_at,
        c.ex_destination,
        asked,
        True,
        c.operator,
        c.cash,
    )
    order = Order.from_fact(accepted)
    if asked is not None:
        follows = follows_market(order.ord_type, asked)
        refused = not_now(state, instrument, order, c.at) or (_follows_too_many(client) if follows else None)
        if refused is not None:
            return [_rejected(c, new_id, refused)]
    # Only now its number is used up: numbers have no gap.
    new_id()
    placed = work(state, order, qty, c.at, new_id)
    if client.options.acknowledge == "placed" and any(isinstance(fact, OrderRouted) for fact in placed):
        accepted = msgspec.structs.replace(accepted, acknowledged=False)
    return [accepted, *placed]


def _follows_too_many(client: Client) -> Reject | None:
    """Each order that follows the market is work at each of its moves: a client may have so many."""
    most = client.options.most_following
    if client.following < most:
        return None
    return Reject(OrdRejReason.EXCEEDS_LIMIT, f"FOLLOWING: limit={most}, value={client.following + 1}")


def named(state: State, client: Client, cl_ord_id: str, again: bool) -> Order | OrderRejected | RequestRejected | None:
    """What a ClOrdID names. They are unique for the day and for what works: one of what has ended on an earlier day may
    be used anew, but for a message that may have come before (`again`)."""
    known = client.requests.get(cl_ord_id) if cl_ord_id else None
    if known is None or again:
        return known
    last = known.done if isinstance(known, Order) else known.id
    return None if 0 < last < state.day_began else known


def _rejected(c: NewOrder, new_id: NewId, why: Reject, known_as_new: bool = True, order_id: int = 0) -> OrderRejected:
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
        order_id,
        tuple((tag, value) for tag in ECHOED if (value := c.told.get(tag))),
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


def status_of(
    known: Order | OrderRejected | RequestRejected, client: str, cl_ord_id: str, at: int, new_id: NewId
) -> Fact:
    """The answer to a request that came before: what became of it."""
    if isinstance(known, Order):
        return StatusReported(at, new_id(), client, cl_ord_id, known.order_id, known.symbol, known.side)
    if isinstance(known, OrderRejected):
        return StatusReported(at, new_id(), client, cl_ord_id, 0, known.symbol, known.side, known.reason, known.text)
    return msgspec.structs.replace(known, at=at, id=new_id(), known_as_new=False, ends_pending=False)


def ask_status(state: State, c: AskStatus, new_id: NewId) -> list[Fact]:
    client = state.clients[c.client]
    known = client.requests.get(c.cl_ord_id) or client.working.get(c.order_id)
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
    found = status_of(known, c.client, c.cl_ord_id, c.at, new_id)
    assert isinstance(found, StatusReported)
    return [msgspec.structs.replace(found, status_req_id=c.status_req_id)]


def cancel_order(state: State, c: CancelOrder, new_id: NewId) -> list[Fact]:
    order = _target(state, c, Request.CANCEL, new_id)
    if not isinstance(order, Order):
        return [order]
    if _waits(order):
        announced = state.clients[c.client].options.pending == "announce"
        return [RequestQueued(c.at, new_id(), order.order_id, c.cl_ord_id, Request.CANCEL, announced=announced)]
    return cancel(order, c.cl_ord_id, c.at, new_id)


def cancel(
    order: Order, cl_ord_id: str, at: int, new_id: NewId, reason: str = "", text: str = "", operator: str = ""
) -> list[Fact]:
    """Cancel an order, at once or as soon as the exchanges that hold some of it have let go. Without a client's request
    (`cl_ord_id` empty) the reason is told."""
    if _waits(order):
        # It has its turn once the replace is answered: till then the exchange may hold what was asked for.
        why = str(reason), text, operator
        return [RequestQueued(at, new_id(), order.order_id, cl_ord_id, Request.CANCEL, 0, 0, 0, None, False, *why)]
    if not order.children:
        return [OrderCanceled(at, new_id(), order.order_id, cl_ord_id, text, str(reason), operator)]
    pending = CancelPending(at, new_id(), order.order_id, cl_ord_id, Request.CANCEL, str(reason), text, operator)
    return [pending, *withdraw(order, at, new_id)]


def is_cancelable(order: Order) -> bool:
    """Whether a working order is not being canceled already."""
    if order.pending is not None and order.pending.request is not Request.REPLACE:
        return False
    return not any(waiting.request is Request.CANCEL for waiting in order.queue)


def _waits(order: Order) -> bool:
    """Whether a new request has to wait for its turn."""
    return (order.pending is not None and order.pending.request is Request.REPLACE) or bool(order.queue)


def _target(state: State, c: CancelOrder | ReplaceOrder, request: Request, new_id: NewId) -> Order | Fact:
    """The order that a cancel or replace is about, or the answer if there is none that can be changed."""
    client = state.clients[c.client]
    known = named(state, client, c.cl_ord_id, c.possible_duplicate)
    order = client.requests.get(c.orig_cl_ord_id) or client.working.get(c.order_id)
    if known is not None and c.possible_duplicate:
        return status_of(known, c.client, c.cl_ord_id, c.at, new_id)
    if not isinstance(order, Order):
        refused = CxlRejReason.UNKNOWN_ORDER, f"UNKNOWN_ORDER: OrigClOrdID={c.orig_cl_ord_id}"
    elif known is not None:
        refused = CxlRejReason.DUPLICATE, f"DUPLICATE: ClOrdID={c.cl_ord_id}"
    else:
        more = c.qty if isinstance(c, ReplaceOrder) else 0
        in_state = _refused_in_state(order, request, more, client.options.pending != "reject")
        if in_state is None:
            return order
        refused = in_state
    order_id, orig = 0, c.orig_cl_ord_id
    if isinstance(order, Order):
        order_id, orig = order.order_id, _last_accepted(order, orig)
    return RequestRejected(
        c.at, new_id(), c.client, order_id, c.cl_ord_id, orig, request, *refused, known_as_new=known is None
    )


def _last_accepted(order: Order, named: str) -> str:
    """OrigClOrdID(41) of a rejection: not what the refused request has named but the last accepted one (FIX 4.4
    volume 4, D.2.c); of an order that is canceled that before the cancel is as good."""
    return named if order.ended is not None and named == order.orig_cl_ord_id else order.cl_ord_id


def _refused_in_state(order: Order, request: Request, qty: int, may_wait: bool) -> tuple[CxlRejReason, str] | None:
    """Why the order's state does not allow the request, or None. `qty` is the quantity that a replace asks for."""
    status = order.status
    if status is OrdStatus.PENDING_REPLACE and may_wait:
        if order.queue and order.queue[-1].request is Request.CANCEL:
            return REQUEST_REJECTED_IN[OrdStatus.PENDING_CANCEL]
        return None
    if status is OrdStatus.FILLED and request is Request.REPLACE and qty > order.cum and order.pending is None:
        return None
    if order.ended is not None:
        return REQUEST_REJECTED_IN[order.ended] or (CxlRejReason.TOO_LATE, "TOO_LATE: the order is done for day")
    refused = REQUEST_REJECTED_IN[status]
    if refused is None and order.pending is not None and request is Request.REPLACE:
        return CxlRejReason.ALREADY_PENDING, "PENDING: the order is expiring"
    return refused


def replace_order(state: State, c: ReplaceOrder, new_id: NewId) -> list[Fact]:
    order = _target(state, c, Request.REPLACE, new_id)
    if not isinstance(order, Order):
        return [order]
    refused = _bad_terms(state, c, order)
    if refused is not None:
        return [_replace_refused(order, c.cl_ord_id, refused, c.at, new_id)]
    asked = _dated(order, c.instructions)
    instrument = state.instruments[order.symbol]
    valued_at = risk.risk_price(state, instrument, order.side, order.ord_type, c.price, asked) or order.risk_price
    # What is left of a market order has the price of its last fill, which no request names.
    price = order.price if order.ord_type is OrdType.MARKET_TO_LIMIT else c.price
    terms = Pending(Request.REPLACE, c.cl_ord_id, c.qty, price, valued_at, asked)
    if _waits(order):
        announced = state.clients[c.client].options.pending == "announce"
        asked_for = c.qty, price, valued_at, asked
        return [RequestQueued(c.at, new_id(), order.order_id, c.cl_ord_id, Request.REPLACE, *asked_for, announced)]
    return _replace(state, order, terms, c.at, new_id)


def _dated(order: Order, asked: Instructions | None) -> Instructions | None:
    """What a replace asks for; an order that is good till a date keeps it where the request names none."""
    had = order.instructions
    if had is None or not (had.expire_at or had.expire_day) or (asked and (asked.expire_at or asked.expire_day)):
        return asked
    return msgspec.structs.replace(asked or NONE, expire_at=had.expire_at, expire_day=had.expire_day)


def _replace_refused(order: Order, cl_ord_id: str, refused: Reject, at: int, new_id: NewId) -> RequestRejected:
    reason = CxlRejReason.BROKER_OPTION if refused.reason is OrdRejReason.EXCEEDS_LIMIT else CxlRejReason.OTHER
    ids = order.order_id, cl_ord_id, order.cl_ord_id
    return RequestRejected(at, new_id(), order.client, *ids, Request.REPLACE, reason, refused.text)


def _replace(state: State, order: Order, terms: Pending, at: int, new_id: NewId) -> list[Fact]:
    """Give an order the terms asked for, at once or as soon as the exchange that holds it has."""
    children = order.children
    if not children:
        return _replace_here(state, order, terms, at, new_id)
    asked_for = terms.cl_ord_id, terms.qty, terms.price, terms.risk_price, terms.instructions
    pending = ReplacePending(at, new_id(), order.order_id, *asked_for)
    child = children[0]
    whole = child.instructions is not None and child.ord_type is order.ord_type and child.ord_type is not OrdType.LIMIT
    if (
        len(children) > 1
        or order.in_book
        or order.held
        or child.request is not None
        or child.time_in_force in IMMEDIATE
        or (order.ord_type is OrdType.PEGGED and not whole)
        or not (whole or terms.instructions == order.instructions)
    ):
        # More than one place holds it, or the exchange can't do what is asked for now: everything is called back and
        # placed anew under the new terms.
        return [pending, *withdraw(order, at, new_id)]
    qty = max(child.cum, child.qty + terms.qty - order.qty)
    price = terms.price
    if whole and terms.instructions is not None:
        price = terms.instructions.limit or price
    sent = terms.instructions if whole else child.instructions
    return [pending, ChildReplaceSent(at, new_id(), child.child_id, qty, price, sent)]


def _replace_here(state: State, order: Order, terms: Pending, at: int, new_id: NewId) -> list[Fact]:
    """At the same price and with less quantity the order keeps its place in the queue; else it is placed anew."""
    if terms.price == order.price and order.cum < terms.qty <= order.qty and terms.instructions == order.instructions:
        told = terms.qty, terms.price, terms.risk_price, terms.instructions
        return [OrderReplaced(at, new_id(), order.order_id, terms.cl_ord_id, *told)]
    facts: list[Fact] = []
    if order.in_book:
        facts.append(OrderUnbooked(at, new_id(), order.order_id))
    return facts + replace_and_work(state, order, order.cum, terms, at, new_id)


def next_request(state: State, c: NextRequest, new_id: NewId) -> list[Fact]:
    """A request that waited behind a replace: it is taken as if it came now."""
    order = state.orders[c.order_id]
    if not order.queue or order.pending is not None:
        return []
    waiting = order.queue[0]
    alone = msgspec.structs.replace(order, queue=())
    refused = _refused_in_state(alone, waiting.request, waiting.qty, False)
    if refused is not None:
        ids = order.order_id, waiting.cl_ord_id, order.cl_ord_id
        return [RequestRejected(c.at, new_id(), order.client, *ids, waiting.request, *refused)]
    if waiting.request is Request.CANCEL:
        why = waiting.reason, waiting.text, waiting.operator
        return cancel(alone, waiting.cl_ord_id, c.at, new_id, *why)
    wrong = _bad_values(state, order, waiting.qty, waiting.price, waiting.instructions, c.at)
    if wrong is not None:
        return [_replace_refused(order, waiting.cl_ord_id, wrong, c.at, new_id)]
    return _replace(state, order, waiting, c.at, new_id)


def _bad_terms(state: State, c: ReplaceOrder, order: Order) -> Reject | None:
    """Why an order may not get these terms."""
    if c.symbol != order.symbol or c.side is not order.side or c.ord_type is not order.ord_type:
        return Reject(OrdRejReason.OTHER, "FIXED: Symbol, Side and OrdType can't be replaced")
    if c.time_in_force is not None and c.time_in_force is not order.time_in_force:
        return Reject(OrdRejReason.OTHER, "FIXED: TimeInForce can't be replaced")
    if c.defect is not None:
        return c.defect
    if risk.too_fast(state.clients[c.client], c.at):
        return risk.rate_reject(state.clients[c.client])
    return _bad_values(state, order, c.qty, c.price, c.instructions, c.at)


def _bad_values(state: State, order: Order, qty: int, price: int, asked: Instructions | None, at: int) -> Reject | None:
    """Why an order may not get this quantity, price and these instructions."""
    instrument = state.instruments[order.symbol]
    refused = risk.check_market(state, state.clients[order.client], order.account, order.symbol)
    if refused is not None:
        return refused
    asked = _dated(order, asked)
    if asked is not None:
        refused = refusal(instrument, order.ord_type, order.time_in_force, qty, asked)
        if refused is None and follows_market(order.ord_type, asked) > follows_market(
            order.ord_type, order.instructions
        ):
            refused = _follows_too_many(state.clients[order.client])
        if refused is not None:
            return refused
    if (
        order.order_id < state.day_began
        and order.time_in_force is not TimeInForce.GTD
        and is_over(order, state.day, at)
    ):
        return Reject(OrdRejReason.OTHER, "OVER: the order was for an earlier day")
    # Less than what is filled means: work no more of it.
    qty = max(qty, order.cum)
    valued_at = risk.risk_price(state, instrument, order.side, order.ord_type, price, asked) or order.risk_price
    terms = order.side, order.ord_type, qty, price, valued_at
    return risk.check_terms(state, state.accounts[order.account], instrument, *terms, order)


def refuse_message(state: State, c: RefuseMessage, new_id: NewId) -> list[Fact]:
    return [MessageRefused(c.at, new_id(), c.client, c.ref_seq_num, c.ref_msg_type, c.reason, c.text, c.ref_id)]


def quote(state: State, c: Quote, new_id: NewId) -> list[Fact]:
    """Bring the maker's order of this level to the wished price and quantity. It goes through the checks that a
    client's order does; where it may not stand, it is taken back. The level is its ClOrdID, all the time."""
    client = state.clients[c.client]
    slot = f"{c.symbol}-{'B' if c.side is Side.BUY else 'S'}{c.level}"
    known = client.requests.get(slot)
    standing = known if isinstance(known, Order) and known.working else None
    refused = _bad_quote(state, client, c, standing) if c.qty else None
    if standing is not None:
        if not c.qty or refused is not None:
            return [OrderCanceled(c.at, new_id(), standing.order_id, "", refused.text if refused else "")]
        if standing.price == c.price and standing.leaves == c.qty:
            return []
        facts: list[Fact] = [OrderUnbooked(c.at, new_id(), standing.order_id)] if standing.in_book else []
        terms = Pending(Request.REPLACE, slot, standing.cum + c.qty, c.price, c.price)
        return facts + replace_and_work(state, standing, standing.cum, terms, c.at, new_id)
    if not c.qty or state.phase(c.symbol) is Phase.CLOSED:
        return []
    terms_of = c.symbol, c.side, OrdType.LIMIT, TimeInForce.DAY, c.qty, c.price
    if refused is not None:
        if isinstance(known, OrderRejected) and known.text.partition(":")[0] == refused.text.partition(":")[0]:
            # That was told already.
            return []
        return [OrderRejected(c.at, new_id(), c.client, slot, c.account, *terms_of, refused.reason, refused.text)]
    accepted = OrderAccepted(c.at, new_id(), c.client, slot, c.account, *terms_of, c.price)
    return [accepted, *work(state, Order.from_fact(accepted), c.qty, c.at, new_id)]


def _bad_quote(state: State, client: Client, c: Quote, standing: Order | None) -> Reject | None:
    refused = risk.check_market(state, client, c.account, c.symbol)
    if refused is not None:
        return refused
    qty = c.qty + standing.cum if standing is not None else c.qty
    terms = c.side, OrdType.LIMIT, qty, c.price, c.price
    return risk.check_terms(state, state.accounts[c.account], state.instruments[c.symbol], *terms, standing)
