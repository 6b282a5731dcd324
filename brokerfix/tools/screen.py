"""What the demo shows while it runs: a live screen on a terminal, lines elsewhere."""

import sqlite3
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from brokerfix.projections.database import Database
from brokerfix.settings.registry import database_path
from brokerfix.tools.trader import Trader

LINE_EVERY = 2.0
FRAME_EVERY = 0.25
SHOWN_ORDERS = 10


class View(Protocol):
    """What the demo needs of a view."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def update(self, traders: list[Trader], elapsed: float) -> None: ...
    def say(self, text: str) -> None: ...


class LineView:
    """A line every two seconds, for logs and pipes."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._due = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put back."""

    def update(self, traders: list[Trader], elapsed: float) -> None:
        if elapsed < self._due:
            return
        self._due = elapsed + LINE_EVERY
        parts = [
            f"{trader.name}: {trader.counts['orders']} orders, {trader.counts['fills']} fills,"
            f" {len(trader.working)} working"
            for trader in traders
        ]
        print(f"[{elapsed:4.0f}/{self._seconds} s] {'; '.join(parts)}; {latency_line(traders)}", flush=True)

    def say(self, text: str) -> None:
        print(text, flush=True)


class LiveView:
    """Sessions, consolidated books, working orders with their routes, positions and latencies, redrawn in place."""

    def __init__(self, folder: Path, seconds: int) -> None:
        self._path = database_path(folder / "var" / "broker")
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.completed:.0f} of {task.total} s")
        )
        self._task = self._progress.add_task("trading", total=seconds)
        self._live = Live(console=Console(), auto_refresh=False, screen=False)
        self._due = 0.0

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def update(self, traders: list[Trader], elapsed: float) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + FRAME_EVERY
        self._progress.update(self._task, completed=elapsed)
        books = [_book(symbol, traders[0].books[symbol]) for symbol in traders[0].books]
        frame = Group(
            Columns([clients_table(traders), self._rows("exchange sessions", SESSIONS), *books]),
            self._rows("working orders and where they are", ORDERS),
            self._rows("why the latest routed order went where it did", DECISION),
            self._rows("positions", POSITIONS),
            Panel(latency_line(traders), title="round trip, order to first report"),
            self._progress,
        )
        self._live.update(frame, refresh=True)

    def say(self, text: str) -> None:
        self._live.console.print(text)

    def _rows(self, title: str, query: str) -> RenderableType:
        """A query of the broker's database, which a moment after the start may not be there yet."""
        table = Table(title=title, title_justify="left")
        if not self._path.exists():
            return table
        database = Database(self._path)
        try:
            rows = list(database.query(query))
        except sqlite3.OperationalError:
            rows = []
        finally:
            database.close()
        for name in rows[0] if rows else ():
            table.add_column(name)
        for row in rows:
            table.add_row(*("" if value is None else str(value) for value in row.values()))
        return table


ORDERS = f"""
    select o.client, o.cl_ord_id, o.side, o.qty, o.symbol, o.price, o.status, o.cum_qty as cum, o.in_book as "our book",
        (select group_concat(c.venue || ' ' || c.leaves_qty || '@' || c.price, ', ') from child_orders c
         where c.order_id = o.order_id and cast(c.leaves_qty as real) > 0) as exchanges
    from orders o where cast(o.leaves_qty as real) > 0 order by o.entered desc limit {SHOWN_ORDERS}"""
DECISION = """
    select d.order_id as "order", d.qty, d.mode, json_extract(e.value, '$.venue') as exchange,
        json_extract(e.value, '$.cost') as "cost of a unit", json_extract(e.value, '$.gets') as gets,
        json_extract(e.value, '$.why') as "why no more"
    from (select * from route_decisions where cast(expected_qty as real) > 0 order by rowid desc limit 1) d,
        json_each(d.exchanges) e"""
SESSIONS = "select name as exchange, state as session from sessions where kind = 'exchange' order by name"
POSITIONS = """
    select a.account, a.cash, a.buying_power as "buying power",
        (select group_concat(p.qty || ' ' || p.symbol, ', ') from positions p
         where p.account = a.account and p.qty <> '0') as holds
    from accounts a order by a.account"""


def latency_line(traders: list[Trader]) -> str:
    """The percentiles of all round trips so far."""
    found = sorted(latency for trader in traders for latency in trader.latencies)
    if not found:
        return "no round trip yet"
    p50, p90, p99 = (found[min(len(found) - 1, int(len(found) * share))] for share in (0.5, 0.9, 0.99))
    return f"latency p50 {p50:.0f} us, p90 {p90:.0f} us, p99 {p99:.0f} us"


def clients_table(traders: list[Trader]) -> Table:
    """Each client, whether its session is up, and what it has done."""
    table = Table(title="clients", title_justify="left")
    for column in ("client", "session", "orders", "fills", "rejects", "working"):
        table.add_column(column)
    for trader in traders:
        table.add_row(
            trader.name,
            "up" if trader.client.connected else "down",
            str(trader.counts["orders"]),
            str(trader.counts["fills"]),
            str(trader.counts["rejects"]),
            str(len(trader.working)),
        )
    return table


def _book(symbol: str, levels: dict[tuple[str, str], str]) -> Table:
    table = Table(title=f"{symbol}, consolidated", title_justify="left")
    for column in ("bid qty", "bid", "ask", "ask qty"):
        table.add_column(column, justify="right")
    sides = [
        sorted(
            ((float(price), price, qty) for (kind, price), qty in levels.items() if kind == side), reverse=side == "0"
        )
        for side in "01"
    ]
    for row in range(5):
        bid = sides[0][row] if row < len(sides[0]) else (0.0, "", "")
        ask = sides[1][row] if row < len(sides[1]) else (0.0, "", "")
        table.add_row(bid[2], bid[1], ask[1], ask[2])
    return table
