"""A simulated exchange: the book of a recording, and orders of ours that rest in it without moving it.

What others show is as recorded. An order of ours joins the queue of its price behind all that is shown there. Trades at
that price take from what is ahead of it, and then from it; what is left of a trade has others' orders behind it. How
what others cancel changes the queue is one of two models (hftbacktest's docs call them risk-averse and probability
queue models):

"behind": all that is canceled was behind our order, unless the level shows less than what was ahead;
"proportional": what is canceled was ahead of our order in proportion to what of the level was.

A trade beyond its price fills an order, as far as the trade goes. A recorded price that crosses an order fills it too,
at the order's price, with what is shown there. What an order of ours takes is not shown again until the recording tells
of the level anew. Orders of ours never trade with each other.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from brokerfix.domain import CxlRejReason, ExecType, OrdStatus, Side
from brokerfix.engine.market import Quotes
from brokerfix.engine.matching.book import at_least_as_good

BEHIND, PROPORTIONAL = "behind", "proportional"
QUEUES = (BEHIND, PROPORTIONAL)
UNKNOWN = "unknown to the exchange"
ADDED, REMOVED = "1", "2"
"""LastLiquidityInd(851)."""
Level = tuple[Side, int, int]
"""(side, price, total quantity; 0: it is gone)."""
Top = tuple[int, int] | None
"""(price, quantity) of the best level."""


class Told(NamedTuple):
    """What an exchange reports of one of our orders: ExecType(150), OrdStatus(39) and what goes with them. `name` is
    the order's ClOrdID, `orig` the one that a request was about, `qty` and `price` the fill's. With a `reason` it is an
    OrderCancelReject(9)."""

    kind: str
    status: str
    name: int
    orig: int = 0
    qty: int = 0
    price: int = 0
    cum: int = 0
    leaves: int = 0
    order_qty: int = 0
    order_px: int = 0
    liquidity: str = ""
    text: str = ""
    reason: str = ""


class Resting(msgspec.Struct, gc=False):
    """An order of ours in a queue, with `ahead` of it. `before` is the ClOrdID that it had before (0: none): a request
    that was under way with a replace names it by that."""

    name: int
    side: Side
    price: int
    qty: int
    cum: int
    ahead: int
    post_only: bool = False
    before: int = 0

    @property
    def left(self) -> int:
        return self.qty - self.cum


class Queue(msgspec.Struct, gc=False):
    """Our orders at one price, first come first; what others showed there when the recording last told of its depth,
    and what has `traded` since."""

    side: Side
    price: int
    orders: list[Resting]
    total: int
    traded: int = 0


class Exchange:
    """One instrument at one exchange. What it shows has changed at the levels of `changed`."""

    def __init__(self, queueing: str = BEHIND) -> None:
        self.queueing = queueing
        self.shown = Quotes()
        self.orders: dict[int, Resting] = {}
        self.over: dict[int, Told] = {}
        """What was last told of orders that are over."""
        self.changed: dict[tuple[Side, int], None] = {}
        self._queues: dict[tuple[Side, int], Queue] = {}
        self._hidden: dict[tuple[Side, int], int] = {}
        """What the depth has at levels where the top has told otherwise since."""

    def best(self, side: Side) -> tuple[int, int] | None:
        """(price, quantity) of the best level that others show."""
        levels = self.shown.side(side)
        if not levels:
            return None
        rank, qty = levels.peekitem(0)
        return abs(rank), qty

    def take_changes(self) -> tuple[Level, ...]:
        """The levels that have changed, with all that is at them, ours too."""
        changed, self.changed = self.changed, {}
        queues, shown = self._queues, self.shown
        if not queues:
            return tuple((side, price, shown.qty(side, price)) for side, price in changed)
        levels = []
        for side, price in changed:
            queue = queues.get((side, price))
            ours = sum(order.left for order in queue.orders) if queue is not None else 0
            levels.append((side, price, shown.qty(side, price) + ours))
        return tuple(levels)

    # What the recording tells

    def depth(self, levels: Iterable[Level]) -> list[Told]:
        """The recording tells of these levels."""
        hidden = self._hidden
        if hidden:
            for (side, price), qty in hidden.items():
                self._show(side, price, qty)
            hidden.clear()
        queues = self._queues
        for side, price, qty in levels:
            if queues:
                queue = queues.get((side, price))
                if queue is not None:
                    self._move_up(queue, qty)
            self._show(side, price, qty)
        return self._crossed() if queues else []

    def top(self, bid: Top, ask: Top) -> list[Told]:
        """The recording tells of the best levels only: what was better is gone. That holds until the next depth."""
        for side, best in ((Side.BUY, bid), (Side.SELL, ask)):
            levels = self.shown.side(side)
            price = best[0] if best is not None else 0
            while levels:
                found = abs(levels.peekitem(0)[0])
                if best is not None and at_least_as_good(side, found, price):
                    break
                self._hide(side, found, 0)
            if best is not None:
                self._hide(side, *best)
        return self._crossed() if self._queues else []

    def _hide(self, side: Side, price: int, qty: int) -> None:
        self._hidden.setdefault((side, price), self.shown.qty(side, price))
        self._show(side, price, qty)

    def _show(self, side: Side, price: int, qty: int) -> None:
        self.shown.set(side, price, qty)
        self.changed[side, price] = None
        if self._queues:
            queue = self._queues.get((side, price))
            if queue is not None:
                # There is no more ahead than there is.
                for order in queue.orders:
                    order.ahead = min(order.ahead, qty)

    def _move_up(self, queue: Queue, qty: int) -> None:
        """The level has this much now: what has gone without a trade was canceled."""
        had = max(0, queue.total - queue.traded)
        canceled = had - qty
        if self.queueing == PROPORTIONAL and canceled > 0:
            for order in queue.orders:
                order.ahead -= canceled * min(order.ahead, had) // had
        queue.total, queue.traded = qty, 0

    def trade(self, taker: Side, price: int, qty: int) -> list[Told]:
        """Somebody has traded with what rests at a price. Our orders there, and at prices that come before it, are
        filled with no more than has traded in all."""
        side = taker.opposite
        met = [
            queue
            for queue in self._queues.values()
            if queue.side is side and at_least_as_good(taker, queue.price, price)
        ]
        if not met:
            return []
        told: list[Told] = []
        for queue in sorted(met, key=lambda queue: queue.price, reverse=side is Side.BUY):
            if queue.price == price:
                queue.traded += qty
            passed = 0
            for order in list(queue.orders):
                # At a better price nothing can be ahead of it any more.
                before = order.ahead if queue.price == price else 0
                waits = min(qty, max(0, before - passed))
                passed += waits
                qty -= waits
                part = min(qty, order.left)
                if part:
                    qty -= part
                    told.append(self._fill(order, part, order.price, ADDED))
            for order in queue.orders:
                order.ahead = max(0, order.ahead - passed) if queue.price == price else 0
        return told

    def _crossed(self) -> list[Told]:
        """Others offer at the price of an order of ours, or at a better one."""
        told: list[Told] = []
        for queue in list(self._queues.values()):
            opposite = queue.side.opposite
            for order in list(queue.orders):
                while order.left and (best := self.best(opposite)) is not None:
                    if not at_least_as_good(queue.side, best[0], order.price):
                        break
                    part = min(order.left, best[1])
                    self._show(opposite, best[0], best[1] - part)
                    told.append(self._fill(order, part, order.price, ADDED))
        return told

    # What we ask for

    def enter(
        self,
        name: int,
        side: Side,
        qty: int,
        price: int,
        is_immediate: bool = False,
        post_only: bool = False,
        whole: bool = False,
    ) -> list[Told]:
        """An order arrives (price 0: at market). `whole`: all of it at once, or nothing."""  # fmt: skip
        new = Told(ExecType.NEW, OrdStatus.NEW, name, leaves=qty, order_qty=qty, order_px=price)
        if post_only and self._would_take(side, price):
            return [Told(ExecType.REJECTED, OrdStatus.REJECTED, name, text="post only: it would take")]
        order = Resting(name, side, price, qty, 0, 0, post_only)
        told = [new]
        if not whole or self._there(side, price) >= qty:
            told += self._take(order)
        if order.left and (is_immediate or not price):
            told.append(self._ended(order, name))
        elif order.left:
            self._rest(order)
        return told

    def cancel(self, name: int, orig: int) -> list[Told]:
        """A request to cancel arrives."""
        order = self.orders.get(orig)
        if order is None:
            return [self._too_late(name, orig)]
        self._leave(order)
        return [self._ended(order, name, orig)]

    def replace(self, name: int, orig: int, qty: int, price: int) -> list[Told]:
        """A request for other terms arrives. Less at the same price keeps its place, all else goes to the end."""
        order = self.orders.get(orig)
        if order is None:
            return [self._too_late(name, orig)]
        if order.post_only and price != order.price and self._would_take(order.side, price):
            told = "post only: it would take"
            return [Told("", OrdStatus.NEW, name, orig, text=told, reason=CxlRejReason.OTHER)]
        keeps = price == order.price and order.cum < qty <= order.qty
        if not keeps:
            self._leave(order)
        self._forget(order)
        order.before, order.name, order.qty, order.price = order.name, name, max(qty, order.cum), price
        status = OrdStatus.PARTIALLY_FILLED if order.cum else OrdStatus.NEW
        told_of = [
            Told(ExecType.REPLACED, status if order.left else OrdStatus.FILLED, name, orig, cum=order.cum,
                 leaves=order.left, order_qty=order.qty, order_px=price)
        ]  # fmt: skip
        if keeps:
            self._know(order)
            self.changed[order.side, price] = None
            return told_of
        if order.left:
            told_of += self._take(order)
        if order.left:
            self._rest(order)
        return told_of

    def _would_take(self, side: Side, price: int) -> bool:
        best = self.best(side.opposite)
        return best is not None and (not price or at_least_as_good(side, best[0], price))

    def _there(self, side: Side, price: int) -> int:
        """What others show that an order could take."""
        levels = self.shown.side(side.opposite)
        return sum(qty for rank, qty in levels.items() if not price or at_least_as_good(side, abs(rank), price))

    def _take(self, order: Resting) -> list[Told]:
        """Take what others show, the best price first."""
        told: list[Told] = []
        opposite = order.side.opposite
        while order.left and (best := self.best(opposite)) is not None:
            price, there = best
            if order.price and not at_least_as_good(order.side, price, order.price):
                break
            part = min(order.left, there)
            self._show(opposite, price, there - part)
            told.append(self._fill(order, part, price, REMOVED))
        return told

    def _fill(self, order: Resting, qty: int, price: int, liquidity: str) -> Told:
        order.cum += qty
        if order.name in self.orders:
            self.changed[order.side, order.price] = None
            if not order.left:
                self._leave(order)
                self._forget(order)
        status = OrdStatus.PARTIALLY_FILLED if order.left else OrdStatus.FILLED
        told = Told(
            ExecType.TRADE, status, order.name, qty=qty, price=price, cum=order.cum, leaves=order.left,
            order_qty=order.qty, order_px=order.price, liquidity=liquidity,
        )  # fmt: skip
        if not order.left:
            self._is_over(order, told)
        return told

    def _rest(self, order: Resting) -> None:
        """Behind all that is shown at its price."""
        key = order.side, order.price
        shown = self.shown.qty(*key)
        order.ahead = shown
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = Queue(*key, [], shown)
        queue.orders.append(order)
        self._know(order)
        self.changed[key] = None

    def _leave(self, order: Resting) -> None:
        key = order.side, order.price
        queue = self._queues[key]
        queue.orders.remove(order)
        if not queue.orders:
            del self._queues[key]
        self.changed[key] = None

    def _ended(self, order: Resting, name: int, orig: int = 0) -> Told:
        self._forget(order)
        told = Told(
            ExecType.CANCELED, OrdStatus.CANCELED, name, orig, cum=order.cum, order_qty=order.qty, order_px=order.price
        )
        self._is_over(order, told)
        return told

    def _know(self, order: Resting) -> None:
        self.orders[order.name] = order
        if order.before:
            self.orders[order.before] = order

    def _forget(self, order: Resting) -> None:
        self.orders.pop(order.name, None)
        self.orders.pop(order.before, None)

    def _is_over(self, order: Resting, told: Told) -> None:
        self.over[order.name] = told
        if order.before:
            self.over[order.before] = told

    def _too_late(self, name: int, orig: int) -> Told:
        known = self.over.get(orig)
        status = known.status if known is not None else OrdStatus.REJECTED
        return Told("", status, name, orig, reason=CxlRejReason.TOO_LATE)

    def status(self, name: int) -> Told:
        """A question about an order arrives."""
        order, over = self.orders.get(name), self.over.get(name)
        if order is not None:
            status = OrdStatus.PARTIALLY_FILLED if order.cum else OrdStatus.NEW
            return Told(
                ExecType.ORDER_STATUS, status, name, cum=order.cum, leaves=order.left, order_qty=order.qty,
                order_px=order.price,
            )  # fmt: skip
        if over is None:
            over = Told("", OrdStatus.REJECTED, name, text=UNKNOWN)
        return over._replace(kind=ExecType.ORDER_STATUS, name=name, orig=0, qty=0, price=0, liquidity="")
