"""How much a client may ask for over HTTP: the budgets of its FIX session, told in the headers of every answer."""

import math
import time

from brokerfix.gateway.budgets import KINDS, Bucket
from brokerfix.settings.sections import BudgetsSection


class Limits:
    """A client's budgets, one for each kind of request. All its API keys share them. `now` is in seconds and never goes
    back."""

    def __init__(self, section: BudgetsSection, now: float) -> None:
        self.buckets = {name: Bucket(getattr(section, name), now) for name in sorted({*KINDS.values()})}


def headers(name: str, bucket: Bucket) -> dict[str, str]:
    """X-RateLimit-Limit: how many requests at once; -Remaining: how many are left of them; -Reset: when it is all of
    them again, in seconds since 1970; -Resource: which budget that is. Nothing for a budget without a limit."""
    if not bucket.rate:
        return {}
    full = time.time() + bucket.wait(bucket.burst)
    return {
        "x-ratelimit-limit": str(bucket.burst),
        "x-ratelimit-remaining": str(max(0, int(bucket.tokens))),
        "x-ratelimit-reset": str(math.ceil(full)),
        "x-ratelimit-resource": name,
    }
