"""What surveillance takes: facts a second, the rules alone and with the journal; the size of what it keeps and how long
a start takes. `python bench/surveillance.py --orders 30000`."""

import random
import sys
import tempfile
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))

from engine import run, setting
from table import show

from brokerfix.commands import MarketUpdate, NewOrder, VenueReport
from brokerfix.domain import OrdType, Side, TimeInForce
from brokerfix.engine.engine import State, observe
from brokerfix.facts import Fact, OrderRouted
from brokerfix.record.journal import Journal
from brokerfix.settings.surveillance import SurveillanceSection
from brokerfix.surveillance.detector import Detector
from brokerfix.surveillance.follower import Follower
from brokerfix.surveillance.kept import FILE

BEGIN, EVERY = 10**18, 10**6


def day(orders: int, seed: int) -> list[list[Fact]]:
    """Records of one account's orders to buy and to sell, a millisecond apart, each of them routed, acknowledged and
    filled."""
    state, chance = State(), random.Random(seed)
    records = [[fact for command in setting(True) for fact in run(state, command)]]
    levels = (Side.SELL, 15000, 10**12), (Side.BUY, 14999, 10**12)
    observe(state, MarketUpdate("XNAS", "AAPL", True, levels))
    for number in range(orders):
        at, name, side = BEGIN + number * EVERY, str(number), chance.choice((Side.BUY, Side.SELL))
        price, qty = 15000 if side is Side.BUY else 14999, chance.choice((100, 200, 300))
        told = OrdType.LIMIT, TimeInForce.DAY, qty, price
        facts = run(state, NewOrder(at, "LOAD", name, "", "AAPL", side, *told))
        records.append(facts)
        for fact in facts:
            if isinstance(fact, OrderRouted):
                records.append(run(state, VenueReport(at, "XNAS", f"A{name}", "0", "0", fact.id, 0, name)))
                filled = "XNAS", f"F{name}", "F", "2", fact.id, 0, name, fact.qty, fact.price, fact.qty
                records.append(run(state, VenueReport(at, *filled)))
    return records


@click.command()
@click.option("--orders", default=30_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(orders: int, seed: int) -> None:
    records, section = day(orders, seed), SurveillanceSection()
    count = sum(map(len, records))
    began = time.process_time()
    detector = Detector(section)
    for record in records:
        for fact in record:
            detector.apply(fact)
    alone = time.process_time() - began
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        journal = Journal(data / "journal")
        journal.open(20261122)
        for record in records:
            journal.append(record)
        journal.close()
        follower = Follower(data, section, {}, lambda found: True)
        began = time.process_time()
        follower.look()
        looked = time.process_time() - began
        began = time.process_time()
        follower.keep()
        kept = time.process_time() - began
        size = (data / FILE).stat().st_size
        began = time.process_time()
        Follower(data, section, {}, lambda found: True)
        started = time.process_time() - began
    head = ["facts", "rules alone: facts/s", "with the journal: facts/s", "kept: MB", "to keep: ms", "to go on: ms"]
    row = [f"{count:,}", f"{count / alone:,.0f}", f"{count / looked:,.0f}", f"{size / 1e6:.1f}"]
    show("surveillance", head, [[*row, f"{kept * 1000:.0f}", f"{started * 1000:.0f}"]])


if __name__ == "__main__":
    main()
