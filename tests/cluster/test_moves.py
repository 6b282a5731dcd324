"""An account moves between two brokers, each of whose steps may be the last before a crash."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from brokerfix import commands as cmd
from brokerfix.cluster.broker_end import AGENT, BrokerEnd
from brokerfix.cluster.keys import Keys
from brokerfix.cluster.lease import Away, Stale
from brokerfix.cluster.moves import Accounts
from brokerfix.cluster.standing import CarriedOut, keep
from brokerfix.domain import Level, Limits, to_money
from brokerfix.engine.risk.shards import rows, used
from brokerfix.facts import Fact, OperatorRefused
from brokerfix.operate.admin import ActionRefused, Answer
from brokerfix.operate.risk_actions import RiskActions
from brokerfix.operate.shard_actions import ShardActions
from tests.scenario import World, run_step

LEVEL = "firm max_gross=100000"
NAME = "ALICE"


class Crash(Exception):
    """The process is gone."""


class Effects:
    """Counts what reaches a broker or the servers, and crashes before or after one of them."""

    def __init__(self) -> None:
        self.count = 0
        self.at, self.before = -1, False

    async def do(self, effect: Callable[[], Any]) -> Any:
        self.count += 1
        is_last = self.count == self.at
        if is_last and self.before:
            raise Crash
        found = effect()
        if is_last:
            raise Crash
        return found


class Servers:
    """What the cluster's servers hold."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[int, bytes]] = {}
        self.last = 0

    def write(self, key: str, value: bytes, over: int | None) -> int:
        if over is not None and self.values.get(key, (0, b""))[0] != over:
            raise Stale(key)
        self.last += 1
        self.values[key] = self.last, value
        return self.last


class KeysAtHand(Keys):
    """The cluster's keys, without servers."""

    def __init__(self, servers: Servers, effects: Effects) -> None:
        self._servers, self._effects = servers, effects

    async def read(self, key: str) -> tuple[int, bytes] | None:
        return self._servers.values.get(key)

    async def write(self, key: str, value: bytes, over: int | None = None) -> int:
        found: int = await self._effects.do(lambda: self._servers.write(key, value, over))
        return found

    async def below(self, prefix: str) -> dict[str, tuple[int, bytes]]:
        return {key: value for key, value in self._servers.values.items() if key.startswith(prefix)}


class Running:
    """A broker as its operator's actions see it."""

    config: Any = SimpleNamespace(operators={}, approvals=SimpleNamespace(raise_above=None))

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def state(self) -> Any:
        return self.world.state

    def clock(self) -> int:
        return self.world.now

    def carry_out(self, command: cmd.Command) -> list[Fact]:
        self.world.submit(command)
        return self.world.last_facts


class Side(BrokerEnd):
    """One shard: its broker, and its agent's view of the accounts."""

    def __init__(self, shard: int, servers: Servers) -> None:
        self.shard, self.servers = shard, servers
        self.effects = Effects()
        self.is_safe = True
        self.world = World(shard=str(shard), placed="BOB=1", limits=LEVEL, venues="", post="book")
        self.begin(1)

    def begin(self, epoch: int) -> None:
        """The agent begins; what limits' documents say is as the broker has it."""
        self.world.submit(cmd.HoldParts(self.world.now, AGENT, epoch))
        self.give(40_000)
        keys = KeysAtHand(self.servers, self.effects)
        self.standing = CarriedOut(keys, self, self.shard)
        self.accounts = Accounts(keys, self, self.standing, self.shard)

    def give(self, amount: int) -> None:
        sharing = self.world.state.sharing
        parts = (("firm", "", "max_gross", str(amount)),)
        self.world.submit(cmd.SetParts(self.world.now, AGENT, sharing.epoch, sharing.number + 1, parts))

    async def ask(self, action: str, by: str = AGENT, **request: Any) -> Answer:
        running: Any = Running(self.world)

        def done(command: cmd.Command) -> Answer:
            refused = [fact for fact in running.carry_out(command) if isinstance(fact, OperatorRefused)]
            if refused:
                raise ActionRefused(refused[0].text)
            return {}

        actions = {
            **ShardActions(running, done).actions, **RiskActions(running, done).actions,
            "alert": lambda by, request: {},
        }  # fmt: skip
        answer: Answer = await self.effects.do(lambda: actions[action](by, request))
        return answer

    async def settled(self, for_good: bool = False) -> None:
        if not self.is_safe:
            raise Away("the stream does not confirm it")

    async def look(self) -> None:
        async def tell_parts() -> bool:
            return True

        self.accounts.rescan_at = 0.0
        await self.accounts.look(tell_parts)

    def crash(self) -> None:
        """The broker and its agent end, and begin anew from the journal."""
        self.world.state = self.world.recovered()
        self.world.start()
        self.effects.at = -1
        self.begin(self.world.state.sharing.epoch + 2)

    @property
    def has(self) -> int:
        """What the account holds here, where it takes orders."""
        account = self.world.state.accounts.get(NAME)
        return account.positions["AAPL"].qty if account is not None and "AAPL" in account.positions else 0

    @property
    def is_here(self) -> bool:
        return NAME in self.world.state.sharing.here


def run(*what: Awaitable[None]) -> None:
    async def all_of_it() -> None:
        for one in what:
            await one

    asyncio.run(all_of_it())


@pytest.fixture
def sides() -> tuple[Side, Side]:
    """Two shards; ALICE, on the first, has 100 AAPL of SHARED's."""
    servers = Servers()
    first, second = Side(0, servers), Side(1, servers)
    for _ in range(2):
        run(first.look(), second.look())
    run_step(first.world, "client ALICE new C1 buy 100 AAPL 150.00")
    run_step(first.world, "client ALICE new S1 sell 100 AAPL 150.00 +1=SHARED")
    assert (first.has, second.has) == (100, 0)
    return first, second


def moves(first: Side, second: Side, turns: int = 12) -> Iterator[Side]:
    """The agents look in turns; whose turn it is."""
    for _ in range(turns):
        yield first
        yield second


def check(first: Side, second: Side) -> None:
    """It is on one side, or on its way, and never counts twice towards what all share."""
    assert not (first.is_here and second.is_here)
    assert first.has * second.has == 0
    on_its_way = [side for side in (first, second) if NAME in side.world.state.sharing.handed]
    assert first.is_here or second.is_here or on_its_way
    gross = 0
    for side in (first, second):
        state = side.world.state
        gross += used(state, state.bounds[Level("firm")], "max_gross", side.world.now)
    assert gross <= to_money("30000")


def test_an_account_moves_once_whatever_step_is_the_last_before_a_crash(sides: tuple[Side, Side]) -> None:
    """Of each of the two, and before and after each of their effects."""
    crashes = 0
    for crashing in (0, 1):
        for before in (False, True):
            for at in range(1, 60):
                servers = Servers()
                first, second = Side(0, servers), Side(1, servers)
                pair = first, second
                run(first.look(), second.look(), first.look(), second.look())
                run_step(first.world, "client ALICE new C1 buy 100 AAPL 150.00")
                run_step(first.world, "client ALICE new S1 sell 100 AAPL 150.00 +1=SHARED")
                first.world.submit(cmd.MoveAccount(first.world.now, "olga", NAME, 1))
                effects = pair[crashing].effects
                effects.count, effects.at, effects.before = 0, at, before
                for side in moves(first, second):
                    try:
                        run(side.look())
                    except Crash:
                        crashes += 1
                        side.crash()
                    check(first, second)
                assert (first.has, second.has, second.is_here) == (0, 100, True), (crashing, before, at)
                assert not first.world.state.sharing.handed
                assert not second.world.state.sharing.handed
                assert second.world.state.sharing.moves == {NAME: 1}
                if effects.at != -1 and effects.count < at:
                    # There was no such step.
                    break
    assert crashes > 40


def test_who_has_an_account_first_has_it(sides: tuple[Side, Side]) -> None:
    """A shard that joins with another idea of where an account begins has nothing of it."""
    first, _ = sides
    late = Side(0, first.servers)
    late.shard = 2
    late.world = World(shard="2", placed="ALICE=2 BOB=1", limits=LEVEL, venues="", post="book")
    late.begin(1)
    assert late.world.state.accounts[NAME].cash > 0
    run(late.look())
    assert (late.is_here, late.world.state.accounts[NAME].cash) == (False, 0)
    assert run_step(late.world, "client ALICE new C9 buy 1 AAPL 150.00")[0].endswith("reason 15 OTHER_SHARD")
    assert first.is_here


def test_an_account_that_the_journal_has_lost_the_move_of_is_halted(sides: tuple[Side, Side]) -> None:
    """Its journal was not replicated to the end: the other shard has it, and it must not trade on both."""
    first, second = sides
    records = len(first.world.records)
    first.world.submit(cmd.MoveAccount(first.world.now, "olga", NAME, 1))
    for side in moves(first, second):
        run(side.look())
    assert second.is_here
    del first.world.records[records:]
    first.crash()
    run(first.look())
    assert ("account", NAME) in first.world.state.halts
    assert (
        first.world.state.alerts[-1].text
        == "account ALICE is here, but the cluster has it on shard 1; it takes no orders"
    )
    assert "REJECTED" in run_step(first.world, "client ALICE new C2 buy 1 AAPL 150.00")[0]
    assert [row["used"] for row in rows(second.world.state, 0)] == ["15000.00"]


def test_nothing_is_told_that_a_standby_may_not_have(sides: tuple[Side, Side]) -> None:
    """Each side in turn is lost with a record that its stream has not confirmed: the account is not on both, nor on
    none."""
    first, second = sides
    for side, is_there in ((first, True), (second, False)):
        records = len(side.world.records)
        if is_there:
            first.world.submit(cmd.MoveAccount(first.world.now, "olga", NAME, 1))
            records += 1
        side.is_safe = False
        for one in moves(first, second, 3):
            with suppress(Away):
                run(one.look())
        assert len(side.world.records) > records, "it has let go of it, or taken it"
        del side.world.records[records:]
        side.crash()
        assert (first.is_here, second.is_here, first.has or NAME in first.world.state.sharing.handed) == (
            is_there, False, 100 if is_there else True
        )  # fmt: skip
        side.is_safe = True
        if is_there:
            run(first.look())
            assert not first.world.state.halts
    for one in moves(first, second, 4):
        run(one.look())
    assert (first.has, second.has, second.is_here) == (0, 100, True)


def test_limits_and_halts_that_are_set_while_an_account_is_on_its_way_count(sides: tuple[Side, Side]) -> None:
    """The other shard does what is asked before it takes the account, which brings what it had before."""
    first, second = sides
    level = Level("account", NAME)
    keys = KeysAtHand(first.servers, Effects())
    about = {"kind": "account", "name": NAME}

    def ask(side: Side, action: str, **more: Any) -> None:
        run(side.standing.catch_up())
        asyncio.run(keep(keys, "olga", {"action": action, **about, **more}))
        run(side.standing.catch_up())

    ask(first, "set-limits", settings={"max_order_qty": "70", "max_order_notional": "900"})
    ask(first, "halt")
    first.world.submit(cmd.SetLimits(first.world.now, "olga", level, Limits(max_order_qty="80"), until=10**19))
    first.world.submit(cmd.MoveAccount(first.world.now, "olga", NAME, 1))
    run(first.look())
    assert NAME in first.world.state.sharing.handed
    ask(first, "set-limits", settings={"max_order_notional": "500"})
    ask(first, "resume")
    run(second.standing.catch_up())
    for side in moves(first, second, 3):
        run(side.look())
    state = second.world.state
    assert second.is_here
    assert (state.limits[level].max_order_qty, state.limits[level].max_order_notional) == ("70", "500")
    assert not state.halts


def test_what_cannot_be_taken_stays_in_hand_until_it_can(sides: tuple[Side, Side]) -> None:
    first, second = sides
    # The other shard's configuration has no AAPL.
    instruments = (first.world.state.instruments["MSFT"],)
    second.world = World(instruments=instruments, shard="1", placed="BOB=1", limits=LEVEL, venues="", post="book")
    second.begin(2)
    first.world.submit(cmd.MoveAccount(first.world.now, "olga", NAME, 1))
    for side in moves(first, second, 3):
        run(side.look())
    assert not second.is_here
    assert NAME in first.world.state.sharing.handed
    second.world.instruments = tuple(first.world.state.instruments.values())
    second.crash()
    for side in moves(first, second, 4):
        run(side.look())
    assert second.has == 100


def test_keys_that_were_lost_are_written_again(sides: tuple[Side, Side]) -> None:
    first, second = sides
    first.world.submit(cmd.MoveAccount(first.world.now, "olga", NAME, 1))
    for side in moves(first, second):
        run(side.look())
    first.servers.values.clear()
    for side in (first, second):
        side.accounts.known.clear()
    for side in moves(first, second, 2):
        run(side.look())
    assert b'"shard":1,"moves":1' in first.servers.values[f"account.{NAME}"][1]
