"""What margin accounts have to show by the day: SMA and intraday margin deficits, against the rules' own figures."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.commands import RollDay
from brokerfix.domain import Limits, Standing, business_days, day_at, later, money_text, ordinal
from brokerfix.facts import AccountFrozen, DeficitMet, IntradayDeficit, OrderAccepted, OrderRejected
from tests.engine.test_margin import bought, figures, mark
from tests.scenario import World, run_step

DAYS = st.dates(date(1, 1, 1), date(9990, 1, 1))


def number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


@given(DAYS, st.integers(0, 3000))
def test_days_as_numbers(first: date, days: int) -> None:
    last = first + timedelta(days)
    assert day_at(ordinal(number(first))) == number(first)
    assert later(number(first), days) == number(last)
    weekdays = sum((first + timedelta(n)).weekday() < 5 for n in range(1, days + 1))
    assert business_days(number(first), number(last)) == weekdays


def sma(world: World) -> str:
    return money_text(world.state.accounts["ALICE"].sma)


def roll(world: World, day: int) -> None:
    world.submit(RollDay(world.now, day))


def withdraw(world: World, left: str) -> None:
    world.settings["cash"] = left
    world.start()


def test_sma_as_interactive_brokers_works_it_out() -> None:
    """10,000 paid in, 500 bought at 40: nothing is left. At 45 the day ends with 12,500 - 50 % of 22,500; a fall takes
    nothing of that, what is sold gives half of it, and what is taken out takes it."""
    world = bought("reg-t", "10000", 500, "40.00")
    assert sma(world) == "0.00"
    mark(world, "45.00")
    assert sma(world) == "0.00", "it is of the day's end"
    roll(world, 20261123)
    assert sma(world) == "1250.00"
    mark(world, "35.00")
    roll(world, 20261124)
    assert sma(world) == "1250.00"
    run_step(world, "client ALICE new S1 sell 100 AAPL 35.00")
    run_step(world, "venue XNAS fill c2 100@35.00 cum 100")
    assert sma(world) == "3000.00"
    withdraw(world, "9000")
    assert sma(world) == "2000.00"
    world.die_and_recover()
    run_step(world, "operator carol bust e4")
    assert sma(world) == "250.00", "what is taken back is as if it had not been sold"


@pytest.mark.parametrize(("left", "lacks"), [("2875", []), ("2850", ["275.00"])])
def test_a_deficit_above_what_is_let_pass(left: str, lacks: list[str]) -> None:
    """500 at 45.00: the margin is 5,625. With 2,875 paid in the equity is 5,375 and 250 are lacking: 5 % of the equity
    are 268.75. With 2,850 these are 275 and 267.50."""
    world = bought("reg-t", "10000", 500, "40.00", policy="grace_seconds=1000000")
    mark(world, "45.00")
    withdraw(world, left)
    assert figures(world)["mm"] == 5625
    roll(world, 20261123)
    assert [fact.amount for fact in world.facts if isinstance(fact, IntradayDeficit)] == lacks
    world.die_and_recover()


def lacking() -> World:
    world = bought("reg-t", "10000", 500, "40.00", policy="grace_seconds=10000000")
    mark(world, "45.00")
    withdraw(world, "2600")
    roll(world, 20261123)
    assert world.state.accounts["ALICE"].owed == ((20261123, 525 * 10**12),)
    return world


def test_a_deficit_is_met_by_what_is_there_when_a_day_begins() -> None:
    world = lacking()
    withdraw(world, "3649")
    roll(world, 20261124)
    assert world.state.accounts["ALICE"].owed
    withdraw(world, "3650")
    roll(world, 20261125)
    assert not world.state.accounts["ALICE"].owed
    assert any(isinstance(fact, DeficitMet) for fact in world.facts)
    for day in (20261126, 20261127, 20261130, 20261201):
        roll(world, day)
    assert not any(isinstance(fact, AccountFrozen) for fact in world.facts)


def test_one_that_is_not_met_on_the_fifth_business_day_freezes_the_account() -> None:
    world = lacking()
    # Monday the 23rd, and a weekend between.
    for day in (20261124, 20261125, 20261126, 20261127, 20261128, 20261129):
        roll(world, day)
        assert not any(isinstance(fact, AccountFrozen) for fact in world.facts), day
    roll(world, 20261130)
    (frozen,) = (fact for fact in world.facts if isinstance(fact, AccountFrozen))
    assert frozen.until == 20270228
    world.die_and_recover()
    withdraw(world, "20000")
    cash = world.state.accounts["ALICE"].cash
    assert money_text(cash) == "0.00"
    withdraw(world, "20450")
    # That was a restart.
    run_step(world, "venue XNAS up")
    run_step(world, "client ALICE new F1 buy 10 AAPL 45.01")
    refused = world.facts[-1]
    assert isinstance(refused, OrderRejected)
    assert refused.text.startswith("FROZEN: limit=450.00, value=450.10, at=account ALICE, until 20270228")
    run_step(world, "client ALICE new F2 sell 600 AAPL 45.00")
    assert isinstance(world.facts[-1], OrderRejected), "it would go short"
    run_step(world, "client ALICE new F3 sell 500 AAPL 45.00")
    assert any(isinstance(fact, OrderAccepted) and fact.cl_ord_id == "F3" for fact in world.facts)
    run_step(world, "client ALICE new F4 buy 10 AAPL 45.00")
    assert any(isinstance(fact, OrderAccepted) and fact.cl_ord_id == "F4" for fact in world.facts)
    roll(world, 20270301)
    run_step(world, "client ALICE new F5 buy 20 AAPL 45.00")
    assert any(isinstance(fact, OrderAccepted) and fact.cl_ord_id == "F5" for fact in world.facts)


def test_orders_that_would_open_are_canceled_when_the_account_is_frozen() -> None:
    """One that closes goes on."""
    world = bought("reg-t", "10000", 500, "40.00", policy="grace_seconds=10000000")
    mark(world, "45.00")
    for number, order in enumerate(("buy 10 AAPL 30.00 GTC", "sell 100 AAPL 60.00 GTC"), 2):
        run_step(world, f"client ALICE new A{number} {order}")
        run_step(world, f"venue XNAS ack c{number}")
    account = world.state.accounts["ALICE"]
    account.owed = ((20261115, 10**15 * 10**6),)
    roll(world, 20261123)
    assert account.frozen_until == 20270221
    working = {order.cl_ord_id: order.pending is not None for order in world.state.clients["ALICE"].working.values()}
    assert working == {"A2": True, "A3": False}


def test_a_position_that_turns_may_lack_margin_too() -> None:
    """100 at 40.00 long need 25 %, 100 short 30 %: what one fill makes of 50 above is 150 too little."""
    world = bought("reg-t", "3000", 100, "40.00", policy="grace_seconds=1000000")
    withdraw(world, "1050")
    run_step(world, "venue XNAS up")
    mark(world, "40.00")
    account = world.state.accounts["ALICE"]
    assert figures(world)["el"] == 50
    account.limits = Limits(buying_power=False)
    account.standing = Standing.OK
    run_step(world, "client ALICE new A2 sell 200 AAPL 40.00")
    run_step(world, "venue XNAS fill c2 200@40.00 cum 200")
    assert money_text(account.shortfall) == "150.00"


def test_two_deficits_of_the_same_amount_are_two() -> None:
    world = lacking()
    account = world.state.accounts["ALICE"]
    account.owed = ((20261123, 525 * 10**12), (20261124, 525 * 10**12))
    for day in (20261124, 20261125, 20261126, 20261127, 20261130):
        roll(world, day)
    assert account.owed == ((20261124, 525 * 10**12),)
    roll(world, 20261201)
    assert (account.owed, account.frozen_until) == ((), 20270301)
