"""Market makers on a recorded, or a generated, day."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from brokerfix.cli.base import for_people, json_option, main, show_rows
from brokerfix.cli.feed import shift
from brokerfix.domain import Maker
from brokerfix.settings.sections import Config

if TYPE_CHECKING:
    from brokerfix.simulate.backtest import Terms
    from brokerfix.simulate.day import Source, Step
    from brokerfix.simulate.runs import Day, Outcome

MILLISECOND, SECOND = 10**6, 10**9
PLACE = re.compile(r"(?P<name>[^=/]+)(?:/(?P<symbol>[^=]+))?=(?P<venue>[^=:]+)(?::(?P<share>[0-9]*\.?[0-9]+))?")
MOST_KEPT = 4_000_000
"""Rows of a recording that are kept in memory, where it is needed several times."""


class Mapped(NamedTuple):
    """An exchange of the configuration that is what a recorded venue was; the symbol may be empty."""

    name: str
    symbol: str
    venue: str
    share: Decimal


def mapped(value: str) -> Mapped:
    """XNAS=BINANCE_SPOT, XNAS/BTC=BINANCE_SPOT:0.5, taken apart."""
    found = PLACE.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not like XNAS=BINANCE_SPOT, XNAS=BINANCE_SPOT:0.5 or XNAS/BTC=...")
    share = Decimal(found["share"] or 1)
    if share <= 0:
        raise click.BadParameter(f"{value!r}: a share is above 0")
    return Mapped(found["name"], found["symbol"] or "", found["venue"], share)


def sweep(value: str) -> tuple[str, tuple[str, ...]]:
    """gamma=0.1,0.5,1, taken apart."""
    key, equals, values = value.partition("=")
    if not (key and equals and all(values.split(","))):
        raise click.BadParameter(f"{value!r} is not like gamma=0.1,0.5,1")
    return key, tuple(values.split(","))


@main.command()
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A recording, as of `feed`.")
@click.option("--history", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="A broker's data folder with a market history.")  # fmt: skip
@click.option("--model", is_flag=False, flag_value="", metavar="[sigma=2,a=140,k=1.5,...]",
              help="Generate a market; what is not told is as the makers' terms have it.")  # fmt: skip
@click.option("--venue", "places", type=mapped, metavar="NAME[/SYMBOL]=RECORDED[:SHARE]", multiple=True,
              help="The exchange NAME is what was RECORDED, or a share of it.")  # fmt: skip
@click.option("--shift", "shifts", type=shift, metavar="RECORDED=NUMBER", multiple=True, help="Add this to its prices.")
@click.option("--symbol", default="", help="What is simulated.  [default: what the makers quote]")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Of a history.  [default: the last one]")
@click.option("--duration", type=click.FloatRange(0), default=0.0, help="End after so many seconds of it.")
@click.option("--latency", type=click.FloatRange(0), default=1.0, show_default=True, help="Of orders, ms one way.")
@click.option("--market-latency", type=click.FloatRange(0), default=1.0, show_default=True, help="Of market data, ms.")
@click.option("--jitter", type=click.FloatRange(0), default=0.0, show_default=True, help="Up to so many ms more.")
@click.option("--queue", "queueing", type=click.Choice(["behind", "proportional"]), default="behind", show_default=True,
              help="Where what others cancel was in the queue.")  # fmt: skip
@click.option("--takers", type=click.FloatRange(0, 1),
              help="How often a trade comes to our own book first.  [default: 0, of a generated market 1]")  # fmt: skip
@click.option("--maker", "makers", multiple=True, help="A run with this maker alone. Any number of them.")
@click.option("--models", default="", metavar="MODEL,...", help="A run for each maker with one of these models.")
@click.option("--sweep", "sweeps", type=sweep, metavar="KEY=VALUE,...", multiple=True,
              help="Runs with these values of a key of the quotes. All combinations of several.")  # fmt: skip
@click.option("--seed", default=1, show_default=True)
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="How many runs at once.")
@click.option("--journal", type=click.Path(path_type=Path), help="Write the facts of the run into this new folder.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw it into this PNG.")
@json_option
@for_people
def simulate(
    config: Path, data: Path | None, history: Path | None, model: str | None, makers: tuple[str, ...], models: str,
    sweeps: tuple[tuple[str, tuple[str, ...]], ...], processes: int, journal: Path | None, plot: Path | None,
    as_json: bool, **asked: Any,
) -> None:  # fmt: skip
    """Run the market makers of CONFIG on a recorded, or generated, day: the broker's own engine in virtual time, at
    exchanges that are simulated out of it. The same seed gives the same result."""
    from brokerfix.operate.plots import NoPlots
    from brokerfix.operate.plots_runs import plot_runs
    from brokerfix.simulate.backtest import Circle
    from brokerfix.simulate.recording import RecordingError
    from brokerfix.simulate.runs import outcomes, runs_of

    if [data, history, model].count(None) != 2:
        raise click.UsageError("give one of --data, --history and --model")
    runs = runs_of(config, makers, [one for one in models.split(",") if one], sweeps)
    if journal is not None and (len(runs) > 1 or journal.exists()):
        raise click.UsageError("--journal: must be a new folder, for one run")
    known = runs[0].config
    wanted = _Wanted(known, _quoted(runs[0].config, asked["symbol"]), **asked)
    try:
        day, of_what = (
            _recorded(wanted, data, len(runs)) if data is not None
            else _history(wanted, history) if history is not None
            else _generated(wanted, model or "")
        )  # fmt: skip
        terms = _terms(wanted, is_generated=model is not None)
        found = list(outcomes(runs, day, terms, processes, journal))
        if plot is not None:
            plot_runs(plot, found)
    except (RecordingError, NoPlots, Circle) as error:
        raise click.ClickException(str(error)) from error
    _tell(found, [*of_what, *_assumptions(terms)], as_json)


class _Wanted:
    """What is asked for beside where the day comes from."""

    def __init__(self, config: Config, own_symbol: str, **asked: Any) -> None:
        self.config, self.symbol = config, own_symbol
        self.places: tuple[Mapped, ...] = asked["places"]
        self.shifts: dict[str, Decimal] = dict(asked["shifts"])
        self.day: datetime | None = asked["day"]
        self.duration: float = asked["duration"]
        self.latency: float = asked["latency"]
        self.market_latency: float = asked["market_latency"]
        self.jitter: float = asked["jitter"]
        self.queueing: str = asked["queueing"]
        self.takers: float | None = asked["takers"]
        self.seed: int = asked["seed"]

    def makers(self) -> list[Maker]:
        return list(self.config.makers.values())

    def cut(self, steps: Callable[[], Iterator["Step"]], first: int) -> Callable[[], Iterator["Step"]]:
        """The steps of the first so many seconds."""
        if not self.duration:
            return steps
        end = first + round(self.duration * SECOND)
        return lambda: takewhile(lambda step: step.at <= end, steps())


class _Again:
    """Steps that are made anew at each iteration."""

    def __init__(self, steps: Callable[[], Iterator["Step"]]) -> None:
        self._steps = steps

    def __iter__(self) -> Iterator["Step"]:
        return self._steps()


def _quoted(config: Config, symbol: str) -> str:
    """The symbol that is simulated: the one asked for, or the first that is quoted."""
    symbol = symbol or next(one.symbol for maker in config.makers.values() for one in maker.quoting)
    if symbol not in config.instruments:
        raise click.ClickException(f"{config.path}: there is no [instruments.{symbol}]")
    return symbol


def _recorded(wanted: _Wanted, path: Path, runs: int) -> tuple["Day", list[str]]:
    from brokerfix.simulate.day import Recorded
    from brokerfix.simulate.recording import look
    from brokerfix.simulate.runs import Day

    contents = look(path)
    sources = _sources(wanted, path, list(contents.kinds))
    first, last = contents.first, contents.last
    steps = wanted.cut(Recorded(path, contents, sources).__iter__, first)
    rows = sum(kinds.total() for venue, kinds in contents.kinds.items() if venue in sources)
    seconds = min((last - first) / SECOND, wanted.duration or (last - first) / SECOND)
    told = [
        f"{path}, {seconds:,.0f} s: " + ", ".join(
            f"{one.place[0]} is {venue}" + (f", {one.shift:+}" if one.shift else "")
            + (f", {one.share} of it" if one.share != 1 else "")
            for venue, some in sources.items() for one in some
        )
    ]  # fmt: skip
    places = tuple(one.place for some in sources.values() for one in some)
    return Day(list(steps()) if runs > 1 and rows <= MOST_KEPT else _Again(steps), places, seconds), told


def _sources(wanted: _Wanted, path: Path, venues: list[str]) -> dict[str, list["Source"]]:
    from brokerfix.simulate.day import Source
    from brokerfix.simulate.replay import Terms

    config, places = wanted.config, wanted.places
    if not places:
        if len(venues) != 1 or len(config.venues) != 1:
            raise click.UsageError(f"--venue NAME=RECORDED: which exchange is what? {path} has {', '.join(venues)}")
        places = (Mapped(next(iter(config.venues)), "", venues[0], Decimal(1)),)
    found: dict[str, list[Source]] = {}
    for one in places:
        symbol = one.symbol or wanted.symbol
        if one.venue not in venues:
            raise click.ClickException(f"{path}: there is no venue {one.venue}; there are {', '.join(venues)}")
        _check_place(config, one.name, symbol)
        instrument = config.instruments[symbol]
        terms = Terms(symbol, instrument.price_digits, instrument.qty_digits, instrument.tick, instrument.lot)
        source = Source((one.name, symbol), terms, wanted.shifts.get(one.venue, Decimal(0)), one.share)
        if any(source.place == other.place for some in found.values() for other in some):
            raise click.UsageError(f"--venue: {one.name} is given twice")
        found.setdefault(one.venue, []).append(source)
    return found


def _check_place(config: Config, name: str, symbol: str) -> None:
    if name not in config.venues:
        raise click.ClickException(f"{config.path}: there is no [venues.{name}]; there are {', '.join(config.venues)}")
    if symbol not in config.instruments:
        raise click.ClickException(f"{config.path}: there is no [instruments.{symbol}]")


def _history(wanted: _Wanted, data: Path) -> tuple["Day", list[str]]:
    try:
        from brokerfix.projections.columns import LEVELS, day_text
        from brokerfix.projections.recorded import Recorded
    except ImportError as error:
        raise click.ClickException("the market history needs pyarrow: pip install 'brokerfix[history]'") from error
    from brokerfix.simulate.day import History
    from brokerfix.simulate.runs import Day

    recorded, symbol = Recorded(data), wanted.symbol
    terms, known = recorded.terms(symbol), wanted.config.instruments[symbol]
    if terms[1:] != (known.price_digits, known.qty_digits):
        raise click.ClickException(f"{data}: {symbol} was recorded with other digits than {wanted.config.path} has")
    days = recorded.days(symbol)
    number = int(wanted.day.strftime("%Y%m%d")) if wanted.day is not None else max(days, default=0)
    if number not in days:
        raise click.ClickException(f"{data}: there is no history of {symbol} on that day")
    venues = [one.name for one in wanted.places] or list(wanted.config.venues)
    for name in venues:
        _check_place(wanted.config, name, symbol)
    times = [at for table in recorded.tables(symbol, number) for at in (table["at"][0].value, table["at"][-1].value)]
    history = History(partial(recorded.tables, symbol, number), symbol, venues, LEVELS)
    steps = wanted.cut(history.__iter__, times[0])
    seconds = (times[-1] - times[0]) / SECOND
    told = [
        f"{data}, {symbol} on {day_text(number)}: the {LEVELS} best levels of all exchanges together are all that they "
        "show, and what has traded between two rows is one trade at the last price"
    ]
    return Day(_Again(steps), tuple((name, symbol) for name in venues), min(seconds, wanted.duration or seconds)), told


def _generated(wanted: _Wanted, text: str) -> tuple["Day", list[str]]:
    from brokerfix.simulate.generated import BEGINS, Generated, Terms
    from brokerfix.simulate.runs import Day

    config, symbol = wanted.config, wanted.symbol
    instrument = config.instruments[symbol]
    quoting = next((one for maker in wanted.makers() for one in maker.quoting if one.symbol == symbol), None)
    told: dict[str, float] = {}
    if quoting is not None:
        model = quoting.model
        told = {"sigma": model.sigma, "a": model.a, "k": model.k, "qty": quoting.qty / 10**instrument.qty_digits}
    told["mid"] = instrument.reference / 10**instrument.price_digits
    told |= {"seconds": wanted.duration or 600.0}
    try:
        told |= {key: float(value) for key, _, value in (one.partition("=") for one in text.split(",") if one)}
        terms = msgspec.convert(told, Terms)
    except ValueError as error:
        raise click.UsageError(f"--model: {error}; it is like sigma=2,a=140,k=1.5,mid=100,seconds=600") from error
    missing = [name for name in Terms.__struct_fields__ if not getattr(terms, name) > 0]
    if missing:
        raise click.UsageError(f"--model: {missing[0]} must be above 0, and is neither told nor in the maker's terms")
    name = wanted.places[0].name if wanted.places else next(iter(config.venues), "")
    _check_place(config, name, symbol)
    of_what = (
        f"a generated market of {terms.seconds:,.0f} s, seed {wanted.seed}: the mid is a Brownian motion with sigma "
        f"{terms.sigma:g}, moved every {terms.step:g} s; {terms.a:g} takers of each side a second, each wants "
        f"{terms.qty:g} at up to a distance d from the mid with a probability of exp(-{terms.k:g} d)"
    )
    market = Generated((name, symbol), instrument, terms, wanted.seed)
    return Day(_Again(wanted.cut(market.__iter__, BEGINS)), ((name, symbol),), terms.seconds), [of_what]


def _terms(wanted: _Wanted, is_generated: bool) -> "Terms":
    from brokerfix.simulate.backtest import Terms

    takers = wanted.takers
    if takers is None:
        in_book = any(one.place != "exchanges" for maker in wanted.makers() for one in maker.quoting)
        takers = float(is_generated and in_book)
    order, market, jitter = (
        round(one * MILLISECOND) for one in (wanted.latency, wanted.market_latency, wanted.jitter)
    )  # fmt: skip
    return Terms(wanted.seed, order, market, jitter, wanted.queueing, takers)


QUEUES = {
    "behind": "what others cancel was behind us, unless less is shown than was ahead",
    "proportional": "what others cancel was ahead of us in proportion",
}


def _assumptions(terms: "Terms") -> list[str]:
    jitter = f", and up to {terms.jitter / MILLISECOND:g} ms more" if terms.jitter else ""
    takers = "none of the trades comes to our own book"
    if terms.takers:
        takers = f"{terms.takers:.0%} of the trades come to our own book first, as IOC orders at the trade's price"
    return [
        "our orders do not move the market: what others show and trade stays as it is, but for what we take, which is "
        "gone until the level is told anew",
        f"a quote joins its queue behind all that is shown; trades advance it; {QUEUES[terms.queueing]}",
        "a trade beyond a quote's price fills it as far as the trade goes; others' price that crosses a quote fills it "
        "at the quote's price, with what is shown there",
        f"orders and reports take {terms.order_latency / MILLISECOND:g} ms, market data "
        f"{terms.market_latency / MILLISECOND:g} ms{jitter}",
        takers,
        "profit is at the last mid, with exchanges' fees as they are configured; seed " + str(terms.seed),
    ]


def _tell(found: list["Outcome"], assumptions: list[str], as_json: bool) -> None:
    from brokerfix.domain import MONEY_DIGITS

    if as_json:
        runs = [
            {
                "desks": one.rows, "steps": one.steps, "commands": one.commands, "facts": one.facts,
                "seconds": one.seconds, "steps_per_second": one.steps / one.seconds, "state_hash": one.state_hash,
                "alerts": one.alerts, "unbalanced": one.unbalanced / 10**MONEY_DIGITS,
            }
            for one in found
        ]  # fmt: skip
        click.echo(json.dumps({"assumptions": assumptions, "runs": runs}, indent=2))
        return
    for line in assumptions:
        click.echo(f"- {line}", err=True)
    show_rows([{name: _text(value) for name, value in row.items()} for one in found for row in one.rows], "runs", False)
    for one in found:
        rate = one.steps / one.seconds
        alerts = ", ".join(f"{count} {code}" for code, count in one.alerts.items())
        books = "" if not one.unbalanced else f"; THE BOOKS DIFFER by {one.unbalanced / 10**MONEY_DIGITS}"
        click.echo(
            f"{one.steps:,} events in {one.seconds:.1f} s, {rate:,.0f}/s; {one.commands:,} commands, "
            f"{one.facts:,} facts; state {one.state_hash[:16]}; alerts: {alerts or 'none'}{books}",
            err=True,
        )


def _text(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    digits = 2 if abs(value) >= 10 or not value else 4
    return f"{value:.{digits}f}"
