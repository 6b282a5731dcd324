"""Kill the primary, machine and all, and compare what clients, the new primary and exchanges hold:
`python -m tests.takeover --kills 100 --seed 1`; with `--servers`, the NATS servers one by one instead.

After each kill the data folder of the primary is deleted, a standby takes over, and a new one joins from the stream.
"""

import argparse
import re
import select
import signal
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from brokerfix.tools import demo, trader
from brokerfix.tools.client import Disconnected
from brokerfix.tools.nats_servers import NatsServers
from tests.cluster.desk import Node
from tests.crash import ORDER_EVERY, Harness, compare, compare_numbers

CLUSTER = """
[cluster]
servers = {servers}
node = "{node}"
replicas = {replicas}
lease_seconds = {lease}
check_seconds = 2
"""
RETRY_SECONDS = 0.05


class Takeovers(Harness):
    """Two exchanges, two nodes of which one is the primary, and three clients under load that know both."""

    def __init__(
        self, folder: Path, seed: int, servers: int = 1, lease: float = 1.0, durability: str = "cluster"
    ) -> None:
        super().__init__(folder, seed)
        nats = folder / "nats"
        nats.mkdir()
        self.nats = NatsServers(nats, demo.free_port, servers)
        self.nats.start()
        self.nodes: dict[str, Node] = {}
        text = self.broker.config.read_text().replace('"process"', f'"{durability}"')
        for name in "ab":
            port = demo.free_port()
            config = folder / "config" / f"{name}.toml"
            own = re.sub(rf"^port = {self.broker.port}\b", f"port = {port}", text, flags=re.M)
            own = own.replace('data = "../var/broker"', f'data = "data-{name}"')
            urls = str(self.nats.urls).replace("'", '"')
            config.write_text(own + CLUSTER.format(servers=urls, node=name, replicas=min(servers, 3), lease=lease))
            self.nodes[name] = Node(name, config, port)
        for client in self.traders:
            leave_out_refused(client)
        self.primary = "a"
        self.times: list[float] = []
        self._tried = 0.0
        self._turn_of: dict[str, int] = {}

    @property
    def standby(self) -> str:
        return "b" if self.primary == "a" else "a"

    def begin(self) -> None:
        """Until one node is the primary and the other follows."""
        self.nodes["a"].start()
        self.nodes["a"].wait("primary")
        self.nodes["b"].start("standby")
        self.nodes["b"].wait_ready()

    def kill_primary(self) -> None:
        """Trade for a moment, kill the primary and delete what it had; trade on until the standby has taken an order;
        have a new standby join."""
        until_then = time.monotonic() + self.random.uniform(0.05, 0.5)
        while time.monotonic() < until_then:
            self.turn()
        killed = time.monotonic()
        self.nodes[self.primary].kill(delete=True)
        self.kills += 1
        self.until_taken(killed)
        self.times.append(time.monotonic() - killed)
        self.nodes[self.primary].start("standby")
        self.primary = self.standby
        ready = self.nodes[self.standby]
        deadline = time.monotonic() + 60
        while not self._is_ready(ready):
            assert time.monotonic() < deadline, ready.tail()[-3000:]
            assert not ready.has_ended, ready.tail()[-3000:]
            self.turn()

    @staticmethod
    def _is_ready(node: Node) -> bool:
        told = node.status()
        return bool(
            told.get("role") == "standby"
            and (told.get("nodes") or {}).get(node.name, {}).get("role") == "standby"
            and told["behind_bytes"] < 1 << 16
        )

    def until_taken(self, since: float) -> None:
        """Trade until an order is answered that was sent after a time (monotonic)."""
        before = {client.name: len(client.sent) for client in self.traders}
        deadline = since + 60
        while True:
            assert time.monotonic() < deadline, "nobody took over: " + "".join(
                n.tail()[-2000:] for n in self.nodes.values()
            )
            self.turn()
            for client in self.traders:
                sent = client.sent[before[client.name] :]
                if any(cl_ord_id not in client._sent_at for cl_ord_id in sent):
                    return

    def turn(self, acting: bool = True) -> None:
        self._connect()
        connected = [client.client for client in self.traders if client.client.connected]
        if connected:
            select.select(connected, [], [], 0.01)
        else:
            time.sleep(0.005)
        for client in self.traders:
            try:
                if client.client.connected:
                    client.take_in()
                    if acting:
                        client.act(time.monotonic())
            except Disconnected:
                client.counts["disconnects"] += 1

    def _connect(self) -> None:
        """Each that is cut off tries the nodes in turn, every 50 ms."""
        if time.monotonic() < self._tried + RETRY_SECONDS:
            return
        self._tried = time.monotonic()
        for client in self.traders:
            if client.client.connected:
                continue
            turn = self._turn_of[client.name] = self._turn_of.get(client.name, 0) + 1
            client.client.address = "127.0.0.1", self.nodes["ab"[turn % 2]].port
            with suppress(Disconnected, TimeoutError):
                client.client.connect(timeout=2)
                client.client.subscribe(f"book-{time.monotonic_ns()}", trader.PRICES, depth=5)

    def finish_all(self) -> int:
        """Cancel and settle everything, stop all, and compare. Returns how many fills there were."""
        while not all(client.client.connected for client in self.traders):
            self.turn(acting=False)
        demo.finish(self.traders)
        self.nodes[self.standby].stop()
        self.nodes[self.primary].stop()
        for name in ("XNAS", "XNYS"):
            self.processes[name].stop()
        (self.folder / "var" / "broker").symlink_to(self.nodes[self.primary].data)
        states = {name: self._verified(name) for name in ("BROKER", "XNAS", "XNYS")}
        fills = compare(self, states.pop("BROKER"), states)
        compare_numbers(self)
        return fills

    def stop(self) -> None:
        for node in self.nodes.values():
            if not node.has_ended:
                node.signal(signal.SIGKILL)
        try:
            super().stop()
        finally:
            self.nats.stop()

    def lose_servers(self) -> list[float]:
        """Kill each NATS server in turn, and start it again. Returns how long no order was taken, each time."""
        pauses = []
        for number in range(len(self.nats.ports)):
            for how in ("kill", "start"):
                began = time.monotonic()
                if how == "kill":
                    self.nats.kill(number)
                else:
                    self.nats.start([number], wait=False)
                pauses.append(self._longest_pause(began, 15.0))
            self.nats.wait(number)
        return pauses

    def _longest_pause(self, began: float, seconds: float) -> float:
        """Trade so long, and on until an order is taken. Returns the longest time without an answer."""
        longest, last, told = 0.0, began, self._told()
        while time.monotonic() < began + seconds or time.monotonic() - last > 1:
            self.turn()
            now = time.monotonic()
            if (count := self._told()) != told:
                longest, last, told = max(longest, now - last), now, count
            assert now - last < 120, "no order was taken for two minutes"
            self.primary = next((n for n, node in self.nodes.items() if node.status().get("role") == "primary"), "a") \
                if now - last > 2 else self.primary  # fmt: skip
        return longest

    def _told(self) -> int:
        return sum(len(client.exec_ids) for client in self.traders)


def leave_out_refused(client: trader.Trader) -> None:
    """What is refused because it can't be recorded now is on no record: the client knows that."""
    take_in = client.take_in

    def taking() -> int:
        client.client.poll()
        for message in client.client.messages:
            if message[35] == "j" and message.get(379) in client.sent:
                client.sent.remove(message[379])
                client.working.pop(message[379], None)
                client.counts["refused without a quorum"] += 1
        return take_in()

    client.take_in = taking  # type: ignore[method-assign]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=600.0, help="end after so long, with fewer kills")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--lease", type=float, default=1.0)
    parser.add_argument("--replicas", type=int, choices=(1, 3), default=3)
    parser.add_argument("--durability", choices=["cluster", "disk+cluster"], default="cluster")
    parser.add_argument("--servers", action="store_true", help="lose NATS servers instead of primaries")
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    arguments = parser.parse_args()
    trader.ORDER_EVERY = ORDER_EVERY
    print(f"seed {arguments.seed}")
    folder = tempfile.mkdtemp(prefix="takeover-")
    harness = Takeovers(Path(folder), arguments.seed, arguments.replicas, arguments.lease, arguments.durability)
    try:
        harness.begin()
        if arguments.servers:
            pauses = harness.lose_servers()
            print("longest pauses (s), each server killed and started again:", [round(one, 2) for one in pauses])
        else:
            until_then = time.monotonic() + 60 * arguments.minutes
            while harness.kills < arguments.kills and time.monotonic() < until_then:
                harness.kill_primary()
                print(f"\r{harness.kills}/{arguments.kills} takeovers", end="", flush=True)
            times = sorted(harness.times)
            print(
                f"\nfrom the kill to the first order taken: median {statistics.median(times):.2f} s, "
                f"from {times[0]:.2f} to {times[-1]:.2f} s"
            )
        fills = harness.finish_all()
    except BaseException:
        print(f"\nits files are in {folder}", file=sys.stderr)
        raise
    finally:
        harness.stop()
    orders = sum(client.counts["orders"] for client in harness.traders)
    print(f"{orders} orders, {fills} fills: no order, fill or ExecID lost or doubled")


if __name__ == "__main__":
    main()
