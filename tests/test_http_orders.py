"""Trial 27: the HTTP door's orders over real sockets: every type and instruction, lists in pages, cancel-all. A broker
with an exchange."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from brokerfix.facts import OrderAccepted
from brokerfix.record.journal import read
from tests.door import Exchange, Keys, Place, WebSocket, eventually, order, problem
from tests.live import run_cli

CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "data"
record_interval_ms = 50
{instrument}
[instruments.MSFT]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
post = "book"
reference = "150.00"
[gateway]
plain = "127.0.0.1"
[gateway.budgets]
orders = {{ rate = 0 }}
requests = {{ rate = 0 }}
cancels = {{ rate = 0 }}
mass_cancels = {{ rate = 0 }}
[http]
port = {http}
answer_seconds = 1
failures_before_lockout = 1000
[accounts.BOB]
cash = "10000000"
[accounts.CAROL]
cash = "10000000"
[accounts.DAVE]
cash = "10000000"
[clients.DESK]
accounts = ["BOB", "CAROL", "DAVE"]
drop_copy = ["OTHER"]
[clients.OTHER]
accounts = ["BOB"]
[venues.XNAS]
host = "127.0.0.1"
port = {venue_port}
sender = "BROKER"
target = "XNAS"
"""
KEYS: Keys = {
    "desk": ("DESK", ["read", "trade", "market"], []),
    "bob": ("DESK", ["read", "trade"], ["BOB"]),
    "two": ("DESK", ["read", "trade"], ["BOB", "CAROL"]),
    "other": ("OTHER", ["read", "trade"], []),
}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    made = Exchange(tmp_path_factory.mktemp("exchange"))
    yield made
    made.process.stop()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, exchange: Exchange) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("http"), CONFIG, KEYS, venue_port=exchange.port)
    with made.api() as api:
        eventually(lambda: api.post("/v1/orders", json=order(f"up-{time.time_ns()}")).status_code == 201)
        api.delete("/v1/orders")
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _nothing_open(place: Place) -> Iterator[None]:
    """Each test begins without open orders."""
    yield
    with place.api() as api, place.api("other") as other:
        for client in (api, other):
            eventually(lambda client=client: client.delete("/v1/orders").status_code == 200)


def listed(api: httpx.Client, **filters: Any) -> list[str]:
    """The ClOrdIDs of a list, all its pages."""
    return [one["cl_ord_id"] for one in pages(api, "/v1/orders", **filters)]


def pages(api: httpx.Client, path: str, **filters: Any) -> list[dict[str, Any]]:
    answer = api.get(path, params=filters)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    while "next" in answer.links:
        answer = api.get(answer.links["next"]["url"])
        found += answer.json()
    return found


def book_order(cl_ord_id: str, **terms: Any) -> dict[str, Any]:
    """An order that rests with the broker."""
    return order(cl_ord_id, **{"symbol": "MSFT", **terms})


# Types and instructions

PLAIN = {
    "type": "limit", "time_in_force": "day", "stop_px": None, "min_qty": None, "max_floor": None, "expire_time": None,
    "expire_date": None, "peg_offset": None, "exec_inst": [], "cash_order_qty": None, "ex_destination": "",
    "manual": False,
}  # fmt: skip
ASKED: dict[str, dict[str, Any]] = {
    "stop": {"type": "stop", "price": None, "stop_px": "155.00"},
    "stop-limit": {"type": "stop_limit", "price": "156.00", "stop_px": "155.00"},
    "trailing": {
        "type": "stop", "price": None, "side": "sell", "stop_px": "120.00", "peg_offset": "30.00",
        "exec_inst": ["trailing_stop"],
    },
    "pegged": {"type": "pegged", "price": "141.00", "peg_offset": "-0.05", "exec_inst": ["primary_peg"]},
    "iceberg": {"max_floor": "4"},
    "min-qty": {"min_qty": "5"},
    "all-or-none": {"exec_inst": ["all_or_none", "not_held"]},
    "post-only": {"exec_inst": ["post_only"]},
    "at-a-halt": {"exec_inst": ["cancel_on_halt", "held"]},
    "gtc": {"time_in_force": "gtc", "exec_inst": ["reinstate_on_halt", "keep"]},
    "gtd-day": {"time_in_force": "gtd", "expire_date": "2099-12-31"},
    "gtd-time": {"time_in_force": "gtd", "expire_time": "2099-12-31T20:00:00.250Z"},
    "manual": {"manual": True},
    "exchange": {"symbol": "AAPL", "ex_destination": "XNAS"},
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_what_an_order_asks_for_is_told_of_it(place: Place, name: str) -> None:
    """In its answer, in the list, and by a door that was opened later: `test_a_door_that_opens_later`."""
    asked = book_order(f"ask-{name}", **ASKED[name])
    with place.api() as api:
        answer = api.post("/v1/orders", json=asked)
        assert answer.status_code == 201, answer.text
        told = answer.json()
        expected = {**PLAIN, **{key: value for key, value in asked.items() if key in PLAIN}}
        assert {key: sorted(told[key]) if key == "exec_inst" else told[key] for key in PLAIN} == {
            **expected, "exec_inst": sorted(expected["exec_inst"]),
        }  # fmt: skip
        assert (told["status"], told["price"]) == ("new", asked["price"])
        assert api.post("/v1/orders", json=asked).json() == told, "again is the same"
        changed = {**asked, "max_floor": "3"} if name != "iceberg" else {**asked, "max_floor": "3.0"}
        assert "another order" in problem(api.post("/v1/orders", json=changed), 409)


def test_orders_that_end_at_once(place: Place) -> None:
    with place.api() as api, place.api("other") as other:
        other.post("/v1/orders", json=book_order("rest", side="sell", price="150.00", qty="25"))
        market = book_order("market", type="market", price=None, qty="5")
        cash = book_order("cash", type="market", price=None, qty=None, cash_order_qty="1500")
        to_limit = book_order("to-limit", type="market_to_limit", price=None, qty="20")
        bought = [api.post("/v1/orders", json=one).json() for one in (market, cash, to_limit)]
        assert [(one["status"], one["qty"], one["leaves_qty"]) for one in bought[:2]] == [
            ("filled", "5", "0"),
            ("filled", "10", "0"),
        ]
        assert bought[1]["cash_order_qty"] == "1500"
        eventually(lambda: api.get("/v1/orders/to-limit").json()["cum_qty"] == "10")
        assert api.post("/v1/orders", json=book_order("kill", time_in_force="fok")).json()["status"] == "canceled"


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"max_floor": "20"}, "MAX_FLOOR"),
        ({"stop_px": "150.00"}, "STOP: StopPx needs OrdType 3 or 4"),
        ({"type": "pegged", "price": None}, "RefTagID=18"),
        ({"time_in_force": "gtd"}, "RefTagID=432"),
        ({"time_in_force": "opening"}, "AUCTION"),
        ({"time_in_force": "gtd", "expire_date": "2020-01-01"}, "GTD: the date is in the past"),
        ({"type": "stop_limit"}, "RefTagID=99"),
        ({"price": None}, "RefTagID=44"),
        ({"qty": None}, "RefTagID=38"),
        ({"ex_destination": "NOWHERE"}, "UNKNOWN_VENUE: value=NOWHERE"),
        ({"exec_inst": ["post_only", "market_peg"]}, "PEG: ExecInst R, P and M need OrdType P"),
        ({"peg_offset": "0.005"}, "INSTRUCTIONS: 0.005 has more than 2 decimals"),
    ],
)
def test_what_fix_refuses_is_refused_in_its_words(place: Place, terms: dict[str, Any], told: str) -> None:
    with place.api() as api:
        refused = api.post("/v1/orders", json=book_order(f"no-{time.time_ns()}", **terms))
        assert told in problem(refused, 422)


def test_what_fix_would_leave_out_of_account_is_refused_here(place: Place) -> None:
    with place.api() as api:
        assert "no price" in problem(api.post("/v1/orders", json=book_order("odd", type="stop", stop_px="155.00")), 400)
        assert "not both" in problem(api.post("/v1/orders", json=book_order("odd", cash_order_qty="500")), 400)
        assert problem(api.post("/v1/orders", json=book_order("odd", exec_inst=["no_such"])), 400)
        assert problem(api.post("/v1/orders", json=book_order("odd", expire_time="2099-12-31T20:00:00")), 400)
        early = book_order("odd", time_in_force="gtd", expire_time="0001-01-01T00:00:00+10:00")
        assert problem(api.post("/v1/orders", json=early), 400)
        assert problem(api.patch("/v1/orders/odd", json={"cl_ord_id": "o", "expire_time": early["expire_time"]}), 400)


def test_a_replace_keeps_what_it_does_not_name(place: Place) -> None:
    with place.api() as api:
        api.post("/v1/orders", json=book_order("ice", max_floor="4", exec_inst=["keep"], time_in_force="gtc"))
        told = api.patch("/v1/orders/ice", json={"cl_ord_id": "ice-2", "price": "141.00"}).json()
        assert (told["price"], told["qty"], told["max_floor"], told["exec_inst"]) == ("141.00", "10", "4", ["keep"])
        told = api.patch("/v1/orders/ice-2", json={"cl_ord_id": "ice-3", "max_floor": "2", "qty": "12"}).json()
        assert (told["qty"], told["max_floor"], told["price"]) == ("12", "2", "141.00")
        told = api.patch("/v1/orders/ice", json={"cl_ord_id": "ice-4", "max_floor": "0", "exec_inst": []}).json()
        assert (told["max_floor"], told["exec_inst"], told["time_in_force"]) == (None, [], "gtc")
        api.post("/v1/orders", json=book_order("stop-it", type="stop", price=None, stop_px="155.00"))
        told = api.patch("/v1/orders/stop-it", json={"cl_ord_id": "stop-it-2", "stop_px": "157.00"}).json()
        assert (told["stop_px"], told["qty"]) == ("157.00", "10")
        assert "no price" in problem(api.patch("/v1/orders/stop-it", json={"cl_ord_id": "s-3", "price": "1"}), 400)
        date = {"time_in_force": "gtd", "expire_date": "2099-12-30"}
        api.post("/v1/orders", json=book_order("dated", **date))
        told = api.patch("/v1/orders/dated", json={"cl_ord_id": "dated-2", "expire_date": "2099-12-31"}).json()
        assert told["expire_date"] == "2099-12-31"
        api.post("/v1/orders", json=book_order("by-hand", manual=True))
        told = api.patch("/v1/orders/by-hand", json={"cl_ord_id": "by-hand-2", "qty": "11"}).json()
        assert (told["manual"], told["qty"]) == (True, "11")
        assert "MAX_FLOOR" in problem(api.patch("/v1/orders/ice", json={"cl_ord_id": "ice-5", "max_floor": "99"}), 409)


def test_the_stream_shows_instructions_too(place: Place) -> None:
    stream = WebSocket(place, "bob", "/v1/stream")
    with place.api("bob") as bob:
        bob.post("/v1/orders", json=book_order("shown", max_floor="4"))
        told = stream.read()["order"]
        assert (told["cl_ord_id"], told["max_floor"], told["type"]) == ("shown", "4", "limit")
        assert told == bob.get("/v1/orders/shown").json()


def test_copies_of_anothers_orders_are_streamed_and_are_not_this_clients(place: Place) -> None:
    stream = WebSocket(place, "bob", "/v1/stream")
    with place.api("bob") as bob, place.api("other") as other:
        bob.post("/v1/orders", json=book_order("alike", qty="7"))
        other.post("/v1/orders", json=book_order("alike", qty="9"))
        assert [stream.read()["order"]["qty"] for _ in range(2)] == ["7", "9"]
        assert bob.get("/v1/orders/alike").json()["qty"] == "7"
        assert [one["qty"] for one in pages(bob, "/v1/orders", status="open")] == ["7"]
        assert bob.delete("/v1/orders/alike").json()["qty"] == "7"
        assert other.get("/v1/orders/alike").json()["status"] == "new"


# Lists


def test_an_order_is_on_record_with_the_name_of_its_key(place: Place) -> None:
    for key in ("desk", "other"):
        with place.api(key) as api:
            assert api.post("/v1/orders", json=book_order(f"by-{key}")).status_code == 201
    found = {
        fact.cl_ord_id: record.origin.who
        for record in read(place.folder / "data" / "journal")
        for fact in record.facts
        if isinstance(fact, OrderAccepted) and fact.cl_ord_id in ("by-desk", "by-other")
    }
    assert found == {"by-desk": "desk", "by-other": "other"}


def test_a_list_has_filters(place: Place) -> None:
    with place.api() as api:
        before = api.get("/v1/clock").json()["now"]
        time.sleep(0.002)
        for name, terms in {
            "f-buy": {"account": "BOB"},
            "f-sell": {"side": "sell", "price": "160.00", "account": "CAROL"},
            "f-aapl": {"symbol": "AAPL", "account": "CAROL"},
            "f-gone": {"time_in_force": "ioc"},
            "f-wild": {"price": "140.001"},
        }.items():
            api.post("/v1/orders", json=book_order(name, **terms))
        for filters, expected in (
            ({}, ["f-wild", "f-gone", "f-aapl", "f-sell", "f-buy"]),
            ({"status": "open"}, ["f-aapl", "f-sell", "f-buy"]),
            ({"status": "closed"}, ["f-wild", "f-gone"]),
            ({"status": ["canceled", "rejected"]}, ["f-wild", "f-gone"]),
            ({"status": ["all", "new"], "limit": 2}, ["f-wild", "f-gone", "f-aapl", "f-sell", "f-buy"]),
            ({"side": "sell"}, ["f-sell"]),
            ({"symbol": "AAPL"}, ["f-aapl"]),
            ({"symbol": ["AAPL", "MSFT"], "status": "open", "limit": 1}, ["f-aapl", "f-sell", "f-buy"]),
            ({"account": "CAROL"}, ["f-aapl", "f-sell"]),
        ):
            assert listed(api, after=before, **filters) == expected, filters
        assert not {"f-buy", "f-sell"} & set(listed(api, until=before))
        entered = api.get("/v1/orders/f-buy").json()["entered"]
        assert "f-buy" in listed(api, until=entered)
        assert "f-buy" not in listed(api, after=entered)
        for wrong in (
            {"cursor": "x"},
            {"after": "yesterday"},
            {"status": "odd"},
            {"limit": 0},
            {"after": "2026-02-31"},
        ):
            assert problem(api.get("/v1/orders", params=wrong), 400)
    with place.api("bob") as bob:
        assert {one["account"] for one in pages(bob, "/v1/orders")} == {"BOB"}
        assert problem(bob.get("/v1/orders", params={"account": "CAROL"}), 403)


def test_pages_tell_nothing_twice_and_leave_nothing_out_while_orders_come_in(place: Place) -> None:
    with place.api() as api, ThreadPoolExecutor(2) as pool:
        begun = listed(api, status="open")
        wanted = [f"page-{number}" for number in range(30)]
        for name in wanted:
            api.post("/v1/orders", json=book_order(name))
        entered: list[str] = []
        go_on = True

        def keep_ordering() -> None:
            with place.api() as busy:
                while go_on:
                    entered.append(f"meanwhile-{len(entered)}")
                    busy.post("/v1/orders", json=book_order(entered[-1], time_in_force="gtc"))

        busy = pool.submit(keep_ordering)
        try:
            while len(entered) < 20:
                found = listed(api, limit=7, status="open")
                assert len(found) == len(set(found))
                old = [name for name in found if not name.startswith("meanwhile")]
                assert old == [*reversed(wanted), *begun]
        finally:
            go_on = False
        busy.result()
        found = listed(api, limit=1000)
        assert found == listed(api, limit=13)


def test_a_door_that_opens_later_tells_the_same(place: Place) -> None:
    """What ended before is in the database; what works is laid over it."""
    with place.api() as api:
        named = {name: book_order(f"later-{name}", **terms) for name, terms in ASKED.items()}
        for asked in named.values():
            assert api.post("/v1/orders", json=asked).status_code == 201
        api.post("/v1/orders", json=book_order("later-gone", time_in_force="ioc"))
        api.post("/v1/orders", json=order("later-sold", side="sell", qty="1", price="140.00", type="limit"))
        eventually(lambda: api.get("/v1/orders/later-sold").json()["status"] == "filled")
        eventually(lambda: api.get("/v1/orders/later-exchange").json()["cum_qty"] == "1")
        before = [one for one in pages(api, "/v1/orders") if one["status"] != "rejected"]
        api.post("/v1/orders", json=book_order("later-lost", exec_inst=["cancel_on_loss"]))
        fills = pages(api, "/v1/executions")
        place.stop_http()
        place.start_http()
        lost, *after = pages(api, "/v1/orders", limit=9)
        assert (lost["cl_ord_id"], lost["status"], lost["exec_inst"]) == ("later-lost", "canceled", ["cancel_on_loss"])
        assert [one["order_id"] for one in after] == [one["order_id"] for one in before]
        fixed = [key for key in before[0] if key not in ("text", "peg_price")]
        for one, other in zip(after, before, strict=True):
            assert {key: one[key] for key in fixed} == {key: other[key] for key in fixed}
        assert pages(api, "/v1/executions") == fills
        assert listed(api, status="open", limit=3) == [f"later-{name}" for name in reversed(ASKED)]
        for name, asked in named.items():
            again = api.post("/v1/orders", json=asked)
            assert (again.status_code, again.json()["cl_ord_id"]) == (200, f"later-{name}"), again.text
            for other in ({"manual": not asked.get("manual")}, {"min_qty": "3"}, {"exec_inst": ["mid_peg"]}):
                assert problem(api.post("/v1/orders", json={**asked, **other}), 409), (name, other)
        assert api.get("/v1/orders/later-gone").json()["status"] == "canceled"


def test_a_door_does_not_tell_less_than_there_is_while_the_database_is_behind(place: Place) -> None:
    with place.api() as api:
        before = listed(api)
        assert place.broker._process is not None
        children = Path(f"/proc/{place.broker._process.pid}/task/{place.broker._process.pid}/children").read_text()
        (projection,) = (
            int(pid)
            for pid in children.split()
            if b"brokerfix.projections.sqlite" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        os.kill(projection, signal.SIGSTOP)
        try:
            api.post("/v1/orders", json=book_order("not-yet", time_in_force="ioc"))
            place.stop_http()
            place.start_http()
            assert "behind" in problem(api.get("/v1/orders"), 503)
        finally:
            os.kill(projection, signal.SIGCONT)
        eventually(lambda: api.get("/v1/orders").status_code == 200)
        # What was refused at once is in no database.
        assert [name for name in listed(api) if name != "not-yet"] == [name for name in before if name in listed(api)]
        assert listed(api, limit=1)[0] == "not-yet"


# Cancel-all


def test_cancel_all_or_some(place: Place) -> None:
    with place.api() as api:
        terms: dict[str, dict[str, Any]] = {
            "x-1": {"account": "BOB"},
            "x-2": {"account": "CAROL", "side": "sell", "price": "160.00"},
            "x-3": {"account": "CAROL", "symbol": "AAPL"},
            "x-4": {"account": "DAVE"},
        }
        for name, more in terms.items():
            api.post("/v1/orders", json=book_order(name, **more))

        def canceled(**filters: Any) -> list[str]:
            answer = api.delete("/v1/orders", params=filters)
            assert answer.status_code == 200, answer.text
            assert {one["status"] for one in answer.json()} <= {"canceled"}
            return sorted(one["cl_ord_id"] for one in answer.json())

        assert canceled(side="sell") == ["x-2"]
        assert canceled(symbol="AAPL") == ["x-3"]
        assert canceled(account=["BOB", "CAROL"]) == ["x-1"]
        assert listed(api, status="open") == ["x-4"]
        assert canceled() == ["x-4"]
        assert canceled() == []
        assert "UNKNOWN_SYMBOL" in problem(api.delete("/v1/orders", params={"symbol": "NONE"}), 422)


def test_no_key_cancels_what_it_may_not_see(place: Place) -> None:
    with place.api() as api, place.api("bob") as bob, place.api("two") as two, place.api("other") as other:
        for account in ("BOB", "CAROL", "DAVE"):
            api.post("/v1/orders", json=book_order(f"k-{account}", account=account))
        other.post("/v1/orders", json=book_order("k-other"))
        assert [one["cl_ord_id"] for one in bob.delete("/v1/orders").json()] == ["k-BOB"]
        assert listed(api, status="open") == ["k-DAVE", "k-CAROL"]
        assert problem(bob.delete("/v1/orders", params={"account": "CAROL"}), 403)
        assert [one["cl_ord_id"] for one in two.delete("/v1/orders").json()] == ["k-CAROL"]
        assert [one["cl_ord_id"] for one in api.delete("/v1/orders").json()] == ["k-DAVE"]
        assert other.get("/v1/orders/k-other").json()["status"] == "new", "another client's, in the same account"


def test_cancel_all_says_what_has_not_ended_yet(place: Place, exchange: Exchange) -> None:
    with place.api() as api:
        api.post("/v1/orders", json=order("at-exchange"))
        api.post("/v1/orders", json=book_order("with-us"))
        exchange.pause()
        try:
            answer = api.delete("/v1/orders")
            states = {one["cl_ord_id"]: one["status"] for one in answer.json()}
            assert (answer.status_code, states["with-us"]) == (202, "canceled")
            assert states["at-exchange"] != "canceled"
        finally:
            exchange.go_on()
        eventually(lambda: api.get("/v1/orders/at-exchange").json()["status"] == "canceled")


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_one_request_id_is_not_two_requests(place: Place, exchange: Exchange, method: str) -> None:
    """While the exchange keeps the first waiting, another one of that name is neither sent nor told the first's
    answer."""
    name = f"{method}-once"
    told = [f"there is another {what} {name} already" for what in ("request", "order")]

    def ask(cl_ord_id: str) -> httpx.Response:
        with place.api() as api:
            if method == "DELETE":
                return api.delete(f"/v1/orders/{cl_ord_id}", params={"cl_ord_id": name})
            return api.patch(f"/v1/orders/{cl_ord_id}", json={"cl_ord_id": name, "price": "139.00"})

    def state(api: httpx.Client, cl_ord_id: str) -> tuple[str, str]:
        now = api.get(f"/v1/orders/{cl_ord_id}").json()
        return now["status"], now["price"]

    with place.api() as api, ThreadPoolExecutor(1) as pool:
        for account in ("BOB", "CAROL"):
            assert api.post("/v1/orders", json=order(f"{method}-{account}", account=account)).status_code == 201
        exchange.pause()
        try:
            first = pool.submit(ask, f"{method}-BOB")
            time.sleep(0.2)
            assert problem(ask(f"{method}-CAROL"), 409) in told
        finally:
            exchange.go_on()
        assert first.result().status_code in (200, 503)
        expected = ("canceled", "140.00") if method == "DELETE" else ("new", "139.00")
        eventually(lambda: state(api, f"{method}-BOB") == expected)
        assert state(api, f"{method}-CAROL") == ("new", "140.00")


def test_an_operators_order_is_in_the_list(place: Place) -> None:
    terms = "buy", "3", "MSFT", "@", "139.00"
    done = run_cli("orders", "enter", "--config", str(place.config), "--as", "DESK", *terms)
    assert done.returncode == 0, done.stderr
    with place.api() as api:
        eventually(lambda: [one["qty"] for one in pages(api, "/v1/orders", status="open")] == ["3"])
        api.delete("/v1/orders")
