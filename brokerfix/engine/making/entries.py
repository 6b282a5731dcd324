"""What becomes of each entry of a client's quotes: refused, left as it stands, moved, placed or taken back.

All entries of a message are checked together: the limits count each as if those before it were open already, and a side
takes nothing if it meets neither what stays in our book, nor what the same message places, nor the best price of the
exchanges. What is refused is taken back: the client no longer wants what stood there.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from brokerfix.commands import SetQuotes
from brokerfix.domain import OrdRejReason, OrdType, Phase, QuoteEntry, QuoteReject, Reject, Side
from brokerfix.engine.making.quoter import Name, Quoter
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.order import Order
from brokerfix.engine.risk.batch import Batch, Together
from brokerfix.engine.risk.checks import Terms, check_market, check_terms
from brokerfix.engine.state import State

Refused = tuple[QuoteReject, str]
REASONS = {
    OrdRejReason.UNKNOWN_SYMBOL: QuoteReject.UNKNOWN_SYMBOL,
    OrdRejReason.UNKNOWN_ACCOUNT: QuoteReject.NOT_AUTHORIZED,
    OrdRejReason.EXCHANGE_CLOSED: QuoteReject.CLOSED,
    OrdRejReason.EXCEEDS_LIMIT: QuoteReject.EXCEEDS_LIMIT,
    OrdRejReason.BROKER_OPTION: QuoteReject.EXCEEDS_LIMIT,
}
PRICE_CHECKS = frozenset(("PRICE", "TICK", "COLLAR", "STATIC_BAND", "DYNAMIC_BAND"))


class Change(NamedTuple):
    """A side of an entry that is to be another one than stands (`order`, None: none does): a quantity of 0 is none."""

    entry: QuoteEntry
    side: Side
    order: Order | None
    qty: int
    price: int

    @property
    def moves(self) -> bool:
        """Whether the order that stands can go where this one is wanted. What was filled in part, or is held by an
        operator, ends: its quantity would be that of both."""
        order = self.order
        return bool(self.qty) and order is not None and order.symbol == self.entry.symbol and is_plain(order)


def is_plain(order: Order) -> bool:
    """Whether an order just rests in our book, and nothing of it was filled."""
    return not order.cum and 0 < order.in_book == order.leaves


class Planned(NamedTuple):
    """What changes, and the entries as they stand then."""

    changes: list[Change]
    entries: tuple[QuoteEntry, ...]


def refused_for(reject: Reject) -> Refused:
    """An order's refusal as a quote's."""
    if reject.check in PRICE_CHECKS:
        return QuoteReject.PRICE, reject.text
    return REASONS.get(reject.reason, QuoteReject.OTHER), reject.text


class Planner:
    """Plans the entries of a message, one after the other."""

    def __init__(self, state: State, quoter: Quoter, c: SetQuotes, account: str) -> None:
        """`account` is one of the client's."""
        self._state, self._quoter, self._c = state, quoter, c
        self._client, self._account = state.clients[c.client], state.accounts[account]
        self._together = Together()
        self._batches: dict[str, Batch] = {}
        self._closed: dict[str, Refused | None] = {}
        self._tops: dict[str, Tops] = {}

    def plan(self) -> Planned:
        wanted, refused = self._valid()
        leaving = {
            order.order_id: None for changes in wanted for change in changes if (order := change.order) is not None
        }
        found: list[Change] = []
        entries = []
        for entry, changes, why in zip(self._c.entries, wanted, refused, strict=True):
            stands = entry if why is None else msgspec.structs.replace(entry, bid_qty=0, ask_qty=0)
            for change in changes:
                wrong = self._refused(change, leaving) if change.qty else None
                if wrong is not None:
                    why = why or wrong
                    change = change._replace(qty=0)
                    gone = {"bid_qty": 0} if change.side is Side.BUY else {"ask_qty": 0}
                    stands = msgspec.structs.replace(stands, **gone)
                if change.qty or change.order is not None:
                    found.append(change)
            entries.append(stands if why is None else msgspec.structs.replace(stands, reason=str(why[0]), text=why[1]))
        return Planned(found, tuple(entries))

    def _valid(self) -> tuple[list[list[Change]], list[Refused | None]]:
        """The changes that each entry asks for, and why it is refused by itself."""
        seen: dict[Name, None] = {}
        count = len(self._quoter.quotes)
        wanted: list[list[Change]] = []
        refused: list[Refused | None] = []
        for entry in self._c.entries:
            name = entry.quote_set, entry.entry
            if name in seen:
                wanted.append([])
                refused.append((QuoteReject.DUPLICATE, f"DUPLICATE: value={entry.entry}, of set {entry.quote_set}"))
                continue
            seen[name] = None
            why = self._wrong(entry)
            if why is None and name not in self._quoter.quotes and any(_side(entry, side)[0] for side in Side):
                count += 1
                if 0 < self._quoter.quoting.most < count:
                    most = self._quoter.quoting.most
                    why = QuoteReject.EXCEEDS_LIMIT, f"MAX_QUOTES: limit={most}, value={count}"
                    count -= 1
            wanted.append([change for side in Side if (change := self._change(entry, side, why is not None))])
            refused.append(why)
        return wanted, refused

    def _wrong(self, entry: QuoteEntry) -> Refused | None:
        """Why an entry is refused, whatever the others are."""
        if entry.reason:
            return QuoteReject(entry.reason), entry.text
        symbol = entry.symbol
        if symbol not in self._closed:
            self._closed[symbol] = self._why_closed(symbol)
        bid, ask = _side(entry, Side.BUY), _side(entry, Side.SELL)
        if self._closed[symbol] is not None and (bid[0] or ask[0]):
            return self._closed[symbol]
        if bid[0] and ask[0] and bid[1] >= ask[1]:
            return QuoteReject.SPREAD, "SPREAD: the bid is not below the offer"
        return None

    def _why_closed(self, symbol: str) -> Refused | None:
        """Why nothing may be quoted in a symbol now."""
        state, at = self._state, self._c.at
        closed = check_market(state, self._client, self._account.account, symbol)
        if closed is not None:
            return refused_for(closed)
        if not self._quoter.may_quote(symbol):
            return QuoteReject.NOT_AUTHORIZED, f"NOT_AUTHORIZED: {self._client.client} may not quote {symbol}"
        stopped = self._quoter.stopped(symbol, at)
        if stopped is not None:
            return QuoteReject.OTHER, f"{stopped[0]}: {stopped[1].text}"
        if state.phase(symbol) is not Phase.CONTINUOUS:
            return QuoteReject.CLOSED, f"PHASE: {symbol} is in its {state.phase(symbol)} phase"
        if state.instruments[symbol].cross == "never":
            return QuoteReject.NOT_AUTHORIZED, f"NOT_AUTHORIZED: our own book of {symbol} is not traded with"
        return None

    def _change(self, entry: QuoteEntry, side: Side, refused: bool) -> Change | None:
        """What an entry changes on a side, None where all stays."""
        order_id = self._quoter.quotes.get((entry.quote_set, entry.entry), (0, 0))[side is Side.SELL]
        order = self._state.orders.get(order_id)
        qty, price = (0, 0) if refused else _side(entry, side)
        if order is None:
            return Change(entry, side, None, qty, price) if qty else None
        if qty and (order.symbol, order.account, order.price, order.leaves, order.in_book) == (
            entry.symbol, self._account.account, price, qty, qty,
        ):  # fmt: skip
            return None
        return Change(entry, side, order, qty, price)

    def _refused(self, change: Change, leaving: Mapping[int, None]) -> Refused | None:
        """Why a side may not be open, together with those before it; else it counts from now on."""
        symbol, side = change.entry.symbol, change.side
        if symbol not in self._tops:
            self._tops[symbol] = Tops(self._state, symbol, leaving)
        tops = self._tops[symbol]
        if tops.met(side, change.price):
            return QuoteReject.PRICE, "POST_ONLY: it would take at its price"
        state, batch = self._state, self._batches.get(symbol)
        if batch is None:
            batch = self._batches[symbol] = Batch(self._together)
        replaced = change.order
        if replaced is not None and (replaced.symbol, replaced.account) != (symbol, self._account.account):
            replaced = None
        if replaced is not None and replaced.cum:
            replaced = msgspec.structs.replace(replaced, qty=replaced.leaves, cum=0)
        terms = Terms(side, OrdType.LIMIT, change.qty, change.price, change.price)
        of_side = state.instruments[symbol], terms, self._c.at, replaced
        wrong = check_terms(state, self._client, self._account, *of_side, batch=batch)
        if wrong is not None:
            return refused_for(wrong)
        tops.add(side, change.price)
        return None


class Tops:
    """The best prices of a symbol as they will be: in our book but for the orders that are `leaving`, at exchanges, and
    of what is added."""

    def __init__(self, state: State, symbol: str, leaving: Mapping[int, None]) -> None:
        self._best: dict[Side, int] = {}
        for side in Side:
            ours = next((entry.price for entry in state.books[symbol].walk(side) if entry.key not in leaving), None)
            for price in (ours, state.market.best(symbol, side)):
                if price is not None:
                    self.add(side, price)

    def add(self, side: Side, price: int) -> None:
        best = self._best.get(side)
        if best is None or not at_least_as_good(side, price, best):
            self._best[side] = price

    def met(self, side: Side, price: int) -> bool:
        """Whether an order at this price would take."""
        there = self._best.get(side.opposite)
        return there is not None and at_least_as_good(side, there, price)


def _side(entry: QuoteEntry, side: Side) -> tuple[int, int]:
    """(quantity, price) that an entry wants on a side; without a price or a size it wants none."""
    qty, price = (entry.bid_qty, entry.bid) if side is Side.BUY else (entry.ask_qty, entry.ask)
    return (qty, price) if qty and price else (0, 0)
