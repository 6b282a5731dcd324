"""Where orders were routed, by the structure of SEC Rule 606(a)(1) of Regulation NMS (17 CFR 242.606): by section,
quarter and month the share of orders that were non-directed and of which kind, and by exchange what it got of each and
what was paid and received there.

Sections are the configured groups of symbols (the rule's are the S&P 500's stocks, others and options). An order that
was split is counted at each exchange that got a part. Payments are by the exchanges' configured fees: what is received
net is above 0, what is paid below.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import msgspec

from brokerfix.domain import MONEY_DIGITS, Instrument, money_text
from brokerfix.operate.quality_orders import Kind, Order
from brokerfix.operate.quality_read import Orders
from brokerfix.operate.quality_words import OWN_BOOK, decimal, percent

HEADING = "Order routing by the structure of SEC Rule 606(a)(1). Not a certified filing."
NOTES = (
    "Non-directed orders name no exchange (ExDestination). By month and quarter of the trading day of receipt.",
    "Limit orders are marketable or not by the quote at their receipt; those without one on record are 'no quote'. "
    "Stops, pegged and auction orders are 'other'.",
    "An order that was split counts at each exchange that got a part of it, so that their percentages may add up to "
    "more than 100. 'own book' is where orders met or rested here.",
    "Net payments are by the exchanges' configured fees: above 0 received, below 0 paid. Only exchanges' fees are in "
    "them, no commissions.",
)
MARKET, MARKETABLE, NON_MARKETABLE, OTHER, UNKNOWN = "market", "marketable", "non_marketable", "other", "no_quote"
KINDS = (MARKET, MARKETABLE, NON_MARKETABLE, OTHER, UNKNOWN)
KIND_OF = {
    Kind.MARKET: MARKET, Kind.MARKETABLE: MARKETABLE, Kind.STOP: OTHER, Kind.OTHER: OTHER, Kind.UNKNOWN: UNKNOWN,
}  # fmt: skip
"""What the rule calls a kind of order; those that are not named are non-marketable limits."""
HUNDRED = 100


class Place:
    """What an exchange got of a section's non-directed orders, by kind: orders, filled units, net payment."""

    def __init__(self) -> None:
        self.orders: dict[str, int] = defaultdict(int)
        self.shares: dict[str, Fraction] = defaultdict(Fraction)
        self.net: dict[str, int] = defaultdict(int)


class Section:
    """The orders of a group of symbols in a month or quarter."""

    def __init__(self) -> None:
        self.total = 0
        self.orders: dict[str, int] = defaultdict(int)
        self.places: dict[str, Place] = defaultdict(Place)

    def add(self, order: Order, instrument: Instrument) -> None:
        self.total += 1
        if order.is_directed:
            return
        kind = KIND_OF.get(order.kind(instrument.price_digits), NON_MARKETABLE)
        self.orders[kind] += 1
        venues = [child.venue or OWN_BOOK for child in order.children]
        if order.booked or any(not fill.venue for fill in order.fills):
            venues.append(OWN_BOOK)
        for venue in dict.fromkeys(venues):
            self.places[venue].orders[kind] += 1
        for fill in order.fills:
            place = self.places[fill.venue or OWN_BOOK]
            place.shares[kind] += Fraction(fill.qty, 10**instrument.qty_digits)
            place.net[kind] -= fill.exchange_fee(instrument)


class Routing(msgspec.Struct, frozen=True):
    """The report: a row for each section and period, and one for each exchange in it."""

    sections: list[dict[str, Any]]
    exchanges: list[dict[str, Any]]
    orders: int


def periods(day: int) -> tuple[str, str]:
    """The month and the quarter of a day, YYYYMMDD."""
    year, month = day // 10_000, day // 100 % 100
    return f"{year}-{month:02}", f"{year}-Q{(month + 2) // 3}"


def _sections(found: Orders, symbol: str) -> Iterator[str]:
    """The sections that a symbol is in."""
    names = [group for group, symbols in found.groups.items() if symbol in symbols]
    yield from names or (["other"] if found.groups else ["all"])


def routing(shards: Sequence[Orders]) -> Routing:
    """Of the orders of all shards together."""
    sections: dict[tuple[str, str, str], Section] = defaultdict(Section)
    for found, order in ((shard, order) for shard in shards for order in shard.orders.values()):
        instrument = found.instruments[order.symbol]
        for name in _sections(found, order.symbol):
            for period in periods(order.day):
                sections[name, period, instrument.currency].add(order, instrument)
    # A quarter stands before its months.
    ordered = sorted(sections.items(), key=lambda item: (item[0][0], item[0][2], *_rank(item[0][1])))
    told = [_section_row(key, section) for key, section in ordered]
    exchanges = [
        _exchange_row(key, section, venue, place)
        for key, section in ordered
        for venue, place in sorted(section.places.items(), key=lambda item: (-sum(item[1].orders.values()), item[0]))
    ]
    return Routing(told, exchanges, sum(len(found.orders) for found in shards))


def _rank(period: str) -> tuple[str, int]:
    year, _, rest = period.partition("-")
    return (f"{year}-{rest}", 0) if rest[0] == "Q" else (f"{year}-Q{(int(rest) + 2) // 3}", int(rest))


def _head(key: tuple[str, str, str]) -> dict[str, Any]:
    section, period, currency = key
    return {"section": section, "period": period} | ({"currency": currency} if currency else {})


def _section_row(key: tuple[str, str, str], section: Section) -> dict[str, Any]:
    undirected = sum(section.orders.values())
    told = _head(key) | {"orders": section.total, "non_directed": undirected}
    told["non_directed_pct"] = percent(undirected, section.total)
    return told | {f"{kind}_pct": percent(section.orders[kind], undirected) for kind in KINDS}


def _exchange_row(key: tuple[str, str, str], section: Section, venue: str, place: Place) -> dict[str, Any]:
    told = _head(key) | {"exchange": venue, "routed": sum(place.orders.values())}
    told["routed_pct"] = percent(told["routed"], sum(section.orders.values()))
    told |= {f"{kind}_pct": percent(place.orders[kind], section.orders[kind]) for kind in KINDS}
    shares, net = sum(place.shares.values(), Fraction(0)), sum(place.net.values())
    told |= {"shares": decimal(shares, least=0), "net": money_text(net), "net_per_100": _per_hundred(net, shares)}
    for kind in KINDS:
        told[f"net_{kind}"] = money_text(place.net[kind])
        told[f"net_{kind}_per_100"] = _per_hundred(place.net[kind], place.shares[kind])
    return told


def _per_hundred(net: int, shares: Fraction) -> str | None:
    """Money by hundred shares, as decimal text."""
    return decimal(Fraction(net, 10**MONEY_DIGITS) / shares * HUNDRED) if shares else None
