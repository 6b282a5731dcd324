"""`brokerfix report cat|606|605|rts24|rts22|rts25`: the files, what is said of them, and what is not configured."""

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brokerfix import facts as f
from brokerfix.cli import main
from brokerfix.compliance import cat_files
from brokerfix.compliance.cat_fields import OF_TYPE
from brokerfix.compliance.day import Counted, Walk, count
from brokerfix.domain import OrderTags
from brokerfix.record.journal import Journal
from brokerfix.settings.compliance import ComplianceSection, missing
from brokerfix.settings.load import load
from brokerfix.settings.sections import ConfigError
from tests.compliance.tape import BEGIN, BUY, COMPLIANCE, SETTINGS, small_day

EVERY = ("cat", "606", "605", "rts24", "rts22", "rts25")


def run(folder: Path, *words: str, day: str = "2026-11-23") -> Result:
    return CliRunner().invoke(
        main,
        ["report", *words, "--day", day, "--config", str(folder / "broker.toml"), "--output", str(folder / "out")],
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir())


@pytest.mark.parametrize("name", EVERY)
def test_every_report_is_written_with_what_it_is(tmp_path: Path, name: str) -> None:
    small_day().write(tmp_path)
    result = run(tmp_path, name)
    assert result.exit_code == 0, result.output
    assert "Not certified" in result.output
    files = names(tmp_path)
    assert all("notcertified" in file for file in files)
    (beside,) = [file for file in files if file.endswith(".meta.json")]
    told = json.loads((tmp_path / "out" / beside).read_text())
    assert told["report"] == name
    assert told["status"].startswith("Not certified")
    assert sorted([*told["files"], beside]) == files
    assert told["differences"] == []
    assert told["notes"]


@pytest.mark.parametrize("name", EVERY)
def test_a_day_without_events(tmp_path: Path, name: str) -> None:
    small_day().write(tmp_path)
    result = run(tmp_path, name, day="2027-03-01")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", EVERY)
def test_without_a_journal_there_is_no_report(tmp_path: Path, name: str) -> None:
    small_day().write(tmp_path)
    shutil.rmtree(tmp_path / "data")
    result = run(tmp_path, name)
    assert (result.exit_code, "there is no journal: has a broker run" in result.output) == (1, True)
    assert not (tmp_path / "out").exists()


def test_cat_says_how_it_adds_up(tmp_path: Path) -> None:
    small_day().write(tmp_path)
    result = run(tmp_path, "cat")
    assert "35 facts: 25 records, 10 with a reason for none" in result.output
    assert names(tmp_path) == [
        "9999_BRKR_20261123_notcertified_OrderEvents_000001.json",
        "9999_BRKR_20261123_notcertified_OrderEvents_000002.json",
        "cat-20261123-notcertified.meta.json",
        "cat-marks-20261123-notcertified.csv",
    ]


def test_another_run_leaves_no_file_of_the_one_before(tmp_path: Path) -> None:
    small_day().write(tmp_path)
    run(tmp_path, "cat", "--format", "csv")
    run(tmp_path, "cat")
    assert not [name for name in names(tmp_path) if name.endswith("_000001.csv")]


@pytest.mark.parametrize(("name", "forms"), [("rts24", ("csv", "json")), ("rts22", ("csv", "xml"))])
def test_nor_in_another_form(tmp_path: Path, name: str, forms: tuple[str, str]) -> None:
    small_day().write(tmp_path)
    for form in (*forms, forms[0]):
        run(tmp_path, name, "--format", form)
        assert {file.rpartition(".")[2] for file in names(tmp_path)} == {form, "json"}
        assert len(names(tmp_path)) == 2


@pytest.mark.parametrize("name", ["cat", "rts24", "rts22"])
def test_a_run_that_fails_leaves_the_files_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    small_day().write(tmp_path)
    run(tmp_path, name)
    made = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    monkeypatch.setattr(Walk, "read", lambda *given: iter([1 / 0]))
    assert isinstance(run(tmp_path, name).exception, ZeroDivisionError)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == made


@pytest.mark.parametrize("name", EVERY)
def test_others_can_not_read_the_files(tmp_path: Path, name: str) -> None:
    small_day().write(tmp_path)
    (tmp_path / "out").mkdir(mode=0o755)
    run(tmp_path, name)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o600}


@pytest.mark.parametrize("name", ["cat", "rts24", "rts22"])
def test_a_day_that_is_not_over(tmp_path: Path, name: str) -> None:
    tape = small_day()
    tape.write(tmp_path)
    more = "The journal ends with this day: more of it may come"
    assert more in run(tmp_path, name).output
    tape.on(20261124)
    journal = Journal(tmp_path / "data" / "journal")
    journal.open(20261124)
    journal.append([f.DayRolled(BEGIN, next(tape.ids), 20261124)])
    journal.close()
    assert more not in run(tmp_path, name).output


HOSTILE = "=cmd|'/c calc'!A1,\"<&>;\r\n\u2028\u00e9"


@pytest.mark.parametrize("text", [HOSTILE, "a\rb"])
def test_texts_of_clients_come_through_as_they_are(tmp_path: Path, text: str) -> None:
    """They are ids, so that they are not changed; what the specification does not take is told."""
    tape = small_day()
    tape.order(90, "DEALER", BUY, 1, 1, cl_ord_id=text, tags=OrderTags(strategy=text))
    tape.write(tmp_path)
    assert "routedOrderID" in run(tmp_path, "cat").output
    lines = (tmp_path / "out" / names(tmp_path)[0]).read_bytes().split(b"\n")
    assert json.loads(lines[-2])["routedOrderID"] == text
    run(tmp_path, "cat", "--format", "csv")
    with (tmp_path / "out" / names(tmp_path)[0]).open(newline="", encoding="utf-8") as file:
        records = [*csv.reader(file)]
    assert records[-1][OF_TYPE["MEOA"].names.index("routedOrderID")] == text
    run(tmp_path, "rts24", "--format", "csv")
    (file_name,) = [name for name in names(tmp_path) if name.startswith("rts24") and name.endswith(".csv")]
    with (tmp_path / "out" / file_name).open(newline="", encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert rows[-1]["46_strategy_linked_order_id"] == text


def test_repairs(tmp_path: Path) -> None:
    small_day().write(tmp_path)
    feedback = tmp_path / "feedback.csv"
    feedback.write_text("errorROEID,firmROEID\n7,20261123_20261123-00-7\n")
    result = run(tmp_path, "cat", "--repair", str(feedback))
    assert result.exit_code == 0, result.output
    (line,) = (tmp_path / "out" / "9999_BRKR_20261123_notcertified_OrderEvents_000003.json").read_text().splitlines()
    assert line.startswith('{"actionType":"RPR","errorROEID":7,"firmROEID":"20261123_20261123-00-7"')
    feedback.write_text("nothing\n")
    assert "needs the columns" in run(tmp_path, "cat", "--repair", str(feedback)).output


def test_what_does_not_add_up_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_day().write(tmp_path)
    monkeypatch.setattr(cat_files, "count", lambda journal, day: Counted(Counter({"Trade": 3}), frozenset(), 1))
    result = run(tmp_path, "cat")
    assert result.exit_code == 1
    assert "it does not add up" in result.output
    assert "Trade: 1 accounted for, 3 in the journal" in result.output


def test_a_broker_that_writes_meanwhile_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = small_day()
    tape.write(tmp_path)
    more = tape.facts[-1:]

    def then_written(journal: Path, day: int) -> Counted:
        counted = count(journal, day)
        writing = Journal(journal)
        writing.open(day)
        writing.append(more)
        writing.close()
        return counted

    monkeypatch.setattr(cat_files, "count", then_written)
    result = run(tmp_path, "cat")
    assert result.exit_code == 0, result.output
    assert "35 facts: 25 records" in result.output


def test_a_customers_report(tmp_path: Path) -> None:
    small_day().write(tmp_path)
    assert run(tmp_path, "606", "--customer", "ALICE").exit_code == 0
    assert "606b3-ALICE-20261123-notcertified.xml" in names(tmp_path)
    result = run(tmp_path, "606", "--customer", "EVE")
    assert (result.exit_code, "there is no client 'EVE'" in result.output) == (1, True)


def test_check_says_what_is_missing_for_which_report(tmp_path: Path) -> None:
    config = tmp_path / "broker.toml"
    config.write_text(SETTINGS + COMPLIANCE)
    output = CliRunner().invoke(main, ["check", str(config)]).output
    told = "report cat: not configured: compliance.accounts.DEALER.fdid, compliance.accounts.DEALER.holder"
    assert told in output
    assert "report rts" not in output
    config.write_text(SETTINGS + COMPLIANCE.replace('clock = "member"', "").replace('broker = "Broker LLC"', ""))
    output = CliRunner().invoke(main, ["check", str(config)]).output
    assert "report 606: not configured: compliance.broker" in output
    assert "report rts25: not configured: compliance.clock" in output
    # Who has no [compliance] is not told of it.
    config.write_text(SETTINGS)
    assert "not configured" not in CliRunner().invoke(main, ["check", str(config)]).output


def test_without_any_of_it_all_is_missing() -> None:
    found = missing(ComplianceSection(), {"XNAS": None}, {"ALICE": None}, {"AAPL": None})
    assert {*found} == {*EVERY}
    assert "compliance.accounts.ALICE.lei or person" in found["rts22"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ('[compliance.accounts.EVE]\nfdid = "1"', "compliance.accounts.EVE: there is no [accounts.EVE]"),
        ("[compliance.venues.XXX]\nforeign = true", "compliance.venues.XXX: there is no [venues.XXX]"),
        ('[compliance]\nsp500 = "SPX"', "compliance.sp500: there is no [symbol_groups.SPX]"),
        ('[compliance]\nlei = "short"', "compliance.lei: Expected `str` matching regex"),
        ('[compliance.accounts.ALICE]\nholder = "Z"', "compliance.accounts.ALICE.holder: Invalid enum value 'Z'"),
        ("[compliance]\nguess = 1", "compliance: Object contains unknown field `guess`"),
    ],
)
def test_bad_settings(tmp_path: Path, more: str, why: str) -> None:
    config = tmp_path / "broker.toml"
    config.write_text(f"{SETTINGS}\n{more}\n")
    with pytest.raises(ConfigError) as error:
        load(config)
    assert why in str(error.value)
