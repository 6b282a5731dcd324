"""Price discovery: the quotes of all venues as one consolidated book per symbol.

This is the live view. It is changed by market data and not by facts, is empty after a restart until the venues
have sent their snapshots, and is no part of the state hash.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from statistics import median_low

import msgspec
from sortedcontainers import SortedDict

from brokerfix.commands import MarketUpdate
from brokerfix.domain import DayTotals, Instrument, Side
from brokerfix.engine.matching.book import Book, Entry, at_least_as_good

VenueLevel = tuple[str, Side, int]
"""A venue's price level: (venue, side, price)."""
GAP, STALE, HALTED, OUTLIER = "gap", "stale", "halted", "outlier"
"""Why a venue's quotes are left out of the consolidated book."""


class Quotes:
    """What one venue shows of a symbol, as it has told: quantities by rank (a bid's is -price), and why they are `out`
    of the consolidated book (none: they are in it)."""

    __slots__ = ("asks", "bids", "out")

    def __init__(self) -> None:
        self.bids: SortedDict[int, int] = SortedDict()
        self.asks: SortedDict[int, int] = SortedDict()
        self.out: dict[str, None] = {}

    def side(self, side: Side) -> "SortedDict[int, int]":
        return self.bids if side is Side.BUY else self.asks

    def qty(self, side: Side, price: int) -> int:
        return self.bids.get(-price, 0) if side is Side.BUY else self.asks.get(price, 0)

    def set(self, side: Side, price: int, qty: int) -> None:
        levels, rank = (self.bids, -price) if side is Side.BUY else (self.asks, price)
        if qty > 0:
            levels[rank] = qty
        else:
            levels.pop(rank, None)

    def levels(self) -> Iterator[tuple[Side, int, int]]:
        yield from ((Side.BUY, -rank, qty) for rank, qty in self.bids.items())
        yield from ((Side.SELL, price, qty) for price, qty in self.asks.items())

    def middle(self) -> int | None:
        """Twice the mid, or of one side twice its best price; None without quotes."""
        bid = -self.bids.keys()[0] if self.bids else None
        ask = self.asks.keys()[0] if self.asks else bid
        return None if ask is None else ask + (ask if bid is None else bid)


class Flight(msgspec.Struct, gc=False):
    """What a child that is under way aims at: the quantity by level. `answered`: the exchange has told of the child, so
    that its next word about a level takes the child into account."""

    symbol: str
    parts: dict[VenueLevel, int]
    answered: bool = False


class Flow(msgspec.Struct, gc=False):
    """The order flow imbalance of a symbol's best quotes over its late changes: what each adds (Cont, Kukanov & Stoikov
    2014, as `making.models.skews.order_flow` has it) and the mean quantity at a best price, both fading by FADE with
    each change. `best` is (bid, quantity, ask, quantity)."""

    best: tuple[int, int, int, int] | None = None
    flow: float = 0.0
    depth: float = 0.0

    def note(self, bid: tuple[int, int] | None, ask: tuple[int, int] | None) -> None:
        """The best quotes are these. Where a side is missing it begins anew."""
        if bid is None or ask is None:
            self.best, self.flow, self.depth = None, 0.0, 0.0
            return
        now, before = (*bid, *ask), self.best
        if before is None:
            self.best, self.depth = now, (bid[1] + ask[1]) / 2
        elif now != before:
            added = (now[1] if now[0] >= before[0] else 0) - (before[1] if now[0] <= before[0] else 0)
            added += (before[3] if now[2] >= before[2] else 0) - (now[3] if now[2] <= before[2] else 0)
            self.flow = FADE * self.flow + added
            self.depth = FADE * self.depth + (1 - FADE) * (bid[1] + ask[1]) / 2
            self.best = now

    @property
    def by_depth(self) -> float:
        """The flow in mean quantities at a best price."""
        return self.flow / self.depth if self.depth else 0.0


FADE = 0.9
"""What a change of the best quotes leaves of those before it: ten are in sight."""


class Market:
    """Consolidated books by symbol, which venues are up, and which symbols changed since they were published (`dirty`)
    and since they were recorded. `is_told`: somebody takes the `prints`. `bands` are by symbol how far a venue may be
    from the others (times the median absolute deviation, and the tick), where that is looked at; `news` are the quotes
    that were left out of late, (venue, symbol, why)."""

    def __init__(self) -> None:
        self.up: dict[str, bool] = {}
        self.books: dict[str, Book[VenueLevel]] = {}
        self.quotes: dict[tuple[str, str], Quotes] = {}
        self.of_symbol: dict[str, dict[str, Quotes]] = {}
        self.flights: dict[int, Flight] = {}
        self.aimed: dict[tuple[str, VenueLevel], dict[int, int]] = {}
        self.bands: dict[str, tuple[int, int]] = {}
        self.last: dict[str, tuple[int, int]] = {}
        self.totals: dict[str, DayTotals] = {}
        self.dirty: dict[str, None] = {}
        self.prints: dict[str, list[tuple[int, int]]] = {}
        self.is_told = False
        self.unrecorded: dict[str, None] = {}
        self.news: list[tuple[str, str, str]] = []
        self.flows: dict[str, Flow] = {}

    def lean_by(self, symbols: Iterable[str]) -> None:
        """The order flow of these symbols is kept from now on, and of no others."""
        self.flows = {symbol: self.flows.get(symbol) or Flow() for symbol in symbols}

    def define(self, instrument: Instrument) -> None:
        """There is such an instrument, or it is another one now."""
        self.books.setdefault(instrument.symbol, Book())
        self.bands.pop(instrument.symbol, None)
        if instrument.outlier_mads:
            self.bands[instrument.symbol] = (instrument.outlier_mads, instrument.tick)
            return
        for venue in list(self.of_symbol.get(instrument.symbol, ())):
            self.take_in(venue, instrument.symbol, OUTLIER)

    def apply(self, update: MarketUpdate) -> None:
        """Put a venue's market data into the view. A venue that is not up has no quotes."""
        venue, symbol = update.venue, update.symbol
        if not self.up.get(venue):
            return
        quotes = self._quotes(venue, symbol)
        levels: Iterable[tuple[Side, int, int]] = update.levels
        if update.snapshot:
            told = {(side, price) for side, price, _ in levels}
            gone = ((side, price, 0) for side, price, _ in list(quotes.levels()) if (side, price) not in told)
            levels = (*gone, *levels)
        book = self.books[symbol]
        for side, price, qty in levels:
            quotes.set(side, price, qty)
            level = (venue, side, price)
            if self.aimed:
                self._heard(symbol, level)
            if not quotes.out:
                self._show(book, symbol, level, qty)
        for price, qty in update.trades:
            if update.snapshot:
                # It may have been told before: it is the last, and no more volume.
                self.last[symbol] = (price, qty)
            else:
                self.traded(symbol, price, qty)
        if symbol in self.bands:
            self._judge(symbol)
        if symbol in self.flows:
            self.flows[symbol].note(book.top(Side.BUY), book.top(Side.SELL))
        self.changed(symbol)

    def _quotes(self, venue: str, symbol: str) -> Quotes:
        quotes = self.quotes.get((venue, symbol))
        if quotes is None:
            quotes = self.quotes[venue, symbol] = Quotes()
            self.of_symbol.setdefault(symbol, {})[venue] = quotes
        return quotes

    def _show(self, book: Book[VenueLevel], symbol: str, level: VenueLevel, qty: int) -> None:
        """Have a level in the consolidated book with what the venue shows there less what of ours is under way to
        it."""
        if self.aimed:
            qty -= sum(self.aimed.get((symbol, level), {}).values())
        entry = book.entries.get(level)
        if entry is None:
            if qty > 0:
                book.add(level, level[1], level[2], qty)
        elif qty <= 0:
            book.remove(level)
        elif qty < entry.qty:
            book.reduce(level, entry.qty - qty)
        elif qty > entry.qty:
            # More at a price queues behind what was there.
            book.increase(level, qty - entry.qty)

    def traded(self, symbol: str, price: int, qty: int) -> None:
        self.last[symbol] = (price, qty)
        day = self.totals.get(symbol)
        if day is None or not day.volume:
            self.totals[symbol] = DayTotals.of(price, price, price, qty, price * qty)
        else:
            high, low = max(day.high, price), min(day.low, price)
            self.totals[symbol] = DayTotals.of(day.open, high, low, day.volume + qty, day.turnover + price * qty)
        if self.is_told:
            self.prints.setdefault(symbol, []).append((price, qty))
        self.changed(symbol)

    def begin_day(self) -> None:
        """Nothing has traded yet."""
        for symbol in self.totals:
            self.changed(symbol)
        self.totals.clear()

    def changed(self, symbol: str) -> None:
        """Something of the symbol's market, or of our own book, is to be told and recorded."""
        self.dirty[symbol] = None
        self.unrecorded[symbol] = None

    def venue_down(self, venue: str) -> None:
        """The venue's quotes leave every book at once."""
        self.up[venue] = False
        for key in [key for key in self.quotes if key[0] == venue]:
            quotes = self.quotes.pop(key)
            del self.of_symbol[key[1]][venue]
            self._hide(quotes, *key)
            if key[1] in self.bands:
                self._judge(key[1])

    def leave_out(self, venue: str, symbol: str, why: str) -> bool:
        """The venue's quotes of the symbol do not count for a reason, until it is over. Returns whether that is new."""
        quotes = self._quotes(venue, symbol)
        if why in quotes.out:
            return False
        if not quotes.out:
            self._hide(quotes, venue, symbol)
        quotes.out[why] = None
        self.news.append((venue, symbol, why))
        return True

    def take_in(self, venue: str, symbol: str, why: str) -> bool:
        """A reason for which the venue's quotes did not count is over. Returns whether there was one."""
        quotes = self.quotes.get((venue, symbol))
        if quotes is None or why not in quotes.out:
            return False
        del quotes.out[why]
        if not quotes.out:
            for side, price, qty in quotes.levels():
                self._show(self.books[symbol], symbol, (venue, side, price), qty)
            self.changed(symbol)
        return True

    def _hide(self, quotes: Quotes, venue: str, symbol: str) -> None:
        book = self.books[symbol]
        for side, price, _ in quotes.levels():
            if (venue, side, price) in book:
                book.remove((venue, side, price))
        self.changed(symbol)

    def why_out(self, venue: str, symbol: str) -> str:
        """Why the venue's quotes of the symbol do not count, "" if they do or there are none."""
        quotes = self.quotes.get((venue, symbol))
        return ", ".join(quotes.out) if quotes is not None else ""

    def is_halted(self, venue: str, symbol: str) -> bool:
        """Whether the venue has said that it does not trade the symbol now."""
        quotes = self.quotes.get((venue, symbol))
        return quotes is not None and HALTED in quotes.out

    def _judge(self, symbol: str) -> None:
        """Leave out the venues whose mid is too far from those of the others."""
        middles = {}
        for venue, quotes in self.of_symbol[symbol].items():
            middle = quotes.middle() if not quotes.out.keys() - {OUTLIER} else None
            if middle is not None:
                middles[venue] = middle
        far = outliers(middles, *self.bands[symbol])
        for venue in middles:
            if venue in far:
                self.leave_out(venue, symbol, OUTLIER)
            else:
                self.take_in(venue, symbol, OUTLIER)

    def take(self, child_id: int, symbol: str, venue: str, side: Side, qty: int, limit: int) -> None:
        """A child order of ours goes for the venue's `side` up to `limit`: what it aims at is not offered a second time
        until the child is answered and the venue tells of the level, or the child is over."""
        book = self.books[symbol]
        best = book.best(side)
        if best is None or not at_least_as_good(side.opposite, best, limit):
            # Most orders that rest aim at nothing.
            return
        parts: dict[VenueLevel, int] = {}
        for entry in book.walk(side):
            if not at_least_as_good(side.opposite, entry.price, limit):
                break
            if entry.key[0] == venue:
                parts[entry.key] = part = min(qty, entry.qty)
                qty -= part
                if not qty:
                    break
        for key, part in parts.items():
            book.reduce(key, part)
            aims = self.aimed.get((symbol, key))
            if aims is None:
                self.aimed[symbol, key] = {child_id: part}
            else:
                aims[child_id] = part
        if parts:
            self.flights[child_id] = Flight(symbol, parts)
            self.changed(symbol)

    def answered(self, child_id: int) -> None:
        """The exchange has told of a child: from now on its word about a level is of after the child."""
        flight = self.flights.get(child_id)
        if flight is not None:
            flight.answered = True

    def filled(self, child_id: int, qty: int, price: int) -> None:
        """So much of a child has been filled: the venue shows so much less, until its next word."""
        flight = self.flights.get(child_id)
        if flight is None:
            return
        flight.answered = True
        parts, symbol = flight.parts, flight.symbol
        # Some are filled at a better price than they were sent for.
        for level in [level for level in parts if level[2] == price] or list(parts):
            part = min(qty, parts[level])
            qty -= part
            quotes = self.quotes.get((level[0], symbol))
            if quotes is not None:
                quotes.set(level[1], level[2], quotes.qty(level[1], level[2]) - part)
            left = parts[level] - part
            self._aim(symbol, level, child_id, left)
            if left:
                parts[level] = left
            else:
                del parts[level]
        if not parts:
            del self.flights[child_id]

    def landed(self, child_id: int) -> None:
        """A child is over: what it aimed at and did not get is offered again."""
        flight = self.flights.pop(child_id, None)
        if flight is None:
            return
        book = self.books[flight.symbol]
        for level in flight.parts:
            self._aim(flight.symbol, level, child_id, 0)
            quotes = self.quotes.get((level[0], flight.symbol))
            if quotes is not None and not quotes.out:
                self._show(book, flight.symbol, level, quotes.qty(level[1], level[2]))
        self.changed(flight.symbol)

    def _aim(self, symbol: str, level: VenueLevel, child_id: int, qty: int) -> None:
        """A child aims at so much of a level now."""
        aims = self.aimed.get((symbol, level))
        if aims is None:
            return
        if qty:
            aims[child_id] = qty
        else:
            aims.pop(child_id, None)
            if not aims:
                del self.aimed[symbol, level]

    def _heard(self, symbol: str, level: VenueLevel) -> None:
        """The venue tells of a level: what children that it has answered aimed at there is in it."""
        aims = self.aimed.get((symbol, level))
        if aims is not None:
            for child_id in [child_id for child_id in aims if self.flights[child_id].answered]:
                self.flights[child_id].parts.pop(level)
                self._aim(symbol, level, child_id, 0)

    def refused(self, symbol: str, venue: str, side: Side, limit: int) -> None:
        """The venue has just not filled an order that went for its `side` up to `limit` (0: any price): what it shows
        there is gone until its next message about it."""
        book, quotes = self.books[symbol], self._quotes(venue, symbol)
        gone = [
            price
            for of, price, _ in list(quotes.levels())
            if of is side and (not limit or at_least_as_good(side.opposite, price, limit))
        ]
        for price in gone:
            quotes.set(side, price, 0)
            if (venue, side, price) in book:
                book.remove((venue, side, price))
        if gone:
            self.changed(symbol)

    def best(self, symbol: str, side: Side) -> int | None:
        return self.books[symbol].best(side)

    def walk(self, symbol: str, side: Side) -> Iterator[Entry[VenueLevel]]:
        return self.books[symbol].walk(side)

    def by_price(self, symbol: str, side: Side) -> Iterator[list[Entry[VenueLevel]]]:
        return self.books[symbol].by_price(side)


def is_stale(quote: Entry[VenueLevel], side: Side, venue: str, limit: int) -> bool:
    """Whether a quote is one that an order at the venue with this limit (0: any price) was to take."""
    return quote.key[0] == venue and (not limit or at_least_as_good(side.opposite, quote.price, limit))


def outliers(middles: dict[str, int], times: int, tick: int) -> list[str]:
    """The venues whose mid (given twice, in ticks of the price) is further from the median of all than `times` the
    median absolute deviation, which counts as one `tick` at least. Of fewer than three none can be told to be the one
    that is wrong. (Hampel identifier: Hampel 1974, "The influence curve and its role in robust estimation".)"""
    if len(middles) < 3:
        return []
    middle = median_low(middles.values())
    spread = max(median_low(abs(one - middle) for one in middles.values()), 2 * tick)
    return [venue for venue, one in middles.items() if abs(one - middle) > times * spread]


def uncrossed(
    bids: Iterator[tuple[int, int]], asks: Iterator[tuple[int, int]]
) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """The best bid and ask (price, quantity) that are left when all that could trade with each other has: of a market
    that is not locked or crossed its best ones. Levels are given best first."""
    bid, ask = next(bids, None), next(asks, None)
    while bid is not None and ask is not None and bid[0] >= ask[0]:
        part = min(bid[1], ask[1])
        bid = (bid[0], bid[1] - part) if bid[1] > part else next(bids, None)
        ask = (ask[0], ask[1] - part) if ask[1] > part else next(asks, None)
    return bid, ask


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
