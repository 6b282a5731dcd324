"""What waits for the broker: requests for their answers; and how an answer can fail."""

import asyncio
from collections.abc import Callable, Iterable

from brokerfix.doors.model import Order


class Unavailable(Exception):
    """The broker can't be asked now."""


class RequestRefused(Exception):
    """The broker has refused a request: its text, the order's state if there is one, and the HTTP status."""

    def __init__(self, text: str, order: Order | None = None, status: int = 422) -> None:
        super().__init__(text)
        self.order, self.status = order, status


class NameInUse(RequestRefused):
    """The broker knows the request's ClOrdID already."""


class RejectedBefore(RequestRefused):
    """The broker has rejected an order of this ClOrdID, before we knew of it."""


class Waiter:
    """A request that waits for its answer: `asked` is all that makes another one the same. An `immediate` order waits
    for its last report. What `is_again` says to the broker that it may have come before."""

    def __init__(self, asked: tuple[object, ...], immediate: bool = False, is_again: bool = False) -> None:
        self.asked, self.immediate, self.is_again = asked, immediate, is_again
        self.answer: asyncio.Future[Order] = asyncio.get_running_loop().create_future()


class MassCancel:
    """A mass cancel that is under way: which orders it covers, those that it was taken for as they are now, and of
    these the ones whose end is not known."""

    def __init__(self, covers: Callable[[Order], bool]) -> None:
        self.covers = covers
        self.orders: dict[str, Order] = {}
        self.waiting: set[str] = set()
        self.taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, orders: Iterable[Order]) -> None:
        """The broker has taken it, when these were all of the client's orders."""
        self.orders = {order.order_id: order for order in orders if self.covers(order)}
        self.waiting = set(self.orders)
        self.taken.set_result(None)
        self._end()

    def tell(self, order: Order) -> None:
        """An order is as it is now."""
        if order.order_id in self.orders:
            self.orders[order.order_id] = order
            if not order.is_open:
                self.waiting.discard(order.order_id)
                self._end()

    def fail(self, error: Exception) -> None:
        for answer in (self.taken, self.done):
            if not answer.done():
                answer.set_exception(error)
                answer.exception()

    def _end(self) -> None:
        if not self.waiting and not self.done.done():
            self.done.set_result(None)


def is_covered(order: Order, symbol: str, side: str) -> bool:
    """Whether a request to cancel what is open, of a symbol and a side ("": any), is about an order."""
    return order.is_open and symbol in ("", order.symbol) and side in ("", order.side)
