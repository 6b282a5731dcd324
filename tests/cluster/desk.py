"""A desk for trying a cluster: NATS servers, an exchange, and nodes that are processes, each with a folder of its
own."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from brokerfix.operate.admin import NotRunning, ask
from brokerfix.tools.client import Client, Disconnected
from brokerfix.tools.demo import Process, free_port
from brokerfix.tools.nats_servers import NatsServers
from tests import starter
from tests.live import EXCHANGE, INSTRUMENT

BROKER = """
[broker]
name = "BROKER"
port = {port}
data = "data-{node}"
store = false
durability = "{durability}"
{instrument}
[accounts.ALICE]
cash = "1000000"
limits = {{ max_order_qty = "10000" }}
[clients.ALICE]
accounts = ["ALICE"]
[venues.XNAS]
host = "127.0.0.1"
port = {venue_port}
sender = "BROKER"
target = "XNAS"
[cluster]
servers = {servers}
name = "{cluster}"
node = "{node}"
replicas = {replicas}
lease_seconds = {lease}
{more}
"""
RETRY_SECONDS = 0.05


def until_said(true: Callable[[], bool], timeout: float = 60.0) -> None:
    """Wait for something that a node says when it is asked: not too often, as it would do little else."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(RETRY_SECONDS)


class Node:
    """One broker process of the cluster."""

    def __init__(self, name: str, config: Path, port: int) -> None:
        self.name, self.config, self.port = name, config, port
        self.data = config.parent / f"data-{name}"
        self.log = config.with_suffix(".log")
        self._process: starter.Started | None = None

    def start(self, command: str = "start") -> None:
        """Begin, without waiting for anything."""
        self.run(sys.executable, "-m", "brokerfix", command, str(self.config))

    def run(self, *words: str) -> None:
        with self.log.open("ab") as log:
            self._process = starter.start(words, log)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def status(self) -> dict[str, Any]:
        """What it says of the cluster; {} where it does not answer."""
        with suppress(NotRunning):
            return ask(self.data, {"action": "cluster"})
        return {}

    def wait(self, role: str, **more: Any) -> None:
        """Until it has this role, and the other things that it says are so."""

        def is_so() -> bool:
            assert not self.has_ended, self.log.read_text()[-3000:]
            told = self.status()
            return told.get("role") == role and all(told.get(key) == value for key, value in more.items())

        until_said(is_so)

    def wait_ready(self) -> None:
        """Until it is a standby that has all that the stream has."""

        def is_ready() -> bool:
            told = self.status()
            node = (told.get("nodes") or {}).get(self.name, {})
            return told.get("role") == "standby" and node.get("role") == "standby" and not told["behind_bytes"]

        until_said(is_ready)

    def kill(self, delete: bool = False) -> None:
        """As a machine that is lost, with `delete` for good."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        if delete:
            shutil.rmtree(self.data, ignore_errors=True)

    def signal(self, which: signal.Signals) -> None:
        if not self.has_ended:
            assert self._process is not None
            self._process.send_signal(which)

    def stop(self) -> int:
        """In good order. Returns the exit code."""
        if self._process is None:
            return 0
        if not self.has_ended:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        return self._process.wait(20)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")


class Desk:
    """An exchange, and nodes that are started by the test; `servers` are of the whole module."""

    def __init__(
        self, folder: Path, servers: NatsServers, nodes: str = "ab", *, durability: str = "cluster", lease: float = 1.0,
        cluster: str = "", replicas: int = 1, urls: dict[str, list[str]] | None = None, more: str | dict[str, str] = "",
        broker: str = BROKER,
    ) -> None:  # fmt: skip
        """A node for each letter; `urls` are those by which single ones reach the servers."""
        self.folder = folder
        port = free_port()
        config = folder / "XNAS.toml"
        config.write_text(EXCHANGE.format(port=port, instrument=INSTRUMENT))
        self.exchange = Process("XNAS", config, folder / "XNAS.log", port)
        self.nodes: dict[str, Node] = {}
        self.clients: list[Client] = []
        for name in nodes:
            place = folder / f"{name}.toml"
            node_port = free_port()
            found = (urls or {}).get(name, servers.urls)
            place.write_text(
                broker.format(
                    port=node_port, node=name, durability=durability, instrument=INSTRUMENT, venue_port=port,
                    more=more if isinstance(more, str) else more[name],
                    servers=str(found).replace("'", '"'), replicas=replicas, lease=lease,
                    cluster=cluster or folder.name,
                )
            )  # fmt: skip
            self.nodes[name] = Node(name, place, node_port)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def start(self) -> None:
        """The exchange, the first node as the primary, all others as standbys that are ready."""
        self.exchange.start()
        first, *others = self.nodes.values()
        first.start()
        first.wait("primary")
        for node in others:
            node.start("standby")
        for node in others:
            node.wait_ready()

    def client(self, node: str) -> Client:
        client = Client("ALICE", "BROKER", "127.0.0.1", self.nodes[node].port)
        self.clients.append(client)
        self.reach(client, node)
        return client

    def reach(self, client: Client, node: str, timeout: float = 30.0) -> None:
        """Connect a client to a node, as soon as it is let in."""
        client.close()
        client.address = "127.0.0.1", self.nodes[node].port
        deadline = time.monotonic() + timeout
        while True:
            try:
                return client.connect()
            except Disconnected:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_SECONDS)

    def primary(self) -> str:
        """Which node is the primary now; "" for none."""
        return next((name for name, node in self.nodes.items() if node.status().get("role") == "primary"), "")

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        for node in self.nodes.values():
            with suppress(subprocess.TimeoutExpired):
                node.stop()
            if not node.has_ended:
                node.kill()
        self.exchange.stop()


def order(
    client: Client, cl_ord_id: str, price: str = "150.00", qty: str = "1", timeout: float = 10.0
) -> dict[int, str]:
    """Send a buy, and wait for the answer."""
    client.new_order(cl_ord_id, "1", qty, "AAPL", price)
    return answer(client, cl_ord_id, timeout)


def answer(client: Client, cl_ord_id: str, timeout: float = 10.0) -> dict[int, str]:
    """The next message about an order of the client."""
    wanted: Callable[[dict[int, str]], bool] = lambda m: cl_ord_id in (m.get(11), m.get(379))  # noqa: E731
    return client.receive_until(wanted, timeout)
