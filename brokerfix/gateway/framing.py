"""Bytes -> FIX messages, whatever a stranger sends: bounded memory, no exception, no look at what a message means.

A message is `8=FIX...|9=N|`, N bytes that begin with `35=`, and `10=nnn|` (FIX session layer, "Message structure").
"""

import re
from enum import StrEnum
from zlib import adler32

HEAD = re.compile(rb"8=(?:FIX\.4\.[0-4]|FIXT\.1\.1)\x019=([0-9]{1,10})\x01")
LONGEST_HEAD = 24
"""More bytes than this without a whole head are none."""
TRAILER = 7
"""The bytes of 10=nnn and its end mark."""
SHORTEST_BODY = 5
SOH = b"\x01"
CHUNK = 256
"""Of so many bytes the sum is below the modulus of Adler-32, so that its low half is the sum."""


class Fault(StrEnum):
    """Why the bytes of a connection can't be FIX."""

    NOT_FIX = "these bytes are no FIX message"
    TOO_LONG = "the message is longer than is taken"
    BODY_LENGTH = "BodyLength(9) does not lead to the CheckSum(10)"
    CHECKSUM = "CheckSum(10) is wrong"


def checksum(data: bytes) -> int:
    """The sum of the bytes modulo 256."""
    if len(data) <= CHUNK:
        return (adler32(data, 0) & 0xFFFF) % 256
    return sum(adler32(data[at : at + CHUNK], 0) & 0xFFFF for at in range(0, len(data), CHUNK)) % 256


PARTIAL_HEAD = re.compile(
    rb"8?|8=|8=F|8=FI|8=FIX|8=FIX\.|8=FIX\.4|8=FIX\.4\.|8=FIX\.4\.[0-4]|8=FIXT|8=FIXT\.|8=FIXT\.1|8=FIXT\.1\.|8=FIXT\.1\.1|"
    rb"8=(?:FIX\.4\.[0-4]|FIXT\.1\.1)\x01(?:9?|9=[0-9]{0,10})"
)


def may_begin(data: bytes | bytearray) -> bool:
    """Whether a message can still begin with these bytes, which hold no whole head."""
    return len(data) <= LONGEST_HEAD and PARTIAL_HEAD.fullmatch(data) is not None


GARBLED_HEAD = re.compile(rb"8=[^\x01]{0,16}\x019=([0-9]{1,10})\x01")


class Framer:
    """Takes bytes in, gives whole messages out. Once there is a fault, nothing more comes, unless it `forgives`: then
    garbled messages are left out and counted, and what follows them is taken. It keeps at most one message of `most`
    bytes of body, or as much of a garbled one, and what was fed last."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.fault: Fault | None = None
        self.forgives = False
        self.garbled = 0
        self._buffer: bytes | bytearray = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        if self.fault is not None:
            return
        if self._at == len(self._buffer):
            self._buffer = data
        else:
            # What drips in is appended in place: a copy for every byte would be the square of a message.
            if not isinstance(self._buffer, bytearray):
                self._buffer = bytearray(self._buffer)
            del self._buffer[: self._at]
            self._buffer += data
        self._at = 0

    @property
    def waiting(self) -> int:
        """How many bytes are kept that were not given out."""
        return len(self._buffer) - self._at

    def next(self) -> bytes | None:
        """The next whole message, with its right length and sum; None if more bytes are needed, or at a fault."""
        message = self._next()
        while self.fault is not None and self.forgives and self._leave_out():
            message = self._next()
        if self.fault is not None:
            self._buffer, self._at = b"", 0
        return message

    def _next(self) -> bytes | None:
        buffer, at = self._buffer, self._at
        if self.fault is not None or at == len(buffer):
            return None
        head = HEAD.match(buffer, at)
        if head is None:
            if not may_begin(buffer[at : at + LONGEST_HEAD + 1]):
                self._fail(Fault.NOT_FIX)
            return None
        length = int(head[1])
        if length > self.most:
            return self._fail(Fault.TOO_LONG)
        body_end = head.end() + length
        end = body_end + TRAILER
        # What is there already must fit, so that nobody waits for a message that can't be one.
        if length < SHORTEST_BODY or not b"35=".startswith(buffer[head.end() : head.end() + 3]):
            return self._fail(Fault.NOT_FIX)
        if len(buffer) >= body_end and buffer[body_end - 1] != 1:
            return self._fail(Fault.BODY_LENGTH)
        trailer = buffer[body_end:end]
        if not b"10=".startswith(trailer[:3]) or not (trailer[3:6].isdigit() or len(trailer) <= 3):
            return self._fail(Fault.BODY_LENGTH)
        if len(trailer) < TRAILER:
            return None
        if trailer[6] != 1:
            return self._fail(Fault.BODY_LENGTH)
        message = bytes(buffer[at:end])
        if checksum(message[:-TRAILER]) != int(trailer[3:6]):
            return self._fail(Fault.CHECKSUM)
        self._at = end
        return message

    def _fail(self, fault: Fault) -> bytes | None:
        self.fault = fault
        return None

    def _leave_out(self) -> bool:
        """Leave a garbled message out. It ends at the first CheckSum(10) behind where its BodyLength(9) leads to, as
        for QuickFIX, or if it has none, where another message may begin. Returns whether that has come; if not, there
        is no fault yet, or the fault of a message that is too long."""
        buffer, at = self._buffer, self._at
        head = GARBLED_HEAD.match(buffer, at)
        if self.fault is Fault.TOO_LONG or (head is not None and int(head[1]) > self.most):
            self.fault = Fault.TOO_LONG
            return False
        if head is None:
            begin = buffer.find(b"8=", at + 1)
            # The last byte may be the first of them.
            self._at = begin if begin >= 0 else len(buffer) - buffer.endswith(b"8")
        else:
            found = buffer.find(b"\x0110=", head.end() + int(head[1]) - 1)
            end = buffer.find(SOH, found + 4) if found >= 0 else -1
            if end < 0:
                is_too_long = len(buffer) - at > self.most + LONGEST_HEAD + TRAILER
                self.fault = Fault.TOO_LONG if is_too_long else None
                return False
            self._at = end + 1
        self.fault = None
        self.garbled += 1
        return True


def frame(begin_string: str, body: bytes) -> bytes:
    """A whole message around a body that begins with `35=` and ends with an end mark."""
    message = b"8=%b\x019=%d\x01%b" % (begin_string.encode(), len(body), body)
    return b"%b10=%03d\x01" % (message, checksum(message))
