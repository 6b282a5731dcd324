"""The broker is killed at every boundary of its pipeline, and at random moments under load: nothing is lost or doubled.

`python -m tests.crash --kills N` does as many random kills as asked.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerfix.tools import trader
from tests.crash import LATE, MIXED, ORDER_EVERY, Harness, compare, compare_numbers, compare_working
from tests.crash_broker import POINTS

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def _under_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trader, "ORDER_EVERY", ORDER_EVERY)


@pytest.fixture
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    durability, seed, gateway, chaos = (*getattr(request, "param", ("process", 1, False)), "")[:4]
    harness = Harness(tmp_path, seed, durability, gateway, chaos)
    yield harness
    harness.stop()


@pytest.mark.parametrize("harness", [("process", 7, False), ("disk", 7, False)], indirect=True, ids=["process", "disk"])
def test_a_kill_at_every_boundary(harness: Harness) -> None:
    # With a disk each takes longer: the first of a kind is like that without.
    counts = (8,) if harness.durability == "disk" else (1, 8)
    for point in POINTS:
        for count in counts:
            harness.run_to_crash(point, count)
    assert harness.kills == len(counts) * len(POINTS)
    assert compare(harness, *harness.finish()) > 5
    assert compare_numbers(harness) > 10


@pytest.mark.parametrize(
    "harness", [("process", 11, True), ("disk", 12, False)], indirect=True, ids=["process with the gateway", "disk"]
)
def test_kills_at_random_moments(harness: Harness) -> None:
    while harness.kills < 6:
        harness.kill_at_random()
    assert compare(harness, *harness.finish()) > 5
    assert compare_numbers(harness) > 10


@pytest.mark.parametrize(
    "harness",
    [("process", 13, False, LATE), ("disk", 14, False, MIXED)],
    indirect=True,
    ids=["late exchanges", "exchanges that refuse, disk"],
)
def test_trial_1_what_exchanges_hold_is_what_clients_were_told(harness: Harness) -> None:
    """Also where they answer requests up to 2 s late, or refuse them for all kinds of reasons."""
    works = 0
    for kills in (3, 6):
        while harness.kills < kills:
            harness.kill_at_random()
        works += compare_working(harness, harness.settle())
    assert works
    assert compare(harness, *harness.finish()) > 5
    compare_numbers(harness)
