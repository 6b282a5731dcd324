"""Quotes over HTTP: a broker with a market maker, an exchange, and the HTTP door, as processes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from brokerfix.tools.client import Client
from tests.door import Exchange, Keys, Place, WebSocket, eventually, problem
from tests.live import run_cli

CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "data"
record_interval_ms = 50
{instrument}
[gateway]
plain = "127.0.0.1"
[gateway.budgets]
orders = {{ rate = 0 }}
requests = {{ rate = 0 }}
[http]
port = {http}
failures_before_lockout = 1000
[accounts.BOB]
cash = "10000000"
[accounts.CAROL]
cash = "10000000"
[accounts.MM]
cash = "10000000"
[clients.DESK]
accounts = ["BOB", "CAROL"]
[makers.MM]
account = "MM"
rfq_seconds = 60
tiers = [{{ clients = ["DESK"], spread = "0.02", most = 5 }}]
[makers.MM.quotes.AAPL]
size = "100"
most_long = "1000000"
most_short = "-1000000"
bid_spread = "0.03"
ask_spread = "0.03"
[venues.XNAS]
host = "127.0.0.1"
port = {venue_port}
sender = "BROKER"
target = "XNAS"
"""
KEYS: Keys = {
    "desk": ("DESK", ["read", "trade", "market"], []),
    "carol": ("DESK", ["read", "trade"], ["CAROL"]),
    "reader": ("DESK", ["read"], []),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The exchange shows 149.90 to 150.10: quotes are 149.95 to 150.05."""
    exchange = Exchange(tmp_path_factory.mktemp("exchange"))
    lp = Client("LP", "XNAS", "127.0.0.1", exchange.port)
    lp.connect()
    lp.new_order("bid", "1", "5000", "AAPL", "149.90")
    lp.new_order("ask", "2", "5000", "AAPL", "150.10")
    made = Place(tmp_path_factory.mktemp("http"), CONFIG, KEYS, venue_port=exchange.port)
    with made.api() as api:
        eventually(lambda: api.post("/v1/quotes", json={"symbol": "AAPL"}).status_code == 201)
    yield made
    made.stop()
    lp.close()
    exchange.process.stop()


@pytest.fixture
def api(place: Place) -> Iterator[httpx.Client]:
    with place.api() as api:
        yield api


def quote_of(api: httpx.Client, **asked: str) -> dict[str, Any]:
    answer = api.post("/v1/quotes", json={"symbol": "AAPL", **asked})
    assert answer.status_code == 201, answer.text
    quote: dict[str, Any] = answer.json()
    return quote


def test_a_quote_is_asked_for_and_accepted(api: httpx.Client) -> None:
    quote = quote_of(api, qty="200", account="CAROL")
    wanted = {
        "bid_px": "149.95", "bid_qty": "200", "offer_px": "150.05", "offer_qty": "200", "side": None, "state": "firm",
        "account": "CAROL",
    }  # fmt: skip
    assert {name: quote[name] for name in wanted} == wanted
    assert datetime.fromisoformat(quote["valid_until"]) > datetime.now(UTC)
    path = f"/v1/quotes/{quote['quote_id']}"
    answer = api.post(f"{path}/accept", json={"cl_ord_id": "A1", "side": "buy", "qty": "50"})
    assert answer.status_code == 201
    order = answer.json()
    assert (order["status"], order["avg_px"], order["cum_qty"], order["account"], order["type"]) == (
        "filled", "150.05", "50", "CAROL", "previously_quoted",
    )  # fmt: skip
    again = api.post(f"{path}/accept", json={"cl_ord_id": "A1", "side": "buy", "qty": "50"})
    assert (again.status_code, again.json()["order_id"]) == (200, order["order_id"])
    left = api.get(path).json()
    assert (left["bid_qty"], left["offer_qty"], left["state"]) == ("150", "150", "firm")
    assert problem(api.post(f"{path}/accept", json={"cl_ord_id": "A2"}), 400) == "the quote has two sides: say which"
    assert api.post(f"{path}/accept", json={"cl_ord_id": "A3", "side": "sell"}).json()["avg_px"] == "149.95"
    assert api.get(path).json()["state"] == "traded"
    late = api.post(f"{path}/accept", json={"cl_ord_id": "A4", "side": "buy", "qty": "1"})
    assert problem(late, 422).startswith("QUOTE_TRADED")
    assert late.json()["order"]["status"] == "rejected"
    other = quote_of(api)["quote_id"]
    taken = api.post(f"/v1/quotes/{other}/accept", json={"cl_ord_id": "A1", "side": "buy"})
    assert problem(taken, 409) == "there is another order A1 already"


def test_no_quote_says_why(api: httpx.Client) -> None:
    assert problem(api.post("/v1/quotes", json={"symbol": "NONE"}), 422) == "UNKNOWN_SYMBOL: value=NONE"
    large = api.post("/v1/quotes", json={"symbol": "AAPL", "qty": "501"})
    assert problem(large, 422) == "SIZE: limit=500, value=501"
    problem(api.post("/v1/quotes", json={"symbol": "AAPL", "qty": "-1"}), 400)
    problem(api.post("/v1/quotes", json={"symbol": "AAPL", "account": "MM"}), 403)


def test_a_quote_is_countered(api: httpx.Client) -> None:
    quote = quote_of(api, side="buy")
    assert (quote["bid_px"], quote["side"]) == (None, "buy")
    path = f"/v1/quotes/{quote['quote_id']}"
    problem(api.post(f"{path}/counter", json={"price": "150.00", "side": "sell"}), 409)
    answer = api.post(f"{path}/counter", json={"price": "150.00", "qty": "60"}).json()
    assert answer["order"] is None
    other = answer["quote"]
    assert (other["offer_px"], other["offer_qty"], other["state"]) == ("150.05", "60", "firm")
    assert api.get(path).json()["state"] == "replaced"
    agreed = api.post(f"/v1/quotes/{other['quote_id']}/counter", json={"price": "150.05", "cl_ord_id": "B1"})
    assert agreed.json()["quote"] is None
    assert (agreed.json()["order"]["status"], agreed.json()["order"]["cum_qty"]) == ("filled", "60")


def test_a_quote_is_passed_on(api: httpx.Client) -> None:
    path = f"/v1/quotes/{quote_of(api)['quote_id']}"
    assert api.post(f"{path}/pass").json()["state"] == "passed"
    assert api.post(f"{path}/pass").json()["state"] == "passed", "again is the same"
    refused = api.post(f"{path}/accept", json={"cl_ord_id": "C1", "side": "buy"})
    assert problem(refused, 422).startswith("QUOTE_PASS")


def test_keys_see_what_is_theirs(place: Place, api: httpx.Client) -> None:
    path = f"/v1/quotes/{quote_of(api, account='BOB')['quote_id']}"
    with place.api("carol") as carol:
        problem(carol.get(path), 404)
        problem(carol.post(f"{path}/accept", json={"cl_ord_id": "D1", "side": "buy"}), 404)
        problem(carol.post("/v1/quotes", json={"symbol": "AAPL", "account": "BOB"}), 403)
        assert quote_of(carol)["account"] == "CAROL"
    with place.api("reader") as reader:
        assert reader.get(path).json()["state"] == "firm"
        problem(reader.post("/v1/quotes", json={"symbol": "AAPL"}), 403)
    problem(api.get("/v1/quotes/20200101-00-1"), 404)
    problem(api.get("/v1/quotes/x"), 400)


def test_streams_tell_of_the_accounts_quotes(place: Place, api: httpx.Client) -> None:
    desk, carol = WebSocket(place, "desk", "/v1/stream"), WebSocket(place, "carol", "/v1/stream")
    bobs, carols = quote_of(api, account="BOB"), quote_of(api, account="CAROL")
    assert desk.read() == {"type": "firm_quote", "quote": bobs}
    for stream in (desk, carol):
        assert stream.read() == {"type": "firm_quote", "quote": carols}
    api.post(f"/v1/quotes/{carols['quote_id']}/accept", json={"cl_ord_id": "E1", "side": "buy", "qty": "100"})
    told = [carol.read() for _ in range(3)]
    assert [one["type"] for one in told] == ["report", "firm_quote", "report"]
    assert told[1]["quote"]["state"] == "traded"
    done = run_cli("halt", "client", "MM", "--config", str(place.config))
    assert done.returncode == 0, done.stderr
    # Others that are still firm are canceled as well.
    while desk.read() != {"type": "firm_quote", "quote": bobs | {"state": "canceled"}}:
        pass
    assert problem(api.post("/v1/quotes", json={"symbol": "AAPL"}), 422) == "PASS: no quote is given now"
    assert run_cli("resume", "client", "MM", "--config", str(place.config)).returncode == 0
