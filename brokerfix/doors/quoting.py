"""What a session tells of quotes that its client has asked for."""

import asyncio
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from brokerfix.doors.model import Side
from brokerfix.doors.quote_model import FirmQuote, Quoted, QuoteState
from brokerfix.doors.session import Handler, Session
from brokerfix.doors.terms import SIDES, iso
from brokerfix.doors.told import Told
from brokerfix.doors.waiting import RequestRefused, Unavailable
from brokerfix.tools.client import Message

MOST_QUOTES = 10_000
"""Quotes that are remembered."""
PASSED = "11"
"""QuoteStatus(297)."""
SIDE_WORDS: dict[str | None, Side] = {"1": "buy", "2": "sell"}


class Requoted(Exception):
    """A counter was not agreed to: the broker has given another quote."""

    def __init__(self, quote: FirmQuote) -> None:
        super().__init__(quote.quote_id)
        self.quote = quote


class Quotes:
    """The quotes that were given, as they are now, by QuoteID. `tell` is called with each change, `answer` with the
    ClOrdID of a counter that got another quote. `_answers` wait by QuoteReqID and QuoteRespID, `_numbers` are the
    MsgSeqNums of their requests, and `_taking` the quotes that orders take, by ClOrdID."""

    def __init__(
        self, session: Session, tell: Callable[[Told], None], answer: Callable[[str, Exception], None]
    ) -> None:
        self.session, self._tell, self._answer = session, tell, answer
        self.handlers: dict[str, Handler] = {
            "S": self._given, "Z": self._canceled, "AG": self._refused, "AI": self._status,
        }  # fmt: skip
        self._known: OrderedDict[str, FirmQuote] = OrderedDict()
        self._answers: dict[str, asyncio.Future[FirmQuote]] = {}
        self._numbers: dict[int, str] = {}
        self._taking: OrderedDict[str, str] = OrderedDict()
        self._counters: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._names = itertools.count(1)

    def named(self, quote_id: str) -> FirmQuote | None:
        """A quote as it is now."""
        quote = self._known.get(quote_id)
        if quote is None or quote.state != "firm" or datetime.now(UTC) <= datetime.fromisoformat(quote.valid_until):
            return quote
        return msgspec.structs.replace(quote, state="expired")

    def new_name(self) -> str:
        return f"q-{time.time_ns()}-{next(self._names)}"

    async def ask(self, symbol: str, side: Side | None, qty: str | None, account: str) -> FirmQuote:
        """Ask for a quote, and wait for it. Raises RequestRefused, Unavailable."""
        name = self.new_name()
        body = [(131, name), (146, 1), (55, symbol)] + ([(54, SIDES[side])] if side else [])
        return await self._wait(name, "R", [*body, *([(38, qty)] if qty else []), (1, account)])

    async def pass_on(self, quote: FirmQuote) -> FirmQuote:
        """Tell that a quote is not wanted. Raises RequestRefused, Unavailable."""
        name = self.new_name()
        return await self._wait(name, "AJ", [(693, name), (117, quote.quote_id), (694, "6"), (55, quote.symbol)])

    async def _wait(self, name: str, kind: str, body: list[tuple[int, object]]) -> FirmQuote:
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        number = 0
        try:
            number = self.session.send(lambda: self.session.client.send(kind, body))
            self._numbers[number] = name
            return await asyncio.wait_for(answer, self.session.answer_seconds)
        except TimeoutError as error:
            raise Unavailable("the broker has not answered in time; ask again") from error
        finally:
            del self._answers[name]
            self._numbers.pop(number, None)

    def taken_by(self, cl_ord_id: str) -> str:
        """The quote that an order takes or has taken, "" if none is known."""
        return self._taking.get(cl_ord_id, "")

    def take(self, cl_ord_id: str, quote_id: str, quote_resp_id: str = "") -> None:
        """An order takes a quote; with a `quote_resp_id` it is a counter that may become one."""
        self._taking[cl_ord_id] = quote_id
        if quote_resp_id:
            self._counters[quote_resp_id] = quote_id, cl_ord_id
        for known in (self._taking, self._counters):
            while len(known) > MOST_QUOTES:
                known.popitem(last=False)

    def filled(self, cl_ord_id: str, qty: str) -> None:
        """An order has been filled: what it has taken of a quote is not there any more, on both sides."""
        quote = self._known.get(self._taking.get(cl_ord_id, ""))
        if quote is None:
            return
        bid, offer = (f"{max(Decimal(0), Decimal(left) - Decimal(qty)):f}" for left in (quote.bid_qty, quote.offer_qty))
        quote = msgspec.structs.replace(quote, bid_qty=bid, offer_qty=offer)
        self._note(quote if Decimal(bid) or Decimal(offer) else msgspec.structs.replace(quote, state="traded"))

    def refused(self, name: str, error: RequestRefused) -> None:
        """A request was refused as a message."""
        answer = self._answers.get(name)
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def rejected(self, number: int, error: RequestRefused) -> None:
        """As `refused`, of the message with this MsgSeqNum."""
        self.refused(self._numbers.get(number, ""), error)

    def ended(self) -> None:
        """The session has ended."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(Unavailable("the session with the broker was lost; ask again"))

    def _note(self, quote: FirmQuote) -> None:
        self._known[quote.quote_id] = quote
        while len(self._known) > MOST_QUOTES:
            self._known.popitem(last=False)
        self._tell(Quoted(quote))

    def _end(self, quote_id: str, state: QuoteState) -> FirmQuote | None:
        quote = self._known.get(quote_id)
        if quote is not None:
            quote = msgspec.structs.replace(quote, state=state)
            self._note(quote)
        return quote

    def _given(self, message: Message, every: list[tuple[int, str]]) -> None:
        quote = FirmQuote(
            message.get(117, ""), message.get(55, ""), message.get(1, ""), SIDE_WORDS.get(message.get(54)),
            message.get(132), message.get(134, "0"), message.get(133), message.get(135, "0"), iso(message.get(62, "")),
        )  # fmt: skip
        before, cl_ord_id = self._counters.pop(message.get(693, ""), ("", ""))
        if before:
            self._end(before, "replaced")
        self._note(quote)
        if before:
            self._answer(cl_ord_id, Requoted(quote))
        answer = self._answers.get(message.get(131, ""))
        if answer is not None and not answer.done():
            answer.set_result(quote)

    def _canceled(self, message: Message, every: list[tuple[int, str]]) -> None:
        self._end(message.get(117, ""), "canceled")

    def _refused(self, message: Message, every: list[tuple[int, str]]) -> None:
        self.refused(message.get(131, ""), RequestRefused(message.get(58, "no quote is given")))

    def _status(self, message: Message, every: list[tuple[int, str]]) -> None:
        """What becomes of a pass."""
        name = message.get(693, "")
        quote = self._end(message.get(117, ""), "passed") if message.get(297) == PASSED else None
        answer = self._answers.get(name)
        if quote is None:
            self.refused(name, RequestRefused(message.get(58, "refused")))
        elif answer is not None and not answer.done():
            answer.set_result(quote)
