"""How much of a parent order should have been released by a time. Nothing here knows orders or clocks: quantities are
scaled integers, times nanoseconds since the epoch (UTC), and what is released is the same on every machine. Kappa,
holdings and costs are floats, which may differ in a last digit: whoever goes by a kappa keeps it on record.

The model of risk and impact is that of Almgren & Chriss, "Optimal execution of portfolio transactions" (Journal of
Risk 3, 2000): X units are traded in N periods of length tau, T = N tau; sigma is the volatility of the price per square
root of time, gamma the permanent and eta the temporary impact per unit, epsilon the fixed cost of a unit, lambda the
risk aversion. Holdings are x_0 = X ... x_N = 0, and n_k = x_(k-1) - x_k is traded in period k. Where time is in days
and prices in dollars, costs are in dollars and variances in dollars squared.
"""

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import pairwise

DAY = 86_400_000_000_000
"""Nanoseconds."""
BPS = 10_000
STRAIGHT = Decimal("1e-12")
"""Below this kappa T a trajectory is a straight line, to 1 in 10^24."""
EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN)


def twap(qty: int, start: int, end: int, at: int) -> int:
    """What of a quantity should be released at a time when it is spread evenly over the time from start to end; rounded
    down. ValueError if the quantity is below 0 or the end is not after the start."""
    _check(qty, start, end)
    return qty * _within(start, end, at) // (end - start)


def vwap(qty: int, start: int, end: int, at: int, profile: tuple[int, ...], bucket: int) -> int:
    """What should be released at a time when a quantity follows the volume that is expected: `profile` weighs each
    `bucket` (ns) of every UTC day from midnight on, evenly within a bucket; what of a day it leaves out weighs nothing.
    Rounded down. A profile without weight between start and end is of no use: then as `twap`. ValueError as there, or
    if a weight is below 0, a bucket has no length, or one would begin after its day."""
    _check(qty, start, end)
    if any(weight < 0 for weight in profile):
        raise ValueError("a weight is below 0")
    if profile and (bucket <= 0 or (len(profile) - 1) * bucket >= DAY):
        raise ValueError("the buckets do not fit into a day")
    before = _weight(start, profile, bucket)
    total = _weight(end, profile, bucket) - before
    if not total:
        return twap(qty, start, end, at)
    return qty * (_weight(start + _within(start, end, at), profile, bucket) - before) // total


def participation(rate_bps: int, traded: int) -> int:
    """What may be released when the market, our own fills included, has traded so much since the start: the rate's part
    of it, rounded down. ValueError if the rate is not one of 0 to 10000 or the quantity is below 0."""
    if not 0 <= rate_bps <= BPS:
        raise ValueError("the rate is not from 0 to 10000 basis points")
    if traded < 0:
        raise ValueError("a quantity is below 0")
    return traded * rate_bps // BPS


def shortfall(qty: int, start: int, end: int, at: int, kappa_total: float) -> int:
    """What should be released at a time on the trajectory of least cost and risk, of shape `kappa_total`, which is
    kappa T, without dimension: 0 is a straight line, and the larger, the more of it is early. Rounded down.

    1 - sinh(kappa (T - t)) / sinh(kappa T): the holdings of Almgren & Chriss in continuous time. ValueError if the
    quantity or the shape is below 0, the shape is not finite, or the end is not after the start."""
    _check(qty, start, end)
    if not (math.isfinite(kappa_total) and kappa_total >= 0):
        raise ValueError("the shape is not a number from 0 on")
    shape, length, passed = Decimal(kappa_total), end - start, _within(start, end, at)
    if shape < STRAIGHT or passed in (0, length):
        return twap(qty, start, end, at)
    # Decimals and not floats: each step rounds correctly, so each is monotone in time and so is the whole; a float's
    # sinh is neither sure to be, nor the same on all machines. Exponents below 0 can't overflow, however large kappa.
    up = _exp(shape, -passed, length)
    down = _exp(shape, passed - 2 * length, length)
    held = EXACT.divide(EXACT.subtract(up, down), EXACT.subtract(Decimal(1), _exp(shape, -2, 1)))
    return int(EXACT.multiply(Decimal(qty), EXACT.subtract(Decimal(1), held)))


def kappa(risk_aversion: float, sigma: float, eta: float, gamma: float, tau: float) -> float:
    """How fast holdings decay on the optimal trajectory, per time; 0 without risk aversion.

    The kappa of 2 (cosh(kappa tau) - 1) / tau^2 = lambda sigma^2 / eta~, with eta~ = eta - gamma tau / 2 (Almgren &
    Chriss, section 2.2). ValueError if the risk aversion or volatility is below 0, tau is not above 0, or eta~ is not:
    then periods are too long for the impact."""
    if not (risk_aversion >= 0 and sigma >= 0):
        raise ValueError("the risk aversion or the volatility is below 0")
    # cosh(y) - 1 = 2 sinh^2(y / 2): arcosh would lose all digits where kappa tau is small.
    urgency = math.sqrt(risk_aversion / _eta_tilde(eta, gamma, tau)) * sigma
    return 2 * math.asinh(urgency * tau / 2) / tau


def holdings(x: float, n: int, tau: float, kappa: float) -> list[float]:
    """What is still held at the start and after each of n periods of length tau: n + 1 numbers from x down to 0.

    x_j = X sinh(kappa (T - t_j)) / sinh(kappa T) (Almgren & Chriss, section 2.2). ValueError if there is no period, or
    tau is not above 0, or kappa is not a number from 0 on."""
    if not (tau > 0 and kappa >= 0 and math.isfinite(tau * n * kappa)):
        raise ValueError("tau is not above 0, or kappa is below 0")
    shape = kappa * tau * n
    if shape < STRAIGHT:
        return linear(x, n)
    whole = math.expm1(-2 * shape)
    left = [(n - period) / n for period in range(n + 1)]
    return [x * math.exp(shape * (part - 1)) * (math.expm1(-2 * shape * part) / whole) for part in left]


def linear(x: float, n: int) -> list[float]:
    """What is still held at the start and after each of n periods when the same is traded in each: the strategy of
    least expected cost (Almgren & Chriss, section 1.5). ValueError if there is no period."""
    if n < 1:
        raise ValueError("there is no period")
    return [x * ((n - period) / n) for period in range(n + 1)]


def expected_cost(held: Sequence[float], tau: float, epsilon: float, eta: float, gamma: float) -> float:
    """The expected cost (money) of going through such holdings, one period of length tau between two of them.

    E = gamma X^2 / 2 + epsilon sum |n_k| + (eta~ / tau) sum n_k^2, with eta~ = eta - gamma tau / 2 (Almgren & Chriss,
    section 1.5). ValueError as of `kappa`."""
    traded = [before - after for before, after in pairwise(held)]
    fixed = gamma * held[0] ** 2 / 2 + epsilon * math.fsum(abs(one) for one in traded)
    return fixed + _eta_tilde(eta, gamma, tau) / tau * math.fsum(one * one for one in traded)


def variance(held: Sequence[float], tau: float, sigma: float) -> float:
    """The variance (money squared) of the cost of going through such holdings: a period's price move is borne by what
    is held after it, so what was held at the start does not count.

    V = sigma^2 tau sum of x_k^2 for k = 1 ... N (Almgren & Chriss, section 1.4)."""
    return sigma * sigma * tau * math.fsum(one * one for one in held[1:])


def _check(qty: int, start: int, end: int) -> None:
    if qty < 0:
        raise ValueError("a quantity is below 0")
    if end <= start:
        raise ValueError("the end is not after the start")


def _within(start: int, end: int, at: int) -> int:
    """How much of the time from start to end has passed."""
    return min(max(at, start), end) - start


def _weight(at: int, profile: tuple[int, ...], bucket: int) -> int:
    """The weight of all time since the epoch: of each bucket its weight for each nanosecond in it."""
    if not profile:
        return 0
    days, passed = divmod(at, DAY)
    return days * _weight_of_day(DAY, profile, bucket) + _weight_of_day(passed, profile, bucket)


def _weight_of_day(passed: int, profile: tuple[int, ...], bucket: int) -> int:
    whole, part = divmod(passed, bucket)
    if whole >= len(profile):
        return sum(profile) * bucket
    return sum(profile[:whole]) * bucket + profile[whole] * part


def _exp(shape: Decimal, share: int, whole: int) -> Decimal:
    return EXACT.exp(EXACT.divide(EXACT.multiply(shape, Decimal(share)), Decimal(whole)))


def _eta_tilde(eta: float, gamma: float, tau: float) -> float:
    result = eta - gamma * tau / 2
    if not (tau > 0 and result > 0):
        raise ValueError("tau is not above 0, or eta is not above gamma tau / 2")
    return result
