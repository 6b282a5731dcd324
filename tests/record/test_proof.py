"""Whoever changes a signed journal is found: every byte of it, and every record, counts."""

import base64
import random
import shutil
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from brokerfix.domain import id_number
from brokerfix.facts import Alerted, DayRolled, Fact, Started
from brokerfix.record import keys
from brokerfix.record.checkpoints import Checkpointer, Contradicted, notes_path, read_notes
from brokerfix.record.frames import HEADER, MAGIC, link, payloads
from brokerfix.record.journal import Journal, read, segments
from brokerfix.record.merkle import leaf_hash
from brokerfix.record.notes import SIGNATURE, BadNote, VKey, origin_of, parse, sign
from brokerfix.record.proof import Checked, check, is_proven, prove
from tests.live import of_others

DAYS = (20261126, 20261127)
RECORDS = 12
"""Of each day."""


def ids(day: int) -> list[int]:
    return [id_number(f"{day}-00-{number}") for number in range(RECORDS + 1)]


def facts_of(day: int) -> list[list[Fact]]:
    """A day's records: its begin, and alerts."""
    first, *others = ids(day)
    begin: list[Fact] = [DayRolled(1, first, day), Started(1, others[0])]
    return [begin, *([Alerted(at, one, "XNAS", "TEST", f"alert {at}")] for at, one in enumerate(others[1:], 2))]


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_signed(tmp_path_factory.mktemp("signed"), DAYS, 5)


def make_signed(data: Path, days: Sequence[int], every: int) -> Path:
    """The data folder of a broker with some days, a checkpoint after `every` so many records and at the ends."""
    keys.make(data / "keys")
    checkpointer = Checkpointer(data, "BROKER", 0, data / "keys", 1e9)
    journal = Journal(data / "journal")
    journal.open(days[0])
    for day in days:
        for number, facts in enumerate(facts_of(day)):
            journal.append(facts, written=number + 1)
            if number % every == every - 1:
                checkpointer.follow(0.0, at_once=True)
    checkpointer.follow(0.0, at_once=True)
    journal.close()
    return data


@pytest.fixture
def data(signed: Path, tmp_path: Path) -> Path:
    shutil.copytree(signed, tmp_path / "data")
    return tmp_path / "data"


def trusted(data: Path) -> list[bytes]:
    return [one.key for one in keys.public(data / "keys")]


def checked(data: Path, key_list: list[bytes] | None = None) -> Checked:
    return check(data / "journal", data / "checkpoints", trusted(data) if key_list is None else key_list)


def records_of(segment: Path) -> list[bytes]:
    return [bytes(payload) for _, payload in payloads(segment)]


def write_records(segment: Path, records: list[bytes]) -> None:
    """A segment with these payloads, each with the checksum that belongs to it."""
    framed = (HEADER.pack(len(one), zlib.crc32(one)) + one for one in records)
    segment.write_bytes(MAGIC + b"".join(framed))


def linked(records: list[bytes], before: bytes) -> list[bytes]:
    """The payloads with links that fit, as someone would write them who knows how."""
    made = []
    for one in records:
        fields = msgspec.msgpack.decode(one)
        fields[-1] = before
        made.append(msgspec.msgpack.encode(fields))
        before = link(made[-1])
    return made


def test_a_signed_journal_holds(signed: Path) -> None:
    report = checked(signed)
    assert report.problems == []
    assert (report.records, report.linked, report.uncovered) == (2 * RECORDS, 2 * RECORDS - 1, 0)
    # After the records 5 and 10, and at the end of each day.
    assert report.checkpoints == 6
    assert [len(list(read_notes(path))) for path in sorted((signed / "checkpoints").iterdir())] == [3, 3]


def a_flipped_byte(records: list[bytes]) -> None:
    records[3] = records[3].replace(b"alert", b"alarm")


def a_removed_record(records: list[bytes]) -> None:
    del records[6]


def two_swapped_records(records: list[bytes]) -> None:
    records[6], records[7] = records[7], records[6]


def an_inserted_record(records: list[bytes]) -> None:
    records.insert(6, records[5])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (a_flipped_byte, ["record 4 at byte"]),
        (a_removed_record, ["record 6 at byte"]),
        (two_swapped_records, ["record 6 at byte", "record 7 at byte", "record 8 at byte"]),
        (an_inserted_record, ["record 6 at byte"]),
    ],
)
def test_the_link_behind_a_change_tells_where_it_is(
    data: Path, change: Callable[[list[bytes]], None], found: list[str]
) -> None:
    segment = segments(data / "journal")[0]
    records = records_of(segment)
    change(records)
    write_records(segment, records)
    told = [problem.where for problem in checked(data, []).problems]
    assert [where.split(": ")[1][: len(one)] for where, one in zip(told, found, strict=True)] == found


def test_a_rewritten_tail_is_found_by_the_checkpoint_behind_it(data: Path) -> None:
    segment = segments(data / "journal")[1]
    records = records_of(segment)
    records[7] = records[7].replace(b"alert", b"alarm")
    write_records(segment, [*records[:7], *linked(records[7:], link(records[6]))])
    assert checked(data, []).problems == []
    (problem,) = checked(data).problems
    assert problem.where.startswith("20261127.notes: line 2")
    assert "records 5 to 9 of 20261127.journal are not what they were" in problem.what


def test_records_that_are_taken_from_the_end_are_missed(data: Path) -> None:
    segment = segments(data / "journal")[1]
    write_records(segment, records_of(segment)[:-2])
    (problem,) = checked(data).problems
    assert "12 records were there, now there are 10" in problem.what


def test_a_day_that_is_taken_away_is_missed(data: Path) -> None:
    segments(data / "journal")[1].unlink()
    (problem,) = checked(data).problems
    assert "there are checkpoints of 20261127, but the journal has no such day" in problem.what
    # Who takes its checkpoints too is found by a copy of them.
    shutil.copytree(data / "checkpoints", data / "copy")
    notes_path(data / "checkpoints", Path("20261127.journal")).unlink()
    assert checked(data).problems == []
    assert check(data / "journal", data / "copy", trusted(data)).problems


def test_another_key_has_not_signed_it(data: Path) -> None:
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    report = checked(data, [stranger])
    assert {problem.what[:36] for problem in report.problems} == {"none of the trusted keys has signed "}
    segment, key = segments(data / "journal")[0], Ed25519PrivateKey.generate()
    path = notes_path(data / "checkpoints", segment)
    lines = path.read_text().splitlines()
    one = msgspec.json.decode(lines[-1], type=dict[str, str])
    lines[-1] = msgspec.json.encode({**one, "note": sign(parse(one["note"])[0], key)}).decode()
    path.write_text("\n".join(lines) + "\n")
    (problem,) = checked(data).problems
    assert problem.where.startswith("20261126.notes: line 3")


def test_ten_thousand_changes_and_none_passes(tmp_path: Path) -> None:
    """Of bytes and of whole records, with checksums that fit, and of the checkpoints."""
    chance, data = random.Random(15), make_signed(tmp_path, DAYS[:1], 8)
    trust = trusted(data)
    files = [*segments(data / "journal"), *sorted((data / "checkpoints").iterdir())]
    whole = {path: path.read_bytes() for path in files}
    passed = []
    for number in range(10_000):
        path = chance.choice(files)
        how = _changed(path, whole[path], chance)
        if _says_the_same(path, whole[path]):
            continue
        report = check(data / "journal", data / "checkpoints", trust)
        if not report.problems and not report.uncovered:
            passed.append((number, path.name, how))
        path.write_bytes(whole[path])
    assert passed == []


def _says_the_same(path: Path, before: bytes) -> bool:
    """Whether a change is none: as it was or, of checkpoints, but for when they were signed and white space."""
    data = path.read_bytes()
    if path.suffix == ".journal" or data == before:
        return data == before
    (path.parent / "before").write_bytes(before)
    try:
        notes = [[signed.note for _, signed in read_notes(one)] for one in (path, path.parent / "before")]
    except BadNote:
        return False
    return notes[0] == notes[1]


def _changed(path: Path, data: bytes, chance: random.Random) -> str:
    """Change a file somehow. Returns how."""
    kinds = ["flip", "cut out", "put in"]
    kinds += ["record", "remove", "swap", "insert", "truncate", "rewrite"] if path.suffix == ".journal" else []
    kind, at = chance.choice(kinds), chance.randrange(len(data))
    if kind == "flip":
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
    elif kind == "cut out":
        path.write_bytes(data[:at] + data[at + chance.randint(1, 40) :])
    elif kind == "put in":
        path.write_bytes(data[:at] + chance.randbytes(chance.randint(1, 40)) + data[at:])
    else:
        records = records_of(path)
        _changed_records(records, kind, chance)
        write_records(path, records)
    return f"{kind} at {at}"


def _changed_records(records: list[bytes], kind: str, chance: random.Random) -> None:
    at = chance.randrange(len(records))
    if kind == "record":
        byte = chance.randrange(len(records[at]))
        flipped = bytes([records[at][byte] ^ 1 << chance.randrange(8)])
        records[at] = records[at][:byte] + flipped + records[at][byte + 1 :]
    elif kind == "remove":
        del records[at]
    elif kind == "swap":
        other = chance.randrange(len(records))
        records[at], records[other] = records[other], records[at]
    elif kind == "insert":
        records.insert(at, chance.choice(records))
    elif kind == "truncate":
        del records[at:]
    else:
        tail = [one.replace(b"alert", b"alarm") for one in records[at:]]
        records[at:] = linked(tail, link(records[at - 1]) if at else b"")


def test_a_changed_journal_is_not_signed_again(data: Path) -> None:
    segment = segments(data / "journal")[1]
    records = records_of(segment)
    records[7] = records[7].replace(b"alert", b"alarm")
    write_records(segment, [*records[:7], *linked(records[7:], link(records[6]))])
    with pytest.raises(Contradicted, match=r"20261127.journal: is not what its checkpoint of .* \(12 records\)"):
        Checkpointer(data, "BROKER", 0, data / "keys", 1e9).follow(0.0)


def test_signing_goes_on_after_a_kill_in_the_middle_of_a_line(data: Path) -> None:
    path = notes_path(data / "checkpoints", segments(data / "journal")[1])
    before = path.read_bytes()
    path.write_bytes(before + b'{"at": "2026-11-27T')
    journal = Journal(data / "journal")
    journal.open(DAYS[1])
    journal.append([Alerted(99, ids(DAYS[1])[-1] + 1, "XNAS", "TEST", "later")], written=99)
    journal.close()
    copy = data / "copy"
    Checkpointer(data, "BROKER", 0, data / "keys", 1e9, (copy,)).follow(0.0, at_once=True)
    report = checked(data)
    assert report.problems == []
    assert (report.records, report.linked, report.uncovered) == (2 * RECORDS + 1, 2 * RECORDS, 0)
    assert path.read_bytes()[len(before) :] == notes_path(copy, segments(data / "journal")[1]).read_bytes()


def test_what_was_written_before_there_were_links_is_read_and_linked_to(tmp_path: Path) -> None:
    old = Path(__file__).parent.parent / "data" / "journal-7562edf"
    shutil.copytree(old, tmp_path / "journal")
    last = [record.facts[-1].id for record in read(tmp_path / "journal")][-1]
    journal = Journal(tmp_path / "journal")
    journal.open(20261122)
    journal.append([Alerted(5, last + 1, "XNAS", "TEST", "later")], written=5)
    journal.append([Alerted(6, last + 2, "XNAS", "TEST", "later")], written=6)
    journal.close()
    report = check(tmp_path / "journal", tmp_path / "none", [])
    assert (report.linked, report.problems) == (2, [])
    segment = segments(tmp_path / "journal")[-1]
    records = records_of(segment)
    del records[-3]
    write_records(segment, records)
    (problem,) = check(tmp_path / "journal", tmp_path / "none", []).problems
    assert f"record {len(records) - 2} at byte" in problem.where


@pytest.mark.parametrize("index", [0, 6, RECORDS - 1])
def test_a_record_is_proven_by_the_first_checkpoint_behind_it(data: Path, index: int) -> None:
    day, fact = DAYS[0], facts_of(DAYS[0])[index][-1]
    proof = prove(data, fact.id, trusted(data))
    vkey = VKey(origin_of("BROKER", 0, day), SIGNATURE, trusted(data)[0])
    assert (proof.index, str(vkey)) == (index, proof.vkey)
    assert is_proven(proof, vkey)
    assert base64.b64decode(proof.record) == records_of(segments(data / "journal")[0])[index]
    other = base64.b64encode(base64.b64decode(proof.record) + b"x").decode()
    assert not is_proven(msgspec.structs.replace(proof, record=other), vkey)
    assert not is_proven(msgspec.structs.replace(proof, index=index + 1), vkey)


def test_what_no_checkpoint_covers_is_not_proven_yet(data: Path) -> None:
    journal = Journal(data / "journal")
    journal.open(DAYS[1])
    later = ids(DAYS[1])[-1] + 1
    journal.append([Alerted(99, later, "XNAS", "TEST", "later")], written=99)
    journal.close()
    with pytest.raises(LookupError, match="no checkpoint covers the record yet"):
        prove(data, later, trusted(data))
    with pytest.raises(LookupError, match="there is no fact 20261127-00-77"):
        prove(data, id_number("20261127-00-77"), trusted(data))
    assert checked(data).uncovered == 1


def test_keys_follow_each_other(data: Path) -> None:
    first = trusted(data)[0]
    second = keys.rotate(data / "keys").key
    keys.rotate(data / "keys")
    every, path = keys.public(data / "keys"), data / "keys" / "public.json"
    assert keys.followed(every, path, second) == [one.key for one in every[1:]]
    # Checkpoints of before the rotation still hold for who trusts the first.
    assert checked(data, keys.followed(every, path, first)).problems == []
    with pytest.raises(keys.BadKeys, match="has other keys than the one that is trusted"):
        keys.followed(every, path, bytes(32))
    forged = msgspec.structs.replace(every[1], public=base64.b64encode(bytes(range(32))).decode())
    with pytest.raises(keys.BadKeys, match="is not signed by the one before it"):
        keys.followed([every[0], forged], path)
    with pytest.raises(keys.BadKeys, match="there is a key already"):
        keys.make(data / "keys")


def test_a_rotation_that_was_killed_is_finished_or_forgotten(data: Path) -> None:
    folder = data / "keys"
    shutil.copytree(folder, data / "before")
    second = keys.rotate(folder)
    # Killed before the last step: the new private key has not its name yet.
    (folder / "proof.key").rename(folder / "proof.key.next")
    shutil.copy2(data / "before" / "proof.key", folder / "proof.key")
    assert keys.private(folder).public_key().public_bytes_raw() == second.key
    # Killed before the second step: nobody knows of the new key.
    keys.rotate(data / "before")
    (data / "before" / "proof.key").rename(data / "before" / "proof.key.next")
    shutil.copy2(folder / "public.json", data / "before" / "public.json")
    shutil.copy2(folder / "proof.key", data / "before" / "proof.key")
    assert keys.private(data / "before").public_key().public_bytes_raw() == second.key
    assert not (data / "before" / "proof.key.next").exists()


def test_a_key_that_others_may_read_is_not_used(data: Path) -> None:
    (data / "keys" / "proof.key").chmod(0o640)
    with pytest.raises(keys.BadKeys, match="others may read it"):
        keys.private(data / "keys")


def test_another_library_for_such_logs_agrees(data: Path) -> None:
    """The package aics-tlog, which has its own trees, notes and verifiers."""
    tlog = of_others("aics_tlog")
    segment = segments(data / "journal")[0]
    tree = tlog.MerkleTree(records_of(segment))
    for index, facts in enumerate(facts_of(DAYS[0])):
        proof = prove(data, facts[-1].id, trusted(data))
        result = tlog.verify_checkpoint(tlog.parse_note(proof.checkpoint), tlog.parse_vkey(proof.vkey))
        assert result.ok
        assert result.root == tree.root(result.size)
        record, path = base64.b64decode(proof.record), [base64.b64decode(one) for one in proof.path]
        assert tlog.verify_leaf_inclusion(record, index, result.size, path, result.root)
        assert path == list(tree.inclusion_proof(index, result.size))
        assert tlog.leaf_hash(record) == leaf_hash(record)
