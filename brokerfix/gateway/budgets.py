"""What a session may ask of the broker, in messages and in work: token buckets, one for each kind.

A bucket holds up to `burst` tokens and gets `rate` of them a second; whatever takes more than there are is over the
budget. What is over it has a budget too, as refusals are work: beyond that, the session is not worth keeping.
"""

from enum import Enum

from brokerfix.settings.sections import Budget, BudgetsSection

REFUSED_SHARE = 10
"""Of what may be taken a second, the part that may be refused a second. At once it is as much."""


class Verdict(Enum):
    """Within the budget, above it, far above it."""

    WITHIN = 0
    ABOVE = 1
    FAR_ABOVE = 2


class Bucket:
    """One token bucket; `now` is in seconds and never goes back. A rate of 0 is no limit."""

    def __init__(self, budget: Budget, now: float) -> None:
        self.rate, self.burst = budget.rate, max(budget.burst, 1)
        self.tokens = float(self.burst)
        self._at = now

    def take(self, now: float, cost: int = 1) -> bool:
        """Take `cost` tokens, if they are there. What costs more than a full bucket needs a full one, and is paid off
        later."""
        if not self.rate:
            return True
        self.tokens = min(self.burst, self.tokens + (now - self._at) * self.rate)
        self._at = now
        if self.tokens < min(cost, self.burst):
            return False
        self.tokens -= cost
        return True

    def left(self, now: float) -> float:
        """The tokens that are there, without taking any."""
        return min(self.burst, self.tokens + (now - self._at) * self.rate)

    def wait(self, cost: int = 1) -> float:
        """Seconds until `cost` tokens are there, from the last `take` on."""
        if not self.rate:
            return 0.0
        return max(0.0, (min(cost, self.burst) - self.tokens) / self.rate)


class Allowance:
    """A budget and what may be refused above it."""

    def __init__(self, name: str, budget: Budget, now: float) -> None:
        self.name = name
        self._within = Bucket(budget, now)
        refused = Budget(max(1, budget.rate // REFUSED_SHARE), budget.burst) if budget.rate else budget
        self._refused = Bucket(refused, now)

    def row(self, now: float) -> dict[str, object]:
        """What there is for an operator: the tokens a second, at most, and left; none of what has no limit."""
        return {"rate": self._within.rate, "burst": self._within.burst, "left": int(self._within.left(now))}

    def take(self, now: float, cost: int = 1) -> Verdict:
        if self._within.take(now, cost):
            return Verdict.WITHIN
        return Verdict.ABOVE if self._refused.take(now) else Verdict.FAR_ABOVE


KINDS = {
    b"D": "orders",
    b"G": "orders",
    b"E": "orders",
    b"s": "orders",
    b"AJ": "orders",
    b"i": "quotes",
    b"S": "quotes",
    b"F": "cancels",
    b"Z": "cancels",
    b"q": "mass_cancels",
    b"1": "test_requests",
    b"V": "subscriptions",
    b"2": "resend_requests",
    b"H": "requests",
    b"R": "requests",
    b"a": "requests",
    b"AF": "mass_requests",
    b"CL": "requests",
    b"x": "requests",
    b"c": "requests",
    b"e": "requests",
    b"g": "requests",
}
"""MsgType -> the budget that it takes from; all others take from `others`."""
COUNTED_BY = {b"E": 73, b"V": 146, b"R": 146, b"i": 295}
"""MsgType -> the group that counts its work: a list's orders, the symbols of a subscription or of a request for quotes,
the quotes of all sets."""


class Budgets:
    """All budgets of one client. They outlive a connection: logging on again fills none of them."""

    def __init__(self, section: BudgetsSection, now: float) -> None:
        names = {"others", "mass_requests", *KINDS.values()}
        made = {name: Allowance(name, getattr(section, name), now) for name in names}
        self.all = made
        self.others, self.mass_requests = made["others"], made["mass_requests"]
        self.by_type = {message_type: made[name] for message_type, name in KINDS.items()}
        self.replayed = Bucket(section.replayed_messages, now)
        self.logons = Bucket(section.logons, now)
        self.beyond_gap = section.beyond_gap
        self.active_subscriptions = section.active_subscriptions

    def rows(self, now: float) -> dict[str, dict[str, object]]:
        """What is left of each budget, for an operator; `now` as above."""
        return {name: allowance.row(now) for name, allowance in sorted(self.all.items())}

    def of(self, message_type: bytes) -> Allowance:
        return self.by_type.get(message_type, self.others)
