"""`brokerfix console`: the process around the pages."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from brokerfix.console import check_installed
from brokerfix.settings.sections import Config, ConfigError

STATIC = Path(__file__).parent / "static"


def run(config: Config) -> None:
    """Serve until SIGINT or SIGTERM. Raises ConfigError where the port can't be had, the certificate can't be read, or
    NiceGUI is not installed."""
    section = config.console
    assert section is not None
    # It keeps files of its own, beside whoever started it.
    folder = config.data / "console"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ["NICEGUI_STORAGE_PATH"] = str(folder / "nicegui")
    os.environ.setdefault("MATPLOTLIB", "false")
    check_installed()
    import uvicorn

    app = build(config)
    # It logs which page each WebSocket is of: nobody else is to know.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    family = socket.AF_INET6 if ":" in section.address else socket.AF_INET
    try:
        listener = socket.create_server((section.address, section.port), family=family)
    except OSError as error:
        where = f"{section.address}:{section.port}"
        raise ConfigError(f"{config.path}: console.port: can't listen on {where}: {error.strerror}") from error
    certificate, key = (
        str((config.path.parent / name).resolve()) if name else None for name in (section.certificate, section.key)
    )
    try:
        server = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws_max_size=1 << 20,
            ws_max_queue=8,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=2,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        server.load()
    except OSError as error:
        raise ConfigError(f"{config.path}: console.certificate: {error}") from error
    uvicorn.Server(server).run([listener])


def build(config: Config) -> Any:
    """The ASGI application for a configuration with [console]. One process has one."""
    from fastapi import FastAPI
    from fastapi.staticfiles import StaticFiles
    from nicegui import core, ui
    from starlette.middleware.gzip import GZipMiddleware

    from brokerfix.console import data, pages
    from brokerfix.console.desk import Desk
    from brokerfix.console.door import Door
    from brokerfix.console.guard import Guard
    from brokerfix.console.sockets import owns, sealed

    desk = Desk(config)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(desk.feed.run())
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    Door(app, desk)
    data.add(app, desk)
    app.mount("/static", StaticFiles(directory=STATIC))
    pages.add(desk)
    ui.run_with(
        app,
        title=config.broker.name,
        language="en-GB",
        tailwind=False,
        gzip_middleware_factory=None,
        reconnect_timeout=10.0,
        message_history_length=100,
        show_welcome_message=False,
        binding_refresh_interval=None,
    )
    core.app.config.socket_io_js_transports = ["websocket"]
    # No bar at the top while something is fetched: it has no name for who can't see it, and nothing waits for it.
    core.app.config.quasar_config["loadingBar"] = {"skipHijack": True}
    sealed(desk.logins)
    guarded = Guard(app, desk.section, desk.logins, owns)
    return GZipMiddleware(guarded, minimum_size=1000, compresslevel=4)
