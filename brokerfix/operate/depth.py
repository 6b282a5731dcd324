"""The market as it is this moment, for who looks at it: what each exchange shows of a symbol, whether that counts,
and all together. It reads the live view, which is on no record."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from brokerfix.domain import Side, Venue
from brokerfix.engine.market import STALE, Quotes
from brokerfix.engine.routing.statistics import is_open
from brokerfix.engine.state import State
from brokerfix.live.sources import WORDS
from brokerfix.operate.running import Running

MOST_LEVELS = 20
"""Of each side, of each exchange and of all together."""
MILLISECOND = 10**6
Level = tuple[int, int]
"""Price in ticks of the symbol's digits, scaled quantity."""
Consolidated = tuple[int, int, dict[str, int]]
"""Price, quantity, and by exchange what of it is there ("": in our own book)."""


def depth(broker: Running, symbol: str, levels: int) -> dict[str, Any]:
    """The best `levels` of a symbol: prices and quantities are whole numbers, scaled by its digits, which are told.
    Work is bounded by levels and exchanges."""
    state, now = broker.state, broker.clock()
    instrument, last = state.instruments[symbol], state.market.last.get(symbol)
    day = state.market.totals.get(symbol)
    return {
        "symbol": symbol,
        "at": now,
        "price_digits": instrument.price_digits,
        "qty_digits": instrument.qty_digits,
        "tick": instrument.tick,
        "lot": instrument.lot,
        "phase": state.phase(symbol).value,
        "halted": state.is_halted(symbol),
        "last": last,
        "day": [day.open, day.high, day.low, day.volume] if day is not None and day.volume else None,
        "bids": consolidated(state, symbol, Side.BUY, levels),
        "asks": consolidated(state, symbol, Side.SELL, levels),
        "exchanges": [
            _exchange(broker, venue, symbol, levels, now)
            for venue in state.venues.values()
            if not venue.removed and not venue.drop_copy and symbol in (venue.symbols or (symbol,))
        ],
    }


def consolidated(state: State, symbol: str, side: Side, levels: int) -> list[Consolidated]:
    """The best levels of a side: exchanges whose quotes count, and our own book, together."""
    found: dict[int, dict[str, int]] = {}
    for entries in islice(state.market.by_price(symbol, side), levels):
        found[entries[0].price] = {entry.key[0]: entry.qty for entry in entries}
    for price, qty in islice(state.books[symbol].levels(side), levels):
        found.setdefault(price, {})[""] = qty
    best_first = sorted(found.items(), reverse=side is Side.BUY)
    return [(price, sum(parts.values()), parts) for price, parts in best_first[:levels]]


def _exchange(broker: Running, venue: Venue, symbol: str, levels: int, now: int) -> dict[str, Any]:
    """What one exchange shows. `counts`: it is in the consolidated book; `why` it is not, or why nothing is sent there
    (`routed` false), in words."""
    state, name = broker.state, venue.venue
    quotes = state.market.quotes.get((name, symbol))
    heard = broker.heard(name, symbol)
    is_up = bool(state.market.up.get(name))
    counts = is_up and quotes is not None and not quotes.out
    stops = _why_not_routed(state, name, symbol, now)
    return {
        "exchange": name,
        "up": is_up,
        "counts": counts,
        "stale": quotes is not None and STALE in quotes.out,
        "routed": not stops,
        "why": "; ".join(filter(None, (_why_not(venue, quotes, is_up), stops if is_up else ""))),
        "age_ms": (now - heard) // MILLISECOND if heard else None,
        "max_age_ms": venue.max_quote_age // MILLISECOND,
        "bids": list(_levels(quotes, Side.BUY, levels)),
        "asks": list(_levels(quotes, Side.SELL, levels)),
    }


def _levels(quotes: Quotes | None, side: Side, levels: int) -> Iterator[Level]:
    if quotes is not None:
        sign = -1 if side is Side.BUY else 1
        yield from ((sign * rank, qty) for rank, qty in islice(quotes.side(side).items(), levels))


def _why_not(venue: Venue, quotes: Quotes | None, is_up: bool) -> str:
    """Why an exchange's quotes do not count, "" if they do."""
    if not is_up:
        return "its session is down"
    if quotes is not None and quotes.out:
        return ", ".join(WORDS[why] for why in quotes.out)
    if quotes is None or not (quotes.bids or quotes.asks):
        if venue.dark:
            return "it is dark, and shows nothing"
        return "it shows nothing" if venue.market_data else "it sends no market data"
    return ""


def _why_not_routed(state: State, venue: str, symbol: str, now: int) -> str:
    """Why nothing is sent to an exchange that is up, "" if something may be."""
    if ("venue", venue) in state.halts:
        return "nothing is sent there: an operator has halted it"
    if not state.venue_quotes(venue, symbol):
        return "nothing is sent there"
    failing = is_open(state, venue, now)
    return f"nothing is sent there: {failing}" if failing else ""
