"""The engine in process, without FIX, disk or sockets: `python bench/engine.py`.

An order's life is new and route, acknowledgement, fill: each command is decided and its facts are applied.
"""

import sys
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))

from table import middle, plot_bars, show

from brokerfix.commands import Command, MarketUpdate, NewOrder, SessionUp, Start, VenueReport
from brokerfix.domain import ClientOptions, Instrument, Limits, OrdType, Side, TimeInForce, Venue
from brokerfix.engine.engine import State, decide, evolve, observe
from brokerfix.facts import Fact, OrderRouted

DAY = 20261122


def setting(venue: bool) -> list[Command]:
    """What sets up one instrument, one client and, perhaps, one exchange."""
    instrument = Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "venue", 5000, 15000)
    account = ("LOAD", "900000000000", Limits("1000000", "1000000000"))
    venues = (Venue("XNAS"),) if venue else ()
    start = Start(1, DAY, (instrument,), (account,), (("LOAD", ("LOAD",), 0, ClientOptions()),), venues)
    return [start, SessionUp(1, "XNAS", True)] if venue else [start]


def market(venue: bool) -> State:
    """A state after its setting; the exchange has quotes without end."""
    state = State()
    for command in setting(venue):
        run(state, command)
    if venue:
        observe(state, MarketUpdate("XNAS", "AAPL", True, ((Side.SELL, 15000, 10**12),)))
    return state


def run(state: State, command: Command) -> list[Fact]:
    facts = decide(state, command)
    for fact in facts:
        evolve(state, fact)
    return facts


def lifecycle(state: State, number: int) -> list[list[Fact]]:
    """An order that is routed, acknowledged and filled. Returns the facts of each of the three."""
    name = str(number)
    facts = run(
        state,
        NewOrder(number, "LOAD", name, "", "AAPL", Side.BUY, OrdType.LIMIT, TimeInForce.DAY, 100, 15000),
    )
    routed = next(fact for fact in facts if isinstance(fact, OrderRouted))
    acknowledged = run(state, VenueReport(number, "XNAS", f"A{name}", "0", "0", routed.id, 0, name))
    filled = run(state, VenueReport(number, "XNAS", f"F{name}", "F", "2", routed.id, 0, name, 100, 15000, 100))
    return [facts, acknowledged, filled]


def lifecycles(count: int) -> float:
    """Order lifecycles per second over an exchange."""
    state = market(venue=True)
    started = time.perf_counter()
    for number in range(count):
        lifecycle(state, number)
    assert all(order.leaves == 0 for order in state.orders.values())
    return count / (time.perf_counter() - started)


def crossings(count: int) -> float:
    """Pairs of orders per second that meet in our own book."""
    state = market(venue=False)
    started = time.perf_counter()
    for number in range(count):
        for side in Side:
            name = f"{number}-{side}"
            run(state, NewOrder(number, "LOAD", name, "", "AAPL", side, OrdType.LIMIT, TimeInForce.DAY, 100, 15000))
    assert state.trade_count == count
    return count / (time.perf_counter() - started)


@click.command()
@click.option("--orders", default=20_000, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(orders: int, rounds: int) -> None:
    figures = {}
    for title, measure in (("lifecycles (new, route, ack, fill)", lifecycles), ("crossed pairs, own book", crossings)):
        figures[title] = middle([measure(orders) for _ in range(rounds)])
        click.echo(f"measured: {title}", err=True)
    show("The engine in process", ["work", "per second"], [[title, f"{rate:,.0f}"] for title, rate in figures.items()])
    plot_bars("engine", "The engine in process", "per second", figures)


if __name__ == "__main__":
    main()
