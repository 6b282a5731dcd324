"""The kinds of queues."""

from brokerfix.intake.queue import Queue
from brokerfix.settings.sections import Config, ConfigError

EXTRAS = {"nats": "cluster", "rabbitmq": "rabbitmq", "kafka": "kafka"}


def queue_of(config: Config, name: str) -> Queue:
    """The queue of `orders_from.NAME`. Raises ConfigError where the package that speaks to it is not installed."""
    kind = config.queues[config.orders_from[name].queue].kind
    # Whoever has one kind need not have the packages of the others.
    try:
        if kind == "nats":
            from brokerfix.intake.nats import NatsQueue

            return NatsQueue(config, name)
        if kind == "rabbitmq":
            from brokerfix.intake.rabbitmq import RabbitQueue

            return RabbitQueue(config, name)
        from brokerfix.intake.kafka import KafkaQueue

        return KafkaQueue(config, name)
    except ImportError as error:
        told = f"pip install 'brokerfix[{EXTRAS[kind]}]'"
        raise ConfigError(f"{config.path}: queues: {kind} needs another package ({error}): {told}") from error
