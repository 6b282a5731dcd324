"""Whether a journal is what its checkpoints say, and proofs that a record is in it."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from brokerfix.domain import day_of, id_text
from brokerfix.facts import AnyFact, Trade
from brokerfix.record.before import deletions
from brokerfix.record.checkpoints import SUFFIX, notes_path, read_notes
from brokerfix.record.frames import MAGIC, link, payloads
from brokerfix.record.gone import check_gone
from brokerfix.record.journal import JournalError, Record, check_torn, read_payload, segments
from brokerfix.record.kept_notes import KeptNotes
from brokerfix.record.merkle import Tree, inclusion_proof, leaf_hash, proven_root
from brokerfix.record.notes import SIGNATURE, BadNote, Checkpoint, VKey, is_signed_by, parse
from brokerfix.record.problems import Checked as Checked
from brokerfix.record.problems import Problem as Problem


class _Links:
    """Follows the links over all segments."""

    def __init__(self, checked: Checked) -> None:
        self._checked = checked
        self._last: bytes | None = None
        self._began = False

    def follow(self, where: str, payload: memoryview) -> None:
        record = _decoded(payload)
        if record is None:
            self._checked.problem(where, "it is whole, but no record of ours: it was put in or rewritten")
        before = record.before if record is not None else b""
        if before and self._last is not None and before != self._last:
            told = (
                "its link is not to the record before it: that one was changed, or one between was taken away or moved"
            )
            self._checked.problem(where, told)
        elif self._began and not before:
            self._checked.problem(where, "it has no link to the record before it, which those before it have")
        self._began |= bool(before)
        self._checked.records += 1
        self._checked.linked += bool(before)
        self._last = link(payload)


def _decoded(payload: memoryview) -> Record | None:
    try:
        return read_payload(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def check(journal: Path, notes: Path, trusted: Sequence[bytes]) -> Checked:
    """Check a journal's links, and each checkpoint in the folder or file `notes` (see `kept_notes`) against it: that
    one of the keys `trusted`, oldest first, has signed it, and that the records up to its size have its root. Without
    keys, links alone."""
    checked = Checked()
    links, every, signed = _Links(checked), segments(journal), _Signed(checked, KeptNotes(notes), trusted)
    here = [segment.stem for segment in every]
    days = signed.days() if trusted else []
    # Keys are rotated in the days' order.
    gone = {day: signed.of(day) for day in days if here and day < here[0]}
    for segment in every:
        _check_segment(checked, links, segment, segment == every[-1], signed)
    for day in days:
        if day not in here and day not in gone:
            checked.problem(signed.notes.path, f"there are checkpoints of {day}, but the journal has no such day")
    check_gone(checked, journal, gone)
    return checked


def _check_segment(
    checked: Checked, links: _Links, segment: Path, is_last: bool, signed: "_Signed"
) -> None:  # fmt: skip
    tree, roots, offset = Tree(), {}, len(MAGIC)
    wanted = signed.of(segment.stem)
    sizes = {one.size for _, one in wanted}
    with segment.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            checked.problem(segment, "its first line is not that of a journal")
    for end, payload in payloads(segment):
        links.follow(f"{segment.name}: record {tree.size} at byte {offset}", payload)
        tree.append(leaf_hash(payload))
        offset = end
        if tree.size in sizes:
            roots[tree.size] = tree.root()
    if offset < segment.stat().st_size:
        _check_rest(checked, segment, offset, is_last)
    good = 0
    for where, one in wanted:
        if one.size > tree.size:
            told = f"{one.size} records were there, now there are {tree.size}: some were taken away"
        elif one.size and roots[one.size] != one.root:
            told = f"records {good} to {one.size - 1} of {segment.name} are not what they were: some were changed"
        else:
            good = one.size
            continue
        checked.problem(where, told)
        # Those behind it say nothing more.
        break
    newest = max(sizes, default=0)
    if signed.trusted and not wanted:
        checked.days_without.append(segment.stem)
    checked.uncovered += max(0, tree.size - newest) if signed.trusted else 0


def _check_rest(checked: Checked, segment: Path, offset: int, is_last: bool) -> None:
    """What is behind the last whole record: torn, or damaged."""
    data = memoryview(segment.read_bytes())
    try:
        check_torn(segment, data, 0, offset, is_last)
    except JournalError as error:
        checked.problem(f"{segment.name}: at byte {offset}", str(error))
    else:
        checked.torn = f"{segment.name}: {len(data) - offset} bytes at byte {offset}"


class _Signed:
    """The checkpoints that trusted keys have signed. They are of one broker; and once a key was used, none before it is
    used again: who has an old key signs nothing new."""

    def __init__(self, checked: Checked, notes: KeptNotes, trusted: Sequence[bytes]) -> None:
        self._checked, self.notes, self.trusted = checked, notes, trusted
        self._newest_key = 0
        self._log = ""

    def days(self) -> list[str]:
        try:
            return self.notes.days()
        except BadNote as error:
            self._checked.problem(self.notes.path, str(error))
            return []

    def of(self, day: str) -> list[tuple[str, Checkpoint]]:
        """A day's checkpoints, each with where it stands."""
        found: list[tuple[str, Checkpoint]] = []
        if not self.trusted:
            return found
        try:
            for where, note in self.notes.of(day):
                self._checked.checkpoints += 1
                try:
                    found.append((where, self._of(day, note, found[-1][1].size if found else 0)))
                except BadNote as error:
                    self._checked.problem(where, str(error))
        except BadNote as error:
            self._checked.problem(self.notes.path / f"{day}{SUFFIX}" if self.notes.path.is_dir() else day, str(error))
        return found

    def _of(self, day: str, note: str, size: int) -> Checkpoint:
        """A note's checkpoint. Raises BadNote, with what is wrong with it."""
        checkpoint, _ = parse(note)
        log, _, of = checkpoint.origin.rpartition("/")
        if of != day or log != (self._log or log):
            raise BadNote(f"it is of another log: {checkpoint.origin}")
        number = next((at for at, key in enumerate(self.trusted) if _is_signed(note, checkpoint, key)), None)
        if number is None:
            raise BadNote("none of the trusted keys has signed it: it was forged, or the key is wrong")
        if number < self._newest_key:
            raise BadNote("it is signed by a key that was rotated away before: who has that one has forged it")
        if checkpoint.size < size:
            raise BadNote(f"its size {checkpoint.size} is below that of the one before it, {size}")
        self._newest_key, self._log = number, log
        return checkpoint


def _is_signed(note: str, checkpoint: Checkpoint, key: bytes) -> bool:
    return is_signed_by(note, VKey(checkpoint.origin, SIGNATURE, key))


class Proof(msgspec.Struct):
    """That a record is in a day's log: what it says, its bytes, its number, and the hashes from it to the root of the
    checkpoint, all bytes as base64. `vkey` is the key that has signed the checkpoint; whoever checks it takes it from
    elsewhere."""

    what: list[dict[str, Any]]
    index: int
    record: str
    path: list[str]
    checkpoint: str
    vkey: str


def prove(data: Path, number: int, trusted: Sequence[bytes]) -> Proof:
    """The proof of the record with the fact of this number. Raises LookupError: there is no such fact, no checkpoint
    covers it yet, or the journal was changed."""
    segment = data / "journal" / f"{day_of(number)}.journal"
    if not segment.exists():
        deleted = (fact for fact in deletions(data / "journal") if fact.file.name == segment.name)
        told = next((f": {one.operator} has deleted it, under {one.rule}" for one in deleted), "")
        raise LookupError(f"{data}: there is no journal of that day, {day_of(number)}{told}")
    leaves: list[bytes] = []
    index, found = -1, b""
    for _, payload in payloads(segment):
        if index < 0:
            record = _decoded(payload)
            if record is not None and _has(record, number):
                index, found = len(leaves), bytes(payload)
        leaves.append(leaf_hash(payload))
    if index < 0:
        raise LookupError(f"{segment}: there is no fact {id_text(number)}")
    note, checkpoint, vkey = _covering(data / "checkpoints", segment, index, trusted)
    path = inclusion_proof(leaves[: checkpoint.size], index)
    record = read_payload(memoryview(found))
    proof = Proof([], index, _base64(found), [_base64(one) for one in path], note, str(vkey))
    if not is_proven(proof, vkey):
        raise LookupError(f"{segment}: is not what its checkpoint says: `brokerfix verify` tells where it was changed")
    what = [{"kind": type(fact).__name__, "fact": id_text(fact.id), **_fields(fact)} for fact in record.facts]
    return msgspec.structs.replace(proof, what=what)


def _has(record: Record, number: int) -> bool:
    """Whether a record has the fact of a number; of a trade the maker's side has the number before."""
    return any(fact.id == number or (isinstance(fact, Trade) and fact.id - 1 == number) for fact in record.facts)


def _fields(fact: AnyFact) -> dict[str, Any]:
    fields = msgspec.to_builtins(msgspec.structs.asdict(fact))
    return {name: value for name, value in fields.items() if name != "id"}


def _covering(notes: Path, segment: Path, index: int, trusted: Sequence[bytes]) -> tuple[str, Checkpoint, VKey]:
    """The first checkpoint that covers a record. Raises LookupError."""
    path = notes_path(notes, segment)
    for _, signed in read_notes(path) if path.exists() else ():
        checkpoint, _ = parse(signed.note)
        for key in trusted:
            vkey = VKey(checkpoint.origin, SIGNATURE, key)
            if checkpoint.size > index and is_signed_by(signed.note, vkey):
                return signed.note, checkpoint, vkey
    raise LookupError(f"{path}: no checkpoint covers the record yet; the next one will")


def is_proven(proof: Proof, vkey: VKey) -> bool:
    """Whether a proof holds for who trusts a key. Raises BadNote, ValueError."""
    checkpoint, _ = parse(proof.checkpoint)
    leaf = leaf_hash(base64.b64decode(proof.record))
    root = proven_root(leaf, proof.index, checkpoint.size, [base64.b64decode(one) for one in proof.path])
    return root == checkpoint.root and is_signed_by(proof.checkpoint, vkey)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
