"""What a client asks of its limits, and what it is told: read from the state, and on no record."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from brokerfix.engine.entities import Account, Bound
from brokerfix.engine.risk.levels import in_use
from brokerfix.engine.state import State

CREDIT, GROSS, NET, LONG, SHORT, TOTAL_MARGIN, CLIP_SIZE, MAX_NOTIONAL = "0", "1", "2", "4", "5", "8", "10", "11"
TYPES = {
    "max_gross": GROSS,
    "max_net": NET,
    "max_long": LONG,
    "max_short": SHORT,
    "max_order_qty": CLIP_SIZE,
    "max_order_notional": MAX_NOTIONAL,
}
"""Our limits that have a RiskLimitType(1530). Buying power is a credit limit, maintenance margin the total margin."""


class RiskLimitsRequest(msgspec.Struct, frozen=True):
    """PartyRiskLimitsRequest(CL): of which accounts ((): all of the client's) and RiskLimitTypes(1530) ((): all), and
    RiskLimitRequestType(1760): 1 the limits, 2 what is used, 3 both."""

    client: str
    request_id: str
    request_type: str
    accounts: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


class Limit(NamedTuple):
    """A RiskLimitType(1530), its amount, what is used (None: it does not fill up), both scaled by MONEY_DIGITS, and the
    symbol that it is in ("": any)."""

    kind: str
    amount: int
    used: int | None
    symbol: str


def limits_of(state: State, client: str, account: Account) -> Iterator[Limit]:
    """The limits of an account and of its client, with buying power and margin."""
    if account.limits.buying_power:
        yield Limit(CREDIT, account.buying_power + max(0, account.load), max(0, account.load), "")
    if account.margin != "cash":
        yield Limit(TOTAL_MARGIN, account.equity, account.maintenance, "")
    own = [bound for bound in account.bounds if bound.level.kind == "account"]
    for bound in (*own, *account.own.values(), *state.clients[client].bounds):
        yield from _of_bound(state, bound)


def _of_bound(state: State, bound: Bound) -> Iterator[Limit]:
    used = in_use(state, bound)
    symbol = bound.level.symbol
    for name, amount in bound.most.items():
        if name in TYPES:
            amount = bound.whole.get(name, amount)
            yield Limit(TYPES[name], amount, used.get(name), symbol)
