"""How often a resting order is filled by its distance from the mid: lambda(delta) = A exp(-k delta), per second and
side (Avellaneda & Stoikov, "High-frequency trading in a limit order book", Quantitative Finance 8, 2008, section 2.3).

It is estimated as Laruelle ("Faisabilite de l'apprentissage des parametres d'un algorithme de trading sur des donnees
reelles", 2013) and Fernandez-Tapia ("Modeling, optimization and estimation for the on-line control of trading
algorithms in limit-order markets", thesis, Paris 6, 2015) do: virtual quotes stand at several distances on both sides
and are renewed at intervals; a trade that reaches a distance fills the quotes up to it, and a quote that is not filled
within its interval is censored there. At each distance the estimate is fills / seconds at work, and over all of them
together the A and k of the greatest Poisson likelihood, log-linear in (ln A, k).

The distances are not independent: a trade fills all quotes up to where it reaches, one trade brings others, and busy
times are followed by busy times. The plain inverse of the Fisher information would count each trade once for each
distance. So the errors have the spread of the score over stretches of time between two such inverses (White,
"Maximum likelihood estimation of misspecified models", Econometrica 50, 1982), and the deviance is told by what that
spread alone would make it (Satorra & Bentler, 1994, for the mean of a test of correlated counts).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

SECOND = 10**9
CELLS = 64
"""Distances are told apart by 2 ** (1 / CELLS), some 1 %, while data come; the memory does not grow with them."""
RUNGS = 12
"""At most so many distances are made of them in the end, each of so many trades that they differ little."""
LEAST_ON_RUNG = 5
LEAST_RUNGS = 3
STRETCHES = 64
"""At most so many stretches of time; then each two become one."""
STEPS = 200
LEAST = 1e-300
"""So many fills are expected at least of what is too far out for a float."""
FARTHEST = 500.0
"""The greatest k times the nearest distance at which A can be told."""

Fills = dict[tuple[int | None, int], tuple[int, int]]
"""By the cells (reached before in the interval, reached now): how many trades, and for how long (ns) altogether the
quotes between the two were not at work after them."""


class Rung(NamedTuple):
    """What became of the quotes at one distance (price units), on both sides together: how many were filled and for how
    many seconds they were at work, in each stretch of time."""

    distance: float
    filled_in: tuple[int, ...]
    seconds_in: tuple[float, ...]

    @property
    def filled(self) -> int:
        return sum(self.filled_in)

    @property
    def seconds(self) -> float:
        return math.fsum(self.seconds_in)

    @property
    def rate(self) -> float:
        """Fills a second and side at this distance, by itself."""
        return self.filled / self.seconds if self.seconds else 0.0


class Fit(NamedTuple):
    """A (per second and side) and k (per price unit) with their standard errors; the deviance over what chance makes of
    it, about 1 where the curve is the true one; and the share of the deviance from one rate at all distances that the
    curve explains (Cameron & Windmeijer, Journal of Econometrics 77, 1997)."""

    a: float
    k: float
    error_a: float
    error_k: float
    deviance: float
    r2: float


class Quotes:
    """Virtual quotes at all distances from the mid, on both sides, renewed each `renewal` ns. Trades at the same time
    and side are one."""

    def __init__(self, renewal: int) -> None:
        self.renewal = renewal
        self.at_work = 0
        """For how long (ns) a quote that is never filled would have been at work, on one side."""
        self._at = self._end = 0
        self._reached: dict[bool, int | None] = {False: None, True: None}
        self._fresh: list[tuple[bool, int | None, int, int]] = []
        self._stretches: list[tuple[Fills, int]] = []
        """Those that are over, with `at_work` at their ends."""
        self._fills: Fills = {}
        self._length = renewal
        self._nearest: dict[int, float] = {}

    def work(self, until: int) -> None:
        """The quotes are at work up to `until` (ns)."""
        if until >= self._end:
            self.at_work += self._end - self._at
            self._at = self._end
            self._renew(until)
        self.at_work += until - self._at
        self._at = until

    def rest(self, until: int) -> None:
        """The quotes are withdrawn up to `until` (ns)."""
        if until >= self._end:
            self._renew(until)
        self._at = until

    def trade(self, is_buy: bool, distance: float) -> None:
        """A taker has reached this distance from the mid, above 0, at the time of the last call."""
        cell, reached = math.floor(math.log2(distance) * CELLS), self._reached[is_buy]
        if reached is not None and cell <= reached:
            return
        if self._fresh and self._fresh[-1][0] == is_buy and self._fresh[-1][3] == self.at_work:
            reached = self._fresh.pop()[1]
        self._fresh.append((is_buy, reached, cell, self.at_work))
        self._reached[is_buy] = cell
        self._nearest[cell] = min(distance, self._nearest.get(cell, distance))

    def ladder(self, nearest: float = 0.0, farthest: float = math.inf) -> list[Rung]:
        """What was seen at some distances within these two, the nearest first. Each is one that trades have reached,
        and about as many have reached each of them and not the next."""
        last = dict(self._fills)
        self._settle(last)
        stretches = [*self._stretches, (last, self.at_work)]
        within = [cell for cell, distance in sorted(self._nearest.items()) if nearest <= distance <= farthest]
        cells = _chosen([fills for fills, _ in stretches], within)
        filled = [[0] * len(stretches) for _ in cells]
        idle = [[0] * len(stretches) for _ in cells]
        for at, (fills, _) in enumerate(stretches):
            for (before, cell), (count, lost) in fills.items():
                for rung, one in enumerate(cells):
                    if one <= cell and (before is None or one > before):
                        filled[rung][at] += count
                        idle[rung][at] += lost
        ends = [end for _, end in stretches]
        spans = [2 * (end - begin) for begin, end in zip([0, *ends], ends, strict=False)]
        return [
            Rung(
                self._nearest[cell],
                tuple(filled[rung]),
                tuple((span - lost) / SECOND for span, lost in zip(spans, idle[rung], strict=True)),
            )
            for rung, cell in enumerate(cells)
        ]

    def _renew(self, until: int) -> None:
        if self._fresh:
            self._settle(self._fills)
            self._fresh.clear()
            self._reached = {False: None, True: None}
        if self.at_work - (self._stretches[-1][1] if self._stretches else 0) >= self._length:
            self._stretches.append((self._fills, self.at_work))
            self._fills = {}
            if len(self._stretches) == STRETCHES:
                self._halve()
        self._end = until - until % self.renewal + self.renewal

    def _halve(self) -> None:
        pairs = zip(self._stretches[::2], self._stretches[1::2], strict=True)
        self._stretches = [(_merged(one, other), end) for (one, _), (other, end) in pairs]
        self._length *= 2

    def _settle(self, fills: Fills) -> None:
        """Add the interval that is not over, as if it ended now."""
        for _, before, cell, at_work in self._fresh:
            count, idle = fills.get((before, cell), (0, 0))
            fills[before, cell] = count + 1, idle + self.at_work - at_work


def _merged(one: Fills, other: Fills) -> Fills:
    for cells, (count, idle) in other.items():
        counted, idled = one.get(cells, (0, 0))
        one[cells] = counted + count, idled + idle
    return one


def _chosen(stretches: Sequence[Fills], within: Sequence[int]) -> list[int]:
    """The cells, of those in order, that begin a rung each."""
    counts = dict.fromkeys(within, 0)
    for fills in stretches:
        for (_, cell), (count, _) in fills.items():
            if cell in counts:
                counts[cell] += count
    enough = max(LEAST_ON_RUNG, -(-sum(counts.values()) // RUNGS))
    chosen: list[int] = []
    held = enough
    for cell, count in counts.items():
        if count and max(held, count) >= enough:
            chosen.append(cell)
            held = 0
        held += count
    if held < LEAST_ON_RUNG and len(chosen) > 1:
        chosen.pop()
    return chosen


def fit(rungs: Sequence[Rung]) -> Fit | None:
    """The A and k under which the fills are likeliest. None where that can't be told: from less than three rungs, from
    rungs of one rate, or where all are about as far from the mid, seen from there.

    With f_j fills in E_j seconds at the distance d_j, the log-likelihood is sum f_j (a - k d_j) - E_j exp(a - k d_j),
    where a = ln A. It is concave; at its maximum e^a = sum f_j / sum E_j exp(-k d_j), which leaves one equation for k,
    of a slope that only falls."""
    if len(rungs) < LEAST_RUNGS or rungs[0].rate <= rungs[-1].rate:
        return None
    near = rungs[0].distance
    far = [rung.distance - near for rung in rungs]
    k = _steepness(rungs, far)
    if k * near > FARTHEST:
        return None
    level = sum(rung.filled for rung in rungs) / sum(
        rung.seconds * math.exp(-k * one) for rung, one in zip(rungs, far, strict=True)
    )
    rates = [level * math.exp(-k * one) for one in far]
    bread = _inverse(rungs, far, rates)
    # How the fills differ in each stretch from what they are on the whole, whatever the curve.
    shares = list(zip(*[_differences(rung) for rung in rungs], strict=True))
    slopes = [-math.fsum(x * one for x, one in zip(far, each, strict=True)) for each in shares]
    moves = [_times(bread, (math.fsum(each), slope)) for each, slope in zip(shares, slopes, strict=True)]
    error_k = math.sqrt(math.fsum(step * step for _, step in moves))
    # ln A is the level at the nearest distance plus k d_1.
    error_log = math.sqrt(math.fsum((up + near * step) ** 2 for up, step in moves))
    expected = [rate * rung.seconds for rate, rung in zip(rates, rungs, strict=True)]
    chance = math.fsum(
        (one[j] - expected[j] * (up - far[j] * step)) ** 2 / rung.filled
        for one, (up, step) in zip(shares, moves, strict=True)
        for j, rung in enumerate(rungs)
    )
    deviance = _deviance(rungs, expected)
    mean = sum(rung.filled for rung in rungs) / sum(rung.seconds for rung in rungs)
    r2 = 1 - deviance / _deviance(rungs, [mean * rung.seconds for rung in rungs])
    a = level * math.exp(k * near)
    return Fit(a, k, a * error_log, error_k, deviance / chance if chance else 0.0, r2)


def _steepness(rungs: Sequence[Rung], far: Sequence[float]) -> float:
    """The k of the maximum."""
    count = sum(rung.filled for rung in rungs)
    mean = sum(rung.filled * one for rung, one in zip(rungs, far, strict=True)) / count
    low, high = 1e-6 / far[-1], 1e6 / far[1]
    for _ in range(STEPS):
        middle = math.sqrt(low * high)
        weights = [rung.seconds * math.exp(-middle * one) for rung, one in zip(rungs, far, strict=True)]
        if sum(weight * one for weight, one in zip(weights, far, strict=True)) > mean * sum(weights):
            low = middle
        else:
            high = middle
        if high <= low * (1 + 1e-14):
            break
    return math.sqrt(low * high)


Matrix = tuple[float, float, float]
"""Symmetric: first row, then the last of the second."""


def _inverse(rungs: Sequence[Rung], far: Sequence[float], rates: Sequence[float]) -> Matrix:
    """The inverse of the Fisher information of (level, k)."""
    terms = [(rung.seconds * rate, one) for rung, rate, one in zip(rungs, rates, far, strict=True)]
    first = math.fsum(one for one, _ in terms)
    cross = -math.fsum(one * x for one, x in terms)
    last = math.fsum(one * x * x for one, x in terms)
    determinant = first * last - cross * cross
    return last / determinant, -cross / determinant, first / determinant


def _times(matrix: Matrix, vector: tuple[float, float]) -> tuple[float, float]:
    one, cross, other = matrix
    return one * vector[0] + cross * vector[1], cross * vector[0] + other * vector[1]


def _differences(rung: Rung) -> list[float]:
    """By stretch: fills less what the rung's rate would have made."""
    rate = rung.rate
    return [filled - rate * seconds for filled, seconds in zip(rung.filled_in, rung.seconds_in, strict=True)]


def _deviance(rungs: Sequence[Rung], expected: Sequence[float]) -> float:
    """Twice how much likelier the fills would be at each rung's own rate."""
    return 2 * math.fsum(
        rung.filled * math.log(rung.filled / max(one, LEAST)) - rung.filled + one
        for rung, one in zip(rungs, expected, strict=True)
        if rung.filled
    )
