"""What all requests share: who may ask for what, and how much of it."""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, NotAuthorizedException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter
from litestar.types import Guard, Message, Scope

from brokerfix.doors.desk import Caller, Desk, key_of
from brokerfix.doors.limits import headers
from brokerfix.doors.model import Problem
from brokerfix.gateway.budgets import KINDS
from brokerfix.gateway.sources import Sources, to_address
from brokerfix.settings.api_keys import Kept, http_keys
from brokerfix.settings.schedule import Hours
from brokerfix.settings.sections import ApiKeySection, Config, GatewaySection

log = logging.getLogger("brokerfix.http")
PROBLEM = "application/problem+json"
LOOK_SECONDS = 0.5
"""Within which streams of a revoked key end."""

ClOrdId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9._:-]{1,40}(?!\n)$", description="The order's ClOrdID")]
SymbolPath = Annotated[str, PathParameter(pattern=r"^[!-.0-~]{1,32}(?!\n)$", description="The symbol")]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="How many at most")]


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    told = {
        400: "the request is malformed", 401: "no valid API key", 403: "the API key may not do this", 404: "not found",
        409: "in contradiction to what is", 413: "too large", 422: "refused by the broker", 429: "above the budget",
        503: "the broker does not answer now",
    }  # fmt: skip
    return {
        status: ResponseSpec(Problem, generate_examples=False, description=told[status], media_type=PROBLEM)
        for status in sorted({400, 401, 403, 429, 503, *statuses})
    }


class Door(Desk):
    """The desk of the keys that come over HTTP, and sources of wrong keys."""

    def __init__(self, config: Config) -> None:
        assert config.http is not None
        self.http = config.http
        super().__init__(config, config.http_keys, config.http.answer_seconds)
        limits = GatewaySection(
            failures_before_lockout=self.http.failures_before_lockout, lockout_seconds=self.http.lockout_seconds
        )
        self.sources = Sources(msgspec.structs.replace(config, gateway=limits))
        self.streams: Counter[str] = Counter()
        self._open: set[tuple[Caller, asyncio.Task[None]]] = set()
        self.schedules = {
            symbol: Hours(instrument, config.calendars.get(symbol, ""))
            for symbol, instrument in config.instruments.items()
        }

    def keys_now(self, kept: Kept) -> dict[str, ApiKeySection]:
        """With those that were made at run time: they are of this door."""
        return http_keys(self.config, kept)

    @contextmanager
    def open_stream(self, caller: Caller, listening: asyncio.Task[None]) -> Iterator[None]:
        """While a stream is open: `listening` is canceled, which ends it, once its key is revoked."""
        one = caller, listening
        self._open.add(one)
        try:
            yield
        finally:
            self._open.discard(one)

    async def watch(self) -> None:
        """End the streams of keys that are revoked, until canceled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()
            for caller, listening in list(self._open):
                if not self.counts(caller):
                    listening.cancel()

    def counts(self, caller: Caller) -> bool:
        """Whether a key was not revoked meanwhile."""
        return caller.key.hash in self.keys

    def caller(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
        """Whose key this is. Raises NotAuthorizedException."""
        address = to_address(connection.client.host if connection.client else "0.0.0.0")
        now = time.monotonic()
        if self.sources.is_locked(address, now):
            raise NotAuthorizedException("too many wrong API keys from this address; try again later")
        key = key_of(connection.headers.get("authorization", ""))
        if not key:
            raise NotAuthorizedException("an API key is needed: Authorization: Bearer KEY")
        found = self.find(key)
        if found is None:
            if self.sources.failed(address, now):
                log.warning("%s is locked out after wrong API keys", address)
            raise NotAuthorizedException("there is no such API key")
        return found

    def spend(self, scope: Scope, message_type: bytes, cost: int = 1) -> None:
        """Take a request from its client's budget, and remember which for the answer's headers. Raises HTTPException
        429."""
        name = KINDS[message_type]
        bucket = self.user(scope["user"]).limits.buckets[name]
        scope["state"]["budget"] = name, bucket
        if not bucket.take(time.monotonic(), cost):
            wait = max(1, math.ceil(bucket.wait(cost)))
            raise HTTPException(
                f"too many {name.replace('_', ' ')}", status_code=429, headers={"Retry-After": str(wait)}
            )


class Authentication(AbstractAuthenticationMiddleware):
    """Every route but the documents and the health is for API keys."""

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        door: Door = connection.app.state.door
        return AuthenticationResult(user=door.caller(connection), auth=None)


def needs(*scopes: str, spends: bytes) -> Guard:
    """The request is for keys with one of these scopes, and counts as a FIX message of this type."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        if not set(scopes) & set(connection.user.key.scopes):
            raise PermissionDeniedException(f"this API key has no scope {' or '.join(map(repr, scopes))}")
        connection.app.state.door.spend(connection.scope, spends)

    return guard


async def tell_limits(message: Message, scope: Scope) -> None:
    """Put the state of the budget that a request was taken from into its answer."""
    spent = scope.get("state", {}).get("budget")
    if message["type"] == "http.response.start" and spent is not None:
        told = [(name.encode(), value.encode()) for name, value in headers(*spent).items()]
        message["headers"] = [*message["headers"], *told]


def door_of(request: Request[Caller, None, Any]) -> Door:
    door: Door = request.app.state.door
    return door
