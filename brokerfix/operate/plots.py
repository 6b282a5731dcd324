"""Pictures of what the desk's commands find. They need matplotlib, which is in the extra `plots`."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from brokerfix.operate.quality_words import BUCKETS, HORIZONS

COLUMNS = 9.0
"""Width in inches."""
BEYOND, WITHIN, BETTER, QUIET = "#c0392b", "#2c7fb8", "#3a9d6e", "#c3ccd4"


class NoPlots(Exception):
    """matplotlib is not installed: what to do."""


def drawing() -> Any:
    """matplotlib's pyplot, which draws into memory. Raises NoPlots."""
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot
    except ImportError as error:
        raise NoPlots("plots need matplotlib: pip install 'brokerfix[plots]'") from error
    return pyplot


def _figure(rows: int, panels: int, heights: Sequence[int]) -> tuple[Any, Any]:
    figure, axes = drawing().subplots(
        panels, 1, figsize=(COLUMNS, 1.6 + 0.32 * rows), height_ratios=heights, squeeze=False, layout="constrained"
    )
    return figure, axes[:, 0]


def plot_dry_run(path: Path, reached: Sequence[dict[str, Any]], controls: Sequence[dict[str, Any]]) -> None:
    """How far each limit was used, against its 100 %, and how many orders each control would have refused. Raises
    NoPlots and OSError."""
    used = sorted((row for row in reached if row["percent"] is not None), key=lambda row: float(row["percent"]))
    panels = [max(1, len(used)), max(1, len(controls))]
    figure, (top, bottom) = _figure(sum(panels), 2, panels)
    names, shares = [f"{row['level']}: {row['limit']}" for row in used], [float(row["percent"]) for row in used]
    top.barh(names, shares, color=[BEYOND if share > 100 else WITHIN for share in shares])
    top.axvline(100, color="black", linewidth=1)
    top.set_xlabel("most used, % of the proposed limit")
    top.set_title("Recorded orders against the proposed limits", loc="left")
    bars = bottom.barh([row["control"] for row in controls], [row["refused"] for row in controls], color=BEYOND)
    bottom.bar_label(bars, padding=3)
    bottom.xaxis.get_major_locator().set_params(integer=True)
    bottom.set_xlabel("orders and replaces that would have been refused")
    if not controls:
        bottom.set_yticks([])
        bottom.text(0.5, 0.5, "none", ha="center", va="center", transform=bottom.transAxes)
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def plot_credit(path: Path, account: str, history: Sequence[tuple[str, int]], steps: Sequence[tuple[int, str]]) -> None:
    """An account's scores, oldest first (day, score), with the scores from which on its multiplier is another one
    (score, multiplier). Raises NoPlots and OSError."""
    figure, (axes,) = _figure(8, 1, [1])
    scores = [score for _, score in history]
    axes.step(range(len(scores)), scores, where="post", color=WITHIN, marker="o", markersize=4)
    for least, multiplier in steps:
        axes.axhline(least, color="grey", linewidth=0.8, linestyle=":")
        axes.annotate(
            f"{multiplier} of its funds", (1, least), xycoords=("axes fraction", "data"), ha="right", va="bottom",
            fontsize=8, color="grey",
        )  # fmt: skip
    shown = range(0, len(history), max(1, len(history) // 10))
    axes.set_xticks(list(shown), [history[at][0] for at in shown], rotation=30, ha="right")
    axes.set_ylim(290, 860)
    axes.set_ylabel("credit score")
    axes.set_title(f"Credit score of {account}", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


Rows = Sequence[dict[str, Any]]
SHORT = {"realised_50ms": "50 ms", "realised_1s": "1 s", "realised_15s": "15 s", "realised_1m": "1 min",
         "realised_5m": "5 min"}  # fmt: skip
SPEEDS = ("< 0.1 ms", "< 1 ms", "< 10 ms", "< 1 s", "< 10 s", "< 30 s", "< 5 min", "5 min and more")


def png(pyplot: Any, figure: Any) -> bytes:
    """The figure as a PNG; it is closed."""
    written = BytesIO()
    figure.savefig(written, format="png", dpi=110)
    pyplot.close(figure)
    return written.getvalue()


def _named(rows: Rows) -> list[str]:
    """What rows are of, with their currencies where those differ."""
    has_two = len({row["currency"] for row in rows}) > 1
    return [f"{row['name']} {row['currency']}".strip() if has_two else str(row["name"]) for row in rows]


def plot_quality(rows: Rows) -> bytes:
    """A PNG of an execution quality report's rows: spreads, price improvement, realized spreads and speed. Raises
    NoPlots."""
    pyplot = drawing()
    shown = [row for row in rows if float(row["filled_shares"])]
    height = 4.4 + 0.62 * max(3, len(shown))
    figure, axes = pyplot.subplots(2, 2, figsize=(12.5, height), layout="constrained")
    _spreads(axes[0, 0], [row for row in shown if row["effective_spread"] is not None])
    _improvement(axes[0, 1], [row for row in shown if row["effective_spread"] is not None])
    lines = [row for row in shown if row["by"] == "exchange"] or [row for row in shown if row["by"] != "all"] or shown
    _realised(axes[1, 0], lines)
    _speed(axes[1, 1], shown)
    for one in axes.flat:
        one.spines[["top", "right"]].set_visible(False)
        one.set_title(one.get_title(loc="left"), loc="left", fontsize=11, fontweight="bold")
    return png(pyplot, figure)


def _legend(axes: Any, columns: int) -> None:
    """Below the panel, however high it is."""
    from matplotlib.transforms import offset_copy

    below = offset_copy(axes.transAxes, axes.figure, y=-18, units="points")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below,
                ncols=columns, borderaxespad=0, columnspacing=1.2)  # fmt: skip


def _nothing(axes: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, "nothing on record", ha="center", va="center", color="grey", transform=axes.transAxes)


def _spreads(axes: Any, rows: Rows) -> None:
    axes.set_title("Effective and quoted spread, per share", loc="left")
    if not rows:
        return _nothing(axes)
    places = range(len(rows))
    quoted, effective = ([float(row[name]) for row in rows] for name in ("quoted_spread", "effective_spread"))
    axes.barh([at - 0.2 for at in places], quoted, 0.38, color=QUIET, label="quoted")
    axes.barh([at + 0.2 for at in places], effective, 0.38, color=WITHIN, label="effective")
    for at, row in enumerate(rows):
        if row["eq_pct"] is not None:
            end = max(0.0, quoted[at], effective[at])
            axes.annotate(f"E/Q {float(row['eq_pct']):.0f} %", (end, at), (4, 0), textcoords="offset points",
                          va="center", fontsize=8)  # fmt: skip
    axes.set_yticks(list(places), _named(rows))
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.axvline(0, color="black", linewidth=0.8)
    _legend(axes, 2)


def _stacked(axes: Any, rows: Rows, parts: Sequence[tuple[str, str, Any]]) -> None:
    """Bars of 100 %, of (column, label, colour)."""
    names, totals = _named(rows), [sum(float(row[part]) for part, _, _ in parts) or 1.0 for row in rows]
    ends = [0.0] * len(rows)
    for part, label, colour in parts:
        shares = [100 * float(row[part]) / total for row, total in zip(rows, totals, strict=True)]
        axes.barh(range(len(rows)), shares, 0.7, left=ends, color=colour, label=label)
        ends = [end + share for end, share in zip(ends, shares, strict=True)]
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    _legend(axes, 5)


def _improvement(axes: Any, rows: Rows) -> None:
    axes.set_title("Better than, at and outside the quote, % of shares", loc="left")
    if not rows:
        return _nothing(axes)
    parts = (
        ("improved_shares", "better", BETTER),
        ("at_quote_shares", "at", QUIET),
        ("outside_shares", "outside", BEYOND),
    )
    return _stacked(axes, rows, parts)


def _realised(axes: Any, rows: Rows) -> None:
    axes.set_title("Realized spread by time after the execution, per share", loc="left")
    names = [name for name, _ in HORIZONS]
    drawn = 0
    for row, label in zip(rows, _named(rows), strict=True):
        points = [(at, float(row[name])) for at, name in enumerate(names) if row[name] is not None]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=label)
            drawn += 1
    if not drawn:
        return _nothing(axes)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(names)), [SHORT[name] for name in names])
    axes.set_xlim(-0.3, len(names) - 0.7)
    axes.grid(axis="y", color="#e6eaee")
    axes.legend(frameon=False, fontsize=8)


def _speed(axes: Any, rows: Rows) -> None:
    axes.set_title("From receipt to execution, % of shares", loc="left")
    if not rows:
        return _nothing(axes)
    colours = drawing().get_cmap("viridis_r")
    last = len(BUCKETS) - 1
    parts = [(name, SPEEDS[at], colours(0.05 + 0.9 * at / last)) for at, (name, _) in enumerate(BUCKETS)]
    used = [part for part in parts if any(float(row[part[0]]) for row in rows)]
    return _stacked(axes, rows, used)


def plot_routing(rows: Rows, kinds: Sequence[str]) -> bytes:
    """A PNG of an order routing report's exchanges, in the newest month of the first section: how much of each kind of
    order went where, and what was received or paid. Raises NoPlots."""
    pyplot = drawing()
    shown = _newest(rows)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12.5, 2.6 + 0.45 * len(shown)), layout="constrained")
    told = f"{shown[0]['section']}, {shown[0]['period']}" if shown else ""
    for axes, title in ((left, f"Routed, % of the orders of a kind: {told}"), (right, "Net payment (below 0: paid)")):
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
    if shown:
        used = [kind for kind in kinds if any(row[f"{kind}_pct"] for row in shown)]
        high = 0.8 / max(1, len(used))
        for at, kind in enumerate(used):
            places = [place - 0.4 + high * (at + 0.5) for place in range(len(shown))]
            left.barh(places, [float(row[f"{kind}_pct"] or 0) for row in shown], high, label=kind.replace("_", "-"))
        net = [float(row["net"]) for row in shown]
        bars = right.barh(range(len(shown)), net, 0.5, color=[BETTER if money >= 0 else BEYOND for money in net])
        right.bar_label(bars, [row["net"] for row in shown], padding=4, fontsize=8)
        right.margins(x=0.2)
        right.axvline(0, color="black", linewidth=0.8)
        for axes in (left, right):
            axes.set_yticks(range(len(shown)), [row["exchange"] for row in shown])
            axes.invert_yaxis()
        left.set_xlim(0, 100)
        _legend(left, 5)
    else:
        _nothing(left)
        _nothing(right)
    return png(pyplot, figure)


def _newest(rows: Rows) -> Rows:
    months = [row for row in rows if "Q" not in row["period"]]
    if not months:
        return []
    first, newest = months[0]["section"], max(row["period"] for row in months)
    return [row for row in months if row["section"] == first and row["period"] == newest]
