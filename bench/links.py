"""What the journal's links cost an order: `python bench/links.py`.

The same records of orders that are routed, acknowledged and filled, or that rest in our own book, are appended to
journals without links, with each link made before the record's messages leave, and with it made behind them, as the
broker does; in short turns, so that the machine's drift hits all alike. `leaves` is the time of the append, which a
message waits for; `all` has what is done behind it too.
"""

import gc
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))

from engine import DAY, lifecycle, market, run
from table import middle, show

from brokerfix.commands import NewOrder
from brokerfix.domain import OrdType, Side, TimeInForce
from brokerfix.facts import DayRolled, Fact
from brokerfix.record.journal import Journal, Origin

WITHOUT, BEFORE, BEHIND = "no links", "link before the messages leave", "link behind them"
Records = list[list[Fact]]
"""Of an order: each with its facts."""


class Appended:
    """A journal that is appended to in one of the three ways."""

    def __init__(self, folder: Path, way: str) -> None:
        self.journal, self.way = Journal(folder), way
        if way == WITHOUT:
            self.journal.link = lambda: None  # type: ignore[method-assign]
        self.journal.open(DAY)
        self.journal.append([DayRolled(1, 1, DAY)])
        self.leaves, self.behind, self.seq_num = list[float](), list[float](), 0

    def turn(self, orders: Sequence[Records]) -> None:
        """Append the orders' records, and note the middle of what an order took in it (us)."""
        append, link, clock = self.journal.append, self.journal.link, time.perf_counter
        at_once = self.way == BEFORE
        leaves, behind = [], []
        for order in orders:
            self.seq_num += 1
            origin = Origin("c:LOAD", self.seq_num, time.time_ns(), "20261122-10:00:00.000", "20261122-10:00:00.000")
            taken = later = 0.0
            for facts in order:
                began = clock()
                append(facts, origin, 1)
                if at_once:
                    link()
                left = clock()
                link()
                taken, later = taken + left - began, later + clock() - left
            leaves.append(taken * 1e6)
            behind.append(later * 1e6)
        self.leaves.append(middle(leaves))
        self.behind.append(middle(behind))


def routed(count: int) -> list[Records]:
    state = market(venue=True)
    return [lifecycle(state, number) for number in range(count)]


def resting(count: int) -> list[Records]:
    state = market(venue=False)
    orders = (
        NewOrder(number, "LOAD", str(number), "", "AAPL", Side.BUY, OrdType.LIMIT, TimeInForce.DAY, 100, 15000)
        for number in range(count)
    )
    return [[run(state, order)] for order in orders]


def measure(folder: Path, orders: list[Records], turns: int) -> tuple[list[list[str]], float]:
    """A row for each way, and the middle size of a record (bytes)."""
    ways = [Appended(folder / str(number), way) for number, way in enumerate((WITHOUT, BEFORE, BEHIND))]
    size = len(orders) // turns
    gc.disable()
    for number in range(turns):
        part = orders[number * size : (number + 1) * size]
        for at in range(len(ways)):
            ways[(number + at) % len(ways)].turn(part)
    gc.enable()
    bare, records = ways[0], sum(map(len, orders[: turns * size]))
    rows = []
    for one in ways:
        every = list(zip(one.leaves, one.behind, bare.leaves, bare.behind, strict=True))
        leaves, whole = middle([a - c for a, _, c, _ in every]), middle([a + b - c - d for a, b, c, d in every])
        ratio = middle([(a + b) / (c + d) for a, b, c, d in every])
        rows.append([one.way, f"{middle(one.leaves):.2f}", f"{leaves:+.2f}", f"{whole:+.2f}", f"{ratio:.2f}x"])
    written = os.path.getsize(folder / "2" / f"{DAY}.journal") / records
    for one in ways:
        one.journal.close()
    return rows, written


@click.command()
@click.option("--orders", default=20_000, show_default=True)
@click.option("--turns", default=100, show_default=True)
def main(orders: int, turns: int) -> None:
    head = ["way", "leaves us", "cost until it leaves us", "cost in all us", "ratio of all"]
    for title, made in (("an order that rests in our book", resting), ("an order that is routed and filled", routed)):
        whole = made(orders)
        with tempfile.TemporaryDirectory() as folder:
            rows, size = measure(Path(folder), whole, turns)
        show(f"{title.capitalize()}: {len(whole[0])} records of {size:,.0f} bytes on average", head, rows)


if __name__ == "__main__":
    main()
