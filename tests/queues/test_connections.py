"""Connections to queues: who is let in, and what people read where nobody is."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from brokerfix.queues import kafka, nats, rabbitmq
from brokerfix.queues.away import ServerAway
from brokerfix.settings.base import ConfigError
from brokerfix.settings.servers import QueueSection
from brokerfix.tools.certificates import Authority
from brokerfix.tools.demo import free_port
from brokerfix.tools.nats_servers import NatsServers
from tests.servers import Kafka, Rabbit, queue_of

PATH, KEY = Path("broker.toml"), "queues.bus"
Connecting = Callable[[QueueSection], Awaitable[Any]]


async def connect_streams(section: QueueSection) -> None:
    client = await rabbitmq.connect_streams(PATH, KEY, section, "test", lambda: None)
    await rabbitmq.close_streams(client)


async def connect_amqp(section: QueueSection) -> None:
    await (await rabbitmq.connect(PATH, KEY, section, "test")).close()


async def connect_nats(section: QueueSection) -> None:
    await (await nats.connect(PATH, KEY, section, "test")).close()


async def connect_kafka(section: QueueSection) -> None:
    kafka.check_reachable(PATH, KEY, section, "test", 0.5)


ALL: dict[str, tuple[Connecting, str]] = {
    "nats": (connect_nats, "nats://127.0.0.1:1"),
    "amqp": (connect_amqp, "amqp://127.0.0.1:1"),
    "streams": (connect_streams, "rabbitmq-stream://127.0.0.1:1"),
    "kafka": (connect_kafka, "127.0.0.1:1"),
}


@pytest.mark.parametrize("name", ALL)
def test_nobody_is_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats, "FIRST_CONNECT_SECONDS", 0.3)
    connect, url = ALL[name]
    section = QueueSection(kind="kafka", servers=(url,))
    with pytest.raises(ServerAway, match=f"{KEY}.servers: {url}: can't connect: .*: is a server running there"):
        asyncio.run(connect(section))  # type: ignore[arg-type]


@pytest.mark.parametrize("connect", [connect_amqp, connect_streams])
def test_rabbitmq_lets_in_whom_it_knows(
    connect: Connecting, rabbitmq_server: Rabbit, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = queue_of(rabbitmq_server)
    asyncio.run(connect(section))  # type: ignore[arg-type]
    for user, password in (("guest", "wrong"), ("joe", "guest")):
        monkeypatch.setenv("BROKERFIX_QUEUES_BUS_PASSWORD", password)
        named = QueueSection(kind="rabbitmq", servers=section.servers, user=user)
        with pytest.raises(ServerAway, match=f"user '{user}' is not let in: look at queues.bus.user and its password"):
            asyncio.run(connect(named))  # type: ignore[arg-type]


@pytest.mark.parametrize("connect", [connect_amqp, connect_streams])
def test_rabbitmq_with_tls(connect: Connecting, rabbitmq_server: Rabbit, tmp_path: Path) -> None:
    urls = tuple(rabbitmq_server.tls_urls)
    asyncio.run(connect(QueueSection(kind="rabbitmq", servers=urls, ca=str(rabbitmq_server.ca))))  # type: ignore[arg-type]
    Authority(tmp_path)
    other = QueueSection(kind="rabbitmq", servers=urls, ca=str(tmp_path / "ca.pem"))
    with pytest.raises(ServerAway, match="certificate verify failed"):
        asyncio.run(connect(other))  # type: ignore[arg-type]


def test_nats_with_tls_and_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats, "FIRST_CONNECT_SECONDS", 1.0)
    Authority(tmp_path).issue("server", ["127.0.0.1"])
    more = f"""
        tls {{ cert_file: "{tmp_path}/server.pem", key_file: "{tmp_path}/server.key" }}
        authorization {{ users: [{{ user: broker, password: secret }}] }}
    """
    servers = NatsServers(tmp_path, free_port, more=more)
    servers.start()
    try:
        section = QueueSection(kind="nats", servers=tuple(servers.urls), user="broker", ca=str(tmp_path / "ca.pem"))
        monkeypatch.setenv("BROKERFIX_QUEUES_BUS_PASSWORD", "secret")
        asyncio.run(connect_nats(section))
        monkeypatch.setenv("BROKERFIX_QUEUES_BUS_PASSWORD", "wrong")
        with pytest.raises(ServerAway, match="user 'broker' is not let in"):
            asyncio.run(connect_nats(section))
    finally:
        servers.stop()


def test_kafka_needs_a_password_for_a_user(kafka_server: Kafka) -> None:
    asyncio.run(connect_kafka(queue_of(kafka_server)))
    named = QueueSection(kind="kafka", servers=tuple(kafka_server.urls), user="joe")
    with pytest.raises(ConfigError, match=r"queues.bus.user: has no password"):
        kafka.client_settings(PATH, KEY, named, "test")


def test_kafka_with_tls_and_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKERFIX_QUEUES_BUS_PASSWORD", "secret")
    (tmp_path / "ca.pem").write_text("")
    section = QueueSection(kind="kafka", servers=("k:9093",), user="joe", sasl="SCRAM-SHA-512", ca="ca.pem")
    settings = kafka.client_settings(tmp_path / "broker.toml", KEY, section, "test")
    assert settings["security.protocol"] == "SASL_SSL"
    assert (settings["sasl.mechanism"], settings["sasl.password"]) == ("SCRAM-SHA-512", "secret")
    assert settings["ssl.ca.location"] == str(tmp_path / "ca.pem")
    missing = QueueSection(kind="kafka", servers=("k:9093",), ca="other.pem")
    with pytest.raises(ConfigError, match=r"queues.bus.ca: .*other.pem can't be read"):
        kafka.client_settings(tmp_path / "broker.toml", KEY, missing, "test")


def test_the_servers_of_rabbitmq() -> None:
    def found(*servers: str) -> list[tuple[str, int, str]]:
        section = QueueSection(kind="rabbitmq", servers=servers)
        return [(one.host, one.port, one.scheme) for one in rabbitmq.stream_addresses(PATH, KEY, section)]

    assert found("amqp://a", "rabbitmq-stream://b:99") == [("b", 99, "rabbitmq-stream")]
    assert found("a", "amqps://b:7") == [("a", 5552, "rabbitmq-stream"), ("b", 5551, "rabbitmq-stream+tls")]
    with pytest.raises(ConfigError, match="http://a is no server of RabbitMQ: write amqp://HOST:5672"):
        found("http://a")
    with pytest.raises(ConfigError, match="none is for queues: add amqp://HOST:5672"):
        asyncio.run(connect_amqp(QueueSection(kind="rabbitmq", servers=("rabbitmq-stream://b",))))
