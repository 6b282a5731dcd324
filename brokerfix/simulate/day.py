"""What happens at exchanges on a day, as steps in our instruments' ticks and lots: out of a recording, or of a market
history."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from brokerfix.domain import Side
from brokerfix.simulate.queue import Top
from brokerfix.simulate.recording import ASK, BID, TOP, TRADE, Contents, events, has_book
from brokerfix.simulate.replay import ENTRY_TYPES, Replica, Terms

SIDES = {ENTRY_TYPES[BID]: Side.BUY, ENTRY_TYPES[ASK]: Side.SELL}
TAKERS = {BID: Side.BUY, ASK: Side.SELL}
Place = tuple[str, str]
"""(exchange, symbol)."""
DEPTH, TRADED, BEST = "depth", "trade", "top"


class Step(NamedTuple):
    """What one place tells at a time (ns): changed levels (depth), the best bid and offer (top, each perhaps None), or
    a trade, (its taker's side or None, price, quantity)."""

    at: int
    place: Place
    kind: str
    told: Sequence[Any]


class Source(NamedTuple):
    """A recorded venue as a place: its instrument, what is added to prices, and its share of the quantities."""

    place: Place
    terms: Terms
    shift: Decimal = Decimal(0)
    share: Decimal = Decimal(1)


class Recorded:
    """A recording's steps, read anew at each iteration. The best levels of a venue that tells of whole books, too, are
    told as tops: they are newer than its depth. Raises RecordingError."""

    def __init__(self, path: Path, contents: Contents, sources: dict[str, list[Source]]) -> None:
        """`sources` are by recorded venue."""
        self._path, self._contents, self._sources = path, contents, sources

    def __iter__(self) -> Iterator[Step]:
        feeds = {
            venue: [_Feed(source, has_book(self._contents.kinds[venue])) for source in sources]
            for venue, sources in self._sources.items()
        }
        for event in events(self._path, feeds):
            for feed in feeds[event.venue]:
                step = feed.trade if event.kind == TRADE else feed.top if event.kind == TOP else feed.depth
                yield from step(event.at, event)


class _Feed:
    def __init__(self, source: Source, has_depth: bool) -> None:
        self._place = source.place
        self._book = Replica(source.terms, source.shift, source.share)
        # Tops are a book of their own: the depth goes on from what it was.
        self._tops = Replica(source.terms, source.shift, source.share) if has_depth else None

    def trade(self, at: int, event: Any) -> Iterator[Step]:
        taker = TAKERS.get(event.levels[0][0])
        for _, _, price, qty in self._book.apply(event):
            yield Step(at, self._place, TRADED, (taker, price, qty))

    def depth(self, at: int, event: Any) -> Iterator[Step]:
        levels = tuple((SIDES[kind], price, qty) for _, kind, price, qty in self._book.apply(event))
        if levels:
            yield Step(at, self._place, DEPTH, levels)

    def top(self, at: int, event: Any) -> Iterator[Step]:
        if self._tops is None:
            yield from self.depth(at, event)
        elif self._tops.apply(event):
            bids, asks = self._tops.levels[BID], self._tops.levels[ASK]
            best: tuple[Top, Top] = next(iter(bids.items()), None), next(iter(asks.items()), None)
            yield Step(at, self._place, BEST, best)


class History:
    """The steps of a symbol's market history: the levels that each row names at these exchanges are all that they
    show, and what has traded from one row to the next is one trade at the last price, at the exchange that showed
    it."""

    def __init__(self, tables: Callable[[], Iterable[Any]], symbol: str, venues: Sequence[str], levels: int) -> None:
        """`tables` gives Arrow tables of the history's columns, see `projections.columns`, with that many levels."""
        self._tables, self._symbol, self._venues, self._levels = tables, symbol, venues, levels

    def __iter__(self) -> Iterator[Step]:
        shown: dict[str, dict[tuple[Side, int], int]] = {venue: {} for venue in self._venues}
        volume = 0
        for table in self._tables():
            for row in table.cast(_plain(table.schema)).to_pylist():
                at, now = row["at"], int(row["volume"])
                traded, volume = max(0, now - volume), now
                if traded and row["last_px"]:
                    yield from self._trade(at, row["last_px"], traded, shown)
                found = self._books(row)
                for venue, book in found.items():
                    changed = _changes(shown[venue], book)
                    if changed:
                        shown[venue] = book
                        yield Step(at, (venue, self._symbol), DEPTH, changed)

    def _books(self, row: dict[str, Any]) -> dict[str, dict[tuple[Side, int], int]]:
        books: dict[str, dict[tuple[Side, int], int]] = {venue: {} for venue in self._venues}
        for side, name in ((Side.BUY, "bid"), (Side.SELL, "ask")):
            for number in range(1, self._levels + 1):
                venue, price = row[f"{name}{number}_venue"], row[f"{name}{number}"]
                if venue in books and price is not None:
                    key = side, price
                    books[venue][key] = books[venue].get(key, 0) + row[f"{name}{number}_qty"]
        return books

    def _trade(self, at: int, price: int, qty: int, shown: dict[str, dict[tuple[Side, int], int]]) -> Iterator[Step]:
        for venue, book in shown.items():
            for taker in Side:
                if (taker.opposite, price) in book:
                    yield Step(at, (venue, self._symbol), TRADED, (taker, price, qty))
                    return
        if self._venues:
            yield Step(at, (self._venues[0], self._symbol), TRADED, (None, price, qty))


def _plain(schema: Any) -> Any:
    """The schema with times as whole numbers of ns."""
    import pyarrow as pa

    return schema.set(schema.get_field_index("at"), pa.field("at", pa.int64()))


def _changes(
    before: dict[tuple[Side, int], int], now: dict[tuple[Side, int], int]
) -> tuple[tuple[Side, int, int], ...]:
    gone = [(side, price, 0) for side, price in before if (side, price) not in now]
    return (*gone, *((*key, qty) for key, qty in now.items() if before.get(key) != qty))
