"""What is asked in an operator's name, and what of it stands."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nats.errors
import pytest

from brokerfix.cluster.broker_end import BrokerEnd
from brokerfix.cluster.keys import NO_ANSWER
from brokerfix.cluster.lease import Away
from brokerfix.cluster.parts import Entry, Write
from brokerfix.cluster.shard import Document, Shard
from brokerfix.cluster.shared import Shared, Slot
from brokerfix.cluster.standing import Asked, CarriedOut, ask_all, keep, kept, read_standing
from brokerfix.facts import Halted
from brokerfix.operate.admin import ActionRefused, name_of
from brokerfix.operate.operations import Operations
from tests.cluster.test_moves import Effects, KeysAtHand, Running, Servers
from tests.scenario import World

HALT = {"action": "halt", "kind": "all"}


def test_only_the_brokers_own_user_asks_in_anothers_name() -> None:
    world = World()
    running: Any = Running(world)
    operations = Operations(running)
    with pytest.raises(ActionRefused, match="only the broker's own user may ask in another's name"):
        operations.handle("mallory", {**HALT, "by": "olga"})
    assert not world.state.halts
    operations.handle(name_of(os.getuid()), {**HALT, "by": "olga"})
    assert isinstance(world.facts[-1], Halted)
    assert world.facts[-1].operator == "olga"


def test_what_stands_has_an_order_that_all_shards_agree_on() -> None:
    keys = KeysAtHand(Servers(), Effects())

    async def ask_at_once() -> list[int]:
        asked = [keep(keys, name, {**HALT, "name": name}) for name in ("olga", "otto", "ines")]
        return await asyncio.gather(*asked)

    assert sorted(asyncio.run(ask_at_once())) == [1, 2, 3]
    _, standing = asyncio.run(read_standing(keys))
    assert [one.number for one in standing.asked] == [1, 2, 3]
    assert {one.by for one in standing.asked} == {"olga", "otto", "ines"}


def test_of_too_much_that_stands_what_holds_is_kept() -> None:
    kill, resume = {"action": "kill", "kind": "client", "name": "X"}, {"action": "resume", "kind": "all"}
    limit = {"action": "set-limits", "kind": "firm", "settings": {"max_gross": "9"}}
    other = {**limit, "settings": {"max_net": "9"}}
    asked = [
        Asked(number, "olga", 0, request)
        for number, request in enumerate([kill, limit, other, {**resume, "action": "halt"}, limit, limit, resume], 1)
    ]
    for most, numbers in ((7, [1, 2, 3, 4, 5, 6, 7]), (5, [1, 3, 5, 6, 7]), (4, [1, 3, 6, 7]), (2, [6, 7])):
        assert [one.number for one in kept(asked, most)] == numbers


class NoServers(KeysAtHand):
    """Only the last of the cluster's servers is left: what shards there are can be read, and nothing written."""

    async def write(self, key: str, value: bytes, over: int | None = None) -> int:
        raise Away(NO_ANSWER)


def test_a_kill_that_can_not_be_kept_is_asked_all_the_same() -> None:
    keys = NoServers(Servers(), Effects())
    keys.cluster = "desk"
    keys._servers.write("shard.0", b"{}", None)
    asked: list[str] = []

    class Client:
        async def request(self, subject: str, payload: bytes, timeout: float) -> Any:
            asked.append(subject)
            raise TimeoutError

    client: Any = Client()
    found = asyncio.run(ask_all(client, keys, "olga", {"action": "kill", "kind": "all"}))
    assert asked == ["brokerfix.desk.shard.0"]
    assert (found["kept"], found["error"]) == (False, NO_ANSWER)
    assert found["answers"] == [{"shard": 0, "ok": False, "error": "it does not answer", "away": True}]


def test_a_kill_reaches_who_is_there_also_where_no_key_can_be_read() -> None:
    class NoKeys(NoServers):
        """The servers pass messages on, and have no quorum."""

        async def read(self, key: str) -> tuple[int, bytes] | None:
            raise Away(NO_ANSWER)

        async def below(self, prefix: str) -> dict[str, tuple[int, bytes]]:
            raise Away(NO_ANSWER)

    class Client:
        there = ("brokerfix.desk.shard.0", "brokerfix.desk.shard.12")

        async def request(self, subject: str, payload: bytes, timeout: float) -> Any:
            if subject not in self.there:
                raise nats.errors.NoRespondersError
            return SimpleNamespace(data=b'{"ok": true}')

    keys = NoKeys(Servers(), Effects())
    keys.cluster = "desk"
    client: Any = Client()
    found = asyncio.run(ask_all(client, keys, "olga", {"action": "kill", "kind": "all"}))
    assert found == {
        "answers": [{"shard": 0, "ok": True}, {"shard": 12, "ok": True}], "kept": False, "error": NO_ANSWER,
    }  # fmt: skip
    client.there = ()
    with pytest.raises(Away, match="no server answers"):
        asyncio.run(ask_all(client, keys, "olga", {"action": "kill", "kind": "all"}))


class Broker(BrokerEnd):
    """Notes what it is asked. `is_safe`: its records would outlive it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_safe = True

    async def ask(self, action: str, by: str = "", **request: Any) -> dict[str, Any]:
        self.asked.append(action)
        return {"orders": len(self.asked)}

    async def settled(self, for_good: bool = False) -> None:
        if not self.is_safe:
            raise Away("not confirmed")


def test_what_stands_is_carried_out_once_and_anew_only_where_it_may_be_lost() -> None:
    keys, broker = KeysAtHand(Servers(), Effects()), Broker()

    async def all_of_it() -> None:
        await keep(keys, "olga", {"action": "kill", "kind": "all"})
        await keep(keys, "olga", {"action": "resume", "kind": "all"})
        here = CarriedOut(keys, broker, 3)
        await here.catch_up()
        assert broker.asked == ["kill", "resume"]
        # Somebody asks before an agent that has just begun knows what the one before it has done.
        number = await keep(keys, "olga", HALT)
        assert await CarriedOut(keys, broker, 3).answer(number) == {"ok": True, "orders": 3}
        assert broker.asked == ["kill", "resume", "halt"]
        # The journal's stream confirms nothing: what is done is answered, and done once by this agent.
        number, broker.is_safe = await keep(keys, "olga", {"action": "kill", "kind": "all"}), False
        late = CarriedOut(keys, broker, 3)
        assert await late.answer(number) == {"ok": True, "orders": 4}
        await late.catch_up()
        assert late.kept == late.done - 1
        assert broker.asked == ["kill", "resume", "halt", "kill"]
        # A standby that takes over may not have it.
        broker.is_safe = True
        await CarriedOut(keys, broker, 3).catch_up()
        assert broker.asked == ["kill", "resume", "halt", "kill", "kill"]

    asyncio.run(all_of_it())


def test_what_others_rely_on_waits_for_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokerfix.cluster.broker_end.SETTLE_SECONDS", 0.01)
    shared = Shared(tmp_path)
    shared[Slot.TAIL], shared[Slot.CONFIRMED] = 200, 100
    asyncio.run(BrokerEnd(tmp_path, shared, "process").settled())
    for durability, for_good in (("cluster", False), ("process", True)):
        with pytest.raises(Away, match="does not confirm"):
            asyncio.run(BrokerEnd(tmp_path, shared, durability).settled(for_good))
    shared[Slot.CONFIRMED] = 200
    asyncio.run(BrokerEnd(tmp_path, shared, "cluster").settled())
    shared.close()


def test_a_part_is_given_back_when_a_standby_knows_that_it_is_not_used() -> None:
    config: Any = SimpleNamespace(
        broker=SimpleNamespace(shard=0, durability="cluster"), cluster=SimpleNamespace(name="desk"), data=Path("none")
    )
    client: Any = SimpleNamespace(jetstream=lambda timeout: None)
    shard = Shard(config, client)
    shard.keys, shard.broker = KeysAtHand(Servers(), Effects()), Broker()
    shard.broker.is_safe = False
    document = Document(0, {"0": Entry(50, 10, 10, 0, 100, 1)}, 0.0)

    async def write(amount: int) -> None:
        entries = {"0": Entry(amount, 10, 10, 0, 100, 1)}
        await shard._do(Write(entries), "part.firm.-.max_gross", {}, document)

    asyncio.run(write(60))
    with pytest.raises(Away):
        asyncio.run(write(20))
    assert document.entries["0"].amount == 60
