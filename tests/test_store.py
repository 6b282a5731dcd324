"""The SQLite projection: the same rows however it is interrupted, and readable while it is written."""

from pathlib import Path

import sqlite_utils

from brokerfix.config import database_path
from brokerfix.journal import Journal
from brokerfix.store import TABLES, Projection
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
    found = {name: list(database.query(f"select * from {name} order by 1, 2")) for name in TABLES}
    database.close()
    return found


def test_orders_executions_positions_and_quotes(tmp_path: Path) -> None:
    journal, world = write_journal(tmp_path)
    for record in world.records:
        journal.append(FACTS.decode(record))
    Projection(tmp_path).follow()
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


def test_a_projection_that_stops_and_starts_gives_the_same_rows(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        journal, world = write_journal(folder)
        for number, record in enumerate(world.records):
            journal.append(FACTS.decode(record))
            if folder == parts and number % 3 == 0:
                projection = Projection(folder)
                assert projection.follow()
                assert projection.follow() == 0
                projection.db.close()
        Projection(folder).follow()
    assert rows(whole) == rows(parts)


def test_a_deleted_database_is_made_again(tmp_path: Path) -> None:
    journal, world = write_journal(tmp_path)
    for record in world.records:
        journal.append(FACTS.decode(record))
    Projection(tmp_path).follow()
    before = rows(tmp_path)
    for path in tmp_path.glob("brokerfix.db*"):
        path.unlink()
    Projection(tmp_path).follow()
    assert rows(tmp_path) == before


def test_a_reader_is_not_locked_out_by_the_writer(tmp_path: Path) -> None:
    journal, world = write_journal(tmp_path)
    for record in world.records:
        journal.append(FACTS.decode(record))
    projection = Projection(tmp_path)
    projection.follow()
    with projection.db.atomic():
        projection.db.execute("update orders set status = 'X'")

        assert "X" not in {row["status"] for row in rows(tmp_path)["orders"]}
