"""Orders, fills and quotes out of a journal, for reports on execution and routing."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import IMMEDIATE, Hold, Instructions, Instrument, Side, Venue, day_of
from brokerfix.engine.fees import ADDED
from brokerfix.operate.quality_orders import Child, Decision, Fill, Order, Quote, Timeline
from brokerfix.record.journal import read


def quote_of(fact: f.Quoted) -> Quote | None:
    """The best of both sides, None where one is empty."""
    if not fact.bids or not fact.asks:
        return None
    bid, ask = fact.bids[0][0], fact.asks[0][0]
    sizes = (sum(qty for price, qty, _ in side if price == side[0][0]) for side in (fact.bids, fact.asks))
    at_venues = (next((price for price, _, venue in side if venue), 0) for side in (fact.bids, fact.asks))
    return Quote(bid, ask, *sizes, *at_venues)


def is_worked(asked: Instructions | None) -> bool:
    """Whether when and how is left to us, by an algorithm or an operator."""
    return asked is not None and (asked.manual or (asked.strategy is not None and bool(asked.strategy.name)))


class Orders:
    """Reads facts in their order. Has the orders whose trading day is from `first` to `last` (YYYYMMDD), of the client
    and symbol that are named; the quotes of all. `until` is the time of the last fact."""

    def __init__(self, first: int = 0, last: int = 99_999_999, client: str = "", symbol: str = "") -> None:
        self.first, self.last, self.client, self.symbol = first, last, client, symbol
        self.orders: dict[int, Order] = {}
        self.instruments: dict[str, Instrument] = {}
        self.groups: dict[str, tuple[str, ...]] = {}
        self.timelines: dict[str, Timeline] = {}
        self.clients: set[str] = set()
        self.makers: set[str] = set()
        self.until = 0
        self._venues: dict[str, Venue] = {}
        self._sides: dict[int, tuple[str, Side]] = {}
        self._children: dict[int, tuple[Order, Child]] = {}
        self._fills: dict[int, Fill] = {}

    def read(self, folder: Path) -> "Orders":
        """All of a journal's folder. Raises JournalError."""
        for record in read(folder):
            self.apply(record.facts)
        return self

    def apply(self, facts: Iterable[f.Fact]) -> None:
        for fact in facts:
            handler = HANDLERS.get(type(fact))
            if handler is not None:
                handler(self, fact)
            self.until = max(self.until, fact.at)

    def twice_mid(self, symbol: str, at: int) -> int | None:
        """Twice the newest mid at or before a time; None where none is known, or the journal ends before."""
        quote = self.timelines[symbol].quote(at) if at <= self.until and symbol in self.timelines else None
        return quote.twice_mid if quote is not None else None

    def _timeline(self, symbol: str) -> Timeline:
        return self.timelines.setdefault(symbol, Timeline())

    def _instrument(self, fact: f.InstrumentDefined) -> None:
        self.instruments[fact.instrument.symbol] = fact.instrument

    def _client(self, fact: f.ClientDefined) -> None:
        self.clients.add(fact.client)

    def _maker(self, fact: f.MakerDefined) -> None:
        self.makers.add(fact.maker.maker)

    def _venue(self, fact: f.VenueDefined) -> None:
        self._venues[fact.venue.venue] = fact.venue

    def _group(self, fact: f.SymbolGroupDefined) -> None:
        self.groups[fact.group] = fact.symbols

    def _began(self, fact: f.Started | f.Stopped) -> None:
        """What the market was while no process ran is not known: from its last fact on."""
        since = fact.at if isinstance(fact, f.Stopped) else self.until
        for timeline in self.timelines.values():
            timeline.add(since + 1, None)

    def _quoted(self, fact: f.Quoted) -> None:
        timeline = self._timeline(fact.symbol)
        timeline.add(fact.at, quote_of(fact))
        timeline.add_totals(fact.at, day_of(fact.id), fact.day.volume, fact.day.turnover)

    def _accepted(self, fact: f.OrderAccepted) -> None:
        self._sides[fact.id] = fact.symbol, fact.side
        self.clients.add(fact.client)
        day = day_of(fact.id)
        is_meant = self.client in ("", fact.client) and self.symbol in ("", fact.symbol)
        if is_meant and self.first <= day <= self.last:
            self.orders[fact.id] = Order(
                order_id=fact.id, client=fact.client, symbol=fact.symbol, side=fact.side, ord_type=fact.ord_type,
                time_in_force=fact.time_in_force, qty=fact.qty, first_qty=fact.qty, price=fact.price, at=fact.at,
                day=day, is_directed=bool(fact.ex_destination), quote=self._timeline(fact.symbol).newest,
                account=fact.account, instructions=fact.instructions, is_worked=is_worked(fact.instructions),
            )  # fmt: skip

    def _decided(self, fact: f.RouteDecided) -> None:
        symbol, side = self._sides.get(fact.order_id, ("", Side.BUY))
        if not symbol:
            return
        quote = None
        if fact.bid is not None and fact.ask is not None:
            prices = [one.price for one in fact.seen if one.venue]
            best = (min(prices) if side is Side.BUY else max(prices)) if prices else 0
            at_venues = (0, best) if side is Side.BUY else (best, 0)
            quote = Quote(fact.bid[0], fact.ask[0], fact.bid[1], fact.ask[1], *at_venues)
        self._timeline(symbol).add(fact.at, quote)
        order = self.orders.get(fact.order_id)
        if order is None:
            return
        if not order.is_decided:
            order.quote, order.is_decided = quote, True
        order.decisions.append(Decision(fact.at, fact.expected_qty, fact.expected_px, fact.expected_fee))

    def _released(self, fact: f.OrderReleased) -> None:
        order = self.orders.get(fact.order_id)
        if order is not None and fact.hold is Hold.STOP:
            order.at, order.quote, order.is_decided = fact.at, self._timeline(order.symbol).newest, False
            order.price = fact.price or order.price

    def _routed(self, fact: f.OrderRouted) -> None:
        order = self.orders.get(fact.order_id)
        if order is not None:
            decision = order.decisions[-1] if order.decisions else None
            child = Child(fact.venue, fact.qty, fact.time_in_force, decision, at=fact.at)
            order.children.append(child)
            self._children[fact.id] = order, child

    def _child_changed(self, fact: f.ChildReplaced | f.ChildRestated) -> None:
        if fact.child_id in self._children:
            self._children[fact.child_id][1].qty = fact.qty

    def _child_ended(self, fact: f.ChildEnded) -> None:
        if fact.child_id in self._children:
            child = self._children[fact.child_id][1]
            child.is_ended, child.until = True, fact.at

    def _child_filled(self, fact: f.ChildFilled) -> None:
        if fact.child_id not in self._children:
            return
        order, child = self._children[fact.child_id]
        is_maker = fact.liquidity == ADDED if fact.liquidity else child.time_in_force not in IMMEDIATE
        terms = self._venues.get(child.venue)
        fill = Fill(child.venue, fact.at, fact.qty, fact.price, fact.fee, is_maker, terms)
        self._fills[fact.id] = fill
        order.fills.append(fill)
        child.fills.append(fill)
        if child.decision is not None:
            child.decision.fills.append(fill)

    def _traded(self, fact: f.Trade) -> None:
        sides = (
            (fact.maker_order_id, fact.taker_order_id, fact.id - 1, fact.maker_fee, True),
            (fact.taker_order_id, fact.maker_order_id, fact.id, fact.taker_fee, False),
        )
        for order_id, other, exec_id, fee, is_maker in sides:
            order = self.orders.get(order_id)
            if order is None:
                continue
            fill = self._fills[exec_id] = Fill("", fact.at, fact.qty, fact.price, fee, is_maker, other=other)
            order.fills.append(fill)
            if not is_maker and order.decisions and order.decisions[-1].at == fact.at:
                order.decisions[-1].fills.append(fill)

    def _booked(self, fact: f.OrderBooked) -> None:
        if fact.order_id in self.orders:
            order = self.orders[fact.order_id]
            order.booked = max(order.booked, fact.qty)

    def _taken_back(self, fact: f.TradeBusted | f.FillReversed) -> None:
        if fact.exec_id in self._fills:
            self._fills[fact.exec_id].qty = 0

    def _corrected(self, fact: f.TradeCorrected) -> None:
        if fact.exec_id in self._fills:
            fill = self._fills[fact.exec_id]
            fill.qty, fill.price, fill.fee = fact.qty, fact.price, fact.fee

    def _changed(self, fact: f.OrderReplaced | f.OrderRestated | f.QuoteMoved) -> None:
        if fact.order_id in self.orders:
            self.orders[fact.order_id].qty = fact.qty

    def _ended(self, fact: f.OrderCanceled | f.OrderExpired | f.OrderRefused) -> None:
        if fact.order_id in self.orders:
            self.orders[fact.order_id].is_ended = True

    def _split(self, fact: f.SplitApplied) -> None:
        """Prices and quantities before and after are of other shares."""
        self._timeline(fact.symbol).add(fact.at, None)
        for order in self.orders.values():
            if order.symbol == fact.symbol and not order.is_ended and order.filled < order.qty:
                order.is_split = True


HANDLERS: dict[type[f.Fact], Callable[[Orders, Any], None]] = {
    f.InstrumentDefined: Orders._instrument,
    f.ClientDefined: Orders._client,
    f.MakerDefined: Orders._maker,
    f.VenueDefined: Orders._venue,
    f.SymbolGroupDefined: Orders._group,
    f.Started: Orders._began,
    f.Stopped: Orders._began,
    f.Quoted: Orders._quoted,
    f.OrderAccepted: Orders._accepted,
    f.RouteDecided: Orders._decided,
    f.OrderReleased: Orders._released,
    f.OrderRouted: Orders._routed,
    f.ChildReplaced: Orders._child_changed,
    f.ChildRestated: Orders._child_changed,
    f.ChildEnded: Orders._child_ended,
    f.ChildFilled: Orders._child_filled,
    f.Trade: Orders._traded,
    f.OrderBooked: Orders._booked,
    f.TradeBusted: Orders._taken_back,
    f.FillReversed: Orders._taken_back,
    f.TradeCorrected: Orders._corrected,
    f.OrderReplaced: Orders._changed,
    f.OrderRestated: Orders._changed,
    f.QuoteMoved: Orders._changed,
    f.OrderCanceled: Orders._ended,
    f.OrderExpired: Orders._ended,
    f.OrderRefused: Orders._ended,
    f.SplitApplied: Orders._split,
}
