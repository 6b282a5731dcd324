"""The only code that changes state: one short handler per fact. It never rejects and knows no rule.

Recovery is `for fact in journal: evolve(state, fact)` and nothing else.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import DAY, Hold, OrdStatus, OrdType, Request, RestatementReason, to_money
from brokerfix.engine import snapshot
from brokerfix.engine.jobs import begin_day, is_leaving, slice_done
from brokerfix.engine.matching.book import Book
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.order import (
    Child,
    Fill,
    Order,
    Pending,
    child_from_fact,
    follows_market,
    is_over,
    may_live_on,
    was_refused,
)
from brokerfix.engine.split import split_state
from brokerfix.engine.state import OF_A_DAYS_BEGIN, Account, Client, Job, JobKind, Link, Position, State


def evolve(state: State, fact: f.Fact) -> None:
    """Apply one fact."""
    state.last_id = fact.id
    HANDLERS[type(fact)](state, fact)


def _state_kept(state: State, fact: f.StateKept) -> None:
    """An older version has kept the state here. It is taken as it was kept, also where the facts before it were
    replayed: a replay from the first fact and one from here are then the same."""
    kept = State()
    snapshot.load(fact.data, kept)
    state.become(kept)
    state.last_id = fact.id


def _nothing(state: State, fact: f.Fact) -> None:
    """The fact is its own record."""


def _started(state: State, fact: f.Started) -> None:
    state.market.up.clear()
    for client in state.clients.values():
        if client.is_up:
            client.is_up, client.down_at = False, fact.at
            state.away[client.client] = None
    for link in state.links.values():
        link.lost += 1


def _day_rolled(state: State, fact: f.DayRolled) -> None:
    state.last_id = fact.day * DAY
    # An ExecID is unique for a day; yesterday's are kept for what is sent again over the roll. To let all others go at
    # once would take a while.
    old = [exec_id for execs in state.old_venue_execs.values() for exec_id in execs]
    state.old_venue_execs = state.venue_execs
    state.venue_execs = {venue: {} for venue in state.venues}
    state.previous_day_began, state.day_began = state.day_began, fact.id
    state.jobs = [job for job in state.jobs if job.kind not in OF_A_DAYS_BEGIN]
    begin_day(state)
    booking.begin_job(state, Job(JobKind.FREE, old))


def _instrument_defined(state: State, fact: f.InstrumentDefined) -> None:
    symbol = fact.instrument.symbol
    state.instruments[symbol] = fact.instrument
    state.books.setdefault(symbol, Book())
    state.market.books.setdefault(symbol, Book())
    state.stops.setdefault(symbol, Book())
    state.watching.setdefault(symbol, {})
    for account in state.accounts.values():
        if symbol in account.positions:
            booking.reload(state, account, account.positions[symbol], fact.instrument)


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
        state.clients[fact.client] = Client(fact.client, fact.accounts, fact.max_rate, recent, options=fact.options)
    else:
        client.accounts, client.max_rate, client.recent = fact.accounts, fact.max_rate, recent
        client.options = fact.options
    state.note_copies()


def _venue_defined(state: State, fact: f.VenueDefined) -> None:
    venue = fact.venue.venue
    state.venues[venue] = fact.venue
    state.open_children.setdefault(venue, {})
    state.venue_execs.setdefault(venue, {})
    state.links.setdefault(venue, Link())


def _venue_up(state: State, fact: f.VenueUp) -> None:
    state.market.up[fact.venue] = True
    link = state.links[fact.venue]
    link.anew += fact.anew
    link.mute = False
    _drop_questions(state, fact.venue)
    booking.begin_job(state, Job(JobKind.ASK, list(reversed(state.open_children[fact.venue])), fact.venue))


def _venue_down(state: State, fact: f.VenueDown) -> None:
    state.market.venue_down(fact.venue)
    state.links[fact.venue].lost += 1
    _drop_questions(state, fact.venue)


def _drop_questions(state: State, venue: str) -> None:
    state.jobs = [job for job in state.jobs if job.kind is not JobKind.ASK or job.name != venue]


def _client_up(state: State, fact: f.ClientUp) -> None:
    client = state.clients[fact.client]
    client.is_up, client.down_at = True, 0
    state.away.pop(fact.client, None)


def _client_down(state: State, fact: f.ClientDown) -> None:
    client = state.clients[fact.client]
    client.is_up, client.down_at = False, fact.at
    state.away[fact.client] = None


def _client_gone(state: State, fact: f.ClientGone) -> None:
    client = state.clients[fact.client]
    client.down_at = 0
    if fact.job:
        job = Job(JobKind.END_WITH_SESSION, list(reversed(client.working)), client.client)
        job.reason, job.text = str(RestatementReason.SYSTEM_FAILURE), "DISCONNECTED: the session was lost"
        booking.begin_job(state, job)


def _phase_changed(state: State, fact: f.PhaseChanged) -> None:
    state.phases[fact.symbol] = fact.phase
    state.agenda[booking.PHASE_CHANGED, fact.symbol] = None


def _halted(state: State, fact: f.Halted) -> None:
    state.halts[fact.kind, fact.name] = fact.operator
    if fact.job and fact.kind != "venue":
        left = [order_id for client in state.clients.values() for order_id in client.working][::-1]
        job = Job(JobKind.END_ON_HALT, left, f"{fact.kind} {fact.name}", text="HALTED: trading is halted")
        job.reason = str(RestatementReason.TRADING_HALT)
        job.operator = fact.operator
        job.account, job.symbol = (fact.name if fact.kind == kind else "" for kind in ("account", "symbol"))
        booking.begin_job(state, job)


def _mass_canceled(state: State, fact: f.MassCanceled) -> None:
    if fact.job:
        left = list(reversed(state.clients[fact.client].working))
        # The same again has all to do that the first has not done yet.
        wanted = fact.client, fact.symbol, fact.account, fact.side
        state.jobs = [
            job
            for job in state.jobs
            if job.kind is not JobKind.CANCEL or (job.name, job.symbol, job.account, job.side) != wanted
        ]
        terms = fact.symbol, fact.account, fact.side, "", f"MASS_CANCEL: {fact.cl_ord_id}"
        booking.begin_job(state, Job(JobKind.CANCEL, left, fact.client, *terms))


def _resumed(state: State, fact: f.Resumed) -> None:
    state.halts.pop((fact.kind, fact.name), None)
    ended = f"{fact.kind} {fact.name}"
    state.jobs = [job for job in state.jobs if job.kind is not JobKind.END_ON_HALT or job.name != ended]
    for symbol in state.instruments:
        booking.moved(state, symbol)
        state.agenda[booking.PHASE_CHANGED, symbol] = None


def _quoted(state: State, fact: f.Quoted) -> None:
    state.recorded[fact.symbol] = (fact.bids, fact.asks, fact.last)
    if fact.mark and fact.mark != state.marks.get(fact.symbol):
        state.marks[fact.symbol] = fact.mark
        for account in state.accounts.values():
            position = account.positions.get(fact.symbol)
            if position is not None and position.qty < 0:
                booking.reload(state, account, position, state.instruments[fact.symbol])


def _order_accepted(state: State, fact: f.OrderAccepted) -> None:
    order = Order.from_fact(fact)
    state.orders[fact.id] = order
    client = state.clients[fact.client]
    if fact.cl_ord_id:
        client.requests[fact.cl_ord_id] = order
    client.working[fact.id] = order
    client.recent.append(fact.at)
    booking.expose_new(state, order)
    if fact.instructions is not None:
        booking.watch(state, order)


def _order_acknowledged(state: State, fact: f.OrderAcknowledged) -> None:
    state.orders[fact.order_id].acknowledged = True


def _order_held(state: State, fact: f.OrderHeld) -> None:
    booking.hold(state, state.orders[fact.order_id], fact.qty, fact.hold)


def _order_released(state: State, fact: f.OrderReleased) -> None:
    order = state.orders[fact.order_id]
    booking.hold(state, order, 0, None)
    order.passed = (*order.passed, fact.hold)


def _stop_moved(state: State, fact: f.StopMoved) -> None:
    order = state.orders[fact.order_id]
    held = order.held
    booking.hold(state, order, 0, None)
    order.stop_px = fact.stop_px
    booking.hold(state, order, held, Hold.STOP)


def _order_repriced(state: State, fact: f.OrderRepriced) -> None:
    order = state.orders[fact.order_id]
    order.price, order.repriced_at = fact.price, fact.at
    watching = state.watching[order.symbol]
    if order.order_id in watching:
        # Those that have not had their turn come first.
        del watching[order.order_id]
        watching[order.order_id] = None


def _order_noted(state: State, fact: f.OrderNoted) -> None:
    state.orders[fact.order_id].noted = fact.status


def _order_restated(state: State, fact: f.OrderRestated) -> None:
    order = state.orders[fact.order_id]
    if fact.reason == RestatementReason.GT_RENEWAL:
        booking.renew(state, order)
        order.restated_on = state.day_began
    _new_terms(state, order, fact.qty, fact.price, order.risk_price)


def _order_rejected(state: State, fact: f.OrderRejected) -> None:
    client = state.clients[fact.client]
    if fact.known_as_new and fact.cl_ord_id:
        client.requests[fact.cl_ord_id] = fact


def _order_booked(state: State, fact: f.OrderBooked) -> None:
    order = state.orders[fact.order_id]
    book = state.books[order.symbol]
    if order.in_book:
        book.remove(order.order_id)
    order.in_book += fact.qty
    book.add(order.order_id, order.side, order.price, order.in_book, order.ord_type is OrdType.PEGGED)
    booking.moved(state, order.symbol)


def _order_unbooked(state: State, fact: f.OrderUnbooked) -> None:
    booking.unbook(state, state.orders[fact.order_id])


def _order_routed(state: State, fact: f.OrderRouted) -> None:
    order = state.orders[fact.order_id]
    child = child_from_fact(fact, order)
    order.children = (*order.children, child)
    order.routes += 1
    order.tries += 1
    order.at_venues += fact.qty
    state.children[fact.id] = child
    state.open_children[fact.venue][fact.id] = child
    link = state.links[fact.venue]
    child.seen, child.numbering = link.lost, link.anew
    link.awaited[fact.id] = fact.at
    if fact.price:
        state.market.take(order.symbol, fact.venue, order.side.opposite, fact.qty, fact.price)


def _child_accepted(state: State, fact: f.ChildAccepted) -> None:
    child = state.children[fact.child_id]
    child.status = OrdStatus.PARTIALLY_FILLED if child.cum else OrdStatus.NEW
    child.venue_order_id = fact.venue_order_id
    state.venue_execs[child.venue][fact.venue_exec_id] = child.child_id
    _seen(state, child)


def _child_confirmed(state: State, fact: f.ChildConfirmed) -> None:
    child = state.children[fact.child_id]
    child.venue_order_id = fact.venue_order_id
    state.venue_execs[child.venue][fact.venue_exec_id] = child.child_id
    _seen(state, child)


def _seen(state: State, child: Child) -> None:
    """The exchange has told of the child. A request of ours that it has still to answer is asked for on."""
    child.seen = state.links[child.venue].lost
    if child.request is None:
        booking.heard(state, child)


def _child_filled(state: State, fact: f.ChildFilled) -> None:
    child = state.children[fact.child_id]
    order = state.orders[child.order_id]
    state.venue_execs[child.venue][fact.venue_exec_id] = fact.id
    leaves = child.leaves
    child.cum += fact.qty
    child.notional += fact.qty * fact.price
    order.at_venues -= leaves - child.leaves
    order.excess += fact.qty - (leaves - child.leaves)
    order.tries = 0
    if fact.from_status or fact.operator:
        child.covered = child.cum
    if child.open:
        if child.cum >= child.qty and not may_live_on(child, child.cum):
            booking.close(state, child, OrdStatus.FILLED)
        else:
            child.status = OrdStatus.PARTIALLY_FILLED
            if child.request is None:
                state.links[child.venue].awaited.pop(child.child_id, None)
    if order.noted is OrdStatus.SUSPENDED:
        order.noted = None
    state.market.last[order.symbol] = (fact.price, fact.qty)
    booking.fill(state, order, fact.id, child.child_id, fact.qty, fact.price)
    booking.moved(state, order.symbol)


def _child_ended(state: State, fact: f.ChildEnded) -> None:
    child = state.children[fact.child_id]
    if fact.venue_exec_id:
        state.venue_execs[child.venue][fact.venue_exec_id] = child.child_id
    state.orders[child.order_id].at_venues -= child.leaves
    if was_refused(child, fact.status):
        state.market.refused(child.symbol, child.venue, child.side.opposite, child.price)
    booking.close(state, child, fact.status)


def _child_cancel_sent(state: State, fact: f.ChildCancelSent) -> None:
    child = state.children[fact.child_id]
    child.request, child.request_id = Request.CANCEL, fact.id
    state.children[fact.id] = child
    booking.await_answer(state, child, fact.at)


def _child_replace_sent(state: State, fact: f.ChildReplaceSent) -> None:
    child = state.children[fact.child_id]
    child.request, child.request_id = Request.REPLACE, fact.id
    child.asked_qty, child.asked_price, child.asked_instructions = fact.qty, fact.price, fact.instructions
    pending = state.orders[child.order_id].pending
    if pending is not None:
        pending.through = fact.id
    state.children[fact.id] = child
    booking.await_answer(state, child, fact.at)


def _child_replaced(state: State, fact: f.ChildReplaced) -> None:
    child = state.children[fact.child_id]
    order = state.orders[child.order_id]
    state.venue_execs[child.venue][fact.venue_exec_id] = child.child_id
    leaves = child.leaves
    child.qty, child.price, child.cl_ord_id = fact.qty, fact.price, fact.request_id
    child.request, child.request_id, child.instructions = None, 0, child.asked_instructions
    order.at_venues += child.leaves - leaves
    _seen(state, child)
    if child.open and child.cum >= child.qty:
        booking.close(state, child, OrdStatus.FILLED)


def _child_restated(state: State, fact: f.ChildRestated) -> None:
    child = state.children[fact.child_id]
    state.venue_execs[child.venue][fact.venue_exec_id] = fact.id
    leaves = child.leaves
    child.qty, child.price = fact.qty, fact.price
    state.orders[child.order_id].at_venues += child.leaves - leaves
    if child.open and child.cum >= child.qty:
        booking.close(state, child, OrdStatus.FILLED)


def _child_noted(state: State, fact: f.ChildNoted) -> None:
    child = state.children[fact.child_id]
    state.venue_execs[child.venue][fact.venue_exec_id] = fact.id


def _child_request_rejected(state: State, fact: f.ChildRequestRejected) -> None:
    child = state.children[fact.child_id]
    child.request, child.request_id = None, 0
    _seen(state, child)
    if child.open and child.cum >= child.qty:
        # It was filled, and waited for this.
        booking.close(state, child, OrdStatus.FILLED)


def _child_status_asked(state: State, fact: f.ChildStatusAsked) -> None:
    booking.asked(state, state.children[fact.child_id], fact.at)


def _trade(state: State, fact: f.Trade) -> None:
    maker, taker = state.orders[fact.maker_order_id], state.orders[fact.taker_order_id]
    for order in (maker, taker) if fact.auction else (maker,):
        if order.in_book:
            order.in_book -= fact.qty
            state.books[order.symbol].reduce(order.order_id, fact.qty)
        elif order.held:
            booking.hold(state, order, order.held - fact.qty, order.hold)
    state.trade_count += 1
    state.market.traded(maker.symbol, fact.price, fact.qty)
    booking.fill(state, maker, fact.id - 1, 0, fact.qty, fact.price, True)
    booking.fill(state, taker, fact.id, 0, fact.qty, fact.price)
    booking.moved(state, maker.symbol)


def _trade_busted(state: State, fact: f.TradeBusted) -> None:
    found = state.fills[fact.exec_id]
    _change_at_child(state, found, 0, 0, fact)
    booking.unfill(state, found, 0, 0)
    found.last_id = fact.id


def _trade_corrected(state: State, fact: f.TradeCorrected) -> None:
    found = state.fills[fact.exec_id]
    _change_at_child(state, found, fact.qty, fact.price, fact)
    booking.unfill(state, found, fact.qty, fact.price)
    found.last_id = fact.id


def _change_at_child(
    state: State, found: Fill, new_qty: int, price: int, fact: f.TradeBusted | f.TradeCorrected
) -> None:
    """An exchange has changed a fill: what it holds of the child changes the other way. An operator's change is between
    us and the client."""
    if not fact.venue_exec_id:
        return
    child = state.children[found.child_id]
    order = state.orders[child.order_id]
    qty = new_qty - found.qty
    state.venue_execs[child.venue][fact.venue_exec_id] = fact.id
    child.notional += new_qty * price - found.qty * found.price
    child.covered = max(0, child.covered + min(0, qty))
    leaves = child.leaves
    child.cum += qty
    if child.status is OrdStatus.FILLED and isinstance(fact, f.TradeBusted) and fact.reinstated:
        booking.reopen(state, child)
    elif not child.open:
        # The exchange does not work it again: what it had of the order is what it has filled.
        child.qty = min(child.qty, child.cum)
    order.at_venues += child.leaves - leaves
    if qty > 0:
        # What the child did not have is more than was ordered there.
        order.excess += qty - (leaves - child.leaves)
    if child.open and child.cum >= child.qty:
        booking.close(state, child, OrdStatus.FILLED)


def _fill_reversed(state: State, fact: f.FillReversed) -> None:
    state.reversed[fact.exec_id] = None
    instrument = state.instruments[fact.symbol]
    account = state.accounts[fact.account]
    position = account.positions.setdefault(fact.symbol, Position())
    booking.move(account, position, fact.side, -fact.qty, fact.price * instrument.money_factor)
    booking.reload(state, account, position, instrument)


def _statuses_asked(state: State, fact: f.StatusesAsked) -> None:
    job = Job(JobKind.REPORT, list(reversed(fact.orders)), fact.client, total=len(fact.orders))
    job.text, job.reason = fact.status_req_id, fact.mass_status_req_id
    booking.begin_job(state, job)


def _cancel_pending(state: State, fact: f.CancelPending) -> None:
    order = state.orders[fact.order_id]
    why = fact.reason, fact.text, fact.operator
    announced = any(waiting.announced and waiting.cl_ord_id == fact.cl_ord_id for waiting in order.queue)
    order.pending = Pending(fact.request, fact.cl_ord_id, 0, 0, 0, None, announced, *why)
    _unqueue(order, fact.cl_ord_id)
    if fact.request is Request.EXPIRE:
        state.overdue[order.order_id] = None
        if order.instructions is not None:
            state.expiries.pop((order.instructions.expire_at, order.order_id), None)
    if fact.cl_ord_id:
        state.clients[order.client].requests[fact.cl_ord_id] = order


def _replace_pending(state: State, fact: f.ReplacePending) -> None:
    order = state.orders[fact.order_id]
    terms = fact.qty, fact.price, fact.risk_price, fact.instructions
    announced = any(waiting.announced and waiting.cl_ord_id == fact.cl_ord_id for waiting in order.queue)
    order.pending = Pending(Request.REPLACE, fact.cl_ord_id, *terms, announced)
    client = state.clients[order.client]
    if not _unqueue(order, fact.cl_ord_id):
        client.requests[fact.cl_ord_id] = order
        client.recent.append(fact.at)


def _request_queued(state: State, fact: f.RequestQueued) -> None:
    order = state.orders[fact.order_id]
    terms = fact.qty, fact.price, fact.risk_price, fact.instructions
    why = fact.reason, fact.text, fact.operator
    order.queue = (*order.queue, Pending(fact.request, fact.cl_ord_id, *terms, fact.announced, *why))
    client = state.clients[order.client]
    if fact.cl_ord_id:
        client.requests[fact.cl_ord_id] = order
    if fact.request is Request.REPLACE:
        client.recent.append(fact.at)


def _unqueue(order: Order, cl_ord_id: str) -> bool:
    """Take a request that has its answer or its turn out of the queue. Returns whether it was there."""
    before = len(order.queue)
    order.queue = tuple(waiting for waiting in order.queue if waiting.cl_ord_id != cl_ord_id)
    return len(order.queue) < before


def _order_canceled(state: State, fact: f.OrderCanceled) -> None:
    order = state.orders[fact.order_id]
    _unqueue(order, fact.cl_ord_id)
    booking.end(state, order, OrdStatus.CANCELED)
    if fact.cl_ord_id:
        booking.rename(state, order, fact.cl_ord_id)


def _order_expired(state: State, fact: f.OrderExpired) -> None:
    booking.end(state, state.orders[fact.order_id], fact.status)


def _order_refused(state: State, fact: f.OrderRefused) -> None:
    order = state.orders[fact.order_id]
    order.reason = fact.reason
    booking.end(state, order, OrdStatus.REJECTED)


def _order_replaced(state: State, fact: f.OrderReplaced) -> None:
    order = state.orders[fact.order_id]
    if order.pending is None and not _unqueue(order, fact.cl_ord_id):
        state.clients[order.client].recent.append(fact.at)
    order.pending = None
    if order.order_id < state.day_began:
        booking.renew(state, order)
    asked, had = fact.instructions, order.instructions
    if asked != had:
        if order.order_id in state.watching[order.symbol]:
            change = follows_market(order.ord_type, asked) - follows_market(order.ord_type, had)
            state.clients[order.client].following += change
        if had is not None:
            state.expiries.pop((had.expire_at, order.order_id), None)
        order.instructions = asked
    if asked is not None and asked.stop_px:
        held, why = order.held, order.hold
        if why is Hold.STOP:
            booking.hold(state, order, 0, None)
        order.stop_px = asked.stop_px
        if why is Hold.STOP:
            booking.hold(state, order, held, why)
    _new_terms(state, order, fact.qty, fact.price, fact.risk_price)
    if order.order_id in state.overdue and not is_over(order, state.day, fact.at):
        del state.overdue[order.order_id]
    booking.rename(state, order, fact.cl_ord_id)
    booking.next_request(state, order)
    if order.held:
        booking.moved(state, order.symbol)


def _new_terms(state: State, order: Order, qty: int, price: int, risk_price: int) -> None:
    """Give the order these terms. What rests in our book shrinks to them; a filled order may live again."""
    booking.expose(state, order, -order.leaves, order.risk_price)
    order.qty, order.price, order.risk_price = qty, price, risk_price
    booking.expose(state, order, order.leaves, order.risk_price)
    over = -order.unplaced
    if order.held and over > 0:
        booking.hold(state, order, max(0, order.held - over), order.hold)
        over = -order.unplaced
    if order.in_book and over > 0:
        over = min(over, order.in_book)
        order.in_book -= over
        state.books[order.symbol].reduce(order.order_id, over)
        booking.moved(state, order.symbol)
    if order.cum >= order.qty:
        booking.finished(state, order)
    elif order.ended is None:
        booking.live(state, order)


def _request_rejected(state: State, fact: f.RequestRejected) -> None:
    client = state.clients[fact.client]
    order = state.orders.get(fact.order_id)
    if order is not None and (fact.ends_pending or _unqueue(order, fact.cl_ord_id)):
        if fact.ends_pending:
            order.pending = None
            if order.ended is None and order.cum >= order.qty:
                booking.finished(state, order)
        booking.next_request(state, order)
    elif fact.known_as_new:
        client.requests[fact.cl_ord_id] = fact if order is None or is_leaving(state, order) else order


def _alerted(state: State, fact: f.Alerted) -> None:
    if fact.code == f.NO_STATUS and fact.source in state.links:
        state.links[fact.source].mute = True
    state.alerts.append(fact)
    state.alert_count += 1


HANDLERS: dict[type[Any], Callable[[State, Any], None]] = {
    f.Started: _started,
    f.Stopped: _nothing,
    f.StateKept: _state_kept,
    f.SliceDone: slice_done,
    f.DayRolled: _day_rolled,
    f.InstrumentDefined: _instrument_defined,
    f.AccountDefined: _account_defined,
    f.ClientDefined: _client_defined,
    f.VenueDefined: _venue_defined,
    f.VenueUp: _venue_up,
    f.VenueDown: _venue_down,
    f.ClientUp: _client_up,
    f.ClientDown: _client_down,
    f.ClientGone: _client_gone,
    f.PhaseChanged: _phase_changed,
    f.OperatorRefused: _nothing,
    f.OperatorActed: _nothing,
    f.SplitApplied: split_state,
    f.Halted: _halted,
    f.Resumed: _resumed,
    f.Quoted: _quoted,
    f.OrderAccepted: _order_accepted,
    f.OrderAcknowledged: _order_acknowledged,
    f.OrderRejected: _order_rejected,
    f.OrderHeld: _order_held,
    f.OrderReleased: _order_released,
    f.StopMoved: _stop_moved,
    f.OrderRepriced: _order_repriced,
    f.OrderNoted: _order_noted,
    f.OrderRestated: _order_restated,
    f.OrderBooked: _order_booked,
    f.OrderUnbooked: _order_unbooked,
    f.OrderRouted: _order_routed,
    f.ChildAccepted: _child_accepted,
    f.ChildFilled: _child_filled,
    f.ChildEnded: _child_ended,
    f.ChildCancelSent: _child_cancel_sent,
    f.ChildReplaceSent: _child_replace_sent,
    f.ChildReplaced: _child_replaced,
    f.ChildRestated: _child_restated,
    f.ChildNoted: _child_noted,
    f.ChildRequestRejected: _child_request_rejected,
    f.ChildStatusAsked: _child_status_asked,
    f.ChildConfirmed: _child_confirmed,
    f.Trade: _trade,
    f.TradeBusted: _trade_busted,
    f.TradeCorrected: _trade_corrected,
    f.FillReversed: _fill_reversed,
    f.StatusesAsked: _statuses_asked,
    f.CancelPending: _cancel_pending,
    f.ReplacePending: _replace_pending,
    f.RequestQueued: _request_queued,
    f.OrderCanceled: _order_canceled,
    f.OrderExpired: _order_expired,
    f.OrderRefused: _order_refused,
    f.OrderReplaced: _order_replaced,
    f.RequestRejected: _request_rejected,
    f.StatusReported: _nothing,
    f.MassCanceled: _mass_canceled,
    f.ListReported: _nothing,
    f.MessageRefused: _nothing,
    f.Alerted: _alerted,
}
