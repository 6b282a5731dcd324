"""The exchanges of market data, a process of their own: `python bench/quotes.py SYMBOL PRICE_DIGITS QTY_DIGITS PORTS
[RECORDING]`, with as many PORTS (1,2,...) as there are exchanges.

What they tell is made before: by chance, or of the first rows of a recording, and is FIX text but for its head, so that
it costs this process as little as it can. It says `ready` when the broker has subscribed everywhere, and then does what
each line of its input says: `tell RATE` (levels a second; 0: as fast as they are taken), `dry RATE`, which does the
same work and sends nothing, and `stop`, which is answered with JSON when all that was told has been taken in: that is
asked for with TestRequests, and no exchange is more than MOST_UNANSWERED levels ahead of the answers.
"""

import json
import os
import random
import select
import socket
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from wire import Wire, field

from brokerfix.simulate.answers import entries_text
from brokerfix.simulate.feed import ASK_EVERY, MOST_UNANSWERED
from brokerfix.simulate.recording import ASK, BID, BOOK, CHANGE, TOP, Event, Levels, events
from brokerfix.simulate.replay import Replica, Terms

SECOND = 10**9
MOST_EVENTS = 20_000
"""Of a recording no more are read."""
DEPTH, MIDDLE, TICK = 100, Decimal("150.00"), Decimal("0.01")
"""Of the books made by chance: levels of a side, the price that they are around, and its step."""
LEVELS_OF_A_MESSAGE = 10
"""Of those made by chance, in the middle."""
GONE = 0.2
"""Share of the levels told that go."""
MARK = b"MARK-"


class Told(NamedTuple):
    """One message: ns after the first, by which exchange, all but its head, and its number of levels."""

    due: int
    exchange: int
    body: bytes
    levels: int


def by_chance(exchanges: int) -> Iterator[Event]:
    """Books and what changes of them: near the top most, at even distances."""
    rng = random.Random(1)
    at = 0
    for number in range(exchanges):
        sides = ((BID, -TICK), (ASK, TICK))
        levels = [(side, MIDDLE + step * i, Decimal(100)) for side, step in sides for i in range(1, DEPTH + 1)]
        yield Event(at, str(number), BOOK, levels)
    for _ in range(MOST_EVENTS):
        count = 1 + int(rng.expovariate(1 / (LEVELS_OF_A_MESSAGE - 1)))
        changed: Levels = []
        for _ in range(count):
            away = TICK * (1 + min(int(rng.expovariate(0.1)), DEPTH - 1))
            side, price = (BID, MIDDLE - away) if rng.random() < 0.5 else (ASK, MIDDLE + away)
            changed.append((side, price, Decimal(0 if rng.random() < GONE else rng.randint(1, 1000))))
        at += count
        yield Event(at, str(rng.randrange(exchanges)), CHANGE, changed)


def middle_of(book: Event) -> Decimal:
    bids, asks = ([price for of, price, _ in book.levels if of == side] for side in (BID, ASK))
    return (max(bids) + min(asks)) / 2


def rendered(source: Iterator[Event], terms: Terms, exchanges: int) -> tuple[list[bytes], list[Told]]:
    """The books that exchanges begin with (W) and what they tell (X). Venues of a recording are moved to where the
    first of them is."""
    replicas: dict[str, Replica] = {}
    books: list[bytes] = []
    told: list[Told] = []
    first = Decimal(0)
    for event in source:
        if event.kind == BOOK and event.venue not in replicas and len(replicas) < exchanges:
            first = first or middle_of(event)
            replica = replicas[event.venue] = Replica(terms, first - middle_of(event))
            replica.open(event)
            books.append(_book(replica))
        elif event.kind != TOP and event.venue in replicas:
            replica = replicas[event.venue]
            entries = replica.apply(event)
            text = entries_text(terms, entries, replica.rpt_seq - len(entries) + 1)
            if entries:
                number = list(replicas).index(event.venue)
                told.append(Told(event.at, number, b"262=%b\x01" + text.encode(), len(entries)))
    assert len(books) == exchanges, "there are fewer venues with a book than exchanges"
    return books, [one._replace(due=one.due - told[0].due) for one in told]


def _book(replica: Replica) -> bytes:
    levels = "".join(
        f"269={kind}\x01270={price / 10**replica.terms.price_digits:.{replica.terms.price_digits}f}\x01"
        f"271={qty / 10**replica.terms.qty_digits:.{replica.terms.qty_digits}f}\x01"
        for kind, price, qty in replica.snapshot()
    )
    head = f"55={replica.terms.symbol}\x0183=0\x01268={len(replica.snapshot())}\x01"
    return b"262=%b\x01" + (head + levels).encode()


class Exchange:
    """One exchange's end of the broker's session: how many levels it has told, at how many it has asked, and at how
    many the broker has answered."""

    def __init__(self, port: int, name: str, book: bytes) -> None:
        listener = socket.create_server(("127.0.0.1", port))
        connection, _ = listener.accept()
        self.wire = Wire(connection, name, "BROKER")
        self.book = book
        self.request = b""
        self.told = self.asked = self.answered = 0
        while not self.request:
            self.serve(True)

    def serve(self, block: bool = False) -> None:
        wire = self.wire
        for message in wire.receive(block):
            kind = field(message, b"\x0135=")
            if kind == b"A":
                wire.send(b"A", b"98=0\x01108=60\x01141=Y\x01" if b"\x01141=Y" in message else b"98=0\x01108=60\x01")
            elif kind == b"V":
                self.request = field(message, b"\x01262=")
                wire.send(b"W", self.book % self.request)
            elif kind == b"1":
                wire.send(b"0", b"112=%b\x01" % field(message, b"\x01112="))
            elif kind == b"0" and (mark := field(message, b"\x01112=")).startswith(MARK):
                self.answered = int(mark[len(MARK) :])

    def tell(self, one: Told) -> None:
        self.wire.send(b"X", one.body % self.request)
        self.told += one.levels
        if self.told - self.asked >= ASK_EVERY:
            self.ask()

    def ask(self) -> None:
        """Have the broker say when it has taken in all that it was told."""
        self.wire.refresh()
        self.wire.send(b"1", b"112=%b%d\x01" % (MARK, self.told))
        self.asked = self.told

    def begin_again(self) -> None:
        self.wire.send(b"W", self.book % self.request)

    @property
    def is_ahead(self) -> bool:
        return self.told - self.answered > MOST_UNANSWERED


class Quotes:
    """All exchanges, and what they tell, over and over."""

    def __init__(self, exchanges: list[Exchange], told: list[Told]) -> None:
        self.exchanges = exchanges
        self.told = told
        self.rate_of_all = sum(one.levels for one in told) * SECOND / max(1, told[-1].due)
        self._nowhere = os.open(os.devnull, os.O_WRONLY)
        self._next = 0
        self._is_telling = self._is_dry = False
        self._speed = 0.0
        self._base = 0
        self._began = self._cpu = 0.0
        self._levels = self._messages = 0

    def run(self) -> None:
        """Do what is asked, until there is nobody to ask."""
        sockets = [one.wire.socket for one in self.exchanges]
        while True:
            ready = select.select([sys.stdin, *sockets], [], [], self._rest())[0]
            for exchange in self.exchanges:
                if exchange.wire.socket in ready:
                    exchange.serve()
            if sys.stdin in ready:
                line = sys.stdin.readline().split()
                if not line:
                    return
                if line[0] == "stop":
                    self._stop()
                else:
                    self._start(float(line[1]), line[0] == "dry")
            if self._is_telling:
                self._tell()

    def _rest(self) -> float | None:
        """Seconds until the next message is due."""
        if not self._is_telling:
            return None
        if self.exchanges[self.told[self._next].exchange].is_ahead:
            return 0.001
        return max(0.0, (self._due() - time.perf_counter_ns()) / SECOND)

    def _due(self) -> int:
        return self._base + int(self.told[self._next].due / self._speed) if self._speed else 0

    def _start(self, rate: float, is_dry: bool) -> None:
        self._is_telling, self._is_dry = True, is_dry
        self._speed = rate / self.rate_of_all
        self._levels = self._messages = 0
        self._began, self._cpu = time.perf_counter(), time.process_time()
        self._from_now()

    def _from_now(self) -> None:
        self._base = time.perf_counter_ns()
        self._base -= int(self.told[self._next].due / self._speed) if self._speed else 0

    def _tell(self) -> None:
        """Tell what is due."""
        for _ in range(50):
            one = self.told[self._next]
            exchange = self.exchanges[one.exchange]
            if exchange.is_ahead or time.perf_counter_ns() < self._due():
                return
            if self._is_dry:
                os.write(self._nowhere, exchange.wire.pack(b"X", one.body % exchange.request))
                exchange.wire.number -= 1
            else:
                exchange.tell(one)
            self._levels += one.levels
            self._messages += 1
            self._next += 1
            if self._next == len(self.told):
                self._next = 0
                self._from_now()
                for exchange in self.exchanges:
                    if not self._is_dry:
                        exchange.begin_again()

    def _stop(self) -> None:
        late = max(0, time.perf_counter_ns() - self._due()) if self._speed else 0
        for exchange in self.exchanges:
            exchange.ask()
        while any(one.answered < one.told for one in self.exchanges):
            for ready in select.select([one.wire.socket for one in self.exchanges], [], [])[0]:
                next(one for one in self.exchanges if one.wire.socket is ready).serve()
        seconds = time.perf_counter() - self._began
        self._is_telling = False
        cpu = time.process_time() - self._cpu
        found = {"levels": self._levels, "messages": self._messages, "seconds": seconds, "late": late / SECOND}
        print(json.dumps({**found, "cpu": cpu}), flush=True)


def main() -> None:
    symbol, price_digits, qty_digits, ports, *recording = sys.argv[1:]
    numbers = [int(port) for port in ports.split(",")]
    source = islice(events(Path(recording[0])), 8 * MOST_EVENTS) if recording else by_chance(len(numbers))
    books, told = rendered(source, Terms(symbol, int(price_digits), int(qty_digits)), len(numbers))
    exchanges = [Exchange(port, f"MD{i}", book) for i, (port, book) in enumerate(zip(numbers, books, strict=True))]
    quotes = Quotes(exchanges, told)
    print("ready", flush=True)
    quotes.run()


if __name__ == "__main__":
    main()
