"""What positions need as margin: formulas on integers. Money is scaled by MONEY_DIGITS, rates are basis points of a
notional, and what is not whole is rounded up: a requirement is never too small.

- A rate of the position's value (Federal Reserve Regulation T, 12 CFR 220.12; FINRA rule 4210(c)).
- A rate that rises with the notional: notional x rate - what the lower brackets' rates are lower by, so that it has no
  jumps (as crypto exchanges publish their maintenance brackets).
- Scan risk: the largest loss over 16 scenarios, plus the charge for spreads, at least the minimum for short options,
  less the net option value (as CME's SPAN describes it).
- A short option by itself (FINRA rule 4210(f)(2)(E), Cboe's margin manual): its premium plus 20 % of the underlying,
  less what it is out of the money, at least 10 % of the underlying (of a put: of the strike).
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from brokerfix.domain import to_money

BASIS_POINTS = 10_000
SCENARIOS = 16
OPTION_BPS, OPTION_MINIMUM_BPS = 2000, 1000
Bracket = tuple[int, int, int]
"""From which notional on, its rate, and the deduction."""


def share(money: int, bps: int) -> int:
    """So many basis points of an amount, rounded up."""
    return -(-money * bps // BASIS_POINTS)


@lru_cache(maxsize=4096)
def brackets(tiers: tuple[tuple[str, int], ...]) -> tuple[Bracket, ...]:
    """Tiers (from which notional on, as decimal text, and the rate), lowest first, with their deductions."""
    found: list[Bracket] = []
    for text, bps in tiers:
        floor = to_money(text)
        lower = found[-1] if found else (0, 0, 0)
        found.append((floor, bps, lower[2] + floor * (bps - lower[1]) // BASIS_POINTS))
    return tuple(found)


def tiered(notional: int, tiers: tuple[tuple[str, int], ...]) -> int:
    """notional x rate - deduction, by the highest bracket that it reaches."""
    _, bps, deduction = max((bracket for bracket in brackets(tiers) if bracket[0] <= notional), default=(0, 0, 0))
    return max(0, share(notional, bps) - deduction)


def short_option(is_call: bool, spot: int, strike: int, premium: int) -> int:
    """What a short option of one unit of its underlying needs, without regard to other positions. All in one scale:
    premium + max(20 % of spot - what it is out of the money, 10 % of spot (of a put: of the strike))."""
    out_of_the_money = max(0, strike - spot if is_call else spot - strike)
    minimum = share(spot if is_call else strike, OPTION_MINIMUM_BPS)
    return premium + max(share(spot, OPTION_BPS) - out_of_the_money, minimum)


def scan_risk(
    holdings: Iterable[tuple[int, Sequence[int]]],
    spread_charge: int = 0,
    short_option_minimum: int = 0,
    net_option_value: int = 0,
) -> int:
    """max(0, max(scan + spread charge, short option minimum) - net option value). `holdings` are (quantity, the losses
    of one long unit in each scenario; below 0: gains)."""
    losses = [0] * SCENARIOS
    for qty, array in holdings:
        losses = [loss + qty * of_one for loss, of_one in zip(losses, array, strict=True)]
    return max(0, max(max(0, *losses) + spread_charge, short_option_minimum) - net_option_value)


def worst_of(sides: Iterable[tuple[int, int, Sequence[int]]]) -> list[tuple[int, Sequence[int]]]:
    """Holdings of which each may become one or the other quantity, (low, high, losses): as holdings of one unit whose
    losses are the worse of both in each scenario."""
    return [(1, [max(low * loss, high * loss) for loss in array]) for low, high, array in sides]


def liquidation_notional(excess: int, buffer: int, maintenance_bps: int, fee_bps: int, slip_bps: int) -> int | None:
    """How much has to be sold so that an excess liquidity below the buffer becomes the buffer: each unit sold frees its
    maintenance margin and costs the fee and the slippage, x = (buffer - excess) / (m - f - s). None: however much is
    sold, it is not enough."""
    gain = maintenance_bps - fee_bps - slip_bps
    if gain <= 0:
        return None
    return -(-(buffer - excess) * BASIS_POINTS // gain)
