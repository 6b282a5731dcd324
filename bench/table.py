"""Tables, plots and small statistics for the benchmarks."""

from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "results"


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def middle(values: list[float]) -> float:
    return median(values)


def show(title: str, head: list[str], rows: list[list[str]]) -> None:
    """Print a table as Markdown, as the README has it."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    print(f"\n{title}\n")
    for row in (head, ["-" * width for width in widths], *rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
    print(flush=True)


def plot_percentiles(name: str, title: str, series: dict[str, list[float]]) -> Path:
    """Write a PNG of latency by percentile. Returns its path."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    for label, values in series.items():
        ranked = sorted(values)
        axes.plot([100 * i / len(ranked) for i in range(len(ranked))], ranked, label=label)
    axes.set(xlabel="percentile", ylabel="microseconds", title=title, yscale="log")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    return _save(figure, name)


def plot_bars(name: str, title: str, unit: str, bars: dict[str, float]) -> Path:
    """Write a PNG of one bar per figure. Returns its path."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4))
    axes.barh(list(bars), list(bars.values()))
    axes.set(xlabel=unit, title=title)
    return _save(figure, name)


def _save(figure: object, name: str) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.png"
    figure.savefig(path, dpi=120, bbox_inches="tight")  # type: ignore[attr-defined]
    print(f"plot: {path}")
    return path
