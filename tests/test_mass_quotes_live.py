"""Quotes of a client over real sockets, in each version: a broker that matches in its own book, a client that quotes
and one that trades, neither of which is QuickFIX."""

from collections.abc import Iterator

import pytest

from brokerfix.record.audit import verify
from brokerfix.tools.client import Client, Message
from brokerfix.tools.demo import free_port
from tests.live import Processes, run_cli, until

VERSIONS = {"MM42": "FIX.4.2", "MM44": "FIX.4.4", "MM50": "FIXT.1.1"}
SYMBOLS = {"MM42": "OLD", "MM44": "MID", "MM50": "NEW"}
"""Each quotes a symbol of its own."""
INSTRUMENT = """
[instruments.{}]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
reference = "150.00"
"""
BROKER = """
[broker]
name = "BROKER"
port = {port}
data = "broker"
store = false
[accounts.ALL]
cash = "1000000000"
[clients.TAKER]
accounts = ["ALL"]
"""
QUOTER = """
[accounts.{name}]
cash = "1000000000"
[clients.{name}]
accounts = ["{name}"]
fix = "{fix}"
[clients.{name}.quoting]
symbols = ["{symbol}"]
protection = {{ window_ms = 60000, qty = "150" }}
"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    port = free_port()
    text = BROKER.format(port=port) + "".join(INSTRUMENT.format(symbol) for symbol in SYMBOLS.values())
    text += "".join(QUOTER.format(name=name, fix=fix, symbol=SYMBOLS[name]) for name, fix in VERSIONS.items())
    made = Processes(tmp_path_factory.mktemp("quotes"), {"BROKER": port}, {"BROKER": text})
    made.start()
    yield made
    made.stop()
    checked, _ = verify(made.folder / "broker" / "journal")
    assert checked.orders
    assert checked.problems == []


class Maker:
    """A client that quotes one symbol."""

    def __init__(self, market: Processes, name: str) -> None:
        self.client = market.client(name, begin_string=VERSIONS[name])
        self.symbol, self.is_42 = SYMBOLS[name], name == "MM42"
        market.drain(self.client)

    def quote(self, quote_id: str, *prices: tuple[str, str], size: str = "100", level: str = "2") -> Message:
        """Send a MassQuote with an entry for each (bid, offer). Returns its acknowledgement."""
        body = [(117, quote_id), (301, level), (296, "1"), (302, "A"), (311, self.symbol), (304, len(prices))]
        body.append((295, len(prices)))
        for number, (bid, offer) in enumerate(prices, 1):
            body += [(299, f"{number}"), (55, self.symbol), (132, bid), (133, offer), (134, size), (135, size)]
        self.client.send("i", body)
        return self.client.receive_until(lambda m: m[35] in "bjAI3" and m.get(117, quote_id) == quote_id)

    def cancel_all(self, quote_id: str) -> Message:
        self.client.send("Z", [(117, quote_id), (298, "4"), (295, "1"), (55, self.symbol)])
        return self.status()

    def status(self) -> Message:
        """The next report on quotes."""
        return self.client.receive_until(lambda m: m[35] == ("b" if self.is_42 else "AI"))

    def fill(self) -> Message:
        exec_types = ("1", "2") if self.is_42 else ("F",)
        return self.client.receive_until(lambda m: m[35] == "8" and m[150] in exec_types)


def taken(market: Processes, name: str, side: str, qty: str, symbol: str, price: str) -> Message:
    """What an order that takes or goes was told last."""
    taker = market.client("TAKER")
    taker.new_order(name, side, qty, symbol, price, tif="3")
    return taker.receive_until(lambda m: m[35] == "8" and m.get(11) == name and m[39] in "248")


def top(market: Processes, symbol: str) -> list[tuple[int, str]]:
    """The prices and sizes that the broker shows of a symbol."""
    taker: Client = market.client("TAKER")
    name = f"md-{taker.next_out}"
    taker.send("V", [(262, name), (263, "0"), (264, "0"), (267, "2"), (269, "0"), (269, "1"), (146, "1"), (55, symbol)])
    taker.receive_until(lambda m: m[35] == "W" and m[262] == name)
    return [(tag, value) for tag, value in taker.last if tag in (270, 271)]


@pytest.mark.parametrize("name", VERSIONS)
def test_quotes_live_trade_and_go(market: Processes, name: str) -> None:
    maker = Maker(market, name)
    symbol = maker.symbol
    ack = maker.quote("Q1", ("149.90", "150.10"), ("149.80", "150.20"))
    assert (ack[35], ack[297], ack.get(300)) == ("b", "0", None)
    assert [value for tag, value in maker.client.last if tag == 299] == ["1", "2"]
    assert sorted(top(market, symbol)) == sorted(
        [*((270, price) for price in ("149.90", "149.80", "150.10", "150.20")), *[(271, "100")] * 4]
    )
    # Entry 2 would cross the offer of entry 1, which stays.
    ack = maker.quote("Q2", ("149.91", "150.10"), ("150.10", "150.30"))
    assert (ack[297], ack[58]) == ("0", "POST_ONLY: it would take at its price")
    assert [value for tag, value in maker.client.last if tag == 368] == ["8"]
    assert taken(market, f"{name}-1", "1", "60", symbol, "150.10")[14] == "60"
    fill = maker.fill()
    assert (fill[32], fill[31], fill[151], fill[117], fill[302], fill[299]) == ("60", "150.10", "40", "Q2", "A", "1")
    # 90 more may be filled until 150 are: of the 140 that are there, no more are to be had.
    assert taken(market, f"{name}-2", "1", "200", symbol, "151.00")[14] == "90"
    assert [maker.fill()[32], maker.fill()[32]] == ["40", "50"]
    pull = maker.status()
    assert (pull[297], pull[58].partition(";")[0]) == ("4", "PROTECTION: quantity: limit=150, value=150, in 60 s")
    assert top(market, symbol) == []
    refused = maker.quote("Q3", ("149.90", "150.10"), level="1")
    assert (refused[297], refused[58].partition(":")[0]) == ("5", "PROTECTION")
    assert maker.cancel_all("Z1")[297] == "4"
    assert maker.quote("Q4", ("149.90", "150.10"))[297] == "5", "a cancel is no reset unless it names the report"
    assert maker.cancel_all(pull[117])[58].endswith("RESET: protection")
    assert maker.quote("Q5", ("149.90", "150.10"))[297] == "0"
    maker.client.send("a", [(55, symbol), *([] if maker.is_42 else [(649, "R1")])])
    told = maker.status()
    assert (told[117], told[297]) == ("Q5", "0")
    if maker.is_42:
        assert told[58] == "bid 100@149.90 offer 100@150.10"
    else:
        assert (told[649], told[132], told[135], told[299]) == ("R1", "149.90", "100", "1")
    assert maker.cancel_all("Z2")[297] == "4"
    assert top(market, symbol) == []


@pytest.mark.parametrize("name", VERSIONS)
def test_a_single_quote_by_its_name(market: Processes, name: str) -> None:
    maker = Maker(market, name)
    terms = [(55, maker.symbol), (132, "148.00"), (133, "152.00"), (134, "10"), (135, "10")]
    maker.client.send("S", [(117, "one"), (301, "2"), *terms])
    told = maker.status()
    assert (told[117], told[297]) == ("one", "0")
    maker.client.send("Z", [(117, "one"), (298, "5"), *([(295, "1"), (55, maker.symbol)] if maker.is_42 else [])])
    assert maker.status()[297] == "1"
    assert top(market, maker.symbol) == []


@pytest.mark.parametrize("name", VERSIONS)
def test_quotes_go_with_their_session_and_the_client_is_told_when_it_is_back(market: Processes, name: str) -> None:
    maker = Maker(market, name)
    assert maker.quote("Q9", ("147.00", "153.00"))[297] == "0"
    assert top(market, maker.symbol)
    maker.client.close()
    until(lambda: top(market, maker.symbol) == [])
    maker.client.connect()
    pull = maker.status()
    assert (pull[297], pull[58]) == ("4", "DISCONNECTED: the session was lost")
    assert maker.quote("Q10", ("147.00", "153.00"))[297] == "0"


def test_who_may_not_quote_is_told_so(market: Processes) -> None:
    taker = market.client("TAKER")
    market.drain(taker)
    taker.send("S", [(117, "one"), (55, "MID"), (132, "148.00"), (134, "10")])
    told = taker.receive_until(lambda m: m[35] == "AI")
    assert (told[297], told[58]) == ("5", "NOT_AUTHORIZED: TAKER may not quote")


def test_the_desk_stops_and_starts_a_client_as_it_does_a_maker(market: Processes) -> None:
    def making(command: str, *words: str) -> str:
        done = run_cli("making", command, str(market.broker.config), "MM44", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    maker = Maker(market, "MM44")
    assert making("start") == "MM44: runs already\n"
    assert making("stop") == "MM44: stopped\n"
    assert "MM44: does not quote yet: STOPPED: by an operator" in making("start", "MID")
    assert maker.quote("STOPPED", ("149.90", "150.10"))[297] == "5"
    assert making("start") == "MM44: started\n"
    assert maker.quote("STARTED", ("149.90", "150.10"))[297] == "0"
