"""What a refusal rests on, in a sentence."""

from collections.abc import Iterable

from brokerfix.domain import Evidence
from brokerfix.operate.order_limits import Weighed, matching, refusal_row


def refusal_text(evidence: Evidence | None, checks: Iterable[Weighed]) -> str:
    """By which limit, what that is, what was used of it and what was asked; "" where the check has no limit."""
    if evidence is None or not evidence.limit:
        return ""
    checks = list(checks)
    match, row = matching(checks, evidence), refusal_row(evidence, checks)
    assert row is not None
    name = f" ({match.name})" if match is not None else ""
    where = f" of {evidence.at}" if evidence.at else ""
    text = f"what refuses it is {evidence.check}{name}{where}: the limit is {evidence.limit}"
    if row["used"] is not None:
        text += f"; {row['used']} of it was used, {row['asked']} more was asked for, which makes {evidence.value}"
    elif evidence.value:
        text += f"; {evidence.value} was asked for"
    return text
