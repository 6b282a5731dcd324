"""The only code that changes state: one short handler per fact. It never rejects and knows no rule.

Recovery is `for fact in journal: evolve(state, fact)` and nothing else.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import DAY, Instrument, OrdStatus, Request, Side, to_money
from brokerfix.engine import risk
from brokerfix.engine.book import Book
from brokerfix.engine.orders import Child, Order, Pending, child_from_fact
from brokerfix.engine.state import Account, Client, Position, State


def evolve(state: State, fact: f.Fact) -> None:
    """Apply one fact."""
    state.last_id = fact.id
    HANDLERS[type(fact)](state, fact)


def _nothing(state: State, fact: f.Fact) -> None:
    """The fact is its own record."""


def _started(state: State, fact: f.Started) -> None:
    state.market.up.clear()
    for children in state.open_children.values():
        for child in children.values():
            child.in_doubt = True


def _day_rolled(state: State, fact: f.DayRolled) -> None:
    state.last_id = fact.day * DAY
    # An ExecID is unique for a day; yesterday's are kept for what is sent again over the roll.
    state.old_venue_execs = state.venue_execs
    state.venue_execs = {venue: {} for venue in state.venues}


def _instrument_defined(state: State, fact: f.InstrumentDefined) -> None:
    symbol = fact.instrument.symbol
    state.instruments[symbol] = fact.instrument
    state.books.setdefault(symbol, Book())
    state.market.books.setdefault(symbol, Book())
    for account in state.accounts.values():
        if symbol in account.positions:
            _reload(state, account, account.positions[symbol], fact.instrument)


def _account_defined(state: State, fact: f.AccountDefined) -> None:
    paid_in = to_money(fact.cash)
    limits = fact.limits
    qty, notional = to_money(limits.max_order_qty or "0"), to_money(limits.max_order_notional or "0")
    account = state.accounts.get(fact.account)
    if account is None:
        state.accounts[fact.account] = Account(fact.account, limits, paid_in, paid_in, qty, notional)
        return
    account.cash += paid_in - account.paid_in
    account.paid_in, account.limits = paid_in, limits
    account.max_order_qty, account.max_order_notional = qty, notional


def _client_defined(state: State, fact: f.ClientDefined) -> None:
    recent: deque[int] = deque(maxlen=fact.max_rate)
    client = state.clients.get(fact.client)
    if client is None:
        state.clients[fact.client] = Client(fact.client, fact.accounts, fact.max_rate, recent)
    else:
        client.accounts, client.max_rate, client.recent = fact.accounts, fact.max_rate, recent


def _venue_defined(state: State, fact: f.VenueDefined) -> None:
    venue = fact.venue.venue
    state.venues[venue] = fact.venue
    state.open_children.setdefault(venue, {})
    state.venue_execs.setdefault(venue, {})


def _venue_up(state: State, fact: f.VenueUp) -> None:
    state.market.up[fact.venue] = True


def _venue_down(state: State, fact: f.VenueDown) -> None:
    state.market.venue_down(fact.venue)
    for child in state.open_children[fact.venue].values():
        child.in_doubt = True


def _quoted(state: State, fact: f.Quoted) -> None:
    state.recorded[fact.symbol] = (fact.bids, fact.asks, fact.last)
    if fact.mark and fact.mark != state.marks.get(fact.symbol):
        state.marks[fact.symbol] = fact.mark
        for account in state.accounts.values():
            position = account.positions.get(fact.symbol)
            if position is not None and position.qty < 0:
                _reload(state, account, position, state.instruments[fact.symbol])


def _order_accepted(state: State, fact: f.OrderAccepted) -> None:
    order = Order.from_fact(fact)
    state.orders[fact.id] = order
    client = state.clients[fact.client]
    client.requests[fact.cl_ord_id] = order
    client.working[fact.id] = order
    client.recent.append(fact.at)
    _expose(state, order, fact.qty, fact.risk_price)


def _order_rejected(state: State, fact: f.OrderRejected) -> None:
    client = state.clients[fact.client]
    if fact.known_as_new:
        client.requests[fact.cl_ord_id] = fact


def _order_booked(state: State, fact: f.OrderBooked) -> None:
    order = state.orders[fact.order_id]
    book = state.books[order.symbol]
    if order.in_book:
        book.remove(order.order_id)
    order.in_book += fact.qty
    book.add(order.order_id, order.side, order.price, order.in_book)
    state.market.dirty[order.symbol] = None


def _order_unbooked(state: State, fact: f.OrderUnbooked) -> None:
    _unbook(state, state.orders[fact.order_id])


def _order_routed(state: State, fact: f.OrderRouted) -> None:
    order = state.orders[fact.order_id]
    child = child_from_fact(fact, order)
    order.children = (*order.children, child)
    order.routes += 1
    order.at_venues += fact.qty
    state.children[fact.id] = child
    state.open_children[fact.venue][fact.id] = child
    if fact.price:
        state.market.take(order.symbol, fact.venue, order.side.opposite, fact.qty, fact.price)


def _child_accepted(state: State, fact: f.ChildAccepted) -> None:
    child = state.children[fact.child_id]
    child.status = OrdStatus.PARTIALLY_FILLED if child.cum else OrdStatus.NEW
    child.venue_order_id = fact.venue_order_id
    child.in_doubt = False
    state.venue_execs[child.venue][fact.venue_exec_id] = child.child_id


def _child_confirmed(state: State, fact: f.ChildConfirmed) -> None:
    child = state.children[fact.child_id]
    child.in_doubt = False
    child.venue_order_id = fact.venue_order_id
    state.venue_execs[child.venue][fact.venue_exec_id] = child.child_id


def _child_filled(state: State, fact: f.ChildFilled) -> None:
    child = state.children[fact.child_id]
    order = state.orders[child.order_id]
    state.venue_execs[child.venue][fact.venue_exec_id] = child.child_id
    leaves = child.leaves
    child.cum += fact.qty
    child.notional += fact.qty * fact.price
    order.at_venues -= leaves - child.leaves
    order.excess += fact.qty - (leaves - child.leaves)
    if fact.from_status:
        child.covered = child.cum
    if child.open:
        if child.cum >= child.qty:
            _close(state, child, OrdStatus.FILLED)
        else:
            child.status = OrdStatus.PARTIALLY_FILLED
    state.market.last[order.symbol] = (fact.price, fact.qty)
    _fill(state, order, fact.qty, fact.price)


def _child_ended(state: State, fact: f.ChildEnded) -> None:
    child = state.children[fact.child_id]
    state.venue_execs[child.venue][fact.venue_exec_id] = child.child_id
    state.orders[child.order_id].at_venues -= child.leaves
    _close(state, child, fact.status)


def _child_cancel_sent(state: State, fact: f.ChildCancelSent) -> None:
    child = state.children[fact.child_id]
    child.request, child.request_id = Request.CANCEL, fact.id
    state.children[fact.id] = child


def _child_replace_sent(state: State, fact: f.ChildReplaceSent) -> None:
    child = state.children[fact.child_id]
    child.request, child.request_id = Request.REPLACE, fact.id
    child.asked_qty, child.asked_price = fact.qty, fact.price
    state.children[fact.id] = child


def _child_replaced(state: State, fact: f.ChildReplaced) -> None:
    child = state.children[fact.child_id]
    order = state.orders[child.order_id]
    state.venue_execs[child.venue][fact.venue_exec_id] = child.child_id
    leaves = child.leaves
    child.qty, child.price, child.cl_ord_id = fact.qty, fact.price, fact.request_id
    child.request, child.request_id = None, 0
    order.at_venues += child.leaves - leaves
    if child.open and child.cum >= child.qty:
        _close(state, child, OrdStatus.FILLED)


def _child_request_rejected(state: State, fact: f.ChildRequestRejected) -> None:
    child = state.children[fact.child_id]
    child.request, child.request_id = None, 0


def _trade(state: State, fact: f.Trade) -> None:
    maker, taker = state.orders[fact.maker_order_id], state.orders[fact.taker_order_id]
    maker.in_book -= fact.qty
    state.books[maker.symbol].reduce(maker.order_id, fact.qty)
    state.trade_count += 1
    state.market.traded(maker.symbol, fact.price, fact.qty)
    _fill(state, maker, fact.qty, fact.price)
    _fill(state, taker, fact.qty, fact.price)


def _cancel_pending(state: State, fact: f.CancelPending) -> None:
    order = state.orders[fact.order_id]
    order.pending = Pending(fact.request, fact.cl_ord_id)
    if fact.cl_ord_id:
        state.clients[order.client].requests[fact.cl_ord_id] = order


def _replace_pending(state: State, fact: f.ReplacePending) -> None:
    order = state.orders[fact.order_id]
    order.pending = Pending(Request.REPLACE, fact.cl_ord_id, fact.qty, fact.price, fact.risk_price)
    client = state.clients[order.client]
    client.requests[fact.cl_ord_id] = order
    client.recent.append(fact.at)


def _order_canceled(state: State, fact: f.OrderCanceled) -> None:
    order = state.orders[fact.order_id]
    _end(state, order, OrdStatus.CANCELED)
    if fact.cl_ord_id:
        _rename(state, order, fact.cl_ord_id)


def _order_expired(state: State, fact: f.OrderExpired) -> None:
    _end(state, state.orders[fact.order_id], OrdStatus.EXPIRED)


def _order_refused(state: State, fact: f.OrderRefused) -> None:
    order = state.orders[fact.order_id]
    order.reason = fact.reason
    _end(state, order, OrdStatus.REJECTED)


def _order_replaced(state: State, fact: f.OrderReplaced) -> None:
    order = state.orders[fact.order_id]
    if order.pending is None:
        state.clients[order.client].recent.append(fact.at)
    _expose(state, order, -order.leaves, order.risk_price)
    order.qty, order.price, order.risk_price, order.pending = fact.qty, fact.price, fact.risk_price, None
    _expose(state, order, order.leaves, order.risk_price)
    over = -order.unplaced
    if order.in_book and over > 0:
        order.in_book -= over
        state.books[order.symbol].reduce(order.order_id, over)
        state.market.dirty[order.symbol] = None
    _rename(state, order, fact.cl_ord_id)
    if order.cum >= order.qty:
        _finished(state, order)


def _request_rejected(state: State, fact: f.RequestRejected) -> None:
    client = state.clients[fact.client]
    order = state.orders.get(fact.order_id)
    if order is not None and fact.ends_pending:
        order.pending = None
    elif fact.known_as_new:
        client.requests[fact.cl_ord_id] = order if order is not None else fact


def _alerted(state: State, fact: f.Alerted) -> None:
    state.alerts.append(fact)
    state.alert_count += 1


def _fill(state: State, order: Order, qty: int, price: int) -> None:
    """Book a fill: the order's quantities, the account's cash and position. Never less than what was filled."""
    leaves = order.leaves
    order.cum += qty
    order.notional += price * qty
    if order.ended is not None:
        # A fill after the end takes from what had been given up: cum + leaves + canceled stays the quantity.
        order.canceled = max(0, order.canceled - qty)
    instrument = state.instruments[order.symbol]
    account, position = _holding(state, order)
    money = price * qty * instrument.money_factor
    if order.side is Side.BUY:
        account.cash -= money
        position.qty += qty
        position.bought += qty
    else:
        account.cash += money
        position.qty -= qty
        position.sold += qty
    _expose(state, order, order.leaves - leaves, order.risk_price)
    if order.cum >= order.qty:
        _finished(state, order)


def _expose(state: State, order: Order, qty: int, price: int) -> None:
    """Change what the order's account has open by `qty` at the order's risk price, and what that takes."""
    instrument = state.instruments[order.symbol]
    account, position = _holding(state, order)
    if order.side is Side.BUY:
        position.open_buy_qty += qty
        position.open_buy_notional += qty * price * instrument.money_factor
    else:
        position.open_sell_qty += qty
        position.open_sell_notional += qty * price * instrument.money_factor
    _reload(state, account, position, instrument)


def _reload(state: State, account: Account, position: Position, instrument: Instrument) -> None:
    load = risk.load(position, risk.reference(state, instrument), instrument.money_factor)
    account.load += load - position.load
    position.load = load


def _holding(state: State, order: Order) -> tuple[Account, Position]:
    account = state.accounts[order.account]
    position = account.positions.get(order.symbol)
    if position is None:
        position = account.positions[order.symbol] = Position()
    return account, position


def _end(state: State, order: Order, status: OrdStatus) -> None:
    _unbook(state, order)
    leaves = order.leaves
    order.canceled, order.ended, order.pending = leaves, status, None
    _expose(state, order, -leaves, order.risk_price)
    _finished(state, order)


def _finished(state: State, order: Order) -> None:
    state.clients[order.client].working.pop(order.order_id, None)
    if order.pending is not None and order.pending.request is Request.EXPIRE:
        order.pending = None


def _unbook(state: State, order: Order) -> None:
    if order.in_book:
        state.books[order.symbol].remove(order.order_id)
        order.in_book = 0
        state.market.dirty[order.symbol] = None


def _rename(state: State, order: Order, cl_ord_id: str) -> None:
    """The order goes by the request's ClOrdID from now on; the old ones still find it."""
    order.orig_cl_ord_id, order.cl_ord_id = order.cl_ord_id, cl_ord_id
    state.clients[order.client].requests[cl_ord_id] = order


def _close(state: State, child: Child, status: OrdStatus) -> None:
    child.status, child.request, child.request_id, child.in_doubt = status, None, 0, False
    state.open_children[child.venue].pop(child.child_id, None)


HANDLERS: dict[type[Any], Callable[[State, Any], None]] = {
    f.Started: _started,
    f.Stopped: _nothing,
    f.DayRolled: _day_rolled,
    f.InstrumentDefined: _instrument_defined,
    f.AccountDefined: _account_defined,
    f.ClientDefined: _client_defined,
    f.VenueDefined: _venue_defined,
    f.VenueUp: _venue_up,
    f.VenueDown: _venue_down,
    f.ClientUp: _nothing,
    f.ClientDown: _nothing,
    f.Quoted: _quoted,
    f.OrderAccepted: _order_accepted,
    f.OrderRejected: _order_rejected,
    f.OrderBooked: _order_booked,
    f.OrderUnbooked: _order_unbooked,
    f.OrderRouted: _order_routed,
    f.ChildAccepted: _child_accepted,
    f.ChildFilled: _child_filled,
    f.ChildEnded: _child_ended,
    f.ChildCancelSent: _child_cancel_sent,
    f.ChildReplaceSent: _child_replace_sent,
    f.ChildReplaced: _child_replaced,
    f.ChildRequestRejected: _child_request_rejected,
    f.ChildStatusAsked: _nothing,
    f.ChildConfirmed: _child_confirmed,
    f.Trade: _trade,
    f.CancelPending: _cancel_pending,
    f.ReplacePending: _replace_pending,
    f.OrderCanceled: _order_canceled,
    f.OrderExpired: _order_expired,
    f.OrderRefused: _order_refused,
    f.OrderReplaced: _order_replaced,
    f.RequestRejected: _request_rejected,
    f.StatusReported: _nothing,
    f.MessageRefused: _nothing,
    f.Alerted: _alerted,
}
