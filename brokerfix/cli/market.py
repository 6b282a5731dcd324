"""The market history: the latest of each symbol, exports, volume profiles."""

import json
from datetime import date
from typing import TYPE_CHECKING

import click
import msgspec

from brokerfix.cli.base import config_of, config_option, for_people, json_option, main, show_rows
from brokerfix.operate.admin import ask
from brokerfix.settings.registry import market_path

if TYPE_CHECKING:
    from brokerfix.projections.recorded import Recorded


def _day(context: click.Context, option: click.Parameter, value: str) -> int:
    """A day as 2026-11-27 or 20261127 -> 20261127."""
    try:
        return int(date.fromisoformat(value).strftime("%Y%m%d"))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no day; one is 2026-11-27") from error


def recorded_of(config: str) -> "Recorded":
    """The market history of a configuration's data folder. ClickException where it can't be read."""
    try:
        from brokerfix.projections.recorded import Recorded
    except ImportError as error:
        raise click.ClickException("the market history needs pyarrow: pip install 'brokerfix[history]'") from error
    return Recorded(config_of(config).data)


@main.group()
def market() -> None:
    """Show, export and sum up the market history, which [broker] history = true records."""


@market.command("latest")
@click.argument("symbol", required=False)
@config_option
@json_option
@for_people
def market_latest(symbol: str | None, config: str, as_json: bool) -> None:
    """Show the latest recorded quote and the day's totals of SYMBOL, or of all."""
    from brokerfix.projections.database import Database

    path = market_path(config_of(config).data)
    if not path.exists():
        raise click.ClickException(
            f"{path}: there is no market history yet; start the broker with history = true in [broker]"
        )
    rows = list(Database(path).query("select * from latest order by symbol"))
    known = ", ".join(row["symbol"] for row in rows) or "no symbol yet"
    if symbol is not None:
        rows = [row for row in rows if row["symbol"] == symbol]
        if not rows:
            raise click.ClickException(f"there is no history of {symbol}; there is of {known}")
    show_rows(rows, "latest", as_json)


@market.command("export")
@click.argument("symbol")
@click.option("--from", "first", callback=_day, default="0001-01-01", help="The first trading day.  [default: all]")
@click.option("--to", "last", callback=_day, default="9999-12-31", help="The last trading day.  [default: all]")
@click.option("--rows", "kind", type=click.Choice(["quotes", "trades"]), default="quotes", show_default=True,
              help="Every recorded quote, or what has traded from one to the next.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["csv", "parquet", "jsonl"]), default="csv", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, allow_dash=True), required=True, help="-: print it.")
@config_option
@for_people
def market_export(symbol: str, first: int, last: int, kind: str, form: str, output: str, config: str) -> None:
    """Write the history of SYMBOL into a file, with exact decimals and times of UTC."""
    if output == "-" and form == "parquet":
        raise click.UsageError("Parquet needs a file: --output FILE")
    count = recorded_of(config).export(symbol, first, last, kind, form, output)
    click.echo(f"{output}: {count:,} {kind} of {symbol}", err=output == "-")


@market.command("profile")
@click.argument("symbol")
@click.option("--days", default=20, show_default=True, type=click.IntRange(1, 10_000), help="So many that are over.")
@click.option("--bucket", default=300, show_default=True, type=click.IntRange(1, 86_400), help="Seconds.")
@click.option("--set", "sets", is_flag=True, help="Have the broker work VWAP orders by it from now on.")
@config_option
@json_option
@for_people
def market_profile(symbol: str, days: int, bucket: int, sets: bool, config: str, as_json: bool) -> None:
    """Show which share of a day's volume in SYMBOL trades at which time of the day (UTC)."""
    profile = recorded_of(config).profile(symbol, days, bucket)
    if sets:
        weights = {str(part): weight for part, weight in enumerate(profile.weights) if weight}
        request = {"action": "set-profile", "symbol": symbol, "seconds": bucket, "weights": weights}
        ask(config_of(config).data, request)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(profile), indent=2))
        return
    days_told = profile.days[0] if len(profile.days) == 1 else f"{profile.days[0]} to {profile.days[-1]}"
    so_far = "" if profile.is_complete else ", which is not over"
    title = f"volume of {symbol} by time of day (UTC), {len(profile.days)} days: {days_told}{so_far}"
    show_rows([msgspec.to_builtins(slot) for slot in profile.slots], title, as_json)
