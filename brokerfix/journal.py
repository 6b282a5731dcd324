"""The journal: every fact, in order, in append-only segments, one per trading day.

A segment is `<day>.journal`: the line MAGIC, then records. A record is one input's facts: length and CRC32 of the
payload (little-endian u32 each), then the payload, a MessagePack list of facts. One record is one `os.write`.
"""

import fcntl
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from struct import Struct

import msgspec

from brokerfix.facts import DayRolled, Fact, StateKept

MAGIC = b"brokerfix journal 1\n"
HEADER = Struct("<II")
MAX_RECORD = 1 << 30
MIN_FREE = 16 << 20
"""Bytes free on the disk below which it counts as full."""
RESERVE = 4 << 20
"""Bytes kept free for cancels and fills when the disk is full."""

BEGINS = (DayRolled, StateKept)
"""The facts that begin a segment."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Fact]).decode


class JournalError(Exception):
    """The journal can't be read or used as it is. The text says which segment, where, and what to do."""


class DiskFull(JournalError):
    """A record could not be written. Nothing of it is in the journal."""


class Torn(msgspec.Struct, frozen=True):
    """A last record that was being written when the process died: where it begins and how many bytes there are."""

    segment: Path
    offset: int
    size: int


def segments(folder: Path) -> list[Path]:
    """The segments of a journal, oldest first."""
    return sorted(folder.glob("*.journal"))


def read(folder: Path, torn: Callable[[Torn], None] | None = None, since_kept: bool = False) -> Iterator[list[Fact]]:
    """Every record of every segment, none if there is no such folder. `torn` is told of a last
    record that is not whole; it is left out. With `since_kept` it begins with the last segment that begins with the
    whole state, if there is one.

    Raises JournalError where a record in the middle is damaged.
    """
    every = segments(folder)
    first = next((segment for segment in reversed(every) if _begins_with_state(segment)), None) if since_kept else None
    for segment in every:
        if first is not None and segment < first:
            continue
        is_last = segment == every[-1]
        for record, _ in records(segment, len(MAGIC), torn if is_last else None, may_tear=is_last):
            yield record


def _begins_with_state(segment: Path) -> bool:
    for record, _ in records(segment, len(MAGIC)):
        return isinstance(record[0], StateKept)
    return False


def records(
    segment: Path, offset: int, torn: Callable[[Torn], None] | None = None, may_tear: bool = True
) -> Iterator[tuple[list[Fact], int]]:
    """The records of one segment from `offset` on, each with the offset just behind it."""
    with segment.open("rb") as file:
        first_line = file.read(len(MAGIC))
        if first_line != MAGIC[: len(first_line)]:
            raise JournalError(f"{segment}: this is no journal of brokerfix (its first line is not {MAGIC!r})")
        file.seek(offset)
        base, data = offset, memoryview(file.read())
    while offset - base < len(data):
        end = _record_end(data, offset - base)
        if end is None:
            _check_torn(segment, data, base, offset, may_tear)
            if torn is not None:
                torn(Torn(segment, offset, base + len(data) - offset))
            return
        try:
            record = _decode(data[offset - base + HEADER.size : end])
        except msgspec.MsgspecError as error:
            raise JournalError(
                f"{segment}: the record at byte {offset} is whole but is not understood ({error}); "
                "it was written by another version of brokerfix: read it with that version"
            ) from error
        offset = base + end
        yield record, offset


def _record_end(data: memoryview, offset: int) -> int | None:
    """Where the record at `offset` ends, or None if there is no whole record."""
    start = offset + HEADER.size
    if start > len(data):
        return None
    length, crc = HEADER.unpack_from(data, offset)
    end: int = start + length
    if not 0 < length <= MAX_RECORD or end > len(data) or zlib.crc32(data[start:end]) != crc:
        return None
    return end


def _check_torn(segment: Path, data: memoryview, base: int, offset: int, may_tear: bool) -> None:
    """A torn tail has nothing whole behind it. Anything else is damage, which is never cut silently. `data` begins at
    byte `base` of the segment."""
    after = range(offset - base + 1, len(data))
    whole = next((base + at for at in after if _record_end(data, at) is not None), None)
    if whole is None and may_tear:
        return
    behind = f"the next whole record is at byte {whole}" if whole is not None else "a later segment follows"
    raise JournalError(
        f"{segment}: the record at byte {offset} is damaged ({behind}). The broker does not start on it: restore this "
        "segment from a copy; until then nothing after that byte can be trusted"
    )


def lock(data: Path) -> int:
    """Take the data folder for this process. Returns a descriptor that holds the lock. Raises JournalError."""
    descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 20).decode() or "unknown"
        os.close(descriptor)
        raise JournalError(
            f"{data}: another broker runs on this data folder (process {owner}); stop it first"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


class Journal:
    """The open journal of a running broker: appends to the segment of the trading day.

    `position` counts the bytes appended since the start. With `disk`, `synced` follows it on a thread of its own.
    """

    def __init__(self, folder: Path, disk: bool = False) -> None:
        self.folder = folder
        self.disk = disk
        self.position = 0
        self.full = False
        self._descriptor = -1
        self._size = 0
        self._syncer: _Syncer | None = _Syncer() if disk else None
        folder.mkdir(parents=True, exist_ok=True)
        self._reserve = folder / "reserve"

    def open(self, day: int, torn: Torn | None = None) -> None:
        """Go on with the last segment, cutting a torn tail, or begin the first one. `day` is YYYYMMDD."""
        self.hold_reserve()
        existing = segments(self.folder)
        path = existing[-1] if existing else self.folder / f"{day}.journal"
        if torn is not None:
            os.truncate(torn.segment, torn.offset)
        self._begin(path)
        if self.disk:
            # What the last process wrote but did not sync is about to be told.
            os.fdatasync(self._descriptor)

    def append(self, facts: Sequence[Fact]) -> int:
        """Write one record. Returns the position that has to be synced before its messages may go.

        Raises DiskFull, and then has written nothing.
        """
        first = facts[0]
        if type(first) in BEGINS:
            assert isinstance(first, BEGINS)
            self._begin(self.folder / f"{first.day}.journal")
        payload = _encode(facts)
        self.position += self._write(HEADER.pack(len(payload), zlib.crc32(payload)) + payload)
        if self._syncer is not None:
            self._syncer.request(self.position)
        return self.position

    @property
    def synced(self) -> int:
        """Messages whose position is not beyond this may go. Raises OSError if the disk has failed."""
        return self._syncer.synced() if self._syncer is not None else self.position

    def wait_synced(self) -> None:
        """Block until all that was appended is on disk (at the stop)."""
        if self._syncer is not None:
            self._syncer.wait(self.position)

    def close(self) -> None:
        if self._syncer is not None:
            self._syncer.stop()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def release_reserve(self) -> bool:
        """Give the reserved space back to a full disk. Returns whether there was any."""
        if not self._reserve.exists():
            return False
        self._reserve.unlink()
        return True

    def watch_space(self) -> bool:
        """Look at the disk before it is full to the last byte, because the FIX sessions' own files need some too.
        Returns whether `full` has changed."""
        was = self.full
        place = os.statvfs(self.folder)
        free = place.f_bavail * place.f_frsize
        if not self.full:
            self.full = free < MIN_FREE
        elif free > 2 * MIN_FREE:
            self.hold_reserve()
        return self.full != was

    def hold_reserve(self) -> bool:
        """Keep some space for the day the disk is full; `full` says whether there is not even that much."""
        descriptor = os.open(self._reserve, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE)
            self.full = False
        except OSError:
            self._reserve.unlink()
            self.full = True
        finally:
            os.close(descriptor)
        return not self.full

    def _begin(self, path: Path) -> None:
        """Go on with a segment, or begin it. Raises DiskFull, and then is where it was."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        size = os.fstat(descriptor).st_size
        if size < len(MAGIC):
            os.ftruncate(descriptor, 0)
            try:
                written = os.write(descriptor, MAGIC)
            except OSError:
                written = 0
            if written != len(MAGIC):
                os.close(descriptor)
                path.unlink()
                raise DiskFull(f"{path}: a segment can't be begun (no space left)")
            size = written
        if self._descriptor >= 0:
            if self.disk:
                os.fdatasync(self._descriptor)
            os.close(self._descriptor)
        self._descriptor, self._size = descriptor, size
        if self._syncer is not None:
            self._syncer.follow(self._descriptor)
            folder = os.open(self.folder, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)

    def _write(self, record: bytes) -> int:
        try:
            written = os.write(self._descriptor, record)
        except OSError as error:
            raise DiskFull(f"{self.folder}: the journal can't be written ({error.strerror})") from error
        if written != len(record):
            os.ftruncate(self._descriptor, self._size)
            raise DiskFull(f"{self.folder}: the journal can't be written (no space left for a whole record)")
        self._size += written
        return written


class _Syncer:
    """Group commit: one thread that syncs the segment whenever something new was appended, and nothing else."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._descriptor = -1
        self._wanted = self._synced = 0
        self._running = True
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    def follow(self, descriptor: int) -> None:
        with self._changed:
            self._descriptor = descriptor

    def request(self, position: int) -> None:
        with self._changed:
            self._wanted = position
            self._changed.notify_all()

    def synced(self) -> int:
        if self._error is not None:
            raise self._error
        return self._synced

    def wait(self, position: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._synced >= position or self._error is not None)
        self.synced()

    def stop(self) -> None:
        with self._changed:
            self._running = False
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted > self._synced or not self._running)
                if not self._running:
                    return
                wanted, descriptor = self._wanted, self._descriptor
            try:
                os.fdatasync(descriptor)
            except OSError as error:
                self._error = error
            with self._changed:
                self._synced = wanted
                self._changed.notify_all()
            if self._error is not None:
                return
