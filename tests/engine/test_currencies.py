"""Several currencies: cash in each, limits and margin in the desk's own, by rates that are facts."""

import pytest

from brokerfix.commands import OperatorRate
from brokerfix.domain import Charge, Currency, Instrument, Standing, money_text
from brokerfix.facts import (
    BalancesConverted,
    CurrencyDefined,
    DeficitBooked,
    MarginChanged,
    OperatorRefused,
    OrderRejected,
    RateSet,
)
from tests.scenario import World, run_step


def world_of(*steps: str, **settings: str) -> World:
    """AAPL costs EUR, one of which is 1.10 of the desk's own; cash in EUR counts for 5 % less."""
    world = World(venues="none", post="book", currency="EUR", **settings)
    for step in steps:
        run_step(world, step)
    return world


TRADE = "client BOB new B1 sell 100 AAPL 150.00", "client ALICE new A1 buy 100 AAPL 150.00"


def account(world: World, name: str = "ALICE") -> dict[str, str]:
    one = world.state.accounts[name]
    numbers = {"cash": one.cash, "foreign": one.foreign, "power": one.buying_power, "equity": one.equity}
    return {key: money_text(value) for key, value in numbers.items()} | {"EUR": money_text(one.balances.get("EUR", 0))}


def test_a_trade_is_paid_in_its_own_currency() -> None:
    """15,000 EUR are 16,500; a debt counts for 5 % more, 17,325, and cash for 5 % less, 15,675."""
    world = world_of(*TRADE)
    alice, bob = account(world), account(world, "BOB")
    assert (alice["cash"], alice["EUR"], alice["foreign"]) == ("1000000.00", "-15000.00", "-17325.00")
    assert (bob["cash"], bob["EUR"], bob["foreign"]) == ("1000000.00", "15000.00", "15675.00")
    assert alice["power"] == "982675.00"
    # A short position takes its value twice: 1,015,675 - 33,000.
    assert bob["power"] == "982675.00"
    world.die_and_recover()
    # What was bought is to be bought again.
    run_step(world, "operator carol bust e4")
    assert account(world) == {
        "cash": "1000000.00", "EUR": "0.00", "foreign": "0.00", "power": "983500.00", "equity": "1000000.00",
    }  # fmt: skip


@pytest.mark.parametrize(("price", "is_taken"), [("100.00", True), ("100.01", False)])
def test_limits_are_in_the_desks_own_currency(price: str, is_taken: bool) -> None:
    world = world_of(limits="firm max_order_notional=1100", collar_bps="0")
    run_step(world, f"client ALICE new A1 buy 10 AAPL {price}")
    last = world.facts[-1]
    assert isinstance(last, OrderRejected) is not is_taken
    if isinstance(last, OrderRejected):
        assert last.text == "MAX_ORDER_NOTIONAL: limit=1100, value=1100.11, at=firm"


def test_margin_follows_the_rate() -> None:
    """The position is worth 15,000 EUR, the debt as much and 5 % more."""
    world = world_of(*TRADE, margin="reg-t", cash="20000", haircut="0")
    alice = world.state.accounts["ALICE"]
    assert (money_text(alice.equity), money_text(alice.maintenance)) == ("20000.00", "4125.00")
    assert money_text(alice.buying_power) == "11750.00"
    world.submit(OperatorRate(world.now, "carol", "EUR", 2 * 10**8))
    assert isinstance(world.facts[-1], RateSet)
    assert (money_text(alice.equity), money_text(alice.maintenance)) == ("20000.00", "7500.00")
    assert money_text(alice.buying_power) == "5000.00"
    assert account(world)["foreign"] == "-30000.00"
    world.die_and_recover()


def test_open_orders_count_by_the_rate_that_there_is() -> None:
    world = world_of("client ALICE new A1 buy 100 AAPL 140.00", limits="firm max_gross=40000", collar_bps="0")
    bound = next(one for level, one in world.state.bounds.items() if level.kind == "firm")
    assert money_text(bound.exposure.gross) == "15400.00"
    world.submit(OperatorRate(world.now, "carol", "EUR", 2 * 10**8))
    assert money_text(bound.exposure.gross) == "28000.00"
    assert money_text(world.state.accounts["ALICE"].load) == "28000.00"
    run_step(world, "client ALICE cancel A2 A1 buy AAPL")
    assert bound.exposure.gross == 0
    assert world.state.accounts["ALICE"].load == 0


def test_a_rate_that_is_an_instruments_mark_follows_it() -> None:
    """From ten basis points on."""
    rate = Instrument("EURUSD", 5, 0, 1, 1, "at-or-better", "book", reference=110_000)
    stock = Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "book", reference=15_000, currency="EUR")
    world = World((stock, rate), venues="XNAS", currency="EUR", fx="1.1")
    world.state.currencies["EUR"] = Currency("1.1", "0.05", "EURUSD")
    run_step(world, "venue XNAS up")
    for mark, wanted in ((110_100, 110_000_000), (110_200, 110_200_000), (111_000, 111_000_000)):
        world.state.market.last["EURUSD"] = (mark, 1)
        world.state.market.changed("EURUSD")
        run_step(world, "record")
        assert world.state.fx["EUR"] == wanted


def test_what_can_not_be_set() -> None:
    world = world_of()
    for currency, rate in (("GBP", 10**8), ("EUR", 0)):
        world.submit(OperatorRate(world.now, "carol", currency, rate))
        assert isinstance(world.facts[-1], OperatorRefused)


def test_a_rate_that_was_set_stays_until_the_configuration_changes() -> None:
    world = world_of()
    world.submit(OperatorRate(world.now, "carol", "EUR", 120_000_000))
    world.start()
    assert world.state.fx["EUR"] == 120_000_000
    world.settings["fx"] = "1.15"
    world.start()
    assert world.state.fx["EUR"] == 115_000_000
    assert sum(isinstance(fact, CurrencyDefined) for fact in world.facts) == 2


def owing() -> World:
    """ALICE holds nothing, and owes 1,000 EUR against cash that is worth just as much."""
    world = World(venues="XNAS", currency="EUR", margin="reg-t", cash="10000", collar_bps="0")
    run_step(world, "venue XNAS up")
    world.state.accounts["ALICE"].balances["EUR"] = -(10**15)
    world.state.accounts["ALICE"].foreign = -1155 * 10**12
    world.settings["cash"] = "1100"
    return world


def test_who_is_closed_out_owes_what_is_missing_in_one_currency() -> None:
    """The haircut is for what may come: what is owed is told at the rate, once, and no rate makes it otherwise."""
    world = owing()
    world.start()
    run_step(world, "wait 1")
    assert any(isinstance(fact, BalancesConverted) and fact.into == "-1100.00" for fact in world.facts)
    assert not any(isinstance(fact, DeficitBooked) for fact in world.facts), "it has just as much"
    alice = world.state.accounts["ALICE"]
    assert (alice.cash, alice.balances, alice.standing) == (0, {}, Standing.OK)
    facts = len(world.facts)
    for rate in (109, 120, 110, 130):
        world.submit(OperatorRate(world.now, "carol", "EUR", rate * 10**6))
        run_step(world, "wait 1")
    assert not any(isinstance(fact, MarginChanged | DeficitBooked) for fact in world.facts[facts:])


def test_fees_and_a_debts_haircut_count_in_the_desks_own_currency() -> None:
    """100 at 150 EUR are 16,500, and as a debt 17,325."""
    for cash, is_taken in (("17325", True), ("17324.99", False)):
        world = world_of(cash=cash)
        line = run_step(world, "client ALICE new A1 buy 100 AAPL 150.00")[0]
        assert ("NEW" in line) is is_taken, cash
    world = World(venues="none", post="book", currency="EUR", cash="1000", fx="0.01", haircut="0", collar_bps="0")
    world.commission = Charge("1")
    world.start()
    assert "NEW" in run_step(world, "client ALICE new A1 buy 600 AAPL 150.00")[0], "900, and 6 for fees"
    assert "REJECTED" in run_step(world, "client ALICE new A2 buy 67 AAPL 150.00")[0]
    assert "NEW" in run_step(world, "client ALICE new A3 buy 66 AAPL 150.00")[0], "99, and 0.66"


def test_a_haircut_that_changes_leaves_the_rate_as_it_is() -> None:
    world = world_of()
    world.submit(OperatorRate(world.now, "carol", "EUR", 120_000_000))
    world.settings["haircut"] = "0.1"
    world.start()
    assert (world.state.fx["EUR"], world.state.currencies["EUR"].haircut) == (120_000_000, "0.1")


def test_a_rate_that_is_too_low_for_the_digits_is_refused() -> None:
    stock = Instrument("AAPL", 4, 4, 1, 1, "at-or-better", "book", reference=15_000, currency="EUR")
    world = World((stock,), venues="none", currency="EUR")
    world.submit(OperatorRate(world.now, "carol", "EUR", 50_000_000))
    assert isinstance(world.facts[-1], OperatorRefused)


def test_sma_is_given_back_as_it_was_taken() -> None:
    world = World(venues="none", post="book", currency="EUR", margin="reg-t", cash="100000", haircut="0")
    for step in TRADE:
        run_step(world, step)
    alice = world.state.accounts["ALICE"]
    assert money_text(alice.sma) == "91750.00"
    world.submit(OperatorRate(world.now, "carol", "EUR", 2 * 10**8))
    run_step(world, "operator carol bust e4")
    assert money_text(alice.sma) == "100000.00"
