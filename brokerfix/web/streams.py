"""The WebSocket stream: reports and quotes."""

import asyncio
import contextlib
import logging
from typing import Any

import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from brokerfix.web.door import Caller, Door
from brokerfix.web.waiting import Stream, Unavailable

log = logging.getLogger("brokerfix.http")
MOST_STREAMS = 10
"""Of one API key at a time."""
SLOW_READER, OVERLOADED = 4008, 4013
"""WebSocket close codes of ours (RFC 6455, section 7.4.2: 4000 and above are private)."""
SEND_SECONDS = 5.0


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
                await user.market.book(symbol)
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
        except RuntimeError:
            # uvicorn has closed it meanwhile, as a ping was not answered: the end that we listen for is on its way.
            await asyncio.wait((listening,), timeout=SEND_SECONDS)
            if not listening.done():
                raise
            return
