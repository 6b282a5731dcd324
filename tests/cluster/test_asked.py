"""What is asked in an operator's name, and what of it stands."""

import asyncio
import os
from typing import Any

import pytest

from brokerfix.cluster.keys import NO_ANSWER
from brokerfix.cluster.standing import ask_all, keep, read_standing
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


class NoServers(KeysAtHand):
    """Only the last of the cluster's servers is left: what shards there are can be read, and nothing written."""

    async def write(self, key: str, value: bytes, over: int | None = None) -> int:
        from brokerfix.cluster.lease import Away

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
