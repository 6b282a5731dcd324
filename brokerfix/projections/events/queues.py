"""The queues' destinations and readers, by their kind. Their libraries are needed only where they are used."""

from brokerfix.projections.events.destination import Destination, Reader, What, Where
from brokerfix.queues.needed import check_installed
from brokerfix.settings.base import ConfigError
from brokerfix.settings.sections import Config


def where_of(config: Config, name: str) -> Where:
    """The destination `[events.NAME]` of a configuration. Raises ConfigError where there is none, or what it needs is
    not installed."""
    section = config.events.get(name)
    if section is None:
        raise ConfigError(f"{config.path}: there is no [events.{name}]")
    check_installed(config.path, f"events.{name}", config.queues[section.queue].kind)
    queue, is_signed = config.queues[section.queue], config.proof is not None
    return Where(config.path, name, section, queue, config.broker.shard, is_signed)


def destination_of(where: Where) -> Destination:
    if where.queue.kind == "nats":
        from brokerfix.projections.events.nats import NatsDestination

        return NatsDestination(where)
    if where.queue.kind == "rabbitmq":
        from brokerfix.projections.events.rabbitmq import RabbitDestination

        return RabbitDestination(where)
    from brokerfix.projections.events.kafka import KafkaDestination

    return KafkaDestination(where)


def reader_of(where: Where, what: What = "facts") -> Reader:
    """What reads a stream of a destination."""
    if where.queue.kind == "nats":
        from brokerfix.projections.events.nats import NatsReader

        return NatsReader(where, what)
    if where.queue.kind == "rabbitmq":
        from brokerfix.projections.events.rabbitmq import RabbitReader

        return RabbitReader(where, what)
    from brokerfix.projections.events.kafka import KafkaReader

    return KafkaReader(where, what)
