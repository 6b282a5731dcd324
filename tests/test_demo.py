"""The demo's own parts."""

from contextlib import nullcontext

import pytest

from brokerfix.tools import demo
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
