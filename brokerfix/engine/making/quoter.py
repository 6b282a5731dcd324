"""What the state has of clients that quote in our own book."""

import msgspec

from brokerfix.domain import ClientQuoting, Protection, Side
from brokerfix.engine.making.desk import Deal, Window
from brokerfix.engine.orders.order import Order

KEPT_IDS = 100
"""QuoteIDs that are kept to tell a message that comes again."""
Name = tuple[str, str]
"""What names a quote: (QuoteSetID, QuoteEntryID)."""


class Stop(msgspec.Struct, frozen=True, gc=False):
    """Why a client may quote nothing: in numbers, until when (see `QuotesPulled`), and the number of the fact."""

    text: str
    until: int
    number: int

    def is_over(self, at: int) -> bool:
        return 0 < self.until <= at


class Quoter(msgspec.Struct, gc=False):
    """A client that quotes in our own book.

    `quotes` are the orders that are the bid and the offer of each standing quote (0: that side does not stand).
    `limits` are the protections by symbol, `stops` are by symbol ("": of all) and code the reasons for which it may not
    quote. `window` counts fills for the protection of all its quotes, `windows` for those by symbol, `new` are fills
    that have not been counted yet. `recent` are the QuoteIDs of the last messages. One that is `gone` is no longer
    configured.
    """

    quoting: ClientQuoting
    limits: dict[str, Protection] = {}
    quotes: dict[Name, tuple[int, int]] = {}
    stops: dict[str, dict[str, Stop]] = {}
    window: Window = msgspec.field(default_factory=Window)
    windows: dict[str, Window] = {}
    new: list[Deal] = []
    recent: list[str] = []
    gone: bool = False

    def protections(self, symbol: str) -> list[tuple[str, Window, Protection]]:
        """What protects quotes of a symbol: where it acts (the symbol, or "": in all), what counts, and the limits."""
        found = []
        own = self.limits.get(symbol)
        if own is not None:
            found.append((symbol, self.windows.get(symbol) or Window(), own))
        if self.quoting.protection.window:
            found.append(("", self.window, self.quoting.protection))
        return found

    def may_quote(self, symbol: str) -> bool:
        return not self.gone and (not self.quoting.symbols or symbol in self.quoting.symbols)

    def stopped(self, symbol: str, at: int) -> tuple[str, Stop] | None:
        """(code, why) it may not quote a symbol ("": any) at a time, None if it may."""
        for code, stop in self.stops.get(symbol, {}).items():
            if not stop.is_over(at):
                return code, stop
        return None


def stands(quoters: dict[str, Quoter], order: Order) -> None:
    """A client's order is a side of a quote from now on. One whose place another has taken meanwhile is no side."""
    quoter = quoters.get(order.client)
    if quoter is not None and order.own_quote is not None:
        bid, ask = quoter.quotes.get(order.own_quote.name, (0, 0))
        if order.side is Side.BUY:
            quoter.quotes[order.own_quote.name] = bid or order.order_id, ask
        else:
            quoter.quotes[order.own_quote.name] = bid, ask or order.order_id


def is_over(quoters: dict[str, Quoter], order: Order) -> None:
    """A client's order works no more: its quote has no such side."""
    quoter = quoters.get(order.client)
    if quoter is None or order.own_quote is None:
        return
    name = order.own_quote.name
    bid, ask = quoter.quotes.get(name, (0, 0))
    left = bid if bid != order.order_id else 0, ask if ask != order.order_id else 0
    if left != (0, 0):
        quoter.quotes[name] = left
    else:
        quoter.quotes.pop(name, None)
