"""A fixed spread: the same distances from the mid whatever happens, price units."""

from brokerfix.engine.making.models.terms import Inputs, Priced, guarded, not_below_zero, number, priced


@guarded
def quote(inputs: Inputs, bid: float, ask: float, minimum: float = 0.0) -> Priced:
    """Quotes at these distances below and above the mid; where they are less than the `minimum` apart, both are moved
    away by half of what is missing. The fair price is the mid, though it is not the centre of unequal distances.

    Unusable if a distance or the minimum is below 0, or no spread is left between the quotes."""
    number("mid", inputs.mid)
    for name, value in (("bid", bid), ("ask", ask), ("minimum", minimum)):
        not_below_zero(name, value)
    missing = max(minimum - (bid + ask), 0.0)
    return priced(inputs.mid, bid + missing / 2, ask + missing / 2)
