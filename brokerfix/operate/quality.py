"""How well orders were executed: the measures of SEC Rule 605 of Regulation NMS (17 CFR 242.605, definitions in
242.600(b); as amended in 2024, Release 34-99679, 89 FR 26428), and slippage as desks reckon it, over recorded facts.

All averages are weighted by shares. Prices are in the instrument's price unit, per share; money is exact. What no
quote is on record for is left out of a measure and counted beside it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import msgspec

from brokerfix.domain import Inexact, Instrument, money_text, to_money
from brokerfix.operate.quality_orders import Decision, Fill, Kind, Order, Quote
from brokerfix.operate.quality_read import Orders
from brokerfix.operate.quality_words import BUCKETS, HORIZONS, OWN_BOOK, decimal, percent

BPS = 10_000
ZERO = Fraction(0)


class Average:
    """An average weighted by shares."""

    def __init__(self) -> None:
        self.shares, self.total = ZERO, ZERO

    def add(self, value: Fraction, shares: Fraction) -> None:
        self.shares += shares
        self.total += value * shares

    @property
    def value(self) -> Fraction | None:
        return self.total / self.shares if self.shares else None


class Judged(NamedTuple):
    """An order with what does not depend on where it was filled: benchmarks in ticks (None: not on record), and the
    shares of it that were filled at the best displayed price or better beyond what was displayed there."""

    order: Order
    instrument: Instrument
    kind: Kind
    quote: Quote | None
    is_immediate: bool
    vwap: Fraction | None
    twap: Fraction | None
    size_improved: int

    def price(self, ticks: Fraction | int) -> Fraction:
        return Fraction(ticks, 10**self.instrument.price_digits)

    def shares(self, qty: int) -> Fraction:
        return Fraction(qty, 10**self.instrument.qty_digits)


def judge(found: Orders, order: Order) -> Judged:
    instrument, quote = found.instruments[order.symbol], order.quote
    vwap = twap = None
    size_improved = 0
    end = max((fill.at for fill in order.fills if fill.qty), default=0)
    if end and order.symbol in found.timelines:
        timeline = found.timelines[order.symbol]
        vwap, twap = timeline.vwap(order.at, end), timeline.twap(order.at, end)
    if quote is not None and order.is_immediate():
        far = quote.far(order.side)
        good = sum(fill.qty for fill in order.fills if order.sign * (far - fill.price) >= 0)
        size_improved = max(0, good - min(order.first_qty, quote.far_qty(order.side)))
    kind = order.kind(instrument.price_digits)
    return Judged(order, instrument, kind, quote, order.is_immediate(), vwap, twap, size_improved)


class Tally:
    """The measures of some orders, or of the parts of them that one exchange got."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = defaultdict(int)
        self.shares: dict[str, Fraction] = defaultdict(Fraction)
        self.averages: dict[str, Average] = defaultdict(Average)
        self.money: dict[str, Fraction] = defaultdict(Fraction)
        self.waits: list[tuple[int, Fraction]] = []

    def order(self, one: Judged, placed: int, canceled: int, fills: Sequence[Fill], found: Orders) -> None:
        self.counts["orders"] += 1
        self.counts["canceled_orders"] += canceled > 0
        self.counts["no_quote_orders"] += one.quote is None
        self.shares["shares"] += one.shares(placed)
        self.shares["canceled_shares"] += one.shares(canceled)
        for fill in fills:
            if fill.qty:
                self._fill(one, fill, found)

    def whole(self, one: Judged) -> None:
        """What is known of an order as a whole only."""
        self.shares["size_improved_shares"] += one.shares(one.size_improved)
        for decision in one.order.decisions:
            self._expected(one, decision)

    def _fill(self, one: Judged, fill: Fill, found: Orders) -> None:
        shares = one.shares(fill.qty)
        self.shares["filled_shares"] += shares
        self.shares["away_shares" if fill.venue else "here_shares"] += shares
        wait = max(0, fill.at - one.order.at)
        self.waits.append((wait, shares))
        self.shares[next(name for name, most in BUCKETS if wait < most)] += shares
        self.money["fees"] += to_money(fill.fee or "0")
        self.money["exchange_fees"] += fill.exchange_fee(one.instrument)
        self._later(one, fill, shares, found)
        self._slippage(one, fill, shares)
        if one.quote is None:
            self.shares["no_quote_shares"] += shares
        elif one.is_immediate:
            self._against_quote(one, one.quote, fill, shares)

    def _add(self, name: str, value: Fraction | None, shares: Fraction) -> None:
        if value is None:
            self.shares[f"no_{name}_shares"] += shares
        else:
            self.averages[name].add(value, shares)

    def _later(self, one: Judged, fill: Fill, shares: Fraction, found: Orders) -> None:
        """Realized spread: twice what the price is beyond the midpoint some time after the execution."""
        for name, after in HORIZONS:
            mid = found.mid(one.order.symbol, fill.at + after)
            value = one.price(2 * one.order.sign * (fill.price - mid)) if mid is not None else None
            self._add(name, value, shares)

    def _slippage(self, one: Judged, fill: Fill, shares: Fraction) -> None:
        mid = one.quote.mid if one.quote is not None else None
        for name, benchmark in (("slippage_arrival", mid), ("slippage_vwap", one.vwap), ("slippage_twap", one.twap)):
            value = one.price(one.order.sign * (fill.price - benchmark)) if benchmark is not None else None
            self._add(name, value, shares)
        if mid:
            self.averages["slippage_arrival_bps"].add(BPS * one.order.sign * (fill.price - mid) / mid, shares)

    def _against_quote(self, one: Judged, quote: Quote, fill: Fill, shares: Fraction) -> None:
        """Effective spread: twice what the price is beyond the midpoint at receipt. Price improvement: what it is
        better than the best price that could be taken at receipt."""
        sign, side = one.order.sign, one.order.side
        self.averages["midpoint"].add(one.price(quote.mid), shares)
        self.averages["quoted_spread"].add(one.price(quote.ask - quote.bid), shares)
        self.averages["effective_spread"].add(one.price(2 * sign * (fill.price - quote.mid)), shares)
        for name, best in (("", quote.far_venue(side)), ("displayed_", quote.far(side))):
            better = sign * (best - fill.price)
            what = f"{name}improved" if better > 0 else f"{name}at_quote" if better == 0 else f"{name}outside"
            self.shares[f"{what}_shares"] += shares
            self.counts[f"{what}_fills"] += 1
            if better:
                self.averages[what].add(one.price(abs(better)), shares)
            self.money[f"{name}improvement"] += max(0, better) * fill.qty * one.instrument.money_factor

    def _expected(self, one: Judged, decision: Decision) -> None:
        """The first shares that came of a decision, as many as it expected, against what it expected of them."""
        if not decision.expected_qty or not decision.expected_px:
            return
        left, cost, fee = decision.expected_qty, ZERO, ZERO
        for fill in decision.fills:
            part = min(left, fill.qty)
            if part:
                left -= part
                cost += part * fill.price
                fee += Fraction(fill.exchange_fee(one.instrument) * part, fill.qty)
        got = decision.expected_qty - left
        self.shares["expected_shares"] += one.shares(decision.expected_qty)
        self.shares["expected_got_shares"] += one.shares(got)
        if got:
            expected = Fraction(decision.expected_px)
            paid = one.price(cost / got)
            shares = one.shares(got)
            self.averages["expected_px"].add(expected, shares)
            self.averages["realised_px"].add(paid, shares)
            self.averages["expected_px_missed"].add(one.order.sign * (paid - expected), shares)
            share = Fraction(got, decision.expected_qty)
            self.money["expected_fee"] += _money(decision.expected_fee) * share
            self.money["realised_fee"] += fee

    def wait(self, share: Fraction) -> Fraction | None:
        """The milliseconds within which this share of the filled shares was executed."""
        within, total = ZERO, sum((shares for _, shares in self.waits), ZERO)
        for wait, shares in sorted(self.waits):
            within += shares
            if within >= share * total:
                return Fraction(wait, 10**6)
        return None

    def wait_mean(self) -> Fraction | None:
        total = sum((shares for _, shares in self.waits), ZERO)
        return sum((wait * shares for wait, shares in self.waits), ZERO) / total / 10**6 if total else None


def _money(text: str) -> int:
    try:
        return to_money(text or "0")
    except Inexact:
        return 0


def tallies(found: Orders, wanted: Iterable[str]) -> dict[tuple[str, str, str], Tally]:
    """By (what it is by, its name, the money's currency): all orders together, and by exchange, client or type."""
    by = tuple(wanted)
    tallied: dict[tuple[str, str, str], Tally] = {}
    for order in found.orders.values():
        if order.is_split:
            continue
        one = judge(found, order)
        currency = one.instrument.currency
        names = {"all": "all", "client": order.client, "type": str(one.kind)}
        for kind in ("all", *by):
            if kind == "exchange":
                continue
            tally = tallied.setdefault((kind, names[kind], currency), Tally())
            tally.order(one, order.qty, order.canceled, order.fills, found)
            tally.whole(one)
        for venue, placed, canceled, fills in _parts(order) if "exchange" in by else ():
            tally = tallied.setdefault(("exchange", venue or OWN_BOOK, currency), Tally())
            tally.order(one, placed, canceled, fills, found)
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
    told |= {what: decimal(shares[what], least=0) for what in many}
    told["fill_rate_pct"] = percent(shares["filled_shares"], shares["shares"])
    quoted, effective, mid = (averages[what].value for what in ("quoted_spread", "effective_spread", "midpoint"))
    told |= {"midpoint": decimal(mid), "quoted_spread": decimal(quoted), "effective_spread": decimal(effective)}
    told["effective_bps"] = decimal(BPS * effective / mid, 4) if effective is not None and mid else None
    told["eq_pct"] = percent(effective, quoted)
    for what, _ in HORIZONS:
        told[what] = decimal(averages[what].value)
        told[f"no_{what}_shares"] = decimal(shares[f"no_{what}_shares"], least=0)
    for prefix in ("", "displayed_"):
        for what in ("improved", "at_quote", "outside"):
            told[f"{prefix}{what}_shares"] = decimal(shares[f"{prefix}{what}_shares"], least=0)
            told[f"{prefix}{what}_fills"] = counts[f"{prefix}{what}_fills"]
            if what != "at_quote":
                told[f"{prefix}{what}_per_share"] = decimal(averages[f"{prefix}{what}"].value)
        told[f"{prefix}improvement"] = _text(tally.money[f"{prefix}improvement"])
    told["size_improved_shares"] = decimal(shares["size_improved_shares"], least=0) if by != "exchange" else None
    told |= _waits(tally)
    for what in ("slippage_arrival", "slippage_vwap", "slippage_twap"):
        told[what] = decimal(averages[what].value)
        told[f"no_{what}_shares"] = decimal(shares[f"no_{what}_shares"], least=0)
    told["slippage_arrival_bps"] = decimal(averages["slippage_arrival_bps"].value, 4)
    return told | _expectation(tally, by) | {what: _text(tally.money[what]) for what in ("fees", "exchange_fees")}


def _text(money: Fraction) -> str:
    return money_text(round(money))


def _waits(tally: Tally) -> dict[str, Any]:
    told: dict[str, Any] = {"latency_mean_ms": decimal(tally.wait_mean(), 3)}
    told |= {
        name: decimal(tally.wait(share), 3)
        for name, share in (("latency_median_ms", Fraction(1, 2)), ("latency_p99_ms", Fraction(99, 100)))
    }
    return told | {name: decimal(tally.shares[name], least=0) for name, _ in BUCKETS}


def _expectation(tally: Tally, by: str) -> dict[str, Any]:
    names = ("expected_shares", "expected_got_shares")
    is_there = by != "exchange" and bool(tally.shares["expected_shares"])
    told: dict[str, Any] = {name: decimal(tally.shares[name], least=0) if is_there else None for name in names}
    told |= {
        name: decimal(tally.averages[name].value) if is_there else None
        for name in ("expected_px", "realised_px", "expected_px_missed")
    }
    return told | {name: _text(tally.money[name]) if is_there else None for name in ("expected_fee", "realised_fee")}


class Quality(msgspec.Struct, frozen=True):
    """The report's rows, and how many orders were left out because their instrument was split meanwhile."""

    rows: list[dict[str, Any]]
    orders: int
    split: int


def quality(found: Orders, by: Iterable[str]) -> Quality:
    rows = [row(key, tally) for key, tally in tallies(found, by).items()]
    split = sum(order.is_split for order in found.orders.values())
    return Quality(rows, len(found.orders) - split, split)
