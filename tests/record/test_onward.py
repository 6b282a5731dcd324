"""A journal read on and on, a part at a time, while it is written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.domain import first_of_day
from brokerfix.facts import ClientUp
from brokerfix.record.journal import START, Journal
from brokerfix.record.onward import Onward

DAY = 20261127


def numbers(onward: Onward, most: int) -> list[int]:
    return [fact.id for record, _ in onward.take(most) for fact in record.facts]


@given(steps=st.lists(st.tuples(st.integers(0, 7), st.integers(1, 5)), min_size=1, max_size=12))
def test_each_record_comes_once_and_in_order(
    steps: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal, onward, written, seen = Journal(folder), Onward(folder, START), 0, list[int]()
    journal.open(DAY)
    for more, most in steps:
        for _ in range(more):
            written += 1
            journal.append([ClientUp(written, first_of_day(DAY, 0) + written, "ALICE")])
        seen += numbers(onward, most)
    while part := numbers(onward, 3):
        seen += part
    journal.close()
    assert seen == [first_of_day(DAY, 0) + number for number in range(1, written + 1)]


def test_who_stops_in_the_middle_gets_the_record_again(tmp_path: Path) -> None:
    journal, onward = Journal(tmp_path), Onward(tmp_path, START)
    journal.open(DAY)
    for number in range(1, 7):
        journal.append([ClientUp(number, first_of_day(DAY, 0) + number, "ALICE")])
    assert len(numbers(onward, 2)) == 2
    for record, _ in onward.take(2):
        broken = record.facts[0].id
        break
    assert numbers(onward, 9)[0] == broken
    journal.close()
