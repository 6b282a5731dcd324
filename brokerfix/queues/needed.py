"""The libraries that queues need: they are needed only where there is such a queue."""

from importlib.util import find_spec
from pathlib import Path

from brokerfix.settings.base import ConfigError

NEEDS = {"nats": ("nats", "cluster"), "rabbitmq": ("rstream", "rabbitmq"), "kafka": ("confluent_kafka", "kafka")}
"""By kind: a library's module, and the extra that brings it."""


def check_installed(path: Path, key: str, kind: str) -> None:
    """Raises ConfigError where the library of a kind of queue is not installed, which the section `key` of the
    configuration `path` wants."""
    module, extra = NEEDS[kind]
    if find_spec(module) is None:
        raise ConfigError(f"{path}: {key}.queue: is of the kind {kind}: pip install 'brokerfix[{extra}]'")
