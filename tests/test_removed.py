"""An exchange that was taken out of the configuration, and fills of orders that have left the broker's memory: what an
operator can do about them, over real sockets."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerfix.operate.admin import ask
from tests.live import Market, desk, report, rows, run_cli, until


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    market = Market(tmp_path)
    text = market.broker.config.read_text()
    market.broker.config.write_text(text.replace("[broker]", '[broker]\nsession_reset = "never"'))
    market.start()
    yield market
    market.stop()


def test_trial_9_what_a_removed_exchange_holds_is_told_and_resolved(market: Market) -> None:
    alice = market.client("ALICE")
    alice.new_order("C1", "1", "100", "AAPL", "140.00")
    report(alice, "C1", "0")
    until(lambda: bool(rows(market, "select 1 from child_orders where venue = 'XNAS'")))
    assert "XNAS" in desk(market, "orders")
    alice.logout()
    market.broker.stop()
    text = market.broker.config.read_text()
    market.broker.config.write_text(text[: text.index("[venues.XNAS]")])

    told = run_cli("check", str(market.broker.config)).stdout
    found = re.search(r"exchange XNAS is no longer configured, but may hold 1 of our orders \((\d+-\d+-\d+)\)", told)
    assert found is not None, told
    market.broker.start()
    until(lambda: found[0] in market.broker.log.read_text())

    alice = market.client("ALICE")
    alice.cancel("X1", "C1", "1", "AAPL")
    assert report(alice, "X1", "6")[39] == "6"
    refused = run_cli("orders", "resolve", found[1], "--config", str(market.broker.config))
    assert "filled how much at what price, or canceled?" in refused.stderr
    desk(market, "orders", "resolve", found[1], "--filled", "30@139.95", "--canceled", "--text", "Ms Lee, 10:05")
    filled = report(alice, "C1", "F")
    assert (filled[32], filled[31], filled[30]) == ("30", "139.95", "XNAS")
    canceled = report(alice, "X1", "4")
    assert (canceled[39], canceled[14], canceled[151]) == ("4", "30", "0")
    assert "no longer configured" not in run_cli("check", str(market.broker.config)).stdout
    assert run_cli("verify", str(market.folder / "broker")).returncode == 0


def test_trial_17_a_fill_of_an_order_that_has_left_the_memory_is_busted_by_its_terms(market: Market) -> None:
    alice = market.client("ALICE")
    alice.new_order("C1", "1", "1", "AAPL", "151.00", tif="3")
    filled = report(alice, "C1", "F")
    until(lambda: bool(rows(market, f"select 1 from executions where exec_id = '{filled[17]}'")))
    assert filled[17] in desk(market, "executions")
    for _ in range(2):
        desk(market, "roll")
        until(lambda: not ask(market.folder / "broker", {"action": "status"})["jobs"])
    assert json.loads(desk(market, "status", "--json"))["orders"] == 0
    assert "taken back" in desk(market, "trades", "bust", filled[17], "--text", "erroneous")
    busted = report(alice, "C1", "H")
    assert (busted[19], busted[37], busted[14], busted[39]) == (filled[17], filled[37], "0", "4")
    until(lambda: bool(rows(market, "select 1 from positions where qty = '0'")))
    assert not json.loads(desk(market, "positions", "--json"))[0]["qty"].strip("0.")
    again = run_cli("trades", "bust", filled[17], "--config", str(market.broker.config))
    assert again.returncode == 1
    assert run_cli("verify", str(market.folder / "broker")).returncode == 0


def test_trial_20_the_loops_longest_pause_is_told(market: Market) -> None:
    told = json.loads(desk(market, "status", "--json"))
    assert 0 < told["pause_ms"]["last_minute"] <= told["pause_ms"]["since_start"]
    assert re.search(r"longest turn: [\d.]+ ms of the last minute", desk(market, "status"))
