"""Facts: limits, and who they are about."""

from brokerfix.domain import Limits
from brokerfix.facts.base import Fact


class GroupDefined(Fact, frozen=True, gc=False):
    """A group of accounts, which may have limits of its own."""

    group: str
    accounts: tuple[str, ...]


class KillRefused(Fact, frozen=True, gc=False):
    """An exchange would not cancel an order that is under a kill: it may still work there, and the cancel is asked for
    again."""

    order_id: int
    text: str


class LimitsSet(Fact, frozen=True, gc=False, kw_only=True):
    """The limits of a level (see `domain.Level`) are these from now on: by the configuration, or by an operator, and
    why."""

    kind: str
    name: str
    symbol: str
    limits: Limits
    operator: str = ""
    text: str = ""
