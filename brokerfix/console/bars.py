"""The day's prices of each symbol as bars of a minute, and what has traded: made as facts come.

Bars of trades are of what exchanges and our own book told of at the rate of Quoted facts (the last print), and of our
fills; their volume is what the day's total has grown by. Bars of the mid are of the marks.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from brokerfix import facts as f
from brokerfix.domain import Side
from brokerfix.engine.state import State
from brokerfix.record.journal import Record

MINUTE = 60 * 10**9
MILLISECOND = 10**6
MOST_KEPT = 200_000
"""Bars, prints and fills of all symbols together; then the symbol that has moved least recently is forgotten."""
MOST_TRADES = 1_000
"""Of a symbol, the newest."""
TRADES, MID = "trades", "mid"
WIDTHS = (1, 5, 15)
"""Minutes of a bar that can be asked for."""
Bar = list[int]
"""Minute since 1970, open, high, low, close (ticks), volume (scaled)."""
Print = tuple[int, int, int, int, str, str]
"""Number, ms since 1970, price (ticks), quantity (scaled); of a fill of ours its side and exchange ("": our book)."""


class Symbol(msgspec.Struct):
    """What is kept of a symbol: its `bars` by kind, the latest `prints` of the market and `fills` of ours, and the
    day's `volume` as it was told last."""

    bars: dict[str, list[Bar]] = msgspec.field(default_factory=lambda: {TRADES: [], MID: []})
    prints: deque[Print] = msgspec.field(default_factory=lambda: deque(maxlen=MOST_TRADES))
    fills: deque[Print] = msgspec.field(default_factory=lambda: deque(maxlen=MOST_TRADES))
    volume: int = 0

    def __len__(self) -> int:
        return sum(len(bars) for bars in self.bars.values()) + len(self.prints) + len(self.fills)


class Bars:
    """A listener of the feed's: `symbols` with what is kept of each, the one that has moved last at the end."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self.symbols: OrderedDict[str, Symbol] = OrderedDict()
        self.forgotten: dict[str, None] = {}
        self._most, self._count = most, 0
        self._takes: dict[type[f.Fact], Callable[[State, Any], None]] = {
            f.Quoted: self._quoted, f.Trade: self._traded, f.ChildFilled: self._filled, f.DayRolled: self._rolled,
            f.SplitApplied: self._split,
        }  # fmt: skip

    def note(self, state: State, fact: f.Fact, record: Record) -> None:
        """Take a fact."""
        take = self._takes.get(type(fact))
        if take is not None:
            take(state, fact)

    def _quoted(self, state: State, fact: f.Quoted) -> None:
        known = self._of(fact.symbol)
        grown = max(0, fact.day.volume - known.volume)
        # Without more volume it is an old print, that an exchange tells again with its whole book.
        if grown and fact.last is not None:
            self._add(known, TRADES, fact.at, fact.last[0], grown)
            self._remember(known.prints, (fact.id, fact.at // MILLISECOND, fact.last[0], grown, "", ""))
        known.volume = fact.day.volume
        if fact.mark:
            self._add(known, MID, fact.at, fact.mark, 0)

    def _traded(self, state: State, fact: f.Trade) -> None:
        order = state.orders[fact.taker_order_id]
        known = self._of(order.symbol)
        self._add(known, TRADES, fact.at, fact.price, 0)
        self._remember(
            known.fills, (fact.id, fact.at // MILLISECOND, fact.price, fact.qty, order.side.name.lower(), "")
        )

    def _filled(self, state: State, fact: f.ChildFilled) -> None:
        child = state.children.get(fact.child_id)
        if child is None:
            return
        known = self._of(child.symbol)
        self._add(known, TRADES, fact.at, fact.price, 0)
        side = "buy" if child.side is Side.BUY else "sell"
        self._remember(known.fills, (fact.id, fact.at // MILLISECOND, fact.price, fact.qty, side, child.venue))

    def _rolled(self, state: State, fact: f.DayRolled) -> None:
        self.symbols.clear()
        self.forgotten.clear()
        self._count = 0

    def _split(self, state: State, fact: f.SplitApplied) -> None:
        """Prices of before are of another share."""
        known = self.symbols.pop(fact.symbol, None)
        self._count -= len(known) if known is not None else 0

    def _of(self, symbol: str) -> Symbol:
        known = self.symbols.get(symbol)
        if known is None:
            known = self.symbols[symbol] = Symbol()
        self.symbols.move_to_end(symbol)
        return known

    def _add(self, known: Symbol, kind: str, at: int, price: int, volume: int) -> None:
        bars, minute = known.bars[kind], at // MINUTE
        if not bars or minute > bars[-1][0]:
            bars.append([minute, price, price, price, price, volume])
            self._count += 1
            self._bound()
            return
        # A clock may be set back: it belongs to the newest bar then.
        bar = bars[-1]
        bar[2], bar[3], bar[4] = max(bar[2], price), min(bar[3], price), price
        bar[5] += volume

    def _remember(self, kept: deque[Print], one: Print) -> None:
        self._count += len(kept) < MOST_TRADES
        kept.append(one)
        self._bound()

    def _bound(self) -> None:
        while self._count > self._most and len(self.symbols) > 1:
            name, known = self.symbols.popitem(last=False)
            self.forgotten[name] = None
            self._count -= len(known)


def wider(bars: list[Bar], minutes: int, since: int = 0) -> Iterator[Bar]:
    """Bars of so many minutes out of those of one, from the minute `since` on (which begins one). They begin at whole
    multiples of it, and a time without a trade has none."""
    made: Bar | None = None
    for minute, opened, high, low, close, volume in bars:
        first = minute - minute % minutes
        if first < since:
            continue
        if made is None or made[0] != first:
            if made is not None:
                yield made
            made = [first, opened, high, low, close, volume]
        else:
            made[2], made[3], made[4], made[5] = max(made[2], high), min(made[3], low), close, made[5] + volume
    if made is not None:
        yield made
