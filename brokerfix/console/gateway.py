"""What the gateway tells of its sessions, where there is one on this machine."""

import asyncio
import time
from typing import Any

from brokerfix.settings.sections import Config

KEEP_SECONDS = 2.0


class GatewayFigures:
    """Asked once in two seconds, however many pages ask."""

    def __init__(self, config: Config) -> None:
        self._port = config.gateway.operation_port if config.gateway is not None else 0
        self._told: dict[str, dict[str, Any]] = {}
        self._at = float("-inf")
        self._asking = asyncio.Lock()

    async def sessions(self) -> dict[str, dict[str, Any]]:
        """By client what the gateway has of its session, see `gateway.operation.sessions`; {} where none does."""
        if not self._port:
            return {}
        async with self._asking:
            if time.monotonic() - self._at > KEEP_SECONDS:
                self._told = await asyncio.to_thread(self._ask)
                self._at = time.monotonic()
        return self._told

    def _ask(self) -> dict[str, dict[str, Any]]:
        from brokerfix.gateway.operation import ask_sessions

        try:
            return {row["name"]: row for row in ask_sessions(self._port)}
        except (OSError, ValueError):
            return {}
