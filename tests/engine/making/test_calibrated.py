"""What was estimated goes before the priors; the exact solution for it is looked up where there is one."""

import pytest

from brokerfix.calibration.glft import tables_for
from brokerfix.commands import SetCalibration
from brokerfix.domain import Calibration, Model
from brokerfix.engine.making.models import glft
from brokerfix.engine.making.models.terms import Inputs
from brokerfix.facts import QuotesDecided
from tests.engine.making.test_maker import market, quotes, quoting, world

GLFT = Model("glft", gamma=0.01, horizon=600.0, sigma=0.1, a=0.5, k=1.0)
ESTIMATE = (0.3, 0.9, 0.3)
"""sigma, A and k of the worked example of Guéant, Lehalle and Fernandez-Tapia."""


def test_the_closed_form_holds_until_there_is_a_table() -> None:
    terms = quoting(model=GLFT, most_long=3000, most_short=-3000)
    made = world(terms)
    market(made, 14000, 16000)
    made.submit(SetCalibration(made.now, "jo", "AAPL", Calibration(*ESTIMATE, 1000, 500, "enough")))
    # 3.312915 either way, rounded outwards.
    assert quotes(made) == {"AAPL-B0": (100, 14668), "AAPL-S0": (100, 15332)}
    tables = tuple(tables_for([terms], *ESTIMATE))
    assert [(one.q_max, one.horizon) for one in tables] == [(30, 600.0)]
    made.submit(SetCalibration(made.now, "jo", "AAPL", Calibration(*ESTIMATE, 1000, 500, "enough", tables)))
    decided = [fact for fact in made.facts if isinstance(fact, QuotesDecided)][-1]
    assert quotes(made) == {"AAPL-B0": (100, 14668), "AAPL-S0": (100, 15332)}, "3.313045 rounds to the same tick"
    assert (decided.priced.sigma, decided.priced.a, decided.priced.k) == ESTIMATE
    assert made.recovered().hash() == made.state.hash()


@pytest.mark.parametrize(("position", "bid"), [(0, 3.313045), (5, 3.653479), (-10, 2.632802)])
def test_distances_are_those_of_the_exact_solution(position: int, bid: float) -> None:
    table = tables_for([quoting(model=GLFT, most_long=3000, most_short=-3000)], *ESTIMATE)[0]
    answer = glft.exact(Inputs(150.0, position, *ESTIMATE, 600.0), table)
    assert answer.bid == pytest.approx(bid, abs=5e-7)


def test_a_table_is_for_the_terms_it_was_solved_for() -> None:
    """With another bound or risk aversion the closed form does."""
    other = quoting(model=GLFT, most_long=2000, most_short=-2000)
    made = world(other)
    market(made, 14000, 16000)
    tables = tuple(tables_for([quoting(model=GLFT, most_long=3000, most_short=-3000)], *ESTIMATE))
    made.submit(SetCalibration(made.now, "jo", "AAPL", Calibration(*ESTIMATE, tables=tables)))
    decided = [fact for fact in made.facts if isinstance(fact, QuotesDecided)][-1]
    assert float(decided.priced.bid) == pytest.approx(3.312915, abs=5e-7)


def test_an_end_of_the_horizon_has_rows_on_the_way_to_it() -> None:
    ends = Model("glft", gamma=0.01, horizon=600.0, sigma=0.1, a=0.5, k=1.0, rolling=False)
    table = tables_for([quoting(model=ends, most_long=500, most_short=-500)], *ESTIMATE)[0]
    assert (table.times[0], table.times[-1]) == (0.0, 600.0)
    assert table.bids[0][5] == pytest.approx(glft.half_spread(0.01, 0.3)), "at the end there is no risk left"
