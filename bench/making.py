"""What market making takes: `python -m bench.making`.

One maker quotes 100 instruments on two sides. Each market update moves a mid by a tick; the maker looks, prices by its
model, checks limits and moves its quotes. A quote is one order that is brought to another price, from the update until
the state has it. Then all quotes are pulled with one command, and a client sends MassQuotes that bring all its quotes
to other prices in our own book. No disk, no sockets.
"""

import statistics
import sys
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))

from table import show

from brokerfix.commands import Command, MarketUpdate, PullQuotes, SessionUp, SetQuotes, Start
from brokerfix.domain import (
    ClientOptions,
    ClientQuoting,
    Distance,
    Instrument,
    Limits,
    Maker,
    Model,
    Protection,
    QuoteEntry,
    Quoting,
    Side,
    Venue,
)
from brokerfix.engine.engine import State, decide, done, evolve, follow_up, observe
from brokerfix.facts import Fact, QuoteMoved

DAY = 20261127
MODELS = {
    "fixed": Model("fixed", Distance(3), Distance(3)),
    "avellaneda-stoikov": Model("avellaneda-stoikov", gamma=0.01, horizon=300.0, sigma=0.01, k=40.0),
    "glft": Model("glft", gamma=0.01, sigma=0.01, a=1.0, k=40.0),
}
LIMITS = Limits(max_order_qty="100000", max_order_notional="10000000", max_gross="10000000000")


def setting(model: Model, instruments: int, levels: int) -> State:
    """A state in which the maker quotes all instruments."""
    state = State()
    symbols = [f"S{number:03}" for number in range(instruments)]
    traded = tuple(Instrument(symbol, 2, 0, 1, 1, "at-or-better", "venue", 1000, 15000) for symbol in symbols)
    quoting = tuple(Quoting(symbol, model, 100, 10_000, -10_000, levels=levels, level_step=1) for symbol in symbols)
    account = ("MM", "100000000000", LIMITS)
    client = ("MM", ("MM",), 0, ClientOptions())
    makers = (Maker("MM", "MM", quoting),)
    run(state, Start(1, DAY, traded, (account,), (client,), (Venue("XNAS"),), makers=makers))
    run(state, SessionUp(1, "XNAS", True))
    for symbol in symbols:
        tell(state, symbol, 15000, 2)
    return state


def run(state: State, command: Command) -> list[Fact]:
    """Decide a command and all that follows. Returns the facts."""
    facts = _apply(state, command)
    while (following := follow_up(state, command.at)) is not None:
        more = _apply(state, following)
        if not more:
            done(state)
        facts += more
    return facts


def _apply(state: State, command: Command) -> list[Fact]:
    facts = decide(state, command)
    for fact in facts:
        evolve(state, fact)
    return facts


def tell(state: State, symbol: str, mid: int, at: int) -> tuple[int, float]:
    """The exchange shows another market. Returns how many quotes were moved, and the seconds that deciding took."""
    levels = [(Side.BUY, mid - 10, 500), (Side.SELL, mid + 10, 500)]
    quotes = state.market.quotes.get(("XNAS", symbol))
    levels += [(side, price, 0) for side, price, _ in (quotes.levels() if quotes else ())]
    observe(state, MarketUpdate("XNAS", symbol, False, tuple(levels)))
    moved, deciding = 0, 0.0
    while (following := follow_up(state, at)) is not None:
        started = time.perf_counter()
        facts = decide(state, following)
        deciding += time.perf_counter() - started
        for fact in facts:
            evolve(state, fact)
        if not facts:
            done(state)
        moved += sum(isinstance(fact, QuoteMoved) for fact in facts)
    return moved, deciding


def quotes_a_second(model: Model, instruments: int, levels: int, seconds: float) -> tuple[float, float]:
    """Quotes per second of deciding, and of all: market data in, decided, applied."""
    state = setting(model, instruments, levels)
    symbols = list(state.instruments)
    quotes, rounds, at, deciding = 0, 0, 2, 0.0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        rounds += 1
        for symbol in symbols:
            at += 1_000_000
            moved, took = tell(state, symbol, 15000 + rounds % 50, at)
            quotes, deciding = quotes + moved, deciding + took
    return quotes / deciding, quotes / (time.perf_counter() - started)


def pull_times(instruments: int, levels: int, rounds: int) -> tuple[float, float]:
    """Median milliseconds to decide a pull of all quotes, and to apply it too."""
    decided, applied = [], []
    for _ in range(rounds):
        state = setting(MODELS["fixed"], instruments, levels)
        started = time.perf_counter()
        facts = decide(state, PullQuotes(10, "bench", "MM"))
        between = time.perf_counter()
        for fact in facts:
            evolve(state, fact)
        decided.append(1000 * (between - started))
        applied.append(1000 * (time.perf_counter() - started))
        assert not state.clients["MM"].working
    return statistics.median(decided), statistics.median(applied)


def mass_quote_times(entries: int, instruments: int, rounds: int) -> tuple[float, float]:
    """Median milliseconds to decide a MassQuote that moves both sides of all its entries, and to apply it too."""
    state = State()
    symbols = [f"S{number:03}" for number in range(instruments)]
    traded = tuple(Instrument(symbol, 2, 0, 1, 1, "always", "book", 1000, 15000) for symbol in symbols)
    account, client = ("C", "100000000000", LIMITS), ("C", ("C",), 0, ClientOptions())
    quoting = ClientQuoting("C", protection=Protection(10**9, qty=1000))
    run(state, Start(1, DAY, traded, (account,), (client,), (), quoters=(quoting,)))
    decided, applied = [], []
    for number in range(rounds + 1):
        wanted = tuple(
            QuoteEntry(
                "S", f"{one}", symbols[one % instruments], 14900 - one - number % 2, 100, 15100 + one + number % 2, 100
            )
            for one in range(entries)
        )
        started = time.perf_counter()
        facts = decide(state, SetQuotes(2 + number, "C", f"Q{number}", wanted))
        between = time.perf_counter()
        for fact in facts:
            evolve(state, fact)
        if number:
            # The first one places them.
            assert sum(isinstance(fact, QuoteMoved) for fact in facts) == 2 * entries
            decided.append(1000 * (between - started))
            applied.append(1000 * (time.perf_counter() - started))
    return statistics.median(decided), statistics.median(applied)


@click.command()
@click.option("--instruments", default=100, show_default=True)
@click.option("--seconds", default=3.0, show_default=True, help="How long each is measured.")
def main(instruments: int, seconds: float) -> None:
    """Measure quotes and pulls of one maker, and a client's MassQuotes."""
    rows = []
    for name, model in MODELS.items():
        for levels in (1, 5):
            rates = quotes_a_second(model, instruments, levels, seconds)
            rows.append([name, str(levels), *(f"{rate:,.0f}" for rate in rates)])
    show("Quotes a second", ["model", "levels", "decided", "with market data in and all applied"], rows)
    decided, applied = pull_times(instruments, 5, 5)
    row = [str(instruments * 10), f"{decided:.1f}", f"{applied:.1f}"]
    show("Pull of all quotes", ["quotes", "ms to decide", "ms with what is applied"], [row])
    rows = []
    for several in (1, 10):
        decided, applied = mass_quote_times(100, several, 20)
        rows.append(["100", str(several), f"{decided:.1f}", f"{applied:.1f}"])
    show("MassQuote of a client", ["entries", "instruments", "ms to decide", "ms with what is applied"], rows)


if __name__ == "__main__":
    main()
