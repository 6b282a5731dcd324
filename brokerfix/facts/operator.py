"""Facts: what operators do, and what they must see."""

from brokerfix.facts.base import Fact


class Halted(Fact, frozen=True, gc=False):
    """No new orders are taken for `name`; `kind` is "all", "client", "group", "account", "symbol" or "venue" (where
    nothing is sent). `job`: the orders that end with it are canceled in slices, with `kill` all that work."""

    kind: str
    name: str
    operator: str
    job: bool = False
    kill: bool = False


class Resumed(Fact, frozen=True, gc=False):
    kind: str
    name: str
    operator: str


class OperatorRefused(Fact, frozen=True, gc=False):
    """An operator's action that could not be done."""

    operator: str
    action: str
    text: str


class OperatorActed(Fact, frozen=True, gc=False):
    """An operator did something that changes nothing here: sessions, the day's roll, a client added."""

    operator: str
    action: str
    text: str


class SplitApplied(Fact, frozen=True, gc=False):
    """`numerator` new shares for `denominator` old ones: quantities, prices and positions are other ones now."""

    symbol: str
    numerator: int
    denominator: int
    operator: str


NO_STATUS = "NO_STATUS"
"""The code of an alert that an exchange answers no status request."""


class Alerted(Fact, frozen=True, gc=False):
    """Something an operator must see: who it came from, what it is, and the message it was in."""

    source: str
    code: str
    text: str
    raw: str = ""
