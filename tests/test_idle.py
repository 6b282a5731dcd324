"""Trial 25: the loop's rests: whatever comes wakes it, and nothing else does."""

import errno
import fcntl
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from brokerfix.operate.admin import ask
from brokerfix.process import idle
from brokerfix.process.idle import AWAKE, FUTILE, LONGEST_QUIET_REST, LONGEST_REST, Idle
from brokerfix.tools.client import Client
from tests.live import BROKER, SECRET, Market
from tests.slow_broker import SLOW

READER = """
import socket, sys
sys.stdin.readline()
connection = socket.socket(fileno=int(sys.argv[1]))
connection.setblocking(False)
try:
    while connection.recv(65536):
        pass
except BlockingIOError:
    print("everything is read", flush=True)
sys.stdin.readline()
"""
"""A peer that reads when it is told to, and stays."""
SOON = 0.75 * SLOW
"""Seconds within which a message is answered that has woken the loop, on a busy machine too."""


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> Iterator[Idle]:
    """Rests that only something to read ends: neither their limit nor a look by the clock."""
    monkeypatch.setattr(idle, "LONGEST_REST", SLOW)
    monkeypatch.setattr(idle, "LONGEST_QUIET_REST", SLOW)
    monkeypatch.setattr(idle, "LOOK_EVERY", 60.0)
    one = Idle()
    one.rest(0, 0.0)
    time.sleep(AWAKE)
    one.rest(0, 0.0)
    yield one
    one.close()


def slept(rests: Idle, seconds: float, activity: int = 0) -> tuple[bool, float]:
    """What a rest returns, and how long it was."""
    started = time.perf_counter()
    return rests.rest(activity, seconds), time.perf_counter() - started


def test_a_rest_lasts_as_long_as_it_may(rests: Idle) -> None:
    woken, seconds = slept(rests, 0.05)
    assert not woken
    assert seconds >= 0.05


def test_a_rest_is_never_longer_than_quickfix_may_wait() -> None:
    one = Idle()
    one.rest(0, 0.0)
    time.sleep(AWAKE)
    woken, seconds = slept(one, 60.0)
    assert not woken
    assert LONGEST_REST <= seconds < 1.0
    one.close()


def test_where_nothing_happens_for_long_rests_are_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "QUIET_AFTER", 0.05)
    one = Idle()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        one.rest(0, 0.0)
        time.sleep(AWAKE)
        assert slept(one, 60.0)[1] < LONGEST_QUIET_REST
        time.sleep(idle.QUIET_AFTER)
        assert slept(one, 60.0)[1] >= LONGEST_QUIET_REST
        theirs.send(b"x")
        assert slept(one, 60.0)[0]
        ours.recv(1)
        assert slept(one, 60.0)[1] < LONGEST_QUIET_REST
        time.sleep(idle.QUIET_AFTER)
        assert slept(one, 60.0)[1] >= LONGEST_QUIET_REST
        # Another socket may be one that the looks overlook the next time.
        with socket.socket():
            assert slept(one, 60.0)[1] < LONGEST_QUIET_REST
    one.close()


def test_something_to_read_ends_the_rest(rests: Idle) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        assert slept(rests, SLOW)[0]


def test_after_a_message_the_loop_stays_awake_for_a_moment(rests: Idle) -> None:
    assert slept(rests, SLOW, activity=1)[1] < SOON
    time.sleep(AWAKE)
    assert slept(rests, 0.05, activity=1)[1] >= 0.05


def test_a_number_that_is_taken_again_is_watched_anew(rests: Idle) -> None:
    first, other = socket.socketpair()
    rests.rest(0, 0.0)
    number = first.fileno()
    first.close()
    rests.rest(0, 0.0)
    again, theirs = socket.socketpair()
    with again, theirs, other:
        assert again.fileno() == number
        theirs.send(b"x")
        assert slept(rests, SLOW)[0]


def test_a_number_that_is_taken_again_in_one_turn_is_found_by_the_clock(rests: Idle) -> None:
    closed = socket.create_server(("127.0.0.1", 0))
    rests.rest(0, 0.0)
    number = closed.fileno()
    closed.close()
    again, theirs = socket.socketpair()
    # The other end moves up, so that the next free number is the same as before.
    high = fcntl.fcntl(theirs, fcntl.F_DUPFD, 900)
    theirs.close()
    with again, socket.socket(fileno=high) as moved:
        assert again.fileno() == number
        moved.send(b"x")
        assert not slept(rests, 0.05)[0]
        rests._look_due = 0.0
        assert slept(rests, SLOW)[0]


def test_what_no_turn_takes_in_does_not_keep_the_loop_awake(rests: Idle) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        for _ in range(FUTILE):
            assert slept(rests, 0.05)[1] < 0.05
        woken, seconds = slept(rests, 0.05)
        assert woken
        assert seconds >= 0.05
        rests.rest(1, 0.0)
        time.sleep(AWAKE)
        assert slept(rests, SLOW, activity=1)[1] < SOON


@contextmanager
def choked() -> Iterator[tuple[socket.socket, subprocess.Popen[str]]]:
    """A connection that takes nothing more before its peer, in a process of its own, reads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    ours.setblocking(False)
    while select.select([], [ours], [], 0.1)[1]:
        with suppress(BlockingIOError):
            while True:
                ours.send(b"x" * 100_000)
    command = [sys.executable, "-c", READER, str(theirs.fileno())]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[theirs.fileno()], text=True
    ) as reader:
        theirs.close()
        with ours:
            yield ours, reader
        reader.kill()


def reads(ours: socket.socket, reader: subprocess.Popen[str]) -> None:
    """Have the peer read what there is, until the connection takes more."""
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write("read\n")
    reader.stdin.flush()
    reader.stdout.readline()
    assert select.select([], [ours], [], SLOW)[1]


def test_the_loop_turns_until_a_peer_that_did_not_read_has_got_everything(rests: Idle) -> None:
    with choked() as (ours, reader):
        rests._look_due = 0.0
        assert slept(rests, 0.05)[1] >= 0.05
        reads(ours, reader)
        assert slept(rests, SLOW)[1] < SOON
        rests._drained_at = 0.0
        assert slept(rests, 0.05)[1] >= 0.05


def test_it_does_so_too_while_another_does_not_read(rests: Idle) -> None:
    with choked(), choked() as (ours, reader):
        rests._look_due = 0.0
        assert slept(rests, 0.05)[1] >= 0.05
        reads(ours, reader)
        assert slept(rests, SLOW)[1] < SOON


def test_nothing_is_sent_to_a_peer_that_is_gone(rests: Idle) -> None:
    with choked() as (_, reader):
        rests._look_due = 0.0
        assert slept(rests, 0.05)[1] >= 0.05
        reader.kill()
        reader.wait()
        # Its end is something to read.
        assert slept(rests, SLOW)[0]
    assert rests._drained_at == 0.0
    assert slept(rests, 0.05)[1] >= 0.05


def test_without_a_free_descriptor_it_rests_by_what_it_watches(rests: Idle, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        rests.rest(0, 0.0)

        def none_left(descriptor: int) -> int:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr("os.dup", none_left)
        rests._look_due = 0.0
        assert slept(rests, 0.05)[1] >= 0.05
        theirs.send(b"x")
        assert slept(rests, SLOW)[0]


# A broker that only a descriptor wakes


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    broker = BROKER.replace("{instrument}", '{instrument}post = "book"\n')
    market = Market(tmp_path_factory.mktemp("market"), broker=broker)
    for process in market.processes.values():
        process.command = [sys.executable, "-m", "tests.slow_broker", str(process.config)]
    yield market
    market.stop()


def took(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def new(client: Client, cl_ord_id: str, exec_type: str = "0", **terms: str) -> float:
    """Send an order. Returns the seconds until its report of `exec_type`."""
    started = time.perf_counter()
    client.new_order(cl_ord_id, "1", "1", "AAPL", terms.pop("price", "140.00"), **terms)
    client.receive_until(lambda m: m.get(11) == cl_ord_id and m[150] == exec_type, timeout=3 * SLOW)
    return time.perf_counter() - started


def test_whatever_comes_wakes_the_broker(market: Market) -> None:
    """Two clients, with silences of odd lengths, right after a connect and after a cut connection; an operator; an
    exchange that connects late."""
    market.broker.start()
    alice = Client("ALICE", "BROKER", "127.0.0.1", market.broker.port)
    bob = Client("BOB", "BROKER", "127.0.0.1", market.broker.port, password=SECRET, username="bob")
    for client in (alice, bob):
        assert took(client.connect) < SOON
        assert new(client, "at-once") < SOON
    times = []
    for number, silence in enumerate((0.0, 0.3, AWAKE, 0.9, 0.001, 0.05)):
        time.sleep(silence)
        times += [new(alice, f"silence-{number}"), new(bob, f"silence-{number}")]
    for number in range(3):
        alice.close()
        times += [took(alice.connect), new(alice, f"again-{number}"), new(bob, f"again-{number}")]
    # A descriptor that was closed and taken again in one turn is found by the clock: that may happen once.
    assert sorted(times)[-2] < SOON
    data = market.folder / "broker"
    assert took(lambda: ask(data, {"action": "sessions"})) < SOON

    market.exchange.start()
    lp = Client("LP", "XNAS", "127.0.0.1", market.exchange.port)
    lp.connect()
    lp.new_order("lp-1", "2", "100", "AAPL", "150.10")
    # Only a turn of the loop begins to connect. From the Logon on everything is told by descriptors.
    while not any(
        row["kind"] == "exchange" and row["state"] == "up" for row in ask(data, {"action": "sessions"})["sessions"]
    ):
        time.sleep(0.05)
    for number, silence in enumerate((0.0, 0.4, 0.01)):
        time.sleep(silence)
        assert new(alice, f"routed-{number}", "F", price="150.10", t100="XNAS") < SOON
    for client in (alice, bob, lp):
        client.logout()


def test_what_waits_for_the_disk_goes_when_it_is_there(tmp_path: Path) -> None:
    broker = BROKER.replace("{instrument}", 'durability = "disk"\n{instrument}post = "book"\n')
    market = Market(tmp_path, broker=broker)
    market.broker.command = [sys.executable, "-m", "tests.slow_broker", str(market.broker.config)]
    market.broker.start()
    try:
        alice = market.client("ALICE")
        for number, silence in enumerate((0.0, 0.2)):
            time.sleep(silence)
            assert new(alice, f"disk-{number}") < SOON
    finally:
        market.stop()
