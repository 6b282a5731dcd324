"""A journal replayed for stories: each fact with the state just before it and just after."""

from pathlib import Path
from typing import Protocol

from brokerfix import facts as f
from brokerfix.domain import day_of, id_text, sequence_of
from brokerfix.engine.evolve import evolve
from brokerfix.engine.state import State
from brokerfix.operate.order_limits import Sources
from brokerfix.record.journal import START, JournalError, Place, Record, read, told_before
from brokerfix.record.kept import Head, base_of, belongs, newest, oldest, place_of


class Watcher(Protocol):
    """What is shown a replay. It changes nothing of the state."""

    def begin(self, state: State, sources: Sources) -> None:
        """The state that the replay begins with; `sources` goes on being what each fact's state was set by."""

    def recall(self, fact: f.Fact, record: Record) -> None:
        """A fact of a day that was deleted, which later ones refer to; its state is gone, `begin` has had the one
        behind all of them. Only those that it wants are shown."""

    def wants(self, fact: f.Fact) -> bool:
        """Whether it is shown this fact, the next one; each is asked about."""

    def before(self, state: State, fact: f.Fact, record: Record) -> None:
        """A fact that is about to be applied."""

    def after(self, state: State, fact: f.Fact, record: Record) -> None:
        """The same fact, just applied."""


def replay(folder: Path, watcher: Watcher, first: int = 0, last_day: int = 0) -> None:
    """Replay a journal's folder. The watcher has no need of facts before the one with the number `first` (0: it has of
    all), where a kept state stands before that, the replay begins with it; nor of those after a trading day (YYYYMMDD;
    0: it has of all). Raises JournalError."""
    state, since = begin_of(folder, first)
    sources = Sources()
    sources.note_all_before(folder, since)
    watcher.begin(state, sources)
    if since == _first(folder):
        for record in told_before(folder):
            for fact in record.facts:
                if watcher.wants(fact):
                    watcher.recall(fact, record)
    for record in read(folder, lambda torn: None, since):
        if last_day and record.facts and day_of(record.facts[0].id) > last_day:
            return
        for fact in record.facts:
            is_wanted = watcher.wants(fact)
            if is_wanted:
                watcher.before(state, fact, record)
            _apply(folder, state, fact)
            sources.note(fact)
            if is_wanted:
                watcher.after(state, fact, record)


def _first(folder: Path) -> Place | None:
    """Where a journal begins whose first days were deleted."""
    base = base_of(folder)
    return Place(base.with_suffix(".journal").name, START.offset) if base is not None else None


def _apply(folder: Path, state: State, fact: f.Fact) -> None:
    try:
        evolve(state, fact)
    except Exception as error:
        raise JournalError(
            f"{folder}: the {type(fact).__name__} {id_text(fact.id)} can't be applied "
            f"({type(error).__name__}: {error}): either no broker has written this journal, or it is a defect; "
            "`brokerfix verify` says more"
        ) from error


def begin_of(folder: Path, first: int) -> tuple[State, Place]:
    """The state that a replay begins with which has no need of facts before the one with the number `first`, and where
    the facts after it begin. Raises JournalError."""
    # Numbers of before shards are smaller, whatever their day.
    wanted = day_of(first), sequence_of(first)

    def usable(head: Head) -> bool:
        return (day_of(head.last_id), sequence_of(head.last_id)) < wanted and belongs(folder, head)

    found = newest(folder, usable) if first else None
    if found is None:
        return oldest(folder)
    state, head, _ = found
    return state, place_of(head)
