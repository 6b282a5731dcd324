"""What the regulatory files of a day count is what the database of the same journal has."""

import json
from collections import Counter
from pathlib import Path

import pytest

from brokerfix.domain import day_of, id_number
from brokerfix.projections.reading import SqliteReading
from brokerfix.projections.sqlite import projected
from brokerfix.settings.load import load
from tests.chaotic_day import ChaoticDay
from tests.compliance.tape import COMPLIANCE, SETTINGS
from tests.compliance.test_filings import names, run
from tests.scenario import DAY

XNYS = """
[venues.XNYS]
host = "127.0.0.1"
port = 9003
sender = "BROKER"
target = "XNYS"
"""
CODES = """
[compliance.venues.XNYS]
cat = "NYSE"
cat_type = "E"
session = "S2"
mic = "XNYS"
name = "NYSE"
lei = "NYSENYLEI00000000010"
"""
COUNTED = {"orders": "order_id", "child_orders": "child_id", "executions": "exec_id"}


def counts(folder: Path) -> dict[str, Counter[int]]:
    """How many rows the database has by table and trading day; `executions` those in our own book."""
    projected(folder / "data").follow()
    reading = SqliteReading(load(folder / "broker.toml"))
    found = {}
    for table, key in COUNTED.items():
        rows = reading.query(f"select * from {table}", {})
        found[table] = Counter(
            day_of(id_number(row[key])) for row in rows if not (table == "executions" and row["venue"])
        )
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("filed")
    ChaoticDay(made / "data" / "journal", 200)
    (made / "broker.toml").write_text(SETTINGS + XNYS + COMPLIANCE + CODES)
    return made


def test_cat_has_each_order_route_and_trade_of_the_database(folder: Path) -> None:
    database = counts(folder)
    for day in (DAY, DAY + 1):
        result = run(folder, "cat", day=f"{day // 10_000}-{day // 100 % 100:02}-{day % 100:02}")
        assert result.exit_code == 0, result.output
        lines = [
            json.loads(line)
            for name in names(folder)
            if "OrderEvents" in name and str(day) in name
            for line in (folder / "out" / name).read_text().splitlines()
        ]
        events = Counter(line["type"] for line in lines if line["actionType"] == "NEW")
        assert events["MENO"] + events["MEOA"] == database["orders"][day] > 0
        assert events["MEOR"] == database["child_orders"][day] > 0
        # A trade in our own book has two executions and is one event.
        assert 2 * events["MEOT"] == database["executions"][day] > 0


def test_the_quarters_report_counts_the_orders_of_the_database(folder: Path) -> None:
    result = run(folder, "606", day=f"{DAY // 10_000}-{DAY // 100 % 100:02}-{DAY % 100:02}")
    assert f"{counts(folder)['orders'].total()} orders: held, in the report" in result.output
