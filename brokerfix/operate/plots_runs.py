"""Pictures of what market makers have done in simulations."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from brokerfix.operate.plots import BETTER, BEYOND, QUIET, WITHIN, drawing, png

if TYPE_CHECKING:
    from brokerfix.simulate.runs import Outcome, Track

SECOND = 10**9
MONEY = 10**12
COLOURS = (WITHIN, BEYOND, BETTER, "#8e5ea2", "#d98c1f", "#555555")
MOST_LINES = len(COLOURS)


def plot_runs(path: Path, outcomes: list["Outcome"]) -> None:
    """One run: the mid with the quotes, the position and the profit over time. A few: positions and profits together.
    More: what each has come to. Raises NoPlots and OSError."""
    pyplot = drawing()
    tracks = [(_name(row), track) for one in outcomes for row, track in zip(one.rows, one.tracks, strict=True)]
    rows = [row for one in outcomes for row in one.rows]
    if len(tracks) == 1:
        figure = _one(pyplot, *tracks[0])
    elif len(tracks) <= MOST_LINES:
        figure = _several(pyplot, tracks)
    else:
        figure = _many(pyplot, rows)
    path.write_bytes(png(pyplot, figure))


def _name(row: dict[str, Any]) -> str:
    """What tells a run from the others."""
    names = list(row)
    tried = ", ".join(f"{key} {row[key]}" for key in names[: names.index("maker")])
    return f"{row['maker']}, {tried}" if tried else f"{row['maker']} ({row['model']})"


def _one(pyplot: Any, name: str, track: "Track") -> Any:
    figure, (market, position, profit) = pyplot.subplots(
        3, 1, figsize=(11, 9), sharex=True, height_ratios=(2, 1, 1), layout="constrained"
    )
    times, scale = _times(track), track.price_scale
    samples = track.samples
    none = float("nan")
    bids = [one.bid / scale or none for one in samples]
    asks = [one.ask / scale or none for one in samples]
    market.fill_between(times, bids, asks, color=QUIET, alpha=0.6, linewidth=0, step="post", label="between its quotes")
    market.plot(times, [one.mid / 2 / scale for one in samples], color="black", linewidth=0.9, label="mid")
    market.set_ylabel("price")
    market.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, ncols=2, borderaxespad=0)
    _draw_position(position, name, track, WITHIN, fills=True)
    _draw_profit(profit, name, track, BETTER)
    return _finished(figure, (market, position, profit), f"{name}: {track.symbol}")


def _several(pyplot: Any, tracks: list[tuple[str, "Track"]]) -> Any:
    figure, axes = pyplot.subplots(3, 1, figsize=(11, 10), sharex=True, layout="constrained")
    market, position, profit = axes
    first = tracks[0][1]
    market.plot(_times(first), [one.mid / 2 / first.price_scale for one in first.samples], color="black", linewidth=0.9)
    market.set_ylabel("mid")
    for (name, track), colour in zip(tracks, COLOURS, strict=False):
        _draw_position(position, name, track, colour)
        _draw_profit(profit, name, track, colour)
    market.legend(
        *profit.get_legend_handles_labels(), loc="lower right", bbox_to_anchor=(1, 1), frameon=False, ncols=3,
        borderaxespad=0,
    )  # fmt: skip
    return _finished(figure, axes, f"Side by side: {first.symbol}")


def _many(pyplot: Any, rows: list[dict[str, Any]]) -> Any:
    """Each run's profit, and profit against the deviation of the position."""
    names = [f"{_name(row)}  {number}" for number, row in enumerate(rows, 1)]
    height = max(5.0, 1.5 + 0.3 * len(rows))
    figure, (bars, points) = pyplot.subplots(1, 2, figsize=(13, height), width_ratios=(1, 1), layout="constrained")
    profits = [row["pnl"] for row in rows]
    drawn = bars.barh(names, profits, color=[BETTER if one >= 0 else BEYOND for one in profits])
    bars.bar_label(drawn, fmt="%.4g", padding=3, fontsize=8)
    bars.margins(x=0.15)
    bars.invert_yaxis()
    bars.set_xlabel("profit and loss")
    deviations = [row["position_std"] for row in rows]
    points.scatter(deviations, profits, color=WITHIN)
    for number, (one, other) in enumerate(zip(deviations, profits, strict=True)):
        points.annotate(str(number + 1), (one, other), xytext=(4, 4), textcoords="offset points", fontsize=8)
    points.set_xlabel("standard deviation of the position")
    points.set_ylabel("profit and loss")
    return _finished(figure, (bars, points), "All runs", by_time=False)


def _times(track: "Track") -> list[float]:
    began = track.samples[0].at if track.samples else 0
    return [(one.at - began) / SECOND for one in track.samples]


def _draw_position(axes: Any, name: str, track: "Track", colour: str, fills: bool = False) -> None:
    held = [one.position / track.qty_scale for one in track.samples]
    axes.step(_times(track), held, where="post", color=colour, linewidth=1, alpha=0.8, label=name)
    if fills:
        axes.fill_between(_times(track), held, step="post", color=colour, alpha=0.15, linewidth=0)
    axes.set_ylabel("position")


def _draw_profit(axes: Any, name: str, track: "Track", colour: str) -> None:
    axes.plot(_times(track), [one.made / MONEY for one in track.samples], color=colour, linewidth=1.2, label=name)
    axes.set_ylabel("profit and loss")


def _finished(figure: Any, all_axes: Any, title: str, by_time: bool = True) -> Any:
    for axes in all_axes:
        axes.spines[["top", "right"]].set_visible(False)
        low, high = axes.get_ylim()
        if low < 0 < high:
            axes.axhline(0, color="grey", linewidth=0.6)
        if by_time:
            axes.ticklabel_format(axis="y", useOffset=False, style="plain")
            axes.margins(x=0)
    if by_time:
        all_axes[-1].set_xlabel("seconds")
    all_axes[0].set_title(title, loc="left", fontweight="bold")
    return figure
