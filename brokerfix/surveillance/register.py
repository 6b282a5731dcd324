"""The alerts on record, with what people made of them."""

import msgspec

from brokerfix.domain import Disposition, Finding
from brokerfix.facts import AlertDisposed, SurveillanceAlerted


class Step(msgspec.Struct, frozen=True):
    """What somebody has made of an alert, by the fact of this number."""

    at: int
    fact: int
    status: Disposition
    operator: str
    text: str


class Alert(msgspec.Struct):
    """An alert on record since a time, by the fact of this number."""

    finding: Finding
    at: int
    fact: int
    steps: list[Step] = []

    @property
    def status(self) -> Disposition:
        return self.steps[-1].status if self.steps else Disposition.OPEN


class Register(msgspec.Struct):
    """All alerts, by their ids, in the order in which they were raised."""

    alerts: dict[str, Alert] = {}

    def note(self, fact: object) -> None:
        """The next fact of the journal."""
        if isinstance(fact, SurveillanceAlerted):
            self.alerts.setdefault(fact.finding.alert, Alert(fact.finding, fact.at, fact.id))
        elif isinstance(fact, AlertDisposed) and fact.alert in self.alerts:
            step = Step(fact.at, fact.id, fact.status, fact.operator, fact.text)
            self.alerts[fact.alert].steps.append(step)
