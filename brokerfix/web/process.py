"""`brokerfix http`: the process around the HTTP door."""

import asyncio
import signal
import socket
from collections import Counter
from typing import ClassVar

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from brokerfix.gateway.server import KERNEL_BUFFER, family
from brokerfix.gateway.tls import path_of
from brokerfix.settings.sections import Config, ConfigError
from brokerfix.web.api import build

HEAD_BYTES = 16_384
FIRST_REQUEST_SECONDS = 10.0


def run(config: Config) -> None:
    """Serve until SIGINT or SIGTERM. Raises ConfigError where the port can't be had."""
    section = config.http
    assert section is not None
    try:
        listener = socket.create_server((section.address, section.port), family=family(section.address))
    except OSError as error:
        where = f"{section.address}:{section.port}"
        raise ConfigError(f"{config.path}: http.port: can't listen on {where}: {error.strerror}") from error
    # Connections inherit it: what the kernel holds for one that does not read is bounded.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
    certificate, key = (str(path_of(config, name)) if name else None for name in (section.certificate, section.key))
    Guarded.most = section.max_connections
    Guarded.most_of_one = max(1, section.max_connections // 5)
    server = uvicorn.Config(
        build(config),
        loop="uvloop",
        http=Guarded,
        log_config=None,
        access_log=False,
        server_header=False,
        # Who says that he speaks for others is not believed.
        proxy_headers=False,
        h11_max_incomplete_event_size=HEAD_BYTES,
        ws_max_size=HEAD_BYTES,
        ws_max_queue=4,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    # Once it has stopped in good order, uvicorn raises the signal again that has stopped it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    uvicorn.Server(server).run([listener])


class Guarded(H11Protocol):
    """uvicorn's protocol, with a deadline for a connection's first request and room for so many connections, of one
    source and in all. WebSockets have limits of their own, by API key."""

    most = most_of_one = 1
    sources: ClassVar[Counter[str]] = Counter()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        peer = transport.get_extra_info("peername")
        self._source = str(peer[0]) if peer else ""
        self._counted = True
        self.sources[self._source] += 1
        self._deadline = asyncio.get_running_loop().call_later(FIRST_REQUEST_SECONDS, self._too_slow)
        super().connection_made(transport)
        if self.sources.total() > self.most or self.sources[self._source] > self.most_of_one:
            transport.close()

    def _too_slow(self) -> None:
        if self.cycle is None:
            self.transport.close()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._leave()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        self._deadline.cancel()
        if self._counted:
            self._counted = False
            self.sources[self._source] -= 1
            if not self.sources[self._source]:
                del self.sources[self._source]
