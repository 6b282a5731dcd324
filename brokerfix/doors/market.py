"""What a session tells of the market: books, statistics, trades, and the phases of instruments.

A request gets a snapshot of its own. What streams follow is subscribed to, for as long as one of them follows it.
"""

import asyncio
import contextlib
import itertools
import logging
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Literal

import msgspec

from brokerfix import domain
from brokerfix.doors.model import Book, Changed, Last, Level, Phase, Quote, Statistics, Trade
from brokerfix.doors.session import Handler, Session
from brokerfix.doors.told import Moved, Stream, Told
from brokerfix.doors.waiting import RequestRefused, Unavailable
from brokerfix.tools.client import Message, pairs_of

log = logging.getLogger("brokerfix.doors")
PHASES: dict[str, Phase] = {one.value: one.value.replace("-", "_").replace(" ", "_") for one in domain.Phase}  # type: ignore[misc]
HALTED = "1"
"""TradSesStatus(340)."""
Kind = Literal["book", "statistics", "trades"]
Entries = list[Message]
TYPES: dict[Kind, tuple[str, ...]] = {
    "book": ("0", "1"),
    "statistics": ("2", "4", "7", "8", "9", "B"),
    "trades": ("2",),
}
"""MDEntryType(269)."""
DEPTH, MOST_DEPTH = 10, 1000
"""How many prices of a side are told, unless another number is asked for; and at most."""
SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE = "0", "1", "2"
STATUSES = {"0": 404, "2": 503, "3": 403}
"""MDReqRejReason(281) -> HTTP status: an unknown symbol, too many subscriptions, no permission."""


class Market:
    """What streams follow, as it is now, and each instrument's phase and whether it is halted. `tell` is called with
    each change. Followers of a (kind, symbol) are counted; `_answers` are the first ones, by MDReqID."""

    def __init__(self, session: Session, tell: Callable[[Told], None]) -> None:
        self.session, self.tell = session, tell
        self.phases: dict[str, tuple[Phase, bool]] = {}
        self.handlers: dict[str, Handler] = {
            "W": self._snapshot, "X": self._increment, "Y": self._reject, "h": self._session_status,
        }  # fmt: skip
        self._moved: dict[str, Moved] = {}
        self._statistics: dict[str, Statistics] = {}
        self._followers: Counter[tuple[Kind, str]] = Counter()
        self._answers: dict[str, asyncio.Future[Entries]] = {}
        self._numbers = itertools.count(1)

    def began(self) -> None:
        """The session has begun. Raises Unavailable."""
        self.session.send(lambda: self.session.client.send("g", [(335, "http-phases"), (263, "1")]))
        for kind, symbol in sorted(self._followers):
            self._subscribe(kind, symbol)

    def ended(self) -> None:
        """What is known is out of date."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(Unavailable("the session with the broker was lost; try again"))
                answer.exception()
        for known in (self._moved, self._statistics, self._answers, self.phases):
            known.clear()

    async def book(self, symbol: str, depth: int = DEPTH, by_exchange: bool = False) -> Book:
        """The book of a symbol, so many prices deep (0: as deep as is told). Raises RequestRefused, Unavailable."""
        book = _book(symbol, await self._once("book", symbol, depth or MOST_DEPTH))
        return book if by_exchange else _by_price(book)

    async def statistics(self, symbol: str) -> Statistics:
        """The day's statistics of a symbol. Raises RequestRefused, Unavailable."""
        return _statistics(Statistics(symbol), await self._once("statistics", symbol, 1))

    async def _once(self, kind: Kind, symbol: str, depth: int) -> Entries:
        """The entries of a snapshot."""
        name = f"http-{next(self._numbers)}"
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        try:
            self._request(name, kind, symbol, SNAPSHOT, depth)
            return await self._answered(answer, symbol)
        finally:
            self._answers.pop(name, None)

    async def _answered(self, answer: asyncio.Future[Entries], symbol: str) -> Entries:
        try:
            return await asyncio.wait_for(asyncio.shield(answer), self.session.answer_seconds)
        except TimeoutError as error:
            raise Unavailable(f"the broker has not told of {symbol} in time; try again") from error

    def _request(self, name: str, kind: Kind, symbol: str, subscription: str, depth: int) -> None:
        """Trades come in increments, so that none is missed; all else as it is as a whole. The levels of books come by
        exchange: by price they are the sums."""
        types = TYPES[kind]
        body = [(262, name), (263, subscription), (264, depth), (265, 1 if kind == "trades" else 0)]
        body += [(266, "N")] if kind == "book" else []
        body += [(146, 1), (55, symbol), (267, len(types)), *((269, one) for one in types)]
        self.session.send(lambda: self.session.client.send("V", body))

    # What streams follow

    async def follow(self, kind: Kind, symbol: str) -> None:
        """Wait for what is followed from now on: one `unfollow` goes with each call, also if it fails. Raises
        RequestRefused, Unavailable."""
        self._followers[kind, symbol] += 1
        name = _name(kind, symbol)
        if name not in self._answers:
            self._subscribe(kind, symbol)
        await self._answered(self._answers[name], symbol)

    def unfollow(self, kind: Kind, symbol: str) -> None:
        self._followers[kind, symbol] -= 1
        if self._followers[kind, symbol]:
            return
        del self._followers[kind, symbol]
        answer = self._answers.pop(_name(kind, symbol), None)
        if answer is not None and not (answer.done() and answer.exception()):
            with contextlib.suppress(Unavailable):
                self._request(_name(kind, symbol), kind, symbol, UNSUBSCRIBE, 1)
        if kind == "book":
            self._moved.pop(symbol, None)
        elif kind == "statistics":
            self._statistics.pop(symbol, None)

    def _subscribe(self, kind: Kind, symbol: str) -> None:
        name = _name(kind, symbol)
        self._request(name, kind, symbol, SUBSCRIBE, DEPTH if kind == "book" else 1)
        self._answers[name] = asyncio.get_running_loop().create_future()

    def begin(self, stream: Stream) -> None:
        """Tell a stream what is."""
        for moved in self._moved.values():
            stream.tell(moved)
        for statistics in self._statistics.values():
            stream.tell(Changed(statistics))

    # What comes

    def _snapshot(self, message: Message, every: list[tuple[int, str]]) -> None:
        name, symbol, entries = message.get(262, ""), message.get(55, ""), pairs_of(every, 269)
        answer = self._answers.get(name)
        if answer is not None and not answer.done():
            answer.set_result(entries)
        if name == _name("book", symbol) and self._followers["book", symbol]:
            before, book = self._moved.get(symbol), _book(symbol, entries)
            now = self._moved[symbol] = Moved(symbol, Quote(_by_price(book)), Quote(book))
            is_new = before is None or before.by_price != now.by_price
            self.tell(now if is_new else msgspec.structs.replace(now, by_price=None))
        elif name == _name("statistics", symbol) and self._followers["statistics", symbol]:
            was = self._statistics.get(symbol)
            day = self._statistics[symbol] = _statistics(was or Statistics(symbol), entries)
            if day != was:
                self.tell(Changed(day))

    def _increment(self, message: Message, every: list[tuple[int, str]]) -> None:
        for entry in pairs_of(every, 279):
            if entry.get(269) == "2":
                self.tell(Trade(entry.get(55, ""), entry.get(270, ""), entry.get(271, "")))

    def _reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        name, text = message.get(262, ""), message.get(58, "refused")
        answer = self._answers.get(name)
        if answer is None or answer.done():
            return
        log.warning("%s gets no market data: %s", self.session.name, text)
        answer.set_exception(RequestRefused(text, status=STATUSES.get(message.get(281, ""), 422)))
        answer.exception()

    def _session_status(self, message: Message, every: list[tuple[int, str]]) -> None:
        word = PHASES.get(message.get(58, ""))
        if word is not None:
            self.phases[message.get(336, "")] = word, message.get(340) == HALTED


def _name(kind: Kind, symbol: str) -> str:
    """The MDReqID of what is followed."""
    return f"http-{kind}-{symbol}"


def _book(symbol: str, entries: Entries) -> Book:
    """The book of a snapshot's entries, by exchange: they come best first."""
    sides: dict[str, list[Level]] = {"0": [], "1": []}
    for entry in entries:
        if entry[269] in sides:
            sides[entry[269]].append(Level(entry.get(270, "0"), entry.get(271, "0"), entry.get(275)))
    return Book(symbol, sides["0"], sides["1"])


def _by_price(book: Book) -> Book:
    """A book by exchange -> by price."""
    return Book(book.symbol, _sums(book.bids), _sums(book.asks))


def _sums(levels: list[Level]) -> list[Level]:
    total: dict[str, Decimal] = {}
    for level in levels:
        total[level.price] = total.get(level.price, Decimal(0)) + Decimal(level.qty)
    return [Level(price, f"{qty:f}") for price, qty in total.items()]


def _statistics(before: Statistics, entries: Entries) -> Statistics:
    """The statistics of a snapshot's entries. It tells of the last trade only if there was one since."""
    told = {entry[269]: entry for entry in entries}
    if "B" not in told:
        # The day has had no trade yet, whatever the last one was.
        return Statistics(before.symbol)
    last = Last(told["2"].get(270, ""), told["2"].get(271, "")) if "2" in told else before.last
    first, high, low, vwap = (told.get(kind, {}).get(270) for kind in ("4", "7", "8", "9"))
    return Statistics(before.symbol, first, high, low, vwap, told["B"].get(271), last)
