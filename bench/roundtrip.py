"""Round trips over loopback TCP against the bare QuickFIX echo, in one run: `python bench/roundtrip.py`.

The baseline answers an order without an engine; the relay passes it to an exchange and back without one, which is
what QuickFIX alone costs of a routed fill. `order -> New` is the broker with its own book; `order -> fill` is
the broker with an exchange that the load plays. Every figure comes with its ratio to the baseline; rounds are
interleaved, because the machine's speed drifts.
"""

import json
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))

from table import middle, percentile, plot_percentiles, show

HERE = Path(__file__).parent
INSTRUMENT = """
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
reference = "150.00"
collar = "0.50"
[accounts.LOAD]
cash = "900000000000"
limits = { max_order_qty = "1000000", max_order_notional = "1000000000" }
[clients.LOAD]
accounts = ["LOAD"]
"""
TITLES = {
    "echo": "bare QuickFIX echo",
    "book": "order -> New, own book",
    "relay": "bare QuickFIX relay: order -> exchange -> fill",
    "route": "order -> exchange -> fill",
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def run_load(server: list[str], scenario: str, *args: object) -> Any:
    """Start a server, run the load against it, stop both. Returns what the load measured."""
    load = subprocess.Popen(
        [sys.executable, str(HERE / "load.py"), scenario, *map(str, args)], stdout=subprocess.PIPE, text=True
    )
    process = subprocess.Popen(server, stderr=subprocess.DEVNULL)
    try:
        output, _ = load.communicate(timeout=600)
        if load.returncode:
            raise SystemExit(f"the load of {scenario} failed")
        return json.loads(output.splitlines()[-1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def broker(folder: Path, port: int, durability: str, venue_port: int = 0) -> list[str]:
    """The command that runs a broker; with `venue_port`, one whose exchange the load plays."""
    venue = (
        f'[venues.XNAS]\nhost = "127.0.0.1"\nport = {venue_port}\nsender = "BROKER"\ntarget = "XNAS"\n'
        if venue_port
        else ""
    )
    path = folder / "broker.toml"
    path.write_text(
        f'[broker]\nname = "BROKER"\nport = {port}\ndata = "data"\nidle = "spin"\nstore = false\n'
        f'durability = "{durability}"\n{INSTRUMENT}{venue}'
    )
    return [sys.executable, "-m", "brokerfix", "start", str(path)]


def one(scenario: str, count: int, durability: str = "process") -> Any:
    with tempfile.TemporaryDirectory() as name:
        folder, port, venue_port = Path(name), free_port(), free_port()
        if scenario == "echo":
            return run_load([sys.executable, str(HERE / "echo.py"), str(port), name], "echo", port, count)
        if scenario == "relay":
            server = [sys.executable, str(HERE / "echo.py"), str(port), name, str(venue_port)]
            return run_load(server, "route", port, count, venue_port)
        if scenario == "book":
            return run_load(broker(folder, port, durability), "book", port, count)
        return run_load(broker(folder, port, durability, venue_port), "route", port, count, venue_port)


@click.command()
@click.option("--orders", default=3000, show_default=True, help="Orders per round and scenario.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--grow/--no-grow", default=True, help="Measure the latency at 1,000 and 200,000 open orders too.")
@click.option("--open-orders", default=200_000, show_default=True)
@click.option("--disk", is_flag=True, help='Measure durability = "disk" instead of "process".')
def main(orders: int, rounds: int, grow: bool, open_orders: int, disk: bool) -> None:
    durability = "disk" if disk else "process"
    latencies: dict[str, list[float]] = {name: [] for name in TITLES}
    rates: dict[str, list[float]] = {name: [] for name in TITLES}
    for number in range(rounds):
        for scenario in latencies:
            click.echo(f"round {number + 1}/{rounds}: {scenario}", err=True)
            found = one(scenario, orders, durability)
            latencies[scenario] += found["latencies"]
            rates[scenario].append(found["rate"])
    base, base_rate = middle(latencies["echo"]), middle(rates["echo"])
    rows = [
        [
            TITLES[name], f"{middle(found):.0f}", f"{percentile(found, 0.99):.0f}", f"{middle(found) / base:.2f}x",
            f"{middle(rates[name]):,.0f}", f"{middle(rates[name]) / base_rate:.2f}x",
        ]
        for name, found in latencies.items()
    ]  # fmt: skip
    head = ["round trip", "p50 us", "p99 us", "p50 ratio", "orders/s (window 32)", "rate ratio"]
    show(f"durability = {durability}, {orders * rounds:,} orders each", head, rows)
    plot_percentiles(
        "roundtrip", "Round trip over loopback TCP", {TITLES[name]: found for name, found in latencies.items()}
    )
    if grow:
        with tempfile.TemporaryDirectory() as name:
            port = free_port()
            click.echo(f"growing to {open_orders:,} open orders", err=True)
            found = run_load(broker(Path(name), port, durability), "grow", port, orders, 1000, open_orders)
        small, large = found["1000"], found[str(open_orders)]
        rows = [
            [
                f"{size:,}",
                f"{middle(values):.0f}",
                f"{percentile(values, 0.99):.0f}",
                f"{middle(values) / middle(small):.2f}x",
            ]
            for size, values in ((1000, small), (open_orders, large))
        ]
        show("Latency by open orders (order -> New)", ["open orders", "p50 us", "p99 us", "ratio"], rows)


if __name__ == "__main__":
    main()
