"""What clients ask of instruments, over real sockets and in every version."""

from collections.abc import Iterator

import pytest

from brokerfix.tools.client import Client, Message
from tests.live import UNSTORED, Market, desk

CLIENTS = """
[instruments.CALL]
price_digits = 2
qty_digits = 0
tick = "0.05"
lot = "1"
multiplier = 100
option = {{ right = "call", underlying = "AAPL", strike = "150.00" }}
[clients.OLD]
accounts = ["ALICE"]
fix = "FIX.4.2"
[clients.NEW]
accounts = ["ALICE"]
fix = "FIXT.1.1"
"""
VERSIONS = {"OLD": "FIX.4.2", "ALICE": "FIX.4.4", "NEW": "FIXT.1.1"}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    # The exchange has no options.
    broker = UNSTORED.replace('target = "XNAS"', 'target = "XNAS"\nsymbols = ["AAPL"]')
    market = Market(tmp_path_factory.mktemp("securities"), broker=broker + CLIENTS)
    market.start()
    yield market
    market.stop()


def client(market: Market, name: str) -> Client:
    return market.client(name, begin_string=VERSIONS[name])


def answer(trader: Client, message_type: str) -> Message:
    return trader.receive_until(lambda message: message[35] == message_type)


@pytest.mark.parametrize("name", ["ALICE", "NEW"])
def test_the_list_of_what_can_be_traded(market: Market, name: str) -> None:
    trader = client(market, name)
    trader.send("x", [(320, "L1"), (559, "4")])
    told = answer(trader, "y")
    assert (told[320], told[560], told[393]) == ("L1", "0", "2")
    tags = [(tag, value) for tag, value in trader.last if tag in (55, 231, 202, 461, 561)]
    assert sorted(value for tag, value in tags if tag == 55) == ["AAPL", "CALL"]
    option = tags[[value for _, value in tags].index("CALL") :]
    assert {(231, "100"), (202, "150.00"), (461, "OCXXXX"), (561, "1")} <= set(option)
    trader.send("x", [(320, "L2"), (559, "0"), (55, "AAPL")])
    assert answer(trader, "y")[393] == "1"
    trader.send("x", [(320, "L3"), (559, "0"), (55, "NOPE")])
    assert answer(trader, "y")[560] == "2"


@pytest.mark.parametrize("name", VERSIONS)
def test_what_an_instrument_is(market: Market, name: str) -> None:
    trader = client(market, name)
    trader.send("c", [(320, "D1"), (321, "0"), (55, "CALL")])
    told = answer(trader, "d")
    assert (told[320], told[323], told[231], told[202], told[58]) == ("D1", "1", "100", "150.00", "tick=0.05, lot=1")
    assert (393 in told) is (name == "OLD")
    trader.send("c", [(320, "D2"), (321, "0"), (55, "NOPE")])
    told = answer(trader, "d")
    assert (told[323], told[58]) == ("6", "UNKNOWN_SYMBOL: value=NOPE")
    trader.send("c", [(320, "D3"), (321, "0")])
    refused = answer(trader, "j")
    assert refused[58] == "Conditionally required tag missing, RefTagID=55"


@pytest.mark.parametrize("name", VERSIONS)
def test_an_instruments_status_and_its_changes(market: Market, name: str) -> None:
    trader = client(market, name)
    trader.send("e", [(324, "S1"), (263, "1"), (55, "AAPL")])
    assert answer(trader, "f")[326] == "17"
    desk(market, "halt", "symbol", "AAPL")
    told = answer(trader, "f")
    assert (told[324], told[325], told[326]) == ("S1", "Y", "2")
    desk(market, "resume", "symbol", "AAPL")
    assert answer(trader, "f")[326] == "17"
    trader.send("e", [(324, "S1"), (263, "2"), (55, "AAPL")])
    trader.send("e", [(324, "S2"), (263, "0"), (55, "NOPE")])
    told = answer(trader, "f")
    assert (told[324], told[326]) == ("S2", "20")
    desk(market, "halt", "symbol", "AAPL")
    desk(market, "resume", "symbol", "AAPL")
    trader.send("e", [(324, "S3"), (263, "0"), (55, "CALL")])
    assert answer(trader, "f")[324] == "S3", "of the one that has ended nothing has come"
