"""`brokerfix http`: the process around the HTTP door."""

import uvicorn

from brokerfix.config import Config
from brokerfix.gateway.tls import path_of
from brokerfix.web.api import build

HEAD_BYTES = 16_384


def run(config: Config) -> None:
    """Serve until SIGINT or SIGTERM."""
    section = config.http
    assert section is not None
    certificate, key = (str(path_of(config, name)) if name else None for name in (section.certificate, section.key))
    server = uvicorn.Config(
        build(config),
        host=section.address,
        port=section.port,
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
    uvicorn.Server(server).run()
