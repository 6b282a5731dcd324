"""Price discovery: the quotes of all venues as one consolidated book per symbol.

This is the live view. It is changed by market data and not by facts, is empty after a restart until the venues
have sent their snapshots, and is no part of the state hash.
"""

from collections.abc import Iterator
from itertools import islice

from brokerfix.commands import MarketUpdate
from brokerfix.domain import DayTotals, Side
from brokerfix.engine.matching.book import Book, Entry, at_least_as_good

VenueLevel = tuple[str, Side, int]
"""A venue's price level: (venue, side, price)."""


class Market:
    """Consolidated books by symbol, which venues are up, and which symbols changed since they were published (`dirty`)
    and since they were recorded. `is_told`: somebody takes the `prints`."""

    def __init__(self) -> None:
        self.up: dict[str, bool] = {}
        self.books: dict[str, Book[VenueLevel]] = {}
        self.last: dict[str, tuple[int, int]] = {}
        self.totals: dict[str, DayTotals] = {}
        self.dirty: dict[str, None] = {}
        self.prints: dict[str, list[tuple[int, int]]] = {}
        self.is_told = False
        self.unrecorded: dict[str, None] = {}

    def apply(self, update: MarketUpdate) -> None:
        """Put a venue's market data into the view. A venue that is not up has no quotes."""
        if not self.up.get(update.venue):
            return
        book = self.books[update.symbol]
        if update.snapshot:
            self._forget(book, update.venue)
        for side, price, qty in update.levels:
            level = (update.venue, side, price)
            entry = book.entries.get(level)
            if entry is None:
                if qty > 0:
                    book.add(level, side, price, qty)
            elif qty <= 0:
                book.remove(level)
            elif qty < entry.qty:
                book.reduce(level, entry.qty - qty)
            elif qty > entry.qty:
                # More at a price queues behind what was there.
                book.remove(level)
                book.add(level, side, price, qty)
        for price, qty in update.trades:
            self.traded(update.symbol, price, qty)
        self.changed(update.symbol)

    def traded(self, symbol: str, price: int, qty: int) -> None:
        self.last[symbol] = (price, qty)
        day = self.totals.get(symbol)
        if day is None or not day.volume:
            self.totals[symbol] = DayTotals(price, price, price, qty, price * qty)
        else:
            high, low = max(day.high, price), min(day.low, price)
            self.totals[symbol] = DayTotals(day.open, high, low, day.volume + qty, day.turnover + price * qty)
        if self.is_told:
            self.prints.setdefault(symbol, []).append((price, qty))
        self.changed(symbol)

    def changed(self, symbol: str) -> None:
        """Something of the symbol's market, or of our own book, is to be told and recorded."""
        self.dirty[symbol] = None
        self.unrecorded[symbol] = None

    def venue_down(self, venue: str) -> None:
        """The venue's quotes leave every book at once."""
        self.up[venue] = False
        for symbol, book in self.books.items():
            if self._forget(book, venue):
                self.changed(symbol)

    def take(self, symbol: str, venue: str, side: Side, qty: int, limit: int) -> None:
        """An order of ours goes for the venue's `side` up to `limit`: what it aims at is not offered a second time.

        The venue's next message about such a level says what is really left of it.
        """
        book = self.books[symbol]
        hit: list[tuple[VenueLevel, int]] = []
        for entry in book.walk(side):
            if not qty or not at_least_as_good(side.opposite, entry.price, limit):
                break
            if entry.key[0] == venue:
                part = min(qty, entry.qty)
                hit.append((entry.key, part))
                qty -= part
        for key, part in hit:
            book.reduce(key, part)
        if hit:
            self.changed(symbol)

    def refused(self, symbol: str, venue: str, side: Side, limit: int) -> None:
        """The venue has just not filled an order that went for its `side` up to `limit` (0: any price): what it shows
        there is gone until its next message about it."""
        book = self.books[symbol]
        gone = [entry.key for entry in book.walk(side) if is_stale(entry, side, venue, limit)]
        for key in gone:
            book.remove(key)
        if gone:
            self.changed(symbol)

    def best(self, symbol: str, side: Side) -> int | None:
        return self.books[symbol].best(side)

    def walk(self, symbol: str, side: Side) -> Iterator[Entry[VenueLevel]]:
        return self.books[symbol].walk(side)

    def by_price(self, symbol: str, side: Side) -> Iterator[list[Entry[VenueLevel]]]:
        return self.books[symbol].by_price(side)

    @staticmethod
    def _forget(book: Book[VenueLevel], venue: str) -> bool:
        gone = [key for key in book.entries if key[0] == venue]
        for key in gone:
            book.remove(key)
        return bool(gone)


def is_stale(quote: Entry[VenueLevel], side: Side, venue: str, limit: int) -> bool:
    """Whether a quote is one that an order at the venue with this limit (0: any price) was to take."""
    return quote.key[0] == venue and (not limit or at_least_as_good(side.opposite, quote.price, limit))


def merged_levels(
    ours: Iterator[tuple[int, int]], theirs: Iterator[tuple[int, int]], side: Side, depth: int
) -> tuple[tuple[int, int], ...]:
    """The best `depth` (0: all) levels (price, quantity) of two sides' levels, each given best first."""
    total: dict[int, int] = {}
    for levels in (ours, theirs):
        for price, qty in islice(levels, depth or None):
            total[price] = total.get(price, 0) + qty
    ranked = sorted(total.items(), reverse=side is Side.BUY)
    return tuple(ranked[: depth or None])
