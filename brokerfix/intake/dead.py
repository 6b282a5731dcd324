"""What the operator is told of dead letters."""

import asyncio
import logging

from brokerfix.operate.admin import ActionRefused, NotRunning, ask
from brokerfix.settings.sections import Config

log = logging.getLogger("brokerfix.intake")
CODE = "DEAD_LETTER"
PAUSE_SECONDS = 10.0
"""Between two alerts: whoever sends rubbish must not fill the broker's journal with it."""


class DeadAlerts:
    """Has the broker alert its operator of dead letters: of the first at once, of those within some seconds after it
    together."""

    def __init__(self, config: Config, name: str) -> None:
        self._data, self._name = config.data, name
        self._told: list[str] = []
        self._some = asyncio.Event()

    def tell(self, text: str) -> None:
        self._told.append(text)
        self._some.set()

    async def run(self) -> None:
        """Alert for ever."""
        while True:
            await self._some.wait()
            self._some.clear()
            told, self._told = self._told, []
            count = "a dead letter" if len(told) == 1 else f"{len(told)} dead letters, the last:"
            text = f"orders_from.{self._name}: {count} {told[-1]}; see `brokerfix dead-letters`"
            try:
                await asyncio.to_thread(ask, self._data, {"action": "alert", "code": CODE, "text": text})
            except (NotRunning, ActionRefused) as error:
                log.warning("the broker could not be told of it: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)
