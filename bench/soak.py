"""A long run of mixed flow with days that begin: `python bench/soak.py --minutes 30 --orders 100000`.

Two simulated exchanges, a broker with its gateway, scripted clients that enter, replace and cancel; the trading day
is rolled three times, the last time at the end. Told are the broker's memory, its longest turn, and whether all
accounts agree at the end.
"""

import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))

from table import show

from brokerfix.operate.admin import NotRunning, ask
from brokerfix.tools import demo, trader
from brokerfix.tools.trader import Trader

ROLLS = 3
LOOK_EVERY = 5.0


class Soak:
    """The processes, the clients, and what is noted now and then."""

    def __init__(self, folder: Path, orders: int, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds
        self.processes = demo.set_up(folder)
        config = self.processes["BROKER"].config
        text = re.sub(r'session_reset = "daily"', 'session_reset = "never"', config.read_text())
        config.write_text(re.sub(r"^orders = .*", "orders = { rate = 0 }", text, flags=re.M))
        port = self.processes["BROKER"].port
        self.traders = [Trader(name, port, seed) for seed, name in enumerate(("ALICE", "BOB", "CAROL"))]
        # 55 of 100 things that a scripted client does are orders.
        trader.ORDER_EVERY = 0.55 * len(self.traders) * seconds / orders
        self.rows: list[list[str]] = []
        self.memory: list[float] = []

    def status(self) -> Any:
        while True:
            try:
                return ask(self.folder / "var" / "broker", {"action": "status"})
            except NotRunning:
                time.sleep(0.05)

    def note(self, when: str) -> None:
        pid = self.processes["BROKER"].pid
        memory = int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024
        status, orders = self.status(), sum(one.counts["orders"] for one in self.traders)
        pauses = status["pause_ms"]
        self.memory.append(memory)
        row = [when, f"{orders:,}", f"{status['orders']:,}", f"{memory:.0f}", f"{pauses['since_asked']:.1f}"]
        self.rows.append(row)
        click.echo("  ".join(row), err=True)

    def trade(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            demo.turn(self.traders, acting=True)

    def roll(self) -> None:
        ask(self.folder / "var" / "broker", {"action": "roll"})
        while self.status()["jobs"]:
            demo.turn(self.traders, acting=True)

    def run(self) -> int:
        for process in self.processes.values():
            process.start()
        try:
            self.trade(LOOK_EVERY)
            self.note("begin")
            for number in range(1, ROLLS + 1):
                self.trade((self.seconds - LOOK_EVERY) / ROLLS)
                self.note(f"before roll {number}")
                self.roll()
                self.note(f"after roll {number}")
            demo.finish(self.traders)
        finally:
            for name in ("BROKER", "XNAS", "XNYS"):
                self.processes[name].stop()
        return demo._summary(self.folder, self.traders)


@click.command()
@click.option("--minutes", default=30.0, show_default=True)
@click.option("--orders", default=100_000, show_default=True)
def main(minutes: float, orders: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        soak = Soak(Path(name) / "soak", orders, minutes * 60)
        code = soak.run()
    show("Soak", ["when", "orders sent", "orders in the state", "broker MiB", "longest turn ms"], soak.rows)
    first = next(memory for row, memory in zip(soak.rows, soak.memory, strict=True) if row[0] == "after roll 1")
    click.echo(f"memory at the end: {soak.memory[-1] / first:.2f} of that after the first roll")
    sys.exit(code)


if __name__ == "__main__":
    main()
