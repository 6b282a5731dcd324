"""Work is in proportion to what happens, and what one client or one simulation can ask of us is bounded."""

import pytest

from brokerfix.commands import (
    ExpireOrders,
    MarketUpdate,
    MassCancel,
    NewOrder,
    RecordQuotes,
)
from brokerfix.domain import Instructions, OrdStatus, OrdType, Side, TimeInForce, id_text
from brokerfix.engine import jobs
from brokerfix.engine.engine import observe
from brokerfix.engine.orders import instructions
from brokerfix.facts import MassCanceled, OrderCanceled, OrderRejected, OrderRepriced, Quoted, SliceDone, StatusesAsked
from tests.scenario import World, run_step


def top(world: World, bid: int, ask: int) -> None:
    observe(world.state, MarketUpdate("XNAS", "AAPL", True, ((Side.BUY, bid, 500), (Side.SELL, ask, 500))))


def pegs(world: World, count: int) -> None:
    for number in range(count):
        world.now += 1_000_000
        asked = Instructions(exec_inst=("R",))
        terms = Side.BUY, OrdType.PEGGED, TimeInForce.DAY, 10, 0
        world.submit(NewOrder(world.now, "ALICE", f"P{number}", "", "AAPL", *terms, instructions=asked))


def test_trial_7_an_iceberg_of_any_number_of_slices_is_worked_to_its_end() -> None:
    """Its exchange can't show a part itself, so that each slice is a child of its own."""
    world = World(venues="XNAS")
    run_step(world, "venue XNAS up")
    run_step(world, "client ALICE new C1 buy 6000 AAPL 149.00 +111=100")
    order = world.state.orders[next(iter(world.state.orders))]
    for number in range(60):
        (child,) = order.children
        run_step(world, f"venue XNAS fill {world.names[id_text(child.child_id)]} 100@149.00 cum 100")
        assert order.cum == 100 * (number + 1)
    assert order.status is OrdStatus.FILLED
    assert len(order.children) == 0


def test_trial_7_an_exchange_that_fills_nothing_is_not_tried_for_ever() -> None:
    world = World(venues="XNAS", post="book")
    run_step(world, "venue XNAS up")
    run_step(world, "client ALICE new C1 buy 100 AAPL 150.00 GTC")
    order = next(iter(world.state.orders.values()))
    tries = 0
    while not order.children and tries < 100:
        run_step(world, "quote XNAS AAPL ask 100@150.00")
        for child in order.children:
            run_step(world, f"venue XNAS canceled {world.names[id_text(child.child_id)]}")
        tries += 1
    assert order.routes == 50


def test_trial_20_only_what_has_moved_is_looked_at_to_be_recorded() -> None:
    world = World()
    run_step(world, "venue XNAS up")
    world.submit(RecordQuotes(world.now))
    world.state.market.unrecorded.clear()
    top(world, 14990, 15010)
    assert list(world.state.market.unrecorded) == ["AAPL"]
    world.submit(RecordQuotes(world.now, ("MSFT",)))
    assert world.last_facts == []
    world.submit(RecordQuotes(world.now, ("AAPL",)))
    assert [type(fact) for fact in world.last_facts] == [Quoted]


def test_trial_20_many_working_orders_are_canceled_reported_and_expired_in_slices() -> None:
    world = World(post="book", cash="100000000000")
    count = 2 * jobs.MOST_DONE + 1
    for number in range(count):
        world.now += 1_000_000
        asked = Instructions(expire_at=world.now + 10**12)
        terms = Side.BUY, OrdType.LIMIT, TimeInForce.GTD, 10, 14900
        world.submit(NewOrder(world.now, "ALICE", f"C{number}", "", "AAPL", *terms, instructions=asked))
    world.facts.clear()
    world.client("ALICE", "AF", (584, "M1"), (585, "7"))
    assert len([fact for fact in world.facts if isinstance(fact, StatusesAsked)]) == 1
    assert largest_slice(world) == jobs.MOST_DONE
    world.facts.clear()
    world.submit(MassCancel(world.now, "ALICE", "M2", "7"))
    assert next(fact.orders for fact in world.facts if isinstance(fact, MassCanceled)) == count
    assert largest_slice(world) == jobs.MOST_DONE
    assert len([fact for fact in world.facts if isinstance(fact, OrderCanceled)]) == count


def largest_slice(world: World) -> int:
    return max(fact.seen for fact in world.facts if isinstance(fact, SliceDone))


def test_trial_20_orders_whose_time_has_come_expire_some_at_a_time() -> None:
    world = World(post="book", cash="100000000000")
    for number in range(120):
        asked = Instructions(expire_at=world.now + 10**9)
        terms = Side.BUY, OrdType.LIMIT, TimeInForce.GTD, 10, 14900
        world.submit(NewOrder(world.now, "ALICE", f"C{number}", "", "AAPL", *terms, instructions=asked))
    world.now += 2 * 10**9
    assert [len(world.submit(ExpireOrders(world.now))) for _ in range(4)] == [50, 50, 20, 0]


def test_trial_21_pegs_that_stay_where_they_are_cost_one_look_each(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(post="book", venues="XNAS", cash="100000000000")
    run_step(world, "venue XNAS up")
    top(world, 14990, 15010)
    pegs(world, 40)
    looks = count_looks(monkeypatch)
    top(world, 14990, 15011)
    world.follow_up()
    assert looks[0] <= 40


def test_trial_21_a_tick_costs_some_looks_for_each_peg_that_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(post="book", venues="XNAS", cash="100000000000")
    run_step(world, "venue XNAS up")
    top(world, 14990, 15010)
    pegs(world, 40)
    world.facts.clear()
    looks = count_looks(monkeypatch)
    top(world, 14991, 15011)
    world.follow_up()
    assert len([fact for fact in world.facts if isinstance(fact, OrderRepriced)]) == 40
    assert looks[0] <= 4 * 40


def count_looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    looks = [0]
    peg_price = instructions.peg_price

    def counted(*args: object) -> int:
        looks[0] += 1
        return peg_price(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("brokerfix.engine.waiting.pegs.peg_price", counted)
    monkeypatch.setattr("brokerfix.engine.routing.plan.peg_price", counted)
    return looks


def test_trial_21_a_client_may_have_so_many_orders_that_follow_the_market() -> None:
    world = World(post="book", venues="XNAS", cash="100000000000", most_following="3")
    run_step(world, "venue XNAS up")
    top(world, 14990, 15010)
    pegs(world, 4)
    refused = world.facts[-1]
    assert isinstance(refused, OrderRejected)
    assert (refused.cl_ord_id, refused.text) == ("P3", "FOLLOWING: limit=3, value=4")
    run_step(world, "client ALICE cancel X1 P0 buy AAPL")
    assert run_step(world, "client ALICE new P4 buy 10 AAPL peg +18=R")[0].startswith("ALICE NEW")


def test_a_request_of_an_order_that_has_left_has_no_turn_after_a_recovery() -> None:
    """The agenda is made of the facts again, with orders on it that are gone since."""
    world = World(pending="queue")
    for step in (
        "venue XNAS up",
        "client ALICE new C1 buy 100 AAPL 149.00",
        "client ALICE replace C2 C1 buy 200 AAPL 149.00",
        "client ALICE cancel C3 C2 buy AAPL",
        "venue XNAS replaced c2 c1",
        "venue XNAS canceled c3 c2",
        "day 20261123",
        "day 20261124",
        "day 20261125",
    ):
        run_step(world, step)
    assert not world.state.orders
    world.state = world.recovered()
    world.start()
    assert not world.state.agenda
