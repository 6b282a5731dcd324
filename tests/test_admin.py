"""Trial 22: the operator's door in one process, with real local sockets and a clock of ours: nobody can keep an
operator out, and no answer is cut or stops the loop."""

import json
import os
import pwd
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from brokerfix.operate import admin
from brokerfix.operate.admin import (
    MAX_CALLERS,
    REQUEST_SECONDS,
    SPARED_SECONDS,
    UNREAD_SECONDS,
    ActionRefused,
    AdminSocket,
    NotRunning,
    ask,
)

LONG = 3_000_000


class Desk:
    """A door, its clock, and the callers of a test."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.requests: list[admin.Request] = []
        self.door = AdminSocket(folder, self.handle, lambda: self.now)
        self.callers: list[socket.socket] = []

    def handle(self, operator: str, request: admin.Request) -> admin.Answer:
        self.requests.append(request)
        if request["action"] == "refuse":
            raise ActionRefused("not today")
        return {"operator": operator, "text": "x" * request.get("length", 0)}

    def call(self, request: str = "") -> socket.socket:
        caller = socket.socket(socket.AF_UNIX)
        self.callers.append(caller)
        caller.settimeout(0.2)
        caller.connect(str(self.door.path))
        if request:
            caller.sendall(request.encode() + b"\n")
        return caller

    def after(self, seconds: float, turns: int = 1) -> None:
        self.now += seconds
        for _ in range(turns):
            self.door.poll()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    for caller in desk.callers:
        caller.close()
    desk.door.close()


def read(caller: socket.socket) -> admin.Answer:
    """The next answer, {} when the door has closed the connection."""
    data = b""
    while not data.endswith(b"\n"):
        part = caller.recv(1 << 16)
        if not part:
            return {}
        data += part
    answer: admin.Answer = json.loads(data)
    return answer


def test_a_request_is_answered_with_the_name_of_who_asks(desk: Desk) -> None:
    caller = desk.call('{"action": "look"}')
    desk.after(0.01)
    assert read(caller) == {"ok": True, "operator": pwd.getpwuid(os.getuid()).pw_name, "text": ""}
    caller.sendall(b'{"action": "refuse"}\n[]\n')
    desk.after(0.01)
    assert read(caller) == {"ok": False, "error": "not today"}
    desk.after(0.01)
    assert read(caller) == {"ok": False, "error": "a request is a JSON object"}


@pytest.mark.parametrize("silent", [MAX_CALLERS, 100])
def test_silent_connections_keep_no_operator_out(desk: Desk, silent: int) -> None:
    for _ in range(silent):
        desk.call()
    operator = desk.call('{"action": "look"}')
    while not desk.requests:
        desk.after(0.01)
        assert desk.now < 3.0, "within a bounded time"
    assert read(operator)["ok"]
    assert len(desk.door._callers) <= MAX_CALLERS


def test_who_was_heard_least_recently_makes_room(desk: Desk) -> None:
    callers = [desk.call() for _ in range(MAX_CALLERS)]
    desk.after(0.01)
    callers[0].sendall(b'{"action": "look"}\n')
    desk.after(SPARED_SECONDS)
    desk.call('{"action": "look"}')
    desk.after(0.01)
    assert len(desk.requests) == 2
    assert read(callers[0])["ok"], "it is heard, and stays"
    assert read(callers[1]) == {}, "it has said nothing"


def test_who_has_just_come_is_not_thrown_out_for_the_next(desk: Desk) -> None:
    callers = [desk.call() for _ in range(MAX_CALLERS + 1)]
    desk.after(0.01)
    callers[0].sendall(b'{"action": "look"}\n')
    desk.after(SPARED_SECONDS / 2)
    assert read(callers[0])["ok"]
    assert len(desk.door._callers) == MAX_CALLERS


@pytest.mark.parametrize("part", ["", '{"action": '])
def test_a_request_has_to_be_whole_within_its_time(desk: Desk, part: str) -> None:
    caller = desk.call()
    caller.sendall(part.encode())
    desk.after(0.01)
    for byte in b'"lo':
        caller.sendall(bytes([byte]))
        desk.after(REQUEST_SECONDS / 4)
    desk.after(REQUEST_SECONDS / 4)
    assert read(caller) == {}
    assert desk.requests == []


def test_a_request_that_is_too_long_is_told_so(desk: Desk) -> None:
    caller = desk.call()
    caller.setblocking(False)
    with suppress(OSError):
        while True:
            caller.send(b"x" * 65_536)
            desk.after(0.01)
    caller.settimeout(0.2)
    assert "at most" in read(caller)["error"]


def test_a_long_answer_comes_whole_and_stops_nobody(desk: Desk) -> None:
    caller = desk.call(json.dumps({"action": "look", "length": LONG}))
    desk.after(0.01)
    other = desk.call('{"action": "look"}')
    started = time.monotonic()
    desk.after(0.01)
    assert time.monotonic() - started < 0.1, "the door does not wait for who reads"
    assert read(other)["ok"]
    data = b""
    while not data.endswith(b"\n"):
        desk.after(UNREAD_SECONDS / 2)
        data += caller.recv(1 << 20)
    assert len(json.loads(data)["text"]) == LONG


def test_who_does_not_read_its_answer_loses_it(desk: Desk) -> None:
    caller = desk.call(json.dumps({"action": "look", "length": LONG}))
    desk.after(0.01)
    desk.after(UNREAD_SECONDS + 0.01)
    assert desk.door._callers == {}
    assert len(caller.recv(LONG)) < LONG


def test_answers_that_nobody_reads_take_bounded_memory(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "MAX_UNREAD", 2 * LONG)
    for _ in range(MAX_CALLERS):
        desk.call(json.dumps({"action": "look", "length": LONG}))
    for _ in range(200):
        desk.after(0.01)
        assert sum(len(caller.unsent) for caller in desk.door._callers.values()) <= 3 * LONG + 1000
    assert len(desk.requests) == MAX_CALLERS, "and all are answered"


def test_who_says_that_it_asks_no_more_is_answered(desk: Desk) -> None:
    caller = desk.call('{"action": "look"}')
    caller.shutdown(socket.SHUT_WR)
    desk.after(0.01, turns=2)
    assert read(caller)["ok"]
    assert desk.door._callers == {}


def test_a_caller_that_is_gone_leaves_nothing(desk: Desk) -> None:
    desk.call(json.dumps({"action": "look", "length": LONG})).close()
    desk.call().close()
    desk.after(0.01, turns=3)
    assert desk.door._callers == {}


def test_one_turn_answers_only_so_much(desk: Desk) -> None:
    for _ in range(10):
        desk.call('{"action": "look"}')
    desk.after(0.01)
    assert len(desk.requests) == admin.MOST_ANSWERED
    assert desk.door.due() == 0.0, "there is more to do at once"
    desk.after(0.01, turns=2)
    assert len(desk.requests) == 10


def test_callers_that_ask_without_end_keep_nobody_waiting(desk: Desk) -> None:
    for _ in range(admin.MOST_ANSWERED):
        desk.call('{"action": "look"}\n' * 50)
    other = desk.call('{"action": "other"}')
    desk.after(0.01, turns=2)
    assert [request["action"] for request in desk.requests].count("other") == 1
    assert read(other)["ok"]


def test_a_loop_can_wait_for_what_the_door_waits_for(desk: Desk) -> None:
    def ready() -> list[int]:
        waiting = select.poll()
        for descriptor, events in desk.door.descriptors():
            waiting.register(descriptor, events)
        return [event for _, event in waiting.poll(0)]

    assert desk.door.due() is None
    assert ready() == []
    caller = desk.call()
    assert ready() == [select.POLLIN], "it can be taken"
    desk.after(0.01)
    assert ready() == []
    assert desk.door.due() == pytest.approx(REQUEST_SECONDS)
    caller.sendall(json.dumps({"action": "look", "length": LONG}).encode() + b"\n")
    assert ready() == [select.POLLIN], "it can be read"
    desk.after(0.01, turns=20)
    assert ready() == [], "its answer fills what the kernel takes"
    caller.recv(1 << 20)
    assert ready() == [select.POLLOUT], "more can be sent"
    assert desk.door.due() == pytest.approx(UNREAD_SECONDS)


def test_at_a_full_door_a_loop_wakes_when_there_is_room(desk: Desk) -> None:
    for _ in range(MAX_CALLERS + 1):
        desk.call()
    desk.after(0.01)
    assert desk.door._listener.fileno() not in [descriptor for descriptor, _ in desk.door.descriptors()]
    assert desk.door.due() == pytest.approx(SPARED_SECONDS)
    desk.now += SPARED_SECONDS
    assert desk.door._listener.fileno() in [descriptor for descriptor, _ in desk.door.descriptors()]


# The operator's end


def serve(desk: Desk) -> threading.Thread:
    """Poll the door as the broker's loop does, in real time, until a request has been answered."""

    def run() -> None:
        started = time.monotonic()
        while time.monotonic() < started + 5 and not (desk.requests and not desk.door._callers):
            desk.now = time.monotonic() - started
            desk.door.poll()
            time.sleep(0.01)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_an_operator_reads_a_long_answer_whole(desk: Desk, tmp_path: Path) -> None:
    thread = serve(desk)
    assert len(ask(tmp_path, {"action": "look", "length": LONG})["text"]) == LONG
    thread.join()


def test_an_operator_comes_through_a_crowd_at_the_door(desk: Desk, tmp_path: Path) -> None:
    """So many that the kernel takes no more of them."""
    with suppress(BlockingIOError):
        while True:
            desk.call()
    thread = serve(desk)
    assert ask(tmp_path, {"action": "look"})["operator"]
    for caller in desk.callers:
        caller.close()
    thread.join()


def test_an_operator_of_a_broker_that_says_nothing_is_told(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "TIMEOUT", 0.1)
    with pytest.raises(NotRunning, match="did not answer within"):
        ask(tmp_path, {"action": "look"})
    desk.door.close()
    with pytest.raises(NotRunning, match="no broker answers here"):
        ask(tmp_path, {"action": "look"})
