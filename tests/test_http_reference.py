"""Trial 27: what the HTTP door tells besides orders, over real sockets: accounts, executions, instruments, the clock,
limits, the API page; and a door without a database."""

import hashlib
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest

from brokerfix.doors.archive import Archive
from brokerfix.doors.model import Order
from brokerfix.settings.load import load
from tests.door import Keys, Place, eventually, order, problem
from tests.live import run_cli

CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "data"
store = {store}
{instrument}
[instruments.HOURS]
price_digits = 3
qty_digits = 1
tick = "0.005"
lot = "0.5"
open = "{open}"
close = "{close}"
pre_open_seconds = 60
[gateway]
plain = "127.0.0.1"
[gateway.budgets]
mass_cancels = {{ rate = 5, burst = 2 }}
[http]
port = {http}
failures_before_lockout = 1000
[accounts.BOB]
cash = "1000000"
limits = {{ max_order_qty = "500" }}
[accounts.CAROL]
cash = "2000"
limits = {{ buying_power = false, max_order_notional = "1000000" }}
[clients.DESK]
accounts = ["BOB", "CAROL"]
[clients.FEW]
accounts = ["CAROL"]
budgets = {{ orders = {{ rate = 2, burst = 3 }}, requests = {{ rate = 0 }} }}
"""
KEYS: Keys = {
    "desk": ("DESK", ["read", "trade", "market"], []),
    "bob": ("DESK", ["read"], ["BOB"]),
    "quotes": ("DESK", ["market"], []),
    "few": ("FEW", ["read", "trade"], []),
}
SWAGGER_UI = "93b7b0862a80e2786f85b560be7693c2344354ffa7e7e224f850a54349724c31"
"""swagger-ui-bundle.js of the npm package swagger-ui-dist 5.31.0, which Swagger UI's makers publish."""
NOW = datetime.now(UTC)
HOURS = {"open": f"{NOW - timedelta(hours=2):%H:00:00}", "close": f"{NOW + timedelta(hours=3):%H:00:00}"}
"""HOURS is open now, and never at midnight's edge for the test's few seconds."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("http"), CONFIG, KEYS, store="true", **HOURS)
    with made.api() as api:
        # The database is made by a process of its own, a moment after the broker has begun.
        eventually(lambda: api.get("/v1/account").status_code == 200)
    yield made
    made.stop()


def trade(place: Place, name: str, qty: str = "5") -> None:
    """BOB buys of CAROL at 150."""
    with place.api() as api:
        assert api.post("/v1/orders", json=order(f"{name}-s", side="sell", price="150.00", qty=qty, account="CAROL"))
        bought = api.post("/v1/orders", json=order(f"{name}-b", price="150.00", qty=qty, account="BOB")).json()
        assert bought["status"] in ("filled", "new"), bought
        eventually(lambda: api.get(f"/v1/orders/{name}-b").json()["status"] == "filled")


def test_accounts_have_cash_buying_power_and_limits(place: Place) -> None:
    trade(place, "cash")
    with place.api() as api, place.api("bob") as bob, place.api("quotes") as quotes:
        eventually(lambda: api.get("/v1/account").json()[0]["cash"] == "999250.00")
        rich, poor = api.get("/v1/account").json()
        assert (rich["account"], rich["paid_in"], rich["limits"]) == (
            "BOB", "1000000.00", {"max_order_qty": "500", "max_order_notional": None, "buying_power": True},
        )  # fmt: skip
        assert (poor["account"], poor["cash"]) == ("CAROL", "2750.00")
        assert poor["limits"] == {"max_order_qty": None, "max_order_notional": "1000000", "buying_power": False}
        assert rich["risk"] == {
            "kind": "cash", "standing": "ok", "equity": "999250.00", "maintenance": "0.00",
            "excess": rich["buying_power"], "credit_multiplier": "1",
        }  # fmt: skip
        assert rich["in_use"] == [
            {"symbol": None, "limit": "max_order_qty", "most": "500", "used": None, "percent": None}
        ]
        power = float(rich["buying_power"])
        api.post("/v1/orders", json=order("tie-up", account="BOB"))
        eventually(lambda: float(api.get("/v1/account").json()[0]["buying_power"]) == power - 1400)
        assert [one["account"] for one in bob.get("/v1/account").json()] == ["BOB"]
        assert problem(quotes.get("/v1/account"), 403)


def test_executions_are_told_at_once_and_by_a_door_that_opens_later(place: Place) -> None:
    with place.api() as api, place.api("bob") as bob:
        since = api.get("/v1/clock").json()["now"]
        for number in range(4):
            trade(place, f"x-{number}", str(number + 1))
        told = api.get("/v1/executions", params={"after": since}).json()
        assert [one["cl_ord_id"] for one in told[:2]] == ["x-3-b", "x-3-s"]
        assert len({one["exec_id"] for one in told}) == len(told) == 8
        buy = told[0]
        named = ("account", "symbol", "side", "last_qty", "last_px", "venue")
        assert [buy[key] for key in named] == ["BOB", "AAPL", "buy", "4", "150.00", ""]
        place.stop_http()
        place.start_http()
        assert api.get("/v1/executions", params={"after": since}).json() == told
        trade(place, "x-4")
        newest = api.get("/v1/executions", params={"limit": 3})
        assert [one["cl_ord_id"] for one in newest.json()] == ["x-4-b", "x-4-s", "x-3-b"]
        following = api.get(newest.links["next"]["url"]).json()
        assert following[0] == told[1]
        only = api.get("/v1/executions", params={"order_id": buy["order_id"]}).json()
        assert only == [buy]
        assert {one["side"] for one in api.get("/v1/executions", params={"side": "sell"}).json()} == {"sell"}
        assert {one["account"] for one in bob.get("/v1/executions").json()} == {"BOB"}
        assert not api.get("/v1/executions", params={"symbol": "HOURS"}).json()
        known = msgspec.json.decode(api.get("/v1/orders/x-3-b").content, type=Order)
        assert Archive(load(place.config)).order("DESK", "x-3-b") == known, "for when the broker has forgotten it"


def test_instruments(place: Place) -> None:
    with place.api("quotes") as quotes:
        plain, hours = quotes.get("/v1/instruments").json()
        assert (plain["symbol"], plain["tick"], plain["lot"], plain["collar"]) == ("AAPL", "0.01", "1", "0.1000")
        assert (hours["tick"], hours["lot"], hours["collar"], hours["open"]) == ("0.005", "0.5", None, HOURS["open"])
        assert (plain["phase"], plain["halted"], hours["pre_open_seconds"]) == ("continuous", False, 60)
        assert run_cli("halt", "symbol", "AAPL", "--config", str(place.config)).returncode == 0
        eventually(lambda: quotes.get("/v1/instruments").json()[0]["halted"] is True)
        assert run_cli("resume", "symbol", "AAPL", "--config", str(place.config)).returncode == 0
        eventually(lambda: quotes.get("/v1/instruments").json()[0]["halted"] is False)


def test_the_clock(place: Place) -> None:
    with place.api() as api:
        told = api.get("/v1/clock").json()
        now = datetime.fromisoformat(told["now"])
        assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)
        assert told["trading_day"] == f"{now:%Y-%m-%d}"
        always, hours = told["instruments"]
        assert (always["next_open"], always["next_close"], always["phase"]) == (None, None, "continuous")
        closes, opens = datetime.fromisoformat(hours["next_close"]), datetime.fromisoformat(hours["next_open"])
        assert (hours["phase"], f"{closes:%H:%M:%S}") == ("continuous", HOURS["close"])
        assert now < closes < opens < now + timedelta(days=1)


def test_answers_say_what_is_left_of_the_budget(place: Place) -> None:
    with place.api("few") as few, place.api() as desk:
        left = [few.post("/v1/orders", json=order(f"few-{number}")).headers for number in range(3)]
        assert {one["x-ratelimit-limit"] for one in left} == {"3"}
        assert [one["x-ratelimit-remaining"] for one in left] == ["2", "1", "0"]
        assert {one["x-ratelimit-resource"] for one in left} == {"orders"}
        assert 0 <= int(left[-1]["x-ratelimit-reset"]) - time.time() <= 2.5
        refused = few.post("/v1/orders", json=order("few-3"))
        assert "too many orders" in problem(refused, 429)
        assert (refused.headers["x-ratelimit-remaining"], refused.headers["retry-after"]) == ("0", "1")
        assert "x-ratelimit-limit" not in few.get("/v1/orders").headers, "this budget has no limit"
        wrong = desk.post("/v1/orders", json={})
        assert (wrong.status_code, wrong.headers["x-ratelimit-resource"]) == (400, "orders"), "errors count too"
        assert desk.get("/v1/orders").headers["x-ratelimit-limit"] == "50", "the same budget as the session's"
        assert desk.delete("/v1/orders", params={"symbol": "HOURS"}).headers["x-ratelimit-remaining"] == "1"
        assert "x-ratelimit-limit" not in httpx.get(f"{place.url}/v1/orders").headers, "nobody's"


def test_the_api_page_needs_nothing_from_elsewhere(place: Place) -> None:
    root = httpx.get(place.url, follow_redirects=True)
    assert (root.status_code, root.url.path) == (200, "/schema")
    page = root.text
    assert "connect-src 'self'" in page
    paths = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {"/schema/assets/swagger-ui-bundle.js", "/schema/assets/swagger-ui.css"} <= set(paths)
    styles = "".join(httpx.get(f"{place.url}{path}").raise_for_status().text for path in paths if path.endswith("css"))
    for text in (page, styles):
        assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//|url\(["']?(?:https?:)?//|@import""", text)
    for path in paths:
        if not path.startswith("data:"):
            assert httpx.get(f"{place.url}{path}").status_code == 200, path
    assert httpx.get(f"{place.url}/schema/assets/index.html").status_code == 404
    script = httpx.get(f"{place.url}/schema/assets/swagger-ui-bundle.js").content
    assert hashlib.sha256(script).hexdigest() == SWAGGER_UI, "keys are typed into it: it is Swagger UI's own, unchanged"
    document = httpx.get(f"{place.url}/schema/openapi.json").json()
    assert {"/v1/account", "/v1/executions", "/v1/instruments", "/v1/clock"} <= set(document["paths"])


def test_a_busted_or_corrected_fill_is_the_same_from_memory_and_from_the_database(place: Place) -> None:
    def change(*words: str) -> None:
        done = run_cli("trades", *words, "--config", str(place.config))
        assert done.returncode == 0, done.stderr

    with place.api() as api:
        since = api.get("/v1/clock").json()["now"]
        for number in range(4):
            trade(place, f"change-{number}", "5")

        def told() -> dict[str, dict[str, str]]:
            found = api.get("/v1/executions", params={"after": since}).json()
            return {one["cl_ord_id"]: one for one in found}

        before = told()
        assert {(one["state"], one["changed_by"]) for one in before.values()} == {("booked", "")}
        busted, corrected, both = (before[f"change-{number}-b"]["exec_id"] for number in (0, 1, 2))
        change("bust", busted)
        change("correct", corrected, "4", "149.00")
        change("correct", corrected, "3", "148.00")
        change("correct", both, "4", "149.00")
        change("bust", both)
        expected = {
            "0-b": ("busted", "0", "150.00"), "1-b": ("corrected", "3", "148.00"), "2-b": ("busted", "0", "149.00"),
            "3-b": ("booked", "5", "150.00"),
        }  # fmt: skip

        def states() -> dict[str, tuple[str, str, str]]:
            now = told()
            fills = {name: now[f"change-{name}"] for name in expected}
            return {name: (one["state"], one["last_qty"], one["last_px"]) for name, one in fills.items()}

        eventually(lambda: states() == expected)
        known = told()
        assert len({one["changed_by"] for one in known.values()} - {""}) >= 3
        place.stop_http()
        place.start_http()
        assert told() == known


def test_without_a_database_a_door_tells_what_it_knows(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = Place(tmp_path_factory.mktemp("bare"), CONFIG, KEYS, store="false", **HOURS)
    try:
        with place.api() as api:
            trade(place, "bare")
            api.post("/v1/orders", json=order("bare-open", max_floor="4"))
            assert [one["cl_ord_id"] for one in api.get("/v1/orders").json()] == ["bare-open", "bare-b", "bare-s"]
            assert [one["cl_ord_id"] for one in api.get("/v1/executions").json()] == ["bare-b", "bare-s"]
            assert "store = true" in problem(api.get("/v1/account"), 503)
            place.stop_http()
            place.start_http()
            (known,) = api.get("/v1/orders").json()
            assert (known["cl_ord_id"], known["max_floor"], known["type"]) == ("bare-open", "4", "limit")
            assert known["entered"] is None
            for bound in ("after", "until"):
                assert api.get("/v1/orders", params={bound: "2026-11-22"}).json() == [known]
            assert api.post("/v1/orders", json=order("bare-open", max_floor="4")).status_code == 200
            assert problem(api.post("/v1/orders", json=order("bare-open", max_floor="5")), 409)
    finally:
        place.stop()
