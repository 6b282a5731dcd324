"""What exchanges say otherwise than we have it, and what drop copies say otherwise than the exchanges' own sessions."""

import pytest

from brokerfix.commands import OperatorResolveBreak, Reconcile, SessionUp, VenueReport
from brokerfix.domain import ExecType, OrdStatus, Venue
from brokerfix.facts import Alerted, BreakFound, BreakResolved, ChildStatusAsked, Halted, OperatorRefused
from brokerfix.live.copies import Copies
from tests.scenario import World, run_step

SECOND = 10**9


def world_of(*steps: str, halt: str = "") -> World:
    world = World(venues="XNAS", halt_on_break=halt, drop_copies="yes")
    world.submit(SessionUp(world.now, "COPY", True, True))
    for step in ("venue XNAS up", *steps):
        run_step(world, step)
    return world


def breaks(world: World) -> list[tuple[str, str, str]]:
    return [(one.venue, one.code, one.amount) for one in world.state.breaks.values()]


ORDER = "client ALICE new A1 buy 100 AAPL 150.00"


def test_a_cum_qty_that_is_not_ours_is_a_break_until_a_person_has_looked() -> None:
    world = world_of(ORDER, "venue XNAS fill c1 30@150.00 cum 40")
    assert breaks(world) == [("XNAS", "CUM_QTY", "1500.00")]
    world.die_and_recover()
    number = next(iter(world.state.breaks))
    world.submit(OperatorResolveBreak(world.now, "carol", number, "their report of 10 came later"))
    assert isinstance(world.facts[-1], BreakResolved)
    assert not world.state.breaks
    world.submit(OperatorResolveBreak(world.now, "carol", number))
    assert isinstance(world.facts[-1], OperatorRefused)


@pytest.mark.parametrize(("halt", "is_halted"), [("", False), ("1500", False), ("1499.99", True)])
def test_a_break_beyond_what_is_configured_halts_the_exchange(halt: str, is_halted: bool) -> None:
    world = world_of(ORDER, "venue XNAS fill c1 30@150.00 cum 40", halt=halt)
    halts = [fact for fact in world.facts if isinstance(fact, Halted)]
    assert [(fact.kind, fact.name, fact.operator) for fact in halts] == [
        ("venue", "XNAS", "reconciliation")
    ] * is_halted
    lines = run_step(world, "client ALICE new A2 buy 10 AAPL 150.00")
    assert lines[0].startswith("XNAS D") is not is_halted
    codes = [fact.code for fact in world.facts if isinstance(fact, Alerted)]
    assert ("BREAK_HALT" in codes) is is_halted


def test_an_exchange_is_asked_about_all_that_it_holds() -> None:
    world = world_of(ORDER, "venue XNAS ack c1", "client ALICE new A2 buy 50 AAPL 149.00", "venue XNAS ack c2")
    run_step(world, "client ALICE new A3 buy 50 AAPL 149.00")
    before = len(world.facts)
    world.submit(Reconcile(world.now, "XNAS"))
    asked = [fact.child_id for fact in world.facts[before:] if isinstance(fact, ChildStatusAsked)]
    assert len(asked) == 2, "the third has not been answered yet: it is asked for anyway"
    run_step(world, "venue XNAS status c1 PARTIALLY_FILLED has 100@150.00 cum 25")
    assert world.state.orders[world.state.children[asked[0]].order_id].cum == 25
    assert not world.state.breaks, "what was missed is booked"
    run_step(world, "venue XNAS status c1 PARTIALLY_FILLED has 100@150.00 cum 20")
    assert breaks(world) == [("XNAS", "CUM_QTY", "750.00")]


def copy(world: World, exec_id: str, qty: int, price: int, child: int = 0) -> VenueReport:
    child = child or next(iter(world.state.children))
    return VenueReport(
        world.now, "COPY", exec_id, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, child, 0, "", qty=qty, price=price
    )


def compare(world: World, copies: Copies, seconds: int) -> list[str]:
    """A look of every second."""
    codes = []
    for _ in range(seconds):
        world.now += SECOND
        for found in copies.check(world.state, world.now):
            codes.append(found.code)
            world.submit(found)
    return codes


@pytest.mark.parametrize("copy_comes_first", [False, True])
def test_what_both_sessions_tell_is_no_break(copy_comes_first: bool) -> None:
    world, copies = world_of(ORDER), Copies()
    compare(world, copies, 1)
    for step in (0, 1) if copy_comes_first else (1, 0):
        if step:
            run_step(world, "venue XNAS fill c1 30@150.00 cum 30 exec=X1")
        else:
            copies.take(world.state, copy(world, "X1", 30, 15000), world.now)
        compare(world, copies, 2)
    assert compare(world, copies, 20) == []


def test_a_fill_that_only_the_copy_tells_is_asked_for_and_a_break() -> None:
    world, copies = world_of(ORDER, "venue XNAS ack c1"), Copies()
    compare(world, copies, 1)
    copies.take(world.state, copy(world, "X1", 30, 15000), world.now)
    assert compare(world, copies, 5) == []
    assert compare(world, copies, 10) == ["COPY_ONLY"]
    assert isinstance(world.facts[-1], ChildStatusAsked)
    assert breaks(world) == [("XNAS", "COPY_ONLY", "4500.00")]


def test_a_fill_that_is_not_copied_and_one_that_is_copied_otherwise() -> None:
    world, copies = world_of(ORDER), Copies()
    compare(world, copies, 1)
    run_step(world, "venue XNAS fill c1 30@150.00 cum 30 exec=X1")
    run_step(world, "venue XNAS fill c1 20@150.00 cum 50 exec=X2")
    copies.take(world.state, copy(world, "X2", 25, 15000), world.now)
    assert compare(world, copies, 10) == ["COPY_DIFFERS", "NOT_COPIED"]
    assert [(fact.qty, fact.amount) for fact in world.facts if isinstance(fact, BreakFound)] == [
        (5, "750.00"), (30, "4500.00"),
    ]  # fmt: skip


def test_what_is_not_ours_in_a_copy() -> None:
    world, copies = world_of(ORDER), Copies()
    copies.take(world.state, copy(world, "X9", 5, 15000, child=7), world.now)
    assert compare(world, copies, 10) == ["COPY_ONLY"]
    assert breaks(world) == [("COPY", "COPY_ONLY", "0.00")]


def test_without_a_session_nothing_waits_for_a_copy() -> None:
    world, copies = World(venues="XNAS"), Copies()
    for step in ("venue XNAS up", ORDER, "venue XNAS fill c1 30@150.00 cum 30"):
        run_step(world, step)
        compare(world, copies, 2)
    assert compare(world, copies, 20) == []


def test_nothing_is_routed_to_a_session_of_copies() -> None:
    world = world_of()
    assert world.state.venues["COPY"] == Venue("COPY", drop_copy=True)
    assert [line.split()[0] for line in run_step(world, ORDER)] == ["XNAS", "ALICE"]
    assert not world.state.venue_quotes("COPY", "AAPL")


def test_the_same_again_is_one_break_and_halts_once() -> None:
    world = world_of(ORDER, "venue XNAS fill c1 50@150.00 cum 50", halt="1")
    for _ in range(3):
        run_step(world, "venue XNAS status c1 PARTIALLY_FILLED has 100@150.00 cum 10")
    assert breaks(world) == [("XNAS", "CUM_QTY", "6000.00")]
    run_step(world, "operator carol resume venue XNAS")
    run_step(world, "venue XNAS status c1 PARTIALLY_FILLED has 100@150.00 cum 10")
    assert ("venue", "XNAS") not in world.state.halts
    run_step(world, "venue XNAS status c1 PARTIALLY_FILLED has 100@150.00 cum 5")
    assert ("venue", "XNAS") in world.state.halts, "that is another one"


def test_a_fill_of_an_order_that_is_not_ours_is_beyond_any_size() -> None:
    world = world_of(halt="1000000")
    world.submit(VenueReport(world.now, "XNAS", "E77", ExecType.TRADE, OrdStatus.FILLED, 7, 0, "", qty=1, price=1))
    assert breaks(world) == [("XNAS", "UNKNOWN_ORDER", "0.00")]
    assert ("venue", "XNAS") in world.state.halts


def test_copies_are_waited_for_of_the_exchanges_that_they_are_of() -> None:
    world, copies = world_of(ORDER), Copies()
    world.state.venues["COPY"] = Venue("COPY", drop_copy=True, drop_copy_of=("XNYS",))
    compare(world, copies, 1)
    run_step(world, "venue XNAS fill c1 30@150.00 cum 30")
    assert compare(world, copies, 20) == []
