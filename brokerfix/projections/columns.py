"""How the market history's Parquet files look, where they are, and how rows get into them whole or not at all.

A file holds one symbol on one trading day, ordered by `id`, which is the number of the fact. Prices are whole numbers
of 10**-price_digits, quantities of 10**-qty_digits; both digits are in the schema's metadata. The turnover is in
10**-(price_digits + qty_digits). Where there is no level, trade or mark there is null.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from brokerfix.domain import DayTotals

VERSION = "1"
LEVELS = 5
SIDES = ("bid", "ask")
ROWS_IN_GROUP = 1 << 16
UNFINISHED = ".new"
"""What a file's name ends with while it is written."""
ASCENDING = ("id", "at")
"""Columns that are kept as differences."""
PRICES = (*(f"{side}{n}" for side in SIDES for n in range(1, LEVELS + 1)), "last_px", "mark", "open", "high", "low")
QTYS = (*(f"{side}{n}_qty" for side in SIDES for n in range(1, LEVELS + 1)), "last_qty", "volume")


class Terms(NamedTuple):
    """An instrument's name and decimals."""

    symbol: str
    price_digits: int
    qty_digits: int


class Row(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a Quoted fact tells, and when (ns UTC). `mark` is the one that holds after it, 0 for none."""

    id: int
    at: int
    bids: tuple[tuple[int, int, str], ...]
    asks: tuple[tuple[int, int, str], ...]
    last: tuple[int, int] | None
    mark: int
    day: DayTotals


def history_folder(data: Path, day: int) -> Path:
    """The folder of a trading day (YYYYMMDD) in a data folder."""
    return data / "history" / day_text(day)


def day_text(day: int) -> str:
    """20261122 -> '2026-11-22'."""
    return f"{day // 10_000:04}-{day // 100 % 100:02}-{day % 100:02}"


def day_number(text: str) -> int:
    """'2026-11-22', or '20261122', -> 20261122. Raises ValueError."""
    found = date.fromisoformat(text)
    return found.year * 10_000 + found.month * 100 + found.day


def days_on_disk(data: Path) -> list[int]:
    """The trading days that have a folder, oldest first."""
    return sorted(day_number(path.name) for path in (data / "history").glob("????-??-??"))


def file_name(symbol: str) -> str:
    """A symbol as a file can be named."""
    name = quote(symbol, safe="")
    return "%2E" + name[1:] if name.startswith(".") else name


def symbol_of(name: str) -> str:
    """The symbol that `file_name` makes this name of."""
    return unquote(name)


class Files(NamedTuple):
    """A symbol's files of one trading day: the whole one, and parts of a day that is not closed, each named by its
    first and last id."""

    whole: Path
    folder: Path

    def parts(self) -> list[Path]:
        """The parts, oldest first."""
        return sorted(self.folder.glob("*.parquet"), key=ids_of)


def files_of(data: Path, day: int, symbol: str) -> Files:
    """Where a symbol's files of a trading day are, or would be."""
    folder, name = history_folder(data, day), file_name(symbol)
    return Files(folder / f"{name}.parquet", folder / "parts" / name)


def ids_of(part: Path) -> tuple[int, int]:
    """The first and last id of a part, by its name."""
    first, _, last = part.stem.partition("-")
    return int(first), int(last)


def span_of(path: Path) -> tuple[int, int]:
    """The first and last id in a file."""
    metadata = pq.read_metadata(path)
    first, last = (metadata.row_group(number).column(0).statistics for number in (0, metadata.num_row_groups - 1))
    return int(first.min), int(last.max)


def schema_of(terms: Terms) -> pa.Schema:
    """The columns of a symbol's files."""
    fields = [("id", pa.int64()), ("at", pa.timestamp("ns", "UTC"))]
    for side in SIDES:
        for n in range(1, LEVELS + 1):
            fields += [(f"{side}{n}", pa.int64()), (f"{side}{n}_qty", pa.int64()), (f"{side}{n}_venue", pa.string())]
    fields += [(name, pa.int64()) for name in ("last_px", "last_qty", "mark", "open", "high", "low")]
    # A day's sums may be beyond 64 bits.
    fields += [(name, pa.decimal128(38, 0)) for name in ("volume", "turnover")]
    told = {
        "brokerfix.history": VERSION,
        "symbol": terms.symbol,
        "price_digits": str(terms.price_digits),
        "qty_digits": str(terms.qty_digits),
    }
    return pa.schema(fields, told)


def terms_of(schema: pa.Schema) -> Terms:
    """What a file's metadata says of its instrument."""
    told = schema.metadata
    return Terms(told[b"symbol"].decode(), int(told[b"price_digits"]), int(told[b"qty_digits"]))


def table_of(rows: Sequence[Row], terms: Terms) -> pa.Table:
    """Rows as columns."""
    columns: dict[str, list[object]] = {"id": [row.id for row in rows], "at": [row.at for row in rows]}
    for side in SIDES:
        levels = [row.bids if side == "bid" else row.asks for row in rows]
        for n in range(LEVELS):
            name, found = f"{side}{n + 1}", [one[n] if len(one) > n else (None, None, None) for one in levels]
            for column, values in zip((name, f"{name}_qty", f"{name}_venue"), zip(*found, strict=True), strict=True):
                columns[column] = list(values)
    columns["last_px"] = [row.last and row.last[0] for row in rows]
    columns["last_qty"] = [row.last and row.last[1] for row in rows]
    columns["mark"] = [row.mark or None for row in rows]
    for name in ("open", "high", "low"):
        columns[name] = [getattr(row.day, name) or None for row in rows]
    for name in ("volume", "turnover"):
        columns[name] = [getattr(row.day, name) for row in rows]
    return pa.table(columns, schema=schema_of(terms))


def in_order(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables of which each is ordered by id, without the rows that are not beyond those before: what was moved from one
    file to another may be in both."""
    last = 0
    for table in tables:
        found = table
        if len(table) and table["id"][0].as_py() <= last:
            found = table.filter(pc.greater(table["id"], last))
        if len(found):
            last = found["id"][-1].as_py()
            yield found


def write(path: Path, tables: Iterable[pa.Table], terms: Terms) -> None:
    """Write a file, on the disk before it has its name; without any row there is none."""
    being_written = path.with_name(path.name + UNFINISHED)
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = schema_of(terms)
    plain = [name for name in schema.names if name not in ASCENDING]
    encodings = dict.fromkeys(ASCENDING, "DELTA_BINARY_PACKED")
    count, waiting, held = 0, [], 0
    with being_written.open("wb") as file:
        with pq.ParquetWriter(
            file, schema, compression="zstd", use_dictionary=plain, column_encoding=encodings
        ) as writer:
            for table in tables:
                waiting.append(table.cast(schema))
                held, count = held + len(table), count + len(table)
                if held >= ROWS_IN_GROUP:
                    writer.write_table(pa.concat_tables(waiting), row_group_size=2 * ROWS_IN_GROUP)
                    waiting, held = [], 0
            if waiting:
                writer.write_table(pa.concat_tables(waiting), row_group_size=2 * ROWS_IN_GROUP)
        file.flush()
        os.fsync(file.fileno())
    if not count:
        being_written.unlink()
        return
    being_written.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def groups(file: pq.ParquetFile) -> Iterator[pa.Table]:
    """A file's rows, a row group at a time."""
    for number in range(file.num_row_groups):
        yield file.read_row_group(number)


def cut(data: Path, since: int, last_id: int) -> None:
    """Take from the files of the trading days from `since` on all that is beyond the fact `last_id`, and what was never
    finished."""
    for day in days_on_disk(data):
        folder = history_folder(data, day)
        if day < since:
            continue
        for unfinished in folder.rglob(f"*{UNFINISHED}"):
            unfinished.unlink()
        for part in folder.glob("parts/*/*.parquet"):
            first, last = ids_of(part)
            if last > last_id:
                if first <= last_id:
                    _shorten(part, last_id, part.parent)
                part.unlink()
        for whole in folder.glob("*.parquet"):
            first, last = span_of(whole)
            if first > last_id:
                whole.unlink()
            elif last > last_id:
                _shorten(whole, last_id, None)


def _shorten(path: Path, last_id: int, parts: Path | None) -> None:
    """Write a file without what is beyond `last_id`: over it, or as another one of these parts."""
    with pq.ParquetFile(path) as file:
        terms = terms_of(file.schema_arrow)
        kept = [table.filter(pc.less_equal(table["id"], last_id)) for table in groups(file)]
    if parts is not None:
        ids = pa.concat_tables(kept)["id"]
        path = parts / f"{ids[0]}-{ids[-1]}.parquet"
    write(path, kept, terms)
