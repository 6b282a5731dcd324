"""The client's FIX session, as it comes through the gateway: it has the numbers, and the messages that may be asked for
again. Session rules as QuickFIX has them, because the gateway counts on them."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, cast

from brokerfix.access.vouch import REFUSAL, REFUSED_BY, VOUCHER, is_vouched
from brokerfix.gateway.framing import Framer
from brokerfix.router.again import expire_asks, expire_held
from brokerfix.router.refusals import business_reject, reject
from brokerfix.router.state import LEFT, NOWHERE, TODAY
from brokerfix.router.text import Cut, cut, now_ms, seconds_of, text_of, value

if TYPE_CHECKING:
    from brokerfix.router.hub import Hub
    from brokerfix.router.server import Router

log = logging.getLogger("brokerfix.router")
MOST_BYTES = 1 << 24
CLOCK_SKEW = 120.0
"""Seconds by which a SendingTime may differ from our clock: QuickFIX's MaxLatency."""
LOGON_SECONDS = 5.0
GOODBYE_SECONDS = 1.0
ROLL_SECONDS = 30.0
"""After a day's end, how long shards may take until they have told all of it."""
REQUIRED_TAG_MISSING, INCORRECT_VALUE, WRONG_FORMAT, SENDING_TIME = 1, 5, 6, 10
"""SessionRejectReason(373)."""
FIXT = "FIXT.1.1"
REFUSED = REFUSAL.encode()


class Session(asyncio.Protocol):
    """One connection of a client. Its life: waiting for a Logon, waiting for shards, up, ending."""

    def __init__(self, router: "Router") -> None:
        self.router = router
        self.hub: Hub | None = None
        self.up = self.ending = False
        self.heartbeat_seconds = 30.0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._framer = Framer(MOST_BYTES)
        self._framer.forgives = True
        self._early: dict[int, Cut] = {}
        self._asked_to = 0
        self._begins = False
        self._roll_by = 0.0
        self._logging_on: asyncio.Task[None] | None = None
        self._heard_at = self._wrote_at = time.monotonic()
        self._tested = False

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop.call_later(LOGON_SECONDS, self._no_logon)

    def _no_logon(self) -> None:
        if self.hub is None:
            self.drop()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._logging_on is not None:
            self._logging_on.cancel()
        if self.hub is not None:
            self.router.client_gone(self)

    def data_received(self, data: bytes) -> None:
        self._heard_at = time.monotonic()
        self._tested = False
        self._framer.feed(data)
        self.take_in()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._wrote_at = time.monotonic()
            self._transport.write(data)

    def drop(self) -> None:
        """Close; what was written goes out before."""
        if self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        for link in self.hub.links.values() if self.hub is not None else ():
            link.pause(True)

    def resume_writing(self) -> None:
        for link in self.hub.links.values() if self.hub is not None else ():
            link.pause(False)

    def pause(self, paused: bool) -> None:
        """A shard does not keep up: the client has to wait."""
        if self._transport is not None:
            (self._transport.pause_reading if paused else self._transport.resume_reading)()

    def take_in(self) -> None:
        """Take what has come."""
        if self.hub is None:
            message = self._framer.next()
            if message is None:
                return
            self._first(cut(message), message)
        if self.hub is not None:
            with self.hub.guard:
                self._take_in(self.hub)

    def _take_in(self, hub: "Hub") -> None:
        while self._transport is not None and self._logging_on is None:
            message = self._framer.next()
            if message is None:
                break
            hub.make_room()
            self._message(hub, cut(message))
        hub.flush()

    # Logons

    def _first(self, message: Cut, raw: bytes) -> None:
        name = value(raw, 49).decode("ascii", "replace")
        if message.kind != b"A" or not self._is_vouched(raw, message):
            log.warning("a connection is closed: its first message is no Logon that the gateway vouches for (%s)", name)
            self.drop()
            return
        hub = self.router.open(name, self)
        if hub is None or raw[2 : raw.index(b"\x01")].decode() != hub.begin_string:
            self.drop()
            return
        self.hub = hub
        with hub.guard:
            self._log_on(hub, message)
            hub.flush()

    def _is_vouched(self, raw: bytes, message: Cut) -> bool:
        told = (value(raw, tag).decode("latin-1") for tag in (VOUCHER, 49, 56, 34, 52, 141))
        return is_vouched(self.router.secret(), *told)

    def _log_on(self, hub: "Hub", message: Cut) -> None:
        """A Logon that begins the session, or its numbers anew."""
        seconds = value(message.rest, 108)
        self.heartbeat_seconds = float(int(seconds)) if seconds.isdigit() and 0 < int(seconds) < 86_400 else 30.0
        day = self.router.day()
        self._begins = value(message.rest, 141) == b"Y" or bool(day and hub.state.day != day)
        expected = 1 if self._begins else hub.state.next_in
        if message.number < expected:
            self._too_low(hub, message.number)
        elif self.up:
            self._welcome(hub, message)
        else:
            settled = self.router.shards_settled(hub)
            self._logging_on = self._loop.create_task(self._when_shards_are(message, settled))

    async def _when_shards_are(self, message: Cut, settled: Awaitable[None]) -> None:
        """Answer the Logon once the shards are up, or can't be had now."""
        await settled
        self._logging_on = None
        hub = self.hub
        assert hub is not None
        with hub.guard:
            self._welcome(hub, message)
            hub.flush()
            self.up = True
        if not self.up:
            return
        log.info("%s has logged on", hub.name)
        for link in list(hub.links.values()):
            link.take_in()
        self.take_in()

    def _welcome(self, hub: "Hub", message: Cut) -> None:
        missed = []
        if self._begins:
            missed = hub.missed() if not self.up else []
            hub.begin_anew(self.router.today())
            self._early.clear()
            self._asked_to = 0
        elif not hub.state.day:
            hub.begin_anew(self.router.today(), hub.state.next_in)
        self._note_day(hub, self.router.today())
        hub.to_client, hub.pause = self.write, self.pause
        rest = b"98=0\x01108=%d\x01" % self.heartbeat_seconds
        rest += b"141=Y\x01" if value(message.rest, 141) == b"Y" else b""
        rest += b"1137=9\x01" if hub.begin_string == FIXT else b""
        hub.say(b"A", rest)
        if message.number == hub.state.next_in:
            hub.take(message.number + 1)
        else:
            self._wait_for_missing(hub, message._replace(kind=b"0"))
        for kind, told in missed:
            hub.tell(kind, told)

    def _too_low(self, hub: "Hub", number: int) -> None:
        text = f"MsgSeqNum too low, expecting {hub.state.next_in} but received {number}"
        self.log_out(hub, text)
        self.drop()

    # Messages

    def _message(self, hub: "Hub", message: Cut) -> None:
        kind, number, expected = message.kind, message.number, hub.state.next_in
        if self.ending:
            if kind == b"5" and number == expected:
                hub.take(number + 1)
                hub.emit(LEFT)
                self.drop()
        elif not number:
            self.log_out(hub, "a message whose MsgSeqNum(34) is no number in its header")
        elif kind == b"A" and value(message.rest, 141) == b"Y":
            self._log_on(hub, message)
        elif kind == b"2":
            # As for QuickFIX: whatever its number is.
            self._resend(hub, message)
            if number == expected:
                hub.take(number + 1)
            elif number > expected:
                self._wait_for_missing(hub, message._replace(kind=b"0"))
        elif kind == REFUSED and value(message.rest, REFUSED_BY) == b"5":
            self.log_out(hub, text_of(message.rest))
        elif kind == REFUSED and value(message.rest, 372) == b"4":
            self._refused(hub, message)
        elif kind == b"4" and b"123=Y\x01" not in message.rest:
            self._sequence_reset(hub, message)
        elif number == expected:
            self._expected(hub, message)
        elif number > expected:
            self._wait_for_missing(hub, message)
        elif not message.again:
            self._too_low(hub, number)

    def _expected(self, hub: "Hub", message: Cut) -> None:
        self._handle(hub, message)
        while self._early and not self.ending:
            following = self._early.pop(hub.state.next_in, None)
            if following is None:
                break
            hub.make_room()
            self._handle(hub, following)
        if self._early:
            for old in [number for number in self._early if number < hub.state.next_in]:
                del self._early[old]

    def _wait_for_missing(self, hub: "Hub", message: Cut) -> None:
        """Keep a message that came too early, and ask for what is missing, once."""
        self._early[message.number] = message
        if self._asked_to <= hub.state.next_in:
            self._asked_to = max(self._early)
            last = 999_999 if hub.begin_string < "FIX.4.2" else 0
            hub.say(b"2", b"7=%d\x0116=%d\x01" % (hub.state.next_in, last))

    def _handle(self, hub: "Hub", message: Cut) -> None:
        """The message with the number that is expected."""
        kind, rest = message.kind, message.rest
        if kind == b"4":
            self._sequence_reset(hub, message)
            return
        hub.take(message.number + 1)
        if self._is_late(hub, message):
            return
        if kind not in OWN:
            hub.from_client(message)
        elif kind == b"1":
            hub.say(b"0", b"112=%b\x01" % value(rest, 112))
        elif kind == b"5":
            self.log_out(hub, "")
            hub.emit(LEFT)
        elif kind == REFUSED:
            self._refused(hub, message)
        elif kind == b"3":
            log.warning("client %s rejected a message: %s", hub.name, text_of(rest))

    def _is_late(self, hub: "Hub", message: Cut) -> bool:
        """Whether a message has no SendingTime that can be; it is rejected then."""
        sent = seconds_of(message.sent)
        if sent is None:
            missing = not message.sent
            reason = REQUIRED_TAG_MISSING if missing else WRONG_FORMAT
            text = "Required tag missing" if missing else "Incorrect data format for value"
            hub.tell(*reject(hub.begin_string, message.number, message.kind, 52, reason, text))
            return True
        if abs(sent - time.time()) <= CLOCK_SKEW or message.kind in OWN:
            return False
        text = "SendingTime accuracy problem"
        hub.tell(*reject(hub.begin_string, message.number, message.kind, 52, SENDING_TIME, text))
        self.log_out(hub, text)
        return True

    def _sequence_reset(self, hub: "Hub", message: Cut) -> None:
        new = value(message.rest, 36)
        following = int(new) if new.isdigit() and len(new) <= 10 else 0
        expected = hub.state.next_in
        if following > expected:
            hub.take(following)
            self._early = {number: early for number, early in self._early.items() if number >= following}
            early = self._early.pop(following, None)
            if early is not None:
                self._expected(hub, early)
        elif following < expected:
            text = "Value is incorrect (out of range) for this tag"
            hub.tell(*reject(hub.begin_string, message.number, b"4", 36, INCORRECT_VALUE, text))

    def _refused(self, hub: "Hub", message: Cut) -> None:
        """The gateway has us answer a message."""
        rest = message.rest
        answer, _, reason = value(rest, REFUSED_BY).decode().partition(" ")
        kind, text = value(rest, 372), text_of(rest)
        route = b"".join(b"%d=%b\x01" % (theirs, found) for ours, theirs in ROUTE if (found := value(rest, ours)))
        if answer == "3":
            tag = value(rest, 371)
            told = reject(hub.begin_string, message.number, kind, int(tag or 0), int(reason), text)
        else:
            told = business_reject(kind, b"11=%b\x01" % value(rest, 379), message.number, int(reason), text)
        hub.tell(told[0], route + told[1])

    def _resend(self, hub: "Hub", message: Cut) -> None:
        """Send again what the client asks for, with gap fills over what is not sent again."""
        first, last = (
            int(found) if found.isdigit() else 0 for found in (value(message.rest, 7), value(message.rest, 16))
        )
        newest = hub.state.next_out - 1
        last = newest if last in (0, 999_999) or last > newest else last
        gap, number = 0, max(first, 1)
        while number <= last:
            place = hub.state.place(number)
            if place == NOWHERE:
                gap = gap or number
            else:
                if gap:
                    hub.raw(hub.names.message(b"4", gap, b"123=Y\x0136=%d\x01" % number, now_ms()))
                    gap = 0
                _, _, _, _, at, kind, rest = hub.event(place)
                hub.raw(hub.names.message(kind, number, rest, at))
            number += 1
        if gap:
            hub.raw(hub.names.message(b"4", gap, b"123=Y\x0136=%d\x01" % number, now_ms()))

    @staticmethod
    def _note_day(hub: "Hub", today: int) -> None:
        if hub.state.today != today:
            hub.emit(TODAY, today)

    # Ends

    def log_out(self, hub: "Hub", text: str) -> None:
        """Send a Logout; the connection is closed once the client has answered, or has not."""
        if self.ending:
            return
        self.ending = True
        hub.say(b"5", b"58=%b\x01" % text.encode("ascii", "replace") if text else b"")
        hub.to_client = self.write
        hub.flush()
        if text:
            self._loop.call_later(GOODBYE_SECONDS, self.drop)
        else:
            self.drop()

    def tick(self, now: float) -> None:
        """Called now and then (monotonic seconds): heartbeats, a client that is silent, a day that has ended."""
        hub = self.hub
        if hub is None or not self.up or self.ending:
            return
        day = self.router.day()
        self._note_day(hub, day or self.router.today())
        if not day or hub.state.day == day:
            self._roll_by = now + ROLL_SECONDS
        if day and hub.state.day != day and (hub.has_rolled(day) or now > self._roll_by):
            # Its numbers begin anew with its next Logon.
            self.log_out(hub, "the trading day has ended")
        elif now - self._heard_at > 2.4 * self.heartbeat_seconds:
            log.warning("%s says nothing any more", hub.name)
            self.drop()
        elif now - self._heard_at > 1.2 * self.heartbeat_seconds and not self._tested:
            self._tested = True
            hub.say(b"1", b"112=TEST\x01")
        elif now - self._wrote_at > self.heartbeat_seconds:
            hub.say(b"0", b"")
        expire_held(hub, now_ms())
        expire_asks(hub, now_ms())
        hub.flush()


OWN = frozenset((b"0", b"1", b"3", b"4", b"5", b"A", REFUSED))
"""Messages that no shard is brought."""
ROUTE = ((115, 128), (116, 129), (144, 145), (128, 115), (129, 116), (145, 144))
"""OnBehalfOf and DeliverTo, Comp, Sub and LocationID: a message's tag -> the one of its answer."""
