"""A maker in one instrument on a day: deals, mids and quotes, with how long which quotes stood.

Prices are scaled, mids are twice that, quantities scaled and above 0 where bought, times ns UTC, fees money.
"""

from bisect import bisect_right
from collections import Counter
from typing import NamedTuple

import msgspec

from brokerfix.domain import Instrument, Side, WantedQuote
from brokerfix.engine.making.desk import Slot


class Deal(NamedTuple):
    """A fill at a `mid`; `is_back`: one that was taken back, with its quantity the other way round."""

    at: int
    qty: int
    price: int
    mid: int
    kind: str
    fee: int = 0
    is_back: bool = False


class Hedged(msgspec.Struct):
    """A hedge that was decided at a `mid`: what was asked for, and what was `filled` and `paid` (price x quantity)."""

    at: int
    side: Side
    qty: int
    delta: int
    mid: int
    filled: int = 0
    paid: int = 0


class Stretch:
    """A part of a day in which prices and quantities mean the same: from its begin, or a split, to its end or a split.
    It began with a position of `qty`, which was worth `value` (twice price x quantity)."""

    def __init__(self, at: int, qty: int, value: int, mid: int) -> None:
        self.began, self.qty, self.value = at, qty, value
        self.deals: list[Deal] = []
        self.times, self.mids = [at], [mid]

    @property
    def mid(self) -> int:
        """The last one."""
        return self.mids[-1]

    @property
    def left(self) -> int:
        """The position at its end."""
        return self.qty + sum(deal.qty for deal in self.deals)

    def note_mid(self, at: int, mid: int) -> None:
        if mid != self.mids[-1]:
            self.times.append(max(at, self.times[-1]))
            self.mids.append(mid)

    def mid_at(self, at: int) -> int:
        """The newest mid at or before a time."""
        return self.mids[max(0, bisect_right(self.times, at) - 1)]


class Stood(msgspec.Struct):
    """How long (ns) a quote stood in a place, with which quantity (x ns), how far from the mid (twice, x ns), and how
    often and how much of it was filled."""

    time: int = 0
    qty_time: int = 0
    distance_time: int = 0
    fills: int = 0
    filled: int = 0


class Traded:
    """A maker in an instrument. Times are reckoned up to `since`; what holds from then on is whether it could quote
    (`is_up`), what it quotes, and the exchanges' best prices (0: none).

    `up` is how long it could quote, `both` how long it quoted both sides, `spread` the distance between them (x ns);
    `shown` how long exchanges showed both sides meanwhile, `bid_best` and `ask_best` how long its best quote was as
    good as theirs or better. `spreads` are (time, best bid, best offer; 0: none)."""

    def __init__(self, instrument: Instrument, net: int, mid: int, at: int) -> None:
        self.instrument, self.since = instrument, at
        self.stretches = [Stretch(at, net, net * mid, mid)]
        self.is_up = False
        self.quotes: tuple[WantedQuote, ...] = ()
        self.best = (0, 0)
        self.up = self.both = self.spread = self.shown = self.bid_best = self.ask_best = 0
        self.stood: dict[Slot, Stood] = {}
        self.spreads: list[tuple[int, int, int]] = [(at, 0, 0)]
        self.decisions = self.placed = self.moved = self.hedges_refused = 0
        self.pulls: Counter[str] = Counter()
        self.hedges: list[Hedged] = []

    def next_day(self, at: int) -> "Traded":
        """It goes on as it is, with nothing traded yet."""
        last = self.stretches[-1]
        again = Traded(self.instrument, last.left, last.mid, at)
        again.is_up, again.best = self.is_up, self.best
        again.quote(at, self.quotes)
        return again

    @property
    def mid(self) -> int:
        return self.stretches[-1].mid

    def note_mid(self, at: int, mid: int) -> None:
        self.stretches[-1].note_mid(at, mid)

    def deal(self, deal: Deal, slot: Slot | None) -> None:
        """`slot` is where the quote that was filled stood (None: it was none)."""
        self.stretches[-1].deals.append(deal)
        if slot is None or deal.kind != "quote":
            return
        sign = -1 if deal.is_back else 1
        stood = self.stood.setdefault(slot, Stood())
        stood.fills += sign
        stood.filled += sign * abs(deal.qty)

    def split(self, at: int, new: int, old: int) -> None:
        """What it has is worth what it was."""
        last = self.stretches[-1]
        self.stretches.append(Stretch(at, last.left * new // old, last.left * last.mid, last.mid * old // new))

    def show_market(self, at: int, bid: int, ask: int) -> None:
        """Exchanges show these best prices (0: none). They are a mid unless the maker's own quotes are in them."""
        self.advance(at)
        self.best = (bid, ask)
        if 0 < bid <= ask and not any(quote.venue for quote in self.quotes):
            self.note_mid(at, bid + ask)

    def quote(self, at: int, quotes: tuple[WantedQuote, ...]) -> None:
        """It quotes this from now on."""
        self.advance(at)
        self.quotes = quotes
        self.spreads.append((at, *self._own_best()))

    def take(self, at: int, slot: Slot, qty: int | None = None) -> None:
        """So much (None: all) of a quote is gone."""
        left = [
            msgspec.structs.replace(one, qty=one.qty - qty if qty is not None else 0) if _slot(one) == slot else one
            for one in self.quotes
        ]
        self.quote(at, tuple(one for one in left if one.qty > 0))

    def _own_best(self) -> tuple[int, int]:
        bids, asks = ([one.price for one in self.quotes if one.side is side] for side in Side)
        return max(bids, default=0), min(asks, default=0)

    def advance(self, at: int) -> None:
        """Reckon up to a time."""
        passed, self.since = max(0, at - self.since), max(at, self.since)
        if not passed or not self.is_up:
            return
        (bid, ask), (best_bid, best_ask) = self._own_best(), self.best
        self.up += passed
        if bid and ask:
            self.both += passed
            self.spread += (ask - bid) * passed
        if best_bid and best_ask:
            self.shown += passed
            self.bid_best += passed if bid >= best_bid else 0
            self.ask_best += passed if 0 < ask <= best_ask else 0
        for quote in self.quotes:
            stood = self.stood.setdefault(_slot(quote), Stood())
            stood.time += passed
            stood.qty_time += quote.qty * passed
            stood.distance_time += abs(2 * quote.price - self.mid) * passed


def _slot(quote: WantedQuote) -> Slot:
    return quote.venue, quote.side, quote.level
