"""The state's kept form: what is loaded is what was kept, also in the form of an older version."""

from typing import Any

import msgspec

from brokerfix.engine import parts
from brokerfix.engine.evolve import evolve
from brokerfix.engine.state import State
from brokerfix.facts import StateKept
from tests.scenario import World, run_step

STEPS = """
venue XNAS up
quote XNAS AAPL ask 100@150.00
client ALICE new C1 buy 100 AAPL 150.00
venue XNAS fill c1 100@150.00 cum 100
client ALICE new C2 buy 50 AAPL 149.00
venue XNAS ack c2
client ALICE cancel X2 C2 buy AAPL
venue XNAS canceled c3 c2
client ALICE new C3 buy 70 AAPL 149.00 GTC
venue XNAS ack c4
""".strip().splitlines()


def old_form(state: State) -> bytes:
    """The state as a version has kept it that had the children in their orders and told no end."""
    image: dict[str, Any] = msgspec.msgpack.decode(parts.dump(state), strict=False)
    children = image.pop("children")
    for name in ("previous_day_began", "jobs", "overdue", "links", "reversed"):
        image.pop(name)
    for order in image["orders"]:
        for name in ("done", "shunned", "tries", "renewed_on"):
            order.pop(name)
        order["children"] = [child for child in children if child["order_id"] == order["order_id"]]
    for child in children:
        for name in ("seen", "numbering", "asks", "ask_at"):
            child.pop(name)
        child["in_doubt"] = False
    return msgspec.msgpack.encode(image)


def test_what_an_older_version_has_kept_is_taken_and_ended_orders_stay_ended() -> None:
    world = World(venues="XNAS")
    for step in STEPS:
        run_step(world, step)
    kept = StateKept(world.now, world.state.last_id, 20261123, "", old_form(world.state))
    for before in (State(), world.recovered()):
        evolve(before, kept)
        again = World(venues="XNAS")
        again.state = before
        again.names, again.execs = dict(world.names), dict(world.execs)
        told = run_step(again, "day 20261123")
        assert told == ["ALICE RESTATED NEW C3 cum 0 leaves 70 restated 1 day 0/70"]
        assert run_step(again, "day 20261124") == ["ALICE RESTATED NEW C3 cum 0 leaves 70 restated 1 day 0/70"]
        assert [order.cl_ord_id for order in again.state.orders.values()] == ["C3"]


def test_a_child_that_is_reopened_is_kept_in_its_place() -> None:
    world = World(venues="XNAS XNYS")
    for step in (
        "venue XNAS up",
        "venue XNYS up",
        "quote XNAS AAPL ask 200@150.10",
        "quote XNYS AAPL ask 100@150.05",
        "client ALICE new C1 buy 500 AAPL 150.10",
        "venue XNYS fill c1 300@150.05 cum 300",
        "venue XNYS bust c1 E1 leaves 300",
    ):
        run_step(world, step)
    kept = State()
    parts.load(parts.dump(world.state), kept)
    assert kept.hash() == world.state.hash()
    assert len(next(iter(kept.orders.values())).children) == 2


def test_a_split_waits_until_a_days_begin_is_worked_off() -> None:
    world = World(post="book", venues="")
    run_step(world, "client ALICE new C1 buy 10 AAPL 150.00")
    run_step(world, "client BOB new B1 sell 10 AAPL 150.00")
    world.facts.clear()
    world.drain = False
    run_step(world, "day 20261123")
    assert run_step(world, "operator jo split AAPL 2 1") == [
        "refused: the trading day's begin is still being worked off; try again in a moment"
    ]
    world.drain = True
    world.follow_up()
    assert run_step(world, "operator jo split AAPL 2 1") == []
