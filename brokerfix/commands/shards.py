"""Commands: what the cluster's agent asks of a broker that is one of several shards."""

from brokerfix.commands.operator import OperatorCommand

Amounts = tuple[tuple[str, str, str, str], ...]
"""(kind of a level, its name, a limit's name, a number as decimal text)."""


class HoldParts(OperatorCommand, frozen=True, gc=False):
    """Who asks brings the shard's parts from now on, under this number, which is higher than all before."""

    epoch: int


class SetParts(OperatorCommand, frozen=True, gc=False):
    """What the shard may use of limits. A part does not fall below what is used of it. `number` is higher than that of
    all requests before; what is late is refused."""

    epoch: int
    number: int
    parts: Amounts


class PlaceAccounts(OperatorCommand, frozen=True, gc=False):
    """The cluster has agreed on which shard each of these accounts is."""

    accounts: tuple[tuple[str, int], ...]


class MoveAccount(OperatorCommand, frozen=True, gc=False):
    """An account is to move to another shard; `cancel`: what works is canceled. To -1: it stays."""

    account: str
    to: int
    cancel: bool = False


class MoveOut(OperatorCommand, frozen=True, gc=False):
    """An account that is drained leaves; `move` is the number of this move. Up to the number `standing` this shard has
    carried out what is asked of all (-1: that is not known)."""

    account: str
    move: int
    standing: int = -1


class MoveIn(OperatorCommand, frozen=True, gc=False):
    """An account comes from another shard, with what it has there."""

    account: str
    source: int
    move: int
    holdings: str
    carried: Amounts = ()


class EndMove(OperatorCommand, frozen=True, gc=False):
    """The cluster has a move on record as done."""

    account: str
    move: int
