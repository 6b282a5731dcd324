"""Connections to Kafka: the settings of its clients, and whether a server is there."""

import logging
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from brokerfix.queues.away import FIRST_CONNECT_SECONDS, ServerAway, file_of, told
from brokerfix.settings.base import ConfigError
from brokerfix.settings.servers import QueueSection, password_of

log = logging.getLogger("brokerfix.queues.kafka")
REFUSED = (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED)


def client_settings(path: Path, key: str, section: QueueSection, name: str) -> dict[str, Any]:
    """What every client of the servers that the section `key` of the configuration `path` names is made with: where
    they are, TLS, who we are. `name` is what the servers show of it. Raises ConfigError."""
    tls = bool(section.ca or section.certificate)
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(server.removeprefix("kafka://") for server in section.servers),
        "client.id": name,
        "security.protocol": ("SASL_" if section.user else "") + ("SSL" if tls else "PLAINTEXT"),
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        # What is wrong is told once, by us.
        "log_level": 2,
        "logger": log,
    }
    if section.user:
        password = password_of(path, key, section)
        if not password:
            raise ConfigError(f"{path}: {key}.user: has no password: name its {key}.password_file")
        settings |= {"sasl.mechanism": section.sasl, "sasl.username": section.user, "sasl.password": password}
    if section.ca:
        settings["ssl.ca.location"] = file_of(path, f"{key}.ca", section.ca)
    if section.certificate:
        settings["ssl.certificate.location"] = file_of(path, f"{key}.certificate", section.certificate)
        # A key may stand in the certificate's own file.
        settings["ssl.key.location"] = file_of(path, f"{key}.key", section.key or section.certificate)
    return settings


def check_reachable(
    path: Path, key: str, section: QueueSection, name: str, seconds: float = FIRST_CONNECT_SECONDS
) -> dict[str, int]:
    """Ask for the cluster's topics, and how many partitions each has. Waits so long at most. Raises ServerAway where no
    server answers, and ConfigError for what is configured and can't be used."""
    last: list[KafkaError] = []
    admin = AdminClient(client_settings(path, key, section, name) | {"error_cb": last.append})
    try:
        topics = admin.list_topics(timeout=seconds).topics
    except KafkaException as error:
        admin.poll(0)
        refused = next((one for one in last if one.code() in REFUSED), None)
        why = refused or (last[-1] if last else error.args[0])
        raise ServerAway(told(path, key, section, why.str() or why.name(), refused is not None)) from error
    return {topic: len(found.partitions) for topic, found in topics.items()}
