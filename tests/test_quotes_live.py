"""Quotes to clients over sockets, in every version: a broker with a market maker, an exchange, clients that are not
QuickFIX, and what the journal says afterwards."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from brokerfix.record.audit import verify
from brokerfix.tools.client import Client, Message, utc_now
from tests.live import Market, desk, report, until

VERSIONS = {"C42": "FIX.4.2", "C44": "FIX.4.4", "C50": "FIXT.1.1"}
BROKER = """
[broker]
name = "BROKER"
port = {port}
data = "broker"
store = false
record_interval_ms = 50
{instrument}
[accounts.ALICE]
cash = "1000000000"
[accounts.MM]
cash = "1000000000"
[clients.ALICE]
accounts = ["ALICE"]
[venues.XNAS]
host = "127.0.0.1"
port = {venue_port}
sender = "BROKER"
target = "XNAS"
[makers.MM]
account = "MM"
rfq_seconds = 60
tiers = [{{ clients = ["C42", "C44", "C50"], spread = "0.02", size = "0.01", most = 5 }}]
[makers.MM.quotes.AAPL]
size = "100"
most_long = "1000000"
most_short = "-1000000"
bid_spread = "0.03"
ask_spread = "0.03"
max_reference_age_ms = 60000
""" + "".join(f'[clients.{name}]\nfix = "{fix}"\naccounts = ["ALICE"]\n' for name, fix in VERSIONS.items())
AAPL = [(146, 1), (55, "AAPL")]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """The exchange shows 149.90 to 150.10: quotes of one size are 149.95 to 150.05."""
    market = Market(tmp_path_factory.mktemp("quotes"), broker=BROKER)
    market.start()
    lp = market.client("LP", market.exchange, "XNAS")
    lp.new_order("bid", "1", "5000", "AAPL", "149.90")
    lp.new_order("ask", "2", "5000", "AAPL", "150.10")
    alice = market.client("ALICE")
    alice.subscribe("maker", ["AAPL"])
    alice.receive_until(lambda m: m[35] in "WX" and (270, "149.97") in alice.last and m[262] == "maker")
    yield market
    market.stop()


def client_of(market: Market, name: str) -> Client:
    client = market.client(name, begin_string=VERSIONS[name])
    market.drain(client)
    return client


def kind(client: Client, *kinds: str) -> Message:
    return client.receive_until(lambda message: message[35] in kinds)


def quote_of(client: Client, req_id: str, *more: tuple[int, str]) -> Message:
    client.send("R", [(131, req_id), *AAPL, *more])
    return client.receive_until(lambda message: message[35] == "S" and message[131] == req_id)


def take(client: Client, quote_id: str, cl_ord_id: str, side: str, qty: str) -> None:
    client.new_order(cl_ord_id, side, qty, "AAPL", t40="D", t117=quote_id)


def in_a_while(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


@pytest.mark.parametrize("name", VERSIONS)
def test_a_quote_is_asked_for_and_taken_by_an_order(market: Market, name: str) -> None:
    client = client_of(market, name)
    quote = quote_of(client, f"{name}-1", (38, "150"))
    assert (quote[132], quote[134], quote[133], quote[135]) == ("149.94", "150", "150.06", "150")
    assert quote[62] > utc_now()
    assert quote.get(537) == (None if name == "C42" else "1")
    take(client, quote[117], f"{name}-o1", "1", "100")
    fill = report(client, f"{name}-o1", "2" if name == "C42" else "F")
    assert (fill[39], fill[31], fill[32], fill[40], fill[14]) == ("2", "150.06", "100", "D", "100")
    take(client, quote[117], f"{name}-o2", "2", "100")
    more = report(client, f"{name}-o2", "8")
    assert (more[39], more[103]) == ("8", "0" if name == "C42" else "13")
    assert more[58] == "QUANTITY: limit=50, value=100"


@pytest.mark.parametrize("name", VERSIONS)
def test_no_quote_says_why(market: Market, name: str) -> None:
    client = client_of(market, name)
    client.send("R", [(131, f"{name}-2"), (146, 2), (55, "AAPL"), (54, "1"), (38, "501"), (55, "NONE")])
    answer = "b" if name == "C42" else "AG"
    large, unknown = kind(client, answer), kind(client, answer)
    assert (large[131], large[58]) == (f"{name}-2", "SIZE: limit=500, value=501")
    if name == "C42":
        assert (large[297], large[300], unknown[300]) == ("5", "3", "1")
    else:
        assert (large[658], large[146], large[55], large[54]) == ("3", "1", "AAPL", "1")
        assert (unknown[658], unknown[55]) == ("1", "NONE")
    client.send("R", [(131, f"{name}-2"), *AAPL], header=[(97, "Y")])
    again = kind(client, answer), kind(client, answer)
    assert [one[58] for one in again] == [large[58], unknown[58]], "the same again has the same answer"
    client.send("R", [(131, f"{name}-2"), *AAPL])
    assert kind(client, answer)[58] == f"DUPLICATE: QuoteReqID={name}-2"


@pytest.mark.parametrize("name", ["C44", "C50"])
def test_a_quote_is_hit_countered_and_passed_on(market: Market, name: str) -> None:
    client = client_of(market, name)
    quote = quote_of(client, f"{name}-3", (54, "2"))
    assert (quote[132], quote.get(133)) == ("149.95", None)
    client.send("AJ", [(693, "A1"), (117, quote[117]), (694, "1"), (11, f"{name}-h"), (55, "AAPL"), (54, "2")])
    fill = report(client, f"{name}-h", "F")
    assert (fill[39], fill[31], fill[14], fill[693]) == ("2", "149.95", "100", "A1")
    quote = quote_of(client, f"{name}-4")
    counter = [(117, quote[117]), (694, "2"), (11, f"{name}-c"), (55, "AAPL"), (54, "1"), (38, "50")]
    client.send("AJ", [(693, "A2"), *counter, (133, "150.01")])
    other = kind(client, "S")
    assert (other[693], other[131], other[133], other[135]) == ("A2", f"{name}-4", "150.05", "50")
    assert other.get(132) is None
    assert other[117] != quote[117]
    counter[0] = (117, other[117])
    client.send("AJ", [(693, "A3"), *counter, (133, "150.05")])
    assert report(client, f"{name}-c", "F")[31] == "150.05"
    passed = quote_of(client, f"{name}-5")
    client.send("AJ", [(693, "A4"), (117, passed[117]), (694, "6"), (55, "AAPL")])
    status = kind(client, "AI")
    assert (status[297], status[117], status[693]) == ("11", passed[117], "A4")
    client.send("AJ", [(693, "A5"), (117, "nothing"), (694, "6"), (55, "AAPL")])
    status = kind(client, "AI")
    assert (status[297], status[117], status[693]) == ("9", "nothing", "A5")


@pytest.mark.parametrize("name", ["C44", "C50"])
def test_a_late_acceptance_is_refused(market: Market, name: str) -> None:
    client = client_of(market, name)
    quote = quote_of(client, f"{name}-6", (62, in_a_while(0.3)))
    until(lambda: utc_now() > quote[62])
    take(client, quote[117], f"{name}-late", "1", "100")
    late = report(client, f"{name}-late", "8")
    assert (late[39], late[103]) == ("8", "4")
    assert late[58].startswith("QUOTE_EXPIRED")
    client.send("AJ", [(693, "A6"), (117, quote[117]), (694, "6"), (55, "AAPL")])
    assert kind(client, "AI")[297] == "7"
    assert "QUOTE_EXPIRED" in desk(market, "explain", late[37])


@pytest.mark.parametrize("name", VERSIONS)
def test_a_halt_of_the_maker_takes_its_quotes_back(market: Market, name: str) -> None:
    client = client_of(market, name)
    quote = quote_of(client, f"{name}-7")
    desk(market, "halt", "client", "MM")
    back = client.receive_until(lambda message: message[35] == "Z" and message[131] == f"{name}-7")
    assert (back[117], back[298], back[55]) == (quote[117], "5" if name == "C50" else "1", "AAPL")
    take(client, quote[117], f"{name}-gone", "1", "100")
    gone = report(client, f"{name}-gone", "8")
    assert (gone[103], gone[58].split(":")[0]) == ("4", "QUOTE_CANCELED")
    desk(market, "resume", "client", "MM")
    until(lambda: _is_quoted(client, name))


def _is_quoted(client: Client, name: str) -> bool:
    client.send("R", [(131, f"{name}-w{client.next_out}"), *AAPL])
    return kind(client, "S", "AG", "b")[35] == "S"


def test_quotes_outlive_a_broker_that_is_killed(market: Market) -> None:
    client = client_of(market, "C44")
    quote = quote_of(client, "K1")
    client.close()
    market.broker.stop(signal.SIGKILL)
    market.broker.start()
    client = market.client("C44", begin_string="FIX.4.4")
    take(client, quote[117], "K1-o", "2", "60")
    assert report(client, "K1-o", "F")[31] == "149.95"
    client.send("R", [(131, "K1"), *AAPL], header=[(97, "Y")])
    assert client.receive_until(lambda m: m[35] == "S" and m[131] == "K1")[134] == "40"


def test_the_journal_says_the_same(market: Market) -> None:
    """Runs last."""
    story = desk(market, "explain", _last_order(market))
    assert "of quote " in story
    assert "of MM (149.95 bid, 150.05 offered) at 149.95, which was priced by a mid of 150.000" in story
    market.broker.stop()
    assert verify(market.folder / "broker" / "journal")[0].problems == []


def _last_order(market: Market) -> str:
    client = market.client("C44", begin_string="FIX.4.4")
    client.status("K1-o", "2", "AAPL")
    return report(client, "K1-o", "I")[37]
