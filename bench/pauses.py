"""How long an order waits while the broker does something large: `python bench/pauses.py`.

A broker with its own book holds many open orders; then its day begins, its state is kept, all is canceled, all expires.
Meanwhile a second client sends an order every few milliseconds. Told are the longest turn of the broker's loop, as it
measures it itself, and that client's longest and middle round trip, beside those of a quiet broker.
"""

import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))

from roundtrip import free_port
from table import middle, plot_bars, show
from wire import Wire, connect

from brokerfix.operate.admin import NotRunning, ask

CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "data"
store = false
session_reset = "never"
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
reference = "150.00"
[accounts.LOAD]
cash = "900000000000"
[clients.LOAD]
accounts = ["LOAD"]
[clients.PROBE]
accounts = ["LOAD"]
"""
BATCH = 200
PROBE_EVERY = 0.002
HEARTBEAT_SECONDS = 20
WAIT_SECONDS = 600


class Holder:
    """The client that holds the orders: it sends them, and a thread takes in what it is told."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.told = self.ended = 0
        self._lock = threading.Lock()
        self._number = 0
        threading.Thread(target=self._take_in, daemon=True).start()

    def _take_in(self) -> None:
        beat = time.monotonic()
        # The broker's end is the end of this.
        with suppress(ConnectionError):
            while True:
                for message in self.wire.receive():
                    if b"\x0135=8\x01" in message:
                        self.told += 1
                        self.ended += b"\x01150=4\x01" in message or b"\x01150=C\x01" in message
                if time.monotonic() - beat > HEARTBEAT_SECONDS:
                    beat = time.monotonic()
                    self._send([(b"0", b"")])

    def _send(self, messages: list[tuple[bytes, bytes]]) -> None:
        with self._lock:
            self.wire.refresh()
            self.wire.socket.sendall(b"".join(self.wire.pack(*message) for message in messages))

    def open_orders(self, count: int, time_in_force: bytes) -> None:
        """Send so many orders that rest, and wait for their reports."""
        first = self.told
        for start in range(0, count, BATCH):
            batch = []
            for _ in range(min(BATCH, count - start)):
                self._number += 1
                body = b"11=%d\x0121=1\x0138=1\x0140=2\x0144=%d.00\x0154=1\x0155=AAPL\x0159=%b\x0160=%b\x01"
                price = 50 + self._number % 50
                batch.append((b"D", body % (self._number, price, time_in_force, self.wire.stamp)))
            self._send(batch)
            while self.told < first + start:
                time.sleep(0.001)
        while self.told < first + count:
            time.sleep(0.001)

    def cancel_all(self) -> None:
        self._send([(b"q", b"11=M%d\x01530=7\x0160=%b\x01" % (self._number, self.wire.stamp))])


class Probe:
    """The client whose orders are timed."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._number = 0

    def time_one(self) -> float:
        """Milliseconds from an order, which finds nothing, to its report."""
        self._number += 1
        self.wire.refresh()
        body = b"11=P%d\x0121=1\x0138=1\x0140=2\x0144=1.00\x0154=1\x0155=AAPL\x0159=3\x0160=%b\x01"
        started = time.perf_counter()
        self.wire.send(b"D", body % (self._number, self.wire.stamp))
        while not any(b"\x01150=4\x01" in message for message in self.wire.receive()):
            pass
        return (time.perf_counter() - started) * 1000

    def during(self, over: Callable[[], bool], at_least: float = 1.0) -> list[float]:
        found = []
        until, deadline = time.monotonic() + at_least, time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until or not over():
            assert time.monotonic() < deadline, "it does not end"
            found.append(self.time_one())
            time.sleep(PROBE_EVERY)
        return found


class Bench:
    """A broker, its two clients, and what is measured of it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        port = free_port()
        config = folder / "broker.toml"
        config.write_text(CONFIG.format(port=port))
        self.server = subprocess.Popen(
            [sys.executable, "-m", "brokerfix", "start", str(config)], stderr=(folder / "log").open("w")
        )
        self.holder = Holder(connect(port, "LOAD", "BROKER"))
        self.probe = Probe(connect(port, "PROBE", "BROKER"))
        self.rows: list[list[str]] = []
        self.longest: dict[str, float] = {}

    def status(self) -> Any:
        while True:
            try:
                return ask(self.data, {"action": "status"})
            except NotRunning:
                time.sleep(0.05)

    def kept_states(self) -> set[str]:
        return {path.name for path in (self.data / "journal").glob("*.state")}

    def idle(self) -> bool:
        return not self.status()["jobs"]

    def measure(self, count: int, what: str, act: Callable[[], object], over: Callable[[], bool]) -> None:
        """Do something large, and tell how long orders waited meanwhile."""
        self.status()
        started = time.perf_counter()
        act()
        times = self.probe.during(over)
        seconds = time.perf_counter() - started
        pause = self.status()["pause_ms"]["since_asked"]
        row = [f"{count:,}", what, f"{pause:.1f}", f"{max(times):.1f}", f"{middle(times):.2f}", f"{seconds:.1f}"]
        self.rows.append(row)
        self.longest[f"{what}, {count:,}"] = pause
        click.echo("  ".join(row), err=True)

    def memory(self) -> float:
        """MiB that the broker holds."""
        text = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self) -> None:
        self.server.terminate()
        self.server.wait()


def run(count: int, folder: Path) -> tuple[list[list[str]], dict[str, float], float]:
    folder.mkdir()
    bench = Bench(folder)
    holder = bench.holder
    try:
        empty = bench.memory()
        holder.open_orders(count, b"1")
        each = (bench.memory() - empty) * 1024 / count
        bench.measure(count, "nothing", lambda: None, lambda: True)
        kept = bench.kept_states()
        bench.measure(count, "roll, all renewed", lambda: ask(bench.data, {"action": "roll"}), bench.idle)
        bench.measure(count, "snapshot", lambda: None, lambda: bool(bench.kept_states() - kept))
        ended = holder.ended
        bench.measure(count, "mass cancel", holder.cancel_all, lambda: holder.ended >= ended + count)
        holder.open_orders(count, b"0")
        ended = holder.ended
        roll = lambda: ask(bench.data, {"action": "roll"})  # noqa: E731
        bench.measure(count, "roll, all expire", roll, lambda: holder.ended >= ended + count and bench.idle())
    finally:
        bench.stop()
    return bench.rows, bench.longest, each


@click.command()
@click.option("--open-orders", "sizes", multiple=True, type=int, default=(1_000, 30_000, 300_000), show_default=True)
def main(sizes: tuple[int, ...]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    rows: list[list[str]] = []
    longest: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        for size in sizes:
            found, pauses, each = run(size, Path(name) / str(size))
            rows += found
            longest |= pauses
            click.echo(f"{size:,} open orders: {each:.2f} KiB each", err=True)
    head = ["open orders", "meanwhile", "longest turn ms", "longest order ms", "p50 order ms", "seconds"]
    show("Pauses", head, rows)
    plot_bars("pauses", "Longest turn of the loop", "milliseconds", longest)


if __name__ == "__main__":
    main()
