"""Deletion of records that are older than they are to be kept: first what stands for them, then the fact, then they go.

It runs in the command's process, because it replays what is to go: the broker only looks whether it may, and has it on
record. Killed at any point it can be run again: what is on record as deleted is deleted then.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from brokerfix import commands as cmd
from brokerfix.domain import DeletedFile
from brokerfix.operate.admin import NotRunning, ask, name_of
from brokerfix.operate.offline import record
from brokerfix.operate.retention import Item, plan
from brokerfix.record.before import deletions, file_hash, prepare, remove
from brokerfix.record.checkpoints import FOLDER, notes_path, read_notes
from brokerfix.record.confirmed import Confirmed
from brokerfix.record.frames import payloads
from brokerfix.record.journal import JournalError, Place, segments
from brokerfix.record.kept import BASE
from brokerfix.record.notes import BadNote, parse
from brokerfix.record.place import position_of
from brokerfix.settings.sections import Config

CONFIRM_SECONDS = 10.0
MOST_FILES = 200
"""Files of one request, and fact."""


class Gone(NamedTuple):
    """What went: a line for each file, and how many bytes in all."""

    lines: list[str]
    size: int


def today() -> date:
    """The day that ages are counted from (UTC)."""
    return datetime.now(UTC).date()


def due(config: Config) -> list[Item]:
    """All that is older than it is to be kept today, and what keeps it. Raises JournalError."""
    told = {fact.file.name for fact in deletions(config.data / "journal") if fact.file.what == "journal"}
    found = plan(config, today(), told)
    return _unsigned(config, found) if config.proof is not None else found


def _unsigned(config: Config, items: list[Item]) -> list[Item]:
    """Of a signed journal a day stays until its last record is under a checkpoint, as the days behind it."""
    kept, found = "", []
    for item in items:
        if item.what == "journal" and not item.told:
            if not item.why and not kept and not _is_signed(config.data, item.path):
                kept = "its last records are under no checkpoint yet"
            item = item._replace(why=item.why or kept)
        found.append(item)
    return found


def _is_signed(data: Path, segment: Path) -> bool:
    path, newest = notes_path(data / FOLDER, segment), -1
    try:
        for _, signed in read_notes(path) if path.exists() else ():
            newest = parse(signed.note)[0].size
    except BadNote as error:
        raise JournalError(f"{error}: nothing is deleted that can't be proven") from error
    return newest == sum(1 for _ in payloads(segment))


def delete(config: Config, tell: Callable[[str], None] = lambda line: None) -> Gone:
    """Delete all that may go. Raises JournalError, ActionRefused."""
    with _alone(config.data):
        items = due(config)
        began = [item for item in items if item.told]
        if began:
            _settle(config.data)
        lines, size = [f"{item.name}: it was on record as deleted" for item in began], 0
        if began and not segments(config.data / "journal")[len(began)].with_suffix(BASE).exists():
            # It was deleted where the primary of a cluster runs, and this is another node.
            prepare(config.data / "journal", len(began))
        size += remove(config.data / "journal", [item.name for item in began])
        mine = [item for item in items if item.what == "journal" and not item.told and not item.why]
        if mine:
            tell(f"replaying {len(mine)} days")
            files = prepare(config.data / "journal", len(mine))
            _record(config, files, mine[0].rule)
            size += remove(config.data / "journal", [file.name for file in files])
            lines += [f"{file.name}: {file.records} records, up to root {file.root}" for file in files]
        for item in (item for item in items if item.what != "journal" and not item.why):
            _record(config, [_described(item)], item.rule)
            shutil.rmtree(item.path) if item.path.is_dir() else item.path.unlink(missing_ok=True)
            size += item.size
            lines.append(f"{item.what} {item.name}")
        return Gone(lines, size)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    descriptor = os.open(data / "retention.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalError(f"{data}: records are being deleted by another process") from error
        yield
    finally:
        os.close(descriptor)


def _described(item: Item) -> DeletedFile:
    files = sorted(path for path in item.path.rglob("*") if path.is_file()) if item.path.is_dir() else [item.path]
    if files == [item.path]:
        return DeletedFile(item.what, item.name, item.size, file_hash(item.path))
    digest = sha256()
    for path in files:
        digest.update(f"{path.relative_to(item.path)} {file_hash(path)}\n".encode())
    return DeletedFile(item.what, item.name, item.size, digest.hexdigest())


def _record(config: Config, files: Sequence[DeletedFile], rule: str) -> None:
    """Have it on record, by the running broker or without it. It is where it has to be when this returns."""
    for at in range(0, len(files), MOST_FILES):
        part = files[at : at + MOST_FILES]
        settings = {"files": msgspec.to_builtins(part)}
        try:
            ask(config.data, {"action": "delete-records", "rule": rule, "settings": settings})
        except NotRunning:
            command = cmd.DeleteRecords(time.time_ns(), name_of(os.getuid()), tuple(part), rule)
            record(config, command)
    _settle(config.data)


def _settle(data: Path) -> None:
    """Wait until what is written is on the disk and, of a cluster, in its stream. Raises JournalError."""
    last = segments(data / "journal")[-1]
    descriptor = os.open(last, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    confirmed, until = Confirmed(data), time.monotonic() + CONFIRM_SECONDS
    while (limit := confirmed.limit()) is not None and limit < position_of(Place(last.name, size)):
        if time.monotonic() > until:
            raise JournalError(f"{data}: the cluster's stream does not confirm the deletion: nothing is deleted")
        time.sleep(0.05)
