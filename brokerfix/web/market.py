"""What a session tells of the market: books, and the phases of instruments."""

import asyncio
import logging
from collections.abc import Callable
from decimal import Decimal

from brokerfix import domain
from brokerfix.tools.client import Message, pairs_of
from brokerfix.web.model import Book, Level, Phase, Quote
from brokerfix.web.session import Session
from brokerfix.web.waiting import Unavailable

log = logging.getLogger("brokerfix.http")
PHASES: dict[str, Phase] = {one.value: one.value.replace("-", "_").replace(" ", "_") for one in domain.Phase}  # type: ignore[misc]
HALTED = "1"
"""TradSesStatus(340)."""


class Market:
    """The books that are followed, and each instrument's phase and whether it is halted. `tell` is called with each
    change of a book."""

    def __init__(self, session: Session, tell: Callable[[Quote], None]) -> None:
        self.session, self.tell = session, tell
        self.phases: dict[str, tuple[Phase, bool]] = {}
        self._books: dict[str, dict[str, dict[str, str]]] = {}
        self._followed: set[str] = set()
        self._subscribed: set[str] = set()
        self._seen: dict[str, asyncio.Event] = {}

    def began(self) -> None:
        """The session has begun. Raises Unavailable."""
        self._subscribed.clear()
        self.session.send(lambda: self.session.client.send("g", [(335, "http-phases"), (263, "1")]))
        for symbol in sorted(self._followed):
            self._subscribe(symbol)

    def ended(self) -> None:
        """What is known is out of date."""
        for known in (self._books, self.phases, self._seen):
            known.clear()

    def _subscribe(self, symbol: str) -> None:
        if symbol not in self._subscribed:
            client = self.session.client
            self.session.send(lambda: client.subscribe(f"http-{symbol}", [symbol], depth=10, incremental=False))
            self._subscribed.add(symbol)

    async def book(self, symbol: str) -> Book:
        """The book of a symbol, which is followed from now on. Raises Unavailable."""
        assert self.session.config.http is not None
        self._followed.add(symbol)
        self._subscribe(symbol)
        seen = self._seen.setdefault(symbol, asyncio.Event())
        try:
            await asyncio.wait_for(seen.wait(), self.session.config.http.answer_seconds)
        except TimeoutError as error:
            raise Unavailable(f"there is no book of {symbol} yet") from error
        return self._book(symbol)

    def snapshot(self, message: Message, every: list[tuple[int, str]]) -> None:
        symbol = message.get(55, "")
        sides: dict[str, dict[str, str]] = {"0": {}, "1": {}}
        for entry in pairs_of(every, 269):
            if entry[269] in sides:
                levels = sides[entry[269]]
                price = entry.get(270, "0")
                levels[price] = str(Decimal(levels.get(price, "0")) + Decimal(entry.get(271, "0")))
        self._books[symbol] = sides
        self._seen.setdefault(symbol, asyncio.Event()).set()
        self.tell(Quote(self._book(symbol)))

    def reject(self, message: Message, every: list[tuple[int, str]]) -> None:
        log.warning("%s gets no quotes: %s", message.get(262, ""), message.get(58, ""))
        self._subscribed.discard(message.get(262, "").removeprefix("http-"))

    def _book(self, symbol: str) -> Book:
        sides = self._books.get(symbol, {"0": {}, "1": {}})

        def levels(side: str) -> list[Level]:
            prices = sorted(sides[side], key=Decimal, reverse=side == "0")
            return [Level(price, sides[side][price]) for price in prices]

        return Book(symbol, levels("0"), levels("1"))

    def session_status(self, message: Message, every: list[tuple[int, str]]) -> None:
        word = PHASES.get(message.get(58, ""))
        if word is not None:
            self.phases[message.get(336, "")] = word, message.get(340) == HALTED
