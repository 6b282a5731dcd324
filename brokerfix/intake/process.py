"""`brokerfix orders-from`: the process around the door for queues."""

import asyncio
import contextlib
import logging

import uvloop

from brokerfix.intake.door import Door
from brokerfix.intake.kinds import queue_of
from brokerfix.projections.ending import Ending
from brokerfix.queues.away import ServerAway
from brokerfix.settings.sections import Config

log = logging.getLogger("brokerfix.intake")
RETRY_SECONDS = 1.0


def run(config: Config, name: str) -> None:
    """Take the orders of `orders_from.NAME` until SIGINT or SIGTERM. Raises ConfigError."""
    ending = Ending()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_run(config, name, ending))


async def _run(config: Config, name: str, ending: Ending) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(ending.fileno(), stop.set)
    queue = queue_of(config, name)
    told = ""
    while not stop.is_set():
        try:
            await queue.open()
            break
        except ServerAway as error:
            if str(error) != told:
                log.warning("%s", error)
                told = str(error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RETRY_SECONDS)
    else:
        return
    log.info("the queue of orders_from.%s is open", name)
    try:
        await Door(config, name, queue).run(stop)
    finally:
        await queue.close()
