"""The journal: what is torn is cut, what is damaged stops the start, what does not fit is not written."""

import errno
import os
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerfix.facts import Alerted, DayRolled, Fact
from brokerfix.record.frames import MAGIC
from brokerfix.record.journal import DiskFull, Journal, JournalError, Torn, lock, read, records, segments

RECORDS: list[list[Fact]] = [
    [DayRolled(1, 20261122 * 10**9, 20261122)],
    [Alerted(2, 20261122 * 10**9 + 1, "XNAS", "TEST", "first"), Alerted(2, 20261122 * 10**9 + 2, "XNAS", "TEST", "x")],
    [Alerted(3, 20261122 * 10**9 + 3, "XNAS", "TEST", "third")],
]


def facts_of(folder: Path, torn: Callable[[Torn], None] | None = None) -> list[list[Fact]]:
    return [record.facts for record in read(folder, torn)]


def write(folder: Path, rows: list[list[Fact]] = RECORDS, disk: bool = False) -> Path:
    journal = Journal(folder, disk)
    journal.open(20261122)
    for facts in rows:
        journal.append(facts)
    journal.wait_synced()
    journal.close()
    return segments(folder)[-1]


@pytest.mark.parametrize("disk", [False, True])
def test_what_is_written_is_read(tmp_path: Path, disk: bool) -> None:
    write(tmp_path, disk=disk)
    assert facts_of(tmp_path) == RECORDS


def test_a_day_begins_a_segment(tmp_path: Path) -> None:
    write(tmp_path, [*RECORDS, [DayRolled(4, 20261123 * 10**9, 20261123)]])
    assert [path.name for path in segments(tmp_path)] == ["20261122.journal", "20261123.journal"]
    assert len(list(read(tmp_path))) == 4


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_a_torn_tail_is_cut_at_the_last_whole_record(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    segment = write(folder)
    ends = [end for _, end in records(segment, len(MAGIC))]
    size = data.draw(st.integers(len(MAGIC), ends[-1]))
    os.truncate(segment, size)
    torn: list[Torn] = []
    found = facts_of(folder, torn.append)
    whole = [end for end in ends if end <= size]
    assert found == RECORDS[: len(whole)]
    last_whole = whole[-1] if whole else len(MAGIC)
    assert [(tail.offset, tail.size) for tail in torn] == (
        [(last_whole, size - last_whole)] if size > last_whole else []
    )
    journal = Journal(folder)
    journal.open(20261122, torn[0] if torn else None)
    journal.append(RECORDS[1])
    journal.close()
    assert facts_of(folder) == [*RECORDS[: len(whole)], RECORDS[1]]


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_a_damaged_record_in_the_middle_stops_the_start(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any byte of it, the length included."""
    folder = tmp_path_factory.mktemp("damaged")
    segment = write(folder)
    ends = [end for _, end in records(segment, len(MAGIC))]
    at = data.draw(st.integers(ends[0], ends[1] - 1))
    content = bytearray(segment.read_bytes())
    content[at] ^= data.draw(st.integers(1, 255))
    segment.write_bytes(content)
    with pytest.raises(JournalError, match=rf"{segment.name}: the record at byte {ends[0]} is damaged.*restore"):
        list(read(folder))


def test_trial_15_a_large_torn_record_is_seen_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """9 MB of random bytes: a checksum at every byte of them would take half a minute."""
    noise = random.Random(1).randbytes(9 << 20).decode("latin-1")
    segment = write(tmp_path, [*RECORDS, [Alerted(4, 20261122 * 10**9 + 4, "XNAS", "TEST", "large", noise)]])
    os.truncate(segment, segment.stat().st_size - 1)
    summed, crc32 = 0, zlib.crc32

    def counted(data: memoryview) -> int:
        nonlocal summed
        summed += len(data)
        return crc32(data)

    monkeypatch.setattr("brokerfix.record.journal.zlib.crc32", counted)
    torn: list[Torn] = []
    assert facts_of(tmp_path, torn.append) == RECORDS
    assert len(torn) == 1
    assert summed < 100 << 20


def test_an_older_segment_may_not_be_torn(tmp_path: Path) -> None:
    write(tmp_path, [*RECORDS, [DayRolled(4, 20261123 * 10**9, 20261123)]])
    first = segments(tmp_path)[0]
    os.truncate(first, first.stat().st_size - 1)
    with pytest.raises(JournalError, match="a later segment follows"):
        list(read(tmp_path))


def test_trial_28_a_segment_of_another_version_is_not_misread(tmp_path: Path) -> None:
    segment = write(tmp_path)
    segment.write_bytes(segment.read_bytes().replace(b"brokerfix journal 1", b"brokerfix journal 7"))
    with pytest.raises(JournalError, match="another version of brokerfix has written it"):
        list(read(tmp_path))


def test_another_file_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "20261122.journal").write_bytes(b"something else entirely")
    with pytest.raises(JournalError, match="no journal of brokerfix"):
        list(read(tmp_path))


@pytest.mark.parametrize("written", [None, 5])
def test_a_full_disk_leaves_no_part_of_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int | None
) -> None:
    journal = Journal(tmp_path)
    journal.open(20261122)
    for facts in RECORDS:
        journal.append(facts)
    whole = os.write

    def full(descriptor: int, data: bytes) -> int:
        if written is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole(descriptor, data[:written])

    monkeypatch.setattr("brokerfix.record.journal.os.write", full)
    with pytest.raises(DiskFull, match="can't be written"):
        journal.append(RECORDS[1])
    monkeypatch.undo()
    assert facts_of(tmp_path) == RECORDS
    journal.append(RECORDS[2])
    journal.close()
    assert facts_of(tmp_path) == [*RECORDS, RECORDS[2]]


def test_nothing_is_written_behind_a_part_that_can_not_be_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    journal.open(20261122)
    journal.append(RECORDS[0])
    whole = os.write

    def broken(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("brokerfix.record.journal.os.write", lambda descriptor, data: whole(descriptor, data[:5]))
    monkeypatch.setattr("brokerfix.record.journal.os.ftruncate", broken)
    with pytest.raises(DiskFull):
        journal.append(RECORDS[1])
    monkeypatch.setattr("brokerfix.record.journal.os.write", whole)
    for later in (RECORDS[1], [DayRolled(4, 20261123 * 10**9, 20261123)]):
        with pytest.raises(DiskFull):
            journal.append(later)
    monkeypatch.undo()
    journal.append(RECORDS[1])
    journal.close()
    assert facts_of(tmp_path) == RECORDS[:2]


def test_a_day_that_a_full_disk_can_not_begin_goes_on_in_the_old_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    journal.open(20261122)
    journal.append(RECORDS[0])

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("brokerfix.record.journal.os.write", full)
    with pytest.raises(DiskFull, match="20261123"):
        journal.append([DayRolled(4, 20261123 * 10**9, 20261123)])
    monkeypatch.undo()
    journal.append(RECORDS[1])
    journal.close()
    assert [path.name for path in tmp_path.glob("*.journal")] == ["20261122.journal"]
    assert facts_of(tmp_path) == RECORDS[:2]


def test_the_reserve_is_kept_and_given_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open(20261122)
    assert (tmp_path / "reserve").stat().st_size > 1 << 20
    assert journal.release_reserve()
    assert not journal.release_reserve()
    assert journal.hold_reserve()
    journal.close()


def test_one_data_folder_one_broker(tmp_path: Path) -> None:
    first = lock(tmp_path)
    with pytest.raises(JournalError, match=f"another broker runs on this data folder .process {os.getpid()}."):
        lock(tmp_path)
    os.close(first)
    os.close(lock(tmp_path))
