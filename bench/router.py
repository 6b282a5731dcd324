"""What the router adds to an order's round trip: `python bench/router.py`.

An order that is taken into the shard's own book: through the gateway to the shard, and through gateway and router to a
shard like it. All run at once and are measured in short turns, the others stopped meanwhile, so that every ratio is of
the same seconds. Then what the router does with one order and its report, part by part.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))

from roundtrip import free_port
from table import percentile, show

from brokerfix.router.log import Log
from brokerfix.router.state import CAME, FORWARD, TAKE, TELL
from brokerfix.router.text import Names, cut, now_ms
from brokerfix.tools.client import Client, Disconnected

CONFIG = """
[broker]
name = "BROKER"
port = {door}
data = "{data}"
store = false
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
reference = "150.00"
collar = "0.50"
[accounts.LOAD]
cash = "900000000000"
limits = {{ max_order_qty = "1000000", max_order_notional = "1000000000" }}
[clients.LOAD]
accounts = ["LOAD"]
[gateway]
plain = "127.0.0.1"
upstream = "127.0.0.1:{upstream}"
secret = "secret"
[gateway.budgets]
orders = {{ rate = 0 }}
"""
ROUTER = """
[router]
listen = "127.0.0.1:{upstream}"
shards = {{ 0 = "127.0.0.1:{shard}" }}
data = "{data}"
durability = "{durability}"
"""
TURN = 200
ORDER, REPORT = (
    b"8=FIX.4.4\x019=150\x0135=D\x0149=LOAD\x0156=BROKER\x0134=%d\x0152=20261127-10:00:00.000\x0111=C%d\x011=LOAD\x0155=AAPL"
    b"\x0154=1\x0160=20261127-10:00:00.000\x0138=100\x0140=2\x0144=150.00\x0159=0\x0110=000\x01",
    b"8=FIX.4.4\x019=200\x0135=8\x0134=%d\x0149=BROKER\x0152=20261127-10:00:00.000\x0156=LOAD\x0137=20261127-00-%d\x0117=1"
    b"\x01150=0\x0139=0\x0111=C%d\x011=LOAD\x0155=AAPL\x0154=1\x0138=100\x0140=2\x0144=150.00\x0159=0\x01151=100\x0114=0\x01"
    b"6=0\x0160=20261127-10:00:00.000\x0110=000\x01",
)


class Way:
    """A way to a shard: its processes, and the client at its begin."""

    def __init__(self, folder: Path, title: str, durability: str) -> None:
        self.title = title
        self.door, shard, upstream = free_port(), free_port(), free_port()
        folder.mkdir()
        (folder / "secret").write_bytes(os.urandom(32))
        config = folder / "shard.toml"
        config.write_text(CONFIG.format(door=self.door, data="shard", upstream=shard))
        commands = [["start", str(config)]]
        if durability:
            config = folder / "router.toml"
            text = CONFIG.format(door=self.door, data="door", upstream=upstream)
            config.write_text(
                text + ROUTER.format(upstream=upstream, shard=shard, data="router", durability=durability)
            )
            commands.append(["router", str(config)])
        commands.append(["gateway", str(config)])
        self.processes = [
            subprocess.Popen([sys.executable, "-m", "brokerfix", *command], stderr=subprocess.DEVNULL)
            for command in commands
        ]
        self.client = self._connected()

    def _connected(self) -> Client:
        deadline = time.monotonic() + 30
        while True:
            client = Client("LOAD", "BROKER", "127.0.0.1", self.door)
            try:
                client.connect(timeout=5)
                return client
            except (Disconnected, TimeoutError):
                client.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def turn(self) -> list[float]:
        """Round trips of orders that are taken, in us. Between turns the processes are stopped."""
        found = []
        self.signal(signal.SIGCONT)
        for _ in range(TURN):
            number = self.client.next_out
            began = time.perf_counter()
            self.client.new_order(f"B{number}", "1", "1", "AAPL", "140.00")
            self.client.receive()
            found.append(1e6 * (time.perf_counter() - began))
        self.signal(signal.SIGSTOP)
        return found

    def signal(self, number: signal.Signals) -> None:
        for process in self.processes:
            process.send_signal(number)

    def stop(self) -> None:
        self.client.close()
        self.signal(signal.SIGCONT)
        for process in reversed(self.processes):
            process.terminate()
            process.wait(20)


def timed(work: Callable[[int], object], count: int = 20_000) -> float:
    """us of one call, the best of five runs."""
    best = float("inf")
    for run in range(5):
        began = time.perf_counter()
        for number in range(count):
            work(run * count + number)
        best = min(best, time.perf_counter() - began)
    return 1e6 * best / count


def parts(folder: Path) -> list[list[str]]:
    """What the router does with an order and its report."""
    order, report = cut(ORDER % (5, 5)), cut(REPORT % (5, 5, 5))
    names = Names("FIX.4.4", "LOAD", "BROKER")
    quick, durable = Log(folder / "quick"), Log(folder / "durable", True)
    events = [(TAKE, 6), (FORWARD, 0, 5, 5, now_ms(), 0, b"D", order.rest)]
    told = [(TELL, 5, 0, 5, now_ms(), b"8", report.rest), (CAME, 0, 6)]
    rows = [
        ("take an order apart", timed(lambda number: cut(ORDER % (number, number)))),
        ("make its message for the shard", timed(lambda number: names.message(b"D", number, order.rest))),
        ("write its record", timed(lambda number: quick.append(events))),
        ("write its record to the disk", timed(lambda number: durable.append(events), 300)),
        ("take a report apart", timed(lambda number: cut(REPORT % (number, number, number)))),
        ("make its message for the client", timed(lambda number: names.message(b"8", number, report.rest))),
        ("write its record ", timed(lambda number: quick.append(told))),
        ("an SQLite commit of the same (WAL, synchronous off)", timed(sqlite_commit(folder, order.rest), 2000)),
    ]
    return [[title, f"{us:.1f}"] for title, us in rows]


def sqlite_commit(folder: Path, rest: bytes) -> Callable[[int], object]:
    """What the record would take in a database."""
    database = sqlite3.connect(folder / "database", isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = off")
    database.execute("create table forwarded (number integer primary key, shard, shard_number, kind, rest)")

    def commit(number: int) -> None:
        database.execute("begin")
        database.execute("insert into forwarded values (?, 0, ?, 'D', ?)", (number, number, rest))
        database.execute("commit")

    return commit


@click.command()
@click.option("--rounds", default=20, show_default=True)
def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways = [
            Way(folder / "gateway", "gateway, shard", ""),
            Way(folder / "router", "gateway, router, shard", "process"),
            Way(folder / "disk", "gateway, router on disk, shard", "disk"),
        ]
        found: dict[str, list[float]] = {way.title: [] for way in ways}
        try:
            for way in ways:
                way.turn()
            for _ in range(rounds):
                for way in ways:
                    found[way.title] += way.turn()
        finally:
            for way in ways:
                way.stop()
        base = sorted(found[ways[0].title])
        rows = []
        for title, times in found.items():
            ordered = sorted(times)
            half, high = percentile(ordered, 0.5), percentile(ordered, 0.99)
            rows.append([title, f"{half:.0f}", f"{high:.0f}", f"{half / percentile(base, 0.5):.2f}"])
        show("order -> New", ["way", "p50 us", "p99 us", "p50 ratio"], rows)
        show("of the router alone", ["what", "us"], parts(folder))


if __name__ == "__main__":
    main()
