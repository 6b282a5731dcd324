"""The exact solution of the market making problem of Guéant, Lehalle & Fernandez-Tapia (2013), as a table.

v(t) = exp(-M (T - t)) 1 (the paper's theorem 1), where M is tridiagonal: alpha q^2 - k mu q on the diagonal, -eta
beside it, for q from -Q to Q; alpha = k gamma sigma^2 / 2, eta = A (1 + gamma / k)^-(1 + k / gamma).

Far from 0 inventory v is smaller than at 0 by many orders of magnitude, and distances are ratios of neighbours, so
each v_q has to be right by itself and not only against the largest, as is all that eigenvectors and a matrix
exponential by Padé approximants promise. Instead nothing is ever subtracted. B = c 1 - M has no entry below 0 where
c is M's largest diagonal entry; exp(B (T - t)) is the same up to a factor which cancels in the ratios; it is had by a
Taylor series for a part of the time and by squaring, scaled before it overflows.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from brokerfix.domain import Quoting
from brokerfix.engine.making.models.glft import Table, bound_of, check_parameters, eta, half_spread
from brokerfix.engine.making.models.terms import Unusable, guarded, not_below_zero

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_SQUARINGS = 64
TAYLOR_TERMS = 20
"""Beyond those by which the first inventory reaches the last, where the terms' norms fall faster than 1 / n!."""


@guarded
def exact_table(
    gamma: float,
    sigma: float,
    a: float,
    k: float,
    q_max: int,
    horizon: float,
    drift: float = 0.0,
    times: Sequence[float] | None = None,
) -> Table:
    """A table of the exact distances (price units) at `times`, remaining seconds that go up; without them at the whole
    `horizon`. Units are those of the models' Inputs.

    Unusable if a parameter is (as in the closed form), q_max is not a whole number from 1 on, a time is below 0 or
    after the horizon, or the parameters are so far apart that a v_q is 0. ImportError without numpy."""
    check_parameters(gamma, sigma, a, k, drift)
    not_below_zero("horizon", horizon)
    if q_max < 1:
        raise Unusable("q_max: must be at least 1")
    at = tuple(times) if times is not None else (horizon,)
    for time in at:
        not_below_zero("times", time)
        if time > horizon:
            raise Unusable("times: must not be after the horizon")
    half = half_spread(gamma, k)
    bids, asks = [], []
    for time in at:
        logs = _log_v(gamma, sigma, a, k, q_max, drift, time)
        steps = [(one - other) / k for one, other in pairwise(logs)]
        bids.append((*(half + step for step in steps), None))
        asks.append((None, *(half - step for step in steps)))
    return Table(gamma, sigma, a, k, q_max, horizon, drift, at, tuple(bids), tuple(asks))


PARTS = (0.0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Of a horizon that ends: where a table has a row. Distances change most near the end."""


def tables_for(quoting: Iterable[Quoting], sigma: float, a: float, k: float) -> list[Table]:
    """The tables that makers' desks with the model "glft" and a horizon look up once these estimates hold, one for each
    risk aversion, bound and horizon. Raises as `exact_table`."""
    found: dict[tuple[float, float, int, float, bool], Table] = {}
    for one in quoting:
        model, q_max = one.model, bound_of(one)
        if model.name != "glft" or not model.horizon or q_max < 1:
            continue
        key = model.gamma, model.drift, q_max, model.horizon, model.rolling
        times = (model.horizon,) if model.rolling else tuple(model.horizon * part for part in PARTS)
        if key not in found:
            found[key] = exact_table(model.gamma, sigma, a, k, q_max, model.horizon, model.drift, times)
    return list(found.values())


def _log_v(gamma: float, sigma: float, a: float, k: float, q_max: int, drift: float, time: float) -> list[float]:
    """ln v by inventory from -q_max to q_max, up to one number for all of them."""
    try:
        import numpy
    except ImportError as error:
        raise ImportError("the exact table needs numpy: pip install 'brokerfix[making]'") from error
    beside = eta(gamma, a, k)
    costs = [k * gamma * sigma**2 / 2 * q * q - k * drift * q for q in range(-q_max, q_max + 1)]
    diagonal = numpy.array([max(costs) - cost for cost in costs])
    norm = (float(diagonal.max()) + 2 * beside) * time
    if not math.isfinite(norm):
        raise OverflowError("the system's norm")
    squarings = max(math.frexp(norm)[1], 0)
    if squarings > MOST_SQUARINGS:
        raise Unusable("the parameters: too far apart, or too long a horizon, for an exact solution")
    grown = _exp(diagonal, beside, time / 2.0**squarings)
    for _ in range(squarings):
        grown = grown @ grown
        grown /= grown.max()
    v = grown.sum(axis=1)
    if not v.min() > 0:
        raise Unusable("gamma, sigma, drift or q_max: too large, an inventory at the bound is out of reach")
    return [float(one) for one in numpy.log(v)]


def _exp(diagonal: "NDArray[Any]", beside: float, time: float) -> "NDArray[Any]":
    """exp(B time) by its Taylor series, B tridiagonal, with a norm times time of at most 1."""
    import numpy

    size = len(diagonal)
    total = term = numpy.eye(size)
    for order in range(1, size + TAYLOR_TERMS):
        following = diagonal[:, None] * term
        following[1:] += beside * term[:-1]
        following[:-1] += beside * term[1:]
        term = following * (time / order)
        total = total + term
    return total
