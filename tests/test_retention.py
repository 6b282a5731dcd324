"""Records are kept as long as the configuration says, and longer where they are held or needed; what was deleted is on
record, and all else goes on without it."""

import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from brokerfix import commands as cmd
from brokerfix.cli import main
from brokerfix.compliance.day import Walk
from brokerfix.domain import id_text
from brokerfix.facts import RecordsDeleted
from brokerfix.operate import purge
from brokerfix.operate.admin import ActionRefused
from brokerfix.operate.explain import explain, explain_account
from brokerfix.operate.operations import Operations
from brokerfix.operate.quality_read import Orders
from brokerfix.operate.reconcile import state_at
from brokerfix.projections.sqlite import projected
from brokerfix.record import keys
from brokerfix.record.audit import verify
from brokerfix.record.backup import back_up, restore
from brokerfix.record.before import deletions, remove
from brokerfix.record.checkpoints import Checkpointer
from brokerfix.record.frames import payloads
from brokerfix.record.journal import Journal, JournalError, read, segments
from brokerfix.record.kept import begin, oldest
from brokerfix.record.kept import write as keep
from brokerfix.record.problems import Checked
from brokerfix.record.proof import check, prove
from brokerfix.settings.load import load
from brokerfix.settings.sections import Config, ConfigError
from tests.live import INSTRUMENT, UNSTORED
from tests.record.test_proof import write_records
from tests.scenario import FACTS, World, run_step
from tests.test_roles import US

DAYS = """
venue XNAS up
quote XNAS AAPL bid 500@149.90 ask 500@150.10
client ALICE new C1 buy 300 AAPL 150.10
venue XNAS ack c1
venue XNAS fill c1 300@150.10 cum 300
client ALICE new G1 buy 100 AAPL 149.00 GTC
venue XNAS ack c2
day 20261123
venue XNAS fill c2 40@149.00 cum 40
client BOB new B1 buy 10 AAPL 150.10
day 20261124
client BOB new B2 buy 10 AAPL 150.10
day 20261125
client BOB new B3 buy 10 AAPL 150.10
""".strip().splitlines()
TODAY = date(2026, 11, 26)
HOLD = """
[records.holds.SEC-1]
reason = "the SEC has asked"
by = "Ms Lee"
since = "2026-11-24"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with four days, signed, whose broker has ended; the state of the third day's end is kept."""
    folder = tmp_path_factory.mktemp("made")
    data = folder / "broker"
    keys.make(data / "keys")
    checkpointer = Checkpointer(data, "BROKER", 0, data / "keys", 1e9)
    world = World()
    journal = Journal(data / "journal")
    journal.open(20261122)
    done = 0
    for step in (*DAYS, "stop"):
        if step == "stop":
            world.submit(cmd.Stop(world.now))
        else:
            run_step(world, step)
        for record in world.records[done:]:
            journal.append(FACTS.decode(record), written=world.now)
        done = len(world.records)
        checkpointer.follow(0.0, at_once=True)
        if step == "day 20261125":
            keep(journal.folder, world.state, *journal.place, b"")
    journal.close()
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Config]:
    """Makes a configuration of a copy with these records' keys."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(purge, "today", lambda: TODAY)

    def configured(records: str) -> Config:
        text = UNSTORED.format(port=1, venue_port=2, password_hash="", instrument=INSTRUMENT)
        (tmp_path / "broker.toml").write_text(text.replace('password_hash = ""\n', "") + "\n[proof]\n" + records)
        return load(tmp_path / "broker.toml")

    return configured


TWO_DAYS = "[records]\njournal_days = 2\n"


def checked(config: Config) -> Checked:
    trusted = [one.key for one in keys.public(config.data / "keys")]
    return check(config.data / "journal", config.data / "checkpoints", trusted)


def names(config: Config) -> list[str]:
    return [path.stem for path in segments(config.data / "journal")]


def test_what_is_not_said_is_kept_for_ever(place: Callable[[str], Config]) -> None:
    config = place("")
    assert purge.due(config) == []
    assert purge.delete(config).lines == []
    assert len(names(config)) == 4


def test_two_days_are_deleted_and_all_else_goes_on(place: Callable[[str], Config]) -> None:
    config = place(TWO_DAYS)
    journal = config.data / "journal"
    before = checked(config)
    assert [(item.name, item.why) for item in purge.due(config)] == [("20261122.journal", ""), ("20261123.journal", "")]
    gone = purge.delete(config)
    assert names(config) == ["20261124", "20261125"]
    assert [line.split(":")[0] for line in gone.lines] == ["20261122.journal", "20261123.journal"]

    # It is on record, with what proves that the days were there.
    first, second = deletions(journal)
    assert (first.file.name, first.rule) == ("20261122.journal", "records.journal_days = 2")
    assert first.operator == second.operator != ""
    report = checked(config)
    assert report.problems == before.problems == []
    assert [line.split(",")[0] for line in report.deleted] == [
        f"20261122: {first.file.records} records", f"20261123: {second.file.records} records",
    ]  # fmt: skip

    # Replays begin with what stands for them.
    found, state = verify(journal)
    assert found.problems == []
    assert oldest(journal)[1].segment == "20261124.journal"
    for path in journal.glob("*.state"):
        path.unlink()
    assert begin(journal)[0].last_id == second.file.last
    assert state_at(journal).accounts["ALICE"].positions["AAPL"].qty == 340

    # Stories, reports and the database know the order that is still open, and the instrument.
    lines = [one.text for one in explain_account(journal, "ALICE")]
    assert not any("C1" in line for line in lines)
    for words in (("ALICE",), ("20261122-00-17",)):
        told = CliRunner().invoke(main, ["explain", *words, "--config", str(config.path)]).output
        assert "20261122 to 20261123 were deleted, by " in told, told
    (order,) = {one.fact for one in explain_account(journal, "ALICE") if "of ALICE, G1" in one.text}
    of_order = explain(journal, id_text(order))
    assert (of_order["order"]["cl_ord_id"], of_order["end"]["filled"]) == ("G1", "40")
    with pytest.raises(LookupError, match="there is no trading day 20261122"):
        explain(journal, "20261122")
    assert Orders().read(journal).instruments.keys() >= {"AAPL"}
    walk = Walk(20261125)
    assert {event.order.cl_ord_id for event in walk.read(journal) if event.order is not None} == {"G1", "B2", "B3"}
    assert 40 in [order.cum for order in walk.orders.values() if order.cl_ord_id == "G1"]
    projection = projected(config.data)
    projection.follow()
    assert projection.state.hash() == state.hash()


def test_what_was_reported_of_a_deleted_day_stays(place: Callable[[str], Config], tmp_path: Path) -> None:
    place(TWO_DAYS)

    def report(day: str, *words: str) -> tuple[int, str]:
        where = ["--day", day, "--config", str(tmp_path / "broker.toml"), "--output", str(tmp_path / "out")]
        result = CliRunner().invoke(main, ["report", *words, *where])
        return result.exit_code, result.output

    every = [["cat"], ["rts24"], ["rts22"], ["rts25"], ["605"], ["606"], ["606", "--customer", "ALICE"]]
    assert {report("2026-11-23", *words)[0] for words in every} == {0}
    made = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    purge.delete(load(tmp_path / "broker.toml"))
    for words in every:
        code, said = report("2026-11-23", *words)
        assert (code, "20261122 to 20261123 were deleted" in said) == (1, True), words
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == made
    # What is read on a screen says so.
    words = ["--config", str(tmp_path / "broker.toml")]
    for name in ("execution-quality", "order-routing"):
        of_all = CliRunner().invoke(main, ["report", name, *words]).output
        assert "Not all is counted: 20261122 to 20261123 were deleted" in of_all
        assert (
            "Not all is counted" not in CliRunner().invoke(main, ["report", name, "--day", "2026-11-24", *words]).output
        )
    # The days that are left have what it takes; the month, the quarter and the half-year have not.
    assert [report("2026-11-24", *words)[0] for words in every] == [0, 0, 0, 0, 1, 1, 1]
    assert [report("2027-07-24", *words)[0] for words in every] == [0] * 7


def test_a_proof_of_what_is_gone_says_who_has_deleted_it(place: Callable[[str], Config]) -> None:
    config = place(TWO_DAYS)
    number = next(fact.id for record in read(config.data / "journal") for fact in record.facts)
    trusted = [one.key for one in keys.public(config.data / "keys")]
    assert prove(config.data, number, trusted).index == 0
    purge.delete(config)
    with pytest.raises(
        LookupError, match=r"no journal of that day, 20261122: .* has deleted it, under records.journal_d"
    ):
        prove(config.data, number, trusted)


def test_a_backup_of_what_is_left_is_restored(place: Callable[[str], Config], tmp_path: Path) -> None:
    config = place(TWO_DAYS)
    back_up(config.data, tmp_path / "backup")
    purge.delete(config)
    made = back_up(config.data, tmp_path / "backup")
    assert [one.name for one in made.files if one.name < "20261124"] == []
    restore(tmp_path / "backup", tmp_path / "other")
    report, state = verify(tmp_path / "other" / "journal")
    assert (report.problems, state.hash()) == ([], verify(config.data / "journal")[1].hash())


def test_it_is_deleted_again_later(place: Callable[[str], Config], monkeypatch: pytest.MonkeyPatch) -> None:
    config = place(TWO_DAYS)
    purge.delete(config)
    monkeypatch.setattr(purge, "today", lambda: date(2026, 11, 27))
    sign(config)
    purge.delete(config)
    assert names(config) == ["20261125"]
    report = checked(config)
    assert (report.problems, len(report.deleted)) == ([], 3)
    assert verify(config.data / "journal")[0].problems == []
    assert len(list((config.data / "journal").glob("*.base"))) == 1


def sign(config: Config) -> None:
    """What was deleted without the broker is signed by the next one."""
    Checkpointer(config.data, "BROKER", 0, config.data / "keys", 1e9).follow(0.0, at_once=True)


def test_a_deletion_that_was_killed_is_ended(place: Callable[[str], Config], monkeypatch: pytest.MonkeyPatch) -> None:
    config = place(TWO_DAYS)
    with monkeypatch.context() as patched:
        patched.setattr(purge, "remove", lambda journal, names: remove(journal, names[:1]) and 1 / 0)
        with pytest.raises(ZeroDivisionError):
            purge.delete(config)
    assert names(config) == ["20261123", "20261124", "20261125"]
    assert [(item.name, item.told) for item in purge.due(config)] == [("20261123.journal", True)]
    assert purge.delete(config).lines == ["20261123.journal: it was on record as deleted"]
    assert checked(config).problems == []
    assert len(deletions(config.data / "journal")) == 2


def test_another_node_deletes_what_is_on_record(place: Callable[[str], Config], tmp_path: Path) -> None:
    config = place(TWO_DAYS)
    journal = config.data / "journal"
    shutil.copytree(journal, tmp_path / "old")
    purge.delete(config)
    shutil.copy(segments(journal)[-1], tmp_path / "old" / segments(journal)[-1].name)
    shutil.rmtree(journal)
    (tmp_path / "old").rename(journal)
    assert [item.told for item in purge.due(config)] == [True, True]
    purge.delete(config)
    assert names(config) == ["20261124", "20261125"]
    assert checked(config).problems == verify(journal)[0].problems == []


@pytest.mark.parametrize(
    ("hold", "stays"),
    [
        (HOLD, "records.holds.SEC-1: the SEC has asked (by Ms Lee, since 2026-11-24)"),
        (HOLD + 'clients = ["ALICE"]\n', "records.holds.SEC-1"),
        (HOLD + 'last = "2026-11-22"\n', "records.holds.SEC-1"),
        (HOLD + 'first = "2026-11-24"\n', ""),
    ],
)
def test_a_hold_keeps_what_it_covers(place: Callable[[str], Config], hold: str, stays: str) -> None:
    config = place(TWO_DAYS + hold)
    first, second = purge.due(config)
    assert first.why.startswith(stays)
    assert bool(first.why) == bool(stays)
    assert bool(second.why) == bool(stays), "the journal goes from its begin"
    purge.delete(config)
    assert len(names(config)) == (4 if stays else 2)
    assert bool(deletions(config.data / "journal")) != bool(stays)


@pytest.mark.parametrize(
    ("more", "file", "has", "told"),
    [
        ("store = true", "store.lag", None, "the database has not told how far it is (store.lag): it may need it"),
        ("store = true", "store.lag", 2026112300000000005, "the database is only at fact 20261123-00-5: it needs it"),
        ("history = true", "", None, "the market history has not told how far it is (market.sqlite): it may need it"),
    ],
)
def test_a_reader_that_lags_keeps_what_it_needs(
    place: Callable[[str], Config], more: str, file: str, has: int | None, told: str
) -> None:
    config = place(TWO_DAYS)
    text = config.path.read_text().replace("store = false", more if "store" in more else f"store = false\n{more}")
    config.path.write_text(text)
    if has:
        (config.data / file).write_text(msgspec.json.encode({"last_id": has}).decode())
    items = purge.due(load(config.path))
    assert [item.why for item in items][-1].startswith("a day before it stays" if not has else told)
    assert has or items[0].why == told
    assert bool(items[0].why) == (not has), "what it has past it needs no more"


def test_a_day_that_is_not_signed_whole_stays(place: Callable[[str], Config]) -> None:
    config = place(TWO_DAYS)
    notes = config.data / "checkpoints" / "20261122.notes"
    notes.write_bytes(b"".join(notes.read_bytes().splitlines(keepends=True)[:-1]))
    assert purge.due(config)[0].why == "its last records are under no checkpoint yet"
    assert purge.delete(config).lines == []


def test_other_files_go_by_their_age(place: Callable[[str], Config], tmp_path: Path) -> None:
    config = place('[records]\nhistory_days = 1\n[records.outputs.reports]\nfiles = "reports/*.csv"\ndays = 30\n')
    (tmp_path / "reports").mkdir()
    for name, day in (("old.csv", date(2026, 1, 2)), ("new.csv", TODAY), ("old.txt", date(2026, 1, 2))):
        path = tmp_path / "reports" / name
        path.write_text(name)
        at = (day - date(1970, 1, 1)).days * 86_400
        os.utime(path, (at, at))
    for day_name in ("2026-11-22", "2026-11-25"):
        (config.data / "history" / day_name).mkdir(parents=True)
        (config.data / "history" / day_name / "AAPL.parquet").write_bytes(b"PAR1")
    gone = purge.delete(config)
    assert gone.lines == ["history 2026-11-22", f"output {tmp_path / 'reports' / 'old.csv'}"]
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["new.csv", "old.txt"]
    assert [path.name for path in (config.data / "history").iterdir()] == ["2026-11-25"]
    assert [fact.file.what for fact in deletions(config.data / "journal")] == ["history", "output"]
    pattern = config.path.read_text().replace("reports/*.csv", "broker/journal/*")
    config.path.write_text(pattern)
    own = [item for item in purge.due(load(config.path)) if item.what == "output"]
    assert all("one of the broker's own files" in item.why for item in own)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: flip(data / "journal" / "20261124.before"), "is damaged"),
        (lambda data: (data / "journal" / "20261124.before").unlink(), "it is gone"),
        (lambda data: flip(data / "journal" / "20261124.base"), "damaged"),
        (lambda data: (data / "journal" / "20261124.base").unlink(), "No such file"),
        (lambda data: (data / "journal" / "20261124.journal").unlink(), "no fact says why"),
        (
            lambda data: shutil.copy(data / "checkpoints/20261124.notes", data / "checkpoints/20261123.notes"),
            "it is of another log",
        ),
    ],
)
def test_who_changes_what_stands_for_the_days_is_found(
    place: Callable[[str], Config], change: Callable[[Path], object], told: str
) -> None:
    config = place(TWO_DAYS)
    purge.delete(config)
    change(config.data)
    assert any(told in str(problem) for problem in checked(config).problems), checked(config).problems


def test_without_keys_the_links_tell_of_what_is_gone_beside_what_was_deleted(place: Callable[[str], Config]) -> None:
    config = place(TWO_DAYS)
    purge.delete(config)
    journal = config.data / "journal"
    assert check(journal, config.data / "none", []).problems == []
    first = segments(journal)[0]
    records = [bytes(payload) for _, payload in payloads(first)]
    write_records(first, records[1:])
    assert ["its link is not to the last record of 20261123.journal" in str(one) for one in check(
        journal, config.data / "none", []
    ).problems] == [True]  # fmt: skip


def test_without_its_end_in_good_order_nothing_is_deleted(place: Callable[[str], Config]) -> None:
    config = place(TWO_DAYS)
    segment = segments(config.data / "journal")[-1]
    segment.write_bytes(segment.read_bytes()[:-3])
    with pytest.raises(JournalError, match="did not end in good order: start it, and ask again"):
        purge.delete(config)
    assert len(names(config)) == 4


def asked_by(config: Config, operator: str, role: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the commands ask a broker that runs on a copy's configuration."""
    running: Any = SimpleNamespace(
        config=config, state=world.state, clock=lambda: (TODAY - date(1970, 1, 1)).days * 86_400 * 10**9
    )

    def carry_out(command: cmd.Command) -> list[Any]:
        world.submit(command)
        return world.last_facts

    running.carry_out = carry_out
    operations = Operations(running)

    def ask(data: Path, request: dict[str, Any]) -> dict[str, Any]:
        return operations.handle(US, {**request, "by": operator, "role": role})

    monkeypatch.setattr(purge, "ask", ask)


def test_the_running_broker_is_asked_and_knows_who(
    place: Callable[[str], Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, world = place(TWO_DAYS), World()
    asked_by(config, "tess", "trader", world, monkeypatch)
    with pytest.raises(ActionRefused, match="tess: the role trader may not do this; compliance and administrator may"):
        purge.delete(config)
    assert len(names(config)) == 4
    asked_by(config, "carl", "compliance", world, monkeypatch)
    purge.delete(config)
    facts = [fact for fact in world.facts if isinstance(fact, RecordsDeleted)]
    assert [(fact.file.name, fact.operator) for fact in facts] == [
        ("20261122.journal", "carl"), ("20261123.journal", "carl"),
    ]  # fmt: skip
    assert names(config) == ["20261124", "20261125"]


def test_the_running_broker_looks_for_itself(place: Callable[[str], Config], monkeypatch: pytest.MonkeyPatch) -> None:
    """A hold that was put on since, other files, or not the oldest ones."""
    config, world = place(TWO_DAYS), World()
    asked_by(config, "carl", "compliance", world, monkeypatch)
    files = [msgspec.to_builtins(file) for file in purge.prepare(config.data / "journal", 2)]
    rule = "records.journal_days = 2"
    for given, told in (
        ([files[1]], "the journal's oldest days go first"),
        ([[*files[0][:2], 5, *files[0][3:]]], "it is not what it was when this was begun"),
        ([["journal", "20261124.journal", 5, ""]], "not older than it is to be kept"),
        ([["journal"]], "files: "),
    ):
        with pytest.raises(ActionRefused, match=told):
            purge.ask(config.data, {"action": "delete-records", "rule": rule, "settings": {"files": given}})
    place(TWO_DAYS + HOLD)
    with pytest.raises(ActionRefused, match=r"20261122.journal: records.holds.SEC-1: the SEC has asked"):
        purge.ask(config.data, {"action": "delete-records", "rule": rule, "settings": {"files": files}})
    assert not any(isinstance(fact, RecordsDeleted) for fact in world.facts)


def test_the_command_tells_first_and_deletes_when_told(place: Callable[[str], Config]) -> None:
    config = place(TWO_DAYS)
    told = CliRunner().invoke(main, ["retention", str(config.path)]).output
    assert "the journal is kept 2 days" in told
    assert "20261122.journal" in told
    assert "may go" in told
    assert len(names(config)) == 4
    done = CliRunner().invoke(main, ["retention", str(config.path), "--delete"])
    assert "2 deleted" in done.output, done.output
    assert names(config) == ["20261124", "20261125"]
    seen = CliRunner().invoke(main, ["verify", str(config.data)]).output
    assert "deleted: 20261122: " in seen
    assert "no record was changed" in seen


def test_what_can_not_be_configured(place: Callable[[str], Config]) -> None:
    for text, told in (
        (HOLD.replace("2026-11-24", "2026-13-01"), "records.holds.SEC-1.since: 2026-13-01 is no day"),
        (HOLD + 'first = "2026-11-02"\nlast = "2026-11-01"\n', "records.holds.SEC-1.last: is before its first day"),
        (HOLD.replace("the SEC has asked", ""), "records.holds.SEC-1.reason: Expected `str` of length >= 1"),
        ('[records]\npersonal = "x"\npersonal_keys = "x"\n', "keys are kept apart from what they open"),
    ):
        with pytest.raises(ConfigError, match=told.replace("[", r"\[")):
            place(text)
