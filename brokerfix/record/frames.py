"""How records stand in a segment, and how each is tied to the one before.

A segment is the line MAGIC, then records: length and CRC32 of the payload (little-endian u32 each), then the payload. A
payload has the SHA-256 of the payload before it, over all segments, so that nothing before a record can be changed
without changing it.
"""

import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from struct import Struct

MAGIC = b"brokerfix journal 1\n"
HEADER = Struct("<II")
MAX_RECORD = 1 << 30
NEW = b"\xa2r2"
"""How a Record begins behind its array's first byte."""
LINK_SIZE, LINK_HEAD = 32, b"\xc4\x20"


_NOTHING = sha256()


def link(payload: bytes | memoryview) -> bytes:
    """What the next record has of this one."""
    # A copy spares OpenSSL the look-up of the algorithm.
    digest = _NOTHING.copy()
    digest.update(payload)
    return digest.digest()


def linked_to(payload: memoryview) -> bytes:
    """What a record has of the one before it, b"" if nothing: it stands at its end (MessagePack's bin 8)."""
    is_new = payload[1:4] == NEW and payload[-LINK_SIZE - 2 : -LINK_SIZE] == LINK_HEAD
    return bytes(payload[-LINK_SIZE:]) if is_new else b""


def record_end(data: memoryview, offset: int) -> int | None:
    """Where the record at `offset` ends, or None if there is no whole record."""
    start = offset + HEADER.size
    if start > len(data):
        return None
    length, crc = HEADER.unpack_from(data, offset)
    end: int = start + length
    if not 0 < length <= MAX_RECORD or end > len(data) or zlib.crc32(data[start:end]) != crc:
        return None
    return end


def payloads(segment: Path, offset: int = len(MAGIC)) -> Iterator[tuple[int, memoryview]]:
    """The payloads of a segment's whole records from a byte on, each with the byte behind it, up to what is none."""
    with segment.open("rb") as file:
        file.seek(offset)
        base, data = offset, memoryview(file.read())
    while (end := record_end(data, offset - base)) is not None:
        yield base + end, data[offset - base + HEADER.size : end]
        offset = base + end


def last_link(segments: list[Path], name: str = "", offset: int = len(MAGIC)) -> bytes:
    """The link to the last record of segments (oldest first), b"" if there is none. Who knows that a record begins at a
    byte of the segment of this name spares the look at what is before it."""
    for segment in reversed(segments):
        found = _last_link(segment, offset if segment.name == name else len(MAGIC))
        if not found and segment.name == name:
            found = _last_link(segment, len(MAGIC))
        if found:
            return found
    return b""


def _last_link(segment: Path, offset: int) -> bytes:
    """The link to the last record from a byte on. Their checksums were looked at when they were read."""
    with segment.open("rb") as file:
        file.seek(offset)
        data = memoryview(file.read())
    at, last, header, unpack = 0, -1, HEADER.size, HEADER.unpack_from
    size = len(data)
    while at + header <= size:
        following = at + header + unpack(data, at)[0]
        if following > size or following == at + header:
            break
        last, at = at, following
    return link(data[last + header : at]) if last >= 0 else b""
