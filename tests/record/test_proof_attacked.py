"""What somebody might try who knows how it is made: nothing of it is signed, or passes for what was signed."""

import base64
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from brokerfix.cli import main
from brokerfix.facts import Alerted
from brokerfix.projections import witnesses as module
from brokerfix.projections.witnesses import Witnesses
from brokerfix.record import keys
from brokerfix.record.checkpoints import Checkpointer, Contradicted, Signed, notes_path, read_notes
from brokerfix.record.frames import link
from brokerfix.record.journal import Journal, segments
from brokerfix.record.notes import COSIGNATURE, Checkpoint, VKey, is_signed_by, parse, sign
from brokerfix.record.place import Place, position_of
from brokerfix.record.proof import prove
from brokerfix.settings.proof import WitnessSection
from tests.record.test_proof import (
    DAYS,
    RECORDS,
    checked,
    facts_of,
    ids,
    linked,
    make_signed,
    records_of,
    trusted,
    write_records,
)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_signed(tmp_path_factory.mktemp("signed"), DAYS, 5)


@pytest.fixture
def data(signed: Path, tmp_path: Path) -> Path:
    shutil.copytree(signed, tmp_path / "data")
    return tmp_path / "data"


def checkpointer(data: Path) -> Checkpointer:
    return Checkpointer(data, "BROKER", 0, data / "keys", 1e9)


def notes_of(data: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((data / "checkpoints").iterdir())]


def rewritten(segment: Path, at: int) -> None:
    """Another text in a record, and links that fit behind it."""
    records = records_of(segment)
    records[at] = records[at].replace(b"alert", b"alarm")
    write_records(segment, [*records[: at + 1], *linked(records[at + 1 :], link(records[at]))])


def swapped_days(data: Path) -> None:
    first, second = segments(data / "journal")
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def swapped_days_and_checkpoints(data: Path) -> None:
    swapped_days(data)
    first, second = (notes_path(data / "checkpoints", segment) for segment in segments(data / "journal"))
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def a_first_record_moved_over_the_days_end(data: Path) -> None:
    first, second = segments(data / "journal")
    begin, *rest = records_of(second)
    write_records(first, [*records_of(first), begin])
    write_records(second, rest)


def a_cut_tail(data: Path) -> None:
    segment = segments(data / "journal")[-1]
    write_records(segment, records_of(segment)[:-1])


def a_removed_day(data: Path) -> None:
    segments(data / "journal")[-1].unlink()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (swapped_days, "20261126.journal are not what they were"),
        (swapped_days_and_checkpoints, "it is of another log: brokerfix/BROKER/00/20261127"),
        (a_first_record_moved_over_the_days_end, "20261127.journal are not what they were"),
        (a_cut_tail, "12 records were there, now there are 11"),
        (a_removed_day, "there are checkpoints of 20261127, but the journal has no such day"),
    ],
)
def test_days_that_are_not_what_they_were_are_told(data: Path, change: Callable[[Path], None], found: str) -> None:
    change(data)
    assert any(found in problem.what for problem in checked(data).problems)


def test_days_that_are_gone_from_the_begin_are_told(data: Path) -> None:
    segments(data / "journal")[0].unlink()
    (problem,) = checked(data).problems
    assert "20261126.notes" in problem.where
    assert "its journal is gone, and no fact says why" in problem.what


def test_without_the_checkpoints_that_a_key_is_for_nothing_is_proven(data: Path) -> None:
    shutil.rmtree(data / "checkpoints")
    rewritten(segments(data / "journal")[1], 3)
    key = keys.public(data / "keys")[0].public
    told = CliRunner().invoke(main, ["verify", str(data), "--key", key])
    assert (told.exit_code, "there are no checkpoints, which the key is for" in told.output) == (1, True)


def test_a_key_that_was_rotated_away_signs_nothing_new(data: Path) -> None:
    stolen = load_pem_private_key((data / "keys" / "proof.key").read_bytes(), None)
    assert isinstance(stolen, Ed25519PrivateKey)
    keys.rotate(data / "keys")
    _append(data, 1)
    checkpointer(data).follow(0.0, at_once=True)
    assert checked(data).problems == [], "what it had signed before still holds"
    path = notes_path(data / "checkpoints", segments(data / "journal")[1])
    *_, (_, last) = read_notes(path)
    path.write_bytes(path.read_bytes() + _line(sign(parse(last.note)[0], stolen)))
    (problem,) = checked(data).problems
    assert "signed by a key that was rotated away before" in problem.what


def test_no_proof_is_given_out_of_a_changed_journal(data: Path) -> None:
    rewritten(segments(data / "journal")[1], 7)
    with pytest.raises(LookupError, match=r"20261127.journal: is not what its checkpoint says"):
        prove(data, ids(DAYS[1])[8], trusted(data))


def test_a_day_whose_checkpoints_were_taken_away_is_not_said_to_be_whole(data: Path) -> None:
    notes_path(data / "checkpoints", segments(data / "journal")[1]).unlink()
    rewritten(segments(data / "journal")[1], 7)
    report = checked(data)
    assert (report.days_without, report.uncovered) == (["20261127"], RECORDS)


def _line(note: str) -> bytes:
    return msgspec.json.encode(Signed("2026-11-27T23:00:00.000Z", note)) + b"\n"


def _append(data: Path, count: int) -> Journal:
    journal = Journal(data / "journal")
    journal.open(DAYS[-1])
    first = ids(DAYS[-1])[-1] + 1
    for number in range(count):
        journal.append([Alerted(99, first + number, "XNAS", "TEST", "later alert")], written=99)
    return journal


def test_another_brokers_day_is_none_of_this_ones(data: Path, tmp_path: Path) -> None:
    """Both are signed by one key, as of two shards that share it."""
    other = tmp_path / "other"
    shutil.copytree(data / "keys", other / "keys")
    journal = Journal(other / "journal")
    journal.open(DAYS[1])
    journal.append(facts_of(DAYS[1])[0], written=1)
    Checkpointer(other, "BROKER", 1, other / "keys", 1e9).follow(0.0, at_once=True)
    for folder in ("journal", "checkpoints"):
        for path in (other / folder).glob(f"{DAYS[1]}.*"):
            shutil.copy(path, data / folder)
    assert any("of another log: brokerfix/BROKER/01/20261127" in problem.what for problem in checked(data).problems)


def test_a_size_without_end_is_no_checkpoint(data: Path) -> None:
    path = notes_path(data / "checkpoints", segments(data / "journal")[1])
    path.write_bytes(path.read_bytes() + _line(f"x/20261127\n{'9' * 5000}\n{'A' * 43}=\n\n\u2014 x AAAA\n"))
    (problem,) = checked(data).problems
    assert "an origin, a size and a root are needed" in problem.what


# Who signs


def test_what_was_changed_is_not_signed_by_a_second_try_either(data: Path) -> None:
    rewritten(segments(data / "journal")[1], 7)
    _append(data, 1)
    made, before = checkpointer(data), notes_of(data)
    for _ in range(3):
        with pytest.raises(Contradicted, match="is not what its checkpoint"):
            made.follow(0.0, at_once=True)
    assert notes_of(data) == before


def test_an_older_copy_of_the_journal_is_not_signed_beside_the_newer_ones_checkpoints(data: Path) -> None:
    segments(data / "journal")[1].unlink()
    made, before = checkpointer(data), notes_of(data)
    for _ in range(2):
        with pytest.raises(Contradicted, match="there are checkpoints of 20261127: an older copy was restored"):
            made.follow(0.0, at_once=True)
    assert notes_of(data) == before


def a_shorter_end(segment: Path) -> None:
    write_records(segment, records_of(segment)[:-2])


def another_end(segment: Path) -> None:
    records = records_of(segment)
    records[-1] = records[-1].replace(b"later alert", b"other alert")
    size = segment.stat().st_size
    write_records(segment, records)
    assert segment.stat().st_size == size
    # The broker is started again on it.
    _append(segment.parent.parent, 1)


def nothing_of_ours(segment: Path) -> None:
    """Behind it records go on."""
    whole = records_of(segment)
    segment.write_bytes(segment.read_bytes() + b"\7" * 50)
    copy = segment.with_suffix(".copy")
    write_records(copy, linked([whole[-1]], link(whole[-1])))
    segment.write_bytes(segment.read_bytes() + copy.read_bytes()[20:])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (a_shorter_end, "records were taken away"),
        (another_end, "is not linked to the one before it"),
        (nothing_of_ours, "is damaged"),
    ],
)
def test_what_is_changed_under_its_eyes_is_not_signed(data: Path, change: Callable[[Path], None], found: str) -> None:
    made = checkpointer(data)
    _append(data, 3)
    made.follow(0.0, at_once=True)
    change(segments(data / "journal")[1])
    before = notes_of(data)
    for _ in range(2):
        with pytest.raises(Contradicted, match=found):
            made.follow(0.0, at_once=True)
    assert notes_of(data) == before


def test_the_end_of_a_day_that_the_cluster_has_not_confirmed_is_signed_later(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (data / "checkpoints").iterdir():
        path.unlink()
    first, _ = segments(data / "journal")
    limits = [position_of(Place(first.name, first.stat().st_size - 1)), None]
    notes_path(data / "checkpoints", first).touch()
    made = checkpointer(data)
    monkeypatch.setattr(made._confirmed, "limit", lambda: limits[0])
    made.follow(0.0, at_once=True)
    limits.pop(0)
    made.follow(0.0, at_once=True)
    report = checked(data)
    assert (report.problems, report.uncovered, report.checkpoints) == ([], 0, 3)


# Who witnesses

NOTE = sign(Checkpoint("brokerfix/BROKER/00/20261127", 3, bytes(32)), Ed25519PrivateKey.generate())
KEY = Ed25519PrivateKey.generate()
WITNESS = VKey("w.example", COSIGNATURE, KEY.public_key().public_bytes_raw())


def cosignature(text: str, at: int = 1_795_805_238) -> str:
    signature = WITNESS.hash + at.to_bytes(8, "big") + KEY.sign(b"cosignature/v1\ntime %d\n" % at + text.encode())
    return f"\u2014 w.example {base64.b64encode(signature).decode()}\n"


GOOD = cosignature(parse(NOTE)[0].text)


def endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 1000


def answer(status: int, text: str) -> httpx.Response:
    return httpx.Response(status, content=iter([text.encode()]))


def answered(*answers: httpx.Response) -> str:
    """The note with what a witness's answers add to it."""
    left = list(answers)
    client = httpx.Client(transport=httpx.MockTransport(lambda request: left.pop(0)))
    section = WitnessSection(url="http://w.example", key=str(WITNESS))
    return Witnesses({"w": section}, client).cosign(NOTE, lambda old: [])[0]


def test_of_a_witness_only_its_own_signature_counts() -> None:
    assert answered(answer(200, GOOD)) == NOTE + GOOD
    mine = NOTE.splitlines(keepends=True)[-1]
    for more in (mine, "\u2014 other AAAA\n", "nonsense\n\n", "\n\nbrokerfix\n"):
        assert answered(answer(200, more + GOOD + more)) == NOTE + GOOD
    assert is_signed_by(answered(answer(200, GOOD)), WITNESS)


@pytest.mark.parametrize(
    "answers",
    [
        [answer(200, cosignature("brokerfix/BROKER/00/20261127\n9\nAAAA\n"))],
        [answer(200, "")],
        [httpx.Response(200, content=endless())],
        [answer(409, "-5")],
        [answer(409, "4")],
        [answer(409, "2"), answer(409, "1")],
        [answer(409, "9" * 5000)],
        [httpx.Response(409, content=iter([b"\xff\xfe"]))],
        [httpx.Response(302, headers={"location": "http://elsewhere"}, content=iter([b""]))],
    ],
)
def test_a_witness_that_lies_adds_nothing(answers: list[httpx.Response], caplog: pytest.LogCaptureFixture) -> None:
    assert answered(*answers) == NOTE
    assert "witness w (http://w.example) does not sign" in caplog.text


def test_a_witness_that_was_away_is_asked_again_though_nothing_is_new(data: Path) -> None:
    """Also for the end of the day before."""
    for path in (data / "checkpoints").iterdir():
        path.unlink()
    notes_path(data / "checkpoints", segments(data / "journal")[0]).touch()
    asked: list[tuple[int, int]] = []
    is_there = False

    def cosign(note: str, proof: Callable[[int], list[bytes]]) -> tuple[str, bool]:
        checkpoint, _ = parse(note)
        asked.append((checkpoint.size, len(proof(5))))
        return (note + cosignature(checkpoint.text), True) if is_there else (note, False)

    made = Checkpointer(data, "BROKER", 0, data / "keys", 1.0, cosign=cosign)
    for now in (10.0, 10.5, 11.1, 11.5):
        made.follow(now)
    assert len(asked) == 2, "for each day, and not before its time"
    is_there = True
    made.follow(12.2)
    made.follow(13.3)
    assert len(asked) == 4, "whoever has signed is not asked again"
    for segment in segments(data / "journal"):
        *_, (_, last) = read_notes(notes_path(data / "checkpoints", segment))
        assert is_signed_by(last.note, WITNESS)
    assert checked(data).problems == []


def test_a_witness_that_drips_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 0.0)
    assert answered(answer(200, GOOD)) == NOTE
