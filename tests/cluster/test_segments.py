"""Segments that are published in runs and written again elsewhere: byte by byte the same, and what does not fit is
told."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerfix.cluster import segments as module
from brokerfix.cluster.segments import ASIDE, Incoming, Outgoing, crc_of, end_of
from brokerfix.cluster.stream import Head, Refused
from brokerfix.facts import Alerted, ClientUp, DayRolled
from brokerfix.record.journal import Journal, read
from brokerfix.record.place import OFFSET_BITS, Place, place_at, position_of

Run = tuple[Head, bytes]


def test_a_position_grows_with_the_journal_and_names_its_place() -> None:
    places = [Place("20261126.journal", 20), Place("20261126.journal", 1 << 38), Place("20261127.journal", 0)]
    positions = [position_of(place) for place in places]
    assert positions == sorted(positions)
    assert [place_at(position) for position in positions] == places
    assert position_of(Place("20991231.journal", (1 << OFFSET_BITS) - 1)) < 1 << 64
    assert position_of(Place("", 20)) == 0


def written(folder: Path, sizes: list[int], days: int = 1) -> Path:
    """A journal with records of these sizes on each of some days."""
    journal = Journal(folder)
    journal.open(20261101)
    for day in range(days):
        if day:
            journal.append([DayRolled(day, day, 20261101 + day)])
        for number, size in enumerate(sizes):
            journal.append([Alerted(number, number, f"day {day}", "X", "x" * size)])
    journal.close()
    return folder


def runs(folder: Path, position: int = 0) -> list[Run]:
    """What is published of a journal, from a position on."""
    outgoing, found = Outgoing(folder), []
    outgoing.go_to(position)
    while (run := outgoing.next(end_of(folder))) is not None:
        day, offset, crc, before, data = run
        found.append((Head(day, offset, len(data), crc, 1, "a", 1, before), data))
    outgoing.close()
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.journal")}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=30), st.integers(1, 3), st.sampled_from((64, 300, 5000)))
def test_what_is_published_is_written_again_byte_by_byte(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], days: int, most: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("runs")
    before, module.MOST_BYTES = module.MOST_BYTES, most
    try:
        source = written(tmp_path / "a", sizes, days)
        published = runs(source)
    finally:
        module.MOST_BYTES = before
    incoming = Incoming(tmp_path / "b", sync=False)
    for head, data in published:
        assert len(data) <= most
        incoming.take(head, data)
    incoming.close()
    assert contents(tmp_path / "b") == contents(source)
    assert incoming.position == end_of(source)
    # A node that has a part of it already goes on from there, and is told nothing twice.
    for head, _ in published[:-1]:
        assert crc_of(tmp_path / "b", head.end) == head.crc


def test_runs_end_with_records_where_those_are_not_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 500)
    source = written(tmp_path / "a", [100] * 20)
    for head, _ in runs(source):
        (tmp_path / "part").mkdir(exist_ok=True)
        (tmp_path / "part" / head.segment).write_bytes((source / head.segment).read_bytes()[: head.offset + head.size])
        torn: list[object] = []
        list(read(tmp_path / "part", torn.append))
        assert not torn


def test_a_tail_of_ones_own_is_cut_where_the_stream_says_otherwise_and_kept(tmp_path: Path) -> None:
    source = written(tmp_path / "a", [10] * 5, 2)
    own = tmp_path / "b"
    incoming = Incoming(own, sync=True)
    for head, data in runs(source):
        incoming.take(head, data)
    place = place_at(incoming.position)
    incoming.close()
    journal = Journal(own)
    journal.open(0)
    journal.append([ClientUp(1, 1, "NOBODY ELSE'S")])
    journal.append([DayRolled(1, 2, 20261105)])
    journal.close()
    journal = Journal(source)
    journal.open(0)
    journal.append([ClientUp(1, 1, "THE STREAM'S")])
    journal.close()
    position, crc = incoming.position, incoming.crc
    incoming = Incoming(own, sync=True)
    incoming.begin(position, crc)
    for head, data in runs(source, position):
        incoming.take(head, data)
    incoming.close()
    assert contents(own) == contents(source)
    kept = sorted((own / ASIDE).iterdir())
    assert [path.name.rsplit(".", 1)[0] for path in kept] == [f"{place.segment[:8]}.{place.offset}", "20261105.0"]
    assert b"NOBODY ELSE'S" in kept[0].read_bytes()


def test_ones_own_tail_stays_while_the_stream_has_the_same_or_nothing(tmp_path: Path) -> None:
    source = written(tmp_path / "a", [10] * 5)
    own = written(tmp_path / "b", [10] * 9)
    incoming = Incoming(own, sync=False)
    assert not any(incoming.take(head, data) for head, data in runs(source)), "nothing is new here"
    assert end_of(own) > incoming.position == end_of(source)
    incoming.cut_own()
    assert contents(own) == contents(source)


def test_the_journal_of_another_broker_is_refused(tmp_path: Path) -> None:
    source = written(tmp_path / "a", [10] * 5)
    other = written(tmp_path / "b", [11] * 5)
    before = contents(other)
    head, data = runs(source)[0]
    with pytest.raises(Refused, match="is the journal of another broker or cluster"):
        Incoming(other, sync=False).take(head, data)
    assert contents(other) == before


def test_a_gap_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 200)
    published = runs(written(tmp_path / "a", [50] * 20, 2))
    incoming = Incoming(tmp_path / "b", sync=False)
    incoming.take(*published[0])
    with pytest.raises(Refused, match=r"ends at .*, and the stream goes on at byte .*: restore a backup"):
        incoming.take(*published[2])
    next_day = next(run for run in published if run[0].day == 20261102)
    with pytest.raises(Refused, match=r"is not what the stream's 20261102\.journal follows on: restore a backup"):
        incoming.take(*next_day)


def test_damage_is_told(tmp_path: Path) -> None:
    source = written(tmp_path / "a", [50] * 20)
    (run,) = runs(source)
    incoming = Incoming(tmp_path / "b", sync=False)
    incoming.take(*run)
    incoming.close()
    path = tmp_path / "b" / run[0].segment
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes(data))
    assert crc_of(tmp_path / "b", run[0].end) != run[0].crc
    head = Head(run[0].day, run[0].size, 3, 12345, 1, "a", 1)
    with pytest.raises(Refused, match="is not what the primary has"):
        incoming.take(head, b"abc")
