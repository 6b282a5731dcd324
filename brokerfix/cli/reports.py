"""Reports out of the journal: how well orders were executed, and where they were routed."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from brokerfix.cli.base import config_of, config_option, for_people, main, show_rows
from brokerfix.domain import id_text

if TYPE_CHECKING:
    from brokerfix.operate.quality_read import Orders

DAY = click.DateTime(["%Y-%m-%d"])
BY = ("exchange", "client", "type", "algorithm")
USUAL = BY[:3]
"""What rows are of where nothing is said."""
LAST_DAY = 99_999_999
MOST_NAMED = 10
Rows = list[dict[str, Any]]
Tables = list[tuple[str, Rows]]


class Wanted(NamedTuple):
    """Which orders a report is of, and how and where it is written."""

    first: int
    last: int
    client: str
    symbol: str
    form: str
    output: str
    config: str
    others: tuple[str, ...] = ()

    @property
    def scope(self) -> str:
        """In words."""
        days = [f"{day // 10_000}-{day // 100 % 100:02}-{day % 100:02}" for day in (self.first, self.last)]
        since, until = f"from {days[0]} " if self.first else "", f"to {days[1]}" if self.last < LAST_DAY else ""
        when = days[0] if self.first == self.last else (since + until).strip() or "all days"
        parts = when, f"client {self.client}" if self.client else "", f"symbol {self.symbol}" if self.symbol else ""
        return "Orders received: " + ", ".join(filter(None, parts))


def options_of_reports(command: Callable[..., None]) -> Callable[..., None]:
    """What both reports are asked for, as one `wanted`."""

    @click.option("--day", type=DAY, help="Orders received on this trading day, YYYY-MM-DD.")
    @click.option("--from", "since", type=DAY, help="Orders received from this trading day on.")
    @click.option("--to", "until", type=DAY, help="Orders received until this trading day, it included.")
    @click.option("--client", default="", help="Orders of this client only.")
    @click.option("--symbol", default="", help="Orders in this symbol only.")
    @click.option(
        "--format", "form", type=click.Choice(["table", "csv", "json", "html"]), default="table", show_default=True
    )
    @click.option("--output", default="", metavar="FILE", help="Write it there, and not to the terminal.")
    @click.option(
        "--with", "others", multiple=True, metavar="FOLDER",
        help="The orders of another shard too: its data folder, a standby's of it, or a backup.",
    )  # fmt: skip
    @config_option
    @for_people
    @wraps(command)
    def asked(
        day: datetime | None, since: datetime | None, until: datetime | None, client: str, symbol: str, form: str,
        output: str, others: tuple[str, ...], config: str, **more: Any,
    ) -> None:  # fmt: skip
        if day is not None and (since is not None or until is not None):
            raise click.UsageError("--day is one day; for several say --from and --to without it")
        first, last = _number(day or since, 0), _number(day or until, LAST_DAY)
        if first > last:
            raise click.UsageError("--from is after --to")
        command(Wanted(first, last, client, symbol, form, output, config, others), **more)

    return asked


def _number(day: datetime | None, otherwise: int) -> int:
    return int(day.strftime("%Y%m%d")) if day is not None else otherwise


@main.group()
def report() -> None:
    """Reports out of the journal; the broker may run. None of them is a certified filing."""


@report.command("execution-quality")
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(BY),
    help="What rows are of; several times for several. [all but algorithm]",
)
@options_of_reports
def execution_quality(wanted: Wanted, by: tuple[str, ...]) -> None:
    """How well orders were executed, by the measures of SEC Rule 605: effective, quoted and realized spreads, price and
    size improvement, fill rate, speed, slippage, and what routing decisions had expected."""
    from brokerfix.operate.plots import plot_quality
    from brokerfix.operate.quality import quality
    from brokerfix.operate.quality_words import HEADING, NOTES, THEMES, table

    found = quality(_read(wanted), by or USUAL)
    notes = [*NOTES, *_gone(wanted)]
    if found.split:
        notes.append(f"{found.split} orders were left out: their instrument was split while they were open.")
    tables = [(theme, table(found.rows, theme)) for theme in THEMES]

    def pictures() -> list[tuple[str, bytes]]:
        return [("Spreads, price improvement, realized spreads and speed", plot_quality(found.rows))]

    told = {"orders": found.orders, "rows": found.rows, "slippage_bps": found.slippage}
    _write(wanted, "Execution quality", HEADING, notes, tables, found.rows, told, pictures if found.rows else None)


@report.command("order-routing")
@options_of_reports
def order_routing(wanted: Wanted) -> None:
    """Where orders were routed, by the structure of SEC Rule 606(a)(1): by group of symbols, quarter and month, how
    much of each kind of order went to which exchange, and what was paid and received there."""
    from brokerfix.operate.order_routing import HEADING, KINDS, NOTES, routing
    from brokerfix.operate.plots import plot_routing

    found = routing(_read(wanted))
    tables = [("sections", found.sections), ("exchanges", found.exchanges)]

    def pictures() -> list[tuple[str, bytes]]:
        return [("Where orders were routed, and net payments", plot_routing(found.exchanges, KINDS))]

    told = {"orders": found.orders, "sections": found.sections, "exchanges": found.exchanges}
    drawn = pictures if found.exchanges else None
    _write(wanted, "Order routing", HEADING, [*NOTES, *_gone(wanted)], tables, found.exchanges, told, drawn)


def _read(wanted: Wanted) -> list["Orders"]:
    """What the journals have, of each shard. A client or symbol that none knows is most likely mistyped."""
    from brokerfix.operate.quality_read import Orders

    journals = _journals(wanted)
    found = [Orders(wanted.first, wanted.last, wanted.client, wanted.symbol).read(journal) for journal in journals]
    _check_distinct(journals, found)
    for what, name, known in (
        ("client", wanted.client, {client for one in found for client in one.clients}),
        ("symbol", wanted.symbol, {symbol for one in found for symbol in one.instruments}),
    ):
        if name and name not in known:
            told = f"it has {', '.join(sorted(known)[:MOST_NAMED])}" if known else "it is empty"
            raise click.ClickException(f"{journals[0]}: there is no {what} {name!r}; {told}")
    return found


def _journals(wanted: Wanted) -> list[Path]:
    return [config_of(wanted.config).data / "journal", *map(_journal_in, wanted.others)]


def _gone(wanted: Wanted) -> list[str]:
    """Which days of those that are asked for were deleted, and are not counted."""
    from brokerfix.record.before import told_gone
    from brokerfix.record.journal import segments

    begin = {journal: next((int(one.stem) for one in segments(journal)), 0) for journal in _journals(wanted)}
    told = {journal: told_gone(journal) for journal, first in begin.items() if wanted.first < first}
    return [f"Not all is counted: {gone} ({journal})." for journal, gone in told.items() if gone]


def _journal_in(folder: str) -> Path:
    """The journal of a data folder, or of a backup."""
    path = Path(folder)
    path = path / "journal" if (path / "journal").is_dir() else path
    if not any(path.glob("*.journal")):
        raise click.ClickException(f"{folder}: there is no journal here (no *.journal file)")
    return path


def _check_distinct(journals: Sequence[Path], found: Sequence["Orders"]) -> None:
    """Orders that are in two journals would count twice: they are of one shard."""
    seen: dict[int, Path] = {}
    for journal, one in zip(journals, found, strict=True):
        twice = next((order for order in one.orders if order in seen), 0)
        if twice:
            told = f"{journal}: has order {id_text(twice)} as {seen[twice]} has: both are of one shard; name each once"
            raise click.ClickException(told)
        seen |= dict.fromkeys(one.orders, journal)


def _write(
    wanted: Wanted, title: str, heading: str, notes: Sequence[str], tables: Tables, rows: Rows, told: dict[str, Any],
    pictures: Callable[[], list[tuple[str, bytes]]] | None,
) -> None:  # fmt: skip
    """`rows` are those of a CSV file, `told` is what JSON has, `pictures` those of the page."""
    if wanted.form == "json":
        text = json.dumps({"heading": heading, "scope": wanted.scope, "notes": notes, **told}, indent=2) + "\n"
    elif wanted.form == "csv":
        text = _csv(heading, wanted.scope, rows)
    elif wanted.form == "html":
        text = _page(wanted, title, heading, notes, tables, pictures)
    elif not wanted.output:
        return _show(wanted, heading, notes, tables)
    else:
        text = _lines(wanted, heading, notes, tables)
    if not wanted.output:
        return click.echo(text, nl=False)
    Path(wanted.output).write_text(text, encoding="utf-8")
    return click.echo(f"{wanted.output}: written", err=True)


def _csv(heading: str, scope: str, rows: Rows) -> str:
    """A line that says what it is, a head, and the rows."""
    written = io.StringIO()
    written.write(f"# {heading} {scope}\n")
    if rows:
        writer = csv.DictWriter(written, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return written.getvalue()


def _page(
    wanted: Wanted, title: str, heading: str, notes: Sequence[str], tables: Tables,
    pictures: Callable[[], list[tuple[str, bytes]]] | None,
) -> str:  # fmt: skip
    from brokerfix.operate.plots import NoPlots
    from brokerfix.operate.quality_page import page

    drawn: list[tuple[str, bytes]] = []
    try:
        drawn = pictures() if pictures is not None else []
    except NoPlots as error:
        click.echo(f"the page has no pictures: {error}", err=True)
    return page(title, heading, wanted.scope, tables, drawn, notes)


def _show(wanted: Wanted, heading: str, notes: Sequence[str], tables: Tables) -> None:
    click.echo(f"{heading}\n{wanted.scope}")
    if not any(rows for _, rows in tables):
        click.echo("no orders")
        return
    for name, rows in tables:
        if rows:
            click.echo()
            click.echo(name)
            show_rows(rows, "", False)
    click.echo("\n" + "\n".join(notes))


def _lines(wanted: Wanted, heading: str, notes: Sequence[str], tables: Tables) -> str:
    """The tables as tab-separated lines."""
    lines = [heading, wanted.scope]
    for name, rows in tables:
        if rows:
            lines += ["", name, "\t".join(rows[0])]
            lines += ["\t".join("" if value is None else str(value) for value in row.values()) for row in rows]
    return "\n".join([*lines, "", *notes]) + "\n"
