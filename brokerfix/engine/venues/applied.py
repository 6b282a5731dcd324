"""What facts of children at exchanges change."""

from brokerfix import facts as f
from brokerfix.domain import IMMEDIATE, OrdStatus, Request, RouteRule
from brokerfix.engine import touched
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.order import (
    Child,
    child_from_fact,
    may_live_on,
    was_refused,
)
from brokerfix.engine.routing import statistics
from brokerfix.engine.state import State
from brokerfix.engine.tables import Evolution

EVOLVE = Evolution()
EVOLVE.only_tells(f.RouteDecided)


@EVOLVE.on(f.OrderRouted, touched.the_new_child)
def _order_routed(state: State, fact: f.OrderRouted) -> None:
    order = state.orders[fact.order_id]
    child = child_from_fact(fact, order)
    order.children = (*order.children, child)
    order.routes += 1
    rests = fact.time_in_force not in IMMEDIATE
    moves = rests and state.instruments[order.symbol].repost_interval > 0
    # What moves by the clock is no sign of an exchange that lies.
    order.tries += not moves
    order.at_venues += fact.qty
    state.children[fact.id] = child
    state.open_children[fact.venue][fact.id] = child
    link = state.links[fact.venue]
    child.seen, child.numbering = link.lost, link.anew
    link.awaited[fact.id] = fact.at
    statistics.sent(state, child)
    if fact.why in (RouteRule.DARK_FIRST, RouteRule.EX_DESTINATION):
        order.visited = (*order.visited, fact.venue)
    if moves:
        booking.follow(state, order)
    if fact.price:
        state.market.take(fact.id, order.symbol, fact.venue, order.side.opposite, fact.qty, fact.price)


@EVOLVE.on(f.ChildAccepted, touched.the_child)
def _child_accepted(state: State, fact: f.ChildAccepted) -> None:
    child = state.children[fact.child_id]
    child.status = OrdStatus.PARTIALLY_FILLED if child.cum else OrdStatus.NEW
    child.venue_order_id = fact.venue_order_id
    state.venue_execs[child.venue][fact.venue_exec_id] = child.child_id
    state.market.answered(child.child_id)
    if not child.cum:
        statistics.answered(state, child, fact.at)
    _seen(state, child)


@EVOLVE.on(f.ChildConfirmed, touched.the_child)
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


@EVOLVE.on(f.ChildFilled, touched.the_child)
def _child_filled(state: State, fact: f.ChildFilled) -> None:
    child = state.children[fact.child_id]
    order = state.orders[child.order_id]
    state.venue_execs[child.venue][fact.venue_exec_id] = fact.id
    leaves = child.leaves
    if state.makers:
        booking.echo(state, child, fact.at)
    state.market.filled(child.child_id, fact.qty, fact.price)
    statistics.filled(state, child, fact.price, fact.at)
    statistics.count_month(state, child, fact.qty)
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
    qty, price = fact.qty, fact.price
    booking.fill(state, order, fact.id, child.child_id, qty, price, fee=fact.fee, liquidity=fact.liquidity)
    booking.moved(state, order.symbol)


@EVOLVE.on(f.ChildEnded, touched.the_child)
def _child_ended(state: State, fact: f.ChildEnded) -> None:
    child = state.children[fact.child_id]
    if fact.venue_exec_id:
        state.venue_execs[child.venue][fact.venue_exec_id] = child.child_id
    state.orders[child.order_id].at_venues -= child.leaves
    if state.makers:
        booking.echo(state, child, fact.at)
    statistics.ended(state, child, fact.status, fact.at)
    if was_refused(child, fact.status):
        state.market.refused(child.symbol, child.venue, child.side.opposite, child.price)
    booking.close(state, child, fact.status)


@EVOLVE.on(f.ChildCancelSent, touched.the_child)
def _child_cancel_sent(state: State, fact: f.ChildCancelSent) -> None:
    child = state.children[fact.child_id]
    child.request, child.request_id, child.asked_at = Request.CANCEL, fact.id, fact.at
    state.children[fact.id] = child
    booking.await_answer(state, child, fact.at)


@EVOLVE.on(f.ChildReplaceSent, touched.the_child)
def _child_replace_sent(state: State, fact: f.ChildReplaceSent) -> None:
    child = state.children[fact.child_id]
    child.request, child.request_id = Request.REPLACE, fact.id
    child.asked_qty, child.asked_price, child.asked_instructions = fact.qty, fact.price, fact.instructions
    pending = state.orders[child.order_id].pending
    if pending is not None:
        pending.through = fact.id
    state.children[fact.id] = child
    booking.await_answer(state, child, fact.at)


@EVOLVE.on(f.ChildReplaced, touched.the_child)
def _child_replaced(state: State, fact: f.ChildReplaced) -> None:
    child = state.children[fact.child_id]
    order = state.orders[child.order_id]
    state.venue_execs[child.venue][fact.venue_exec_id] = child.child_id
    leaves = child.leaves
    if state.makers:
        booking.echo(state, child, fact.at)
    child.qty, child.price, child.cl_ord_id = fact.qty, fact.price, fact.request_id
    child.request, child.request_id, child.instructions = None, 0, child.asked_instructions
    order.at_venues += child.leaves - leaves
    _seen(state, child)
    if child.open and child.cum >= child.qty:
        booking.close(state, child, OrdStatus.FILLED)


@EVOLVE.on(f.ChildRestated, touched.the_child)
def _child_restated(state: State, fact: f.ChildRestated) -> None:
    child = state.children[fact.child_id]
    state.venue_execs[child.venue][fact.venue_exec_id] = fact.id
    leaves = child.leaves
    child.qty, child.price = fact.qty, fact.price
    state.orders[child.order_id].at_venues += child.leaves - leaves
    if child.open and child.cum >= child.qty:
        booking.close(state, child, OrdStatus.FILLED)


@EVOLVE.on(f.ChildNoted, touched.the_child)
def _child_noted(state: State, fact: f.ChildNoted) -> None:
    child = state.children[fact.child_id]
    state.venue_execs[child.venue][fact.venue_exec_id] = fact.id


@EVOLVE.on(f.ChildRequestRejected, touched.the_child)
def _child_request_rejected(state: State, fact: f.ChildRequestRejected) -> None:
    child = state.children[fact.child_id]
    child.request, child.request_id = None, 0
    if state.makers:
        booking.refused(state, child, fact.at)
    _seen(state, child)
    if child.open and child.cum >= child.qty:
        # It was filled, and waited for this.
        booking.close(state, child, OrdStatus.FILLED)


@EVOLVE.on(f.ChildStatusAsked, touched.the_child)
def _child_status_asked(state: State, fact: f.ChildStatusAsked) -> None:
    child = state.children[fact.child_id]
    if child.asks == 1 and child.status is OrdStatus.PENDING_NEW:
        # It has not answered the first question either.
        statistics.failed(state, child.venue, fact.at)
    booking.asked(state, child, fact.at)
