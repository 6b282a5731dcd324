"""The queues' destinations and readers, by their kind. Their libraries are needed only where they are used."""

from importlib.util import find_spec
from pathlib import Path

from brokerfix.projections.events.destination import Destination, Reader, Where
from brokerfix.settings.base import ConfigError
from brokerfix.settings.sections import Config

NEEDS = {"nats": ("nats", "cluster"), "rabbitmq": ("rstream", "rabbitmq"), "kafka": ("confluent_kafka", "kafka")}
"""By kind: a library's module, and the extra that brings it."""


def where_of(config: Config, name: str) -> Where:
    """The destination `[events.NAME]` of a configuration. Raises ConfigError where there is none, or what it needs is
    not installed."""
    section = config.events.get(name)
    if section is None:
        raise ConfigError(f"{config.path}: there is no [events.{name}]")
    check_installed(config.path, f"events.{name}", config.queues[section.queue].kind)
    return Where(config.path, name, section, config.queues[section.queue], config.broker.shard)


def check_installed(path: Path, key: str, kind: str) -> None:
    """Raises ConfigError where the library of a kind of queue is not installed."""
    module, extra = NEEDS[kind]
    if find_spec(module) is None:
        raise ConfigError(f"{path}: {key}.queue: is of the kind {kind}: pip install 'brokerfix[{extra}]'")


def destination_of(where: Where) -> Destination:
    if where.queue.kind == "nats":
        from brokerfix.projections.events.nats import NatsDestination

        return NatsDestination(where)
    if where.queue.kind == "rabbitmq":
        from brokerfix.projections.events.rabbitmq import RabbitDestination

        return RabbitDestination(where)
    from brokerfix.projections.events.kafka import KafkaDestination

    return KafkaDestination(where)


def reader_of(where: Where) -> Reader:
    if where.queue.kind == "nats":
        from brokerfix.projections.events.nats import NatsReader

        return NatsReader(where)
    if where.queue.kind == "rabbitmq":
        from brokerfix.projections.events.rabbitmq import RabbitReader

        return RabbitReader(where)
    from brokerfix.projections.events.kafka import KafkaReader

    return KafkaReader(where)
