"""The journal's signed checkpoints as messages of the stream: each behind all that it covers.

A checkpoint has a number that grows with it, of its day, its size and how many have signed it: a witness's signature
makes another message of the same size.
"""

import logging
import mmap
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from brokerfix.domain import id_text
from brokerfix.projections.events.form import CHECKPOINT, ENCODERS, VERSION, Message
from brokerfix.projections.events.values import moment_of, moment_text
from brokerfix.record.checkpoints import FOLDER, SUFFIX, Signed
from brokerfix.record.frames import HEADER, MAGIC
from brokerfix.record.journal import Place, read_payload
from brokerfix.record.notes import Checkpoint, parse

log = logging.getLogger("brokerfix.projections.events")
LOOK_SECONDS = 0.2
SIZE_BITS, SIGNED_BITS = 33, 5
LOOK_BACK = 1000
"""Records that are looked through for the last fact that a checkpoint covers: a few have none."""
EVERYWHERE = Place("99999999.journal", 0)
"""Behind every journal."""


def number_of(row: Mapping[str, Any]) -> int:
    """The number of a checkpoint as the stream has it. Raises BadNote where its note is none."""
    return _number(int(row["day"]), *_told(row["note"]))


def _told(note: str) -> tuple[int, int]:
    checkpoint, signatures = parse(note)
    return checkpoint.size, len(signatures)


def _number(day: int, size: int, signed: int) -> int:
    return (day << SIZE_BITS | size) << SIGNED_BITS | min(signed, (1 << SIGNED_BITS) - 1)


class Covered(NamedTuple):
    """Up to where a checkpoint covers the journal: the place, and the last fact before it (0: none)."""

    place: Place
    last_id: int


class _Segment:
    """A day's journal, looked through from record to record as checkpoints need it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size, self._offset, self.last_id = 0, len(MAGIC), 0

    def covered(self, size: int) -> Covered | None:
        """Of the first `size` records; None while there are less. Sizes never get smaller."""
        starts: deque[int] = deque(maxlen=LOOK_BACK)
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at, count, end = self._offset, self._size, len(data)
            while count < size and at + HEADER.size <= end:
                following = at + HEADER.size + HEADER.unpack_from(data, at)[0]
                if following > end:
                    break
                starts.append(at)
                at, count = following, count + 1
            if count < size:
                return None
            self.last_id = self._last_fact(data, starts, at) or self.last_id
        self._size, self._offset = count, at
        return Covered(Place(self.path.name, at), self.last_id)

    @staticmethod
    def _last_fact(data: mmap.mmap, starts: deque[int], end: int) -> int:
        for start in reversed(starts):
            try:
                facts = read_payload(memoryview(data[start + HEADER.size : end])).facts
            except (msgspec.MsgspecError, UnicodeDecodeError):
                # `verify` tells of it.
                facts = []
            if facts:
                return facts[-1].id
            end = start
        return 0


class _Waiting(NamedTuple):
    number: int
    day: int
    at: int
    checkpoint: Checkpoint
    note: str


class Checkpoints:
    """Follows the checkpoints of a data folder, oldest first, from one number on."""

    def __init__(self, data: Path, shard: int, format: str = "json") -> None:
        self._journal, self._notes = data / "journal", data / FOLDER
        self._shard, self._encode = shard, ENCODERS[format]
        self.begin(0)

    def begin(self, after: int, since: int = 0) -> None:
        """Go on behind a number, with what was signed since a time (ns)."""
        self._newest, self._since = after, since
        self._file: Path | None = None
        self._offset = 0
        self._segment: _Segment | None = None
        self._waiting: deque[_Waiting] = deque()
        self._next: tuple[Covered, Message] | None = None
        self._look_at = 0.0

    def next(self, place: Place) -> tuple[int, Message] | None:
        """The next one, if all that it covers is before a place, with the last fact that it covers. It is the next one
        until it was `sent`."""
        if self._next is None and (self._waiting or self._look()):
            self._next = self._made(self._waiting[0], place)
        if self._next is None:
            return None
        covered, message = self._next
        return (covered.last_id, message) if covered.place <= place else None

    def sent(self) -> None:
        self._next = None
        self._waiting.popleft()

    def _made(self, one: "_Waiting", place: Place) -> tuple[Covered, Message] | None:
        """A checkpoint as a message; None where its records are not there yet."""
        covered = self._covered(one.day, one.checkpoint.size, place)
        if covered is None:
            return None
        row = {
            "v": VERSION, "id": id_text(covered.last_id) if covered.last_id else "", "at": moment_text(one.at),
            "kind": CHECKPOINT, "shard": self._shard, "day": one.day, "size": one.checkpoint.size,
            "origin": one.checkpoint.origin, "note": one.note,
        }  # fmt: skip
        return covered, Message(one.number, one.at, CHECKPOINT, "", "", self._encode(row))

    def _covered(self, day: int, size: int, place: Place) -> Covered | None:
        path = self._journal / f"{day}.journal"
        if self._segment is None or self._segment.path != path:
            self._segment = _Segment(path)
        found = self._segment.covered(size) if path.exists() and path.stat().st_size else None
        if found is None and place.segment > path.name:
            # The day is over and its records are not there: what was signed of them is news all the more.
            return Covered(Place(path.name, 0), self._segment.last_id)
        return found

    def _look(self) -> bool:
        """Look for more. Returns whether there is any."""
        now = time.monotonic()
        if now < self._look_at:
            return False
        every = sorted(self._notes.glob(f"*{SUFFIX}"))
        if self._file is None:
            first = self._newest >> SIZE_BITS + SIGNED_BITS
            every = [path for path in every if int(path.stem) >= first]
        else:
            every = [path for path in every if path >= self._file]
        for path in every:
            if path != self._file:
                self._file, self._offset = path, 0
            for line in self._lines(path):
                self._take(path, line)
            if self._waiting:
                return True
        self._look_at = now + LOOK_SECONDS
        return False

    def _lines(self, path: Path) -> list[bytes]:
        """What has been added to a file, up to the last whole line."""
        with path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.splitlines()

    def _take(self, path: Path, line: bytes) -> None:
        """Have a line's checkpoint wait, if it is wanted."""
        try:
            signed = msgspec.json.decode(line, type=Signed)
            checkpoint, signatures = parse(signed.note)
            at = moment_of(signed.at)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
            log.error("%s: a line is no checkpoint, and not told: %s", path, error)
            return
        day = int(path.stem)
        number = _number(day, checkpoint.size, len(signatures))
        if number > self._newest and at >= self._since:
            self._newest = number
            self._waiting.append(_Waiting(number, day, at, checkpoint, signed.note))
