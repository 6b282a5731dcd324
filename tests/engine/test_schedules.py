"""Schedules of parent orders: worked examples, and what holds of every schedule."""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from brokerfix.engine.routing.schedules import (
    DAY,
    expected_cost,
    holdings,
    kappa,
    linear,
    participation,
    shortfall,
    twap,
    variance,
    vwap,
)

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
NOON = 20_000 * DAY + 12 * HOUR
PROFILE = tuple(10 if hour in (14, 20) else 5 if 14 < hour < 20 else 0 for hour in range(24))
"""Hours of a day: from 14 to 21 UTC there is volume, most in the first hour and the last."""


def test_evenly_over_time_and_rounded_down() -> None:
    released = [twap(1000, NOON, NOON + 3 * MINUTE, NOON + minute * MINUTE) for minute in range(-1, 5)]
    assert released == [0, 0, 333, 666, 1000, 1000]


def test_by_the_volume_that_is_expected() -> None:
    """Weights from 14 to 21 are 10, 5, 5, 5, 5, 5, 10; half an hour has half of its hour's."""
    start, end = NOON + 2 * HOUR, NOON + 9 * HOUR
    released = [vwap(450, start, end, start + half * HOUR // 2, PROFILE, HOUR) for half in range(15)]
    assert released == [0, 50, 100, 125, 150, 175, 200, 225, 250, 275, 300, 325, 350, 400, 450]


def test_only_the_weights_between_start_and_end_count() -> None:
    """From 14:30 to 15:30: half of 10 and half of 5."""
    start = NOON + 2 * HOUR + 30 * MINUTE
    assert vwap(300, start, start + HOUR, start + 30 * MINUTE, PROFILE, HOUR) == 200
    early = vwap(300, NOON, NOON + 3 * HOUR, NOON + 2 * HOUR, PROFILE, HOUR)
    assert early == 0, "nothing is expected before 14:00"


def test_a_profile_begins_anew_each_midnight() -> None:
    """From 20:00 to 15:00 of the next day there is 10 of the first day, nothing at night, 10 of the second."""
    start = NOON + 8 * HOUR
    released = [vwap(200, start, start + 19 * HOUR, start + hour * HOUR, PROFILE, HOUR) for hour in (1, 4, 18, 19)]
    assert released == [100, 100, 100, 200]


@pytest.mark.parametrize("profile", [(), (0,) * 24, PROFILE], ids=["none", "nothing", "nothing at that time"])
def test_a_profile_of_no_use_means_evenly(profile: tuple[int, ...]) -> None:
    start = NOON - 6 * HOUR
    assert vwap(100, start, start + 4 * HOUR, start + HOUR, profile, HOUR) == 25


def test_a_last_bucket_that_reaches_over_midnight_ends_there() -> None:
    """Three buckets of ten hours: the last one has only four, so a day weighs 10 + 10 + 4 hours."""
    midnight = 20_000 * DAY
    assert vwap(240, midnight, midnight + DAY, midnight + 20 * HOUR, (1, 1, 1), 10 * HOUR) == 200
    with pytest.raises(ValueError, match="fit into a day"):
        vwap(240, midnight, midnight + DAY, midnight, (1, 1, 1, 1), 10 * HOUR)


def test_a_part_of_what_the_market_trades() -> None:
    assert [participation(1000, traded) for traded in (0, 9, 10, 12_345)] == [0, 0, 1, 1234]
    assert participation(10_000, 777) == 777


X, N, TAU, SIGMA, EPSILON, GAMMA, ETA, RISK_AVERSION = 1e6, 5, 1.0, 0.95, 0.0625, 2.5e-7, 2.5e-6, 1e-6
"""The example of Almgren & Chriss: a million shares in five days, volatility 0.95 dollars per day, spread 1/8."""


def test_the_example_of_almgren_and_chriss() -> None:
    """All of it comes out with eta~ = eta - gamma tau / 2 = 2.375e-6 in kappa and in the cost: cosh(kappa) = 1.19."""
    rate = kappa(RISK_AVERSION, SIGMA, ETA, GAMMA, TAU)
    assert rate == pytest.approx(0.60708, abs=5e-6)
    assert math.cosh(rate) == pytest.approx(1.19)
    held = holdings(X, N, TAU, rate)
    assert [round(one) for one in held] == [1_000_000, 541_956, 289_854, 147_897, 62_142, 0]
    assert round(expected_cost(held, TAU, EPSILON, ETA, GAMMA)) == 911_227
    assert round(math.sqrt(variance(held, TAU, SIGMA))) == 603_431


def test_other_readings_of_the_formulas_do_not_give_these_figures() -> None:
    """With eta in place of eta~ in the cost 949,318; with what is held at the start in the variance 1,125,446."""
    held = holdings(X, N, TAU, kappa(RISK_AVERSION, SIGMA, ETA, GAMMA, TAU))
    with_eta = expected_cost(held, TAU, EPSILON, ETA + GAMMA * TAU / 2, GAMMA)
    assert round(with_eta) == 949_318
    assert round(math.sqrt(variance([0.0, *held], TAU, SIGMA))) == 1_125_446


def test_the_same_in_each_period_costs_least_and_is_riskier() -> None:
    held = linear(X, N)
    assert held == [1_000_000, 800_000, 600_000, 400_000, 200_000, 0]
    assert expected_cost(held, TAU, EPSILON, ETA, GAMMA) == pytest.approx(662_500)
    assert round(math.sqrt(variance(held, TAU, SIGMA))) == 1_040_673
    assert kappa(0, SIGMA, ETA, GAMMA, TAU) == 0
    assert holdings(X, N, TAU, 0) == held, "without risk aversion it is the best"


@given(
    risk_aversion=st.floats(1e-8, 1e-4),
    tau=st.floats(0.1, 5),
    n=st.integers(2, 12),
    period=st.integers(1, 11),
    more=st.sampled_from([-0.01, 0.01]),
)
def test_no_trajectory_nearby_is_better(risk_aversion: float, tau: float, n: int, period: int, more: float) -> None:
    """E + lambda V, the utility that the paper minimises, is higher when any one of the holdings is another."""
    assume(period < n)

    def utility(held: list[float]) -> float:
        return expected_cost(held, tau, EPSILON, ETA, GAMMA) + risk_aversion * variance(held, tau, SIGMA)

    held = holdings(X, n, tau, kappa(risk_aversion, SIGMA, ETA, GAMMA, tau))
    other = held.copy()
    other[period] += more * X
    assert utility(other) > utility(held)


@given(n=st.integers(1, 50), tau=st.floats(1e-6, 1e6), shape=st.floats(0, 1e300))
def test_holdings_go_from_all_to_nothing_however_large_kappa(n: int, tau: float, shape: float) -> None:
    held = holdings(X, n, tau, shape / tau / n)
    assert held[0] == X
    assert held[-1] == 0
    assert all(after <= before * (1 + 1e-12) for before, after in pairwise(held))


def test_the_continuous_trajectory_passes_through_the_holdings() -> None:
    rate = kappa(RISK_AVERSION, SIGMA, ETA, GAMMA, TAU)
    released = [shortfall(10**6, NOON, NOON + 5 * DAY, NOON + day * DAY, rate * N) for day in range(6)]
    assert released == [0, 458_044, 710_145, 852_102, 937_858, 1_000_000]


def test_the_larger_its_shape_the_earlier_it_is() -> None:
    """After half of the time 1 - 1 / (2 cosh(shape / 2)) of it is released."""
    shapes = (0, 1e-20, 1e-3, 1, 3, 10, 100, 1e9, 1e308)
    half = [shortfall(10**6, 0, 2 * HOUR, HOUR, shape) for shape in shapes]
    assert half == [500_000, 500_000, 500_000, 556_590, 787_451, 993_262, 999_999, 10**6, 10**6]
    assert half[:6] == [int(10**6 * (1 - 1 / (2 * math.cosh(shape / 2)))) for shape in shapes[:6]]


SPANS = st.tuples(st.integers(0, 3 * DAY), st.integers(1, 3 * DAY)).map(lambda one: (one[0], one[0] + one[1]))
PROFILES = st.lists(st.integers(0, 10**6), max_size=48).map(tuple)
Schedule = Callable[[int, int, int, int], int]
SCHEDULES: st.SearchStrategy[Schedule] = st.one_of(
    st.just(twap),
    PROFILES.map(lambda profile: partial(vwap, profile=profile, bucket=HOUR // 2)),
    st.floats(0, 1e308).map(lambda shape: partial(shortfall, kappa_total=shape)),
    st.floats(0, 60).map(lambda shape: partial(shortfall, kappa_total=shape)),
)


@given(SCHEDULES, st.integers(0, 10**18), SPANS, st.lists(st.integers(-DAY, 7 * DAY)), st.integers(0, 10**6))
def test_a_schedule_never_takes_back_and_ends_with_all(
    schedule: Schedule, qty: int, span: tuple[int, int], times: list[int], step: int
) -> None:
    """At any times, at ones next to each other too."""
    start, end = span
    near = [at + more for at in times for more in (0, 1, step)]
    times = sorted([*times, *near, start - 1, start, start + 1, end - 1, end, end + 1])
    released = [schedule(qty, start, end, at) for at in times]
    assert released == sorted(released)
    for at, done in zip(times, released, strict=True):
        assert 0 <= done <= qty
        assert at > start or done == 0
        assert at < end or done == qty


@given(st.integers(0, 10_000), st.integers(0, 10**18), st.integers(0, 10**18))
def test_participation_never_takes_back_nor_exceeds_the_rate(rate_bps: int, traded: int, more: int) -> None:
    assert participation(rate_bps, traded) <= participation(rate_bps, traded + more)
    assert 0 <= traded * rate_bps - participation(rate_bps, traded) * 10_000 < 10_000


@given(qty=st.integers(0, 10**12), span=SPANS, at=st.integers(0, 6 * DAY), profile=PROFILES)
def test_volume_is_counted_bucket_by_bucket(qty: int, span: tuple[int, int], at: int, profile: tuple[int, ...]) -> None:
    """Against the sum over each half hour of all days of what of it lies between."""
    start, end, bucket, weights = *span, HOUR // 2, [*profile, *[0] * (48 - len(profile))] * 6

    def weight(until: int) -> int:
        parts = enumerate(weights)
        return sum(one * max(min((index + 1) * bucket, until) - max(index * bucket, start), 0) for index, one in parts)

    total = weight(end)
    assume(total)
    assert vwap(qty, start, end, at, profile, bucket) == qty * weight(min(at, end)) // total


@given(qty=st.integers(0, 10**12), span=SPANS, at=st.integers(0, 6 * DAY), count=st.integers(1, 1440))
def test_volume_that_is_the_same_all_day_is_evenly(qty: int, span: tuple[int, int], at: int, count: int) -> None:
    bucket = -(-DAY // count)
    assert vwap(qty, *span, at, (7,) * -(-DAY // bucket), bucket) == twap(qty, *span, at)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: twap(-1, 0, 1, 0),
        lambda: twap(1, 1, 1, 1),
        lambda: vwap(1, 0, 1, 0, (1, -1), HOUR),
        lambda: vwap(1, 0, 1, 0, (1,), 0),
        lambda: vwap(1, 0, 1, 0, (1, 1), DAY),
        lambda: shortfall(1, 0, 1, 0, -1.0),
        lambda: shortfall(1, 0, 1, 0, math.inf),
        lambda: shortfall(1, 0, 1, 0, math.nan),
        lambda: participation(10_001, 1),
        lambda: participation(-1, 1),
        lambda: participation(1, -1),
        lambda: kappa(-1, SIGMA, ETA, GAMMA, TAU),
        lambda: kappa(RISK_AVERSION, SIGMA, ETA, GAMMA, 21.0),
        lambda: kappa(RISK_AVERSION, SIGMA, ETA, GAMMA, 0.0),
        lambda: holdings(X, 0, TAU, 1.0),
        lambda: holdings(X, 5, TAU, -1.0),
        lambda: expected_cost([X, 0.0], 21.0, EPSILON, ETA, GAMMA),
        lambda: linear(X, 0),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError):
        wrong()
