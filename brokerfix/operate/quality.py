"""How well orders were executed: the measures of SEC Rule 605 of Regulation NMS (17 CFR 242.605, definitions in
242.600(b); as amended in 2024, Release 34-99679, 89 FR 26428), and slippage as desks reckon it, over recorded facts.

All averages are weighted by shares. Prices are in the instrument's price unit, per share; money is exact. What no
quote is on record for is left out of a measure and counted beside it.

Prices are summed as ints of 10**-PRICE_DIGITS, and shares of 10**-SHARE_DIGITS, which is exact but for VWAP, TWAP,
basis points and averages of several fills, which are rounded to that.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from brokerfix.domain import MONEY_DIGITS, Inexact, Instrument, money_text, to_money
from brokerfix.operate.quality_orders import Decision, Fill, Kind, Order, Quote
from brokerfix.operate.quality_read import Orders
from brokerfix.operate.quality_words import BUCKETS, HORIZONS, MS, OWN_BOOK, decimal, percent

BPS = 10_000
SHARE_DIGITS = MONEY_DIGITS
PRICE_DIGITS = MONEY_DIGITS + 1
"""One more than an instrument can have, so that half a tick is exact."""
UNIT = 10**PRICE_DIGITS


SLIPPAGE_EDGES = tuple(Fraction(one) for one in ("-20", "-10", "-5", "-2", "-1", "0", "1", "2", "5", "10", "20"))
"""Basis points between which slippage is counted: each is from one to below the next."""


class Average:
    """An average of values (10**-PRICE_DIGITS) weighted by shares (10**-SHARE_DIGITS)."""

    def __init__(self) -> None:
        self.shares = self.total = 0

    def add(self, value: int, shares: int) -> None:
        self.shares += shares
        self.total += value * shares

    @property
    def value(self) -> Fraction | None:
        return Fraction(self.total, self.shares * UNIT) if self.shares else None


class Judged(NamedTuple):
    """An order with what does not depend on where it was filled. `tick` is what one is worth as a price and `share`
    what a quantity of 1 is, both as they are summed; `vwap` and `twap` are such prices (None: not on record).
    `size_improved` are the shares filled at the best displayed price or better beyond what was displayed there."""

    order: Order
    instrument: Instrument
    kind: Kind
    quote: Quote | None
    is_immediate: bool
    tick: int
    share: int
    vwap: int | None
    twap: int | None
    size_improved: int


def judge(found: Orders, order: Order) -> Judged:
    instrument, quote = found.instruments[order.symbol], order.quote
    tick, share = 10 ** (PRICE_DIGITS - instrument.price_digits), 10 ** (SHARE_DIGITS - instrument.qty_digits)
    vwap = twap = None
    size_improved = 0
    end = max((fill.at for fill in order.fills if fill.qty), default=0)
    if end and order.symbol in found.timelines:
        timeline = found.timelines[order.symbol]
        vwap, twap = (
            round(ticks * tick) if ticks is not None else None
            for ticks in (timeline.vwap(order.at, end), timeline.twap(order.at, end))
        )
    if quote is not None and order.is_immediate():
        far = quote.far(order.side)
        good = sum(fill.qty for fill in order.fills if order.sign * (far - fill.price) >= 0)
        size_improved = max(0, good - min(order.first_qty, quote.far_qty(order.side))) * share
    kind = order.kind(instrument.price_digits)
    return Judged(order, instrument, kind, quote, order.is_immediate(), tick, share, vwap, twap, size_improved)


class Measured:
    """The measures of a fill: its shares, after how many ns it was executed, as what its shares are counted
    (`counted`) and it is one (`numbered`), prices that are averaged (`values`), and money. `later` are its realized
    spreads, None for what is not on record; with those of orders that wait (not `is_taking`) the others' don't mix: of
    both sides of a trade they would add up to nothing."""

    def __init__(self, one: Judged, fill: Fill, found: Orders) -> None:
        self.shares, self.wait = fill.qty * one.share, max(0, fill.at - one.order.at)
        self.counted = ["filled_shares", "away_shares" if fill.venue else "here_shares"]
        self.counted.append(next(name for name, most in BUCKETS if self.wait < most))
        self.numbered: list[str] = []
        self.values: list[tuple[str, int]] = []
        self.money = [("exchange_fees", fill.exchange_fee(one.instrument))]
        if fill.fee:
            self.money.append(("fees", to_money(fill.fee)))
        self.is_taking = one.is_immediate or one.kind is Kind.MARKET
        self.later = list(_later(one, fill, found))
        self._slippage(one, fill)
        if one.quote is None:
            self.counted.append("no_quote_shares")
        elif one.is_immediate:
            self._against_quote(one, one.quote, fill)

    def _slippage(self, one: Judged, fill: Fill) -> None:
        mid = one.quote.twice_mid * one.tick // 2 if one.quote is not None else None
        for name, benchmark in (("slippage_arrival", mid), ("slippage_vwap", one.vwap), ("slippage_twap", one.twap)):
            if benchmark is None:
                self.counted.append(f"no_{name}_shares")
            else:
                self.values.append((name, one.order.sign * (fill.price * one.tick - benchmark)))
        if mid:
            paid = one.order.sign * (fill.price * one.tick - mid)
            self.values.append(("slippage_arrival_bps", _rounded(BPS * UNIT * paid, mid)))

    def _against_quote(self, one: Judged, quote: Quote, fill: Fill) -> None:
        """Effective spread: twice what the price is beyond the midpoint at receipt. Price improvement: what it is
        better than the best price that could be taken at receipt."""
        sign, side, twice = one.order.sign, one.order.side, quote.twice_mid
        self.values += [
            ("midpoint", twice * one.tick // 2),
            ("quoted_spread", (quote.ask - quote.bid) * one.tick),
            ("effective_spread", sign * (2 * fill.price - twice) * one.tick),
        ]
        for name, best in (("", quote.far_venue(side)), ("displayed_", quote.far(side))):
            better = sign * (best - fill.price)
            what = f"{name}improved" if better > 0 else f"{name}at_quote" if better == 0 else f"{name}outside"
            self.counted.append(f"{what}_shares")
            self.numbered.append(f"{what}_fills")
            if better:
                self.values.append((what, abs(better) * one.tick))
            if better > 0:
                self.money.append((f"{name}improvement", better * fill.qty * one.instrument.money_factor))


def _later(one: Judged, fill: Fill, found: Orders) -> Iterator[tuple[str, int | None]]:
    """Realized spread: twice what the price is beyond the midpoint some time after the execution."""
    for name, after in HORIZONS:
        twice = found.twice_mid(one.order.symbol, fill.at + after)
        yield name, one.order.sign * (2 * fill.price - twice) * one.tick if twice is not None else None


class Tally:
    """The measures of some orders, or of the parts of them that one exchange got; `is_of_type`: of one type."""

    def __init__(self, is_of_type: bool = False) -> None:
        self.is_of_type = is_of_type
        self.counts: dict[str, int] = defaultdict(int)
        self.shares: dict[str, int] = defaultdict(int)
        self.averages: dict[str, Average] = defaultdict(Average)
        self.money: dict[str, int] = defaultdict(int)
        self.waits: list[tuple[int, int]] = []
        self.slippages: dict[int, int] = defaultdict(int)

    def order(self, one: Judged, placed: int, canceled: int, fills: Iterable[Measured]) -> None:
        self.counts["orders"] += 1
        self.counts["canceled_orders"] += canceled > 0
        self.counts["no_quote_orders"] += one.quote is None
        self.shares["shares"] += placed * one.share
        self.shares["canceled_shares"] += canceled * one.share
        for fill in fills:
            self._fill(fill)

    def whole(self, one: Judged) -> None:
        """What is known of an order as a whole only."""
        self.shares["size_improved_shares"] += one.size_improved
        for decision in one.order.decisions:
            self._expected(one, decision)

    def _fill(self, fill: Measured) -> None:
        shares = fill.shares
        self.waits.append((fill.wait, shares))
        for name in fill.counted:
            self.shares[name] += shares
        for name in fill.numbered:
            self.counts[name] += 1
        for name, value in fill.values:
            self.averages[name].add(value, shares)
            if name == "slippage_arrival_bps":
                self.slippages[bisect_right(SLIPPAGE_EDGES, Fraction(value, UNIT))] += shares
        for name, money in fill.money:
            self.money[name] += money
        for name, later in fill.later if fill.is_taking or self.is_of_type else ():
            if later is None:
                self.shares[f"no_{name}_shares"] += shares
            else:
                self.averages[name].add(later, shares)

    def _expected(self, one: Judged, decision: Decision) -> None:
        """The first shares that came of a decision, as many as it expected, against what it expected of them."""
        if not decision.expected_qty or not decision.expected_px:
            return
        left, cost, fee = decision.expected_qty, 0, 0
        for fill in decision.fills:
            part = min(left, fill.qty)
            if part:
                left -= part
                cost += part * fill.price
                fee += _rounded(fill.exchange_fee(one.instrument) * part, fill.qty)
        got = decision.expected_qty - left
        self.shares["expected_shares"] += decision.expected_qty * one.share
        self.shares["expected_got_shares"] += got * one.share
        if got:
            expected = round(Fraction(decision.expected_px) * UNIT)
            paid = _rounded(cost * one.tick, got)
            self.averages["expected_px"].add(expected, got * one.share)
            self.averages["realised_px"].add(paid, got * one.share)
            self.averages["expected_px_missed"].add(one.order.sign * (paid - expected), got * one.share)
            self.money["expected_fee"] += _rounded(_money(decision.expected_fee) * got, decision.expected_qty)
            self.money["realised_fee"] += fee

    def wait_mean(self) -> Fraction | None:
        """Milliseconds, weighted by shares."""
        total = self.shares["filled_shares"]
        return Fraction(sum(wait * shares for wait, shares in self.waits), total * MS) if total else None

    def waits_within(self, percents: Sequence[int]) -> list[Fraction | None]:
        """By percent, ascending: the milliseconds within which so many of the filled shares were executed."""
        found: list[Fraction | None] = []
        within, total = 0, self.shares["filled_shares"]
        for wait, shares in sorted(self.waits):
            within += shares
            while len(found) < len(percents) and 100 * within >= percents[len(found)] * total:
                found.append(Fraction(wait, MS))
        return found + [None] * (len(percents) - len(found))


def _rounded(value: int, by: int) -> int:
    """A quotient to the nearest int, half up."""
    return (2 * value + by) // (2 * by)


def _money(text: str) -> int:
    try:
        return to_money(text or "0")
    except Inexact:
        return 0


def tallies(shards: Sequence[Orders], wanted: Iterable[str]) -> dict[tuple[str, str, str], Tally]:
    """By (what it is by, its name, the money's currency): all orders of all shards together, and by exchange, client,
    type or algorithm. Each order is judged by what its own shard saw."""
    by = tuple(dict.fromkeys(wanted))
    tallied: dict[tuple[str, str, str], Tally] = {}
    for found, order in ((shard, order) for shard in shards for order in shard.orders.values()):
        if order.is_split:
            continue
        one = judge(found, order)
        measured = {id(fill): Measured(one, fill, found) for fill in order.fills if fill.qty}
        currency = one.instrument.currency
        names = {"all": "all", "client": order.client, "type": str(one.kind), "algorithm": order.algorithm}
        for kind in ("all", *(kind for kind in by if kind in names)):
            tally = tallied.setdefault((kind, names[kind], currency), Tally(kind == "type"))
            tally.order(one, order.qty, order.canceled, measured.values())
            tally.whole(one)
        for venue, placed, canceled, fills in _parts(order) if "exchange" in by else ():
            tally = tallied.setdefault(("exchange", venue or OWN_BOOK, currency), Tally())
            tally.order(one, placed, canceled, [measured[id(fill)] for fill in fills if fill.qty])
    rank = {kind: number for number, kind in enumerate(("all", *by))}
    kinds = {str(kind): number for number, kind in enumerate(Kind)}
    return dict(sorted(tallied.items(), key=lambda item: (rank[item[0][0]], kinds.get(item[0][1], 0), item[0])))


def _parts(order: Order) -> Iterator[tuple[str, int, int, list[Fill]]]:
    """Where an order was: the exchange ("": our book), how much of it was sent there, how much of that ended unfilled,
    and its fills there. What our book had is what was taken in it, and the most that rested there."""
    for venue in dict.fromkeys(child.venue for child in order.children):
        children = [child for child in order.children if child.venue == venue]
        fills = [fill for child in children for fill in child.fills]
        yield venue, sum(child.qty for child in children), sum(child.canceled for child in children), fills
    here = [fill for fill in order.fills if not fill.venue]
    if here or order.booked:
        taken = sum(fill.qty for fill in here if not fill.is_maker)
        filled = sum(fill.qty for fill in here)
        placed = max(filled, min(order.qty, taken + order.booked))
        yield "", placed, min(order.canceled, placed - filled) if order.booked else 0, here


def row(key: tuple[str, str, str], tally: Tally) -> dict[str, Any]:
    """A row of the report: counts as ints, everything else as decimal text; None for what can't be computed."""
    by, name, currency = key
    shares, averages, counts = tally.shares, tally.averages, tally.counts
    told: dict[str, Any] = {"by": by, "name": name, "currency": currency}
    told |= {what: counts[what] for what in ("orders", "canceled_orders", "no_quote_orders")}
    many = ("shares", "canceled_shares", "filled_shares", "here_shares", "away_shares", "no_quote_shares")
    told |= {what: _shares(shares[what]) for what in many}
    told["fill_rate_pct"] = percent(shares["filled_shares"], shares["shares"])
    quoted, effective, mid = (averages[what].value for what in ("quoted_spread", "effective_spread", "midpoint"))
    told |= {"midpoint": decimal(mid), "quoted_spread": decimal(quoted), "effective_spread": decimal(effective)}
    told["effective_bps"] = decimal(BPS * effective / mid, 4) if effective is not None and mid else None
    told["eq_pct"] = percent(effective, quoted)
    for what, _ in HORIZONS:
        told[what] = decimal(averages[what].value)
        told[f"no_{what}_shares"] = _shares(shares[f"no_{what}_shares"])
    for prefix in ("", "displayed_"):
        for what in ("improved", "at_quote", "outside"):
            told[f"{prefix}{what}_shares"] = _shares(shares[f"{prefix}{what}_shares"])
            told[f"{prefix}{what}_fills"] = counts[f"{prefix}{what}_fills"]
            if what != "at_quote":
                told[f"{prefix}{what}_per_share"] = decimal(averages[f"{prefix}{what}"].value)
        told[f"{prefix}improvement"] = money_text(tally.money[f"{prefix}improvement"])
    told["size_improved_shares"] = _shares(shares["size_improved_shares"]) if by != "exchange" else None
    told |= _waits(tally)
    for what in ("slippage_arrival", "slippage_vwap", "slippage_twap"):
        told[what] = decimal(averages[what].value)
        told[f"no_{what}_shares"] = _shares(shares[f"no_{what}_shares"])
    told["slippage_arrival_bps"] = decimal(averages["slippage_arrival_bps"].value, 4)
    return told | _expectation(tally, by) | {what: money_text(tally.money[what]) for what in ("fees", "exchange_fees")}


def _shares(shares: int) -> str | None:
    return decimal(Fraction(shares, 10**SHARE_DIGITS), SHARE_DIGITS, least=0)


def _waits(tally: Tally) -> dict[str, Any]:
    median, late = tally.waits_within((50, 99))
    told: dict[str, Any] = {"latency_mean_ms": decimal(tally.wait_mean(), 3)}
    told |= {"latency_median_ms": decimal(median, 3), "latency_p99_ms": decimal(late, 3)}
    return told | {name: _shares(tally.shares[name]) for name, _ in BUCKETS}


def _expectation(tally: Tally, by: str) -> dict[str, Any]:
    names = ("expected_shares", "expected_got_shares")
    is_there = by != "exchange" and bool(tally.shares["expected_shares"])
    told: dict[str, Any] = {name: _shares(tally.shares[name]) if is_there else None for name in names}
    told |= {
        name: decimal(tally.averages[name].value) if is_there else None
        for name in ("expected_px", "realised_px", "expected_px_missed")
    }
    return told | {
        name: money_text(tally.money[name]) if is_there else None for name in ("expected_fee", "realised_fee")
    }


class Quality(msgspec.Struct, frozen=True):
    """The report's rows, how many orders were left out because their instrument was split meanwhile, and how many
    shares were filled with how much slippage against the mid at receipt, see `slippage_spread`."""

    rows: list[dict[str, Any]]
    orders: int
    split: int
    slippage: list[dict[str, Any]] = []


def quality(shards: Sequence[Orders], by: Iterable[str]) -> Quality:
    tallied = tallies(shards, by)
    rows = [row(key, tally) for key, tally in tallied.items()]
    split = sum(order.is_split for found in shards for order in found.orders.values())
    spread = slippage_spread(tally for (kind, _, _), tally in tallied.items() if kind == "all")
    return Quality(rows, sum(len(found.orders) for found in shards) - split, split, spread)


def slippage_spread(tallied: Iterable[Tally]) -> list[dict[str, Any]]:
    """The shares that were filled with a slippage `from` so many basis points to below so many (None: no bound)."""
    shares: dict[int, int] = defaultdict(int)
    for tally in tallied:
        for number, many in tally.slippages.items():
            shares[number] += many
    edges = [None, *(f"{edge}" for edge in SLIPPAGE_EDGES), None]
    return [
        {"from": low, "below": high, "shares": _shares(shares[number])}
        for number, (low, high) in enumerate(pairwise(edges))
    ]
