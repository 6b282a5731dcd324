"""A price-time priority book of one instrument, in integers.

It is used three ways: orders that rest with us and cross each other, the whole market of a broker that is an
exchange, and the consolidated book, whose entries are the price levels of venues.
"""

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

import msgspec
from sortedcontainers import SortedDict

from brokerfix.domain import Side

Key = TypeVar("Key", bound=Hashable)


class Entry(msgspec.Struct, Generic[Key], gc=False):
    """One order or venue level: whose, on which side, at what price (ticks), how much (scaled). One that `floats` goes
    by the others' prices."""

    key: Key
    side: Side
    price: int
    qty: int
    floats: bool = False


class Level(msgspec.Struct, Generic[Key], gc=False):
    """The entries of one price, oldest first, their total quantity, and how many of them float."""

    entries: dict[Key, Entry[Key]] = {}
    qty: int = 0
    floating: int = 0


class Book(Generic[Key]):
    """Entries by side, best price first and, within a price, oldest first. Reading never changes it.

    add: O(log levels). find, increase, reduce, remove: O(1) but for the removal of an emptied level.
    """

    def __init__(self) -> None:
        self.entries: dict[Key, Entry[Key]] = {}
        # A bid's level is filed under -price, so that the first level of either side is its best.
        self._bids: SortedDict[int, Level[Key]] = SortedDict()
        self._asks: SortedDict[int, Level[Key]] = SortedDict()

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, key: Key) -> bool:
        return key in self.entries

    def add(self, key: Key, side: Side, price: int, qty: int, floats: bool = False) -> None:
        """Add an entry behind all of its price. Its key must be new and its quantity positive."""
        assert key not in self.entries, key
        assert qty > 0, (key, qty)
        entry = self.entries[key] = Entry(key, side, price, qty, floats)
        levels, rank = self._place(entry)
        level = levels.get(rank)
        if level is None:
            level = levels[rank] = Level()
        level.entries[key] = entry
        level.qty += qty
        level.floating += floats

    def reduce(self, key: Key, qty: int) -> None:
        """Take `qty` off an entry, which keeps its priority and is gone when nothing is left."""
        entry = self.entries[key]
        assert 0 < qty <= entry.qty, (key, qty, entry.qty)
        if qty == entry.qty:
            self.remove(key)
            return
        entry.qty -= qty
        levels, rank = self._place(entry)
        levels[rank].qty -= qty

    def increase(self, key: Key, qty: int) -> None:
        """Add `qty` to an entry, which goes behind all of its price."""
        assert qty > 0, (key, qty)
        entry = self.entries[key]
        entry.qty += qty
        levels, rank = self._place(entry)
        level = levels[rank]
        level.qty += qty
        if len(level.entries) > 1:
            del level.entries[key]
            level.entries[key] = entry

    def remove(self, key: Key) -> None:
        entry = self.entries.pop(key)
        levels, rank = self._place(entry)
        level = levels[rank]
        del level.entries[key]
        level.qty -= entry.qty
        level.floating -= entry.floats
        if not level.entries:
            del levels[rank]

    def _place(self, entry: Entry[Key]) -> tuple["SortedDict[int, Level[Key]]", int]:
        return (self._bids, -entry.price) if entry.side is Side.BUY else (self._asks, entry.price)

    def best(self, side: Side) -> int | None:
        """The best price of a side, or None if it is empty."""
        levels = self._bids if side is Side.BUY else self._asks
        if not levels:
            return None
        rank: int = levels.keys()[0]
        return -rank if side is Side.BUY else rank

    def top(self, side: Side) -> tuple[int, int] | None:
        """(best price, total quantity there) of a side, or None if it is empty."""
        levels = self._bids if side is Side.BUY else self._asks
        if not levels:
            return None
        rank, level = levels.peekitem(0)
        return (-rank if side is Side.BUY else rank), level.qty

    def best_anchor(self, side: Side, but: Key | None = None) -> int | None:
        """The best price at which an entry stands that does not float and is not `but`; O(levels without one)."""
        sign = -1 if side is Side.BUY else 1
        for rank, level in (self._bids if side is Side.BUY else self._asks).items():
            anchors = len(level.entries) - level.floating
            if anchors and not (anchors == 1 and but in level.entries and not self.entries[but].floats):
                return sign * rank
        return None

    def walk(self, side: Side) -> Iterator[Entry[Key]]:
        """All entries of a side in priority order. The book must not change during the walk."""
        for level in (self._bids if side is Side.BUY else self._asks).values():
            yield from level.entries.values()

    def by_price(self, side: Side) -> Iterator[list[Entry[Key]]]:
        """The entries of each price in time order, best price first. The book must not change during the walk."""
        for level in (self._bids if side is Side.BUY else self._asks).values():
            yield list(level.entries.values())

    def levels(self, side: Side) -> Iterator[tuple[int, int]]:
        """(price, total quantity) of each level, best first."""
        sign = -1 if side is Side.BUY else 1
        for rank, level in (self._bids if side is Side.BUY else self._asks).items():
            yield sign * rank, level.qty


def at_least_as_good(side: Side, price: int, limit: int) -> bool:
    """Whether one who trades on `side` with `limit` would take `price`."""
    return price <= limit if side is Side.BUY else price >= limit
