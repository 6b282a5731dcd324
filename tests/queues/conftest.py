"""What tests of queues share."""

from pathlib import Path

import pytest

from tests.queues.flow import Flow
from tests.servers import Kafka


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    """A journal that no queue gets."""
    server = Kafka()
    server.urls = ["127.0.0.1:1"]
    made = Flow(tmp_path, server)
    made.trade(4)
    return made
