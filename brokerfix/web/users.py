"""One client's FIX session for all API keys that use it, on the asyncio loop: requests out, reports and books in."""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from brokerfix import domain
from brokerfix.client import Client, Disconnected, Message, TooLow, pairs_of, utc_now
from brokerfix.config import Config, ConfigError, address
from brokerfix.domain import id_number
from brokerfix.vouch import VOUCHER, read_secret, socket_path, voucher
from brokerfix.web.known import UNREPORTED, Orders
from brokerfix.web.limits import Limits
from brokerfix.web.model import FINAL, Book, Level, NewOrder, Order, Phase, Quote, Replace, Report
from brokerfix.web.terms import SIDES, as_asked, execution_of, iso, order_of, replace_fields

log = logging.getLogger("brokerfix.http")
RECONNECT_SECONDS = 1.0
TICK_SECONDS = 1.0
SEND_SECONDS = 0.5
"""How long the broker may leave a message of ours untaken: the loop waits with it."""


PHASES: dict[str, Phase] = {one.value: one.value.replace("-", "_").replace(" ", "_") for one in domain.Phase}  # type: ignore[misc]
UNKNOWN_ORDER = str(domain.OrdRejReason.UNKNOWN_ORDER)
NAMING = "0568EI"
"""ExecTypes of reports whose ClOrdIDs are the order's from then on: a late fill of an older order may have one that is
another's by now."""
HALTED = "1"
"""TradSesStatus(340)."""


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


class User:
    """A client of the broker. All of it runs on the loop's thread; only while it logs on has another thread its client.
    `up`: it is logged on; `last_number`: the highest ExecID's."""

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
        self.limits = Limits(config.budgets(name), time.monotonic())
        self.orders = Orders()
        self.books: dict[str, dict[str, dict[str, str]]] = {}
        self.phases: dict[str, tuple[Phase, bool]] = {}
        self.last_number = 0
        self.streams: set[Stream] = set()
        self._followed: set[str] = set()
        self._subscribed: set[str] = set()
        self._seen: dict[str, asyncio.Event] = {}
        self._waiting: dict[str, Waiter] = {}
        self._mass_cancels: dict[str, MassCancel] = {}
        self._numbers: dict[int, str] = {}
        self._requests = itertools.count(1)
        self._mass_status = ""
        self._knows_all = asyncio.Event()
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
            self._mass_status = f"http-{time.time_ns()}"
            self._send(lambda: self.client.send("AF", [(584, self._mass_status), (585, "7")]))
            self._send(lambda: self.client.send("g", [(335, "http-phases"), (263, "1")]))
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
        lost = Unavailable("the session with the broker was lost; ask for the order's state")
        for waiter in self._waiting.values():
            if not waiter.answer.done():
                waiter.answer.set_exception(lost)
                waiter.answer.exception()
        for mass in self._mass_cancels.values():
            mass.fail(lost)
        self._waiting.clear()
        self._numbers.clear()
        self.books.clear()
        self.phases.clear()
        self._knows_all.clear()
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

    def under_way(self, cl_ord_id: str) -> NewOrder | Replace | None:
        """The request of this ClOrdID that waits for its answer now."""
        return self.orders.asked.get(cl_ord_id) if cl_ord_id in self._waiting else None

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
        side = SIDES[order.side]
        return await self._ask(cl_ord_id, lambda: self.client.cancel(cl_ord_id, order.cl_ord_id, side, order.symbol))

    async def replace(self, order: Order, asked: Replace) -> Order:
        name = asked.cl_ord_id
        fields = [(11, name), (41, order.cl_ord_id), (60, utc_now()), *replace_fields(order, asked)]
        self.orders.asked[name] = asked
        return await self._ask(name, lambda: self.client.send("G", fields))

    async def cancel_all(self, symbol: str, side: str) -> tuple[list[Order], bool]:
        """Cancel all open orders, or those of a symbol, of a side ("": any). Returns them once they have ended or,
        after as long as an answer may take, as they are then: False. Raises Refused, Unavailable."""
        assert self.config.http is not None
        name = f"m-{time.time_ns()}-{next(self._requests)}"
        mass = self._mass_cancels[name] = MassCancel(lambda order: is_covered(order, symbol, side))
        body = [(11, name), (530, "1" if symbol else "7"), (60, utc_now())]
        body += [(tag, value) for tag, value in ((55, symbol), (54, SIDES.get(side, ""))) if value]
        seconds = self.config.http.answer_seconds
        try:
            self._numbers[self._send(lambda: self.client.send("q", body))] = name
            await asyncio.wait_for(asyncio.shield(mass.taken), seconds)
            await asyncio.wait_for(asyncio.shield(mass.done), seconds)
        except TimeoutError as error:
            if not mass.taken.done():
                raise Unavailable("the broker has not answered in time; ask for the orders' states") from error
        finally:
            del self._mass_cancels[name]
        return list(mass.orders.values()), mass.done.done()

    async def open_orders(self, symbol: str, side: str, accounts: tuple[str, ...]) -> list[Order]:
        """The open orders in these accounts, or those of a symbol, of a side ("": any). Raises Unavailable."""
        await self.know_all()
        orders = self.orders.by_number.values()
        return [order for order in orders if order.account in accounts and is_covered(order, symbol, side)]

    async def cancel_each(self, orders: list[Order]) -> tuple[list[Order], bool]:
        """Cancel these. Returns them as they are once all answers are there, and whether all have ended. Raises
        Unavailable."""
        now = time.time_ns()
        canceling = (self.cancel(order, f"c-{now}-{next(self._requests)}") for order in orders)
        answers = await asyncio.gather(*canceling, return_exceptions=True)
        for answer in answers:
            # One that could not be canceled has ended, or it is told as it is.
            if isinstance(answer, BaseException) and not isinstance(answer, Refused | Unavailable):
                raise answer
        if not self.up:
            raise Unavailable("the session with the broker was lost; ask for the orders' states")
        # A canceled order has its cancel's ClOrdID: here it is told under the name that it is known by.
        told = [
            msgspec.structs.replace(self.orders.by_id.get(order.order_id, order), cl_ord_id=order.cl_ord_id)
            for order in orders
        ]
        return told, not any(order.is_open for order in told)

    async def know_all(self) -> None:
        """Wait until all open orders are known. Raises Unavailable."""
        assert self.config.http is not None
        try:
            await asyncio.wait_for(self._knows_all.wait(), self.config.http.answer_seconds)
        except TimeoutError as error:
            raise Unavailable("the broker has not told of the open orders yet; try again") from error

    async def status(self, cl_ord_id: str) -> Order | None:
        """An order by any of its ClOrdIDs: as last reported or, if nothing is known of it, as the broker says. None if
        there is none. Raises Unavailable."""
        return self.orders.named(cl_ord_id) or await self.asked_status(cl_ord_id)

    async def holder(self, cl_ord_id: str) -> Order | None:
        """The order that a new one can't share its ClOrdID with. Whether the name of one that has ended is free again
        is for the broker to say. Raises Unavailable."""
        known = self.orders.named(cl_ord_id)
        if known is not None and known.is_open:
            return known
        found = await self.asked_status(cl_ord_id)
        # Meanwhile another request may have entered it.
        after = self.orders.named(cl_ord_id)
        if found is None and known is not None and after is not None and after.order_id == known.order_id:
            if cl_ord_id not in self._waiting:
                self.orders.release(cl_ord_id)
            return None
        return found or after

    async def asked_status(self, cl_ord_id: str) -> Order | None:
        """An order as the broker knows it by this ClOrdID. None if there is none. Raises Unavailable."""
        request = f"s{next(self._requests)}"
        try:
            found = await self._ask(f"H {request}", lambda: self.client.send("H", [(11, cl_ord_id), (790, request)]))
        except Refused as error:
            return error.order
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
            under_way = self._waiting.keys() | self._mass_cancels.keys()
            self._numbers = {number: name for number, name in self._numbers.items() if name in under_way}

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
        order = self._whole(order_of(message), message)
        self.last_number = max(self.last_number, id_number(message.get(17, "")))
        is_status = exec_type == "I"
        if message.get(584) == self._mass_status and message.get(912) == "Y":
            self._knows_all.set()
        if is_status and order.order_id == "NONE":
            # Of an order that was rejected at once it has no OrderID.
            rejected = None if message.get(103) == UNKNOWN_ORDER else self.orders.named(request)
            self._answer(f"H {message.get(790, '')}", Refused(order.text or "unknown order", rejected))
            return
        pending = exec_type in ("6", "E")
        if pending:
            # The request is named, but the order has its name until the request is granted.
            order = msgspec.structs.replace(order, cl_ord_id=replaced or request)
        is_copy = message.get(797) == "Y"
        if not is_copy:
            # Of another client's order, whose ClOrdIDs may be like ours, the streams are told only.
            self.orders.note(order, request, replaced, is_theirs=exec_type in NAMING)
        if is_status:
            self._answer(f"H {message.get(790, '')}", self.orders.by_id.get(order.order_id, order))
            return
        if exec_type == "F" and not is_copy:
            self.orders.note_fill(execution_of(message, order))
        told = Report(order, message.get(17, ""), exec_type, message.get(32, ""), message.get(31, ""))
        for stream in self.streams:
            stream.tell(told)
        if is_copy:
            return
        for mass in self._mass_cancels.values():
            mass.tell(order)
        if exec_type == "8":
            self._answer(request, Refused(order.text or "rejected", order))
        elif not pending:
            self._answer(request, order)

    def _whole(self, order: Order, message: Message) -> Order:
        """The order with what its reports leave out."""
        request, replaced, exec_type = message.get(11, ""), message.get(41, ""), message.get(150, "")
        account = order.account or self.orders.accounts.get(request) or self.orders.accounts.get(replaced, "")
        known = self.orders.by_id.get(order.order_id)
        asked = self.orders.asked.get(request)
        told: dict[str, Any] = {"account": account}
        if known is not None:
            told = {name: getattr(known, name) for name in UNREPORTED} | {"account": account or known.account}
        elif isinstance(asked, NewOrder):
            told |= {"ex_destination": asked.ex_destination or "", "manual": asked.manual}
            told |= {"cash_order_qty": asked.cash_order_qty}
        if exec_type in ("0", "8") and told.get("entered") is None:
            told["entered"] = iso(message.get(60, ""))
        if exec_type == "5" and isinstance(asked, Replace) and asked.manual is not None:
            told["manual"] = asked.manual
        if order.status == "rejected" and isinstance(asked, NewOrder) and order.type is None:
            order = as_asked(order, asked)
        return msgspec.structs.replace(order, **{name: value for name, value in told.items() if value is not None})

    def _mass_cancel_report(self, message: Message, every: list[tuple[int, str]]) -> None:
        mass = self._mass_cancels.get(message.get(11, ""))
        if mass is None:
            return
        if message.get(531) == "0":
            mass.fail(Refused(message.get(58, "refused")))
        else:
            # All that was open when the broker took it has been reported before.
            mass.take(self.orders.by_number.values())

    def _session_status(self, message: Message, every: list[tuple[int, str]]) -> None:
        word = PHASES.get(message.get(58, ""))
        if word is not None:
            self.phases[message.get(336, "")] = word, message.get(340) == HALTED

    def _cancel_reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        order = self.orders.named(message.get(41, ""))
        self._answer(message.get(11, ""), Refused(message.get(58, "refused"), order, 409))

    def _business_reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        self._answer(message.get(379, ""), Refused(message.get(58, "refused")))
        self._reject(message, every)

    def _reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        """A Reject(3) says by MsgSeqNum what it is about."""
        log.warning("the broker refuses a message of %s: %s", self.name, message.get(58, ""))
        refused, name = Refused(message.get(58, "malformed")), self._numbers.get(int(message.get(45, "0")), "")
        mass = self._mass_cancels.get(name)
        if mass is not None:
            mass.fail(refused)
        self._answer(name, refused)

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
        "h": _session_status,
        "r": _mass_cancel_report,
        "Y": _market_data_reject,
    }
