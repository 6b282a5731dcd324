"""One client: its messages to shards, and theirs to it. What is done with a message is on record before anything that
follows from it is sent: `flush` writes, then sends."""

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from brokerfix.router.asks import ID_OF, Many, key_of, question_of
from brokerfix.router.compact import compact
from brokerfix.router.log import MOST, PLACE_BITS, Event, Log
from brokerfix.router.moved import follow, on_its_way
from brokerfix.router.refusals import (
    DUPLICATE_CL_ORD_ID,
    DUPLICATE_ORDER,
    NOT_AVAILABLE,
    OTHER,
    Answer,
    business_reject,
    no_change,
    no_order,
    nothing,
)
from brokerfix.router.routes import ALL, ANY, NoRoute, Routes
from brokerfix.router.state import (
    ANEW,
    CAME,
    DONE,
    FAN,
    FORWARD,
    NOWHERE,
    PART,
    SAID,
    SUBSCRIBING,
    TAKE,
    TELL,
    USED,
    State,
)
from brokerfix.router.text import Cut, Names, changed, now_ms, text_of, value
from brokerfix.settings.sections import ClientSection
from brokerfix.settings.servers import RouterSection

if TYPE_CHECKING:
    from brokerfix.router.link import Link

log = logging.getLogger("brokerfix.router")
NOT_KEPT = frozenset((b"W", b"X"))
"""Messages that are not sent again: the market has moved on."""
MISSABLE = frozenset((b"8", b"9", b"j", b"r", b"N"))
"""What a client must not miss."""
MISSED_MS = 10_000
"""What was sent so long before a connection was lost has come."""
COMPACT_BYTES = 64 << 20


class Guard:
    """What fails inside is told to a function, and goes no further: on the loop there is nobody to catch it."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed

    def __enter__(self) -> None:
        """Nothing is needed."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self._failed(error)
        return True


class Hub:
    """`to_client` takes bytes for the client, None while it is not logged on; `pause` has it wait. `links` are the
    sessions with shards. `heard`: when (ms UTC) something came last of the answer to a question."""

    def __init__(
        self, name: str, broker: str, client: ClientSection, section: RouterSection, routes: Routes, record: Log,
        open_link: "Callable[[Hub, int], Link]", learn: Callable[[str, int], None],
        failed: "Callable[[Hub, Exception], None]",
    ) -> None:  # fmt: skip
        """Raises LogError where the client's file can't be read."""
        self.name, self.section, self.routes = name, section, routes
        self.begin_string: str = client.fix
        self.names = Names(client.fix, broker, name)
        self.guard = Guard(lambda error: failed(self, error))
        self.state = State()
        self.links: dict[int, Link] = {}
        self.to_client: Callable[[bytes], None] | None = None
        self.pause: Callable[[bool], None] = lambda paused: None
        self._full: set[int] = set()
        self.heard: dict[bytes, int] = {}
        self.record = record
        self._open_link, self.learn = open_link, learn
        self._events: list[Event] = []
        self._out: list[bytes] = []
        self._out_shards: dict[int, list[bytes]] = {}
        self.subscriptions: dict[tuple[bytes, bytes], tuple[int, bytes]] = {}
        self.held: deque[tuple[int, int, int]] = deque()
        for offset, events in record.read():
            for index, event in enumerate(events):
                self.state.apply(event, offset << PLACE_BITS | index)
        for account, shard in self.state.moved.items():
            learn(account.decode(), shard)

    # Record, then send

    def emit(self, *event: object) -> None:
        """Something has happened."""
        place = self.record.end << PLACE_BITS | len(self._events)
        self._events.append(event)
        self.state.apply(event, place)

    def flush(self) -> None:
        """Write what has happened, and send what follows from it. Raises OSError where it can't be written: then the
        state is no longer that of the file."""
        if self._events:
            self.record.append(self._events)
            self._events = []
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            if self.to_client is not None:
                self.to_client(data)
        if self._out_shards:
            for shard, messages in self._out_shards.items():
                link = self.links.get(shard)
                if link is not None:
                    link.write(b"".join(messages))
            self._out_shards = {}

    def event(self, place: int) -> Event:
        """An event of the record, also one that is not written yet."""
        if place >> PLACE_BITS == self.record.end:
            return self._events[place & ((1 << PLACE_BITS) - 1)]
        return self.record.event(place)

    def make_room(self) -> None:
        """Begin another record where this one is full: what follows from one message is in one."""
        if len(self._events) >= MOST:
            self.flush()

    # To the client

    def say(self, kind: bytes, rest: bytes) -> None:
        """A message of our session's own, which is not sent again."""
        number = self.state.next_out
        self.emit(SAID, number + 1)
        self._out.append(self.names.message(kind, number, rest))

    def raw(self, message: bytes) -> None:
        """A message with a number that it has already."""
        self._out.append(message)

    def tell(self, kind: bytes, rest: bytes, shard: int = -1, number: int = 0) -> None:
        """A message for the client: of a shard, with its number there, or of our own."""
        own = self.state.next_out
        self.emit(TELL, own, shard, number, now_ms(), kind, b"" if kind in NOT_KEPT else rest)
        self._out.append(self.names.message(kind, own, rest))

    def answer(self, answer: Answer) -> None:
        self.tell(*answer)

    @property
    def exec_id(self) -> str:
        """An ExecID of our own, also where a client's numbers begin anew; shards' begin with a day."""
        return f"ROUTER-{now_ms()}-{self.state.next_out}"

    # From the client

    def from_client(self, message: Cut) -> None:
        """An application message of the client, whose number is taken."""
        kind, rest = message.kind, message.rest
        if message.again and b"97=Y\x01" not in rest:
            # It may have come under an earlier number; with a shard it has a number of its own.
            rest = b"97=Y\x01" + rest
        try:
            shard = self.routes.to(kind, rest, self.state)
        except NoRoute as error:
            self.answer(self._unroutable(kind, rest, message.number, error))
            return
        if shard == ANY:
            self._to_any(kind, rest, message.number)
        elif shard == ALL:
            self._to_all(kind, rest, message.number)
        else:
            self.to_one(shard, kind, rest, message.number)

    def _unroutable(self, kind: bytes, rest: bytes, number: int, error: NoRoute) -> Answer:
        if not (error.unknown or error.duplicate) or kind in (b"Q", b"E", b"s"):
            return business_reject(kind, rest, number, OTHER, str(error))
        if error.duplicate and kind == b"D":
            return no_order(self.begin_string, rest, self.exec_id, str(error), reason=DUPLICATE_ORDER)
        if error.duplicate:
            return no_change(kind, rest, str(error), DUPLICATE_CL_ORD_ID)
        if kind == b"H":
            return no_order(self.begin_string, rest, self.exec_id, str(error), b"I")
        return no_change(kind, rest, str(error))

    def to_one(self, shard: int, kind: bytes, rest: bytes, number: int, flags: int = 0) -> None:
        link = self.link(shard)
        if link.is_up:
            self.forward(shard, kind, rest, number, flags)
        elif wait := max(self.section.hold_seconds, link.is_new):
            own = self.forward(shard, kind, rest, number, flags)
            self.held.append((now_ms() + int(1000 * wait), shard, own))
        else:
            self.answer(self.down(shard, kind, rest, number))

    def link(self, shard: int) -> "Link":
        link = self.links.get(shard)
        if link is None:
            link = self.links[shard] = self._open_link(self, shard)
        return link

    def down(self, shard: int, kind: bytes, rest: bytes, number: int) -> Answer:
        """The answer to a message whose shard is down."""
        text = f"SHARD_DOWN: shard {shard} is down; this message was not taken"
        if kind == b"D":
            return no_order(self.begin_string, rest, self.exec_id, text)
        return business_reject(kind, rest, number, NOT_AVAILABLE, text)

    def forward(self, shard: int, kind: bytes, rest: bytes, number: int, flags: int = 0) -> int:
        """Put a message into a shard's outgoing store, and send it if the shard is up. Returns its number there."""
        own = self.state.shard(shard).next_out
        self.emit(FORWARD, shard, own, number, now_ms(), flags, kind, rest)
        link = self.link(shard)
        if link.is_up:
            self.send(shard, link.names.message(kind, own, rest))
        return own

    def send(self, shard: int, message: bytes) -> None:
        """Bytes for a shard, once what led to them is written."""
        self._out_shards.setdefault(shard, []).append(message)

    def use(self, shard: int) -> int:
        """A number for a message of our session's own with a shard."""
        number = self.state.shard(shard).next_out
        self.emit(USED, shard, number + 1)
        return number

    def _to_any(self, kind: bytes, rest: bytes, number: int) -> None:
        key = (kind, value(rest, SUBSCRIBING[kind])) if kind in SUBSCRIBING else None
        wanted = value(rest, 263)
        shard, _ = self.subscriptions.get(key, (-1, b"")) if key is not None else (-1, b"")
        if shard < 0 or not self.links[shard].is_up:
            shard = self._any(-1)
        if key is not None and wanted == b"2":
            self.subscriptions.pop(key, None)
        if shard < 0:
            text = "SHARD_DOWN: no shard is up; this message was not taken"
            self.answer(business_reject(kind, rest, number, NOT_AVAILABLE, text))
            return
        if key is not None and wanted == b"1":
            self.subscriptions.setdefault(key, (shard, rest))
        self.forward(shard, kind, rest, number)

    def _any(self, but: int) -> int:
        """The first shard that is up but this one, or -1."""
        return next((shard for shard in sorted(self.links) if shard != but and self.links[shard].is_up), -1)

    def _to_all(self, kind: bytes, rest: bytes, number: int) -> None:
        """A question for every shard."""
        shards = sorted({*self.routes.shards, *self.links})
        up = [shard for shard in shards if self.link(shard).is_up]
        if len(shards) == 1:
            self.to_one(shards[0], kind, rest, number)
            return
        if not up:
            text = "SHARD_DOWN: no shard is up; this message was not taken"
            self.answer(business_reject(kind, rest, number, NOT_AVAILABLE, text))
            return
        key = key_of(kind, rest)
        if key in self.state.asks:
            text = f"a question with this id, tag {ID_OF[kind]}, is still being answered"
            self.answer(business_reject(kind, rest, number, OTHER, text))
            return
        for shard in up:
            self.forward(shard, kind, rest, number, FAN)
        for shard in shards:
            if shard not in up:
                self.emit(PART, shard, key, b"", b"")

    # From shards

    def from_shard(self, shard: int, message: Cut) -> None:
        """An application message of a shard, or a Reject(3), with the number that is expected of it."""
        kind, rest, number = message.kind, message.rest, message.number
        if kind in (b"3", b"j"):
            ref = value(rest, 45)
            known = self.state.shard(shard).client_number(int(ref)) if ref.isdigit() else 0
            if kind == b"3" and not known:
                log.error("%s: shard %d rejects a message: %s", self.name, shard, text_of(rest))
                self.emit(CAME, shard, number + 1)
                return
            rest = changed(rest, 45, b"%d" % known)
            if self.state.asks and (key := self._rejected_ask(shard, kind, rest, ref)):
                self.emit(CAME, shard, number + 1)
                self.emit(PART, shard, key, kind, rest)
                self.conclude(key)
                return
        elif kind == b"Y":
            self.subscriptions.pop((b"V", value(rest, 262)), None)
        if b" shard " in rest:
            if follow(self, shard, number, kind, rest):
                return
            rest = on_its_way(self, shard, kind, rest)
        if self.state.asks:
            self._merge(shard, number, kind, rest)
        else:
            self.tell(kind, rest, shard, number)

    def _rejected_ask(self, shard: int, kind: bytes, rest: bytes, ref: bytes) -> bytes:
        """The key of the question that a shard rejects, or b""."""
        if kind == b"j":
            key = b"%b %b" % (value(rest, 372), value(rest, 379))
        else:
            event = self.event(self.state.shard(shard).place(int(ref)))
            key = key_of(event[6], event[7]) if event[0] == FORWARD and event[5] & FAN else b""
        ask = self.state.asks.get(key)
        return key if ask is not None and shard in ask.waiting else b""

    def _merge(self, shard: int, number: int, kind: bytes, rest: bytes) -> None:
        """A shard's message while questions are open: it may be a part of an answer."""
        key = question_of(kind, rest)
        ask = self.state.asks.get(key)
        if ask is None or shard not in ask.waiting:
            self._release(shard)
            self.tell(kind, rest, shard, number)
            return
        self.heard[key] = now_ms()
        if isinstance(ask, Many):
            if value(rest, ask.LAST) != b"Y":
                self.tell(kind, ask.not_last(rest), shard, number)
                return
            held = ask.to_release(shard, rest)
            if held:
                self.tell(kind, ask.not_last(held))
        self.emit(CAME, shard, number + 1)
        self.emit(PART, shard, key, kind, rest)
        self.conclude(key)

    def _release(self, shard: int) -> None:
        """Tell what is held of a shard, as something follows that may be newer."""
        for ask in list(self.state.asks.values()):
            if isinstance(ask, Many) and (held := ask.to_release(shard, b"")):
                self.tell(ask.ANSWER, ask.not_last(held))

    def conclude(self, key: bytes) -> None:
        """Answer a question if every shard has."""
        ask = self.state.asks[key]
        if not ask.waiting:
            self.tell(*ask.answer(nothing(self.begin_string, ask.kind, ask.rest, self.exec_id)))
            self.emit(DONE, key)
            self.heard.pop(key, None)

    # Shards come and go

    def shard_up(self, shard: int) -> None:
        """Its session is logged on: what is subscribed there, or nowhere, is asked for anew."""
        for key, (at, rest) in list(self.subscriptions.items()):
            if at in (shard, -1) or at not in self.links or not self.links[at].is_up:
                self.subscriptions[key] = shard, rest
                self.forward(shard, key[0], rest, 0)

    def shard_down(self, shard: int) -> None:
        """Its session is lost, or can't be had: others are asked for what is subscribed there, and the rest is told
        without it."""
        other = self._any(shard)
        for key, (at, rest) in list(self.subscriptions.items()):
            if at == shard:
                self.subscriptions[key] = other, rest
                if other >= 0:
                    self.forward(other, key[0], rest, 0)
        for name, ask in list(self.state.asks.items()):
            if shard in ask.waiting:
                self.make_room()
                self.emit(PART, shard, name, b"", b"")
                self.conclude(name)

    # Sessions

    def take(self, following: int) -> None:
        """The client's messages before this number are received."""
        self.emit(TAKE, following)

    def begin_anew(self, day: int, next_in: int = 1) -> None:
        """The client's numbers begin anew."""
        self.emit(ANEW, day, next_in)

    def missed(self) -> list[tuple[bytes, bytes]]:
        """What the client may have missed when its connection was lost: FIX's own resend knows nothing of it once the
        numbers have begun anew."""
        found: list[tuple[bytes, bytes]] = []
        newest = 0
        state = self.state
        for number in range(state.next_out - 1, state.first - 1, -1) if not state.has_all else ():
            if state.place(number) == NOWHERE:
                continue
            _, _, _, _, at, kind, rest = self.event(state.place(number))
            newest = newest or at
            if at < newest - MISSED_MS:
                break
            if kind in MISSABLE:
                found.append((kind, rest if b"97=Y\x01" in rest else b"97=Y\x01" + rest))
        return found[::-1]

    def has_rolled(self, day: int) -> bool:
        """Whether every shard that is up has begun the trading day (YYYYMMDD), and so told all of the one before."""
        return all(self.state.shard(shard).day == day for shard, link in self.links.items() if link.is_up)

    def client_gone(self) -> None:
        """The client's session has ended: it subscribes anew when it is back, and its file may be made smaller."""
        self.to_client = None
        self.subscriptions.clear()
        self.held.clear()
        self.links.clear()
        self._full.clear()
        if self.record.end > COMPACT_BYTES and not self.state.asks:
            compact(self)

    def full(self, shard: int, is_full: bool) -> None:
        """A shard takes no more at the moment, or takes again: the client has to wait for all."""
        (self._full.add if is_full else self._full.discard)(shard)
        self.pause(bool(self._full))

    def close(self) -> None:
        """Let its file go."""
        self.record.close()
