"""Signed checkpoints of a running broker's journal: how many records a day has, and the root over them.

They stand in `checkpoints/<day>.notes` of the data folder, a line of JSON each, the newest last. A checkpoint says only
what is on the disk: its segment is synced before it is signed. Who holds a copy of a day's newest checkpoint can tell
whether any record up to there was changed, taken away or put in.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from brokerfix.record import keys
from brokerfix.record.confirmed import Confirmed
from brokerfix.record.frames import MAGIC, link, linked_to, payloads
from brokerfix.record.journal import JournalError, check_torn, segments
from brokerfix.record.merkle import Tree, consistency_proof, leaf_hash
from brokerfix.record.notes import BadNote, Checkpoint, origin_of, parse, sign
from brokerfix.record.place import Place, position_of

log = logging.getLogger("brokerfix.checkpoints")
FOLDER = "checkpoints"
SUFFIX = ".notes"
MOST_ASKED = 2
"""Days whose last checkpoint witnesses are still asked for, beside the newest one."""


class Signed(msgspec.Struct, frozen=True):
    """A checkpoint: when it was signed (ISO 8601, UTC) and its note."""

    at: str
    note: str


class Contradicted(Exception):
    """The journal is not what a checkpoint of it says: it was changed since, and nothing more is signed."""


def notes_path(folder: Path, segment: Path) -> Path:
    """The checkpoints of a segment, in a folder."""
    return folder / (segment.stem + SUFFIX)


def read_notes(path: Path) -> Iterator[tuple[int, Signed]]:
    """A file's checkpoints, each with its line. A last line that was being written is left out. Raises BadNote."""
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            signed = msgspec.json.decode(line, type=Signed)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadNote(f"{path}: line {number} is no checkpoint ({error})") from error
        if msgspec.json.encode(signed) != line:
            raise BadNote(f"{path}: line {number} is not as it was written")
        yield number, signed


class Checkpointer:
    """Follows a data folder's journal and signs it every `seconds`, at a day's end, and when asked to. Each checkpoint
    is written to the data folder and to the folders `copies`; `cosign` may add witnesses' signatures to it: it gets the
    note, and what makes the proof from a size that a witness has, and says whether all have signed: if not, it is asked
    again. Raises BadKeys, and Contradicted."""

    def __init__(
        self, data: Path, broker: str, shard: int, key_folder: Path, seconds: float, copies: Sequence[Path] = (),
        cosign: Callable[[str, Callable[[int], list[bytes]]], tuple[str, bool]] | None = None,
    ) -> None:  # fmt: skip
        self.journal, self.folders = data / "journal", (data / FOLDER, *copies)
        self._confirmed = Confirmed(data)
        self.broker, self.shard, self.seconds = broker, shard, seconds
        self._key_folder, self._cosign = key_folder, cosign
        keys.private(key_folder)
        self._segment: Path | None = None
        self._offset, self._signed, self._signed_at = len(MAGIC), 0, 0.0
        self._tree, self._leaves = Tree(), list[bytes]()
        # The link to the last record, over the days' ends.
        self._before = b""
        # By segment, what not all witnesses have signed: the note, how many have, and the leaves up to there.
        self._asked: dict[Path, tuple[str, int, list[bytes]]] = {}
        self._asked_at = 0.0

    def follow(self, now: float, at_once: bool = False) -> None:
        """Take in what is new and sign it where that is due; `now` is in seconds and never goes back."""
        while True:
            every = segments(self.journal)
            if not every:
                return
            if self._segment is None:
                self._before = b""
                self._begin(self._first(every))
            assert self._segment is not None
            later = [one for one in every if one.name > self._segment.name]
            if self._take_in(is_over=bool(later)):
                # The day's end, too, counts only once it is confirmed.
                later = []
            is_due = at_once or later or now - self._signed_at >= self.seconds
            if self._tree.size > self._signed and is_due:
                self._sign(now)
            elif self._asked and (at_once or now - self._asked_at >= self.seconds):
                self._ask(now)
            if not later:
                return
            self._begin(later[0])

    def _first(self, every: list[Path]) -> Path:
        """The newest segment that has checkpoints, else the newest: what is before it is covered by the links. Raises
        Contradicted where a later day was signed."""
        signed = max((path.stem for path in self.folders[0].glob(f"*{SUFFIX}")), default="")
        if signed > every[-1].stem:
            raise Contradicted(
                f"{self.journal}: ends with {every[-1].name}, and there are checkpoints of {signed}: an older copy was "
                f"restored, or the end was taken away. Nothing more is signed before {self.folders[0]} is put aside"
            )
        known = [one for one in every if notes_path(self.folders[0], one).exists()]
        return known[-1] if known else every[-1]

    def _begin(self, segment: Path) -> None:
        # Where it is not what was signed, nothing of it may be signed by the next try.
        self._segment, self._offset, self._signed = None, len(MAGIC), 0
        self._tree, self._leaves = Tree(), []
        path = notes_path(self.folders[0], segment)
        known = [(parse(signed.note)[0], signed.at) for _, signed in read_notes(path)] if path.exists() else []
        if known:
            self._go_on(segment, *max(known, key=lambda one: one[0].size))
        self._segment = segment

    def _go_on(self, segment: Path, checkpoint: Checkpoint, at: str) -> None:
        """Take in what a checkpoint covers."""
        for end, payload in payloads(segment):
            self._offset = end
            self._add(payload)
            if self._tree.size >= checkpoint.size:
                break
        if (self._tree.size, self._tree.root()) != (checkpoint.size, checkpoint.root):
            raise Contradicted(
                f"{segment}: is not what its checkpoint of {at} says ({checkpoint.size} records): it was changed. "
                "`brokerfix verify` tells where; nothing more is signed"
            )
        self._signed = checkpoint.size

    def _take_in(self, is_over: bool) -> bool:
        """Take in what a segment has; `is_over`: another one follows. Returns whether there is more that is not
        confirmed. Raises Contradicted."""
        segment, began, limit = self._segment, self._offset, self._confirmed.limit()
        assert segment is not None
        size = segment.stat().st_size
        if size < began:
            raise Contradicted(
                f"{segment}: had {began} bytes and has {size}: records were taken away; nothing is signed"
            )
        for end, payload in payloads(segment, began):
            if limit is not None and position_of(Place(segment.name, end)) > limit:
                return True
            linked = linked_to(payload)
            if linked and self._before and linked != self._before:
                raise Contradicted(
                    f"{segment}: the record at byte {self._offset} is not linked to the one before it: it was changed "
                    "while the broker ran; nothing more is signed"
                )
            self._offset = end
            self._add(payload)
        if self._offset < size and (is_over or self._offset == began):
            self._check_rest(segment, is_over)
        return False

    def _check_rest(self, segment: Path, is_over: bool) -> None:
        """What is behind the last whole record is being written, or else damaged."""
        with segment.open("rb") as file:
            file.seek(self._offset)
            data = memoryview(file.read())
        try:
            check_torn(segment, data, self._offset, self._offset, may_tear=not is_over)
        except JournalError as error:
            raise Contradicted(f"{error}; nothing more is signed") from error

    def _add(self, payload: bytes | memoryview) -> None:
        leaf = leaf_hash(payload)
        self._tree.append(leaf)
        self._before = link(payload)
        if self._cosign is not None:
            self._leaves.append(leaf)

    def _sign(self, now: float) -> None:
        assert self._segment is not None
        _sync(self._segment)
        day = int(self._segment.stem)
        checkpoint = Checkpoint(origin_of(self.broker, self.shard, day), self._tree.size, self._tree.root())
        # A rotation may have made another one.
        note = sign(checkpoint, keys.private(self._key_folder))
        self._write(note, self._segment)
        self._signed, self._signed_at = checkpoint.size, now
        if self._cosign is not None:
            # Of the day before, what it was at its end is still asked for.
            self._asked = dict(list(self._asked.items())[-MOST_ASKED:])
            self._asked[self._segment] = note, 0, self._leaves
            self._ask(now)

    def _ask(self, now: float) -> None:
        """Ask witnesses for their signatures, of the newest checkpoint first: one that is away is waited for once."""
        assert self._cosign is not None
        self._asked_at = now
        for segment, (note, before, leaves) in reversed(list(self._asked.items())):
            size = parse(note)[0].size
            cosigned, is_whole = self._cosign(note, partial(_consistency, leaves, size))
            count = len(parse(cosigned)[1]) - 1
            if count > before:
                self._write(cosigned, segment)
            self._asked[segment] = note, max(count, before), leaves
            if not is_whole:
                return
            del self._asked[segment]

    def _write(self, note: str, segment: Path) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = msgspec.json.encode(Signed(at, note)) + b"\n"
        for folder in self.folders:
            try:
                _append(notes_path(folder, segment), line)
            except OSError as error:
                if folder == self.folders[0]:
                    raise
                # A copy's place may be away for a while; its next checkpoint says all that this one does.
                log.error("%s: a checkpoint can't be written: %s", folder, error)


def _consistency(leaves: list[bytes], size: int, old: int) -> list[bytes]:
    return consistency_proof(leaves[:size], old)


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":
                # The process was killed in the middle of a line.
                file.truncate(_last_line(path))
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _last_line(path: Path) -> int:
    """Where a file's last line, that is not whole, begins."""
    return path.read_bytes().rfind(b"\n") + 1


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
