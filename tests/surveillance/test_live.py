"""A running broker with surveillance: what a client does is found, and what people make of it is on record."""

import getpass
import json
import os
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerfix.cli import main
from brokerfix.operate.admin import ActionRefused, ask
from brokerfix.record.audit import verify
from brokerfix.surveillance.process import LOCK
from brokerfix.surveillance.reading import alerts
from tests.live import UNSTORED, Market, report, until

SURVEILLANCE = """
[surveillance]
quiet_seconds = 0
"""


def cli(market: Market, *arguments: str) -> str:
    return CliRunner().invoke(main, [*arguments, "--config", str(market.broker.config)]).output


def trade_with_oneself(market: Market, number: int) -> None:
    """ALICE's offer is at the exchange, and ALICE takes it there."""
    alice = market.client("ALICE")
    alice.new_order(f"S{number}", "2", "10", "AAPL", "150.00")
    report(alice, f"S{number}", "0")
    alice.new_order(f"B{number}", "1", "10", "AAPL", "150.00")
    report(alice, f"B{number}", "F")


def test_from_a_trade_to_its_disposition(tmp_path: Path) -> None:
    market = Market(tmp_path, broker=UNSTORED + SURVEILLANCE)
    market.start()
    data = tmp_path / "broker"
    try:
        trade_with_oneself(market, 1)
        until(lambda: ask(data, {"action": "surveillance"})["open"] == 1)
        (one,) = alerts(data)
        assert (one["rule"], one["accounts"], one["status"]) == ("wash-trades", ["ALICE"], "open")
        shown = cli(market, "surveillance", "show", one["alert"])
        assert "ALICE sends S1 for account ALICE: sell 10 AAPL at 150.00, DAY" in shown
        assert "XNAS fills 10 AAPL at 150.00 of ALICE's order" in shown
        dispose = "surveillance", "dispose", one["alert"]
        assert "a text is needed" in cli(market, *dispose, "closed-no-issue")
        assert cli(market, *dispose, "escalated", "--text", "ask ALICE") == f"{one['alert']}: escalated\n"
        # The process that looks is killed, and the broker starts it again: nothing is raised twice.
        os.kill(int((data / LOCK).read_text()), signal.SIGKILL)
        trade_with_oneself(market, 2)
        until(lambda: ask(data, {"action": "surveillance"})["open"] == 2)
        first, second = json.loads(cli(market, "surveillance", "--open", "--json"))
        assert (first["alert"], first["status"], first["by"], first["why"]) == (
            one["alert"], "escalated", getpass.getuser(), "ask ALICE",
        )  # fmt: skip
        ask(data, {"action": "dispose-alert", "alert": second["alert"], "status": "reported", "text": "a test"})
        assert [row["alert"] for row in alerts(data, only_open=True)] == [first["alert"]]
        assert "surveillance: 1 alert waits for a person" in cli(market, "status")
        with pytest.raises(ActionRefused, match="there is no alert wash-trades-1"):
            ask(data, {"action": "dispose-alert", "alert": "wash-trades-1", "status": "reviewing"})
    finally:
        market.stop()
    verify(data / "journal")
    assert (data / "surveillance.kept").exists()
