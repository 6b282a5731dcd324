"""A drop-copy session beside an exchange's own, over sockets."""

import json
from collections.abc import Iterator

import pytest

from brokerfix.facts import BreakResolved, ReconcileBegun
from brokerfix.operate.admin import ask
from brokerfix.record.journal import read
from tests.live import EXCHANGE, UNSTORED, Market, desk, report, until

COPIES = '\n[clients.COPY]\naccounts = ["ALL"]\ndrop_copy = ["BROKER", "LP"]\n'
SESSION = """
[venues.COPY]
host = "127.0.0.1"
port = {venue_port}
sender = "COPY"
target = "XNAS"
drop_copy = true
"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    broker = UNSTORED.replace("record_interval_ms = 50", "record_interval_ms = 50\nreconcile_seconds = 2")
    market = Market(tmp_path_factory.mktemp("breaks"), EXCHANGE + COPIES, broker + SESSION)
    market.start()
    yield market
    market.stop()


def open_breaks(market: Market) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = ask(market.folder / "broker", {"action": "breaks"})["breaks"]
    return rows


def test_fills_that_both_sessions_tell_are_no_breaks_and_others_are(market: Market) -> None:
    alice, lp = market.client("ALICE"), market.client("LP", market.exchange, "XNAS")
    alice.new_order("F1", "1", "1", "AAPL", "151.00")
    assert report(alice, "F1", "F")[14] == "1"
    # The exchange tells us of trades that are not ours: somebody there takes others' orders for ours.
    lp.new_order("S1", "2", "7", "AAPL", "155.00")
    lp.new_order("S2", "1", "7", "AAPL", "155.00")
    # The counterpart of our first fill is one of them too.
    until(lambda: len(open_breaks(market)) == 3)
    found = json.loads(desk(market, "breaks", "--json"))
    assert found == open_breaks(market)
    assert {(one["exchange"], one["code"]) for one in found} == {("COPY", "COPY_ONLY")}
    assert sum("7 (scaled) of an order that is not ours" in one["what"] for one in found) == 2
    for one in found:
        desk(market, "breaks", "resolve", one["number"], "--text", "the exchange has mended its routing")
    assert open_breaks(market) == []
    alice.new_order("F2", "1", "5", "AAPL", "140.00")
    report(alice, "F2", "0")

    def facts() -> list[object]:
        return [fact for record in read(market.folder / "broker" / "journal") for fact in record.facts]

    assert sum(isinstance(fact, BreakResolved) for fact in facts()) == 3
    until(lambda: any(isinstance(fact, ReconcileBegun) and fact.venue == "XNAS" for fact in facts()))
    assert open_breaks(market) == [], "what the exchange says of all that it holds is what we have"
