"""The sessions' numbers and messages: what is sent again, what a mapped file adds to the journal, an older version's
files."""

import itertools
from pathlib import Path
from struct import Struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.fix.outgoing.encode import Out
from brokerfix.fix.session import mailbox as mailbox_module
from brokerfix.fix.session.mailbox import MOST_UNNOTED, Gap, Mailbox
from brokerfix.fix.session.older import Sent
from brokerfix.record import outbox as module
from brokerfix.record.filestore import old_sessions
from brokerfix.record.outbox import Outbox

NOWHERE = Path("/nonexistent")


def report(text: str = "x", client: str = "ALICE") -> Out:
    return Out(False, client, f"8=FIX.4.4\x019=0\x0135=8\x0158={text}\x0110=000\x01")


@given(st.lists(st.sampled_from("mao"), max_size=30), st.integers(1, 30), st.integers(1, 31), st.integers(1, 10))
def test_what_is_sent_again_is_every_number_once(kinds: list[str], first: int, following: int, most: int) -> None:
    """m: a message, o: one that is out of date, a: a number of the session's own."""
    box = Mailbox("c:A", most, {})
    for at, kind in enumerate(kinds):
        if kind == "a":
            box.use()
        else:
            box.post(at, kind, False)
            box.went()
    chunks = list(box.between(first, following, lambda sent: sent.text == "m"))
    numbers = []
    for chunk in chunks:
        numbers += [chunk.number] if isinstance(chunk, Sent) else list(range(chunk.first, chunk.following))
    assert numbers == list(range(first, following))
    wanted = [number for number, kind in enumerate(kinds, 1) if kind == "m" and first <= number < following]
    kept = [chunk.number for chunk in chunks if isinstance(chunk, Sent)]
    assert kept == [number for number in wanted if number in {sent.number for sent in box.messages}]
    assert len(box.messages) <= most
    assert not any(isinstance(a, Gap) and isinstance(b, Gap) for a, b in itertools.pairwise(chunks))


def opened(path: Path, *replayed: tuple[list[tuple[str, int, int]], int]) -> Outbox:
    """An outbox after records that note some numbers and post so many reports to ALICE."""
    made = Outbox(10)
    for noted, reports in replayed:
        made.replay(noted, "", 0)
        made.post([report()] * reports, 1, ())
    made.open(path, NOWHERE, {})
    return made


def test_numbers_that_no_record_tells_of_are_in_the_mapped_file(tmp_path: Path) -> None:
    path = tmp_path / "sessions"
    first = opened(path)
    box = first.box(False, "ALICE")
    first.post([report()], 1, ())
    box.went()
    assert (box.use(), box.use()) == (2, 3)
    box.came(7)
    # The process dies: nothing is closed.
    again = opened(path, ([("c:ALICE", 0, 1)], 1)).box(False, "ALICE")
    assert (again.next_out, again.sent, again.next_in) == (4, 4, 7)
    assert list(again.between(1, 4, lambda sent: True)) == [again.messages[0], Gap(2, 4)]


def test_a_record_beyond_the_file_counts_and_may_be_missed(tmp_path: Path) -> None:
    path = tmp_path / "sessions"
    opened(path).box(False, "ALICE").use()
    again = opened(path, ([("c:ALICE", 0, 2)], 3)).box(False, "ALICE")
    assert (again.next_out, again.missed_from) == (5, 2)


def test_a_new_beginning_that_no_record_tells_of(tmp_path: Path) -> None:
    path = tmp_path / "sessions"
    box = opened(path).box(False, "ALICE")
    box.use()
    box.begin_anew()
    box.use()
    again = opened(path, ([("c:ALICE", 0, 2)], 3)).box(False, "ALICE")
    assert (again.epoch, again.next_out, len(again.messages)) == (1, 2, 0)


def test_after_a_loss_of_power_numbers_go_on_beyond_all_that_may_have_been_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sessions"
    opened(path, ([("c:ALICE", 0, 1)], 2))
    boot = tmp_path / "boot"
    boot.write_text("another\n")
    monkeypatch.setattr(module, "BOOT_ID", boot)
    assert opened(path, ([("c:ALICE", 0, 1)], 2)).box(False, "ALICE").next_out == 3 + MOST_UNNOTED
    path.unlink()
    assert opened(path, ([("c:ALICE", 0, 1)], 2)).box(False, "ALICE").next_out == 3 + MOST_UNNOTED


def test_after_a_stop_in_good_order_a_restart_of_the_machine_costs_no_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sessions"
    first = opened(path, ([("c:ALICE", 0, 1)], 2))
    used = first.box(False, "ALICE").use()
    first.close()
    boot = tmp_path / "boot"
    boot.write_text("another\n")
    monkeypatch.setattr(module, "BOOT_ID", boot)
    assert opened(path, ([("c:ALICE", 0, 1)], 2)).box(False, "ALICE").next_out == used + 1


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 200])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "sessions"
    path.write_bytes(damage)
    assert opened(path, ([("c:ALICE", 0, 1)], 2)).box(False, "ALICE").next_out == 3 + MOST_UNNOTED
    assert opened(path, ([("c:ALICE", 0, 1)], 2)).box(False, "ALICE").next_out == 3 + MOST_UNNOTED


def test_many_sessions_have_room_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sessions"
    first = opened(path)
    for number in range(200):
        for _ in range(number):
            first.box(number % 2 == 0, f"N{number}").use()
    again = opened(path)
    assert all(again.box(number % 2 == 0, f"N{number}").next_out == number + 1 for number in range(200))


def test_it_is_kept_and_loaded(tmp_path: Path) -> None:
    first = opened(tmp_path / "sessions", ([("c:ALICE", 3, 9)], 4))
    first.box(False, "ALICE").may_miss(11)
    again = Outbox(10)
    again.load(first.dump())
    box, known = again.box(False, "ALICE"), first.box(False, "ALICE")
    for name in ("epoch", "next_out", "next_in", "missed_from", "messages"):
        assert getattr(box, name) == getattr(known, name)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox_module, "MOST_IN_MEMORY", 5)


def away(folder: Path, first: int, last: int, made: Outbox | None = None) -> Outbox:
    """Reports to ALICE, who is away, of these numbers."""
    made = made or Outbox(3, (), folder)
    for number in range(first, last + 1):
        made.post([report(str(number))], number, {"ALICE"})
    return made


def texts(chunks: list[Sent | Gap]) -> list[str]:
    return [chunk.text.split("58=")[1].split("\x01")[0] if isinstance(chunk, Sent) else "gap" for chunk in chunks]


def everything(made: Outbox) -> list[str]:
    """What a client that asks for it, part by part, is sent again."""
    box = made.box(False, "ALICE")
    return [
        text
        for first in range(1, box.next_out, 4)
        for text in texts(list(box.between(first, min(first + 4, box.next_out), lambda sent: True)))
    ]


@pytest.mark.usefixtures("little_memory")
def test_what_is_too_much_for_memory_is_sent_again_too(tmp_path: Path) -> None:
    made = away(tmp_path, 1, 40)
    assert len(made.box(False, "ALICE").messages) == 5
    assert everything(made) == [str(number) for number in range(1, 41)]
    assert texts(list(made.box(False, "ALICE").between(7, 9, lambda sent: sent.number != 8))) == ["7", "gap"]
    assert everything(made) == [str(number) for number in range(1, 41)]
    made.box(False, "ALICE").has_all()
    assert list(tmp_path.iterdir()) == []
    assert everything(away(tmp_path, 41, 50, made)) == ["gap"] * 10 + [str(number) for number in range(41, 51)]


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("kept_at", [0, 3, 20, 40])
def test_a_recovery_has_what_was_too_much_for_memory(tmp_path: Path, kept_at: int) -> None:
    first = away(tmp_path, 1, kept_at)
    kept = first.dump()
    away(tmp_path, kept_at + 1, 40, first)
    again = Outbox(3, (), tmp_path)
    again.load(kept)
    assert everything(away(tmp_path, kept_at + 1, 45, again)) == [str(number) for number in range(1, 46)]


@pytest.mark.usefixtures("little_memory")
def test_what_was_missed_when_numbers_begin_anew_is_all_told_once(tmp_path: Path) -> None:
    made = away(tmp_path, 1, 30)
    box = made.box(False, "ALICE")
    box.begin_anew()
    away(tmp_path, 31, 50, made)
    box.begin_anew()
    told: list[str] = []
    while part := box.first_missed(7):
        told += texts(list(part))
        again = Outbox(3, (), tmp_path)
        again.load(made.dump())
        assert again.box(False, "ALICE").first_missed(7) == part
        box.has({one.text for one in part})
    assert told == [str(number) for number in range(1, 51)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("little_memory")
def test_a_file_that_cannot_be_written_costs_no_more_than_its_messages(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    made = away(tmp_path / "file", 1, 10)
    assert "can't be kept: " in caplog.text
    assert everything(made)[-5:] == ["6", "7", "8", "9", "10"]


def test_an_older_versions_files_are_taken_over(tmp_path: Path) -> None:
    messages = {
        4: "8=FIX.4.4|9=1|35=8|34=4|49=BROKER|52=20261126-10:00:00.123|56=ALICE|11=C1|37=1|10=1|",
        5: "8=FIX.4.4|9=1|35=0|34=5|49=BROKER|52=20261126-10:00:01.000|56=ALICE|10=1|",
    }
    body, index, offset = b"", "", 0
    for number, text in messages.items():
        data = text.replace("|", "\x01").encode()
        index += f"{number},{offset},{len(data)} "
        body, offset = body + data, offset + len(data)
    name = "FIX.4.4-BROKER-ALICE"
    (tmp_path / f"{name}.seqnums").write_text("0000000006 : 0000000012")
    (tmp_path / f"{name}.header").write_text(index)
    (tmp_path / f"{name}.body").write_bytes(body)
    (found,) = old_sessions(tmp_path, {name: "c:ALICE", "FIX.4.4-BROKER-BOB": "c:BOB"}, 10)
    key, next_out, next_in, kept = found
    assert (key, next_out, next_in) == ("c:ALICE", 6, 12)
    assert [(one.number, one.at, one.text.replace("\x01", "|")) for one in kept] == [
        (4, 1_795_687_200_123_000_000, "8=FIX.4.4|9=0|35=8|11=C1|37=1|10=000|")
    ]
    made = Outbox(10)
    made.open(tmp_path / "sessions", tmp_path, {name: "c:ALICE"})
    assert (made.box(False, "ALICE").sent, made.box(False, "ALICE").next_in) == (6, 12)


def test_a_number_is_written_in_one_go() -> None:
    """A kill must not leave an epoch with another's number: both are one word of the processor."""
    assert module.NUMBERS.size == 2 * Struct("@Q").size
    assert (module.HEAD.size + 40) % 8 == 0
    assert module.SLOT.size % 8 == 0
