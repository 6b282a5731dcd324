"""Round trips over loopback TCP against the bare QuickFIX echo, in one run: `python bench/roundtrip.py`.

The baseline answers an order without an engine; the relay passes it to an exchange and back without one, which is
what QuickFIX alone costs of a routed fill. `order -> New` is the broker with its own book, `order -> fill` the broker
with an exchange that the load plays. `--gateway` measures these two with the gateway in front; there the load sleeps
when it waits, so that three processes have two processors. All servers run at once and are measured in short turns,
the others stopped meanwhile, because the machine's speed drifts: every ratio is of figures from the same seconds.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from brokerfix.tools.certificates import Authority

sys.path.insert(0, str(Path(__file__).parent))

from table import middle, percentile, plot_percentiles, show

HERE = Path(__file__).parent
TURN = 200
"""Orders of one turn."""
WARM_UP = 1000
"""Orders that every server has had before it is measured; a broker's are open."""
ECHO, BOOK, RELAY, ROUTE = (
    "bare QuickFIX echo",
    "order -> New, own book",
    "bare QuickFIX relay: order -> exchange -> fill",
    "order -> exchange -> fill",
)
BROKER = """
[broker]
name = "BROKER"
port = {port}
data = "data"
idle = "{idle}"
store = false
durability = "{durability}"
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
"""
CLIENT = """
[clients.LOAD{number}]
accounts = ["LOAD"]
"""
GATEWAY = """
[gateway]
plain = "127.0.0.1"
max_connections_per_source = 1000
max_half_open_per_source = 1000
connects_per_source = {{ rate = 0 }}
{tls}
[gateway.budgets]
orders = {{ rate = 0 }}
"""
TLS = """
tls = "127.0.0.1:{port}"
certificate = "certificates/server.pem"
key = "certificates/server.key"
"""
DIRECT, PLAIN, SECURED = "", ", gateway", ", gateway with TLS"
VENUE = """
[venues.XNAS]
host = "127.0.0.1"
port = {port}
sender = "BROKER"
target = "XNAS"
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Contestant:
    """A server and the load that measures it when asked. In between the server is stopped."""

    def __init__(
        self,
        folder: Path,
        title: str,
        durability: str,
        open_orders: int = WARM_UP,
        door: str = DIRECT,
        clients: int = 1,
        waiting: bool = False,
        checkout: str = "",
        idle: str = "spin",
    ) -> None:
        folder.mkdir()
        port, venue_port, tls_port = free_port(), free_port(), free_port()
        routed = title in (RELAY, ROUTE)
        if title in (ECHO, RELAY):
            server = [str(HERE / "echo.py"), str(port), str(folder), *([str(venue_port)] if routed else [])]
        else:
            config = folder / "broker.toml"
            text = BROKER.format(port=port, durability=durability, idle=idle)
            text += VENUE.format(port=venue_port) if routed else ""
            text += "".join(CLIENT.format(number=number) for number in range(1, clients))
            if door:
                text += GATEWAY.format(tls=TLS.format(port=tls_port) if door == SECURED else "")
            if door == SECURED:
                Authority(folder / "certificates").issue("server", ["localhost"])
            config.write_text(text)
            server = ["-m", "brokerfix", "start", str(config)]
        used = str(tls_port if door == SECURED else port)
        scenario = ("route" if routed else "echo") + ("-wait" if waiting else "")
        load = [str(HERE / "load.py"), scenario, used, str(open_orders), str(venue_port)]
        load += [str(clients), *([str(folder / "certificates" / "ca.pem")] if door == SECURED else [])]
        self.load = subprocess.Popen([sys.executable, *load], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        environment = {**os.environ, "PYTHONPATH": checkout} if checkout else None
        self.server = subprocess.Popen(
            [sys.executable, *server], stderr=subprocess.DEVNULL, env=environment, cwd=checkout or None
        )
        assert self.load.stdin is not None
        assert self.load.stdout is not None
        self.question, self.answer = self.load.stdin, self.load.stdout
        if self.answer.readline() != "ready\n":
            raise SystemExit(f"{title}: the load ended before it was ready")
        self.server.send_signal(signal.SIGSTOP)

    def ask(self, what: str) -> Any:
        self.server.send_signal(signal.SIGCONT)
        self.question.write(f"{what} {TURN}\n")
        self.question.flush()
        found = json.loads(self.answer.readline())
        self.server.send_signal(signal.SIGSTOP)
        return found

    def stop(self) -> None:
        self.server.send_signal(signal.SIGCONT)
        for process in (self.load, self.server):
            process.terminate()
            process.wait()


def measure(contestants: list[Contestant], turns: int, what: str) -> list[list[Any]]:
    """Ask each contestant in turn; returns every one's answers."""
    found: list[list[Any]] = [[] for _ in contestants]
    with click.progressbar(range(turns), label=what, file=sys.stderr) as bar:
        for _ in bar:
            for answers, contestant in zip(found, contestants, strict=True):
                answers.append(contestant.ask(what))
    return found


def latencies(contestants: list[Contestant], turns: int) -> list[list[float]]:
    return [[value for turn in answers for value in turn] for answers in measure(contestants, turns, "latency")]


def race(folder: Path, durability: str, turns: int, against: str) -> None:
    runs = [(title, "") for title in (ECHO, BOOK, RELAY, ROUTE)]
    if against:
        runs = [(ECHO, ""), (RELAY, ""), *((title, checkout) for title in (BOOK, ROUTE) for checkout in (against, ""))]
    titles = [f"{title}, {Path(checkout).name}" if checkout else title for title, checkout in runs]
    contestants = [
        Contestant(folder / str(i), title, durability, checkout=checkout) for i, (title, checkout) in enumerate(runs)
    ]
    measure(contestants, 2, "latency")
    times = latencies(contestants, turns)
    rates = measure(contestants, turns, "rate")
    for contestant in contestants:
        contestant.stop()
    base, base_rate = middle(times[0]), middle(rates[0])
    rows = [
        [
            title, f"{middle(time):.0f}", f"{percentile(time, 0.99):.0f}", f"{middle(time) / base:.2f}x",
            f"{middle(rate):,.0f}", f"{middle(rate) / base_rate:.2f}x",
        ]
        for title, time, rate in zip(titles, times, rates, strict=True)
    ]  # fmt: skip
    head = ["round trip", "p50 us", "p99 us", "p50 ratio", "orders/s (window 32)", "rate ratio"]
    show(f"durability = {durability}, {turns * TURN:,} orders each", head, rows)
    plot_percentiles("roundtrip", "Round trip over loopback TCP", dict(zip(titles, times, strict=True)))


def grow(folder: Path, durability: str, turns: int, sizes: tuple[int, ...]) -> None:
    contestants = []
    for size in sizes:
        click.echo(f"growing to {size:,} open orders", err=True)
        contestants.append(Contestant(folder / f"open-{size}", BOOK, durability, size))
    times = latencies(contestants, turns)
    for contestant in contestants:
        contestant.stop()
    rows = [
        [f"{size:,}", f"{middle(time):.0f}", f"{percentile(time, 0.99):.0f}", f"{middle(time) / middle(times[0]):.2f}x"]
        for size, time in zip(sizes, times, strict=True)
    ]
    show("Latency by open orders (order -> New)", ["open orders", "p50 us", "p99 us", "ratio"], rows)


def doors(folder: Path, durability: str, turns: int, clients: int) -> None:
    """What the gateway costs, plain and with TLS, of an order's round trip and of a routed fill's."""
    kinds = [(title, door) for title in (BOOK, ROUTE) for door in (DIRECT, PLAIN, SECURED)]
    contestants = [
        Contestant(folder / f"door-{clients}-{i}", title, durability, WARM_UP, door, clients, True)
        for i, (title, door) in enumerate(kinds)
    ]
    measure(contestants, 2, "latency")
    times = latencies(contestants, turns)
    rates = [middle(found) for found in measure(contestants, turns, "rate")]
    for contestant in contestants:
        contestant.stop()
    rows = []
    for i, ((title, door), time, rate) in enumerate(zip(kinds, times, rates, strict=True)):
        base = i // 3 * 3
        rows.append(
            [
                title + door, f"{middle(time):.0f}", f"{percentile(time, 0.99):.0f}",
                f"{middle(time) - middle(times[base]):+.0f}", f"{rate:,.0f}", f"{rate / rates[base]:.2f}x",
            ]
        )  # fmt: skip
    head = ["round trip", "p50 us", "p99 us", "added p50 us", "orders/s (window 32)", "rate ratio"]
    show(f"The gateway, {clients} client{'s' if clients > 1 else ''}, {turns * TURN:,} orders each", head, rows)


@click.command()
@click.option("--turns", default=60, show_default=True, help=f"Turns of {TURN} orders for each server.")
@click.option("--growth/--no-growth", default=True, help="Measure the latency by the number of open orders too.")
@click.option("--open-orders", default=200_000, show_default=True)
@click.option("--disk", is_flag=True, help='Measure durability = "disk" instead of "process".')
@click.option("--gateway", is_flag=True, help="Measure what the gateway costs, with one client and with 200, instead.")
@click.option("--against", default="", help="Another checkout, whose broker is measured in turn with this one's.")
def main(turns: int, growth: bool, open_orders: int, disk: bool, gateway: bool, against: str) -> None:
    durability = "disk" if disk else "process"
    with tempfile.TemporaryDirectory() as name:
        if gateway:
            for clients in (1, 200):
                doors(Path(name), durability, turns, clients)
            return
        race(Path(name), durability, turns, against and str(Path(against).resolve()))
        if growth:
            grow(Path(name), durability, turns, (WARM_UP, open_orders))


if __name__ == "__main__":
    main()
