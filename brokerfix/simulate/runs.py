"""Several runs of one day: each maker by itself, or each combination of terms that are tried, side by side."""

import itertools
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from brokerfix.record.journal import Journal
from brokerfix.settings.load import from_tables, load
from brokerfix.settings.makers import QuotingSection
from brokerfix.settings.sections import Config, ConfigError
from brokerfix.simulate.backtest import Backtest, Terms
from brokerfix.simulate.day import Place, Step
from brokerfix.simulate.ledger import Sample

Sweep = tuple[str, tuple[str, ...]]
"""A key of a maker's quotes ("gamma", "protection.qty"), and its values as text."""


class Run(NamedTuple):
    """A configuration, and what of it is its own: swept keys with their values."""

    config: Config
    tried: dict[str, str]


class Day(NamedTuple):
    """What happens where, and for about how many seconds."""

    steps: Iterable[Step]
    places: tuple[Place, ...]
    seconds: float


class Track(NamedTuple):
    """How a desk stood over time, at the instrument's scale."""

    maker: str
    symbol: str
    price_scale: int
    qty_scale: int
    samples: list[Sample]


class Outcome(NamedTuple):
    """What came of a run: a row of figures and a track for each desk, how much it was (steps, commands and facts), how
    many seconds it took, and the hash of the state at the end. `unbalanced` is by how much (money) the accounts differ
    from the profits."""

    rows: list[dict[str, Any]]
    tracks: list[Track]
    steps: int
    commands: int
    facts: int
    seconds: float
    state_hash: str
    alerts: dict[str, int]
    unbalanced: int


def runs_of(path: Path, makers: Sequence[str], models: Sequence[str], sweeps: Sequence[Sweep]) -> list[Run]:
    """The runs of a configuration: all its makers together, or each of these makers, or of those with these models, by
    itself; and that for every combination of what is swept. Raises ConfigError."""
    config = load(path)
    if not config.makers:
        raise ConfigError(f"{path}: makers: there is no market maker, [makers.NAME]")
    for name in makers:
        if name not in config.makers:
            raise ConfigError(f"{path}: makers.{name}: there is no such maker; there are {', '.join(config.makers)}")
    chosen: list[tuple[str, ...]] = [(name,) for name in makers]
    for model in models:
        of_model = [
            (name,) for name, maker in config.makers.items() if any(one.model.name == model for one in maker.quoting)
        ]
        if not of_model:
            raise ConfigError(f"{path}: makers: there is none with the model {model}")
        chosen += of_model
    chosen = chosen or [tuple(config.makers)]
    raw = tomllib.loads(path.read_text()) if sweeps else {}
    runs = []
    for values in itertools.product(*(values for _, values in sweeps)):
        tried = {key: value for (key, _), value in zip(sweeps, values, strict=True)}
        changed = _with(path, raw, tried) if sweeps else config
        for names in chosen:
            runs.append(
                Run(msgspec.structs.replace(changed, makers={one: changed.makers[one] for one in names}), tried)
            )
    return runs


def _with(path: Path, raw: Mapping[str, Any], tried: Mapping[str, str]) -> Config:
    """The configuration with these terms in the quotes of all makers."""
    tables = deepcopy(dict(raw))
    for maker in tables["makers"].values():
        for quotes in maker["quotes"].values():
            for key, text in tried.items():
                *outer, last = key.split(".")
                section, table = QuotingSection, quotes
                for name in outer:
                    section, table = _inner(path, key, section, name), table.setdefault(name, {})
                table[last] = _value(path, key, section, last, text)
    return from_tables(path, tables)


def _inner(path: Path, key: str, section: type[Any], name: str) -> type[Any]:
    kind = get_type_hints(section).get(name)
    found = [one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    if not found:
        raise ConfigError(f"{path}: quotes.{key}: there is no table {name}")
    return found[0]


def _value(path: Path, key: str, section: type[Any], name: str, text: str) -> Any:
    """A value as the key has it: text, or else what TOML makes of it."""
    hints = get_type_hints(section)
    if name not in hints:
        raise ConfigError(f"{path}: quotes.{key}: there is no such key; there are {', '.join(hints)}")
    if hints[name] is str or (get_origin(hints[name]) is not None and str in map(type, get_args(hints[name]))):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: quotes.{key}: {text!r} is no value of it") from error


def outcomes(
    runs: Sequence[Run], day: Day, terms: Terms, processes: int = 1, journal: Path | None = None
) -> Iterator[Outcome]:
    """What comes of the runs, in their order. With a `journal` (of one run) its facts are written into that folder.
    Raises what reading the day raises, Circle and ConfigError."""
    work = [(run, day, terms, journal) for run in runs]
    if processes < 2 or len(runs) < 2:
        yield from map(outcome, *zip(*work, strict=True))
        return
    # Children have the day by the fork: it is not sent to them.
    _WORK[:] = work
    with get_context("fork").Pool(min(processes, len(runs))) as pool:
        yield from pool.imap(_outcome_of, range(len(work)))


_WORK: list[tuple[Run, Day, Terms, Path | None]] = []


def _outcome_of(number: int) -> Outcome:
    return outcome(*_WORK[number])


def outcome(run: Run, day: Day, terms: Terms, folder: Path | None = None) -> Outcome:
    """Do a run."""
    journal = Journal(folder) if folder is not None else None
    backtest = Backtest(run.config, day.places, terms, day.seconds, journal)
    began = time.perf_counter()
    try:
        backtest.run(day.steps)
    finally:
        if journal is not None:
            journal.close()
    took = time.perf_counter() - began
    desks = backtest.ledger.desks
    return Outcome(
        [{**run.tried, **desk.figures()} for desk in desks.values()],
        [
            Track(maker, symbol, 10**desk.instrument.price_digits, 10**desk.instrument.qty_digits, desk.samples)
            for (maker, symbol), desk in desks.items()
        ],
        backtest.steps,
        backtest.commands,
        backtest.facts,
        took,
        backtest.state.hash(),
        backtest.ledger.alerts,
        backtest.unbalanced(),
    )
