"""Rows as a table that fits the terminal. Loaded where there is one: it takes longer than most commands."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

Row = dict[str, Any]

NUMBER = re.compile(r"[-+]?\d[\d,]*(\.\d+)?")
TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,3})?)\d*(?:Z|\+00:00)?")
KEPT = 3
"""So many columns are shown however narrow the terminal is; then their values are cut."""
HEADINGS = {
    "order_id": "order", "cl_ord_id": "ClOrdID", "exec_id": "exec", "ord_type": "type", "time_in_force": "tif",
    "cum_qty": "filled", "leaves_qty": "leaves", "avg_px": "avg", "last_qty": "qty", "last_px": "price",
    "venue_exec_id": "venue's exec",
}  # fmt: skip


def draw(rows: Sequence[Row], title: str, least: Sequence[str]) -> None:
    """Print rows under their title, and which columns there was no space for."""
    console = Console()
    table, left_out = fitted(rows, least, console.width)
    console.print(Text(title, "bold"), table, sep="\n")
    if left_out:
        console.print(Text(f"no space for: {', '.join(map(_heading, left_out))} (--json shows all)", "dim"))


def fitted(rows: Sequence[Row], least: Sequence[str], width: int) -> tuple[Table, list[str]]:
    """A table with one line a row that is at most `width` wide, and the columns for which there is no space: first the
    ones of `least`, then the last ones. Columns that are empty in all rows are not shown either."""
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    cells = {name: [_for_people(row[name], today) for row in rows] for name in rows[0]}
    columns = {name: values for name, values in cells.items() if any(values)}
    wanted = [name for name in columns if name not in least] + [name for name in reversed(least) if name in columns]
    chosen = set(wanted[:KEPT])
    for name in wanted[KEPT:]:
        if _width(_table(columns, chosen | {name})) <= width:
            chosen.add(name)
    return _table(columns, chosen), [name for name in columns if name not in chosen]


def _table(columns: dict[str, list[str]], chosen: set[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    shown = {name: values for name, values in columns.items() if name in chosen}
    for name, values in shown.items():
        is_number = all(NUMBER.fullmatch(value) for value in values if value)
        table.add_column(_heading(name), justify="right" if is_number else "left", no_wrap=True, overflow="ellipsis")
    for row in zip(*shown.values(), strict=True):
        table.add_row(*map(Text, row))
    return table


def _width(table: Table) -> int:
    return Measurement.get(WIDE, WIDE.options, table).maximum


def _heading(name: str) -> str:
    return HEADINGS.get(name, name.replace("_", " "))


def _for_people(value: object, today: str) -> str:
    """A value on one line; a time of today without its date, to the millisecond."""
    text = "" if value is None else " ".join(str(value).split())
    time = TIME.fullmatch(text)
    if time is None:
        return text
    return time[2] if time[1] == today else f"{time[1]} {time[2][:8]}"


WIDE = Console(width=10_000)
