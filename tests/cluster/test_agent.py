"""What the agent does about its own broker and its own disk, without servers."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from brokerfix.cluster import segments as module
from brokerfix.cluster.agent import HUNG_SECONDS, TICK_SECONDS, Agent
from brokerfix.cluster.nodes import Nodes
from brokerfix.cluster.segments import Incoming, Outgoing, end_of
from brokerfix.cluster.shared import Role, Slot, clock
from brokerfix.cluster.stream import Head
from brokerfix.settings.load import load
from tests.cluster.desk import BROKER
from tests.cluster.test_moves import Effects, KeysAtHand, Servers
from tests.cluster.test_segments import contents, written
from tests.live import INSTRUMENT

TICKS = int(HUNG_SECONDS / TICK_SECONDS)


@pytest.fixture
def broker() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a broker's place, that does nothing."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def agent(tmp_path: Path, broker: subprocess.Popen[bytes]) -> Agent:
    """The agent of a primary whose loop turns."""
    (tmp_path / "data-a").mkdir()
    config = tmp_path / "a.toml"
    config.write_text(
        BROKER.format(
            port=9876, node="a", durability="cluster", instrument=INSTRUMENT, venue_port=9877, servers='["nats://h:1"]',
            cluster="desk", replicas=1, lease=1.0, more="",
        )
    )  # fmt: skip
    agent = Agent(load(config), broker.pid, -1, may_begin=False)
    agent.shared[Slot.ROLE] = Role.PRIMARY
    agent.shared[Slot.TURNED], agent.shared[Slot.STANDBYS] = 1, 1
    return agent


def ticks(agent: Agent, count: int, each: Callable[[], None] = lambda: None) -> None:
    for _ in range(count):
        each()
        agent._check_loop()


def test_a_broker_that_hangs_is_ended_where_a_standby_could_take_over(
    agent: Agent, broker: subprocess.Popen[bytes]
) -> None:
    ticks(agent, TICKS)
    assert broker.poll() is None, "it has some time"
    ticks(agent, 1)
    assert broker.wait(10) == -signal.SIGKILL
    assert agent.told.get("stopped") == f"process {broker.pid} has not reacted for 10 s"


def test_without_a_standby_a_broker_that_hangs_is_told_of(agent: Agent, broker: subprocess.Popen[bytes]) -> None:
    agent.shared[Slot.STANDBYS] = 0
    ticks(agent, 2 * TICKS)
    assert broker.poll() is None
    assert agent.told.get("trouble") == (
        f"the broker: process {broker.pid} has not reacted for 10 s, and no standby could take over: look after it"
    )
    agent.shared[Slot.TURNED] += 1
    ticks(agent, 1)
    assert agent.told.get("trouble") == ""


@pytest.mark.parametrize("slot", [Slot.ROLE, Slot.TURNED])
def test_a_broker_that_is_not_in_its_loop_may_take_its_time(
    agent: Agent, broker: subprocess.Popen[bytes], slot: Slot
) -> None:
    """It is a standby that catches up, or it starts, or stops."""
    agent.shared[slot] = Role.STANDBY if slot is Slot.ROLE else 0
    ticks(agent, 2 * TICKS)
    assert broker.poll() is None


def test_a_standby_whose_broker_hangs_does_not_take_over(agent: Agent, broker: subprocess.Popen[bytes]) -> None:
    agent.follower, agent.nodes = SimpleNamespace(caught_up=True), Nodes(KeysAtHand(Servers(), Effects()), 0, "a")  # type: ignore[assignment]
    agent.shared[Slot.ROLE], agent.shared[Slot.TURNED] = Role.STANDBY, 0
    ticks(agent, 1)
    assert not agent._may_be_primary(), "it does not follow yet"
    agent.shared[Slot.TURNED] = 1
    ticks(agent, 1)
    assert agent._may_be_primary()
    ticks(agent, 2 * TICKS)
    assert not agent._may_be_primary()
    asyncio.run(agent.nodes.tell(agent.shared, False, agent.told, agent._reacts))
    assert (agent.nodes.known["a"].role, agent.nodes.known["a"].is_ready) == ("not reacting", False)
    assert broker.poll() is None, "it may be looked at"
    agent.shared[Slot.TURNED] = 2
    ticks(agent, 1)
    assert agent._may_be_primary()


def test_a_node_becomes_the_primary_when_its_lease_lasts(agent: Agent) -> None:
    """It was taken, and not renewed in time: a broker that begins then would be ended for going on without it."""

    async def run() -> None:
        agent.shared[Slot.DEADLINE] = clock() - 1
        waiting = asyncio.create_task(agent._until_renewed())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        agent.shared[Slot.DEADLINE] = clock() + 10**9
        await asyncio.wait_for(waiting, 5)

    asyncio.run(run())


def test_a_broker_that_turns_goes_on(agent: Agent, broker: subprocess.Popen[bytes]) -> None:
    def turn() -> None:
        agent.shared[Slot.TURNED] += 1

    ticks(agent, 2 * TICKS, turn)
    assert broker.poll() is None


def test_a_standby_s_full_disk_is_waited_for_and_nothing_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk with space for a part takes that part; what is not there is taken again."""
    source = written(tmp_path / "source", [50] * 5)
    outgoing = Outgoing(source)
    outgoing.go_to(0)
    run = outgoing.next(end_of(source))
    assert run is not None
    day, offset, crc, before, data = run
    head = Head(day, offset, len(data), crc, 1, "a", 1, before)
    incoming = Incoming(tmp_path / "standby", sync=False)
    pwrite, space = os.pwrite, [100]

    def full(file: int, data: Any, offset: int) -> int:
        if not space[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = pwrite(file, data[: space[0]], offset)
        space[0] -= count
        return count

    monkeypatch.setattr(module.os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        incoming.take(head, data)
    assert incoming.position < head.end
    space[0] = 1 << 20
    incoming.take(head, data)
    incoming.close()
    assert (incoming.position, contents(tmp_path / "standby")) == (head.end, contents(source))
