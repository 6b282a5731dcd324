"""Four shards over sockets and a real NATS server: a limit that is hit exactly, kills, and accounts that move."""

from collections.abc import Iterator

import pytest

from brokerfix.record.audit import verify
from tests.cluster.shards import LIMIT, PRICE, SHARDS, Shards, is_refused, until

HELD = 10


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shards]:
    cluster = Shards(tmp_path_factory.mktemp("shards"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def test_an_account_trades_on_its_shard_alone(shards: Shards) -> None:
    assert shards.taken(0, "M", "1", HELD)
    assert shards.taken(0, "B", "2", HELD)
    assert shards.order(1, "M", "1", 1)[58] == "OTHER_SHARD: account M is on shard 0"
    assert shards.holdings("M") == {0: str(HELD)}


def test_the_firms_limit_is_hit_exactly(shards: Shards) -> None:
    """Whatever each shard is asked for, in turns of different sizes: together they take what the firm may, and no
    more."""
    taken = int(sum(shards.gross().values())) // PRICE
    for size in (7, 3, 1):
        is_going_on = True
        while is_going_on:
            is_going_on = False
            for shard in SHARDS:
                if shards.taken(shard, f"A{shard}", "1", size):
                    taken += size
                    is_going_on = True
                    assert taken <= LIMIT
    assert taken == LIMIT
    assert sum(shards.gross().values()) == LIMIT * PRICE
    assert shards.parts() == LIMIT * PRICE
    refused = shards.order(2, "A2", "1", 1)
    assert refused[58].startswith("GROSS_LIMIT: limit="), refused[58]
    assert "at=firm (this shard's part of 15000), more is asked for" in refused[58]


def test_a_kill_reaches_all_shards_and_one_that_is_down_when_it_is_back(shards: Shards) -> None:
    shards.kill(3)
    # On the machine that is down, where no agent runs any more: the command goes to the servers itself.
    found = shards.run("kill", "all", "--all-shards", shard=3)
    assert found.exit_code == 1
    # Its agent may not have noticed yet.
    assert any(f"3\t{why}" in found.output for why in ("it is not there", "it does not answer", "its broker does not"))
    assert "shard 3 does it before it takes orders again" in found.output
    for shard in (0, 1, 2):
        assert is_refused(shards, shard, f"A{shard}", "HALTED")
        until(lambda shard=shard: shards.asked(shard, "working")["orders"] == [])
    shards.begin(3)
    # Never a moment in which it is taken.
    until(lambda: is_refused(shards, 3, "A3", "HALTED"))
    until(lambda: shards.asked(3, "working")["orders"] == [])
    assert [answer["ok"] for answer in shards.answers("resume", "all", shard=2)] == [True] * 4
    assert shards.taken(3, "A3", "1", 1)


def test_a_limit_is_set_for_all_and_a_lower_one_counts_everywhere(shards: Shards) -> None:
    now = 2 * HELD + 10
    assert shards.run("limits", "set", "firm", f"max_gross={now * PRICE}", "--all-shards").exit_code == 0
    until(lambda: shards.parts() <= now * PRICE)
    taken = int(sum(shards.gross().values())) // PRICE
    for shard in SHARDS:
        while shards.taken(shard, f"A{shard}", "1", 1):
            taken += 1
    assert taken == now
    assert shards.run("limits", "set", "firm", f"max_gross={LIMIT * PRICE}", "--all-shards").exit_code == 0
    assert shards.taken(1, "A1", "1", 5)


@pytest.mark.parametrize(("source", "to", "killed"), [(0, 1, (0, 1)), (1, 0, (1,))])
def test_an_account_moves_whatever_is_killed_meanwhile(
    shards: Shards, source: int, to: int, killed: tuple[int, ...]
) -> None:
    assert shards.holdings("M") == {source: str(HELD)}
    moved = shards.run("move-account", "M", "--to", str(to), "--no-wait", "--cancel", shard=3)
    assert moved.exit_code == 0, moved.output
    for shard in killed:
        shards.kill(shard)
        shards.begin(shard)
    until(lambda: (at := shards.where("M", 3)) and at["shard"] == to and not at["under_way"])
    for shard in killed:
        shards.wait(shard)
    until(lambda: shards.holdings("M") == {to: str(HELD)})
    until(lambda: not any(shards.asked(shard, "placed")["handed"] for shard in SHARDS))
    assert shards.taken(to, "M", "1", 1)
    assert is_refused(shards, source, "M", f"account M is on shard {to}")
    assert sum(shards.gross().values()) <= LIMIT * PRICE


def test_who_is_there_is_shown_in_one_table(shards: Shards) -> None:
    until(lambda: shards.run("shards").output.count("\tup\t") == 4)
    assert shards.run("status", "--all-shards").exit_code == 0
    assert {row["shard"] for row in shards.answers("limits")} == set(SHARDS)


def test_every_journal_agrees_with_an_independent_count(shards: Shards) -> None:
    for shard in SHARDS:
        found, _ = verify(shards.folder / f"shard-{shard}" / "journal")
        assert found.problems == []
