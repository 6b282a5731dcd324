"""Parent orders worked over time: their schedules drive immediate orders at market through the engine, window after
window of a scene, and what they paid is compared with what the market did meanwhile."""

from bisect import bisect_left
from collections.abc import Callable
from functools import partial
from statistics import fmean, stdev
from typing import NamedTuple

import msgspec
import numpy
from exchanges import Exchange, Simulation, Ticket, instrument, timeline
from numpy.typing import NDArray
from recorded import SECOND, Scene

from brokerfix.domain import Side
from brokerfix.engine.routing.schedules import (
    BPS,
    DAY,
    holdings,
    linear,
    participation,
    shortfall,
    twap,
    variance,
    vwap,
)

WINDOW, SLICE, BUCKET = 10 * SECOND, SECOND // 2, SECOND
SHARE = 0.1
"""What of the market's mean volume a parent order wants."""
RATE = 1000
"""Of the market's volume with ours, in ten thousandths: what POV takes, as long as the market goes on."""
ENDLESS = 100
"""So many times as large is an order by POV, so that its rate decides."""
DRAWS = 2000


class Parent(msgspec.Struct):
    """An order to work from start to end (ns), and its children so far. `traded` is the market's volume since."""

    side: Side
    qty: int
    start: int
    end: int
    tickets: list[Ticket] = []

    @property
    def filled(self) -> int:
        return sum(ticket.filled for ticket in self.tickets)

    @property
    def under_way(self) -> int:
        return sum(ticket.qty - ticket.filled for ticket in self.tickets if not ticket.done)


Schedule = Callable[[Scene, Parent, int], int]
"""What of a parent order should have been released by a time (ns)."""


def volume(scene: Scene, start: int, end: int) -> int:
    """What the market has traded from start to before end (ns)."""
    return sum(trade[2] for trade in trades(scene, start, end))


def trades(scene: Scene, start: int, end: int) -> list[tuple[int, int, int]]:
    low, high = (bisect_left(scene.trades, (at, 0, 0)) for at in (start, end))
    return scene.trades[low:high]


def _at_once(scene: Scene, parent: Parent, at: int) -> int:
    return parent.qty


def _twap(scene: Scene, parent: Parent, at: int) -> int:
    return twap(parent.qty, parent.start, parent.end, at)


def _vwap(before: int, scene: Scene, parent: Parent, at: int) -> int:
    """By the volumes of the window that began so long before."""
    first = parent.start // BUCKET * BUCKET
    profile = [0] * (DAY // BUCKET)
    for begins in range(first, parent.end, BUCKET):
        traded = volume(scene, begins - before, begins - before + BUCKET)
        profile[begins % DAY // BUCKET] = traded
    return vwap(parent.qty, parent.start, parent.end, at, tuple(profile), BUCKET)


def _pov(scene: Scene, parent: Parent, at: int) -> int:
    return participation(RATE, volume(scene, parent.start, min(at, parent.end)) + parent.filled)


def _shortfall(kappa_total: float, scene: Scene, parent: Parent, at: int) -> int:
    return shortfall(parent.qty, parent.start, parent.end, at, kappa_total)


URGENCIES = (1.5, 3.0, 6.0)
TWAP = "TWAP (linear)"
SCHEDULES: dict[str, Schedule] = {
    "at once": _at_once,
    TWAP: _twap,
    "VWAP, profile of the window before": partial(_vwap, WINDOW),
    "VWAP, profile known beforehand": partial(_vwap, 0),
    f"POV {RATE / 100:g} %": _pov,
    **{f"IS, kappa T = {urgency:g}": partial(_shortfall, urgency) for urgency in URGENCIES},
}


class Worked(NamedTuple):
    """What became of a parent order: what it paid above (in bps, before fees) the mid at its start, the mean mid and
    the mean price of trades meanwhile; its share of the volume with its own, and what of it was had."""

    arrival: float
    twap: float
    vwap: float
    share: float
    had: float
    children: int


Pair = tuple[Worked, Worked]


def worked(scene: Scene, exchanges: tuple[Exchange, ...], schedule: Schedule) -> list[Pair]:
    """A parent order in each window, to buy and to sell, in two runs with the sides by turns."""
    begin, end = scene.span
    mean = volume(scene, begin, end) / (end - begin)
    runs: list[list[Worked]] = []
    for turn in range(2):
        simulation = Simulation(scene, exchanges, instrument(scene, "cost"))
        parents = []
        starts = range(begin + WINDOW + SECOND, end - WINDOW - SECOND, WINDOW)
        for number, start in enumerate(starts):
            side = (Side.BUY, Side.SELL)[(number + turn) % 2]
            wanted = int(SHARE * mean * WINDOW) * (ENDLESS if schedule is _pov else 1)
            parent = Parent(side, wanted, start, start + WINDOW)
            parents.append(parent)
            for at in range(start, start + WINDOW + 1, SLICE):
                simulation.later(at, partial(_slice, simulation, schedule, parent))
        simulation.run(timeline(scene, exchanges))
        runs.append([_compared(scene, parent) for parent in parents])
    return list(zip(*runs, strict=True))


def _slice(simulation: Simulation, schedule: Schedule, parent: Parent) -> None:
    due = min(parent.qty, schedule(simulation.scene, parent, simulation.now)) - parent.filled - parent.under_way
    if due > 0:
        parent.tickets.append(simulation.send(parent.side, due, 0))


def _compared(scene: Scene, parent: Parent) -> Worked:
    sign = 1 if parent.side is Side.BUY else -1
    assert parent.filled, "nothing was had"
    paid = sum(ticket.notional for ticket in parent.tickets) / parent.filled
    told = trades(scene, parent.start, parent.end)
    traded = sum(qty for _, _, qty in told)
    prices = (
        scene.mid_at(parent.start) / 2,
        fmean(scene.mid_at(at) / 2 for at in range(parent.start, parent.end, SECOND // 20)),
        sum(price * qty for _, price, qty in told) / traded,
    )
    above = [sign * (paid / price - 1) * BPS for price in prices]
    share = parent.filled / (parent.filled + traded)
    return Worked(above[0], above[1], above[2], share, parent.filled / parent.qty, len(parent.tickets))


def algorithm_rows(results: dict[str, list[Pair]]) -> list[list[str]]:
    """By algorithm what it costs, which is the mean of buying and selling, as the market's way is in neither's favour,
    with its 95 % interval; and how far a single order is from what it is compared with."""
    rows = []
    for name, pairs in results.items():
        some = [one for pair in pairs for one in pair]
        shares = [one.share * 100 for one in some]
        costs = [(one.arrival + other.arrival) / 2 for one, other in pairs]
        rows.append(
            [
                name,
                f"{fmean(costs):+.3f} ± {1.96 * stdev(costs) / len(costs) ** 0.5:.3f}",
                *(f"{stdev(column):.3f}" for column in list(zip(*some, strict=True))[:3]),
                f"{fmean(shares):.1f} ({stdev(shares):.1f})",
                f"{fmean(one.had for one in some) * 100:.1f}",
                f"{fmean(one.children for one in some):.1f}",
            ]
        )
    return rows


def shortfall_rows(results: dict[str, list[Pair]], seed: int) -> list[list[str]]:
    """How far the cost against the arrival scatters on each trajectory, against the linear one, and by the model."""
    straight = _arrivals(results[TWAP])
    periods = WINDOW // SLICE
    rows = []
    for urgency in URGENCIES:
        some = _arrivals(results[f"IS, kappa T = {urgency:g}"])
        picks = numpy.random.default_rng(seed).integers(0, len(some), (DRAWS, len(some)))
        ratios = some[picks].var(axis=(1, 2)) / straight[picks].var(axis=(1, 2))
        more = (some - straight)[picks].mean(axis=(1, 2))
        low, high = numpy.quantile(ratios, (0.025, 0.975))
        least, most = numpy.quantile(more, (0.025, 0.975))
        model = _risk(holdings(1, periods, 1, urgency / periods)) / _risk(linear(1, periods))
        rows.append(
            [
                f"{urgency:g}",
                f"{(some - straight).mean():+.3f} [{least:+.3f}, {most:+.3f}]",
                f"{some.var() / straight.var():.2f} [{low:.2f}, {high:.2f}]",
                f"{model:.2f}",
            ]
        )
    return rows


def _arrivals(pairs: list[Pair]) -> NDArray[numpy.float64]:
    """Cost against the arrival, by window and side."""
    return numpy.array([[one.arrival for one in pair] for pair in pairs])


def _risk(held: list[float]) -> float:
    """As we trade at the end of each period, what was held at its start bears its move of the price."""
    return variance([0.0, *held[:-1]], 1, 1)
