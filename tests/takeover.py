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
JOIN_SECONDS = 240.0
LOOK_SECONDS = 0.25
READY_BYTES = 1 << 16
JOINING_EVERY = 0.2
"""Seconds between a client's messages while a standby joins: it reads all that there is on the same two cores."""
STAGES = {
    "lease": "has the lease, for epoch",
    "fenced": "is the primary, in epoch",
    "state": "takes over, in epoch",
    "open": "is up on port",
}
"""The stages of a takeover, and what the new primary's log says at the end of each."""
LOGGED = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) (.*)$", re.M)


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
        self.lost_leases = 0
        self.times: list[float] = []
        self.stages: list[dict[str, float]] = []
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
        """Trade for a moment, kill the primary and delete what it had; trade on until a standby has taken an order."""
        trader.ORDER_EVERY = ORDER_EVERY
        self._trade_for(self.random.uniform(0.05, 0.5))
        follows = self.nodes[self.standby]
        logged = follows.log.stat().st_size
        killed, at = time.monotonic(), time.time()
        self.nodes[self.primary].kill(delete=True)
        self.kills += 1
        self.until_taken(killed)
        self.times.append(time.monotonic() - killed)
        self.stages.append(_stages(follows.log, logged, at) | {"order": self.times[-1]})

    def join(self) -> None:
        """Have the one that was killed join with an empty folder, and trade on until it could take over."""
        self.nodes[self.primary].start("standby")
        self.primary = self.standby
        trader.ORDER_EVERY = JOINING_EVERY
        deadline = time.monotonic() + JOIN_SECONDS
        while not self._is_ready(self.nodes[self.standby]):
            for node in self.nodes.values():
                assert time.monotonic() < deadline, node.tail()[-3000:]
                assert not node.has_ended, node.tail()[-3000:]
            self._trade_for(LOOK_SECONDS)
            if self.nodes[self.standby].status().get("role") == "primary":
                # On a machine that is too busy a lease may not be renewed in time.
                self.primary = self.standby
                self.lost_leases += 1

    def trade(self, orders: int) -> None:
        """Trade until so many orders were sent."""
        while sum(client.counts["orders"] for client in self.traders) < orders:
            self.turn()

    def _trade_for(self, seconds: float) -> None:
        until_then = time.monotonic() + seconds
        while time.monotonic() < until_then:
            self.turn()

    @staticmethod
    def _is_ready(node: Node) -> bool:
        """Whether it has applied what the stream has, and the other nodes know it."""
        told = node.status()
        known = (told.get("nodes") or {}).get(node.name, {})
        return bool(
            told.get("role") == known.get("role") == "standby"
            and max(told["behind_bytes"], known["behind"]) < READY_BYTES
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
        deadline = time.monotonic() + JOIN_SECONDS
        while not all(client.client.connected for client in self.traders):
            assert time.monotonic() < deadline, "clients are not let in again"
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


def _stages(log: Path, since: int, killed: float) -> dict[str, float]:
    """When each stage of a takeover ended, in seconds since the kill, as a log tells it from a byte on."""
    with log.open("rb") as file:
        file.seek(since)
        text = file.read().decode(errors="replace")
    found = {}
    for moment, millis, said in LOGGED.findall(text):
        at = time.mktime(time.strptime(moment, "%Y-%m-%d %H:%M:%S")) + int(millis) / 1000
        found |= {name: at - killed for name, words in STAGES.items() if words in said}
    return found


def leave_out_refused(client: trader.Trader) -> None:
    """What is refused because it can't be recorded now is on no record: the client knows that."""
    handle = client.client._handle

    def handling(kind: str, message: dict[int, str], every: list[tuple[int, str]]) -> None:
        if kind == "j" and message.get(379) in client.sent:
            client.sent.remove(message[379])
            client.working.pop(message[379], None)
            client.counts["refused without a quorum"] += 1
        handle(kind, message, every)

    client.client._handle = handling  # type: ignore[method-assign]


def tell_last(harness: Takeovers, kills: int) -> None:
    """A line about the last takeover: when each of its stages ended, in seconds since the kill."""
    orders = sum(client.counts["orders"] for client in harness.traders)
    stages = ", ".join(f"{name} {at:.2f}" for name, at in harness.stages[-1].items())
    print(f"{harness.kills}/{kills} after {orders} orders: {stages} s", flush=True)


def tell_times(times: list[float]) -> None:
    """The middle of all, of the first and of the last tenth: whether a longer journal makes it slower."""
    tenth = max(1, len(times) // 10)
    middle, first, last = (statistics.median(some) for some in (times, times[:tenth], times[-tenth:]))
    print(
        f"{len(times)} takeovers, from the kill to the first order taken: median {middle:.2f} s (of the first {tenth} "
        f"{first:.2f}, of the last {last:.2f}), from {min(times):.2f} to {max(times):.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=13.0, help="end after so long, with fewer kills")
    parser.add_argument("--orders", type=int, default=0, help="trade so many before the first kill")
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
            harness.trade(arguments.orders)
            until_then = time.monotonic() + 60 * arguments.minutes
            while harness.kills < arguments.kills and time.monotonic() < until_then:
                harness.kill_primary()
                tell_last(harness, arguments.kills)
                harness.join()
            tell_times(harness.times)
            if harness.lost_leases:
                print(f"{harness.lost_leases} times a lease was lost without a kill: the machine was too busy")
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
