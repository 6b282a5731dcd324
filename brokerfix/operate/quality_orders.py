"""Orders, fills and quotes as reports on execution and routing see them.

Prices are ticks, quantities scaled ints, times ns UTC, as the facts have them. A fill that was taken back has no
quantity, one that was corrected has its last terms.
"""

from bisect import bisect_left, bisect_right
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

import msgspec

from brokerfix.domain import AT_AUCTION, Instructions, Instrument, OrdType, Side, TimeInForce, Venue
from brokerfix.engine.charges import exchange_fee

NEAR = Fraction(1, 10)
"""How far from the best price of its side a near-the-quote order is at most (17 CFR 242.600, before the amendment)."""


class Kind(StrEnum):
    """What an order is, by its price and the quote at its receipt. Market and marketable limit orders are those of Rule
    605 as amended in 2024, inside, at and near the quote those of the rule before that."""

    MARKET = "market"
    MARKETABLE = "marketable limit"
    INSIDE = "inside-the-quote limit"
    AT_QUOTE = "at-the-quote limit"
    NEAR_QUOTE = "near-the-quote limit"
    NON_MARKETABLE = "non-marketable limit"
    STOP = "stop"
    OTHER = "other"
    UNKNOWN = "limit, no quote"


class Quote(NamedTuple):
    """The consolidated best prices, our own book's with them, and what is shown there; and the best prices of exchanges
    alone (0: none shows one)."""

    bid: int
    ask: int
    bid_qty: int = 0
    ask_qty: int = 0
    venue_bid: int = 0
    venue_ask: int = 0

    @property
    def twice_mid(self) -> int:
        return self.bid + self.ask

    def far(self, side: Side) -> int:
        """The best price that an order of this side may take."""
        return self.ask if side is Side.BUY else self.bid

    def far_qty(self, side: Side) -> int:
        return self.ask_qty if side is Side.BUY else self.bid_qty

    def far_venue(self, side: Side) -> int:
        """The best price that exchanges show; where none shows one, our book's."""
        return (self.venue_ask if side is Side.BUY else self.venue_bid) or self.far(side)

    def near(self, side: Side) -> int:
        return self.far(side.opposite)


class Timeline:
    """The quotes of a symbol, oldest first (None: unknown from then on, or one-sided), and what had traded. `_areas`
    are the sums of twice the mid x ns up to each quote, `_gaps` how many quotes before it were unknown."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._quotes: list[Quote | None] = []
        self._areas: list[int] = []
        self._gaps: list[int] = []
        self._totals: list[tuple[int, int, int, int]] = []

    def add(self, at: int, quote: Quote | None) -> None:
        at = max(at, self._times[-1]) if self._times else at
        area, gaps = self._until(at) if self._times else (0, 0)
        self._times.append(at)
        self._quotes.append(quote)
        self._areas.append(area)
        self._gaps.append(gaps)

    def _until(self, at: int, number: int = -1) -> tuple[int, int]:
        """The area and gaps up to a time that is in the span of a quote, by its number."""
        quote = self._quotes[number]
        mid = quote.twice_mid if quote is not None else 0
        return self._areas[number] + mid * (at - self._times[number]), self._gaps[number] + (quote is None)

    def add_totals(self, at: int, day: int, volume: int, turnover: int) -> None:
        self._totals.append((max(at, self._totals[-1][0]) if self._totals else at, day, volume, turnover))

    @property
    def newest(self) -> Quote | None:
        return self._quotes[-1] if self._quotes else None

    def quote(self, at: int) -> Quote | None:
        """The newest quote at or before a time."""
        found = bisect_right(self._times, at)
        return self._quotes[found - 1] if found else None

    def twap(self, begin: int, end: int) -> Fraction | None:
        """The mid weighted by how long it was there; None where it was not known all the time."""
        first, last = bisect_right(self._times, begin) - 1, bisect_right(self._times, end) - 1
        quote = self._quotes[first] if first >= 0 else None
        if quote is None:
            return None
        if begin >= end:
            return Fraction(quote.twice_mid, 2)
        area, gaps = self._until(end, last)
        since, _ = self._until(begin, first)
        return Fraction(area - since, 2 * (end - begin)) if gaps == self._gaps[first] else None

    def vwap(self, begin: int, end: int) -> Fraction | None:
        """What was paid on average on the market from the totals on record at `begin` to the first ones at or after
        `end`; None where they are not on record, or of two days, or nothing was traded."""
        first, last = bisect_right(self._totals, begin, key=_time) - 1, bisect_left(self._totals, end, key=_time)
        if first < 0 or last >= len(self._totals):
            return None
        _, day, volume, turnover = self._totals[first]
        _, last_day, last_volume, last_turnover = self._totals[last]
        if day != last_day or last_volume <= volume:
            return None
        return Fraction(last_turnover - turnover, last_volume - volume)


def _time(totals: tuple[int, int, int, int]) -> int:
    return totals[0]


class Fill(msgspec.Struct):
    """A fill of an order at an exchange, or in our book (`venue` ""). `fee` is what it costs the account, `terms` the
    exchange's as they were then; `other` is the order that it met in our book."""

    venue: str
    at: int
    qty: int
    price: int
    fee: str
    is_maker: bool
    terms: Venue | None = None
    other: int = 0

    def exchange_fee(self, instrument: Instrument) -> int:
        """What the exchange takes for it by its configured fees, in money (below 0: it gives)."""
        if self.terms is None or not self.qty:
            return 0
        worth = self.qty * self.price * instrument.money_factor
        return exchange_fee(self.terms, self.qty, instrument.qty_digits, worth, self.is_maker)


class Decision(msgspec.Struct):
    """A routing decision: what it expected to take at once, and the fills that came of it, oldest first."""

    at: int
    expected_qty: int
    expected_px: str
    expected_fee: str
    fills: list[Fill] = []


class Child(msgspec.Struct):
    """What was sent to an exchange, from `at` until `until` (0: it is still there). `canceled`: it ended with so much
    unfilled."""

    venue: str
    qty: int
    time_in_force: TimeInForce
    decision: Decision | None
    fills: list[Fill] = []
    is_ended: bool = False
    at: int = 0
    until: int = 0

    @property
    def filled(self) -> int:
        return sum(fill.qty for fill in self.fills)

    @property
    def canceled(self) -> int:
        return max(0, self.qty - self.filled) if self.is_ended else 0


AT_ONCE = "at once"


class Order(msgspec.Struct, kw_only=True):
    """A client's order. `at` is its receipt or, of a stop, when it was triggered, and `quote` the one at that time.
    `is_worked`: when and how is left to us, by an algorithm or an operator."""

    order_id: int
    client: str
    symbol: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    qty: int
    price: int
    at: int
    day: int
    is_directed: bool
    first_qty: int
    account: str = ""
    is_worked: bool = False
    instructions: Instructions | None = None
    quote: Quote | None = None
    is_decided: bool = False
    is_ended: bool = False
    is_split: bool = False
    booked: int = 0
    fills: list[Fill] = []
    children: list[Child] = []
    decisions: list[Decision] = []

    @property
    def sign(self) -> int:
        """1 of an order to buy, -1 of one to sell: times (price - benchmark) it is what was paid too much."""
        return 1 if self.side is Side.BUY else -1

    @property
    def algorithm(self) -> str:
        """By which it is worked over time, TargetStrategy(847) by its name, or that it is by none."""
        strategy = self.instructions.strategy if self.instructions is not None else None
        return (strategy.name if strategy is not None else "") or AT_ONCE

    @property
    def filled(self) -> int:
        return sum(fill.qty for fill in self.fills)

    @property
    def canceled(self) -> int:
        return max(0, self.qty - self.filled) if self.is_ended else 0

    def kind(self, price_digits: int) -> Kind:
        """17 CFR 242.600(b): a limit order to buy is marketable at the best offer or above; else it is inside, at, or
        near the quote by the best bid. Orders to sell the other way round."""
        if self.ord_type in (OrdType.STOP, OrdType.STOP_LIMIT):
            return Kind.STOP
        if self.time_in_force in AT_AUCTION or self.ord_type is OrdType.PEGGED:
            return Kind.OTHER
        if self.ord_type in (OrdType.MARKET, OrdType.MARKET_TO_LIMIT):
            return Kind.MARKET
        if self.quote is None:
            return Kind.UNKNOWN
        if self.is_at_least(self.quote.far(self.side)):
            return Kind.MARKETABLE
        away = self.sign * (self.quote.near(self.side) - self.price)
        if away <= 0:
            return Kind.AT_QUOTE if away == 0 else Kind.INSIDE
        return Kind.NEAR_QUOTE if away <= NEAR * 10**price_digits else Kind.NON_MARKETABLE

    def is_at_least(self, price: int) -> bool:
        return self.sign * (self.price - price) >= 0

    def is_immediate(self) -> bool:
        """Whether it is to be filled at once: at the market, a marketable limit, or one at the midpoint or better; of
        these the rule wants the spreads and the price improvement. Others wait, and a quote of before says little."""
        if self.quote is None or self.time_in_force in AT_AUCTION or self.ord_type is OrdType.PEGGED:
            return False
        return self.ord_type in BY_MARKET or self.sign * (2 * self.price - self.quote.twice_mid) >= 0


BY_MARKET = (OrdType.MARKET, OrdType.MARKET_TO_LIMIT, OrdType.STOP)
