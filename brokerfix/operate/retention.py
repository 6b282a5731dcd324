"""Which records are older than they are to be kept, and which of those have to stay all the same, and why."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from brokerfix.domain import day_of, id_text
from brokerfix.projections.lag import STORE, events_lag, path_of
from brokerfix.record.confirmed import Confirmed
from brokerfix.record.journal import Place, segments
from brokerfix.record.place import position_of
from brokerfix.settings.registry import market_path
from brokerfix.settings.sections import Config


class Item(NamedTuple):
    """What is older than its rule says: a segment of the journal, a day's market history, or another file. `day` is
    2026-11-27, `size` bytes. `why` it has to stay ("": it may go); `told`: that it goes is on record already."""

    what: str
    name: str
    day: str
    size: int
    path: Path
    rule: str
    why: str = ""
    told: bool = False


def plan(config: Config, today: date, told: Collection[str] = ()) -> list[Item]:
    """All that is older than its rule says on a day (UTC), in the order in which it may go. `told` are segments whose
    deletion is on record already."""
    return [*_journal(config, today, told), *_history(config, today), *_outputs(config, today)]


def _limit(today: date, days: int) -> str:
    """The first day that is kept; "": all are."""
    return (today - timedelta(days=days)).isoformat() if days else ""


def day_text(day: int | str) -> str:
    """20261127 -> '2026-11-27'."""
    text = str(day)
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"


def _journal(config: Config, today: date, known: Collection[str]) -> Iterator[Item]:
    """The journal's oldest segments. One that has to stay keeps all behind it."""
    limit, journal = _limit(today, config.records.journal_days), config.data / "journal"
    every = segments(journal)
    needs = list(_readers(config))
    rule, kept = f"records.journal_days = {config.records.journal_days}", ""
    for at, segment in enumerate(every):
        day, told = day_text(segment.stem), segment.name in known
        if not told and (not limit or day >= limit):
            return
        size = segment.stat().st_size
        if not kept and at == len(every) - 1:
            kept = "the broker writes to it: it is the newest day that there is"
        if not kept and not told:
            kept = config.records.hold_of_day(day) or next(filter(None, (one(segment, size) for one in needs)), "")
        yield Item("journal", segment.name, day, size, segment, rule, kept, told)
        kept = kept and (kept if kept.startswith("a day before") else f"a day before it stays, {segment.stem}")


Need = Callable[[Path, int], str]
"""Why a segment of a size is still needed, "" if it is not."""


def _readers(config: Config) -> Iterator[Need]:
    """Each reader of the journal that begins again where it was."""
    if config.broker.store:
        yield _behind("the database", _told(path_of(config.data, STORE)), f"{STORE}.lag")
    for name in config.events:
        lag = events_lag(name)
        yield _behind(f"the event stream {name}", _told(path_of(config.data, lag)), f"{lag}.lag")
    if config.broker.history:
        yield _behind("the market history", _history_has(market_path(config.data)), "market.sqlite")
    if config.surveillance is not None and config.surveillance.start:
        yield _behind("surveillance", _told(path_of(config.data, "surveillance")), "surveillance.lag")
    confirmed = Confirmed(config.data).limit()
    if confirmed is not None:
        yield (
            lambda segment, size: (
                ""
                if position_of(Place(segment.name, size)) <= confirmed
                else "the cluster's stream has not confirmed all of it"
            )
        )


def _behind(what: str, has: int, file: str) -> Need:
    """A reader that has all up to a fact (0: nobody knows)."""

    def need(segment: Path, size: int) -> str:
        if not has:
            return f"{what} has not told how far it is ({file}): it may need it"
        if day_of(has) > int(segment.stem):
            return ""
        return f"{what} is only at fact {id_text(has)}: it needs it"

    return need


def _told(path: Path) -> int:
    """The last fact that a projection has, by its file."""
    try:
        return int(json.loads(path.read_text())["last_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _history_has(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            row = db.execute("select last_id from progress").fetchone()
    except sqlite3.Error:
        return 0
    return int(row[0]) if row else 0


def _history(config: Config, today: date) -> Iterator[Item]:
    """Days of the market history; a hold for one client keeps the market that he saw."""
    limit = _limit(today, config.records.history_days)
    rule = f"records.history_days = {config.records.history_days}"
    for path in sorted((config.data / "history").glob("????-??-??")) if limit else ():
        if path.name < limit:
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            yield Item("history", path.name, path.name, size, path, rule, config.records.hold_of_day(path.name))


def _outputs(config: Config, today: date) -> Iterator[Item]:
    for name, output in config.records.outputs.items():
        limit, rule = _limit(today, output.days), f"records.outputs.{name}.days = {output.days}"
        for path in sorted(_matching(config.path.parent, output.files)):
            day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
            if day < limit:
                why = config.records.hold_of_day(day) or _not_ours(config, path)
                yield Item("output", str(path), day, path.stat().st_size, path, rule, why)


def _matching(folder: Path, pattern: str) -> Iterator[Path]:
    """The files of a pattern, which may be absolute or lead out of the folder."""
    fixed = Path(pattern)
    base = Path(fixed.anchor) if fixed.is_absolute() else folder
    parts = fixed.parts[1:] if fixed.is_absolute() else fixed.parts
    while parts and parts[0] == "..":
        base, parts = base.parent, parts[1:]
    return (path for path in base.glob("/".join(parts)) if path.is_file()) if parts else iter(())


def _not_ours(config: Config, path: Path) -> str:
    """Why a file that a pattern matches is none of the outputs."""
    data = config.data
    mine = [data / name for name in ("journal", "checkpoints", "keys", "history")]
    mine += [config.records.personal_folder(config.path, data), config.records.key_folder(config.path, data)]
    found = path.resolve()
    if found == config.path.resolve() or found.parent == data or any(found.is_relative_to(one) for one in mine):
        return "it is one of the broker's own files: records.outputs is for reports and logs"
    return ""
