"""What the book says of the next mid: worked examples, and what always holds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.engine.making.models.skews import Best, Signal, imbalance, microprice, order_flow, shift
from brokerfix.engine.making.models.terms import Unusable

ANY = st.floats(allow_nan=True, allow_infinity=True)
BEFORE = Best(bid=10.0, bid_qty=300, ask=10.5, ask_qty=200)


@pytest.mark.parametrize(
    ("bid_qty", "ask_qty", "price", "queues"), [(100, 100, 10.5, 0.0), (300, 100, 10.75, 0.5), (0, 100, 10.0, -1.0)]
)
def test_the_weighted_mid_is_nearer_to_the_side_with_less(
    bid_qty: float, ask_qty: float, price: float, queues: float
) -> None:
    assert microprice(10, bid_qty, 11, ask_qty) == pytest.approx(price)
    assert imbalance(bid_qty, ask_qty) == pytest.approx(queues)


@pytest.mark.parametrize(
    ("now", "flow"),
    [
        (BEFORE, 0),
        (BEFORE._replace(bid_qty=350), 50),
        (BEFORE._replace(bid_qty=250), -50),
        (BEFORE._replace(ask_qty=260), -60),
        (BEFORE._replace(bid=10.1, bid_qty=80), 80),
        (BEFORE._replace(bid=9.9, bid_qty=700), -300),
        (BEFORE._replace(ask=10.4, ask_qty=90), -90),
        (BEFORE._replace(ask=10.6, ask_qty=900), 200),
        (Best(10.5, 40, 10.6, 900), 240),
    ],
)
def test_a_change_of_the_best_quotes_is_demand_or_supply(now: Best, flow: float) -> None:
    """What comes to a best price counts, and what leaves it; at a better price all of it, at a worse all that was."""
    assert order_flow(BEFORE, now) == flow


def test_the_reference_price_is_shifted_by_each_signal_with_its_weight() -> None:
    assert shift(100.0, 0.4) == 100.0
    assert shift(100.0, 0.4, micro=Signal(100.1, 1.0)) == pytest.approx(100.1)
    assert shift(100.0, 0.4, micro=Signal(100.1, 0.5)) == pytest.approx(100.05)
    assert shift(100.0, 0.4, queues=Signal(-0.5, 1.0)) == pytest.approx(99.9)
    assert shift(100.0, 0.4, flow=Signal(0.25, 2.0)) == pytest.approx(100.1)
    together = shift(100.0, 0.4, Signal(100.1, 0.5), Signal(-0.5, 0.2), Signal(0.25, 0.4))
    assert together == pytest.approx(100 + 0.05 - 0.02 + 0.02)
    assert shift(100.0, 0.4, flow=Signal(-50, 1.0)) == pytest.approx(99.8), "never more than half the spread"


@given(bid=st.floats(0, 1e6), width=st.floats(0.01, 100), bid_qty=st.floats(0, 1e9), ask_qty=st.floats(0, 1e9))
def test_the_imbalance_of_queues_and_the_weighted_mid_say_the_same(
    bid: float, width: float, bid_qty: float, ask_qty: float
) -> None:
    if not bid_qty + ask_qty > 0:
        return
    mid = bid + width / 2
    by_price = shift(mid, width, micro=Signal(microprice(bid, bid_qty, bid + width, ask_qty), 1.0))
    by_queues = shift(mid, width, queues=Signal(imbalance(bid_qty, ask_qty), 1.0))
    assert by_price == pytest.approx(by_queues)


@given(ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY)
def test_whatever_goes_in_the_answer_is_finite_or_there_is_none(
    a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float
) -> None:
    for reckoned in (
        lambda: microprice(a, b, c, d),
        lambda: imbalance(a, b),
        lambda: order_flow(Best(a, b, c, d), Best(e, f, g, h)),
        lambda: shift(a, b, Signal(c, d), Signal(e, f), Signal(g, h)),
    ):
        try:
            assert math.isfinite(reckoned())
        except Unusable:
            continue


def test_what_makes_no_sense_is_told_by_name() -> None:
    with pytest.raises(Unusable, match="bid_qty and ask_qty: must not both be 0"):
        microprice(10, 0, 11, 0)
    with pytest.raises(Unusable, match="ask_qty: must not be below 0"):
        imbalance(1, -1)
    with pytest.raises(Unusable, match="the weight of flow: must not be below 0"):
        shift(100.0, 0.4, flow=Signal(1.0, -1.0))
