"""The agent's own socket for the operators of its machine: what is asked of all shards goes through it.

Who asks is the login name that the kernel knows of the other end. It goes with the request to the other shards, whose
records have it: they trust the agents, who alone have the cluster's password.
"""

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from brokerfix.cluster.lease import Away
from brokerfix.operate.admin import CREDENTIALS, MAX_REQUEST, ActionRefused, Answer, NotRunning, name_of

log = logging.getLogger("brokerfix.cluster")

READ_SECONDS = 5.0


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
