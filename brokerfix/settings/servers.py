"""Servers of others that a broker uses, and what for: the cluster's NATS, queues, destinations of events, orders."""

import os
import socket
import ssl
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from brokerfix.facts import KINDS
from brokerfix.settings.base import CompId, ConfigError, Section

CHECKPOINT = "Checkpoint"
"""The kind of signed checkpoints, which are no facts."""
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
"""What streams, queues and topics are called by."""


class ServersSection(Section, frozen=True):
    """Servers that are one, and who we are there. The password is in a file, or in the environment."""

    servers: Annotated[tuple[str, ...], Meta(min_length=1)]
    user: str = ""
    password_file: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""


class ClusterSection(ServersSection, frozen=True):
    """The NATS servers that hold a broker's journal for its standby, and who is primary; and, of several brokers that
    are `shards`, who has which account and which part of the limits."""

    name: Name = "brokerfix"
    node: str = ""
    replicas: Annotated[int, Meta(ge=1, le=5)] = 3
    lease_seconds: Annotated[float, Meta(ge=0.5, le=60)] = 2.0
    check_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 300
    cancels_without_quorum: Literal["wait", "send"] = "wait"
    shards: bool = False

    @property
    def node_name(self) -> str:
        """This machine's name in the cluster: the environment's BROKERFIX_NODE, the configured one, or the host's."""
        return os.environ.get("BROKERFIX_NODE") or self.node or socket.gethostname()


class QueueSection(ServersSection, frozen=True, kw_only=True):
    """A message queue that the desk has. `sasl` is how Kafka asks for a user's password."""

    kind: Literal["nats", "rabbitmq", "kafka"]
    sasl: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"


class EventsSection(Section, frozen=True):
    """A destination of the event stream, at a queue. Facts of these kinds and accounts only, where some are named."""

    queue: str
    subject: Name = "brokerfix"
    format: Literal["json", "msgpack"] = "json"
    kinds: tuple[str, ...] = ()
    accounts: tuple[CompId, ...] = ()
    market_data_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    keep_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    replicas: Annotated[int, Meta(ge=1, le=5)] = 1
    lag_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 30


class OrdersFromSection(Section, frozen=True):
    """Orders that come from a queue: `subject` is what its streams and queues are called by, `api_keys` are whose
    orders; the clients of these keys have no other door."""

    queue: str
    api_keys: Annotated[tuple[str, ...], Meta(min_length=1)]
    subject: Name = "brokerfix"
    answer_seconds: Annotated[float, Meta(gt=0, le=600)] = 10.0
    tries: Annotated[int, Meta(ge=1, le=100)] = 5
    keep_days: Annotated[int, Meta(ge=0, le=36_500)] = 7
    replicas: Annotated[int, Meta(ge=1, le=5)] = 1


class RouterSection(Section, frozen=True):
    """The process between the gateway and several shards. `shards`: number -> where that broker listens for us."""

    listen: str
    shards: Annotated[dict[str, str], Meta(min_length=1)]
    data: str
    secret: str = ""
    durability: Literal["process", "disk"] = "process"
    hold_seconds: Annotated[float, Meta(ge=0, le=600)] = 0
    stale_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 60
    keep_days: Annotated[int, Meta(ge=1, le=36_500)] = 400


def password_of(path: Path, key: str, section: ServersSection) -> str:
    """The password for the servers of a section, `key` as the file calls it: from its file or, where that is not
    named, from the environment's BROKERFIX_<KEY>_PASSWORD (dots are underscores); '' for none. Raises ConfigError."""
    if not section.password_file:
        return os.environ.get(f"BROKERFIX_{key.upper().replace('.', '_').replace('-', '_')}_PASSWORD", "")
    file = (path.parent / section.password_file).resolve()
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: {key}.password_file: {file} can't be read: {why}") from error


def tls_of(path: Path, key: str, section: ServersSection) -> ssl.SSLContext | None:
    """The TLS context for the servers of a section with a `ca` or a certificate; else None. Raises ConfigError."""
    if not section.ca and not section.certificate:
        return None
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if section.ca:
            context.load_verify_locations((path.parent / section.ca).resolve())
        if section.certificate:
            key_file = (path.parent / section.key).resolve() if section.key else None
            context.load_cert_chain((path.parent / section.certificate).resolve(), key_file)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: {key}: its certificates can't be used: {why}") from error
    return context


def check_servers(path: Path, key: str, section: ServersSection) -> None:
    """Raises ConfigError where a password stands in the file, or a name is empty."""
    for server in section.servers:
        if not server.strip():
            raise ConfigError(f"{path}: {key}.servers: one is empty")
        if "@" in server:
            told = f"{key}.user, and {key}.password_file or the environment"
            raise ConfigError(f"{path}: {key}.servers: a name or password does not belong there: use {told}")
    if section.key and not section.certificate:
        raise ConfigError(f"{path}: {key}.key: needs {key}.certificate")


def check_events(path: Path, events: Mapping[str, EventsSection], accounts: Container[str]) -> None:
    """Raises ConfigError where two streams would be one, or one is of what there is not."""
    kinds = {kind.__name__ for kind in KINDS}
    places: dict[tuple[str, str], str] = {}
    for name, section in events.items():
        place = section.queue, section.subject
        if place in places:
            raise ConfigError(
                f"{path}: events.{name}.subject: {section.subject} at the queue {section.queue} is that of "
                f"events.{places[place]} already"
            )
        places[place] = name
        for kind in section.kinds:
            if kind not in kinds and kind != CHECKPOINT:
                raise ConfigError(
                    f"{path}: events.{name}.kinds: there is no {kind}: `brokerfix schema --kinds` has all"
                )
        for account in section.accounts:
            if account not in accounts:
                raise ConfigError(f"{path}: events.{name}.accounts: there is no [accounts.{account}]")


def check_orders_from(path: Path, read: Mapping[str, Any]) -> None:
    """A client has one session, and so its API keys one door: a queue that names them, or else HTTP. Raises ConfigError
    where sections that were read say otherwise."""
    doors: dict[str, tuple[str, str]] = {}
    named: dict[str, str] = {}
    subjects: dict[tuple[str, str], str] = {}
    for name, section in read["orders_from"].items():
        where = f"{path}: orders_from.{name}"
        if read.get("gateway") is None:
            raise ConfigError(f"{where}: needs a [gateway], whose budgets and secret it uses")
        other = subjects.setdefault((section.queue, section.subject), name)
        if other != name:
            raise ConfigError(f"{where}.subject: orders_from.{other} takes the orders of {section.subject} already")
        for key in section.api_keys:
            if key not in read["api_keys"]:
                raise ConfigError(f"{where}.api_keys: there is no [api_keys.{key}]")
            if key in named:
                raise ConfigError(f"{where}.api_keys: {key} is of orders_from.{named[key]} already")
            named[key] = name
    for key, section in read["api_keys"].items():
        door = f"orders_from.{named[key]}" if key in named else "http"
        other_key, other = doors.setdefault(section.client, (key, door))
        if door != other and named and not (door == "http" and read.get("http") is None):
            one = f"{section.client}'s session can be used by one door: key {other_key} is of {other}, {key} of {door}"
            raise ConfigError(f"{path}: api_keys.{key}.client: {one}")
