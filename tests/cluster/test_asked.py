"""What is asked in an operator's name, and what of it stands."""

import asyncio
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import nats.errors
import pytest

from brokerfix.cluster.broker_end import BrokerEnd
from brokerfix.cluster.door import ask_door, open_door
from brokerfix.cluster.keys import NO_ANSWER, Keys
from brokerfix.cluster.lease import Away
from brokerfix.cluster.operators import Operators
from brokerfix.cluster.parts import Document, Entry, Write
from brokerfix.cluster.shard import Shard
from brokerfix.cluster.shared import Shared, Slot
from brokerfix.cluster.standing import (
    NOT_THERE,
    Asked,
    Beat,
    CarriedOut,
    Standing,
    ask_all,
    ask_one,
    keep,
    kept,
    read_standing,
    still_asked,
)
from brokerfix.facts import Halted
from brokerfix.operate.admin import ActionRefused, NotRunning, name_of
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


def asked_all(keys: Keys, client: Any, known: tuple[int, ...] = ()) -> dict[str, Any]:
    """What comes of a kill of all shards, of which each is asked by a client of the servers."""
    kill = {"action": "kill", "kind": "all"}
    keys.cluster = "desk"

    async def asking(shard: int, number: int) -> dict[str, Any]:
        return await ask_one(client, "desk", shard, "olga", kill, number)

    return asyncio.run(ask_all(keys, asking, "olga", kill, known=known))


def test_a_kill_that_can_not_be_kept_is_asked_all_the_same() -> None:
    keys = NoServers(Servers(), Effects())
    keys._servers.write("shard.0", b"{}", None)
    asked: list[str] = []

    class Client:
        async def request(self, subject: str, payload: bytes, timeout: float) -> Any:
            asked.append(subject)
            raise TimeoutError

    found = asked_all(keys, Client())
    assert asked == ["brokerfix.desk.shard.0"]
    assert (found["kept"], found["number"], found["error"]) == (False, 0, NO_ANSWER)
    assert found["answers"] == [{"shard": 0, "ok": False, "error": "it does not answer", "away": True}]


class Silent(NoServers):
    """No server is left that tells which shards there are."""

    async def below(self, prefix: str) -> dict[str, tuple[int, bytes]]:
        raise Away(NO_ANSWER)


class Answering:
    """The servers' client, by which every shard answers the same."""

    max_payload = 100

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    async def request(self, subject: str, payload: bytes, timeout: float) -> Any:
        self.asked.append({"subject": subject, **json.loads(payload)})
        return SimpleNamespace(data=json.dumps(self.answer).encode())


def test_a_kill_goes_to_the_shards_that_were_heard_of_where_the_keys_can_not_be_read() -> None:
    keys = Silent(Servers(), Effects())
    found = asked_all(keys, Answering({"ok": True, "orders": 3}), known=(2, 1))
    assert found["answers"] == [{"shard": shard, "ok": True, "orders": 3} for shard in (1, 2)]
    nobody = Answering({"ok": False, "error": NOT_THERE})
    with pytest.raises(Away):
        asked_all(keys, nobody)


@pytest.mark.parametrize(
    ("minutes", "later", "left"), [(None, 10**6, None), (10, 0, 10), (10, 4 * 60 + 59, 6), (10, 600, 0), (10, 10**6, 0)]
)
def test_a_limit_that_was_set_for_some_minutes_is_set_for_what_is_left_of_them(
    minutes: int | None, later: int, left: int | None
) -> None:
    request = {"action": "set-limits", "kind": "firm"} | ({"minutes": minutes} if minutes else {})
    still = still_asked(Asked(1, "olga", 10**9, request), (later + 1) * 10**9)
    assert still == (request if left is None else {**request, "minutes": left} if left else None)


# One shard's agent


class Broker:
    """The broker beside it: what it is asked, and how it answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    async def ask(self, action: str, by: str = "cluster", **request: Any) -> dict[str, Any]:
        self.asked.append((action, by, request.get("role", "")))
        if action == "resume":
            raise ActionRefused("nothing is halted")
        return {"day": 20261128}

    async def settled(self, for_good: bool = False) -> None:
        """It is."""


def agent(servers: Servers, keys: Keys | None = None) -> tuple[Operators, Broker]:
    """What operators ask, of shard 1."""
    keys = KeysAtHand(servers, Effects()) if keys is None else keys
    keys.cluster = "desk"
    broker = Broker()
    made: Any = SimpleNamespace(
        config=SimpleNamespace(operators={}), keys=keys, broker=broker, shard=1, me="1", cluster="desk", answers=True,
        alive=frozenset({"1"}), beats={}, documents={}, lock=asyncio.Lock(), client=Answering({"ok": True}),
        told={"1": Beat(1, "a", "DESK", 3, 2, 9, 0), "2": Beat(2, "b", "DESK", 1, 0, 9, 0, 10**9)},
    )  # fmt: skip
    return Operators(made), broker


class Message:
    def __init__(self, asked: Any) -> None:
        self.data = json.dumps(asked).encode()
        self.answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def respond(self, payload: bytes) -> None:
        self.answer.set_result(json.loads(payload))


def answered(operators: Operators, asked: Any) -> dict[str, Any]:
    """What a shard's agent answers to another one."""

    async def ask() -> dict[str, Any]:
        message: Any = Message(asked)
        await operators.asked(message)
        found: dict[str, Any] = await message.answer
        return found

    return asyncio.run(ask())


def test_what_was_asked_of_all_is_carried_out_once_and_in_its_order_in_the_persons_role() -> None:
    servers = Servers()
    operators, broker = agent(servers)
    keys = KeysAtHand(servers, Effects())

    async def asked() -> None:
        await keep(keys, "rita", HALT, "risk")
        await keep(keys, "olga", {"action": "resume", "kind": "all", "role": "administrator"}, "operator")
        await operators.standing.catch_up()
        await operators.standing.catch_up()

    asyncio.run(asked())
    assert broker.asked == [("halt", "rita", "risk"), ("resume", "olga", "operator")]
    assert (operators.standing.done, operators.standing.last, servers.values["done.1"][1]) == (2, 2, b"2")
    # Whose request it was is told what came of it, though it was carried out before it was asked for.
    halt, resume = ({"by": "x", "number": number, "request": HALT} for number in (1, 2))
    assert answered(operators, halt) == {"ok": True, "day": 20261128}
    assert answered(operators, resume) == {"ok": False, "error": "nothing is halted"}


def test_requests_that_are_not_kept_any_more_are_alerted() -> None:
    servers = Servers()
    operators, broker = agent(servers)
    standing = Standing(9, [Asked(8, "rita", 1, HALT, "risk"), Asked(9, "rita", 1, HALT, "risk")])
    servers.write("standing", msgspec.json.encode(standing), None)
    servers.write("done.1", b"3", None)
    asyncio.run(operators.standing.catch_up())
    assert [action for action, _, _ in broker.asked] == ["alert", "halt", "halt"]
    asyncio.run(operators.standing.catch_up())
    assert len(broker.asked) == 3


def test_another_shards_agent_is_answered_whatever_it_asks() -> None:
    operators, broker = agent(Servers())
    beside: Any = operators._agent
    status = {"by": "vera", "number": 0, "role": "viewer", "request": {"action": "status"}}
    assert answered(operators, status) == {"ok": True, "day": 20261128}
    assert broker.asked == [("status", "vera", "viewer")]
    refused = answered(operators, {**status, "request": {"action": "enter"}})
    assert refused == {"ok": False, "error": "enter can't be asked of another shard"}
    for nonsense in ([], {"by": "vera"}, {**status, "request": 5}):
        assert not answered(operators, nonsense)["ok"]
    beside.client.max_payload = 5
    assert "ask it on its own machine" in answered(operators, status)["error"]
    beside.client.max_payload, beside.answers = 100, False
    assert answered(operators, status) == {"ok": False, "error": "its broker does not answer", "away": True}
    assert len(broker.asked) == 2


def test_the_door_tells_how_shards_are_and_who_has_not_confirmed() -> None:
    servers = Servers()
    operators, _ = agent(servers)
    servers.write("standing", msgspec.json.encode(Standing(4)), None)
    me = name_of(os.getuid())
    told = asyncio.run(operators.at_the_door(me, {"action": "shards"}))
    assert (told["asked"], told["here"], told["trouble"]) == (4, 1, "")
    assert [(one["shard"], one["state"], one["standing"]) for one in told["shards"]] == [(1, "up", 0), (2, "away", 0)]
    # It was away long before the agent began.
    assert told["shards"][1]["heard_s"] > 10**6


def test_a_role_may_do_at_all_shards_what_it_may_do_at_one() -> None:
    operators, broker = agent(Servers())
    me = name_of(os.getuid())
    kill = {"action": "all", "request": {"action": "kill", "kind": "all"}, "by": "vera", "role": "viewer"}
    with pytest.raises(ActionRefused, match="the role viewer may not do this"):
        asyncio.run(operators.at_the_door(me, kill))
    # It is on record.
    assert broker.asked == [("kill", "vera", "viewer")]
    for request in ({"action": "all", "request": {"action": "enter"}}, {"action": "one", "shard": 2, "request": {}}):
        with pytest.raises(ActionRefused, match="can't be asked"):
            asyncio.run(operators.at_the_door(me, request))


def test_the_shard_beside_the_agent_is_stopped_also_where_no_server_is_left() -> None:
    operators, broker = agent(Servers(), Silent(Servers(), Effects()))
    kill = {"action": "all", "request": {"action": "kill", "kind": "all"}, "by": "rita", "role": "risk"}
    told = asyncio.run(operators.at_the_door(name_of(os.getuid()), kill))
    assert broker.asked == [("kill", "rita", "risk")]
    assert [(one["shard"], one["ok"]) for one in told["answers"]] == [(1, True), (2, True)]
    assert (told["kept"], told["error"]) == (False, NO_ANSWER)


def test_a_limit_that_waits_at_another_shard_is_approved_there_in_the_persons_role() -> None:
    operators, _ = agent(Servers())
    answer = {"action": "answer-limits", "proposal": "7", "approve": 1}
    asked = {"action": "one", "shard": 2, "request": answer, "by": "rob", "role": "risk"}
    asyncio.run(operators.at_the_door(name_of(os.getuid()), asked))
    servers: Any = operators._agent.client
    assert servers.asked == [
        {"subject": "brokerfix.desk.shard.2", "by": "rob", "role": "risk", "number": 0, "request": answer}
    ]
    with pytest.raises(ActionRefused, match="the role trader may not do this"):
        asyncio.run(operators.at_the_door(name_of(os.getuid()), {**asked, "by": "tom", "role": "trader"}))


def test_a_door_that_is_not_there_and_one_that_is_silent_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="no agent of the cluster answers here"):
        asyncio.run(ask_door(tmp_path, {"action": "shards"}, 1.0))

    async def handle(operator: str, request: dict[str, Any]) -> dict[str, Any]:
        if request["action"] == "slow":
            await asyncio.sleep(60)
        return {"operator": operator, "long": "x" * 2_000_000}

    async def asked() -> dict[str, Any]:
        door = await open_door(tmp_path, (), handle)
        try:
            with pytest.raises(NotRunning, match="did not answer within"):
                await ask_door(tmp_path, {"action": "slow"}, 0.05)
            with pytest.raises(ActionRefused, match="action is missing"):
                await ask_door(tmp_path, {}, 5.0)
            return await ask_door(tmp_path, {"action": "shards"}, 5.0)
        finally:
            door.close()

    told = asyncio.run(asked())
    assert (told["operator"], len(told["long"])) == (name_of(os.getuid()), 2_000_000)


def test_where_nobody_knows_the_shards_who_takes_requests_is_asked() -> None:
    class Client(Answering):
        async def request(self, subject: str, payload: bytes, timeout: float) -> Any:
            if subject not in ("brokerfix.desk.shard.0", "brokerfix.desk.shard.12"):
                raise nats.errors.NoRespondersError
            return await super().request(subject, payload, timeout)

    found = asked_all(Silent(Servers(), Effects()), Client({"ok": True}))
    assert (found["answers"], found["error"]) == ([{"shard": 0, "ok": True}, {"shard": 12, "ok": True}], NO_ANSWER)


class Recording(BrokerEnd):
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
    keys, broker = KeysAtHand(Servers(), Effects()), Recording()

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
    shard.keys, shard.broker = KeysAtHand(Servers(), Effects()), Recording()
    shard.broker.is_safe = False
    document = Document(0, {"0": Entry(50, 10, 10, 0, 100, 1)}, 0.0)

    async def write(amount: int) -> None:
        entries = {"0": Entry(amount, 10, 10, 0, 100, 1)}
        await shard._do(Write(entries), "part.firm.-.max_gross", {}, document)

    asyncio.run(write(60))
    with pytest.raises(Away):
        asyncio.run(write(20))
    assert document.entries["0"].amount == 60
