"""A real broker whose event stream has nowhere to go: its clients notice nothing, its operator is told."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from brokerfix.cli import main
from brokerfix.facts import Alerted
from brokerfix.gateway.operation import BrokerCollector
from brokerfix.operate.admin import ask
from brokerfix.record.journal import read
from brokerfix.tools.demo import free_port
from brokerfix.tools.nats_servers import NatsServers
from tests.live import BROKER, Market, desk, report, until

EVENTS = """
[queues.bus]
kind = "nats"
servers = ["{url}"]
[events.all]
queue = "bus"
lag_seconds = 1
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    """One that does not run yet."""
    made = NatsServers(tmp_path_factory.mktemp("nats"), free_port)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory, servers: NatsServers) -> Iterator[Market]:
    events = EVENTS.format(url=servers.urls[0])
    made = Market(tmp_path_factory.mktemp("market"), broker=BROKER + events)
    made.start()
    yield made
    made.stop()


def alerts(market: Market) -> list[str]:
    facts = (fact for record in read(Path(market.folder) / "broker" / "journal") for fact in record.facts)
    return [fact.code for fact in facts if isinstance(fact, Alerted)]


def buy(market: Market, name: str) -> float:
    """Seconds from an order to its report."""
    alice = market.client("ALICE")
    began = time.perf_counter()
    alice.new_order(name, "1", "10", "AAPL", "140.00")
    report(alice, name, "0")
    return time.perf_counter() - began


def lag(market: Market) -> dict[str, Any]:
    """How far the stream is behind, as the broker tells."""
    found: dict[str, Any] = ask(market.folder / "broker", {"action": "status"})["events"]["all"]
    return found


def events(market: Market, *arguments: str) -> list[dict[str, Any]]:
    printed = CliRunner().invoke(main, ["events", "--json", *arguments, "--config", str(market.broker.config)])
    assert printed.exit_code == 0, printed.output
    return [json.loads(line) for line in printed.output.splitlines()]


def test_a_dead_server_does_not_touch_the_broker(market: Market, servers: NatsServers) -> None:
    for number in range(20):
        assert buy(market, f"D{number}") < 1.0
    until(lambda: "EVENTS_BEHIND" in alerts(market))
    until(lambda: "is a server running there?" in lag(market)["trouble"])
    assert lag(market)["facts"] > 20
    assert f"event stream all: {lag(market)['facts']} facts and " in desk(market, "status")

    servers.start()
    until(lambda: "EVENTS_CAUGHT_UP" in alerts(market))
    assert buy(market, "D20") < 1.0
    until(lambda: lag(market)["facts"] == 0)
    assert "event stream all: has all facts" in desk(market, "status")
    orders = events(market, "--filter", "kind=OrderAccepted,account=ALICE")
    assert [row["fact"]["cl_ord_id"] for row in orders] == [f"D{number}" for number in range(21)]


def test_the_gateways_metrics_have_it(market: Market) -> None:
    told = {metric.name: metric.samples for metric in BrokerCollector(market.folder / "broker").collect()}
    samples = [told[f"brokerfix_events_{name}"][0] for name in ("behind_facts", "behind_seconds", "up")]
    assert [(sample.labels, sample.value) for sample in samples] == [
        ({"stream": "all"}, 0), ({"stream": "all"}, 0), ({"stream": "all"}, 1),
    ]  # fmt: skip


def test_events_since_a_fact_and_out_of_the_journal(market: Market) -> None:
    rows = events(market)
    assert [row["kind"] for row in rows][:2] == ["DayRolled", "Started"]
    assert events(market, "--since", rows[3]["id"])[0] == rows[3]
    assert events(market, "--since", rows[-1]["at"])[-1] == rows[-1]
    assert events(market, "--from", "journal")[: len(rows)] == rows
    refused = CliRunner().invoke(main, ["events", "--since", "yesterday", "--config", str(market.broker.config)])
    assert refused.exit_code == 2
    assert "is no fact's id, and no time like" in refused.output
