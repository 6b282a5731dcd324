"""The router is killed at every step, and at random moments under load: nothing is lost or doubled.

`python -m tests.router_kills --kills N` does as many random kills as asked.
"""

from pathlib import Path

import pytest

from tests.router_crash import POINTS
from tests.router_kills import Harness

pytestmark = pytest.mark.timeout(300)


def test_kills_at_every_step_and_at_random_moments(tmp_path: Path) -> None:
    harness = Harness(tmp_path, seed=5)
    try:
        for point in POINTS:
            harness.run_to_crash(point, 2 if "og" in point else 5)
        for _ in range(3):
            harness.kill_at_random()
        harness.finish()
        orders, reports = harness.compare()
    finally:
        harness.stop()
    assert harness.kills == len(POINTS) + 3
    assert orders > 20
    assert reports > 40
