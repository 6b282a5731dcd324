"""A simulated exchange's liquidity: a two-sided quoter around a seeded random walk."""

import random
from collections.abc import Iterator, Mapping

from brokerfix.commands import Quote
from brokerfix.domain import Instrument, Side

DEFAULT_MID = 10_000
"""Where the walk of an instrument without a reference price begins, in ticks."""


class RandomWalk:
    """Wishes for our own book: `levels` quotes a side, `spread_ticks` apart, around a mid that walks by up to
    `step_ticks` a round. Prices and quantities are scaled. The same seed gives the same walk."""

    def __init__(
        self,
        account: str,
        instruments: Mapping[str, Instrument],
        qty: Mapping[str, int],
        seed: int,
        levels: int,
        spread_ticks: int,
        step_ticks: int,
    ) -> None:
        self.account = account
        self.instruments = instruments
        self.qty = qty
        self.levels = levels
        self.spread = spread_ticks
        self.step = step_ticks
        self._random = random.Random(seed)
        self._mids = {
            symbol: instrument.reference // instrument.tick or DEFAULT_MID for symbol, instrument in instruments.items()
        }

    def quotes(self, client: str, at: int) -> Iterator[Quote]:
        """The next round of wishes, ordered so that a quote never meets the maker's own other side."""
        for symbol, instrument in self.instruments.items():
            moved = self._random.randint(-self.step, self.step)
            floor = self.levels + self.spread + 1
            mid = self._mids[symbol] = max(floor, self._mids[symbol] + moved)
            sides = (Side.SELL, Side.BUY) if moved > 0 else (Side.BUY, Side.SELL)
            for side in sides:
                yield from self._side(client, at, symbol, instrument, side, mid, moved)

    def _side(
        self, client: str, at: int, symbol: str, instrument: Instrument, side: Side, mid: int, moved: int
    ) -> Iterator[Quote]:
        sign = -1 if side is Side.BUY else 1
        for level in range(self.levels):
            price = (mid + sign * (self.spread // 2 + self.spread % 2 + level)) * instrument.tick
            yield Quote(at, client, self.account, symbol, side, level, price, self.qty[symbol])
