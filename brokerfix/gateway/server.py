"""The gateway's process: listeners, connections and the broker's end of each, on one asyncio loop.

A connection is admitted by its source, may say whom it comes from (PROXY protocol), makes its TLS handshake and sends
one Logon, all within one deadline; only then is there a connection to the broker.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable
from typing import cast

from brokerfix.gateway import proxy
from brokerfix.gateway.auth import Authenticator, Logon, LogonRefused
from brokerfix.gateway.budgets import Bucket, Budgets
from brokerfix.gateway.connection import Connection
from brokerfix.gateway.sources import Address, Networks, Sources, source_of, to_address
from brokerfix.gateway.tls import load_certificates, server_context
from brokerfix.settings.addresses import address
from brokerfix.settings.sections import Budget, Config, ConfigError

log = logging.getLogger("brokerfix.gateway")
BACKLOG = 512
DRAIN_SECONDS = 3.0
RETRY_SECONDS = 0.2
KERNEL_BUFFER = 1 << 18
AWAKE_SECONDS = 300e-6
MOST_KINDS = 1000
WARNINGS = Budget(20, 100)
"""Lines a second about strangers, and at once."""


def family(host: str) -> socket.AddressFamily:
    """Of an address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class Gateway:
    """All connections of one gateway."""

    def __init__(self, config: Config) -> None:
        assert config.gateway is not None
        self.config, self.section = config, config.gateway
        self.sources = Sources(config)
        self.authenticator = Authenticator(config)
        self.sessions: dict[str, Connection] = {}
        self.budgets: dict[str, Budgets] = {}
        self.connections: set[Connection] = set()
        self.counts: Counter[str] = Counter()
        self.draining = self._awake = False
        self._awake_until = 0.0
        self.context = server_context(config) if config.gateway.tls else None
        self._balancers = Networks(config.gateway.load_balancers)
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[socket.socket] = []
        self.node = 0
        self._warned: dict[str, float] = {}
        self._warnings = Bucket(WARNINGS, time.monotonic())

    # Listening

    def listen(self) -> None:
        """Open the configured listeners. Raises ConfigError where one can't be had."""
        section = self.section
        if section.plain:
            self._open("gateway.plain", section.plain, self.config.broker.port, None)
            log.warning("listening without TLS on %s:%d, as gateway.plain says", section.plain, self.config.broker.port)
        if section.tls:
            host, port = address(section.tls)
            self._open("gateway.tls", host, port, self.context)
            log.info("listening with TLS on %s, client certificates: %s", section.tls, section.client_certificates)
        for name, client in self.config.clients.items():
            if not client.password_hash and not client.certificates:
                log.warning("client %s has neither password nor certificate: its CompID lets anybody in", name)

    def _open(self, key: str, host: str, port: int, context: ssl.SSLContext | None) -> None:
        try:
            listener = socket.create_server((host, port), family=family(host), backlog=BACKLOG)
        except OSError as error:
            raise ConfigError(f"{self.config.path}: {key}: can't listen on {host}:{port}: {error.strerror}") from error
        listener.setblocking(False)
        self._listeners.append(listener)
        self._spawn(self._accept(listener, context))

    def close_listeners(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        while self._listeners:
            self._listeners.pop().close()

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                caller, peer = await loop.sock_accept(listener)
            except OSError as error:
                # Out of descriptors, or the like: those who wait have to wait on.
                self.tell("accept", "a connection can't be accepted: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            caller.setblocking(False)
            now = time.monotonic()
            where = to_address(peer[0])
            self.counts["connections"] += 1
            balanced = where in self._balancers
            why = "" if balanced else self.sources.admit(where, now)
            if why or self.draining:
                self.counts["turned_away"] += 1
                self.tell(
                    f"admit {source_of(where)}", "a connection from %s is turned away: %s", where, why or "stopping"
                )
                caller.close()
                continue
            self._spawn(self._welcome(caller, where, balanced, context, now))

    async def _welcome(
        self, caller: socket.socket, where: Address, balanced: bool, context: ssl.SSLContext | None, now: float
    ) -> None:
        """Bring a connection to where it may send its Logon."""
        loop = asyncio.get_running_loop()
        deadline = now + self.section.logon_seconds
        admitted = not balanced
        connection: Connection | None = None
        try:
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            # What the kernel holds for a client that does not read is bounded too.
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                if balanced:
                    found = await _proxied(loop, caller)
                    if found is None:
                        caller.close()
                        return
                    where = found
                    why = self.sources.admit(where, now)
                    if why:
                        self.counts["turned_away"] += 1
                        self.tell(f"admit {source_of(where)}", "a connection from %s is turned away: %s", where, why)
                        caller.close()
                        return
                    admitted = True
                made = connection = Connection(self, where, deadline)
                await loop.connect_accepted_socket(
                    cast("Callable[[], asyncio.BaseProtocol]", lambda: made), caller, ssl=context
                )
        except (OSError, TimeoutError, ValueError) as error:
            if connection is not None and (connection in self.connections or connection.closed):
                # It was handed over in the same moment, and ends as others do.
                connection.cut("too slow in its handshake")
                return
            self.counts["failed_handshakes"] += 1
            why = "too slow" if isinstance(error, TimeoutError) else str(error)
            self.tell(f"handshake {source_of(where)}", "a connection from %s comes to nothing: %s", where, why)
            with contextlib.suppress(OSError):
                caller.close()
            if admitted:
                self.sources.gone(where, False, time.monotonic())

    def tell(self, key: str, text: str, *arguments: object) -> None:
        """Log a warning; of one kind at most one a second, and of all kinds some a second, so that no stranger can fill
        the log."""
        now = time.monotonic()
        if now - self._warned.get(key, 0.0) >= 1.0 and self._warnings.take(now):
            if len(self._warned) > MOST_KINDS:
                self._warned.clear()
            self._warned[key] = now
            log.warning(text, *arguments)

    def stay_awake(self) -> None:
        """Something went to the broker, and its answer comes soon: the loop does not go to sleep before. To be woken
        takes longer than all that is done with a message."""
        self._awake_until = time.monotonic() + AWAKE_SECONDS
        if not self._awake:
            self._awake = True
            asyncio.get_running_loop().call_soon(self._watch)

    def _watch(self) -> None:
        if time.monotonic() < self._awake_until:
            asyncio.get_running_loop().call_soon(self._watch)
        else:
            self._awake = False

    # What connections ask for

    async def check(self, connection: Connection, message: bytes) -> Logon:
        """Authenticate a Logon: a connection's first, or one with which the numbers of its session begin anew. Raises
        LogonRefused."""
        logon = Logon(message)
        again = self.sessions.get(connection.client) is connection
        if again:
            await self._wait_for_budget(logon.sender)
        else:
            connection.names_are(logon)
            # A session that is up is not concerned by what others of its source do: its first wrong Logon ends it.
            if self.sources.is_locked(connection.address, time.monotonic()):
                raise LogonRefused("its source is locked out after failed logons")
        source = source_of(connection.address)
        new = await self.authenticator.check(logon, source, connection.address, connection.fingerprint, again=again)
        if connection.closed:
            raise LogonRefused("the connection has closed meanwhile")
        up = self.sessions.get(logon.sender)
        if up is not None and up is not connection:
            raise LogonRefused(f"{logon.sender} is logged on already, from {up.address}")
        if self.draining:
            raise LogonRefused("the gateway stops")
        if not again and not self._logons(logon.sender).take(time.monotonic()):
            raise LogonRefused(f"too many Logons of {logon.sender}")
        if new:
            try:
                self.authenticator.change(logon.sender, new)
            except OSError as error:
                raise LogonRefused(f"the new password of {logon.sender} can't be kept: {error}") from error
        self.sessions[logon.sender] = connection
        return logon

    def _logons(self, client: str) -> Bucket:
        """The budget of a client's Logons."""
        if client not in self.budgets:
            self.budgets[client] = Budgets(self.config.budgets(client), time.monotonic())
        return self.budgets[client].logons

    async def _wait_for_budget(self, client: str) -> None:
        """Until one more Logon is within the client's budget: in a session that is up, it need not be refused."""
        logons = self._logons(client)
        while not logons.take(time.monotonic()):
            await asyncio.sleep(logons.wait())

    def refused(self, connection: Connection, error: LogonRefused) -> None:
        """A Logon was refused: it counts against its source if it was for its credentials."""
        self.counts["refused_logons"] += 1
        self.tell(
            f"refused {source_of(connection.address)}", "a Logon from %s is refused: %s", connection.address, error
        )
        if error.credentials:
            seconds = self.sources.failed(connection.address, time.monotonic())
            if seconds:
                log.warning("%s is locked out for %.0f s after failed logons", connection.address, seconds)

    def logged_on(self, connection: Connection, logon: Logon) -> None:
        self.authenticator.heard(logon)
        self.counts["logons"] += 1
        self.sources.settled(connection.address, time.monotonic())
        log.info("%s has logged on from %s%s", connection.client, connection.address, connection.certified)

    def begun_anew(self, connection: Connection, logon: Logon) -> None:
        """The broker has taken a Logon with which the numbers of a session that is up begin anew."""
        self.authenticator.heard(logon)
        self.counts["logons"] += 1
        log.info("%s has begun its sequence numbers anew", connection.client)

    def gone(self, connection: Connection, was_up: bool) -> None:
        self.connections.discard(connection)
        if self.sessions.get(connection.client) is connection:
            del self.sessions[connection.client]
        self.sources.gone(connection.address, was_up, time.monotonic())
        if was_up:
            log.info("%s is gone: %s", connection.client, connection.reason or "the client closed the connection")

    # Operation

    def reload(self) -> None:
        """Read the certificates again; sessions that are up go on."""
        if self.context is None:
            return
        try:
            load_certificates(self.context, self.config)
        except ConfigError as error:
            log.error("the certificates stay as they are: %s", error)
        else:
            log.info("the certificates are read again")

    async def drain(self) -> None:
        """Take nobody new, log everybody out, wait for them for a while, close."""
        self.draining = True
        self.close_listeners()
        for connection in list(self.connections):
            connection.log_out("the gateway stops")
        deadline = time.monotonic() + DRAIN_SECONDS
        while self.connections and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.cut("the gateway stops")


async def _proxied(loop: asyncio.AbstractEventLoop, caller: socket.socket) -> Address | None:
    """The address that a load balancer speaks for; None where it speaks for itself."""
    head = await _exactly(loop, caller, proxy.HEAD.size)
    return proxy.source(head, await _exactly(loop, caller, proxy.length(head)))


async def _exactly(loop: asyncio.AbstractEventLoop, caller: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = await loop.sock_recv(caller, size - len(data))
        if not part:
            raise ConnectionError("closed before the PROXY protocol header was whole")
        data += part
    return data
