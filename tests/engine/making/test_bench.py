"""The simulation of Avellaneda & Stoikov with our quotes comes out as theirs."""

import math

import pytest

from bench.models import PAPER, STRATEGIES, Result, simulate

PATHS = 4000
OF_MANY_PATHS = {
    (0.1, "inventory"): Result(1.49, 64.9, 6.54, 2.93),
    (0.1, "symmetric"): Result(1.49, 68.2, 13.45, 8.40),
    (0.01, "inventory"): Result(1.35, 68.4, 8.97, 5.22),
    (0.01, "symmetric"): Result(1.35, 68.6, 13.67, 8.71),
    (1.0, "inventory"): Result(3.02, 31.5, 4.83, 1.64),
    (1.0, "symmetric"): Result(3.02, 43.7, 10.70, 5.17),
}
"""200,000 paths; the paper has 1,000, too few to know a standard deviation of profits closer than to some 5 %."""


@pytest.mark.parametrize(("gamma", "name"), OF_MANY_PATHS)
def test_the_table_comes_out(gamma: float, name: str) -> None:
    ours, known, paper = simulate(STRATEGIES[name], gamma, PATHS, 7), OF_MANY_PATHS[gamma, name], PAPER[gamma, name]
    assert ours.spread == pytest.approx(known.spread, abs=0.02)
    assert ours.profit == pytest.approx(known.profit, abs=4 * known.deviation / math.sqrt(PATHS))
    assert ours.deviation == pytest.approx(known.deviation, rel=0.06)
    assert ours.held == pytest.approx(known.held, rel=0.06)
    assert ours.profit == pytest.approx(paper.profit, abs=1.0)
    assert ours.deviation == pytest.approx(paper.deviation, rel=0.12)


@pytest.mark.parametrize("gamma", [0.1, 0.01, 1.0])
def test_minding_the_inventory_costs_profit_and_spares_risk(gamma: float) -> None:
    minding, symmetric = (simulate(STRATEGIES[name], gamma, PATHS, 7) for name in ("inventory", "symmetric"))
    assert minding.profit < symmetric.profit + 0.5
    assert minding.deviation < 0.75 * symmetric.deviation
    assert minding.held < 0.75 * symmetric.held
