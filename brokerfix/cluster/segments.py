"""This node's segments: read to be published, and written as the stream has them."""

import logging
import os
import time
import zlib
from pathlib import Path

from brokerfix.cluster.stream import MOST_BYTES, Head, Refused
from brokerfix.record.frames import HEADER, MAGIC
from brokerfix.record.journal import segments
from brokerfix.record.place import OFFSET_BITS, Place, place_at, position_of, spoken

log = logging.getLogger("brokerfix.cluster")

ASIDE = "aside"
"""The folder, in the journal's, of what was cut."""
READ_SIZE = 1 << 20
RESTORE = "restore a backup of the primary's journal here first"


def end_of(folder: Path) -> int:
    """The position behind the last byte of a journal; 0: there is none."""
    last = next(iter(reversed(segments(folder))), None)
    return position_of(Place(last.name, last.stat().st_size)) if last is not None else 0


def _write_all(file: int, data: bytes, offset: int) -> None:
    """Write at an offset. Raises OSError: a disk that has space for a part of it takes the part first."""
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


def crc_of(folder: Path, position: int) -> int | None:
    """The CRC32 of a segment's bytes up to a position; None where it is not there up to it."""
    place = place_at(position)
    path = folder / place.segment
    if not position or not path.is_file() or path.stat().st_size < place.offset:
        return None
    crc, left = 0, place.offset
    with path.open("rb") as file:
        while left and (data := file.read(min(READ_SIZE, left))):
            crc = zlib.crc32(data, crc)
            left -= len(data)
    return crc


class Outgoing:
    """Reads what is to be published next: from `position` on, behind bytes of its segment that have this `crc`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.position = 0
        self.crc = 0
        self._before = (0, 0)
        self._file = -1
        self._day = 0
        self._left = 0

    def go_to(self, position: int, known: int | None = None) -> None:
        """Read from there on, behind bytes whose CRC32 may be `known`; 0: from the first segment's begin. Raises
        Refused where this node has not that much."""
        if not position:
            first = next(iter(segments(self.folder)), None)
            if first is None:
                self.position = self.crc = 0
                return
            position = position_of(Place(first.name, 0))
        crc = crc_of(self.folder, position) if known is None else known
        if crc is None:
            raise Refused(f"{self.folder}: ends before {spoken(position)}, up to which the stream has it")
        self.position, self.crc, self._left = position, crc, 0

    def next(self, until: int) -> tuple[int, int, int, tuple[int, int], bytes] | None:
        """The next run before a position: day, offset, CRC32 behind it, the `before` of its Head, and bytes; None where
        there is nothing. A run ends with a record, but for those of more than MOST_BYTES."""
        if not self.position:
            self.go_to(0)
        if not self.position or self.position >= until:
            return None
        day, offset = self.position >> OFFSET_BITS, self.position & ((1 << OFFSET_BITS) - 1)
        end = until - (day << OFFSET_BITS) if until >> OFFSET_BITS == day else self._size(day)
        if offset >= end:
            return self._following(day, offset, until)
        data = os.pread(self._opened(day), min(end - offset, MOST_BYTES), offset)
        if offset + len(data) < end:
            data = self._whole(data, offset)
        before, self._before = self._before, (0, 0)
        self.crc = zlib.crc32(data, self.crc)
        self.position += len(data)
        return day, offset, self.crc, before if not offset else (0, 0), data

    def _following(self, day: int, offset: int, until: int) -> tuple[int, int, int, tuple[int, int], bytes] | None:
        """The first run of the next segment."""
        later = next((path for path in segments(self.folder) if int(path.stem) > day), None)
        if later is None:
            return None
        self._before = day << OFFSET_BITS | offset, self.crc
        self.position, self.crc, self._left = int(later.stem) << OFFSET_BITS, 0, 0
        return self.next(until)

    def _whole(self, data: bytes, offset: int) -> bytes:
        """Those bytes that end with a record's end; of a record that is longer, a part."""
        if self._left:
            part = data[: self._left]
            self._left -= len(part)
            return part
        end = 0 if offset else len(MAGIC)
        while end + HEADER.size <= len(data):
            following = end + HEADER.size + HEADER.unpack_from(data, end)[0]
            if following > len(data):
                break
            end = following
        if not end:
            self._left = HEADER.size + HEADER.unpack_from(data, 0)[0] - len(data)
            return data
        return data[:end]

    def _opened(self, day: int) -> int:
        if day != self._day:
            self.close()
            self._file = os.open(self.folder / f"{day}.journal", os.O_RDONLY | os.O_CLOEXEC)
            self._day = day
        return self._file

    def _size(self, day: int) -> int:
        return os.fstat(self._opened(day)).st_size

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file, self._day = -1, 0


class Incoming:
    """Makes this node's segments those of the stream. `position` is up to where they are, `crc` the CRC32 of its
    segment up to there; what this node has beyond is its own, until the stream says otherwise."""

    def __init__(self, folder: Path, sync: bool) -> None:
        """`sync`: what is written has to be on disk."""
        self.folder = folder
        self.sync = sync
        self.position = self.crc = 0
        self._file = -1
        self._day = 0
        folder.mkdir(parents=True, exist_ok=True)

    def begin(self, position: int, crc: int) -> None:
        """The segments are the stream's up to there."""
        self.position, self.crc = position, crc

    def take(self, head: Head, data: bytes) -> bool:
        """Write what a message has. Returns whether any of it was not here. Raises Refused where it does not fit to
        what is here, and OSError where it can't be written: then it may be taken again."""
        if head.is_epoch or (head.end <= self.position and crc_of(self.folder, head.end) == head.crc):
            return False
        if not self.position:
            self._check_first(head, data)
        if head.day != self.position >> OFFSET_BITS:
            self._next_segment(head)
        offset = self.position & ((1 << OFFSET_BITS) - 1)
        if head.offset > offset:
            raise Refused(
                f"{self.folder}: ends at {spoken(self.position)}, and the stream goes on at byte "
                f"{head.offset}: {RESTORE}"
            )
        if head.offset < offset:
            # A part of a record, that its writer did not live to end.
            self.crc = crc_of(self.folder, head.start) or 0
            self.position = head.start
        file = self._opened(head.day)
        has = os.pread(file, head.size, head.offset)
        if has != data[: len(has)]:
            self._cut(head.start)
            has = b""
        is_new = len(has) < len(data)
        if is_new:
            _write_all(file, data[len(has) :], head.offset + len(has))
            if self.sync:
                os.fdatasync(file)
        crc = zlib.crc32(data, self.crc)
        if crc != head.crc:
            raise Refused(
                f"{self.folder}/{head.segment}: is not what the primary has, before byte {head.offset}: it is damaged, "
                "or of another broker: move it away, and restore a backup of the primary's journal"
            )
        self.crc, self.position = crc, head.end
        return is_new

    def _check_first(self, head: Head, data: bytes) -> None:
        """What this node has already, before anything of the stream, has to be of the same journal."""
        first = next(iter(segments(self.folder)), None)
        if first is None or first.stat().st_size <= len(MAGIC):
            return
        with first.open("rb") as file:
            has = file.read(len(data))
        if first.name != head.segment or has != data[: len(has)]:
            raise Refused(
                f"{self.folder}: is the journal of another broker or cluster: the one of this cluster begins with "
                f"{head.segment}; move it away, or name another data folder"
            )

    def _next_segment(self, head: Head) -> None:
        """Go on with a message of another segment, which has to follow on the one that we have."""
        if head.offset or head.before != (self.position, self.crc):
            raise Refused(
                f"{self.folder}: ends at {spoken(self.position)}, which is not what the stream's "
                f"{head.segment} follows on: {RESTORE}"
            )
        if self.position and self._has_more():
            self._cut(self.position)
        self.position, self.crc = head.day << OFFSET_BITS, 0

    def _has_more(self) -> bool:
        place = place_at(self.position)
        return (self.folder / place.segment).stat().st_size > place.offset

    def cut_own(self) -> None:
        """Put aside what this node has beyond the stream's end."""
        if end_of(self.folder) > self.position:
            self._cut(self.position)

    def _cut(self, position: int) -> None:
        """Put what this node has from a position on aside: the stream has something else there."""
        aside = self.folder / ASIDE
        aside.mkdir(exist_ok=True)
        place = place_at(position)
        size = 0
        for path in segments(self.folder):
            if path.name < place.segment:
                continue
            first = place.offset if path.name == place.segment else 0
            kept = aside / f"{path.stem}.{first}.{time.time_ns()}"
            with path.open("rb") as file:
                file.seek(first)
                tail = file.read()
            if tail:
                kept.write_bytes(tail)
                size += len(tail)
            if path.name == place.segment:
                os.truncate(path, first)
            else:
                path.unlink()
        if size:
            log.warning(
                "%s: %d bytes from byte %d of %s on are not in the cluster's journal, as another node was the primary; "
                "they are cut, and kept in %s",
                self.folder, size, place.offset, place.segment, aside,
            )  # fmt: skip

    def _opened(self, day: int) -> int:
        if day != self._day:
            self.close()
            self._file = os.open(self.folder / f"{day}.journal", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._day = day
            if self.sync:
                folder = os.open(self.folder, os.O_RDONLY)
                os.fsync(folder)
                os.close(folder)
        return self._file

    def close(self) -> None:
        if self._file >= 0:
            if self.sync:
                os.fdatasync(self._file)
            os.close(self._file)
        self._file, self._day = -1, 0
