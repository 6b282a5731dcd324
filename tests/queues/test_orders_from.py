"""Orders from a queue, one suite for all kinds: a broker, `brokerfix orders-from`, and the queue's real server."""

from collections.abc import Iterator
from typing import Any

import pytest

from brokerfix.facts import OrderAccepted
from brokerfix.record.journal import read
from tests.live import until
from tests.queues.desks import NatsDesk, OneNats, Place, order

KINDS: dict[str, tuple[Any, Any]] = {"nats": (OneNats, NatsDesk)}


@pytest.fixture(scope="module", params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    server, desk = KINDS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    made = server(folder)
    made.start()
    try:
        place = Place(folder, request.param, made, desk)
        yield place
        place.stop()
    finally:
        made.stop()


def entered(place: Place) -> list[str]:
    """The ClOrdIDs of the orders in the broker's journal."""
    facts = [fact for record in read(place.folder / "data" / "journal") for fact in record.facts]
    return [fact.cl_ord_id for fact in facts if isinstance(fact, OrderAccepted)]


def test_an_order_is_entered_and_answered(place: Place) -> None:
    reply = place.desk.ask(order("A1"))
    assert (reply["action"], reply["cl_ord_id"], reply["status"]) == ("new", "A1", 201)
    assert (reply["order"]["status"], reply["order"]["account"], reply["order"]["leaves_qty"]) == ("new", "BOB", "10")
    until(lambda: [one["exec_type"] for one in place.desk.reports("BOB", "A1")] == ["0"])
    assert "A1" in entered(place)


def test_orders_are_replaced_canceled_and_looked_at(place: Place) -> None:
    place.desk.send(order("B1"))
    replaced = place.desk.ask({"action": "replace", "orig_cl_ord_id": "B1", "cl_ord_id": "B2", "price": "141.00"})
    assert (replaced["status"], replaced["order"]["price"]) == (200, "141.00")
    looked = place.desk.ask({"action": "status", "cl_ord_id": "B1"})
    assert (looked["status"], looked["order"]["cl_ord_id"]) == (200, "B2")
    listed = place.desk.ask({"action": "mass_status", "symbol": "AAPL", "accounts": ["BOB"]})
    assert "B2" in [one["cl_ord_id"] for one in listed["orders"]]
    canceled = place.desk.ask({"action": "cancel", "orig_cl_ord_id": "B2", "cl_ord_id": "B3"})
    assert (canceled["status"], canceled["order"]["status"]) == (200, "canceled")
    again = place.desk.ask({"action": "cancel", "orig_cl_ord_id": "B2", "cl_ord_id": "B3"})
    assert (again["status"], again["order"]["status"]) == (200, "canceled")
    place.desk.ask(order("B4", account="CAROL"))
    every = place.desk.ask({"action": "mass_cancel"})
    assert every["status"] == 200
    assert "B4" in [one["cl_ord_id"] for one in every["orders"]]
    assert place.desk.ask({"action": "mass_status"})["count"] == 0
