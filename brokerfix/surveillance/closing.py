"""Marking the close: trades in the last minutes before an instrument's close that are a large part of what is traded
then, and with which its price moves their way.

Sources: Regulation (EU) 596/2014, annex I.A (g), with Delegated Regulation (EU) 2016/522, annex II, section 1 (marking
the close); Securities Exchange Act, section 9(a)(2), and SEC Rule 10b-5.

Looked at is what happens from `close_minutes` before the close, by the instrument's hours or its calendar, until a
minute after it, so that a closing auction is in it. Of an owner that counts which side it has traded more of. It is
found where that is at least `close_share_percent` of the volume, and the price moved by `close_move_bps` or more in its
direction: from the last one before those minutes to the last one of them. The volume is what exchanges have told of the
day's, as far as it is on record, or what our clients have traded, whichever is more.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from brokerfix.domain import Finding, Instrument
from brokerfix.settings.schedule import Hours
from brokerfix.settings.surveillance import Thresholds
from brokerfix.surveillance.tape import MOST, SECOND, Closing, Fill, Market, Memory, Order
from brokerfix.surveillance.words import Words, clock, finding, score, span

NAME = "marking-the-close"
GRACE = 60 * SECOND
"""What happens so long after the close is still of it: an auction's trades, fills that come late."""
NEVER = 1 << 62
MOST_FILLS = 10 * MOST
"""Of a symbol in the last minutes; more are counted in the volume only."""


class Closes:
    """When instruments close: by their hours or, where one is configured, by an exchange calendar."""

    def __init__(self, calendars: dict[str, str]) -> None:
        self._calendars = calendars
        self._hours: dict[str, Hours] = {}

    def after(self, instrument: Instrument, at: int) -> int:
        """The next close after a time (ns UTC), NEVER where there is none."""
        hours = self._hours.get(instrument.symbol)
        if hours is None or hours.instrument != instrument:
            hours = self._hours[instrument.symbol] = Hours(instrument, self._calendars.get(instrument.symbol, ""))
        _, closes = hours.next_times(at)
        return closes or NEVER


def before(memory: Memory, symbol: str, terms: Thresholds, closes: Closes) -> Closing | None:
    """Asked before each quote and fill of a symbol: what of its last minutes is on record; None: they have not
    begun."""
    closing = memory.closing.get(symbol)
    if closing is None or (not closing.is_due and 0 < closing.close + GRACE < memory.now):
        closing = memory.closing[symbol] = Closing()
    if not closing.close:
        instrument = memory.instruments.get(symbol)
        closing.close = closes.after(instrument, memory.now - 1) if instrument is not None else NEVER
    if memory.now < closing.close - terms.close_minutes * 60 * SECOND:
        return None
    if closing.begun is None:
        had = closing.begun = msgspec.structs.replace(memory.market(symbol))
        closing.base = had.volume if had.fact and had.day == memory.day else -1
    return closing


def quoted(closing: Closing, volume: int) -> None:
    """So much has traded on the day, as a quote in the last minutes says."""
    if closing.base < 0 or volume < closing.base:
        closing.base = volume


def filled(memory: Memory, closing: Closing, order: Order, fill: Fill, is_trade: bool) -> None:
    """One side of a trade (`is_trade` of the one that counts towards the volume), or an exchange's fill, in the last
    minutes."""
    closing.volume += fill.qty if is_trade else 0
    closing.last = fill.fact
    if order.is_watched and len(closing.fills) < MOST_FILLS:
        closing.fills.append((order.owner, fill))
    if not closing.is_due:
        closing.is_due = True
        memory.wake(closing.close + GRACE, NAME, order.symbol)


def look(memory: Memory, symbol: str, terms: Thresholds) -> Iterator[Finding]:
    """The close is over."""
    closing = memory.closing.pop(symbol, None)
    if closing is None or closing.begun is None:
        return
    had, has = closing.begun, memory.market(symbol)
    traded = has.volume - closing.base if closing.base >= 0 else 0
    volume = max(traded, closing.volume)
    owners = dict.fromkeys(owner for owner, _ in closing.fills)
    for owner in owners:
        fills = [fill for name, fill in closing.fills if name == owner]
        bought = sum(fill.qty for fill in fills if fill.is_buy)
        sold = sum(fill.qty for fill in fills if not fill.is_buy)
        if bought != sold:
            mine = [fill for fill in fills if fill.is_buy is (bought > sold)]
            looked = Looked(owner, symbol, mine, volume, had, has, closing.close)
            if is_marked(looked, terms):
                yield _finding(memory, looked, any(fill.fact == closing.last for fill in mine), terms)


class Looked(NamedTuple):
    """An owner's fills on the side that it has traded more of, and what happened around them."""

    owner: str
    symbol: str
    fills: list[Fill]
    volume: int
    had: Market
    has: Market
    close: int

    @property
    def qty(self) -> int:
        return sum(fill.qty for fill in self.fills)


def is_marked(looked: Looked, terms: Thresholds) -> bool:
    first, last = looked.had.twice_price, looked.has.twice_price
    if not first or looked.qty * 100 < terms.close_share_percent * looked.volume:
        return False
    moved = last - first if looked.fills[0].is_buy else first - last
    return moved * 10_000 >= terms.close_move_bps * first


def _finding(memory: Memory, looked: Looked, is_last: bool, terms: Thresholds) -> Finding:
    owner, symbol, fills, volume, had, has, close = looked
    words = Words(symbol, memory.instruments.get(symbol))
    share, done = 100 * looked.qty // max(1, volume), "bought" if fills[0].is_buy else "sold"
    first, last = words.half_price(had.twice_price), words.half_price(has.twice_price)
    moved = abs(has.twice_price - had.twice_price) * 10_000 // had.twice_price
    late = " Nobody here traded after it." if is_last else ""
    return finding(
        NAME, fills[-1].exec_id, {fill.account for fill in fills}, symbol, score(share, terms.close_share_percent),
        [
            f"{owner} {done} {words.qty(looked.qty)} {symbol} {span(fills[0].at, fills[-1].at)}, "
            f"before or in the close at {clock(close)}: {share} % of the {words.qty(volume)} that were traded in "
            f"the last {terms.close_minutes} minutes, while the price went from {first} to {last}, {moved} basis "
            f"points its way.{late}"
        ],
        [number for fill in fills for number in (fill.order_id, fill.fact)]
        + [one.fact for one in (had, has) if one.fact],
        [("quantity", words.qty(looked.qty)), ("volume", words.qty(volume)), ("share percent", share),
         ("price before", first), ("price after", last), ("moved bps", moved),
         ("average price", words.average(sum(fill.qty * fill.price for fill in fills), looked.qty)),
         ("the last trade here", "yes" if is_last else "no")],
        [("close_minutes", terms.close_minutes), ("close_share_percent", terms.close_share_percent),
         ("close_move_bps", terms.close_move_bps)],
        [fill.at for fill in fills],
    )  # fmt: skip
