"""The journal's newest checkpoints, as the audit shows them."""

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from brokerfix.record.checkpoints import FOLDER, SUFFIX, Signed
from brokerfix.record.notes import BadNote, parse

MOST_BYTES = 1 << 16


class Shown(NamedTuple):
    """A checkpoint: when it was signed (ISO 8601, UTC), of which day's log, how many records it covers, the root
    (hexadecimal) and who has signed it beside the broker."""

    at: str
    day: str
    size: int
    root: str
    witnesses: tuple[str, ...]


def newest(data: Path, most: int) -> list[Shown]:
    """A data folder's newest checkpoints, the newest first, as far as they stand at the end of the newest day's file.
    Raises BadNote, OSError."""
    paths = sorted((data / FOLDER).glob(f"*{SUFFIX}"))
    if not paths:
        return []
    found = []
    for line in reversed(_tail(paths[-1])):
        try:
            signed = msgspec.json.decode(line, type=Signed)
        except msgspec.MsgspecError as error:
            raise BadNote(f"{paths[-1]}: a line is no checkpoint ({error})") from error
        checkpoint, signatures = parse(signed.note)
        names = tuple(dict.fromkeys(name for name, _ in signatures if name != checkpoint.origin))
        root = checkpoint.root.hex()
        found.append(Shown(signed.at, checkpoint.origin.rpartition("/")[2], checkpoint.size, root, names))
        if len(found) >= most:
            break
    return found


def _tail(path: Path) -> list[bytes]:
    """The last whole lines of a file."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - MOST_BYTES))
        lines = file.read().split(b"\n")
    return lines[1 if size > MOST_BYTES else 0 : -1]
