"""Pictures of what the desk's commands find. They need matplotlib, which is in the extra `plots`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLUMNS = 9.0
"""Width in inches."""
BEYOND, WITHIN = "#c0392b", "#2c7fb8"


class NoPlots(Exception):
    """matplotlib is not installed: what to do."""


def _figure(rows: int, panels: int, heights: Sequence[int]) -> tuple[Any, Any]:
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot
    except ImportError as error:
        raise NoPlots("plots need matplotlib: pip install 'brokerfix[plots]'") from error
    figure, axes = pyplot.subplots(
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
