"""Alerts of surveillance: each is on record once, and so is what people make of it. Nothing else depends on them."""

from brokerfix.commands import DisposeAlert, RaiseAlert
from brokerfix.domain import OVER, Disposition, day_of, later
from brokerfix.engine import touched
from brokerfix.engine.entities import Watched
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution
from brokerfix.facts import AlertDisposed, Alerted, OperatorRefused, SurveillanceAlerted

DECIDE, EVOLVE = Decisions(), Evolution()
SOURCE = "surveillance"
KEPT_DAYS = 30
"""Calendar days for which an alert that is over can still be taken up again."""


@DECIDE.on(RaiseAlert, silent="it is on record already")
def raise_alert(state: State, c: RaiseAlert, step: Step) -> None:
    found = c.finding
    if found.alert in state.watched:
        return
    step.emit(SurveillanceAlerted, found, c.operator)
    # Everybody sees this one: whom it is about is for those who may read such alerts.
    told = (
        f"{found.alert}, {found.severity} ({found.score}): `brokerfix surveillance show {found.alert}` says what it is"
    )
    step.emit(Alerted, SOURCE, found.rule.upper().replace("-", "_"), told)


@DECIDE.on(DisposeAlert)
def dispose_alert(state: State, c: DisposeAlert, step: Step) -> None:
    if c.alert not in state.watched:
        told = f"there is no alert {c.alert}, or it has been over for more than {KEPT_DAYS} days"
        step.emit(OperatorRefused, c.operator, "surveillance", told)
    elif not c.text and c.status is not Disposition.REVIEWING:
        step.emit(OperatorRefused, c.operator, "surveillance", f"why {c.alert} is {c.status}: a text is needed")
    else:
        step.emit(AlertDisposed, c.alert, c.status, c.operator, c.text)


@EVOLVE.on(SurveillanceAlerted, touched.nothing)
def _alerted(state: State, fact: SurveillanceAlerted) -> None:
    day = day_of(fact.id)
    before = later(day, -KEPT_DAYS)
    for name in [name for name, one in state.watched.items() if one.status in OVER and one.since < before]:
        del state.watched[name]
    state.watched[fact.finding.alert] = Watched(Disposition.OPEN, day)


@EVOLVE.on(AlertDisposed, touched.nothing)
def _disposed(state: State, fact: AlertDisposed) -> None:
    state.watched[fact.alert] = Watched(fact.status, day_of(fact.id))


def open_alerts(state: State) -> int:
    """How many alerts a person has still to do something about."""
    return sum(one.status not in OVER for one in state.watched.values())
