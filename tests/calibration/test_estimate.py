"""Estimates come out as what the data were made with, within the errors that they state, or say why they do not."""

import math
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerfix.calibration.estimate import Estimate, Observer, Settings
from tests.calibration.markets import BEGIN, HALF_SPREAD, SECOND, Quote, Traded, World, observed, take

NAMES = ("sigma", "a", "k")


def deviations(found: Estimate, world: World) -> dict[str, float]:
    """How far each estimate is from the truth, in its standard errors."""
    return {name: (getattr(found, name) - getattr(world, name)) / getattr(found.errors, name) for name in NAMES}


def estimated(world: World, seed: int = 1, settings: Settings | None = None) -> Estimate:
    return observed(world, seed, settings).estimate("AAPL")


@pytest.mark.parametrize("world", [World(), World(a=4.0, seconds=300), World(sigma=0.3, a=0.2, k=2.0, seconds=2000)])
def test_the_errors_are_as_large_as_they_say(world: World) -> None:
    found = [estimated(world, seed) for seed in range(40)]
    assert all(one.is_enough and one.why == "enough" for one in found)
    for name in NAMES:
        off = [deviations(one, world)[name] for one in found]
        assert abs(statistics.mean(off)) < 0.5, name
        assert 0.7 < statistics.stdev(off) < 1.35, name
    # About 1 is what the true curve has; a wrong one has tens.
    assert 0.6 < statistics.mean(one.deviance for one in found) < 1.6


def test_the_errors_of_what_is_far_from_the_mid() -> None:
    """No trade comes nearer than 0.1: A is then what the curve has at the mid, and so is its error."""
    world = World(distance=lambda chance: 0.1 + chance.expovariate(30))
    found = [estimated(world, seed) for seed in range(30)]
    off = [(math.log(one.a) - 30 * 0.1) / (one.errors.a / one.a) for one in found]
    assert abs(statistics.mean(off)) < 0.6
    assert 0.6 < statistics.stdev(off) < 1.4


@given(st.floats(0.001, 10), st.floats(0.2, 5), st.floats(0.01, 1000), st.sampled_from([0.5, 1.0, 5.0]), st.integers(0))
@settings(max_examples=25, deadline=None)
def test_whatever_the_market_it_is_found(sigma: float, a: float, k: float, renewal: float, seed: int) -> None:
    world = World(sigma, a, k, seconds=800, mid=0.0)
    found = estimated(world, seed, Settings(renewal=renewal))
    assert found.is_enough
    assert all(abs(off) < 5 for off in deviations(found, world).values())


def test_the_unit_of_prices_is_only_a_unit() -> None:
    one, other = Observer(), Observer()
    for event in World().events(3):
        take(one, event)
        take(other, event._replace(**{name: 128 * getattr(event, name) for name in ("bid", "ask", "price")
                                      if hasattr(event, name)}))  # fmt: skip
    found, scaled = one.estimate("AAPL"), other.estimate("AAPL")
    assert scaled.sigma == pytest.approx(128 * found.sigma)
    assert scaled.k == pytest.approx(found.k / 128, rel=0.02)
    assert scaled.a == pytest.approx(found.a, rel=0.02)


def test_a_taker_that_is_not_told_is_told_by_the_mid() -> None:
    silent, told = Observer(), Observer()
    for event in World().events(4):
        take(told, event)
        take(silent, event if isinstance(event, Quote) else event._replace(taker=""))
    assert silent.estimate("AAPL") == told.estimate("AAPL")


def test_busy_times_make_the_errors_larger() -> None:
    """As many trades in stretches of a minute, none in the minute after: less is known of A than their number says."""
    busy = Observer()
    for event in World(a=2.0, seconds=2000).events(5):
        if isinstance(event, Quote) or (event.at - BEGIN) // (60 * SECOND) % 2:
            take(busy, event)
    steady = estimated(World(a=1.0, seconds=2000), 5)
    assert busy.estimate("AAPL").errors.a > 2 * steady.errors.a


def test_the_newest_changes_count_most() -> None:
    observer = observed(World(sigma=0.01, a=0.0, seconds=3000))
    for event in World(sigma=0.05, a=0.0, seconds=3000).events(2):
        take(observer, event._replace(at=event.at + 3000 * SECOND))
    found = observer.estimate("AAPL")
    assert found.sigma == pytest.approx(0.05, rel=0.2)
    assert found.realised == pytest.approx(math.sqrt((0.01**2 + 0.05**2) / 2), rel=0.1)


@given(st.lists(st.integers(0, 1000 * SECOND), max_size=20), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_that_nothing_has_happened_may_be_told_or_not(times: list[int], seed: int) -> None:
    quiet, told = Observer(), Observer()
    looks = sorted(BEGIN + at for at in times)
    for event in World(seconds=150, step=7.3).events(seed):
        take(quiet, event)
        while looks and looks[0] <= event.at:
            told.see(looks.pop(0))
        take(told, event)
    one, other = quiet.estimate("AAPL"), told.estimate("AAPL")
    assert (one.samples, one.fills, one.seconds) == (other.samples, other.fills, other.seconds)
    assert (one.sigma, one.k, one.a) == pytest.approx((other.sigma, other.k, other.a))


def test_a_gap_is_neither_a_change_nor_time() -> None:
    world = World(seconds=200)
    observer = observed(world, 1)
    for event in world._replace(mid=150.0).events(2):
        take(observer, event._replace(at=event.at + 10_000 * SECOND))
    found = observer.estimate("AAPL")
    assert found.realised == pytest.approx(0.02, rel=0.2), "not the 50 between the two"
    assert found.seconds == pytest.approx(400, abs=1)
    assert found.samples <= 400


@pytest.mark.parametrize(
    "quote", [(None, 100.0), (100.0, None), (None, None), (101.0, 100.0), (math.nan, 100.0), (100.0, math.inf)]
)
def test_without_a_mid_nothing_is_known(quote: tuple[float | None, float | None]) -> None:
    """A side is empty, they are crossed or no numbers: it is no time at work, and trades fill nothing."""
    observer = observed(World(seconds=200))
    before = observer.estimate("AAPL")
    end = BEGIN + 200 * SECOND
    observer.quote(end, *quote)
    for second in range(1, 100):
        observer.trade(end + second * SECOND, 105.0, "B")
    after = observer.estimate("AAPL")
    assert (after.samples, after.fills, after.seconds) == (before.samples, before.fills, before.seconds)
    observer.quote(end + 100 * SECOND, 99.0, 101.0)
    observer.trade(end + 101 * SECOND, 105.0, "B")
    assert observer.estimate("AAPL").fills == after.fills + 1


def test_what_is_out_of_order_is_left_out() -> None:
    observer = observed(World(seconds=200))
    before = observer.estimate("AAPL")
    observer.quote(BEGIN + SECOND, 1.0, 2.0)
    observer.trade(BEGIN + SECOND, 500.0, "B")
    assert observer.left_out == 2
    assert observer.estimate("AAPL") == before


@given(st.lists(st.tuples(st.integers(-10, 10**12), *[st.floats(width=64) | st.none()] * 2, st.sampled_from(" BS"))))
def test_nonsense_has_an_answer(steps: list[tuple[int, float | None, float | None, str]]) -> None:
    observer = Observer()
    for at, one, other, taker in steps:
        observer.quote(at, one, other)
        if one is not None:
            observer.trade(at, one, taker.strip())
    found = observer.estimate("AAPL")
    assert not found.is_enough
    assert all(math.isfinite(getattr(found, name)) for name in NAMES)


def uniform(chance: random.Random) -> float:
    return chance.uniform(0, 0.1)


def power(chance: random.Random) -> float:
    return 0.01 * (chance.paretovariate(1) - 1)


def same(chance: random.Random) -> float:
    return HALF_SPREAD


def twice(chance: random.Random) -> float:
    """Some little sizes at the touch, some sweeps far beyond it."""
    return chance.choice([0.01, 0.011, 0.012, 0.3, 0.31])


def far(chance: random.Random) -> float:
    return 90 + chance.expovariate(30)


@pytest.mark.parametrize(
    ("world", "why"),
    [
        (World(seconds=0.05), "too few samples of the mid: 0 of 100 needed; too few fills: 0 of 100 needed"),
        (World(seconds=80), "too few samples of the mid: 79 of 100 needed"),
        (World(a=0.05), "too few fills: "),
        (World(a=0.0), "too few fills: 0 of 100 needed"),
        (World(sigma=0.0), "the mid has never moved"),
        (World(distance=uniform), "poor fit: an exponential explains 8"),
        (World(distance=power), "poor fit: an exponential explains "),
        (World(sigma=0.0, distance=same), "the mid has never moved; too few distances with fills: 1 of 3 needed"),
        (World(distance=far), "too few distances with fills: 1 of 3 needed"),
        (World(distance=twice), "poor fit: "),
    ],
)
def test_what_is_not_enough_says_so(world: World, why: str) -> None:
    found = estimated(world)
    assert found.why.startswith(why)
    assert not found.is_enough


def test_trades_far_beyond_all_others_have_an_answer() -> None:
    found = estimated(World(distance=lambda chance: 1e9 if chance.random() < 0.4 else chance.expovariate(1000)))
    assert found.why.startswith("poor fit")
    assert all(math.isfinite(number) for number in (found.a, found.k, found.deviance, found.r2))


def test_nothing_at_all() -> None:
    found = Observer().estimate("AAPL")
    assert (found.sigma, found.a, found.k, found.samples, found.fills, found.seconds) == (0, 0, 0, 0, 0, 0)
    assert not found.is_enough


def test_a_trade_is_measured_from_the_mid_before_all_of_its_time() -> None:
    """The quote that a trade has moved may be told at the same time, or `lag` before it."""
    for late, settings_ in ((0, Settings()), (SECOND // 20, Settings(lag=0.1))):
        observer = Observer(settings_)
        observer.quote(BEGIN, 99.0, 101.0)
        observer.quote(BEGIN + SECOND // 2, 101.0, 103.0)
        observer.trade(BEGIN + SECOND // 2 + late, 101.0, "B")
        (rung,) = observer.rungs()
        assert rung.distance == 1.0, settings_
    observer.trade(BEGIN + SECOND, 102.0, "B")
    assert len(observer.rungs()) == 1, "and this is at the mid"


def test_a_trade_at_the_mid_fills_nothing_whatever_its_last_digit() -> None:
    observer = Observer()
    for cents in range(6_000_000, 6_000_500):
        at = BEGIN + cents * SECOND
        observer.quote(at, (cents - 1) / 100, (cents + 1) / 100)
        observer.trade(at + 1, cents / 100)
    assert observer.rungs() == []


def test_with_a_lag_too_a_trade_needs_a_mid() -> None:
    observer = Observer(Settings(lag=0.1))
    observer.quote(BEGIN, 99.0, 101.0)
    observer.quote(BEGIN + SECOND // 2, 99.0, None)
    observer.trade(BEGIN + SECOND // 2 + SECOND // 20, 105.0, "B")
    assert observer.rungs() == []


def test_the_touch_can_be_left_out() -> None:
    """Many trades at the touch beside those that reach farther as the model says: there it fits."""

    def touched(chance: random.Random) -> float:
        return 0.001 if chance.random() < 0.8 else 0.01 + chance.expovariate(30)

    world = World(a=5.0, distance=touched)
    assert estimated(world).why.startswith("poor fit")
    found = estimated(world, settings=Settings(nearest=0.005))
    assert found.is_enough
    assert abs(found.k - 30) < 3 * found.errors.k
    # From 0.01 on they come once a second on each side.
    assert abs(found.a * math.exp(-0.01 * found.k) - 1) < 0.15
    assert all(rung.distance <= 0.05 for rung in observed(world, 1, Settings(farthest=0.05)).rungs())


def test_a_trade_needs_no_quote_of_its_own() -> None:
    event = Traded(BEGIN, 100.0, "B")
    observer = Observer()
    take(observer, event)
    assert observer.estimate("AAPL").fills == 0
