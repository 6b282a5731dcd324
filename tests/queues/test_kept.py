"""What the door for queues keeps of where it is: the numbers of its FIX sessions, and Kafka's offsets."""

import json
from pathlib import Path

import pytest

from brokerfix.intake.kafka import Partition
from brokerfix.tools.client import Client


def test_a_messages_number_is_in_the_file_before_the_message_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, seen = tmp_path / "clients" / "DESK.json", []
    client = Client("DESK", "BROKER", "127.0.0.1", 1, store)
    monkeypatch.setattr(client, "_write", lambda *message: seen.append(json.loads(store.read_text())))
    for _ in range(2):
        client.send("D", [(11, "A1")])
    assert seen == [[2, 1], [3, 1]]


def test_the_next_run_goes_on_with_the_first_message_that_this_one_is_not_done_with(tmp_path: Path) -> None:
    store = tmp_path / "DESK.json"
    client = Client("DESK", "BROKER", "127.0.0.1", 1, store)
    client.next_in, client.resume_at = 12, lambda: 9
    client.close()
    again = Client("DESK", "BROKER", "127.0.0.1", 1, store)
    assert (again.next_out, again.next_in) == (1, 9)


@pytest.mark.parametrize(
    ("done", "floor"),
    [([], 5), ([5], 6), ([6, 9], 5), ([6, 5], 7), ([9, 6, 5], 10)],
    ids=["none", "first", "later", "up to a hole", "all"],
)
def test_offsets_are_committed_up_to_the_first_that_is_not_acknowledged(done: list[int], floor: int) -> None:
    partition = Partition()
    for offset in (5, 6, 9):
        partition.took(offset)
    for offset in done:
        partition.done(offset)
    assert partition.floor == floor
