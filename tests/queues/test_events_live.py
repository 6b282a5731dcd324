"""A real broker whose event stream has nowhere to go: its clients notice nothing, its operator is told."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerfix.facts import Alerted
from brokerfix.record.journal import read
from brokerfix.tools.demo import free_port
from brokerfix.tools.nats_servers import NatsServers
from tests.live import BROKER, Market, desk, report, run_cli, until

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


def test_a_dead_server_does_not_touch_the_broker(market: Market, servers: NatsServers) -> None:
    for number in range(20):
        assert buy(market, f"D{number}") < 1.0
    until(lambda: "EVENTS_BEHIND" in alerts(market))
    told = desk(market, "status")
    assert "event stream all: " in told
    assert "is a server running there?" in told
    behind = json.loads(desk(market, "status", "--json"))["events"]["all"]
    assert behind["facts"] > 20

    servers.start()
    until(lambda: "EVENTS_CAUGHT_UP" in alerts(market))
    assert buy(market, "D20") < 1.0
    until(lambda: "D20" in events(market, "--filter", "kind=OrderAccepted,account=ALICE"))
    rows = [json.loads(line) for line in events(market, "--json", "--filter", "kind=OrderAccepted").splitlines()]
    assert [row["fact"]["cl_ord_id"] for row in rows] == [f"D{number}" for number in range(21)]
    assert "event stream all: has all facts" in desk(market, "status")


def test_events_since_a_fact_and_out_of_the_journal(market: Market) -> None:
    rows = [json.loads(line) for line in events(market, "--json").splitlines()]
    kinds = [row["kind"] for row in rows]
    assert kinds[:2] == ["DayRolled", "Started"]
    since = events(market, "--json", "--since", rows[3]["id"]).splitlines()
    assert json.loads(since[0]) == rows[3]
    out_of_journal = events(market, "--json", "--from", "journal").splitlines()
    assert [json.loads(line) for line in out_of_journal][: len(rows)] == rows
    refused = run_cli("events", "--since", "yesterday", "--config", str(market.broker.config))
    assert refused.returncode == 2
    assert "is no fact's id, and no time like" in refused.stderr


def events(market: Market, *arguments: str) -> str:
    return desk(market, "events", *arguments)
