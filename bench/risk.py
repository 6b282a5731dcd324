"""What the limits cost, and how fast a kill is: `python bench/risk.py`.

The engine in process: orders that rest are accepted and canceled, by turns for all accounts and symbols, once with the
size and symbol checks alone and once with every control set at every level. Then a mark moves with 10,000 accounts
that hold the symbol, and a kill switch cancels 10,000 orders that two exchanges hold, with journal and messages.
"""

import sys
import tempfile
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))

from engine import DAY, run
from table import middle, plot_bars, show

from brokerfix.commands import (
    CancelOrder,
    MarketUpdate,
    NewOrder,
    OperatorHalt,
    RecordQuotes,
    SessionUp,
    Start,
    VenueReport,
    WorkOff,
)
from brokerfix.domain import ClientOptions, Instrument, Level, Limits, OrdType, Side, TimeInForce, Venue
from brokerfix.engine.engine import State, observe
from brokerfix.facts import ChildCancelSent, OrderRouted
from brokerfix.fix.outgoing.encode import Out
from brokerfix.record.journal import Journal
from brokerfix.record.outbox import Outbox
from brokerfix.record.pipeline import Pipeline

MUCH = "900000000000"
BASIC = Limits(max_order_qty=MUCH, max_order_notional=MUCH)
ALL = Limits(
    max_order_qty=MUCH, max_order_notional=MUCH, max_window_qty=MUCH, max_window_notional=MUCH, max_long=MUCH,
    max_short=MUCH, max_gross=MUCH, max_net=MUCH, duplicates=MUCH,
)  # fmt: skip
BASICALLY, ONCE, EVERYWHERE = "size and symbol", "each control once", "all at five levels"
MARGIN = "each once, with margin"
ONE_OF_EACH = {
    "firm": Limits(max_gross=MUCH),
    "group": Limits(max_net=MUCH),
    "client": Limits(max_window_qty=MUCH, max_window_notional=MUCH, duplicates=MUCH),
    "account": BASIC,
    "symbol": Limits(max_long=MUCH, max_short=MUCH),
}
"""Every control at the level where a desk would have it."""
TURN = 2000
"""Orders of one turn."""


def prepared(accounts: int, symbols: int, how: str, venues: tuple[Venue, ...] = ()) -> Start:
    """A firm of one group whose accounts have a client each."""
    at = {
        BASICALLY: {"account": BASIC},
        ONCE: ONE_OF_EACH,
        MARGIN: ONE_OF_EACH,
        EVERYWHERE: dict.fromkeys(("firm", "group", "client", "account", "symbol"), ALL),
    }[how]
    names = [f"A{number}" for number in range(accounts)]
    instruments = tuple(
        Instrument(f"S{number}", 2, 0, 1, 1, "at-or-better", "venue" if venues else "book", 5000, 15000)
        for number in range(symbols)
    )
    limits = [(Level(*level), at[level[0]]) for level in (("firm",), ("group", "G")) if level[0] in at]
    if how != BASICALLY:
        limits += [(Level("client", name), at["client"]) for name in names]
        limits += [
            (Level("account", name, f"S{number % symbols}"), at["symbol"])
            for number, name in enumerate(names * (symbols // accounts or 1))
        ]
    return Start(
        1, DAY, instruments, tuple((name, MUCH, at["account"]) for name in names),
        tuple((name, (name,), 0, ClientOptions()) for name in names), venues, groups=(("G", tuple(names)),),
        limits=tuple(limits), kinds=tuple((name, "reg-t") for name in names) if how == MARGIN else (),
    )  # fmt: skip


class Setting:
    """A state and the orders that are sent to it."""

    def __init__(self, accounts: int, symbols: int, how: str) -> None:
        self.state = State()
        run(self.state, prepared(accounts, symbols, how))
        self.accounts, self.symbols, self.number = accounts, symbols, 0

    def turn(self) -> float:
        """Microseconds of the engine for an order and its cancel."""
        state, first = self.state, self.number
        self.number += TURN
        started = time.perf_counter()
        for number in range(first, first + TURN):
            account, symbol = f"A{number % self.accounts}", f"S{number % self.symbols}"
            at, price = 2 + number * 1_000_000, 14000 + number % 100
            terms = symbol, Side.BUY, OrdType.LIMIT, TimeInForce.DAY, 1, price
            run(state, NewOrder(at, account, f"O{number}", "", *terms))
            run(state, CancelOrder(at, account, f"C{number}", f"O{number}"))
        return (time.perf_counter() - started) / TURN * 1e6


def cost(rounds: int) -> tuple[list[list[str]], dict[str, float]]:
    rows, bars = [], {}
    ways = (BASICALLY, ONCE, EVERYWHERE, MARGIN)
    for accounts in (1, 100, 10_000):
        click.echo(f"{accounts:,} accounts", err=True)
        settings = [Setting(accounts, 1000, how) for how in ways]
        times = [[setting.turn() for setting in settings] for _ in range(rounds)]
        row = [f"{accounts:,}"]
        for which, how in enumerate(ways):
            bars[f"{accounts:,} accounts, {how}"] = took = middle([turn[which] for turn in times])
            row += [f"{took:.1f}", *([f"{middle([turn[which] / turn[0] for turn in times]):.2f}x"] if which else [])]
        rows.append(row)
    return rows, bars


def mark_moves(accounts: int, how: str) -> float:
    """The longest turn, in milliseconds, of a mark that moves while all accounts hold the symbol."""
    setting = Setting(accounts, 1, how)
    state = setting.state
    terms = OrdType.LIMIT, TimeInForce.DAY, 1, 15000
    for number in range(0, accounts, 2):
        for which, side in ((number, Side.BUY), (number + 1, Side.SELL)):
            run(state, NewOrder(2, f"A{which}", f"H{which}", "", "S0", side, *terms))
    longest = 0.0
    for move in range(5):
        observe(state, MarketUpdate("", "S0", False, (), ((15100 + move, 1),)))
        state.market.last["S0"] = (15100 + move, 1)
        commands = [RecordQuotes(3 + move)]
        while commands or state.jobs:
            started = time.perf_counter()
            run(state, commands.pop() if commands else WorkOff(3 + move))
            longest = max(longest, time.perf_counter() - started)
    return longest * 1000


def kill(orders: int, folder: Path) -> tuple[float, float]:
    """(seconds until the last cancel was handed over, the longest turn in milliseconds) of a kill switch with so many
    orders at two exchanges."""
    sent: list[Out] = []
    outbox = Outbox(2000)
    pipeline = Pipeline(Journal(folder), sent.append, sent.append, outbox)
    pipeline.recover(DAY)
    pipeline.submit(prepared(100, 10, ONCE, (Venue("XNAS"), Venue("XNYS"))))
    for venue in ("XNAS", "XNYS"):
        pipeline.submit(SessionUp(1, venue, True))
    for number in range(orders):
        account, venue = f"A{number % 100}", ("XNAS", "XNYS")[number % 2]
        terms = f"S{number % 10}", Side.BUY, OrdType.LIMIT, TimeInForce.DAY, 1, 14000 + number % 997, venue
        pipeline.submit(NewOrder(2 + number * 10**6, account, f"O{number}", "", *terms))
        child = next(fact.id for fact in pipeline.decided if isinstance(fact, OrderRouted))
        pipeline.submit(VenueReport(2, venue, f"E{number}", "0", "0", child, 0, f"V{number}"))
    sent.clear()
    started = time.perf_counter()
    pipeline.submit(OperatorHalt(time.time_ns(), "bench", "all", "", True))
    last = longest = 0.0
    cancels = 0
    while pipeline.state.jobs:
        began = time.perf_counter()
        pipeline.turn(time.time_ns())
        longest = max(longest, time.perf_counter() - began)
        found = sum(isinstance(fact, ChildCancelSent) for fact in pipeline.decided)
        cancels += found
        if found:
            last = time.perf_counter() - started
    assert cancels == orders, cancels
    pipeline.journal.close()
    return last, longest * 1000


@click.command()
@click.option("--rounds", default=9, show_default=True)
def main(rounds: int) -> None:
    rows, bars = cost(rounds)
    head = ["accounts", f"{BASICALLY} us", f"{ONCE} us", "ratio", f"{EVERYWHERE} us", "ratio", f"{MARGIN} us", "ratio"]
    show("An order and its cancel in the engine, 1,000 symbols", head, rows)
    moved, with_margin = (mark_moves(10_000, how) for how in (ONCE, MARGIN))
    with tempfile.TemporaryDirectory() as name:
        last, longest = kill(10_000, Path(name))
    rows = [
        ["a mark moves, 10,000 accounts hold the symbol: longest turn", f"{moved:.1f} ms", "5 ms"],
        ["the same, accounts with margin", f"{with_margin:.1f} ms", "5 ms"],
        ["kill, 10,000 orders at two exchanges: last cancel handed over", f"{last:.2f} s", "1 s"],
        ["the same: longest turn", f"{longest:.1f} ms", ""],
    ]
    show("Beside the order path", ["what", "measured", "bar"], rows)
    plot_bars("risk", "An order and its cancel in the engine", "microseconds", bars)


if __name__ == "__main__":
    main()
