"""Market data over sockets, to clients and from an exchange: by exchange, statistics, entitlements, slow readers."""

from collections.abc import Iterator

import pytest

from brokerfix.live.readers import PROBE_EVERY
from brokerfix.tools.client import Client, Message, pairs_of
from tests.live import EXCHANGE, UNSTORED, Market, Wire, connected, report

TWO = """
[instruments.MSFT]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
"""
NUMBERED = EXCHANGE.replace('accounts = ["ALL"]\n[clients.LP]', 'accounts = ["ALL"]\nrpt_seq = true\n[clients.LP]')
OPTIONS = UNSTORED.replace(
    'accounts = ["BOB"]\nusername', 'market_data = ["MSFT"]\naccounts = ["BOB"]\nusername'
).replace("[clients.BOB]", "rpt_seq = true\n[clients.BOB]")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    market = Market(tmp_path_factory.mktemp("data"), NUMBERED + TWO, OPTIONS + TWO)
    market.start()
    yield market
    market.stop()


@pytest.fixture
def alice(market: Market) -> Client:
    client = market.client("ALICE")
    market.drain(client)
    return client


@pytest.fixture
def lp(market: Market) -> Client:
    client = market.client("LP", market.exchange, "XNAS")
    market.drain(client)
    return client


def ask(
    client: Client, md_req_id: str, *types: str, symbol: str = "AAPL", aggregated: str = "Y", kind: str = "1"
) -> None:
    head = [(262, md_req_id), (263, kind), (264, 0), (265, 1), (266, aggregated)]
    client.send("V", [*head, (146, 1), (55, symbol), (267, len(types)), *((269, one) for one in types)])


def entry(client: Client, md_req_id: str, **wanted: str) -> Message:
    """The next entry that has these values, tag by tag as t270="130.00"."""
    values = {int(tag[1:]): value for tag, value in wanted.items()}
    while True:
        message = client.receive_until(lambda m: m[35] in "WX" and m[262] == md_req_id)
        for one in pairs_of(client.last, 269 if message[35] == "W" else 279):
            if values.items() <= one.items():
                return one


def test_books_by_exchange_name_each_ones_part(alice: Client, lp: Client) -> None:
    lp.new_order("v1", "1", "70", "AAPL", "130.00")
    report(lp, "v1", "0")
    alice.new_order("v2", "1", "30", "AAPL", "130.00", t18="6")
    ask(alice, "together", "0")
    entry(alice, "together", t270="130.00", t271="100")
    ask(alice, "apart", "0", aggregated="N")
    # ALICE's order rests at the exchange as well: it is its only place.
    assert entry(alice, "apart", t270="130.00", t275="XNAS")[271] == "100"
    alice.cancel("v3", "v2", "1", "AAPL")
    lp.cancel("v4", "v1", "1", "AAPL")
    assert entry(alice, "apart", t279="2", t270="130.00")[275] == "XNAS"


def test_statistics_of_the_day_in_both_kinds_of_message(alice: Client, lp: Client) -> None:
    ask(alice, "day", "4", "7", "8", "9", "B")
    alice.receive_until(lambda m: m[35] == "W" and m[262] == "day")
    for name, price in (("s1", "150.00"), ("s2", "150.30")):
        lp.new_order(name, "2", "10", "AAPL", price)
        report(lp, name, "0")
        lp.new_order(f"{name}-b", "1", "10", "AAPL", price, t59="3")
        report(lp, f"{name}-b", "F")
    entry(alice, "day", t269="B", t271="20")
    ask(alice, "day-2", "4", "7", "8", "9", "B", kind="0")
    alice.receive_until(lambda m: m[35] == "W" and m[262] == "day-2")
    told = {one[269]: (one.get(270), one.get(271)) for one in pairs_of(alice.last, 269)}
    assert told == {
        "4": ("150.00", None),
        "7": ("150.30", None),
        "8": ("150.00", None),
        "9": ("150.15", None),
        "B": (None, "20"),
    }


def test_entries_are_numbered_for_who_wants_it(alice: Client, lp: Client) -> None:
    ask(alice, "numbered", "0")
    start = int(alice.receive_until(lambda m: m[35] == "W" and m[262] == "numbered")[83])
    lp.new_order("n1", "1", "5", "AAPL", "131.00")
    first = entry(alice, "numbered", t270="131.00")
    lp.cancel("n2", "n1", "1", "AAPL")
    assert (int(first[83]), entry(alice, "numbered", t279="2")[83]) == (start + 1, str(start + 2))


def test_a_symbol_that_a_client_may_not_see(market: Market) -> None:
    bob = Client("BOB", "BROKER", "127.0.0.1", market.broker.port, password="correct horse", username="bob")
    bob.connect(reset=True)
    ask(bob, "no", "0")
    refused = bob.receive_until(lambda m: m[35] == "Y")
    assert (refused[281], refused[58]) == ("3", "NOT_ENTITLED: market data of AAPL are not for BOB")
    ask(bob, "yes", "0", symbol="MSFT")
    assert bob.receive_until(lambda m: m[35] in "WY")[35] == "W"
    bob.close()


def test_a_reader_that_does_not_answer_is_told_no_more_and_then_what_is_so(market: Market, lp: Client) -> None:
    """A client who reads nothing has twice PROBE_EVERY messages unread at most; when it has read them it gets what the
    market is then."""
    market.client("ALICE").close()
    slow = Wire(connected(market.broker.port), "ALICE")
    slow.logon(1, (141, "Y"))
    slow.send(
        "V", 2, (262, "slow"), (263, "1"), (264, "0"), (265, "1"), (146, "1"), (55, "AAPL"), (267, "1"), (269, "0")
    )
    number, probes, told = 2, list[str](), 0
    while slow.read_until("W") == {}:
        raise AssertionError("no snapshot")
    told, sent = 1, 0
    while not probes or told < 2 * PROBE_EVERY:
        sent += 1
        lp.new_order(f"slow-{sent}", "1", str(sent), "AAPL", "120.00")
        report(lp, f"slow-{sent}", "0")
        message = slow.read()
        told += message[35] == "X"
        if message[35] == "1":
            probes.append(message[112])
    assert (len(probes), told) == (1, 2 * PROBE_EVERY)
    for more in range(3):
        lp.new_order(f"more-{more}", "1", "1", "AAPL", "119.00")
        report(lp, f"more-{more}", "0")
    other = market.client("LP", market.exchange, "XNAS")
    assert other is lp
    slow.send("0", number + 1, (112, probes[0]))
    told = 0
    while (271, "3") not in slow.last:
        told += slow.read()[35] == "X"
    # What was between is not told any more: the changes since are three at most.
    assert 1 <= told <= 3
    assert [pair for pair in slow.last if pair[0] == 270][-1] == (270, "119.00")
    slow.socket.close()
