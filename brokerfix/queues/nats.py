"""A connection to NATS servers."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from nats.aio.client import Client
from nats.errors import AuthorizationError

from brokerfix.queues.away import FIRST_CONNECT_SECONDS
from brokerfix.queues.away import ServerAway as ServerAway
from brokerfix.queues.away import told as told_away
from brokerfix.settings.servers import ServersSection, password_of, tls_of

log = logging.getLogger("brokerfix.queues")
RECONNECT_SECONDS = 0.1
CONNECT_SECONDS = 2
CLOSE_SECONDS = 1.0


async def connect(
    path: Path, key: str, section: ServersSection, name: str,
    disconnected: Callable[[], Awaitable[None]] | None = None,
    reconnected: Callable[[], Awaitable[None]] | None = None,
    seconds: float = CONNECT_SECONDS,
) -> Client:  # fmt: skip
    """A client of the servers that the section `key` of the configuration `path` names; once connected it connects anew
    by itself for ever. `name` is what the servers show of it; each has so many `seconds` to answer. Raises ServerAway,
    and ConfigError for what is configured and can't be used."""
    last: list[Exception] = []

    async def failed(error: Exception) -> None:
        # A server that does not let us in closes the connection behind it: that says less.
        if not any(is_refusal(before) for before in last):
            last[:] = [error]
        log.debug("%s: %s: %s", key, ", ".join(section.servers), error)

    client = Client()
    password = password_of(path, key, section)
    connecting = asyncio.ensure_future(
        client.connect(
            list(section.servers),
            name=name,
            user=section.user or None,
            password=password or None,
            tls=tls_of(path, key, section),
            error_cb=failed,
            disconnected_cb=disconnected,
            reconnected_cb=reconnected,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_SECONDS,  # type: ignore[arg-type]
            connect_timeout=seconds,  # type: ignore[arg-type]
        )
    )
    await asyncio.wait({connecting}, timeout=FIRST_CONNECT_SECONDS)
    if connecting.done() and connecting.exception() is None:
        return client
    failed_by = connecting.exception() if connecting.done() else TimeoutError("no server answers in time")
    await _give_up(client, connecting)
    assert isinstance(failed_by, Exception)
    raise ServerAway(told(path, key, section, last[0] if last else failed_by)) from failed_by


async def _give_up(client: Client, connecting: "asyncio.Future[None]") -> None:
    """End what tries to connect. The client may swallow that it is canceled, and go on; so it is not waited for."""
    client.options["allow_reconnect"] = False
    connecting.add_done_callback(lambda done: done.cancelled() or done.exception())
    connecting.cancel()
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.close(), CLOSE_SECONDS)


def is_refusal(error: Exception) -> bool:
    """Whether a server has said that it does not let us in."""
    return isinstance(error, AuthorizationError) or "authorization" in str(error).lower()


def told(path: Path, key: str, section: ServersSection, error: Exception) -> str:
    """Why servers can't be used, for people."""
    return told_away(path, key, section, error, is_refusal(error))
