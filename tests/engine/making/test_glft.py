"""Quotes under bounds of the inventory: a worked example, the table against other ways to solve it, and what holds."""

import itertools
import math
from typing import Any

import msgspec
import numpy
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerfix.calibration.glft import exact_table
from brokerfix.engine.making.models.glft import Table, eta, exact, half_spread, lookup, quote
from brokerfix.engine.making.models.terms import Inputs, Unusable

GAMMA, SIGMA, A, K, HORIZON, Q = 0.01, 0.3, 0.9, 0.3, 600.0, 30
ANY = st.floats(allow_nan=True, allow_infinity=True)


def inputs(inventory: float = 0.0, drift: float = 0.0, remaining: float = HORIZON) -> Inputs:
    return Inputs(100.0, inventory, SIGMA, A, K, remaining, drift)


@pytest.fixture(scope="module")
def table() -> Table:
    return exact_table(GAMMA, SIGMA, A, K, Q, HORIZON)


def distances(row: tuple[float | None, ...]) -> list[float]:
    return [one for one in row if one is not None]


def test_the_weight_of_neighbours() -> None:
    assert eta(GAMMA, A, K) == pytest.approx(0.325678, abs=5e-7)


@pytest.mark.parametrize(
    ("inventory", "exactly", "closed"),
    [(0, 3.313045, 3.312915), (5, 3.653479, 3.652244), (-10, 2.632802, 2.634257)],
)
def test_bids_of_the_table_and_by_the_closed_form(table: Table, inventory: int, exactly: float, closed: float) -> None:
    assert lookup(table, inventory, HORIZON)[0] == pytest.approx(exactly, abs=5e-7)
    assert quote(inputs(inventory), GAMMA).bid == pytest.approx(closed, abs=5e-7)
    assert lookup(table, -inventory, HORIZON)[1] == pytest.approx(exactly, abs=5e-7), "an ask is a bid mirrored"
    assert quote(inputs(-inventory), GAMMA).ask == pytest.approx(closed, abs=5e-7)


def test_the_fair_price_is_the_centre_and_at_the_bound_that_of_the_side_that_is_left(table: Table) -> None:
    one = exact(inputs(5), table)
    assert one.bid is not None
    assert one.ask is not None
    assert one.fair == pytest.approx(100 + (one.ask - one.bid) / 2)
    bound = exact(inputs(Q), table)
    assert bound.bid is None
    assert bound.ask is not None
    assert bound.fair == pytest.approx(100 + bound.ask - half_spread(GAMMA, K))
    assert bound.fair < exact(inputs(Q - 1), table).fair


@pytest.mark.parametrize(
    ("inventory", "bid", "ask"),
    [
        (29, True, True),
        (29.5, False, True),
        (30, False, True),
        (99, False, True),
        (-29, True, True),
        (-29.5, True, False),
        (-30, True, False),
        (-99, True, False),
    ],
)
def test_nothing_is_quoted_that_would_go_over_a_bound(table: Table, inventory: float, bid: bool, ask: bool) -> None:
    for one in (exact(inputs(inventory), table), quote(inputs(inventory), GAMMA, q_max=Q)):
        assert (one.bid is not None, one.ask is not None) == (bid, ask)
    assert exact(inputs(99), table) == exact(inputs(30), table)


def test_between_inventories_and_times_distances_are_linear() -> None:
    table = exact_table(GAMMA, SIGMA, A, K, Q, HORIZON, times=(0.0, 60.0, HORIZON))
    early, late = lookup(table, 4, 60.0)[0], lookup(table, 4, HORIZON)[0]
    next_ = lookup(table, 5, 60.0)[0]
    assert early is not None
    assert late is not None
    assert next_ is not None
    assert early < late, "what is held matters less when there is less time to bear its risk"
    assert lookup(table, 4.25, 60.0)[0] == pytest.approx(early + (next_ - early) / 4)
    assert lookup(table, 4, 330.0)[0] == pytest.approx((early + late) / 2)
    assert lookup(table, 4, 10 * HORIZON)[0] == late
    assert lookup(table, 4, 0.0) == pytest.approx((half_spread(GAMMA, K), half_spread(GAMMA, K)))


@pytest.mark.parametrize("drift", [0.001, -0.001])
def test_a_drift_shifts_the_inventory_that_is_neutral(drift: float) -> None:
    """By mu / (gamma sigma^2), here 1.11: quotes at that inventory are those without a drift at 0."""
    neutral = drift / (GAMMA * SIGMA**2)
    still = quote(inputs(), GAMMA)
    moved = quote(inputs(neutral, drift), GAMMA)
    assert (moved.bid, moved.ask) == pytest.approx((still.bid, still.ask))
    wide = exact_table(GAMMA, SIGMA, A, K, 60, 3000.0, drift=drift)
    assert lookup(wide, 3, 3000.0)[0] == pytest.approx(quote(inputs(3, drift), GAMMA).bid, abs=2e-3)
    assert lookup(wide, -3, 3000.0)[1] == pytest.approx(quote(inputs(-3, drift), GAMMA).ask, abs=2e-3)


def test_who_expects_a_rise_bids_nearer() -> None:
    rising, still = quote(inputs(drift=0.001), GAMMA), quote(inputs(), GAMMA)
    assert rising.bid is not None
    assert still.bid is not None
    assert rising.bid < still.bid
    assert rising.fair > still.fair


def system(gamma: float, sigma: float, a: float, k: float, q_max: int, drift: float = 0.0) -> tuple[Any, Any]:
    """M of dv / d(remaining) = -M v: its diagonal, and what is beside it."""
    held = numpy.arange(-q_max, q_max + 1)
    return k * gamma * sigma**2 / 2 * held**2 - k * drift * held, numpy.full(2 * q_max, -eta(gamma, a, k))


@pytest.mark.parametrize("time", [0.5, 60.0, 600.0, 20_000.0])
@pytest.mark.parametrize("drift", [0.0, 0.001])
def test_the_table_is_the_matrix_exponential(time: float, drift: float) -> None:
    table = exact_table(GAMMA, SIGMA, A, K, 10, 20_000.0, drift, [time])
    values, vectors = scipy.linalg.eigh_tridiagonal(*system(GAMMA, SIGMA, A, K, 10, drift))
    v = vectors @ (numpy.exp(-(values - values[0]) * time) * vectors.sum(axis=0))
    expected = numpy.log(v[:-1] / v[1:]) / K + half_spread(GAMMA, K)
    assert distances(table.bids[0]) == pytest.approx(list(expected), rel=1e-9)
    assert distances(table.asks[0]) == pytest.approx(list(2 * half_spread(GAMMA, K) - expected), rel=1e-9)


def test_the_table_is_right_where_v_spans_many_orders_of_magnitude() -> None:
    """Far from the end v is the eigenvector of the lowest eigenvalue, with (M v)_q / v_q the same for every q. With a
    hundred times the risk aversion v at the bound is 1e-38 of that at 0: scipy's eigenvectors are below 0 there."""
    gamma, k = 1.0, K
    bids = distances(exact_table(gamma, SIGMA, A, k, Q, 5000.0).bids[0])
    steps = [(bid - half_spread(gamma, k)) * k for bid in bids]
    logs = list(itertools.accumulate((-step for step in steps), initial=0.0))
    assert max(logs) - min(logs) > 80
    diagonal, beside = system(gamma, SIGMA, A, k, Q)
    rates = [
        diagonal[q]
        + sum(beside[0] * math.exp(logs[other] - logs[q]) for other in (q - 1, q + 1) if 0 <= other <= 2 * Q)
        for q in range(2 * Q + 1)
    ]
    assert rates == pytest.approx([rates[Q]] * len(rates), abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(
    gamma=st.floats(1e-3, 1),
    sigma=st.floats(1e-2, 1),
    a=st.floats(0.1, 10),
    k=st.floats(0.1, 10),
    q_max=st.integers(1, 15),
    time=st.floats(1.0, 5000.0),
    place=st.integers(-1000, 1000),
)
def test_the_more_is_held_the_farther_is_the_bid_and_the_nearer_the_ask(
    gamma: float, sigma: float, a: float, k: float, q_max: int, time: float, place: int
) -> None:
    table = exact_table(gamma, sigma, a, k, q_max, time)
    bids, asks = distances(table.bids[0]), distances(table.asks[0])
    assert all(after > before - 1e-9 for before, after in itertools.pairwise(bids))
    assert all(after < before + 1e-9 for before, after in itertools.pairwise(asks))
    assert (table.bids[0][-1], table.asks[0][0]) == (None, None)
    inventory = place * q_max / 1000
    answer = exact(Inputs(100.0, inventory, sigma, a, k, time), table)
    assert answer.spread is None or answer.spread > 0
    assert (answer.bid is None) == (inventory > q_max - 1)
    assert (answer.ask is None) == (inventory < 1 - q_max)


@given(one=st.builds(Inputs, ANY, ANY, ANY, ANY, ANY, ANY, ANY), gamma=ANY, q_max=st.none() | ANY)
def test_whatever_goes_into_the_closed_form_the_answer_is_finite_or_there_is_none(
    one: Inputs, gamma: float, q_max: float | None
) -> None:
    try:
        answer = quote(one, gamma, q_max)
    except Unusable:
        return
    assert all(math.isfinite(value) for value in (answer.fair, answer.bid, answer.ask) if value is not None)
    assert answer.spread is None or answer.spread > 0


@settings(deadline=None)
@given(gamma=ANY, sigma=ANY, a=ANY, k=ANY, q_max=st.integers(-1, 4), horizon=ANY, drift=ANY, mid=ANY, inventory=ANY)
def test_whatever_a_table_is_asked_for_it_is_finite_or_there_is_none(
    gamma: float,
    sigma: float,
    a: float,
    k: float,
    q_max: int,
    horizon: float,
    drift: float,
    mid: float,
    inventory: float,
) -> None:
    try:
        answer = exact(
            Inputs(mid, inventory, sigma, a, k, horizon), exact_table(gamma, sigma, a, k, q_max, horizon, drift)
        )
    except Unusable:
        return
    assert all(math.isfinite(value) for value in (answer.fair, answer.bid, answer.ask) if value is not None)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gamma": 0.0}, "gamma: must be above 0"),
        ({"a": -1.0}, "a: must be above 0"),
        ({"k": math.nan}, "k: must be a number, not nan"),
        ({"sigma": 0.0, "drift": 0.1}, "sigma: must be above 0"),
        ({"q_max": 0}, "q_max: must be at least 1"),
        ({"times": [700.0]}, "times: must not be after the horizon"),
        ({"times": [60.0, 60.0]}, "times: there must be one, and each must be after the one before"),
        ({"times": []}, "times: there must be one"),
        ({"horizon": 1e30}, "the parameters: too far apart, or too long a horizon"),
        ({"gamma": 1e4, "q_max": 60}, "gamma, sigma, drift or q_max: too large"),
    ],
)
def test_what_makes_no_sense_is_told_by_name(changed: dict[str, Any], said: str) -> None:
    usual = {"gamma": GAMMA, "sigma": SIGMA, "a": A, "k": K, "q_max": Q, "horizon": HORIZON}
    with pytest.raises(Unusable) as error:
        exact_table(**{**usual, **changed})
    assert str(error.value).startswith(said)


def test_a_table_can_be_kept_as_json_and_one_of_another_shape_is_refused(table: Table) -> None:
    kept = msgspec.json.encode(table)
    assert msgspec.json.decode(kept, type=Table) == table
    with pytest.raises(Unusable, match="bids: must have a row for each of the times, of 61"):
        msgspec.structs.replace(table, bids=(table.bids[0][1:],))
    with pytest.raises(Unusable, match="asks: must have None at -30, and only there"):
        msgspec.structs.replace(table, asks=table.bids)
