"""What the router knows of one client's session. Events change it and nothing else does, so that it is the same after
a restart: each is a tuple that begins with its kind.

    FORWARD shard, number, client's number, at, flags, MsgType, rest    a message in a shard's outgoing store
    TELL    number, shard, shard's number, at, MsgType, rest            a message for the client, under its number
    TAKE    next                                                        the client's messages before are received
    CAME    shard, next                                                 the shard's messages before are received
    USED    shard, next                                                 our session's own messages to a shard
    SAID    next                                                        our session's own messages to the client
    PART    shard, key, MsgType, rest                                   a shard's part of an answer
    DONE    key                                                         a question is answered
    WITHDRAW shard, number                                              a message that no longer goes to its shard
    MOVED   account, shard                                              where an account is, as a shard has told
    ANEW    day, next of the client's                                   the client's numbers begin anew
    SHARD_ANEW shard, day                                               a shard's numbers begin anew
    LEFT                                                                the client has logged out, and has all
    TODAY   day                                                         a trading day (YYYYMMDD) has begun
    KEPT    all of it                                                   what a new file begins with

A message that must not be sent again (market data, a session's own) is told with an empty rest. Times are ms UTC.
"""

from array import array
from collections.abc import Callable, Iterator
from typing import Any

from brokerfix.router.asks import Many, MassCancel, ask, key_of, question_of
from brokerfix.router.log import Event
from brokerfix.router.text import value, values

FORWARD, TELL, TAKE, CAME, USED, SAID, PART, WITHDRAW, MOVED, ANEW, SHARD_ANEW, KEPT, DONE, LEFT, TODAY = range(15)
REDIRECTED, FAN, RETAINED = 1, 2, 4
"""Flags of FORWARD: another shard has sent it away; it goes to several; it is from the file before."""
NOWHERE = 0
"""The place of what is not kept: a file's first event is no message."""
SUBSCRIBING = {b"V": 262, b"g": 335, b"e": 324}
"""The messages that subscribe to something, and the tag of the subscription's id."""
COPY = b"\x01797=Y\x01"
"""A report that is a copy for somebody else."""
CHANGES = frozenset((b"D", b"F", b"G", b"q"))
"""Messages whose answer is looked for: by their ClOrdID."""


Mark = tuple[bytes, int, int]
"""An account, a trading day and a shard."""


class Shard:
    """The numbers of the session with one shard, and where its outgoing messages are kept, from the number `first`."""

    def __init__(self) -> None:
        self.next_in = self.next_out = self.first = 1
        self.day = 0
        self.places = array("Q")
        self.numbers = array("Q")

    def keep(self, number: int, place: int, client_number: int) -> None:
        """Numbers between are our session's own."""
        for kept in (self.places, self.numbers):
            kept.extend([0] * (number - self.first - len(kept)))
        self.places.append(place)
        self.numbers.append(client_number)
        self.next_out = number + 1

    def place(self, number: int) -> int:
        index = number - self.first
        return self.places[index] if 0 <= index < len(self.places) else NOWHERE

    def client_number(self, number: int) -> int:
        """The client's number of a message that was forwarded; 0 if it was not the client's, or is not known."""
        index = number - self.first
        return self.numbers[index] if 0 <= index < len(self.numbers) else 0

    def begin_anew(self, day: int) -> None:
        self.next_in = self.next_out = self.first = 1
        self.day = day
        self.places, self.numbers = array("Q"), array("Q")


class State:
    """`orders`: ClOrdID -> its account, the trading day (YYYYMMDD) that it was last heard of, and the shard that knows
    it (-1: an older version did not keep that). `today` is the trading day, `unanswered`: ClOrdID -> the
    shard, number there and flags of a message that has had no answer yet. `has_all`: the client has had all that it was
    told."""

    def __init__(self) -> None:
        self.next_in = self.next_out = self.first = 1
        self.day = self.today = 0
        self.places = array("Q")
        self.shards: dict[int, Shard] = {}
        self.orders: dict[bytes, Mark] = {}
        self.unanswered: dict[bytes, tuple[int, int, int]] = {}
        self.asks: dict[bytes, MassCancel | Many] = {}
        self.moved: dict[bytes, int] = {}
        self.has_all = True
        self._marks: dict[tuple[bytes, int], Mark] = {}

    def shard(self, number: int) -> Shard:
        found = self.shards.get(number)
        if found is None:
            found = self.shards[number] = Shard()
        return found

    def place(self, number: int) -> int:
        """Where a message for the client is kept."""
        index = number - self.first
        return self.places[index] if 0 <= index < len(self.places) else NOWHERE

    def apply(self, event: Event, place: int) -> None:
        """An event, with its place in the file."""
        APPLY[event[0]](self, event, place)

    def _forward(self, event: Event, place: int) -> None:
        _, shard, number, client_number, _, flags, kind, rest = event
        self.shard(shard).keep(number, place, client_number)
        if flags & RETAINED:
            return
        if kind in CHANGES and not flags & FAN:
            self.unanswered[value(rest, 11)] = shard, number, flags
        if kind in NAMING:
            self._learn(shard, kind, rest)
        if flags & FAN:
            key = key_of(kind, rest)
            found = self.asks.get(key)
            if found is None:
                found = self.asks[key] = ask(kind, rest)
            found.waiting.add(shard)

    def _learn(self, shard: int, kind: bytes, rest: bytes) -> None:
        """Which account the ids of a client's message to a shard are of."""
        ids = values(rest, 11)
        if kind in QUOTES:
            ids = [OF_QUOTE + value(rest, 117)]
        if kind in (b"F", b"G"):
            known = self.orders.get(value(rest, 41))
            account = known[0] if known is not None else value(rest, 1)
        elif kind in (b"E", b"s"):
            for cl_ord_id, account in entries(rest):
                if account:
                    self.orders[cl_ord_id] = self._mark(account, shard)
            return
        else:
            account = value(rest, 1)
        if account:
            for cl_ord_id in ids:
                self.orders[cl_ord_id] = self._mark(account, shard)

    def _mark(self, account: bytes, shard: int) -> Mark:
        mark, today = self._marks.get((account, shard)), self.today or self.day
        if mark is None or mark[1] != today:
            mark = self._marks[account, shard] = account, today, shard
        return mark

    def _tell(self, event: Event, place: int) -> None:
        _, number, shard, shard_number, _, kind, rest = event
        self.places.append(place if rest else NOWHERE)
        self.next_out = number + 1
        self.has_all = False
        if shard >= 0:
            if shard_number:
                self.shards[shard].next_in = shard_number + 1
            self._heard(shard, kind, rest)
        if self.asks:
            self._answered(kind, rest)

    def _heard(self, shard: int, kind: bytes, rest: bytes) -> None:
        """A report may answer a message, and says which account an order is of."""
        if kind == b"8":
            if COPY in rest:
                # Its ClOrdID is another client's.
                return
            cl_ord_id = value(rest, 11)
            self.unanswered.pop(cl_ord_id, None)
            account = value(rest, 1)
            if account and cl_ord_id:
                mark = self._marks.get((account, shard))
                if mark is None or self.orders.get(cl_ord_id) is not mark:
                    self.orders[cl_ord_id] = self._mark(account, shard)
        elif kind in (b"9", b"r"):
            self.unanswered.pop(value(rest, 11), None)
        elif kind == b"j":
            self.unanswered.pop(value(rest, 379), None)

    def _answered(self, kind: bytes, rest: bytes) -> None:
        """A message of a question that has many is told."""
        found = self.asks.get(question_of(kind, rest))
        if not isinstance(found, Many) or value(rest, found.LAST) == b"Y":
            return
        if found.held and value(found.held, found.ID) == value(rest, found.ID):
            found.released()
        else:
            found.told += 1

    def _part(self, event: Event, place: int) -> None:
        _, shard, key, kind, rest = event
        self.asks[key].part(shard, kind, rest)

    def _done(self, event: Event, place: int) -> None:
        del self.asks[event[1]]

    def _withdraw(self, event: Event, place: int) -> None:
        shard = self.shards[event[1]]
        shard.places[event[2] - shard.first] = NOWHERE
        for cl_ord_id, (of, number, _) in self.unanswered.items():
            if (of, number) == event[1:3]:
                del self.unanswered[cl_ord_id]
                break

    def _anew(self, event: Event, place: int) -> None:
        self.day, self.next_in = event[1:3]
        self.next_out = self.first = 1
        self.places = array("Q")
        for shard in self.shards.values():
            # The numbers of the client's that a shard's answers may be about are no more.
            shard.numbers = array("Q", bytes(8 * len(shard.numbers)))

    def _said(self, event: Event, place: int) -> None:
        self.places.extend([NOWHERE] * (event[1] - self.next_out))
        self.next_out = event[1]

    def _kept(self, event: Event, place: int) -> None:
        told = event[1]
        self.next_in, self.next_out, self.first, self.day = told["numbers"]
        self.today = told.get("today", 0)
        self.orders = {
            name: (account, day, of[0] if of else -1) for account, day, *of, names in told["orders"] for name in names
        }
        self.unanswered = {name: (shard, number, flags) for name, shard, number, flags in told["unanswered"]}
        self.moved = dict(told["moved"])
        self.has_all = told["has_all"]
        for number, *numbers in told["shards"]:
            shard = self.shards[number] = Shard()
            shard.next_in, shard.next_out, shard.first, shard.day = numbers

    def kept(self, since: int, first: "Callable[[State | Shard], int]") -> dict[str, Any]:
        """All that a new file begins with, before the messages of each side from the number on that `first` gives:
        orders that were heard of on this day (YYYYMMDD) or since. There must be no question that waits."""
        orders: dict[Mark, list[bytes]] = {}
        for name, mark in self.orders.items():
            if mark[1] >= since:
                orders.setdefault(mark, []).append(name)
        shards = self.shards.items()
        return {
            "numbers": [self.next_in, *[first(self)] * 2, self.day],
            "orders": [[*mark, names] for mark, names in orders.items()],
            "unanswered": [[name, *where] for name, where in self.unanswered.items()],
            "moved": list(self.moved.items()),
            "has_all": self.has_all,
            "today": self.today,
            "shards": [[number, shard.next_in, *[first(shard)] * 2, shard.day] for number, shard in shards],
        }


NAMING = frozenset((b"D", b"F", b"G", b"E", b"s", b"AJ", b"i", b"S"))
QUOTES = (b"i", b"S")
OF_QUOTE = b"\0"
"""A client's own QuoteID begins so among its ClOrdIDs."""


def entries(rest: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (ClOrdID, Account) of each order of a list or cross."""
    for part in (b"\x01" + rest).split(b"\x0111=")[1:]:
        yield part.partition(b"\x01")[0], value(part.partition(b"\x01")[2], 1)


def _take(state: State, event: Event, place: int) -> None:
    state.next_in = event[1]


def _came(state: State, event: Event, place: int) -> None:
    state.shard(event[1]).next_in = event[2]


def _used(state: State, event: Event, place: int) -> None:
    state.shard(event[1]).next_out = event[2]


def _left(state: State, event: Event, place: int) -> None:
    state.has_all = True


def _today(state: State, event: Event, place: int) -> None:
    state.today = event[1]


def _moved(state: State, event: Event, place: int) -> None:
    state.moved[event[1]] = event[2]


def _shard_anew(state: State, event: Event, place: int) -> None:
    state.shard(event[1]).begin_anew(event[2])
    state.unanswered = {name: where for name, where in state.unanswered.items() if where[0] != event[1]}


APPLY = (
    State._forward, State._tell, _take, _came, _used, State._said, State._part, State._withdraw, _moved, State._anew,
    _shard_anew, State._kept, State._done, _left, _today,
)  # fmt: skip
