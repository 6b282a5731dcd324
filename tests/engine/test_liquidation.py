"""What a review has found of margin, liquidations and loss limits: products, options, splits, kills, and clients that
stand in the way."""

from typing import Any

import msgspec
import pytest

from brokerfix.commands import OperatorBust, OperatorMargin
from brokerfix.domain import Instrument, MarginTerms, OptionTerms, Standing, to_money
from brokerfix.engine import parts
from brokerfix.engine.invariants import broken_in_state
from brokerfix.engine.state import State
from brokerfix.facts import LiquidationHeld, LiquidationSliced, LossReached, MarginChanged, OrderAccepted, OrderRejected
from tests.engine.test_margin import bought, called, mark, slices, standings
from tests.scenario import World, run_step

FLAT = ("10",) * 16
UP, DOWN = ("50", "-50") * 8, ("-50", "50") * 8


def instrument(symbol: str, reference: int, **more: Any) -> Instrument:
    return Instrument(symbol, 2, 0, 1, 1, "at-or-better", "venue", 0, reference, **more)


def product(name: str, scan: tuple[str, ...] = FLAT, **more: str) -> MarginTerms:
    return MarginTerms(product=name, scan=scan, **more)


def option(underlying: str = "AAPL", **more: Any) -> Instrument:
    return instrument("AC", 500, multiplier=100, option=OptionTerms("call", underlying, "150.00"), **more)


def world_of(*instruments: Instrument, **settings: str) -> World:
    world = World(instruments, venues="XNAS", **{"margin": "reg-t", "cash": "100000", **settings})
    run_step(world, "venue XNAS up")
    return world


def trade(world: World, symbol: str, side: str, qty: int, price: str) -> None:
    """ALICE trades at the exchange."""
    run_step(world, f"client ALICE new T{len(world.facts)} {side} {qty} {symbol} {price}")
    child = f"c{len(world.names)}"
    run_step(world, f"venue XNAS fill {child} {qty}@{price} cum {qty}")


def is_the_same_when_kept(world: World) -> bool:
    kept = State()
    parts.load(parts.dump(world.state), kept)
    assert not list(broken_in_state(world.state))
    return kept.hash() == world.state.hash() == world.recovered().hash()


@pytest.mark.parametrize("terms", [product("NQ"), MarginTerms(), product("ES", UP)])
def test_an_instrument_may_leave_its_product(terms: MarginTerms) -> None:
    world = world_of(instrument("AAPL", 15000, margin=product("ES")), margin="scan")
    trade(world, "AAPL", "buy", 10, "150.00")
    world.instruments = (instrument("AAPL", 15000, margin=terms),)
    world.start()
    assert is_the_same_when_kept(world)


def test_options_follow_what_becomes_of_their_underlying() -> None:
    world = world_of(instrument("AAPL", 15000), option())
    trade(world, "AC", "sell", 2, "5.00")
    assert world.state.accounts["ALICE"].maintenance == to_money("7000"), "200 x (5 + 20 % of 150)"
    world.instruments = (instrument("AAPL", 20000), option())
    world.start()
    assert world.state.accounts["ALICE"].maintenance == to_money("9000")
    run_step(world, "operator op split AAPL 2 1")
    assert is_the_same_when_kept(world)
    world.instruments = (instrument("AAPL", 20000), option("ZZZ"), instrument("ZZZ", 100))
    world.start()
    world.instruments = (instrument("AAPL", 20000), msgspec.structs.replace(option(), option=None))
    world.start()
    assert is_the_same_when_kept(world)


def test_a_split_changes_no_equity_without_a_mark_either() -> None:
    world = world_of(instrument("AAPL", 15000))
    trade(world, "AAPL", "buy", 100, "150.00")
    run_step(world, "operator op split AAPL 2 1")
    assert world.state.accounts["ALICE"].equity == to_money("100000")


def test_options_are_paid_in_full_with_scan_margin_too() -> None:
    world = world_of(
        instrument("AAPL", 15000, margin=product("ES")), option(margin=product("ES")), margin="scan", cash="1000"
    )
    run_step(world, "client ALICE new O1 buy 3 AC 5.00")
    assert isinstance(world.facts[-1], OrderRejected)
    assert world.facts[-1].text == "MARGIN: limit=1000.00, value=1530.00"
    trade(world, "AC", "buy", 2, "5.00")
    assert standings(world) == []


def test_an_option_that_is_bought_is_no_loss() -> None:
    world = world_of(instrument("AAPL", 15000), option(), margin="cash", limits="account ALICE max_loss=500")
    trade(world, "AC", "buy", 2, "5.00")
    assert not any(isinstance(fact, LossReached) for fact in world.facts)


def test_a_loss_is_counted_from_when_its_limit_is_set() -> None:
    world = world_of(instrument("AAPL", 15000), margin="cash")
    trade(world, "AAPL", "buy", 100, "150.00")
    run_step(world, "day 20261123")
    world.settings["limits"] = "account ALICE max_loss=1000"
    world.start()
    assert world.state.accounts["ALICE"].opened_with == to_money("100000")
    run_step(world, "venue XNAS up")
    mark(world, "141.00")
    assert [fact.percent for fact in world.facts if isinstance(fact, LossReached)] == [80]
    world.settings["limits"] = "account ALICE max_loss=100000"
    world.start()
    assert world.state.accounts["ALICE"].lost == 0


def test_an_account_that_becomes_a_cash_account_is_in_no_call() -> None:
    world = bought("reg-t", "10000", 500, "40.00", policy="grace_seconds=60")
    mark(world, "26.00")
    assert world.state.called
    world.settings["margin"] = "cash"
    world.start()
    account = world.state.accounts["ALICE"]
    assert (account.standing, account.reduces_only, world.state.called) == (Standing.OK, "", {})
    assert is_the_same_when_kept(world)


def held(world: World) -> list[str]:
    return [fact.text for fact in world.facts if isinstance(fact, LiquidationHeld)]


def liquidating(**settings: str) -> World:
    """The grace is over, and the client's orders are canceled."""
    world = called(**settings)
    run_step(world, "venue XNAS canceled c2")
    run_step(world, "wait 5")
    run_step(world, "venue XNAS canceled c3")
    return world


def test_a_liquidation_under_a_kill_waits_for_the_operator() -> None:
    world = called()
    run_step(world, "operator carol kill account ALICE")
    for child in ("c2", "c3"):
        run_step(world, f"venue XNAS canceled {child}")
    for _ in range(60):
        run_step(world, "wait 0.2")
    assert slices(world) == []
    assert held(world) == ["AAPL: account ALICE is halted"]
    run_step(world, "operator carol resume account ALICE")
    run_step(world, "wait 0.2")
    run_step(world, "wait 0.2")
    assert len(slices(world)) == 1


def test_a_client_does_not_keep_its_position_by_an_order_far_away() -> None:
    world = liquidating()
    run_step(world, "client ALICE new B1 sell 500 AAPL 60.00")
    child = f"c{len(world.names)}"
    run_step(world, "wait 0.2")
    run_step(world, f"venue XNAS canceled {child}")
    run_step(world, "wait 0.2")
    run_step(world, "wait 0.2")
    assert len(slices(world)) == 1


def test_a_client_cancels_no_order_of_a_liquidation() -> None:
    world = liquidating()
    run_step(world, "wait 0.2")
    (first,) = slices(world)
    run_step(world, "client ALICE mass-cancel M1")
    run_step(world, "operator carol halt account ALICE")
    assert world.state.orders[first.order_id].pending is None
    assert world.state.orders[first.order_id].working


def test_a_liquidation_waits_for_the_market_to_trade() -> None:
    world = liquidating()
    run_step(world, "phase closed")
    run_step(world, "wait 0.2")
    assert slices(world) == []
    assert held(world) == ["AAPL: it does not trade now"]


def test_an_account_that_is_closed_out_may_be_called_again() -> None:
    world = liquidating()
    mark(world, "18.00")
    run_step(world, "wait 0.2")
    (first,) = slices(world)
    run_step(world, f"venue XNAS fill c{len(world.names)} {first.qty}@18.00 cum {first.qty}")
    run_step(world, "wait 0.2")
    assert standings(world)[-1] is Standing.CLOSED_OUT
    world.submit(OperatorBust(world.now, "op", list(world.state.fills)[-1]))
    run_step(world, "wait 0.2")
    assert standings(world)[-1] is Standing.CALL


def test_a_hedge_is_not_sold_first() -> None:
    """Each leg by itself needs more than both together: the one that frees margin is closed."""
    aapl, msft = (
        instrument("AAPL", 15000, margin=product("P", UP)),
        instrument("MSFT", 15000, margin=product("P", DOWN)),
    )
    world = world_of(aapl, msft, margin="scan", cash="100000")
    run_step(world, "quote XNAS MSFT bid 1000@149.99 ask 1000@150.01")
    run_step(world, "quote XNAS AAPL bid 1000@149.99 ask 1000@150.01")
    trade(world, "AAPL", "buy", 100, "150.00")
    trade(world, "MSFT", "buy", 60, "150.00")
    account = world.state.accounts["ALICE"]
    assert account.maintenance == to_money("2000"), "40 that are not hedged"
    account.cash -= account.excess + to_money("10")
    world.state.called["ALICE"] = None
    account.standing = Standing.LIQUIDATING
    run_step(world, "wait 0.2")
    assert [one.symbol for one in slices(world)] == ["AAPL"]


def test_what_cannot_be_closed_is_told() -> None:
    world = liquidating()
    world.state.instruments["AAPL"] = msgspec.structs.replace(world.state.instruments["AAPL"], lot=1000)
    run_step(world, "wait 0.2")
    assert held(world) == ["AAPL: nothing of it can be had within the collar, beside other orders, in whole lots"]


@pytest.mark.parametrize("operator", ["trusted", "waits", ""])
def test_an_operator_of_any_name_holds_a_liquidation(operator: str) -> None:
    world = called()
    world.submit(OperatorMargin(world.now, operator, "ALICE", True))
    run_step(world, "wait 5")
    run_step(world, "wait 0.2")
    assert not any(isinstance(fact, LiquidationSliced) for fact in world.facts)
    assert any(isinstance(fact, MarginChanged) and fact.standing is Standing.LIQUIDATING for fact in world.facts)
    assert any(isinstance(fact, OrderAccepted) for fact in world.facts)
