"""The HTTP door's market data over real sockets: books, by exchange too, statistics and trades, for who may see them;
and what a stream tells a reader that is slow."""

import contextlib
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from brokerfix.tools.client import Client
from tests.door import Exchange, Keys, Place, WebSocket, eventually, order, problem
from tests.live import run_cli

CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "data"
store = false
{instrument}post = "book"
[instruments.MSFT]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
post = "book"
reference = "150.00"
[instruments.DAY]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
post = "book"
[gateway]
plain = "127.0.0.1"
[gateway.budgets]
orders = {{ rate = 0 }}
requests = {{ rate = 0 }}
cancels = {{ rate = 0 }}
mass_cancels = {{ rate = 0 }}
[http]
port = {http}
stream_messages = 10
failures_before_lockout = 1000
[accounts.BOB]
cash = "10000000"
[accounts.CAROL]
cash = "10000000"
[clients.DESK]
accounts = ["BOB"]
[clients.FEW]
accounts = ["CAROL"]
market_data = ["MSFT"]
budgets = {{ requests = {{ rate = 1, burst = 5000 }} }}
[venues.XNAS]
host = "127.0.0.1"
port = {venue_port}
sender = "BROKER"
target = "XNAS"
symbols = ["AAPL"]
"""
KEYS: Keys = {
    "desk": ("DESK", ["read", "trade", "market"], []),
    "few": ("FEW", ["read", "trade", "market"], []),
}
NOTHING = {"symbol": "DAY", "open": None, "high": None, "low": None, "vwap": None, "volume": None, "last": None}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    made = Exchange(tmp_path_factory.mktemp("exchange"))
    yield made
    made.process.stop()


@pytest.fixture(scope="module")
def lp(exchange: Exchange) -> Iterator[Client]:
    """Somebody else at the exchange."""
    client = Client("LP", "XNAS", "127.0.0.1", exchange.port)
    client.connect()
    yield client
    client.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, exchange: Exchange, lp: Client) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("http"), CONFIG, KEYS, venue_port=exchange.port)
    with made.api() as api:
        lp.new_order("up", "2", "1", "AAPL", "160.00")
        eventually(lambda: has(api, "AAPL", "asks", price="160.00"))
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _nothing_open(place: Place, lp: Client) -> Iterator[None]:
    """Each test begins without orders but for the exchange's offer at 160.00."""
    yield
    with place.api() as api, place.api("few") as few:
        for client in (api, few):
            eventually(lambda client=client: client.delete("/v1/orders").status_code == 200)
        lp.send("q", [(11, f"all-{time.time_ns()}"), (530, "1"), (55, "AAPL"), (60, "20260101-00:00:00")])
        eventually(lambda: not book(api, "AAPL")["bids"])
        lp.new_order(f"up-{time.time_ns()}", "2", "1", "AAPL", "160.00")
        eventually(lambda: has(api, "AAPL", "asks", price="160.00"))


def book(api: httpx.Client, symbol: str, **asked: Any) -> Any:
    answer = api.get(f"/v1/books/{symbol}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def has(api: httpx.Client, symbol: str, side: str, **level: Any) -> bool:
    """Whether a symbol's book by exchange has a level with these values."""
    return any(level.items() <= one.items() for one in book(api, symbol, by="exchange", depth=0)[side])


def trade(place: Place, symbol: str, price: str, qty: str) -> None:
    """The desk and the other trade in our own book."""
    with place.api() as api, place.api("few") as few:
        name = f"t-{time.time_ns()}"
        sold = {"symbol": symbol, "side": "sell", "price": price, "qty": qty}
        assert few.post("/v1/orders", json=order(name, **sold)).status_code == 201
        bought = api.post("/v1/orders", json=order(name, **{**sold, "side": "buy", "time_in_force": "ioc"}))
        assert bought.json()["status"] == "filled"


def wait_for(stream: WebSocket, kind: str, **values: Any) -> Any:
    """The next message of a kind that has these values."""
    while True:
        message = stream.read()
        assert isinstance(message, dict), f"closed with {message}"
        inner = message.get("statistics", message)
        if message["type"] == kind and values.items() <= inner.items():
            return message


# Books


def test_a_book_by_price_and_by_exchange_and_as_deep_as_asked(place: Place, lp: Client) -> None:
    with place.api() as api:
        lp.new_order(f"d-{time.time_ns()}", "1", "70", "AAPL", "140.00")
        for number, (price, qty) in enumerate((("140.00", "30"), ("139.00", "5"))):
            api.post("/v1/orders", json=order(f"deep-{number}", price=price, qty=qty))
        eventually(lambda: has(api, "AAPL", "bids", exchange="XNAS", price="140.00"))
        apart = [
            {"price": "140.00", "qty": "30", "exchange": None},
            {"price": "140.00", "qty": "70", "exchange": "XNAS"},
            {"price": "139.00", "qty": "5", "exchange": None},
        ]
        together = [{"price": "140.00", "qty": "100"}, {"price": "139.00", "qty": "5"}]
        assert book(api, "AAPL", by="exchange") == {
            "symbol": "AAPL", "bids": apart, "asks": [{"price": "160.00", "qty": "1", "exchange": "XNAS"}],
        }  # fmt: skip
        assert book(api, "AAPL")["bids"] == book(api, "AAPL", by="price")["bids"] == together
        assert book(api, "AAPL", depth=1, by="exchange")["bids"] == apart[:2], "the depth counts prices"
        assert book(api, "AAPL", depth=1)["bids"] == together[:1]
        for number in range(12):
            api.post("/v1/orders", json=order(f"deeper-{number}", price=f"{138 - number / 100:.2f}", qty="1"))
        assert [len(book(api, "AAPL", **depth)["bids"]) for depth in ({}, {"depth": 12}, {"depth": 0})] == [10, 12, 14]
        for wrong in ({"depth": -1}, {"depth": 1001}, {"depth": "x"}, {"by": "venue"}):
            assert problem(api.get("/v1/books/AAPL", params=wrong), 400)


def test_market_data_are_for_who_may_see_them(place: Place) -> None:
    with place.api("few") as few:
        for path in ("/v1/books/AAPL", "/v1/books/AAPL?depth=0&by=exchange", "/v1/statistics/AAPL"):
            assert problem(few.get(path), 403) == "NOT_ENTITLED: market data of AAPL are not for FEW"
        for path in ("/v1/books/NONE", "/v1/statistics/NONE"):
            assert "there is no symbol NONE" in problem(few.get(path), 404)
        assert few.get("/v1/books/MSFT").json() == {"symbol": "MSFT", "bids": [], "asks": []}
        assert few.get("/v1/statistics/MSFT").status_code == 200
    assert WebSocket(place, "few", "/v1/stream?symbols=MSFT,AAPL").status != 101
    assert WebSocket(place, "few", "/v1/stream?symbols=MSFT&trades=yes").status != 101
    assert WebSocket(place, "few", "/v1/stream?symbols=MSFT&statistics=1&trades=1&by=exchange").status == 101


def test_a_deep_book_counts_as_more_requests(place: Place) -> None:
    with place.api("few") as few:
        left = [
            int(few.get("/v1/books/MSFT", params={"depth": depth}).headers["x-ratelimit-remaining"])
            for depth in (1, 1, 49, 1000)
        ]
        # A request's worth comes back each second.
        assert left[0] - left[2] <= 2 < 15 < left[2] - left[3] <= 21


# Statistics and trades


def test_a_stream_tells_what_it_is_asked_for(place: Place, lp: Client) -> None:
    full = WebSocket(place, "desk", "/v1/stream?symbols=AAPL&by=exchange&statistics=1&trades=1")
    plain = WebSocket(place, "few", "/v1/stream?symbols=MSFT")
    first = wait_for(full, "quote")["book"]
    assert first["asks"] == [{"price": "160.00", "qty": "1", "exchange": "XNAS"}]
    for number in range(3):
        trade(place, "AAPL", "150.00", str(number + 1))
    trade(place, "MSFT", "150.00", "9")
    quantities = [wait_for(full, "trade", symbol="AAPL")["qty"] for _ in range(3)]
    assert quantities == ["1", "2", "3"], "each is told"
    later = WebSocket(place, "desk", "/v1/stream?symbols=AAPL&statistics=1")
    told = wait_for(later, "statistics")["statistics"]
    assert (told["volume"], told["last"]) == ("6", {"price": "150.00", "qty": "3"})
    trade(place, "AAPL", "151.00", "4")
    assert wait_for(full, "trade")["price"] == "151.00"
    assert wait_for(later, "statistics", volume="10")["statistics"]["high"] == "151.00"
    with place.api("few") as few:
        few.post("/v1/orders", json=order("end", symbol="MSFT", price="111.00"))
    kinds = set()
    while "end" not in kinds:
        message = plain.read()
        kinds.add(message["type"])
        if message["type"] == "quote" and any(one["price"] == "111.00" for one in message["book"]["bids"]):
            kinds.add("end")
            assert all("exchange" not in one for one in message["book"]["bids"])
    assert kinds == {"quote", "report", "end"}, "neither statistics nor trades were asked for"
    for stream in (full, plain, later):
        stream.socket.close()


def test_a_stream_goes_on_when_the_session_has_been_away(place: Place) -> None:
    stream = WebSocket(place, "desk", "/v1/stream?symbols=MSFT&statistics=1&trades=1")
    with place.api() as api:
        place.broker.stop()
        eventually(lambda: api.get("/healthz").json()["up"] is False)
        assert problem(api.get("/v1/statistics/MSFT"), 503)
        place.broker.start()
        eventually(lambda: api.get("/healthz").json()["up"] and api.get("/v1/books/MSFT").status_code == 200)
    trade(place, "MSFT", "150.10", "7")
    assert wait_for(stream, "trade", qty="7")["price"] == "150.10"
    stream.socket.close()


# Readers that are slow


class Reader(threading.Thread):
    """Reads a stream as fast as it comes."""

    def __init__(self, stream: WebSocket) -> None:
        super().__init__(daemon=True)
        self.stream, self.messages = stream, list[Any]()
        self.start()

    def run(self) -> None:
        with contextlib.suppress(ConnectionError, OSError):
            while isinstance(message := self.stream.read(), dict):
                self.messages.append(message)


def test_a_reader_that_does_not_read_gets_what_is_and_not_what_has_been(place: Place, lp: Client) -> None:
    """It has far more to read than the stream holds (`stream_messages`), and is not closed: newer books take the place
    of older ones."""
    names = [f"slow-{number}" for number in range(9)]
    for number, name in enumerate(names):
        lp.new_order(name, "1", "1000", "AAPL", f"140.0{number}")
        lp.new_order(f"{name}-a", "2", "1000", "AAPL", f"160.1{number}")
    with place.api("few") as few:
        # More at each price makes the books larger.
        for number in range(9):
            few.post("/v1/orders", json=order(f"mine-{number}", price=f"140.0{number}"))
            few.post("/v1/orders", json=order(f"mine-{number}-a", side="sell", price=f"160.1{number}"))
    with place.api() as api:
        eventually(lambda: has(api, "AAPL", "asks", price="160.18", exchange="XNAS"))
    slow = WebSocket(place, "desk", "/v1/stream?symbols=AAPL&by=exchange")
    fast = Reader(WebSocket(place, "desk", "/v1/stream?symbols=AAPL&by=exchange"))
    qty, name = 1000, names[0]
    deadline = time.monotonic() + 20
    while len(fast.messages) < 350 and time.monotonic() < deadline:
        qty += 1
        lp.replace(f"{names[0]}-{qty}", name, "1", str(qty), "AAPL", "140.00")
        name = f"{names[0]}-{qty}"
        lp.poll(0.011)
        lp.messages.clear()
        lp.received_pairs.clear()
    newest = {"price": "140.00", "qty": str(qty), "exchange": "XNAS"}
    eventually(lambda: newest in fast.messages[-1]["book"]["bids"])
    read: list[Any] = []
    while not read or newest not in read[-1]["book"]["bids"]:
        message = slow.read()
        assert isinstance(message, dict), f"closed with {message}"
        read.append(message)
    told = [Decimal(next(one["qty"] for one in each["book"]["bids"] if one["price"] == "140.00")) for each in read]
    assert told == sorted(told)
    assert len(read) < len(fast.messages) - 50, "many were left out"
    # It goes on as if nothing had been.
    with place.api() as api:
        api.post("/v1/orders", json=order("after", price="141.00", qty="3"))
    assert wait_for(slow, "report")["order"]["cl_ord_id"] == "after"
    for stream in (slow, fast.stream):
        stream.socket.close()


# A day


def test_the_statistics_of_a_day_end_with_it(place: Place) -> None:
    with place.api() as api:
        assert api.get("/v1/statistics/DAY").json() == NOTHING
        for price, qty in (("150.00", "10"), ("150.40", "10"), ("149.90", "20")):
            trade(place, "DAY", price, qty)
        told = {
            "symbol": "DAY", "open": "150.00", "high": "150.40", "low": "149.90", "vwap": "150.05", "volume": "40",
            "last": {"price": "149.90", "qty": "20"},
        }  # fmt: skip
        assert api.get("/v1/statistics/DAY").json() == told
        stream = WebSocket(place, "desk", "/v1/stream?symbols=DAY&statistics=1")
        assert wait_for(stream, "statistics")["statistics"] == told, "it begins with what is"
        stream.socket.close()
        assert run_cli("roll", "--config", str(place.config)).returncode == 0
        # A moment later sequence numbers begin anew: the door's session ends, and comes back.
        eventually(lambda: api.get("/healthz").json()["up"] is False)
        eventually(lambda: api.get("/v1/statistics/DAY").json() == NOTHING and api.get("/healthz").json()["up"])
