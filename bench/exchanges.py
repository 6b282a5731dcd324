"""The engine in process, and exchanges that answer it late out of books that move on meanwhile.

An exchange's market data, our children and its reports each take its latency one way. A child is filled with what the
exchange's book holds when it arrives; what we took is gone from there until the recording next sets that level.
"""

import heapq
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec
from recorded import NAMES, PRICE_DIGITS, QTY_DIGITS, SECOND, SYMBOL, Levels, Scene

from brokerfix.commands import Command, MarketUpdate, NewOrder, RecordQuotes, SessionUp, Start, VenueReport
from brokerfix.domain import ClientOptions, Instrument, Limits, OrdType, Side, TimeInForce, Venue
from brokerfix.engine.charges import exchange_fee
from brokerfix.engine.engine import State, decide, done, evolve, follow_up, observe
from brokerfix.facts import ChildFilled, OrderAccepted, OrderRouted

DAY = 20261122
MUCH = "900000000000"
ACCOUNT = "DESK"
MONEY = 10**12
"""Money of one unit of the currency."""
RECORD_EVERY = SECOND
Timeline = list[tuple[int, bool, int, Levels]]
"""(time ns, whether the broker is told, number of the exchange, levels)."""


class Exchange(NamedTuple):
    """`bps` is what it takes of what is traded, as decimal text (below 0: it gives); `latency` is ns one way."""

    name: str
    bps: str
    latency: int

    @property
    def venue(self) -> Venue:
        return Venue(self.name, taker_bps=self.bps)


class Ticket(msgspec.Struct):
    """One order and what became of it. `limit` is its price (0: at market), `mid` twice the mid when it was sent;
    `notional` is price x quantity; `fee` and `rest` are money: what the exchanges took, and what its unfilled rest cost
    above the mid, with fees, when it was over. `missed` of its children's quantity was not there when they arrived.
    Times are ns; `done` is 0 while it works."""

    side: Side
    qty: int
    limit: int
    mid: int
    sent: int
    filled: int = 0
    notional: int = 0
    fee: int = 0
    children: int = 0
    missed: int = 0
    done: int = 0
    rest: int = 0


def timeline(scene: Scene, exchanges: tuple[Exchange, ...]) -> Timeline:
    """All that changes in the books, and when the broker is told."""
    happens: Timeline = [(at, False, which, levels) for at, which, levels in scene.updates]
    happens += [(at + exchanges[which].latency, True, which, levels) for at, which, levels in scene.updates]
    return sorted(happens, key=lambda one: one[0])


class Simulation:
    """A broker and its exchanges through a scene. `now` is ns."""

    def __init__(self, scene: Scene, exchanges: tuple[Exchange, ...], instrument: Instrument) -> None:
        self.scene, self.exchanges, self.instrument = scene, exchanges, instrument
        self.venues = {one.name: one.venue for one in exchanges}
        self.now = scene.span[0] - SECOND
        self.state = State()
        self.books: list[dict[Side, dict[int, int]]] = [{side: {} for side in Side} for _ in exchanges]
        self.tickets: list[Ticket] = []
        self._by_order: dict[int, Ticket] = {}
        self._by_child: dict[int, Ticket] = {}
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        account = (ACCOUNT, MUCH, Limits(MUCH, MUCH))
        clients = ((ACCOUNT, (ACCOUNT,), 0, ClientOptions()),)
        self._run(Start(self.now, DAY, (instrument,), (account,), clients, tuple(self.venues.values())))
        for name in self.venues:
            self._run(SessionUp(self.now, name, True))

    def later(self, at: int, do: Callable[[], None]) -> None:
        """Have something done at a time."""
        self._count += 1
        heapq.heappush(self._waiting, (at, self._count, do))

    def run(self, happens: Timeline) -> None:
        """Go through the scene, and on until nothing is under way."""
        for at in range(self.scene.span[0] + RECORD_EVERY, self.scene.span[1], RECORD_EVERY):
            self.later(at, lambda: self._run(RecordQuotes(self.now)))
        for at, is_told, which, levels in happens:
            self._until(at)
            self.now = at
            if is_told:
                observe(self.state, MarketUpdate(self.exchanges[which].name, SYMBOL, False, levels))
                continue
            book = self.books[which]
            for side, price, qty in levels:
                if qty:
                    book[side][price] = qty
                else:
                    book[side].pop(price, None)
        while self._waiting:
            self._until(self._waiting[0][0])

    def _until(self, at: int) -> None:
        while self._waiting and self._waiting[0][0] <= at:
            self.now, _, do = heapq.heappop(self._waiting)
            do()

    def send(self, side: Side, qty: int, price: int, venue: str = "") -> Ticket:
        """An immediate order (price 0: at market), perhaps for one exchange."""
        ticket = self._ticket(side, qty, price)
        ord_type = OrdType.LIMIT if price else OrdType.MARKET
        name = str(len(self.tickets))
        terms = SYMBOL, side, ord_type, TimeInForce.IOC, qty, price, venue
        self._run(NewOrder(self.now, ACCOUNT, name, "", *terms))
        return ticket

    def take(self, side: Side, qty: int, price: int) -> Ticket:
        """An order that sees and reaches all books without delay, and takes the cheapest with fees."""
        ticket = self._ticket(side, qty, price)
        for which, at, part in self._sweep(side, qty, price):
            self._fill(ticket, self.exchanges[which].name, at, part)
            ticket.children += 1
        self._finish(ticket)
        return ticket

    def best_displayed(self, side: Side) -> str:
        """The exchange with the best price that the broker knows of, of equal ones that with the most there."""
        shown = []
        for one in self.exchanges:
            quotes = self.state.market.quotes.get((one.name, SYMBOL))
            levels = quotes.side(side.opposite) if quotes is not None else None
            if levels:
                shown.append((levels.keys()[0], -levels.values()[0], one.name))
        return min(shown)[2]

    def _ticket(self, side: Side, qty: int, limit: int) -> Ticket:
        ticket = Ticket(side, qty, limit, self.scene.mid_at(self.now), self.now)
        self.tickets.append(ticket)
        return ticket

    def _run(self, command: Command) -> None:
        self._decide(command)
        while (then := follow_up(self.state, self.now)) is not None:
            if not self._decide(then):
                done(self.state)

    def _decide(self, command: Command) -> bool:
        state = self.state
        facts = decide(state, command)
        touched: dict[int, Ticket] = {}
        for fact in facts:
            evolve(state, fact)
            if isinstance(fact, OrderAccepted):
                self._by_order[fact.id] = touched[fact.id] = self.tickets[-1]
            elif isinstance(fact, OrderRouted):
                ticket = self._by_child[fact.id] = self._by_order[fact.order_id]
                ticket.children += 1
                latency = self.exchanges[NAMES.index(fact.venue)].latency
                self.later(self.now + latency, partial(self._arrive, fact))
            elif isinstance(fact, ChildFilled):
                child = state.children[fact.child_id]
                self._fill(self._by_child[fact.child_id], child.venue, fact.price, fact.qty)
        if isinstance(command, VenueReport):
            order_id = state.children[command.cl_ord_id].order_id
            touched[order_id] = self._by_order[order_id]
        for order_id, ticket in touched.items():
            order = state.orders[order_id]
            if not ticket.done and (order.ended is not None or not order.leaves):
                self._finish(ticket)
        return bool(facts)

    def _arrive(self, child: OrderRouted) -> None:
        """The exchange gets a child: it takes what is there within its limit, the rest is canceled."""
        which, left, ticket = NAMES.index(child.venue), child.qty, self._by_child[child.id]
        side = ticket.side
        fills: list[tuple[int, int]] = []
        for price, there in self._levels(which, side, child.price):
            if not left:
                break
            part = min(left, there)
            left -= part
            fills.append((price, part))
            self._lower(which, side.opposite, price, part)
        ticket.missed += left
        book = self.books[which][side.opposite]
        shown = tuple((side.opposite, price, book.get(price, 0)) for price, _ in fills)
        self.later(self.now + self.exchanges[which].latency, partial(self._report, child, fills, left, shown))

    def _report(self, child: OrderRouted, fills: list[tuple[int, int]], left: int, shown: Levels) -> None:
        venue, number, cum = child.venue, child.id, 0
        self._run(VenueReport(self.now, venue, f"{number}A", "0", "0", number, 0, str(number)))
        for price, qty in fills:
            cum += qty
            status = "1" if cum < child.qty else "2"
            terms = number, 0, str(number), qty, price, cum
            self._run(VenueReport(self.now, venue, f"{number}F{price}", "F", status, *terms))
        if left:
            self._run(VenueReport(self.now, venue, f"{number}C", "4", "4", number, 0, str(number), cum=cum))
        if shown:
            observe(self.state, MarketUpdate(venue, SYMBOL, False, shown))

    def _levels(self, which: int, side: Side, limit: int) -> list[tuple[int, int]]:
        """What an exchange has for a taker within a limit (0: any price), best first."""
        levels = self.books[which][side.opposite].items()
        if side is Side.BUY:
            return sorted((price, qty) for price, qty in levels if not limit or price <= limit)
        return sorted(((price, qty) for price, qty in levels if price >= limit), reverse=True)

    def _lower(self, which: int, side: Side, price: int, qty: int) -> None:
        book = self.books[which][side]
        book[price] -= qty
        if not book[price]:
            del book[price]

    def _fee(self, venue: str, price: int, qty: int) -> int:
        worth = price * qty * self.instrument.money_factor
        return exchange_fee(self.venues[venue], qty, QTY_DIGITS, worth)

    def _fill(self, ticket: Ticket, venue: str, price: int, qty: int) -> None:
        ticket.filled += qty
        ticket.notional += price * qty
        ticket.fee += self._fee(venue, price, qty)

    def _cheapest(self, side: Side, qty: int, limit: int) -> list[tuple[int, int, int]]:
        """(exchange, price, quantity) of what all books hold within a limit, cheapest with fees first."""
        sign = 1 if side is Side.BUY else -1
        found = []
        for which, one in enumerate(self.exchanges):
            rate = sign + float(one.bps) / 10_000
            found += [(price * rate, which, price, there) for price, there in self._levels(which, side, limit)]
        taken = []
        for _, which, price, there in sorted(found):
            if not qty:
                break
            part = min(qty, there)
            qty -= part
            taken.append((which, price, part))
        return taken

    def _sweep(self, side: Side, qty: int, limit: int) -> list[tuple[int, int, int]]:
        """Take that of the books, and have the broker told of it."""
        taken = self._cheapest(side, qty, limit)
        for which, price, part in taken:
            self._lower(which, side.opposite, price, part)
            left = self.books[which][side.opposite].get(price, 0)
            name, levels = self.exchanges[which].name, ((side.opposite, price, left),)
            told = partial(observe, self.state, MarketUpdate(name, SYMBOL, False, levels))
            self.later(self.now + self.exchanges[which].latency, told)
        return taken

    def _finish(self, ticket: Ticket) -> None:
        """The order is over. The rest of one at market is made up at once, whatever it costs."""
        ticket.done = self.now
        left = ticket.qty - ticket.filled
        if left and not ticket.limit:
            sign, factor = (1 if ticket.side is Side.BUY else -1), self.instrument.money_factor
            for which, price, part in self._sweep(ticket.side, left, 0):
                fee = self._fee(self.exchanges[which].name, price, part)
                ticket.rest += sign * part * (2 * price - ticket.mid) * factor // 2 + fee


def instrument(scene: Scene, route_by: str = "price", route_mode: str = "best", latency_cost: int = 0) -> Instrument:
    """What is traded; it is never crossed with our own book."""
    return Instrument(
        SYMBOL, PRICE_DIGITS, QTY_DIGITS, 1, 1, "never", "venue", reference=scene.mids[0] // 2, route_by=route_by,
        route_mode=route_mode, latency_cost=latency_cost,
    )  # fmt: skip
