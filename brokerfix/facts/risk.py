"""Facts: limits, and who they are about."""

from brokerfix.domain import Currency, Limits, MarginPolicy, Side, Standing
from brokerfix.facts.base import Fact


class GroupDefined(Fact, frozen=True, gc=False):
    """A group of accounts, which may have limits of its own."""

    group: str
    accounts: tuple[str, ...]


class SymbolGroupDefined(Fact, frozen=True, gc=False):
    """A group of symbols, in which accounts may have limits."""

    group: str
    symbols: tuple[str, ...]


class LimitNeared(Fact, frozen=True, gc=False, kw_only=True):
    """An order was accepted that uses a level's limit nearly up: the limit's name, its number and how much is used, as
    people write them."""

    kind: str
    name: str
    symbol: str
    limit: str
    most: str
    value: str


class KillRefused(Fact, frozen=True, gc=False):
    """An exchange would not cancel an order that is under a kill, or that would increase a position and must not: it
    may still work there, and the cancel is asked for again."""

    order_id: int
    text: str


class LimitsSet(Fact, frozen=True, gc=False, kw_only=True):
    """The limits of a level (see `domain.Level`) are these from now on, or `until` a time (ns UTC): by the
    configuration, or by an operator, and why. `approver` is the second person who has approved the proposal."""

    kind: str
    name: str
    symbol: str
    limits: Limits
    operator: str = ""
    text: str = ""
    until: int = 0
    approver: str = ""
    proposal: int = 0


class LimitsProposed(Fact, frozen=True, gc=False, kw_only=True):
    """An operator wants limits that need a second person, because of those that are `raised`."""

    kind: str
    name: str
    symbol: str
    limits: Limits
    raised: tuple[str, ...]
    operator: str
    text: str = ""
    until: int = 0


class ProposalEnded(Fact, frozen=True, gc=False):
    """Limits that were proposed (by the fact of this number) are not approved."""

    proposal: int
    operator: str
    text: str = ""


class MarginPolicySet(Fact, frozen=True, gc=False):
    """How margin accounts are watched from now on, as the configuration says."""

    policy: MarginPolicy


class MarginChanged(Fact, frozen=True, gc=False, kw_only=True):
    """An account stands otherwise than before: its equity with loan value, what its positions need as maintenance
    margin, and the excess liquidity, as decimal text of money. `call`: its orders that would need more are canceled; a
    liquidation cancels all others too."""

    account: str
    standing: Standing
    equity: str
    maintenance: str
    excess: str
    text: str = ""


class LiquidationSliced(Fact, frozen=True, gc=False, kw_only=True):
    """A part of a liquidation is sent as an order: which, and why so much: the excess liquidity, what it is to be, and
    by how much of its value a position frees margin (basis points)."""

    account: str
    order_id: int
    symbol: str
    side: Side
    qty: int
    price: int
    excess: str
    target: str
    relief_bps: int


class LiquidationHeld(Fact, frozen=True, gc=False):
    """A liquidation stops: there are no prices that it may rely on or, with an `operator`, until he lets it go on."""

    account: str
    text: str
    operator: str = ""


class LiquidationResumed(Fact, frozen=True, gc=False):
    account: str
    operator: str = ""


class DeficitBooked(Fact, frozen=True, gc=False):
    """An account has lost more than it had: what is missing (decimal text) is the broker's claim, and its cash 0."""

    account: str
    amount: str


class InterestBooked(Fact, frozen=True, gc=False, kw_only=True):
    """Interest on an account's cash (`on`) for so many days at a yearly rate: the amount (below 0: it is charged), all
    as decimal text."""

    account: str
    amount: str
    on: str
    rate: str
    days: int
    currency: str = ""


class CurrencyDefined(Fact, frozen=True, gc=False):
    """A currency, as the configuration has it: its rate is the one there from now on."""

    name: str
    currency: Currency


class RateSet(Fact, frozen=True, gc=False):
    """A currency's rate (decimal text) is another one from now on."""

    name: str
    rate: str
    operator: str = ""


class BalancesConverted(Fact, frozen=True, gc=False):
    """An account's cash in other currencies, (currency, amount), is changed `into` so much of the desk's own, all as
    decimal text: it is closed out."""

    account: str
    amounts: tuple[tuple[str, str], ...]
    into: str


class IntradayDeficit(Fact, frozen=True, gc=False):
    """In the day before, an account has lacked so much (decimal text) of its maintenance margin: it has to be met."""

    account: str
    amount: str


class DeficitMet(Fact, frozen=True, gc=False):
    """An account has met an intraday margin deficit that was told on a trading day (YYYYMMDD)."""

    account: str
    day: int
    amount: str


class AccountFrozen(Fact, frozen=True, gc=False):
    """An intraday margin deficit, of a `day`, was not met in time: `until` a day (YYYYMMDD) the account opens only what
    its cash pays for."""

    account: str
    until: int
    amount: str
    day: int


class LossReached(Fact, frozen=True, gc=False):
    """An account has lost so much of what it may lose in a day: the share in percent, the loss and the limit as decimal
    text. From 80 on it may only close positions; at 100 it is killed."""

    account: str
    percent: int
    loss: str
    limit: str


class CreditScored(Fact, frozen=True, gc=False, kw_only=True):
    """An account's credit score, what it may use of its available funds from now on (basis points; 0: it may only
    close), what went into the score, as (name, value) texts, and what has cost it most."""

    account: str
    score: int
    multiplier_bps: int
    inputs: tuple[tuple[str, str], ...] = ()
    reasons: tuple[str, ...] = ()
    operator: str = ""
