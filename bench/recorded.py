"""What simulated exchanges show over time: a recording's, split over them or shifted, or a generated one's.

Prices are scaled by 2 digits and quantities by 5. Only whole books and their changes are taken of a recording (S and D)
and its trades: between two depth messages its books stand still, where the real ones did not.
"""

import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path

import msgspec

from brokerfix.domain import Side
from brokerfix.simulate.recording import ASK, BID, BOOK, CHANGE, TOP, TRADE, Event, events
from brokerfix.simulate.replay import ENTRY_TYPES, Entry, Replica, Terms

SYMBOL = "BTC"
PRICE_DIGITS, QTY_DIGITS = 2, 5
UNIT = Decimal(1).scaleb(-QTY_DIGITS)
TERMS = Terms(SYMBOL, PRICE_DIGITS, QTY_DIGITS)
SECOND = 10**9
SPLIT = "BINANCE_SPOT"
"""Whose book is split."""
SHIFTS = {"BINANCE_SPOT": "0", "BINANCE_USDM": "22.5", "BINANCE_COINM": "17.1"}
"""What brings each market's prices to the first one's: the median difference of their mids."""
INVERSE = {"BINANCE_COINM": 100}
"""Markets whose quantities are contracts of so much money."""
SHARES = (0.5, 0.3, 0.2)
ABSENT = 0.4
"""How often an exchange shows nothing at a level of the book that is split."""
NAMES = ("A", "B", "C")
SIDE = {ENTRY_TYPES[BID]: Side.BUY, ENTRY_TYPES[ASK]: Side.SELL}
Levels = tuple[tuple[Side, int, int], ...]
"""(side, price, quantity that is there now)."""


class Scene(msgspec.Struct):
    """What each exchange shows, (time ns, number of the exchange, levels), of which the first is its whole book; the
    trades, (time, price, quantity); and twice the mid of all of them at `mid_times`, as if we took nothing."""

    title: str
    updates: list[tuple[int, int, Levels]] = []
    trades: list[tuple[int, int, int]] = []
    mid_times: list[int] = []
    mids: list[int] = []

    def mid_at(self, at: int) -> int:
        """Twice the mid at a time."""
        return self.mids[max(0, bisect_right(self.mid_times, at) - 1)]

    def note_mid(self, at: int, books: list[Replica]) -> None:
        bids = [max(book.levels[BID]) for book in books if book.levels[BID]]
        asks = [min(book.levels[ASK]) for book in books if book.levels[ASK]]
        if bids and asks:
            self.mid_times.append(at)
            self.mids.append(max(bids) + min(asks))

    @property
    def span(self) -> tuple[int, int]:
        """When it begins and ends (ns)."""
        return self.mid_times[0], self.mid_times[-1]


def recorded(path: Path, wanted: tuple[str, ...]) -> Iterator[Event]:
    """The depth and trades of these venues; quantities of inverse contracts as of what they are on."""
    for event in events(path, wanted):
        contract = INVERSE.get(event.venue)
        if event.kind == TOP:
            continue
        if contract is not None:
            # Rounded, as what is added up later has to be exact.
            levels = [(side, price, (qty * contract / price).quantize(UNIT)) for side, price, qty in event.levels]
            event = event._replace(levels=levels)
        yield event


def split(title: str, source: Iterator[Event], seed: int) -> Scene:
    """One market's book over several exchanges: each level is shared out anew, about as `SHARES` says."""
    scene, book = Scene(title), Replica(TERMS)
    shares = _sharing(seed)
    for event in source:
        entries = book.apply(event)
        if event.kind == TRADE:
            scene.trades += [(event.at, price, qty) for _, _, price, qty in entries]
            continue
        levels: list[list[tuple[Side, int, int]]] = [[] for _ in NAMES]
        for _, kind, price, qty in entries:
            for which, share in shares(SIDE[kind], price):
                levels[which].append((SIDE[kind], price, int(qty * share)))
        scene.updates += [(event.at, which, tuple(some)) for which, some in enumerate(levels) if some]
        scene.note_mid(event.at, [book])
    return scene


def _sharing(seed: int) -> Callable[[Side, int], list[tuple[int, float]]]:
    """By level, which exchanges show what part of it."""

    @cache
    def shares(side: Side, price: int) -> list[tuple[int, float]]:
        chance = random.Random(f"{seed} {side} {price}")
        weights = [share * chance.expovariate(1) * (chance.random() >= ABSENT) for share in SHARES]
        if not any(weights):
            weights[chance.choices(range(len(SHARES)), SHARES)[0]] = 1.0
        return [(which, weight / sum(weights)) for which, weight in enumerate(weights) if weight]

    return shares


def shifted(title: str, source: Iterator[Event]) -> Scene:
    """Several markets as exchanges of one instrument, their prices moved together."""
    scene = Scene(title)
    books = {name: Replica(TERMS, Decimal(shift)) for name, shift in SHIFTS.items()}
    for event in source:
        entries = books[event.venue].apply(event)
        if event.kind == TRADE:
            scene.trades += [(event.at, price, qty) for _, _, price, qty in entries]
            continue
        which = list(SHIFTS).index(event.venue)
        scene.updates.append((event.at, which, _levels(entries)))
        scene.note_mid(event.at, list(books.values()))
    return scene


def _levels(entries: list[Entry]) -> Levels:
    return tuple((SIDE[kind], price, qty) for _, kind, price, qty in entries)


class Generated:
    """A market whose mid walks at random, with levels at random distances and quantities about it."""

    STEP = 50_000_000
    START = 1_700_000_000 * SECOND
    DEPTH = 300
    """Levels of a side at the start."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.mid = 6_000_000
        """In hundredths."""
        self.sides: dict[str, dict[int, int]] = {BID: {}, ASK: {}}

    def events(self, seconds: float) -> Iterator[Event]:
        for side in (BID, ASK):
            distance = 1
            for _ in range(self.DEPTH):
                self.sides[side][self._at(side, distance)] = self._qty()
                distance += 1 + int(self.chance.expovariate(1 / 40))
        whole = [(side, price, qty) for side, levels in self.sides.items() for price, qty in levels.items()]
        yield self._event(self.START, BOOK, whole)
        for step in range(1, int(seconds * SECOND / self.STEP)):
            at = self.START + step * self.STEP
            self.mid += round(self.chance.gauss(0, 60))
            yield self._event(at, CHANGE, self._moved())
            while self.chance.random() < 0.6:
                taker = self.chance.choice((BID, ASK))
                price = min(self.sides[ASK]) if taker == BID else max(self.sides[BID])
                yield self._event(at, TRADE, [(taker, price, self._qty() // 20 + 1)])

    def _moved(self) -> list[tuple[str, int, int]]:
        """What changes in a step: levels beyond the mid go, new ones come, some have another quantity."""
        changes: list[tuple[str, int, int]] = []
        for side, levels in self.sides.items():
            changes += [(side, price, 0) for price in levels if self._beyond(side, price)]
            if self.chance.random() < 0.7:
                changes.append((side, self._at(side, 1), self._qty()))
            near = sorted(levels, key=lambda price: abs(price - self.mid))[:40]
            changes += [(side, price, self._qty()) for price in self.chance.sample(near, 8)]
            changes += [(side, self._at(side, 1 + int(self.chance.expovariate(1 / 300))), self._qty())]
        last = {(side, price): qty for side, price, qty in changes if not (qty and self._beyond(side, price))}
        for (side, price), qty in last.items():
            if qty:
                self.sides[side][price] = qty
            else:
                self.sides[side].pop(price, None)
        return [(side, price, qty) for (side, price), qty in last.items()]

    def _at(self, side: str, distance: int) -> int:
        return self.mid - distance if side == BID else self.mid + distance

    def _beyond(self, side: str, price: int) -> bool:
        return price >= self.mid if side == BID else price <= self.mid

    def _qty(self) -> int:
        return 1 + int(20_000 * self.chance.lognormvariate(0, 1.2))

    def _event(self, at: int, kind: str, levels: list[tuple[str, int, int]]) -> Event:
        scaled = [
            (side, Decimal(price).scaleb(-PRICE_DIGITS), Decimal(qty).scaleb(-QTY_DIGITS))
            for side, price, qty in levels
        ]
        return Event(at, SPLIT, kind, scaled)
