"""Recovery: how fast a journal is replayed into the state, alone and with the sessions' numbers and messages put back
as at a start: `python bench/recovery.py`.
"""

import sys
import tempfile
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))

from engine import DAY, setting
from table import middle, plot_bars, show

from brokerfix.commands import Command, NewOrder, VenueReport
from brokerfix.domain import OrdType, Side, TimeInForce
from brokerfix.engine.engine import State, decide, evolve
from brokerfix.facts import Fact, OrderRouted
from brokerfix.record.journal import Journal, Origin, read, segments
from brokerfix.record.outbox import Outbox
from brokerfix.record.pipeline import Pipeline

MOST_KEPT = 2000


def write(folder: Path, orders: int) -> tuple[int, str]:
    """A journal of routed and filled orders. Returns its facts and the hash of the state that made it."""
    state, count, records = State(), 0, 0
    journal = Journal(folder)
    journal.open(DAY)

    def run(command: Command) -> list[Fact]:
        nonlocal count
        nonlocal records
        facts = decide(state, command)
        records += 1
        journal.append(facts, Origin("c:LOAD", records, 1), 1)
        for fact in facts:
            evolve(state, fact)
        count += len(facts)
        return facts

    for command in setting(venue=True):
        run(command)
    for number in range(orders):
        name = str(number)
        new = NewOrder(number, "LOAD", name, "", "AAPL", Side.BUY, OrdType.LIMIT, TimeInForce.DAY, 100, 15000)
        child = next(fact.id for fact in run(new) if isinstance(fact, OrderRouted))
        run(VenueReport(number, "XNAS", f"A{name}", "0", "0", child, 0, name))
        run(VenueReport(number, "XNAS", f"F{name}", "F", "2", child, 0, name, 100, 15000, 100))
    journal.close()
    return count, state.hash()


def replay(folder: Path) -> tuple[float, State]:
    started = time.perf_counter()
    state = State()
    for record in read(folder):
        for fact in record.facts:
            evolve(state, fact)
    return time.perf_counter() - started, state


def recover(folder: Path) -> tuple[float, State]:
    started = time.perf_counter()
    pipeline = Pipeline(Journal(folder), lambda out: None, lambda out: None, Outbox(MOST_KEPT))
    pipeline.recover(DAY)
    pipeline.journal.close()
    return time.perf_counter() - started, pipeline.state


@click.command()
@click.option("--orders", default=100_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(orders: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        click.echo(f"writing a journal of {orders:,} orders", err=True)
        count, digest = write(folder, orders)
        size = sum(path.stat().st_size for path in segments(folder))
        ways = {"the state alone": replay, "with the sessions put back": recover}
        times: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(rounds):
            click.echo(f"replay {number + 1}/{rounds}", err=True)
            for way, run in ways.items():
                seconds, state = run(folder)
                times[way].append(seconds)
                assert state.hash() == digest, "the replay has given another state"
    rows = [
        [way, f"{count:,}", f"{size / 2**20:.0f} MiB", f"{middle(took):.2f} s", f"{count / middle(took):,.0f}"]
        for way, took in times.items()
    ]
    show("Recovery (the state's hash is equal after each)", ["replay", "facts", "journal", "took", "facts/s"], rows)
    plot_bars("recovery", "Recovery", "facts per second", {way: count / middle(took) for way, took in times.items()})


if __name__ == "__main__":
    main()
