"""Orders as the blotter fetches them, out of a journal."""

from pathlib import Path

import pytest

from brokerfix.commands import Command, NewOrder, OperatorCancel, SessionDown, SessionUp, Start, VenueReport
from brokerfix.console.data.orders import ORDER_FIELDS, order_fields
from brokerfix.console.data.past_orders import rows_of
from brokerfix.console.feed import Feed
from brokerfix.domain import ClientOptions, Instrument, Limits, OrdType, Side, TimeInForce, Venue, id_number
from brokerfix.engine.engine import State, decide, evolve
from brokerfix.facts import Fact, OrderAccepted, OrderRouted
from brokerfix.projections.reading import Row
from brokerfix.record.journal import Journal, Origin

DAY, AT = 20261127, 1_795_800_000 * 10**9


class Broker:
    """The engine with its journal, an exchange and a client."""

    def __init__(self, folder: Path) -> None:
        self.state, self._number = State(), 0
        self._journal = Journal(folder / "journal")
        self._journal.open(DAY)
        instrument = Instrument("AAPL", 2, 0, 1, 1, "never", "venue", 0, 15_000)
        account = ("ALICE", "900000000", Limits())
        client = ("ALICE", ("ALICE",), 0, ClientOptions())
        self.run(Start(AT, DAY, (instrument,), (account,), (client,), (Venue("XNAS"),)))
        self.run(SessionUp(AT, "XNAS", True))

    def run(self, command: Command) -> list[Fact]:
        facts = decide(self.state, command)
        self._number += 1
        self._journal.append(facts, Origin("c:ALICE", self._number, 1), 1)
        for fact in facts:
            evolve(self.state, fact)
        return facts

    def order(self, name: str, price: int = 14_900) -> tuple[int, int]:
        """A new order, and its child."""
        new = NewOrder(AT, "ALICE", name, "", "AAPL", Side.BUY, OrdType.LIMIT, TimeInForce.DAY, 10, price)
        facts = self.run(new)
        child = next(fact.id for fact in facts if isinstance(fact, OrderRouted))
        self.run(VenueReport(AT, "XNAS", f"A{name}", "0", "0", child, 0, name))
        return next(fact.id for fact in facts if isinstance(fact, OrderAccepted)), child


def row(state: State, order_id: int) -> Row:
    return dict(zip(ORDER_FIELDS, order_fields(state, state.orders[order_id]), strict=True))


@pytest.fixture
def broker(tmp_path: Path) -> Broker:
    return Broker(tmp_path)


def test_a_row_has_the_order_as_text(broker: Broker) -> None:
    order, child = broker.order("one")
    broker.run(VenueReport(AT, "XNAS", "F", "F", "1", child, 0, "one", 4, 14_890, 4))
    told = row(broker.state, order)
    assert {name: told[name] for name in ("qty", "price", "cum", "leaves", "avg_px", "notional", "status")} == {
        "qty": "10", "price": "149.00", "cum": "4", "leaves": "6", "avg_px": "148.90", "notional": "595.60",
        "status": "PARTIALLY_FILLED",
    }  # fmt: skip
    assert (told["venues"], told["marks"], told["at_venues"]) == ("XNAS", "", "6")
    assert id_number(told["order_id"]) == order


def test_who_follows_is_told_what_has_changed(broker: Broker, tmp_path: Path) -> None:
    one, _ = broker.order("one")
    two, _ = broker.order("two")
    feed = Feed(tmp_path)
    while feed.follow():
        pass
    known, version = feed.orders.since(0, 10)
    assert known == [one, two]
    broker.run(OperatorCancel(AT, "olga", one))
    feed.follow()
    assert feed.orders.since(version, 10)[0] == [one]


def test_an_order_whose_exchange_is_lost_is_in_doubt_at_once(broker: Broker, tmp_path: Path) -> None:
    order, _ = broker.order("one")
    feed = Feed(tmp_path)
    while feed.follow():
        pass
    assert row(feed.state, order)["marks"] == ""
    version = feed.orders.version
    broker.run(SessionDown(AT, "XNAS", True))
    feed.follow()
    assert feed.orders.since(version, 10)[0] == [order]
    assert row(feed.state, order)["marks"] == "in doubt"


class Reading:
    """A database that has these orders."""

    exists = True

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.asked: Row = {}

    def query(self, sql: str, values: Row) -> list[Row]:
        self.asked = values
        return self.rows


def test_orders_of_an_earlier_day_have_the_same_columns() -> None:
    kept = {
        "order_id": "20261126-00-5", "cl_ord_id": "one", "client": "ALICE", "account": "ALICE", "symbol": "AAPL",
        "side": "BUY", "ord_type": "MARKET", "time_in_force": "DAY", "qty": "10", "price": None, "status": "FILLED",
        "cum_qty": "10", "leaves_qty": "0", "avg_px": "149.00", "in_book": "0", "at_venues": "0",
        "entered": "2026-11-26T10:00:00.123456Z", "stop_px": None, "exec_inst": "", "ex_destination": "",
    }  # fmt: skip
    reading = Reading([kept])
    told = dict(zip(ORDER_FIELDS, rows_of(reading, 20261126, 0)[0], strict=True))  # type: ignore[arg-type]
    assert (told["type"], told["tif"], told["cum"], told["price"], told["marks"]) == ("MARKET", "DAY", "10", "", "")
    assert told["entered"] == 1_795_687_200_123
    assert (reading.asked["first"], reading.asked["beyond"]) == ("20261126", "20261127")
