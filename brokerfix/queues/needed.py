"""The libraries that queues and the cluster need: they are needed only where there is such a one."""

from importlib.util import find_spec
from pathlib import Path

from brokerfix.settings.base import ConfigError

NEEDS = {"nats": ("nats", "cluster"), "rabbitmq": ("rstream", "rabbitmq"), "kafka": ("confluent_kafka", "kafka")}
"""By kind: a library's module, and the extra that brings it."""


def check_installed(path: Path, key: str, kind: str) -> None:
    """Raises ConfigError where the library of a kind of queue is not installed, which the section `key` of the
    configuration `path` wants."""
    _check(path, f"{key}.queue: is of the kind {kind}", kind)


def check_cluster_installed(path: Path) -> None:
    """The same of the `[cluster]`, whose servers are NATS."""
    _check(path, "cluster: its servers are NATS", "nats")


def _check(path: Path, what: str, kind: str) -> None:
    module, extra = NEEDS[kind]
    if find_spec(module) is None:
        raise ConfigError(f"{path}: {what}: pip install 'brokerfix[{extra}]'")
