"""Facts in, findings out: the same facts with the same settings give the same findings, to the word. It has no clock:
what waits for a time is looked at with the first fact after it."""

from collections.abc import Callable, Iterator
from heapq import heappop
from typing import Any

import msgspec

from brokerfix import facts as f
from brokerfix.domain import IMMEDIATE, Finding, Instrument, OrdType, Side, day_of
from brokerfix.engine.state import State
from brokerfix.settings.surveillance import SurveillanceSection, Thresholds
from brokerfix.surveillance import closing, layering, quiet, size, wash
from brokerfix.surveillance.closing import Closes
from brokerfix.surveillance.tape import Fill, Layers, Memory, Order, Washing

ASKED = 60 * 10**9
"""So long after a client's mass cancel what is canceled is canceled by it."""


class Detector:
    """Reads a journal's facts in their order."""

    def __init__(
        self, section: SurveillanceSection, calendars: dict[str, str] | None = None, memory: Memory | None = None
    ) -> None:
        self.section = section
        self.memory = memory or Memory()
        self._closes = Closes(calendars or {})
        self._groups = {account: owner for owner, accounts in section.owners.items() for account in accounts}
        self._by_client = section.owner == "client"
        self._common = section.of("")
        self._terms = {symbol: section.of(symbol) for symbol in section.instruments}
        self._wash, self._layers, self._close, self._size = (
            name in section.rules for name in (wash.NAME, layering.NAME, closing.NAME, size.NAME)
        )

    def apply(self, fact: f.Fact) -> list[Finding]:
        """What is found with the next fact."""
        memory = self.memory
        memory.now = max(memory.now, fact.at)
        found: list[Finding] = []
        if memory.due and memory.due[0][0] < memory.now:
            found += self._look()
        handler = HANDLERS.get(type(fact))
        if handler is not None:
            for one in handler(self, fact):
                told = quiet.told(memory, one, self.section.quiet_seconds)
                found += (told,) if told is not None else ()
        return found

    def begin_with(self, state: State) -> None:
        """The journal's first facts are gone: know of the state what there is."""
        memory = self.memory
        memory.day, memory.instruments = state.day, dict(state.instruments)
        memory.makers = dict.fromkeys(state.makers)
        for order in state.orders.values():
            if order.working:
                memory.orders[order.order_id] = self._order(order.order_id, order, order.own_quote is not None)
                memory.orders[order.order_id].cum = order.cum
        for number, child in state.children.items():
            if child.open and number == child.child_id and child.order_id in memory.orders:
                memory.children[number] = child.order_id, child.venue
                memory.orders[child.order_id].children.append(number)

    def _look(self) -> Iterator[Finding]:
        """What waited for a time that has come."""
        memory = self.memory
        while memory.due and memory.due[0][0] < memory.now:
            _, rule, first, second = heappop(memory.due)
            if rule == quiet.NAME:
                told = quiet.over(memory, first, second, self.section.quiet_seconds)
                yield from (told,) if told is not None else ()
                continue
            if rule == layering.NAME:
                found = layering.look(memory, first, second, self._of(second))
            else:
                found = closing.look(memory, first, self._of(first))
            for one in found:
                told = quiet.told(memory, one, self.section.quiet_seconds)
                yield from (told,) if told is not None else ()

    def _of(self, symbol: str) -> Thresholds:
        return self._terms.get(symbol, self._common)

    def _order(self, number: int, fact: Any, is_quote: bool) -> Order:
        memory = self.memory
        is_buy = fact.side is Side.BUY
        market = memory.market(fact.symbol)
        owner = self._groups.get(fact.account) or (fact.client if self._by_client else fact.account)
        is_maker = is_quote or fact.client in memory.makers
        return Order(
            number, fact.at, fact.client, fact.account, owner, fact.symbol, is_buy, fact.qty, fact.price,
            self.section.makers or not is_maker,
            fact.ord_type is OrdType.LIMIT and fact.time_in_force not in IMMEDIATE,
            market.bid if is_buy else market.ask, market.bid_qty if is_buy else market.ask_qty,
        )  # fmt: skip

    # Facts

    def _instrument(self, fact: f.InstrumentDefined) -> tuple[Finding, ...]:
        instrument: Instrument = fact.instrument
        self.memory.instruments[instrument.symbol] = instrument
        held = self.memory.closing.get(instrument.symbol)
        if held is not None and not held.is_due:
            del self.memory.closing[instrument.symbol]
        return ()

    def _maker(self, fact: f.MakerDefined) -> tuple[Finding, ...]:
        self.memory.makers[fact.maker.maker] = None
        return ()

    def _day(self, fact: f.DayRolled) -> tuple[Finding, ...]:
        """What is empty is let go of."""
        memory = self.memory
        memory.day = fact.day
        memory.forget()
        memory.mass = {}
        memory.washing = {key: one for key, one in memory.washing.items() if one.fills or one.crosses}
        memory.layers = {key: one for key, one in memory.layers.items() if one.fills}
        first = day_of(fact.id) - 10_000
        memory.sizes = {key: one for key, one in memory.sizes.items() if one.ring and one.ring[-1][0] >= first}
        memory.daily = {key: one for key, one in memory.daily.items() if one.day >= first}
        return ()

    def _quoted(self, fact: f.Quoted) -> tuple[Finding, ...]:
        memory = self.memory
        if self._close:
            last_minutes = closing.before(memory, fact.symbol, self._of(fact.symbol), self._closes)
            if last_minutes is not None:
                closing.quoted(last_minutes, fact.day.volume)
        market = memory.market(fact.symbol)
        market.fact = fact.id
        market.bid, market.bid_qty = (fact.bids[0][0], sum(one[1] for one in fact.bids)) if fact.bids else (0, 0)
        market.ask, market.ask_qty = (fact.asks[0][0], sum(one[1] for one in fact.asks)) if fact.asks else (0, 0)
        market.last = fact.last[0] if fact.last else market.last
        market.volume, market.day = fact.day.volume, memory.day
        return ()

    def _accepted(self, fact: f.OrderAccepted) -> Iterator[Finding]:
        memory = self.memory
        memory.forget()
        memory.day = memory.day or day_of(fact.id)
        order = memory.orders[fact.id] = self._order(fact.id, fact, fact.own_quote is not None)
        # Layering goes by sizes too.
        found = list(size.accepted(memory, order, self._of(order.symbol)))
        yield from found if self._size else ()

    def _changed(self, fact: f.OrderReplaced | f.OrderRestated | f.QuoteMoved) -> tuple[Finding, ...]:
        order = self.memory.orders.get(fact.order_id)
        if order is not None:
            order.qty, order.price = fact.qty, fact.price
        return ()

    def _mass(self, fact: f.MassCanceled) -> tuple[Finding, ...]:
        if not fact.reject:
            self.memory.mass[fact.client] = fact.at
        return ()

    def _canceled(self, fact: f.OrderCanceled) -> tuple[Finding, ...]:
        memory = self.memory
        order = memory.orders.get(fact.order_id)
        if order is None or order.is_over:
            return ()
        is_asked = bool(fact.cl_ord_id) or fact.at - memory.mass.get(order.client, -ASKED - 1) <= ASKED
        if is_asked and self._layers:
            layering.canceled(memory, order, fact.id, self._of(order.symbol))
        memory.ends(order)
        return ()

    def _ended(self, fact: f.OrderExpired | f.OrderRefused) -> tuple[Finding, ...]:
        order = self.memory.orders.get(fact.order_id)
        if order is not None:
            self.memory.ends(order)
        return ()

    def _routed(self, fact: f.OrderRouted) -> tuple[Finding, ...]:
        order = self.memory.orders.get(fact.order_id)
        if order is not None:
            self.memory.children[fact.id] = fact.order_id, fact.venue
            order.children.append(fact.id)
        return ()

    def _child_filled(self, fact: f.ChildFilled) -> Iterator[Finding]:
        order_id, venue = self.memory.children.get(fact.child_id, (0, ""))
        order = self.memory.orders.get(order_id)
        if order is not None:
            fill = Fill(
                fact.at, fact.id, fact.id, order_id, order.account, order.is_buy, fact.qty, fact.price, venue
            )  # fmt: skip
            yield from self._filled(order, fill, True, True)

    def _traded(self, fact: f.Trade) -> Iterator[Finding]:
        memory = self.memory
        sides = []
        for exec_id, order_id in ((fact.id - 1, fact.maker_order_id), (fact.id, fact.taker_order_id)):
            order = memory.orders.get(order_id)
            if order is not None:
                fill = Fill(
                    fact.at, exec_id, fact.id, order_id, order.account, order.is_buy, fact.qty, fact.price, ""
                )  # fmt: skip
                sides.append((order, fill))
        is_own = len(sides) == 2 and sides[0][0].owner == sides[1][0].owner
        if is_own and self._wash:
            order = sides[1][0]
            yield from wash.crossed(memory, order, [fill for _, fill in sides], self._of(order.symbol))
        for number, (order, fill) in enumerate(sides):
            yield from self._filled(order, fill, not number, not is_own)

    def _filled(self, order: Order, fill: Fill, is_trade: bool, is_with_others: bool) -> Iterator[Finding]:
        """`is_trade`: of the sides of a trade the one that counts towards the volume."""
        memory, terms = self.memory, self._of(order.symbol)
        order.cum += fill.qty
        if order.cum >= order.qty:
            memory.ends(order)
        if self._wash and is_with_others:
            yield from wash.filled(memory, order, fill, terms)
        if self._layers:
            layering.filled(memory, order, fill, terms)
        if self._close:
            last_minutes = closing.before(memory, order.symbol, terms, self._closes)
            if last_minutes is not None:
                closing.filled(memory, last_minutes, order, fill, is_trade)
        if self._size:
            yield from size.filled(memory, order, fill, terms)
        memory.market(order.symbol).last = fill.price

    def _split(self, fact: f.SplitApplied) -> tuple[Finding, ...]:
        """Sizes are of the new shares; windows begin anew."""
        memory, n, d = self.memory, fact.numerator, fact.denominator
        for key, sizes in memory.sizes.items():
            if key[1] == fact.symbol:
                sizes.split(n, d)
        for key, daily in memory.daily.items():
            if key[1] == fact.symbol:
                daily.qty = daily.qty * n // d
                daily.past.split(n, d)
        for key in [key for key in memory.washing if key[1] == fact.symbol]:
            memory.washing[key] = Washing()
        for key in [key for key in memory.layers if key[1] == fact.symbol]:
            memory.layers[key] = Layers()
        memory.closing.pop(fact.symbol, None)
        memory.markets.pop(fact.symbol, None)
        for order in memory.orders.values():
            if order.symbol == fact.symbol:
                order.cum, order.touch, order.shown = order.cum * n // d, 0, 0
        return ()


HANDLERS: dict[type[f.Fact], Callable[[Detector, Any], Any]] = {
    f.InstrumentDefined: Detector._instrument,
    f.MakerDefined: Detector._maker,
    f.DayRolled: Detector._day,
    f.Quoted: Detector._quoted,
    f.OrderAccepted: Detector._accepted,
    f.OrderReplaced: Detector._changed,
    f.OrderRestated: Detector._changed,
    f.QuoteMoved: Detector._changed,
    f.MassCanceled: Detector._mass,
    f.OrderCanceled: Detector._canceled,
    f.OrderExpired: Detector._ended,
    f.OrderRefused: Detector._ended,
    f.OrderRouted: Detector._routed,
    f.ChildFilled: Detector._child_filled,
    f.Trade: Detector._traded,
    f.SplitApplied: Detector._split,
}
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Memory).decode


def dump(memory: Memory) -> bytes:
    return _encode(memory)


def load(data: bytes) -> Memory:
    """What `dump` has made. Raises msgspec's errors."""
    return _decode(data)
