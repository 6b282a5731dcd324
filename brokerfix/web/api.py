"""The HTTP API, put together: REST, a WebSocket stream, and the documents."""

import asyncio
from typing import Any

from litestar import Litestar, Request, get
from litestar.middleware import DefineMiddleware
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag

from brokerfix import __version__
from brokerfix.settings.sections import Config
from brokerfix.web import orders, page, quotes, reference
from brokerfix.web.door import Authentication, Door, tell_limits
from brokerfix.web.problems import HANDLERS
from brokerfix.web.streams import stream

MOST_BODY = 16_384
DESCRIPTION = """\
Every request is one of an ordinary FIX session of the broker's, and what it is called here are FIX's words. Decimal
numbers are text, times are UTC. Authorize with an API key: `Authorization: Bearer KEY`.

Lists come in pages, the newest first: the `Link` header of an answer leads to the next page, if there is one.

What a client may ask for is limited, for all its API keys together: `X-RateLimit-Limit` is how many requests of this
kind at once, `X-RateLimit-Remaining` how many are left of them, `X-RateLimit-Reset` when it is all of them again
(seconds since 1970), `X-RateLimit-Resource` which budget that is. They are in every answer to an API key unless the
budget has no limit; above it, the answer is 429 and `Retry-After` says how long to wait.

`/v1/stream` is a WebSocket. It tells reports of the key's accounts, quotes that they were given (`firm_quote`) and,
with `?symbols=A,B`, the market's quotes (`by=exchange`: of each exchange apart); with `statistics=1` the trading day's
statistics, with `trades=1` every trade. A slow reader gets the newest market's quote and statistics of a symbol instead
of every one. Reports, firm quotes and trades are never left out: a reader that is too slow for them is closed with
4008, one whose key is revoked with 4001.
"""


@get("/healthz", opt={"public": True}, include_in_schema=False)
async def health(request: Request[Any, Any, Any]) -> dict[str, bool]:
    """Which clients' sessions with the broker are up."""
    door: Door = request.app.state.door
    return {"up": all(user.is_up for user in door.users.values())}


def build(config: Config) -> Litestar:
    """The application for a configuration with [http]."""
    door = Door(config)

    async def begin(app: Litestar) -> None:
        for user in door.users.values():
            user.session.start()
        app.state.watching = asyncio.create_task(door.watch())

    async def end(app: Litestar) -> None:
        app.state.watching.cancel()
        await asyncio.gather(*(user.session.stop() for user in door.users.values()))
        door.archive.close()

    app = Litestar(
        [*orders.ROUTES, *quotes.ROUTES, *reference.ROUTES, *page.ROUTES, health, stream],
        middleware=[
            DefineMiddleware(Authentication, exclude_from_auth_key="public", exclude=["^/schema", "^/healthz"])
        ],
        exception_handlers=HANDLERS,  # type: ignore[arg-type]
        openapi_config=OpenAPIConfig(
            title=f"{config.broker.name}: orders over HTTP",
            version=__version__,
            description=DESCRIPTION,
            components=Components(
                security_schemes={"key": SecurityScheme(type="http", scheme="bearer", description="An API key")}
            ),
            security=[{"key": []}],
            tags=[
                Tag("orders", "Enter, change and cancel orders; what became of them"),
                Tag("quotes", "Ask for firm quotes, and trade at them"),
                Tag("accounts", "Money, limits and holdings"),
                Tag("market", "What can be traded, when, and at what price"),
            ],
            use_handler_docstrings=True,
            render_plugins=[page.Page()],
        ),
        before_send=[tell_limits],
        request_max_body_size=MOST_BODY,
        logging_config=None,
        on_startup=[begin],
        on_shutdown=[end],
    )
    app.state.door = door
    return app
