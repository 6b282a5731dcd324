"""What a cluster costs an order: `python bench/cluster.py`.

Orders that are routed to an exchange (which the load plays), filled there and reported, with each durability; all
brokers run at once and are measured in short turns, the others stopped meanwhile, so that every ratio is of the same
seconds. Then what an order costs each process, in CPU time and bytes; then 1, 2 and 4 shards at once; and from these
constants what more of it would take, on paper. NATS servers, brokers and loads share one machine.
"""

import asyncio
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import nats

sys.path.insert(0, str(Path(__file__).parent))

from engine import DAY, lifecycle, lifecycles, market
from roundtrip import BROKER, VENUE
from table import middle, percentile, show

from brokerfix.facts import Fact
from brokerfix.record.journal import Journal
from brokerfix.tools.demo import free_port
from brokerfix.tools.nats_servers import NatsServers

HERE = Path(__file__).parent
TURN = 100
"""Orders of one turn."""
WARM_UP = 300
LEASE = """
[cluster]
servers = {servers}
name = "{name}"
node = "a"
replicas = {copies}
lease_seconds = 60
check_seconds = 0
"""
UPSTREAM = """
[gateway]
plain = "127.0.0.1"
upstream = "127.0.0.1:{upstream}"
secret = "secret"
operation_port = 0
[gateway.budgets]
orders = {{ rate = 0 }}
"""
ROUTER = """
[router]
listen = "127.0.0.1:{listen}"
shards = {{ 0 = "127.0.0.1:{shard}" }}
data = "router"
"""
WAYS = {
    "process": ("process", 0),
    "disk": ("disk", 0),
    "cluster, one copy": ("cluster", 1),
    "cluster, three copies": ("cluster", 3),
    "disk+cluster, three copies": ("disk+cluster", 3),
}
"""By title: the durability, and how many servers have each record."""
TICKS = os.sysconf("SC_CLK_TCK")
BUSY = 0.7
"""So much of a core may be used where orders are not to queue."""
MOST_SHARDS = 100
PARTS = ("broker", "agent", "NATS", "router", "gateway")


def used(pids: Sequence[int]) -> float:
    """Seconds of a processor that processes have used."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def agents_of(pid: int) -> list[int]:
    """The cluster's agent that a broker has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"cluster.agent" in Path(f"/proc/{child}/cmdline").read_bytes()]


def wait_for(port: int) -> None:
    """Until somebody listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on port {port}")


class Stack:
    """A broker and the load that measures it when asked; with `doors` a router and a gateway between. It runs between
    `go_on` and `pause`."""

    def __init__(
        self, folder: Path, durability: str, servers: NatsServers, copies: int = 0, doors: bool = False
    ) -> None:
        folder.mkdir()
        self.folder = folder
        self.servers, self.name = servers, folder.name
        port, venue = free_port(), free_port()
        text = BROKER.format(port=port, durability=durability, idle="wake")
        cluster = LEASE.format(servers=json.dumps(servers.urls), name=self.name, copies=copies) if copies else ""
        environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

        def start(part: str, command: str, text: str) -> None:
            config = folder / f"{part}.toml"
            config.write_text(text)
            words = [sys.executable, "-m", "brokerfix", command, str(config)]
            with (folder / f"{part}.log").open("wb") as log:
                self.processes[part] = subprocess.Popen(words, stderr=log, stdout=log, env=environment)

        link = ""
        if doors:
            (folder / "secret").write_bytes(os.urandom(32))
            listen, shard = free_port(), free_port()
            front = text.replace('"data"', '"front"') + UPSTREAM.format(upstream=listen)
            front += ROUTER.format(listen=listen, shard=shard)
            start("router", "router", front)
            start("gateway", "gateway", front)
            wait_for(listen)
            wait_for(port)
            link = UPSTREAM.format(upstream=shard)
        start("broker", "start", text + link + VENUE.format(port=venue) + cluster)
        load = [sys.executable, str(HERE / "load.py"), "route-wait", str(port), str(WARM_UP), str(venue), "1"]
        self.load = subprocess.Popen(load, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.load.stdin is not None
        assert self.load.stdout is not None
        self._question, self._answer = self.load.stdin, self.load.stdout
        if self._answer.readline() != "ready\n":
            raise SystemExit(f"{self.name}: the load ended before it was ready; see {folder}")

    def signal(self, number: signal.Signals) -> None:
        for process in self.processes.values():
            process.send_signal(number)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)

    def ask(self, what: str, count: int) -> None:
        self._question.write(f"{what} {count}\n")
        self._question.flush()

    def answer(self) -> Any:
        """What the load has measured. It must have been asked."""
        line = self._answer.readline()
        if not line:
            raise SystemExit(f"{self.name}: the load ended; see {self.folder}")
        return json.loads(line)

    def turn(self, what: str, count: int = TURN) -> Any:
        self.go_on()
        self.ask(what, count)
        found = self.answer()
        self.pause()
        return found

    def cpu(self) -> dict[str, float]:
        """Seconds of a processor that each part has used."""
        found = dict.fromkeys(PARTS, 0.0)
        found.update({part: used([process.pid]) for part, process in self.processes.items()})
        found["agent"] = used(agents_of(self.processes["broker"].pid))
        found["NATS"] = used([process.pid for process in self.servers.processes if process is not None])
        return found

    def journal_bytes(self) -> int:
        return sum(path.stat().st_size for path in (self.folder / "data" / "journal").glob("*.journal"))

    def stop(self) -> None:
        self.go_on()
        self.load.terminate()
        self.load.wait(60)
        for process in self.processes.values():
            process.terminate()
            process.wait(60)


def inside(folder: Path, count: int) -> list[list[str]]:
    """Of what a routed order costs the broker, with its acknowledgement and its fill, the engine's and the journal's
    parts, in process."""
    engine = 1e6 * min(_cpu_of(lambda: lifecycles(count)) for _ in range(3)) / count
    state = market(venue=True)
    journal = Journal(folder / "inside")
    journal.open(DAY)
    facts: list[list[Fact]] = []
    for number in range(count):
        facts += lifecycle(state, number)
    size = journal.place.offset
    append = 1e6 * _cpu_of(lambda: [journal.append(one) for one in facts]) / count
    size = journal.place.offset - size
    journal.close()
    return [["engine", f"{engine:.0f}", ""], ["journal: encode and write", f"{append:.0f}", f"{size / count:.0f}"]]


def _cpu_of(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


async def in_stream(url: str, name: str) -> tuple[int, int]:
    """How many messages, and bytes of one copy, the stream of a cluster has."""
    client = await nats.connect(url)
    try:
        state = (await client.jetstream().stream_info(f"{name}-0-journal")).state
        return state.messages, state.bytes
    finally:
        await client.close()


def durabilities(folder: Path, servers: NatsServers, turns: int) -> None:
    """Round trips and rates of each durability."""
    stacks = {
        title: Stack(folder / f"d{n}", how, servers, copies) for n, (title, (how, copies)) in enumerate(WAYS.items())
    }
    times: dict[str, list[float]] = {title: [] for title in WAYS}
    rates: dict[str, list[float]] = {title: [] for title in WAYS}
    try:
        for stack in stacks.values():
            stack.pause()
        for _ in range(turns):
            for title, stack in stacks.items():
                times[title] += stack.turn("latency")
                rates[title].append(stack.turn("rate"))
    finally:
        for stack in stacks.values():
            stack.stop()
    base, base_rate = middle(times["process"]), middle(rates["process"])
    rows = [
        [
            title, f"{middle(times[title]):.0f}", f"{percentile(times[title], 0.99):.0f}",
            f"{middle(times[title]) / base:.2f}x", f"{middle(rates[title]):,.0f}",
            f"{middle(rates[title]) / base_rate:.2f}x",
        ]
        for title in WAYS
    ]  # fmt: skip
    head = ["durability", "p50 us", "p99 us", "p50 ratio", "orders/s (window 32)", "rate ratio"]
    show(f"order -> exchange -> fill, {turns * TURN:,} orders each; load average {os.getloadavg()[0]:.1f}", head, rows)


def cost(stack: Stack, count: int) -> dict[str, float]:
    """What one of `count` orders costs by part: us of a processor, and what its record takes."""
    stack.go_on()
    began, before = time.monotonic(), stack.cpu()
    time.sleep(3)
    idle = {part: (stack.cpu()[part] - before[part]) / (time.monotonic() - began) for part in PARTS}
    began, before, size = time.monotonic(), stack.cpu(), stack.journal_bytes()
    stack.ask("rate", count)
    rate = stack.answer()
    seconds, after = time.monotonic() - began, stack.cpu()
    found = {
        part: max(0.0, 1e6 * (after[part] - before[part] - idle[part] * seconds) / count)
        for part in PARTS
    }  # fmt: skip
    return found | {"journal": (stack.journal_bytes() - size) / count, "rate": rate}


def costs(folder: Path, servers: NatsServers, count: int) -> dict[str, float]:
    """What an order costs each process. Returns the constants that the paper takes."""
    found: dict[str, dict[str, float]] = {}
    ways = {**{title: (*WAYS[title], False) for title in WAYS}, "process, gateway and router": ("process", 0, True)}
    for number, (title, (durability, copies, doors)) in enumerate(ways.items()):
        stack = Stack(folder / f"c{number}", durability, servers, copies, doors)
        try:
            if copies:
                before = asyncio.run(in_stream(servers.urls[0], stack.name))
            found[title] = cost(stack, count)
            if copies:
                after = asyncio.run(in_stream(servers.urls[0], stack.name))
                found[title] |= {"messages": (after[0] - before[0]) / count, "stream": (after[1] - before[1]) / count}
        finally:
            stack.stop()
    rows = [
        [
            title, *(f"{one[part]:.0f}" if one.get(part) else "" for part in (*PARTS, "journal", "stream")),
            f"{one['messages']:.2f}" if "messages" in one else "",
        ]
        for title, one in found.items()
    ]  # fmt: skip
    head = ["durability", *(f"{part} us" for part in PARTS), "journal bytes", "stream bytes", "messages"]
    show(f"an order of {count:,}, CPU time by process; NATS: of all three servers", head, rows)
    replicated, front = found["cluster, three copies"], found["process, gateway and router"]
    return {
        "broker": replicated["broker"], "agent": replicated["agent"], "NATS": replicated["NATS"],
        "router": front["router"], "gateway": front["gateway"], "bytes": replicated["stream"],
    }  # fmt: skip


def shards(folder: Path, servers: NatsServers, count: int) -> None:
    """Some brokers at once, each with a load of its own."""
    rows = []
    for title in ("process", "cluster, one copy"):
        durability, copies = WAYS[title]
        alone = 0.0
        for number in (1, 2, 4):
            stacks = [Stack(folder / f"s{title[0]}{number}{n}", durability, servers, copies) for n in range(number)]
            began, before = time.monotonic(), [stack.cpu() for stack in stacks]
            for stack in stacks:
                stack.ask("rate", count)
            rates = [stack.answer() for stack in stacks]
            total = number * count / (time.monotonic() - began)
            after = [stack.cpu() for stack in stacks]
            us = [1e6 * (b["broker"] - a["broker"]) / count for a, b in zip(before, after, strict=True)]
            alone = alone or total
            rows.append(
                [
                    title,
                    str(number),
                    f"{total:,.0f}",
                    f"{total / alone:.2f}x",
                    f"{middle(us):.0f}",
                    f"{middle(rates):,.0f}",
                ]
            )
            for stack in stacks:
                stack.stop()
    head = ["durability", "shards", "orders/s together", "ratio", "broker us an order", "orders/s of one (median)"]
    show(f"shards on one machine of two processors, {count:,} orders each", head, rows)


def paper(constants: dict[str, float]) -> None:
    """What rates beyond this machine would take."""
    rows = []
    for rate in (1_000, 10_000, 100_000, 1_000_000):
        cores = {part: rate * constants[part] / 1e6 / BUSY for part in PARTS}
        count = math.ceil(cores["broker"])
        rows.append(
            [f"{rate:,}", f"{count:,}{'' if count <= MOST_SHARDS else ' (above 100)'}"]
            + [f"{cores[part]:,.1f}" for part in PARTS[1:]]
            + [f"{sum(cores.values()):,.0f}", f"{rate * constants['bytes'] / 1e6:,.1f}"]
        )
    head = ["orders/s", "shards", *(f"{part} cores" for part in PARTS[1:]), "cores together", "MB/s of each NATS copy"]
    show(f"on paper: orders/s x us / 1,000,000 / {BUSY:g} of a core used", head, rows)


@click.command()
@click.option("--turns", default=20, show_default=True, help=f"Turns of {TURN} orders, for each durability.")
@click.option("--orders", default=4000, show_default=True, help="Orders of the costs, and of each shard.")
def main(turns: int, orders: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        servers = NatsServers(folder / "nats", free_port, 3)
        servers.start()
        try:
            durabilities(folder, servers, turns)
            constants = costs(folder, servers, orders)
            show("in the broker, in process", ["part", "us an order", "bytes"], inside(folder, orders))
            shards(folder, servers, orders)
        finally:
            servers.stop()
    paper(constants)


if __name__ == "__main__":
    main()
