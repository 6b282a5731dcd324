"""The simulation of Avellaneda & Stoikov (2008, section 3.3) with the quotes of our model, against the paper's figures:
`python -m bench.models`.

A path has 200 steps: quotes are made at the mid, each is filled with a probability of A exp(-k distance) dt, at most 1,
and the mid goes up or down by sigma sqrt(dt). What is held at the end is worth the mid.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
import numpy
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))

from table import show

from brokerfix.engine.making.models.avellaneda_stoikov import quote, symmetric
from brokerfix.engine.making.models.terms import Inputs, Priced

MID, HORIZON, SIGMA, STEP, K, A = 100.0, 1.0, 2.0, 0.005, 1.5, 140.0
STEPS = round(HORIZON / STEP)
Strategy = Callable[[Inputs, float], Priced]


def at_mean_spread(inputs: Inputs, gamma: float) -> Priced:
    """The symmetric strategy at one spread all the time, the mean of the other's, which is that of half the horizon.
    With a spread that shrinks instead, profits at gamma = 1 have a standard deviation of 9.6, and what is held one of
    5.8: those of the paper are 11.0 and 5.1."""
    return symmetric(msgspec.structs.replace(inputs, remaining=HORIZON / 2), gamma)


STRATEGIES: dict[str, Strategy] = {"inventory": quote, "symmetric": at_mean_spread}


class Result(NamedTuple):
    """Of all paths: the mean spread, mean and standard deviation of the profit, standard deviation of what is held at
    the end."""

    spread: float
    profit: float
    deviation: float
    held: float


PAPER = {
    (0.1, "inventory"): Result(1.49, 65.0, 6.6, 2.9),
    (0.1, "symmetric"): Result(1.49, 68.4, 12.7, 8.4),
    (0.01, "inventory"): Result(1.35, 68.6, 8.7, 5.1),
    (0.01, "symmetric"): Result(1.35, 68.8, 12.8, 8.7),
    (1.0, "inventory"): Result(3.02, 31.4, 5.0, 1.7),
    (1.0, "symmetric"): Result(3.02, 44.0, 11.0, 5.1),
}
"""By gamma and strategy: 1,000 paths of the authors'."""


def simulate(strategy: Strategy, gamma: float, paths: int, seed: int) -> Result:
    """All paths at once; in a step each inventory that occurs is priced once by the model."""
    chance = numpy.random.default_rng(seed)
    mid, cash = numpy.full(paths, MID), numpy.zeros(paths)
    held = numpy.zeros(paths, dtype=numpy.int64)
    spreads = []
    for step in range(STEPS):
        bid, ask = _distances(strategy, gamma, held, HORIZON - step * STEP)
        spreads.append(float((bid + ask).mean()))
        bought = chance.random(paths) < numpy.minimum(A * numpy.exp(-K * bid) * STEP, 1)
        sold = chance.random(paths) < numpy.minimum(A * numpy.exp(-K * ask) * STEP, 1)
        cash += sold * (mid + ask) - bought * (mid - bid)
        held += bought.astype(numpy.int64) - sold
        mid += numpy.where(chance.random(paths) < 0.5, 1, -1) * SIGMA * STEP**0.5
    profit = cash + held * mid
    return Result(float(numpy.mean(spreads)), float(profit.mean()), float(profit.std()), float(held.std()))


def _distances(strategy: Strategy, gamma: float, held: NDArray[Any], remaining: float) -> tuple[NDArray[Any], ...]:
    """Bid and ask distances of each path."""
    # Of distances alone the mid makes no difference, but to the digits of the fair price.
    lowest, highest = int(held.min()), int(held.max())
    all_priced = [
        strategy(Inputs(MID, inventory, SIGMA, A, K, remaining), gamma) for inventory in range(lowest, highest + 1)
    ]
    return tuple(
        numpy.array([getattr(one, side) for one in all_priced], dtype=float)[held - lowest] for side in ("bid", "ask")
    )


@click.command()
@click.option("--paths", default=1000, show_default=True, type=click.IntRange(2))
@click.option("--seed", default=1, show_default=True)
def main(paths: int, seed: int) -> None:
    """The paper's three tables as one, its figures in brackets."""
    rows = []
    for (gamma, name), paper in PAPER.items():
        ours = simulate(STRATEGIES[name], gamma, paths, seed)
        digits = (2, 1, 1, 1)
        figures = [f"{one:.{n}f} ({other:.{n}f})" for one, other, n in zip(ours, paper, digits, strict=True)]
        rows.append([f"{gamma:g}", name, *figures])
    head = ["gamma", "strategy", "spread", "profit", "std of profit", "std of q"]
    show(f"Avellaneda & Stoikov's simulation, {paths:,} paths (the paper's)", head, rows)


if __name__ == "__main__":
    main()
