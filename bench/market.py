"""Market data beside orders: `python bench/market.py`. Two or three exchanges tell a broker of their books, while a
client's orders go to another one: at a pace, and as fast as it is taken.

The load plays the client and the exchange of the orders, as in `roundtrip.py`; it sleeps while it waits, and the text
of the market data is made before (`quotes.py`), because three processes have two processors, of which the broker's loop
takes one for itself. Every order is sent in short turns: quiet, then `dry`, where the market data's exchanges do all
their work but tell nobody, which is what their share of the processors costs, then told. The processor time and the
longest turn are of a broker that rests. `--data FILE` takes a recording's books and what changed of them, as bursty as
that was. `--against DIR`: another checkout's decoder, and its broker, are measured in turn with this one's.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))

from idle import processor_seconds
from roundtrip import BROKER, TURN, VENUE, WARM_UP, free_port
from table import middle, percentile, show

from brokerfix.operate.admin import NotRunning, ask

HERE = Path(__file__).parent
OTHER = "BOOK"
"""The symbol that nobody trades."""
MARKET = """
[instruments.BOOK]
price_digits = 2
qty_digits = 5
tick = "0.01"
lot = "0.00001"
reference = "150.00"
"""
EXCHANGE = """
[venues.MD{number}]
host = "127.0.0.1"
port = {port}
sender = "BROKER"
target = "MD{number}"
"""
QUIET, DRY, TOLD = "quiet", "dry", "told"
SETTLE = 0.15
"""Seconds of market data before a turn's first order."""
MESSAGES = (1, 5, 20, 100)
"""Levels of a message, for the decoder."""


class Process:
    """A process of ours that is asked in lines and answers in JSON."""

    def __init__(self, name: str, *arguments: str, checkout: str = "") -> None:
        path = os.pathsep.join((checkout or str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])))
        command = [sys.executable, str(HERE / name), *arguments]
        environment = {**os.environ, "PYTHONPATH": path}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.name = name

    def ready(self) -> None:
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit(f"{self.name} ended before it was ready")

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def ask(self, line: str) -> Any:
        self.tell(line)
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


class Market:
    """A broker, its load, and its exchanges of market data. In between the broker is stopped."""

    def __init__(
        self, folder: Path, title: str, symbol: str, idle: str = "spin", data: str = "", checkout: str = ""
    ) -> None:
        folder.mkdir()
        self.title = f"{title}, {Path(checkout).name}" if checkout else title
        self.folder = folder
        port, venue_port, *ports = (free_port() for _ in range(5 if data else 4))
        text = BROKER.format(port=port, durability="process", idle=idle) + MARKET + VENUE.format(port=venue_port)
        text += "".join(EXCHANGE.format(number=number, port=port) for number, port in enumerate(ports))
        config = folder / "broker.toml"
        config.write_text(text)
        digits = ("2", "5") if symbol == OTHER else ("2", "0")
        told = symbol, *digits, ",".join(map(str, ports)), *filter(None, [data])
        self.quotes = Process("quotes.py", *told)
        self.load = Process("load.py", "route-wait", str(port), str(WARM_UP), str(venue_port), "1")
        command = [sys.executable, "-m", "brokerfix", "start", str(config)]
        log = (folder / "log").open("w")
        self.server = subprocess.Popen(command, stderr=log, cwd=checkout or HERE.parent)
        self.quotes.ready()
        self.load.ready()
        self._stop_for_now()

    def go_on(self) -> None:
        self.server.send_signal(signal.SIGCONT)

    def _stop_for_now(self) -> None:
        self.server.send_signal(signal.SIGSTOP)

    def turn(self, how: str, rate: float, what: str) -> tuple[list[float], dict[str, float]]:
        """The times of one turn's orders, and what was told meanwhile."""
        self.go_on()
        if how != QUIET:
            self.quotes.tell(f"{'dry' if how == DRY else 'tell'} {rate}")
        time.sleep(SETTLE)
        times = self.load.ask(f"{what} {TURN}")
        told = self.quotes.ask("stop") if how != QUIET else {}
        self._stop_for_now()
        return times, told

    def during(self, rate: float | None, seconds: float) -> dict[str, float]:
        """What the broker does with market data alone (None: with nothing)."""
        self.go_on()
        # What was before is in the longest turn of this second and the one before.
        time.sleep(2.1)
        self._pause()
        before, began = processor_seconds(self.server.pid), time.monotonic()
        if rate is not None:
            self.quotes.tell(f"tell {rate}")
        time.sleep(seconds)
        found = {"levels": 0.0, "seconds": seconds, "cpu": 0.0}
        if rate is not None:
            found = self.quotes.ask("stop")
        found["broker"] = (processor_seconds(self.server.pid) - before) / (time.monotonic() - began)
        found["pause"] = self._pause()
        self._stop_for_now()
        return found

    def _pause(self) -> float:
        """The longest turn of its loop since this was asked last, in milliseconds."""
        while True:
            try:
                return float(ask(self.folder / "data", {"action": "status"})["pause_ms"]["since_asked"])
            except NotRunning:
                time.sleep(0.05)

    def stop(self) -> None:
        self.go_on()
        for process in (self.load.process, self.quotes.process, self.server):
            process.terminate()
            process.wait()


def beside_orders(markets: list[Market], turns: int, rate: float, what: str) -> None:
    hows = (QUIET, DRY, TOLD)
    times: dict[tuple[Market, str], list[float]] = {(market, how): [] for market in markets for how in hows}
    told: dict[Market, list[dict[str, float]]] = {market: [] for market in markets}
    with click.progressbar(range(turns), label=what, file=sys.stderr) as bar:
        for _ in bar:
            for market in markets:
                for how in hows:
                    found, counts = market.turn(how, rate, what)
                    times[market, how] += found
                    if how == TOLD:
                        told[market].append(counts)
    rows = []
    for market in markets:
        quiet = middle(times[market, QUIET])
        levels, messages, seconds, cpu = (
            sum(turn[key] for turn in told[market]) for key in ("levels", "messages", "seconds", "cpu")
        )
        row = [market.title]
        for how in hows:
            found = times[market, how]
            row += [f"{middle(found):.0f}", f"{percentile(found, 0.99):.0f}"]
            row += [f"{middle(found) / quiet:.2f}x"] if how != QUIET else []
        row += [f"{levels / seconds:,.0f}", f"{levels / messages:.0f}", f"{100 * cpu / seconds:.0f} %"]
        rows.append(row)
    head = ["market data", "quiet p50 us", "p99 us", "dry p50 us", "p99 us", "ratio"]
    head += ["told p50 us", "p99 us", "ratio", "levels/s", "levels a message", "core of the exchanges"]
    show(f"Orders ({what}) beside market data, {turns * TURN:,} orders each, {rate:,.0f} levels/s", head, rows)


def alone(markets: list[Market], rounds: int, rate: float, seconds: float) -> None:
    """Market data without orders: what the broker takes of a processor at a pace, and how many it can take."""
    rows = []
    cases = ((f"{rate:,.0f}/s", rate), ("max", 0.0))
    found: dict[tuple[Market, str], list[dict[str, float]]] = {}
    with click.progressbar(range(rounds), label="alone", file=sys.stderr) as bar:
        for _ in bar:
            for market in markets:
                for name, wanted in (("nothing", None), *cases):
                    found.setdefault((market, name), []).append(market.during(wanted, seconds))
    for (market, name), parts in found.items():
        levels = [part["levels"] / part["seconds"] for part in parts]
        share = middle([part["broker"] for part in parts])
        # What it takes with nothing to do is no cost of the market data.
        silent = middle([part["broker"] for part in found[market, "nothing"]])
        each = f"{(share - silent) / middle(levels) * 1e6:.1f}" if middle(levels) else ""
        own = middle([part["cpu"] / part["seconds"] for part in parts])
        pause = max(part["pause"] for part in parts)
        rows.append(
            [
                market.title, name, f"{middle(levels):,.0f}", f"{100 * share:.0f} %", each, f"{100 * own:.0f} %",
                f"{pause:.1f}",
            ]
        )  # fmt: skip
    head = ["market data", "pace", "levels/s", "core of the broker", "us a level", "core of the exchanges"]
    show(f"Market data alone, {rounds} times {seconds:.0f} s, a broker that rests", [*head, "longest turn ms"], rows)


def decoders(turns: int, checkouts: list[str]) -> None:
    """Processor time for one level in process: decoded, and got into the consolidated book."""
    processes = [Process("decoder.py", checkout=checkout) for checkout in checkouts]
    for process in processes:
        process.ready()
    found: dict[tuple[int, int], list[list[float]]] = {}
    with click.progressbar(range(turns), label="decoder", file=sys.stderr) as bar:
        for _ in bar:
            for count in MESSAGES:
                for i, process in enumerate(processes):
                    found.setdefault((count, i), []).append(process.ask(str(count)))
    for process in processes:
        process.process.terminate()
        process.process.wait()
    rows = []
    for count in MESSAGES:
        row = [str(count)]
        for part in (0, 1):
            each = [middle([one[part] for one in found[count, i]]) for i in range(len(processes))]
            row += [f"{one:.2f}" for one in each]
            row += [f"{each[-1] / each[0]:.2f}x"] if len(each) > 1 else []
        rows.append(row)
    head = ["levels a message"]
    for part_name in ("decoded us", "into the book us"):
        head += [f"{part_name}, {Path(checkout).name}" if checkout else part_name for checkout in checkouts]
        head += ["ratio"] if len(checkouts) > 1 else []
    show(f"A level's way in process, median of {turns}", head, rows)


def cases(data: str) -> list[tuple[str, str, str]]:
    """Title, symbol, recording."""
    found = [("another symbol", OTHER, ""), ("the orders' symbol", "AAPL", "")]
    return [*found, ("recorded, another symbol", OTHER, data)] if data else found


@click.command()
@click.option("--turns", default=30, show_default=True, help=f"Turns of {TURN} orders, quiet, dry and told.")
@click.option("--rate", default=20_000.0, show_default=True, help="Levels a second.")
@click.option("--seconds", default=5.0, show_default=True, help="Of market data without orders.")
@click.option("--rounds", default=5, show_default=True, help="Of market data without orders.")
@click.option("--data", default="", help="A recording too.")
@click.option("--against", default="", help="Another checkout.")
@click.option("--part", "parts", multiple=True, type=click.Choice(["decoder", "latency", "paced", "alone"]))
def main(turns: int, rate: float, seconds: float, rounds: int, data: str, against: str, parts: tuple[str, ...]) -> None:
    wanted = parts or ("decoder", "latency", "paced", "alone")
    checkouts = [*filter(None, [against and str(Path(against).resolve())]), ""]
    data = data and str(Path(data).resolve())
    if "decoder" in wanted:
        decoders(turns, checkouts)
    with tempfile.TemporaryDirectory() as name:
        for idle, kinds in (("spin", ("latency", "paced")), ("wake", ("alone",))):
            if not set(kinds) & set(wanted):
                continue
            markets = [
                Market(Path(name) / f"{idle}-{i}-{j}", title, symbol, idle, recording, checkout)
                for i, (title, symbol, recording) in enumerate(cases(data))
                for j, checkout in enumerate(checkouts)
            ]
            for kind in kinds:
                if kind in wanted and kind != "alone":
                    beside_orders(markets, turns, rate, kind)
            if "alone" in kinds:
                alone(markets, rounds, rate, seconds)
            for market in markets:
                market.stop()


if __name__ == "__main__":
    main()
