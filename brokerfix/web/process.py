"""`brokerfix http`: the process around the HTTP door."""

import signal
import socket

import uvicorn

from brokerfix.config import Config, ConfigError
from brokerfix.gateway.server import KERNEL_BUFFER, family
from brokerfix.gateway.tls import path_of
from brokerfix.web.api import build

HEAD_BYTES = 16_384


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
    server = uvicorn.Config(
        build(config),
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=section.max_connections,
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
