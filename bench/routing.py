"""How well orders are routed, against naive ways to do it: `python bench/routing.py [--data RECORDING]`.

Exchanges are simulated out of a recording (or, without one, of a market generated at random): one market's book split
over three of them, or three markets whose prices are shifted to each other's. Every policy gets the same orders. With
`--algorithms` parent orders are worked over time besides; `--plans` measures only what a routing decision takes.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))

from exchanges import Exchange
from plans import SWEEPS, WAYS, plan_cost
from policies import BASE, POLICIES, Outcome, bps, difference, outcome, stream, tried
from recorded import NAMES, PRICE_DIGITS, QTY_DIGITS, SHIFTS, SPLIT, Generated, Scene, recorded, shifted, split
from slices import SCHEDULES, algorithm_rows, shortfall_rows, worked
from table import RESULTS, middle, percentile, show

from brokerfix.domain import MONEY_DIGITS

FILE = "btc-three-markets.csv.gz"
LATENCIES = (1, 5, 20)
"""Milliseconds, one way."""
WIDE, NEAR = ("5", "2", "-1"), ("0.5", "0.2", "-0.1")
"""Takers' fees in basis points."""
FACTOR = 10 ** (MONEY_DIGITS - PRICE_DIGITS - QTY_DIGITS)
BAR = 100
"""Microseconds that a decision may take."""
GENERATED_SECONDS = 120.0
Results = dict[str, Any]


def exchanges(fees: tuple[str, ...]) -> tuple[Exchange, ...]:
    terms = zip(NAMES, fees, LATENCIES, strict=True)
    return tuple(Exchange(name, fee, latency * 1_000_000) for name, fee, latency in terms)


def scenes(data: Path | None, seed: int) -> Iterator[tuple[Scene, tuple[str, ...], bool]]:
    """Each with its exchanges' fees, and whether orders with a limit make sense in it."""
    if data is None:
        one = split("a generated book, split", Generated(seed).events(GENERATED_SECONDS), seed)
    else:
        path = data / FILE if data.is_dir() else data
        one = split(f"{SPLIT}'s book, split", recorded(path, (SPLIT,)), seed)
    for fees in (WIDE, NEAR):
        yield one, fees, True
    if data is not None:
        moved = ", ".join(f"{name} {float(shift):+g}" for name, shift in SHIFTS.items())
        yield shifted(f"three markets, shifted by {moved}", recorded(path, tuple(SHIFTS))), NEAR, False


def compare(scene: Scene, fees: tuple[str, ...], limited: bool, every: int, size: float, seed: int) -> Results:
    """All policies on the same orders: a table, and its figures."""
    wishes = stream(scene, every * 1_000_000, round(size * 10**QTY_DIGITS), limited, seed)
    outcomes: dict[str, Outcome] = {}
    for policy in POLICIES:
        click.echo(f"{scene.title}, {'/'.join(fees)} bps: {policy.name}", err=True)
        outcomes[policy.name] = outcome(tried(scene, exchanges(fees), policy, wishes), FACTOR)
    found = {name: figures(one, outcomes[BASE], seed) for name, one in outcomes.items()}
    kind = "with a limit" if limited else "at market"
    title = f"{scene.title}; {', '.join(NAMES)} take {', '.join(fees)} bps; {len(wishes)} orders {kind}"
    told = limited_table if limited else market_table
    told(title, found)
    return {"title": title, "orders": len(wishes), "limited": limited, "fees": fees, "policies": found}


def figures(one: Outcome, base: Outcome, seed: int) -> dict[str, Any]:
    whole = bps(one.whole_cost, one.worth)
    units = one.qty.sum()
    return {
        "cost_bps": bps(one.cost, one.filled),
        "whole_cost_bps": whole,
        "whole_cost_per_unit": float(one.whole_cost.sum() / units),
        "against_base_bps": difference(one, base, seed),
        "fill_rate": float(one.filled.sum() / one.worth.sum()),
        "wholly_filled": float(one.is_whole.mean()),
        "ms_to_end": float(one.took.mean()),
        "children": float(one.children.mean()),
        "gone_on_arrival": float(one.missed.sum() / max(one.aimed.sum(), 1)),
    }


def market_table(title: str, found: dict[str, dict[str, Any]]) -> None:
    rows = []
    for name, one in found.items():
        more, low, high = one["against_base_bps"]
        rows.append(
            [
                name,
                f"{one['whole_cost_bps']:.3f}",
                f"{one['whole_cost_per_unit']:.2f}",
                "" if name == BASE else f"{more:+.3f} [{low:+.3f}, {high:+.3f}]",
                f"{one['wholly_filled'] * 100:.1f}",
                f"{one['ms_to_end']:.1f}",
                f"{one['children']:.2f}",
                f"{one['gone_on_arrival'] * 100:.1f}",
            ]
        )
    against = f"against {BASE}: bps [95 %]"
    show(title, ["policy", "cost bps", "per unit", against, "wholly %", "ms", "children", "gone %"], rows)


def limited_table(title: str, found: dict[str, dict[str, Any]]) -> None:
    rows = [
        [
            name,
            f"{one['fill_rate'] * 100:.1f}",
            f"{one['wholly_filled'] * 100:.1f}",
            f"{one['cost_bps']:.3f}",
            f"{one['ms_to_end']:.1f}",
            f"{one['children']:.2f}",
            f"{one['gone_on_arrival'] * 100:.1f}",
        ]
        for name, one in found.items()
    ]
    show(title, ["policy", "filled %", "wholly %", "cost of what was filled bps", "ms", "children", "gone %"], rows)


def plot(compared: list[Results], folder: Path) -> Path:
    """Cost against the best displayed price with its interval, a panel for each scene with orders at market."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = [one for one in compared if not one["limited"]]
    figure, all_axes = pyplot.subplots(1, len(panels), figsize=(3 + 4 * len(panels), 6), sharey=True, squeeze=False)
    for axes, one in zip(all_axes[0], panels, strict=True):
        for row, (name, found) in enumerate(one["policies"].items()):
            more, low, high = found["against_base_bps"]
            colour = "tab:blue" if name.startswith("engine") else "tab:green" if name in BOUNDS else "tab:orange"
            axes.errorbar(more, row, xerr=[[more - low], [high - more]], fmt="o", color=colour, capsize=3)
        axes.axvline(0, color="grey", linewidth=0.8)
        market, taken, orders = one["title"].split("; ")
        axes.set_title("\n".join((fill(market, 42), taken, orders)), fontsize=9)
        axes.set_xlabel(f"bps more than {BASE}")
        axes.set_yticks(range(len(POLICIES)), [policy.name for policy in POLICIES])
        axes.grid(True, axis="x", alpha=0.3)
    all_axes[0][0].invert_yaxis()
    path = folder / "routing.png"
    figure.savefig(path, dpi=120, bbox_inches="tight")
    return path


BOUNDS = {policy.name for policy in POLICIES if policy.is_bound}


def algorithms(scene: Scene, fees: tuple[str, ...], seed: int) -> Results:
    results = {}
    for name, schedule in SCHEDULES.items():
        click.echo(f"{scene.title}: {name}", err=True)
        results[name] = worked(scene, exchanges(fees), schedule)
    head = ["algorithm", "cost bps", "sd arrival", "sd TWAP", "sd VWAP", "share % (sd)", "had %", "slices"]
    windows = len(next(iter(results.values())))
    title = f"{scene.title}: parent orders, bought and sold in {windows} windows, bps before fees"
    show(title, head, algorithm_rows(results))
    head = ["kappa T", "cost against linear bps [95 %]", "variance against linear [95 %]", "of the model"]
    show("Implementation shortfall against a linear schedule", head, shortfall_rows(results, seed))
    return {name: [one._asdict() for pair in some for one in pair] for name, some in results.items()}


def plans(rounds: int, seed: int) -> Results:
    """What a decision takes at 10 exchanges of 10 levels: a table, and its figures."""
    times = plan_cost(rounds, seed)
    rows, found = [], {}
    for name, _, _ in WAYS:
        row = [name]
        for sweep, _ in SWEEPS:
            for with_evidence in (False, True):
                some = times[sweep, name, with_evidence]
                row.append(f"{middle(some):.0f} / {percentile(some, 0.99):.0f}")
                key = f"{name}, {sweep}" + (", with evidence" if with_evidence else "")
                found[key] = {"median_us": middle(some), "p99_us": percentile(some, 0.99)}
        rows.append(row)
    head = ["way", *(f"{sweep}{more}" for sweep, _ in SWEEPS for more in ("", ", with evidence"))]
    show(f"A routing decision, 10 exchanges of 10 levels: us, median / p99 (bar: {BAR})", head, rows)
    return found


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="A recording, or the folder that has it.")
@click.option("--output", default=RESULTS, type=click.Path(file_okay=False, path_type=Path), show_default=True)
@click.option("--every", default=250, show_default=True, help="Milliseconds between two orders on average.")
@click.option("--size", default=0.5, show_default=True, help="The median order, in units.")
@click.option("--rounds", default=3000, show_default=True, help="Plans that are timed of each kind.")
@click.option("--algorithms", "with_algorithms", is_flag=True, help="Work parent orders over time, too.")
@click.option("--plans", "only_plans", is_flag=True, help="Only time routing decisions.")
@click.option("--seed", default=1, show_default=True)
def main(
    data: Path | None,
    output: Path,
    every: int,
    size: float,
    rounds: int,
    with_algorithms: bool,
    only_plans: bool,
    seed: int,
) -> None:
    results: Results = {"seed": seed, "plans": plans(rounds, seed)}
    output.mkdir(parents=True, exist_ok=True)
    if not only_plans:
        compared, worked_over_time = [], {}
        for scene, fees, has_limits in scenes(data, seed):
            for limited in (False, True) if has_limits else (False,):
                compared.append(compare(scene, fees, limited, every, size, seed))
            if with_algorithms and scene.title not in worked_over_time and has_limits:
                worked_over_time[scene.title] = algorithms(scene, fees, seed)
        results.update(compared=compared, algorithms=worked_over_time)
        click.echo(f"plot: {plot(compared, output)}")
    path = output / "routing.json"
    path.write_text(json.dumps(results, indent=1))
    click.echo(f"figures: {path}")


if __name__ == "__main__":
    main()
