"""One client's FIX session for all API keys that use it, on the asyncio loop: requests out, reports and books in."""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from brokerfix.client import Client, Disconnected, Message, pairs_of, utc_now
from brokerfix.config import Config, address
from brokerfix.gateway.budgets import Budgets
from brokerfix.vouch import VOUCHER, read_secret, socket_path, voucher
from brokerfix.web.model import FINAL, Book, Level, Order, Quote, Report, order_of

log = logging.getLogger("brokerfix.http")
RECONNECT_SECONDS = 1.0
TICK_SECONDS = 1.0
MOST_ORDERS = 100_000
"""How many orders are remembered; of more, finished ones are forgotten, and asked for when they are wanted."""


class Unavailable(Exception):
    """The broker can't be asked now."""


class Refused(Exception):
    """The broker has refused a request: its text, and the order's state if there is one."""

    def __init__(self, text: str, order: Order | None = None) -> None:
        super().__init__(text)
        self.order = order


class Stream:
    """What one WebSocket is to be told. It holds so many messages; a reader that is slower than that is `lost`."""

    def __init__(self, most: int, symbols: frozenset[str], accounts: frozenset[str]) -> None:
        self.symbols, self.accounts = symbols, accounts
        self.queue: asyncio.Queue[Report | Quote] = asyncio.Queue(most)
        self.lost = asyncio.Event()

    def tell(self, what: Report | Quote) -> None:
        try:
            self.queue.put_nowait(what)
        except asyncio.QueueFull:
            self.lost.set()


class User:
    """A client of the broker. All of it runs on the loop's thread but the Logon."""

    def __init__(self, config: Config, name: str) -> None:
        self.config, self.name = config, name
        section = config.clients[name]
        assert config.gateway is not None
        if config.gateway.upstream:
            host, port = address(config.gateway.upstream)
        else:
            host, port = str(socket_path(config, name if section.port else "")), 0
        self.client = Client(
            name, config.broker.name, host, section.port or port, config.data / "clients" / f"{name}.json",
            vouch=self._vouch,
        )  # fmt: skip
        self.budgets = Budgets(config.budgets(name), time.monotonic())
        self.orders: OrderedDict[str, Order] = OrderedDict()
        self.books: dict[str, dict[str, dict[str, str]]] = {}
        self.streams: set[Stream] = set()
        self._renamed: dict[str, str] = {}
        self._asked: dict[str, asyncio.Future[Order]] = {}
        self._numbers: dict[int, str] = {}
        self._posted: dict[str, None] = {}
        self._immediate: set[str] = set()
        self._seen_books: dict[str, asyncio.Event] = {}
        self._subscribed: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def _vouch(self, seq_num: int, sent: str, reset: bool) -> tuple[int, str]:
        names = self.name, self.config.broker.name
        told = str(seq_num), sent, "Y" if reset else ""
        return VOUCHER, voucher(read_secret(self.config), *names, *told)

    # The session

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._stay())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self.client.connected:
            self._forget_reader()
            await asyncio.get_running_loop().run_in_executor(None, self.client.logout)

    async def _stay(self) -> None:
        """Stay logged on."""
        loop = asyncio.get_running_loop()
        told = ""
        while True:
            if not self.client.connected:
                try:
                    await loop.run_in_executor(None, self.client.connect)
                except (Disconnected, TimeoutError, OSError, ValueError) as error:
                    self.client.close()
                    if str(error) != told:
                        log.warning("%s can't log on: %s", self.name, error)
                        told = str(error)
                    await asyncio.sleep(RECONNECT_SECONDS)
                    continue
                told = ""
                log.info("%s has logged on", self.name)
                loop.add_reader(self.client.fileno(), self._readable)
                self._catch_up()
            await asyncio.sleep(TICK_SECONDS)
            if self.client.connected:
                self._readable()

    def _catch_up(self) -> None:
        """Ask for the working orders, which may be from before a restart of ours, and for the books again."""
        self._subscribed.clear()
        with contextlib.suppress(Unavailable):
            self._send(lambda: self.client.send("AF", [(584, f"http-{time.time_ns()}"), (585, "7")]))
            for symbol in list(self.books):
                self._subscribe(symbol)
        self._take_in()

    def _readable(self) -> None:
        descriptor = self.client.fileno()
        try:
            self.client.poll(0.0)
        except Disconnected as error:
            asyncio.get_running_loop().remove_reader(descriptor)
            log.warning("the session of %s is lost: %s", self.name, error)
            for asked in self._asked.values():
                if not asked.done():
                    asked.set_exception(Unavailable("the session with the broker was lost; ask for the order's state"))
            self._asked.clear()
            self._posted.clear()
            self._immediate.clear()
        self._take_in()

    def _forget_reader(self) -> None:
        asyncio.get_running_loop().remove_reader(self.client.fileno())

    def _take_in(self) -> None:
        while self.client.messages:
            message, every = self.client.messages.popleft(), self.client.received_pairs.popleft()
            handler = self._handlers.get(message[35])
            if handler is not None:
                handler(self, message, every)

    def _send(self, send: Callable[[], int]) -> int:
        """Send something. Returns its MsgSeqNum. Raises Unavailable."""
        if not self.client.connected:
            raise Unavailable("there is no session with the broker now; try again")
        try:
            return send()
        except Disconnected as error:
            raise Unavailable(f"the session with the broker was lost: {error}") from error

    # Orders

    async def new_order(self, cl_ord_id: str, body: list[tuple[int, str]], immediate: bool) -> Order:
        """Send an order as one that may have come before, and wait for its first report, of an `immediate` one for its
        last: the broker knows its ClOrdID if it did come, also after a restart of ours. Raises Refused, Unavailable."""
        fields = [(11, cl_ord_id), (60, utc_now()), *body]
        self._posted[cl_ord_id] = None
        if immediate:
            self._immediate.add(cl_ord_id)
        return await self._ask(cl_ord_id, lambda: self.client.send("D", fields, header=[(97, "Y")]))

    async def cancel(self, order: Order, cl_ord_id: str) -> Order:
        side = "1" if order.side == "buy" else "2"
        return await self._ask(cl_ord_id, lambda: self.client.cancel(cl_ord_id, order.cl_ord_id, side, order.symbol))

    async def replace(self, order: Order, cl_ord_id: str, qty: str, price: str | None) -> Order:
        side = "1" if order.side == "buy" else "2"
        return await self._ask(
            cl_ord_id,
            lambda: self.client.replace(cl_ord_id, order.cl_ord_id, side, qty, order.symbol, price),
        )

    async def status(self, cl_ord_id: str) -> Order | None:
        """An order by any of its ClOrdIDs: as last reported or, if nothing is known of it, as the broker says. None if
        there is none."""
        known = self.orders.get(self._renamed.get(cl_ord_id, cl_ord_id))
        if known is not None:
            return known
        try:
            found = await self._ask(cl_ord_id, lambda: self.client.send("H", [(11, cl_ord_id), (790, cl_ord_id)]))
        except Refused as refused:
            return refused.order if refused.order is not None and refused.order.order_id != "NONE" else None
        return found

    async def _ask(self, cl_ord_id: str, send: Callable[[], int]) -> Order:
        """Send a request, and wait for the first answer to it. Who asks the same meanwhile gets the same answer."""
        assert self.config.http is not None
        asked = self._asked.get(cl_ord_id)
        if asked is None:
            asked = self._asked[cl_ord_id] = asyncio.get_running_loop().create_future()
            try:
                number = self._send(send)
            except Unavailable:
                del self._asked[cl_ord_id]
                raise
            self._numbers[number] = cl_ord_id
        try:
            return await asyncio.wait_for(asyncio.shield(asked), self.config.http.answer_seconds)
        except TimeoutError as error:
            raise Unavailable("the broker has not answered in time; ask for the order's state") from error
        finally:
            if asked.done():
                self._asked.pop(cl_ord_id, None)
                self._numbers = {number: name for number, name in self._numbers.items() if name in self._asked}

    def _answer(self, cl_ord_id: str, order: Order | Refused) -> None:
        self._posted.pop(cl_ord_id, None)
        asked = self._asked.get(cl_ord_id)
        if asked is None or asked.done():
            return
        if isinstance(order, Refused):
            asked.set_exception(order)
        else:
            asked.set_result(order)

    def _execution_report(self, message: Message, every: list[tuple[int, str]]) -> None:
        order = order_of(message)
        exec_type, request = message.get(150, ""), message.get(11, "")
        if 584 in message:
            self._remember(order)
            return
        if exec_type == "I":
            # The answer to a status request has its id; without one it answers an order that came before. Those are
            # answered in their order, so it is the oldest that has no answer.
            request = message.get(790) or next(iter(self._posted), request)
            if order.order_id == "NONE":
                self._answer(request, Refused(order.text or "unknown order"))
                return
            if request != order.cl_ord_id:
                self._renamed[request] = order.cl_ord_id
        if order.status == "rejected" and exec_type in ("8", "I"):
            self._remember(order)
            self._tell(Report(order, message.get(17, ""), exec_type))
            self._answer(request, Refused(order.text or "rejected", order))
            return
        replaced = message.get(41, "")
        if replaced and exec_type in ("4", "5"):
            for name in (replaced, *[old for old, new in self._renamed.items() if new == replaced]):
                self._renamed[name] = request
            self.orders.pop(replaced, None)
        pending = exec_type in ("6", "E")
        if pending:
            # The request is named, but the order has its name until the request is granted.
            order = msgspec.structs.replace(order, cl_ord_id=replaced or request)
        self._remember(order)
        self._tell(Report(order, message.get(17, ""), exec_type, message.get(32, ""), message.get(31, "")))
        if not pending and (request not in self._immediate or order.status in FINAL):
            self._immediate.discard(request)
            self._answer(request, order)

    def _remember(self, order: Order) -> None:
        self.orders[order.cl_ord_id] = order
        self.orders.move_to_end(order.cl_ord_id)
        if len(self.orders) > MOST_ORDERS:
            for name in list(self.orders)[: MOST_ORDERS // 10]:
                if self.orders[name].status in FINAL:
                    del self.orders[name]

    def _cancel_reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        order = self.orders.get(message.get(41, ""))
        self._answer(message.get(11, ""), Refused(message.get(58, "refused"), order))

    def _business_reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        self._answer(message.get(379, ""), Refused(message.get(58, "refused")))

    def _reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        """A Reject(3) says by MsgSeqNum what it is about."""
        log.warning("the broker rejects a message of %s: %s", self.name, message.get(58, ""))
        self._answer(self._numbers.get(int(message.get(45, "0")), ""), Refused(message.get(58, "malformed")))

    # Market data

    def _subscribe(self, symbol: str) -> None:
        if symbol not in self._subscribed:
            self._send(lambda: self.client.subscribe(f"http-{symbol}", [symbol], depth=10, incremental=False))
            self._subscribed.add(symbol)

    async def book(self, symbol: str) -> Book:
        """The book of a symbol, which is followed from now on. Raises Unavailable."""
        assert self.config.http is not None
        seen = self._seen_books.setdefault(symbol, asyncio.Event())
        self._subscribe(symbol)
        try:
            await asyncio.wait_for(seen.wait(), self.config.http.answer_seconds)
        except TimeoutError as error:
            raise Unavailable(f"there is no book of {symbol} yet") from error
        return self._book(symbol)

    def _snapshot(self, message: Message, every: list[tuple[int, str]]) -> None:
        symbol = message.get(55, "")
        sides: dict[str, dict[str, str]] = {"0": {}, "1": {}}
        for entry in pairs_of(every, 269):
            if entry[269] in sides:
                levels = sides[entry[269]]
                price = entry.get(270, "0")
                levels[price] = str(Decimal(levels.get(price, "0")) + Decimal(entry.get(271, "0")))
        self.books[symbol] = sides
        self._seen_books.setdefault(symbol, asyncio.Event()).set()
        self._tell(Quote(self._book(symbol)))

    def _book(self, symbol: str) -> Book:
        sides = self.books.get(symbol, {"0": {}, "1": {}})

        def levels(side: str) -> list[Level]:
            prices = sorted(sides[side], key=Decimal, reverse=side == "0")
            return [Level(price, sides[side][price]) for price in prices]

        return Book(symbol, levels("0"), levels("1"))

    def _tell(self, what: Report | Quote) -> None:
        for stream in self.streams:
            if isinstance(what, Quote):
                if what.book.symbol in stream.symbols:
                    stream.tell(what)
            elif what.order.account in stream.accounts or not what.order.account:
                stream.tell(what)

    _handlers: ClassVar[dict[str, Any]] = {
        "8": _execution_report,
        "9": _cancel_reject,
        "3": _reject,
        "j": _business_reject,
        "W": _snapshot,
    }
