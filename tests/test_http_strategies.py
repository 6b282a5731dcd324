"""Orders over HTTP that are worked over time: what can be asked for, and what becomes of it when they are replaced or
paused and when the door opens again."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.door import Keys, Place, WebSocket, eventually, order, problem

CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "data"
store = false
{instrument}post = "book"
[gateway]
plain = "127.0.0.1"
[gateway.budgets]
orders = {{ rate = 0 }}
requests = {{ rate = 0 }}
cancels = {{ rate = 0 }}
mass_cancels = {{ rate = 0 }}
[http]
port = {http}
failures_before_lockout = 1000
[accounts.BOB]
cash = "10000000"
[accounts.CAROL]
cash = "10000000"
[clients.DESK]
accounts = ["BOB"]
[clients.OTHER]
accounts = ["CAROL"]
"""
KEYS: Keys = {"desk": ("DESK", ["read", "trade", "market"], []), "other": ("OTHER", ["read", "trade"], [])}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("http"), CONFIG, KEYS)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _nothing_open(place: Place) -> Iterator[None]:
    yield
    with place.api() as api, place.api("other") as other:
        for client in (api, other):
            assert client.delete("/v1/orders").status_code == 200


def at(seconds: float) -> str:
    """So many seconds from now."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def worked(name: str, terms: dict[str, Any], **others: Any) -> dict[str, Any]:
    return order(name, **{"qty": "100", "price": "150.00", "strategy": terms, **others})


def moments(told: dict[str, Any]) -> dict[str, Any]:
    """A strategy with its times as numbers, as they may be written in several ways."""
    return {
        name: datetime.fromisoformat(value).timestamp() if name in ("start", "end") and value else value
        for name, value in told.items()
    }


NOTHING = dict.fromkeys(("interval_seconds", "participation_rate", "urgency", "route_mode"))
USUAL = {**NOTHING, "catch_up": True, "style": "take"}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"name": "twap"}, {**USUAL, "interval_seconds": "30"}),
        (
            {"name": "vwap", "interval_seconds": "2.50", "participation_rate": "12.5", "route_mode": "pro-rata"},
            {**USUAL, "interval_seconds": "2.5", "participation_rate": "12.5", "route_mode": "pro-rata"},
        ),
        (
            {"name": "pov", "participation_rate": "10", "style": "post", "catch_up": False},
            {**USUAL, "interval_seconds": "1", "participation_rate": "10", "style": "post", "catch_up": False},
        ),
        (
            {"name": "is", "urgency": "3.5", "interval_seconds": "5"},
            {**USUAL, "urgency": "3.5", "interval_seconds": "5"},
        ),
    ],
)
def test_a_strategy_is_told_as_it_is_understood(place: Place, asked: dict[str, Any], told: dict[str, Any]) -> None:
    # It begins so late that its schedule is not on its way yet.
    times = {"start": at(600), "end": at(1200)}
    with place.api() as api:
        answer = api.post("/v1/orders", json=worked(f"s-{asked['name']}", {**asked, **times}))
        assert answer.status_code == 201, answer.text
        entered = answer.json()
        assert moments(entered["strategy"]) == moments({"name": asked["name"], **told, **times})
        assert (entered["status"], entered["paused"]) == ("new", False)
        assert api.get(f"/v1/orders/s-{asked['name']}").json() == entered


def test_a_routing_mode_alone(place: Place) -> None:
    with place.api() as api:
        told = api.post("/v1/orders", json=worked("routed", {"route_mode": "spray"})).json()["strategy"]
        assert {name: value for name, value in told.items() if value is not None} == {"route_mode": "spray"}
        assert api.post("/v1/orders", json=worked("none", {"route_mode": "spray"}, time_in_force="ioc")).json()[
            "status"
        ] == "canceled", "it is as immediate as without"  # fmt: skip
        assert api.post("/v1/orders", json=order("plain")).json()["strategy"] is None


@pytest.mark.parametrize(
    ("terms", "others", "status", "text"),
    [
        ({"name": "twap"}, {}, 422, "STRATEGY: the parameter EndTime is missing"),
        ({"name": "pov"}, {}, 422, "STRATEGY: the parameter ParticipationRate is missing"),
        ({"name": "pov", "participation_rate": "100.5"}, {}, 422, "not between 0 and 100 percent"),
        ({"name": "twap", "end": "2020-01-01T00:00:00Z"}, {}, 422, "STRATEGY: EndTime is not after"),
        ({"name": "pov", "participation_rate": "5"}, {"time_in_force": "ioc"}, 422, "not with IOC"),
        ({"name": "pov", "participation_rate": "5"}, {"exec_inst": ["post_only"]}, 422, "STRATEGY"),
        ({"route_mode": "best", "urgency": "1"}, {}, 422, "there is no parameter Urgency"),
        ({}, {}, 400, "a strategy has a name or a route_mode"),
        ({"name": "twap", "end": "0001-01-01T00:00:00+10:00"}, {}, 400, "end is no time in UTC"),
        ({"name": "best"}, {}, 400, "Invalid enum value"),
        ({"name": "twap", "EndTime": at(60)}, {}, 400, "unknown field"),
        ({"name": "twap", "participation_rate": "1;Style=post"}, {}, 400, "Expected `str` matching"),
    ],
)
def test_what_can_not_be_worked(
    place: Place, terms: dict[str, Any], others: dict[str, Any], status: int, text: str
) -> None:
    with place.api() as api:
        refused = api.post("/v1/orders", json=worked(f"no-{time.time_ns()}", terms, **others))
        assert text in problem(refused, status)


def test_a_market_order_is_worked_and_tells_how_far_it_is(place: Place) -> None:
    stream = WebSocket(place, "desk", "/v1/stream")
    with place.api() as api, place.api("other") as other:
        other.post("/v1/orders", json=order("rest", side="sell", price="150.00", qty="1000"))
        asked = worked("market", {"name": "twap", "end": at(1.5), "interval_seconds": "0.1"}, type="market", price=None)
        started = time.monotonic()
        assert api.post("/v1/orders", json=asked).json()["status"] == "new"
        assert time.monotonic() - started < 1.0, "its answer does not wait for its end"
        eventually(lambda: api.get("/v1/orders/market").json()["status"] == "filled")
    texts = list[str]()
    message = stream.read()
    while message["order"]["status"] != "filled":
        texts += [message["order"]["text"]] if message["exec_type"] == "I" else []
        message = stream.read()
    assert len(texts) > 2
    assert all(text.startswith("TWAP ") for text in texts)
    stream.socket.close()


def test_a_replace_keeps_a_strategy_and_pauses_it(place: Place) -> None:
    with place.api() as api, place.api("other") as other:
        other.post("/v1/orders", json=order("seller", side="sell", price="150.00", qty="1000"))
        terms = {"name": "twap", "end": at(600), "interval_seconds": "0.1", "style": "take"}
        entered = api.post("/v1/orders", json=worked("p", terms, qty="1000", exec_inst=["keep"])).json()
        paused = api.patch("/v1/orders/p", json={"cl_ord_id": "p-2", "paused": True}).json()
        assert (paused["paused"], paused["exec_inst"]) == (True, ["keep"])
        assert moments(paused["strategy"]) == moments(entered["strategy"])
        place.stop_http()
        place.start_http()
        # The door knows by the broker's reports alone.
        assert api.patch("/v1/orders/p", json={"cl_ord_id": "p-2", "paused": True}).json()["order_id"]
        assert "another request" in problem(api.patch("/v1/orders/p", json={"cl_ord_id": "p-2", "paused": False}), 409)
        bigger = api.patch("/v1/orders/p", json={"cl_ord_id": "p-3", "qty": "900", "exec_inst": []}).json()
        assert (bigger["paused"], bigger["exec_inst"], bigger["qty"]) == (True, [], "900")
        assert moments(bigger["strategy"]) == moments(entered["strategy"])
        soon = {"name": "twap", "end": at(2), "interval_seconds": "0.1"}
        changed = api.patch("/v1/orders/p", json={"cl_ord_id": "p-4", "strategy": soon}).json()
        assert (changed["paused"], changed["strategy"]["style"]) == (True, "take")
        assert moments(changed["strategy"])["end"] == moments(soon)["end"]
        before = api.get("/v1/orders/p").json()["cum_qty"]
        time.sleep(0.6)
        assert api.get("/v1/orders/p").json()["cum_qty"] == before, "a paused order is not worked"
        assert api.patch("/v1/orders/p", json={"cl_ord_id": "p-5", "paused": False}).json()["paused"] is False
        eventually(lambda: api.get("/v1/orders/p").json()["status"] == "filled")


def test_the_same_again_means_the_strategy_too(place: Place) -> None:
    start, end = at(600), at(1200)
    terms = {"name": "is", "start": start, "end": end, "urgency": "2", "interval_seconds": "10"}
    asked = worked("again", terms)
    with place.api() as api:
        first = api.post("/v1/orders", json=asked).json()
        for restarted in (False, True):
            if restarted:
                place.stop_http()
                place.start_http()
            alike = {**terms, "urgency": "2.0", "start": start.replace("Z", "+00:00"), "interval_seconds": "10.000"}
            again = api.post("/v1/orders", json=worked("again", alike))
            assert (again.status_code, again.json()["order_id"]) == (200, first["order_id"])
            others: list[dict[str, Any]] = [
                {"urgency": "2.5"}, {"end": at(1300)}, {"name": "twap"}, {"style": "post"}, {"route_mode": "best"},
            ]  # fmt: skip
            for other in others:
                assert "another order" in problem(api.post("/v1/orders", json=worked("again", {**terms, **other})), 409)
            assert problem(api.post("/v1/orders", json={**asked, "strategy": None}), 409)
