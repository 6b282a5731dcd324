"""A copy of a journal in another place, and a data folder made of one.

A backup is a folder with the journal's segments, byte for byte, and `backup.json`, which has their sizes and SHA-256
sums and is written last: what it does not name yet is not part of the backup. The same folder takes what has come
since. Where the journal's first segments are gone, what stands for them is copied (`before`), or the oldest kept state.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from brokerfix import __version__
from brokerfix.domain import id_number, id_text, shard_of
from brokerfix.record.frames import MAGIC
from brokerfix.record.journal import JournalError, Place, Record, before_path, places, records, segments
from brokerfix.record.kept import BadState, base_of, kept_states, oldest, place_of, read_head
from brokerfix.settings.api_keys import FILE as API_KEYS
from brokerfix.settings.registry import ADDED_CLIENTS, ADDED_VENUES
from brokerfix.settings.whole import write_whole

MANIFEST = "backup.json"
PERSONAL = "personal/personal.json"
"""Clients' personal data, encrypted. Their keys are in no backup: in one, a key that is destroyed would live on."""
SEGMENT = ".journal"
BLOCK = 1 << 20
FORMAT = 1


class Copied(msgspec.Struct, frozen=True):
    """A file of a backup."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup has: up to the fact `last_id` (as text) of the shard, recorded at `until` (ISO 8601, UTC)."""

    format: int
    version: str
    shard: int
    last_id: str
    until: str
    files: tuple[Copied, ...]


class Restored(msgspec.Struct, frozen=True):
    """What was restored: up to which fact, recorded when, and how many bytes of the backup are beyond it."""

    last_id: str
    until: str
    left_out: int


def back_up(data: Path, folder: Path, progress: Callable[[str], None] = lambda name: None) -> Manifest:
    """Copy the journal of a data folder, whose broker may run, up to its last whole record. Only what a backup in
    `folder` does not have yet is copied. Raises JournalError: there is no journal, or the backup is of another one."""
    journal = data / "journal"
    # One that has just been begun has nothing, and perhaps not even its first bytes.
    every = [segment for segment in segments(journal) if segment.stat().st_size > len(MAGIC)]
    if not every:
        raise JournalError(f"{journal}: there is no journal to back up")
    folder.mkdir(parents=True, exist_ok=True)
    before = read_manifest(folder) if (folder / MANIFEST).exists() else None
    known = {one.name: one for one in before.files} if before is not None else {}
    here = {segment.name for segment in every}
    lost = sorted(name for name in known if name.endswith(SEGMENT) and every[0].name < name and name not in here)
    if lost:
        raise JournalError(
            f"{journal}: {', '.join(lost)} is gone, though days before are there, and the backup in {folder} has it: "
            "put it back from there while the broker is stopped"
        )
    needed = _needed(journal)
    # What is not read again may have the last fact.
    copied, last = [], (0, 0) if before is None else (id_number(before.last_id), _nanoseconds(before.until))
    for segment in every:
        progress(segment.name)
        had = known.get(segment.name)
        if had is not None and segment != every[-1] and segment.stat().st_size == had.size:
            end = had.size
        else:
            end, last = _whole(segment, last)
        copied.append(_copy(segment, folder / segment.name, end, had))
    for path in (*needed, data / ADDED_CLIENTS, data / ADDED_VENUES, data / PERSONAL, data / API_KEYS):
        if path.exists():
            shutil.copy(path, folder / path.name)
            copied.append(_described(folder / path.name))
    number, at = last
    manifest = Manifest(FORMAT, __version__, shard_of(number), id_text(number), _moment(at), tuple(copied))
    write_whole(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """What a backup has. Raises JournalError."""
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise JournalError(f"{folder}: there is no backup here (no {MANIFEST})") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise JournalError(f"{path}: can't be read: {error}") from error
    if manifest.format != FORMAT:
        raise JournalError(f"{path}: was made by version {manifest.version} of brokerfix: restore it with that one")
    return manifest


def _needed(journal: Path) -> list[Path]:
    """What stands for the journal's first segments, where they are gone. Raises JournalError."""
    base = base_of(journal)
    if base is not None:
        return [base, before_path(base)]
    _, place = oldest(journal)
    for path in kept_states(journal):
        try:
            if place.segment and place_of(read_head(path)) == place:
                return [path]
        except BadState:
            continue
    return []


def _whole(segment: Path, last: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """Where a segment's last whole record ends, and the number of the last fact with when it was recorded."""
    whole = len(MAGIC)
    for record, end in records(segment, len(MAGIC)):
        last, whole = _last_of(record, last), end
    return whole, last


def _last_of(record: Record, last: tuple[int, int]) -> tuple[int, int]:
    return (record.facts[-1].id, record.written or record.facts[-1].at) if record.facts else last


def _copy(segment: Path, to: Path, end: int, known: Copied | None) -> Copied:
    """Copy a segment up to a byte, on the disk when it returns. What is there already must be its begin."""
    if to.exists() and os.path.samefile(segment, to):
        raise JournalError(f"{to}: this is the journal itself, not a place for its copy: use another folder")
    there = known.size if known is not None and to.exists() else 0
    if there > end or (to.exists() and to.stat().st_size < there):
        raise JournalError(f"{to}: this backup is of another journal, or damaged: use another folder")
    digest = hashlib.sha256()
    with segment.open("rb") as source, to.open("r+b" if to.exists() else "w+b") as target:
        for block in _blocks(source, there):
            if target.read(len(block)) != block:
                raise JournalError(f"{to}: this backup is of another journal, or damaged: use another folder")
            digest.update(block)
        target.seek(there)
        target.truncate()
        for block in _blocks(source, end - there):
            target.write(block)
            digest.update(block)
        target.flush()
        os.fsync(target.fileno())
    return Copied(to.name, end, digest.hexdigest())


def _blocks(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size:
        block = file.read(min(BLOCK, size))
        if not block:
            raise JournalError(f"{file.name}: it has become shorter")
        size -= len(block)
        yield block


def _described(path: Path) -> Copied:
    digest, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as file:
        for block in _blocks(file, size):
            digest.update(block)
    return Copied(path.name, size, digest.hexdigest())


def restore(folder: Path, data: Path, until: str = "", progress: Callable[[str], None] = lambda name: None) -> Restored:
    """Make the data folder of a backup, up to and with the fact `until`, or what was recorded up to a time `until` (ISO
    8601; empty: all). Raises JournalError: the backup is damaged, or there is a journal already; then nothing of it
    stays."""
    manifest = read_manifest(folder)
    journal, being_made = data / "journal", data / "journal.restored"
    if journal.exists() and (segments(journal) or kept_states(journal)):
        raise JournalError(f"{journal}: there is a journal already: move it away, or restore to another data folder")
    shutil.rmtree(being_made, ignore_errors=True)
    being_made.mkdir(parents=True)
    try:
        for one in manifest.files:
            progress(one.name)
            to = being_made / one.name
            shutil.copyfile(folder / one.name, to)
            if to.stat().st_size > one.size:
                # A backup that was not finished has appended to it.
                os.truncate(to, one.size)
            if _described(to) != one:
                raise JournalError(
                    f"{folder / one.name}: it is damaged (its SHA-256 is another one): take another copy"
                )
        restored = _cut(being_made, until)
    except OSError as error:
        shutil.rmtree(being_made, ignore_errors=True)
        raise JournalError(f"{folder}: can't be restored: {error}") from error
    except JournalError:
        shutil.rmtree(being_made, ignore_errors=True)
        raise
    for name in (ADDED_CLIENTS, ADDED_VENUES, PERSONAL, API_KEYS):
        made = being_made / Path(name).name
        if made.exists() and name in (PERSONAL, API_KEYS) and (data / name).exists():
            # What is here is newer: a key that was revoked since stays so, and what was erased.
            made.unlink()
        elif made.exists():
            (data / name).parent.mkdir(mode=0o700, exist_ok=True)
            if name in (PERSONAL, API_KEYS):
                made.chmod(0o600)
            made.replace(data / name)
    if journal.exists():
        shutil.rmtree(journal)
    being_made.rename(journal)
    return restored


def _cut(folder: Path, until: str) -> Restored:
    """Leave out what is beyond a fact, or a time. A record stays whole or goes."""
    keeps, (since, last) = _wanted(until), _begin(folder)
    end, left_out = since, 0
    for record, place in places(folder, since=since):
        found = _last_of(record, last)
        if not keeps(*found):
            break
        last, end = found, place
    if not last[0]:
        raise JournalError(f"{folder}: nothing of the backup is as old as {until}")
    for segment in segments(folder):
        if segment.name > end.segment:
            left_out += segment.stat().st_size
            segment.unlink()
        elif segment.name == end.segment:
            left_out += segment.stat().st_size - end.offset
            os.truncate(segment, end.offset)
    return Restored(id_text(last[0]), _moment(last[1]), left_out)


def _begin(folder: Path) -> tuple[Place, tuple[int, int]]:
    """Where to begin to look, and the last fact before it."""
    state, place = oldest(folder)
    return place, (state.last_id, 0)


def _wanted(until: str) -> Callable[[int, int], bool]:
    """Whether the record with this last fact, recorded then, is wanted. Raises JournalError."""
    if not until:
        return lambda number, at: True
    wanted = id_number(until)
    if wanted:
        return lambda number, at: number <= wanted
    try:
        nanoseconds = _nanoseconds(until)
    except ValueError as error:
        raise JournalError(f"{until!r} is neither a fact's number nor a time, as 2026-11-27T14:30:00Z") from error
    return lambda number, at: at <= nanoseconds


def _nanoseconds(text: str) -> int:
    """A time (ISO 8601; without a zone: UTC). Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 10**6) * 1000


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at / 10**9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
