"""Halts and kills: what an operator stops, until he lets it go on."""

from collections.abc import Container

from brokerfix.commands import OperatorHalt, OperatorResume, StrategyFilled
from brokerfix.domain import ExecInst, RestatementReason
from brokerfix.engine import touched
from brokerfix.engine.entities import Job, JobKind
from brokerfix.engine.making.stir import stir
from brokerfix.engine.operator import refuse
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.order import Order
from brokerfix.engine.risk.halts import KILLED, killed_by
from brokerfix.engine.sharing import elsewhere
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution
from brokerfix.facts import Alerted, Halted, KillRefused, Resumed

DECIDE, EVOLVE = Decisions(), Evolution()
KINDS = ("all", "client", "group", "account", "symbol", "strategy", "venue")
THROTTLE = "execution throttle"
AGAIN = 5 * 10**9
"""Nanoseconds from an exchange's refusal to cancel an order that is killed until it is asked again."""


@DECIDE.on(OperatorHalt)
def operator_halt(state: State, c: OperatorHalt, step: Step) -> None:
    """Take no new orders for something. Orders that ask for it (ExecInst K) or, of a kill, all are canceled, which is a
    job."""
    wrong = _wrong_target(state, c)
    if not wrong and c.kill and c.kind == "venue":
        wrong = "an exchange is halted; its orders are canceled by `kill all`"
    if wrong or ((c.kind, c.name) in state.halts and not c.kill):
        return refuse(c, step, wrong or f"{c.kind} {c.name} is halted already")
    step.emit(Halted, c.kind, c.name, c.operator, True, c.kill)


@EVOLVE.on(Halted, touched.nothing)
def _halted(state: State, fact: Halted) -> None:
    state.halts[fact.kind, fact.name] = fact.operator
    stir(state, state.quoted)
    if fact.kill:
        state.killed[fact.kind, fact.name] = None
    if not fact.job or fact.kind == "venue":
        return
    of_client = {"client": fact.name, "strategy": fact.name.partition("/")[0]}.get(fact.kind)
    clients = list(state.clients.values()) if of_client is None else [state.clients[of_client]]
    accounts = state.groups[fact.name] if fact.kind == "group" else state.accounts
    left = [
        order.order_id
        for client in clients
        for order in client.working.values()
        if order.account in accounts
        and (fact.kind != "account" or order.account == fact.name)
        and (fact.kind != "symbol" or order.symbol == fact.name)
        and (fact.kind != "strategy" or order.strategy == fact.name)
    ]
    text = KILLED if fact.kill else "HALTED: trading is halted"
    job = Job(JobKind.KILL if fact.kill else JobKind.END_ON_HALT, left[::-1], f"{fact.kind} {fact.name}".strip())
    job.text, job.reason, job.operator = text, str(RestatementReason.TRADING_HALT), fact.operator
    job.total, job.began = len(left), fact.at
    if fact.kill:
        # It is before all others, also those that came before it.
        state.jobs.insert(0, job)
    else:
        booking.begin_job(state, job)


@DECIDE.on(StrategyFilled, silent="the strategy has been stopped already")
def strategy_filled(state: State, c: StrategyFilled, step: Step) -> None:
    """A strategy has had as many fills as it may have without a person's look: it stops, and its orders are canceled
    (RTS 6 article 15(3): a repeated automated execution throttle)."""
    if ("strategy", c.strategy) in state.killed or c.strategy not in state.executions:
        return
    fills = state.executions[c.strategy]
    step.emit(Halted, "strategy", c.strategy, THROTTLE, True, True)
    told = f"strategy {c.strategy} is stopped after {fills} fills; `resume strategy {c.strategy}` arms it anew"
    step.emit(Alerted, "risk", "EXECUTION_THROTTLE", told)


@DECIDE.on(OperatorResume)
def operator_resume(state: State, c: OperatorResume, step: Step) -> None:
    if (c.kind, c.name) not in state.halts:
        scope = f"{c.kind} {c.name}".strip()
        return refuse(c, step, elsewhere(state, c.kind, c.name) or f"{scope} is not halted by an operator")
    step.emit(Resumed, c.kind, c.name, c.operator)


@EVOLVE.on(Resumed, touched.nothing)
def _resumed(state: State, fact: Resumed) -> None:
    state.halts.pop((fact.kind, fact.name), None)
    stir(state, state.quoted)
    if fact.kind == "strategy":
        # It is armed anew.
        state.executions.pop(fact.name, None)
    state.killed.pop((fact.kind, fact.name), None)
    state.unkilled = {number: at for number, at in state.unkilled.items() if _is_still(state, state.orders[number])}
    ended = f"{fact.kind} {fact.name}".strip()
    state.jobs = [job for job in state.jobs if job.kind not in ENDED_BY_RESUME or job.name != ended]
    for symbol in state.instruments:
        booking.moved(state, symbol)
        state.agenda[booking.PHASE_CHANGED, symbol] = None


def _is_still(state: State, order: Order) -> bool:
    return killed_by(state, order) is not None or order.has(ExecInst.DO_NOT_INCREASE)


@EVOLVE.on(KillRefused, touched.the_order)
def _kill_refused(state: State, fact: KillRefused) -> None:
    # The latest stands last.
    state.unkilled.pop(fact.order_id, None)
    state.unkilled[fact.order_id] = fact.at + AGAIN


ENDED_BY_RESUME = (JobKind.END_ON_HALT, JobKind.KILL)


def _wrong_target(state: State, c: OperatorHalt) -> str:
    of, _, tag = c.name.partition("/")
    known: dict[str, Container[str]] = {
        "strategy": [c.name] if tag and of in state.clients else [],
        "all": [""],
        "client": state.clients,
        "group": state.groups,
        "account": state.accounts,
        "symbol": state.instruments,
        "venue": state.venues,
    }
    if c.kind not in known:
        return f"halt what? {', '.join(KINDS)}"
    return "" if c.name in known[c.kind] else elsewhere(state, c.kind, c.name) or f"there is no {c.kind} {c.name!r}"
