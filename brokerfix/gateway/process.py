"""`brokerfix gateway`: the process around the gateway. SIGTERM and SIGINT drain it, SIGHUP reads certificates again."""

import asyncio
import logging
import os
import resource
import signal
import sys
import time

import uvloop

from brokerfix.gateway.operation import serve
from brokerfix.gateway.server import Gateway
from brokerfix.settings.sections import Config, ConfigError

log = logging.getLogger("brokerfix.gateway")
PARENT_SECONDS = 0.1
LISTEN_SECONDS = 5.0
"""The gateway of a broker that was killed may still be on its way out."""


def run(config: Config, parent: int = 0) -> int:
    """Run until a signal or, where the broker with the process id `parent` has started us, until it is gone. Returns
    the exit code. Raises ConfigError."""
    return uvloop.run(_run(config, parent))


async def _run(config: Config, parent: int) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = 2 * config.gateway.max_connections if config.gateway is not None else soft
    if hard < wanted:
        log.warning("only %d descriptors are allowed, and gateway.max_connections needs %d", hard, wanted)
    gateway = Gateway(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # A supervised gateway gets Ctrl-C with its whole group: the broker says when to stop.
        loop.add_signal_handler(number, (lambda: None) if parent and number == signal.SIGINT else stop.set)
    loop.add_signal_handler(signal.SIGHUP, gateway.reload)
    await _listen(gateway, bool(parent))
    serve(gateway, config)
    while not stop.is_set() and (not parent or os.getppid() == parent):
        try:
            await asyncio.wait_for(stop.wait(), PARENT_SECONDS)
        except TimeoutError:
            continue
    await gateway.drain()
    sys.stderr.flush()
    return 0


async def _listen(gateway: Gateway, patient: bool) -> None:
    """Open the listeners; `patient`: wait a while for ones that are taken. Raises ConfigError."""
    deadline = time.monotonic() + (LISTEN_SECONDS if patient else 0.0)
    while True:
        try:
            return gateway.listen()
        except ConfigError:
            gateway.close_listeners()
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(PARENT_SECONDS)
