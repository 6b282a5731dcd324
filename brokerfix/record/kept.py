"""The kept state: the whole state as a file of its own beside the journal, so that a recovery need not begin with the
first fact. It is written by a forked child, while the broker goes on.

A file is `<number of the last fact>.state`: the line MAGIC, then two frames (length as u64 and CRC32 as u32, little
endian, then the payload): the Head, the state as `engine.parts` has it, and the sessions' mailboxes (`outbox`).
"""

import gc
import logging
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from struct import Struct

import msgspec

from brokerfix.engine import parts
from brokerfix.engine.evolve import evolve
from brokerfix.engine.state import State
from brokerfix.facts import Started, StateKept
from brokerfix.record.frames import MAGIC as SEGMENT_MAGIC
from brokerfix.record.journal import START, JournalError, Place, checksum_before, exists, old_kept_state, segments
from brokerfix.record.journal import read as read_journal
from brokerfix.record.place import position_of

log = logging.getLogger("brokerfix")

MAGIC = b"brokerfix state 1\n"
FRAME = Struct("<QI")
BASE = ".base"
"""What the file of the state is called by that stands for days that were deleted."""
KEPT_FILES = 2
"""How many kept states stay: one may be found damaged."""
NICENESS = 10

HASHED_PARTS = tuple(part.name for part in parts.HASHED)


class Head(msgspec.Struct, frozen=True):
    """Where in the journal the state belongs: behind the fact `last_id`, whose record ends at byte `offset` of the
    segment. `before` is the `checksum_before` that place, -1 in
    states of older versions. `parts` are those that `state_hash` covers."""

    last_id: int
    segment: str
    offset: int
    state_hash: str
    missed: tuple[tuple[str, str, bool], ...] = ()
    before: int = -1
    parts: tuple[str, ...] = ()

    def covers_the_same(self) -> bool:
        """Whether its state hash covers the parts that this version's does."""
        return self.parts == HASHED_PARTS


class BadState(Exception):
    """A kept state that can't be used. The text says why."""


def kept_states(folder: Path) -> list[Path]:
    """The kept states of a journal, newest first."""
    found = [path for path in folder.glob("*.state") if path.stem.isdecimal()]
    return sorted(found, key=lambda path: int(path.stem), reverse=True)


def base_of(folder: Path) -> Path | None:
    """The state that stands for the days before a journal's first segment, if those were deleted."""
    first = next(iter(segments(folder)), None)
    path = first.with_suffix(BASE) if first is not None else None
    return path if path is not None and path.exists() else None


def write(folder: Path, state: State, segment: str, offset: int, outbox: bytes) -> Path:
    """Write the state, whole or not at all, with the sessions' mailboxes, and let older ones go. The journal reaches
    the disk before it."""
    path = folder / f"{state.last_id}.state"
    _write(path, state, Place(segment, offset), outbox)
    for older in kept_states(folder)[KEPT_FILES:]:
        older.unlink(missing_ok=True)
    return path


def write_base(folder: Path, state: State, segment: str) -> None:
    """Write the state that stands for the days before a segment (see `before`), whole or not at all."""
    _write((folder / segment).with_suffix(BASE), state, Place(segment, len(SEGMENT_MAGIC)), b"")


def _write(path: Path, state: State, place: Place, outbox: bytes) -> None:
    before = checksum_before(path.parent, place)
    head = Head(state.last_id, *place, state.hash(), (), before, HASHED_PARTS)
    being_written = path.with_suffix(".tmp")
    try:
        with being_written.open("wb") as file:
            file.write(MAGIC)
            for payload in (msgspec.msgpack.encode(head), parts.dump(state), outbox):
                file.write(FRAME.pack(len(payload), zlib.crc32(payload)))
                file.write(payload)
            file.flush()
            _sync(path.parent / place.segment)
            os.fsync(file.fileno())
        being_written.rename(path)
    except BaseException:
        being_written.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _frames(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise BadState(f"it was written by another version (its first line is not {MAGIC!r})")
        while header := file.read(FRAME.size):
            if len(header) < FRAME.size:
                raise BadState("it is cut short")
            length, crc = FRAME.unpack(header)
            if length > size - file.tell():
                raise BadState("it is cut short, or damaged")
            payload = file.read(length)
            if len(payload) != length or zlib.crc32(payload) != crc:
                raise BadState("it is damaged")
            yield payload


def read_head(path: Path) -> Head:
    """Where a kept state belongs. Raises BadState."""
    try:
        return msgspec.msgpack.decode(next(_frames(path)), type=Head)
    except BadState:
        raise
    except Exception as error:
        raise BadState(f"it can't be read ({type(error).__name__}: {error})") from error


def read(path: Path, state: State) -> tuple[Head, bytes]:
    """Make an empty state what the file has. Returns its head, and the mailboxes (empty: an older version's, which has
    none). Raises BadState; the state is then of no use."""
    try:
        head, data, *more = _frames(path)
        parts.load(data, state)
        return msgspec.msgpack.decode(head, type=Head), more[0] if more else b""
    except BadState:
        raise
    except Exception as error:
        # Whatever it is, the facts say the same.
        raise BadState(f"it can't be read ({type(error).__name__}: {error})") from error


def newest(
    folder: Path, usable: Callable[[Head], bool], tell: Callable[[str], None] = lambda text: None
) -> tuple[State, Head, bytes] | None:
    """The newest kept state that is whole and `usable`, with the mailboxes, or None: then the facts say it all. `tell`
    gets why one is not used."""
    for path in kept_states(folder):
        try:
            if not usable(read_head(path)):
                continue
            state = State()
            return state, *read(path, state)
        except BadState as error:
            tell(f"{path}: this kept state is not used: {error}; an older one, or the facts, say the same")
    return None


def place_of(head: Head) -> Place:
    return Place(head.segment, head.offset)


def belongs(folder: Path, head: Head) -> bool:
    """Whether a kept state is one of this journal: it may have lost its end, or been restored from a copy, and gone on
    with other facts."""
    place = place_of(head)
    return exists(folder, place) and head.before in (-1, checksum_before(folder, place))


def begin(
    folder: Path, tell: Callable[[str], None] = lambda text: None, until: int | None = None
) -> tuple[State, bytes, Place]:
    """What a recovery begins with: the newest kept state that is of use, and not beyond a position, or an empty one,
    with the mailboxes, and where the facts after it begin. It changes no file."""

    def usable(head: Head) -> bool:
        return belongs(folder, head) and (until is None or position_of(place_of(head)) <= until)

    found = newest(folder, usable, tell)
    if found is None:
        # Where the oldest segments are gone, it says so.
        state, since = oldest(folder)
        if since.segment and (until is None or position_of(since) <= until):
            return state, b"", since
        return State(), b"", old_kept_state(folder)
    state, head, outbox = found
    return state, outbox, place_of(head)


def oldest(folder: Path) -> tuple[State, Place]:
    """What a look at a whole journal begins with: an empty state or, where its oldest segments are gone, the oldest
    kept state. Raises JournalError where there is none."""
    base = base_of(folder)
    if base is not None:
        with suppress(BadState):
            if belongs(folder, read_head(base)):
                state = State()
                return state, place_of(read(base, state)[0])
    first = next(read_journal(folder, lambda torn: None), None)
    if first is None or isinstance(first.facts[0], StateKept) or any(isinstance(one, Started) for one in first.facts):
        return State(), START
    for path in reversed(kept_states(folder)):
        with suppress(BadState):
            if belongs(folder, read_head(path)):
                state = State()
                return state, place_of(read(path, state)[0])
    raise JournalError(f"{folder}: its oldest segments are gone, and there is no kept state: restore them from a copy")


def recovered(folder: Path) -> State:
    """The state that a journal tells, for a look at it. Raises JournalError."""
    state, _, since = begin(folder)
    for record in read_journal(folder, lambda torn: None, since):
        for fact in record.facts:
            evolve(state, fact)
    return state


class Keeper:
    """Keeps the state of a running broker, one at a time. `failed`: the last could not be kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pause = 0.0
        self.failed = False
        self._child = 0

    def clean_up(self) -> None:
        """Let go of what a process before this one has not finished. The data folder must be ours."""
        for unfinished in self.folder.glob("*.tmp"):
            unfinished.unlink(missing_ok=True)

    def keep(self, state: State, segment: str, offset: int, outbox: Callable[[], bytes]) -> bool:
        """Fork a child that writes the state as it is now. Returns whether it could; not while one is at work."""
        self.look_after()
        if self._child:
            return False
        self.failed = False
        started = time.perf_counter()
        try:
            self._child = os.fork()
        except OSError as error:
            log.error("%s: the state is not kept now: %s", self.folder, error)
            return False
        if not self._child:
            self._in_child(state, segment, offset, outbox)
        self.pause = time.perf_counter() - started
        return True

    def _in_child(self, state: State, segment: str, offset: int, outbox: Callable[[], bytes]) -> None:
        """Write and end. No socket, no lock of the parent's stays open here, and nothing of Python's exit is run."""
        code = 1
        try:
            # A collection would touch, and so copy, every page that is shared with the parent.
            gc.disable()
            os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
            os.nice(NICENESS)
            write(self.folder, state, segment, offset, outbox())
            code = 0
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told and the child ends
            os.write(2, f"{self.folder}: the state is not kept: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)

    def look_after(self) -> None:
        """Let go of a child that has ended."""
        if not self._child:
            return
        try:
            ended, status = os.waitpid(self._child, os.WNOHANG)
        except ChildProcessError:
            # Whoever started us has children's ends ignored: only the file says how it went.
            ended, status = self._child, 0
        if ended:
            self._child = 0
            self.failed = status != 0
            if status:
                log.error("%s: the state was not kept (code %d); a recovery begins further back", self.folder, status)

    def wait(self) -> None:
        """Until the child at work has ended (at the stop)."""
        while self._child:
            self.look_after()
            time.sleep(0.01)
