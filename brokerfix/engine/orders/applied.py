"""What facts of orders change."""

from brokerfix import facts as f
from brokerfix.domain import Hold, OrdStatus, OrdType, Request, RestatementReason
from brokerfix.engine import touched
from brokerfix.engine.entities import Job, JobKind
from brokerfix.engine.jobs import is_leaving
from brokerfix.engine.making import quoter as quoters
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.order import (
    Order,
    Pending,
    follows_market,
    is_over,
)
from brokerfix.engine.risk.checks import RATE
from brokerfix.engine.state import State
from brokerfix.engine.tables import Evolution

EVOLVE = Evolution()


@EVOLVE.on(f.OrderAccepted, touched.the_new_order)
def _order_accepted(state: State, fact: f.OrderAccepted) -> None:
    order = Order.from_fact(fact)
    state.orders[fact.id] = order
    client = state.clients[fact.client]
    if fact.cl_ord_id:
        client.requests[fact.cl_ord_id] = order
    client.add(order)
    if fact.own_quote is None:
        client.recent.append(fact.at)
    else:
        # Its message counts as one.
        quoters.stands(state.quoters, order)
    booking.expose_new(state, order)
    content = order.symbol, str(order.side), str(order.ord_type), order.qty, order.price, order.stop_px
    booking.count(state, order, fact.at, order.qty, order.qty * order.risk_price, content)
    if fact.instructions is not None:
        booking.watch(state, order)


@EVOLVE.on(f.OrderAcknowledged, touched.the_order)
def _order_acknowledged(state: State, fact: f.OrderAcknowledged) -> None:
    state.orders[fact.order_id].acknowledged = True


@EVOLVE.on(f.OrderRejected, touched.nothing)
def _order_rejected(state: State, fact: f.OrderRejected) -> None:
    client = state.clients[fact.client]
    if fact.known_as_new and fact.cl_ord_id:
        client.requests[fact.cl_ord_id] = fact
    if fact.evidence is None or fact.evidence.check != RATE:
        # Who is refused for the rate itself may try again.
        client.recent.append(fact.at)


@EVOLVE.on(f.OrderHeld, touched.the_order)
def _order_held(state: State, fact: f.OrderHeld) -> None:
    booking.hold(state, state.orders[fact.order_id], fact.qty, fact.hold)


@EVOLVE.on(f.OrderWorked, touched.the_order)
def _order_worked(state: State, fact: f.OrderWorked) -> None:
    order = state.orders[fact.order_id]
    order.worked_at, order.traded = fact.at, fact.traded
    # As the slice itself was planned.
    order.tries, order.visited, order.shunned = 0, (), ()
    if fact.risk_price:
        booking.revalue(state, order, fact.risk_price)
    order.progress = fact.percent or order.progress


@EVOLVE.on(f.OrderPaused, touched.the_order)
def _order_paused(state: State, fact: f.OrderPaused) -> None:
    state.orders[fact.order_id].paused = fact.paused


@EVOLVE.on(f.OrderReleased, touched.the_order)
def _order_released(state: State, fact: f.OrderReleased) -> None:
    order = state.orders[fact.order_id]
    booking.hold(state, order, 0, None)
    order.passed = (*order.passed, fact.hold)
    if fact.risk_price:
        booking.revalue(state, order, fact.risk_price)


@EVOLVE.on(f.StopMoved, touched.the_order)
def _stop_moved(state: State, fact: f.StopMoved) -> None:
    order = state.orders[fact.order_id]
    held = order.held
    booking.hold(state, order, 0, None)
    order.stop_px = fact.stop_px
    booking.hold(state, order, held, Hold.STOP)


@EVOLVE.on(f.OrderRepriced, touched.the_order)
def _order_repriced(state: State, fact: f.OrderRepriced) -> None:
    order = state.orders[fact.order_id]
    order.price, order.repriced_at = fact.price, fact.at
    if fact.price > order.risk_price:
        booking.revalue(state, order, fact.price)
    watching = state.watching[order.symbol]
    if order.order_id in watching:
        # Those that have not had their turn come first.
        del watching[order.order_id]
        watching[order.order_id] = None


@EVOLVE.on(f.OrderNoted, touched.the_order)
def _order_noted(state: State, fact: f.OrderNoted) -> None:
    state.orders[fact.order_id].noted = fact.status


@EVOLVE.on(f.OrderRestated, touched.the_order)
def _order_restated(state: State, fact: f.OrderRestated) -> None:
    order = state.orders[fact.order_id]
    if fact.reason == RestatementReason.GT_RENEWAL:
        booking.renew(state, order)
        order.restated_on = state.day_began
    _new_terms(state, order, fact.qty, fact.price, order.risk_price)


@EVOLVE.on(f.OrderBooked, touched.the_order)
def _order_booked(state: State, fact: f.OrderBooked) -> None:
    order = state.orders[fact.order_id]
    book = state.books[order.symbol]
    if order.in_book:
        book.remove(order.order_id)
    order.in_book += fact.qty
    book.add(order.order_id, order.side, order.price, order.in_book, order.ord_type is OrdType.PEGGED)
    booking.moved(state, order.symbol)


@EVOLVE.on(f.OrderUnbooked, touched.the_order)
def _order_unbooked(state: State, fact: f.OrderUnbooked) -> None:
    booking.unbook(state, state.orders[fact.order_id])


@EVOLVE.on(f.CancelPending, touched.the_order)
def _cancel_pending(state: State, fact: f.CancelPending) -> None:
    order = state.orders[fact.order_id]
    why = fact.reason, fact.text, fact.operator
    announced = any(waiting.announced and waiting.cl_ord_id == fact.cl_ord_id for waiting in order.queue)
    order.pending = Pending(fact.request, fact.cl_ord_id, 0, 0, 0, None, announced, *why)
    _unqueue(state, order, fact.cl_ord_id)
    if fact.request is Request.EXPIRE:
        state.overdue[order.order_id] = None
        if order.instructions is not None:
            state.expiries.pop((order.instructions.expire_at, order.order_id), None)
    if fact.cl_ord_id:
        state.clients[order.client].requests[fact.cl_ord_id] = order


@EVOLVE.on(f.ReplacePending, touched.the_order)
def _replace_pending(state: State, fact: f.ReplacePending) -> None:
    order = state.orders[fact.order_id]
    terms = fact.qty, fact.price, fact.risk_price, fact.instructions
    announced = any(waiting.announced and waiting.cl_ord_id == fact.cl_ord_id for waiting in order.queue)
    was_queued = _unqueue(state, order, fact.cl_ord_id)
    order.pending = booking.reserve(state, order, Pending(Request.REPLACE, fact.cl_ord_id, *terms, announced))
    client = state.clients[order.client]
    if order.done:
        # It is filled, by an exchange that had less of it, and another still holds some: it works again.
        booking.live(state, order)
    if not was_queued:
        client.requests[fact.cl_ord_id] = order
        client.recent.append(fact.at)


@EVOLVE.on(f.RequestQueued, touched.the_order)
def _request_queued(state: State, fact: f.RequestQueued) -> None:
    order = state.orders[fact.order_id]
    terms = fact.qty, fact.price, fact.risk_price, fact.instructions
    why = fact.reason, fact.text, fact.operator
    asked = booking.reserve(state, order, Pending(fact.request, fact.cl_ord_id, *terms, fact.announced, *why))
    order.queue = (*order.queue, asked)
    client = state.clients[order.client]
    if fact.cl_ord_id:
        client.requests[fact.cl_ord_id] = order
    if fact.request is Request.REPLACE:
        client.recent.append(fact.at)


def _unqueue(state: State, order: Order, cl_ord_id: str) -> bool:
    """Take a request that has its answer or its turn out of the queue. Returns whether it was there."""
    over = [waiting for waiting in order.queue if waiting.cl_ord_id == cl_ord_id]
    for waiting in over:
        booking.free(state, order, waiting)
    if over:
        order.queue = tuple(waiting for waiting in order.queue if waiting.cl_ord_id != cl_ord_id)
    return bool(over)


@EVOLVE.on(f.OrderCanceled, touched.the_order)
def _order_canceled(state: State, fact: f.OrderCanceled) -> None:
    order = state.orders[fact.order_id]
    _unqueue(state, order, fact.cl_ord_id)
    booking.end(state, order, OrdStatus.CANCELED)
    if fact.cl_ord_id:
        booking.rename(state, order, fact.cl_ord_id)


@EVOLVE.on(f.OrderExpired, touched.the_order)
def _order_expired(state: State, fact: f.OrderExpired) -> None:
    booking.end(state, state.orders[fact.order_id], fact.status)


@EVOLVE.on(f.OrderRefused, touched.the_order)
def _order_refused(state: State, fact: f.OrderRefused) -> None:
    order = state.orders[fact.order_id]
    order.reason = fact.reason
    booking.end(state, order, OrdStatus.REJECTED)


@EVOLVE.on(f.OrderReplaced, touched.the_order)
def _order_replaced(state: State, fact: f.OrderReplaced) -> None:
    order = state.orders[fact.order_id]
    if order.pending is None and not _unqueue(state, order, fact.cl_ord_id):
        state.clients[order.client].recent.append(fact.at)
    if order.pending is not None:
        booking.free(state, order, order.pending)
        booking.answered(state, order)
    if order.client in state.makers:
        # From now on its quote is of this age.
        order.repriced_at = fact.at
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
        booking.note_reducing(state, order)
    if asked is not None and asked.stop_px:
        held, why = order.held, order.hold
        if why is Hold.STOP:
            booking.hold(state, order, 0, None)
        order.stop_px = asked.stop_px
        if why is Hold.STOP:
            booking.hold(state, order, held, why)
    qty, notional = order.qty, order.leaves * order.risk_price
    _new_terms(state, order, fact.qty, fact.price, fact.risk_price)
    booking.count(state, order, fact.at, order.qty - qty, order.leaves * order.risk_price - notional)
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
    if state.reducing:
        booking.moved_position(state, order.account, order.symbol)
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


@EVOLVE.on(f.RequestRejected, touched.the_order_if_known)
def _request_rejected(state: State, fact: f.RequestRejected) -> None:
    client = state.clients[fact.client]
    order = state.orders.get(fact.order_id)
    if order is not None and (fact.ends_pending or _unqueue(state, order, fact.cl_ord_id)):
        if fact.ends_pending and order.pending is not None:
            booking.free(state, order, order.pending)
            order.pending = None
            booking.answered(state, order)
            if order.ended is None and order.cum >= order.qty:
                booking.finished(state, order)
        booking.next_request(state, order)
    elif fact.known_as_new:
        client.requests[fact.cl_ord_id] = fact if order is None or is_leaving(state, order) else order


@EVOLVE.on(f.StatusesAsked, touched.nothing)
def _statuses_asked(state: State, fact: f.StatusesAsked) -> None:
    job = Job(JobKind.REPORT, list(reversed(fact.orders)), fact.client, total=len(fact.orders))
    job.text, job.reason = fact.status_req_id, fact.mass_status_req_id
    booking.begin_job(state, job)


@EVOLVE.on(f.MassCanceled, touched.nothing)
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


EVOLVE.only_tells(f.StatusReported, f.ListReported, f.MessageRefused)
