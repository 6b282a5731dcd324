"""The pipeline: a bug of ours refuses one command, a full disk stops orders but not cancels, and what may be unsent
goes again."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from brokerfix import commands
from brokerfix.commands import (
    CancelOrder,
    ClientCommand,
    ClientOther,
    NewOrder,
    OperatorCancel,
    RefuseMessage,
    RollDay,
    SessionDown,
    SessionUp,
    Start,
    Stop,
)
from brokerfix.domain import ClientOptions, Instrument, Limits, OrdType, Side, TimeInForce
from brokerfix.engine import evolve, jobs
from brokerfix.engine.state import State
from brokerfix.facts import Fact, OrderAccepted
from brokerfix.fix.outgoing import encode
from brokerfix.fix.outgoing.encode import Out
from brokerfix.record import frames
from brokerfix.record import journal as journal_module
from brokerfix.record import pipeline as pipeline_module
from brokerfix.record.audit import verify
from brokerfix.record.journal import Journal, JournalError, read
from brokerfix.record.kept import kept_states, read_head
from brokerfix.record.outbox import Outbox
from brokerfix.record.pipeline import CAUGHT_UP, Pipeline
from brokerfix.record.proof import check

DAY = 20261122


class Desk:
    """A pipeline without venues on a folder, and what it sent."""

    def __init__(self, folder: Path, disk: bool = False) -> None:
        self.sent: list[Out] = []
        self.pipeline = Pipeline(Journal(folder, disk), self.sent.append, self.sent.append, Outbox(1000))
        self.unsent = self.pipeline.recover(DAY)
        self.pipeline.resend(self.unsent)
        instrument = Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "book", reference=15000)
        account = ("ALICE", "1000000", Limits())
        self.pipeline.submit(Start(1, DAY, (instrument,), (account,), (("ALICE", ("ALICE",), 0, ClientOptions()),)))

    def order(self, cl_ord_id: str) -> bool:
        return self.pipeline.submit(
            NewOrder(2, "ALICE", cl_ord_id, "", "AAPL", Side.BUY, OrdType.LIMIT, TimeInForce.DAY, 10, 15000)
        )

    def cancel(self, cl_ord_id: str, orig: str) -> bool:
        return self.pipeline.submit(CancelOrder(3, "ALICE", cl_ord_id, orig))

    def turn(self) -> None:
        while self.pipeline.behind:
            self.pipeline.turn(3)

    def take(self) -> list[str]:
        """MsgType and ExecType or reason of what was sent since the last look."""
        lines = []
        for out in self.sent:
            tags = dict(field.split("=", 1) for field in out.text.rstrip("\x01").split("\x01"))
            lines.append(
                f"{tags['35']} {tags.get('150') or tags.get('380') or tags.get('102')} {tags.get('97', '')}".strip()
            )
        self.sent.clear()
        return lines


def test_an_exception_of_ours_refuses_the_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    desk.order("C1")
    desk.take()
    before = desk.pipeline.state.orders.copy()

    def bug(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr("brokerfix.engine.orders.accept.work", bug)
        assert desk.order("C2")
    assert desk.take() == ["j 0"]
    assert desk.pipeline.state.orders == before
    alert = desk.pipeline.state.alerts[-1]
    assert (alert.code, alert.source) == ("BUG", "ALICE")
    assert "a bug" in alert.text
    assert "C2" in alert.raw
    desk.order("C3")
    assert desk.take() == ["8 0"]


@pytest.mark.parametrize("disk", [False, True])
def test_the_link_to_a_record_keeps_no_message_waiting(
    tmp_path: Path, disk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, disk)
    desk.pipeline.flush()
    came: list[str] = []

    def link(payload: bytes) -> bytes:
        came.append("link")
        return frames.link(payload)

    def send(out: Out) -> None:
        came.append("message")

    monkeypatch.setattr(journal_module, "link", link)
    desk.pipeline.send = send
    desk.order("C1")
    desk.pipeline.flush()
    desk.order("C2")
    desk.pipeline.flush()
    # Where messages wait for the disk, it is made meanwhile.
    assert came == (["link", "message"] if disk else ["message", "link"]) * 2
    desk.pipeline.close()
    report = check(tmp_path, tmp_path / "none", [])
    assert (report.linked, report.problems) == (report.records - 1, [])


class Died(BaseException):
    """What a test has in place of the process's end."""


def test_what_was_told_after_a_new_beginning_is_not_told_again_after_a_crash(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.pipeline.outbox.open(tmp_path / "sessions", tmp_path, {})
    desk.pipeline.submit(SessionUp(2, "ALICE", False))
    desk.order("C1")
    desk.pipeline.submit(SessionDown(3, "ALICE", False))
    order_id = desk.pipeline.state.clients["ALICE"].requests["C1"].order_id
    desk.pipeline.submit(OperatorCancel(4, "jo", order_id, text="closing early"))
    desk.take()
    desk.pipeline.outbox.box(False, "ALICE").begin_anew()
    desk.pipeline.submit(SessionUp(5, "ALICE", False))
    desk.pipeline.client_is_back("ALICE", 5, anew=True)
    desk.turn()
    assert desk.take() == ["8 4 Y"]
    desk.pipeline.journal.close()
    again = Desk(tmp_path)
    again.take()
    again.pipeline.outbox.box(False, "ALICE").begin_anew()
    again.pipeline.client_is_back("ALICE", 6, anew=True)
    again.turn()
    assert again.take() == []


def test_what_was_missed_is_told_in_parts_and_goes_on_where_a_lost_line_cut_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_module, "MOST_RESENT", 2)
    desk = Desk(tmp_path)
    pipeline = desk.pipeline
    pipeline.submit(SessionUp(2, "ALICE", False))
    for number in range(5):
        desk.order(f"C{number}")
    pipeline.submit(SessionDown(3, "ALICE", False))
    for request in list(pipeline.state.clients["ALICE"].requests.values()):
        pipeline.submit(OperatorCancel(4, "jo", request.order_id, text="closing early"))
    pipeline.outbox.box(False, "ALICE").begin_anew()
    desk.take()
    pipeline.submit(SessionUp(5, "ALICE", False))
    pipeline.client_is_back("ALICE", 5, anew=True)
    pipeline.turn(5)
    assert desk.take() == ["8 4 Y"] * 2
    pipeline.submit(SessionDown(6, "ALICE", False))
    desk.turn()
    assert desk.take() == []
    pipeline.submit(SessionUp(7, "ALICE", False))
    pipeline.client_is_back("ALICE", 7, anew=False)
    desk.turn()
    assert desk.take() == ["8 4 Y"] * 3


def test_trial_13_a_fact_that_is_in_the_journal_but_not_in_the_state_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(tmp_path)
    desk.order("C1")
    desk.take()

    def die() -> None:
        raise Died

    def bug(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(desk.pipeline, "_die", die)
    with monkeypatch.context() as patched:
        patched.setitem(evolve.HANDLERS, OrderAccepted, bug)
        with pytest.raises(Died):
            desk.order("C2")
    assert desk.take() == []
    assert "is in the journal but not in the state" in caplog.text
    desk.pipeline.journal.close()
    again = Desk(tmp_path)
    assert "\x0111=C2\x01" in again.pipeline.outbox.box(False, "ALICE").messages[-1].text
    assert "C2" in again.pipeline.state.clients["ALICE"].requests
    again.order("C3")
    numbers = [fact.id for record in read(tmp_path) for fact in record.facts]
    assert len(numbers) == len(set(numbers))


def test_trial_13_a_fact_that_can_not_be_applied_at_a_start_is_told_with_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    desk.order("C1")
    desk.pipeline.journal.close()

    def bug(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(evolve.HANDLERS, OrderAccepted, bug)
    with pytest.raises(JournalError, match=r"fact 20261122-00-\d+ \(OrderAccepted\) can't be applied .*a bug"):
        Desk(tmp_path)


def test_trial_13_a_message_that_can_not_be_made_costs_no_other_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    desk.order("C1")
    desk.take()

    def bug(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patched:
        patched.setitem(encode.ENCODERS, OrderAccepted, bug)
        desk.pipeline.submit(
            NewOrder(2, "ALICE", "S1", "", "AAPL", Side.SELL, OrdType.LIMIT, TimeInForce.DAY, 10, 15000)
        )
    assert desk.take() == ["8 F", "8 F"]
    assert "can't be made: ZeroDivisionError" in desk.pipeline.state.alerts[-1].text


def test_trial_13_a_message_that_can_not_be_sent_costs_no_other_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.order("C1")
    desk.take()
    sent: list[Out] = []

    def refuse_new(out: Out) -> None:
        if "\x01150=0\x01" in out.text:
            raise RuntimeError("no such session")
        sent.append(out)

    desk.pipeline.send = refuse_new
    desk.pipeline.submit(NewOrder(2, "ALICE", "S1", "", "AAPL", Side.SELL, OrdType.LIMIT, TimeInForce.DAY, 10, 15000))
    assert len(sent) == 2
    assert "can't be sent: RuntimeError: no such session" in desk.pipeline.state.alerts[-1].text


def test_trial_16_a_record_that_would_not_be_read_again_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    desk.take()
    monkeypatch.setattr("brokerfix.record.journal.MAX_RECORD", 20_000)
    desk.order("C" * 30_000)
    assert desk.take() == ["j 0"]
    assert "is larger than 20000" in desk.pipeline.state.alerts[-1].text
    desk.order("C1")
    assert desk.take() == ["8 0"]
    desk.pipeline.journal.close()
    assert set(Desk(tmp_path).pipeline.state.clients["ALICE"].requests) == {"C1"}


def test_trial_17_the_state_is_kept_beside_and_a_recovery_begins_with_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    pipeline = desk.pipeline
    desk.order("C1")
    pipeline.submit(RollDay(5, DAY + 1))
    while pipeline.turn(5):
        pass
    pipeline.look_after()
    pipeline.keeper.wait()
    (kept,) = kept_states(tmp_path)
    assert read_head(kept).last_id == pipeline.state.last_id
    desk.order("C2")
    pipeline.journal.close()
    replayed: list[Fact] = []

    def noted(state: State, fact: Fact) -> None:
        replayed.append(fact)
        evolve.evolve(state, fact)

    again = Desk.__new__(Desk)
    again.sent = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("brokerfix.record.pipeline.evolve", noted)
        again.pipeline = Pipeline(Journal(tmp_path), again.sent.append, again.sent.append, Outbox(1000))
        again.pipeline.recover(DAY)
    assert [type(fact).__name__ for fact in replayed] == ["OrderAccepted", "OrderBooked"]
    assert again.pipeline.state.hash() == pipeline.state.hash()
    report, _ = verify(tmp_path)
    assert (report.kept, report.problems) == (1, [])


@pytest.mark.parametrize("damage", ["cut", "flip", "length", "version"])
def test_trial_17_a_kept_state_that_is_of_no_use_is_passed_over(tmp_path: Path, damage: str) -> None:
    desk = Desk(tmp_path)
    desk.order("C1")
    assert desk.pipeline.keep()
    desk.pipeline.keeper.wait()
    desk.order("C2")
    desk.pipeline.journal.close()
    (kept,) = kept_states(tmp_path)
    content = kept.read_bytes()
    if damage == "cut":
        kept.write_bytes(content[:-5])
    elif damage == "flip":
        kept.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    elif damage == "length":
        at = content.index(b"\n") + 1
        kept.write_bytes(content[: at + 7] + b"\x7f" + content[at + 8 :])
    else:
        kept.write_bytes(content.replace(b"brokerfix state 1", b"brokerfix state 9"))
    (tmp_path / "copy-of-1.state").write_bytes(content)
    assert Desk(tmp_path).pipeline.state.clients["ALICE"].requests.keys() == {"C1", "C2"}


def test_trial_17_a_kept_state_beyond_the_journals_end_is_let_go(tmp_path: Path) -> None:
    """As after a power loss: the journal has lost its end, and goes on with other facts."""
    desk = Desk(tmp_path)
    desk.order("C1")
    end = desk.pipeline.journal.place
    desk.order("C2")
    assert desk.pipeline.keep()
    desk.pipeline.keeper.wait()
    desk.pipeline.journal.close()
    os.truncate(tmp_path / end.segment, end.offset)
    again = Desk(tmp_path)
    assert again.pipeline.state.clients["ALICE"].requests.keys() == {"C1"}
    assert kept_states(tmp_path) == []


def test_trial_17_a_kept_state_of_another_journal_is_let_go(tmp_path: Path) -> None:
    """As when segments were restored from a copy, and went on with other facts as long as those."""
    desk = Desk(tmp_path)
    desk.order("C1")
    end = desk.pipeline.journal.place
    copy = (tmp_path / end.segment).read_bytes()
    desk.order("C2")
    assert desk.pipeline.keep()
    desk.pipeline.keeper.wait()
    desk.pipeline.journal.close()
    (tmp_path / end.segment).write_bytes(copy)
    kept = kept_states(tmp_path)[0]
    aside = kept.rename(tmp_path / "aside")
    other = Desk(tmp_path)
    other.order("C3")
    other.pipeline.journal.close()
    aside.rename(kept)
    again = Desk(tmp_path)
    assert again.pipeline.state.clients["ALICE"].requests.keys() == {"C1", "C3"}
    assert kept_states(tmp_path) == []


def test_trial_17_what_is_on_the_agenda_is_done_before_the_state_is_kept(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.pipeline.state.agenda["market", "AAPL"] = None
    desk.pipeline.look_after()
    desk.pipeline.keeper.wait()
    assert kept_states(tmp_path) == []
    desk.pipeline.turn(5)
    desk.pipeline.look_after()
    desk.pipeline.keeper.wait()
    assert len(kept_states(tmp_path)) == 1


def test_trial_17_a_state_that_could_not_be_kept_leaves_nothing_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)

    def full(data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("brokerfix.record.kept.zlib.crc32", full)
        desk.pipeline.look_after()
        desk.pipeline.keeper.wait()
    assert desk.pipeline.keeper.failed
    assert list(tmp_path.glob("*.tmp")) == []
    monkeypatch.setattr("brokerfix.record.pipeline.KEEP_AGAIN", 0.0)
    desk.pipeline.look_after()
    desk.pipeline.keeper.wait()
    assert len(kept_states(tmp_path)) == 1


def test_trial_17_a_second_start_leaves_the_first_ones_state_alone(tmp_path: Path) -> None:
    being_written = tmp_path / "17.tmp"
    Desk(tmp_path)
    being_written.touch()
    Pipeline(Journal(tmp_path), lambda out: None, lambda out: None, Outbox(1000))
    assert being_written.exists()
    Desk(tmp_path)
    assert not being_written.exists()


def test_trial_17_a_days_begin_is_worked_off_in_slices(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for number in range(3 * jobs.MOST_DONE):
        desk.order(f"C{number}")
    desk.take()
    pipeline = desk.pipeline
    pipeline.submit(RollDay(5, DAY + 1))
    assert desk.take() == []
    told = []
    while pipeline.turn(5):
        told.append(desk.take())
    assert max(len(lines) for lines in told) == jobs.MOST_DONE
    assert [line for lines in told for line in lines] == ["8 C"] * 3 * jobs.MOST_DONE


def test_trial_17_what_ended_before_the_previous_day_leaves_the_state(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.order("C1")
    desk.order("C1")
    desk.pipeline.submit(NewOrder(2, "ALICE", "S1", "", "AAPL", Side.SELL, OrdType.LIMIT, TimeInForce.DAY, 10, 15000))
    state = desk.pipeline.state
    sizes = []
    for day in (1, 2, 3):
        desk.pipeline.submit(RollDay(5, DAY + day))
        while desk.pipeline.turn(5):
            pass
        sizes.append((len(state.orders), len(state.fills), len(state.clients["ALICE"].requests)))
    assert sizes == [(2, 2, 2), (0, 0, 0), (0, 0, 0)]
    assert desk.pipeline.submit(RollDay(6, DAY + 4))
    report, _ = verify(tmp_path)
    assert report.problems == []


def test_trial_19_whatever_a_client_asks_is_answered_while_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a DontKnowTrade(Q): taken back, it would come again and again, and cancels would wait behind it."""
    desk = Desk(tmp_path)
    desk.take()

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("brokerfix.record.journal.os.write", full)
    assert desk.pipeline.submit(ClientOther(4, "ALICE", "DONT_KNOW_TRADE", "it does not know it", "35=Q"))
    assert desk.take() == ["j 4"]
    asked = [kind for kind in vars(commands).values() if isinstance(kind, type) and issubclass(kind, ClientCommand)]
    assert all(kind.MSG_TYPE for kind in asked if kind not in (ClientCommand, RefuseMessage))


def test_a_full_disk_refuses_orders_and_takes_cancels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    desk.order("C1")
    desk.take()
    whole = os.write

    def full_without_reserve(descriptor: int, data: bytes) -> int:
        if (tmp_path / "reserve").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole(descriptor, data)

    with monkeypatch.context() as patched:
        patched.setattr("brokerfix.record.journal.os.write", full_without_reserve)
        assert desk.order("C2")
        assert desk.take() == ["j 4"]
        assert "C2" not in desk.pipeline.state.clients["ALICE"].requests
        assert desk.cancel("X1", "C1")
        assert desk.take() == ["8 4"]
        assert desk.order("C3")
        assert desk.take() == ["j 4"]
    assert desk.pipeline.journal.hold_reserve()
    assert desk.order("C2")
    assert desk.take() == ["8 0"]


def test_a_disk_full_to_the_last_byte_records_and_promises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    desk.order("C1")
    desk.take()
    state = desk.pipeline.state.hash()

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("brokerfix.record.journal.os.write", full)
    assert desk.order("C2")
    assert desk.cancel("X1", "C1")
    assert desk.take() == ["j 4", "j 4"]
    assert not desk.pipeline.submit(SessionUp(4, "XNAS", True)), "what an exchange tells must come again"
    assert desk.pipeline.state.hash() == state


@pytest.mark.parametrize("disk", [False, True], ids=["process", "disk"])
def test_after_a_crash_messages_are_there_under_their_numbers(tmp_path: Path, disk: bool) -> None:
    """Whoever has not got them asks for them, and they are told nobody twice."""
    desk = Desk(tmp_path, disk)
    desk.order("C1")
    desk.pipeline.journal.wait_synced()
    desk.pipeline.release()
    desk.order("C2")
    desk.pipeline.journal.close()
    again = Desk(tmp_path, disk)
    assert again.take() == []
    box = again.pipeline.outbox.box(False, "ALICE")
    assert [(one.number, one.text.partition("\x0111=")[2][:2]) for one in box.messages] == [(1, "C1"), (2, "C2")]
    assert box.next_out == 3


def test_disk_durability_holds_messages_until_they_are_synced(tmp_path: Path) -> None:
    desk = Desk(tmp_path, disk=True)
    desk.order("C1")
    assert desk.take() == []
    desk.pipeline.journal.wait_synced()
    desk.pipeline.release()
    assert desk.take() == ["8 0"]
    desk.pipeline.close()


def test_after_a_stop_in_good_order_nothing_goes_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.order("C1")
    desk.pipeline.submit(Stop(5))
    desk.pipeline.close()
    assert Desk(tmp_path).take() == []


def test_what_a_client_missed_before_the_days_first_record_is_not_forgotten(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    pipeline = desk.pipeline
    pipeline.submit(SessionUp(2, "ALICE", False))
    desk.order("C1")
    pipeline.submit(SessionDown(3, "ALICE", False))
    order_id = pipeline.state.clients["ALICE"].requests["C1"].order_id
    pipeline.submit(OperatorCancel(4, "jo", order_id, text="closing early"))
    pipeline.submit(RollDay(5, DAY + 1))
    while pipeline.turn(5):
        pass
    pipeline.look_after()
    pipeline.keeper.wait()
    assert kept_states(tmp_path)
    pipeline.journal.close()
    again = Desk(tmp_path)
    again.take()
    again.pipeline.client_is_back("ALICE", 5, anew=False)
    again.turn()
    assert again.take() == [], "FIX has it resent"
    again.pipeline.submit(SessionUp(5, "ALICE", False))
    again.pipeline.submit(SessionDown(5 + CAUGHT_UP - 1, "ALICE", False))
    again.take()
    again.pipeline.outbox.box(False, "ALICE").begin_anew()
    again.pipeline.submit(SessionUp(5 + CAUGHT_UP, "ALICE", False))
    again.take()
    again.pipeline.client_is_back("ALICE", 5 + CAUGHT_UP, anew=True)
    again.turn()
    assert again.take() == ["8 4 Y"], "it has not had the time to ask for it"


def test_what_a_client_has_had_resent_does_not_come_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.pipeline.submit(SessionUp(2, "ALICE", False))
    desk.order("C1")
    desk.pipeline.submit(SessionDown(3, "ALICE", False))
    order_id = desk.pipeline.state.clients["ALICE"].requests["C1"].order_id
    desk.pipeline.submit(OperatorCancel(4, "jo", order_id, text="closing early"))
    desk.pipeline.client_is_back("ALICE", 5, anew=False)
    desk.take()
    desk.pipeline.submit(SessionUp(5, "ALICE", False))
    desk.pipeline.submit(SessionDown(5 + CAUGHT_UP, "ALICE", False))
    desk.take()
    desk.pipeline.outbox.box(False, "ALICE").begin_anew()
    desk.pipeline.client_is_back("ALICE", 6 + CAUGHT_UP, anew=True)
    desk.turn()
    assert desk.take() == []
