"""What a credit score changes: how much of its available funds an account may use to open positions. The scoring
process, which reckons with recorded prices and is no part of the engine, asks for it; a cut applies at once, a raise
goes one step on a day without a margin call."""

from typing import Any

from brokerfix import facts as f
from brokerfix.commands import OperatorCredit
from brokerfix.domain import day_of
from brokerfix.engine import touched
from brokerfix.engine.operator import refuse
from brokerfix.engine.risk.margin import BASIS_POINTS
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution

DECIDE, EVOLVE = Decisions(), Evolution()
STEPS = ((700, 12_500), (640, 10_000), (600, 7_500), (560, 5_000), (0, 0))
"""From which score on, how many basis points of its available funds an account may use. 0: it may only close."""
LOWEST, HIGHEST = 300, 850


@DECIDE.on(OperatorCredit)
def score(state: State, c: OperatorCredit, step: Step) -> None:
    account = state.accounts.get(c.account)
    if account is None or account.margin == "cash":
        return refuse(c, step, f"there is no margin account {c.account!r}")
    if not LOWEST <= c.score <= HIGHEST:
        return refuse(c, step, f"a score is {LOWEST} to {HIGHEST}, not {c.score}")
    target = next(bps for least, bps in STEPS if c.score >= least)
    now = account.credit_bps
    if target > now:
        is_clean = account.called_on < state.day and account.raised_on < state.day
        target = min(bps for _, bps in STEPS if bps > now) if is_clean else now
    step.emit(
        f.CreditScored,
        account=c.account,
        score=c.score,
        multiplier_bps=target,
        inputs=c.inputs,
        reasons=c.reasons,
        operator=c.operator,
    )
    if target < now:
        told = (
            f"account {c.account}: its score is {c.score}, it may use {target / BASIS_POINTS:g} of its available funds"
        )
        step.emit(f.Alerted, "risk", "CREDIT_CUT", told)


@EVOLVE.on(f.CreditScored, touched.the_account)
def _scored(state: State, fact: f.CreditScored) -> None:
    account = state.accounts[fact.account]
    if fact.multiplier_bps > account.credit_bps:
        account.raised_on = day_of(fact.id)
    account.credit_bps = fact.multiplier_bps


def credits(state: State) -> list[dict[str, Any]]:
    """What accounts with margin may use of their available funds."""
    return [
        {
            "account": account.account,
            "multiplier": f"{account.credit_bps / BASIS_POINTS:g}",
            "raised on": account.raised_on,
        }
        for account in state.accounts.values()
        if account.margin != "cash"
    ]
