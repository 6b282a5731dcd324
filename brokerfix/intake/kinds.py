"""The kinds of queues."""

from brokerfix.intake.queue import Queue
from brokerfix.queues.needed import check_installed
from brokerfix.settings.sections import Config


def queue_of(config: Config, name: str) -> Queue:
    """The queue of `orders_from.NAME`. Raises ConfigError where the library that speaks to it is not installed."""
    kind = config.queues[config.orders_from[name].queue].kind
    check_installed(config.path, f"orders_from.{name}", kind)
    # Whoever has one kind need not have the libraries of the others.
    if kind == "nats":
        from brokerfix.intake.nats import NatsQueue

        return NatsQueue(config, name)
    if kind == "rabbitmq":
        from brokerfix.intake.rabbitmq import RabbitQueue

        return RabbitQueue(config, name)
    from brokerfix.intake.kafka import KafkaQueue

    return KafkaQueue(config, name)
