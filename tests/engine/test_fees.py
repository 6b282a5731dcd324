"""What fills cost, and interest: exact, on record, and given back with the fill."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.commands import RollDay
from brokerfix.domain import Charge, Instrument, Side, days_between, money_text, to_money
from brokerfix.engine import fees
from brokerfix.facts import ChildFilled, InterestBooked, Trade
from tests.scenario import World, run_step

COMMISSION = Charge("0.005", "1.5", True)


def world_of(commission: Charge | None = None, charge: Charge | None = None, **settings: str) -> World:
    aapl = Instrument("AAPL", 2, 0, 1, 1, "at-or-better", settings.pop("post", "book"), 1000, 15000, charge=charge)
    world = World((aapl,), **settings)
    world.commission = commission
    world.start()
    return world


def cash(world: World, account: str) -> str:
    return money_text(world.state.accounts[account].cash)


def test_a_trade_in_our_book_costs_both_sides() -> None:
    """100 x 0.005 + 1.5 bp of 15,000 = 0.5 + 2.25, and 0.3 bp of the instrument's = 0.45: 3.20."""
    world = world_of(COMMISSION, Charge(bps="0.3"), venues="none")
    run_step(world, "client BOB new B1 sell 100 AAPL 150.00")
    run_step(world, "client ALICE new A1 buy 100 AAPL 150.00")
    trade = world.facts[-1]
    assert isinstance(trade, Trade)
    assert (trade.maker_fee, trade.taker_fee) == ("3.20", "3.20")
    assert (cash(world, "ALICE"), cash(world, "BOB")) == ("984996.80", "1014996.80")
    report = dict(field.split("=", 1) for field in world.sent[-1].text.split("\x01") if field)
    assert (report["12"], report["13"]) == ("3.20", "3")
    world.die_and_recover()
    run_step(world, "operator carol correct e4 50@150.00")
    assert cash(world, "ALICE") == "992498.40"
    run_step(world, "operator carol bust e4")
    assert (cash(world, "ALICE"), cash(world, "BOB")) == ("1000000.00", "1000000.00")


@pytest.mark.parametrize(
    ("tif", "liquidity", "fee"),
    [("IOC", "", "0.80"), ("DAY", "", "0.30"), ("DAY", " +851=2", "0.80"), ("IOC", " +851=1", "0.30")],
)
def test_what_the_exchange_takes_or_gives_is_passed_on(tif: str, liquidity: str, fee: str) -> None:
    """XNAS takes 0.0030 and gives 0.0020: 100 x (0.005 + 0.003), or 100 x (0.005 - 0.002)."""
    world = world_of(Charge("0.005", exchange_fees=True), venues="XNAS", post="venue")
    run_step(world, "venue XNAS up")
    run_step(world, "quote XNAS AAPL bid 500@149.90 ask 500@150.10")
    price = "150.10" if tif == "IOC" else "150.00"
    run_step(world, f"client ALICE new A1 buy 100 AAPL {price} {tif}")
    run_step(world, f"venue XNAS fill c1 100@{price} cum 100{liquidity}")
    filled = next(fact for fact in world.facts if isinstance(fact, ChildFilled))
    assert filled.fee == fee


def test_interest_is_booked_when_a_day_begins() -> None:
    policy = "debit_rate=0.072,credit_rate=0.036"
    world = world_of(venues="XNAS", post="venue", policy=policy, margin="reg-t", cash="10000")
    run_step(world, "venue XNAS up")
    run_step(world, "client ALICE new A1 buy 100 AAPL 150.00")
    run_step(world, "venue XNAS fill c1 100@150.00 cum 100")
    assert cash(world, "ALICE") == "-5000.00"
    world.submit(RollDay(world.now, 20261125))
    booked = {fact.account: fact for fact in world.facts if isinstance(fact, InterestBooked)}
    # Three days: 5000 x 0.072 x 3 / 360, and 10000 x 0.036 x 3 / 360.
    assert (booked["ALICE"].amount, booked["ALICE"].days, booked["ALICE"].on) == ("-3.00", 3, "-5000.00")
    assert booked["BOB"].amount == "3.00"
    assert (cash(world, "ALICE"), cash(world, "BOB")) == ("-5003.00", "10003.00")
    world.die_and_recover()


def test_without_rates_nothing_is_booked() -> None:
    world = world_of(venues="none")
    world.submit(RollDay(world.now, 20261125))
    assert not any(isinstance(fact, InterestBooked) for fact in world.facts)


@given(st.integers(0, 10**20), st.integers(0, 10**6), st.integers(0, 400))
def test_interest_is_the_same_either_way_and_never_more_than_exact(units: int, rate: int, days: int) -> None:
    text = f"{rate / 10**6:.6f}"
    earned = fees.interest(units, text, days)
    assert fees.interest(-units, text, days) == -earned
    assert 0 <= units * rate * days - earned * 360 * 10**6 < 10**10 * 360 * 10**6
    assert earned % to_money("0.01") == 0


@given(st.dates(date(1, 1, 1)), st.integers(0, 10**5))
def test_days_between_two_days(first: date, days: int) -> None:
    try:
        second = first + timedelta(days)
    except OverflowError:
        return
    numbers = (one.year * 10_000 + one.month * 100 + one.day for one in (first, second))
    assert days_between(*numbers) == days


def test_fees_are_of_the_order_of_its_side_only() -> None:
    """A client without a commission pays none, whatever the other side does."""
    world = world_of(venues="none")
    run_step(world, "client BOB new B1 sell 100 AAPL 150.00")
    run_step(world, "client ALICE new A1 buy 100 AAPL 150.00")
    trade = world.facts[-1]
    assert isinstance(trade, Trade)
    assert (trade.maker_fee, trade.taker_fee) == ("", "")
    assert world.state.orders[trade.taker_order_id].side is Side.BUY


def test_a_correction_keeps_what_the_exchange_said_of_liquidity() -> None:
    world = world_of(Charge("0.005", exchange_fees=True), venues="XNAS", post="venue")
    for step in (
        "venue XNAS up", "client ALICE new A1 buy 100 AAPL 150.00",
        "venue XNAS fill c1 100@150.00 cum 100 +851=2 exec=V1", "venue XNAS correct c1 V1 100@149.90",
    ):  # fmt: skip
        run_step(world, step)
    (fill,) = world.state.fills.values()
    assert (fill.fee, fill.price) == ("0.80", 14990)


def test_an_order_has_to_pay_its_fees_too() -> None:
    world = world_of(Charge("0.05"), venues="none", cash="15000")
    assert "REJECTED" in run_step(world, "client ALICE new A1 buy 100 AAPL 150.00")[0]
    assert "NEW" in run_step(world, "client ALICE new A2 buy 99 AAPL 150.00")[0]
