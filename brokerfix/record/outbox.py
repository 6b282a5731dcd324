"""The FIX sessions' numbers and messages: made again from the journal, and what it can't say from a mapped file.

A record says which numbers its messages get: those that follow the session's last one. Where a session has used
numbers otherwise since (its own messages, market data, a new beginning), the next record notes the session's next
number. What was used after the last record stands in the file `sessions` beside the journal, which is mapped, so that
it outlives the process; after a loss of power, when the file may be older than the journal, numbers go on some way
beyond what is noted, and no more are used than that without a record.
"""

import mmap
import os
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from struct import Struct
from urllib.parse import quote

import msgspec

from brokerfix.fix.outgoing.encode import Out
from brokerfix.fix.session.mailbox import MISSABLE, MOST_UNNOTED, Mailbox
from brokerfix.fix.session.older import Sent
from brokerfix.record.filestore import old_sessions

MAGIC = b"brokerfix sessions 1\n"
HEAD = Struct("<24s40s")
SLOT = Struct("@40sQQ")
NUMBERS = Struct("@QQ")
EPOCH_BITS = 48
"""The epoch stands above these bits of the next number, so that both change at once."""
FIRST_SLOTS = 64
CLOSED = b"closed"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Noted = tuple[str, int, int]
"""A session's key, epoch and next number."""


class BoxImage(msgspec.Struct, array_like=True):
    """A mailbox as a kept state has it."""

    key: str
    epoch: int
    next_out: int
    next_in: int
    missed_from: int
    messages: list[Sent]
    missed: list[Sent]
    older: tuple[int, int] = (0, 0)
    older_missed: tuple[int, int] = (0, 0)


def key_of(is_venue: bool, name: str) -> str:
    """The key of a session: an exchange and a client may have the same name."""
    return f"{'v' if is_venue else 'c'}:{name}"


class Outbox:
    """All sessions' mailboxes, by key. `most` is how many messages of each are kept; `silent` are clients without a
    session, which are told nothing; in `folder` stands what peers miss that is too much for memory (None: nowhere)."""

    def __init__(self, most: int, silent: Container[str] = (), folder: Path | None = None) -> None:
        self.most = most
        self.folder = folder
        self.boxes: dict[str, Mailbox] = {}
        self._silent = silent
        self._changed: dict[str, Mailbox] = {}
        self._file: _Mapped | None = None
        self._is_on_record = False
        self._counted: list[tuple[Mailbox, int]] = []

    def box(self, is_venue: bool, name: str) -> Mailbox:
        return self._by_key(key_of(is_venue, name))

    def _by_key(self, key: str) -> Mailbox:
        box = self.boxes.get(key)
        if box is None:
            path = None if self.folder is None else self.folder / quote(key, safe="")
            box = self.boxes[key] = Mailbox(key, self.most, self._changed, path)
            if self._file is not None:
                box.map_to(self._file.writer(key))
        return box

    def post(self, outs: Iterable[Out], at: int, away: Container[str]) -> None:
        """Number the messages of a record that was written `at` (ns UTC). Clients that are `away` may miss theirs."""
        boxes = self.boxes
        for out in outs:
            name = out.comp_id
            key = ("v:" if out.to_venue else "c:") + name
            box = boxes.get(key) or self._by_key(key)
            if not out.to_venue:
                if name in self._silent:
                    continue
                if away and name in away and not box.missed_from:
                    box.missed_from = box.next_out
            box.post(at, out.text, out.groups)

    def take_noted(self) -> list[Noted]:
        """What the next record has to note."""
        if not self._changed:
            return []
        noted = [(key, box.epoch, box.next_out) for key, box in self._changed.items()]
        self._counted = []
        for box in self._changed.values():
            self._counted.append((box, box.unnoted))
            box.unnoted = 0
        self._changed.clear()
        return noted

    def noted_waits(self) -> list[tuple[Mailbox, int]]:
        """What was taken last is in a record that waits. Returns what `noted_is_safe` is told when it does no more."""
        for box, count in self._counted:
            box.waiting += count
        return self._counted

    @staticmethod
    def noted_is_safe(counted: Iterable[tuple[Mailbox, int]]) -> None:
        """The record has reached the disk, or others."""
        for box, count in counted:
            box.waiting -= count

    def note_again(self, noted: Iterable[Noted]) -> None:
        """The record could not be written."""
        for key, _, _ in noted:
            self.boxes[key].note_later()

    def replay(self, noted: Iterable[Noted], session: str, seq_num: int) -> None:
        """What a record says of the sessions, before its messages are posted."""
        self._is_on_record = True
        for key, epoch, next_out in noted:
            box = self._by_key(key)
            if epoch > box.epoch:
                box.begin_anew()
                box.epoch = epoch
            box.next_out = next_out
        if self._changed:
            self._changed.clear()
        if seq_num:
            box = self._by_key(session)
            box.next_in = max(box.next_in, seq_num + 1)

    def dump(self) -> bytes:
        """The mailboxes as bytes, for a kept state."""
        for box in self.boxes.values():
            box.older.sync()
            box.older_missed.sync()
        return msgspec.msgpack.encode([_image(box) for box in self.boxes.values()])

    def load(self, data: bytes) -> None:
        """Be what was dumped."""
        self._is_on_record = True
        for image in msgspec.msgpack.decode(data, type=list[BoxImage]):
            box = self._by_key(image.key)
            box.epoch, box.next_out, box.next_in = image.epoch, image.next_out, image.next_in
            box.missed_from = image.missed_from
            box.messages.extend(image.messages)
            # An older version's has market data among it.
            box.missed.extend(one for one in image.missed if MISSABLE.search(one.text))
            box.older.load(*image.older)
            box.older_missed.load(*image.older_missed)

    def open(self, path: Path, old_store: Path, names: Mapping[str, str]) -> None:
        """Go on with the mapped file: what it knows beyond the journal counts. Where there is none, an older version's
        files of the sessions may be in `old_store`, see `filestore`."""
        file = self._file = _Mapped(path)
        if not self._is_on_record:
            for key, next_out, next_in, messages in old_sessions(old_store, names, self.most):
                box = self._by_key(key)
                box.next_out, box.next_in = max(box.next_out, next_out), max(box.next_in, next_in)
                box.messages.extend(messages)
        elif not file.is_of_now:
            # The machine has been down since: the file may have been told of less than was used.
            for box in self.boxes.values():
                box.next_out += MOST_UNNOTED
        for key, epoch, next_out, next_in in file.known():
            box = self._by_key(key)
            if epoch > box.epoch:
                box.begin_anew()
                box.epoch, box.next_out, box.next_in = epoch, next_out, next_in
            elif epoch == box.epoch:
                if next_out < box.next_out and key.startswith("c:"):
                    # These were recorded, and may not have been sent.
                    box.may_miss(next_out)
                box.next_out, box.next_in = max(box.next_out, next_out), max(box.next_in, next_in)
        for key, box in self.boxes.items():
            box.sent = box.next_out
            box.note_later()
            box.map_to(file.writer(key))

    def close(self) -> None:
        for box in self.boxes.values():
            box.older.close()
            box.older_missed.close()
        if self._file is not None:
            for box in self.boxes.values():
                box.map_to(None)
            self._file.close()
            self._file = None


def _image(box: Mailbox) -> BoxImage:
    return BoxImage(
        box.key,
        box.epoch,
        box.next_out,
        box.next_in,
        box.missed_from,
        list(box.messages),
        list(box.missed),
        (box.older.first, box.older.end),
        (box.older_missed.first, box.older_missed.end),
    )


class _Mapped:
    """The file `sessions`: a line MAGIC and the boot that wrote it (or that it was closed in good order), then slots:
    key, epoch and next_out, next_in. `is_of_now`: it has all, since the machine has not been down while it was in use.
    One that is not whole is begun anew."""

    def __init__(self, path: Path) -> None:
        boot = BOOT_ID.read_bytes().strip() if BOOT_ID.exists() else b""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        head = os.pread(self._descriptor, HEAD.size, 0)
        size = os.fstat(self._descriptor).st_size
        magic, wrote = HEAD.unpack(head) if len(head) == HEAD.size else (b"", b"")
        is_whole = magic.rstrip(b"\0") == MAGIC and (size - HEAD.size) % SLOT.size == 0
        self.is_of_now = is_whole and wrote.rstrip(b"\0") in (boot, CLOSED)
        if not is_whole:
            os.ftruncate(self._descriptor, 0)
            size = HEAD.size + FIRST_SLOTS * SLOT.size
        # With the space on the disk: a mapped page that has none would end the process.
        os.posix_fallocate(self._descriptor, 0, size)
        self._map = mmap.mmap(self._descriptor, 0)
        HEAD.pack_into(self._map, 0, MAGIC, boot)
        self._slots: dict[str, int] = {}
        for at in range(HEAD.size, len(self._map), SLOT.size):
            key = SLOT.unpack_from(self._map, at)[0].rstrip(b"\0").decode(errors="replace")
            if key:
                self._slots[key] = at

    def known(self) -> Iterator[tuple[str, int, int, int]]:
        """Every session's key, epoch, next_out and next_in."""
        for key, at in self._slots.items():
            _, ours, theirs = SLOT.unpack_from(self._map, at)
            yield key, ours >> EPOCH_BITS, ours & ((1 << EPOCH_BITS) - 1), theirs

    def writer(self, key: str) -> "_Writer":
        at = self._slots.get(key)
        if at is None:
            at = self._slots[key] = HEAD.size + len(self._slots) * SLOT.size
            if at + SLOT.size > len(self._map):
                size = len(self._map) + FIRST_SLOTS * SLOT.size
                os.posix_fallocate(self._descriptor, 0, size)
                self._map.resize(size)
            SLOT.pack_into(self._map, at, key.encode(), 1, 1)
        return _Writer(self._map, at + 40)

    def close(self) -> None:
        """Close it in good order: all is on disk."""
        self._map.flush()
        HEAD.pack_into(self._map, 0, MAGIC, CLOSED)
        self._map.flush()
        self._map.close()
        os.close(self._descriptor)


class _Writer:
    """Writes one session's numbers, each in one go."""

    __slots__ = ("_at", "_map")

    def __init__(self, mapped: mmap.mmap, at: int) -> None:
        self._map = mapped
        self._at = at

    def __call__(self, epoch: int, next_out: int, next_in: int) -> None:
        NUMBERS.pack_into(self._map, self._at, epoch << EPOCH_BITS | next_out, next_in)
