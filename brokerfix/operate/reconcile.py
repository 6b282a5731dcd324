"""The positions of the journal against a clearing file: what both say, and where they differ."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from brokerfix.domain import Inexact, day_of, to_scaled, to_text
from brokerfix.engine.evolve import evolve
from brokerfix.engine.state import State
from brokerfix.record.journal import read
from brokerfix.record.kept import oldest

COLUMNS = {"account": "account", "symbol": "symbol", "qty": "qty"}
"""What the columns of a clearing file are called, if nothing else is said."""


class ClearingError(Exception):
    """A clearing file that can't be read. The text says which line, and why."""


class Break(NamedTuple):
    """A position that the journal and the clearing file have otherwise: both as decimal text."""

    account: str
    symbol: str
    ours: str
    theirs: str
    difference: str


def columns_of(words: Mapping[str, str]) -> dict[str, str]:
    """The columns' names with some others than usual. Raises ClearingError."""
    unknown = words.keys() - COLUMNS.keys()
    if unknown:
        raise ClearingError(f"there is no column {min(unknown)!r} to name; there are {', '.join(COLUMNS)}")
    return {**COLUMNS, **words}


def state_at(folder: Path, day: int = 0) -> State:
    """The state that a journal's folder tells of, at the end of a trading day (0: now). Raises JournalError."""
    state, since = oldest(folder)
    for record in read(folder, since=since):
        for fact in record.facts:
            if day and day_of(fact.id) > day:
                return state
            evolve(state, fact)
    return state


def reconcile(state: State, clearing: Path, columns: Mapping[str, str]) -> list[Break]:
    """The breaks, by account and symbol. Positions of 0 need not be in the file; rows of one position add up. Raises
    ClearingError and OSError."""
    theirs: dict[tuple[str, str], int] = {}
    with clearing.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in columns.values() if name not in (reader.fieldnames or ())]
        if missing:
            raise ClearingError(
                f"{clearing}: there is no column {missing[0]!r}; it has {reader.fieldnames or 'no head'}"
            )
        for row in reader:
            where = f"{clearing}, line {reader.line_num}"
            account, symbol, qty = ((row[columns[name]] or "").strip() for name in COLUMNS)
            instrument = state.instruments.get(symbol)
            try:
                scaled = to_scaled(qty, instrument.qty_digits if instrument is not None else 0)
            except Inexact as error:
                raise ClearingError(f"{where}: {error}") from error
            theirs[account, symbol] = theirs.get((account, symbol), 0) + scaled
    ours = {
        (account.account, symbol): position.qty
        for account in state.accounts.values()
        for symbol, position in account.positions.items()
    }
    breaks = []
    for account_name, symbol in sorted(ours.keys() | theirs.keys()):
        have, told = ours.get((account_name, symbol), 0), theirs.get((account_name, symbol), 0)
        if have != told:
            known = state.instruments.get(symbol)
            digits = known.qty_digits if known is not None else 0
            texts = (to_text(number, digits) for number in (have, told, told - have))
            breaks.append(Break(account_name, symbol, *texts))
    return breaks


def rows(breaks: list[Break]) -> list[dict[str, Any]]:
    return [one._asdict() for one in breaks]
