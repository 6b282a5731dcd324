"""One client's connection and its other end at the broker. Bytes come in turns of a few messages, so that connections
take their share one after the other."""

import asyncio
import time
from typing import TYPE_CHECKING, cast

from brokerfix.access.vouch import read_secret, socket_path, voucher
from brokerfix.gateway.auth import Logon, LogonRefused
from brokerfix.gateway.brokerend import BrokerEnd
from brokerfix.gateway.framing import Framer
from brokerfix.gateway.messages import Names, vouched_logon
from brokerfix.gateway.relay import Relay
from brokerfix.gateway.sources import Address, source_of
from brokerfix.gateway.tls import fingerprint
from brokerfix.settings.addresses import addresses
from brokerfix.settings.sections import ConfigError

if TYPE_CHECKING:
    from brokerfix.gateway.server import Gateway

TURN = 16
"""Messages of one connection before the others have theirs."""
FIRST_MESSAGE = 4096
GOODBYE_SECONDS = 2.0
CHECK_SECONDS = 10.0
BROKER_SECONDS = 10.0
"""How long the broker may take to answer a Logon: it may be replaying its journal."""
NODE_SECONDS = 1.0
"""How long one of several nodes may take to be connected to."""
PENALTY_SECONDS = 0.01
REFUSED = "Logon refused"
"""All that a client learns of a Logon that is refused in a session that is up."""
AFTER_END = 1 << 16
"""Bytes that a client may still send while its session ends: the end of what was under way, and its Logout."""


class Connection(asyncio.Protocol):
    """The client's end. Its life: waiting for a Logon, checking it, waiting for the broker, up, ending."""

    def __init__(self, gateway: "Gateway", where: Address, deadline: float) -> None:
        self.gateway, self.address = gateway, where
        self.client = self.reason = self.fingerprint = ""
        self.since = time.time()
        self.messages_in = self.messages_out = self.bytes_in = self.bytes_out = 0
        self.relay: Relay | None = None
        self.up = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._broker: BrokerEnd | None = None
        self._framer = Framer(FIRST_MESSAGE)
        self._names: Names | None = None
        self._logon: Logon | None = None
        self._logon_by = deadline
        self._deadline: asyncio.TimerHandle | None = None
        self._work: asyncio.Task[None] | None = None
        self._turn: asyncio.Handle | None = None
        self._replay: asyncio.TimerHandle | None = None
        self._begun = self._reading = self._closed = False
        # The session is up, and a Logon with which its numbers begin anew is checked, or waits for the broker's answer.
        self._again = False
        self._after_end = 0
        self._most_unread = gateway.section.max_unread_bytes

    # The client's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no asyncio.Transport by class.
        self._transport = transport = cast(asyncio.Transport, transport)
        self.gateway.connections.add(self)
        # Only what is unread beyond this counts; nothing is ever held back for it.
        transport.set_write_buffer_limits(self._most_unread)
        secured = transport.get_extra_info("ssl_object")
        if secured is not None:
            self.fingerprint = fingerprint(secured.getpeercert(binary_form=True))
        self._reading = True
        self._cut_after(self._logon_by - time.monotonic(), "no Logon within the time for it")

    def _cut_after(self, seconds: float, reason: str) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(seconds, self.cut, reason)

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def certified(self) -> str:
        return f" with the certificate {self.fingerprint}" if self.fingerprint else ""

    @property
    def unread(self) -> int:
        """Bytes for the client that are not sent yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def data_received(self, data: bytes) -> None:
        if self._closed:
            return
        self.bytes_in += len(data)
        self._framer.feed(data)
        if self.relay is None:
            self._await_logon()
        elif self.relay.ending and self._ignored(len(data)):
            self.cut(self.reason, gently=True)
        elif self._turn is None:
            self._take_turn()

    def _ignored(self, size: int) -> bool:
        """Note what came after the session's end was said. Returns whether it is more than an answer to that."""
        self._after_end += size
        return self._after_end > AFTER_END

    def _await_logon(self) -> None:
        if self._begun:
            # What comes behind a Logon waits for its answer, up to what a Logon may be long.
            if self._framer.waiting > FIRST_MESSAGE:
                self._pause()
            return
        message = self._framer.next()
        if self._framer.fault is not None or (message is None and self._framer.waiting > FIRST_MESSAGE):
            self.gateway.counts["not_fix"] += 1
            self.cut(str(self._framer.fault or "the first message is longer than a Logon may be"))
        elif message is not None:
            self._begun = True
            self._cut_after(CHECK_SECONDS, "the Logon could not be checked in time")
            self._work = self._loop.create_task(self._log_on(message))

    def names_are(self, logon: Logon) -> None:
        self._names = Names(logon.begin_string, logon.sender, logon.target)

    async def _log_on(self, message: bytes) -> None:
        try:
            logon = await self.gateway.check(self, message)
        except LogonRefused as error:
            self.gateway.refused(self, error)
            if self._names is not None and error.told:
                self._write(self._names.goodbye(error.told))
            self.cut(str(error), gently=True)
            return
        self.client, self._logon = logon.sender, logon
        try:
            await self._meet_broker(logon)
        except (OSError, ConfigError) as error:
            self.gateway.tell("broker", "the broker can't be reached: %s", error)
            self.cut("the broker can't be reached", gently=True)

    async def _meet_broker(self, logon: Logon) -> None:
        """Connect to the broker and bring it the Logon, vouched for."""
        self._cut_after(BROKER_SECONDS, "the broker does not answer")
        config = self.gateway.config
        section = config.clients[logon.sender]
        vouched = self._vouched(logon)
        end = BrokerEnd(self)
        assert config.gateway is not None
        if config.gateway.upstream:
            await self._reach(end, section.port)
        else:
            path = socket_path(config, logon.sender if section.port else "")
            await self._loop.create_unix_connection(lambda: end, str(path))
        if self._closed:
            end.close()
            return
        self._broker = end
        assert self._names is not None
        self.relay = Relay(self._names, self.gateway.budgets[logon.sender], logon.seq_num)
        self._framer.most = config.gateway.max_message_bytes
        self._framer.forgives = True
        end.write(vouched)

    async def _reach(self, end: BrokerEnd, own_port: int) -> None:
        """Connect to the broker: to the node that answered last or, where that does not, to the next. Raises OSError
        where none does."""
        assert self.gateway.section.upstream
        nodes = addresses(self.gateway.section.upstream)
        for turn in range(len(nodes)):
            host, port = nodes[self.gateway.node % len(nodes)]
            try:
                async with asyncio.timeout(NODE_SECONDS):
                    await self._loop.create_connection(lambda: end, host, own_port or port)
                return
            except (OSError, TimeoutError):
                self.gateway.node += 1
                if turn + 1 == len(nodes):
                    raise

    def _vouched(self, logon: Logon) -> bytes:
        """What the broker gets of a Logon. Raises ConfigError where we have not the secret that vouches for it."""
        secret = read_secret(self.gateway.config)
        signed = voucher(secret, logon.sender, logon.target, logon.tags[34], logon.time, logon.reset)
        return vouched_logon(logon.begin_string, logon.pairs, signed)

    async def _begin_anew(self, message: bytes) -> None:
        """A Logon with ResetSeqNumFlag=Y in a session that is up: nothing of its client passes until the broker has
        answered it, or the session has ended for it."""
        relay = self.relay
        assert relay is not None
        try:
            logon = await self.gateway.check(self, message)
            vouched = self._vouched(logon)
        except LogonRefused as error:
            self.gateway.refused(self, error)
            self._again = False
            self.log_out(error.told or REFUSED)
            self._take_turn()
            return
        except ConfigError as error:
            self.gateway.tell("broker", "the broker can't be reached: %s", error)
            self.cut("the broker can't be reached", gently=True)
            return
        if self._broker is None or relay.ending:
            return
        self._logon = logon
        self._cut_after(BROKER_SECONDS, "the broker does not answer")
        self._broker.write(relay.begin_anew() + vouched)

    def _answered(self) -> None:
        """The broker has answered a Logon with one: the session is up, or its numbers have begun anew."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        assert self._logon is not None
        if self.up:
            self._again = False
            self.gateway.begun_anew(self, self._logon)
        else:
            self.up = True
            self.gateway.logged_on(self, self._logon)
        self._resume()
        if self._framer.waiting:
            self._take_turn()

    def _take_turn(self) -> None:
        """Pass on a few messages; if there are more, when it is our turn again."""
        self._turn = None
        relay, broker = self.relay, self._broker
        if self._closed or relay is None or broker is None:
            return
        now = time.monotonic()
        framer = self._framer
        if not self.up or self._again:
            # What comes behind a Logon waits for the broker's answer, up to what a Logon may be long.
            if framer.waiting > FIRST_MESSAGE:
                self._pause()
            return
        out = []
        refused = relay.refused
        for _ in range(TURN):
            garbled = framer.garbled
            message = framer.next()
            if framer.garbled > garbled:
                out.append(self._garbled(framer.garbled - garbled, now))
            if message is None:
                break
            self.messages_in += 1
            passed = relay.message(message, now)
            if passed:
                out.append(passed)
            if relay.logon:
                self._check_again(relay.take_logon())
                break
            if relay.refused != refused:
                # A refusal is work for the broker that nobody has a budget for: who causes it waits a little.
                self._pause()
                self._turn = self._loop.call_later(PENALTY_SECONDS, self._take_turn)
                break
        else:
            self._pause()
            self._turn = self._loop.call_soon(self._take_turn)
        if framer.fault is not None and not relay.ending:
            self.gateway.counts["garbled"] += 1
            out.append(relay.end(str(framer.fault)))
        if out:
            broker.write(out[0] if len(out) == 1 else b"".join(out))
            self.gateway.stay_awake()
        if relay.ending:
            self._end()
        elif relay.replaying:
            self._continue_replay()
        if self._turn is None and (not broker.full or relay.ending):
            # What comes while the session ends is thrown away, but its end must be seen.
            self._resume()

    def _garbled(self, count: int, now: float) -> bytes:
        """Garbled messages are left out, as FIX has it: what the broker gets of that."""
        assert self.relay is not None
        self.gateway.counts["garbled"] += count
        return b"".join(self.relay.garbled(now) for _ in range(count))

    def _check_again(self, message: bytes) -> None:
        self._again = True
        self._cut_after(CHECK_SECONDS, "the Logon could not be checked in time")
        self._work = self._loop.create_task(self._begin_anew(message))

    def _end(self) -> None:
        """The broker has been asked for a Logout: it and the client have a moment for it."""
        if not self.reason:
            relay = self.relay
            assert relay is not None
            self.gateway.counts["ended"] += 1
            self.reason = f"logged out: {relay.ending}"
            self._cut_after(GOODBYE_SECONDS, self.reason)

    def log_out(self, text: str) -> None:
        """End the session in good order."""
        if self.relay is None or self._broker is None or not self.up or self._again:
            # It has not begun, or its numbers are just beginning anew: there is none that a Logout could have.
            self.cut(text)
        elif not self.relay.ending:
            self._broker.write(self.relay.end(text))
            self._end()

    def _pause(self) -> None:
        if self._reading and self._transport is not None:
            self._transport.pause_reading()
            self._reading = False

    def _resume(self) -> None:
        if not self._reading and not self._closed and self._transport is not None:
            self._transport.resume_reading()
            self._reading = True

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._closed:
            self._transport.write(data)

    def eof_received(self) -> bool | None:
        return None

    def connection_lost(self, error: Exception | None) -> None:
        self._close()

    def cut(self, reason: str, gently: bool = False) -> None:
        """Close both ends at once; `gently`: what was written goes out before."""
        if self._closed:
            return
        self.reason = self.reason or reason
        if not self.up:
            self.gateway.tell(f"cut {source_of(self.address)}", "a connection from %s is cut: %s", self.address, reason)
        if self._transport is not None:
            if gently:
                self._transport.close()
                self._loop.call_later(GOODBYE_SECONDS, self._transport.abort)
            else:
                self._transport.abort()
        self._close()

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for handle in (self._deadline, self._turn, self._replay):
            if handle is not None:
                handle.cancel()
        if self._work is not None and self._work is not asyncio.current_task(self._loop):
            self._work.cancel()
        if self._broker is not None:
            self._broker.close()
        self.gateway.gone(self, self.up)

    # The broker's side

    def from_broker(self, data: bytes) -> None:
        relay, transport = self.relay, self._transport
        if self._closed or relay is None or transport is None:
            return
        self.bytes_out += len(data)
        transport.write(data)
        types = relay.outgoing(data)
        self.messages_out += len(types)
        if (not self.up and types and types[0] == b"A") or (self._again and b"A" in types):
            self._answered()
        if transport.get_write_buffer_size() > self._most_unread:
            self.gateway.counts["slow_readers"] += 1
            self.reason = f"does not read: {transport.get_write_buffer_size()} bytes wait for it"
            self.cut(self.reason)
        elif relay.replaying:
            self._continue_replay()

    def _continue_replay(self) -> None:
        if self._replay is not None:
            self._replay.cancel()
            self._replay = None
        relay, broker = self.relay, self._broker
        if self._closed or relay is None or broker is None:
            return
        now = time.monotonic()
        following = relay.replay(now)
        if following:
            broker.write(following)
        due = relay.replay_due(now)
        if due is not None:
            self._replay = self._loop.call_later(due, self._continue_replay)

    def broker_gone(self) -> None:
        """The broker has closed: after its Logout, or because it is gone."""
        if not self._closed:
            self.reason = self.reason or "the broker closed the session"
            self.cut(self.reason, gently=True)

    def broker_full(self, full: bool) -> None:
        """The broker does not keep up with this client: it has to wait, and nobody else."""
        if full and (self.relay is None or not self.relay.ending):
            self._pause()
        elif self._turn is None:
            self._take_turn()
