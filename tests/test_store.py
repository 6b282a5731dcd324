"""The SQLite projection: the same rows however it is interrupted, and readable while it is written."""

import os
from pathlib import Path

import pytest
import sqlite_utils

from brokerfix.projections.projection import Projection
from brokerfix.projections.sqlite import Sqlite, projected
from brokerfix.projections.tables import TABLES
from brokerfix.record.audit import verify
from brokerfix.record.journal import Journal, JournalError, segments
from brokerfix.record.kept import write as write_kept
from brokerfix.settings.registry import database_path
from tests.scenario import FACTS, World, run_step

STEPS = """
venue XNAS up
quote XNAS AAPL bid 500@149.90 ask 500@150.10
record
client ALICE new C1 buy 300 AAPL 150.10
venue XNAS ack c1
venue XNAS fill c1 100@150.10 cum 100
client BOB new B1 sell 50 AAPL 149.00
client ALICE new C2 buy 100 AAPL 149.00 GTC
client ALICE cancel X1 C2 buy AAPL
venue XNAS canceled c4 c3
day 20261123
venue XNAS fill c1 50@150.05 cum 150
""".strip().splitlines()


def write_journal(data: Path) -> tuple[Journal, World]:
    world = World()
    for step in STEPS:
        run_step(world, step)
    journal = Journal(data / "journal")
    journal.open(20261122)
    return journal, world


def rows(data: Path) -> dict[str, list[dict[str, object]]]:
    database = sqlite_utils.Database(database_path(data))
    names = (*TABLES, "progress")
    found = {name: list(database.query(f"select * from {name} order by 1, 2")) for name in names}
    database.close()
    return found


def test_orders_executions_positions_and_quotes(tmp_path: Path) -> None:
    journal, world = write_journal(tmp_path)
    for record in world.records:
        journal.append(FACTS.decode(record))
    projected(tmp_path).follow()
    found = rows(tmp_path)
    order = next(row for row in found["orders"] if row["cl_ord_id"] == "C1")
    expected = {
        "status": "PARTIALLY_FILLED",
        "cum_qty": "150",
        "leaves_qty": "150",
        "avg_px": "150.08333333",
        "symbol": "AAPL",
    }
    assert {name: order[name] for name in expected} == expected
    assert [(row["last_qty"], row["last_px"], row["venue"]) for row in found["executions"]] == [
        ("100", "150.10", "XNAS"),
        ("50", "150.05", "XNAS"),
    ]
    position = next(row for row in found["positions"] if row["account"] == "ALICE")
    assert (position["qty"], position["bought"], position["sold"]) == ("150", "150", "0")
    account = next(row for row in found["accounts"] if row["account"] == "ALICE")
    assert account["cash"] == "977487.50"
    assert [(row["bid_px"], row["ask_px"]) for row in found["quotes"]] == [("149.90", "150.10")]
    sessions = {(row["kind"], row["name"]): row["state"] for row in found["sessions"]}
    assert (sessions["exchange", "XNAS"], sessions["exchange", "XNYS"], sessions["client", "BOB"]) == (
        "up",
        "down",
        "down",
    )
    assert {row["status"] for row in found["child_orders"]} >= {"CANCELED", "PARTIALLY_FILLED"}


CHANGES = """
venue XNAS up
quote XNAS AAPL bid 500@149.90 ask 500@150.10
client ALICE new C1 buy 300 AAPL 150.10
venue XNAS ack c1
venue XNAS fill c1 100@150.10 cum 100
venue XNAS fill c1 200@150.10 cum 300
venue XNAS bust c1 E2 leaves 0
venue XNAS correct c1 E3 150@150.00
""".strip().splitlines()


def test_trial_14_busts_corrections_and_splits_reach_the_database(tmp_path: Path) -> None:
    world = World()
    for step in CHANGES:
        run_step(world, step)
    journal = Journal(tmp_path / "journal")
    journal.open(20261122)
    for record in world.records:
        journal.append(FACTS.decode(record))
    projection = projected(tmp_path)
    projection.follow()
    found = rows(tmp_path)
    assert [(row["state"], row["last_qty"], row["last_px"]) for row in found["executions"]] == [
        ("busted", "0", "150.10"),
        ("corrected", "150", "150.00"),
    ]
    (order,) = found["orders"]
    assert (order["cum_qty"], order["leaves_qty"], order["avg_px"]) == ("150", "150", "150.00")
    (child,) = found["child_orders"]
    assert child["cum_qty"] == "150"
    (position,) = (row for row in found["positions"] if row["account"] == "ALICE")
    assert position["qty"] == "150"
    (account,) = (row for row in found["accounts"] if row["account"] == "ALICE")
    assert account["cash"] == "977500.00"
    before = len(world.records)
    run_step(world, "operator jo split AAPL 2 1")
    for record in world.records[before:]:
        journal.append(FACTS.decode(record))
    projection.follow()
    found = rows(tmp_path)
    assert found["orders"][0]["qty"] == "600"
    assert next(row for row in found["positions"] if row["account"] == "ALICE")["qty"] == "300"


def test_trial_18_a_projection_begins_with_the_kept_state(tmp_path: Path) -> None:
    journal, world = write_journal(tmp_path)
    for record in world.records:
        journal.append(FACTS.decode(record))
    projected(tmp_path).follow()
    kept = write_kept(journal.folder, world.state, *journal.place, b"")
    again = projected(tmp_path)
    assert again.state.hash() == world.state.hash(), "it has read no fact yet"
    for step in ("client BOB new B2 buy 10 AAPL 149.00", "venue XNAS fill c1 10@150.05 cum 160"):
        run_step(world, step)
        journal.append(FACTS.decode(world.records[-1]))
    assert again.follow() == 2
    after = rows(tmp_path)
    kept.unlink()
    database_path(tmp_path).unlink()
    projected(tmp_path).follow()
    assert rows(tmp_path) == after


def test_trial_18_prints_that_nobody_is_told_are_not_kept(tmp_path: Path) -> None:
    journal, world = write_journal(tmp_path)
    for record in world.records:
        journal.append(FACTS.decode(record))
    projection = projected(tmp_path)
    projection.follow()
    assert world.facts
    assert projection.state.market.prints == {}


def test_a_database_that_is_ahead_of_its_journal_is_made_anew(tmp_path: Path) -> None:
    """As after a power loss, when the journal has lost its end and goes on with other facts."""
    journal, world = write_journal(tmp_path)
    for record in world.records[:-3]:
        journal.append(FACTS.decode(record))
    end = journal.place
    for record in world.records[-3:]:
        journal.append(FACTS.decode(record))
    projected(tmp_path).follow()
    whole = rows(tmp_path)
    journal.close()
    os.truncate(journal.folder / end.segment, end.offset)
    projected(tmp_path).follow()
    shorter = rows(tmp_path)
    assert shorter != whole
    database_path(tmp_path).unlink()
    projected(tmp_path).follow()
    assert rows(tmp_path) == shorter


def test_a_database_of_another_schema_is_made_anew(tmp_path: Path) -> None:
    journal, world = write_journal(tmp_path)
    for record in world.records:
        journal.append(FACTS.decode(record))
    old = sqlite_utils.Database(database_path(tmp_path))
    old["progress"].create({"id": int, "segment": str, "offset": int, "schema": int}, pk="id")
    old["orders"].create({"order_id": str}, pk="order_id")
    old.close()
    projected(tmp_path).follow()
    assert rows(tmp_path)["orders"]


def test_without_its_oldest_segments_a_journal_is_read_from_a_kept_state(tmp_path: Path) -> None:
    journal, world = write_journal(tmp_path)
    for record in world.records:
        journal.append(FACTS.decode(record))
    kept = write_kept(journal.folder, world.state, *journal.place, b"")
    run_step(world, "client BOB new B2 buy 10 AAPL 149.00")
    journal.append(FACTS.decode(world.records[-1]))
    first, _ = segments(journal.folder)
    assert kept.exists()
    first.unlink()
    projection = projected(tmp_path)
    projection.follow()
    assert projection.state.hash() == world.state.hash()
    assert {row["cl_ord_id"] for row in rows(tmp_path)["orders"]} >= {"C1", "B2"}
    report, state = verify(journal.folder)
    assert (report.problems, state.hash()) == ([], world.state.hash())
    kept.unlink()
    with pytest.raises(JournalError, match="its oldest segments are gone, and there is no kept state"):
        verify(journal.folder)


def test_a_database_made_from_a_kept_state_has_what_no_order_tells(tmp_path: Path) -> None:
    """The orders have left the state; what they have left behind, accounts without orders and sessions are there, also
    where no fact follows."""
    journal, world = write_journal(tmp_path)
    for day in ("day 20261124", "day 20261125", "day 20261126"):
        run_step(world, day)
    for record in world.records:
        journal.append(FACTS.decode(record))
    projected(tmp_path).follow()
    whole = rows(tmp_path)
    write_kept(journal.folder, world.state, *journal.place, b"")
    run_step(world, "client BOB new B2 buy 10 AAPL 149.00")
    journal.append(FACTS.decode(world.records[-1]))
    for first in segments(journal.folder)[:-1]:
        first.unlink()
    database_path(tmp_path).unlink()
    projected(tmp_path)
    again = rows(tmp_path)
    assert len(again["orders"]) < len(whole["orders"])
    assert [row for row in whole["positions"] if row["qty"] != "0"]
    for name in ("accounts", "positions", "progress"):
        assert again[name] == whole[name]
    assert [(row["kind"], row["name"]) for row in again["sessions"]] == [
        (row["kind"], row["name"]) for row in whole["sessions"]
    ]
    assert {row["state"] for row in again["sessions"]} == {"down"}
    projection = projected(tmp_path)
    assert projection.follow() == 1
    assert "B2" in {row["cl_ord_id"] for row in rows(tmp_path)["orders"]}


def test_a_projection_that_stops_and_starts_gives_the_same_rows(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        journal, world = write_journal(folder)
        for number, record in enumerate(world.records):
            journal.append(FACTS.decode(record))
            if folder == parts and number % 3 == 0:
                projection = projected(folder)
                assert projection.follow()
                assert projection.follow() == 0
                projection.store.close()
        projected(folder).follow()
    assert rows(whole) == rows(parts)


def test_a_deleted_database_is_made_again(tmp_path: Path) -> None:
    journal, world = write_journal(tmp_path)
    for record in world.records:
        journal.append(FACTS.decode(record))
    projected(tmp_path).follow()
    before = rows(tmp_path)
    for path in tmp_path.glob("brokerfix.db*"):
        path.unlink()
    projected(tmp_path).follow()
    assert rows(tmp_path) == before


def test_who_has_begun_to_read_a_new_database_goes_on(tmp_path: Path) -> None:
    journal, world = write_journal(tmp_path)
    store = Sqlite(tmp_path)
    reader = sqlite_utils.Database(database_path(tmp_path))
    assert not reader["orders"].count
    for record in world.records:
        journal.append(FACTS.decode(record))
    Projection(tmp_path, store).follow()
    assert reader["orders"].count
    reader.close()


def test_a_reader_is_not_locked_out_by_the_writer(tmp_path: Path) -> None:
    journal, world = write_journal(tmp_path)
    for record in world.records:
        journal.append(FACTS.decode(record))
    projection = projected(tmp_path)
    projection.follow()
    with projection.store.db.atomic():
        projection.store.db.execute("update orders set status = 'X'")

        assert "X" not in {row["status"] for row in rows(tmp_path)["orders"]}
