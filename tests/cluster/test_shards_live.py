"""Four shards over sockets and a real NATS server: a limit that is hit exactly, kills, and accounts that move."""

from collections.abc import Iterator

import pytest

from brokerfix.domain import Level, Limits
from brokerfix.operate.dryrun import DryRun
from brokerfix.record.audit import verify
from tests.cluster.shards import LIMIT, PRICE, SHARDS, WITH_STANDBY, Shards, is_refused, until

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


def test_what_is_asked_about_an_account_is_done_by_the_shard_that_has_it(shards: Shards) -> None:
    halted = shards.run("halt", "account", "A1", "--all-shards", shard=2)
    assert (halted.exit_code, halted.output.count("OTHER_SHARD: account A1 is on shard 1")) == (0, 3), halted.output
    assert is_refused(shards, 1, "A1", "HALTED")
    assert shards.run("resume", "account", "A1", "--all-shards").exit_code == 0
    nobody = shards.run("halt", "account", "NOBODY", "--all-shards")
    assert (nobody.exit_code, nobody.output.count("there is no account 'NOBODY'")) == (1, 4)


def test_the_firms_limit_is_hit_exactly(shards: Shards) -> None:
    """Whatever each shard is asked for, in turns of different sizes: together they take what the firm may, and no
    more."""
    shards.fill(LIMIT, 7, 3, 1)
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
        until(lambda shard=shard: shards.told(shard, "working")["orders"] == [])
    shards.begin(3)
    # Never a moment in which it is taken.
    until(lambda: is_refused(shards, 3, "A3", "HALTED"))
    until(lambda: shards.told(3, "working")["orders"] == [])
    assert [answer["ok"] for answer in shards.answers("resume", "all", shard=2)] == [True] * 4
    assert shards.taken(3, "A3", "1", 1)


def test_a_limit_is_set_for_all_and_a_lower_one_counts_everywhere(shards: Shards) -> None:
    now = 2 * HELD + 10
    assert shards.run("limits", "set", "firm", f"max_gross={now * PRICE}", "--all-shards").exit_code == 0
    until(lambda: shards.parts() <= now * PRICE)
    shards.fill(now, 1)
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
    until(lambda: not any(shards.told(shard, "placed")["handed"] for shard in SHARDS))
    assert shards.taken(to, "M", "1", 1)
    assert is_refused(shards, source, "M", f"account M is on shard {to}")
    assert sum(shards.gross().values()) <= LIMIT * PRICE


def test_a_standby_that_takes_over_has_its_shards_part(shards: Shards) -> None:
    """And no more: what the lost primary had taken counts, and together they still take what the firm may."""
    assert shards.taken(WITH_STANDBY, f"A{WITH_STANDBY}", "1", 5)
    used = shards.gross()
    shards.lose(WITH_STANDBY)
    shards.wait(WITH_STANDBY)
    assert shards.gross() == used
    shards.fill(LIMIT, 6, 1)
    assert shards.parts() == LIMIT * PRICE


def test_who_is_there_is_shown_in_one_table(shards: Shards) -> None:
    until(lambda: shards.run("shards").output.count("\tup\t") == 4)
    assert shards.run("status", "--all-shards").exit_code == 0
    assert {row["shard"] for row in shards.answers("limits")} == set(SHARDS)


def test_every_journal_agrees_with_an_independent_count(shards: Shards) -> None:
    for folder in shards.folders:
        found, _ = verify(folder / "journal")
        assert found.problems == []


def test_a_dry_run_goes_by_whole_limits(shards: Shards) -> None:
    """`risk-test` on a shard's journal: what the shard's orders would be refused by a firm's limit of 20 units."""
    run = DryRun({Level("firm"): Limits(max_gross=str(20 * PRICE))}, {}, {}, 1)
    run.replay(shards.folders[1] / "journal")
    assert 0 < len(run.refused) < run.weighed
