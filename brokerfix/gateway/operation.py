"""What operators and their tools see of the gateway: Prometheus metrics, health, sessions. On loopback, in a thread."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, cast
from urllib.request import urlopen
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from brokerfix.access.vouch import socket_path
from brokerfix.operate.admin import ActionRefused, NotRunning, ask
from brokerfix.settings.addresses import addresses
from brokerfix.settings.sections import Config, ConfigError

if TYPE_CHECKING:
    from brokerfix.gateway.server import Gateway

COUNTERS = {
    "connections": "Connections that came",
    "turned_away": "Connections that were not let in",
    "failed_handshakes": "Connections that failed in TLS or the PROXY protocol",
    "not_fix": "Connections that did not begin with a FIX message",
    "refused_logons": "Logons that were refused",
    "logons": "Logons that the broker has taken",
    "garbled": "Messages of sessions that were no FIX",
    "ended": "Sessions that the gateway logged out",
    "slow_readers": "Sessions that did not read what they were sent",
}


def sessions(gateway: "Gateway") -> list[dict[str, Any]]:
    """The sessions that are up, as rows."""
    return [
        {
            "name": name,
            "from": str(connection.address),
            "certificate": connection.fingerprint,
            "seconds": round(time.time() - connection.since),
            "messages_in": connection.messages_in,
            "messages_out": connection.messages_out,
            "refused": connection.relay.refused if connection.relay is not None else 0,
            "unread_bytes": connection.unread,
            "budgets": gateway.budgets[name].rows(time.monotonic()) if name in gateway.budgets else {},
        }
        for name, connection in list(gateway.sessions.items())
    ]


class Collector:
    """The gateway's counts, read when they are asked for: counting costs the sessions nothing more."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway

    def collect(self) -> Iterator[Metric]:
        for name, told in COUNTERS.items():
            yield CounterMetricFamily(f"brokerfix_gateway_{name}", told, value=self.gateway.counts[name])
        yield GaugeMetricFamily(
            "brokerfix_gateway_open_connections", "Connections now", value=len(self.gateway.connections)
        )
        rows = sessions(self.gateway)
        for key, kind in (
            ("messages_in", CounterMetricFamily),
            ("messages_out", CounterMetricFamily),
            ("refused", CounterMetricFamily),
            ("unread_bytes", GaugeMetricFamily),
        ):
            metric = kind(f"brokerfix_gateway_session_{key}", f"{key} of each session", labels=["client"])
            for row in rows:
                metric.add_metric([row["name"]], row[key])
            yield metric


CLUSTER = {
    "quorum": "Whether the cluster confirms records",
    "standbys": "Standbys that could take over at once",
    "behind_bytes": "Bytes of the journal that the cluster has not confirmed",
    "behind_ms": "For how long the oldest of them waits",
}


class BrokerCollector:
    """How the broker is, as it tells operators; nothing where it does not answer."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def describe(self) -> Iterator[Metric]:
        """Nothing: to register this must not ask the broker."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        try:
            told = ask(self.data, {"action": "status"})
        except (NotRunning, ActionRefused, OSError):
            return
        pauses = GaugeMetricFamily("brokerfix_loop_pause_seconds", "Longest turn of the loop", labels=["since"])
        for since in ("last_minute", "since_start"):
            pauses.add_metric([since], told["pause_ms"][since] / 1000)
        yield pauses
        for name, text in (
            ("working", "Orders that work"),
            ("orders", "Orders in memory"),
            ("unanswered", "Answers that exchanges owe"),
            ("disk_full", "Whether the disk is full"),
        ):
            yield GaugeMetricFamily(f"brokerfix_{name}", text, value=float(told[name]))
        for name, text in CLUSTER.items() if told["cluster"] else ():
            yield GaugeMetricFamily(f"brokerfix_cluster_{name}", text, value=float(told["cluster"][name]))
        yield from _streams({name: lag for name, lag in told.get("events", {}).items() if lag is not None})
        store = told["store"]
        if store is not None:
            for name, text in (
                ("facts", "Facts that the database has not"),
                ("seconds", "How old what the database has is, where it has not all"),
            ):
                yield GaugeMetricFamily(f"brokerfix_store_behind_{name}", text, value=float(store[name]))
            is_fine = float(not store["trouble"])
            yield GaugeMetricFamily("brokerfix_store_up", "Whether the database takes the journal", value=is_fine)


def _streams(lags: dict[str, dict[str, Any]]) -> Iterator[Metric]:
    """How far the event streams are behind."""
    values: dict[str, Callable[[dict[str, Any]], float]] = {
        "behind_facts": lambda lag: float(lag["facts"]),
        "behind_seconds": lambda lag: float(lag["seconds"]),
        "up": lambda lag: float(not lag["trouble"]),
    }
    for key, text in (
        ("behind_facts", "Facts that the queue has not"),
        ("behind_seconds", "How old what the queue has is, where it has not all"),
        ("up", "Whether the queue takes facts"),
    ):
        metric = GaugeMetricFamily(f"brokerfix_events_{key}", text, labels=["stream"])
        for name, lag in lags.items():
            metric.add_metric([name], values[key](lag))
        yield metric


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 5

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: who reads metrics is no event."""


def serve(gateway: "Gateway", config: Config) -> WSGIServer | None:
    """Begin to answer /metrics, /healthz and /sessions; None where the configuration has no port for it. Raises
    ConfigError."""
    port = gateway.section.operation_port
    if not port:
        return None
    registry = CollectorRegistry()
    registry.register(cast(Any, Collector(gateway)))
    if not gateway.section.upstream:
        registry.register(cast(Any, BrokerCollector(config.data)))
    metrics: WSGIApplication = cast(Any, make_wsgi_app)(registry)

    def answer(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start)
        pages: dict[str, Callable[[], Any]] = {
            "/healthz": lambda: {
                "state": "draining" if gateway.draining else "up",
                "broker": "up" if broker_listens(config) else "down",
                "sessions": len(gateway.sessions),
            },
            "/sessions": lambda: sessions(gateway),
        }
        found = pages.get(path)
        healthy = found is not None and not (gateway.draining and path == "/healthz")
        status = "200 OK" if healthy else "404 Not Found" if found is None else "503 Service Unavailable"
        start(status, [("Content-Type", "application/json")])
        return [json.dumps(found() if found is not None else {"error": "no such page"}).encode() + b"\n"]

    try:
        server = make_server("127.0.0.1", port, answer, _Server, _Quiet)
    except OSError as error:
        raise ConfigError(
            f"{config.path}: gateway.operation_port: can't listen on port {port}: {error.strerror}"
        ) from error
    threading.Thread(target=server.serve_forever, daemon=True, name="operation").start()
    return server


def broker_listens(config: Config) -> bool:
    """Whether the broker's acceptor takes connections."""
    assert config.gateway is not None
    upstream = config.gateway.upstream
    places: list[Any] = list(addresses(upstream)) if upstream else [str(socket_path(config))]
    return any(_listens(where) for where in places)


def _listens(where: Any) -> bool:
    with socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(where) == 0


def ask_sessions(port: int) -> list[dict[str, Any]]:
    """The sessions of the gateway whose operation port this is. Raises OSError where it does not answer."""
    with urlopen(f"http://127.0.0.1:{port}/sessions", timeout=2) as answer:
        rows: list[dict[str, Any]] = json.load(answer)
        return rows
