"""The market history: what the journal says, in files and exports, exactly once however often its process is killed."""

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlite_utils
from click.testing import CliRunner

from brokerfix.cli import main
from brokerfix.domain import DayTotals, Instrument
from brokerfix.facts import VolumeProfileSet
from brokerfix.process import broker as broker_module
from brokerfix.process.broker import Broker
from brokerfix.projections import columns, history
from brokerfix.projections.history import History
from brokerfix.projections.recorded import NoHistory, Recorded, traded
from brokerfix.record.journal import Journal, read
from brokerfix.record.kept import write as write_kept
from brokerfix.settings.load import load
from brokerfix.settings.sections import StartError
from tests import scenario
from tests.live import BROKER, Market, report, run_cli, until
from tests.scenario import FACTS, World, run_step

STEPS = """
venue XNAS up
venue XNYS up
quote XNAS AAPL bid 500@149.90 ask 500@150.10
record
print XNAS AAPL 100@150.00
quote XNYS AAPL bid 300@149.95
record
quote XNAS MSFT bid 10@400.00 ask 20@400.02
record
print XNAS AAPL 50@150.10
print XNYS AAPL 150@149.90
record
quote XNAS AAPL ask 100@150.05
record
day 20261123
print XNAS AAPL 7@151.00
record
quote XNYS AAPL bid 300@149.96
record
print XNAS AAPL 3@150.50
record
day 20261124
quote XNAS AAPL bid 1@149.00 ask 2@152.00
record
quote XNAS AAPL bid 2@149.00 ask 2@152.00
print XNAS AAPL 5@150.00
record
""".strip().splitlines()
DAYS = (20261122, 20261123, 20261124)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PART_ROWS", 2)


def facts_of(steps: list[str], *instruments: Instrument) -> tuple[list[bytes], World]:
    world = World(instruments)
    for step in steps:
        run_step(world, step)
    return list(world.records), world


def write_journal(data: Path, records: list[bytes]) -> Journal:
    journal = Journal(data / "journal")
    journal.open(20261122)
    for record in records:
        journal.append(FACTS.decode(record))
    return journal


def recorded(data: Path, seconds: float = 60) -> None:
    """Take all that the journal has, and close."""
    made = History(data)
    made.follow()
    made.close(seconds)


def rows(data: Path) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """All rows that can be read, by symbol and day."""
    reader = Recorded(data)
    found = {}
    for symbol in ("AAPL", "MSFT"):
        for day in reader.days(symbol):
            found[symbol, day] = [row for table in reader.tables(symbol, day) for row in table.to_pylist()]
    reader.db.close()
    return found


def latest(data: Path) -> list[dict[str, Any]]:
    database = sqlite_utils.Database(data / "market.sqlite")
    found = list(database.query("select * from latest order by symbol"))
    database.close()
    return found


def files(data: Path) -> list[str]:
    return sorted(str(path.relative_to(data / "history")) for path in (data / "history").rglob("*") if path.is_file())


def test_the_files_have_what_the_journal_says(tmp_path: Path) -> None:
    write_journal(tmp_path, facts_of(STEPS)[0])
    recorded(tmp_path)
    assert files(tmp_path) == [
        "2026-11-22/AAPL.parquet", "2026-11-22/MSFT.parquet", "2026-11-23/AAPL.parquet", "2026-11-24/AAPL.parquet",
    ]  # fmt: skip
    table = pq.read_table(tmp_path / "history" / "2026-11-22" / "AAPL.parquet")
    assert columns.terms_of(table.schema) == ("AAPL", 2, 0)
    found = table.to_pylist()
    assert [row["bid1"] for row in found] == [14990, 14995, 14995, 14995]
    second = found[1]
    wanted = {
        "bid1": 14995, "bid1_qty": 300, "bid1_venue": "XNYS", "bid2": 14990, "bid2_qty": 500, "bid2_venue": "XNAS",
        "bid3": None, "bid3_qty": None, "bid3_venue": None, "ask1": 15010, "ask2": None, "last_px": 15000,
        "last_qty": 100, "mark": 15002, "open": 15000, "high": 15000, "low": 15000, "volume": 100,
        "turnover": 1500000,
    }  # fmt: skip
    assert {name: second[name] for name in wanted} == wanted
    assert found[0]["last_px"] is None
    assert (found[2]["high"], found[2]["low"], found[2]["volume"]) == (15010, 14990, 300)
    ids = [row["id"] for row in found]
    assert ids == sorted(set(ids))
    assert table.schema.field("at").type == pa.timestamp("ns", "UTC")


def test_what_is_in_a_file_is_not_in_the_database_too(tmp_path: Path) -> None:
    write_journal(tmp_path, facts_of(STEPS)[0])
    recorded(tmp_path)
    database = sqlite_utils.Database(tmp_path / "market.sqlite")
    assert database["pending"].count == 0
    database.close()


def test_a_one_sided_market_has_the_mark_that_it_had(tmp_path: Path) -> None:
    write_journal(tmp_path, facts_of([*STEPS[:4], "quote XNAS AAPL bid 500@140.00", "record"])[0])
    recorded(tmp_path)
    assert [row["mark"] for row in rows(tmp_path)["AAPL", 20261122]] == [15000, 15000]
    assert latest(tmp_path)[0]["mark"] == "150.00"


def test_the_latest_of_each_symbol(tmp_path: Path) -> None:
    write_journal(tmp_path, facts_of(STEPS[:14])[0])
    recorded(tmp_path)
    aapl, msft = latest(tmp_path)
    assert {name: value for name, value in aapl.items() if name != "at"} == {
        "symbol": "AAPL", "bid": "149.95", "bid_qty": "300", "ask": "150.05", "ask_qty": "100", "mid": "150.000",
        "last_px": "149.90", "last_qty": "150", "open": "150.00", "high": "150.10", "low": "149.90", "volume": "300",
        "vwap": "149.96666667", "mark": "150.00",
    }  # fmt: skip
    assert aapl["at"].endswith("Z")
    assert (msft["mid"], msft["last_px"], msft["vwap"], msft["high"], msft["volume"]) == (
        "400.010", None, None, None, "0",
    )  # fmt: skip


def test_a_day_that_is_over_is_one_file_and_the_running_one_is_readable_at_once(tmp_path: Path) -> None:
    records, _ = facts_of(STEPS)
    write_journal(tmp_path, records)
    made = History(tmp_path)
    made.follow()
    names = files(tmp_path)
    assert names[:3] == ["2026-11-22/AAPL.parquet", "2026-11-22/MSFT.parquet", "2026-11-23/AAPL.parquet"]
    assert [name.rpartition("/")[0] for name in names[3:]] == ["2026-11-24/parts/AAPL"]
    assert [row["volume"] for row in rows(tmp_path)["AAPL", 20261124]] == [0, 5]
    whole = rows(tmp_path)
    made.close()
    assert rows(tmp_path) == whole
    assert files(tmp_path)[3:] == ["2026-11-24/AAPL.parquet"]


def test_a_stop_that_has_no_time_leaves_parts_for_the_next_start(tmp_path: Path) -> None:
    records, _ = facts_of(STEPS)
    whole, other = tmp_path / "whole", tmp_path / "other"
    write_journal(whole, records)
    recorded(whole)
    write_journal(other, records)
    recorded(other, seconds=-1)
    assert any("/parts/" in name for name in files(other))
    recorded(other)
    assert files(other) == files(whole)
    assert rows(other) == rows(whole)


def test_restarts_after_every_record_give_the_same_rows(tmp_path: Path) -> None:
    records, _ = facts_of(STEPS)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    write_journal(whole, records)
    recorded(whole)
    journal = write_journal(parts, [])
    for number, record in enumerate(records):
        journal.append(FACTS.decode(record))
        recorded(parts, 60 if number % 2 else -1)
    recorded(parts)
    assert (rows(parts), latest(parts), files(parts)) == (rows(whole), latest(whole), files(whole))


class Killed(BaseException):
    """The process ends here."""


BEHIND_THE_KILL = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""A writer that nobody has closed does so itself: a process that was killed does not."""
OURS = {history.__file__, columns.__file__}
CHANGES_NOTHING = {
    "schema_of", "table_of", "latest_row", "file_name", "symbol_of", "files_of", "ids_of", "span_of", "parts", "_place",
    "history_folder", "day_text", "day_number", "days_on_disk", "terms_of", "in_order", "groups", "_note", "_pending",
    "_open", "_terms_of", "_is_ours", "<listcomp>", "<genexpr>", "<setcomp>", "<dictcomp>",
}  # fmt: skip
"""A kill in one of these is one in the line that calls it."""
Line = tuple[CodeType, int]


def lines_of(data: Path) -> list[Line]:
    """Every line of ours that taking the journal executes, in order."""
    seen: list[Line] = []
    _traced(data, lambda line: seen.append(line))
    return seen


def _traced(data: Path, at_line: Any) -> None:
    def on_line(frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            at_line((frame.f_code, frame.f_lineno))
        return on_line

    def on_call(frame: FrameType, event: str, _: object) -> Any:
        code = frame.f_code
        return on_line if code.co_filename in OURS and code.co_name not in CHANGES_NOTHING else None

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        recorded(data)
    finally:
        sys.settrace(before)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[sqlite_utils.Database]]:
    """The databases that were opened: a process that was killed holds none."""
    found: list[sqlite_utils.Database] = []
    real = history._opened

    def noted(path: Path) -> sqlite_utils.Database:
        found.append(real(path))
        found[-1].execute("pragma synchronous = off")
        return found[-1]

    monkeypatch.setattr(history, "_opened", noted)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    # Thousands of small files are written here: compressing them is most of the time.
    plain = partial(pq.ParquetWriter, compression="none")
    monkeypatch.setattr(columns.pq, "ParquetWriter", lambda *of, compression, **more: plain(*of, **more))
    yield found
    for one in found:
        one.close()


def starts_of(whole: dict[Any, list[Any]], part: dict[Any, list[Any]]) -> bool:
    """Whether all of `part` is the beginning of what `whole` has."""
    return all(whole[key][: len(found)] == found for key, found in part.items())


@BEHIND_THE_KILL
@pytest.mark.parametrize("occurrence", [0, -1], ids=["first", "last"])
def test_a_kill_at_any_line_loses_and_doubles_nothing(
    tmp_path: Path, occurrence: int, opened: list[sqlite_utils.Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line that is executed is once the last one, the first or the last time that it is reached."""
    monkeypatch.setattr(history, "BATCH", 3)
    records, _ = facts_of(STEPS)
    write_journal(tmp_path / "begin", records).close()
    shutil.copytree(tmp_path / "begin", tmp_path / "whole")
    executed = lines_of(tmp_path / "whole")
    whole, names = rows(tmp_path / "whole"), files(tmp_path / "whole")
    assert {len(found) for found in whole.values()} == {1, 2, 3, 4}
    times = Counter(executed)
    for number, line in enumerate(times):
        if occurrence and times[line] == 1:
            # Its only time is its first.
            continue
        data = shutil.copytree(tmp_path / "begin", tmp_path / str(number))
        left = 1 if occurrence == 0 else times[line]

        def kill(now: Line, line: Line = line) -> None:
            nonlocal left
            if now == line:
                left -= 1
                if not left:
                    raise Killed

        with pytest.raises(Killed):
            _traced(data, kill)
        for one in opened:
            one.close()
        opened.clear()
        where = f"{line[0].co_qualname}, line {line[1]}"
        if (data / "market.sqlite").exists() and sqlite_utils.Database(data / "market.sqlite")["terms"].exists():
            assert starts_of(whole, rows(data)), where
        recorded(data)
        assert rows(data) == whole, where
        assert files(data) == names, where


def recorded_then_lost(data: Path, is_running: bool) -> list[bytes]:
    """A history whose journal has lost its end in the middle of a day, that was closed or is running (then rows beyond
    it are in a part and in the database), and has gone on with other facts. Returns all that this journal has."""
    known, lost = len(facts_of(STEPS[:17])[0]), facts_of(STEPS[:21])[0] if is_running else facts_of(STEPS)[0]
    journal = write_journal(data, lost[:known])
    made = History(data)
    made.follow()
    for record in lost[known:]:
        journal.append(FACTS.decode(record))
        made.follow()
    made.close(-1 if is_running else 60)
    journal.close()
    for segment in journal.folder.glob("*.journal"):
        segment.unlink()
    other = "print XNYS AAPL 99@150.20", "record", "quote XNAS AAPL bid 9@149.91", "record"
    others = facts_of([*STEPS[:17], *other])[0]
    write_journal(data, others).close()
    return others


@BEHIND_THE_KILL
@pytest.mark.parametrize("is_running", [False, True], ids=["closed", "running"])
def test_a_kill_while_it_goes_back_is_no_harm(
    tmp_path: Path, is_running: bool, opened: list[sqlite_utils.Database]
) -> None:
    """It is killed at every line of mending that its journal is another one."""
    begin = tmp_path / "begin"
    others = recorded_then_lost(begin, is_running)
    write_journal(tmp_path / "whole", others)
    recorded(tmp_path / "whole")
    whole, names = rows(tmp_path / "whole"), files(tmp_path / "whole")
    executed = lines_of(shutil.copytree(begin, tmp_path / "traced"))
    assert rows(tmp_path / "traced") == whole
    assert any(code.co_name == "_shorten" for code, _ in executed), "a file has rows of both"
    for number, line in enumerate(dict.fromkeys(executed)):
        data = shutil.copytree(tmp_path / "begin", tmp_path / str(number))

        def kill(now: Line, line: Line = line) -> None:
            if now == line:
                raise Killed

        with pytest.raises(Killed):
            _traced(data, kill)
        for one in opened:
            one.close()
        opened.clear()
        recorded(data)
        where = f"{line[0].co_qualname}, line {line[1]}"
        assert rows(data) == whole, where
        assert files(data) == names, where


def test_a_process_that_is_killed_again_and_again_records_each_quote_once(tmp_path: Path) -> None:
    steps = [*STEPS[:3], "record"]
    for number in range(60):
        steps += [f"quote XNAS AAPL bid {number + 1}@149.90 ask 500@150.10", f"print XNAS AAPL {number + 1}@150.00"]
        steps += ["record", *([f"day {20261123 + number // 25}"] if number % 25 == 24 else [])]
    records, _ = facts_of(steps)
    write_journal(tmp_path / "whole", records)
    recorded(tmp_path / "whole")
    data = tmp_path / "killed"
    journal = write_journal(data, [])
    script = (
        "from brokerfix.projections import history; history.PART_ROWS = 3; history.POLL_SECONDS = 0.001; history.main()"
    )

    def progress() -> int:
        database = sqlite_utils.Database(data / "market.sqlite")
        try:
            return max((row["last_id"] for row in database["progress"].rows), default=0)
        finally:
            database.close()

    rest = iter(records)
    process = None
    for kills in range(9):
        process = subprocess.Popen([sys.executable, "-c", script, str(data), str(os.getpid())])
        if not kills:
            until(lambda: (data / "market.sqlite").exists() and os.path.getsize(data / "market.sqlite") > 0)
            until(lambda: (data / "market.sqlite.lock").exists())
        for _ in range(len(records) // 8 + 1):
            record = next(rest, None)
            if record is None:
                break
            facts = FACTS.decode(record)
            journal.append(facts)
        if kills < 8:
            wanted = facts[0].id
            until(lambda wanted=wanted: (data / "market.sqlite").exists() and progress() >= wanted - 40)  # type: ignore[misc]
            process.kill()
            process.wait()
    assert next(rest, None) is None
    assert process is not None
    until(lambda: progress() >= facts[-1].id)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert rows(data) == rows(tmp_path / "whole")
    assert files(data) == files(tmp_path / "whole")


def test_only_one_process_records_a_data_folder(tmp_path: Path) -> None:
    write_journal(tmp_path, facts_of(STEPS)[0])
    command = [sys.executable, "-m", "brokerfix.projections.history", str(tmp_path), str(os.getpid())]
    first = subprocess.Popen(command)
    until(lambda: (tmp_path / "market.sqlite").exists())
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    first.terminate()
    assert first.wait(30) == 0
    assert (second.returncode, "another process records" in second.stderr) == (1, True)


def test_a_deleted_database_is_made_again(tmp_path: Path) -> None:
    write_journal(tmp_path, facts_of(STEPS)[0])
    recorded(tmp_path)
    before = rows(tmp_path), latest(tmp_path), files(tmp_path)
    for path in tmp_path.glob("market.sqlite*"):
        path.unlink()
    recorded(tmp_path)
    assert (rows(tmp_path), latest(tmp_path), files(tmp_path)) == before


def test_days_that_the_journal_has_no_more_stay(tmp_path: Path) -> None:
    records, world = facts_of(STEPS)
    journal = write_journal(tmp_path, records)
    recorded(tmp_path)
    before = rows(tmp_path)
    write_kept(journal.folder, world.state, *journal.place, b"")
    for step in ("print XNAS AAPL 5@150.00", "record"):
        run_step(world, step)
    for record in world.records[len(records) :]:
        journal.append(FACTS.decode(record))
    for segment in sorted(journal.folder.glob("*.journal"))[:-1]:
        segment.unlink()
    for path in tmp_path.glob("market.sqlite*"):
        path.unlink()
    recorded(tmp_path)
    after = rows(tmp_path)
    added = after["AAPL", 20261124].pop()
    assert added["volume"] == 10
    assert after["AAPL", 20261124] == before["AAPL", 20261124]
    assert pq.read_table(tmp_path / "history" / "2026-11-22" / "AAPL.parquet").num_rows == 4


def test_a_journal_that_differs_in_its_last_facts_only_is_another_one(tmp_path: Path) -> None:
    """As long, with the same numbers."""
    records, _ = facts_of(STEPS)
    others, _ = facts_of([step.replace("5@150.00", "6@150.00") for step in STEPS])
    assert list(map(len, records)) == list(map(len, others))
    write_journal(tmp_path, records)
    recorded(tmp_path)
    for segment in (tmp_path / "journal").glob("*.journal"):
        segment.unlink()
    write_journal(tmp_path, others)
    recorded(tmp_path)
    assert rows(tmp_path)["AAPL", 20261124][-1]["volume"] == 6


def test_days_before_a_new_journal_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_journal(tmp_path, facts_of(STEPS)[0])
    recorded(tmp_path)
    shutil.rmtree(tmp_path / "journal")
    for path in tmp_path.glob("market.sqlite*"):
        path.unlink()
    monkeypatch.setattr(scenario, "DAY", 20270104)
    journal = Journal(tmp_path / "journal")
    journal.open(20270104)
    for record in facts_of(STEPS[:4])[0]:
        journal.append(FACTS.decode(record))
    recorded(tmp_path)
    days = [name.partition("/")[0] for name in files(tmp_path)]
    assert days == ["2026-11-22", "2026-11-22", "2026-11-23", "2026-11-24", "2027-01-04"]


def test_a_volume_that_is_begun_anew_counts_from_nothing() -> None:
    made = [
        columns.Row(n, n, (), (), (100, 1), 0, DayTotals.of(1, 1, 1, volume, 100 * volume)) for n, volume in SHRINKS
    ]
    (table,) = traded([columns.table_of(made, columns.Terms("AAPL", 2, 0))])
    assert [(int(row["qty"]), int(row["turnover"])) for row in table.to_pylist()] == [(10, 1000), (4, 400), (2, 200)]


SHRINKS = (1, 10), (2, 4), (3, 4), (4, 6)


def test_a_symbol_that_is_no_file_name(tmp_path: Path) -> None:
    symbols = "BTC/USD", "..", ".", "A.parquet"
    instruments = [Instrument(symbol, 2, 8, 1, 1, "at-or-better", "venue", 1000, 15000, 0, 0) for symbol in symbols]
    steps = ["venue XNAS up", *(f"quote XNAS {symbol} bid 1@149.90 ask 2@150.10" for symbol in symbols), "record"]
    write_journal(tmp_path, facts_of(steps, *instruments)[0])
    recorded(tmp_path, seconds=-1)
    recorded(tmp_path)
    assert files(tmp_path) == [
        "2026-11-22/%2E%2E.parquet".replace("%2E%2E", "%2E."), "2026-11-22/%2E.parquet",
        "2026-11-22/A.parquet.parquet", "2026-11-22/BTC%2FUSD.parquet",
    ]  # fmt: skip
    reader = Recorded(tmp_path)
    assert [reader.days(symbol) for symbol in symbols] == [[20261122]] * 4
    assert {columns.symbol_of(columns.file_name(symbol)) for symbol in symbols} == set(symbols)
    reader.db.close()


def exported(data: Path, kind: str, form: str, first: int = 0, last: int = 99991231) -> bytes:
    reader, path = Recorded(data), data / f"exported.{form}"
    try:
        reader.export("AAPL", first, last, kind, form, str(path))
    finally:
        reader.db.close()
    return path.read_bytes()


def test_exports_have_exact_decimals(tmp_path: Path) -> None:
    instrument = Instrument("AAPL", 2, 8, 1, 1, "at-or-better", "venue", 1000, 15000, 0, 0)
    steps = [*STEPS[:2], "quote XNAS AAPL bid 1@149.90 ask 5@150.10", "record"]
    steps += ["print XNAS AAPL 12345600000001@150.01", "record"]
    world = World((instrument,), qty_digits="8")
    for step in steps:
        run_step(world, step)
    write_journal(tmp_path, world.records)
    recorded(tmp_path, seconds=-1)
    first, second = csv.DictReader(exported(tmp_path, "quotes", "csv").decode().splitlines())
    assert (first["bid1"], first["bid1_qty"], first["last_px"], first["volume"]) == (
        "149.90", "0.00000001", "", "0.00000000",
    )  # fmt: skip
    assert (second["volume"], second["turnover"]) == ("123456.00000001", "18519634.5600015001")
    lines = [json.loads(line) for line in exported(tmp_path, "quotes", "jsonl").splitlines()]
    assert [{name: "" if value is None else str(value) for name, value in line.items()} for line in lines] == [
        first, second,
    ]  # fmt: skip
    assert lines[0]["last_px"] is None
    table = pq.read_table(pa.BufferReader(exported(tmp_path, "quotes", "parquet")))
    assert table["bid1_qty"].to_pylist() == [Decimal("0.00000001")] * 2
    assert table["turnover"].to_pylist() == [Decimal(0), Decimal("18519634.5600015001")]
    assert table["at"].type == pa.timestamp("ns", "UTC")
    assert not list(tmp_path.glob("*.new"))


def test_times_are_exact_to_the_nanosecond(tmp_path: Path) -> None:
    world = World()
    world.now = 1_763_800_000_123_456_789
    for step in STEPS[:4]:
        run_step(world, step)
    write_journal(tmp_path, world.records)
    recorded(tmp_path)
    (row,) = csv.DictReader(exported(tmp_path, "quotes", "csv").decode().splitlines())
    assert row["at"] == "2025-11-22T08:26:40.127456789Z"


def test_what_traded_from_one_quote_to_the_next(tmp_path: Path) -> None:
    write_journal(tmp_path, facts_of(STEPS)[0])
    recorded(tmp_path, seconds=-1)
    trades = list(csv.DictReader(exported(tmp_path, "trades", "csv").decode().splitlines()))
    assert [(row["last_px"], row["last_qty"], row["qty"], row["turnover"]) for row in trades] == [
        ("150.00", "100", "100", "15000.00"), ("149.90", "150", "200", "29990.00"), ("151.00", "7", "7", "1057.00"),
        ("150.50", "3", "3", "451.50"), ("150.00", "5", "5", "750.00"),
    ]  # fmt: skip
    one_day = list(csv.DictReader(exported(tmp_path, "trades", "csv", 20261123, 20261123).decode().splitlines()))
    assert one_day == trades[2:4]
    with pytest.raises(NoHistory, match="no history of AAPL on these days; there is from 2026-11-22 to 2026-11-24"):
        exported(tmp_path, "trades", "csv", 20270101)


def profile_journal(data: Path) -> None:
    """Day 1: 30 at 09:00 and 10 at 09:05; day 2: 50 at 09:00, 25 at 09:05, 25 at 15:59:59; day 3, not over, 1000."""
    world = World()
    for step in STEPS[:4]:
        run_step(world, step)
    trades = (
        [("09:00:00", 10), ("09:04:59", 20), ("09:05:00", 10)],
        [("09:01:00", 50), ("09:06:00", 25), ("15:59:59", 25)],
        [("12:00:00", 1000)],
    )
    for number, day in enumerate(trades):
        midnight = 1_763_769_600 + 86_400 * number
        if number:
            run_step(world, f"day {DAYS[number]}")
        for time, qty in day:
            hours, minutes, seconds = map(int, time.split(":"))
            world.now = (midnight + 3600 * hours + 60 * minutes + seconds) * 10**9
            run_step(world, f"print XNAS AAPL {qty}@150.00")
            run_step(world, "record")
    write_journal(data, world.records)
    recorded(data, seconds=-1)


def test_a_volume_profile_is_the_mean_of_days_that_are_over(tmp_path: Path) -> None:
    profile_journal(tmp_path)
    reader = Recorded(tmp_path)
    found = reader.profile("AAPL", 20, 300)
    assert (found.days, found.is_complete) == (["2026-11-22", "2026-11-23"], True)
    assert [(slot.start, slot.volume, slot.share) for slot in found.slots] == [
        ("09:00:00", "80", "0.625000"), ("09:05:00", "35", "0.250000"), ("15:55:00", "25", "0.125000"),
    ]  # fmt: skip
    assert {at: weight for at, weight in enumerate(found.weights) if weight} == {108: 625000, 109: 250000, 191: 125000}
    assert [(slot.start, slot.share) for slot in reader.profile("AAPL", 1, 3600).slots] == [
        ("09:00:00", "0.750000"), ("15:00:00", "0.250000"),
    ]  # fmt: skip
    with pytest.raises(NoHistory, match="there is no history of TSLA; there is of AAPL"):
        reader.profile("TSLA", 1, 300)
    reader.db.close()


def test_shares_add_up_to_one(tmp_path: Path) -> None:
    world = World()
    for step in STEPS[:4]:
        run_step(world, step)
    for number in range(7):
        world.now += 600 * 10**9
        run_step(world, f"print XNAS AAPL {number + 1}@150.00")
        run_step(world, "record")
    write_journal(tmp_path, world.records)
    recorded(tmp_path)
    reader = Recorded(tmp_path)
    found = reader.profile("AAPL", 20, 300)
    assert not found.is_complete, "there is no day that is over"
    assert len(found.slots) == 7
    assert sum(Decimal(slot.share) for slot in found.slots) == 1
    reader.db.close()


CONFIG = """
[broker]
name = "BROKER"
port = 9876
data = "data"
history = true
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
"""


def test_the_commands_say_what_is_missing(tmp_path: Path) -> None:
    config = tmp_path / "broker.toml"
    config.write_text(CONFIG)
    for command in (["latest"], ["profile", "AAPL"], ["export", "AAPL", "--output", str(tmp_path / "x.csv")]):
        told = CliRunner().invoke(main, ["market", *command, "--config", str(config)])
        assert told.exit_code == 1
        assert "there is no market history yet; start the broker with history = true in [broker]" in told.output
    profile_journal(tmp_path / "data")
    for command, wanted in (
        (["latest", "TSLA"], "there is no history of TSLA; there is of AAPL"),
        (["export", "AAPL", "--from", "never", "--output", "-"], "'never' is no day; one is 2026-11-27"),
        (["export", "AAPL", "--format", "parquet", "--output", "-"], "Parquet needs a file"),
        (["export", "AAPL", "--to", "2020-01-01", "--output", "-"], "there is from 2026-11-22 to 2026-11-24"),
    ):
        told = CliRunner().invoke(main, ["market", *command, "--config", str(config)])
        assert told.exit_code
        assert wanted in told.output
    told = CliRunner().invoke(main, ["market", "profile", "AAPL", "--config", str(config), "--json"])
    assert json.loads(told.output)["slots"][0] == {"start": "09:00:00", "volume": "80", "share": "0.625000"}


def test_without_pyarrow_a_broker_with_history_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "broker.toml"
    config.write_text(CONFIG)
    monkeypatch.setattr(broker_module, "find_spec", lambda name: None)
    with pytest.raises(StartError, match=r"broker.history: needs pyarrow: pip install 'brokerfix\[history\]'"):
        Broker(load(config)).start()
    assert not (tmp_path / "data" / "lock").exists(), "it has not begun"


def traded_of(data: Path) -> list[Any]:
    """The symbols that have traded, in a database that is being made."""
    with closing(sqlite3.connect(data / "market.sqlite")) as database, suppress(sqlite3.OperationalError):
        return database.execute("select symbol from latest where volume != '0'").fetchall()
    return []


def test_a_running_broker_records_its_market(tmp_path: Path) -> None:
    market = Market(tmp_path, broker=BROKER.replace("store = true", "store = true\nhistory = true"))
    config = ["--config", str(market.broker.config)]
    market.start()
    try:
        alice = market.client("ALICE")
        alice.new_order("C1", "1", "1", "AAPL", "151.00")
        report(alice, "C1", "F")

        data = tmp_path / "broker"
        until((data / "market.sqlite").exists)
        until(lambda: bool(traded_of(data)))
        (row,) = json.loads(run_cli("market", "latest", *config, "--json").stdout)
        assert (row["volume"], row["last_px"], row["vwap"]) == ("1", "151.00", "151.00")
        shown = run_cli("market", "export", "AAPL", "--rows", "trades", "--output", "-", *config)
        (trade,) = csv.DictReader(shown.stdout.splitlines())
        assert (trade["last_px"], trade["qty"], trade["turnover"]) == ("151.00", "1", "151.00")
        profile = json.loads(run_cli("market", "profile", "AAPL", *config, "--json").stdout)
        assert ([slot["share"] for slot in profile["slots"]], profile["is_complete"]) == (["1.000000"], False)
        done = run_cli("market", "profile", "AAPL", "--set", *config)
        assert done.returncode == 0, done.stderr
    finally:
        market.stop()
    told = [fact for record in read(tmp_path / "broker" / "journal") for fact in record.facts]
    (known,) = [fact for fact in told if isinstance(fact, VolumeProfileSet)]
    assert (known.symbol, known.bucket, sum(known.weights)) == ("AAPL", 300 * 10**9, 1_000_000)
    (name,) = files(tmp_path / "broker")
    assert name.endswith("/AAPL.parquet")
    run = Recorded(tmp_path / "broker")
    assert run.days("AAPL")
    run.db.close()
