"""What surveillance finds, and what people make of it."""

from enum import StrEnum

import msgspec


class Disposition(StrEnum):
    """How an alert stands: nobody has looked, somebody does, it was nothing, it went to who decides, or to the
    regulator."""

    OPEN = "open"
    REVIEWING = "reviewing"
    CLOSED_NO_ISSUE = "closed-no-issue"
    ESCALATED = "escalated"
    REPORTED = "reported"


OVER = (Disposition.CLOSED_NO_ISSUE, Disposition.REPORTED)
"""Nothing is left to be done about such an alert."""


class Finding(msgspec.Struct, frozen=True, gc=False):
    """What a rule has found. `alert` is its id, which is made of the rule and the fact that completed the pattern, so
    that the same facts give the same one. `score` is 50 where a threshold is just reached and 100 at twice that or
    more. `evidence` are the numbers of the facts that it rests on, in their order; `values` what was measured and
    `thresholds` what that was compared with, as (name, number) texts. `began` and `ended` (ns UTC) are the times of its
    first and last fact."""

    alert: str
    rule: str
    accounts: tuple[str, ...]
    symbol: str
    day: int
    score: int
    sentences: tuple[str, ...]
    evidence: tuple[int, ...]
    values: tuple[tuple[str, str], ...]
    thresholds: tuple[tuple[str, str], ...]
    began: int
    ended: int

    @property
    def severity(self) -> str:
        return next(word for least, word in SEVERITIES if self.score >= least)


SEVERITIES = ((85, "high"), (65, "medium"), (0, "low"))
"""From which score on an alert is called so."""
