"""A small FIX client session (4.2, 4.4, 5.0 SP2) on a plain socket: for the command line, the demo and the tests.

It shares no code with the broker's side of the wire (the codec is simplefix), so both ends are never wrong together.
Sequence numbers are kept in a file, if one is named, so that the session goes on over runs; messages sent are kept
in memory and sent again when the broker asks. A client that has lost them answers with a gap fill. The number of a
message is in the file before the message goes: who is killed between the two uses no number twice.
"""

import json
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import simplefix

Message = dict[int, str]
"""A received message: tag -> value. Of a tag in a repeating group it is the first; all are in Client.last."""

ADMIN = frozenset(["0", "1", "2", "3", "4", "5", "A"])
HEARTBEAT_SECONDS = 30
TIMEOUT = 10.0
FIXT, FIX_42, FIX_50SP2 = "FIXT.1.1", "FIX.4.2", "9"


class Disconnected(Exception):
    """The broker closed the connection or can't be reached; the text is its Logout's, if there was one."""


class TooLow(Disconnected):
    """One side's sequence numbers have begun anew, and the other's not: `connect(reset=True)` begins both anew."""


STORE_BYTES = 64
"""Of the file with the numbers."""
MOST_SENT = 10_000
"""How many messages are kept to be sent again; what is older is gap filled."""


class Client:
    """One FIX client session. Not thread-safe. `messages` holds application messages not taken yet; `sender_sub_id`
    gives the SenderSubID(50) of each that is sent, if it has one; `resume_at` the MsgSeqNum that the next run is to go
    on with, so that it is told again what this one may not be done with."""

    def __init__(
        self,
        comp_id: str,
        target: str,
        host: str,
        port: int,
        store: Path | None = None,
        password: str = "",
        username: str = "",
        begin_string: str = "FIX.4.4",
        vouch: Callable[[int, str, bool], tuple[int, str]] | None = None,
    ) -> None:
        """`host` may be the path of a local socket. `vouch` makes a field for the Logon of its MsgSeqNum, SendingTime
        and whether it resets the numbers."""
        self.comp_id = comp_id
        self.begin_string = begin_string
        self.target = target
        self.address = (host, port)
        self.vouch = vouch
        self.password = password
        self.username = username or comp_id
        self.sender_sub_id: Callable[[], str] = str
        self.resume_at: Callable[[], int] = lambda: self.next_in
        self.messages: deque[Message] = deque()
        self.admin: deque[Message] = deque()
        self.next_out = self.next_in = 1
        self._store = store
        self._saved: list[int] = []
        self._file: int | None = None
        self._sent: dict[int, list[tuple[int, str]]] = {}
        self._ahead: dict[int, tuple[Message, list[tuple[int, str]]]] = {}
        self._socket: socket.socket | None = None
        self._parser = simplefix.FixParser()
        self._last_sent = time.monotonic()
        self.received_pairs: deque[list[tuple[int, str]]] = deque()
        self.last: list[tuple[int, str]] = []
        if store is not None and store.exists() and store.stat().st_size:
            try:
                self.next_out, self.next_in = (int(number) for number in json.loads(store.read_text()))
            except ValueError as error:
                raise Disconnected(f"{store}: holds no sequence numbers ({error}); delete it to begin anew") from error

    # The session

    def connect(self, reset: bool = False, timeout: float = TIMEOUT) -> None:
        """Connect and log on. Raises Disconnected if that is refused."""
        try:
            self._socket = self._connected(timeout)
        except OSError as error:
            raise Disconnected(f"can't connect to {self.address[0]}:{self.address[1]}: {error}") from error
        self._parser = simplefix.FixParser()
        self._ahead.clear()
        if reset:
            self.next_out = self.next_in = 1
            self._sent.clear()
        logon = [(98, "0"), (108, str(HEARTBEAT_SECONDS))]
        if reset:
            logon.append((141, "Y"))
        if self.begin_string == FIXT:
            logon.append((1137, FIX_50SP2))
        if self.password:
            logon += [(553, self.username), (554, self.password)]
        self._send("A", logon)
        self.admin.clear()
        self._wait(lambda: any(message[35] == "A" for message in self.admin), timeout, "the broker's Logon")

    def _connected(self, timeout: float) -> socket.socket:
        host, port = self.address
        if not host.startswith("/"):
            connected = socket.create_connection((host, port), timeout)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connected
        local = socket.socket(socket.AF_UNIX)
        local.settimeout(timeout)
        local.connect(host)
        return local

    def logout(self, timeout: float = 2.0) -> None:
        """Log out in good order and close."""
        if self._socket is None:
            return
        try:
            self._send("5", [])
            deadline = time.monotonic() + timeout
            while time.monotonic() < deadline:
                self.poll(timeout)
                if any(message[35] == "5" for message in self.admin):
                    break
        except Disconnected:
            pass
        self.close()

    def close(self) -> None:
        """Drop the connection without a word."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.save()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def set_timeout(self, seconds: float) -> None:
        """How long a message may take to be sent before the session counts as lost."""
        assert self._socket is not None
        self._socket.settimeout(seconds)

    def fileno(self) -> int:
        """For `select`."""
        assert self._socket is not None
        return self._socket.fileno()

    # Messages

    def send(
        self, message_type: str, body: Iterable[tuple[int, Any]], *, header: Iterable[tuple[int, str]] = ()
    ) -> int:
        """Send an application message; `header` are tags of the header besides the usual. Returns its MsgSeqNum."""
        return self._send(message_type, [*header, *((tag, str(value)) for tag, value in body)])

    def new_order(
        self, cl_ord_id: str, side: str, qty: str, symbol: str, price: str | None = None, *, tif: str = "0", **tags: str
    ) -> int:
        """Send a limit order or, without a price, a market order. `tags` are more, or others, as t100="XNAS"."""
        body = [(11, cl_ord_id), (55, symbol), (54, side), (60, utc_now()), (38, qty), (40, "2" if price else "1")]
        if price:
            body.append((44, price))
        body.append((59, tif))
        if self.begin_string == FIX_42:
            body.append((21, "1"))
        more = {int(tag[1:]): value for tag, value in tags.items()}
        return self.send("D", [field for field in body if field[0] not in more] + list(more.items()))

    def cancel(self, cl_ord_id: str, orig_cl_ord_id: str, side: str, symbol: str) -> int:
        body = [(11, cl_ord_id), (41, orig_cl_ord_id), (55, symbol), (54, side), (60, utc_now())]
        return self.send("F", body)

    def replace(self, cl_ord_id: str, orig_cl_ord_id: str, side: str, qty: str, symbol: str, price: str | None) -> int:
        body = [(11, cl_ord_id), (41, orig_cl_ord_id), (55, symbol), (54, side), (60, utc_now()), (38, qty)]
        if self.begin_string == FIX_42:
            body.append((21, "1"))
        return self.send("G", body + ([(40, "2"), (44, price)] if price else [(40, "1")]))

    def status(self, cl_ord_id: str, side: str, symbol: str) -> int:
        return self.send("H", [(11, cl_ord_id), (55, symbol), (54, side)])

    def subscribe(self, md_req_id: str, symbols: Iterable[str], *, depth: int = 0, incremental: bool = True) -> int:
        names = list(symbols)
        body = [(262, md_req_id), (263, "1"), (264, depth), (265, "1" if incremental else "0")]
        body += [(146, len(names)), *((55, name) for name in names), (267, 3), (269, "0"), (269, "1"), (269, "2")]
        return self.send("V", body)

    def heartbeat(self) -> None:
        self._send("0", [])

    def send_raw(self, data: bytes) -> None:
        """Bytes as they are, outside of the session: what a broken client might send."""
        assert self._socket is not None
        self._socket.sendall(data)

    def receive(self, timeout: float = TIMEOUT) -> Message:
        """The next application message; `last` has all its tags in order. Raises Disconnected, or TimeoutError."""
        self._wait(lambda: bool(self.messages), timeout, "a message")
        self.last = self.received_pairs.popleft()
        return self.messages.popleft()

    def receive_until(self, wanted: Callable[[Message], bool], timeout: float = TIMEOUT) -> Message:
        """Take application messages until one is wanted, and return that one."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.receive(max(0.01, deadline - time.monotonic()))
            if wanted(message):
                return message

    def poll(self, timeout: float = 0.0) -> None:
        """Take in what the broker has sent, waiting up to `timeout` for the first byte. Raises Disconnected."""
        if self._socket is None:
            raise Disconnected("not connected")
        if time.monotonic() - self._last_sent > HEARTBEAT_SECONDS:
            self._send("0", [])
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        if not waiting.poll(timeout * 1000):
            return
        try:
            data = self._socket.recv(1 << 16)
        except OSError as error:
            data = b""
            self._said_goodbye(str(error))
        if not data:
            self._said_goodbye("")
        self._parser.append_buffer(data)
        while (parsed := self._parser.get_message()) is not None:
            every = [(int(tag), value.decode("utf-8", "surrogateescape")) for tag, value in parsed.pairs]
            self._received(dict(reversed(every)), every)
        self.save()

    # Inside

    def _wait(self, done: Callable[[], bool], timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{self.comp_id}: {what} did not come within {timeout} s")
            self.poll(left)

    def _received(self, message: Message, every: list[tuple[int, str]]) -> None:
        message_type, number = message[35], int(message[34])
        if message_type == "4" and message.get(123) != "Y":
            self.next_in = int(message[36])
            return
        if message_type == "A" and message.get(141) == "Y":
            self.next_in = 1
        if number > self.next_in:
            if message_type == "2":
                self._resend(int(message[7]), int(message[16]))
            if message_type in ("A", "5"):
                self.admin.append(message)
            if not self._ahead:
                self._send("2", [(7, str(self.next_in)), (16, "0")])
            self._ahead[number] = (message, every)
            return
        if number < self.next_in:
            if message_type == "A" and message.get(43) != "Y":
                raise TooLow(f"the broker's MsgSeqNum is {number}, and {self.next_in} was expected")
            return
        self.next_in = int(message[36]) if message_type == "4" else number + 1
        self._handle(message_type, message, every)
        while (waiting := self._ahead.pop(self.next_in, None)) is not None:
            self.next_in += 1
            if waiting[0][35] not in ("A", "2", "5"):
                self._handle(waiting[0][35], *waiting)
        for old in [number for number in self._ahead if number < self.next_in]:
            del self._ahead[old]

    def _handle(self, message_type: str, message: Message, every: list[tuple[int, str]]) -> None:
        if message_type not in ADMIN:
            self.messages.append(message)
            self.received_pairs.append(every)
            return
        self.admin.append(message)
        if message_type == "1":
            self._send("0", [(112, message[112])])
        elif message_type == "2":
            self._resend(int(message[7]), int(message[16]))
        elif message_type == "3":
            self.messages.append(message)
            self.received_pairs.append(every)

    def _resend(self, first: int, last: int) -> None:
        """Send again what is known of [first, last] (0: all), with gap fills over the rest."""
        last = last or self.next_out - 1
        number = first
        while number <= last:
            if number in self._sent:
                body = self._sent[number]
                self._write(body[0][1], [(43, "Y"), (122, utc_now()), *body[1:]], number)
                number += 1
                continue
            following = next((n for n in range(number, last + 1) if n in self._sent), last + 1)
            self._write("4", [(43, "Y"), (122, utc_now()), (123, "Y"), (36, str(following))], number)
            number = following

    def _send(self, message_type: str, body: list[tuple[int, str]]) -> int:
        number = self.next_out
        self.next_out += 1
        if message_type not in ADMIN:
            who = self.sender_sub_id()
            body = [(50, who), *body] if who else body
            self._sent[number] = [(35, message_type), *body]
            if len(self._sent) > MOST_SENT:
                del self._sent[next(iter(self._sent))]
        self.save()
        self._write(message_type, body, number)
        return number

    def _write(self, message_type: str, body: list[tuple[int, str]], number: int) -> None:
        message = simplefix.FixMessage()
        stamp = utc_now()
        for tag, value in (
            (8, self.begin_string), (35, message_type), (49, self.comp_id), (56, self.target), (34, number),
            (52, stamp),
        ):  # fmt: skip
            message.append_pair(tag, value)
        if message_type == "A" and self.vouch is not None:
            body = [*body, self.vouch(number, stamp, (141, "Y") in body)]
        for tag, value in body:
            message.append_pair(tag, value.encode("utf-8", "surrogateescape"))
        self._last_sent = time.monotonic()
        if self._socket is None:
            return
        try:
            self._socket.sendall(message.encode())
        except OSError as error:
            # What could not be sent stays in the book of sent messages: the broker asks for it after the next logon.
            self._said_goodbye(str(error))

    def _said_goodbye(self, reason: str) -> None:
        self.close()
        logout = next((message for message in reversed(self.admin) if message[35] == "5"), None)
        text = logout.get(58, "") if logout is not None else reason
        kind = TooLow if "MsgSeqNum too low" in text else Disconnected
        raise kind(text or "the broker closed the connection")

    def save(self) -> None:
        """Keep the numbers in the file, if they are not there already."""
        numbers = [self.next_out, self.resume_at()]
        if self._store is not None and numbers != self._saved:
            if self._file is None:
                self._store.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._store, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            # So few bytes are written at once, or not.
            os.pwrite(self._file, json.dumps(numbers).encode().ljust(STORE_BYTES), 0)
            self._saved = numbers


def utc_now() -> str:
    """Now, as a FIX UTCTimestamp with milliseconds."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def pairs_of(every: list[tuple[int, str]], delimiter: int) -> list[Message]:
    """The entries of a repeating group: each begins with the delimiter tag."""
    entries: list[Message] = []
    for tag, value in every:
        if tag == delimiter:
            entries.append({})
        if entries:
            entries[-1][tag] = value
    return entries
