"""The agent's own socket for the operators of its machine: what is asked of all shards goes through it.

Who asks is the login name that the kernel knows of the other end. It goes with the request to the other shards, whose
records have it: they trust the agents, who alone have the cluster's password.
"""

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from brokerfix.cluster.lease import Away
from brokerfix.engine.sharing import OTHER_SHARD
from brokerfix.operate.admin import CREDENTIALS, MAX_REQUEST, ActionRefused, Answer, NotRunning, name_of

log = logging.getLogger("brokerfix.cluster")

READ_SECONDS = 5.0
MOST_ANSWERED = 1 << 26
"""Bytes that an answer of all shards may have."""


def door_path(data: Path) -> Path:
    """The agent's socket of a data folder."""
    return data / "cluster.sock"


async def open_door(
    data: Path, operators: tuple[str, ...], handle: Callable[[str, dict[str, Any]], Awaitable[Answer]]
) -> asyncio.Server:
    """Listen for the broker's own user, root, and these login names."""
    path = door_path(data)
    path.unlink(missing_ok=True)
    allowed = (*operators, name_of(os.getuid()), name_of(0))

    async def caller(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            operator = _operator(writer)
            if operator not in allowed:
                log.warning("%s: %s may not operate this cluster", path, operator)
                return
            line = await asyncio.wait_for(reader.readline(), READ_SECONDS)
            writer.write(json.dumps(await _answered(operator, line, handle)).encode() + b"\n")
            await asyncio.wait_for(writer.drain(), READ_SECONDS)
        except (OSError, ValueError, TimeoutError):
            # It has gone, or says nothing.
            pass
        finally:
            writer.close()

    umask = os.umask(0o111 if operators else 0o177)
    try:
        return await asyncio.start_unix_server(caller, str(path), limit=MAX_REQUEST)
    finally:
        os.umask(umask)


async def ask_door(data: Path, request: dict[str, Any], seconds: float) -> Answer:
    """Ask the agent of a data folder, for so many seconds at most. Raises NotRunning, or ActionRefused with its
    reason."""
    path, writer = door_path(data), None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=MOST_ANSWERED)
            writer.write(json.dumps(request).encode() + b"\n")
            line = await reader.readline()
    except TimeoutError as error:
        raise NotRunning(f"{path}: the cluster's agent did not answer within {seconds:g} s") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or f"{error}"
        raise NotRunning(f"{path}: no agent of the cluster answers here ({why})") from error
    finally:
        if writer is not None:
            writer.close()
    if not line.endswith(b"\n"):
        raise NotRunning(f"{path}: the cluster's agent hung up")
    answer: Answer = json.loads(line)
    if not answer.pop("ok"):
        raise ActionRefused(answer["error"])
    return answer


def beside(answers: Sequence[Mapping[str, Any]], kept: bool) -> set[int]:
    """The shards that have nothing to do with a request, as it is about an account of another one: where that one has
    done it, or it is kept for it."""
    others = {one["shard"] for one in answers if not one["ok"] and f"{one['error']}".startswith(OTHER_SHARD)}
    is_done = any(one["ok"] or (kept and one.get("away")) for one in answers)
    return others if is_done else set()


async def _answered(
    operator: str, line: bytes, handle: Callable[[str, dict[str, Any]], Awaitable[Answer]]
) -> dict[str, Any]:
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise ActionRefused("a request is a JSON object")
        return {"ok": True, **await handle(operator, request)}
    except (ActionRefused, NotRunning, Away, ValueError) as error:
        return {"ok": False, "error": str(error)}
    except KeyError as error:
        return {"ok": False, "error": f"{error.args[0]} is missing"}
    except (AttributeError, TypeError) as error:
        return {"ok": False, "error": f"that is no request: {error}"}


def _operator(writer: asyncio.StreamWriter) -> str:
    caller = writer.get_extra_info("socket")
    raw = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    _, uid, _ = CREDENTIALS.unpack(raw)
    return name_of(uid)
