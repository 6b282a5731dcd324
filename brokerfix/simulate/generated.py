"""A generated market, the one in which Avellaneda and Stoikov (2008, "High-frequency trading in a limit order book",
section 3.3) try their quotes: the mid is an arithmetic Brownian motion, and takers of each side come at random (a
Poisson process of rate A) and reach so far from the mid that a quote at a distance d is met at a rate of A exp(-k d).
"""

import math
import random
from collections.abc import Iterator

import msgspec

from brokerfix.domain import Instrument, Side
from brokerfix.simulate.day import DEPTH, TRADED, Place, Step

SECOND = 10**9
BEGINS = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z."""
REACH = 12.0
"""How far from the mid exchanges show the market, in units of 1/k: no taker in 100,000 reaches it."""
MUCH = 10**12


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`sigma` in price units per square root of a second, `a` takers of a side per second, `k` per price unit. The mid
    moves every `step` seconds, and begins at `mid`. A taker wants `qty` units."""

    sigma: float
    a: float
    k: float
    mid: float
    qty: float
    seconds: float = 600.0
    step: float = 0.1


class Generated:
    """The same seed gives the same market. A mid that falls to 0 stays a tick above it."""

    def __init__(self, place: Place, instrument: Instrument, terms: Terms, seed: int) -> None:
        self._place, self._instrument, self._terms, self._seed = place, instrument, terms, seed

    def __iter__(self) -> Iterator[Step]:
        terms, tick = self._terms, self._instrument.tick
        chance = random.Random(f"{self._seed} market")
        scale = 10.0**self._instrument.price_digits
        mid, deviation = terms.mid * scale, terms.sigma * scale * math.sqrt(terms.step)
        width = max(2, math.ceil(REACH / terms.k * scale / tick))
        shown: tuple[tuple[Side, int], ...] = ()
        coming = {side: chance.expovariate(terms.a) for side in Side}
        for number in range(round(terms.seconds / terms.step)):
            now = number * terms.step
            at = BEGINS + round(now * SECOND)
            low, high = (math.floor(mid / tick) - width) * tick, (math.ceil(mid / tick) + width) * tick
            best = ((Side.BUY, max(tick, low)), (Side.SELL, high))
            if best != shown:
                gone = [(*level, 0) for level in shown if level not in best]
                new = [(*level, MUCH) for level in best if level not in shown]
                yield Step(at, self._place, DEPTH, (*gone, *new))
                shown = best
            yield from self._takers(now, mid, coming, chance)
            mid = max(tick * 1.5, mid + chance.gauss(0, deviation))

    def _takers(self, now: float, mid: float, coming: dict[Side, float], chance: random.Random) -> Iterator[Step]:
        """Those that come until the mid moves next, in their order."""
        terms, instrument = self._terms, self._instrument
        scale, tick = 10.0**instrument.price_digits, instrument.tick
        qty = round(terms.qty * 10**instrument.qty_digits)
        while (next_at := min(coming.values())) < now + terms.step:
            taker = Side.BUY if coming[Side.BUY] == next_at else Side.SELL
            coming[taker] = next_at + chance.expovariate(terms.a)
            reach = chance.expovariate(terms.k) * scale
            if taker is Side.BUY:
                price = math.floor((mid + reach) / tick) * tick
            else:
                price = math.ceil((mid - reach) / tick) * tick
            if price > 0:
                yield Step(BEGINS + round(next_at * SECOND), self._place, TRADED, (taker, price, qty))
