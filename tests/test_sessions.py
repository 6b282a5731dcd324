"""Real sessions over loopback TCP: the broker, an exchange, and clients that are not QuickFIX."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from brokerfix.tools.client import Client, Disconnected, Message, pairs_of, utc_now
from tests import bad_input
from tests.live import SECRET, UNSTORED, Market, files_with, listening, run_cli


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    market = Market(tmp_path_factory.mktemp("market"))
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
    """A client of the exchange itself, who provides liquidity."""
    client = market.client("LP", market.exchange, "XNAS")
    market.drain(client)
    return client


def report(client: Client, cl_ord_id: str, exec_type: str) -> Message:
    return client.receive_until(lambda m: m[35] == "8" and m[11] == cl_ord_id and m[150] == exec_type)


def quote(client: Client, cl_ord_id: str, side: str, qty: str, price: str) -> None:
    client.new_order(cl_ord_id, side, qty, "AAPL", price)
    report(client, cl_ord_id, "0")


def wait_for_price(alice: Client, price: str) -> None:
    """Until the broker's consolidated book has a price."""
    alice.subscribe(f"price-{alice.next_out}", ["AAPL"])
    alice.receive_until(lambda m: m[35] in "WX" and (270, price) in alice.last)


def test_an_order_is_filled_at_the_exchange_and_reported_back(alice: Client, lp: Client) -> None:
    quote(lp, "q1", "2", "100", "150.10")
    wait_for_price(alice, "150.10")
    alice.new_order("fill-1", "1", "100", "AAPL", "150.10")
    assert report(alice, "fill-1", "0")[39] == "0"
    fill = report(alice, "fill-1", "F")
    expected = {39: "2", 32: "100", 31: "150.10", 14: "100", 151: "0", 6: "150.10", 30: "XNAS", 1: "ALICE"}
    assert {tag: fill[tag] for tag in expected} == expected
    assert report(lp, "q1", "F")[32] == "100"


def test_cancel_and_replace_chain_through_the_exchange(alice: Client) -> None:
    alice.new_order("chain-1", "1", "100", "AAPL", "140.00")
    order_id = report(alice, "chain-1", "0")[37]
    alice.replace("chain-2", "chain-1", "1", "150", "AAPL", "141.00")
    assert report(alice, "chain-2", "E")[39] == "E"
    replaced = report(alice, "chain-2", "5")
    assert (replaced[37], replaced[41], replaced[38], replaced[44]) == (order_id, "chain-1", "150", "141.00")
    alice.cancel("chain-3", "chain-2", "1", "AAPL")
    assert report(alice, "chain-3", "6")[39] == "6"
    canceled = report(alice, "chain-3", "4")
    assert (canceled[37], canceled[39], canceled[151]) == (order_id, "4", "0")


@pytest.mark.parametrize("row", bad_input.ROWS, ids=lambda row: row[0])
def test_bad_input_gets_its_answer(alice: Client, row: tuple[str, str, bad_input.Fields, dict[int, str]]) -> None:
    name, message_type, fields, expected = row
    alice.send(message_type, bad_input.body(message_type, fields, f"bad-{name}"))
    answer = alice.receive_until(lambda m: m[35] in ("3", "j", "8", "9", "r", "h"))
    found = {tag: answer.get(tag, "") for tag in expected if tag != 58}
    assert found == {tag: value for tag, value in expected.items() if tag != 58}
    assert expected.get(58, "") in answer.get(58, "")


def test_the_same_order_again(alice: Client) -> None:
    alice.new_order("again", "1", "100", "AAPL", "140.00")
    first = report(alice, "again", "0")
    body = [(11, "again"), (55, "AAPL"), (54, "1"), (60, utc_now()), (38, "100"), (40, "2"), (44, "140.00")]
    alice.send("D", body, header=[(97, "Y")])
    status = report(alice, "again", "I")
    assert (status[37], status[39]) == (first[37], "0")
    alice.send("D", body)
    assert report(alice, "again", "8")[103] == "6"
    alice.cancel("again-x", "again", "1", "AAPL")
    report(alice, "again-x", "4")


def test_garbled_messages_are_ignored_and_the_broker_lives(alice: Client) -> None:
    good = "8=FIX.4.4\x019=5\x0135=0\x0110=000\x01"  # a wrong checksum
    alice.send_raw(good.encode())
    alice.send_raw(b"8=FIX.4.4\x019=x\x0135=0\x0110=000\x01")
    alice.new_order("after-garble", "1", "1", "AAPL", "140.00")
    # What came together with the garbage is lost with it: a later message shows the gap, and it is asked for.
    answer: Message = {}
    while not answer:
        alice.heartbeat()
        with suppress(TimeoutError):
            answer = alice.receive_until(lambda m: m.get(11) == "after-garble", 0.2)
    assert (answer[150], answer[39]) == ("0", "0")


def test_a_false_data_length_does_not_hurt(market: Market, alice: Client) -> None:
    for length in ("-5", "99999999"):
        alice.send("D", [*bad_input.body("D", {}, f"data-{length}"), (354, length), (355, "x")])
        assert alice.receive_until(lambda m: m[35] in ("3", "8", "j"))[35] == "3"
    with socket.create_connection(("127.0.0.1", market.broker.port)) as stranger:
        stranger.sendall(
            b"8=FIX.4.4\x019=63\x0135=A\x0134=1\x0149=EVE\x0156=BROKER\x0195=-5\x0196=x\x0198=0\x01108=30\x0110=000\x01"
        )
    alice.new_order("after-data", "1", "1", "AAPL", "140.00")
    assert report(alice, "after-data", "0")[39] == "0"


def test_market_data_snapshot_and_increments(alice: Client, lp: Client) -> None:
    quote(lp, "md-1", "1", "70", "130.00")
    wait_for_price(alice, "130.00")
    alice.subscribe("md", ["AAPL"], depth=0)
    alice.messages.clear()
    alice.received_pairs.clear()
    quote(lp, "md-2", "1", "30", "130.00")
    while (change := _entry_at(alice, "130.00"))[271] != "100":
        pass
    assert (change[279], change[269]) == ("1", "0")
    lp.cancel("md-3", "md-1", "1", "AAPL")
    lp.cancel("md-4", "md-2", "1", "AAPL")
    while _entry_at(alice, "130.00")[279] != "2":
        pass


def _entry_at(client: Client, price: str) -> Message:
    """The next increment's entry at a price."""
    while True:
        if client.receive()[35] == "X":
            for entry in pairs_of(client.last, 279):
                if entry.get(270) == price:
                    return entry


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({55: "NOPE"}, "0"),
        ({269: "5"}, "8"),
    ],
)
def test_market_data_refused(alice: Client, tags: dict[int, str], reason: str) -> None:
    base = {262: f"refused-{reason}", 263: "1", 264: "0", 265: "1"}
    head = {**base, **{tag: value for tag, value in tags.items() if tag not in (55, 269)}}
    groups = [(146, "1"), (55, tags.get(55, "AAPL")), (267, "1"), (269, tags.get(269, "0"))]
    alice.send("V", [*head.items(), *groups])
    answer = alice.receive_until(lambda m: m[35] in ("Y", "3"))
    assert (answer[35], answer.get(281)) == ("Y", reason)


def test_a_wrong_password_is_refused_and_nothing_is_told(market: Market) -> None:
    for password in ("wrong", ""):
        bob = Client("BOB", "BROKER", "127.0.0.1", market.broker.port, password=password)
        with pytest.raises(Disconnected, match=r"^Rejected Logon Attempt: Logon refused$"):
            bob.connect()
    assert "logon of BOB refused" in market.broker.log.read_text()


def test_the_right_password_logs_on_and_is_in_no_file(market: Market) -> None:
    bob = Client("BOB", "BROKER", "127.0.0.1", market.broker.port, password=SECRET, username="bob")
    bob.connect(reset=True)
    bob.logout()
    assert files_with(market.folder, SECRET) == []


def test_a_stranger_is_cut_off(market: Market) -> None:
    eve = Client("EVE", "BROKER", "127.0.0.1", market.broker.port)
    with pytest.raises(Disconnected):
        eve.connect()


def test_a_client_that_was_away_gets_its_reports(market: Market, alice: Client, lp: Client) -> None:
    alice.new_order("away", "1", "50", "AAPL", "145.00")
    report(alice, "away", "0")
    alice.close()
    quote(lp, "away-hit", "2", "50", "145.00")
    report(lp, "away-hit", "F")
    alice.connect()
    assert report(alice, "away", "F")[32] == "50"


def test_a_stopped_exchange_has_no_quotes_and_its_orders_survive(market: Market, alice: Client, lp: Client) -> None:
    quote(lp, "gone", "1", "10", "120.00")
    wait_for_price(alice, "120.00")
    alice.new_order("held", "1", "10", "AAPL", "140.00")
    report(alice, "held", "0")
    lp.close()
    market.exchange.stop()
    while _entry_at(alice, "120.00")[279] != "2":
        pass
    alice.new_order("nowhere", "1", "10", "AAPL", "140.00")
    refused = report(alice, "nowhere", "8")
    assert (refused[103], refused[58].split(":")[0]) == ("0", "NO_VENUE")
    alice.cancel("held-x", "held", "1", "AAPL")
    report(alice, "held-x", "6")
    market.exchange.start()
    assert report(alice, "held-x", "4")[39] == "4"


def test_a_stop_and_a_start_keep_the_orders(market: Market, alice: Client) -> None:
    market.wait_for_exchange()
    alice.new_order("keep", "1", "10", "AAPL", "140.00", tif="1")
    order_id = report(alice, "keep", "0")[37]
    market.broker.stop()
    assert "is down; its orders stay" in market.broker.log.read_text()
    with pytest.raises(Disconnected):
        alice.receive_until(lambda m: False)
    market.broker.start()
    alice.connect()
    alice.status("keep", "1", "AAPL")
    status = report(alice, "keep", "I")
    assert (status[37], status[39], status[151]) == (order_id, "0", "10")


def test_a_second_broker_on_the_same_folder_is_refused(market: Market) -> None:
    result = run_cli("start", str(market.broker.config))
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ")
    assert "another broker runs on this data folder" in result.stderr
    assert "Traceback" not in result.stderr


def test_without_a_gateway_only_this_machine_can_connect(market: Market) -> None:
    assert market.broker._process is not None
    assert listening(market.broker._process.pid) == [f"127.0.0.1:{market.broker.port}"]


def test_a_taken_port_is_one_line(market: Market, tmp_path: Path) -> None:
    config = tmp_path / "taken.toml"
    config.write_text(market.broker.config.read_text().replace('data = "broker"', 'data = "other"'))
    result = run_cli("start", str(config))
    assert result.returncode == 1
    assert f"broker.port: can't listen on port {market.broker.port}" in result.stderr
    assert "Traceback" not in result.stderr


def test_bytes_that_are_no_text_get_an_answer_too(alice: Client) -> None:
    alice.send("D", bad_input.body("D", {38: "0"}, "caf\udce9"))
    assert alice.receive_until(lambda m: m[35] == "8")[11] == "caf\\xe9"
    alice.send("D", bad_input.body("D", {38: "0" * 5000 + "1"}, "zeros"))
    assert "too large" in alice.receive_until(lambda m: m[35] == "8")[58]
    head = [(262, "\udcff"), (263, "1"), (264, "0"), (265, "1")]
    alice.send("V", [*head, (146, "1"), (55, "AAPL"), (267, "1"), (269, "0")])
    assert alice.receive_until(lambda m: m[35] == "W")[262] == "\\xff"
    alice.send(
        "V",
        [(262, "deep"), (263, "1"), (264, "9" * 30), (265, "1"), *[(146, "1"), (55, "AAPL"), (267, "1"), (269, "0")]],
    )
    assert alice.receive_until(lambda m: m[35] in ("Y", "3", "j"))[35] in ("Y", "3", "j")
    alice.new_order("after-bytes", "1", "1", "AAPL", "140.00")
    assert report(alice, "after-bytes", "0")[39] == "0"


def test_a_password_of_bytes_that_are_no_text_is_refused(market: Market) -> None:
    bob = Client("BOB", "BROKER", "127.0.0.1", market.broker.port, password="\udcff", username="bob")
    with pytest.raises(Disconnected):
        bob.connect(reset=True)


@pytest.fixture(scope="module")
def own_exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Market, "FakeExchange"]]:
    """A broker whose exchange is played by the tests."""
    market = Market(tmp_path_factory.mktemp("own"), broker=UNSTORED)
    with FakeExchange(market.exchange.port) as exchange:
        market.broker.start()
        exchange.accept()
        exchange.receive("V")
        yield market, exchange
        market.stop()


def sent_to(exchange: "FakeExchange", alice: Client, cl_ord_id: str) -> Message:
    """Send an order and take the child that reaches the exchange."""
    alice.new_order(cl_ord_id, "1", "10", "AAPL", "140.00")
    child = exchange.receive("D")
    report(alice, cl_ord_id, "0")
    return child


def test_an_exchange_that_rejects_at_session_level_ends_the_order(own_exchange: tuple[Market, "FakeExchange"]) -> None:
    """A Reject(3) names only a sequence number; what it was about is found in our own store of sent messages."""
    market, exchange = own_exchange
    alice = market.client("ALICE")
    child = sent_to(exchange, alice, "refused")
    exchange.send("3", [(45, child[34]), (372, "D"), (373, "5"), (58, "what is this")])
    refused = report(alice, "refused", "8")
    assert (refused[39], refused[151], refused[58]) == ("8", "0", "XNAS: what is this")


@pytest.mark.parametrize(
    "odd", [[(851, "4")], [(29, "Z")], [(9999, "x")], [(58, "n\udce3o")], [(60, "yesterday")], [(38, "many")]]
)
def test_a_fill_is_never_lost_to_an_odd_field(
    own_exchange: tuple[Market, "FakeExchange"], odd: list[tuple[int, str]]
) -> None:
    market, exchange = own_exchange
    alice = market.client("ALICE")
    cl_ord_id = f"odd-{alice.next_out}"
    child = sent_to(exchange, alice, cl_ord_id)
    fill = [(37, "V1"), (11, child[11]), (17, f"F-{cl_ord_id}"), (150, "F"), (39, "2"), (55, "AAPL"), (54, "1")]
    exchange.send("8", [*fill, (32, "10"), (31, "140.00"), (14, "10"), (151, "0"), *odd])
    assert report(alice, cl_ord_id, "F")[39] == "2"


class FakeExchange(Client):
    """The other end of the broker's session with XNAS, played by the test."""

    def __init__(self, port: int) -> None:
        super().__init__("XNAS", "BROKER", "127.0.0.1", port)
        self._listener = socket.create_server(self.address)

    def __enter__(self) -> "FakeExchange":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._listener.close()

    def accept(self) -> None:
        self._socket, _ = self._listener.accept()
        self._wait(lambda: any(message[35] == "A" for message in self.admin), 10, "the broker's Logon")
        self._send("A", [(98, "0"), (108, "30")])
        self.admin.clear()

    def receive(self, message_type: str) -> Message:  # type: ignore[override]
        return self.receive_until(lambda message: message[35] == message_type)

    def receive_until(self, wanted: Callable[[Message], bool], timeout: float = 10) -> Message:
        while True:
            message = super().receive(timeout)
            if wanted(message):
                return message
