"""The operator's door: a local socket that only the broker's own user may open, asked once every few milliseconds.

One request is one line of JSON, {"action": NAME, ...}; its answer is one line too, {"ok": true, ...} or {"ok": false,
"error": TEXT}. Who asks is the login name that the kernel knows of the other end, and no word of theirs.
"""

import json
import logging
import os
import pwd
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

log = logging.getLogger("brokerfix.admin")

Request = dict[str, Any]
Answer = dict[str, Any]
MAX_REQUEST = 1 << 16
MAX_CALLERS = 16
TIMEOUT = 10.0
CREDENTIALS = struct.Struct("3i")


class Refused(Exception):
    """Why an action can't be done, for the operator."""


class NotRunning(Exception):
    """There is no broker to ask."""


def socket_path(data: Path) -> Path:
    """The operator's socket of a data folder."""
    return data / "admin.sock"


class Door:
    """The listening end. `handle` does what a request asks for, in the loop's thread, and raises Refused."""

    def __init__(self, data: Path, handle: Callable[[str, Request], Answer]) -> None:
        self.path = socket_path(data)
        self.handle = handle
        self._callers: dict[socket.socket, bytearray] = {}
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        umask = os.umask(0o177)
        try:
            self._listener.bind(str(self.path))
        finally:
            os.umask(umask)
        self._listener.listen(MAX_CALLERS)
        self._listener.setblocking(False)

    def poll(self) -> None:
        """Take new callers and answer what is whole. It never waits."""
        while len(self._callers) < MAX_CALLERS:
            try:
                caller, _ = self._listener.accept()
            except BlockingIOError:
                break
            caller.setblocking(False)
            self._callers[caller] = bytearray()
        for caller in list(self._callers):
            try:
                self._serve(caller)
            except OSError:
                # The caller has gone; what it asked for was done or was never whole.
                self._drop(caller)

    def _serve(self, caller: socket.socket) -> None:
        try:
            data = caller.recv(MAX_REQUEST)
        except BlockingIOError:
            return
        asked = self._callers[caller]
        asked += data
        if not data or len(asked) > MAX_REQUEST:
            self._drop(caller)
            return
        while b"\n" in asked:
            line, _, rest = asked.partition(b"\n")
            asked[:] = rest
            caller.sendall(json.dumps(self._answer(caller, bytes(line))).encode() + b"\n")

    def _answer(self, caller: socket.socket, line: bytes) -> Answer:
        operator = operator_of(caller)
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise Refused("a request is a JSON object")
            log.info("operator %s: %s", operator, line.decode(errors="replace")[:500])
            return {"ok": True, **self.handle(operator, request)}
        except (Refused, ValueError) as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:
            log.exception("an operator's request failed: %r", line[:500])
            return {"ok": False, "error": f"the broker failed to do it ({type(error).__name__}); see its log"}

    def _drop(self, caller: socket.socket) -> None:
        del self._callers[caller]
        caller.close()

    def close(self) -> None:
        for caller in list(self._callers):
            self._drop(caller)
        self._listener.close()
        self.path.unlink(missing_ok=True)


def operator_of(caller: socket.socket) -> str:
    """The login name of a local socket's other end."""
    raw = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    _, uid, _ = CREDENTIALS.unpack(raw)
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def ask(data: Path, request: Request) -> Answer:
    """Ask the broker that runs on a data folder. Raises NotRunning, or Refused with its reason."""
    path = socket_path(data)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(TIMEOUT)
        try:
            caller.connect(str(path))
        except OSError as error:
            raise NotRunning(f"{path}: no broker answers here ({error.strerror}); is it running?") from error
        caller.sendall(json.dumps(request).encode() + b"\n")
        answered = b""
        while not answered.endswith(b"\n"):
            part = caller.recv(MAX_REQUEST)
            if not part:
                raise NotRunning(f"{path}: the broker hung up")
            answered += part
    answer: Answer = json.loads(answered)
    if not answer.pop("ok"):
        raise Refused(answer["error"])
    return answer
