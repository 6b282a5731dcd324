"""The other end of a client's connection, at the broker."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from brokerfix.gateway.connection import Connection

SHARED_BUFFER = 1 << 16


class BrokerEnd(asyncio.Protocol):
    """Brings the broker what passes, and the client what the broker sends."""

    def __init__(self, client: "Connection") -> None:
        self.client = client
        self.full = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no asyncio.Transport by class.
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(SHARED_BUFFER)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.client.from_broker(data)

    def pause_writing(self) -> None:
        self.full = True
        self.client.broker_full(True)

    def resume_writing(self) -> None:
        self.full = False
        self.client.broker_full(False)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.client.broker_gone()

    def close(self) -> None:
        if self._transport is not None:
            with contextlib.suppress(OSError):
                self._transport.close()
