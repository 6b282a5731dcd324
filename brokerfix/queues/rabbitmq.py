"""Connections to RabbitMQ: AMQP for queues, and the stream protocol for streams."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from struct import Struct
from struct import error as StructError
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import ProbableAuthenticationError
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from rstream.client import Client
from rstream.exceptions import AccessRefused, AuthenticationFailure, SASLAuthenticationFailureLoopback

from brokerfix.queues.away import FIRST_CONNECT_SECONDS, UNREADABLE, ServerAway, told
from brokerfix.settings.base import ConfigError
from brokerfix.settings.servers import ServersSection, password_of, tls_of

log = logging.getLogger("brokerfix.queues")
for library in ("aio_pika", "aiormq", "rstream"):
    # What is wrong is told once, by us.
    logging.getLogger(library).setLevel(logging.CRITICAL)
AMQP, STREAM = ("amqp", "amqps"), ("rabbitmq-stream", "rabbitmq-stream+tls")
PORTS = {"amqp": 5672, "amqps": 5671, "rabbitmq-stream": 5552, "rabbitmq-stream+tls": 5551}
GUEST = "guest"
"""Who RabbitMQ lets in from loopback, with this as the password too, unless it is told otherwise."""
FRAME_MAX = 1 << 20
HEARTBEAT = 10
CLOSE_SECONDS = 2.0
REFUSED = (ProbableAuthenticationError, AuthenticationFailure, SASLAuthenticationFailureLoopback, AccessRefused)


def _unmarshal(header: ContentHeader, data: bytes) -> None:
    """As the library does; but there, what it can't decode (a timestamp in nanoseconds, text that is no UTF-8) ends the
    connection, and the server hands the same message to the next one, for ever."""
    try:
        _LIBRARY_UNMARSHAL(header, data)
    except UNDECODED as error:
        header.class_id, header.weight, header.body_size = CONTENT_HEADER.unpack_from(data)
        header.properties = Basic.Properties(headers={UNREADABLE: str(error) or type(error).__name__})


UNDECODED = (ValueError, ArithmeticError, LookupError, TypeError, OSError, StructError)
CONTENT_HEADER = Struct(">HHQ")
_LIBRARY_UNMARSHAL = ContentHeader.unmarshal
ContentHeader.unmarshal = _unmarshal  # type: ignore[method-assign, assignment]


class Address(NamedTuple):
    """A server of a section, as its URL says."""

    scheme: str
    host: str
    port: int
    vhost: str

    @property
    def is_tls(self) -> bool:
        return self.scheme in ("amqps", "rabbitmq-stream+tls")


def addresses(path: Path, key: str, section: ServersSection) -> list[Address]:
    """The servers that a section names as `amqp://HOST:PORT/VHOST`, `amqps:`, `rabbitmq-stream:` or
    `rabbitmq-stream+tls:`. Raises ConfigError."""
    found = []
    for server in section.servers:
        url = urlsplit(server if "://" in server else f"amqp://{server}")
        try:
            port = url.port or PORTS[url.scheme]
        except (KeyError, ValueError) as error:
            ways = ", ".join(f"{scheme}://HOST:{port}" for scheme, port in PORTS.items())
            raise ConfigError(f"{path}: {key}.servers: {server} is no server of RabbitMQ: write {ways}") from error
        found.append(Address(url.scheme, url.hostname or "localhost", port, unquote(url.path[1:]) or "/"))
    return found


def stream_addresses(path: Path, key: str, section: ServersSection) -> list[Address]:
    """Where the stream protocol is spoken: the servers that say so or, where none does, all at its own port. Raises
    ConfigError."""
    named = addresses(path, key, section)
    streams = [one for one in named if one.scheme in STREAM]
    if streams:
        return streams
    schemes = [STREAM[one.is_tls] for one in named]
    return [Address(scheme, one.host, PORTS[scheme], one.vhost) for one, scheme in zip(named, schemes, strict=True)]


async def connect(path: Path, key: str, section: ServersSection, name: str) -> AbstractConnection:
    """An AMQP connection to the first server of the section `key` of the configuration `path` that takes it. `name` is
    what the server shows of it. It does not connect anew by itself: its `close_callbacks` and the errors of its
    channels tell that it is over. Raises ServerAway, and ConfigError for what is configured and can't be used."""
    password, context = password_of(path, key, section), tls_of(path, key, section)
    servers = [one for one in addresses(path, key, section) if one.scheme in AMQP]
    if not servers:
        raise ConfigError(f"{path}: {key}.servers: none is for queues: add amqp://HOST:{PORTS['amqp']}")
    last: Exception = ConnectionError()
    for server in servers:
        try:
            return await aio_pika.connect(
                host=server.host,
                port=server.port,
                login=section.user or GUEST,
                password=password or (GUEST if not section.user else ""),
                virtualhost=server.vhost,
                ssl=server.is_tls,
                ssl_context=context if server.is_tls else None,
                timeout=FIRST_CONNECT_SECONDS,
                client_properties={"connection_name": name},
                heartbeat=HEARTBEAT,
            )
        except (OSError, TimeoutError, aio_pika.exceptions.AMQPError) as error:
            log.debug("%s: %s:%d: %s", key, server.host, server.port, error)
            last = error
    raise ServerAway(told(path, key, section, last, isinstance(last, REFUSED))) from last


async def connect_streams(
    path: Path, key: str, section: ServersSection, name: str, closed: Callable[[], None], server: Address | None = None
) -> Client:
    """As `connect`, a client of the stream protocol: of the first server that takes it, or of this one. `closed` is
    called when its connection is over; the client has to be closed nevertheless."""
    servers = [server] if server is not None else stream_addresses(path, key, section)
    last: Exception = ConnectionError()
    for one in servers:
        try:
            return await asyncio.wait_for(_stream_client(path, key, section, name, closed, one), FIRST_CONNECT_SECONDS)
        except ConfigError:
            raise
        except Exception as error:
            # The library tells a refused handshake as whatever it was reading then.
            if not isinstance(error, Exception):
                raise
            log.debug("%s: %s:%d: %s", key, one.host, one.port, error)
            last = error
    raise ServerAway(told(path, key, section, last, isinstance(last, REFUSED))) from last


async def _stream_client(
    path: Path, key: str, section: ServersSection, name: str, closed: Callable[[], None], server: Address
) -> Client:
    def on_closed(info: Any) -> None:
        closed()

    client = Client(
        server.host,
        server.port,
        ssl_context=tls_of(path, key, section) if server.is_tls else None,
        frame_max=FRAME_MAX,
        heartbeat=HEARTBEAT,
        connection_name=name,
        connection_closed_handler=on_closed,
    )
    # Without a stream of its own it would not tell of its end.
    client.add_stream(name)
    try:
        await client.start()
        password = password_of(path, key, section) or (GUEST if not section.user else "")
        await client.authenticate(server.vhost, section.user or GUEST, password)
    except BaseException:
        await close_streams(client)
        raise
    return client


async def close_streams(client: Client) -> None:
    """Close a client of the stream protocol. Never raises."""
    connection = client._conn
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.close(), CLOSE_SECONDS)
    # Of a connection that is broken, it leaves the socket open.
    if connection is not None:
        with contextlib.suppress(Exception):
            await connection.close()


async def leader_of(
    path: Path, key: str, section: ServersSection, name: str, closed: Callable[[], None], client: Client, stream: str
) -> Client:
    """The client itself where its server leads the stream, else one of the server that does; the first is closed then.
    Raises as `connect_streams`, and rstream's errors."""
    leader, _ = await client.query_leader_and_replicas(stream)
    if leader.port == client.port and _same_host(leader.host, client.host):
        return client
    scheme = stream_addresses(path, key, section)[0]
    there = Address(scheme.scheme, leader.host, leader.port, scheme.vhost)
    led = await connect_streams(path, key, section, name, closed, there)
    await close_streams(client)
    return led


def _same_host(one: str, other: str) -> bool:
    def known(host: str) -> set[str]:
        try:
            return {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
        except OSError:
            return {host}

    return one == other or bool(known(one) & known(other)) or other in ("localhost", "127.0.0.1", "::1")
