"""Where a simulated exchange's market is: a seeded random walk."""

import random
from collections.abc import Iterator, Mapping

from brokerfix.domain import Instrument

DEFAULT_MID = 10_000
"""Where the walk of an instrument without a reference price begins, in ticks."""


class RandomWalk:
    """The mid of each instrument walks by up to `step` ticks a round, and never below `floor` ticks. The same seed
    gives the same walk."""

    def __init__(self, instruments: Mapping[str, Instrument], seed: int, step: int, floor: int) -> None:
        self._instruments, self._step, self._floor = instruments, step, floor
        self._random = random.Random(seed)
        self._mids = {
            symbol: instrument.reference // instrument.tick or DEFAULT_MID for symbol, instrument in instruments.items()
        }

    def round(self) -> Iterator[tuple[str, int]]:
        """Where each instrument is next: (symbol, scaled price)."""
        for symbol, instrument in self._instruments.items():
            moved = self._mids[symbol] + self._random.randint(-self._step, self._step)
            mid = self._mids[symbol] = max(self._floor, moved)
            yield symbol, mid * instrument.tick
