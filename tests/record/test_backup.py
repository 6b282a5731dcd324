"""A backup is what the journal was, takes what has come since, and a data folder is made of it, or nothing at all."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerfix.cli import main
from brokerfix.domain import id_number
from brokerfix.engine.evolve import evolve
from brokerfix.facts import Alerted, DayRolled, Started
from brokerfix.record.audit import verify
from brokerfix.record.backup import MANIFEST, back_up, read_manifest, restore
from brokerfix.record.frames import MAGIC
from brokerfix.record.journal import Journal, JournalError, read, segments
from brokerfix.record.kept import recovered
from brokerfix.record.kept import write as keep
from tests.queues.flow import NOW, Flow
from tests.servers import Kafka

OLD = Path(__file__).parent.parent / "data" / "journal-7562edf"
SECOND = 10**9


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a broker with three trading days."""
    shutil.copytree(OLD, tmp_path / "broker" / "journal")
    (tmp_path / "broker" / "clients.json").write_text("{}")
    return tmp_path / "broker"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def bytes_of(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in segments(data / "journal")}


def test_what_is_restored_is_what_was(data: Path, tmp_path: Path) -> None:
    made = back_up(data, tmp_path / "backup")
    restored = restore(tmp_path / "backup", tmp_path / "other")
    assert bytes_of(tmp_path / "other") == bytes_of(data)
    assert (tmp_path / "other" / "clients.json").read_text() == "{}"
    assert restored.last_id == made.last_id
    assert restored.left_out == 0
    report, _ = verify(tmp_path / "other" / "journal")
    assert not report.problems
    assert report.state_hash == verify(data / "journal")[0].state_hash


def test_the_same_backup_takes_what_has_come_since(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    first = back_up(data, folder)
    journal = Journal(data / "journal")
    journal.open(20261122)
    last = verify(data / "journal")[1].last_id
    journal.append([Alerted(5, last + 1, "XNAS", "TEST", "later")], written=7 * 10**18)
    journal.close()
    # A record that is being written is not whole.
    append(segments(data / "journal")[-1], b"\x20\0\0\0")
    second = back_up(data, folder)
    assert [one.name for one in second.files] == [one.name for one in first.files]
    assert sum(one.size for one in second.files) > sum(one.size for one in first.files)
    assert second.until == "2191-10-27T12:26:40.000Z"
    restore(folder, tmp_path / "other")
    assert list(read(tmp_path / "other" / "journal"))[-1].facts[0] == Alerted(5, last + 1, "XNAS", "TEST", "later")


def test_a_backup_is_of_one_journal(data: Path, tmp_path: Path) -> None:
    back_up(data, tmp_path / "backup")
    segment = segments(data / "journal")[-1]
    damaged = bytearray(segment.read_bytes())
    damaged[40] ^= 1
    (tmp_path / "backup" / segment.name).write_bytes(damaged)
    with pytest.raises(JournalError, match="of another journal, or damaged"):
        back_up(data, tmp_path / "backup")


def day_of_records(data: Path) -> list[int]:
    """A journal of a start and three alerts, recorded in the seconds 1 to 4. Returns the numbers of their facts."""
    ids = [id_number(f"20261122-00-{number}") for number in range(5)]
    journal = Journal(data / "journal")
    journal.open(20261122)
    journal.append([DayRolled(1, ids[0], 20261122), Started(1, ids[1])], written=1 * SECOND)
    for second in (2, 3, 4):
        journal.append([Alerted(second, ids[second], "broker", "TEST", "")], written=second * SECOND)
    journal.close()
    return ids


@pytest.mark.parametrize("until", ["20261122-00-3", "1970-01-01T00:00:03Z", "1970-01-01T04:00:03.5+04:00"])
def test_a_fact_or_a_time_ends_what_is_restored(tmp_path: Path, until: str) -> None:
    ids = day_of_records(tmp_path / "broker")
    back_up(tmp_path / "broker", tmp_path / "backup")
    restored = restore(tmp_path / "backup", tmp_path / "other", until)
    assert [record.facts[-1].id for record in read(tmp_path / "other" / "journal")] == [ids[1], ids[2], ids[3]]
    assert restored.last_id == "20261122-00-3"
    assert restored.left_out > 0


@pytest.mark.parametrize(
    ("until", "told"),
    [("soon", "neither a fact's number nor a time"), ("1970-01-01T00:00:00Z", "nothing of the backup is as old as")],
)
def test_what_can_not_be_restored_leaves_nothing(tmp_path: Path, until: str, told: str) -> None:
    day_of_records(tmp_path / "broker")
    back_up(tmp_path / "broker", tmp_path / "backup")
    with pytest.raises(JournalError, match=told):
        restore(tmp_path / "backup", tmp_path / "other", until)
    assert list((tmp_path / "other").iterdir()) == []


def test_nothing_is_restored_over_a_journal_or_from_what_is_damaged(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    back_up(data, folder)
    with pytest.raises(JournalError, match="there is a journal already"):
        restore(folder, data)
    damaged = bytearray(segments(folder)[0].read_bytes())
    damaged[100] ^= 1
    segments(folder)[0].write_bytes(damaged)
    with pytest.raises(JournalError, match=r"is damaged \(its SHA-256"):
        restore(folder, tmp_path / "other")
    (folder / MANIFEST).unlink()
    with pytest.raises(JournalError, match="there is no backup here"):
        restore(folder, tmp_path / "other")
    assert not segments(tmp_path / "other" / "journal")


def test_a_kept_state_stands_for_segments_that_are_gone(tmp_path: Path) -> None:
    data = tmp_path / "broker"
    day_of_records(data)
    journal = Journal(data / "journal")
    journal.open(20261122)
    state = recovered(data / "journal")
    journal.append([DayRolled(5, id_number("20261123-00-0"), 20261123)], written=5 * SECOND)
    journal.close()
    first, second = segments(data / "journal")
    kept = keep(data / "journal", state, second.name, len(MAGIC), b"")
    first.unlink()
    made = back_up(data, tmp_path / "backup")
    assert [one.name for one in made.files] == [second.name, kept.name]
    restore(tmp_path / "backup", tmp_path / "other")
    assert verify(tmp_path / "other" / "journal")[0] == verify(data / "journal")[0]


def test_an_unfinished_backup_is_the_one_before(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    made = back_up(data, folder)
    append(segments(folder)[-1], b"half of what was to come")
    restore(folder, tmp_path / "other")
    assert bytes_of(tmp_path / "other") == bytes_of(data)
    assert back_up(data, folder) == made == read_manifest(folder)


@pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
def test_a_journal_is_not_copied_over_itself(data: Path, tmp_path: Path, link: str | None) -> None:
    """What is in the way of a copy is cut off: of the journal itself nothing would be left."""
    before, folder = bytes_of(data), data / "journal"
    if link == "symlink_to":
        folder = tmp_path / "link"
        folder.symlink_to(data / "journal")
    elif link == "hardlink_to":
        folder = tmp_path / "links"
        folder.mkdir()
        for segment in segments(data / "journal"):
            (folder / segment.name).hardlink_to(segment)
    with pytest.raises(JournalError, match="this is the journal itself"):
        back_up(data, folder)
    assert bytes_of(data) == before


@pytest.mark.parametrize("begun", [b"", MAGIC])
def test_a_day_that_has_just_begun_is_no_part_of_it(data: Path, tmp_path: Path, begun: bytes) -> None:
    """The broker has made its segment, and not written a record into it yet."""
    folder = tmp_path / "backup"
    made = back_up(data, folder)
    (data / "journal" / "20261123.journal").write_bytes(begun)
    assert back_up(data, folder) == made
    assert restore(folder, tmp_path / "other").last_id == made.last_id


def test_the_last_fact_is_told_also_where_nothing_new_has_one(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    made = back_up(data, folder)
    journal = Journal(data / "journal")
    journal.open(20261122)
    journal.close()
    segment = data / "journal" / "20261123.journal"
    segment.write_bytes(MAGIC)
    later = Journal(data / "journal")
    later.open(20261123)
    later.append([], noted=[("c:ALICE", 1, 1)])
    later.close()
    again = back_up(data, folder)
    assert (again.last_id, again.until, len(again.files)) == (made.last_id, made.until, len(made.files) + 1)


def test_a_day_that_is_missing_in_the_middle_is_told(tmp_path: Path) -> None:
    """No invariant need be broken by it: each order may have ended on its day."""
    kafka = Kafka()
    kafka.urls = ["127.0.0.1:1"]
    flow = Flow(tmp_path / "broker", kafka)
    for day in (20261128, 20261129):
        flow.trade(1)
        rolled = DayRolled(NOW, id_number(f"{day}-00-0"), day)
        flow.journal.append([rolled])
        evolve(flow.state, rolled)
    flow.trade(1)
    flow.journal.close()
    back_up(flow.folder, tmp_path / "backup")
    segments(flow.folder / "journal")[1].unlink()
    with pytest.raises(JournalError, match=r"20261128.journal is gone.* put it back from there"):
        back_up(flow.folder, tmp_path / "backup")
    back_up(flow.folder, tmp_path / "late")
    shutil.rmtree(flow.folder / "journal")
    told = CliRunner().invoke(main, ["restore", str(tmp_path / "late"), str(flow.config)])
    assert told.exit_code == 1
    assert "BROKEN: 20261129.journal: record 0 at byte 20: its link is not to the record before it" in told.output
