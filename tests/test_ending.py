"""SIGTERM as something that a loop can wait for."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from brokerfix.projections.ending import Ending


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_it_has_come_before_the_wait() -> None:
    ending = Ending()
    assert not ending.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    assert ending.wait(), "and it stays so"
    assert ending.wait(30)


def test_it_comes_during_the_wait() -> None:
    ending = Ending()
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert ending.wait(30)


def test_a_signal_within_a_signal_is_one_too() -> None:
    """A handler that is interrupted by the same signal must not wait for itself."""
    ending = Ending()
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    try:
        seen = [ending.wait(0.001) for _ in range(2000)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert seen[-1]
