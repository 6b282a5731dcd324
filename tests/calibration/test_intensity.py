"""Virtual quotes: when they are at work, what fills them, and the curve through them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.calibration.intensity import STRETCHES, Quotes, Rung, fit

SECOND = 10**9


def quotes(*trades: tuple[float, bool, float], until: float, renewal: float = 1.0) -> Quotes:
    """What becomes of quotes that are at work from 0 on, with trades (second, whether a taker buys, distance)."""
    found = Quotes(round(renewal * SECOND))
    found.rest(0)
    for at, is_buy, distance in trades:
        found.work(round(at * SECOND))
        found.trade(is_buy, distance)
    found.work(round(until * SECOND))
    return found


def seen(found: Quotes) -> list[tuple[float, int, float]]:
    return [(rung.distance, rung.filled, rung.seconds) for rung in found.ladder()]


def test_a_quote_that_is_filled_is_at_work_until_then_and_again_from_the_renewal_on() -> None:
    found = quotes(*[(second + 0.4, True, 2.0) for second in range(5)], until=8)
    # The side of the buyers: 5 times 0.4 s and 3 s; the other: 8 s.
    assert seen(found) == [(2.0, 5, 5 * 0.4 + 3 + 8)]


def test_a_trade_fills_all_quotes_that_it_reaches_and_none_twice() -> None:
    trades = [(second + at, True, far) for second in range(5) for at, far in ((0.25, 1.0), (0.5, 3.0), (0.75, 2.0))]
    assert seen(quotes(*trades, until=5)) == [(1.0, 5, 5 * 0.25 + 5), (3.0, 5, 5 * 0.5 + 5)]


def test_trades_at_one_time_are_one() -> None:
    """The prints of one order that takes several levels: what it has reached is the farthest."""
    trades = [(second + 0.5, False, far) for second in range(5) for far in (1.0, 2.0, 3.0)]
    assert seen(quotes(*trades, until=5)) == [(3.0, 5, 5 * 0.5 + 5)]
    nearer = [(second + 0.5, False, 0.5) for second in range(5, 10)]
    assert seen(quotes(*trades, *nearer, until=10)) == [(0.5, 10, 10 * 0.5 + 10), (3.0, 5, 5 * 0.5 + 5 + 10)]


def test_a_quote_that_is_withdrawn_is_not_at_work() -> None:
    found = Quotes(SECOND)
    found.rest(0)
    found.work(SECOND // 2)
    found.rest(10 * SECOND)
    found.work(11 * SECOND)
    assert found.at_work == 1.5 * SECOND


def test_stretches_of_time_do_not_grow_in_number_and_lose_nothing() -> None:
    trades = [(second + 0.5, second % 3 > 0, 1.0 + second % 5) for second in range(1000)]
    found = quotes(*trades, until=1000)
    for rung in found.ladder():
        assert STRETCHES / 2 <= len(rung.filled_in) <= STRETCHES
        assert rung.seconds + 0.5 * rung.filled == pytest.approx(2000)
    assert [rung.filled for rung in found.ladder()] == [1000, 800, 600, 400, 200]


def test_an_answer_in_the_middle_changes_nothing() -> None:
    trades = [(second + 0.3, True, 1.0 + second % 4) for second in range(40)]
    found = quotes(*trades, until=40.4)
    assert found.ladder() == found.ladder()
    before = len(found.ladder())
    found.trade(True, 9.0)
    assert len(found.ladder()) >= before


@given(st.floats(0.01, 100), st.floats(0.05, 50), st.floats(0, 3))
def test_fills_on_a_curve_give_that_curve(a: float, k: float, nearest: float) -> None:
    """`nearest` in units of 1 / k. With as many fills as the curve has exactly there is no deviance."""
    distances = [(nearest + step) / k for step in (0, 0.2, 0.5, 1, 2, 3)]
    rungs = [Rung(far, (10**6,), (10**6 / (a * math.exp(-k * far)),)) for far in distances]
    found = fit(rungs)
    assert found is not None
    assert (found.a, found.k) == pytest.approx((a, k), rel=1e-6)
    assert found.r2 == pytest.approx(1)


def test_the_likelihood_is_greatest_there() -> None:
    rungs = [Rung(0.0, (50, 60), (60.0, 60.0)), Rung(0.5, (30, 20), (80.0, 85.0)), Rung(1.5, (11, 8), (95.0, 95.0)),
             Rung(2.0, (3, 7), (100.0, 99.0))]  # fmt: skip
    found = fit(rungs)
    assert found is not None

    def likelihood(a: float, k: float) -> float:
        return sum(one.filled * (math.log(a) - k * one.distance) - one.seconds * a * math.exp(-k * one.distance)
                   for one in rungs)  # fmt: skip

    best = likelihood(found.a, found.k)
    for a, k in ((1.001, 1), (0.999, 1), (1, 1.001), (1, 0.999)):
        assert likelihood(found.a * a, found.k * k) < best


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_curve_needs_three_distances(count: int) -> None:
    assert fit([Rung(1.0 + at, (100,), (50.0 * (1 + at),)) for at in range(count)]) is None


def test_rates_that_do_not_fall_are_no_curve() -> None:
    assert fit([Rung(1.0 + at, (100,), (50.0,)) for at in range(4)]) is None


def test_distances_that_are_alike_seen_from_the_mid_tell_nothing_of_it() -> None:
    """k can be had from them; what A would be at the mid has no number."""
    assert fit([Rung(90 + far, (100,), (50.0 * math.exp(30 * far),)) for far in (0.0, 0.1, 0.2)]) is None
