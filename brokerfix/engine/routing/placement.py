"""How much of an order to take at once and how much to leave in which queue, by what it is expected to cost.

The model is that of Cont & Kukanov, "Optimal order placement in limit order markets" (Quantitative Finance 17, 2017;
arXiv:1210.1625). A target S is split into a market order M and limit orders L_k at the best price of exchanges k. An
exchange's queue holds Q_k before ours and loses xi_k until the deadline, so that min(L_k, (xi_k - Q_k)+) of ours is
filled. Money per unit, against the mid price: the market order costs the half spread h and the fee f; a fill of a limit
order earns h and the effective rebate r_k (less what adverse selection costs); theta is the impact of whatever is sent,
and of what has to be made up for; lambda_u is the penalty of what is not filled in time.

Two things are ours. Outflows are exponential, P(xi_k > x) = exp(-x / mean), each with its own mean. And M and all L_k
make up S, never more: the paper lets a trader overbook exchanges at a penalty lambda_o, but a broker has no use for
what its client did not order. So nothing is ever overfilled, lambda_o does not enter, and the cost is a sum of convex
costs of each L_k. These are floats, which may differ in a last digit between machines: a placement that is gone by is
to be on record, not reckoned again.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple


class Terms(NamedTuple):
    """What holds at all exchanges, money per unit: h, theta and lambda_u."""

    half_spread: float
    theta: float
    lambda_u: float


class VenueTerms(NamedTuple):
    """What holds at one exchange: the fee of taking and the effective rebate of a fill, money per unit (below 0: the
    other way); what is queued before us and the mean outflow until the deadline, both in the target's unit."""

    name: str
    fee: float
    rebate: float
    queue: float
    outflow: float


class Allocation(NamedTuple):
    """What is sent to which exchange to be taken at once, and to be queued; exchanges that get nothing are left out."""

    market: dict[str, int]
    limit: dict[str, int]


def split(target: float, terms: Terms, venue: VenueTerms) -> tuple[float, float]:
    """How a target is best split where there is one exchange: (market order, limit order), in the target's unit.

    L = F^-1((2h + f + r) / (lambda_u + h + r + theta)) - Q and M = S - L, F being the distribution of the outflow (Cont
    & Kukanov, the single exchange). All of it is queued if that is above S, that is for a lambda_u of no more than
    (2h + f + r) / F(Q + S) - (h + r + theta), and taken if it is below 0, that is for one of at least
    (2h + f + r) / F(Q) - (h + r + theta). ValueError as of `allocate`."""
    _check(target, terms, [venue])
    depth = (_market_level(terms, venue) - _level(terms, venue)) * venue.outflow
    limit = min(max(depth, 0.0), target)
    return target - limit, limit


def split_qty(qty: int, lot: int, terms: Terms, venue: VenueTerms) -> tuple[int, int]:
    """The same in whole lots: (market order, limit order). Of the two nearest limit orders it is the one that costs
    less; it is of whole lots or all there is, and the market order is the rest. ValueError as of `allocate`."""
    if lot <= 0:
        raise ValueError("a lot is not above 0")
    below = min(int(split(qty, terms, venue)[1]) // lot * lot, qty)
    above = min(below + lot, qty)
    costs = [
        expected_cost(qty, terms, [venue], {venue.name: qty - limit}, {venue.name: limit}) for limit in (below, above)
    ]
    limit = above if costs[1] < costs[0] else below
    return qty - limit, limit


def allocate(qty: int, lot: int, terms: Terms, venues: Sequence[VenueTerms]) -> Allocation:
    """How a quantity is best split among exchanges, in whole lots (an odd rest goes with one of them): nothing is lost
    or added. The market order goes to the exchange of the lowest fee; equals are settled by the order they are given.

    The paper minimises by stochastic approximation. Here each next lot goes where it costs least, which is the minimum
    as the cost is a sum of convex ones (B. Fox, "Discrete optimization via marginal analysis", Management Science 13,
    1966). Work does not grow with the quantity. ValueError if a quantity, queue, half spread, theta or lambda_u is
    below 0, an outflow or a lot is not above 0, no fill is worth anything (lambda_u + h + r + theta is not above 0), or
    there is no exchange or two of the same name."""
    if lot <= 0:
        raise ValueError("a lot is not above 0")
    _check(qty, terms, venues)
    cheapest = min(venues, key=lambda one: one.fee)
    market_level = _market_level(terms, cheapest)
    # Of what the continuous solution gives a venue no more lots can be wrong than there are venues.
    limits = []
    left = qty
    for depth in _filled_to(qty, market_level, terms, venues):
        sure = max(int(depth) // lot - len(venues), 0) * lot
        limits.append(sure)
        left -= sure
    market = 0
    while left:
        size = min(lot, left)
        levels = [_level(terms, venue, limit, size) for venue, limit in zip(venues, limits, strict=True)]
        best = min(levels)
        if market_level <= best:
            market, left = left, 0
        else:
            limits[levels.index(best)] += size
            left -= size
    taken = {cheapest.name: market} if market else {}
    return Allocation(taken, {venue.name: limit for venue, limit in zip(venues, limits, strict=True) if limit})


def expected_cost(
    target: float,
    terms: Terms,
    venues: Sequence[VenueTerms],
    market: Mapping[str, float],
    limit: Mapping[str, float],
) -> float:
    """What a placement (quantities by exchange) is expected to cost against the mid price, money.

    The mean of (h + f) M - sum (h + r_k) filled_k + theta (M + sum L_k + unfilled) + lambda_u unfilled (Cont & Kukanov,
    the cost function), where the mean of filled_k is mean exp(-Q_k / mean) (1 - exp(-L_k / mean)). ValueError as of
    `allocate`, or if more is placed than the target."""
    _check(target, terms, venues)
    cost = placed = filled = 0.0
    for venue in venues:
        taken, queued = market.get(venue.name, 0), limit.get(venue.name, 0)
        fill = -venue.outflow * math.exp(-venue.queue / venue.outflow) * math.expm1(-queued / venue.outflow)
        cost += (terms.half_spread + venue.fee) * taken - (terms.half_spread + venue.rebate) * fill
        placed += taken + queued
        filled += taken + fill
    if placed > target * (1 + 1e-12):
        raise ValueError("more is placed than the target")
    return cost + terms.theta * placed + (terms.theta + terms.lambda_u) * (target - filled)


def _worth(terms: Terms, venue: VenueTerms) -> float:
    """What a fill of a limit order is worth against none."""
    return terms.lambda_u + terms.half_spread + venue.rebate + terms.theta


def _level(terms: Terms, venue: VenueTerms, limit: float = 0, size: float = 0) -> float:
    """How far down a venue's queue we are when so much is placed there: -log of what the next unit (or on average the
    next `size`) is expected to save against not placing it. The lower, the better; it grows by 1 / mean outflow for
    each unit placed. A log, as what is saved itself is too small to be told from 0 far down a queue."""
    depth = (venue.queue + limit) / venue.outflow
    if size:
        depth -= math.log(-math.expm1(-size / venue.outflow) * venue.outflow / size)
    return depth - math.log(_worth(terms, venue))


def _market_level(terms: Terms, venue: VenueTerms) -> float:
    """The same of taking at once, which saves the same for any quantity; infinite if it saves nothing."""
    saved = terms.lambda_u + terms.theta - terms.half_spread - venue.fee
    return -math.log(saved) if saved > 0 else math.inf


def _filled_to(qty: int, market_level: float, terms: Terms, venues: Sequence[VenueTerms]) -> list[Fraction]:
    """What is best placed at each venue if any part of a unit may be: each venue that gets something is filled to the
    same level, as water would, and none beyond that of the market order. Exact, so that of no quantity, however large,
    more is left than the parts of a unit."""
    levels = [Fraction(_level(terms, venue)) for venue in venues]
    width = area = Fraction(0)
    for level, venue in sorted(zip(levels, venues, strict=True)):
        if width and (qty + area) / width <= level:
            break
        width += Fraction(venue.outflow)
        area += Fraction(venue.outflow) * level
    all_queued = (qty + area) / width
    reached = Fraction(market_level) if market_level < all_queued else all_queued
    return [
        max(reached - level, Fraction(0)) * Fraction(venue.outflow) for level, venue in zip(levels, venues, strict=True)
    ]


def _check(target: float, terms: Terms, venues: Sequence[VenueTerms]) -> None:
    if not (target >= 0 and terms.half_spread >= 0 and terms.theta >= 0 and terms.lambda_u >= 0):
        raise ValueError("a quantity, the half spread, theta or lambda_u is below 0")
    if not venues or len({venue.name for venue in venues}) < len(venues):
        raise ValueError("there is no exchange, or two have the same name")
    for venue in venues:
        if not (venue.queue >= 0 and venue.outflow > 0 and _worth(terms, venue) > 0):
            raise ValueError(f"{venue.name}: its queue is below 0, or its outflow or the worth of a fill not above 0")
