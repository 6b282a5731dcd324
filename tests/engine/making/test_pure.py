"""Sizes that lean to a target: worked examples, and what always holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.engine.making.models.pure import Skew, inventory_skew, quantity_skew
from brokerfix.engine.making.models.terms import Unusable

ANY = st.floats(allow_nan=True, allow_infinity=True)


@pytest.mark.parametrize(
    ("base", "quote", "share", "range_", "bid"),
    [
        # All is worth 200 at a price of 100; the target is 100.
        (1.2, 80, 0.5, 0.4, 0.5),
        (1.0, 100, 0.5, 0.4, 1.0),
        (0.8, 120, 0.5, 0.4, 1.5),
        (0.6, 140, 0.5, 0.4, 2.0),
        (0.1, 190, 0.5, 0.4, 2.0),
        (1.4, 60, 0.5, 0.4, 0.0),
        (2.0, 0, 0.5, 0.4, 0.0),
        # A range of 10 is more than half of all, 100: the end is where there is nothing, or nothing else.
        (0.5, 150, 0.5, 10, 1.5),
        (2.0, 0, 0.5, 10, 0.0),
        # A target of 40 is less than the range of 60 away from nothing: the straight line is steeper there.
        (0.2, 180, 0.2, 0.6, 1.5),
        (0.0, 200, 0.2, 0.6, 2.0),
        (0.7, 130, 0.2, 0.6, 0.5),
        # A target of nothing.
        (0.0, 200, 0.0, 0.4, 1.0),
        (0.2, 180, 0.0, 0.4, 0.5),
        (-0.1, 210, 0.0, 0.4, 2.0),
    ],
)
def test_sizes_lean_to_the_target_share(base: float, quote: float, share: float, range_: float, bid: float) -> None:
    assert inventory_skew(base, quote, 100, share, range_) == pytest.approx((bid, 2 - bid))


@pytest.mark.parametrize(
    ("position", "bid"), [(-300, 2.0), (-100, 2.0), (0, 1.5), (100, 1.0), (150, 0.75), (300, 0.0), (900, 0.0)]
)
def test_sizes_lean_to_a_target_position(position: float, bid: float) -> None:
    assert quantity_skew(position, target=100, range_=200) == (bid, 2 - bid)


def test_skews_that_make_no_sense() -> None:
    for arguments, said in [
        ((1, 100, 0, 0.5, 1), "price: must be above 0"),
        ((1, 100, 100, 1.5, 1), "target_share: must not be above 1"),
        ((1, 100, 100, 0.5, 0), "range: must be above 0"),
        ((0, 0, 100, 0.5, 1), "base and quote: must be worth something together"),
    ]:
        with pytest.raises(Unusable, match=said):
            inventory_skew(*arguments)


def is_skew(skew: Skew) -> bool:
    return 0 <= skew.bid <= 2 and 0 <= skew.ask <= 2 and skew.bid + skew.ask == pytest.approx(2)


@given(base=ANY, quote=ANY, price=ANY, share=ANY, range_=ANY)
def test_factors_are_from_0_to_2_or_there_are_none(
    base: float, quote: float, price: float, share: float, range_: float
) -> None:
    for skewed in (
        lambda: inventory_skew(base, quote, price, share, range_),
        lambda: quantity_skew(base, quote, range_),
    ):
        try:
            assert is_skew(skewed())
        except Unusable:
            continue


@given(
    base=st.floats(0, 100),
    more=st.floats(0, 100),
    quote=st.floats(1, 10_000),
    share=st.floats(0, 1),
    range_=st.floats(0.01, 50),
)
def test_the_more_is_held_of_the_same_worth_the_less_is_bid_for(
    base: float, more: float, quote: float, share: float, range_: float
) -> None:
    before = inventory_skew(base, quote, 10, share, range_)
    after = inventory_skew(base + more, quote - 10 * more, 10, share, range_)
    assert after.bid <= before.bid + 1e-6
    assert quantity_skew(base + more, 20, range_).bid <= quantity_skew(base, 20, range_).bid
