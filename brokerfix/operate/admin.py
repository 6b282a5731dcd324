"""The operator's door: a local socket that only the broker's own user may open, and who is configured, asked once every
few milliseconds.

One request is one line of JSON, {"action": NAME, ...}; its answer is one line too, {"ok": true, ...} or {"ok": false,
"error": TEXT}. Who asks is the login name that the kernel knows of the other end, and no word of theirs. Who says
nothing, or does not read, loses its place; nobody can keep an operator out.
"""

import contextlib
import json
import logging
import os
import pwd
import select
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

log = logging.getLogger("brokerfix.operate.admin")

Request = dict[str, Any]
Answer = dict[str, Any]
MAX_REQUEST = 1 << 20
"""Bytes of a request's line."""
MOST_TEXT = 200
"""Characters of a text in a request, and of what is put on record of it."""
MOST_READ = 1 << 16
"""Bytes that are read at a time."""
SECRET = ("personal-set",)
"""What no log has the text of."""
LOOKS = (
    "parts", "placed", "set-parts", "status", "sessions", "exchanges", "killed", "cluster", "depth", "raise-alert",
    "api-keys", "positions", "working", "pending-limits",
)  # fmt: skip
"""What the cluster's agent and pages ask again and again, and what not everybody may read who reads the log."""
MAX_CALLERS = 16
BACKLOG = 128
"""Callers that wait for a place."""
REQUEST_SECONDS = 5.0
"""Within which a whole request has to come: after the connection, and after the answer before."""
SPARED_SECONDS = 0.25
"""For so long after it was heard, a caller keeps its place when all are taken and another waits."""
UNREAD_SECONDS = 5.0
"""For so long a caller may take nothing of its answer."""
MAX_UNREAD = 1 << 26
"""Bytes of answers that may wait for all callers together, beyond one answer of any length."""
MOST_SENT = 1 << 18
"""Bytes that one caller is sent at a time."""
MOST_ANSWERED = 4
"""Requests that are answered at a time."""
TIMEOUT = 10.0
RETRY_SECONDS = 0.02
CREDENTIALS = struct.Struct("3i")


class ActionRefused(Exception):
    """Why an action can't be done, for the operator."""


class NotRunning(Exception):
    """There is no broker to ask."""


def socket_path(data: Path) -> Path:
    """The operator's socket of a data folder."""
    return data / "admin.sock"


class Caller:
    """One caller: what of its requests has come, what is still to be sent of the answer to the one before, and when it
    was last heard: when it connected, sent a whole request, or took a part of its answer."""

    def __init__(self, connection: socket.socket, now: float) -> None:
        self.connection = connection
        self.heard = now
        self.unsent = memoryview(b"")
        self.has_ended = False
        self._asked = bytearray()

    @property
    def has_asked(self) -> bool:
        """Whether a whole request waits to be answered, or more than a request may be long."""
        return b"\n" in self._asked or len(self._asked) > MAX_REQUEST

    @property
    def may_ask(self) -> bool:
        """Whether more of a request may come."""
        return not (self.has_asked or self.has_ended)

    @property
    def is_done(self) -> bool:
        return self.has_ended and not self.unsent and not self.has_asked

    @property
    def deadline(self) -> float:
        """When it has to go unless it is heard before."""
        if self.unsent:
            return self.heard + UNREAD_SECONDS
        return float("inf") if self.has_asked else self.heard + REQUEST_SECONDS

    def receive(self, now: float) -> None:
        """Take what has come. Raises OSError where it is gone."""
        if self.may_ask:
            with contextlib.suppress(BlockingIOError):
                data = self.connection.recv(MOST_READ)
                self._asked += data
                self.has_ended = not data
                if self.has_asked:
                    self.heard = now

    def request(self) -> bytes | None:
        """The next request, or None for one that is too long; then there are no more."""
        line, newline, self._asked = self._asked.partition(b"\n")
        if newline:
            return bytes(line)
        self._asked, self.has_ended = bytearray(), True
        return None

    def answer(self, answer: Answer, now: float) -> None:
        """Begin to send an answer. Raises OSError where the caller is gone."""
        self.unsent = memoryview(json.dumps(answer).encode() + b"\n")
        self.send(now)

    def send(self, now: float) -> None:
        """Send what the caller takes. Raises OSError where it is gone."""
        if self.unsent:
            with contextlib.suppress(BlockingIOError):
                self.unsent = self.unsent[self.connection.send(self.unsent[:MOST_SENT]) :]
                self.heard = now


class AdminSocket:
    """The listening end. `handle` does what a request asks for, in the loop's thread, and raises ActionRefused. `clock`
    is in seconds and never goes back. `operators` are login names that may ask beside the broker's own user."""

    def __init__(
        self,
        data: Path,
        handle: Callable[[str, Request], Answer],
        clock: Callable[[], float] = time.monotonic,
        operators: tuple[str, ...] = (),
    ) -> None:
        self._operators = (*operators, name_of(os.getuid()), name_of(0)) if operators else ()
        self.path = socket_path(data)
        self.handle = handle
        self.clock = clock
        self._callers: dict[int, Caller] = {}
        self._accepts = True
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Where others may ask, who they are is looked at when they do.
        umask = os.umask(0o111 if operators else 0o177)
        try:
            self._listener.bind(str(self.path))
        finally:
            os.umask(umask)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)

    def poll(self) -> None:
        """Take new callers, send what they take of their answers, answer what is whole, let go of who is too slow. It
        never waits, and does a bounded amount of work."""
        now = self.clock()
        self._accept(now)
        answered = 0
        for caller in list(self._callers.values()):
            try:
                caller.receive(now)
                caller.send(now)
                if caller.has_asked and not caller.unsent and answered < MOST_ANSWERED and self._can_answer(now):
                    answered += 1
                    # The others come first the next time.
                    descriptor = caller.connection.fileno()
                    self._callers[descriptor] = self._callers.pop(descriptor)
                    caller.answer(self._answered(caller), now)
            except OSError:
                # It has gone; what it asked for was done or was never whole.
                self._drop(caller)
            if caller.is_done or now >= caller.deadline:
                self._drop(caller)

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an answer, or has not taken all of one: `poll` has to be called before long."""
        return any(caller.has_asked or caller.unsent for caller in self._callers.values())

    def descriptors(self) -> list[tuple[int, int]]:
        """(descriptor, events as poll(2) has them) of all that `poll` has to be called for when it happens."""
        waited = [(self._listener.fileno(), select.POLLIN)] if self._has_room(self.clock()) else []
        for descriptor, caller in self._callers.items():
            waited.append(
                (descriptor, (select.POLLOUT if caller.unsent else 0) | (select.POLLIN if caller.may_ask else 0))
            )
        return waited

    def due(self) -> float | None:
        """In how many seconds `poll` has to be called though nothing happens on a descriptor; None for never."""
        if not self._callers:
            return None
        if any(caller.has_asked and not caller.unsent for caller in self._callers.values()):
            return 0.0
        now = self.clock()
        deadlines = [caller.deadline for caller in self._callers.values()]
        if not self._has_room(now):
            deadlines += [caller.heard + SPARED_SECONDS for caller in self._callers.values()]
        return max(0.0, min(deadlines) - now)

    # Callers

    def _accept(self, now: float) -> None:
        """Take new callers. Where all places are taken, each takes that of the one who was heard least recently."""
        for _ in range(MAX_CALLERS):
            if not self._has_room(now):
                return
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Out of descriptors, or the like: those who wait have to wait on.
                if self._accepts:
                    log.error("%s: an operator can't be let in: %s", self.path, error.strerror)
                self._accepts = False
                return
            self._accepts = True
            connection.setblocking(False)
            if self._operators and operator_of(connection) not in self._operators:
                log.warning("%s: %s may not operate this broker", self.path, operator_of(connection))
                connection.close()
                continue
            if len(self._callers) >= MAX_CALLERS:
                self._drop(self._quietest())
            self._callers[connection.fileno()] = Caller(connection, now)

    def _quietest(self) -> Caller:
        """Who was heard least recently of those who wait for nothing from us, or of all."""
        callers = self._callers.values()
        return min(
            (one for one in callers if not one.has_asked or one.unsent), key=_heard, default=min(callers, key=_heard)
        )

    def _has_room(self, now: float) -> bool:
        return len(self._callers) < MAX_CALLERS or self._quietest().heard + SPARED_SECONDS <= now

    def _can_answer(self, now: float) -> bool:
        """Whether one more answer may be kept; if need be, in the place of one that its caller does not read."""
        unread = [caller for caller in self._callers.values() if caller.unsent]
        if sum(len(caller.unsent) for caller in unread) < MAX_UNREAD:
            return True
        slowest = min(unread, key=_heard)
        if slowest.heard + SPARED_SECONDS > now:
            return False
        self._drop(slowest)
        return True

    def _answered(self, caller: Caller) -> Answer:
        line = caller.request()
        if line is None:
            return {"ok": False, "error": f"a request has at most {MAX_REQUEST} bytes"}
        return self._answer(caller.connection, line)

    def _answer(self, caller: socket.socket, line: bytes) -> Answer:
        operator = operator_of(caller)
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ActionRefused("a request is a JSON object")
            level = logging.DEBUG if request.get("action") in LOOKS else logging.INFO
            action = request.get("action")
            told = f"{action}" if action in SECRET else line.decode(errors="replace")[:500]
            log.log(level, "operator %s: %s", operator, told)
            return {"ok": True, **self.handle(operator, request)}
        except (ActionRefused, ValueError) as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:
            log.exception("an operator's request failed: %r", line[:40] if SECRET[0].encode() in line else line[:500])
            return {"ok": False, "error": f"the broker failed to do it ({type(error).__name__}); see its log"}

    def _drop(self, caller: Caller) -> None:
        """Let go of a caller, who may be gone already."""
        self._callers.pop(caller.connection.fileno(), None)
        caller.connection.close()

    def close(self) -> None:
        for caller in list(self._callers.values()):
            self._drop(caller)
        self._listener.close()
        self.path.unlink(missing_ok=True)


def _heard(caller: Caller) -> float:
    return caller.heard


def operator_of(caller: socket.socket) -> str:
    """The login name of a local socket's other end."""
    raw = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    _, uid, _ = CREDENTIALS.unpack(raw)
    return name_of(uid)


def name_of(uid: int) -> str:
    """The login name of a user."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def ask(data: Path, request: Request, timeout: float = TIMEOUT) -> Answer:
    """Ask the broker that runs on a data folder, for so many seconds at most. Raises NotRunning, or ActionRefused with
    its reason."""
    return ask_at(socket_path(data), request, timeout)


def ask_at(path: Path, request: Request, timeout: float = TIMEOUT) -> Answer:
    """The same of a local socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(timeout)
        try:
            _connect(caller, path, timeout)
        except OSError as error:
            raise NotRunning(f"{path}: no broker answers here ({error.strerror}); is it running?") from error
        answered = bytearray()
        try:
            caller.sendall(json.dumps(request).encode() + b"\n")
            while not answered.endswith(b"\n"):
                part = caller.recv(MOST_READ)
                if not part:
                    raise NotRunning(f"{path}: the broker hung up")
                answered += part
        except TimeoutError as error:
            raise NotRunning(f"{path}: the broker did not answer within {timeout:g} s") from error
        except OSError as error:
            raise NotRunning(f"{path}: the broker hung up ({error.strerror})") from error
    answer: Answer = json.loads(answered)
    if not answer.pop("ok"):
        raise ActionRefused(answer["error"])
    return answer


def _connect(caller: socket.socket, path: Path, timeout: float) -> None:
    """Connect to a local socket. Where too many wait at it, the kernel says so at once: it is tried again for a while.
    Raises OSError."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return caller.connect(str(path))
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)
