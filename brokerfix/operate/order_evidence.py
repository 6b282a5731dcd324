"""What became of an order, out of the journal's facts: its decisions with their children and fills.

Prices are ticks, quantities scaled ints, times ns UTC, as the facts have them; `order_told` makes decimal text of it.
What a decision's children were filled is the decision's, and so is what the order has traded in our book: taking, of
the decision that crossed it; resting, of the one that let it rest.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from brokerfix import facts as f
from brokerfix.domain import IMMEDIATE, OrdStatus, Side
from brokerfix.engine.fees import ADDED
from brokerfix.operate.order_facts import OrderFacts
from brokerfix.operate.order_limits import Weighed
from brokerfix.operate.quality_orders import Fill
from brokerfix.operate.sentences import Told
from brokerfix.operate.told_clients import Message
from brokerfix.record.journal import OURS, Origin


class OrderFill(Fill, kw_only=True):
    """`other` is the order that it has traded with in our book, `decision` the number of the decision that it came of
    (0: of none on record)."""

    exec_id: int
    child_id: int = 0
    other: int = 0
    decision: int = 0
    liquidity: str = ""
    taken_back: bool = False


class OrderChild(msgspec.Struct, kw_only=True):
    """What was sent to an exchange. `at` is when, `accepted` when the exchange said that it has it (0: it has not)."""

    sent: f.OrderRouted
    qty: int
    price: int
    at: int
    accepted: int = 0
    venue_order_id: str = ""
    end: OrdStatus | None = None
    text: str = ""
    fills: list[OrderFill] = []

    @property
    def filled(self) -> int:
        return sum(fill.qty for fill in self.fills)

    @property
    def status(self) -> str:
        if self.end is not None:
            return _words(self.end)
        if self.filled >= self.qty:
            return _words(OrdStatus.FILLED)
        if self.filled:
            return _words(OrdStatus.PARTIALLY_FILLED)
        return _words(OrdStatus.NEW) if self.accepted else "sent"


class OrderDecision(msgspec.Struct, kw_only=True):
    """A routing decision. `limit` is the order's at that time (0: none)."""

    number: int
    fact: f.RouteDecided
    limit: int
    children: list[OrderChild] = []
    fills: list[OrderFill] = []

    @property
    def crossed(self) -> int:
        """How much of it has met an order that rested in our book."""
        return sum(fill.qty for fill in self.fills if not fill.venue and not fill.is_maker)


class Evidence:
    """Takes the facts that concern an order, in their order. `accepted` is None of an order that was `rejected`.
    `strays` are children of no decision on record, as of older versions."""

    def __init__(self, of: OrderFacts) -> None:
        self.of = of
        self.accepted: f.OrderAccepted | None = None
        self.rejected: f.OrderRejected | None = None
        self.qty = self.price = 0
        self.decisions: list[OrderDecision] = []
        self.strays: list[OrderChild] = []
        self.fills: list[OrderFill] = []
        self.story: list[Told] = []
        self.end: tuple[int, str, str] | None = None
        """When it ended other than by its fills, as what, and why."""
        self.origin: Origin = OURS
        self.written = 0
        """What brought it, and when that was on record (ns UTC; 0: an older version's)."""
        self.checks: list[Weighed] = []
        self.checked_after = 0
        """The limits that it was weighed against, by the state after this fact."""
        self.refused_requests: list[tuple[f.RequestRejected, list[Weighed]]] = []
        self.messages: list[Message] = []
        """What clients were told."""
        self._children: dict[int, tuple[OrderChild, OrderDecision | None]] = {}
        self._by_exec: dict[int, OrderFill] = {}
        self._rests: OrderDecision | None = None
        self._by_splits = 0

    @property
    def side(self) -> Side:
        known = self.accepted or self.rejected
        assert known is not None
        return known.side

    @property
    def sign(self) -> int:
        """1 of an order to buy, -1 of one to sell: times (price - another) it is what is worse."""
        return 1 if self.side is Side.BUY else -1

    @property
    def filled(self) -> int:
        return sum(fill.qty for fill in self.fills)

    @property
    def filled_now(self) -> int:
        """How much of it is filled, in shares as they are now: those of before a split are more or fewer."""
        return self.filled + self._by_splits

    @property
    def leaves(self) -> int:
        """What may still be filled of it."""
        is_over = self.rejected is not None or self.end is not None
        return 0 if is_over else max(0, self.qty - self.filled_now)

    @property
    def canceled(self) -> int:
        """What is gone of it, unfilled."""
        return 0 if self.rejected is not None else max(0, self.qty - self.filled_now) - self.leaves

    @property
    def children(self) -> list[OrderChild]:
        return [child for child, _ in self._children.values()]

    @property
    def status(self) -> str:
        if self.rejected is not None:
            return _words(OrdStatus.REJECTED)
        if self.end is not None:
            return self.end[1]
        if self.filled_now >= self.qty:
            return _words(OrdStatus.FILLED)
        return _words(OrdStatus.PARTIALLY_FILLED if self.filled_now else OrdStatus.NEW)

    @property
    def began(self) -> int:
        known = self.accepted or self.rejected
        assert known is not None
        return known.at

    @property
    def ended(self) -> int:
        """When it ended; 0 if it works."""
        if self.rejected is not None:
            return self.rejected.at
        if self.end is not None:
            return self.end[0]
        return max(fill.at for fill in self.fills) if self.filled_now >= self.qty and self.fills else 0

    def apply(self, fact: f.Fact) -> None:
        handler = HANDLERS.get(type(fact))
        if handler is not None:
            handler(self, fact)

    def _accepted(self, fact: f.OrderAccepted) -> None:
        self.accepted, self.qty, self.price = fact, fact.qty, fact.price

    def _rejected(self, fact: f.OrderRejected) -> None:
        self.rejected, self.qty, self.price = fact, fact.qty, fact.price

    def _decided(self, fact: f.RouteDecided) -> None:
        self.decisions.append(OrderDecision(number=len(self.decisions) + 1, fact=fact, limit=self.price))

    def _deciding(self, at: int) -> OrderDecision | None:
        """The decision that something is of which comes of one at once."""
        newest = self.decisions[-1] if self.decisions else None
        return newest if newest is not None and newest.fact.at == at else None

    def _routed(self, fact: f.OrderRouted) -> None:
        child, decision = OrderChild(sent=fact, qty=fact.qty, price=fact.price, at=fact.at), self._deciding(fact.at)
        (decision.children if decision is not None else self.strays).append(child)
        self._children[fact.id] = child, decision

    def _child_accepted(self, fact: f.ChildAccepted) -> None:
        child, _ = self._children[fact.child_id]
        if not child.accepted:
            child.accepted, child.venue_order_id = fact.at, fact.venue_order_id

    def _child_changed(self, fact: f.ChildReplaced | f.ChildRestated) -> None:
        child, _ = self._children[fact.child_id]
        child.qty, child.price = fact.qty, fact.price

    def _child_ended(self, fact: f.ChildEnded) -> None:
        child, _ = self._children[fact.child_id]
        child.end, child.text = fact.status, fact.text

    def _child_filled(self, fact: f.ChildFilled) -> None:
        child, decision = self._children[fact.child_id]
        venue = child.sent.venue
        is_maker = fact.liquidity == ADDED if fact.liquidity else child.sent.time_in_force not in IMMEDIATE
        fill = OrderFill(
            venue, fact.at, fact.qty, fact.price, fact.fee, is_maker, self.of.venues.get(venue),
            exec_id=fact.id, child_id=fact.child_id, liquidity=fact.liquidity,
        )  # fmt: skip
        child.fills.append(fill)
        self._book(fill, decision)

    def _traded(self, fact: f.Trade) -> None:
        is_maker = fact.maker_order_id == self.of.order_id
        fill = OrderFill(
            "", fact.at, fact.qty, fact.price, fact.maker_fee if is_maker else fact.taker_fee, is_maker,
            exec_id=fact.id - 1 if is_maker else fact.id,
            other=fact.taker_order_id if is_maker else fact.maker_order_id,
        )  # fmt: skip
        self._book(fill, self._rests if is_maker or fact.auction else self._deciding(fact.at))

    def _book(self, fill: OrderFill, decision: OrderDecision | None) -> None:
        self.fills.append(fill)
        self._by_exec[fill.exec_id] = fill
        if decision is not None:
            fill.decision = decision.number
            decision.fills.append(fill)

    def _booked(self, fact: f.OrderBooked) -> None:
        self._rests = self._deciding(fact.at) or self._rests

    def _taken_back(self, fact: f.TradeBusted | f.FillReversed) -> None:
        if fact.exec_id in self._by_exec:
            fill = self._by_exec[fact.exec_id]
            fill.qty, fill.taken_back = 0, True

    def _corrected(self, fact: f.TradeCorrected) -> None:
        fill = self._by_exec[fact.exec_id]
        fill.qty, fill.price, fill.fee = fact.qty, fact.price, fact.fee

    def _changed(self, fact: f.OrderReplaced | f.OrderRestated | f.QuoteMoved) -> None:
        self.qty, self.price = fact.qty, fact.price

    def _split(self, fact: f.SplitApplied) -> None:
        """What works becomes more or fewer shares; its restatement follows."""
        if self.leaves:
            now = self.filled_now
            self._by_splits += now * fact.numerator // fact.denominator - now

    def _repriced(self, fact: f.OrderRepriced) -> None:
        self.price = fact.price

    def _released(self, fact: f.OrderReleased) -> None:
        self.price = fact.price or self.price

    def _ended(self, fact: f.OrderCanceled | f.OrderExpired | f.OrderRefused) -> None:
        if isinstance(fact, f.OrderExpired):
            status = fact.status
        else:
            status = OrdStatus.CANCELED if isinstance(fact, f.OrderCanceled) else OrdStatus.REJECTED
        self.end = fact.at, _words(status), fact.text


def _words(status: OrdStatus) -> str:
    return status.name.lower().replace("_", " ")


HANDLERS: dict[type[f.Fact], Callable[[Evidence, Any], None]] = {
    f.OrderAccepted: Evidence._accepted,
    f.OrderRejected: Evidence._rejected,
    f.RouteDecided: Evidence._decided,
    f.OrderRouted: Evidence._routed,
    f.ChildAccepted: Evidence._child_accepted,
    f.ChildReplaced: Evidence._child_changed,
    f.ChildRestated: Evidence._child_changed,
    f.ChildEnded: Evidence._child_ended,
    f.ChildFilled: Evidence._child_filled,
    f.Trade: Evidence._traded,
    f.OrderBooked: Evidence._booked,
    f.TradeBusted: Evidence._taken_back,
    f.FillReversed: Evidence._taken_back,
    f.TradeCorrected: Evidence._corrected,
    f.OrderReplaced: Evidence._changed,
    f.OrderRestated: Evidence._changed,
    f.QuoteMoved: Evidence._changed,
    f.OrderRepriced: Evidence._repriced,
    f.SplitApplied: Evidence._split,
    f.OrderReleased: Evidence._released,
    f.OrderCanceled: Evidence._ended,
    f.OrderExpired: Evidence._ended,
    f.OrderRefused: Evidence._ended,
}
