"""Brokers that are shards: parts of limits, who has which account, and accounts that move between two of them."""

import pytest

from brokerfix import commands as cmd
from brokerfix import facts as f
from brokerfix.domain import Level, Limits
from brokerfix.engine.risk.moves import waits_for
from brokerfix.engine.risk.shards import rows
from brokerfix.facts import AccountMovedIn, AccountMovedOut, OperatorRefused, OrderAccepted, OrderRejected, PartLacked
from tests.scenario import World, run_step

AGENT = "agent"


def shard(number: int, limits: str = "firm max_gross=1000000", **settings: str) -> World:
    """A shard that matches in its own book. BOB begins on shard 1, all others on 0."""
    world = World(shard=str(number), placed="BOB=1", limits=limits, venues="", post="book", **settings)
    world.submit(cmd.HoldParts(world.now, AGENT, 1))
    for name, where in (("ALICE", 0), ("SHARED", 0), ("BOB", 1)):
        world.submit(cmd.PlaceAccounts(world.now, AGENT, ((name, where),)))
    return world


def give(world: World, amount: str, limit: str = "max_gross", kind: str = "firm", name: str = "") -> None:
    sharing = world.state.sharing
    command = cmd.SetParts(world.now, AGENT, sharing.epoch, sharing.number + 1, ((kind, name, limit, amount),))
    world.submit(command)


def part(world: World, limit: str = "max_gross") -> tuple[str, str]:
    """(part, used)"""
    (row,) = [row for row in rows(world.state, world.now) if row["limit"] == limit]
    return row["part"], row["used"]


def refusal(world: World) -> OrderRejected:
    return next(fact for fact in reversed(world.facts) if isinstance(fact, OrderRejected))


def test_a_shard_has_no_part_of_a_limit_until_it_is_told() -> None:
    world = shard(0)
    assert run_step(world, "client ALICE new C1 buy 1 AAPL 150.00") == [
        "ALICE REJECTED REJECTED C1 cum 0 leaves 0 reason 3 GROSS_LIMIT"
    ]
    assert refusal(world).text == (
        "GROSS_LIMIT: limit=0, value=150, at=firm (this shard's part of 1000000), more is asked for"
    )
    lacked = next(fact for fact in world.facts if isinstance(fact, PartLacked))
    assert (lacked.limit, lacked.value) == ("max_gross", "150.00")
    give(world, "150")
    assert run_step(world, "client ALICE new C2 buy 1 AAPL 150.00") == ["ALICE NEW NEW C2 cum 0 leaves 1"]
    assert part(world) == ("150.00", "150.00")
    world.die_and_recover()


def test_what_is_beyond_the_whole_limit_is_refused_by_it() -> None:
    world = shard(0, "firm max_gross=100000", max_qty="100000")
    give(world, "100000")
    run_step(world, "client ALICE new C1 buy 1000 AAPL 150.00")
    assert refusal(world).text == "GROSS_LIMIT: limit=100000, value=150000, at=firm"
    assert not world.state.sharing.lacking


def test_closing_needs_no_part() -> None:
    world = shard(0)
    give(world, "30000")
    run_step(world, "client ALICE new C1 buy 100 AAPL 150.00")
    run_step(world, "client ALICE new S1 sell 100 AAPL 150.00 +1=SHARED")
    assert part(world)[1] == "30000.00"
    run_step(world, "client ALICE new C2 sell 100 AAPL 151.00")
    assert world.state.accounts["ALICE"].positions["AAPL"].open_sell_qty == 100


def test_a_part_does_not_fall_below_what_is_used() -> None:
    world = shard(0)
    give(world, "1000")
    run_step(world, "client ALICE new C1 buy 4 AAPL 150.00")
    give(world, "100")
    assert part(world) == ("600.00", "600.00")
    run_step(world, "client ALICE cancel X1 C1 buy AAPL")
    give(world, "100")
    assert part(world) == ("100.00", "0.00")


def test_only_the_latest_holder_sets_parts_and_in_order() -> None:
    world = shard(0)
    world.submit(cmd.HoldParts(world.now, AGENT, 5))
    for epoch, number, why in ((1, 9, "epoch 1 does not hold the parts, 5 does"), (5, 0, "it is late")):
        world.submit(cmd.SetParts(world.now, AGENT, epoch, number, (("firm", "", "max_gross", "10"),)))
        assert why in next(fact.text for fact in world.last_facts if isinstance(fact, OperatorRefused))
    world.submit(cmd.HoldParts(world.now, AGENT, 5))
    assert isinstance(world.last_facts[0], OperatorRefused)


def test_after_a_start_nothing_is_used_until_it_is_told_again() -> None:
    world = shard(0)
    give(world, "1000")
    world.start()
    assert part(world)[0] == "0.00"
    world.submit(cmd.SetParts(world.now, AGENT, 1, 9, (("firm", "", "max_gross", "1000"),)))
    assert isinstance(world.last_facts[0], OperatorRefused), "who held it before has to begin anew"


def test_a_limit_that_is_lowered_counts_at_once_and_one_that_is_taken_away_begins_anew() -> None:
    world = shard(0)
    give(world, "1000")
    world.submit(cmd.SetLimits(world.now, "olga", Level("firm"), Limits(max_gross="500")))
    run_step(world, "client ALICE new C1 buy 4 AAPL 150.00")
    assert refusal(world).text == "GROSS_LIMIT: limit=500, value=600, at=firm"
    world.submit(cmd.SetLimits(world.now, "olga", Level("firm"), Limits()))
    world.submit(cmd.SetLimits(world.now, "olga", Level("firm"), Limits(max_gross="2000")))
    assert part(world)[0] == "0.00"


@pytest.mark.parametrize(
    ("limit", "first", "used"),
    [
        ("max_gross", "buy 10 AAPL 150.00", "1500.00"),
        ("max_net", "sell 10 AAPL 150.00", "1500.00"),
        ("max_long", "buy 10 AAPL 150.00", "10.00"),
        ("max_short", "sell 10 AAPL 150.00", "10.00"),
        ("max_window_qty", "buy 10 AAPL 150.00", "10.00"),
        ("max_window_notional", "buy 10 AAPL 150.00", "1500.00"),
    ],
)
def test_every_sum_over_accounts_is_divided(limit: str, first: str, used: str) -> None:
    world = shard(0, f"firm {limit}=100000")
    give(world, used, limit)
    assert run_step(world, f"client ALICE new C1 {first}")[0].startswith("ALICE NEW NEW C1")
    assert part(world, limit) == (used, used)
    assert "REJECTED" in run_step(world, f"client ALICE new C2 {first}")[0]
    world.die_and_recover()


def test_limits_of_one_order_need_no_parts() -> None:
    world = shard(0, "firm max_order_qty=50;account ALICE AAPL max_long=20")
    assert rows(world.state, world.now) == []
    run_step(world, "client ALICE new C1 buy 20 AAPL 150.00")
    assert isinstance(world.facts[-1], OrderAccepted | f.OrderBooked)


def test_an_account_of_another_shard_takes_no_order_and_has_nothing_here() -> None:
    world = shard(0)
    assert "BOB" not in world.state.accounts
    run_step(world, "client BOB new C1 buy 1 AAPL 150.00")
    assert refusal(world).text == "OTHER_SHARD: account BOB is on shard 1"
    assert refusal(world).reason == "15"


def test_before_the_cluster_has_agreed_an_account_takes_no_order() -> None:
    world = World(shard="0", placed="BOB=1", venues="", post="book")
    run_step(world, "client ALICE new C1 buy 1 AAPL 150.00")
    assert (
        refusal(world).text == "NOT_AGREED: the cluster has not said yet on which shard account ALICE is; is it there?"
    )
    # It was configured to begin here, but has begun elsewhere.
    world.submit(cmd.PlaceAccounts(world.now, AGENT, (("ALICE", 3),)))
    run_step(world, "client ALICE new C2 buy 1 AAPL 150.00")
    assert refusal(world).text == "OTHER_SHARD: account ALICE is on shard 3"
    assert world.state.accounts["ALICE"].cash == 0
    world.die_and_recover()
    world.start()
    assert world.state.accounts["ALICE"].cash == 0


def test_an_account_that_the_cluster_has_elsewhere_is_halted_not_doubled() -> None:
    world = shard(0)
    world.submit(cmd.PlaceAccounts(world.now, AGENT, (("ALICE", 1),)))
    run_step(world, "client ALICE new C1 buy 1 AAPL 150.00")
    assert refusal(world).text.startswith("HALTED")
    assert world.submit(cmd.PlaceAccounts(world.now, AGENT, (("ALICE", 1),))) == []


def moved(first: World, second: World, account: str = "ALICE", move: int = 1) -> AccountMovedOut:
    first.submit(cmd.MoveAccount(first.now, "olga", account, second.state.shard))
    assert waits_for(first.state, account) == ""
    first.submit(cmd.MoveOut(first.now, AGENT, account, move))
    (out,) = [fact for fact in first.last_facts if isinstance(fact, AccountMovedOut)]
    second.submit(cmd.MoveIn(second.now, AGENT, account, first.state.shard, out.move, out.holdings, out.carried))
    return out


def traded(limits: str = "firm max_gross=1000000") -> tuple[World, World]:
    """Shard 0, where ALICE has 100 AAPL of SHARED, and shard 1."""
    first, second = shard(0, limits), shard(1, limits)
    for world in (first, second):
        for limit in ("max_gross", "max_net", "max_short", "max_long"):
            if limit in limits:
                give(world, "500000", limit)
    run_step(first, "client ALICE new C1 buy 100 AAPL 150.00")
    run_step(first, "client ALICE new S1 sell 100 AAPL 150.00 +1=SHARED")
    return first, second


def test_an_account_moves_with_all_that_it_has() -> None:
    first, second = traded("firm max_gross=1000000;account ALICE max_window_qty=500")
    had = first.state.accounts["ALICE"]
    moved(first, second)
    has, left = second.state.accounts["ALICE"], first.state.accounts["ALICE"]
    assert (has.cash, has.positions["AAPL"], has.limits) == (had.cash, had.positions["AAPL"], had.limits)
    assert (left.cash, left.paid_in, left.positions["AAPL"].qty) == (0, 0, 0)
    window = second.state.bounds[Level("account", "ALICE")].accepted.since(0)
    assert window[0] == 100 * 10**12
    run_step(first, "client ALICE new C2 buy 1 AAPL 150.00")
    assert refusal(first).text == "OTHER_SHARD: account ALICE is on shard 1"
    # Nor does anybody believe that all its orders are canceled, or that none works.
    first.submit(cmd.MassCancel(first.now, "ALICE", "Q1", "7", "", "ALICE"))
    first.submit(cmd.AskMassStatus(first.now, "ALICE", "M1", True, "", "ALICE"))
    canceled, status = first.facts[-2:]
    assert (canceled.reject, canceled.text, canceled.job) == ("99", "OTHER_SHARD: account ALICE is on shard 1", False)
    assert status.text == "OTHER_SHARD: account ALICE is on shard 1"
    assert run_step(second, "client ALICE new C2 sell 100 AAPL 151.00") == ["ALICE NEW NEW C2 cum 0 leaves 100"]
    for world in (first, second):
        world.die_and_recover()
        # The configuration says what it said.
        world.start()
        world.submit(cmd.HoldParts(world.now, AGENT, 2))
    assert (second.state.accounts["ALICE"].cash, first.state.accounts["ALICE"].cash) == (had.cash, 0)


def test_an_account_moves_back_and_forth_and_late_or_doubled_moves_are_refused() -> None:
    first, second = traded()
    out = moved(first, second)
    again = cmd.MoveIn(second.now, AGENT, "ALICE", 0, out.move, out.holdings, out.carried)
    second.submit(again)
    assert isinstance(second.last_facts[0], OperatorRefused)
    for world in (first, second):
        world.submit(cmd.EndMove(world.now, AGENT, "ALICE", 1))
        assert not world.state.sharing.handed
    moved(second, first, move=2)
    second.submit(again)
    assert isinstance(second.last_facts[0], OperatorRefused), "it was here, and has left"
    assert first.state.accounts["ALICE"].positions["AAPL"].qty == 100
    assert sum(isinstance(fact, AccountMovedIn) for fact in second.facts) == 1


def test_an_account_that_moves_takes_no_orders_and_waits_for_those_that_work() -> None:
    first, _ = traded()
    run_step(first, "client ALICE new C2 buy 10 AAPL 140.00")
    first.submit(cmd.MoveAccount(first.now, "olga", "ALICE", 1))
    run_step(first, "client ALICE new C3 buy 10 AAPL 140.00")
    assert refusal(first).text == "MOVING: account ALICE is being moved to shard 1"
    assert waits_for(first.state, "ALICE") == "1 orders work"
    first.submit(cmd.MoveOut(first.now, AGENT, "ALICE", 1))
    assert isinstance(first.last_facts[0], OperatorRefused)
    assert first.submit(cmd.MoveAccount(first.now, "olga", "ALICE", 1, cancel=True)) == [
        "ALICE CANCELED CANCELED C2 cum 0 leaves 0 restated 4 MOVED"
    ]
    assert waits_for(first.state, "ALICE") == ""
    first.submit(cmd.MoveAccount(first.now, "olga", "ALICE", -1))
    assert run_step(first, "client ALICE new C4 buy 1 AAPL 140.00") == ["ALICE NEW NEW C4 cum 0 leaves 1"]


def test_what_an_account_counts_towards_shared_limits_moves_with_it() -> None:
    first, second = traded()
    assert part(first) == ("500000.00", "30000.00")
    out = moved(first, second)
    assert out.carried == (("firm", "", "max_gross", "15000.00"),)
    assert part(first) == ("485000.00", "15000.00")
    assert part(second) == ("485000.00", "15000.00")


def test_shorts_that_move_give_no_room_for_more() -> None:
    """SHARED is short 100 and ALICE long 100: together the shard is flat, and each may be moved away."""
    first, second = traded("firm max_short=100")
    give(first, "100", "max_short")
    give(second, "0", "max_short")
    moved(first, second)
    assert part(first, "max_short") == ("0.00", "100.00")
    # Shard 1 is long 100 now, so that its own short would be 0 after a sale of 100: of that it may do nothing.
    second.submit(cmd.PlaceAccounts(second.now, AGENT, (("BOB", 1),)))
    assert "REJECTED" in run_step(second, "client BOB new B1 sell 1 AAPL 150.00")[0]


def test_a_fill_that_comes_late_is_booked_where_the_order_was() -> None:
    first, second = traded()
    moved(first, second)
    (fill,) = [one for one in first.state.fills.values() if first.state.orders[one.order_id].account == "ALICE"]
    first.submit(cmd.OperatorBust(first.now, "olga", fill.exec_id))
    assert first.state.accounts["ALICE"].positions["AAPL"].qty == -100


def test_a_day_that_begins_while_an_account_is_on_its_way_begins_for_it_too() -> None:
    first, second = traded()
    first.state.accounts["ALICE"].lost = 7
    first.submit(cmd.MoveAccount(first.now, "olga", "ALICE", 1))
    first.submit(cmd.MoveOut(first.now, AGENT, "ALICE", 1))
    out = next(fact for fact in first.last_facts if isinstance(fact, AccountMovedOut))
    first.submit(cmd.OperatorSplit(first.now, "olga", "AAPL", 2, 1))
    assert isinstance(first.facts[-1], OperatorRefused)
    assert "account ALICE is on its way to another shard, unsplit" in first.facts[-1].text
    second.submit(cmd.RollDay(second.now, second.state.day + 1))
    second.submit(cmd.MoveIn(second.now, AGENT, "ALICE", 0, 1, out.holdings, out.carried))
    account = second.state.accounts["ALICE"]
    assert (account.opened_with, account.lost) == (account.value, 0)
    assert account.value
    second.die_and_recover()


def test_an_account_does_not_move_to_where_its_symbols_are_unknown() -> None:
    first, _ = traded()
    second = World(instruments=(first.state.instruments["MSFT"],), shard="1", placed="BOB=1", venues="", post="book")
    first.submit(cmd.MoveAccount(first.now, "olga", "ALICE", 1))
    first.submit(cmd.MoveOut(first.now, AGENT, "ALICE", 1))
    out = next(fact for fact in first.last_facts if isinstance(fact, AccountMovedOut))
    facts_before = len(second.facts)
    second.submit(cmd.MoveIn(second.now, AGENT, "ALICE", 0, 1, out.holdings, out.carried))
    assert [type(fact) for fact in second.facts[facts_before:]] == [OperatorRefused]


def test_limits_of_clients_and_groups_are_divided_where_their_accounts_are_on_several_shards() -> None:
    """ALICE and SHARED are client ALICE's, both on shard 0; BOB's BOB is on shard 1. The group DESK is ALICE and
    BOB."""
    levels = "client ALICE max_gross=50000;client BOB max_gross=50000;group DESK max_gross=50000"
    first, second = shard(0, levels), shard(1, levels)
    assert [row["name"] for row in rows(first.state, 0)] == ["BOB", "DESK"]
    # BOB has an account here, and one there; ALICE has none here.
    assert [row["name"] for row in rows(second.state, 0)] == ["BOB", "DESK"]
    assert "NEW" in run_step(first, "client ALICE new C1 buy 1 AAPL 150.00 +1=SHARED")[0]
    run_step(first, "client ALICE new C2 buy 1 AAPL 150.00")
    assert refusal(first).text.endswith("at=group DESK (this shard's part of 50000), more is asked for")
    give(first, "1000", kind="group", name="DESK")
    assert "NEW" in run_step(first, "client ALICE new C3 buy 1 AAPL 150.00")[0]
    first.submit(cmd.MoveAccount(first.now, "olga", "ALICE", 1, cancel=True))
    first.submit(cmd.MoveOut(first.now, AGENT, "ALICE", 1))
    assert [row["name"] for row in rows(first.state, 0)] == ["ALICE", "BOB", "DESK"]
    first.die_and_recover()


def test_what_is_asked_about_another_shards_account_is_refused_with_where_it_is() -> None:
    world = shard(0)
    for command in (
        cmd.OperatorHalt(world.now, "rita", "account", "BOB", True),
        cmd.OperatorResume(world.now, "rita", "account", "BOB"),
        cmd.SetLimits(world.now, "rita", Level("account", "BOB"), Limits(max_gross="1")),
    ):
        world.submit(command)
        refused = world.facts[-1]
        assert isinstance(refused, f.OperatorRefused)
        assert refused.text == "OTHER_SHARD: account BOB is on shard 1"
    world.submit(cmd.OperatorHalt(world.now, "rita", "account", "NOBODY", True))
    assert world.last_facts[0].text == "there is no account 'NOBODY'"  # type: ignore[attr-defined]
