"""What the making page remembers of the day's facts beside the state: quotes against the market and what was earned, at
a conflated rate, fills, and who has stopped and started what. And what it shows of the state, as rows for people."""

from collections import deque
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from brokerfix import facts as f
from brokerfix.console.accounts import grouped
from brokerfix.console.desk import Desk as Console
from brokerfix.console.elements.listing import bar, coloured
from brokerfix.domain import Side, to_text
from brokerfix.engine.making.desk import Making
from brokerfix.engine.making.pricing import position_of
from brokerfix.engine.making.reference import quotes_of
from brokerfix.engine.risk.checks import reference
from brokerfix.engine.state import State
from brokerfix.record.journal import Record

STEP = 2 * 10**9
"""Nanoseconds between two points."""
KEPT_POINTS = 450
KEPT_LINES = 200
LADDER = 6
"""Prices on each side."""
Line = tuple[int, int, str]
"""When (ns), the number of the fact, and what happened."""


class Point(NamedTuple):
    """How a maker stood in a symbol at a time (ns): the exchanges' best prices and its own (scaled, None: none), its
    position (scaled), and what it has earned today by part, in money, twice."""

    at: int
    market_bid: int | None
    market_ask: int | None
    bid: int | None
    ask: int | None
    position: int
    spread: int
    inventory: int
    hedging: int
    fees: int

    @property
    def total(self) -> int:
        return self.spread + self.inventory + self.hedging + self.fees


class Fills(NamedTuple):
    """How many of a maker's quotes' fills there were today, and how much was filled (scaled)."""

    number: int = 0
    qty: int = 0


class Makers:
    """Listens to the feed. `points` and `fills` are by maker and symbol, `lines` are what happened to makers, the
    newest last."""

    def __init__(self, desk: Console) -> None:
        self.points: dict[tuple[str, str], deque[Point]] = {}
        self.fills: dict[tuple[str, str], Fills] = {}
        self.lines: deque[Line] = deque(maxlen=KEPT_LINES)
        self.began = 0
        desk.feed.on(self._told)

    def _told(self, state: State, fact: f.Fact, record: Record) -> None:
        if not self.began or isinstance(fact, f.DayRolled):
            self.began = fact.at
            self.fills.clear()
        if isinstance(fact, f.Quoted):
            for name in state.quoted.get(fact.symbol, ()):
                self._note(state, name, fact.symbol, fact.at)
        elif isinstance(fact, f.QuotesDecided):
            self._note(state, fact.maker, fact.symbol, fact.at)
        elif isinstance(fact, f.MakerFilled):
            if fact.kind != "hedge":
                had = self.fills.get((fact.maker, fact.symbol), Fills())
                self.fills[fact.maker, fact.symbol] = Fills(
                    had.number + (1 if fact.qty > 0 else -1), had.qty + fact.qty
                )
            self._note(state, fact.maker, fact.symbol, fact.at)
        elif isinstance(fact, f.QuotesPulled | f.QuotesResumed | f.MakerDefined):
            self.lines.append((fact.at, fact.id, line_of(fact)))

    def _note(self, state: State, name: str, symbol: str, at: int) -> None:
        making = state.makers.get(name)
        if making is None or symbol not in making.desks:
            return
        points = self.points.get((name, symbol))
        if points is None:
            points = self.points[name, symbol] = deque(maxlen=KEPT_POINTS)
        # What is newer takes the last one's place until its time is over.
        point = point_of(state, making, symbol, at)
        if len(points) > 1 and at - points[-2].at < STEP:
            points[-1] = point
        else:
            points.append(point)


def point_of(state: State, making: Making, symbol: str, at: int) -> Point:
    """How a maker stands in a symbol."""
    desk, instrument = making.desks[symbol], state.instruments[symbol]
    bids, asks = (market_side(state, symbol, side) for side in Side)
    own = quotes_of(state, making, desk).values()
    own_bids = [order.price for order in own if order.side is Side.BUY and order.leaves]
    own_asks = [order.price for order in own if order.side is not Side.BUY and order.leaves]
    earned, factor = desk.earned, instrument.money_factor
    mid = desk.mid or 2 * reference(state, instrument)
    if bids and asks and max(bids) < min(asks) and desk.quoting.place == "book":
        # None of it is its own.
        mid = max(bids) + min(asks)
    captured, hedged = earned.captured * factor, earned.hedged * factor
    return Point(
        at,
        max(bids, default=None),
        min(asks, default=None),
        max(own_bids, default=None),
        min(own_asks, default=None),
        position_of(state, making, symbol),
        captured,
        (earned.cash + desk.net * mid) * factor - captured - hedged,
        hedged,
        -2 * earned.fees,
    )


def market_side(state: State, symbol: str, side: Side) -> dict[int, int]:
    """What exchanges show of a side, as last recorded: quantity by price (scaled)."""
    recorded: Any = state.recorded.get(symbol)
    found: dict[int, int] = {}
    if recorded is not None:
        for price, qty, venue in recorded[0 if side is Side.BUY else 1]:
            if venue:
                found[price] = found.get(price, 0) + qty
    return found


def line_of(fact: f.QuotesPulled | f.QuotesResumed | f.MakerDefined) -> str:
    """What a fact says of a maker, and who did it."""
    by = f", by {fact.operator}" if fact.operator else ""
    if isinstance(fact, f.MakerDefined):
        if not fact.maker.quoting:
            return f"{fact.maker.maker} is no longer configured"
        return f"{fact.maker.maker}: {'other terms are set' if fact.operator else 'terms as configured'}{by}"
    where = f"{fact.maker} {fact.symbol}".strip()
    if isinstance(fact, f.QuotesPulled):
        return f"{where} quotes nothing more: {fact.code}: {fact.text}{'' if fact.text.endswith(by) else by}"
    why = f": {' '.join(fact.codes)} is over" if fact.codes else ": whatever had it stop is forgotten"
    return f"{where} may quote again{why}{by}"


# What is shown


def ladder(state: State, making: Making, symbol: str) -> list[dict[str, Any]]:
    """The prices around the market, highest first: what exchanges show there and what the maker quotes."""
    instrument, desk = state.instruments[symbol], making.desks[symbol]
    market = {side: market_side(state, symbol, side) for side in Side}
    own: dict[Side, dict[int, int]] = {side: {} for side in Side}
    places: dict[int, set[str]] = {}
    for name, order in quotes_of(state, making, desk).items():
        if order.leaves:
            own[order.side][order.price] = own[order.side].get(order.price, 0) + order.leaves
            places.setdefault(order.price, set()).add(desk.slots[name][0] or "book")
    bids = sorted({*market[Side.BUY], *own[Side.BUY]}, reverse=True)[:LADDER]
    asks = sorted({*market[Side.SELL], *own[Side.SELL]})[:LADDER]
    most = max((*(qty for by in (*market.values(), *own.values()) for qty in by.values()), 1))

    def cell(qty: int, kind: str) -> Any:
        return bar(100 * qty / most, grouped(to_text(qty, instrument.qty_digits)), kind) if qty else ""

    return [
        {
            "price": to_text(price, instrument.price_digits),
            "market_bid": cell(market[Side.BUY].get(price, 0), ""),
            "bid": cell(own[Side.BUY].get(price, 0), "making-own"),
            "ask": cell(own[Side.SELL].get(price, 0), "making-own"),
            "market_ask": cell(market[Side.SELL].get(price, 0), ""),
            "where": ", ".join(sorted(places.get(price, ()))),
        }
        for price in sorted({*bids, *asks}, reverse=True)
    ]


def inventory(position: str, most_short: str | None, most_long: str | None) -> Any:
    """A position with how much of its bound on that side is used."""
    if most_short is None or most_long is None:
        return position
    held, low, high = float(position), float(most_short), float(most_long)
    bound = high if held >= 0 else low
    percent = 100 * held / bound if bound else 100.0 if held else 0.0
    kind = "bad" if percent >= 90 else "warn" if percent >= 70 else ""
    return bar(percent, f"{grouped(position)} of {grouped(most_long if held >= 0 else most_short)}", kind)


def gained(text: str) -> Any:
    """A part of what was earned, from decimal text."""
    value = float(text)
    told = grouped(text)
    return coloured(f"+{told}" if value > 0 else told, "good" if value > 0 else "bad" if value < 0 else "")


def what_ends_it(until: str) -> str:
    """What has a maker quote again, by the `until` of its row."""
    if not until:
        return ""
    if until == "a reset":
        return "until somebody starts or resets it"
    return "by itself, once the reason is over" if until == "it is over" else f"by itself at {until}"


_MAKERS: WeakKeyDictionary[Console, Makers] = WeakKeyDictionary()


def begin(desk: Console) -> None:
    """Listen, before the feed runs."""
    _MAKERS[desk] = Makers(desk)


def makers_of(desk: Console) -> Makers:
    return _MAKERS[desk]
