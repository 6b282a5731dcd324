"""A report of what market makers have earned on a day, and how they quoted, out of the journal."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from brokerfix.cli.base import config_of, for_people, json_option, show_rows
from brokerfix.cli.reports import DAY, report

if TYPE_CHECKING:
    from brokerfix.operate.making_read import Made, MakersDay

Tables = list[tuple[str, list[dict[str, Any]]]]
FILE = click.Path(dir_okay=False, path_type=Path)
HEADING = "What market makers have earned, and by what."
NOTES = (
    "Spread captured is what quotes' fills were better than the reference mid at the fill, hedging the same of hedges; "
    "revaluation is what all that was traded is worth more at the day's last mid than at the mid of its fill, carried "
    "the same of the position that the day began with. With fees (below 0: paid) they add up exactly to the total.",
    "Adverse selection is how far the mid has gone within 1, 10 and 60 seconds after quotes' fills, times what was "
    "bought (below 0: against the maker). With what is beyond it adds up to the revaluation. 'cut' are fills whose "
    "time was not over at the day's end: until there. Fills that were busted or corrected are as they are now.",
    "Mids are those of the maker's decisions and fills, which leave its own quotes out, and between them what "
    "exchanges showed, as recorded (record_interval_ms).",
    "Both sides, at best: shares of the time in which the maker could quote: the process ran and the instrument "
    "traded. At best is at the exchanges' best price or better, of the time in which they showed one.",
    "By level, 'filled pct a second' is the quantity filled by the quantity x seconds that was quoted: what share of a "
    "quote is filled in a second.",
    "Slippage of hedges is against the mid when they were decided (above 0: it cost).",
    "The account's earnings are its cash and positions at the same mids. The difference to its maker's is what others "
    "have done with the account, interest, and deals that the maker had yet to look at.",
)


@report.command("making")
@click.argument("config")
@click.option("--day", type=DAY, help="This trading day, YYYY-MM-DD.  [default: the last]")
@click.option("--maker", default="", help="This maker only.")
@click.option("--html", type=FILE, metavar="FILE", help="Write a page, with pictures where matplotlib is installed.")
@click.option("--plot", type=FILE, metavar="FILE", help="Draw one maker's day into this PNG.")
@json_option
@for_people
def report_making(
    config: str, day: datetime | None, maker: str, html: Path | None, plot: Path | None, as_json: bool
) -> None:
    """What market makers have earned on a day, by spread captured, adverse selection, inventory, hedging and fees,
    which add up exactly; how long and how near they quoted, what was filled, why they stopped, what hedges slipped."""
    if sum(map(bool, (html, plot, as_json))) > 1:
        raise click.UsageError("one of --json, --html and --plot")
    found = _read(config, day)
    makers = _wanted(found, maker)
    if plot is not None:
        return _plot(found, makers, plot)
    tables = _tables(makers, found.until)
    told = str(found.day)
    scope = f"Trading day {told[:4]}-{told[4:6]}-{told[6:]}: {', '.join(made.maker for made in makers)}"
    if html is not None:
        return _page(found, makers, html, scope, tables)
    if as_json:
        rows = {name.replace(" ", "_"): rows for name, rows in tables}
        each = [row for made in makers for row in _each_hedge(made)]
        answer = {"heading": HEADING, "scope": scope, "day": found.day, "notes": NOTES, **rows, "each_hedge": each}
        return click.echo(json.dumps(answer, indent=2))
    click.echo(f"{HEADING}\n{scope}")
    for name, shown in tables:
        if shown:
            click.echo(f"\n{name}")
            show_rows(shown, "", False)
    return click.echo("\n" + "\n".join(NOTES))


def _read(config: str, day: datetime | None) -> "MakersDay":
    from brokerfix.operate.making_read import MakersDay

    journal = config_of(config).data / "journal"
    wanted = int(day.strftime("%Y%m%d")) if day is not None else 0
    found = MakersDay(wanted).read(journal)
    if wanted and wanted != found.day:
        told = f"until then, the last is {found.day}" if found.day else "it begins later, or is empty"
        raise click.ClickException(f"{journal}: there is nothing of {wanted}; {told}")
    return found


def _wanted(found: "MakersDay", maker: str) -> "Sequence[Made]":
    if maker in found.makers:
        return [found.makers[maker]]
    if maker or not found.makers:
        told = f"there are {', '.join(found.makers)}" if found.makers else "there is none"
        raise click.ClickException(f"there is no market maker {maker}".rstrip() + f"; {told}")
    return list(found.makers.values())


def _tables(makers: "Sequence[Made]", until: int) -> Tables:
    from brokerfix.operate.making_earned import earned
    from brokerfix.operate.making_quoted import hedges, levels, quoted

    money = [earned(made, until) for made in makers]
    return [
        ("earned", [row for one in money for row in one.earned]),
        ("adverse selection", [row for one in money for row in one.adverse]),
        ("accounts", [row for one in money for row in one.accounts]),
        ("quoting", [row for made in makers for row in quoted(made)]),
        ("levels", [row for made in makers for row in levels(made)]),
        ("hedges", [row for made in makers for row in hedges(made)]),
    ]


def _each_hedge(made: "Made") -> list[dict[str, Any]]:
    from brokerfix.operate.making_quoted import each_hedge

    return list(each_hedge(made))


def _plot(found: "MakersDay", makers: "Sequence[Made]", path: Path) -> None:
    from brokerfix.operate.plots import NoPlots
    from brokerfix.operate.plots_making import plot_making

    if len(makers) > 1:
        raise click.UsageError(f"--plot draws one maker; say --maker, of {', '.join(made.maker for made in makers)}")
    try:
        path.write_bytes(plot_making(makers[0], found.began, found.until))
    except NoPlots as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{path}: written", err=True)


def _page(found: "MakersDay", makers: "Sequence[Made]", path: Path, scope: str, tables: Tables) -> None:
    from brokerfix.operate.plots import NoPlots
    from brokerfix.operate.plots_making import plot_making
    from brokerfix.operate.quality_page import page

    pictures: list[tuple[str, bytes]] = []
    try:
        for made in makers:
            pictures.append((f"The day of {made.maker}", plot_making(made, found.began, found.until)))
    except NoPlots as error:
        click.echo(f"the page has no pictures: {error}", err=True)
    path.write_text(page("Market making", HEADING, scope, tables, pictures, NOTES), encoding="utf-8")
    click.echo(f"{path}: written", err=True)
