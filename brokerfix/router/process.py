"""`brokerfix router`: the process around the router. SIGTERM and SIGINT log everybody out and end it."""

import asyncio
import signal

import uvloop

from brokerfix.router.server import Router
from brokerfix.settings.sections import Config


def run(config: Config) -> int:
    """Run until a signal. Returns the exit code. Raises ConfigError."""
    return uvloop.run(_run(config))


async def _run(config: Config) -> int:
    router = Router(config)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await router.listen()
    await stop.wait()
    await router.stop()
    return 0
