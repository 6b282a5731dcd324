"""A journal that an older version wrote is read, and goes on. `tests/data/journal-7562edf` is one of the version at
that commit: three days of two clients, an exchange, our own book, a replace, a cancel, orders good till canceled.
"""

import shutil
from pathlib import Path

import msgspec
import pytest

from brokerfix.commands import RollDay, WorkOff
from brokerfix.domain import OrdStatus, id_number, id_text, shard_of
from brokerfix.engine import parts
from brokerfix.engine.state import State
from brokerfix.facts import AnyFact, OrderRouted
from brokerfix.record.audit import verify
from brokerfix.record.journal import Journal
from brokerfix.record.kept import BadState, read, write
from brokerfix.record.outbox import Outbox
from brokerfix.record.pipeline import Pipeline

OLD = Path(__file__).parent / "data" / "journal-7562edf"
OPEN = {"A3": (0, 50), "B2": (0, 15), "D1": (0, 10), "D2": (0, 10)}
"""What works at the end of it: ClOrdID -> quantities filled and open."""


def recovered(folder: Path) -> Pipeline:
    pipeline = Pipeline(Journal(folder), lambda out: None, lambda out: None, Outbox(1000))
    pipeline.recover(20261122)
    return pipeline


def working(state: State) -> dict[str, tuple[int, int]]:
    orders = (order for client in state.clients.values() for order in client.working.values())
    return {order.cl_ord_id: (order.cum, order.leaves) for order in orders}


@pytest.fixture(params=["whole", "without its first day"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    shutil.copytree(OLD, tmp_path / "journal")
    if request.param != "whole":
        (tmp_path / "journal" / "20261120.journal").unlink()
    return tmp_path / "journal"


def test_it_is_read(folder: Path) -> None:
    state = recovered(folder).state
    assert working(state) == OPEN
    assert {name: {s: p.qty for s, p in one.positions.items()} for name, one in state.accounts.items()} == {
        "ALICE": {"AAPL": 150, "MSFT": 15},
        "BOB": {"MSFT": -15},
    }
    assert str(state.accounts["ALICE"].cash) == "971489000000000000"


def test_it_goes_on_and_its_numbers_stay_what_they_were(folder: Path) -> None:
    pipeline = recovered(folder)
    state = pipeline.state
    before = {order.cl_ord_id: id_text(order.order_id) for order in state.orders.values()}
    assert before["A3"] == "20261120-20"
    assert id_number("20261120-20") == state.clients["ALICE"].requests["A3"].order_id
    assert pipeline.submit(RollDay(1_700_000_100_000_000_000, 20261123))
    while state.jobs:
        pipeline.submit(WorkOff(1_700_000_101_000_000_000))
    assert id_text(state.last_id).startswith("20261123-00-")
    assert shard_of(state.last_id) == shard_of(id_number("20261120-20")) == 0
    b2 = state.clients["BOB"].requests["B2"]
    assert id_text(b2.order_id) == "20261120-35"
    assert b2.status is OrdStatus.NEW
    pipeline.close()
    report, again = verify(folder)
    assert report.problems == []
    assert working(again) == working(state)


def test_a_kept_state_of_a_version_with_fewer_parts_is_taken(folder: Path) -> None:
    state = recovered(folder).state
    kept = msgspec.msgpack.decode(parts.dump(state), strict=False)
    for name in ("overdue", "reversed", "alert_count"):
        del kept[name]
    again = State()
    parts.load(msgspec.msgpack.encode(kept), again)
    assert working(again) == OPEN
    assert (again.overdue, again.alert_count) == ({}, 0)


def test_a_kept_state_of_a_newer_version_is_left_and_the_facts_tell(folder: Path) -> None:
    pipeline = recovered(folder)
    newer = parts.Part("tomorrow", None, kept=int, dump=lambda state: 1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parts, "KEPT", (*parts.KEPT, newer))
        path = write(folder, pipeline.state, *pipeline.journal.place, b"")
    pipeline.close()
    with pytest.raises(BadState, match="does not know its tomorrow"):
        read(path, State())
    assert working(recovered(folder).state) == OPEN


def test_each_part_of_the_state_is_registered_once() -> None:
    registered = [part.name for part in parts.PARTS if part.empty is not None]
    assert len(set(registered)) == len(registered)
    assert set(registered) == set(State.__annotations__) == set(vars(State()))


def test_every_rule_that_an_older_version_has_routed_by_is_known() -> None:
    """They stand in journals as the words that they were then."""
    told = (
        "best price",
        "best price, then posted",
        "posted, lowest maker fee",
        "holds enough of it",
        "holds all of it",
    )
    for words in (*told, "does it itself", "ExDestination"):
        fact = ["OrderRouted", 1, 2, 3, "XNAS", 100, 15000, "2", "0", words, None]
        (decoded,) = msgspec.msgpack.decode(msgspec.msgpack.encode([fact]), type=list[AnyFact])
        assert isinstance(decoded, OrderRouted)
        assert (decoded.why, decoded.seen) == (words, ())
