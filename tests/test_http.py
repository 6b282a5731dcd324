"""The HTTP door over real sockets: orders, keys, budgets, the stream, and that the document tells the truth."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from brokerfix.tools.client import Client, Disconnected
from tests.door import Place, WebSocket, eventually, order, problem
from tests.live import run_cli


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("http"))
    yield made
    made.stop()


def test_an_orders_life(place: Place) -> None:
    with place.api() as api:
        entered = api.post("/v1/orders", json=order("life-1", account="CAROL"))
        assert entered.status_code == 201
        told = entered.json()
        assert (told["status"], told["leaves_qty"], told["account"]) == ("new", "10", "CAROL")
        replaced = api.patch("/v1/orders/life-1", json={"cl_ord_id": "life-2", "qty": "20", "price": "141.00"}).json()
        assert (replaced["cl_ord_id"], replaced["qty"], replaced["order_id"]) == ("life-2", "20", told["order_id"])
        assert api.get("/v1/orders/life-1").json() == replaced, "it is known by its old name too"
        with place.api() as other:
            sold = other.post("/v1/orders", json=order("life-s", side="sell", qty="5", price="141.00", account="BOB"))
            assert sold.status_code == 201
        eventually(lambda: api.get("/v1/orders/life-2").json()["cum_qty"] == "5")
        canceled = api.delete("/v1/orders/life-2", params={"cl_ord_id": "life-3"}).json()
        assert (canceled["status"], canceled["cum_qty"]) == ("canceled", "5")
        assert api.delete("/v1/orders/life-2").json() == canceled, "again is the same"
        eventually(
            lambda: (
                {row["account"]: row["qty"] for row in api.get("/v1/positions").json()} == {"BOB": "-5", "CAROL": "5"}
            )
        )


def test_a_market_order_and_its_times_in_force(place: Place) -> None:
    with place.api() as api:
        api.post("/v1/orders", json=order("rest", side="sell", price="145.00", qty="3"))
        bought = api.post("/v1/orders", json=order("take", type="market", price=None, qty="3", account="CAROL")).json()
        assert (bought["status"], bought["avg_px"]) == ("filled", "145.00")
        nothing = api.post("/v1/orders", json=order("none", time_in_force="ioc")).json()
        assert nothing["status"] == "canceled"
        assert "price" in problem(api.post("/v1/orders", json=order("odd", type="market")), 400)


def test_the_same_order_again_is_the_same_order(place: Place) -> None:
    with place.api() as api:
        first = api.post("/v1/orders", json=order("same"))
        again = api.post("/v1/orders", json=order("same", price="140"))
        assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
        different = api.post("/v1/orders", json=order("same", qty="11"))
        assert "another order" in problem(different, 409)
        assert different.json()["order"]["qty"] == "10"
        with ThreadPoolExecutor(8) as pool:
            for number in range(20):
                wanted = order(f"at-once-{number}")
                answers = list(pool.map(lambda _, wanted=wanted: api.post("/v1/orders", json=wanted).json(), range(8)))
                assert len({answer["order_id"] for answer in answers}) == 1


def test_it_is_the_same_order_after_a_restart_too(place: Place) -> None:
    with place.api() as api:
        first = api.post("/v1/orders", json=order("before")).json()
        place.stop_http()
        place.start_http()
        assert api.post("/v1/orders", json=order("before")).json()["order_id"] == first["order_id"]
        assert "another order" in problem(api.post("/v1/orders", json=order("before", qty="12")), 409)
        change = {"cl_ord_id": "before-2", "qty": "9"}
        changed = api.patch("/v1/orders/before", json=change).json()
        place.stop_http()
        place.start_http()
        assert api.patch("/v1/orders/before", json=change).json()["qty"] == changed["qty"] == "9"
        assert "another request" in problem(api.patch("/v1/orders/before", json={**change, "qty": "8"}), 409)
        assert first["order_id"] in {one["order_id"] for one in api.get("/v1/orders").json()}
        assert api.delete("/v1/orders/before").json()["status"] == "canceled"


def test_what_the_broker_refuses_is_told(place: Place) -> None:
    with place.api() as api:
        refused = api.post("/v1/orders", json=order("wild", price="999.00"))
        assert "COLLAR" in problem(refused, 422).upper()
        assert refused.json()["order"]["status"] == "rejected"
        assert problem(api.post("/v1/orders", json=order("wild", price="999.00")), 422)
        assert problem(api.get("/v1/orders/nobody"), 404)
        assert problem(api.delete("/v1/orders/nobody"), 404)
        assert problem(api.post("/v1/orders", json={"cl_ord_id": "x"}), 400)
        assert problem(api.post("/v1/orders", json=order("x\x01y")), 400)
        assert problem(api.post("/v1/orders", content=b"{" * 20_000), 413)


def test_keys_have_scopes_and_accounts(place: Place) -> None:
    assert problem(httpx.get(f"{place.url}/v1/orders"), 401)
    assert problem(httpx.get(f"{place.url}/v1/orders", headers={"Authorization": "Bearer desk_x"}), 401)
    with place.api("reader") as reader, place.api("bob") as bob, place.api() as desk:
        assert problem(reader.post("/v1/orders", json=order("no")), 403)
        assert problem(bob.get("/v1/books/AAPL"), 403)
        assert problem(bob.post("/v1/orders", json=order("no", account="CAROL")), 403)
        desk.post("/v1/orders", json=order("carols", account="CAROL"))
        assert problem(bob.get("/v1/orders/carols"), 404)
        assert all(one["account"] == "BOB" for one in bob.get("/v1/orders").json())
        assert {row["account"] for row in bob.get("/v1/positions").json()} <= {"BOB"}


def test_no_key_sees_the_orders_of_accounts_that_it_has_not(place: Place) -> None:
    with place.api("bob") as bob, place.api() as desk:
        stream = WebSocket(place, "bob", "/v1/stream")
        desk.post("/v1/orders", json=order("hidden", account="CAROL"))
        wild = desk.post("/v1/orders", json=order("hidden-wild", account="CAROL", symbol="NONE"))
        assert wild.json()["order"]["account"] == "CAROL", "it is known of a rejected order too"
        taken = bob.post("/v1/orders", json=order("hidden"))
        assert problem(taken, 409)
        assert taken.json()["order"] is None
        for name in ("hidden", "hidden-wild"):
            assert problem(bob.get(f"/v1/orders/{name}"), 404)
            assert problem(bob.delete(f"/v1/orders/{name}"), 404)
        bob.post("/v1/orders", json=order("bobs", account="BOB"))
        assert stream.read()["order"]["cl_ord_id"] == "bobs"
        patched = bob.patch("/v1/orders/bobs", json={"cl_ord_id": "hidden", "qty": "1", "price": "140.00"})
        assert problem(patched, 409)
        assert patched.json()["order"] is None


def test_the_same_again_means_every_term(place: Place) -> None:
    with place.api() as api:
        api.post("/v1/orders", json=order("terms"))
        assert problem(api.post("/v1/orders", json=order("terms", type="market", price=None)), 409)
        assert problem(api.post("/v1/orders", json=order("terms", time_in_force="fok")), 409)
        assert problem(api.post("/v1/orders", json=order("terms", account="CAROL")), 409)
        wrong = order("terms-2", qty="1.5")
        assert {problem(api.post("/v1/orders", json=wrong), 422) for _ in range(2)}
        change = {"cl_ord_id": "terms-3", "qty": "5", "price": "140.00"}
        first = api.patch("/v1/orders/terms", json=change).json()
        assert api.patch("/v1/orders/terms", json=change).json() == first
        api.delete("/v1/orders/terms-3")
        assert api.patch("/v1/orders/terms", json=change).json()["status"] == "canceled", "it had been done"
        api.post("/v1/orders", json=order("unrelated"))
        assert problem(api.patch("/v1/orders/terms", json={**change, "cl_ord_id": "unrelated"}), 409)


def test_a_cancel_that_comes_too_late_is_a_conflict(place: Place) -> None:
    with place.api() as api:
        api.post("/v1/orders", json=order("late-rest", side="sell", price="146.00", qty="1"))
        api.post("/v1/orders", json=order("late", price="146.00", qty="1", account="CAROL"))
        eventually(lambda: api.get("/v1/orders/late").json()["status"] == "filled")
        assert problem(api.delete("/v1/orders/late"), 409)


def test_it_comes_back_after_the_day_rolls_and_after_the_broker_restarts(place: Place) -> None:
    with place.api() as api:
        for again in (roll, restart):
            again(place)
            eventually(
                lambda: api.get("/healthz").json()["up"] is True and api.get("/v1/books/AAPL").status_code == 200
            )
            name = f"after-{time.time_ns()}"
            assert api.post("/v1/orders", json=order(name)).json()["status"] == "new"
            assert api.delete(f"/v1/orders/{name}").json()["status"] == "canceled"


def roll(place: Place) -> None:
    before = logons(place)
    assert run_cli("roll", "--config", str(place.config)).returncode == 0
    # A moment later sequence numbers begin anew: the door's session ends, and comes back.
    eventually(lambda: logons(place) > before)


def logons(place: Place) -> int:
    return (place.folder / "http.log").read_text().count("DESK has logged on")


def restart(place: Place) -> None:
    place.broker.stop()
    with place.api() as api:
        eventually(lambda: api.get("/healthz").json()["up"] is False)
        assert problem(api.post("/v1/orders", json=order("away")), 503)
        assert problem(api.get("/v1/books/AAPL"), 503)
    place.broker.start()


def test_connections_that_say_nothing_take_nobodys_place(place: Place) -> None:
    silent = []
    for _ in range(150):
        one = socket.create_connection(("127.0.0.1", place.http), source_address=("127.0.7.7", 0))
        place.sockets.append(one)
        silent.append(one)
    eventually(lambda: sum(is_closed(one) for one in silent) >= 50)
    with place.api() as api:
        assert api.get("/v1/orders").status_code == 200


def is_closed(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_nobody_is_believed_to_speak_for_others(place: Place) -> None:
    answer = httpx.get(f"{place.url}/v1/orders", headers={"X-Forwarded-For": "junk"})
    assert problem(answer, 401)
    with place.api() as api:
        assert problem(api.post("/v1/orders", content=b'{"cl_ord_id": "\xff"}'), 400)
        assert problem(api.post("/v1/orders", json=order("newline\n")), 400)


def test_the_budgets_are_those_of_the_session(place: Place) -> None:
    with place.api("few") as few:
        assert few.post("/v1/orders", json=order("one")).status_code == 201
        refused = few.post("/v1/orders", json=order("two"))
        assert "too many orders" in problem(refused, 429)
        assert refused.headers["retry-after"] == "1"


def test_books(place: Place) -> None:
    with place.api() as api:
        api.post("/v1/orders", json=order("bid", price="139.00", qty="7"))
        wanted = {"price": "139.00", "qty": "7"}
        eventually(lambda: wanted in api.get("/v1/books/AAPL").json()["bids"])
        assert problem(api.get("/v1/books/NONE"), 404)


def test_fix_and_http_see_the_same_orders(place: Place) -> None:
    """The door's client is an ordinary session: what it does is in the same journal, under its own name."""
    with place.api() as api:
        told = api.post("/v1/orders", json=order("seen")).json()
    rows = json.loads(run_cli("sessions", "--config", str(place.config), "--json").stdout)
    assert {row["name"]: row["state"] for row in rows}["DESK"] == "up"
    listed = run_cli("orders", "--config", str(place.config), "--json", "--client", "DESK").stdout
    assert told["order_id"] in listed
    second = Client("DESK", "BROKER", "127.0.0.1", place.port)
    with pytest.raises(Disconnected):
        second.connect(timeout=5)


# The stream


def test_a_stream_tells_reports_and_quotes(place: Place) -> None:
    stream = WebSocket(place, "desk", "/v1/stream?symbols=AAPL")
    with place.api() as api:
        api.post("/v1/orders", json=order("streamed", price="138.00"))
    seen: dict[str, Any] = {}
    while not {"report", "quote"} <= set(seen):
        message = stream.read()
        if message["type"] == "quote" or message["order"]["cl_ord_id"] == "streamed":
            seen[message["type"]] = message
    assert seen["report"]["exec_type"] == "0"
    assert seen["quote"]["book"]["symbol"] == "AAPL"
    stream.socket.close()


def test_a_stream_tells_only_the_accounts_of_its_key(place: Place) -> None:
    stream = WebSocket(place, "bob", "/v1/stream")
    with place.api() as api:
        api.post("/v1/orders", json=order("carol-only", account="CAROL"))
        api.post("/v1/orders", json=order("bob-too", account="BOB"))
    assert stream.read()["order"]["cl_ord_id"] == "bob-too"
    assert WebSocket(place, "bob", "/v1/stream?symbols=AAPL").status != 101, "no scope for quotes"


def test_a_stream_that_reads_slowly_is_closed_and_hurts_nobody(place: Place) -> None:
    slow = WebSocket(place, "desk", "/v1/stream?symbols=AAPL")
    log = place.folder / "http.log"
    with place.api() as api:
        for number in range(20_000):
            started = time.monotonic()
            assert api.post("/v1/orders", json=order(f"slow-{number}", time_in_force="ioc")).status_code == 201
            assert time.monotonic() - started < 3.0
            if "a stream of desk does not read" in log.read_text():
                break
        else:
            raise AssertionError("it was not closed")
    try:
        while slow.read() != 4008:
            pass
    except ConnectionError:
        pass


# The document


CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,missing_required_header,unsupported_method,ignored_auth"
)


def test_the_api_does_what_its_document_says(place: Place) -> None:
    """schemathesis makes requests from the OpenAPI document, right and wrong ones, and checks every answer by it."""
    command = [
        Path(sys.executable).with_name("schemathesis"), "run", f"{place.url}/schema/openapi.json", "--checks", CHECKS,
        "-H", f"Authorization: Bearer {place.keys['desk']}", "--max-examples", "20", "--seed", "1", "--no-color",
        "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, cwd=place.folder, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    with place.api() as api:
        assert api.get("/healthz").json() == {"up": True}
