"""What one client's session has been through, as an append-only file: each record is its length and CRC32
(little-endian u32 each) and a list of events. A record is written before anything that follows from it is sent."""

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from struct import Struct
from typing import Any
from zlib import crc32

import msgspec

log = logging.getLogger("brokerfix.router")
RECORD = Struct("<II")
Event = tuple[Any, ...]
"""(kind, ...): see `state`."""
MOST = 400
"""Events of one record, about."""
PLACE_BITS = 20
"""A place is a record's offset and, in its lowest bits, the number of the event in it."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[Any, ...]]).decode


class LogError(Exception):
    """Why a file can't be read, for the operator."""


class Log:
    """One file. `end` is where its next record begins."""

    def __init__(self, path: Path, is_durable: bool = False) -> None:
        """`is_durable`: each record is on the disk before it counts. Raises OSError."""
        self.path = path
        self.is_durable = is_durable
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.end = 0
        self._read_last: tuple[int, list[Event]] = -1, []

    def read(self) -> Iterator[tuple[int, list[Event]]]:
        """Each record with its offset, to be read once, before anything is appended. The end of a write that was
        broken off is cut away. Raises LogError for what is damaged otherwise."""
        size = os.fstat(self._descriptor).st_size
        while self.end < size:
            data = self._record(self.end)
            if data is None:
                length = RECORD.unpack(os.pread(self._descriptor, RECORD.size, self.end).ljust(RECORD.size, b"\0"))[0]
                if self.end + RECORD.size + length < size:
                    raise LogError(
                        f"{self.path}: is damaged at byte {self.end}, before its end; restore it from a copy, or "
                        f"move it away: then the client's session begins with new sequence numbers"
                    )
                log.warning("%s: the last write was broken off; it is cut at byte %d", self.path, self.end)
                os.ftruncate(self._descriptor, self.end)
                return
            at, self.end = self.end, self.end + RECORD.size + len(data)
            yield at, _decode(data)

    def _record(self, at: int) -> bytes | None:
        head = os.pread(self._descriptor, RECORD.size, at)
        if len(head) < RECORD.size:
            return None
        length, sum_ = RECORD.unpack(head)
        data = os.pread(self._descriptor, length, at + RECORD.size)
        return data if len(data) == length and crc32(data) == sum_ else None

    def append(self, events: list[Event]) -> None:
        """Write a record. Raises OSError where it can't be; then nothing of it is there."""
        data = _encode(events)
        record = RECORD.pack(len(data), crc32(data)) + data
        try:
            if os.pwrite(self._descriptor, record, self.end) != len(record):
                raise OSError(f"{self.path}: the disk is full")
            if self.is_durable:
                os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.end)
            raise
        self.end += len(record)

    def event(self, place: int) -> Event:
        """The event of a place."""
        at = place >> PLACE_BITS
        if self._read_last[0] != at:
            data = self._record(at)
            if data is None:
                raise LogError(f"{self.path}: is damaged at byte {at}")
            self._read_last = at, _decode(data)
        return self._read_last[1][place & ((1 << PLACE_BITS) - 1)]

    def replace(self, records: Iterable[list[Event]]) -> None:
        """Put another file in its place, with these records; whenever we are killed, one of both is there whole.
        Raises OSError."""
        written = Log(self.path.with_suffix(".new"), False)
        os.ftruncate(written._descriptor, 0)
        for events in records:
            written.append(events)
        os.fsync(written._descriptor)
        written.path.replace(self.path)
        os.close(self._descriptor)
        self._descriptor, self.end = written._descriptor, written.end
        self._read_last = -1, []

    def close(self) -> None:
        os.close(self._descriptor)
