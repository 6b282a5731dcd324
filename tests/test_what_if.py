"""What would be agrees with what then is, and changes nothing."""

import pytest

from brokerfix.domain import Inexact, Side, Standing, to_money
from brokerfix.facts import OrderAccepted, OrderRejected
from brokerfix.operate.what_if import Tried, Wanted, marks_after, moves_of, shock, shocked, tried
from tests.engine.test_controls import CASES, world_of
from tests.engine.test_margin import bought, mark
from tests.scenario import World, run_step


def ask(world: World, terms: str) -> Tried:
    """What is said of an order of ALICE's, in the words of a scenario."""
    side, qty, symbol, price = terms.split()
    wanted = Wanted("ALICE", "ALICE", symbol, Side[side.upper()], qty, "" if price == "market" else price)
    return tried(world.state, wanted, world.now)


@pytest.mark.parametrize(("limits", "before", "passes", "refused", "evidence"), CASES)
def test_an_order_is_weighed_as_the_broker_does(
    limits: str, before: tuple[str, ...], passes: str, refused: str, evidence: tuple[str, ...]
) -> None:
    for terms in filter(None, (passes, refused)):
        world = world_of(limits, before)
        was = world.state.hash()
        found = ask(world, terms)
        assert world.state.hash() == was
        run_step(world, f"client ALICE new T1 {terms}")
        fact = next(one for one in world.facts if isinstance(one, OrderAccepted | OrderRejected) and
                    one.cl_ord_id == "T1")  # fmt: skip
        assert found.refused == (fact.text if isinstance(fact, OrderRejected) else "")
        broken = [(one.check, one.limit, one.value, one.at) for one in found.limits if one.broken]
        assert evidence in broken if terms == refused else not broken


def test_what_takes_too_much_margin_is_refused_with_what_there_is() -> None:
    world = bought("reg-t", "10000", 400, "40.00")
    found = ask(world, "buy 200 AAPL 40.00")
    assert found.refused == "MARGIN: limit=2000.00, value=4000.00"
    assert [(one.name, one.limit, one.value) for one in found.limits if one.broken] == [
        ("margin", "2000.00", "4000.00")
    ]
    assert ask(world, "sell 400 AAPL 40.00").refused == ""


@pytest.mark.parametrize(("account", "symbol", "qty", "told"), [
    ("XX", "AAPL", "1", "there is no account 'XX'"), ("ALICE", "XX", "1", "there is no symbol 'XX'"),
    ("ALICE", "AAPL", "x", "'x' is not a decimal number"), ("ALICE", "AAPL", "0.5", "0.5 has more than 0 decimals"),
])  # fmt: skip
def test_what_is_no_order_is_told(account: str, symbol: str, qty: str, told: str) -> None:
    world = World(venues="")
    with pytest.raises(Inexact, match=told):
        tried(world.state, Wanted("ALICE", account, symbol, Side.BUY, qty, "150.00"), world.now)


@pytest.mark.parametrize("price", ["45.00", "35.00", "26.00", "19.00", "12.00"])
@pytest.mark.parametrize("kind", ["reg-t", "tiered"])
def test_a_shock_shows_what_the_mark_then_brings(kind: str, price: str) -> None:
    world = bought(kind, "10000", 500, "40.00", policy="grace_seconds=60")
    was, agenda = world.state.hash(), dict(world.state.agenda)
    percent = f"{(float(price) - 40) / 40 * 100:.2f}"
    (found,) = shocked(world.state, moves_of(percent))
    assert (world.state.hash(), world.state.agenda) == (was, agenda)
    assert (found.account, found.equity_was) == ("ALICE", to_money("10000"))
    mark(world, price)
    account = world.state.accounts["ALICE"]
    assert (found.equity, found.maintenance, found.excess) == (account.equity, account.maintenance, account.excess)
    assert (found.standing is Standing.CALL) == (account.standing in (Standing.CALL, Standing.LIQUIDATING))


def test_a_shock_of_one_symbol_leaves_the_others() -> None:
    world = bought("reg-t", "10000", 100, "40.00")
    assert shock(world.state, "ALICE", marks_after(world.state, moves_of("MSFT -50"))) == shock(
        world.state, "ALICE", dict(world.state.marks)
    )
    found = shock(world.state, "ALICE", marks_after(world.state, moves_of("5, AAPL -50")))
    assert found is not None
    assert found.equity - found.equity_was == to_money("-2000")
    assert shock(world.state, "BOB", {}) is None


@pytest.mark.parametrize("text", ["", "x", "-100", "XX -10", "AAPL", "1.005"])
def test_what_is_no_shock_is_told(text: str) -> None:
    with pytest.raises(Inexact):
        marks_after(World(venues="").state, moves_of(text))
