"""Commands: the process's own times, its sessions and jobs."""

from brokerfix.commands.base import Command
from brokerfix.domain import (
    ClientOptions,
    ClientQuoting,
    Currency,
    Instrument,
    Level,
    Limits,
    Maker,
    MarginPolicy,
    Phase,
    Venue,
)


class Start(Command, frozen=True, gc=False):
    """The process starts: the trading day, what the configuration says now, the phases of instruments with hours, and
    the shard that its numbers are of. An account's limits come with it, those of all other levels in `limits`;
    `kinds` are of those that are no cash accounts, `modes` those with a routing mode of their own. `divided`: the
    broker is one of several that share accounts and limits, and `placed` on which shard each account begins."""

    day: int
    instruments: tuple[Instrument, ...] = ()
    accounts: tuple[tuple[str, str, Limits], ...] = ()
    clients: tuple[tuple[str, tuple[str, ...], int, ClientOptions], ...] = ()
    venues: tuple[Venue, ...] = ()
    phases: tuple[tuple[str, Phase], ...] = ()
    shard: int = 0
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    limits: tuple[tuple[Level, Limits], ...] = ()
    kinds: tuple[tuple[str, str], ...] = ()
    margin: MarginPolicy = MarginPolicy()
    symbol_groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    currencies: tuple[tuple[str, Currency], ...] = ()
    modes: tuple[tuple[str, str], ...] = ()
    makers: tuple[Maker, ...] = ()
    quoters: tuple[ClientQuoting, ...] = ()
    divided: bool = False
    placed: tuple[tuple[str, int], ...] = ()


class Stop(Command, frozen=True, gc=False):
    """The process stops in good order."""


class RollDay(Command, frozen=True, gc=False):
    """A trading day begins (`day` is YYYYMMDD)."""

    day: int


class ExpireOrders(Command, frozen=True, gc=False):
    """Orders that are good till a time may have reached it."""


class ClientAway(Command, frozen=True, gc=False):
    """A client's session has been lost for as long as its options allow."""

    client: str


class SessionUp(Command, frozen=True, gc=False):
    """A client or an exchange has logged on; `anew`: with sequence numbers that have begun anew."""

    comp_id: str
    venue: bool
    anew: bool = False


class SessionDown(Command, frozen=True, gc=False):
    """A client or an exchange is gone."""

    comp_id: str
    venue: bool


class WorkOff(Command, frozen=True, gc=False):
    """The next slice of a job that is too large to be done at once."""


class ReviewAccount(Command, frozen=True, gc=False):
    """What an account has is worth something else now: how does it stand?"""

    account: str


class StrategyFilled(Command, frozen=True, gc=False):
    """A strategy (CLIENT/TAG) has had as many fills as it may have."""

    strategy: str


class ReduceOnly(Command, frozen=True, gc=False):
    """An account's position is another one: do the orders that must not increase it still fit?"""

    of: tuple[str, str]


class ExpireOverrides(Command, frozen=True, gc=False):
    """Limits that were set for a time may be over."""


class BeginCheck(Command, frozen=True, gc=False):
    """It is time to compare the states of a cluster's nodes."""


class StateCounted(Command, frozen=True, gc=False):
    """The state's hash at a fact is known, see `StateChecked`."""

    of: int
    parts: str
    state_hash: str


class CheckClock(Command, frozen=True, gc=False):
    """How the clock is, see `ClockChecked`."""

    synchronized: bool
    offset: int
    max_error: int
