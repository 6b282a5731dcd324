"""What all requests share: who may ask for what, and how much of it."""

import asyncio
import hashlib
import logging
import math
import secrets
import time
from collections import Counter
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

from brokerfix.doors.archive import Archive
from brokerfix.doors.limits import headers
from brokerfix.doors.model import Order, Problem
from brokerfix.doors.quote_model import FirmQuote
from brokerfix.doors.users import KEY_NAME, User
from brokerfix.doors.waiting import Unavailable
from brokerfix.gateway.budgets import KINDS
from brokerfix.gateway.sources import Sources, to_address
from brokerfix.settings.schedule import Hours
from brokerfix.settings.sections import ApiKeySection, Config, GatewaySection

log = logging.getLogger("brokerfix.http")
CATCH_UP_SECONDS = 0.02
PROBLEM = "application/problem+json"

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


class Caller(msgspec.Struct, frozen=True):
    """Who calls: an API key."""

    name: str
    key: ApiKeySection


class Door:
    """Users by client, keys by hash, sources of wrong keys, and the database."""

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
        self.archive = Archive(config)
        self.schedules = {
            symbol: Hours(instrument, config.calendars.get(symbol, ""))
            for symbol, instrument in config.instruments.items()
        }

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
        """The session that the key's requests go through; they are on record with the key's name."""
        KEY_NAME.set(caller.name)
        return self.users[caller.key.client]

    def accounts(self, caller: Caller) -> tuple[str, ...]:
        """The accounts that a key may see and use."""
        return caller.key.accounts or self.config.clients[caller.key.client].accounts

    def chosen(self, caller: Caller, accounts: list[str] | None) -> tuple[str, ...]:
        """The accounts that a request is about: those that it names, or all of the key. Raises HTTPException 403."""
        own = self.accounts(caller)
        for account in accounts or ():
            if account not in own:
                raise PermissionDeniedException(f"this API key may not use account {account}")
        return tuple(dict.fromkeys(accounts or own))

    def sees_all(self, caller: Caller) -> bool:
        """Whether a key is for all of the client's accounts."""
        return set(self.accounts(caller)) == set(self.config.clients[caller.key.client].accounts)

    def sees(self, caller: Caller, order: Order | FirmQuote) -> bool:
        """Whether a key may see an order, or a quote. One of which no account is known is for keys of all the client's
        accounts."""
        return order.account in self.accounts(caller) or (not order.account and self.sees_all(caller))

    async def catch_up(self, user: User) -> None:
        """Wait until the open orders are known from the session, and what was before it from the database: what comes
        later is told by the session. Raises Unavailable."""
        if not user.is_up:
            return
        await user.know_all()
        if not self.archive.exists or user.archived_at == user.session.began_at:
            return
        deadline, began_at = time.monotonic() + self.http.answer_seconds, user.session.began_at
        while not await asyncio.to_thread(self.archive.has_logon, user.name, began_at):
            if time.monotonic() > deadline:
                raise Unavailable("the database is behind the broker; try again")
            await asyncio.sleep(CATCH_UP_SECONDS)
        user.archived_at = began_at

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


def own(door: Door, caller: Caller, order: Order | None, cl_ord_id: str) -> Order:
    """The order, if the key may see it. Raises HTTPException 404."""
    if order is None or not door.sees(caller, order):
        raise HTTPException(f"there is no order {cl_ord_id}", status_code=404)
    return order
