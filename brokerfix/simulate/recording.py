"""Recorded market data: a file's rows -> events. CSV with a header line, or JSON lines with the same keys; both may be
gzipped. Anything wrong is a RecordingError that names the file, the line, the column and the reason.

A row is of one kind: S one level of a starting book, D one changed level (`qty` is its new total, 0: it is gone), Q the
best bid and offer, T a trade, N the best of all venues. Rows of kind S, or D, with the same time and venue in a row are
one event. The order of equal times is the file's.
"""

import csv
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, NoReturn, TextIO

import msgspec

COLUMNS = ("ts_ns", "venue", "kind", "side", "price", "qty", "bid", "bid_qty", "ask", "ask_qty")
"""The columns that are read; of others only these are known: they are left unread."""
UNREAD = frozenset(("bid_venue", "ask_venue", "exch_ts_ns", "flags"))
NEEDED = ("ts_ns", "venue", "kind")
BOOK, CHANGE, TOP, TRADE, NATIONAL = "S", "D", "Q", "T", "N"
BID, ASK = "B", "S"
NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?")
GZIP = b"\x1f\x8b"

Levels = list[tuple[str, Decimal, Decimal]]
"""(side, price, quantity) as recorded; the side of a trade is its taker's, or empty."""


class RecordingError(Exception):
    """What is wrong with a recording, for people."""


class Event(NamedTuple):
    """What one venue told at one time `at` (ns): a whole book (S, or Q of its best levels), changes (D) or a trade."""

    at: int
    venue: str
    kind: str
    levels: Levels


class Contents(msgspec.Struct, frozen=True):
    """What a recording holds: its first and last time (ns), each venue's number of rows by kind, and the book that it
    begins with, if the file has that before it changes."""

    first: int
    last: int
    kinds: dict[str, Counter[str]]
    opening: dict[str, Event]

    def is_told(self, event: Event) -> bool:
        """Whether an event is part of its venue's feed: bests are not where there is a whole book."""
        return event.kind != TOP or not has_book(self.kinds[event.venue])


def has_book(kinds: Counter[str]) -> bool:
    """Whether a venue with these rows tells more than its best levels."""
    return bool(kinds[BOOK] or kinds[CHANGE])


def look(path: Path) -> Contents:
    """Read the whole file. Raises RecordingError at the first row that is wrong."""
    kinds: dict[str, Counter[str]] = {}
    books: dict[str, Event | None] = {}
    tops: dict[str, Event] = {}
    first = last = -1
    for event in events(path):
        known = kinds.setdefault(event.venue, Counter())
        known[event.kind] += len(event.levels) if event.kind in (BOOK, CHANGE) else 1
        if event.kind in (BOOK, CHANGE):
            books.setdefault(event.venue, event if event.kind == BOOK else None)
        elif event.kind == TOP:
            tops.setdefault(event.venue, event)
        first = event.at if first < 0 else first
        last = event.at
    if first < 0:
        raise RecordingError(f"{path}: there is no row of kind S, D, Q or T in it")
    opening = {venue: event for venue, event in {**tops, **books}.items() if event is not None}
    return Contents(first, last, kinds, opening)


def events(path: Path, wanted: Container[str] | None = None) -> Iterator[Event]:
    """The events of these venues (None: of all), in order. Raises RecordingError."""
    held: Event | None = None
    before = 0
    for line, (ts, venue, kind, side, price, qty, *top) in _rows(path):
        if kind == NATIONAL or (wanted is not None and venue not in wanted):
            continue
        at = int(ts) if ts.isdecimal() else _wrong(path, line, "ts_ns", f"{ts!r} is no whole number of nanoseconds")
        if at < before:
            _wrong(path, line, "ts_ns", f"{at} is before the row above it ({before})")
        before = at
        if held is not None and (kind != held.kind or at != held.at or venue != held.venue):
            yield held
            held = None
        if kind in (BOOK, CHANGE):
            level = _level(path, line, side, price, qty)
            if held is None:
                held = Event(at, venue, kind, [level])
            else:
                held.levels.append(level)
        elif kind == TRADE:
            yield Event(at, venue, TRADE, [_level(path, line, side, price, qty, is_trade=True)])
        elif kind == TOP:
            yield Event(at, venue, TOP, _top(path, line, *top))
        else:
            _wrong(path, line, "kind", f"{kind!r} is none of S, D, Q, T and N")
        if not venue:
            _wrong(path, line, "venue", "it is empty")
    if held is not None:
        yield held


def _level(
    path: Path, line: int, side: str, price: str, qty: str, is_trade: bool = False
) -> tuple[str, Decimal, Decimal]:
    if side not in (BID, ASK) and not (is_trade and not side):
        _wrong(path, line, "side", f"{side!r} is neither B nor S")
    return side, _number(path, line, "price", price), _quantity(path, line, "qty", qty)


def _top(path: Path, line: int, bid: str, bid_qty: str, ask: str, ask_qty: str) -> Levels:
    """The best levels; a side without a price, or of no quantity, is empty."""
    levels: Levels = []
    if bid:
        levels.append((BID, _number(path, line, "bid", bid), _quantity(path, line, "bid_qty", bid_qty)))
    if ask:
        levels.append((ASK, _number(path, line, "ask", ask), _quantity(path, line, "ask_qty", ask_qty)))
    return [level for level in levels if level[2]]


@lru_cache(maxsize=1 << 17)
def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if NUMBER.fullmatch(text) else None


def _number(path: Path, line: int, column: str, text: str) -> Decimal:
    number = _decimal(text)
    return _wrong(path, line, column, f"{text!r} is no decimal number") if number is None else number


def _quantity(path: Path, line: int, column: str, text: str) -> Decimal:
    number = _number(path, line, column, text)
    return _wrong(path, line, column, f"{text} is below 0") if number < 0 else number


def _wrong(path: Path, line: int, column: str, why: str) -> NoReturn:
    raise RecordingError(f"{path}: line {line}, {column}: {why}")


def _rows(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line number, values of COLUMNS as text, empty where there is none)."""
    line = 1
    try:
        with _opened(path) as file:
            head = file.readline()
            lines = chain((head,), file)
            for line, row in _json_rows(path, lines) if head.lstrip()[:1] == "{" else _csv_rows(path, lines):
                yield line, row
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{path}: can't be read behind line {line}: {error}") from error


def _opened(path: Path) -> TextIO:
    with path.open("rb") as file:
        is_gzip = file.read(2) == GZIP
    if is_gzip:
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _csv_rows(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    reader = csv.reader(lines, strict=True)
    header = next(reader, [])
    for name in header:
        if name not in COLUMNS and name not in UNREAD:
            _wrong(path, 1, repr(name), f"there is no such column; there are {', '.join((*COLUMNS, *sorted(UNREAD)))}")
    for name in NEEDED:
        if name not in header:
            _wrong(path, 1, name, "the header line lacks this column")
    width = len(header)
    # What a file has no column for is what stands behind the row's end.
    taken = itemgetter(*(header.index(name) if name in header else width for name in COLUMNS))
    for row in reader:
        if len(row) != width:
            if not row:
                continue
            column = header[len(row)] if len(row) < width else "behind the last column"
            _wrong(path, reader.line_num, column, f"the row has {len(row)} values, the header line {width}")
        row.append("")
        yield reader.line_num, taken(row)


def _json_rows(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text, parse_float=str, parse_int=str)
        except ValueError as error:
            raise RecordingError(f"{path}: line {line}: it is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise RecordingError(f"{path}: line {line}: it is no JSON object")
        for name, value in row.items():
            if name not in COLUMNS and name not in UNREAD:
                _wrong(path, line, repr(name), f"there is no such key; there are {', '.join(COLUMNS)}")
            if value is not None and not isinstance(value, str):
                _wrong(path, line, name, f"{value!r} is neither text nor a number")
        for name in NEEDED:
            if name not in row:
                _wrong(path, line, name, "it is missing")
        yield line, tuple(row.get(name) or "" for name in COLUMNS)
