"""The FIX session with one shard, as its client: logged on while the client is. What is missing on either side is
asked for and sent again; numbers that a shard has begun anew begin anew here."""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from brokerfix.access.vouch import VOUCHER, voucher
from brokerfix.gateway.framing import Framer
from brokerfix.router.again import resend, shard_anew
from brokerfix.router.state import CAME
from brokerfix.router.text import Cut, Names, clean, cut, now_ms, text_of, timestamp, value

if TYPE_CHECKING:
    from brokerfix.router.hub import Hub

log = logging.getLogger("brokerfix.router")
HEARTBEAT_SECONDS = 10
"""A shard that hangs counts as down after 2.4 times that."""
LOGON_SECONDS = 10.0
RETRY_SECONDS = 0.2
LONGEST_RETRY = 2.0
NEXT_SECONDS = 0.02
"""Before another address of the same shard is tried."""
GOODBYE_SECONDS = 1.0
MOST_BYTES = 1 << 24
PATIENCE = 5
"""Logons that a shard refuses for our number, before the numbers begin anew."""
NEW_SECONDS = 5
"""How long messages wait for a shard that nothing was sent to before."""
TOO_LOW = re.compile(rb"MsgSeqNum too low")
FULL_SECONDS = 3.0
"""For so long a shard may take nothing of what it is sent, before it counts as down."""
FIXT = "FIXT.1.1"


class Link(asyncio.Protocol):
    """A session with one shard. `is_up`: it is logged on. `settled` is set once it is, or could not be reached."""

    def __init__(
        self, hub: "Hub", shard: int, addresses: list[tuple[str, int]], secret: Callable[[], bytes], broker: str,
        day: Callable[[], int],
    ) -> None:  # fmt: skip
        """`day` gives the trading day that numbers begin anew with, 0 where they never do."""
        self.hub, self.shard, self.addresses = hub, shard, addresses
        self.names = Names(hub.begin_string, hub.name, broker)
        self.broker = broker
        self.is_up = False
        self.settled = asyncio.Event()
        self._secret, self._day = secret, day
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._gone = asyncio.Event()
        self._framer = Framer(MOST_BYTES)
        self._early: dict[int, Cut] = {}
        self._asked_to = 0
        self._anew = self._closing = self._tries = self._not_yet = False
        self._refused = self._logon = 0
        self._sent_to = hub.state.shard(shard).next_out - 1
        self._told = self._why = ""
        self._failures = 0
        self._heard_at = self._wrote_at = time.monotonic()
        self._tested = False
        self._full_since, self._waits = 0.0, 0
        self._opened_at = time.monotonic()
        self._task = self._loop.create_task(self._stay())

    @property
    def is_new(self) -> int:
        """For how many seconds messages may wait although it is not up: it has just been opened."""
        is_new = not self.settled.is_set() and time.monotonic() - self._opened_at < NEW_SECONDS
        return NEW_SECONDS if is_new else 0

    def has_sent(self, number: int) -> bool:
        """Whether the message of this number may have come to the shard."""
        return number <= self._sent_to

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._sent_to = self.hub.state.shard(self.shard).next_out - 1
            self._wrote_at = time.monotonic()
            self._transport.write(data)

    # The connection

    async def _stay(self) -> None:
        """Stay logged on, at the address that can be had: the one that it was had at last, then the others."""
        while not self._closing:
            host, port = self.addresses[self._failures % len(self.addresses)]
            self._gone.clear()
            try:
                await asyncio.wait_for(self._loop.create_connection(lambda: self, host, port), LOGON_SECONDS)
                self._do(self._log_on)
                await self._gone.wait()
            except (OSError, TimeoutError) as error:
                self._lost(f"{host}:{port}: {getattr(error, 'strerror', None) or error or 'no connection in time'}")
            rounds, others = divmod(self._failures, len(self.addresses))
            if not self._closing:
                await asyncio.sleep(NEXT_SECONDS if others else min(RETRY_SECONDS * (1 + rounds), LONGEST_RETRY))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._framer = Framer(MOST_BYTES)
        self._early.clear()
        self._asked_to = 0
        self._tested = False
        self._heard_at = time.monotonic()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.resume_writing()
        why, self._why = self._why, ""
        self._lost(why or ("the shard closed the connection" if error is None else str(error)))
        self._gone.set()

    def pause_writing(self) -> None:
        self._full_since, self._waits = time.monotonic(), 0
        self.hub.full(self.shard, True)

    def resume_writing(self) -> None:
        self._full_since = 0.0
        self.hub.full(self.shard, False)

    def pause(self, paused: bool) -> None:
        """The client does not keep up: the shard has to wait."""
        if self._transport is not None:
            (self._transport.pause_reading if paused else self._transport.resume_reading)()

    def _lost(self, why: str) -> None:
        was_up, self.is_up = self.is_up, False
        if self._closing or (self._tries and self._not_yet):
            return
        if not was_up:
            self._failures += 1
        if self._told != why and (was_up or self._told in ("", "up")):
            log.warning("%s: shard %d is down: %s", self.hub.name, self.shard, why)
            self._told = why
        if was_up or (not self.settled.is_set() and self._failures >= len(self.addresses)):
            self._do(lambda: self.hub.shard_down(self.shard))
            self.settled.set()

    def drop(self) -> None:
        """Close the connection without a word."""
        transport, self._transport = self._transport, None
        if transport is not None:
            # What it has still brought is not taken.
            transport.abort()

    def close(self, text: str | None = None) -> None:
        """End the session: with a Logout, or without a text at once."""
        self._closing = True
        if self.is_up and text is not None:
            number = self.hub.use(self.shard)
            self.hub.send(self.shard, self.names.message(b"5", number, b"58=%b\x01" % clean(text)))
            self.hub.flush()
            self._loop.call_later(GOODBYE_SECONDS, self.drop)
        else:
            self.drop()
        self.is_up = False
        self._task.cancel()

    def _log_on(self) -> None:
        hub, shard = self.hub, self.hub.state.shard(self.shard)
        day = self._day()
        # A shard begins its numbers anew a moment after its day has begun, when it has told all: we try whether it has.
        self._tries = bool(day and shard.day and shard.day != day) and not (self._not_yet or self._anew)
        if self._tries:
            number = 1
        elif self._anew:
            number = shard_anew(hub, self.shard, day)
            self._sent_to = 0
        else:
            number = hub.use(self.shard)
        self._logon = number
        sent, reset = timestamp(now_ms()).decode(), "Y" if self._anew else ""
        signed = voucher(self._secret(), hub.name, self.broker, str(number), sent, reset)
        rest = b"98=0\x01108=%d\x01" % HEARTBEAT_SECONDS
        rest += b"141=Y\x01" if reset else b""
        rest += b"1137=9\x01" if hub.begin_string == FIXT else b""
        # The voucher is of this very SendingTime.
        message = self.names.message(b"A", number, rest + b"%d=%b\x01" % (VOUCHER, signed.encode()), sent=sent.encode())
        hub.flush()
        assert self._transport is not None
        self._transport.write(message)
        self._loop.call_later(LOGON_SECONDS, self._no_logon, self._transport)

    def _no_logon(self, transport: asyncio.Transport) -> None:
        if self._transport is transport and not self.is_up:
            self.drop()

    # Messages

    def data_received(self, data: bytes) -> None:
        self._framer.feed(data)
        self._heard_at = time.monotonic()
        self._tested = False
        self.take_in()

    def take_in(self) -> None:
        """Take what has come, unless the client's Logon has not been answered: that goes before."""
        self._do(self._take_in)

    def _do(self, work: Callable[[], None]) -> None:
        with self.hub.guard:
            work()
            self.hub.flush()

    def _take_in(self) -> None:
        framer, hub = self._framer, self.hub
        while self._transport is not None and not self._closing and (hub.to_client is not None or not self.is_up):
            message = framer.next()
            if message is None:
                break
            hub.make_room()
            self._message(cut(message))
        if framer.fault is not None:
            log.error("%s: shard %d: %s", hub.name, self.shard, framer.fault)
            self.drop()

    def _message(self, message: Cut) -> None:
        kind, number = message.kind, message.number
        if not self.is_up:
            self._logged_on(message)
            return
        expected = self.hub.state.shard(self.shard).next_in
        if kind == b"4" and b"123=Y\x01" not in message.rest:
            self._came(int(value(message.rest, 36) or expected))
        elif kind == b"2" and number >= expected:
            # Both sides may ask: what is asked of us does not wait.
            self._resend(message)
            if number == expected:
                self._came(number + 1)
            else:
                self._early[number] = message._replace(kind=b"0", rest=b"")
                self._ask()
        elif number > expected:
            self._early[number] = message
            self._ask()
        elif number == expected:
            self._expected(message)
        elif not message.again:
            self._begin_anew(f"its MsgSeqNum is {number}, and {expected} was expected")

    def _expected(self, message: Cut) -> None:
        self._handle(message)
        while self._early and self._transport is not None:
            following = self._early.pop(self.hub.state.shard(self.shard).next_in, None)
            if following is None:
                break
            self.hub.make_room()
            self._handle(following)
        for old in [number for number in self._early if number < self.hub.state.shard(self.shard).next_in]:
            del self._early[old]

    def _handle(self, message: Cut) -> None:
        """The message with the number that is expected."""
        kind, rest = message.kind, message.rest
        if kind not in OWN:
            self.hub.from_shard(self.shard, message)
            return
        self._came(int(value(rest, 36)) if kind == b"4" else message.number + 1)
        if kind == b"1":
            number = self.hub.use(self.shard)
            self.hub.send(self.shard, self.names.message(b"0", number, b"112=%b\x01" % value(rest, 112)))
        elif kind == b"5":
            log.info("%s: shard %d logs out: %s", self.hub.name, self.shard, text_of(rest))
            self.hub.flush()
            self.drop()

    def _came(self, following: int) -> None:
        self.hub.emit(CAME, self.shard, following)

    def _ask(self) -> None:
        """Ask for what is missing, once."""
        expected = self.hub.state.shard(self.shard).next_in
        if self._asked_to <= expected:
            self._asked_to = max(self._early)
            number = self.hub.use(self.shard)
            self.hub.send(self.shard, self.names.message(b"2", number, b"7=%d\x0116=0\x01" % expected))

    def _resend(self, message: Cut) -> None:
        first, last = int(value(message.rest, 7) or 1), int(value(message.rest, 16) or 0)
        resend(self.hub, self.shard, first, last)

    def _logged_on(self, message: Cut) -> None:
        """The shard's answer to our Logon."""
        kind, number = message.kind, message.number
        text = value(message.rest, 58)
        if self._tries and kind != b"A":
            self._not_yet = True
            self.drop()
            return
        if kind != b"A":
            if kind == b"5" and TOO_LOW.search(text):
                self._refused += 1
                if self._refused >= PATIENCE:
                    self._anew = True
            self._why = f"it refuses the Logon: {text_of(message.rest)}"
            self.drop()
            return
        if self._tries:
            self.is_up = True
            shard_anew(self.hub, self.shard, self._day())
            self._sent_to = 0
        expected = self.hub.state.shard(self.shard).next_in
        if self._anew and value(message.rest, 141) != b"Y" and number != 1:
            self.drop()
            return
        if number < expected:
            self._begin_anew(f"its MsgSeqNum is {number}, and {expected} was expected")
            return
        behind_logon = self._logon + 1
        if not self._tries and self.hub.state.shard(self.shard).next_out > behind_logon:
            # It came while the Logon was under way: the shard sees no gap that it could ask for.
            resend(self.hub, self.shard, behind_logon, 0)
        self._anew = self._tries = self._not_yet = False
        self._refused = 0
        self._failures %= len(self.addresses)
        self.is_up = True
        if self._told not in ("", "up"):
            log.info("%s: shard %d is up again", self.hub.name, self.shard)
        self._told = "up"
        if number > expected:
            self._early[number] = message._replace(kind=b"0", rest=b"")
            self._ask()
        else:
            self._came(number + 1)
        self.hub.shard_up(self.shard)
        self.settled.set()

    def _begin_anew(self, why: str) -> None:
        """The shard has begun its numbers anew, so we do too: a Logon with ResetSeqNumFlag=Y is next."""
        log.warning("%s: the sequence numbers with shard %d begin anew: %s", self.hub.name, self.shard, why)
        self._anew = True
        self.drop()

    def tick(self, now: float) -> None:
        """Called now and then (monotonic seconds): heartbeats, and a shard that is silent."""
        if not self.is_up:
            return
        if self._takes_nothing(now):
            # The client waits, and with it what it has for other shards.
            self._why = f"it has taken nothing of what it is sent for {FULL_SECONDS:g} s"
            self.drop()
        elif now - self._heard_at > 2.4 * HEARTBEAT_SECONDS:
            log.warning("%s: shard %d says nothing any more", self.hub.name, self.shard)
            self.drop()
        elif now - self._heard_at > 1.2 * HEARTBEAT_SECONDS and not self._tested:
            self._tested = True
            self.hub.send(self.shard, self.names.message(b"1", self.hub.use(self.shard), b"112=TEST\x01"))
        elif now - self._wrote_at > HEARTBEAT_SECONDS:
            self.hub.send(self.shard, self.names.message(b"0", self.hub.use(self.shard), b""))

    def _takes_nothing(self, now: float) -> bool:
        """Whether what waits to be sent has not become less for too long."""
        if not self._full_since or self._transport is None:
            return False
        waits = self._transport.get_write_buffer_size()
        if waits < self._waits:
            self._full_since = now
        self._waits = waits
        return now - self._full_since > FULL_SECONDS


OWN = frozenset((b"0", b"1", b"2", b"4", b"5", b"A"))
"""The messages of sessions themselves, but Reject(3)."""
