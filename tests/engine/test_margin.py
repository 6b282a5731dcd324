"""Margin: the formulas against worked examples of those who publish them, and how an account fares with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.commands import OperatorMargin
from brokerfix.domain import Standing, to_money
from brokerfix.engine.invariants import broken_in_state
from brokerfix.engine.risk.margin import (
    brackets,
    liquidation_notional,
    scan_risk,
    share,
    short_option,
    tiered,
    worst_of,
)
from brokerfix.facts import (
    LiquidationHeld,
    LiquidationSliced,
    LossReached,
    MarginChanged,
    OrderAccepted,
    OrderRejected,
)
from tests.scenario import World, run_step

ONE_FUTURE = [0, 0, 3330, 3330, -3330, -3330, 6670, 6670, -6670, -6670, 10000, 10000, -10000, -10000, -7000, 7000]
"""What one long future of a range of 10,000 loses in each scenario."""


@pytest.mark.parametrize(
    ("right", "spot", "premium", "of_two"),
    [("call", 196, 14, 10_640), ("call", 180, 14, 7_600), ("put", 182, 14, 10_080), ("put", 196, 14, 9_840)],
)
def test_a_short_option_by_itself(right: str, spot: int, premium: int, of_two: int) -> None:
    """Two contracts of 100, strike 192 (Cboe's margin manual)."""
    assert 200 * short_option(right == "call", spot * 100, 192 * 100, premium * 100) == of_two * 100


@pytest.mark.parametrize(
    ("holdings", "charge", "option_value", "margin"),
    [
        ([(1, ONE_FUTURE)], 0, 0, 10_000),
        ([(-1, ONE_FUTURE)], 0, 0, 10_000),
        ([(75, [1000] * 16)], 0, 0, 75_000),
        ([(1, [113_226] * 16)], 0, -28_447, 141_673),
        ([(1, [50] * 16)], 0, 60, 0),
        ([(1, ONE_FUTURE), (-1, ONE_FUTURE)], 0, 0, 0),
        ([(1, ONE_FUTURE), (-1, ONE_FUTURE)], 400, 0, 400),
    ],
)
def test_scan_risk(holdings: list[tuple[int, list[int]]], charge: int, option_value: int, margin: int) -> None:
    """A future long and short; 75 with a worst loss of 1,000; a short call; a long option alone; a spread."""
    assert scan_risk(holdings, charge, 0, option_value) == margin


def test_a_minimum_for_short_options_counts_where_the_scan_is_less() -> None:
    assert scan_risk([(1, [10] * 16)], 0, 50, 0) == 50


TIERS = (("0", 100), ("50000", 250), ("250000", 500))


def test_tiers_have_no_jumps() -> None:
    assert [deduction for _, _, deduction in brackets(TIERS)] == [0, to_money("750"), to_money("7000")]
    assert tiered(to_money("50000"), TIERS) == to_money("500")
    assert tiered(to_money("100000"), TIERS) == to_money("1750")
    assert tiered(to_money("250000"), TIERS) == to_money("5500")


@given(st.integers(0, 10**18), st.integers(0, 10**15))
def test_tiers_never_fall(notional: int, more: int) -> None:
    assert tiered(notional, TIERS) <= tiered(notional + more, TIERS) <= tiered(notional, TIERS) + share(more, 500) + 1


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 20), st.integers(0, 20)), max_size=4), st.data())
def test_open_orders_count_at_their_worst(positions: list[tuple[int, int, int]], data: st.DataObject) -> None:
    """However they are filled, no more margin is needed than was asked for."""
    arrays = [data.draw(st.lists(st.integers(-100, 100), min_size=16, max_size=16)) for _ in positions]
    sides = [(qty - sells, qty + buys, array) for (qty, buys, sells), array in zip(positions, arrays, strict=True)]
    asked = scan_risk(worst_of(sides))
    filled = [
        (qty + data.draw(st.integers(0, buys)) - data.draw(st.integers(0, sells)), array)
        for (qty, buys, sells), array in zip(positions, arrays, strict=True)
    ]
    assert scan_risk(filled) <= asked


@given(
    st.integers(1, 10**15), st.integers(0, 10**14), st.integers(0, 10**14), st.integers(2, 9000), st.integers(0, 500)
)
def test_what_is_liquidated_restores_the_buffer(held: int, missing: int, buffer: int, m: int, costs: int) -> None:
    sold = liquidation_notional(-missing, buffer, m, costs, 0)
    if sold is None:
        assert m <= costs
        return
    if sold <= held:
        assert -missing + sold * (m - costs) // 10_000 >= buffer - 1
        assert -missing + (sold - 1) * (m - costs) // 10_000 <= buffer


def mark(world: World, price: str, qty: int = 10_000) -> None:
    """Best prices around a price, and on record."""
    cents = round(float(price) * 100)
    bid, ask = (cents - 1) / 100, (cents + 1) / 100
    run_step(world, f"quote XNAS AAPL bid {qty}@{bid:.2f} ask {qty}@{ask:.2f}")
    run_step(world, f"print XNAS AAPL 1@{price}")
    run_step(world, "record")


def bought(margin: str, cash: str, qty: int, price: str, **settings: str) -> World:
    """ALICE has bought with margin, at the exchange."""
    world = World(venues="XNAS", margin=margin, cash=cash, collar_bps="0", **settings)
    run_step(world, "venue XNAS up")
    mark(world, price)
    buy(world, "A1", "c1", qty, price)
    return world


def buy(world: World, cl_ord_id: str, child: str, qty: int, price: str) -> None:
    run_step(world, f"client ALICE new {cl_ord_id} buy {qty} AAPL {price}")
    run_step(world, f"venue XNAS fill {child} {qty}@{price} cum {qty}")


def figures(world: World) -> dict[str, int]:
    """Cash, equity, maintenance margin, excess and available funds of ALICE, in whole money."""
    account = world.state.accounts["ALICE"]
    numbers = {
        "cash": account.cash, "elv": account.equity, "mm": account.maintenance, "el": account.excess,
        "af": account.buying_power,
    }  # fmt: skip
    assert not any(number % to_money("1") for number in numbers.values())
    return {name: number // to_money("1") for name, number in numbers.items()}


def test_reg_t_as_interactive_brokers_works_it_out() -> None:
    world = bought("reg-t", "10000", 500, "40.00")
    assert figures(world) == {"cash": -10_000, "elv": 10_000, "mm": 5_000, "el": 5_000, "af": 0}
    mark(world, "45.00")
    assert figures(world) == {"cash": -10_000, "elv": 12_500, "mm": 5_625, "el": 6_875, "af": 1_250}
    mark(world, "35.00")
    assert figures(world) == {"cash": -10_000, "elv": 7_500, "mm": 4_375, "el": 3_125, "af": -1_250}
    run_step(world, "client ALICE new A2 buy 1 AAPL 35.00")
    assert isinstance(world.facts[-1], OrderRejected)
    assert world.facts[-1].text.startswith("MARGIN: limit=-1250.00")
    run_step(world, "client ALICE new A3 sell 500 AAPL 36.00")
    assert any(isinstance(fact, OrderAccepted) and fact.cl_ord_id == "A3" for fact in world.facts), "closing passes"


def test_initial_margin_at_its_boundary() -> None:
    world = World(venues="XNAS", margin="reg-t", cash="10000", collar_bps="0")
    run_step(world, "venue XNAS up")
    mark(world, "40.00")
    run_step(world, "client ALICE new A1 buy 501 AAPL 40.00")
    assert isinstance(world.facts[-1], OrderRejected)
    assert world.facts[-1].text == "MARGIN: limit=10000.00, value=10020.00"
    run_step(world, "client ALICE new A2 buy 400 AAPL 40.00")
    run_step(world, "client ALICE new A3 sell 500 AAPL 40.00")
    accepted = [fact.cl_ord_id for fact in world.facts if isinstance(fact, OrderAccepted)]
    assert accepted == ["A2", "A3"], "only the worse side counts"
    run_step(world, "client ALICE new A4 buy 101 AAPL 40.00")
    assert isinstance(world.facts[-1], OrderRejected)


def standings(world: World) -> list[str]:
    return [fact.standing for fact in world.facts if isinstance(fact, MarginChanged)]


def test_a_call_comes_once() -> None:
    """1,000 at 0.50 with leverage 2: at 0.51 a warning only; with 1,000 more and a value of -250 one call (the cases of
    LEAN's margin call model)."""
    more = {"policy": "grace_seconds=60", "terms": "maintenance=0.5", "limits": "account ALICE buying_power=false"}
    world = bought("tiered", "250", 1000, "0.50", **more)
    mark(world, "0.51")
    assert figures(world) == {"cash": -250, "elv": 260, "mm": 255, "el": 5, "af": 5}
    assert standings(world)[-1] == Standing.WARNING
    assert Standing.CALL not in standings(world)
    mark(world, "1.00")
    buy(world, "A2", "c2", 1000, "1.00")
    mark(world, "0.50")
    assert figures(world) == {"cash": -1250, "elv": -250, "mm": 500, "el": -750, "af": -750}
    mark(world, "0.49")
    run_step(world, "wait 1")
    assert standings(world).count(Standing.CALL) == 1


def called(**settings: str) -> World:
    """ALICE has 500 bought at 40.00 with 10,000, and a buy and a sell that work; at 26.00 it is called."""
    world = bought("reg-t", "10000", 500, "40.00", **{"policy": "grace_seconds=5", **settings})
    mark(world, "50.00")
    for number, order in enumerate(("buy 10 AAPL 20.00", "sell 100 AAPL 60.00"), 2):
        run_step(world, f"client ALICE new A{number} {order}")
        run_step(world, f"venue XNAS ack c{number}")
    mark(world, "26.00")
    return world


def test_a_call_cancels_what_would_need_more_and_lets_positions_be_closed_only() -> None:
    world = called()
    assert figures(world) == {"cash": -10_000, "elv": 3_000, "mm": 3_250, "el": -250, "af": -3_630}
    working = world.state.clients["ALICE"].working.values()
    assert [(order.cl_ord_id, order.pending is not None) for order in working] == [("A2", True), ("A3", False)]
    run_step(world, "client ALICE new A4 buy 1 AAPL 26.00")
    assert isinstance(world.facts[-1], OrderRejected)
    assert world.facts[-1].text == "REDUCE_ONLY: value=1, at=account ALICE, the account is in a margin call"
    run_step(world, "client ALICE new A5 sell 100 AAPL 26.00")
    assert any(isinstance(fact, OrderAccepted) and fact.cl_ord_id == "A5" for fact in world.facts)


def slices(world: World) -> list[LiquidationSliced]:
    return [fact for fact in world.facts if isinstance(fact, LiquidationSliced)]


def test_a_liquidation_sells_just_enough_and_stops() -> None:
    """x = (buffer - EL) / (m - slip) = (162.50 + 250) / (0.25 - 0.005) = 1683.68, which is 65 shares at 26.00."""
    world = called()
    run_step(world, "wait 5")
    run_step(world, "wait 0.1")
    run_step(world, "venue XNAS canceled c2")
    run_step(world, "venue XNAS canceled c3")
    (first,) = slices(world)
    assert (first.qty, first.price, first.excess, first.target, first.relief_bps) == (
        65,
        2548,
        "-250.00",
        "162.50",
        2500,
    )
    run_step(world, "wait 1")
    assert len(slices(world)) == 1, "the next one waits for this one's end"
    child = f"c{len(world.names)}"
    run_step(world, f"venue XNAS fill {child} 65@25.90 cum 65")
    run_step(world, "wait 1")
    assert standings(world)[-3:] == [Standing.CALL, Standing.LIQUIDATING, Standing.OK]
    account = world.state.accounts["ALICE"]
    assert account.positions["AAPL"].qty == 435
    assert account.excess == to_money("166")
    assert not world.state.called
    run_step(world, "client ALICE new A6 sell 1 AAPL 26.00")
    assert isinstance(world.facts[-3], OrderAccepted)


def test_a_liquidation_never_takes_more_than_is_in_sight_or_than_the_largest_slice() -> None:
    for policy, qty, expected in (("", 10, 10), (",max_slice=520", 10_000, 20)):
        world = called(policy="grace_seconds=5" + policy)
        run_step(world, "venue XNAS canceled c2")
        mark(world, "26.00", qty)
        run_step(world, "wait 5")
        run_step(world, "wait 0.1")
        assert [one.qty for one in slices(world)] == [expected]


def test_a_liquidation_waits_for_prices_and_for_an_operator() -> None:
    world = called()
    run_step(world, "venue XNAS canceled c2")
    run_step(world, "quote XNAS AAPL bid 100@25.99")
    run_step(world, "wait 5")
    run_step(world, "wait 0.1")
    held = [fact for fact in world.facts if isinstance(fact, LiquidationHeld)]
    assert [fact.text for fact in held] == ["AAPL: there are no prices of both sides"]
    run_step(world, "quote XNAS AAPL bid 100@12.99 ask 100@13.01")
    run_step(world, "wait 1")
    assert slices(world) == [], "half of the mark in one step is not believed"
    world.submit(OperatorMargin(world.now, "carol", "ALICE", True, "talking to the client"))
    mark(world, "26.00")
    run_step(world, "wait 1")
    assert slices(world) == []
    run_step(world, "print XNAS AAPL 1@12.00")
    world.submit(OperatorMargin(world.now, "carol", "ALICE", False))
    run_step(world, "wait 1")
    assert len(slices(world)) == 1, "an operator who lets it go on trusts the prices that there are"


def test_what_an_account_owes_at_the_end_is_a_claim() -> None:
    world = called()
    for child in ("c2", "c3"):
        run_step(world, f"venue XNAS canceled {child}")
    mark(world, "18.00")
    run_step(world, "wait 5")
    run_step(world, "wait 0.1")
    (first,) = slices(world)
    assert first.qty == 500
    run_step(world, f"venue XNAS fill c{len(world.names)} 500@18.00 cum 500")
    run_step(world, "wait 1")
    account = world.state.accounts["ALICE"]
    assert (account.cash, world.state.deficits["ALICE"]) == (0, to_money("1000"))
    assert standings(world)[-1] == Standing.CLOSED_OUT
    run_step(world, "client ALICE new A6 buy 1 AAPL 18.00")
    assert isinstance(world.facts[-1], OrderRejected)
    world.settings["cash"] = "12000"
    world.start()
    assert standings(world)[-1] == Standing.OK
    assert world.recovered().hash() == world.state.hash()


def test_a_loss_limit_tells_then_reduces_then_kills() -> None:
    world = bought("reg-t", "10000", 100, "40.00", limits="account ALICE max_loss=1000")
    run_step(world, "client ALICE new A2 sell 10 AAPL 60.00")
    mark(world, "35.00")
    mark(world, "33.00")
    assert [fact.percent for fact in world.facts if isinstance(fact, LossReached)] == [50]
    mark(world, "32.00")
    run_step(world, "client ALICE new A3 buy 1 AAPL 32.00")
    assert isinstance(world.facts[-1], OrderRejected)
    assert world.facts[-1].text.endswith("80 % of what it may lose today is lost")
    mark(world, "30.00")
    assert [fact.percent for fact in world.facts if isinstance(fact, LossReached)] == [50, 80, 100]
    assert ("account", "ALICE") in world.state.killed
    run_step(world, "client ALICE new A4 sell 10 AAPL 30.00")
    assert world.facts[-1].text.startswith("HALTED: account ALICE")
    assert not list(broken_in_state(world.state))
