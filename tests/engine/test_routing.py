"""Routing modes and policies, in one process: what each sends where, and what comes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.commands import MarketUpdate
from brokerfix.engine.engine import observe
from brokerfix.engine.routing.modes import equal_shares, shares
from brokerfix.facts import RouteDecided
from tests.scenario import FEES, World, run_step

SECOND = 10**9


def market(*steps: str, **settings: str) -> World:
    world = World(**settings)
    for step in ("venue XNAS up", "venue XNYS up", *steps):
        run_step(world, step)
    return world


TWO = ("quote XNAS AAPL ask 300@150.00", "quote XNYS AAPL ask 100@150.00 ask 200@150.01")


@pytest.mark.parametrize(
    ("mode", "sent"),
    [
        ("best", ["XNAS D c1 buy 300 AAPL 150.00 IOC", "XNYS D c2 buy 100 AAPL 150.00 IOC"]),
        ("pro-rata", ["XNAS D c1 buy 300 AAPL 150.00 IOC", "XNYS D c2 buy 100 AAPL 150.00 IOC"]),
        ("sequential", ["XNYS D c1 buy 100 AAPL 150.00 IOC"]),
        ("spray", ["XNAS D c1 buy 300 AAPL 150.00 IOC", "XNYS D c2 buy 100 AAPL 150.00 IOC"]),
    ],
)
def test_all_that_is_shown_at_a_price(mode: str, sent: list[str]) -> None:
    told = run_step(market(*TWO, route_mode=mode), "client ALICE new C1 buy 400 AAPL 150.00 IOC")
    assert sorted(told[:-1]) == sorted(sent) or _sent(told) == _sent(sent)
    assert told[-1] == "ALICE NEW NEW C1 cum 0 leaves 400"


def _sent(lines: list[str]) -> dict[str, str]:
    """By exchange the quantity that it gets."""
    return {line.split()[0]: line.split()[4] for line in lines if " D " in line}


@pytest.mark.parametrize(
    ("mode", "sent"),
    [
        ("best", {"XNYS": "100", "XNAS": "100"}),  # the lower fee first
        ("pro-rata", {"XNAS": "150", "XNYS": "50"}),
        ("sequential", {"XNYS": "100"}),
        ("spray", {"XNAS": "100", "XNYS": "100"}),
    ],
)
def test_a_part_of_what_is_shown(mode: str, sent: dict[str, str]) -> None:
    told = run_step(market(*TWO, route_mode=mode), "client ALICE new C1 buy 200 AAPL 150.00 IOC")
    assert _sent(told) == sent


def test_one_exchange_after_the_other_goes_on_with_what_is_left() -> None:
    world = market(*TWO, route_mode="sequential")
    assert _sent(run_step(world, "client ALICE new C1 buy 250 AAPL 150.00 IOC")) == {"XNYS": "100"}
    told = run_step(world, "venue XNYS fill c1 100@150.00 cum 100")
    assert _sent(told) == {"XNAS": "150"}
    run_step(world, "venue XNAS fill c2 150@150.00 cum 150")
    assert next(iter(world.state.orders.values())).cum == 250


def test_dark_exchanges_are_asked_at_the_mid_once_and_first() -> None:
    world = market("quote XNAS AAPL bid 100@149.98 ask 100@150.01", route_mode="dark-first", dark="XNYS")
    told = run_step(world, "client ALICE new C1 buy 100 AAPL 150.05 IOC")
    # The mid is 149.995: half a tick goes in the order's favour.
    assert told[0] == "XNYS D c1 buy 100 AAPL 149.99 IOC"
    run_step(world, "venue XNYS fill c1 30@149.99 cum 30")
    assert run_step(world, "venue XNYS canceled c1") == ["XNAS D c2 buy 70 AAPL 150.01 IOC"]


def test_taken_and_queued_as_the_terms_have_it() -> None:
    quotes = "quote XNAS AAPL bid 50@149.98 ask 900@150.02", "quote XNYS AAPL bid 10@149.98"
    world = market(*quotes, route_mode="split", placement="yes")
    told = run_step(world, "client ALICE new C1 buy 200 AAPL 150.02")
    decided = next(fact for fact in world.facts if isinstance(fact, RouteDecided))
    assert decided.mode == "split"
    assert decided.note.startswith("half spread 0.02, outflow 100, lambda_u 0.05: ")
    queued = sum(int(line.split()[4]) for line in told if line.endswith("149.98 DAY"))
    taken = sum(int(line.split()[4]) for line in told if line.endswith("150.02 IOC"))
    assert queued + taken == 200
    assert 0 < queued < 200


def test_an_order_for_one_exchange_does_not_trade_through_another() -> None:
    quotes = "quote XNAS AAPL ask 100@150.02", "quote XNYS AAPL ask 30@150.00"
    free = market(*quotes)
    assert _sent(run_step(free, "client ALICE new C1 buy 100 AAPL 150.02 IOC +100=XNAS")) == {"XNAS": "100"}
    away = market(*quotes, trade_through="route-away")
    assert run_step(away, "client ALICE new C1 buy 100 AAPL 150.02 IOC +100=XNAS")[0] == (
        "XNYS D c1 buy 30 AAPL 150.00 IOC"
    )
    sweep = market(*quotes, trade_through="iso", supports="iso")
    told = run_step(sweep, "client ALICE new C1 buy 100 AAPL 150.02 IOC +100=XNAS")
    assert _sent(told) == {"XNYS": "30", "XNAS": "70"}
    assert any("18=f" in out.text.replace("\x01", "|") for out in sweep.sent)


def test_a_maker_shares_in_the_improvement() -> None:
    """Our book sells at 150.00, the best exchange at 150.04: half of the distance is the maker's."""
    world = market("quote XNAS AAPL ask 100@150.04", post="book", cross_share="5000")
    run_step(world, "client BOB new S1 sell 100 AAPL 150.00")
    told = run_step(world, "client ALICE new C1 buy 100 AAPL 150.05 IOC")
    assert any("last 100@150.02" in line for line in told if line.startswith("BOB"))
    limited = market("quote XNAS AAPL ask 100@150.04", post="book", cross_share="5000")
    run_step(limited, "client BOB new S1 sell 100 AAPL 150.00")
    told = run_step(limited, "client ALICE new C1 buy 100 AAPL 150.01 IOC")
    assert any("last 100@150.01" in line for line in told if line.startswith("BOB"))


def test_a_posted_part_moves_when_another_exchange_shows_what_it_would_take() -> None:
    world = market("quote XNAS AAPL ask 100@150.10", repost=str(SECOND))
    first = run_step(world, "client ALICE new C1 buy 100 AAPL 150.00")[0]
    venue, other = first.split()[0], "XNYS" if first.startswith("XNAS") else "XNAS"
    run_step(world, f"venue {venue} ack c1")
    assert run_step(world, f"quote {other} AAPL ask 60@149.99") == []  # too soon
    assert run_step(world, "wait 2") == [f"{venue} F c2<c1"]
    told = run_step(world, f"venue {venue} canceled c2 c1")
    assert _sent(told)[other] in ("60", "100")


def tripped(*quotes: str, **settings: str) -> World:
    """XNYS has rejected two orders in a row, ten seconds ago and more: it is to be tried with a little."""
    world = market("quote XNYS AAPL ask 300@150.00", failures="2", **settings)
    run_step(world, "client BOB new R0 buy 10 AAPL 150.00 IOC")
    run_step(world, "venue XNYS fill c1 10@150.00 cum 10")
    for number in (2, 3):
        run_step(world, f"client BOB new R{number} buy 10 AAPL 150.00 IOC")
        run_step(world, f"venue XNYS rejected c{number}")
    for quote in quotes:
        run_step(world, quote)
    return world


def test_an_exchange_that_fails_is_left_alone_then_tried_with_a_little() -> None:
    world = tripped(*TWO)
    told = run_step(world, "client ALICE new C1 buy 200 AAPL 150.00 IOC")
    assert _sent(told) == {"XNAS": "200"}
    scores = [fact for fact in world.facts if isinstance(fact, RouteDecided)][-1].scores
    assert [one.why for one in scores if one.venue == "XNYS"] == ["circuit open, it has failed 1 times"]
    run_step(world, "venue XNAS fill c4 200@150.00 cum 200")
    run_step(world, "wait 11")
    run_step(world, TWO[0])
    run_step(world, "client ALICE new C2 buy 200 AAPL 150.00 IOC")
    probes = [child.qty for child in world.state.open_children["XNYS"].values()]
    assert probes == [20]
    # The first sign of it closes the circuit, also of a child that rests.
    run_step(world, "venue XNYS ack c6")
    assert world.state.circuits == {}


@pytest.mark.parametrize(
    "order",
    ["buy 100 AAPL 150.00 FOK", "buy 100 AAPL 150.00 +18=G", "buy 100 AAPL 150.00 +110=50", "buy 100 AAPL 149.00 +18=6",
     "buy 100 AAPL 150.00 +111=10", "buy 100 AAPL 150.00"],
)  # fmt: skip
def test_what_can_not_be_parted_is_not_tried_in_parts(order: str) -> None:
    world = tripped()
    run_step(world, "wait 11")
    run_step(world, "quote XNYS AAPL ask 300@150.00")
    run_step(world, f"client ALICE new C1 {order}")
    (known,) = world.state.clients["ALICE"].working.values()
    assert known.unplaced == 0
    assert sum(child.qty for child in known.children) + known.held == 100


def test_what_a_client_sends_there_by_itself_opens_no_circuit() -> None:
    world = market(*TWO, failures="2")
    for number in (1, 2, 3):
        run_step(world, f"client BOB new R{number} buy 10 AAPL 150.00 IOC +100=XNAS")
        run_step(world, f"venue XNAS rejected c{number}")
    assert "XNAS" not in world.state.circuits or not world.state.circuits["XNAS"].failures


def test_protection_looks_at_every_price_that_the_order_would_reach() -> None:
    quotes = "quote XNYS AAPL ask 10@150.00 ask 90@150.10", "quote XNAS AAPL ask 50@150.05"
    away = market(*quotes, trade_through="route-away")
    told = run_step(away, "client ALICE new C1 buy 100 AAPL 150.10 IOC +100=XNYS")
    assert told[0] == "XNAS D c1 buy 50 AAPL 150.05 IOC"
    # What better prices have not filled goes where it was to go.
    assert _sent(run_step(away, "venue XNAS fill c1 50@150.05 cum 50")) == {"XNYS": "50"}


def test_an_iceberg_that_sweeps_is_never_more_than_itself() -> None:
    world = market("quote XNAS AAPL ask 20@149.90", "quote XNYS AAPL ask 500@150.00", trade_through="iso")
    run_step(world, "client ALICE new C1 buy 100 AAPL 150.00 +100=XNYS +111=10")
    (order,) = world.state.orders.values()
    assert (sum(child.qty for child in order.children), order.held) == (30, 70)


def test_a_maker_shares_in_no_price_that_is_hardly_shown() -> None:
    world = market("quote XNAS AAPL ask 1@900.00", post="book", cross_share="10000")
    run_step(world, "client BOB new S1 sell 100 AAPL 150.00")
    told = run_step(world, "client ALICE new C1 buy 10 AAPL market IOC")
    assert any("last 10@150.00" in line for line in told if line.startswith("BOB"))


def test_nothing_is_queued_where_a_fill_costs_more_than_to_miss_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FEES, "XNAS", ("0.0030", "1.00"))
    quotes = "quote XNAS AAPL bid 50@149.98 ask 900@150.02", "quote XNYS AAPL bid 10@149.98"
    world = market(*quotes, route_mode="split", placement="yes")
    told = run_step(world, "client ALICE new C1 buy 200 AAPL 150.02")
    assert "XNAS" not in [line.split()[0] for line in told if line.endswith("149.98 DAY")]


def test_equal_prices_go_to_who_fills_more() -> None:
    """With the same fees an exchange that fills what it shows comes before one that does not."""
    world = market(route_mode="sequential")
    score = world.state.scores
    observe(world.state, MarketUpdate("XNAS", "AAPL", True, ()))
    run_step(world, "quote XNYS AAPL ask 100@150.00")
    run_step(world, "client ALICE new C1 buy 50 AAPL 150.00 IOC")
    run_step(world, "venue XNYS canceled c1")
    assert score["XNYS/"].filled < 9000
    assert score["XNYS/"].sent == 1


@given(st.integers(1, 500), st.lists(st.integers(1, 200), min_size=1, max_size=5), st.sampled_from([1, 5, 10]))
def test_shares_make_up_the_whole_and_are_never_more_than_shown(total: int, shown: list[int], lot: int) -> None:
    depth = {f"V{number}": qty for number, qty in enumerate(shown)}
    for spread in (shares, equal_shares):
        wanted = spread(total, depth, lot)
        assert sum(wanted.values()) == min(total, sum(shown))
        assert all(0 <= qty <= depth[venue] for venue, qty in wanted.items())


def test_shares_by_cost_reach_as_far_as_the_sweep_does() -> None:
    """XNAS takes 0.0030 and offers at 150.00, XNYS 0.0025 at 150.00 too: by cost both are in reach."""
    quotes = "quote XNAS AAPL ask 100@150.00", "quote XNYS AAPL ask 100@150.00"
    told = run_step(
        market(*quotes, route_mode="pro-rata", route_by="cost"), "client ALICE new C1 buy 150 AAPL 150.00 IOC"
    )
    assert _sent(told) == {"XNAS": "75", "XNYS": "75"}


def test_a_recovered_exchange_is_tried_with_a_little_where_another_can_have_the_rest() -> None:
    world = market(*TWO, failures="5")
    run_step(world, "client ALICE new C0 buy 10 AAPL 150.00 IOC +100=XNAS")
    run_step(world, "venue XNAS fill c1 10@150.00 cum 10")
    run_step(world, "client ALICE new C1 buy 10 AAPL 150.00 IOC +100=XNYS")
    run_step(world, "venue XNYS fill c2 10@150.00 cum 10")
    run_step(world, "venue XNYS down")
    run_step(world, "venue XNYS up")
    run_step(world, TWO[1])
    told = run_step(world, "client ALICE new C2 buy 100 AAPL 150.00 IOC")
    assert _sent(told) == {"XNYS": "10", "XNAS": "90"}
    # While the first has no answer yet the next is not refused for it.
    told = run_step(world, "client ALICE new C3 buy 10 AAPL 149.00")
    assert len(_sent(told)) == 1
    alone = market("quote XNYS AAPL ask 100@150.00", failures="5")
    assert _sent(run_step(alone, "client ALICE new C1 buy 100 AAPL 150.00 IOC")) == {"XNYS": "100"}
