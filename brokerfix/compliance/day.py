"""A trading day's order events out of the journal, read once, each with the state around it.

What was before the day builds the state only.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, NamedTuple

from brokerfix import facts as f
from brokerfix.compliance.events import COUNTED, NO_TAGS, NOTHING, Asked, Child, Deal, Event, Order, Sent
from brokerfix.compliance.kept_days import check_kept
from brokerfix.domain import Instrument, Request, day_of
from brokerfix.engine.split import split_instructions, split_price
from brokerfix.operate.quality_read import Orders
from brokerfix.record.journal import OURS, Origin, Record, read


class Walk:
    """Reads facts in their order. What it has is the state at the event that it gives. As the engine, it forgets at a
    day's begin what was over before the previous one, but for the fills in `changed` (ExecIDs), and ends with `day`."""

    def __init__(self, day: int, changed: frozenset[int] = frozenset()) -> None:
        self.day, self.changed = day, changed
        self._rolled = 0
        self.instruments: dict[str, Instrument] = {}
        self.clients: set[str] = set()
        self.makers: set[str] = set()
        self.orders: dict[int, Order] = {}
        self.children: dict[int, Child] = {}
        self.deals: dict[int, Deal] = {}

    def read(self, folder: Path, records: int | None = None) -> Iterator[Event]:
        """The events of the day in a journal's folder, of so many records (None: of all): a broker that runs writes
        more. Raises JournalError."""
        for record in islice(_until(folder, self.day), records):
            yield from self.apply(record.facts, record.origin)

    def apply(self, facts: Iterable[f.Fact], origin: Origin = OURS) -> Iterator[Event]:
        for fact in facts:
            handler = HANDLERS.get(type(fact))
            event = handler(self, fact) if handler is not None else None
            if type(fact) in COUNTED and day_of(fact.id) == self.day:
                yield (event or Event(fact))._replace(origin=origin)

    def _order(self, fact: Any) -> Event:
        order = self.orders.get(fact.order_id)
        if order is not None:
            order.seen = fact.id
        return Event(fact, order)

    def _child(self, fact: Any) -> Event:
        child = self.children.get(fact.child_id)
        if child is None:
            return Event(fact)
        child.order.seen = fact.id
        return Event(fact, child.order, child)

    def _day(self, fact: f.DayRolled) -> None:
        """Forget what was over before the previous day; what an exchange still holds of an order is not over."""
        before, self._rolled = self._rolled, fact.day
        open_still = {child.order.order_id for child in self.children.values() if not child.ended}
        over = {
            number
            for number, order in self.orders.items()
            if (order.ended or not order.leaves) and day_of(order.seen) < before and number not in open_still
        }
        if not over:
            return
        self.orders = {number: order for number, order in self.orders.items() if number not in over}
        self.children = {number: child for number, child in self.children.items() if child.order.order_id not in over}
        self.deals = {
            number: deal
            for number, deal in self.deals.items()
            if number in self.changed or any(order.order_id not in over for order in deal.orders)
        }

    def _instrument(self, fact: f.InstrumentDefined) -> None:
        self.instruments[fact.instrument.symbol] = fact.instrument

    def _client(self, fact: f.ClientDefined) -> None:
        self.clients.add(fact.client)

    def _maker(self, fact: f.MakerDefined) -> None:
        self.makers.add(fact.maker.maker)

    def _accepted(self, fact: f.OrderAccepted) -> Event:
        asked = fact.instructions or NOTHING
        order = self.orders[fact.id] = Order(
            order_id=fact.id, at=fact.at, client=fact.client, account=fact.account, cl_ord_id=fact.cl_ord_id,
            symbol=fact.symbol, side=fact.side, ord_type=fact.ord_type, time_in_force=fact.time_in_force, qty=fact.qty,
            price=fact.price, stop_px=asked.stop_px, instructions=asked, tags=fact.tags or NO_TAGS,
            capacity=fact.capacity, operator=fact.operator, ex_destination=fact.ex_destination, quote_id=fact.quote_id,
            is_quote=fact.own_quote is not None, seen=fact.id, cash=fact.cash,
        )  # fmt: skip
        return Event(fact, order)

    def _held(self, fact: f.OrderHeld) -> Event:
        event = self._order(fact)
        if event.order is not None:
            had = event.order.holds
            event.order.holds = fact.hold if fact.qty else None
            if had is event.order.holds:
                return event._replace(had=(1, 0))
        return event

    def _released(self, fact: f.OrderReleased) -> Event:
        event = self._order(fact)
        if event.order is not None:
            event.order.holds, event.order.released = None, (*event.order.released, fact.hold)
        return event

    def _stop_moved(self, fact: f.StopMoved) -> Event:
        event = self._order(fact)
        if event.order is not None:
            event.order.stop_px = fact.stop_px
        return event

    def _repriced(self, fact: f.OrderRepriced) -> Event:
        return self._terms(fact, None, fact.price)

    def _restated(self, fact: f.OrderRestated | f.QuoteMoved) -> Event:
        return self._terms(fact, fact.qty, fact.price)

    def _terms(self, fact: Any, qty: int | None, price: int) -> Event:
        event = self._order(fact)
        order = event.order
        if order is None:
            return event
        had, order.unsplit = order.unsplit or (order.qty, order.price), None
        order.qty, order.price = order.qty if qty is None else qty, price
        # A quote that has moved stands in our book with all that is left of it.
        order.in_book = order.leaves if isinstance(fact, f.QuoteMoved) else min(order.in_book, order.leaves)
        return event._replace(had=had)

    def _asked(self, fact: f.CancelPending | f.ReplacePending | f.RequestQueued) -> None:
        order = self.orders.get(fact.order_id)
        if order is None or not fact.cl_ord_id:
            return
        if isinstance(fact, f.CancelPending):
            asked = Asked(fact.at, fact.request)
        else:
            request = Request.REPLACE if isinstance(fact, f.ReplacePending) else fact.request
            asked = Asked(fact.at, request, fact.qty, fact.price, fact.instructions)
        # Its time is when it came, not when its turn came.
        first = order.requests.get(fact.cl_ord_id)
        order.requests = {**order.requests, fact.cl_ord_id: asked._replace(at=first.at) if first else asked}

    def _replaced(self, fact: f.OrderReplaced) -> Event:
        event = self._terms(fact, fact.qty, fact.price)
        order = event.order
        if order is None:
            return event
        order.instructions, order.cash = fact.instructions or NOTHING, ""
        order.stop_px = order.instructions.stop_px or order.stop_px
        order.cl_ord_id, order.ended = fact.cl_ord_id or order.cl_ord_id, False
        return event._replace(asked=self._answered(order, fact.cl_ord_id))

    def _ended(self, fact: f.OrderCanceled | f.OrderExpired | f.OrderRefused) -> Event:
        event = self._order(fact)
        if event.order is None:
            return event
        event.order.ended, event.order.in_book = True, 0
        cl_ord_id = fact.cl_ord_id if isinstance(fact, f.OrderCanceled) else ""
        return event._replace(asked=self._answered(event.order, cl_ord_id))

    def _request_rejected(self, fact: f.RequestRejected) -> Event:
        event = self._order(fact)
        return event._replace(asked=self._answered(event.order, fact.cl_ord_id)) if event.order is not None else event

    @staticmethod
    def _answered(order: Order, cl_ord_id: str) -> Asked | None:
        asked = order.requests.get(cl_ord_id)
        if asked is not None:
            order.requests = {name: one for name, one in order.requests.items() if name != cl_ord_id}
        return asked

    def _booked(self, fact: f.OrderBooked) -> Event:
        event = self._order(fact)
        if event.order is None:
            return event
        had, event.order.shown = event.order.shown, True
        event.order.in_book += fact.qty
        return event._replace(had=(int(had), 0))

    def _unbooked(self, fact: f.OrderUnbooked) -> Event:
        event = self._order(fact)
        if event.order is not None:
            event.order.in_book = 0
        return event

    def _routed(self, fact: f.OrderRouted) -> Event:
        order = self.orders.get(fact.order_id)
        if order is None:
            return Event(fact)
        order.seen = fact.id
        child = self.children[fact.id] = Child(
            fact.id, order, fact.venue, fact.at, fact.qty, fact.price, fact.ord_type, fact.time_in_force,
            fact.instructions or NOTHING, fact.id,
        )  # fmt: skip
        return Event(fact, order, child)

    def _child_ended(self, fact: f.ChildEnded) -> Event:
        event = self._child(fact)
        if event.child is not None:
            event.child.ended = True
        return event

    def _child_sent(self, fact: f.ChildCancelSent | f.ChildReplaceSent) -> Event:
        event = self._child(fact)
        if event.child is None:
            return event
        if isinstance(fact, f.ChildReplaceSent):
            event.child.sent = [
                *event.child.sent,
                Sent(fact.id, fact.at, False, fact.qty, fact.price, fact.instructions),
            ]
        else:
            event.child.sent = [*event.child.sent, Sent(fact.id, fact.at, True)]
        return event

    def _child_replaced(self, fact: f.ChildReplaced | f.ChildRestated) -> Event:
        event = self._child(fact)
        if event.child is None:
            return event
        event.child.qty, event.child.price = fact.qty, fact.price
        if isinstance(fact, f.ChildReplaced):
            event.child.routed = fact.request_id
            asked = next((one for one in event.child.sent if one.number == fact.request_id), None)
            if asked is not None:
                event.child.instructions = asked.instructions or NOTHING
            event.child.sent = [one for one in event.child.sent if one.number != fact.request_id]
        return event

    def _child_refused(self, fact: f.ChildRequestRejected) -> Event:
        event = self._child(fact)
        if event.child is None or not event.child.sent:
            return event
        *event.child.sent, refused = event.child.sent
        return event._replace(sent=refused)

    def _child_filled(self, fact: f.ChildFilled) -> Event:
        event = self._child(fact)
        if event.child is None:
            return event
        sides = {fact.id: (event.child.order, fact.qty, fact.price)}
        deal = self.deals[fact.id] = Deal(fact.id, fact.at, sides, event.child, (fact.qty, fact.price), fact.id)
        event.child.cum += fact.qty
        event.child.order.cum += fact.qty
        return event._replace(deal=deal)

    def _traded(self, fact: f.Trade) -> Event:
        sides = {}
        for exec_id, order_id in ((fact.id - 1, fact.maker_order_id), (fact.id, fact.taker_order_id)):
            order = self.orders.get(order_id)
            if order is not None:
                order.cum += fact.qty
                order.seen = fact.id
                if fact.auction or order_id == fact.maker_order_id:
                    order.in_book = max(0, order.in_book - fact.qty)
                sides[exec_id] = order, fact.qty, fact.price
        if not sides:
            return Event(fact)
        deal = Deal(fact.id, fact.at, sides, None, (fact.qty, fact.price), fact.id)
        self.deals[fact.id] = self.deals[fact.id - 1] = deal
        return Event(fact, deal.orders[-1], deal=deal)

    def _changed(self, fact: f.TradeBusted | f.TradeCorrected | f.FillReversed) -> Event:
        """A fill has other terms now. The two sides of a trade in our book are two facts."""
        deal = self.deals.get(fact.exec_id)
        if deal is None or fact.exec_id not in deal.sides:
            return Event(fact)
        order, had, _ = deal.sides[fact.exec_id]
        qty, price = (fact.qty, fact.price) if isinstance(fact, f.TradeCorrected) else (0, 0)
        order.cum += qty - had
        # What an operator changes is between us and the client; the exchange has what it had.
        if deal.child is not None and not isinstance(fact, f.FillReversed) and fact.venue_exec_id:
            deal.child.cum += qty - had
        told, prior = deal.told, deal.name
        if told != (qty, price):
            deal.told, deal.name = (qty, price), fact.id
        deal.sides[fact.exec_id] = order, qty, price
        return Event(fact, order, deal.child, deal, had=told, prior=prior)

    def _split(self, fact: f.SplitApplied) -> None:
        n, d = fact.numerator, fact.denominator
        for order in self.orders.values():
            if order.symbol == fact.symbol and not order.ended and order.leaves:
                order.unsplit = order.unsplit or (order.qty, order.price)
                if order.instructions is not NOTHING:
                    order.instructions = split_instructions(order.instructions, n, d)
                order.qty, order.cum, order.in_book = (
                    qty * n // d for qty in (order.qty, order.cum, order.in_book)
                )  # fmt: skip
                order.price, order.stop_px = split_price(order.price, n, d), split_price(order.stop_px, n, d)
        for child in self.children.values():
            if child.order.symbol == fact.symbol:
                child.qty, child.cum = child.qty * n // d, child.cum * n // d
                child.price = split_price(child.price, n, d)


HANDLERS: dict[type[f.Fact], Callable[[Walk, Any], Event | None]] = {
    f.InstrumentDefined: Walk._instrument,
    f.ClientDefined: Walk._client,
    f.MakerDefined: Walk._maker,
    f.DayRolled: Walk._day,
    f.OrderAccepted: Walk._accepted,
    f.OrderHeld: Walk._held,
    f.OrderReleased: Walk._released,
    f.StopMoved: Walk._stop_moved,
    f.OrderRepriced: Walk._repriced,
    f.OrderRestated: Walk._restated,
    f.QuoteMoved: Walk._restated,
    f.CancelPending: Walk._asked,
    f.ReplacePending: Walk._asked,
    f.RequestQueued: Walk._asked,
    f.OrderReplaced: Walk._replaced,
    f.OrderCanceled: Walk._ended,
    f.OrderExpired: Walk._ended,
    f.OrderRefused: Walk._ended,
    f.RequestRejected: Walk._request_rejected,
    f.OrderBooked: Walk._booked,
    f.OrderUnbooked: Walk._unbooked,
    f.OrderRouted: Walk._routed,
    f.ChildAccepted: Walk._child,
    f.ChildEnded: Walk._child_ended,
    f.ChildCancelSent: Walk._child_sent,
    f.ChildReplaceSent: Walk._child_sent,
    f.ChildReplaced: Walk._child_replaced,
    f.ChildRestated: Walk._child_replaced,
    f.ChildRequestRejected: Walk._child_refused,
    f.ChildFilled: Walk._child_filled,
    f.Trade: Walk._traded,
    f.TradeBusted: Walk._changed,
    f.TradeCorrected: Walk._changed,
    f.FillReversed: Walk._changed,
    f.SplitApplied: Walk._split,
}


def _until(folder: Path, day: int) -> Iterator[Record]:
    """The records of a journal up to those of a day."""
    return takewhile(lambda record: not _is_later(record, day), read(folder))


def _is_later(record: Record, day: int) -> bool:
    return bool(record.facts) and day_of(record.facts[0].id) > day


class Counted(NamedTuple):
    """How many facts a day has, by name, the ExecIDs of the fills that it changes, how many records there are until
    its end, and whether there are later ones: else more of it may come."""

    facts: Counter[str]
    changed: frozenset[int]
    records: int
    is_over: bool = False


def count(folder: Path, day: int, kinds: Collection[type[f.Fact]] = COUNTED) -> Counted:
    """What a report's own count is held against. It looks at nothing but the facts' kinds and numbers. Raises
    JournalError, also where the day was deleted."""
    check_kept(folder, day, day)
    facts: Counter[str] = Counter()
    changed = set()
    records, is_over = 0, False
    for record in read(folder):
        is_over = _is_later(record, day)
        if is_over:
            break
        records += 1
        for fact in record.facts:
            if type(fact) in kinds and day_of(fact.id) == day:
                facts[type(fact).__name__] += 1
                if isinstance(fact, f.TradeBusted | f.TradeCorrected | f.FillReversed):
                    changed.add(fact.exec_id)
    return Counted(facts, frozenset(changed), records, is_over)


def orders_of(journal: Path, first: int, last: int) -> tuple[Orders, int]:
    """The orders of the days from `first` until `last`, and how many were accepted on them, counted by the facts alone.
    Raises JournalError."""
    check_kept(journal, first, last)
    found, accepted = Orders(first, last), 0
    for record in read(journal):
        found.apply(record.facts)
        accepted += sum(isinstance(fact, f.OrderAccepted) and first <= day_of(fact.id) <= last for fact in record.facts)
    return found, accepted
