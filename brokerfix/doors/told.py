"""What streams are told, and what of it waits for a reader.

A book or statistics that wait are replaced by newer ones of the same symbol: a slow reader gets what is, and not all
that has been. Reports, quotes to the client and trades are whole, or the stream has lost its reader.
"""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol

import msgspec

from brokerfix.doors.model import Changed, Order, Quote, Report, Trade
from brokerfix.doors.quote_model import FirmQuote, Quoted


class Moved(msgspec.Struct, frozen=True):
    """A symbol's book has changed: as it is by price (None: that is as it was), and by exchange."""

    symbol: str
    by_price: Quote | None
    by_exchange: Quote


Told = Report | Moved | Changed | Trade | Quoted
Sent = Report | Quote | Changed | Trade | Quoted
WHOLE = Report | Trade | Quoted
"""What nothing newer replaces."""


class Wants(msgspec.Struct, frozen=True):
    """What a stream is to be told of the market."""

    symbols: frozenset[str] = frozenset()
    by_exchange: bool = False
    statistics: bool = False
    trades: bool = False


class Listener(Protocol):
    """Who is told of all that a client's session tells."""

    def tell(self, what: Told) -> None: ...


class Stream:
    """What one WebSocket is to be told, first come first told. It holds so many reports and trades; one whose reader is
    slower than that is `lost`. `ready`: something waits."""

    def __init__(self, most: int, wants: Wants, sees: Callable[[Order | FirmQuote], bool]) -> None:
        self.wants = wants
        self.lost = False
        self.ready = asyncio.Event()
        self._most, self._sees = most, sees
        self._waiting: OrderedDict[Hashable, Sent] = OrderedDict()
        self._numbers = itertools.count()
        self._kept = 0

    @property
    def keeps(self) -> bool:
        """Whether something waits that nothing newer replaces."""
        return self._kept > 0

    def tell(self, what: Told) -> None:
        wants = self.wants
        if isinstance(what, Report):
            if self._sees(what.order):
                self._keep(what)
        elif isinstance(what, Quoted):
            if self._sees(what.quote):
                self._keep(what)
        elif isinstance(what, Trade):
            if wants.trades and what.symbol in wants.symbols:
                self._keep(what)
        elif isinstance(what, Changed):
            if wants.statistics and what.statistics.symbol in wants.symbols:
                self._renew(("statistics", what.statistics.symbol), what)
        elif what.symbol in wants.symbols:
            quote = what.by_exchange if wants.by_exchange else what.by_price
            if quote is not None:
                self._renew(("quote", what.symbol), quote)

    def _keep(self, what: WHOLE) -> None:
        if self._kept >= self._most:
            self.lost = True
            return
        self._kept += 1
        self._renew(next(self._numbers), what)

    def _renew(self, key: Hashable, what: Sent) -> None:
        # What is renewed keeps its place: however often it changes, its turn comes.
        self._waiting[key] = what
        self.ready.set()

    def take(self) -> Sent | None:
        """What waits longest, if something does."""
        if not self._waiting:
            self.ready.clear()
            return None
        key, what = self._waiting.popitem(last=False)
        if isinstance(key, int):
            self._kept -= 1
        return what
