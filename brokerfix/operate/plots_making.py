"""A market maker's day as a picture: what it has earned and by what, its positions, the spread that it quoted."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from brokerfix.domain import MONEY_DIGITS
from brokerfix.engine.making.hedge import HEDGE
from brokerfix.operate.making_read import Made
from brokerfix.operate.making_traded import Deal, Traded
from brokerfix.operate.plots import BETTER, BEYOND, QUIET, WITHIN, drawing, png
from brokerfix.operate.plots_order import time_ticks

MOST_POINTS = 2000
BPS = 10_000
NAN = float("nan")


class Curve(NamedTuple):
    """Of an instrument at some times: money (twice) by part, and the position (scaled)."""

    captured: list[int]
    hedging: list[int]
    revaluation: list[int]
    fees: list[int]
    position: list[int]


def curve(traded: Traded, times: Sequence[int]) -> Curve:
    """What had been earned at each time (ascending), at the mid then."""
    found = Curve([], [], [], [], [])
    factor = traded.instrument.money_factor
    before = [0, 0, 0, 0]
    begins = [*(stretch.began for stretch in traded.stretches[1:]), None]
    for stretch, end in zip(traded.stretches, begins, strict=True):
        deals = sorted(stretch.deals, key=lambda deal: deal.at)
        sums, position, base, done = list(before), stretch.qty, stretch.value, 0
        mine = [at for at in times[len(found.position) :] if end is None or at < end]
        for at in [*mine, None]:
            while done < len(deals) and (at is None or deals[done].at <= at):
                _add(sums, deals[done], factor)
                position += deals[done].qty
                base += deals[done].qty * deals[done].mid
                done += 1
            mid = stretch.mid if at is None else stretch.mid_at(at)
            worth = (position * mid - base) * factor
            if at is None:
                before = [sums[0], sums[1], sums[2] + worth, sums[3]]
            else:
                for line, value in zip(found, (sums[0], sums[1], sums[2] + worth, sums[3], position), strict=True):
                    line.append(value)
    return found


def _add(sums: list[int], deal: Deal, factor: int) -> None:
    sums[1 if deal.kind == HEDGE else 0] += deal.qty * (deal.mid - 2 * deal.price) * factor
    sums[3] -= 2 * deal.fee


def plot_making(made: Made, began: int, until: int) -> bytes:
    """A PNG of a maker's day, from the first fact to the last (ns). Instruments in another currency than the first are
    left out of the money. Raises NoPlots."""
    pyplot = drawing()
    figure, axes = pyplot.subplots(3, 1, figsize=(12.5, 10), height_ratios=(5, 3, 3), sharex=True, layout="constrained")
    times = _times(made, began, until)
    curves = {symbol: curve(traded, times) for symbol, traded in made.traded.items()}
    _money(axes[0], made, curves, times)
    _positions(axes[1], made, curves, times)
    _spreads(axes[2], made, began, until)
    ticks = time_ticks(began, until)
    axes[2].set_xticks([_x(at, began) for at, _ in ticks], [label for _, label in ticks])
    axes[2].set_xlim(0, max(1e-9, _x(until, began)))
    axes[2].set_xlabel(f"UTC, {datetime.fromtimestamp(until // 10**9, UTC):%Y-%m-%d}")
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(axis="y", color="#edf0f3", linewidth=0.8)
        one.set_axisbelow(True)
        one.legend(frameon=False, fontsize=8.5, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.4)
        one.set_title(one.get_title(loc="left"), loc="left", fontsize=11, fontweight="bold")
    figure.align_ylabels(axes)
    return png(pyplot, figure)


def _x(at: int, began: int) -> float:
    return (at - began) / 10**9


def _times(made: Made, began: int, until: int) -> list[int]:
    """When something has changed, thinned evenly to so many as can be seen."""
    found = {began, until}
    for traded in made.traded.values():
        for stretch in traded.stretches:
            found.update(stretch.times)
            found.update(deal.at for deal in stretch.deals)
    times = sorted(at for at in found if began <= at <= until)
    every = -(-len(times) // MOST_POINTS)
    return [*times[:-1:every], times[-1]]


def _money(axes: Any, made: Made, curves: dict[str, Curve], times: list[int]) -> None:
    currency = next((traded.instrument.currency for traded in made.traded.values()), "")
    of = [one for symbol, one in curves.items() if made.traded[symbol].instrument.currency == currency]
    lines = [[sum(values) for values in zip(*(one[part] for one in of), strict=True)] for part in range(4)]
    named = list(zip(("spread captured", "hedging", "revaluation", "fees"), (BETTER, BEYOND, WITHIN, "#8e6bb0"), lines,
                     strict=True))  # fmt: skip
    x, unit = [_x(at, times[0]) for at in times], 2 * 10**MONEY_DIGITS
    for name, colour, values in named:
        if any(values):
            axes.step(x, [value / unit for value in values], where="post", color=colour, linewidth=1.2, label=name)
    total = [sum(values) / unit for values in zip(*lines, strict=True)]
    axes.step(x, total, where="post", color="#1d2730", linewidth=2, label="total")
    axes.axhline(0, color=QUIET, linewidth=1, zorder=0)
    axes.set_ylabel(currency or "money")
    axes.set_title(f"What {made.maker} has earned, and by what", loc="left")


def _positions(axes: Any, made: Made, curves: dict[str, Curve], times: list[int]) -> None:
    x = [_x(at, times[0]) for at in times]
    for symbol, one in curves.items():
        unit = 10 ** made.traded[symbol].instrument.qty_digits
        axes.step(x, [qty / unit for qty in one.position], where="post", linewidth=1.3, label=symbol)
    axes.axhline(0, color=QUIET, linewidth=1, zorder=0)
    axes.set_ylabel("units")
    axes.set_title("Position", loc="left")


def _spreads(axes: Any, made: Made, began: int, until: int) -> None:
    """The distance of the best bid and offer, as long as there were both; of several instruments in basis points."""
    quoted = {symbol: traded for symbol, traded in made.traded.items() if traded.decisions}
    is_bps = len(quoted) > 1
    for symbol, traded in quoted.items():
        points = [(at, ask - bid if bid and ask else None, bid + ask) for at, bid, ask in traded.spreads if at <= until]
        every = -(-len(points) // MOST_POINTS)
        # The last of each moment holds.
        shown = [*points[:-1:every], points[-1]]
        unit = 10**traded.instrument.price_digits
        values = [
            NAN if spread is None else 2 * BPS * spread / twice if is_bps else spread / unit
            for _, spread, twice in shown
        ]
        x = [_x(max(at, began), began) for at, _, _ in shown]
        axes.step([*x, _x(until, began)], [*values, values[-1]], where="post", linewidth=1.2, label=symbol)
    axes.margins(y=0.1)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("basis points" if is_bps else "price")
    axes.set_title("Spread between its best bid and offer, while it quoted both", loc="left")
