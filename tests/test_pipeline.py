"""The pipeline: a bug of ours refuses one command, a full disk stops orders but not cancels, and what may be unsent
goes again."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from brokerfix.commands import (
    CancelOrder,
    NewOrder,
    OperatorCancel,
    RollDay,
    SessionDown,
    SessionUp,
    Start,
    Stop,
)
from brokerfix.domain import ClientOptions, Instrument, Limits, OrdType, Side, TimeInForce
from brokerfix.fix.encode import Out
from brokerfix.journal import Journal
from brokerfix.pipeline import Pipeline

DAY = 20261122


class Desk:
    """A pipeline without venues on a folder, and what it sent."""

    def __init__(self, folder: Path, disk: bool = False) -> None:
        self.sent: list[Out] = []
        self.pipeline = Pipeline(Journal(folder, disk), self.sent.append)
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
        patched.setattr("brokerfix.engine.clients.work", bug)
        assert desk.order("C2")
    assert desk.take() == ["j 0"]
    assert desk.pipeline.state.orders == before
    alert = desk.pipeline.state.alerts[-1]
    assert (alert.code, alert.source) == ("BUG", "ALICE")
    assert "a bug" in alert.text
    assert "C2" in alert.raw
    desk.order("C3")
    assert desk.take() == ["8 0"]


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
        patched.setattr("brokerfix.journal.os.write", full_without_reserve)
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

    monkeypatch.setattr("brokerfix.journal.os.write", full)
    assert desk.order("C2")
    assert desk.cancel("X1", "C1")
    assert desk.take() == ["j 4", "j 4"]
    assert not desk.pipeline.submit(SessionUp(4, "XNAS", True)), "what an exchange tells must come again"
    assert desk.pipeline.state.hash() == state


@pytest.mark.parametrize("disk", [False, True], ids=["process", "disk"])
def test_after_a_crash_the_last_messages_go_again(tmp_path: Path, disk: bool) -> None:
    desk = Desk(tmp_path, disk)
    desk.order("C1")
    desk.pipeline.journal.wait_synced()
    desk.pipeline.release()
    desk.order("C2")
    desk.pipeline.journal.close()
    again = Desk(tmp_path, disk)
    assert again.take() == ["8 0 Y"]
    assert "\x0111=C2\x01" in again.unsent[-1].text


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
    pipeline.journal.close()
    again = Desk(tmp_path)
    again.take()
    again.pipeline.client_is_back("ALICE", anew=True)
    assert again.take() == ["8 4 Y"]
