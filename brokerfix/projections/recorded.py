"""The market history read: a symbol's rows of a day wherever they are, exports of them, and volume profiles. The
process that writes it may run meanwhile."""

import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from brokerfix.domain import to_text
from brokerfix.projections.columns import (
    PRICES,
    QTYS,
    UNFINISHED,
    Row,
    Terms,
    day_text,
    days_on_disk,
    files_of,
    groups,
    in_order,
    table_of,
)
from brokerfix.projections.database import Database
from brokerfix.settings.registry import market_path

DAY_SECONDS = 86_400
SHARE_DIGITS = 6
WIDEST, NARROW = 38, 18
"""Digits of a decimal in 128 bits, and in 64."""
Kind = str
"""Which rows: "quotes", all of them, or "trades", those in which something has traded since the one before."""


class NoHistory(FileNotFoundError):
    """There is no such history. The text says what there is, or what to do."""


class Slot(msgspec.Struct, frozen=True):
    """A part of the day: when it begins (HH:MM:SS UTC), what traded in it, summed over the days, and its share of a
    day's volume, the mean of the days' shares. Decimal text; the shares add up to 1."""

    start: str
    volume: str
    share: str


class Profile(msgspec.Struct, frozen=True):
    """A symbol's volume by time of day, out of these trading days, in parts of `bucket` seconds; those in which nothing
    traded are left out. `is_complete`: all of the days are over."""

    symbol: str
    bucket: int
    days: list[str]
    is_complete: bool
    slots: list[Slot]

    @property
    def weights(self) -> list[int]:
        """The share of each part of the day, from midnight UTC on, in millionths."""
        weights = [0] * -(-86_400 // self.bucket)
        for slot in self.slots:
            hours, minutes, seconds = map(int, slot.start.split(":"))
            weights[(hours * 3600 + minutes * 60 + seconds) // self.bucket] = int(
                Fraction(slot.share) * 10**SHARE_DIGITS
            )
        return weights


class Recorded:
    """The market history of a data folder. Raises NoHistory where there is none."""

    def __init__(self, data: Path) -> None:
        path = market_path(data)
        if not path.exists():
            raise NoHistory(f"{path}: there is no market history yet; start the broker with history = true in [broker]")
        self.data = data
        self.db = Database(path)
        self._decode = msgspec.msgpack.Decoder(Row).decode

    def terms(self, symbol: str) -> Terms:
        """A symbol's decimals. Raises NoHistory where nothing of it was ever recorded."""
        known = {row["symbol"]: Terms(**row) for row in self.db.query("select * from terms order by symbol")}
        if symbol not in known:
            raise NoHistory(f"there is no history of {symbol}; there is of {', '.join(known) or 'no symbol yet'}")
        return known[symbol]

    def today(self) -> int:
        """The trading day that is not over, 0 before there is any."""
        return next((row["day"] for row in self.db.query("select day from progress")), 0)

    def days(self, symbol: str) -> list[int]:
        """The trading days (YYYYMMDD) that have rows of a symbol, oldest first."""
        pending = {day for (day,) in self.db.execute("select distinct day from pending where symbol = ?", [symbol])}
        for day in days_on_disk(self.data):
            files = files_of(self.data, day, symbol)
            if files.whole.exists() or files.parts():
                pending.add(day)
        return sorted(pending)

    def tables(self, symbol: str, day: int) -> Iterator[pa.Table]:
        """A symbol's rows of a trading day, in order, a few at a time, with the columns of the files."""
        # Rows go from the database into parts, and from these into the whole file: whoever looks the other way round
        # finds some of them twice, and misses none.
        query = "select row from pending where day = ? and symbol = ? order by id"
        rows = [self._decode(row) for (row,) in self.db.execute(query, [day, symbol])]
        files = files_of(self.data, day, symbol)
        with ExitStack() as stack:
            parts = []
            for path in files.parts():
                with suppress(FileNotFoundError):
                    parts.append(stack.enter_context(pq.ParquetFile(path)))
            with suppress(FileNotFoundError):
                parts.insert(0, stack.enter_context(pq.ParquetFile(files.whole)))

            def found() -> Iterator[pa.Table]:
                for file in parts:
                    yield from groups(file)
                if rows:
                    yield table_of(rows, self.terms(symbol))

            yield from in_order(found())

    def export(self, symbol: str, first: int, last: int, kind: Kind, form: str, output: str) -> int:
        """Write a symbol's rows of the trading days from `first` to `last` as csv, jsonl or parquet into the file
        `output`, whole or not at all ("-": the standard output). Returns how many. Raises NoHistory."""
        terms, days = self.terms(symbol), self.days(symbol)
        wanted = [day for day in days if first <= day <= last]
        if not wanted:
            there_is = f"there is from {day_text(days[0])} to {day_text(days[-1])}" if days else "there is none"
            raise NoHistory(f"there is no history of {symbol} on these days; {there_is}")
        tables = (table for day in wanted for table in self._rows(symbol, day, kind))
        with _written(output) as file:
            return WRITERS[form](tables, terms, file)

    def _rows(self, symbol: str, day: int, kind: Kind) -> Iterator[pa.Table]:
        return self.tables(symbol, day) if kind == "quotes" else traded(self.tables(symbol, day))

    def profile(self, symbol: str, days: int, bucket: int) -> Profile:
        """The volume profile of the last `days` trading days that are over and on which something traded; where there
        is none, of the one that is not over. Raises NoHistory."""
        terms, today, recorded = self.terms(symbol), self.today(), self.days(symbol)
        found: dict[int, Counter[int]] = {}
        for day in (one for one in reversed(recorded) if one < today):
            if len(found) < days and (volumes := self._volumes(symbol, day, bucket)):
                found[day] = volumes
        if not found and today in recorded and (volumes := self._volumes(symbol, today, bucket)):
            found[today] = volumes
        if not found:
            raise NoHistory(f"nothing has traded in {symbol} on the days on record")
        sums = sum(found.values(), Counter[int]())
        shares = {
            slot: sum((Fraction(volumes[slot], volumes.total()) for volumes in found.values()), Fraction()) / len(found)
            for slot in sums
        }
        return Profile(
            symbol,
            bucket,
            [day_text(day) for day in sorted(found)],
            today not in found,
            [
                Slot(_time(slot * bucket), to_text(sums[slot], terms.qty_digits), share)
                for slot, share in rounded(shares)
            ],
        )

    def _volumes(self, symbol: str, day: int, bucket: int) -> Counter[int]:
        """What traded on a day, by part of the day."""
        volumes: Counter[int] = Counter()
        for table in traded(self.tables(symbol, day)):
            seconds = (at // 10**9 % DAY_SECONDS for at in table["at"].cast(pa.int64()).to_pylist())
            for second, qty in zip(seconds, table["qty"].to_pylist(), strict=True):
                volumes[second // bucket] += int(qty)
        return volumes


def traded(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Of a day's rows those in which something has traded since the one before, with how much (`qty`) for how much
    (`turnover`), and the last trade of it."""
    volume = turnover = 0
    for table in tables:
        changes: list[tuple[int, int, int]] = []
        sums = zip(table["volume"].to_pylist(), table["turnover"].to_pylist(), strict=True)
        for row, (volume_now, turnover_now) in enumerate((int(one), int(other)) for one, other in sums):
            if volume_now < volume:
                # It was begun anew.
                volume = turnover = 0
            if volume_now > volume:
                changes.append((row, volume_now - volume, turnover_now - turnover))
            volume, turnover = volume_now, turnover_now
        if changes:
            at, qtys, turnovers = (list(one) for one in zip(*changes, strict=True))
            found = table.select(["id", "at", "last_px", "last_qty"]).take(at)
            for name, values in (("qty", qtys), ("turnover", turnovers)):
                found = found.append_column(name, pa.array(values, pa.decimal128(WIDEST, 0)))
            yield found


def rounded(shares: dict[int, Fraction]) -> list[tuple[int, str]]:
    """Shares that add up to 1, in order, as decimal text that adds up to 1: the largest remainders are rounded up."""
    whole = 10**SHARE_DIGITS
    floors = {slot: int(share * whole) for slot, share in shares.items()}
    by_remainder = sorted(shares, key=lambda slot: (floors[slot] - shares[slot] * whole, slot))
    for slot in by_remainder[: whole - sum(floors.values())]:
        floors[slot] += 1
    return [(slot, to_text(floors[slot], SHARE_DIGITS)) for slot in sorted(floors)]


def _time(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def digits_of(name: str, terms: Terms) -> int | None:
    """The decimals of a column, None of one that is no decimal."""
    if name in PRICES:
        return terms.price_digits
    if name in QTYS or name == "qty":
        return terms.qty_digits
    return terms.price_digits + terms.qty_digits if name == "turnover" else None


def as_decimals(table: pa.Table, terms: Terms) -> pa.Table:
    """A table of scaled numbers as decimals."""
    for at, name in enumerate(table.column_names):
        digits = digits_of(name, terms)
        if digits is not None:
            column, wide = table.column(at), pa.decimal128(WIDEST, digits)
            is_narrow = pa.types.is_integer(column.type)
            chunks = [chunk.cast(pa.decimal128(WIDEST, 0)).view(wide) for chunk in column.chunks]
            kind = pa.decimal128(NARROW, digits) if is_narrow else wide
            table = table.set_column(at, name, pa.chunked_array(chunks, wide).cast(kind))
    return table.replace_schema_metadata({"symbol": terms.symbol})


def as_text(table: pa.Table, terms: Terms) -> Iterator[Sequence[Any]]:
    """A table's rows with decimals, and times (ISO, to the nanosecond), as text, None where there is nothing."""
    columns: list[list[Any]] = []
    for name in table.column_names:
        digits, values = digits_of(name, terms), table[name]
        if name == "at":
            columns.append(pc.strftime(values, format="%Y-%m-%dT%H:%M:%SZ").to_pylist())
        elif digits is None:
            columns.append(values.to_pylist())
        else:
            columns.append([None if one is None else to_text(int(one), digits) for one in values.to_pylist()])
    return zip(*columns, strict=True)


def _csv(tables: Iterable[pa.Table], terms: Terms, file: IO[bytes]) -> int:
    count = 0
    for table in tables:
        lines: list[str] = []
        writer = csv.writer(_Lines(lines), lineterminator="\n")
        if not count:
            writer.writerow(table.column_names)
        writer.writerows(as_text(table, terms))
        file.write("".join(lines).encode())
        count += len(table)
    return count


class _Lines:
    """Takes what a csv.writer writes."""

    def __init__(self, lines: list[str]) -> None:
        self.write = lines.append


def _jsonl(tables: Iterable[pa.Table], terms: Terms, file: IO[bytes]) -> int:
    count, encode = 0, msgspec.json.Encoder().encode_lines
    for table in tables:
        file.write(encode([dict(zip(table.column_names, row, strict=True)) for row in as_text(table, terms)]))
        count += len(table)
    return count


def _parquet(tables: Iterable[pa.Table], terms: Terms, file: IO[bytes]) -> int:
    count, writer = 0, None
    for table in tables:
        found = as_decimals(table, terms)
        if writer is None:
            writer = pq.ParquetWriter(file, found.schema, compression="zstd")
        writer.write_table(found)
        count += len(table)
    if writer is not None:
        writer.close()
    return count


WRITERS: dict[str, Callable[[Iterable[pa.Table], Terms, IO[bytes]], int]] = {
    "csv": _csv, "jsonl": _jsonl, "parquet": _parquet,
}  # fmt: skip


@contextmanager
def _written(output: str) -> Iterator[IO[bytes]]:
    """A file that has its name when it is whole."""
    if output == "-":
        yield sys.stdout.buffer
        return
    being_written = Path(output + UNFINISHED)
    try:
        with being_written.open("wb") as file:
            yield file
        being_written.replace(output)
    finally:
        being_written.unlink(missing_ok=True)
