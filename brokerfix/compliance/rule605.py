"""The monthly statistics of Rule 605 of Regulation NMS (17 CFR 242.605) by symbol, kind of order and size, as the rule
was before its amendment of 2024; the amended rule's measures are in `report execution-quality`."""

from collections import Counter, defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from brokerfix.compliance.day import orders_of
from brokerfix.compliance.rule606 import UNKNOWN_INSTRUMENT, USD, is_held, is_own
from brokerfix.compliance.written import LABEL, Problems, sidecar, table, write
from brokerfix.domain import ExecInst, Instrument, TimeInForce
from brokerfix.operate.quality_orders import Fill, Kind, Order, Quote
from brokerfix.operate.quality_read import Orders
from brokerfix.operate.quality_words import decimal
from brokerfix.settings.sections import Config

SPECIFICATION = "17 CFR 242.605(a)(1) as before the amendment of 2024 (Release 34-99679)"
NOTES = (
    "Covered orders are held market and limit orders in stocks, of 100 shares or more, that may be filled in part and "
    "were received while a quote was on record. The rest is counted by why it is not covered, so that all orders of "
    "the month are accounted for.",
    "Quotes are consolidated and recorded at a conflated rate (record_interval_ms). Price improvement is against the "
    "best price that exchanges showed at receipt, where none did that of our book.",
    "Whether an order came in regular trading hours is not looked at: orders out of hours are refused or wait.",
    "Amended in 2024, the rule wants other sizes, horizons and kinds; `brokerfix report execution-quality` has its "
    "measures. The sizes here are the four of before.",
    "A replaced order is of the kind and size that it had at receipt; its shares are all that it asked for, and those "
    "that a replace has taken away are canceled.",
    "Order types 11 to 15 and sizes 21 to 24 are the codes of the national market system plan for these files.",
)
KINDS = {
    Kind.MARKET: (11, "market"), Kind.MARKETABLE: (12, "marketable limit"), Kind.INSIDE: (13, "inside-the-quote limit"),
    Kind.AT_QUOTE: (14, "at-the-quote limit"), Kind.NEAR_QUOTE: (15, "near-the-quote limit"),
}  # fmt: skip
SIZES = ((21, 100, "100-499"), (22, 500, "500-1999"), (23, 2000, "2000-4999"), (24, 5000, "5000+"))
SECOND = 10**9
SPEEDS = (
    ("shares_0_9s", 10), ("shares_10_29s", 30), ("shares_30_59s", 60), ("shares_60_299s", 300),
    ("shares_5_30min", 1800),
)  # fmt: skip
"""Executed so many seconds after receipt, each from where the one before ends."""
REALISED_AFTER = 300 * SECOND
AT_ONCE = (11, 12)
AVERAGES = (
    "realised_spread", "effective_spread", "improved_per_share", "improved_seconds", "at_quote_seconds",
    "outside_per_share", "outside_seconds",
)  # fmt: skip
NAMES = (
    "market_center", "month", "symbol", "order_type", "order_type_name", "size", "size_name", "orders", "shares",
    "canceled_shares", "executed_here_shares", "executed_away_shares", *(name for name, _ in SPEEDS),
    "realised_spread", "effective_spread", "improved_shares", "improved_per_share", "improved_seconds",
    "at_quote_shares", "at_quote_seconds", "outside_shares", "outside_per_share", "outside_seconds",
)  # fmt: skip


class Row:
    """The orders of a symbol, kind and size. `sums` are weighted by the shares of `of`."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.orders = 0
        self.shares: dict[str, Fraction] = defaultdict(Fraction)
        self.sums: dict[str, Fraction] = defaultdict(Fraction)
        self.of: dict[str, Fraction] = defaultdict(Fraction)

    def add(self, found: Orders, order: Order, quote: Quote, at_once: bool) -> None:
        unit = Fraction(self.instrument.multiplier, 10**self.instrument.qty_digits)
        self.orders += 1
        # What a replace adds was ordered too, and what it takes away was canceled.
        ordered = max(order.first_qty, order.qty)
        self.shares["shares"] += ordered * unit
        if order.is_ended or order.filled >= order.qty:
            self.shares["canceled_shares"] += max(0, ordered - order.filled) * unit
        for fill in order.fills:
            if fill.qty:
                self._fill(found, order, quote, fill, fill.qty * unit, at_once)

    def _fill(self, found: Orders, order: Order, quote: Quote, fill: Fill, shares: Fraction, at_once: bool) -> None:
        self.shares["executed_away_shares" if fill.venue else "executed_here_shares"] += shares
        seconds = Fraction(max(0, fill.at - order.at), SECOND)
        speed = next((name for name, below in SPEEDS if seconds < below), "")
        if speed:
            self.shares[speed] += shares
        tick = Fraction(1, 10**self.instrument.price_digits)
        later = found.twice_mid(order.symbol, fill.at + REALISED_AFTER)
        if later is not None:
            self._average("realised_spread", order.sign * (2 * fill.price - later) * tick, shares)
        if not at_once:
            return
        self._average("effective_spread", order.sign * (2 * fill.price - quote.twice_mid) * tick, shares)
        better = order.sign * (quote.far_venue(order.side) - fill.price)
        name = "improved" if better > 0 else "outside" if better < 0 else "at_quote"
        self.shares[f"{name}_shares"] += shares
        self._average(f"{name}_seconds", seconds, shares)
        if better:
            self._average(f"{name}_per_share", abs(better) * tick, shares)

    def _average(self, name: str, value: Fraction, shares: Fraction) -> None:
        self.sums[name] += value * shares
        self.of[name] += shares

    def told(self) -> dict[str, Any]:
        shares = {name: decimal(self.shares[name], least=0) for name in NAMES if name.endswith("shares")}
        shares |= {name: decimal(self.shares[name], least=0) for name, _ in SPEEDS}
        averages = {name: decimal(self.sums[name] / self.of[name], 4) if self.of[name] else None for name in AVERAGES}
        return {"orders": self.orders} | shares | averages


def month_of(day: int) -> tuple[int, int]:
    """The first and last day (YYYYMMDD) that there may be in a day's month."""
    return day // 100 * 100 + 1, day // 100 * 100 + 31


class Month:
    """A month's covered orders, and how many were left out, and why."""

    def __init__(self, config: Config, found: Orders, day: int) -> None:
        self.config, self.found, self.day = config, found, day
        self.rows: dict[tuple[str, int, int], Row] = {}
        self.counts: Counter[str] = Counter()
        for order in found.orders.values():
            self.counts[self._add(order)] += 1

    def _add(self, order: Order) -> str:
        instrument = self.found.instruments.get(order.symbol)
        if instrument is None:
            return UNKNOWN_INSTRUMENT
        asked = order.instructions
        if is_own(self.config, self.found, order):
            return "the firm's own"
        if not is_held(self.config, order):
            return "not held"
        if order.is_split:
            return "split while open"
        if instrument.option is not None:
            return "of an option"
        if instrument.currency not in USD:
            return "not in US dollars"
        if order.time_in_force is TimeInForce.FOK:
            return "fill or kill"
        if asked is not None and (asked.min_qty or ExecInst.ALL_OR_NONE in asked.exec_inst):
            return "all or none, or a minimum quantity"
        kind = order.kind(instrument.price_digits)
        if order.quote is None:
            return "no quote at receipt"
        if kind not in KINDS:
            return f"{kind}: no kind of the rule"
        shares = Fraction(order.first_qty * instrument.multiplier, 10**instrument.qty_digits)
        size = next((code for code, least, _ in reversed(SIZES) if shares >= least), 0)
        if not size:
            return "below 100 shares"
        code = KINDS[kind][0]
        row = self.rows.setdefault((order.symbol, code, size), Row(instrument))
        row.add(self.found, order, order.quote, code in AT_ONCE)
        return "covered, in the report"

    def told(self) -> list[dict[str, Any]]:
        types, sizes = dict(KINDS.values()), {code: name for code, _, name in SIZES}
        return [
            {
                "market_center": self.config.compliance.market_center, "month": self.day // 100, "symbol": symbol,
                "order_type": code, "order_type_name": types[code], "size": size, "size_name": sizes[size],
                **row.told(),
            }
            for (symbol, code, size), row in sorted(self.rows.items())
        ]  # fmt: skip


def write_month(folder: Path, config: Config, day: int) -> tuple[list[Path], dict[str, Any]]:
    """Returns the files that are written, and what is told of them. Raises JournalError."""
    journal = config.data / "journal"
    first, last = month_of(day)
    found, counted = orders_of(journal, first, last)
    made = Month(config, found, day)
    problems = Problems()
    if not config.compliance.market_center:
        problems.add("605", [("market_center", "is missing")])
    differences = [] if made.counts.total() == counted else [f"{made.counts.total()} orders told, {counted} accepted"]
    told = sidecar(
        "605", SPECIFICATION, day, NOTES, problems, differences=differences, orders=dict(made.counts), accepted=counted
    )
    name = f"605-{day // 100}-{LABEL}"
    return write(folder, {f"{name}.csv": table(NAMES, made.told())}, f"{name}.meta.json", told), told
