"""Facts: brokers that share accounts and limits, each a shard: who has which account, and its parts of the limits."""

from brokerfix.facts.base import Fact

Amounts = tuple[tuple[str, str, str, str], ...]
"""(kind of a level, its name, a limit's name, a number as decimal text)."""


class LimitsDivided(Fact, frozen=True, gc=False):
    """The broker starts as one of several: of limits that accounts of other shards count towards it may use nothing
    until it is told its part. Or it is the only one again (`divided` false): they count whole."""

    divided: bool


class PartsHeld(Fact, frozen=True, gc=False):
    """Who brings the shard's parts from the cluster has begun anew, with a higher number: those before are no longer
    listened to."""

    epoch: int


class PartsSet(Fact, frozen=True, gc=False):
    """What the broker may use of limits from now on; `number` counts what has come from this holder."""

    epoch: int
    number: int
    parts: Amounts


class PartLacked(Fact, frozen=True, gc=False):
    """An order was refused that the limit would allow, but not the shard's part of it: so much (decimal text) would
    have been needed."""

    kind: str
    name: str
    limit: str
    value: str


class AccountPlaced(Fact, frozen=True, gc=False):
    """An account is on this shard, as the cluster has agreed; or on another one, where it has what it has."""

    account: str
    shard: int


class AccountMoving(Fact, frozen=True, gc=False, kw_only=True):
    """An account is to move to another shard: it takes no new orders, and those that work are canceled (`cancel`) or
    waited for. -1: it stays after all."""

    account: str
    to: int
    cancel: bool = False
    operator: str = ""


class AccountMovedOut(Fact, frozen=True, gc=False, kw_only=True):
    """An account has left for another shard, with its `holdings` (JSON) and with what it takes along of this shard's
    parts. `move` counts the account's moves. This shard keeps it in hand until the other one has it."""

    account: str
    to: int
    move: int
    holdings: str
    carried: Amounts = ()


class AccountMovedIn(Fact, frozen=True, gc=False, kw_only=True):
    """An account has come from another shard, see `AccountMovedOut`."""

    account: str
    source: int
    move: int
    holdings: str
    carried: Amounts = ()


class MoveEnded(Fact, frozen=True, gc=False):
    """The other shard of an account's move has it on record too, and the cluster's parts are those after it."""

    account: str
    move: int
