"""The broker beside an agent: asked through its operator's socket."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from brokerfix.cluster.lease import Away
from brokerfix.cluster.shared import Shared, Slot
from brokerfix.operate.admin import Answer, ask
from brokerfix.record.journal import segments

ASK_SECONDS = 2.0
SETTLE_SECONDS = 1.0
SETTLE_EVERY = 0.002
AGENT = "cluster"
"""Who asks, on the record."""


class BrokerEnd:
    """Asks the broker that runs on a data folder, without keeping the agent's loop."""

    def __init__(self, data: Path, shared: Shared | None = None, durability: str = "process") -> None:
        """`shared` is what agent and broker share; `durability` says what a record of the broker's outlives."""
        self.data, self._shared, self._durability = data, shared, durability

    async def ask(self, action: str, by: str = AGENT, **request: Any) -> Answer:
        """Ask in somebody's name. Raises ActionRefused, and NotRunning: then it may have been done or not."""
        asked = {"action": action, "by": by, **request}
        return await asyncio.to_thread(ask, self.data, asked, ASK_SECONDS)

    async def settled(self, for_good: bool = False) -> None:
        """Wait until all that the broker has answered so far is as safe as its durability says: a standby that takes
        over has it, or a machine that loses power. The answers themselves do not wait for that, and what other shards
        are told must not be lost here afterwards. `for_good`: a standby has to have it whatever the durability is.
        Raises Away."""
        if "disk" in self._durability:
            try:
                await asyncio.to_thread(self._sync)
            except OSError as error:
                raise Away(f"{self.data}: the journal can't be synced: {error.strerror}") from error
        if self._shared is None or not (for_good or "cluster" in self._durability):
            return
        tail, deadline = self._shared[Slot.TAIL], time.monotonic() + SETTLE_SECONDS
        while self._shared[Slot.CONFIRMED] < tail:
            if time.monotonic() > deadline:
                raise Away("the journal's stream does not confirm what other shards have to rely on: they are not told")
            await asyncio.sleep(SETTLE_EVERY)

    def _sync(self) -> None:
        """Segments before the last are on disk already."""
        descriptor = os.open(segments(self.data / "journal")[-1], os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
