"""The volatility of a mid price, in price units per square root of a second.

The model's mid is a Brownian motion, dS = sigma dW (Avellaneda & Stoikov, "High-frequency trading in a limit order
book", Quantitative Finance 8, 2008, equation 2.1), so that the mean squared change over a grid step of h seconds is
sigma^2 h. The newest steps count most: weights halve with each half-life, and are normalised, so that a short history
is no history of a volatility of 0. The grid is to be wide enough for the bid-ask bounce to be small in it.
"""

import math

SECOND = 10**9
MOST_SHOWN = 1000
"""So many points of the volatility over time are kept; beyond that every second one goes."""


class Volatility:
    """An exponentially weighted volatility and a plain one, of a mid that is sampled each `grid` ns.

    A mid that stands still is as many changes of 0 as there are steps. No change is taken over an interruption, and
    the weights fade with the time that was sampled, not over interruptions."""

    def __init__(self, grid: int, half_life: float) -> None:
        self.grid = grid
        self.samples = 0
        self.shown: list[tuple[int, float]] = []
        """(ns, weighted volatility then), for a picture."""
        self._seconds = grid / SECOND
        self._fade = 2.0 ** (-self._seconds / half_life)
        self._total = 0.0
        # Sums of the weights, the weighted squares, and of squared weights times 1, squares and squared squares.
        self._weight = self._squares = self._weight2 = self._squares2 = self._fourths2 = 0.0
        self._point = 0
        self._mid: float | None = None
        self._stride, self._next = 1, 0

    def hold(self, mid: float, until: int) -> None:
        """The mid has been this one since the last call, and up to `until` (ns)."""
        point = (until - 1) // self.grid
        steps = point - self._point
        if steps <= 0:
            return
        if self._mid is not None:
            self._sample(mid - self._mid)
        self._stand_still(steps - 1)
        self._point, self._mid = point, mid
        if point >= self._next and self.samples:
            self._show(point)

    def interrupt(self, until: int) -> None:
        """Nothing is known up to `until` (ns)."""
        self._point, self._mid = (until - 1) // self.grid, None

    def weighted(self) -> tuple[float, float]:
        """The weighted volatility and its standard error, by the spread of the squared changes; 0 before there is a
        sample."""
        if not self._squares:
            return 0.0, 0.0
        mean = self._squares / self._weight
        variance = self._fourths2 - 2 * mean * self._squares2 + mean * mean * self._weight2
        error = math.sqrt(max(variance, 0.0)) / self._weight
        return math.sqrt(mean / self._seconds), error / (2 * math.sqrt(mean * self._seconds))

    def realised(self) -> float:
        """The volatility with all samples of one weight, 0 before there is a sample."""
        return math.sqrt(self._total / (self.samples * self._seconds)) if self.samples else 0.0

    def _sample(self, change: float) -> None:
        square, fade, fade2 = change * change, self._fade, self._fade * self._fade
        self._weight = self._weight * fade + 1
        self._squares = self._squares * fade + square
        self._weight2 = self._weight2 * fade2 + 1
        self._squares2 = self._squares2 * fade2 + square
        self._fourths2 = self._fourths2 * fade2 + square * square
        self._total += square
        self.samples += 1

    def _stand_still(self, steps: int) -> None:
        """So many samples of no change, at once."""
        fade, fade2 = self._fade**steps, self._fade ** (2 * steps)
        self._weight = self._weight * fade + (1 - fade) / (1 - self._fade)
        self._weight2 = self._weight2 * fade2 + (1 - fade2) / (1 - self._fade * self._fade)
        self._squares *= fade
        self._squares2 *= fade2
        self._fourths2 *= fade2
        self.samples += steps

    def _show(self, point: int) -> None:
        self.shown.append((point * self.grid, self.weighted()[0]))
        if len(self.shown) > MOST_SHOWN:
            del self.shown[::2]
            self._stride *= 2
        self._next = point + self._stride
