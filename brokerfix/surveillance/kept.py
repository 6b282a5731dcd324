"""What a follower keeps between two starts: what the rules remember, and the register, with the place in the journal
that both are of."""

import hashlib
from pathlib import Path

import msgspec

from brokerfix.domain import Finding
from brokerfix.record.journal import Place, checksum_before, exists
from brokerfix.settings.surveillance import SurveillanceSection
from brokerfix.settings.whole import write_whole
from brokerfix.surveillance.register import Register

FILE = "surveillance.kept"
VERSION = 1
"""Of what the rules remember and how they go by it: another one begins anew."""


class Head(msgspec.Struct, frozen=True):
    """What a kept file is of: the place in the journal behind the fact `last_id`, with the checksum before it, the
    settings that it was made with, and the number of the fact up to which nothing is raised any more."""

    version: int
    settings: str
    segment: str
    offset: int
    last_id: int
    before: int
    floor: int


class Kept(msgspec.Struct):
    head: Head
    register: Register
    pending: dict[str, Finding]
    memory: bytes


_decode = msgspec.msgpack.Decoder(Kept).decode


def settings_of(section: SurveillanceSection, calendars: dict[str, str]) -> str:
    """What tells settings with which something else could be found."""
    told = msgspec.structs.replace(section, start=True), sorted(calendars.items())
    return hashlib.sha256(msgspec.json.encode(told, order="deterministic")).hexdigest()


def read_kept(data: Path) -> Kept | None:
    """What was kept in a data folder, if it is of its journal; None where it is not, or can't be read."""
    try:
        kept = _decode((data / FILE).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None
    place = Place(kept.head.segment, kept.head.offset)
    folder = data / "journal"
    is_ours = exists(folder, place) and checksum_before(folder, place) == kept.head.before
    return kept if is_ours and kept.head.version == VERSION else None


def write_kept(data: Path, kept: Kept) -> None:
    """Whole or not at all."""
    write_whole(data / FILE, msgspec.msgpack.encode(kept), synced=False)
