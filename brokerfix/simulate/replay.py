"""A simulated exchange's book as a recording has it, in our instrument's ticks and lots.

A bid is rounded down to our tick and an offer up, so that a book never crosses by rounding; what meets at one tick is
added up. Quantities are an exchange's share of what was recorded, rounded down to our lot. A trade's price is rounded
as the level that its taker took, and down where nobody knows who that was. What is left with no price above 0, or with
no quantity, is left out.
"""

import math
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from brokerfix.simulate.recording import ASK, BID, BOOK, TOP, TRADE, Event, Levels

NEW, CHANGED, DELETED = "0", "1", "2"
"""MDUpdateAction(279)."""
ENTRY_TYPES = {BID: "0", ASK: "1", TRADE: "2"}
"""MDEntryType(269); that of a trade is its kind's."""

Entry = tuple[str, str, int, int]
"""(MDUpdateAction, MDEntryType, price, quantity), scaled."""


class Terms(msgspec.Struct, frozen=True):
    """How our instrument is called and quoted; `tick` and `lot` are scaled by the digits."""

    symbol: str
    price_digits: int
    qty_digits: int
    tick: int = 1
    lot: int = 1


class Replica:
    """One simulated exchange: the book of a recorded venue, prices moved by `shift` and quantities times `share`.
    `rpt_seq` is the RptSeq(83) of the last entry that was told, or was to be."""

    def __init__(self, terms: Terms, shift: Decimal = Decimal(0), share: Decimal = Decimal(1)) -> None:
        self.terms = terms
        self.shift = shift
        self.share = share
        self.rpt_seq = 0
        self.levels: dict[str, dict[int, int]] = {BID: {}, ASK: {}}
        self._recorded: dict[str, dict[Decimal, Decimal]] = {BID: {}, ASK: {}}
        self._totals: dict[str, dict[int, Decimal]] = {BID: {}, ASK: {}}
        self._prices: dict[str, dict[Decimal, int]] = {BID: {}, ASK: {}}

    def apply(self, event: Event) -> list[Entry]:
        """Take an event in. Returns what it changes of our book, and its trade; levels that go stand first. Their
        RptSeqs are the next ones, which are counted from now on."""
        if event.kind == TRADE:
            entries = list(self._trades(event.levels))
        else:
            levels = self._replaced(event.levels) if event.kind in (BOOK, TOP) else event.levels
            entries = self._changed(levels)
        self.rpt_seq += len(entries)
        return entries

    def open(self, event: Event) -> None:
        """Begin with a book, before anybody is told anything."""
        self.apply(event)
        self.rpt_seq = 0

    def snapshot(self) -> list[tuple[str, int, int]]:
        """(MDEntryType, price, quantity) of all levels: bids, then offers, the best first."""
        return [
            (ENTRY_TYPES[side], price, qty)
            for side in (BID, ASK)
            for price, qty in sorted(self.levels[side].items(), reverse=side == BID)
        ]

    def _replaced(self, levels: Levels) -> Levels:
        """The changes that lead from what was recorded last to a whole book."""
        stays = {(side, price) for side, price, _ in levels}
        gone = [
            (side, price, Decimal(0))
            for side, recorded in self._recorded.items()
            for price in recorded
            if (side, price) not in stays
        ]
        return gone + levels

    def _changed(self, levels: Levels) -> list[Entry]:
        touched: dict[tuple[str, int], None] = {}
        for side, price, qty in levels:
            recorded, totals = self._recorded[side], self._totals[side]
            before = recorded.get(price)
            if qty:
                recorded[price] = qty
            elif before is None:
                continue
            else:
                del recorded[price]
            ours = self._prices[side].get(price)
            if ours is None:
                ours = self._prices[side][price] = self._price(side, price)
            if ours <= 0:
                continue
            totals[ours] = totals.get(ours, Decimal(0)) + qty - (before or 0)
            touched[side, ours] = None
        gone: list[Entry] = []
        others: list[Entry] = []
        for side, ours in touched:
            entry = self._entry(side, ours)
            if entry is not None:
                (gone if entry[0] == DELETED else others).append(entry)
        return gone + others

    def _entry(self, side: str, price: int) -> Entry | None:
        """Bring our level up to what was recorded. Returns what that is to be told as, if it is anything."""
        levels, totals = self.levels[side], self._totals[side]
        qty = self._qty(totals[price])
        if not totals[price]:
            del totals[price]
        before = levels.get(price, 0)
        if qty == before:
            return None
        if not qty:
            del levels[price]
            return DELETED, ENTRY_TYPES[side], price, 0
        levels[price] = qty
        return CHANGED if before else NEW, ENTRY_TYPES[side], price, qty

    def _trades(self, trades: Levels) -> Iterator[Entry]:
        for taker, price, qty in trades:
            ours, of_ours = self._price(ASK if taker == BID else BID, price), self._qty(qty)
            if ours > 0 and of_ours:
                yield NEW, ENTRY_TYPES[TRADE], ours, of_ours

    def _price(self, side: str, price: Decimal) -> int:
        scaled, tick = (price + self.shift).scaleb(self.terms.price_digits), self.terms.tick
        return math.floor(scaled) // tick * tick if side == BID else -(-math.ceil(scaled) // tick * tick)

    def _qty(self, qty: Decimal) -> int:
        return math.floor((qty * self.share).scaleb(self.terms.qty_digits)) // self.terms.lot * self.terms.lot
