"""One client's FIX session for all API keys that use it, on the asyncio loop: requests out, reports and books in."""

import asyncio
import contextlib
import itertools
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from brokerfix.client import Client, Disconnected, Message, TooLow, pairs_of, utc_now
from brokerfix.config import Config, ConfigError, address
from brokerfix.gateway.budgets import Budgets
from brokerfix.vouch import VOUCHER, read_secret, socket_path, voucher
from brokerfix.web.model import FINAL, Book, Level, NewOrder, Order, Quote, Replace, Report, order_of

log = logging.getLogger("brokerfix.http")
RECONNECT_SECONDS = 1.0
TICK_SECONDS = 1.0
SEND_SECONDS = 0.5
"""How long the broker may leave a message of ours untaken: the loop waits with it."""
MOST_ORDERS = 50_000
"""How many orders are remembered; of more, finished ones are forgotten, and asked for when they are wanted."""


class Unavailable(Exception):
    """The broker can't be asked now."""


class Refused(Exception):
    """The broker has refused a request: its text, the order's state if there is one, and the HTTP status."""

    def __init__(self, text: str, order: Order | None = None, status: int = 422) -> None:
        super().__init__(text)
        self.order, self.status = order, status


class Stream:
    """What one WebSocket is to be told. It holds so many messages; a reader that is slower than that is `lost`."""

    def __init__(self, most: int, symbols: frozenset[str], sees: Callable[[Order], bool]) -> None:
        self.symbols, self.sees = symbols, sees
        self.queue: asyncio.Queue[Report | Quote] = asyncio.Queue(most)
        self.lost = asyncio.Event()

    def tell(self, what: Report | Quote) -> None:
        if isinstance(what, Quote):
            wanted = what.book.symbol in self.symbols
        else:
            wanted = self.sees(what.order)
        if not wanted:
            return
        try:
            self.queue.put_nowait(what)
        except asyncio.QueueFull:
            self.lost.set()


class Waiter:
    """A request that waits for its answer; an `immediate` order waits for its last report."""

    def __init__(self, immediate: bool = False) -> None:
        self.immediate = immediate
        self.answer: asyncio.Future[Order] = asyncio.get_running_loop().create_future()


class Orders:
    """The orders that were reported, by OrderID; every ClOrdID that was theirs, and what was asked for under it."""

    def __init__(self) -> None:
        self.by_id: OrderedDict[str, Order] = OrderedDict()
        self.asked: dict[str, NewOrder | Replace] = {}
        self.accounts: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._names: dict[str, list[str]] = {}

    def named(self, cl_ord_id: str) -> Order | None:
        return self.by_id.get(self._ids.get(cl_ord_id, ""))

    def note(self, order: Order, *names: str) -> None:
        self.by_id[order.order_id] = order
        self.by_id.move_to_end(order.order_id)
        known = self._names.setdefault(order.order_id, [])
        for name in names:
            if name and self._ids.get(name) != order.order_id:
                self._ids[name] = order.order_id
                known.append(name)
        if len(self.by_id) > MOST_ORDERS:
            self._forget()

    def _forget(self) -> None:
        for order_id in list(self.by_id)[: MOST_ORDERS // 10]:
            if self.by_id[order_id].status in FINAL:
                del self.by_id[order_id]
                for name in self._names.pop(order_id):
                    for names in (self._ids, self.asked, self.accounts):
                        names.pop(name, None)


class User:
    """A client of the broker. All of it runs on the loop's thread; only while it logs on has another thread its client.
    `up`: it is logged on."""

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
        self.up = False
        self.budgets = Budgets(config.budgets(name), time.monotonic())
        self.orders = Orders()
        self.books: dict[str, dict[str, dict[str, str]]] = {}
        self.streams: set[Stream] = set()
        self._followed: set[str] = set()
        self._subscribed: set[str] = set()
        self._seen: dict[str, asyncio.Event] = {}
        self._waiting: dict[str, Waiter] = {}
        self._numbers: dict[int, str] = {}
        self._requests = itertools.count(1)
        self._descriptor = -1
        self._task: asyncio.Task[None] | None = None

    def _vouch(self, seq_num: int, sent: str, reset: bool) -> tuple[int, str]:
        told = self.name, self.config.broker.name, str(seq_num), sent, "Y" if reset else ""
        return VOUCHER, voucher(read_secret(self.config), *told)

    # The session

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._stay())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self.up:
            self._unfollow()
            await asyncio.get_running_loop().run_in_executor(None, self.client.logout)

    async def _stay(self) -> None:
        """Stay logged on."""
        told = ""
        while True:
            if not self.up:
                try:
                    await asyncio.get_running_loop().run_in_executor(None, self._log_on)
                except (Disconnected, ConfigError, OSError, ValueError) as error:
                    self.client.close()
                    if str(error) != told:
                        log.warning("%s can't log on: %s", self.name, error)
                        told = str(error)
                    await asyncio.sleep(RECONNECT_SECONDS)
                    continue
                told = ""
                log.info("%s has logged on", self.name)
                self._came_up()
            await asyncio.sleep(TICK_SECONDS)
            if self.up:
                self._readable()

    def _log_on(self) -> None:
        """In a thread of its own: nobody else uses the client meanwhile. The numbers begin anew where the broker's
        have."""
        try:
            self.client.connect()
        except TooLow as error:
            log.info("%s begins its sequence numbers anew: %s", self.name, error)
            self.client.close()
            self.client.connect(reset=True)
        self.client.set_timeout(SEND_SECONDS)

    def _came_up(self) -> None:
        self.up = True
        self._descriptor = self.client.fileno()
        asyncio.get_running_loop().add_reader(self._descriptor, self._readable)
        self._subscribed.clear()
        with contextlib.suppress(Unavailable):
            # Working orders may be from before a restart of ours.
            self._send(lambda: self.client.send("AF", [(584, f"http-{time.time_ns()}"), (585, "7")]))
            for symbol in sorted(self._followed.union(*(stream.symbols for stream in self.streams))):
                self._subscribe(symbol)
        self._take_in()

    def _readable(self) -> None:
        try:
            self.client.poll(0.0)
        except Disconnected as error:
            self._lost(error)
        self._take_in()

    def _unfollow(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self.up = False

    def _lost(self, error: Exception) -> None:
        """The session has ended: what waits for an answer is told so, and books are out of date."""
        if not self.up:
            return
        self._unfollow()
        log.warning("the session of %s is lost: %s", self.name, error)
        for waiter in self._waiting.values():
            if not waiter.answer.done():
                waiter.answer.set_exception(
                    Unavailable("the session with the broker was lost; ask for the order's state")
                )
                waiter.answer.exception()
        self._waiting.clear()
        self._numbers.clear()
        self.books.clear()
        self._seen.clear()

    def _take_in(self) -> None:
        while self.client.messages:
            message, every = self.client.messages.popleft(), self.client.received_pairs.popleft()
            handler = self._handlers.get(message[35])
            if handler is not None:
                handler(self, message, every)

    def _send(self, send: Callable[[], int]) -> int:
        """Send something. Returns its MsgSeqNum. Raises Unavailable."""
        if not self.up:
            raise Unavailable("there is no session with the broker now; try again")
        try:
            return send()
        except (Disconnected, OSError) as error:
            self._lost(error)
            raise Unavailable(f"the session with the broker was lost: {error}") from error

    # Orders

    async def new_order(self, asked: NewOrder, account: str, body: list[tuple[int, str]], immediate: bool) -> Order:
        """Send an order, and wait for its first report, of an `immediate` one for its last. Raises Refused,
        Unavailable."""
        name = asked.cl_ord_id
        if name not in self._waiting:
            self.orders.asked[name], self.orders.accounts[name] = asked, account
        fields = [(11, name), (60, utc_now()), *body]
        try:
            return await self._ask(name, lambda: self.client.send("D", fields), immediate)
        except Unavailable:
            known = self.orders.named(name)
            if known is not None:
                # It is working, in an auction or at a slow exchange.
                return known
            raise

    async def cancel(self, order: Order, cl_ord_id: str) -> Order:
        side = "1" if order.side == "buy" else "2"
        return await self._ask(cl_ord_id, lambda: self.client.cancel(cl_ord_id, order.cl_ord_id, side, order.symbol))

    async def replace(self, order: Order, asked: Replace) -> Order:
        side, name = "1" if order.side == "buy" else "2", asked.cl_ord_id
        self.orders.asked[name] = asked
        terms = order.cl_ord_id, side, asked.qty, order.symbol, asked.price
        return await self._ask(name, lambda: self.client.replace(name, *terms))

    async def status(self, cl_ord_id: str) -> Order | None:
        """An order by any of its ClOrdIDs: as last reported or, if nothing is known of it, as the broker says. None if
        there is none. Raises Unavailable."""
        known = self.orders.named(cl_ord_id)
        if known is not None:
            return known
        request = f"s{next(self._requests)}"
        try:
            found = await self._ask(
                f"H {request}", lambda: self.client.send("H", [(11, cl_ord_id), (790, request)]), False
            )
        except Refused:
            return None
        self.orders.note(found, cl_ord_id)
        return found

    async def _ask(self, key: str, send: Callable[[], int], immediate: bool = False) -> Order:
        """Send a request, and wait for its answer. Who asks the same meanwhile gets the same answer. Raises Refused,
        Unavailable."""
        assert self.config.http is not None
        waiter = self._waiting.get(key)
        if waiter is None:
            waiter = Waiter(immediate)
            number = self._send(send)
            self._waiting[key], self._numbers[number] = waiter, key
        try:
            return await asyncio.wait_for(asyncio.shield(waiter.answer), self.config.http.answer_seconds)
        except TimeoutError as error:
            self._waiting.pop(key, None)
            raise Unavailable("the broker has not answered in time; ask for the order's state") from error
        finally:
            self._numbers = {number: name for number, name in self._numbers.items() if name in self._waiting}

    def _answer(self, key: str, answer: Order | Refused) -> None:
        waiter = self._waiting.get(key)
        if waiter is None:
            return
        if isinstance(answer, Order) and waiter.immediate and answer.status not in FINAL:
            return
        del self._waiting[key]
        if waiter.answer.done():
            return
        if isinstance(answer, Refused):
            waiter.answer.set_exception(answer)
            # It is known to be taken, should nobody wait any more.
            waiter.answer.exception()
        else:
            waiter.answer.set_result(answer)

    def _execution_report(self, message: Message, every: list[tuple[int, str]]) -> None:
        exec_type, request, replaced = message.get(150, ""), message.get(11, ""), message.get(41, "")
        order = self._whole(order_of(message), request, replaced)
        is_status = exec_type == "I"
        if is_status and order.order_id == "NONE":
            self._answer(f"H {message.get(790, '')}", Refused(order.text or "unknown order"))
            return
        pending = exec_type in ("6", "E")
        if pending:
            # The request is named, but the order has its name until the request is granted.
            order = msgspec.structs.replace(order, cl_ord_id=replaced or request)
        self.orders.note(order, request, replaced)
        if is_status:
            self._answer(f"H {message.get(790, '')}", order)
            return
        told = Report(order, message.get(17, ""), exec_type, message.get(32, ""), message.get(31, ""))
        for stream in self.streams:
            stream.tell(told)
        if exec_type == "8":
            self._answer(request, Refused(order.text or "rejected", order))
        elif not pending:
            self._answer(request, order)

    def _whole(self, order: Order, request: str, replaced: str) -> Order:
        """The order with what a report of a rejected one leaves out."""
        account = order.account or self.orders.accounts.get(request) or self.orders.accounts.get(replaced, "")
        known = self.orders.by_id.get(order.order_id)
        if not account and known is not None:
            account = known.account
        asked = self.orders.asked.get(request)
        if order.status == "rejected" and isinstance(asked, NewOrder):
            order = msgspec.structs.replace(order, qty=asked.qty, price=asked.price)
        return msgspec.structs.replace(order, account=account)

    def _cancel_reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        order = self.orders.named(message.get(41, ""))
        self._answer(message.get(11, ""), Refused(message.get(58, "refused"), order, 409))

    def _business_reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        self._answer(message.get(379, ""), Refused(message.get(58, "refused")))
        self._reject(message, every)

    def _reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        """A Reject(3) says by MsgSeqNum what it is about."""
        log.warning("the broker refuses a message of %s: %s", self.name, message.get(58, ""))
        self._answer(self._numbers.get(int(message.get(45, "0")), ""), Refused(message.get(58, "malformed")))

    # Market data

    def _subscribe(self, symbol: str) -> None:
        if symbol not in self._subscribed:
            self._send(lambda: self.client.subscribe(f"http-{symbol}", [symbol], depth=10, incremental=False))
            self._subscribed.add(symbol)

    async def book(self, symbol: str) -> Book:
        """The book of a symbol, which is followed from now on. Raises Unavailable."""
        assert self.config.http is not None
        self._followed.add(symbol)
        self._subscribe(symbol)
        seen = self._seen.setdefault(symbol, asyncio.Event())
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
        self._seen.setdefault(symbol, asyncio.Event()).set()
        quote = Quote(self._book(symbol))
        for stream in self.streams:
            stream.tell(quote)

    def _market_data_reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        log.warning("%s gets no quotes: %s", message.get(262, ""), message.get(58, ""))
        self._subscribed.discard(message.get(262, "").removeprefix("http-"))

    def _book(self, symbol: str) -> Book:
        sides = self.books.get(symbol, {"0": {}, "1": {}})

        def levels(side: str) -> list[Level]:
            prices = sorted(sides[side], key=Decimal, reverse=side == "0")
            return [Level(price, sides[side][price]) for price in prices]

        return Book(symbol, levels("0"), levels("1"))

    _handlers: ClassVar[dict[str, Any]] = {
        "8": _execution_report,
        "9": _cancel_reject,
        "3": _reject,
        "j": _business_reject,
        "W": _snapshot,
        "Y": _market_data_reject,
    }
