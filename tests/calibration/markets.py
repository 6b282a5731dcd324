"""Markets of a known volatility and known rates of trades."""

import math
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from brokerfix.calibration.estimate import Observer, Settings

SECOND = 10**9
BEGIN = 1_763_802_000 * SECOND
HALF_SPREAD = 0.01


class Quote(NamedTuple):
    at: int
    bid: float
    ask: float


class Traded(NamedTuple):
    at: int
    price: float
    taker: str


class World(NamedTuple):
    """A mid that is a Brownian motion, quoted each `step` seconds, and takers on each side who come at the rate A and
    reach distances that are exponential with k, or as `distance` says."""

    sigma: float = 0.02
    a: float = 1.0
    k: float = 30.0
    seconds: float = 1000.0
    step: float = 0.1
    mid: float = 100.0
    distance: Callable[[random.Random], float] | None = None

    def events(self, seed: int) -> Iterator[Quote | Traded]:
        chance = random.Random(seed)
        mid, quoted = self.mid, 0.0
        trades = sorted(self._trades(chance, "B") + self._trades(chance, "S"))
        for at, distance, taker in [*trades, (self.seconds, 0.0, "")]:
            while quoted <= at:
                mid += chance.gauss(0, self.sigma * math.sqrt(self.step))
                yield Quote(BEGIN + round(quoted * SECOND), mid - HALF_SPREAD, mid + HALF_SPREAD)
                quoted += self.step
            if taker:
                yield Traded(BEGIN + round(at * SECOND), mid + (distance if taker == "B" else -distance), taker)

    def _trades(self, chance: random.Random, taker: str) -> list[tuple[float, float, str]]:
        found, at = [], 0.0
        while self.a and (at := at + chance.expovariate(self.a)) < self.seconds:
            found.append((at, self.distance(chance) if self.distance else chance.expovariate(self.k), taker))
        return found


def take(observer: Observer, event: Quote | Traded) -> None:
    if isinstance(event, Quote):
        observer.quote(event.at, event.bid, event.ask)
    else:
        observer.trade(event.at, event.price, event.taker)


def observed(world: World, seed: int = 1, settings: Settings | None = None) -> Observer:
    """What an observer of such a market has seen."""
    observer = Observer(settings)
    for event in world.events(seed):
        take(observer, event)
    return observer
