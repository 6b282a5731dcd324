"""The broker beside an agent: asked through its operator's socket."""

import asyncio
from pathlib import Path
from typing import Any

from brokerfix.operate.admin import Answer, ask

ASK_SECONDS = 2.0
AGENT = "cluster"
"""Who asks, on the record."""


class BrokerEnd:
    """Asks the broker that runs on a data folder, without keeping the agent's loop."""

    def __init__(self, data: Path) -> None:
        self.data = data

    async def ask(self, action: str, by: str = AGENT, **request: Any) -> Answer:
        """Ask in somebody's name. Raises ActionRefused, and NotRunning: then it may have been done or not."""
        asked = {"action": action, "by": by, **request}
        return await asyncio.to_thread(ask, self.data, asked, ASK_SECONDS)
