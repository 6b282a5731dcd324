"""What a market maker's model needs of a symbol, out of its best bids and offers and its trades as they come."""

import math
from collections import deque

import msgspec

from brokerfix.calibration.intensity import LEAST_RUNGS, Fit, Quotes, Rung, fit
from brokerfix.calibration.volatility import SECOND, Volatility

BUY, SELL = "B", "S"
"""The side of a trade's taker, as recordings have it; of others it is told by the mid."""
LEAST_SAMPLES = 100
LEAST_FILLS = 100
"""With so many fills k is known to some 10 %."""
LEAST_R2 = 0.9
MOST_PRICE = 1e15
"""What is beyond it is no price."""
NOISE = 1e-12
"""Of a price: nearer to the mid than this is at the mid."""


class Settings(msgspec.Struct, frozen=True):
    """In seconds: between samples of the mid, the half-life of their weights, how long virtual quotes stand, after how
    long without a word nothing is known of the market, and how long before a trade the mid is taken that it is
    measured from, for feeds that tell of a trade after the quotes that it has moved. In price units: from where to
    where virtual quotes stand."""

    grid: float = 1.0
    half_life: float = 300.0
    renewal: float = 1.0
    gap: float = 300.0
    lag: float = 0.0
    nearest: float = 0.0
    farthest: float = math.inf


class Errors(msgspec.Struct, frozen=True):
    """Standard errors."""

    sigma: float = 0.0
    a: float = 0.0
    k: float = 0.0


class Estimate(msgspec.Struct, frozen=True):
    """What was estimated of a symbol; 0 is what can't be told.

    `sigma` is the weighted volatility, `realised` the plain one, price units per square root of a second, out of
    `samples` changes. Orders at the distance delta (price units) from the mid are filled at the rate a exp(-k delta),
    per second and side, out of `fills` quotes at the nearest distance that were filled, in `seconds` during which there
    was a mid. `deviance` is how many times what chance makes of it, `r2` the share of the fills' deviance that the
    curve explains (see `intensity.Fit`). `why`: "enough", or what is missing.
    """

    symbol: str
    sigma: float
    a: float
    k: float
    samples: int
    fills: int
    seconds: float
    errors: Errors
    deviance: float
    r2: float
    is_enough: bool
    why: str
    realised: float = 0.0


class Observer:
    """Takes what happens in one market, in order of time (ns); what is out of order, or no number, is left out."""

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        self.volatility = Volatility(round(settings.grid * SECOND), settings.half_life)
        self.quotes = Quotes(round(settings.renewal * SECOND))
        self.settings = settings
        self.left_out = 0
        self._lag = round(settings.lag * SECOND)
        self._gap = round(settings.gap * SECOND)
        self._at = -1
        self._mid: float | None = None
        self._before: float | None = None
        """The mid that trades are measured from: before all that came at the same time, or `lag` before it."""
        self._is_at_work = False
        self._lagging: deque[tuple[int, float | None]] = deque()

    def quote(self, at: int, bid: float | None, ask: float | None) -> None:
        """The best bid and offer are these, None where there is none. While one is missing, or they are crossed, there
        is no mid."""
        if not self._pass_to(at):
            return
        self._mid = None
        if bid is not None and ask is not None and -MOST_PRICE <= bid <= ask <= MOST_PRICE:
            self._mid = (bid + ask) / 2

    def trade(self, at: int, price: float, taker: str = "") -> None:
        """Something has traded. Where the taker's side is not told it bought above the mid and sold below."""
        if not self._pass_to(at):
            return
        if not abs(price) <= MOST_PRICE:
            self.left_out += 1
            return
        if not self._is_at_work or self._before is None:
            return
        distance = price - self._before
        is_buy = taker == BUY or (taker != SELL and distance > 0)
        if not is_buy:
            distance = -distance
        if NOISE * max(abs(price), abs(self._before)) < distance:
            self.quotes.trade(is_buy, distance)

    def see(self, at: int) -> None:
        """The market is told of, and as it was."""
        self._pass_to(at)

    def estimate(self, symbol: str) -> Estimate:
        """What is known so far."""
        sigma, error = self.volatility.weighted()
        rungs = self.rungs()
        fills, found = rungs[0].filled if rungs else 0, fit(rungs)
        why = _missing(self.volatility.samples, sigma, fills, rungs, found)
        curve = found or Fit(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        return Estimate(
            symbol, sigma, curve.a, curve.k, self.volatility.samples, fills, self.quotes.at_work / SECOND,
            Errors(error, curve.error_a, curve.error_k), curve.deviance, curve.r2, not why, why or "enough",
            self.volatility.realised(),
        )  # fmt: skip

    def rungs(self) -> list[Rung]:
        """What became of virtual quotes so far, by distance."""
        return self.quotes.ladder(self.settings.nearest, self.settings.farthest)

    def _pass_to(self, at: int) -> bool:
        """The market has stayed as it was up to `at`. Returns whether that is no time before the last one."""
        if at < self._at:
            self.left_out += 1
            return False
        if at == self._at:
            return True
        self._is_at_work = self._mid is not None and at - self._at <= self._gap
        if self._mid is None or not self._is_at_work:
            self._mid = None
            self.volatility.interrupt(at)
            self.quotes.rest(at)
        else:
            self.volatility.hold(self._mid, at)
            self.quotes.work(at)
        self._at = at
        self._lagging.append((at + self._lag, self._mid))
        while self._lagging[0][0] < at:
            self._lagging.popleft()
        self._before = self._lagging[0][1]
        return True


def _missing(samples: int, sigma: float, fills: int, rungs: list[Rung], found: Fit | None) -> str:
    """Why an estimate is not to be used, empty if it is."""
    reasons = []
    if samples < LEAST_SAMPLES:
        reasons.append(f"too few samples of the mid: {samples:,} of {LEAST_SAMPLES} needed")
    elif not sigma:
        reasons.append("the mid has never moved")
    if fills < LEAST_FILLS:
        reasons.append(f"too few fills: {fills:,} of {LEAST_FILLS} needed")
    elif found is None:
        reasons.append(
            f"too few distances with fills: {len(rungs)} of {LEAST_RUNGS} needed" if len(rungs) < LEAST_RUNGS else
            "all trades are about as far from the mid: A and k can't be told apart"
        )  # fmt: skip
    elif found.r2 < LEAST_R2:
        reasons.append(
            f"poor fit: an exponential explains {100 * max(0.0, found.r2):.0f} % of how fills depend on the distance, "
            f"{100 * LEAST_R2:.0f} % needed"
        )
    return "; ".join(reasons)
