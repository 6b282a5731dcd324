"""Real servers of others for the tests: one of each at most for all tests of a pytest process. What is in them stays,
so that each test takes a subject of its own; who kills one starts it again.
"""

import itertools
import os
from collections.abc import Iterator
from typing import Protocol

import pytest

from brokerfix.settings.servers import QueueSection
from brokerfix.tools.demo import free_port
from brokerfix.tools.kafka_mock import KafkaMock
from brokerfix.tools.nats_servers import NatsServers
from brokerfix.tools.rabbitmq_server import RabbitServer, is_installed

KINDS = ("nats", "rabbitmq", "kafka")
REQUIRE_RABBITMQ = "BROKERFIX_REQUIRE_RABBITMQ"
"""With this in the environment, RabbitMQ's tests fail where it is not installed."""
_subjects = itertools.count(1)


class Server(Protocol):
    """A queue's server. `lose` ends it (NATS at once, RabbitMQ in good order, see `RabbitServer.end`), `come_back` has
    it again with what it had. Kafka's mock cluster has its data in memory: it hangs in the meantime."""

    kind: str

    @property
    def urls(self) -> list[str]: ...
    def lose(self) -> None: ...
    def come_back(self) -> None: ...


class Nats(NatsServers):
    kind = "nats"

    def lose(self) -> None:
        self.kill(0)

    def come_back(self) -> None:
        self.start()


class Rabbit(RabbitServer):
    kind = "rabbitmq"

    def lose(self) -> None:
        self.end()

    def come_back(self) -> None:
        self.start()


class Kafka(KafkaMock):
    kind = "kafka"

    def lose(self) -> None:
        self.pause()

    def come_back(self) -> None:
        self.go_on()


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    server = Nats(tmp_path_factory.mktemp("nats"), free_port)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    if not is_installed():
        told = "no RabbitMQ server is installed here: apt-get install rabbitmq-server"
        if os.environ.get(REQUIRE_RABBITMQ):
            pytest.fail(told)
        pytest.skip(told)
    server = Rabbit(tmp_path_factory.mktemp("rabbitmq"), free_port)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[Kafka]:
    server = Kafka()
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=KINDS)
def queue_server(request: pytest.FixtureRequest) -> Server:
    """Each of them in turn."""
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


def new_subject() -> str:
    """A name that no other test uses at these servers."""
    return f"trial{next(_subjects)}"


def queue_of(server: Server) -> QueueSection:
    """The server as a configuration has it."""
    return QueueSection(kind=server.kind, servers=tuple(server.urls))  # type: ignore[arg-type]
