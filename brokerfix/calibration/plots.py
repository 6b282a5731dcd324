"""A picture of estimates. It needs matplotlib, which is in the extra `plots`."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from textwrap import fill
from typing import Any

from brokerfix.calibration.estimate import Estimate, Observer
from brokerfix.operate.plots import BEYOND, WITHIN, drawing, png

SECOND = 10**9
TWO_SIDED = 1.96
"""Standard errors on both sides of 95 %."""
POINTS = 200
PAUSE = 20
"""So many times the usual step without a point is a pause, which no line bridges."""


def plot_estimates(found: Sequence[tuple[Estimate, Observer]]) -> bytes:
    """A PNG with a row for each symbol: how often quotes were filled by their distance, with the curve, and the
    volatility over time. Raises `operate.plots.NoPlots`."""
    pyplot = drawing()
    figure, panels = pyplot.subplots(
        len(found), 2, figsize=(12.5, 0.4 + 3.9 * len(found)), squeeze=False, layout="constrained"
    )
    for (estimate, observer), (left, right) in zip(found, panels, strict=True):
        _intensity(left, estimate, observer)
        _volatility(right, estimate, observer)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="#e6eaee")
            axes.set_axisbelow(True)
    return png(pyplot, figure)


def _intensity(axes: Any, estimate: Estimate, observer: Observer) -> None:
    _title(axes, f"{estimate.symbol}: fills by distance from the mid")
    axes.set_xlabel("distance, price units")
    axes.set_ylabel("fills per second and side")
    rungs = [rung for rung in observer.rungs() if rung.rate]
    if not rungs:
        return _nothing(axes, estimate.why)
    rates = [rung.rate for rung in rungs]
    spread = [math.exp(TWO_SIDED / math.sqrt(rung.filled)) for rung in rungs]
    bars = [[rate - rate / one for rate, one in zip(rates, spread, strict=True)],
            [rate * one - rate for rate, one in zip(rates, spread, strict=True)]]  # fmt: skip
    axes.errorbar([rung.distance for rung in rungs], rates, yerr=bars, fmt="o", color=WITHIN, markersize=5,
                  linewidth=1, label="virtual quotes, with 95 % by their number")  # fmt: skip
    axes.set_yscale("log")
    low, high = min(rates) / 3, max(rates) * 5
    if estimate.k:
        errors = estimate.errors
        label = f"A exp(-k d), A = {estimate.a:.3g} ± {errors.a:.1g}, k = {estimate.k:.3g} ± {errors.k:.1g}"
        points = [1.05 * rungs[-1].distance * at / POINTS for at in range(POINTS + 1)]
        # Below what can be seen a log scale has no end.
        shown = [(x, y) for x in points if (y := estimate.a * math.exp(-estimate.k * x)) > low / 10]
        axes.plot(*zip(*shown, strict=True), color=BEYOND, linewidth=1.5, label=label)
    axes.set_ylim(low, high)
    axes.set_xlim(left=0)
    axes.legend(frameon=False, fontsize=8, loc="upper right", title=_wrapped(estimate), title_fontsize=8,
                alignment="left")  # fmt: skip
    return None


def _volatility(axes: Any, estimate: Estimate, observer: Observer) -> None:
    _title(axes, f"{estimate.symbol}: volatility of the mid")
    axes.set_ylabel("price units per √second")
    shown = observer.volatility.shown
    if not shown:
        return _nothing(axes, estimate.why)
    steps = sorted(after[0] - before[0] for before, after in pairwise(shown))
    longest = PAUSE * steps[len(steps) // 2] if steps else 0
    times: list[datetime] = []
    values: list[float] = []
    last = shown[0][0]
    for at, value in shown:
        if at - last > longest:
            times.append(_time(last + 1))
            values.append(math.nan)
        times.append(_time(at))
        values.append(value)
        last = at
    half_life = observer.settings.half_life
    axes.plot(times, values, color=WITHIN, linewidth=1.2, label=f"weighted, half-life {half_life:g} s: now "
              f"{estimate.sigma:.3g} ± {estimate.errors.sigma:.1g}")  # fmt: skip
    axes.axhline(estimate.realised, color=BEYOND, linewidth=1, linestyle="--",
                 label=f"all samples alike: {estimate.realised:.3g}")  # fmt: skip
    from matplotlib import dates

    told: Any = dates
    locator = told.AutoDateLocator(maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(told.ConciseDateFormatter(locator))
    axes.set_xlabel("time, UTC")
    axes.set_ylim(0, 1.25 * max(estimate.realised, *(value for _, value in shown)) or 1)
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    return None


def _wrapped(estimate: Estimate) -> str:
    """What is to be said of the fit, on lines that fit into a legend."""
    if estimate.is_enough:
        return f"{estimate.fills:,} fills, R² {estimate.r2:.3f}"
    return fill(estimate.why, 60)


def _title(axes: Any, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=11, fontweight="bold")


def _nothing(axes: Any, why: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("")
    axes.set_ylabel("")
    axes.text(0.5, 0.5, fill(why, 50), ha="center", va="center", color="grey", transform=axes.transAxes)


def _time(at: int) -> datetime:
    return datetime.fromtimestamp(at / SECOND, UTC)
