"""One client's FIX session for all API keys that use it, on the asyncio loop: requests out, reports and books in."""

import asyncio
import itertools
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import msgspec

from brokerfix import domain
from brokerfix.domain import id_number
from brokerfix.doors.known import UNREPORTED, Orders
from brokerfix.doors.limits import Limits
from brokerfix.doors.market import Market
from brokerfix.doors.model import ENDED_STATUSES, NewOrder, Order, Replace, Report
from brokerfix.doors.quoting import Quotes
from brokerfix.doors.session import Handler, Session
from brokerfix.doors.terms import SIDES, as_asked, changed, exact, execution_of, iso, order_of, replace_fields
from brokerfix.doors.told import Listener, Told
from brokerfix.doors.waiting import (
    MassCancel,
    NameInUse,
    RejectedBefore,
    RequestRefused,
    Unavailable,
    Waiter,
    is_covered,
)
from brokerfix.settings.sections import Config
from brokerfix.tools.client import Message, utc_now

log = logging.getLogger("brokerfix.doors")
UNKNOWN_ORDER = str(domain.OrdRejReason.UNKNOWN_ORDER)
DUPLICATE = str(domain.CxlRejReason.DUPLICATE)
MOST_REFUSED = 10_000
"""Refused cancels and replaces that are remembered: the broker remembers only that it has had them."""
PENDING = ("pending_cancel", "pending_replace")
NAMING = "0568E"
"""ExecTypes of reports whose ClOrdIDs are the order's from then on: a late fill of an older order may have one that is
another's by now."""


KEY_NAME: ContextVar[str] = ContextVar("the name of the API key that a request came with", default="")


class User:
    """A client of the broker, for all API keys that use its session: its orders and its market. `last_number`: the
    highest ExecID's; `archived_at`: the beginning of the last session that the database is known to have. All of it
    runs on the loop's thread."""

    def __init__(self, config: Config, name: str, answer_seconds: float) -> None:
        self.name, self.answer_seconds = name, answer_seconds
        self.limits = Limits(config.budgets(name), time.monotonic())
        self.orders = Orders()
        self.last_number = self.archived_at = 0
        self.streams: set[Listener] = set()
        self._waiting: dict[str, Waiter] = {}
        self._mass_cancels: dict[str, MassCancel] = {}
        self._numbers: dict[int, str] = {}
        self._refused: OrderedDict[str, tuple[str, Order | None, int]] = OrderedDict()
        self._requests = itertools.count(1)
        self._mass_status = ""
        self._open: set[str] = set()
        self._learning: asyncio.Task[None] | None = None
        self._knows_all = asyncio.Event()
        handlers: dict[str, Handler] = {
            "8": self._execution_report,
            "9": self._cancel_reject,
            "3": self._reject,
            "j": self._business_reject,
            "r": self._mass_cancel_report,
        }
        self.session = Session(config, name, self._began, self._ended, handlers, answer_seconds)
        self.market = Market(self.session, self._tell)
        self.quotes = Quotes(self.session, self._tell, self._answer)
        handlers |= self.market.handlers | self.quotes.handlers
        self.client = self.session.client
        self.client.sender_sub_id = KEY_NAME.get

    @property
    def is_up(self) -> bool:
        """Whether its session is logged on."""
        return self.session.up

    def _began(self) -> None:
        # Working orders may be from before a restart of ours.
        if self._learning is not None:
            self._learning.cancel()
        self._mass_status, self._open = f"http-{time.time_ns()}", set()
        self._send(lambda: self.client.send("AF", [(584, self._mass_status), (585, "7")]))
        self.market.began()

    def _ended(self) -> None:
        """The session has ended: what waits for an answer is told so."""
        lost = Unavailable("the session with the broker was lost; ask for the order's state")
        for waiter in self._waiting.values():
            if not waiter.answer.done():
                waiter.answer.set_exception(lost)
                waiter.answer.exception()
        for mass in self._mass_cancels.values():
            mass.fail(lost)
        self._waiting.clear()
        self._numbers.clear()
        self._knows_all.clear()
        self.orders.whole_above = self.orders.fills_above = None
        self.market.ended()
        self.quotes.ended()

    def _tell(self, what: Told) -> None:
        for stream in self.streams:
            stream.tell(what)

    def _send(self, send: Callable[[], int]) -> int:
        return self.session.send(send)

    # Orders

    async def new_order(self, asked: NewOrder, account: str, body: list[tuple[int, str]], immediate: bool) -> Order:
        """Send an order, and wait for its first report, of an `immediate` one for its last. Raises RequestRefused,
        Unavailable."""
        name = asked.cl_ord_id
        if name not in self._waiting:
            self.orders.asked[name], self.orders.accounts[name] = asked, account
        fields = [(11, name), (60, utc_now()), *body]
        try:
            what = ("D", account, exact(asked))
            return await self._ask(name, what, lambda: self.client.send("D", fields), immediate)
        except Unavailable:
            known = self.orders.named(name)
            if known is not None:
                # It is working, in an auction or at a slow exchange.
                return known
            raise

    async def take_quote(self, cl_ord_id: str, account: str, kind: str, body: list[tuple[int, str]]) -> Order:
        """Send an order against a quote, or an answer that may become one. Raises Requoted, RequestRefused,
        Unavailable."""
        self.orders.accounts[cl_ord_id] = account
        # Another time is no other request.
        what = (kind, *((tag, value) for tag, value in body if tag not in (60, 693)))
        return await self._ask(cl_ord_id, what, lambda: self.client.send(kind, body), True)

    async def cancel(self, order: Order, cl_ord_id: str) -> Order:
        side = SIDES[order.side]
        fields = [(11, cl_ord_id), (41, order.cl_ord_id), (55, order.symbol), (54, side), (60, utc_now())]
        return await self._change(order, cl_ord_id, ("F", order.order_id), fields)

    async def replace(self, order: Order, asked: Replace) -> Order:
        name = asked.cl_ord_id
        fields = [(11, name), (41, order.cl_ord_id), (60, utc_now()), *replace_fields(order, asked)]
        if name not in self._waiting:
            self.orders.asked[name] = asked
        return await self._change(order, name, ("G", order.order_id, asked), fields)

    async def _change(self, order: Order, name: str, asked: tuple[object, ...], fields: list[tuple[int, str]]) -> Order:
        """Ask for a cancel or replace. If the broker has had it before, the answer is what became of it. Raises
        RequestRefused, Unavailable."""
        kind = str(asked[0])
        try:
            return await self._ask(name, asked, lambda: self.client.send(kind, fields))
        except NameInUse:
            if name in self._refused:
                raise RequestRefused(*self._refused[name]) from None
            holder = await self.asked_status(name)
            if holder is not None and holder.order_id != order.order_id:
                raise
            if holder is not None and holder.status not in PENDING:
                if kind == "F" and holder.status != "canceled":
                    raise RequestRefused(f"it was refused before; the order is {holder.status}", holder, 409) from None
                return holder
            # Its answer is still to come, or will be repeated.
            return await self._ask(
                name, asked, lambda: self.client.send(kind, fields, header=[(97, "Y")]), is_again=True
            )

    async def cancel_all(self, symbol: str, side: str) -> tuple[list[Order], bool]:
        """Cancel all open orders, or those of a symbol, of a side ("": any). Returns them once they have ended or,
        after as long as an answer may take, as they are then: False. Raises RequestRefused, Unavailable."""
        name = f"m-{time.time_ns()}-{next(self._requests)}"
        mass = self._mass_cancels[name] = MassCancel(lambda order: is_covered(order, symbol, side))
        body = [(11, name), (530, "1" if symbol else "7"), (60, utc_now())]
        body += [(tag, value) for tag, value in ((55, symbol), (54, SIDES.get(side, ""))) if value]
        seconds = self.answer_seconds
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
            if isinstance(answer, BaseException) and not isinstance(answer, RequestRefused | Unavailable):
                raise answer
        if not self.is_up:
            raise Unavailable("the session with the broker was lost; ask for the orders' states")
        # A canceled order has its cancel's ClOrdID: here it is told under the name that it is known by.
        told = [
            msgspec.structs.replace(self.orders.by_id.get(order.order_id, order), cl_ord_id=order.cl_ord_id)
            for order in orders
        ]
        return told, not any(order.is_open for order in told)

    async def ready(self) -> None:
        """Wait, for as long as it takes, until the session is logged on and all open orders are known."""
        await self._knows_all.wait()

    async def know_all(self) -> None:
        """Wait until all open orders are known. Raises Unavailable."""
        try:
            await asyncio.wait_for(self._knows_all.wait(), self.answer_seconds)
        except TimeoutError as error:
            raise Unavailable("the broker has not told of the open orders yet; try again") from error

    async def status(self, cl_ord_id: str) -> Order | None:
        """An order by any of its ClOrdIDs: as last reported or, if nothing is known of it, as the broker says. None if
        there is none. Raises Unavailable."""
        return self.orders.named(cl_ord_id) or await self.asked_status(cl_ord_id)

    async def holder(self, cl_ord_id: str) -> Order | None:
        """The order that a new one can't share its ClOrdID with. Whether the name of one that has ended is free again
        is for the broker to say. Raises RejectedBefore, Unavailable."""
        known = self.orders.named(cl_ord_id)
        if known is not None and known.is_open:
            return known
        found = await self.asked_status(cl_ord_id, tells_rejected=True)
        # Meanwhile another request may have entered it.
        after = self.orders.named(cl_ord_id)
        if found is None and known is not None and after is not None and after.order_id == known.order_id:
            if cl_ord_id not in self._waiting:
                self.orders.release(cl_ord_id)
            return None
        return found or after

    async def asked_status(self, cl_ord_id: str, tells_rejected: bool = False) -> Order | None:
        """An order as the broker knows it by this ClOrdID. None if there is none. Raises Unavailable, and if it
        `tells_rejected` RejectedBefore."""
        request = f"s{next(self._requests)}"
        try:
            found = await self._ask(
                f"H {request}", ("H", cl_ord_id), lambda: self.client.send("H", [(11, cl_ord_id), (790, request)])
            )
        except RequestRefused as error:
            if tells_rejected and isinstance(error, RejectedBefore):
                raise
            return error.order
        self.orders.note(found, cl_ord_id)
        return found

    async def _ask(
        self, key: str, asked: tuple[object, ...], send: Callable[[], int], immediate: bool = False,
        is_again: bool = False,
    ) -> Order:  # fmt: skip
        """Send a request, and wait for its answer. Who asks the same meanwhile gets the same answer; who asks for
        something else under the same name is refused. Raises RequestRefused, Unavailable."""
        waiter = self._waiting.get(key)
        if waiter is not None and waiter.asked != asked:
            raise RequestRefused(f"there is another request {key} already", status=409)
        if waiter is None:
            waiter = Waiter(asked, immediate, is_again)
            number = self._send(send)
            self._waiting[key], self._numbers[number] = waiter, key
        try:
            return await asyncio.wait_for(asyncio.shield(waiter.answer), self.answer_seconds)
        except TimeoutError as error:
            self._waiting.pop(key, None)
            raise Unavailable("the broker has not answered in time; ask for the order's state") from error
        finally:
            under_way = self._waiting.keys() | self._mass_cancels.keys()
            self._numbers = {number: name for number, name in self._numbers.items() if name in under_way}

    def _answer(self, key: str, answer: Order | Exception) -> None:
        waiter = self._waiting.get(key)
        if waiter is None:
            return
        if isinstance(answer, Order) and waiter.immediate and answer.status not in ENDED_STATUSES:
            return
        del self._waiting[key]
        if isinstance(answer, Exception) and waiter.asked[0] == "G":
            self.orders.asked.pop(key, None)
        if waiter.answer.done():
            return
        if isinstance(answer, Exception):
            waiter.answer.set_exception(answer)
            # It is known to be taken, should nobody wait any more.
            waiter.answer.exception()
        else:
            waiter.answer.set_result(answer)

    def _execution_report(self, message: Message, every: list[tuple[int, str]]) -> None:
        self.last_number = max(self.last_number, id_number(message.get(17, "")))
        if message.get(584) == self._mass_status:
            self._open.add(message.get(37, ""))
        if message.get(584) == self._mass_status and message.get(912) == "Y":
            # What is entered or filled from here on is reported to this session.
            self.orders.whole_above = self.orders.fills_above = self.last_number
            ended = [one for one in self.orders.by_number.values() if one.is_open and one.order_id not in self._open]
            self._learning = asyncio.get_running_loop().create_task(self._learn(ended))
        if message.get(150) == "I":
            self._status_report(message)
        elif message.get(797) == "Y":
            # It is another client's, whose ClOrdIDs may be like ours: the streams are told, and nothing is kept.
            self._tell(_report(order_of(message), message))
        else:
            self._own_report(message)

    def _status_report(self, message: Message) -> None:
        request, asked = message.get(11, ""), f"H {message.get(790, '')}"
        if message.get(37) == "NONE":
            # Of an order that was rejected at once it has no OrderID.
            is_known = message.get(103) != UNKNOWN_ORDER
            rejected = self.orders.named(request) if is_known else None
            refusal = RejectedBefore if is_known and rejected is None else RequestRefused
            self._answer(asked, refusal(message.get(58, "unknown order"), rejected))
            if not {584, 790} & message.keys():
                self._answer(request, RequestRefused(f"there is another request {request} already", status=409))
        elif message.get(797) != "Y":
            order = self._whole(order_of(message), message)
            self.orders.note(order, request, message.get(41, ""))
            self._answer(asked, order)
            if not {584, 790} & message.keys():
                # It is told unasked: how far an order is that is worked over time.
                self._tell(_report(order, message))

    async def _learn(self, ended: list[Order]) -> None:
        """All open orders are told. Others that were open when the session was lost have ended meanwhile."""
        for order in ended:
            try:
                found = await self.asked_status(order.cl_ord_id)
            except Unavailable:
                if not self.is_up:
                    return
                found = None
            if found is None or found.order_id != order.order_id:
                # The database may know.
                self.orders.forget(order.order_id)
        self._knows_all.set()

    def _own_report(self, message: Message) -> None:
        exec_type, request, replaced = message.get(150, ""), message.get(11, ""), message.get(41, "")
        order = self._whole(order_of(message), message)
        pending = exec_type in ("6", "E")
        if pending:
            # The request is named, but the order has its name until the request is granted.
            order = msgspec.structs.replace(order, cl_ord_id=replaced or request)
        self.orders.note(order, request, replaced, is_theirs=exec_type in NAMING)
        if exec_type == "F":
            self.orders.note_fill(execution_of(message, order))
            self.quotes.filled(order.cl_ord_id, message.get(32, "0"))
        elif exec_type in ("G", "H") and (fill := self.orders.fill(message.get(19, ""))) is not None:
            self.orders.change_fill(changed(fill, message), fill)
        self._tell(_report(order, message))
        for mass in self._mass_cancels.values():
            mass.tell(order)
        if exec_type == "8":
            self._answer(request, RequestRefused(order.text or "rejected", order))
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
            mass.fail(RequestRefused(message.get(58, "refused")))
        else:
            # All that was open when the broker took it has been reported before.
            mass.take(self.orders.by_number.values())

    def _cancel_reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        order, name = self.orders.named(message.get(41, "")), message.get(11, "")
        if message.get(434) == "2" and isinstance(self.orders.asked.get(name), Replace):
            # Nobody may wait for it any more.
            del self.orders.asked[name]
        told, waiter = (message.get(58, "refused"), order, 409), self._waiting.get(name)
        if message.get(102) != DUPLICATE:
            self._refused[name] = told
            while len(self._refused) > MOST_REFUSED:
                self._refused.popitem(last=False)
        # What comes again may be refused as it was then, also for its ClOrdID.
        elif waiter is not None and not waiter.is_again:
            return self._answer(name, NameInUse(*told))
        self._answer(name, RequestRefused(*told))

    def _business_reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        refused, name = RequestRefused(message.get(58, "refused")), message.get(379, "")
        self._answer(name, refused)
        self.quotes.refused(name, refused)
        self._reject(message, every)

    def _reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        """A Reject(3) says by MsgSeqNum what it is about."""
        log.warning("the broker refuses a message of %s: %s", self.name, message.get(58, ""))
        refused, name = RequestRefused(message.get(58, "malformed")), self._numbers.get(int(message.get(45, "0")), "")
        mass = self._mass_cancels.get(name)
        if mass is not None:
            mass.fail(refused)
        self._answer(name, refused)
        self.quotes.rejected(int(message.get(45, "0")), refused)


def _report(order: Order, message: Message) -> Report:
    return Report(order, message.get(17, ""), message.get(150, ""), message.get(32, ""), message.get(31, ""))
