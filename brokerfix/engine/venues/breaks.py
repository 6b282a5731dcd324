"""Breaks: what an exchange says of our orders and fills, against what we have. Each is on record and open until a
person has looked into it; one that is too large halts the exchange.
"""

from brokerfix.commands import OperatorResolveBreak, Reconcile, ReportBreak
from brokerfix.domain import id_text, money_text, to_money
from brokerfix.engine import touched
from brokerfix.engine.entities import Job, JobKind
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.order import Child
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution
from brokerfix.facts import (
    Alerted,
    BreakFound,
    BreakResolved,
    ChildStatusAsked,
    Halted,
    OperatorRefused,
    ReconcileBegun,
)

DECIDE, EVOLVE = Decisions(), Evolution()
RECONCILIATION = "reconciliation"
"""The operator of halts because of a break."""


def differs(
    state: State, venue: str, child: Child | None, code: str, qty: int, price: int, text: str, step: Step, raw: str = ""
) -> None:
    """The exchange and we differ by a quantity, at a price (0: the child's). It is told, and beyond what is configured
    for the exchange no more orders go there."""
    money = 0
    if child is not None:
        price = price or child.price or state.marks.get(child.symbol, 0)
        money = abs(qty) * price * state.factors[child.symbol]
    amount = money_text(money)
    known = venue, code, child.child_id if child is not None else 0, qty
    if child is not None and any(
        (one.venue, one.code, one.child_id, one.qty) == known for one in state.breaks.values()
    ):
        # It was told before, and nobody has looked into it yet.
        return
    child_id = child.child_id if child is not None else 0
    step.emit(Alerted, venue, code, text, raw)
    step.emit(BreakFound, venue=venue, code=code, text=text, child_id=child_id, qty=qty, amount=amount)
    most = state.venues[venue].halt_on_break if venue in state.venues else ""
    # What is no order of ours can't be valued.
    is_beyond = bool(most) and (money > to_money(most) or (child is None and qty > 0))
    if is_beyond and ("venue", venue) not in state.halts:
        step.emit(Halted, "venue", venue, RECONCILIATION, False)
        told = (
            f"no more orders go to {venue}: it and we differ by {amount}, and {most} is allowed"
            if child is not None
            else (f"no more orders go to {venue}: it tells of a fill of an order that is not ours")
        )
        step.emit(Alerted, "risk", "BREAK_HALT", told)


@DECIDE.on(ReportBreak, silent="it was told before")
def report_break(state: State, c: ReportBreak, step: Step) -> None:
    """A drop-copy session and an exchange's own tell different things. What the exchange's own has not told is asked
    for."""
    child = state.children.get(c.child_id)
    differs(state, c.venue, child, c.code, c.qty, c.price, c.text, step)
    if child is not None and child.open and state.market.up.get(child.venue) and not state.links[child.venue].mute:
        step.emit(ChildStatusAsked, child.child_id)


@DECIDE.on(OperatorResolveBreak)
def resolve_break(state: State, c: OperatorResolveBreak, step: Step) -> None:
    if c.number not in state.breaks:
        step.emit(OperatorRefused, c.operator, "breaks", f"there is no open break {id_text(c.number)}")
    else:
        step.emit(BreakResolved, c.number, c.operator, c.text)


@DECIDE.on(Reconcile, silent="the exchange is away, is being asked, or holds nothing of ours")
def reconcile(state: State, c: Reconcile, step: Step) -> None:
    """An exchange is asked for the state of all that it holds of ours, in slices."""
    if not state.market.up.get(c.venue) or state.links[c.venue].mute or not state.open_children[c.venue]:
        return
    if not any(job.kind is JobKind.RECONCILE and job.name == c.venue for job in state.jobs):
        step.emit(ReconcileBegun, c.venue)


@EVOLVE.on(ReconcileBegun, touched.nothing)
def _reconcile_begun(state: State, fact: ReconcileBegun) -> None:
    left = list(reversed(state.open_children[fact.venue]))
    booking.begin_job(state, Job(JobKind.RECONCILE, left, fact.venue))


@EVOLVE.on(BreakFound, touched.nothing)
def _break_found(state: State, fact: BreakFound) -> None:
    state.breaks[fact.id] = fact


@EVOLVE.on(BreakResolved, touched.nothing)
def _break_resolved(state: State, fact: BreakResolved) -> None:
    state.breaks.pop(fact.number, None)
