"""What a shard tells of what it has, for all shards' pages and commands."""

import os
from typing import Any

from brokerfix.domain import id_number
from brokerfix.operate import risk_actions, shard_actions
from brokerfix.operate.admin import name_of
from brokerfix.operate.operations import Operations
from tests.cluster.test_moves import Running
from tests.scenario import World, run_step

STEPS = (
    "client ALICE new C1 buy 100 AAPL 149.90",
    "client BOB new B1 sell 30 AAPL 149.90",
    "client ALICE new C2 buy 10 AAPL 149.80",
    "client BOB new B2 buy 10 AAPL 149.70",
)


def desk() -> tuple[World, Any]:
    """A shard with both accounts, and what its operators may ask."""
    world = World(venues="", post="book")
    for step in STEPS:
        run_step(world, step)
    running: Any = Running(world)
    return world, Operations(running)


def test_orders_that_work_are_told_newest_first_and_how_many_there_are_besides(monkeypatch: Any) -> None:
    world, operations = desk()
    told = operations.handle("vera", {"action": "working"})
    assert [one["cl_ord_id"] for one in told["orders"]] == ["B2", "C2", "C1"]
    assert told["more"] == 0
    newest = told["orders"][0]
    assert newest["at"] == world.state.orders[id_number(newest["order_id"])].at
    monkeypatch.setattr(shard_actions, "MOST_ROWS", 2)
    told = operations.handle("vera", {"action": "working"})
    assert ([one["cl_ord_id"] for one in told["orders"]], told["more"]) == (["B2", "C2"], 1)
    told = operations.handle("vera", {"action": "working", "client": "ALICE"})
    assert ([one["cl_ord_id"] for one in told["orders"]], told["more"]) == (["C2", "C1"], 0)


def test_what_is_held_is_summed_over_all_accounts_also_where_not_all_are_told(monkeypatch: Any) -> None:
    world, operations = desk()
    world.state.accounts["BOB"].balances["EUR"] = 500
    asked = {"action": "positions", "kind": "held"}
    told = operations.handle("vera", dict(asked))
    assert {(one["account"], one["qty"]) for one in told["positions"]} == {("ALICE", "30"), ("BOB", "-30")}
    assert (told["sums"], told["more"]) == ({"AAPL": "0"}, 0)
    monkeypatch.setattr(shard_actions, "MOST_ROWS", 1)
    told = operations.handle("vera", dict(asked))
    assert (len(told["positions"]), told["sums"], told["more"]) == (1, {"AAPL": "0"}, 1)
    assert set(told["cash"]) == {"", "EUR"}


def test_what_is_stopped_is_told_with_whom_it_was_stopped_by(monkeypatch: Any) -> None:
    _, operations = desk()
    for kind, name, action in (("client", "ALICE", "halt"), ("symbol", "AAPL", "kill")):
        operations.handle(
            name_of(os.getuid()), {"action": action, "kind": kind, "name": name, "by": "rita", "role": "risk"}
        )
    told = operations.handle("vera", {"action": "killed"})
    assert told["stopped"] == [
        {"kind": "client", "name": "ALICE", "by": "rita", "killed": False},
        {"kind": "symbol", "name": "AAPL", "by": "rita", "killed": True},
    ]
    monkeypatch.setattr(risk_actions, "MOST_STOPPED", 1)
    told = operations.handle("vera", {"action": "killed"})
    assert (len(told["stopped"]), told["more"]) == (1, 1)
