"""What all tests share: each of pytest's processes takes its ports from its own part of them. Between a port's choice
and its listener's start another process would find it free too."""

import os
import sys
from collections.abc import Iterator

import pytest

from brokerfix.tools import demo
from brokerfix.tools.postgres_server import PostgresServer
from tests import starter
from tests.postgres_server import postgres_server
from tests.servers import kafka_server, nats_server, queue_server, rabbitmq_server

__all__ = ["kafka_server", "nats_server", "queue_server", "rabbitmq_server"]

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Tests start hundreds of processes: each would compile all modules where the environment forbids to keep them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Half of what brokers and exchanges of the tests take is importing what another one has imported.
demo.Process.run = staticmethod(starter.start)  # type: ignore
demo.PORTS = demo.PORTS[_worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]

FIRST = ("test_crash.py", "test_order_types.py", "test_history.py", "test_routing_live.py", "test_invariants.py")
"""The files that take longest: begun last, one of pytest's processes would end with them alone."""


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: a test often waits for a clock or for a process's end."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; each test makes a database of its own on it."""
    with postgres_server() as server:
        yield server
