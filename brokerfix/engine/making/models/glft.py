"""Quotes under bounds of the inventory: Guéant, Lehalle & Fernandez-Tapia, "Dealing with the inventory risk: a solution
to the market making problem" (Mathematics and Financial Economics 7, 2013; arXiv:1105.3115).

For q the inventory, of -Q to Q, gamma the risk aversion (per money of a quote's size) and mu the drift, far from the
horizon's end (the asymptotic closed-form approximations of the paper, the second with a trend):

    c = (1 / gamma) ln(1 + gamma / k)
    w = sqrt(sigma^2 gamma / (2 k A) (1 + gamma / k)^(1 + k / gamma))
    bid = c + ((2q + 1) / 2 - mu / (gamma sigma^2)) w
    ask = c - ((2q - 1) / 2 - mu / (gamma sigma^2)) w

The exact distances at any time are those of v (the paper's theorem 1), a system of linear equations which is solved
elsewhere and comes here as a table: bid = (1 / k) ln(v_q / v_q+1) + c, ask = (1 / k) ln(v_q / v_q-1) + c.
"""

import math
from bisect import bisect_right
from itertools import pairwise

from brokerfix.domain import QuoteTable, Quoting
from brokerfix.engine.making.models.terms import (
    Inputs,
    Priced,
    Unusable,
    above_zero,
    guarded,
    not_below_zero,
    number,
    priced,
)


class Table(QuoteTable, frozen=True, gc=False):
    """Exact distances, and what they are made for: `gamma`, `sigma`, `a`, `k`, `drift` and `horizon` (seconds) as the
    models take them, inventories from -`q_max` to `q_max`. `bids` and `asks` have a row for each of `times`, which are
    remaining seconds and go up. There is no bid at q_max, and no ask at -q_max.

    Unusable (or msgspec's ValidationError, where it is decoded) if it is of another shape or a number is not finite."""

    def __post_init__(self) -> None:
        check_parameters(self.gamma, self.sigma, self.a, self.k, self.drift)
        if self.q_max < 1:
            raise Unusable("q_max: must be at least 1")
        not_below_zero("horizon", self.horizon)
        for time in self.times:
            not_below_zero("times", time)
        if not self.times or any(later <= earlier for earlier, later in pairwise(self.times)):
            raise Unusable("times: there must be one, and each must be after the one before")
        for name, rows, unquoted in (("bids", self.bids, 2 * self.q_max), ("asks", self.asks, 0)):
            if len(rows) != len(self.times) or any(len(row) != 2 * self.q_max + 1 for row in rows):
                raise Unusable(f"{name}: must have a row for each of the times, of {2 * self.q_max + 1} distances")
            for row in rows:
                for index, distance in enumerate(row):
                    if (distance is None) != (index == unquoted):
                        raise Unusable(f"{name}: must have None at {unquoted - self.q_max}, and only there")
                    if distance is not None:
                        number(name, distance)


@guarded
def quote(inputs: Inputs, gamma: float, q_max: float | None = None) -> Priced:
    """Quotes by the closed form, with the drift of the inputs; the remaining time doesn't matter. With a `q_max` there
    is no bid where one more would be above it, and no ask where one less would be below -q_max.

    Unusable if gamma, a or k is not above 0, sigma is below 0, or is 0 where there is a drift, q_max is not above 0, or
    no finite price comes out."""
    number("mid", inputs.mid)
    number("inventory", inputs.inventory)
    check_parameters(gamma, inputs.sigma, inputs.a, inputs.k, inputs.drift)
    if q_max is not None:
        above_zero("q_max", q_max)
    width = inputs.sigma * math.sqrt(gamma / (2 * inputs.k * inputs.a) * _power(gamma, inputs.k))
    shift = -inputs.inventory * width
    if inputs.drift:
        shift += inputs.drift / (gamma * inputs.sigma**2) * width
    half = half_spread(gamma, inputs.k) + width / 2
    bid: float | None = half - shift
    ask: float | None = half + shift
    if q_max is not None and inputs.inventory + 1 > q_max:
        bid = None
    if q_max is not None and inputs.inventory - 1 < -q_max:
        ask = None
    return priced(inputs.mid + shift, bid, ask)


@guarded
def exact(inputs: Inputs, table: QuoteTable) -> Priced:
    """Quotes out of a table, by inventory and remaining time; volatility, drift and fills are those it was made for,
    and not the inputs'. The fair price is the mean of the prices at which one more would be bought and one sold without
    gain or loss (a quote's distance less c); at a bound it is the only one of them. Unusable as `lookup`."""
    number("mid", inputs.mid)
    bid, ask = lookup(table, inputs.inventory, inputs.remaining)
    half = half_spread(table.gamma, table.k)
    shifts = [half - one for one in (bid,) if one is not None] + [one - half for one in (ask,) if one is not None]
    return priced(inputs.mid + math.fsum(shifts) / len(shifts), bid, ask)


def lookup(table: QuoteTable, inventory: float, remaining: float) -> tuple[float | None, float | None]:
    """The distances (bid, ask) at an inventory and a remaining time (seconds).

    Between whole inventories and between times they are linear: they are smooth in both, and a jump of the quotes
    where nothing has happened would only cost their places in the queue. There is no bid where one more would go over
    q_max, so none above q_max - 1, and likewise for asks. Beyond the bounds the side that is left is that at the bound;
    before the first of the times and after the last it is as at that time, as distances hardly change far from the end.

    Unusable if the inventory is not a number or the remaining time is below 0."""
    number("inventory", inventory)
    not_below_zero("remaining", remaining)
    place = min(max(inventory, -table.q_max), table.q_max) + table.q_max
    later = bisect_right(table.times, remaining)
    first, last = max(later - 1, 0), min(later, len(table.times) - 1)
    part = 0.0
    if first < last:
        part = (remaining - table.times[first]) / (table.times[last] - table.times[first])
    return (
        _between(_at(table.bids[first], place), _at(table.bids[last], place), part),
        _between(_at(table.asks[first], place), _at(table.asks[last], place), part),
    )


def bound_of(quoting: Quoting) -> int:
    """Q: how many quotes of the first level's size the position may be off its target, on the nearer side."""
    return min(quoting.most_long - quoting.target, quoting.target - quoting.most_short) // quoting.qty


def half_spread(gamma: float, k: float) -> float:
    """c = (1 / gamma) ln(1 + gamma / k), price units: what a quote earns before any risk of inventory. Both above 0."""
    return math.log1p(gamma / k) / gamma


def eta(gamma: float, a: float, k: float) -> float:
    """eta = A (1 + gamma / k)^-(1 + k / gamma), per second: the neighbours' weight in the system of v. All above 0."""
    return a / _power(gamma, k)


def check_parameters(gamma: float, sigma: float, a: float, k: float, drift: float) -> None:
    """Unusable if gamma, a or k is not above 0, sigma is below 0, or is 0 where there is a drift."""
    for name, value in (("gamma", gamma), ("a", a), ("k", k)):
        above_zero(name, value)
    not_below_zero("sigma", sigma)
    number("drift", drift)
    if drift:
        above_zero("sigma", sigma)


def _power(gamma: float, k: float) -> float:
    """(1 + gamma / k)^(1 + k / gamma), which goes to e as gamma / k goes to 0."""
    return math.exp((1 + k / gamma) * math.log1p(gamma / k))


def _at(row: tuple[float | None, ...], place: float) -> float | None:
    """A row's distance at a place that may be between two."""
    whole = int(place)
    part = place - whole
    return _between(row[whole], row[whole + 1], part) if part else row[whole]


def _between(before: float | None, after: float | None, part: float) -> float | None:
    if before is None or after is None:
        return None
    return before + part * (after - before)
