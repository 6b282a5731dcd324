"""Work that is too large for one command: all that a trading day's begin concerns, a mass cancel, every child that an
exchange is to be asked about. It is done in slices, so that no order waits for it.

A fact makes a job with the numbers of what it has to look at; each `WorkOff` command looks at some of them, and its
`SliceDone` fact takes those off. Jobs have their slices in turn.
"""

from collections.abc import Callable
from itertools import islice
from typing import Any

from brokerfix.commands import WorkOff
from brokerfix.domain import GOOD_TILL, LIQUIDATION, ExecInst, OrdStatus
from brokerfix.engine import marks, touched
from brokerfix.engine.entities import Client, Job, JobKind
from brokerfix.engine.fees import book_interest
from brokerfix.engine.orders.ending import cancel, is_cancelable
from brokerfix.engine.orders.expire import at_day_begin
from brokerfix.engine.orders.order import Order
from brokerfix.engine.orders.status import report
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution
from brokerfix.facts import Alerted, ChildStatusAsked, SliceDone

DECIDE, EVOLVE = Decisions(), Evolution()
MOST_DONE = 50
"""Orders or children that a slice does something about: some milliseconds' worth."""
MOST_REVALUED = 200
"""Accounts whose holdings a slice values at a new mark."""
MOST_KILLED = 500
"""Of a kill switch: others wait for it."""
SECOND = 10**9
MOST_SEEN = 2000
"""What it looks at."""


@DECIDE.on(WorkOff, silent="no job is left")
def work_off(state: State, c: WorkOff, step: Step) -> None:
    """The next slice of the job whose turn it is."""
    if not state.jobs:
        return
    job = state.jobs[0]
    look = LOOKS.get(job.kind)
    seen = done = 0
    overdue: list[int] = []
    most = MOST_KILLED if job.kind is JobKind.KILL else MOST_DONE
    for item in islice(reversed(job.left), MOST_REVALUED if job.kind is JobKind.REVALUE else MOST_SEEN):
        seen += 1
        if look is None:
            continue
        one = step.fork()
        try:
            look(state, job, item, one, overdue)
        except Exception as error:  # noqa: BLE001 - a defect of ours: alerted, and the job goes on
            # What is wrong with one must not keep the others.
            one = step.fork()
            one.emit(Alerted, "broker", "BUG", f"{job.kind}: {item}: {type(error).__name__}: {error}")
        step.join(one)
        done += bool(one.facts)
        if done >= most:
            break
    if job.kind is JobKind.KILL and seen == len(job.left):
        took = (step.at - job.began) / SECOND
        step.emit(Alerted, "broker", "KILLED", f"{job.name}: the last of {job.total} cancels went after {took:.3f} s")
    step.emit(SliceDone, seen, tuple(overdue))


def _begin_day(state: State, job: Job, number: Any, step: Step, overdue: list[int]) -> None:
    order = state.orders.get(number)
    if order is not None:
        at_day_begin(state, order, step, overdue)


def _ask(state: State, job: Job, number: Any, step: Step, overdue: list[int]) -> None:
    child = state.children.get(number)
    if child is not None and state.in_doubt(child) and state.market.up.get(child.venue):
        step.emit(ChildStatusAsked, child.child_id)


def _reconcile(state: State, job: Job, number: Any, step: Step, overdue: list[int]) -> None:
    """Ask about a child that the exchange owes no answer about already."""
    child, link = state.children.get(number), state.links[job.name]
    if child is None or not child.open or not state.market.up.get(job.name):
        return
    if not child.asks and number not in link.awaited and child.status is not OrdStatus.PENDING_NEW:
        step.emit(ChildStatusAsked, number)


def _cancel(state: State, job: Job, number: Any, step: Step, overdue: list[int]) -> None:
    order = state.orders.get(number)
    if order is not None and not order.done and is_cancelable(order) and _is_meant(state, job, order):
        cancel(order, "", step, job.reason, job.text, job.operator)


def _report(state: State, job: Job, number: Any, step: Step, overdue: list[int]) -> None:
    order = state.orders.get(number)
    if order is not None:
        report(order, job.name, job.text, job.reason, job.total, number == job.left[0], step)


def _is_meant(state: State, job: Job, order: Order) -> bool:
    if order.operator == LIQUIDATION and job.kind is not JobKind.KILL:
        return False
    if job.kind is JobKind.END_WITH_SESSION:
        return _ends_with_session(state.clients[job.name], order)
    if job.kind is JobKind.END_ON_HALT and not order.has(ExecInst.CANCEL_ON_HALT):
        return False
    return job.symbol in ("", order.symbol) and job.account in ("", order.account) and job.side in ("", order.side)


def _ends_with_session(client: Client, order: Order) -> bool:
    if order.has(ExecInst.CANCEL_ON_LOSS):
        return True
    if order.has(ExecInst.KEEP):
        return False
    mode = client.options.cancel_on_disconnect
    return mode == "all" or (mode == "day" and order.time_in_force not in GOOD_TILL)


LOOKS: dict[JobKind, Callable[[State, Job, Any, Step, list[int]], None]] = {
    JobKind.BEGIN_DAY: _begin_day,
    JobKind.ASK: _ask,
    JobKind.CANCEL: _cancel,
    JobKind.END_WITH_SESSION: _cancel,
    JobKind.END_ON_HALT: _cancel,
    JobKind.KILL: _cancel,
    JobKind.REPORT: _report,
    JobKind.INTEREST: book_interest,
    JobKind.RECONCILE: _reconcile,
}
"""What a slice does about each of what it looks at. The jobs that only forget have no decision to take."""


@EVOLVE.on(SliceDone, touched.the_overdue)
def _slice_done(state: State, fact: SliceDone) -> None:
    """What the slice has looked at is off the job; a job that forgets lets go of what has been over for a day."""
    job = state.jobs.pop(0)
    forget = FORGET.get(job.kind)
    state.revalued = []
    for number in fact.overdue:
        state.overdue[number] = None
    if forget is not None:
        for item in job.left[: -fact.seen - 1 : -1]:
            forget(state, job, item)
    del job.left[len(job.left) - fact.seen :]
    if job.left and job.kind is JobKind.KILL:
        state.jobs.insert(0, job)
    elif job.left:
        state.jobs.append(job)
    else:
        _follow(state, job)


def is_leaving(state: State, order: Order | None) -> bool:
    """Whether an order had ended before the previous day. What belongs to it leaves the state first, so that nothing
    ever names an order that is not there."""
    return order is None or (0 < order.done < state.previous_day_began and not order.children)


def _forget_name(state: State, job: Job, name: Any) -> None:
    requests = state.clients[job.name].requests
    known = requests.get(name)
    if known is None:
        return
    if is_leaving(state, known) if isinstance(known, Order) else known.id < state.previous_day_began:
        del requests[name]


def _forget_fill(state: State, job: Job, number: Any) -> None:
    fill = state.fills.get(number)
    if fill is not None and is_leaving(state, state.orders.get(fill.order_id)):
        del state.fills[number]


def _forget_child(state: State, job: Job, number: Any) -> None:
    """Children of orders that leave, and the numbers of old requests for others."""
    child = state.children.get(number)
    if child is None:
        return
    in_use = number in (child.child_id, child.cl_ord_id, child.request_id)
    if is_leaving(state, state.orders.get(child.order_id)) or (number < state.previous_day_began and not in_use):
        del state.children[number]


def _forget_order(state: State, job: Job, number: Any) -> None:
    if number in state.orders and is_leaving(state, state.orders[number]):
        del state.orders[number]


def _revalue(state: State, job: Job, name: Any) -> None:
    marks.revalue(state, job.name, name)
    state.revalued.append(name)


FORGET: dict[JobKind, Callable[[State, Job, Any], None]] = {
    JobKind.FORGET_NAMES: _forget_name,
    JobKind.FORGET_FILLS: _forget_fill,
    JobKind.FORGET_CHILDREN: _forget_child,
    JobKind.FORGET_ORDERS: _forget_order,
    JobKind.REVALUE: _revalue,
}


def begin_day(state: State) -> None:
    """What a trading day's begin concerns: every order, and then what leaves the state."""
    _next_of_day(state, 0)


def _names(state: State) -> list[Job]:
    return [Job(JobKind.FORGET_NAMES, list(client.requests), client.client) for client in state.clients.values()]


OF_DAY: tuple[tuple[JobKind, Callable[[State], list[Job]]], ...] = (
    (JobKind.BEGIN_DAY, lambda state: [Job(JobKind.BEGIN_DAY, list(reversed(state.orders)))]),
    (JobKind.FORGET_NAMES, _names),
    (JobKind.FORGET_FILLS, lambda state: [Job(JobKind.FORGET_FILLS, list(state.fills))]),
    (JobKind.FORGET_CHILDREN, lambda state: [Job(JobKind.FORGET_CHILDREN, list(state.children))]),
    (JobKind.FORGET_ORDERS, lambda state: [Job(JobKind.FORGET_ORDERS, list(state.orders))]),
)


def _next_of_day(state: State, stage: int) -> None:
    for _, make in OF_DAY[stage:]:
        found = [job for job in make(state) if job.left]
        state.jobs += found
        if found:
            return


def _follow(state: State, job: Job) -> None:
    """The next stage of a day's begin, when the last job of this one is done."""
    for stage, (kind, _) in enumerate(OF_DAY, 1):
        if kind is job.kind and not any(other.kind is kind for other in state.jobs):
            _next_of_day(state, stage)
