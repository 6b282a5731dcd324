"""Trial 29: what is done before the first order comes, so that it does not wait for a start."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerfix.domain import OrdStatus
from brokerfix.process.warm import warm_up
from brokerfix.tools.trader import Trader
from tests.live import Market


def test_the_throw_away_orders_go_the_whole_way() -> None:
    orders = warm_up(3).orders.values()
    assert [order.status for order in orders] == [OrdStatus.FILLED, OrdStatus.CANCELED] * 3


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    market = Market(tmp_path)
    yield market
    market.stop()


def test_the_projection_leaves_the_processor_to_orders(market: Market) -> None:
    market.start()
    broker = int((market.folder / "broker" / "lock").read_text())
    children = Path(f"/proc/{broker}/task/{broker}/children").read_text().split()
    assert {os.getpriority(os.PRIO_PROCESS, int(child)) for child in children} == {10}


def test_the_screen_is_not_drawn_while_an_order_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    trader = Trader("ALICE", 1, seed=0)
    monkeypatch.setattr(trader.client, "_socket", None)
    now = time.monotonic()
    assert not trader.is_waiting(now)
    trader._new()
    assert trader.is_waiting(now)
    report = {35: "8", 11: trader.sent[-1], 17: "1", 37: "1", 150: "8", 39: "8", 151: "0"}
    trader._report(report)
    assert not trader.is_waiting(now)
    trader._new()
    assert not trader.is_waiting(now + 1.0)
