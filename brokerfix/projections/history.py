"""The market history: a process of its own that follows the journal and keeps every recorded quote.

`market.sqlite` has the latest of each symbol for people and tools, and what no file has yet: a row and how far the
journal is taken are written in one transaction. When a symbol has enough rows they go into a Parquet file (see
`columns`), and are taken from the database after that; at the end of a trading day, and at the stop, a symbol's parts
become one file. What a process that was killed leaves in both places is known by the facts' numbers.
"""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from brokerfix.domain import Instrument, average_text, day_of, to_text
from brokerfix.facts import Fact, Quoted
from brokerfix.projections.columns import (
    Row,
    Terms,
    cut,
    days_on_disk,
    files_of,
    groups,
    history_folder,
    in_order,
    symbol_of,
    table_of,
    terms_of,
    write,
)
from brokerfix.projections.database import Database
from brokerfix.projections.published import moment
from brokerfix.projections.sqlite import remove
from brokerfix.projections.tail import Anew, Tail, follow_until_ended
from brokerfix.record.journal import Place, Record, checksum_before, exists, segments
from brokerfix.settings.registry import market_path

POLL_SECONDS = 0.2
BATCH = 2000
"""Records taken in one transaction."""
PART_ROWS = 4096
"""So many rows of a symbol become a part."""
STOP_SECONDS = 5.0
"""How long a stop may make whole files of parts; the rest stay parts, and are made whole another time."""
SCHEMA = 1
NO_DAY = 99_999_999

LATEST: dict[str, type] = {
    "symbol": str, "at": str, "bid": str, "bid_qty": str, "ask": str, "ask_qty": str, "mid": str, "last_px": str,
    "last_qty": str, "open": str, "high": str, "low": str, "volume": str, "vwap": str, "mark": str,
}  # fmt: skip
TABLES: dict[str, tuple[dict[str, type], str]] = {
    "latest": (LATEST, "symbol"),
    "terms": ({"symbol": str, "price_digits": int, "qty_digits": int}, "symbol"),
    "pending": ({"id": int, "day": int, "symbol": str, "row": bytes}, "id"),
    "progress": ({"id": int, "segment": str, "offset": int, "last_id": int, "before": int, "day": int}, "id"),
    "days": ({"day": int, "segment": str, "offset": int, "last_id": int, "before": int}, "day"),
}
"""`pending`: rows that no file has yet. `days`: a place of each day's journal, with the checksum before it, to go back
to from a journal that has lost its end."""


class History:
    """Keeps the market's history up to date with a journal, which its tail follows."""

    def __init__(self, data: Path) -> None:
        self.data, self.folder = data, data / "journal"
        self.db = _opened(market_path(data))
        self._new: list[tuple[int, int, str, bytes]] = []
        self._latest: dict[str, dict[str, Any]] = {}
        self._terms: dict[str, Terms] = {}
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Row).decode
        self._begin()

    def _begin(self) -> None:
        """Go on from where the last process was; all that is beyond is made again."""
        while True:
            stored = next(iter(self.db.query("select * from progress")), None)
            place, last_id = (_place(stored), stored["last_id"]) if stored else (Place("", 0), 0)
            try:
                if stored and not self._is_ours(stored):
                    raise Anew
                self.tail = Tail(self.folder, place, last_id)
                break
            except Anew:
                self._step_back(last_id)
        since = day_of(last_id)
        if not last_id:
            # Days before those that the journal has can't be made again: they stay as they are.
            last_id = self.tail.state.last_id
            since = next((int(one.stem) for one in segments(self.folder)), NO_DAY)
        cut(self.data, since, last_id)
        with self.db.atomic():
            self.db.execute("delete from pending where id > ?", [last_id])
        query = "select day, symbol, count(*) from pending group by day, symbol"
        self._counts = Counter({(day, symbol): count for day, symbol, count in self.db.execute(query)})
        self._closed = 0

    def _is_ours(self, row: dict[str, Any]) -> bool:
        """Whether the journal has, before the place of a row, what it had when that was written."""
        place = _place(row)
        return exists(self.folder, place) and checksum_before(self.folder, place) == row["before"]

    def _step_back(self, last_id: int) -> None:
        """The journal is not the one that we had up to `last_id`, as after a power loss: go back to the newest place
        that is the same in both, or to the beginning."""
        marks = self.db.query("select * from days where last_id < ? order by last_id desc", [last_id])
        known = next((mark for mark in list(marks) if self._is_ours(mark)), None)
        with self.db.atomic():
            self.db.execute("delete from progress")
            self.db.execute("delete from days where last_id > ?", [known["last_id"] if known else 0])
            if known is not None:
                self.db.table("progress").insert({**known, "id": 1}, pk="id")

    def follow(self) -> int:
        """Take what the journal has beyond what was taken. Returns how many records that were."""
        total = 0
        try:
            while count := self.tail.follow(self._note, BATCH):
                total += count
                self._flush()
                self._settle()
                self._close_days()
        except Anew:
            self._step_back(next(iter(self.db.query("select last_id from progress")))["last_id"])
            self._begin()
            return 1 + self.follow()
        self._close_days()
        return total

    def _note(self, fact: Fact, record: Record) -> None:
        if not isinstance(fact, Quoted):
            return
        state = self.tail.state
        instrument, mark = state.instruments[fact.symbol], state.marks.get(fact.symbol, 0)
        row = Row(fact.id, fact.at, fact.bids, fact.asks, fact.last, mark, fact.day)
        self._new.append((row.id, day_of(row.id), fact.symbol, self._encode(row)))
        self._latest[fact.symbol] = latest_row(row, instrument)
        self._terms[fact.symbol] = Terms(fact.symbol, instrument.price_digits, instrument.qty_digits)

    def _flush(self) -> None:
        """Write the new rows and how far the journal is taken, in one transaction."""
        place, last_id = self.tail.place, self.tail.state.last_id
        with self.db.atomic():
            self.db.conn.executemany("insert into pending (id, day, symbol, row) values (?, ?, ?, ?)", self._new)
            for name, rows in (
                ("latest", self._latest.values()),
                ("terms", [one._asdict() for one in self._terms.values()]),
            ):
                if rows:
                    self.db.table(name).upsert_all(list(rows), pk="symbol")
            if place > self.tail.stored:
                before = checksum_before(self.folder, place)
                mark = {"day": day_of(last_id), **place._asdict(), "last_id": last_id, "before": before}
                self.db.table("progress").upsert({**mark, "id": 1}, pk="id")
                self.db.table("days").insert(mark, pk="day", ignore=True)
        self._counts.update((day, symbol) for _, day, symbol, _ in self._new)
        for written in (self._new, self._latest, self._terms):
            written.clear()
        self.tail.is_stored()

    def _settle(self) -> None:
        """What is enough of a symbol becomes a part."""
        for (day, symbol), count in list(self._counts.items()):
            if count < PART_ROWS:
                continue
            # What a process that was killed here has left is in a part before this one too.
            rows, terms = self._pending(day, symbol), self._terms_of(symbol)
            folder = files_of(self.data, day, symbol).folder
            write(folder / f"{rows[0].id}-{rows[-1].id}.parquet", [table_of(rows, terms)], terms)
            self._forget(day, symbol, rows[-1].id)

    def _pending(self, day: int, symbol: str) -> list[Row]:
        query = "select row from pending where day = ? and symbol = ? order by id"
        return [self._decode(row) for (row,) in self.db.execute(query, [day, symbol])]

    def _terms_of(self, symbol: str) -> Terms:
        instrument = self.tail.state.instruments[symbol]
        return Terms(symbol, instrument.price_digits, instrument.qty_digits)

    def _forget(self, day: int, symbol: str, last_id: int) -> None:
        """The rows up to `last_id` are in a file."""
        with self.db.atomic():
            self.db.execute("delete from pending where day = ? and symbol = ? and id <= ?", [day, symbol, last_id])
        del self._counts[day, symbol]

    def _close_days(self) -> None:
        """Make whole files of the days that are over."""
        today = day_of(self.tail.state.last_id)
        if today > self._closed:
            for day, symbol in self._open():
                if day < today:
                    self._close(day, symbol)
            self._closed = today

    def close(self, seconds: float = STOP_SECONDS) -> None:
        """Make whole files of what is open, for so long at most, and let go of the database."""
        until = time.monotonic() + seconds
        for day, symbol in self._open():
            if time.monotonic() > until:
                break
            self._close(day, symbol)
        self.db.close()

    def _open(self) -> list[tuple[int, str]]:
        """The days and symbols that have rows outside a whole file."""
        with_parts = {
            (day, symbol_of(path.name))
            for day in days_on_disk(self.data)
            for path in history_folder(self.data, day).glob("parts/*")
        }
        return sorted(with_parts | self._counts.keys())

    def _close(self, day: int, symbol: str) -> None:
        """Make one file of a symbol's day."""
        files = files_of(self.data, day, symbol)
        parts, rows = files.parts(), self._pending(day, symbol)

        def tables() -> Iterator[pa.Table]:
            for path in (files.whole, *parts):
                if path.exists():
                    with pq.ParquetFile(path) as file:
                        yield from groups(file)
            if rows:
                yield table_of(rows, terms)

        if rows or parts:
            # What has parts only may be of an instrument that this journal has not.
            terms = self._terms_of(symbol) if rows else terms_of(pq.read_schema(parts[0]))
            write(files.whole, in_order(tables()), terms)
        if rows:
            self._forget(day, symbol, rows[-1].id)
        for part in parts:
            part.unlink()
        if files.folder.exists():
            files.folder.rmdir()
        if files.folder.parent.exists() and not any(files.folder.parent.iterdir()):
            files.folder.parent.rmdir()


def _opened(path: Path) -> Database:
    """The database; one of another schema is made anew."""
    db = Database(path)
    if db.table_names() and db.execute("pragma user_version").fetchone()[0] != SCHEMA:
        db.close()
        remove(path)
        db = Database(path)
    db.enable_wal()
    # A power loss may take the last transactions: then what the files have beyond them is cut off and made again.
    db.execute("pragma synchronous = normal")
    for name, (columns, pk) in TABLES.items():
        db.table(name).create(columns, pk=pk, if_not_exists=True)
    db.execute("create index if not exists pending_of on pending (day, symbol, id)")
    db.execute(f"pragma user_version = {SCHEMA}")
    return db


def _place(row: dict[str, Any]) -> Place:
    return Place(row["segment"], row["offset"])


def latest_row(row: Row, instrument: Instrument) -> dict[str, Any]:
    """A row as the `latest` table has it: decimal text, None where there is nothing."""
    prices, qtys = instrument.price_digits, instrument.qty_digits
    bid, ask = (levels[0] if levels else None for levels in (row.bids, row.asks))
    last, day = row.last, row.day
    return {
        "symbol": instrument.symbol,
        "at": moment(row.at),
        "bid": bid and to_text(bid[0], prices),
        "bid_qty": bid and to_text(bid[1], qtys),
        "ask": ask and to_text(ask[0], prices),
        "ask_qty": ask and to_text(ask[1], qtys),
        "mid": to_text(5 * (bid[0] + ask[0]), prices + 1) if bid and ask else None,
        "last_px": last and to_text(last[0], prices),
        "last_qty": last and to_text(last[1], qtys),
        **{name: to_text(getattr(day, name), prices) if day.volume else None for name in ("open", "high", "low")},
        "volume": to_text(day.volume, qtys),
        "vwap": average_text(day.turnover, day.volume, prices) if day.volume else None,
        "mark": to_text(row.mark, prices) if row.mark else None,
    }


def main() -> None:
    """Record the history, see `follow_until_ended`, and close its files."""
    follow_until_ended(
        History, "market.sqlite.lock", "another process records this market's history", POLL_SECONDS
    ).close()


if __name__ == "__main__":
    main()
