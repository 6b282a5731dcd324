"""What all tests share: each of pytest's processes takes its ports from its own part of them. Between a port's choice
and its listener's start another process would find it free too."""

import os
import sys

import pytest

from brokerfix.tools import demo

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Tests start hundreds of processes: each would compile all modules where the environment forbids to keep them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
demo.PORTS = demo.PORTS[_worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]

FIRST = ("test_crash.py", "test_order_types.py", "test_history.py", "test_routing_live.py", "test_invariants.py")
"""The files that take longest: begun last, one of pytest's processes would end with them alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))
