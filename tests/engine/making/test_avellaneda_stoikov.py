"""Quotes around a reservation price and at a fixed spread: worked examples, and what always holds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.engine.making.models import avellaneda_stoikov, fixed
from brokerfix.engine.making.models.terms import Inputs, Priced, Unusable, guarded, priced

ANY = st.floats(allow_nan=True, allow_infinity=True)


def inputs(inventory: float = 0.0, remaining: float = 1.0, sigma: float = 2.0, k: float = 1.5) -> Inputs:
    """The paper's: s = 100, sigma = 2, k = 1.5, A = 140, T = 1."""
    return Inputs(mid=100.0, inventory=inventory, sigma=sigma, a=140.0, k=k, remaining=remaining)


@pytest.mark.parametrize(("gamma", "mean"), [(0.1, 1.4908), (0.01, 1.3489), (1.0, 3.0217)])
def test_the_papers_mean_spreads(gamma: float, mean: float) -> None:
    """The spread is linear in time, so its mean is that of half the horizon."""
    one = avellaneda_stoikov.quote(inputs(remaining=0.5), gamma)
    assert one.spread == pytest.approx(mean, abs=5e-5)


@pytest.mark.parametrize(
    ("inventory", "remaining", "fair", "bid", "ask"),
    [
        # gamma sigma^2 = 0.4 for each unit held and second; (1 / gamma) ln(1 + gamma / k) = 0.645385.
        (0, 1.0, 100.0, 0.845385, 0.845385),
        (1, 1.0, 99.6, 1.245385, 0.445385),
        (-1, 1.0, 100.4, 0.445385, 1.245385),
        (2, 0.25, 99.8, 0.895385, 0.495385),
        (5, 1.0, 98.0, 2.845385, -1.154615),
        (5, 0.0, 100.0, 0.645385, 0.645385),
    ],
)
def test_the_reservation_price_leaves_the_mid_as_inventory_grows(
    inventory: float, remaining: float, fair: float, bid: float, ask: float
) -> None:
    one = avellaneda_stoikov.quote(inputs(inventory, remaining), 0.1)
    assert one.fair == pytest.approx(fair)
    assert (one.bid, one.ask) == (pytest.approx(bid, abs=1e-6), pytest.approx(ask, abs=1e-6))


def test_the_benchmark_has_the_same_spread_around_the_mid() -> None:
    skewed, benchmark = avellaneda_stoikov.quote(inputs(3), 0.1), avellaneda_stoikov.symmetric(inputs(3), 0.1)
    assert benchmark.fair == 100.0
    assert benchmark.bid == benchmark.ask == pytest.approx(0.845385, abs=1e-6)
    assert benchmark.spread == pytest.approx(skewed.spread)


@given(
    gamma=st.floats(1e-4, 10),
    sigma=st.floats(1e-3, 10),
    k=st.floats(1e-2, 100),
    remaining=st.floats(1e-3, 100),
    inventory=st.floats(-100, 100),
    more=st.floats(0.1, 10),
)
def test_the_more_is_held_the_lower_are_both_quotes(
    gamma: float, sigma: float, k: float, remaining: float, inventory: float, more: float
) -> None:
    before = avellaneda_stoikov.quote(inputs(inventory, remaining, sigma, k), gamma)
    after = avellaneda_stoikov.quote(inputs(inventory + more, remaining, sigma, k), gamma)
    assert before.spread == pytest.approx(after.spread, rel=1e-6)
    assert before.bid is not None
    assert before.ask is not None
    assert after.bid is not None
    assert after.ask is not None
    assert after.bid > before.bid
    assert after.ask < before.ask
    assert after.fair <= before.fair
    centre = 100 + (before.ask - before.bid) / 2
    assert before.fair == pytest.approx(centre), "the reservation price is the centre"


@given(one=st.builds(Inputs, ANY, ANY, ANY, ANY, ANY, ANY, ANY), gamma=ANY, bid=ANY, ask=ANY, minimum=ANY)
def test_whatever_goes_in_the_answer_is_finite_or_there_is_none(
    one: Inputs, gamma: float, bid: float, ask: float, minimum: float
) -> None:
    for model in (
        lambda: avellaneda_stoikov.quote(one, gamma),
        lambda: avellaneda_stoikov.symmetric(one, gamma),
        lambda: fixed.quote(one, bid, ask, minimum),
    ):
        try:
            answer = model()
        except Unusable:
            continue
        assert answer.bid is not None
        assert answer.ask is not None
        assert answer.spread is not None
        assert all(math.isfinite(value) for value in (answer.fair, answer.bid, answer.ask))
        assert answer.spread > 0


@pytest.mark.parametrize(
    ("one", "gamma", "said"),
    [
        (inputs(), 0.0, "gamma: must be above 0"),
        (inputs(k=0.0), 0.1, "k: must be above 0"),
        (inputs(sigma=-1.0), 0.1, "sigma: must not be below 0"),
        (inputs(remaining=-1.0), 0.1, "remaining: must not be below 0"),
        (inputs(inventory=math.inf), 0.1, "inventory: must be a number, not inf"),
        (inputs(sigma=1e200), 0.1, "the parameters: too large, too small or too far apart"),
        (inputs(inventory=1e300, sigma=1e10), 0.1, "the fair price: comes out as -inf"),
        (inputs(inventory=1e30), 0.1, "the spread: comes out as 0.0, must be above 0"),
    ],
)
def test_what_makes_no_sense_is_told_by_name(one: Inputs, gamma: float, said: str) -> None:
    with pytest.raises(Unusable) as error:
        avellaneda_stoikov.quote(one, gamma)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("bid", "ask", "minimum", "expected"),
    [
        (0.02, 0.03, 0.0, (0.02, 0.03)),
        (0.02, 0.03, 0.05, (0.02, 0.03)),
        (0.02, 0.03, 0.09, (0.04, 0.05)),
        (0.0, 0.0, 0.01, (0.005, 0.005)),
    ],
)
def test_a_fixed_spread_is_widened_to_the_minimum_on_both_sides(
    bid: float, ask: float, minimum: float, expected: tuple[float, float]
) -> None:
    one = fixed.quote(inputs(7), bid, ask, minimum)
    assert (one.bid, one.ask) == pytest.approx(expected)
    assert one.fair == 100.0


def test_a_fixed_spread_is_never_nothing() -> None:
    with pytest.raises(Unusable, match="the spread: comes out as 0"):
        fixed.quote(inputs(), 0.0, 0.0)
    with pytest.raises(Unusable, match="bid: must not be below 0"):
        fixed.quote(inputs(), -0.01, 0.03)


def test_an_answer_with_one_side_has_no_spread() -> None:
    assert priced(100.0, None, 0.5) == Priced(100.0, None, 0.5)
    assert priced(100.0, None, 0.5).spread is None
    with pytest.raises(Unusable, match="the ask's distance: comes out as nan"):
        priced(100.0, None, math.nan)


def test_what_cannot_be_reckoned_is_unusable() -> None:
    with pytest.raises(Unusable, match="too far apart"):
        guarded(lambda: 1 / 0)()
