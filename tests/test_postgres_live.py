"""A broker whose database is PostgreSQL, over real sockets: commands, the HTTP door, and a server that goes away."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from brokerfix.operate.admin import ask
from brokerfix.projections.lag import Lag
from brokerfix.projections.reading import reading_of
from brokerfix.projections.sqlite import projected
from brokerfix.settings.load import load
from brokerfix.tools.demo import free_port
from brokerfix.tools.postgres_server import PostgresServer
from tests.door import CONFIG, KEYS, Place, order, problem
from tests.live import until
from tests.test_postgres import rows

STORE = 'store = "{address}"\nstore_password_file = "secret"\nrecord_interval_ms = 50\n'


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("broker")
    (folder / "secret").write_text("of the broker\n")
    text = CONFIG.replace("\n[gateway]\n", "\n" + STORE + "[gateway]\noperation_port = {operation}\n", 1)
    text = text.replace(STORE, "").replace("[broker]\n", "[broker]\n" + STORE)
    made = Place(folder, text, KEYS, address=postgres.make("live"), operation=free_port())
    yield made
    made.stop()


def trade(api: httpx.Client, name: str) -> None:
    """CAROL sells to BOB."""
    for side, account in (("sell", "CAROL"), ("buy", "BOB")):
        answer = api.post("/v1/orders", json=order(f"{name}-{side}", side=side, account=account, price="150.00"))
        assert answer.status_code == 201, answer.text


def told(place: Place, *command: str) -> Any:
    arguments = [sys.executable, "-m", "brokerfix", *command, "--json", "--config", str(place.config)]
    return json.loads(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)


def metrics(place: Place) -> str:
    config = load(place.config)
    assert config.gateway is not None
    return httpx.get(f"http://127.0.0.1:{config.gateway.operation_port}/metrics").text


def test_commands_and_the_http_door_tell_what_happens(place: Place) -> None:
    with place.api() as api:
        trade(api, "first")
        assert api.post("/v1/orders", json=order("open", account="BOB")).status_code == 201
    until(lambda: len(told(place, "executions")) == 2)
    (row,) = told(place, "orders")
    assert (row["cl_ord_id"], row["price"], row["client"]) == ("open", "140.00", "DESK")
    # A door that opens now knows from the database what was before.
    place.stop_http()
    place.start_http()
    with place.api() as api:
        assert [one["account"] for one in api.get("/v1/executions").json()] == ["BOB", "CAROL"]
        assert len(api.get("/v1/orders", params={"status": "filled"}).json()) == 2
        assert {one["account"]: one["qty"] for one in api.get("/v1/positions").json()} == {"BOB": "10", "CAROL": "-10"}
    until(lambda: ask(place.folder / "data", {"action": "status"})["store"] == {
        "facts": 0, "seconds": 0.0, "trouble": "",
    })  # fmt: skip
    assert "brokerfix_store_up 1.0" in metrics(place)


def test_a_broker_does_not_notice_that_its_database_is_dead(
    place: Place, postgres: PostgresServer, tmp_path: Path
) -> None:
    data = place.folder / "data"
    postgres.stop(signal.SIGQUIT)
    try:
        with place.api() as api:
            for number in range(30):
                trade(api, f"dark-{number}")
            assert "try again" in problem(api.get("/v1/positions"), 503)
        status = ask(data, {"action": "status"})["store"]
        until(lambda: ask(data, {"action": "status"})["store"]["facts"] > 100)
        status = ask(data, {"action": "status"})["store"]
        assert status["seconds"] > 0
        assert f"@127.0.0.1:{postgres.port}/live: " in status["trouble"]
        assert "brokerfix_store_up 0.0" in metrics(place)
        shown = [sys.executable, "-m", "brokerfix", "status", "--config", str(place.config)]
        assert "s behind: postgresql://broker_live@127.0.0.1" in subprocess.check_output(shown, text=True)
    finally:
        postgres.start()
    until(lambda: ask(data, {"action": "status"})["store"] == {"facts": 0, "seconds": 0.0, "trouble": ""}, 60)
    log = (place.folder / "log").read_text()
    assert log.count("is the server running, and can it be reached from here?") == 1, "it is said once"
    assert "takes the journal again" in log
    assert "Traceback" not in log
    assert len(told(place, "executions", "--limit", "1000")) == 62
    place.broker.stop()
    shutil.copytree(data / "journal", tmp_path / "journal")
    projected(tmp_path).follow()
    config = tmp_path / "sqlite.toml"
    config.write_text(place.config.read_text().replace('data = "data"', f'data = "{tmp_path}"').replace(
        next(line for line in place.config.read_text().splitlines() if line.startswith("store = ")), "store = true"
    ).replace('store_password_file = "secret"\n', ""))  # fmt: skip
    found = rows(reading_of(load(place.config)))
    assert found == rows(reading_of(load(config)))
    assert len(found["executions"]) == 62
    place.broker.start()


def test_a_lag_is_an_alert_and_so_is_its_end(place: Place) -> None:
    lag = Lag(place.folder / "data", alert_seconds=0)
    lag.fails("postgresql://broker@db/desk: it is full")
    lag.tell()
    lag.tell()
    lag.caught_up()
    lag.tell()
    lag.tell()
    log = place.folder / "log"
    until(lambda: "ALERT STORE_CAUGHT_UP" in log.read_text())
    alerts = [line.split("ALERT ")[1] for line in log.read_text().splitlines() if "ALERT STORE" in line]
    assert len(alerts) == 2
    assert "the database has been behind for 0 s: postgresql://broker@db/desk: it is full" in alerts[0]
