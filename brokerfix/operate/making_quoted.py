"""How market makers quoted on a trading day: how long, how near, how often they moved and why they stopped, what of
each level was filled, and what their hedges slipped."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from brokerfix.domain import Side, to_text
from brokerfix.operate.makers import halved, halved_money, time_text
from brokerfix.operate.making_earned import SECOND
from brokerfix.operate.making_read import Made
from brokerfix.operate.making_traded import Hedged, Traded
from brokerfix.operate.quality_words import OWN_BOOK, decimal, percent

HOUR = 3600 * SECOND
BPS = 10_000
Row = dict[str, Any]


def quoted(made: Made) -> Iterator[Row]:
    """A row for each instrument that is quoted: shares of the time in which the maker could quote."""
    for symbol, traded in made.traded.items():
        if not (traded.decisions or traded.up):
            continue
        price = 10**traded.instrument.price_digits
        yield {
            "maker": made.maker,
            "symbol": symbol,
            "hours_up": decimal(Fraction(traded.up, HOUR), 4),
            "both_sides_pct": percent(traded.both, traded.up),
            "spread": decimal(Fraction(traded.spread, traded.both * price)) if traded.both else None,
            "bid_at_best_pct": percent(traded.bid_best, traded.shown),
            "ask_at_best_pct": percent(traded.ask_best, traded.shown),
            "decisions": str(traded.decisions),
            "placed": str(traded.placed),
            "moved": str(traded.moved),
            "pulls": str(sum(traded.pulls.values())),
            "pulled_for": ", ".join(f"{code} {count}" for code, count in traded.pulls.most_common()),
        }


def levels(made: Made) -> Iterator[Row]:
    """A row for each place, side and level that was quoted. `filled_pct_a_second` is the quantity filled by the
    quantity x seconds that was quoted."""
    for symbol, traded in made.traded.items():
        price, unit = 10**traded.instrument.price_digits, 10**traded.instrument.qty_digits
        for (venue, side, level), stood in sorted(traded.stood.items()):
            if not stood.time:
                continue
            yield {
                "maker": made.maker,
                "symbol": symbol,
                "place": venue or OWN_BOOK,
                "side": "bid" if side is Side.BUY else "offer",
                "level": str(level),
                "hours": decimal(Fraction(stood.time, HOUR), 4),
                "quantity": decimal(Fraction(stood.qty_time, stood.time * unit), 4, 0),
                "from_mid": decimal(Fraction(stood.distance_time, 2 * stood.time * price)),
                "fills": str(stood.fills),
                "filled": to_text(stood.filled, traded.instrument.qty_digits),
                "fills_per_hour": decimal(Fraction(stood.fills * HOUR, stood.time), 2),
                "filled_pct_a_second": percent(Fraction(stood.filled * SECOND), stood.qty_time),
            }


def hedges(made: Made) -> Iterator[Row]:
    """A row for each instrument that was hedged in: what it cost against the mid at the decisions."""
    for symbol, traded in made.traded.items():
        if not (traded.hedges or traded.hedges_refused):
            continue
        filled = [hedge for hedge in traded.hedges if hedge.filled]
        units, worth = sum(hedge.filled for hedge in filled), sum(hedge.filled * hedge.mid for hedge in filled)
        slipped = sum(map(_slipped, filled))
        instrument = traded.instrument
        yield {
            "maker": made.maker,
            "symbol": symbol,
            "hedges": str(len(traded.hedges)),
            "refused": str(traded.hedges_refused),
            "wanted": to_text(sum(hedge.qty for hedge in traded.hedges), instrument.qty_digits),
            "filled": to_text(units, instrument.qty_digits),
            "slippage": halved_money(slipped * instrument.money_factor),
            "slippage_price": decimal(Fraction(slipped, 2 * units * 10**instrument.price_digits)) if units else None,
            "slippage_bps": decimal(Fraction(BPS * slipped, worth), 4) if worth else None,
            "currency": instrument.currency,
        }


def _slipped(hedge: Hedged) -> int:
    """What was paid beyond the mid at the decision (below 0: less), twice price x quantity."""
    sign = 1 if hedge.side is Side.BUY else -1
    return sign * (2 * hedge.paid - hedge.filled * hedge.mid)


def each_hedge(made: Made) -> Iterator[Row]:
    """A row for each hedge."""
    for symbol, traded in made.traded.items():
        digits = traded.instrument.qty_digits
        for hedge in traded.hedges:
            yield {
                "maker": made.maker,
                "symbol": symbol,
                "at": time_text(hedge.at),
                "side": hedge.side.name.lower(),
                "delta": to_text(hedge.delta, digits),
                "quantity": to_text(hedge.qty, digits),
                "filled": to_text(hedge.filled, digits),
                "mid": halved(hedge.mid, traded.instrument.price_digits),
                "price": _average(hedge, traded),
                "slippage": halved_money(_slipped(hedge) * traded.instrument.money_factor),
            }


def _average(hedge: Hedged, traded: Traded) -> str | None:
    scale = 10**traded.instrument.price_digits
    return decimal(Fraction(hedge.paid, hedge.filled * scale)) if hedge.filled else None
