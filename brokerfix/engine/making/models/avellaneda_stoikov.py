"""Quotes around a reservation price: Avellaneda & Stoikov, "High-frequency trading in a limit order book"
(Quantitative Finance 8, 2008).

For s the mid, q the inventory, gamma the risk aversion (per money of a quote's size), T - t the seconds to the end:

    r = s - q gamma sigma^2 (T - t)                                                (equation 29)
    ask - bid = gamma sigma^2 (T - t) + (2 / gamma) ln(1 + gamma / k)              (equation 30)

The quotes are half of it to either side of r. They are the paper's approximation, an expansion in q that is linear in
the rate of fills, so that A does not enter; nor does a drift, which the paper leaves out. A finite horizon has T - t
run down to 0; a rolling one keeps it. With a large inventory one of the quotes is beyond the mid.
"""

import math

from brokerfix.engine.making.models.terms import Inputs, Priced, above_zero, guarded, not_below_zero, number, priced


@guarded
def quote(inputs: Inputs, gamma: float) -> Priced:
    """Quotes around the reservation price. Unusable if gamma or k is not above 0, sigma or the remaining time is below
    0, or no finite price comes out."""
    half = _half_spread(inputs, gamma)
    number("inventory", inputs.inventory)
    shift = -inputs.inventory * gamma * inputs.sigma**2 * inputs.remaining
    return priced(inputs.mid + shift, half - shift, half + shift)


@guarded
def symmetric(inputs: Inputs, gamma: float) -> Priced:
    """The paper's benchmark: the same spread around the mid, whatever the inventory. The paper's tables have it at the
    mean spread of the horizon, which is that of half of it remaining. Unusable as `quote`."""
    half = _half_spread(inputs, gamma)
    return priced(inputs.mid, half, half)


def _half_spread(inputs: Inputs, gamma: float) -> float:
    number("mid", inputs.mid)
    above_zero("gamma", gamma)
    above_zero("k", inputs.k)
    not_below_zero("sigma", inputs.sigma)
    not_below_zero("remaining", inputs.remaining)
    return gamma * inputs.sigma**2 * inputs.remaining / 2 + math.log1p(gamma / inputs.k) / gamma
