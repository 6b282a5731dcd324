"""What the demo of a cluster shows while it runs: a live screen on a terminal, lines elsewhere."""

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from brokerfix.tools.screen import clients_table, latency_line
from brokerfix.tools.trader import Trader

FRAME_EVERY = 0.25
SAID = 12
"""So many of the last lines stand on the screen."""
STYLES = {"primary": "bold green", "standby": "cyan", "gone": "bold red", "starting": "yellow"}
Look = Callable[[], dict[str, list[dict[str, Any]]]]


class ClusterView:
    """Nodes with their roles, the parts of the firm's limit, clients, latencies, and what has happened; redrawn in
    place."""

    def __init__(self, seconds: int, look: Look) -> None:
        """`look` tells the rows of each table, by its title."""
        self._look = look
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.completed:.0f} of {task.total} s")
        )
        self._task = self._progress.add_task("trading", total=seconds)
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, screen=False, transient=True)
        self._began = time.monotonic()
        self._said: deque[str] = deque(maxlen=SAID)
        self._every: list[str] = []
        self._traders: list[Trader] = []
        self._due = 0.0

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.update(self._frame(), refresh=True)
        self._live.__exit__(kind, error, trace)
        # The screen goes, and what has happened stays.
        for line in self._every:
            self._console.print(Text(line), highlight=False)

    def update(self, traders: list[Trader], elapsed: float) -> None:
        self._traders = traders
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + FRAME_EVERY
        self._progress.update(self._task, completed=elapsed)
        self._live.update(self._frame(), refresh=True)

    def say(self, text: str) -> None:
        line = f"{time.monotonic() - self._began:5.1f} s  {text}"
        self._said.append(line)
        self._every.append(line)
        self._live.update(self._frame(), refresh=True)

    def _frame(self) -> Group:
        tables = [_table(title, rows) for title, rows in self._look().items()]
        said = Text("\n".join(self._said), overflow="fold")
        return Group(
            Columns([*tables, clients_table(self._traders)], padding=(0, 1)),
            Panel(latency_line(self._traders), title="round trip through gateway, router and shard, to first report"),
            Panel(said, title="what happens"),
            self._progress,
        )


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in rows[0] if rows else ():
        # So that tables stay where they are.
        table.add_column(name, min_width=9)
    for row in rows:
        table.add_row(*(Text(str(value), style=STYLES.get(str(value), "")) for value in row.values()))
    return table
