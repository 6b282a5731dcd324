"""A broker that has lost its data folder goes on from a backup."""

import shutil
import signal
from pathlib import Path

from tests.live import Market, report, run_cli, until


def test_a_broker_goes_on_from_a_backup(tmp_path: Path) -> None:
    market = Market(tmp_path)
    market.start()
    try:
        alice = market.client("ALICE")
        alice.new_order("A1", "1", "1", "AAPL", "151.00")
        filled = report(alice, "A1", "F")
        alice.new_order("A2", "1", "5", "AAPL", "149.00")
        report(alice, "A2", "0")
        made = run_cli("backup", str(market.broker.config), str(tmp_path / "backup"))
        assert made.returncode == 0, made.stderr
        market.broker.stop(signal.SIGKILL)
        alice.close()
        # The killed broker's helpers write until they see that it is gone.
        until(lambda: not (shutil.rmtree(tmp_path / "broker", ignore_errors=True) or (tmp_path / "broker").exists()))
        restored = run_cli("restore", str(tmp_path / "backup"), str(market.broker.config))
        assert restored.returncode == 0, restored.stdout + restored.stderr
        assert "2 orders, 1 fills" in restored.stdout
        market.broker.start()
        # It had the session's numbers from the journal; what it has used without a record may be beyond them.
        alice.connect()
        alice.status("A1", "1", "AAPL")
        known = alice.receive_until(lambda m: m[35] == "8" and m.get(11) == "A1" and m[150] == "I")
        assert (known[39], known[37]) == ("2", filled[37])
        alice.cancel("A3", "A2", "1", "AAPL")
        assert report(alice, "A3", "4")[151] == "0"
        again = run_cli("restore", str(tmp_path / "backup"), str(market.broker.config))
        assert again.returncode == 1
        assert "there is a journal already" in again.stderr
    finally:
        market.stop()
