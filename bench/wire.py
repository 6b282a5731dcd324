"""The load's side of the wire: FIX on raw sockets, hand-made so that the load costs as little as it can. No QuickFIX.

One process plays the client and, where orders are routed, the exchange too: it can then time an order's whole way.
"""

import socket
import ssl
import time
from datetime import UTC, datetime

SOH = b"\x01"
_CHECKSUM = b"\x0110="


def _now() -> bytes:
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3].encode()


class Wire:
    """One FIX connection: numbers and frames what it sends, splits what it gets. `stamp` is refreshed by the caller
    now and then: a SendingTime a second old is good enough and costs nothing."""

    def __init__(self, connection: socket.socket, sender: str, target: str) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self.ids = f"\x0149={sender}\x0156={target}\x0134=".encode()
        self.number = 0
        self.stamp = _now()
        self.buffer = b""

    def pack(self, message_type: bytes, body: bytes) -> bytes:
        """A framed message; `body` is `tag=value` fields, each with its end mark."""
        self.number += 1
        rest = b"35=%b%b%d\x0152=%b\x01%b" % (message_type, self.ids, self.number, self.stamp, body)
        message = b"8=FIX.4.4\x019=%d\x01%b" % (len(rest), rest)
        return b"%b10=%03d\x01" % (message, sum(message) % 256)

    def send(self, message_type: bytes, body: bytes) -> None:
        self.socket.sendall(self.pack(message_type, body))

    def receive(self, block: bool = True) -> list[bytes]:
        """The whole messages that have come (each without its checksum field)."""
        self.socket.setblocking(block)
        try:
            data = self.socket.recv(1 << 18)
            while isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
                # TLS gives one record at a time, and what it has taken in already wakes nobody.
                data += self.socket.recv(1 << 18)
        except (BlockingIOError, ssl.SSLWantReadError):
            return []
        finally:
            self.socket.setblocking(True)
        if not data:
            raise ConnectionError("the other side closed the connection")
        *messages, self.buffer = (self.buffer + data).split(_CHECKSUM)
        if messages:
            # Behind each checksum mark stand three digits and an end mark before the next message begins.
            messages = [messages[0], *(message[4:] for message in messages[1:])]
            if len(self.buffer) >= 4:
                self.buffer = self.buffer[4:]
            else:
                self.buffer = messages.pop() + _CHECKSUM + self.buffer
        return [message[message.index(b"8=FIX") :] for message in messages]

    def refresh(self) -> None:
        self.stamp = _now()


def connect(port: int, sender: str, target: str, authority: str = "", credentials: bytes = b"") -> Wire:
    """Log a client on with fresh sequence numbers; with TLS where the file of the server's `authority` is named."""
    deadline = time.monotonic() + 10
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port))
            if authority:
                context = ssl.create_default_context(cafile=authority)
                connection = context.wrap_socket(connection, server_hostname="localhost")
            wire = Wire(connection, sender, target)
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    wire.send(b"A", b"98=0\x01108=60\x01141=Y\x01" + credentials)
    while not any(b"\x0135=A\x01" in message for message in wire.receive()):
        pass
    return wire


def field(message: bytes, tag: bytes) -> bytes:
    """The value of a field, as b"\\x0111="; b"" if it is not there."""
    at = message.find(tag)
    if at < 0:
        return b""
    at += len(tag)
    end = message.find(SOH, at)
    return message[at:] if end < 0 else message[at:end]
