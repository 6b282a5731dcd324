"""Checkpoints as they are kept: a folder of files as the broker writes them, or one file with what somebody else has:
a note as it is, or lines of JSON with a `note` each, as the event stream tells them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from brokerfix.record.checkpoints import SUFFIX, read_notes
from brokerfix.record.notes import BadNote, parse


class Kept(NamedTuple):
    """A checkpoint's note, and where it stands."""

    where: str
    note: str


class _Row(msgspec.Struct):
    note: str
    at: str = ""


class KeptNotes:
    """The checkpoints in a folder or file. There may be none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._by_day: dict[str, list[Kept]] | None = None

    def exists(self) -> bool:
        return self.path.exists()

    def days(self) -> list[str]:
        """The days that there are checkpoints of. Raises BadNote."""
        if self.path.is_file():
            return sorted(self._of_file())
        return sorted(path.stem for path in self.path.glob(f"*{SUFFIX}"))

    def of(self, day: str) -> Iterator[Kept]:
        """A day's checkpoints, oldest first. Raises BadNote."""
        if self.path.is_file():
            yield from self._of_file().get(day, [])
            return
        path = self.path / f"{day}{SUFFIX}"
        for line, signed in read_notes(path) if path.exists() else ():
            yield Kept(f"{path.name}: line {line} of {signed.at}", signed.note)

    def _of_file(self) -> dict[str, list[Kept]]:
        if self._by_day is None:
            self._by_day = {}
            for one in notes_in(self.path.read_bytes(), self.path.name):
                origin = parse(one.note)[0].origin
                self._by_day.setdefault(origin.rpartition("/")[2], []).append(one)
        return self._by_day


def notes_in(data: bytes, name: str = "") -> list[Kept]:
    """The notes of a file's bytes, in its order, each with its place in the file of this name. Raises BadNote."""
    prefix = f"{name}: " if name else ""
    if not data.lstrip().startswith(b"{"):
        return [Kept(name or "the note", data.decode(errors="replace"))]
    found = []
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=_Row)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadNote(f"{prefix}line {number} has no checkpoint's note ({error})") from error
        found.append(Kept(f"{prefix}line {number}" + (f" of {row.at}" if row.at else ""), row.note))
    return found
