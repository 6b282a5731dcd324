"""Clusters that are set up otherwise: cancels without a quorum, messages that do not wait, a gateway before them."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerfix.facts import Alerted
from brokerfix.operate.admin import ask
from brokerfix.process.warm import warm_up
from brokerfix.record.audit import verify
from brokerfix.record.checked import PARTS, Checker, Comparison
from brokerfix.record.journal import read
from brokerfix.tools.client import Client, Disconnected
from brokerfix.tools.demo import free_port
from brokerfix.tools.nats_servers import NatsServers
from tests import starter
from tests.cluster.desk import Desk, Node, order, until_said
from tests.live import listening, run_cli, until

pytestmark = pytest.mark.timeout(300)
LEASE = 2.0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    servers = NatsServers(tmp_path_factory.mktemp("nats"), free_port)
    servers.start()
    yield servers
    servers.stop()


def alerts(node: Node) -> list[tuple[str, str]]:
    facts = (fact for record in read(node.data / "journal", lambda torn: None) for fact in record.facts)
    return [(fact.code, fact.text) for fact in facts if isinstance(fact, Alerted)]


def test_where_cancels_are_sent_without_a_quorum_sessions_stay_and_orders_are_refused(
    tmp_path: Path, servers: NatsServers
) -> None:
    desk = Desk(tmp_path, servers, "a", lease=LEASE, more='cancels_without_quorum = "send"')
    try:
        desk.start()
        alice = desk.client("a")
        assert order(alice, "rests", "140.00")[150] == "0"
        servers.pause(0)
        until(lambda: "ALERT NO_QUORUM" in desk["a"].tail())
        alice.cancel("cancel", "rests", "1", "AAPL")
        refused = order(alice, "new", "140.00", 30)
        assert (refused[35], refused[58]) == ("j", "orders can't be recorded now and are not taken; cancels are")
        assert alice.receive_until(lambda m: m.get(11) == "cancel" and m[150] == "4", 30)
        assert desk["a"].status()["role"] == "primary"
        servers.go_on(0)
        until(lambda: any(code == "QUORUM_BACK" for code, _ in alerts(desk["a"])))
        assert order(alice, "again", "140.00")[150] == "0"
        told = dict(alerts(desk["a"]))
        assert "cancels go to exchanges all the same, and another node that becomes" in told["NO_QUORUM"]
        assert told["QUORUM_BACK"] == "the cluster confirms records again; orders are taken"
        assert ask(desk["a"].data, {"action": "status"})["cluster"]["standbys"] == 0
        told_by_cli = run_cli("cluster", str(desk["a"].config))
        assert told_by_cli.returncode == 1
        assert told_by_cli.stderr == "no standby could take over\n"
    finally:
        servers.go_on(0)
        desk.stop()


def gateway_of(upstream: str) -> str:
    return f'check_seconds = 1\n[gateway]\nplain = "127.0.0.1"\nupstream = "{upstream}"\nsecret = "secret"\n'


def test_a_gateway_follows_the_primary_and_what_may_be_lost_is_told(tmp_path: Path, servers: NatsServers) -> None:
    """Messages do not wait for the cluster here; one of two standbys has another state, and never takes over."""
    (tmp_path / "secret").write_bytes(os.urandom(32))
    doors = {name: f"127.0.0.1:{free_port()}" for name in "abc"}
    more = {name: gateway_of(door) for name, door in doors.items()}
    desk = Desk(tmp_path, servers, "abc", lease=LEASE, durability="process", more=more)
    port = free_port()
    front = tmp_path / "gateway.toml"
    text = desk["a"].config.read_text().replace(doors["a"], ", ".join(doors.values()))
    front.write_text(text.replace(f"port = {desk['a'].port}", f"port = {port}"))
    gateway = None
    try:
        desk.exchange.start()
        desk["a"].start()
        desk["a"].wait("primary")
        with (tmp_path / "gateway.log").open("wb") as log:
            gateway = starter.start([sys.executable, "-m", "brokerfix", "gateway", str(front)], log)
        desk["c"].run(sys.executable, "-m", "tests.cluster.differs", str(desk["c"].config))
        until(lambda: listening(gateway.pid) == [f"127.0.0.1:{port}"])
        alice = Client("ALICE", "BROKER", "127.0.0.1", port)
        desk.clients.append(alice)
        alice.connect()
        assert order(alice, "before")[150] == "0"
        until_said(lambda: desk["a"].status()["nodes"].get("c", {}).get("check") == "different")
        until(lambda: any(code == "STATE_DIFFERS" for code, _ in alerts(desk["a"])))
        desk["b"].start("standby")
        desk["b"].wait_ready()
        desk["a"].kill(delete=True)
        desk["b"].wait("primary")
        alice.close()
        until(lambda: connects(alice))
        assert order(alice, "after")[150] == "0"
        codes = dict(alerts(desk["b"]))
        assert codes["TOOK_OVER"] == "node b has taken over from node a, in epoch 2"
        assert codes["POSSIBLE_LOSS"].startswith("node a did not wait for the cluster: lost may be ")
        assert "it will not take over" in desk["c"].tail()
    finally:
        if gateway is not None:
            gateway.terminate()
            gateway.wait(10)
        desk.stop()


def connects(client: Client) -> bool:
    try:
        client.connect(timeout=2)
    except (Disconnected, TimeoutError):
        client.close()
        return False
    return True


def test_a_primary_that_is_started_again_goes_on_where_it_was(tmp_path: Path, servers: NatsServers) -> None:
    """It is the same node, and nobody was primary since: it knows the numbers that its sessions have used."""
    desk = Desk(tmp_path, servers, "a", lease=LEASE, durability="disk+cluster")
    try:
        desk.start()
        alice = desk.client("a")
        assert order(alice, "before")[150] == "0"
        desk["a"].kill()
        desk["a"].start()
        desk.reach(alice, "a")
        assert order(alice, "after")[150] == "0"
        assert alice.next_in < 100, "no numbers were left out"
        assert desk["a"].status()["epoch"] == 2
        assert not (desk["a"].data / "journal" / "aside").exists()
        assert desk["a"].stop() == 0
        report, _ = verify(desk["a"].data / "journal")
        assert report.problems == []
    finally:
        desk.stop()


def test_a_standby_of_a_cluster_that_has_had_no_primary_waits(tmp_path: Path, servers: NatsServers) -> None:
    desk = Desk(tmp_path, servers, "a", lease=0.5)
    try:
        desk["a"].start("standby")
        desk["a"].wait("standby")
        until_said(lambda: (desk["a"].status().get("nodes") or {}).get("a", {}).get("beat", 0) > 3)
        assert desk["a"].status()["role"] == "standby"
        said = run_cli("cluster", str(desk["a"].config))
        assert "there has been no primary yet: start one with `brokerfix start`" in said.stderr
        assert desk["a"].stop() == 0
    finally:
        desk.stop()


def test_what_an_operator_reads_when_the_servers_can_not_be_used(tmp_path: Path, servers: NatsServers) -> None:
    desk = Desk(tmp_path, servers, "a", urls={"a": [f"nats://127.0.0.1:{free_port()}"]})
    said = run_cli("cluster", str(desk["a"].config))
    assert said.returncode == 1
    assert "cluster.servers: nats://127.0.0.1:" in said.stderr
    assert "is a server running there?" in said.stderr
    no_cluster = tmp_path / "none.toml"
    no_cluster.write_text(desk["a"].config.read_text().split("[cluster]")[0].replace('"cluster"', '"process"'))
    assert "has no [cluster]: a standby needs one" in run_cli("standby", str(no_cluster)).stderr


def test_a_wrong_password_is_told_with_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKERFIX_CLUSTER_PASSWORD", "wrong")
    guarded = NatsServers(tmp_path, free_port, more="authorization { user: broker, password: right }\n")
    guarded.start()
    desk = Desk(tmp_path, guarded, "a", more='user = "broker"')
    try:
        said = run_cli("cluster", str(desk["a"].config))
        assert said.returncode == 1
        assert "user 'broker' is not let in: look at cluster.user and its password" in said.stderr
        desk["a"].start()
        until(lambda: "user 'broker' is not let in" in desk["a"].tail())
        assert desk["a"].stop() == 0, "it waits, and ends when it is told to"
    finally:
        desk.stop()
        guarded.stop()


def test_hashes_are_counted_beside_and_compared_when_both_are_known() -> None:
    checker = Checker()
    comparison = Comparison(checker)
    state = warm_up(1)
    assert checker.begin(state)
    at = state.last_id
    comparison.told(at, "another version's parts", "x")
    until(lambda: bool(checker.look_after()))
    assert checker.hashes[at] == state.hash()
    assert comparison.result() is None, "hashes of other parts are not compared"
    comparison.told(at, PARTS, state.hash())
    assert comparison.result() == (at, True)
    comparison.told(at, PARTS, "0" * 64)
    assert comparison.result() == (at, False)
    assert comparison.result() is None
