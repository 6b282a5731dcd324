"""Limits that need a second person, and limits that are over at a time.

Where the configuration asks for it (`[approvals] raise_above`), a limit that is raised by more than that factor, or
taken away, is only proposed: another operator approves it. (RTS 6 article 15(4) and FINRA's guidance on rule 15c3-5
have limits overridden by named people, for a time.)
"""

from brokerfix.commands import AnswerProposal, ExpireOverrides, SetLimits
from brokerfix.domain import Level, Limits, id_text, to_scaled
from brokerfix.engine import touched
from brokerfix.engine.entities import Override
from brokerfix.engine.risk.bounds import is_known
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution
from brokerfix.facts import Alerted, LimitsProposed, LimitsSet, OperatorRefused, ProposalEnded

DECIDE, EVOLVE = Decisions(), Evolution()
EXPIRY = "expiry"
"""The operator of what ends by itself."""
FACTOR_DIGITS = 4
TIMES = {
    "window_seconds": {"max_window_qty", "max_window_notional"},
    "duplicate_seconds": {"duplicates"},
}
"""For how long what was accepted counts, and for which limits."""
TIGHT = {"long_only": True, "reduce_only": True, "restricted": True, "buying_power": True, "own_locates": False}
"""Limits that are said or not, and which of it is the tighter."""


def _bases(state: State, level: Level) -> tuple[Limits, Limits]:
    """A level's limits as they are but for a time, and as they are configured. Of what is not configured, every raise
    is one: else small steps would lead anywhere."""
    override = state.overrides.get(level)
    now = override.before if override is not None else state.limits.get(level, Limits())
    return now, state.configured.get(level, Limits())


def raised(now: Limits, configured: Limits, wanted: Limits, above: str) -> list[str]:
    """The limits that would be higher than now, and than what is configured by more than a factor (decimal text with up
    to four decimals), or at all where they are not configured, or that are taken away; also those that count for a
    shorter time."""
    factor = to_scaled(above, FACTOR_DIGITS)
    had, base, after = (one.numbers() | one.watched() for one in (now, configured, wanted))
    names = [
        name
        for name, most in had.items()
        if name not in TIGHT
        and (
            name not in after
            or (after[name] > most and (name not in base or after[name] * 10**FACTOR_DIGITS > base[name] * factor))
        )
    ]
    names += [
        name for name, counted in TIMES.items() if had.keys() & counted and getattr(wanted, name) < getattr(now, name)
    ]
    return names + [name for name, tight in TIGHT.items() if getattr(now, name) is tight is not getattr(wanted, name)]


def propose(state: State, c: SetLimits, step: Step) -> bool:
    """Only propose limits, where they need a second person. Returns whether they do."""
    names = raised(*_bases(state, c.level), c.limits, c.raise_above) if c.raise_above else []
    if not names:
        return False
    kind, name, symbol = c.level
    proposed = step.emit(
        LimitsProposed,
        kind=kind,
        name=name,
        symbol=symbol,
        limits=c.limits,
        raised=tuple(names),
        operator=c.operator,
        text=c.text,
        until=c.until,
    )
    told = f"{c.operator} wants {', '.join(names)} of {c.level} raised; `limits approve {id_text(proposed.id)}`"
    step.emit(Alerted, "risk", "APPROVAL", told)
    return True


@DECIDE.on(AnswerProposal)
def answer_proposal(state: State, c: AnswerProposal, step: Step) -> None:
    """Another operator approves of limits, or anyone turns them down. What is approved is what was proposed, though
    other limits of the level may have been set since."""
    proposed = state.proposals.get(c.proposal)
    if proposed is None:
        step.emit(OperatorRefused, c.operator, "limits", f"no limits wait for approval as {id_text(c.proposal)}")
    elif not c.approve:
        step.emit(ProposalEnded, c.proposal, c.operator, c.text)
    elif not is_known(state, Level(proposed.kind, proposed.name, proposed.symbol)):
        step.emit(ProposalEnded, c.proposal, EXPIRY, "what they are of is no longer there")
    elif c.operator == proposed.operator:
        told = f"{id_text(c.proposal)} was proposed by {c.operator}: another operator has to approve it"
        step.emit(OperatorRefused, c.operator, "limits", told)
    elif 0 < proposed.until <= step.at:
        step.emit(ProposalEnded, c.proposal, EXPIRY, "its time is over")
    else:
        step.emit(
            LimitsSet,
            kind=proposed.kind,
            name=proposed.name,
            symbol=proposed.symbol,
            limits=proposed.limits,
            operator=proposed.operator,
            text=proposed.text,
            until=proposed.until,
            approver=c.operator,
            proposal=c.proposal,
        )


@DECIDE.on(ExpireOverrides, silent="no override's time is over")
def expire_overrides(state: State, c: ExpireOverrides, step: Step) -> None:
    """Limits that were set for a time are again what they were before."""
    for level, override in state.overrides.items():
        if override.until <= step.at:
            kind, name, symbol = level
            step.emit(
                LimitsSet,
                kind=kind,
                name=name,
                symbol=symbol,
                limits=override.before,
                operator=EXPIRY,
                text=f"as before {override.operator} has set them for a time",
            )


def note_override(state: State, fact: LimitsSet) -> None:
    """What a level's limits were before they were set for a time; called before they are."""
    level = Level(fact.kind, fact.name, fact.symbol)
    before = state.overrides.pop(level, None)
    if fact.until:
        was = before.before if before is not None else state.limits.get(level, Limits())
        state.overrides[level] = Override(fact.until, was, fact.operator, fact.approver)
    state.proposals.pop(fact.proposal, None)


@EVOLVE.on(LimitsProposed, touched.nothing)
def _limits_proposed(state: State, fact: LimitsProposed) -> None:
    # Of one level the latest counts.
    of_level = fact.kind, fact.name, fact.symbol
    state.proposals = {
        number: one for number, one in state.proposals.items() if (one.kind, one.name, one.symbol) != of_level
    }
    state.proposals[fact.id] = fact


@EVOLVE.on(ProposalEnded, touched.nothing)
def _proposal_ended(state: State, fact: ProposalEnded) -> None:
    state.proposals.pop(fact.proposal, None)
