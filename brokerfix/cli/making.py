"""Market making: what its models need, estimated from recorded markets."""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from brokerfix.calibration.estimate import Estimate, Observer, Settings
from brokerfix.calibration.glft import tables_for
from brokerfix.calibration.observe import observe_file, observe_history
from brokerfix.cli.base import config_of, for_people, json_option, main
from brokerfix.cli.market import recorded_of
from brokerfix.cli.tables import show
from brokerfix.domain import Quoting
from brokerfix.engine.making.models.terms import Unusable
from brokerfix.operate.admin import ActionRefused, NotRunning, ask
from brokerfix.settings.sections import Config
from brokerfix.simulate.recording import RecordingError

if TYPE_CHECKING:
    from brokerfix.projections.recorded import Recorded

LEAST = ("seconds", "deviance", "realised", "samples", "a_error", "k_error", "sigma_error")
"""What a narrow terminal goes without, the first first."""
DIGITS = 4


class Source(NamedTuple):
    """Where the market is read: a recording and some of its venues, or the history of a configuration's data folder."""

    config: str
    data: Path | None
    symbols: tuple[str, ...]
    venues: tuple[str, ...]
    days: int
    settings: Settings

    def observed(self) -> list[tuple[Estimate, Observer]]:
        """An estimate for each symbol. Raises RecordingError, NoHistory or ClickException."""
        if self.data is None:
            recorded = recorded_of(self.config)
            with closing(recorded.db):
                symbols = self.symbols or _symbols(recorded)
                found = {symbol: observe_history(recorded, symbol, self.days, self.settings) for symbol in symbols}
        else:
            found = observe_file(self.data, self.venues, self.settings)
            if self.symbols:
                if len(found) > 1:
                    raise click.UsageError(f"{self.data}: --symbol needs one --venue of {', '.join(found)}")
                found = {self.symbols[0]: next(iter(found.values()))}
        return [(observer.estimate(symbol), observer) for symbol, observer in found.items()]


@main.group()
def making() -> None:
    """Market makers of the running broker: how they stand, their terms, and what their models need to know."""


@making.command()
@click.argument("config")
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Recorded market data (CSV or JSON lines).  [default: the data folder's market history]",
)
@click.option("--symbol", "symbols", multiple=True, help="Of these only; with --data, what its venue's market is of.")
@click.option("--venue", "venues", multiple=True, help="With --data: of these recorded venues only.")
@click.option("--days", default=5, show_default=True, type=click.IntRange(1, 10_000), help="Of the history, the last.")
@click.option(
    "--half-life",
    default=300.0,
    show_default=True,
    type=click.FloatRange(1, 1e7),
    help="Seconds after which a sample of the volatility counts half.",
)
@click.option(
    "--grid",
    default=1.0,
    show_default=True,
    type=click.FloatRange(1e-3, 1e5),
    help="Seconds between two samples of the mid.",
)
@click.option(
    "--renewal",
    default=1.0,
    show_default=True,
    type=click.FloatRange(1e-3, 1e5),
    help="Seconds that a virtual quote stands.",
)
@click.option(
    "--gap",
    default=300.0,
    show_default=True,
    type=click.FloatRange(1e-3, 1e7),
    help="After so many seconds without a word nothing is known of the market.",
)
@click.option(
    "--lag",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 60),
    help="Seconds by which the feed tells of a trade after the quotes that it has moved.",
)
@click.option("--nearest", default=0.0, type=click.FloatRange(0), help="No virtual quote nearer to the mid (a price).")
@click.option("--farthest", type=click.FloatRange(0, min_open=True), help="No virtual quote farther from the mid.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw it into this PNG.")
@click.option("--set", "sets", is_flag=True, help="Have the running broker take the estimates that are good enough.")
@click.option("--every", type=click.FloatRange(0.1), help="Again after so many seconds, until SIGTERM.")
@json_option
@for_people
def calibrate(
    config: str, data: Path | None, symbols: tuple[str, ...], venues: tuple[str, ...], days: int, half_life: float,
    grid: float, renewal: float, gap: float, lag: float, nearest: float, farthest: float | None, plot: Path | None,
    sets: bool, every: float | None, as_json: bool,
) -> None:  # fmt: skip
    """Estimate the volatility and how often quotes are filled by their distance from the mid, of each symbol.

    sigma is in price units per square root of a second. A quote at the distance d is filled a exp(-k d) times a second
    on each side. Where the data are not enough for it, it says why."""
    if data is None and venues:
        raise click.UsageError("--venue goes with --data: the market history is of all exchanges together")
    if data is not None and (len(symbols) > 1 or (sets and not symbols)):
        raise click.UsageError("with --data, and --set, one --symbol says what it is of")
    settings = Settings(grid, half_life, renewal, gap, lag, nearest, *(() if farthest is None else (farthest,)))
    source = Source(config, data, symbols, venues, days, settings)
    loaded = config_of(config)
    if every is not None:
        return _repeat(source, loaded, plot, sets, every, as_json)
    try:
        found = source.observed()
    except RecordingError as error:
        raise click.ClickException(str(error)) from error
    _draw(plot, found)
    if as_json:
        click.echo(json.dumps([msgspec.to_builtins(estimate) for estimate, _ in found], indent=2))
    else:
        show([_row(estimate) for estimate, _ in found], "estimates", as_json, LEAST)
        for estimate, _ in found:
            if not estimate.is_enough:
                click.echo(f"{estimate.symbol}: {estimate.why}", err=True)
    if sets:
        told = [_set(loaded, estimate) for estimate, _ in found]
        if not any(estimate.is_enough for estimate, _ in found):
            raise click.ClickException("; ".join(told))
        click.echo("; ".join(told), err=as_json)
    return None


def hand_over(data: Path, estimate: Estimate, quoting: Iterable[Quoting] = ()) -> str:
    """Have the broker that runs on a data folder take an estimate, and the tables that are solved for it, of the terms
    by which makers quote the symbol. Numbers go as decimal text. Returns what was set, in words. Raises NotRunning and
    ActionRefused."""
    numbers = {name: _decimal(getattr(estimate, name)) for name in ("sigma", "a", "k")}
    counts = {"samples": str(estimate.samples), "fills": str(estimate.fills)}
    told = "set"
    try:
        tables = tables_for(quoting, *(float(numbers[name]) for name in ("sigma", "a", "k")))
    except (Unusable, ImportError) as error:
        tables, told = [], f"set, but for the exact distances, which the closed form has to do for: {error}"
    solved = {str(number): msgspec.to_builtins(table) for number, table in enumerate(tables)}
    request = {"action": "calibration", "symbol": estimate.symbol, **numbers, **counts, "quality": estimate.why}
    ask(data, request | ({"tables": solved} if solved else {}))
    return told


def _set(config: Config, estimate: Estimate) -> str:
    """Hand over an estimate that is good enough. Returns what was done."""
    if not estimate.is_enough:
        return f"{estimate.symbol}: not set: {estimate.why}"
    return f"{estimate.symbol}: {hand_over(config.data, estimate, _quoting(config, estimate.symbol))}"


def _quoting(config: Config, symbol: str) -> list[Quoting]:
    """The terms by which the configuration's makers quote a symbol."""
    return [one for maker in config.makers.values() for one in maker.quoting if one.symbol == symbol]


def _repeat(source: Source, config: Config, plot: Path | None, sets: bool, every: float, as_json: bool) -> None:
    """A round after each pause until SIGTERM. What goes wrong in one is told, and the next one tries again: the broker
    beside it may be starting."""
    from brokerfix.projections.ending import Ending

    ending = Ending()
    while True:
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            found = source.observed()
            _draw(plot, found)
            told = [(_told_set(config, estimate) if sets else "", estimate) for estimate, _ in found]
            if as_json:
                rows = [{"set": word, **msgspec.to_builtins(one)} if sets else one for word, one in told]
                line = json.dumps({"at": at, "estimates": msgspec.to_builtins(rows)})
            else:
                line = f"{at} " + "; ".join(_told(one) + (f": {word}" if word else "") for word, one in told)
        except (RecordingError, OSError, sqlite3.Error) as error:
            line = json.dumps({"at": at, "error": str(error)}) if as_json else f"{at} {error}"
        click.echo(line)
        if ending.wait(every):
            return


def _told_set(config: Config, estimate: Estimate) -> str:
    """What became of an estimate that is to be set."""
    if not estimate.is_enough:
        return "not set"
    try:
        return hand_over(config.data, estimate, _quoting(config, estimate.symbol))
    except (NotRunning, ActionRefused) as error:
        return f"not set: {error}"


def _told(estimate: Estimate) -> str:
    numbers = ", ".join(f"{name} {getattr(estimate, name):.{DIGITS}g}" for name in ("sigma", "a", "k"))
    return f"{estimate.symbol}: {numbers} of {estimate.samples:,} samples and {estimate.fills:,} fills, {estimate.why}"


def _row(estimate: Estimate) -> dict[str, Any]:
    """An estimate as a row of a table: numbers as short as their errors allow."""
    row: dict[str, Any] = {"symbol": estimate.symbol, "enough": "yes" if estimate.is_enough else "no"}
    for name in ("sigma", "a", "k"):
        row |= {name: _short(getattr(estimate, name)), f"{name}_error": _short(getattr(estimate.errors, name))}
    row |= {"samples": estimate.samples, "fills": estimate.fills, "seconds": round(estimate.seconds)}
    return row | {name: _short(getattr(estimate, name)) for name in ("deviance", "r2", "realised")}


def _short(number: float) -> str:
    return _decimal(float(f"{number:.{DIGITS}g}"))


def _decimal(number: float) -> str:
    """A number as decimal text, without an exponent."""
    return format(Decimal(repr(number)), "f").removesuffix(".0")


def _draw(plot: Path | None, found: list[tuple[Estimate, Observer]]) -> None:
    if plot is None:
        return
    from brokerfix.calibration.plots import plot_estimates
    from brokerfix.operate.plots import NoPlots

    try:
        picture = plot_estimates(found)
    except NoPlots as error:
        raise click.ClickException(str(error)) from error
    # Who looks at it meanwhile sees the one before.
    being_written = plot.with_name(plot.name + ".new")
    being_written.write_bytes(picture)
    being_written.replace(plot)


def _symbols(recorded: "Recorded") -> tuple[str, ...]:
    from brokerfix.projections.recorded import NoHistory

    symbols = tuple(row["symbol"] for row in recorded.db.query("select symbol from terms order by symbol"))
    if not symbols:
        raise NoHistory("there is no market history of any symbol yet")
    return symbols
