"""The journal: every fact, in order, in append-only segments, one per trading day.

A segment is `<day>.journal`, see `frames`. A record is one input's facts with what brought them about: its payload is a
MessagePack array, see `Record`. Older versions wrote nothing but a list of facts. One record is one `os.write`.
"""

import fcntl
import os
import re
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from brokerfix.facts import KINDS, AnyFact, DayRolled, Fact, StateKept
from brokerfix.record.frames import HEADER, MAGIC, MAX_RECORD, NEW, last_link, link
from brokerfix.record.frames import record_end as _record_end
from brokerfix.record.place import Place as Place
from brokerfix.record.place import position_of
from brokerfix.record.syncer import Syncer

MIN_FREE = 16 << 20
"""Bytes free on the disk below which it counts as full."""
RESERVE = 4 << 20
"""Bytes kept free for cancels and fills when the disk is full."""


class Origin(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What brought a record about: the session (see `outbox.key_of`; empty: the broker itself), the MsgSeqNum(34) of
    the message (0: it is not done with it yet, or none), when it came (ns UTC), its SendingTime(52), TransactTime(60)
    and SenderSubID(50) as they were; of an operator's action, who."""

    session: str = ""
    seq_num: int = 0
    received: int = 0
    sending_time: str = ""
    transact_time: str = ""
    who: str = ""


OURS = Origin()


class Record(msgspec.Struct, array_like=True, tag="r2", gc=False):
    """One input: its facts, its origin, when it was written (ns UTC; its messages went at once, or once it was synced),
    the next numbers of sessions that used some otherwise, as `outbox.Noted`, and the link to the record `before` it
    (`frames.link`; empty: it is the first, or an older version's). An older version's has facts only."""

    facts: list[AnyFact]
    origin: Origin = OURS
    written: int = 0
    noted: list[tuple[str, int, int]] = []
    before: bytes = b""

    @property
    def is_old(self) -> bool:
        return not self.written


_ARRAY = rb"(?:[\x90-\x9f]|\xdc..|\xdd....)"
LONG_ARRAY = 0xA0
"""First bytes of MessagePack arrays of up to 15 elements are below this."""
_NAMES = b"|".join(kind.__name__.encode() for kind in KINDS)
PAYLOAD = re.compile(rb"[\x90-\x9f]" + NEW + b"|" + _ARRAY * 2 + rb"(?:[\xa0-\xbf]|\xd9.)(?:%b)" % _NAMES, re.S)
"""How a record's payload begins: a Record's tag or, of older versions, a list in a list and the name of a fact. What
follows a torn record is looked through for it, because the checksum of whatever stands at every byte would take
minutes."""
_encode = msgspec.msgpack.Encoder().encode
_decode_facts = msgspec.msgpack.Decoder(list[AnyFact]).decode
_decode_record = msgspec.msgpack.Decoder(Record).decode


def read_payload(payload: memoryview) -> Record:
    """A record from its payload. Raises msgspec.MsgspecError."""
    # A Record is a short array that begins with its tag, an older version's list one that begins with an array.
    is_new = len(payload) > 1 and payload[1] == NEW[0] and payload[0] < LONG_ARRAY
    return _decode_record(payload) if is_new else Record(_decode_facts(payload))


class JournalError(Exception):
    """The journal can't be read or used as it is. The text says which segment, where, and what to do."""


class DiskFull(JournalError):
    """A record could not be written. Nothing of it is in the journal."""


class TooLarge(JournalError):
    """A record is larger than what would be read again. Nothing of it is in the journal."""


class Torn(msgspec.Struct, frozen=True):
    """A last record that was being written when the process died: where it begins and how many bytes there are."""

    segment: Path
    offset: int
    size: int


def segments(folder: Path) -> list[Path]:
    """The segments of a journal, oldest first."""
    return sorted(folder.glob("*.journal"))


START = Place("", len(MAGIC))
CHECKED_BEFORE = 4096
"""Bytes of the journal before a kept state that have to be those it was kept behind."""


def read(folder: Path, torn: Callable[[Torn], None] | None = None, since: Place = START) -> Iterator[Record]:
    """Every record of every segment from the place `since` on, none if there is no such folder; from the start on,
    first those that stand for days that were deleted. `torn` is told of a last record that is not whole; it is left
    out. Raises JournalError where a record in the middle is damaged.
    """
    if since == START:
        yield from told_before(folder)
    for _, found in _by_segment(folder, torn, since):
        for record, _ in found:
            yield record


def before_path(segment: Path) -> Path:
    """Where the facts are that stand for the days before a segment, if those were deleted, see `before`."""
    return segment.with_suffix(".before")


def told_before(folder: Path) -> Iterator[Record]:
    """The records that stand for the days before a journal's first segment, if those were deleted."""
    first = next(iter(segments(folder)), None)
    if first is not None and before_path(first).exists():
        for record, _ in records(before_path(first), len(MAGIC), may_tear=False):
            yield record


def places(
    folder: Path, torn: Callable[[Torn], None] | None = None, since: Place = START
) -> Iterator[tuple[Record, Place]]:
    """As `read`, each record with the place just behind it."""
    for name, found in _by_segment(folder, torn, since):
        for record, end in found:
            yield record, Place(name, end)


def _by_segment(
    folder: Path, torn: Callable[[Torn], None] | None, since: Place
) -> Iterator[tuple[str, Iterator[tuple[Record, int]]]]:
    """Each segment's name and records, as `records` gives them, from the place `since` on."""
    every = segments(folder)
    for segment in every:
        if segment.name < since.segment:
            continue
        offset = since.offset if segment.name == since.segment else len(MAGIC)
        is_last = segment == every[-1]
        yield segment.name, records(segment, offset, torn if is_last else None, may_tear=is_last)


def exists(folder: Path, place: Place) -> bool:
    """Whether the journal is there up to a place."""
    segment = folder / place.segment
    return segment.is_file() and segment.stat().st_size >= place.offset


def checksum_before(folder: Path, place: Place) -> int:
    """A checksum of the last bytes before a place: in another journal they are others."""
    with (folder / place.segment).open("rb") as file:
        file.seek(max(0, place.offset - CHECKED_BEFORE))
        return zlib.crc32(file.read(min(place.offset, CHECKED_BEFORE)))


def old_kept_state(folder: Path) -> Place:
    """Where the last segment begins that begins with the whole state, as older versions have written it; else where the
    journal begins."""
    for segment in reversed(segments(folder)):
        for record, _ in records(segment, len(MAGIC)):
            if record.facts and isinstance(record.facts[0], StateKept):
                return Place(segment.name, len(MAGIC))
            break
    return START


def records(
    segment: Path, offset: int, torn: Callable[[Torn], None] | None = None, may_tear: bool = True
) -> Iterator[tuple[Record, int]]:
    """The records of one segment from `offset` on, each with the offset just behind it."""
    with segment.open("rb") as file:
        first_line = file.read(len(MAGIC))
        if first_line != MAGIC[: len(first_line)]:
            raise JournalError(_not_ours(segment, first_line))
        file.seek(offset)
        base, data = offset, memoryview(file.read())
    while offset - base < len(data):
        end = _record_end(data, offset - base)
        if end is None:
            check_torn(segment, data, base, offset, may_tear)
            if torn is not None:
                torn(Torn(segment, offset, base + len(data) - offset))
            return
        try:
            record = read_payload(data[offset - base + HEADER.size : end])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise JournalError(
                f"{segment}: the record at byte {offset} is whole but is not understood ({error}); "
                "it was written by another version of brokerfix: read it with that version"
            ) from error
        offset = base + end
        yield record, offset


def _not_ours(segment: Path, first_line: bytes) -> str:
    if first_line.startswith(b"brokerfix journal "):
        return f"{segment}: another version of brokerfix has written it ({first_line!r}): read it with that version"
    return f"{segment}: this is no journal of brokerfix (its first line is not {MAGIC!r})"


def check_torn(segment: Path, data: memoryview, base: int, offset: int, may_tear: bool) -> None:
    """A torn tail has nothing whole behind it. Anything else is damage, which is never cut silently. `data` begins at
    byte `base` of the segment."""
    starts = (found.start() - HEADER.size for found in PAYLOAD.finditer(data, offset - base + 1 + HEADER.size))
    whole = next((base + at for at in starts if _record_end(data, at) is not None), None)
    if whole is None and may_tear:
        return
    behind = f"the next whole record is at byte {whole}" if whole is not None else "a later segment follows"
    raise JournalError(
        f"{segment}: the record at byte {offset} is damaged ({behind}). The broker does not start on it: restore this "
        "segment from a copy; until then nothing after that byte can be trusted"
    )


LOCK_TRIES, LOCK_PAUSE = 4, 0.05


def lock(data: Path) -> int:
    """Take the data folder for this process. Returns a descriptor that holds the lock. Raises JournalError."""
    descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    for tries_left in range(LOCK_TRIES, -1, -1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            # Who only looks whether a broker runs has the lock for a moment.
            if tries_left:
                time.sleep(LOCK_PAUSE)
                continue
            owner = os.read(descriptor, 20).decode() or "unknown"
            os.close(descriptor)
            raise JournalError(
                f"{data}: another broker runs on this data folder (process {owner}); stop it first"
            ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


class Replica(Protocol):
    """Where other machines have the journal from. Positions are those of `place`."""

    def appended(self, position: int) -> None:
        """The journal is written up to there."""

    def confirmed(self) -> int:
        """Up to where others have it. Ends the process where it may not be the primary any more."""

    def check(self) -> bool:
        """Whether this process may send. Ends it where not, but where it is to go on all the same."""

    def wait(self, position: int) -> None:
        """Block until others have it up to there; no longer than this process may be the primary."""


class Journal:
    """The open journal of a running broker: appends to the segment of the trading day.

    `position` is its end as one number, see `place`. With `disk`, a sync follows it on a thread of its own. With a
    `replica` it is on other machines too; `waits` says whether messages wait for the sync or, as `awaited` says, for
    that.
    """

    def __init__(self, folder: Path, disk: bool = False, replica: Replica | None = None, awaited: bool = False) -> None:
        self.folder = folder
        self.disk = disk
        self.replica = replica
        self._awaited = replica if awaited else None
        self.waits = disk or self._awaited is not None
        self.position = 0
        self.full = False
        self._descriptor = -1
        self._size = 0
        self._is_torn = False
        self._name = ""
        self._before = b""
        # The last record's payload, until the link to it is made.
        self._unlinked = b""
        self._syncer: Syncer | None = Syncer() if disk else None
        folder.mkdir(parents=True, exist_ok=True)
        self._reserve = folder / "reserve"

    def open(self, day: int, torn: Torn | None = None, since: Place = START) -> None:
        """Go on with the last segment, cutting a torn tail, or begin the first one. `day` is YYYYMMDD; a record ends at
        `since`."""
        self.hold_reserve()
        existing = segments(self.folder)
        path = existing[-1] if existing else self.folder / f"{day}.journal"
        if torn is not None:
            os.truncate(torn.segment, torn.offset)
        self._before, self._unlinked = last_link(existing, *since), b""
        self._begin(path)
        if self._syncer is not None:
            # What the last process wrote but did not sync is about to be told.
            os.fdatasync(self._descriptor)
            self._syncer.begin(self.position)
        if self.replica is not None:
            self.replica.appended(self.position)

    def append(
        self,
        facts: list[Fact],
        origin: Origin = OURS,
        written: int = 1,
        noted: Sequence[tuple[str, int, int]] = (),
    ) -> int:
        """Write one record. Returns the position that has to be synced before its messages may go.

        Raises DiskFull or TooLarge, and then has written nothing.
        """
        if self._unlinked:
            self.link()
        try:
            payload = _encode(Record(facts, origin, written, list(noted), self._before))
        except OverflowError as error:
            raise TooLarge(f"{self.folder}: a number is beyond 64 bits ({error})") from error
        if len(payload) > MAX_RECORD:
            raise TooLarge(f"{self.folder}: a record of {len(payload)} bytes is larger than {MAX_RECORD}")
        if facts and type(facts[0]) is DayRolled:
            self._begin(self.folder / f"{facts[0].day}.journal")
        self.position += self._write(HEADER.pack(len(payload), zlib.crc32(payload)) + payload)
        self._unlinked = payload
        if self._syncer is not None:
            self._syncer.request(self.position)
        if self.replica is not None:
            self.replica.appended(self.position)
        return self.position

    def link(self) -> None:
        """Make what the next record has of the last one. It is due with the next record, and costs nobody anything
        once the messages of this one are sent."""
        if self._unlinked:
            self._before, self._unlinked = link(self._unlinked), b""

    @property
    def place(self) -> Place:
        """Where the next record goes."""
        return Place(self._name, self._size)

    @property
    def synced(self) -> int:
        """Messages whose position is not beyond this may go. Raises OSError if the disk has failed."""
        synced = self._syncer.synced() if self._syncer is not None else self.position
        return synced if self._awaited is None else min(synced, self._awaited.confirmed())

    def wait_synced(self) -> None:
        """Block until all that was appended is on disk, and where others have to have it, there."""
        if self._syncer is not None:
            self._syncer.wait(self.position)
        if self._awaited is not None:
            self._awaited.wait(self.position)

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
        if self._is_torn:
            try:
                self._cut()
            except OSError as error:
                raise DiskFull(f"{self.folder}: the journal can't be written ({error.strerror})") from error
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
        before = self._descriptor
        self._descriptor, self._size, self._name = descriptor, size, path.name
        self.position = position_of(self.place)
        if self._syncer is not None:
            self._syncer.follow(self._descriptor)
        if before >= 0:
            if self.disk:
                os.fdatasync(before)
            os.close(before)
        if self._syncer is not None:
            folder = os.open(self.folder, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)

    def _write(self, record: bytes) -> int:
        try:
            if self._is_torn:
                self._cut()
            written = os.write(self._descriptor, record)
            if written != len(record):
                self._is_torn = True
                self._cut()
        except OSError as error:
            raise DiskFull(f"{self.folder}: the journal can't be written ({error.strerror})") from error
        if written != len(record):
            raise DiskFull(f"{self.folder}: the journal can't be written (no space left for a whole record)")
        self._size += written
        return written

    def _cut(self) -> None:
        """Take away the part of a record that was written. Until that has worked nothing is written behind it."""
        os.ftruncate(self._descriptor, self._size)
        self._is_torn = False
