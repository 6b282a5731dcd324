"""Two nodes and their cluster, as processes: what happens to each, one after the other, on one and the same desk."""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerfix.domain import id_text
from brokerfix.facts import Alerted, StateChecked
from brokerfix.operate.admin import ActionRefused, ask
from brokerfix.record.audit import verify
from brokerfix.record.journal import Journal, read, segments
from brokerfix.tools.client import Client, Disconnected
from brokerfix.tools.demo import free_port
from brokerfix.tools.nats_servers import NatsServers
from tests.cluster.desk import Desk, Node, order, until_said
from tests.cluster.proxy import Proxy
from tests.live import run_cli, until

LEASE = 3.0
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    servers = NatsServers(tmp_path_factory.mktemp("nats"), free_port)
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture(scope="module")
def proxies(servers: NatsServers) -> Iterator[dict[str, Proxy]]:
    proxies = {name: Proxy(servers.ports[0]) for name in "ab"}
    yield proxies
    for proxy in proxies.values():
        proxy.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, servers: NatsServers, proxies: dict[str, Proxy]) -> Iterator[Desk]:
    urls = {name: [f"nats://127.0.0.1:{proxy.port}"] for name, proxy in proxies.items()}
    desk = Desk(tmp_path_factory.mktemp("desk"), servers, lease=LEASE, urls=urls, more="check_seconds = 1")
    try:
        desk.start()
        yield desk
    finally:
        desk.stop()


@pytest.fixture(scope="module")
def alice(desk: Desk) -> Client:
    return desk.client("a")


def journal_of(node: Node) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in segments(node.data / "journal")}


def alerts(node: Node) -> list[str]:
    facts = (fact for record in read(node.data / "journal", lambda torn: None) for fact in record.facts)
    return [fact.code for fact in facts if isinstance(fact, Alerted)]


def test_a_standby_has_the_same_bytes_and_says_who_is_primary(desk: Desk, alice: Client) -> None:
    for number in range(20):
        assert order(alice, f"same-{number}")[150] == "0"
    until(lambda: journal_of(desk["a"]) == journal_of(desk["b"]))
    where = f"127.0.0.1:{desk['a'].port}"
    with pytest.raises(ActionRefused, match=f"node b is a standby; the primary is node a, at {where}"):
        ask(desk["b"].data, {"action": "halt", "kind": "all", "name": ""})
    told = run_cli("cluster", str(desk["b"].config))
    assert told.returncode == 0, told.stderr
    rows = [line.split("\t") for line in told.stdout.splitlines()]
    assert [row[:3] for row in rows[1:]] == [["a", "primary", "1"], ["b", "standby", "0"]]


def test_the_states_are_compared(desk: Desk) -> None:
    until_said(lambda: desk["a"].status()["nodes"]["b"]["check"] == "same")
    report, _ = verify(desk["a"].data / "journal")
    assert report.problems == []
    facts = [fact for record in read(desk["a"].data / "journal", lambda torn: None) for fact in record.facts]
    assert any(isinstance(fact, StateChecked) for fact in facts)


def test_orders_go_on_when_the_agent_is_killed(desk: Desk, alice: Client) -> None:
    epoch = desk["a"].status()["epoch"]
    children = Path(f"/proc/{desk['a'].pid}/task/{desk['a'].pid}/children").read_text().split()
    agents = [int(pid) for pid in children if b"cluster.agent" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(agents) == 1
    os.kill(agents[0], signal.SIGKILL)
    assert order(alice, "agent-1")[150] == "0"
    assert desk["a"].status()["epoch"] == epoch
    until(lambda: journal_of(desk["a"]) == journal_of(desk["b"]))


def test_orders_wait_out_a_server_that_is_away_for_a_moment(desk: Desk, alice: Client, servers: NatsServers) -> None:
    epoch = desk["a"].status()["epoch"]
    servers.pause(0)
    alice.new_order("moment", "1", "1", "AAPL", "150.00")
    alice.poll(LEASE / 4)
    assert not alice.messages, "it was not confirmed"
    servers.go_on(0)
    assert alice.receive_until(lambda m: m.get(11) == "moment")[150] == "0"
    assert desk["a"].status()["epoch"] == epoch


class Listener(threading.Thread):
    """A client that logs on to a node whenever it can, asks for heartbeats all the time, and notes when bytes came."""

    def __init__(self, client: Client, port: int) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.client.address = "127.0.0.1", port
        self.times: list[float] = []
        self.ended = False

    def run(self) -> None:
        number = 0
        while not self.ended:
            try:
                if not self.client.connected:
                    self.client.connect(timeout=1)
                number += 1
                self.client._send("1", [(112, str(number))])
                before = self.client.next_in
                self.client.poll(0.01)
                if self.client.next_in != before:
                    self.times.append(time.monotonic())
            except (Disconnected, TimeoutError):
                time.sleep(0.01)
            self.client.admin.clear()
            self.client.messages.clear()


def test_a_primary_that_is_cut_off_stops_before_the_next_begins(
    desk: Desk, alice: Client, proxies: dict[str, Proxy]
) -> None:
    alice.close()
    at_a = Listener(alice, desk["a"].port)
    at_a.start()
    until(lambda: len(at_a.times) > 10)
    cut = time.monotonic()
    proxies["a"].cut()
    desk["b"].wait("primary")
    at_a.ended = True
    at_a.join()
    at_b = Listener(alice, desk["b"].port)
    at_b.start()
    until(lambda: len(at_b.times) > 10)
    at_b.ended = True
    at_b.join()
    assert at_a.times[-1] < cut + LEASE + 0.1, "it stops within its lease"
    assert at_a.times[-1] < at_b.times[0]
    assert "stops at once, and begins anew as a standby" in desk["a"].tail()
    proxies["a"].heal()
    desk["a"].wait("standby")
    desk["a"].wait_ready()
    assert alerts(desk["b"])[-1] == "TOOK_OVER"
    alice.close()


def test_a_switch_hands_over_at_once(desk: Desk, alice: Client) -> None:
    assert desk.primary() == "b"
    desk.reach(alice, "b")
    assert order(alice, "before the switch")[150] == "0"
    until_said(lambda: desk["b"].status()["standbys"] == 1)
    refused = run_cli("switch", str(desk["b"].config), "--to", "c")
    assert "there is no node 'c': known are a, b" in refused.stderr
    done = run_cli("switch", str(desk["b"].config), "--to", "a")
    assert done.returncode == 0, done.stderr + desk["b"].tail()[-2000:]
    desk.reach(alice, "a")
    assert order(alice, "after the switch")[150] == "0"
    desk["b"].wait_ready()


def test_a_standby_takes_over_from_a_machine_that_is_gone(desk: Desk, alice: Client) -> None:
    assert order(alice, "rests", "140.00")[150] == "0"
    desk["a"].kill(delete=True)
    desk.reach(alice, "b")
    assert order(alice, "goes on")[150] == "0"
    alice.cancel("cancel", "rests", "1", "AAPL")
    assert alice.receive_until(lambda m: m.get(11) == "cancel" and m[150] == "4")
    desk["a"].start("standby")
    desk["a"].wait_ready()
    until(lambda: journal_of(desk["a"]) == journal_of(desk["b"]))


def test_a_tail_that_nobody_has_is_cut_and_kept(desk: Desk, alice: Client) -> None:
    desk["b"].kill()
    last = segments(desk["b"].data / "journal")[-1]
    size = last.stat().st_size
    journal = Journal(desk["b"].data / "journal")
    journal.open(int(last.stem))
    journal.append([Alerted(time.time_ns(), 1, "test", "LOST", "of nobody")])
    journal.close()
    desk.reach(alice, "a")
    assert order(alice, "others")[150] == "0"
    desk["b"].start("standby")
    desk["b"].wait_ready()
    until(lambda: journal_of(desk["a"]) == journal_of(desk["b"]))
    (aside,) = (desk["b"].data / "journal" / "aside").iterdir()
    assert aside.name.startswith(f"{last.stem}.{size}.")
    assert b"of nobody" in aside.read_bytes()
    assert f"bytes from byte {size} of {last.name} on are not in the cluster's journal" in desk["b"].tail()


def test_without_a_quorum_nobody_is_primary_and_it_comes_back(desk: Desk, alice: Client, servers: NatsServers) -> None:
    before = desk.primary()
    servers.pause(0)
    until_said(lambda: {desk[name].status().get("role") for name in "ab"} <= {"standby", "starting"})
    with pytest.raises(Disconnected):
        alice.receive_until(lambda m: False, 5)
    servers.go_on(0)
    until_said(lambda: bool(desk.primary()))
    desk.reach(alice, desk.primary())
    assert order(alice, "after the quorum")[150] == "0"
    assert "ALERT NO_QUORUM from cluster: the cluster does not confirm records" in desk[before].tail()
    assert alerts(desk[desk.primary()])[-1] == "TOOK_OVER"


def test_every_account_agrees_at_the_end(desk: Desk, alice: Client) -> None:
    """Also a node that is told to end while it takes over ends in good order."""
    alice.logout()
    states = set()
    primary = desk.nodes[desk.primary()]
    (standby,) = (node for node in desk.nodes.values() if node is not primary)
    standby.wait_ready()
    before = standby.tail().count("takes over")
    assert primary.stop() == 0, primary.tail()[-2000:]
    until(lambda: standby.tail().count("takes over") > before)
    assert standby.stop() == 0, standby.tail()[-2000:]
    assert standby.tail().endswith("its orders stay\n")
    for node in desk.nodes.values():
        report, state = verify(node.data / "journal")
        assert report.problems == []
        states.add((id_text(state.last_id), report.state_hash))
    assert len(states) <= 2
