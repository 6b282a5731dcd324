"""What a recorded quote says of a symbol's market as a whole: its price, its volume, and how far both can be relied
on."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import msgspec

from brokerfix.domain import Instrument, average_text, id_text, to_text
from brokerfix.facts import Quoted, RouteDecided

MORE_DIGITS = 4
"""A mid and a size-weighted price have so many more decimals than a price."""


def moment(at: int) -> str:
    """Nanoseconds UTC -> ISO text with microseconds."""
    return datetime.fromtimestamp(at // 1000 / 10**6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def published(fact: Quoted, instrument: Instrument) -> dict[str, Any]:
    """As decimal text: `mid`; `weighted`, the mid weighted by the size of the other side (Gatheral & Oomen 2010,
    "Zero-intelligence realized variance estimation", as microprice); `spread_bps` of the mid; the day's open, high,
    low, volume and VWAP; `state`: normal, locked, crossed, one-sided or empty; `fresh` of `sources` exchanges count,
    and `left_out` is JSON of those that do not, with why."""
    bid, ask = (levels[0] if levels else None for levels in (fact.bids, fact.asks))
    digits = instrument.price_digits
    row: dict[str, Any] = {"mid": None, "weighted": None, "spread_bps": None}
    if bid is not None and ask is not None:
        row["mid"] = _text(Fraction(bid[0] + ask[0], 2), digits)
        row["weighted"] = _text(Fraction(bid[0] * ask[1] + ask[0] * bid[1], bid[1] + ask[1]), digits)
        row["spread_bps"] = _text(Fraction(2 * 10_000 * (ask[0] - bid[0]), max(1, ask[0] + bid[0])), 0)
        crossed = bid[0] - ask[0]
        row["state"] = "crossed" if crossed > 0 else "normal" if crossed else "locked"
    else:
        row["state"] = "empty" if bid is ask else "one-sided"
    day = fact.day
    row |= {
        name: to_text(value, digits) if day.volume else None
        for name, value in (("open", day.open), ("high", day.high), ("low", day.low))
    }
    row["volume"] = to_text(day.volume, instrument.qty_digits)
    row["vwap"] = average_text(day.turnover, day.volume, digits) if day.volume else None
    out = {venue: why for venue, why in fact.sources if why}
    row |= {"sources": len(fact.sources), "fresh": len(fact.sources) - len(out), "left_out": _json(out)}
    return row


def decision_row(fact: RouteDecided, instrument: Instrument) -> dict[str, Any]:
    """A routing decision: amounts as decimal text, the quotes and exchanges as JSON."""
    price, qty = instrument.price_digits, instrument.qty_digits
    quotes = [
        {
            "venue": one.venue,
            "price": to_text(one.price, price),
            "fee": one.fee,
            "qty": to_text(one.qty, qty),
            "taken": to_text(one.aimed, qty),
        }
        for one in fact.seen
    ]
    exchanges = [
        {"venue": one.venue, "cost": one.cost, "gets": to_text(one.gets, qty), "why": one.why} for one in fact.scores
    ]
    return {
        "id": id_text(fact.id),
        "at": moment(fact.at),
        "order_id": id_text(fact.order_id),
        "mode": fact.mode,
        "qty": to_text(fact.qty, qty),
        "quotes": _json(quotes),
        "exchanges": _json(exchanges),
        "expected_qty": to_text(fact.expected_qty, qty),
        "expected_px": fact.expected_px or None,
        "expected_fee": fact.expected_fee or None,
        "note": fact.note,
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _text(value: Fraction, digits: int) -> str:
    """A price (in its scale) to MORE_DIGITS more decimals, half up, without trailing zeros beyond those of a price."""
    scaled = (2 * value.numerator * 10**MORE_DIGITS + value.denominator) // (2 * value.denominator)
    text = to_text(scaled, digits + MORE_DIGITS)
    return text[:-MORE_DIGITS] + text[-MORE_DIGITS:].rstrip("0") if digits else text.rstrip("0").rstrip(".")
