"""The HTTP API: routes, who may use them, and what goes wrong as application/problem+json (RFC 9457)."""

import asyncio
import contextlib
import hashlib
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from typing import Annotated, Any

import msgspec
import sqlite_utils
from litestar import Litestar, Request, Response, WebSocket, delete, get, patch, post, websocket
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, NotAuthorizedException, PermissionDeniedException, WebSocketDisconnect
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult, DefineMiddleware
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import PathParameter, QueryParameter
from litestar.types import Guard

from brokerfix import __version__
from brokerfix.config import ApiKeySection, Config, GatewaySection, database_path
from brokerfix.gateway.budgets import Verdict
from brokerfix.gateway.sources import Sources, to_address
from brokerfix.web.model import ORD_TYPES, SIDES, TIMES_IN_FORCE, Book, NewOrder, Order, Position, Problem, Replace
from brokerfix.web.users import Refused, Stream, Unavailable, User

log = logging.getLogger("brokerfix.http")
PROBLEM = "application/problem+json"
MOST_BODY = 16_384
MOST_STREAMS = 10
"""Of one API key at a time."""
SLOW_READER, OVERLOADED = 4008, 4013
"""WebSocket close codes of ours (RFC 6455, section 7.4.2: 4000 and above are private)."""
SEND_SECONDS = 5.0

ClOrdId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9._:-]{1,40}(?!\n)$", description="The order's ClOrdID")]
SymbolPath = Annotated[str, PathParameter(pattern=r"^[!-.0-~]{1,32}(?!\n)$", description="The symbol")]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="How many at most")]
NewId = Annotated[
    str | None,
    QueryParameter(name="cl_ord_id", pattern=r"^[A-Za-z0-9._:-]{1,40}(?!\n)$", description="The request's own ClOrdID"),
]


def _problems(*statuses: int) -> dict[int, ResponseSpec]:
    told = {
        400: "the request is malformed", 401: "no valid API key", 403: "the API key may not do this", 404: "not found",
        409: "in contradiction to what is", 413: "too large", 422: "refused by the broker", 429: "above the budget",
        503: "the broker does not answer now",
    }  # fmt: skip
    return {
        status: ResponseSpec(Problem, generate_examples=False, description=told[status], media_type=PROBLEM)
        for status in sorted({400, 401, 403, 429, 503, *statuses})
    }


class Caller(msgspec.Struct, frozen=True):
    """Who calls: an API key."""

    name: str
    key: ApiKeySection


class Door:
    """What all requests share: users by client, keys by hash, sources of wrong keys."""

    def __init__(self, config: Config) -> None:
        assert config.http is not None
        self.config, self.http = config, config.http
        self.users = {name: User(config, name) for name in {key.client for key in config.api_keys.values()}}
        self.keys = {key.hash: Caller(name, key) for name, key in config.api_keys.items()}
        limits = GatewaySection(
            failures_before_lockout=self.http.failures_before_lockout, lockout_seconds=self.http.lockout_seconds
        )
        self.sources = Sources(msgspec.structs.replace(config, gateway=limits))
        self.streams: Counter[str] = Counter()

    def caller(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
        """Whose key this is. Raises NotAuthorizedException."""
        address = to_address(connection.client.host if connection.client else "0.0.0.0")
        now = time.monotonic()
        if self.sources.is_locked(address, now):
            raise NotAuthorizedException("too many wrong API keys from this address; try again later")
        scheme, _, key = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise NotAuthorizedException("an API key is needed: Authorization: Bearer KEY")
        found = self.keys.get(hash_of(key.strip()))
        if found is None:
            if self.sources.failed(address, now):
                log.warning("%s is locked out after wrong API keys", address)
            raise NotAuthorizedException("there is no such API key")
        return found

    def user(self, caller: Caller) -> User:
        return self.users[caller.key.client]

    def accounts(self, caller: Caller) -> tuple[str, ...]:
        """The accounts that a key may see and use."""
        return caller.key.accounts or self.config.clients[caller.key.client].accounts

    def sees(self, caller: Caller, order: Order) -> bool:
        """Whether a key may see an order. One of which no account is known is for keys of all the client's accounts."""
        accounts = self.accounts(caller)
        every = self.config.clients[caller.key.client].accounts
        return order.account in accounts or (not order.account and set(accounts) == set(every))

    def spend(self, caller: Caller, message_type: bytes) -> None:
        """Take a request from its client's budget. Raises HTTPException 429."""
        allowance = self.user(caller).budgets.of(message_type)
        if allowance.take(time.monotonic()) is not Verdict.WITHIN:
            raise HTTPException(
                f"too many {allowance.name.replace('_', ' ')}", status_code=429, headers={"Retry-After": "1"}
            )


def hash_of(key: str) -> str:
    """What the configuration keeps of an API key. It is random and long, so that a fast hash is enough."""
    return f"sha256:{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()}"


def make_key(name: str) -> str:
    """A new API key."""
    return f"{name}_{secrets.token_urlsafe(32)}"


class Authentication(AbstractAuthenticationMiddleware):
    """Every route but the documents and the health is for API keys."""

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        door: Door = connection.app.state.door
        return AuthenticationResult(user=door.caller(connection), auth=None)


def _needs(scope: str) -> Guard:
    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        if scope not in connection.user.key.scopes:
            raise PermissionDeniedException(f"this API key has no scope {scope!r}")

    return guard


def _door(request: Request[Caller, None, Any]) -> Door:
    door: Door = request.app.state.door
    return door


def _own(door: Door, caller: Caller, order: Order | None, cl_ord_id: str) -> Order:
    """The order, if the key may see it. Raises HTTPException 404."""
    if order is None or not door.sees(caller, order):
        raise HTTPException(f"there is no order {cl_ord_id}", status_code=404)
    return order


def _same(user: User, order: Order, asked: NewOrder, account: str) -> bool:
    """Whether an order that has the ClOrdID already is the one that is asked for: by what was asked for then or, where
    that was before a restart of ours, by its report. Of one that was replaced since, that tells less."""
    before = user.orders.asked.get(asked.cl_ord_id)
    if isinstance(before, NewOrder):
        return _exact(before) == _exact(asked) and user.orders.accounts.get(asked.cl_ord_id) == account
    if (order.symbol, order.side) != (asked.symbol, asked.side) or account != (order.account or account):
        return False
    if order.cl_ord_id != asked.cl_ord_id or order.status == "rejected":
        return True
    same_price = asked.price is None or order.price is None or Decimal(order.price) == Decimal(asked.price)
    return same_price and Decimal(order.qty) == Decimal(asked.qty)


def _exact(asked: NewOrder) -> NewOrder:
    """The order with its numbers written in one way, and without its account."""
    price = None if asked.price is None else str(Decimal(asked.price).normalize())
    qty = str(Decimal(asked.qty).normalize())
    return msgspec.structs.replace(asked, qty=qty, price=price, account=None)


@post(
    "/v1/orders", guards=[_needs("trade")], status_code=201, tags=["orders"], operation_id="new_order",
    responses={
        200: ResponseSpec(Order, generate_examples=False, description="the order was entered before"),
        **_problems(409, 413, 422),
    },
)  # fmt: skip
async def new_order(request: Request[Caller, None, Any], data: NewOrder) -> Response[Order]:
    """Enter an order, and wait for its first report, of a market, ioc or fok order for its last. The same ClOrdID again
    is the same order, and answered as such."""
    door = _door(request)
    door.spend(request.user, b"D")
    user, accounts = door.user(request.user), door.accounts(request.user)
    account = data.account or accounts[0]
    if account not in accounts:
        raise PermissionDeniedException(f"this API key may not use account {account}")
    if (data.price is None) == (data.type == "limit"):
        raise HTTPException("a limit order has a price, a market order none", status_code=400)
    # Whether the broker knows it from before a restart of ours is asked first.
    # Meanwhile another request may have entered it.
    known = await user.status(data.cl_ord_id) or user.orders.named(data.cl_ord_id)
    if known is not None:
        if not (door.sees(request.user, known) and _same(user, known, data, account)):
            shown = {"order": known} if door.sees(request.user, known) else None
            raise HTTPException(f"there is another order {data.cl_ord_id} already", status_code=409, extra=shown)
        if known.status == "rejected":
            raise Refused(known.text or "rejected", known)
        return Response(known, status_code=200)
    under_way = user.orders.asked.get(data.cl_ord_id)
    if under_way is not None and not (isinstance(under_way, NewOrder) and _exact(under_way) == _exact(data)):
        raise HTTPException(f"there is another request {data.cl_ord_id} already", status_code=409)
    body = [(1, account), (55, data.symbol), (54, SIDES[data.side]), (38, data.qty), (40, ORD_TYPES[data.type])]
    body += [(44, data.price)] if data.price is not None else []
    body.append((59, TIMES_IN_FORCE[data.time_in_force]))
    immediate = data.type == "market" or data.time_in_force in ("ioc", "fok")
    order = await user.new_order(data, account, body, immediate)
    return Response(_own(door, request.user, order, data.cl_ord_id), status_code=201)


@get("/v1/orders", guards=[_needs("read")], tags=["orders"], operation_id="list_orders", responses=_problems())
async def list_orders(request: Request[Caller, None, Any], limit: Limit = 100) -> list[Order]:
    """The orders that were reported since this door was opened, and those that worked then; newest first."""
    door = _door(request)
    door.spend(request.user, b"H")
    orders = door.user(request.user).orders.by_id.values()
    seen = (order for order in reversed(orders) if door.sees(request.user, order))
    return list(islice(seen, limit))


@get(
    "/v1/orders/{cl_ord_id:str}", guards=[_needs("read")], tags=["orders"], operation_id="order_status",
    responses=_problems(404),
)  # fmt: skip
async def order_status(request: Request[Caller, None, Any], cl_ord_id: ClOrdId) -> Order:
    """An order by any of its ClOrdIDs."""
    door = _door(request)
    door.spend(request.user, b"H")
    return _own(door, request.user, await door.user(request.user).status(cl_ord_id), cl_ord_id)


@delete(
    "/v1/orders/{cl_ord_id:str}", guards=[_needs("trade")], status_code=200, tags=["orders"],
    operation_id="cancel_order", responses=_problems(404, 409, 422),
)  # fmt: skip
async def cancel_order(request: Request[Caller, None, Any], cl_ord_id: ClOrdId, new_id: NewId = None) -> Order:
    """Cancel an order, and wait until it is. Canceling a canceled order tells its state."""
    door = _door(request)
    door.spend(request.user, b"F")
    user = door.user(request.user)
    order = _own(door, request.user, await user.status(cl_ord_id), cl_ord_id)
    if order.status == "canceled":
        return order
    return _own(door, request.user, await user.cancel(order, new_id or f"c-{time.time_ns()}"), cl_ord_id)


@patch(
    "/v1/orders/{cl_ord_id:str}", guards=[_needs("trade")], tags=["orders"], operation_id="replace_order",
    responses=_problems(404, 409, 413, 422),
)  # fmt: skip
async def replace_order(request: Request[Caller, None, Any], cl_ord_id: ClOrdId, data: Replace) -> Order:
    """Give an order another quantity and price, and wait until it has. The same request again tells its state."""
    door = _door(request)
    door.spend(request.user, b"G")
    user = door.user(request.user)
    order = _own(door, request.user, await user.status(cl_ord_id), cl_ord_id)
    done = user.orders.named(data.cl_ord_id)
    if done is not None:
        if done.order_id == order.order_id and user.orders.asked.get(data.cl_ord_id) in (None, data):
            return done
        raise HTTPException(f"there is another request {data.cl_ord_id} already", status_code=409)
    if (order.price is None) != (data.price is None):
        raise HTTPException("the price is missing, or the order has none", status_code=400)
    return _own(door, request.user, await user.replace(order, data), data.cl_ord_id)


@get(
    "/v1/positions", guards=[_needs("read")], tags=["accounts"], operation_id="positions", responses=_problems(),
    sync_to_thread=True,
)  # fmt: skip
def positions(request: Request[Caller, None, Any]) -> list[Position]:
    """What the key's accounts hold, as last projected (some milliseconds ago)."""
    door = _door(request)
    door.spend(request.user, b"H")
    path = database_path(door.config.data)
    if not path.exists():
        raise Unavailable("there is no database: the broker runs without store = true")
    accounts = door.accounts(request.user)
    marks = ", ".join("?" * len(accounts))
    database = sqlite_utils.Database(path)
    rows = database.query(f"select * from positions where account in ({marks}) order by account, symbol", accounts)
    names = Position.__struct_fields__
    found = [Position(*("" if row[name] is None else str(row[name]) for name in names)) for row in rows]
    database.close()
    return found


@get(
    "/v1/books/{symbol:str}", guards=[_needs("market")], tags=["market"], operation_id="book",
    responses=_problems(404),
)  # fmt: skip
async def book(request: Request[Caller, None, Any], symbol: SymbolPath) -> Book:
    """The consolidated book of a symbol, ten levels deep."""
    door = _door(request)
    door.spend(request.user, b"H")
    if symbol not in door.config.instruments:
        raise HTTPException(f"there is no symbol {symbol}", status_code=404)
    return await door.user(request.user).book(symbol)


@get("/healthz", opt={"public": True}, include_in_schema=False)
async def health(request: Request[Any, Any, Any]) -> dict[str, bool]:
    """Which clients' sessions with the broker are up."""
    door: Door = request.app.state.door
    return {"up": all(user.up for user in door.users.values())}


@websocket("/v1/stream")
async def stream(socket: WebSocket[Caller, None, Any]) -> None:
    """Reports of the key's accounts and, with `?symbols=A,B`, quotes: one JSON object each, with a `type`. A reader
    that is too slow is closed with 4008."""
    door: Door = socket.app.state.door
    caller = socket.user
    scopes = caller.key.scopes
    wanted = frozenset(filter(None, socket.query_params.get("symbols", "").split(",")))
    if door.streams[caller.name] >= MOST_STREAMS or (wanted and "market" not in scopes) or "read" not in scopes:
        await socket.close(OVERLOADED, "too many streams of this API key, or a scope that it has not")
        return
    unknown = wanted - set(door.config.instruments)
    if unknown:
        await socket.close(OVERLOADED, f"there is no symbol {min(unknown)[:32]}")
        return
    user = door.user(caller)
    told = Stream(door.http.stream_messages, wanted, lambda order: door.sees(caller, order))
    await socket.accept()
    door.streams[caller.name] += 1
    user.streams.add(told)
    listening = asyncio.create_task(_until_closed(socket))
    try:
        for symbol in wanted:
            with contextlib.suppress(Unavailable):
                await user.book(symbol)
        await _feed(socket, told, listening)
    finally:
        listening.cancel()
        user.streams.discard(told)
        door.streams[caller.name] -= 1


async def _until_closed(socket: WebSocket[Caller, None, Any]) -> None:
    """What is sent to us means nothing; its end does."""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive()
            if socket.connection_state == "disconnect":
                return


async def _feed(socket: WebSocket[Caller, None, Any], told: Stream, listening: asyncio.Task[None]) -> None:
    while not listening.done():
        following = asyncio.create_task(told.queue.get())
        await asyncio.wait((following, listening), return_when=asyncio.FIRST_COMPLETED)
        if not following.done():
            following.cancel()
            return
        try:
            if told.lost.is_set():
                raise TimeoutError
            await asyncio.wait_for(socket.send_text(msgspec.json.encode(following.result()).decode()), SEND_SECONDS)
        except TimeoutError:
            log.warning("a stream of %s does not read; it is closed", socket.user.name)
            with contextlib.suppress(Exception):
                await asyncio.wait_for(socket.close(SLOW_READER, "too slow"), SEND_SECONDS)
            return
        except WebSocketDisconnect:
            return


# What goes wrong


def _problem(status: int, detail: str, order: Order | None = None, headers: Any = None) -> Response[Problem]:
    titles = {400: "Bad request", 401: "Unauthorized", 403: "Forbidden", 404: "Not found", 405: "Method not allowed",
              409: "Conflict", 413: "Too large", 422: "Refused", 429: "Too many requests",
              503: "Unavailable"}  # fmt: skip
    problem = Problem(titles.get(status, "Error"), status, detail, order=order)
    return Response(problem, status_code=status, media_type=PROBLEM, headers=headers)


def _http_problem(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    extra: Any = error.extra
    order = extra.get("order") if isinstance(extra, dict) else None
    detail = error.detail
    if isinstance(extra, list):
        detail += ": " + "; ".join(f"{one.get('key', '')} {one.get('message', '')}".strip() for one in extra)
    headers = dict(error.headers or {})
    if error.status_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _problem(error.status_code, detail, order, headers)


def _bug(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    log.exception("a request could not be answered: %s %s", request.method, request.url.path)
    return _problem(500, "this request could not be answered; the operator has been told")


HANDLERS: dict[type[Exception], Callable[..., Response[Problem]]] = {
    Refused: lambda request, error: _problem(error.status, str(error) or "refused", error.order),
    UnicodeDecodeError: lambda request, error: _problem(400, "the body is no UTF-8"),
    Unavailable: lambda request, error: _problem(503, str(error), headers={"Retry-After": "1"}),
    HTTPException: _http_problem,
    Exception: _bug,
}


def build(config: Config) -> Litestar:
    """The application for a configuration with [http]."""
    door = Door(config)

    async def begin(app: Litestar) -> None:
        for user in door.users.values():
            user.start()

    async def end(app: Litestar) -> None:
        await asyncio.gather(*(user.stop() for user in door.users.values()))

    app = Litestar(
        [new_order, list_orders, order_status, cancel_order, replace_order, positions, book, health, stream],
        middleware=[
            DefineMiddleware(Authentication, exclude_from_auth_key="public", exclude=["^/schema", "^/healthz"])
        ],
        exception_handlers=HANDLERS,  # type: ignore[arg-type]
        openapi_config=OpenAPIConfig(
            title=f"{config.broker.name}: orders over HTTP",
            version=__version__,
            description="Every request is one of an ordinary FIX session of the broker's. Decimal numbers are text.",
            components=Components(
                security_schemes={"key": SecurityScheme(type="http", scheme="bearer", description="An API key")}
            ),
            security=[{"key": []}],
            use_handler_docstrings=True,
        ),
        request_max_body_size=MOST_BODY,
        logging_config=None,
        on_startup=[begin],
        on_shutdown=[end],
    )
    app.state.door = door
    return app
