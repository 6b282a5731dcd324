"""Facts: what surveillance has found, and what people have made of it."""

from brokerfix.domain import Disposition, Finding
from brokerfix.facts.base import Fact


class SurveillanceAlerted(Fact, frozen=True, gc=False):
    """A rule of surveillance has found something in the facts before this one; the `operator` runs it. From now on it
    is open."""

    finding: Finding
    operator: str


class AlertDisposed(Fact, frozen=True, gc=False):
    """A person has looked at an alert of surveillance, what came of it, and why."""

    alert: str
    status: Disposition
    operator: str
    text: str = ""
