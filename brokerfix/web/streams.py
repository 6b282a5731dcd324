"""The WebSocket stream: reports, quotes, statistics and trades."""

import asyncio
import contextlib
import logging
from typing import Any

import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from brokerfix.doors.desk import Caller
from brokerfix.doors.market import Kind, Market
from brokerfix.doors.told import WHOLE, Sent, Stream, Wants
from brokerfix.doors.waiting import RequestRefused, Unavailable
from brokerfix.web.door import Door

log = logging.getLogger("brokerfix.http")
MOST_STREAMS = 10
"""Of one API key at a time."""
REVOKED, SLOW_READER, OVERLOADED = 4001, 4008, 4013
"""WebSocket close codes of ours (RFC 6455, section 7.4.2: 4000 and above are private)."""
SEND_SECONDS, STALL_SECONDS = 5.0, 60.0
"""How long a reader may take nothing, when something waits that nothing newer replaces; and at all."""


@websocket("/v1/stream")
async def stream(socket: WebSocket[Caller, None, Any]) -> None:
    """Reports of the key's accounts, quotes that they were given and, with `?symbols=A,B`, the market's quotes: one
    JSON object each, with a `type`. With `by=exchange` the market's quotes have each exchange's part; `statistics=1`
    and `trades=1` tell of these too. A reader that is too slow for what is told whole is closed with 4008."""
    door: Door = socket.app.state.door
    caller = socket.user
    try:
        wants = _wants(socket.query_params)
        refused = _refusal(door, caller, wants)
    except ValueError as error:
        refused = str(error)
    if refused:
        await socket.close(OVERLOADED, refused)
        return
    user = door.user(caller)
    told = Stream(door.http.stream_messages, wants, lambda order: door.sees(caller, order))
    door.streams[caller.name] += 1
    followed: list[tuple[Kind, str]] = []
    try:
        refused = await _follow(user.market, wants, followed)
        if refused:
            await socket.close(OVERLOADED, refused)
            return
        await socket.accept()
        user.streams.add(told)
        user.market.begin(told)
        listening = asyncio.create_task(_until_closed(socket))
        try:
            with door.open_stream(caller, listening):
                await _feed(socket, told, listening)
            if not door.counts(caller):
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(socket.close(REVOKED, "the API key was revoked"), SEND_SECONDS)
        finally:
            listening.cancel()
    finally:
        user.streams.discard(told)
        door.streams[caller.name] -= 1
        for kind, symbol in followed:
            user.market.unfollow(kind, symbol)


def _wants(asked: Any) -> Wants:
    """What is asked for. Raises ValueError."""
    symbols = frozenset(filter(None, asked.get("symbols", "").split(",")))
    return Wants(
        symbols,
        _choice(asked, "by", {"price": False, "exchange": True}),
        *(_choice(asked, name, {"0": False, "1": True}) for name in ("statistics", "trades")),
    )


def _choice(asked: Any, name: str, words: dict[str, bool]) -> bool:
    word = asked.get(name, next(iter(words)))
    if word not in words:
        raise ValueError(f"{name} is one of {', '.join(words)}")
    return words[word]


def _refusal(door: Door, caller: Caller, wants: Wants) -> str:
    """Why there can't be such a stream, "" if there can."""
    scopes = caller.key.scopes
    if door.streams[caller.name] >= MOST_STREAMS or (wants.symbols and "market" not in scopes) or "read" not in scopes:
        return "too many streams of this API key, or a scope that it has not"
    unknown = wants.symbols - set(door.config.instruments)
    return f"there is no symbol {min(unknown)[:32]}" if unknown else ""


async def _follow(market: Market, wants: Wants, followed: list[tuple[Kind, str]]) -> str:
    """Follow what is wanted. Returns why the broker does not tell it, "" if it does, or will once it can be asked."""
    kinds: list[Kind] = ["book"]
    kinds += ["statistics"] if wants.statistics else []
    kinds += ["trades"] if wants.trades else []
    followed += [(kind, symbol) for symbol in sorted(wants.symbols) for kind in kinds]
    answers = await asyncio.gather(*(market.follow(*one) for one in followed), return_exceptions=True)
    refused = ""
    for answer in answers:
        if isinstance(answer, RequestRefused):
            refused = refused or str(answer)
        elif isinstance(answer, BaseException) and not isinstance(answer, Unavailable):
            raise answer
    # A close frame's reason has room for so much.
    return refused[:100]


async def _until_closed(socket: WebSocket[Caller, None, Any]) -> None:
    """What is sent to us means nothing; its end does."""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive()
            if socket.connection_state == "disconnect":
                return


async def _feed(socket: WebSocket[Caller, None, Any], told: Stream, listening: asyncio.Task[None]) -> None:
    while not listening.done():
        message = told.take()
        if message is None:
            following = asyncio.create_task(told.ready.wait())
            await asyncio.wait((following, listening), return_when=asyncio.FIRST_COMPLETED)
            following.cancel()
            continue
        try:
            if told.lost:
                raise TimeoutError
            await _send(socket, told, message)
        except TimeoutError:
            log.warning("a stream of %s does not read; it is closed", socket.user.name)
            with contextlib.suppress(Exception):
                await asyncio.wait_for(socket.close(SLOW_READER, "too slow"), SEND_SECONDS)
            return
        except WebSocketDisconnect:
            return
        except RuntimeError:
            # uvicorn has closed it meanwhile, as a ping was not answered: the end that we listen for is on its way.
            await asyncio.wait((listening,), timeout=SEND_SECONDS)
            if not listening.done():
                raise
            return


async def _send(socket: WebSocket[Caller, None, Any], told: Stream, message: Sent) -> None:
    """Send a message. Raises TimeoutError where the reader takes nothing for too long."""
    sending = asyncio.ensure_future(socket.send_text(msgspec.json.encode(message).decode()))
    waited = 0.0
    try:
        while not sending.done():
            await asyncio.wait((sending,), timeout=SEND_SECONDS)
            waited += SEND_SECONDS
            is_kept = isinstance(message, WHOLE) or told.keeps or told.lost
            if not sending.done() and (is_kept or waited >= STALL_SECONDS):
                raise TimeoutError
    finally:
        sending.cancel()
    sending.result()
