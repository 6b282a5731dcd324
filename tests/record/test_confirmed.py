"""What a cluster has not confirmed is not told to others, where messages wait for it."""

from pathlib import Path

import pytest

from brokerfix.cluster.shared import Role, Shared, Slot
from brokerfix.facts import Alerted, DayRolled, Started
from brokerfix.projections.tail import Tail
from brokerfix.record import keys
from brokerfix.record.checkpoints import Checkpointer, notes_path, read_notes
from brokerfix.record.journal import Journal, segments
from brokerfix.record.notes import parse
from brokerfix.record.place import Place, position_of

FIRST = 20261127 * 10**11


@pytest.mark.parametrize(("role", "waits", "told"), [(2, 1, 2), (3, 1, 2), (1, 1, 4), (2, 0, 4)])
def test_only_what_is_confirmed_is_projected_and_signed(tmp_path: Path, role: int, waits: int, told: int) -> None:
    """By the role (2: primary, 3: it has lost the lease, 1: standby) and whether messages wait for the stream."""
    journal = Journal(tmp_path / "journal")
    journal.open(20261127)
    journal.append([DayRolled(1, FIRST, 20261127), Started(1, FIRST + 1)], written=1)
    journal.append([Alerted(2, FIRST + 2, "XNAS", "TEST", "")], written=2)
    confirmed = journal.position
    for number in (3, 4):
        journal.append([Alerted(number, FIRST + number, "XNAS", "TEST", "")], written=number)
    shared = Shared(tmp_path)
    shared.clear()
    shared[Slot.ROLE], shared[Slot.WAITS], shared[Slot.CONFIRMED] = Role(role), waits, confirmed
    tail = Tail(tmp_path / "journal", Place("", 0), 0)
    assert tail.follow(lambda fact, record: None, 100) == told
    keys.make(tmp_path / "keys")
    signing = Checkpointer(tmp_path, "BROKER", 0, tmp_path / "keys", 1e9)
    segment = segments(tmp_path / "journal")[0]

    def signed() -> list[int]:
        return [parse(one.note)[0].size for _, one in read_notes(notes_path(tmp_path / "checkpoints", segment))]

    signing.follow(0.0, at_once=True)
    assert signed() == [told]
    shared[Slot.CONFIRMED] = position_of(Place(segment.name, segment.stat().st_size))
    signing.follow(0.0, at_once=True)
    assert signed()[-1] == told + tail.follow(lambda fact, record: None, 100) == 4
    shared.close()
    journal.close()
