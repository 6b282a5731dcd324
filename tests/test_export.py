"""All that there is of one client, and nothing of another."""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from brokerfix import commands as cmd
from brokerfix.cli import main
from brokerfix.domain import Charge, Instrument, id_number, id_text
from brokerfix.facts import OperatorActed
from brokerfix.operate import purge
from brokerfix.operate.concerns import OTHER
from brokerfix.operate.export import Gathered
from brokerfix.personal.vault import vault_of
from brokerfix.record import keys
from brokerfix.record.checkpoints import Checkpointer
from brokerfix.record.frames import payloads
from brokerfix.record.journal import Journal, Origin, read, segments
from brokerfix.record.merkle import leaf_hash
from brokerfix.record.place import Place
from brokerfix.settings.load import load
from brokerfix.settings.sections import Config
from tests.live import UNSTORED
from tests.scenario import FACTS, World, run_step
from tests.test_retention import INSTRUMENT, TWO_DAYS, made, place

assert made
assert place
DAY = """
client BOB new BX-1 sell 40 AAPL 150.00
client ALICE new AX1 buy 40 AAPL 150.00
client BOB new BX-2 sell 30 AAPL 151.00
client ALICE new AX2 buy 10 AAPL 151.00
client ALICE new AX3 buy 99999 AAPL 151.00
client BOB new BX-4 sell 5 AAPL 152.00 +1=SHARED
client ALICE new AX4 buy 15 AAPL 149.00 +1=SHARED
client BOB new BX-5 sell 5 AAPL 149.00
operator jo halt account BOB
operator jo halt account ALICE
""".strip().splitlines()


def crossed(folder: Path) -> Config:
    """A signed journal of a day on which two clients traded with each other in our book, and share an account."""
    data = folder / "broker"
    keys.make(data / "keys")
    world, done, number = World(INSTRUMENTS, venues="", post="book", self_match="none"), 0, 0
    journal = Journal(data / "journal")
    journal.open(20261122)
    for step in (*DAY, "stop"):
        run_step(world, step) if step != "stop" else world.submit(cmd.Stop(world.now))
        for record in world.records[done:]:
            number += 1
            who = step.split()[1] if step.startswith("client") and record is world.records[done] else ""
            journal.append(
                FACTS.decode(record),
                Origin(f"c:{who}", number, world.now, "20261122-10:00:00", "", f"{who}-desk") if who else Origin(),
                written=world.now,
            )
        done = len(world.records)
    journal.close()
    Checkpointer(data, "BROKER", 0, data / "keys", 1e9).follow(0.0, at_once=True)
    text = UNSTORED.format(port=1, venue_port=2, password_hash="", instrument=INSTRUMENT)
    text = text.replace('password_hash = ""\n', "").replace('[clients.ALICE]\naccounts = ["ALICE"]', SHARING)
    (folder / "broker.toml").write_text(text + "\n[proof]\n")
    return load(folder / "broker.toml")


INSTRUMENTS = (Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "book", 1000, 15000, 0, 0, False, charge=Charge("0.01")),)
SHARING = '[accounts.SHARED]\ncash = "1000000"\n[clients.ALICE]\naccounts = ["ALICE", "SHARED"]'


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return crossed(tmp_path)


def run(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(one) for one in arguments])
    assert "Traceback" not in done.output
    return done.output


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


@pytest.fixture
def alice(config: Config, tmp_path: Path) -> dict[str, bytes]:
    vault_of(config).set("ALICE", {"surname": "Lee"})
    vault_of(config).set("BOB", {"surname": "Ash"})
    assert "files" in run("export", "ALICE", "--output", tmp_path / "alice.zip", "--config", config.path)
    return files_of(tmp_path / "alice.zip")


def test_nothing_of_the_other_side_of_a_trade_is_in_it(alice: dict[str, bytes], config: Config) -> None:
    signed = [one["checkpoint"] for one in json.loads(alice["proof.json"])["days"].values()]
    for name, whole in alice.items():
        data = whole
        for checkpoint in signed:
            # Signatures may have any letters.
            data = data.replace(json.dumps(checkpoint, ensure_ascii=False).encode(), b"")
        for word in (b"BOB", b"BX-", b"Ash"):
            assert word not in data, (name, data[max(0, data.find(word) - 200) : data.find(word) + 50])
    facts = [fact for record in read(config.data / "journal") for fact in record.facts]
    theirs = {fact.id for fact in facts if getattr(fact, "client", "") == "BOB"}
    told = {id_number(word) for data in alice.values() for word in data.decode().replace('"', " ").split()}
    shared = [json.loads(line)["id"] for line in alice["facts.jsonl"].splitlines() if b'"SHARED"' in line]
    assert not (theirs & told) - {id_number(one) for one in shared}


def test_every_fact_of_the_client_is_in_it(alice: dict[str, bytes], config: Config) -> None:
    facts = [json.loads(line) for line in alice["facts.jsonl"].splitlines()]
    assert {row["v"] for row in facts} == {1}
    told = {row["id"] for row in facts}
    for record in read(config.data / "journal"):
        for fact in record.facts:
            mine = getattr(fact, "client", "") == "ALICE" or getattr(fact, "account", "") in ("ALICE", "SHARED")
            if mine:
                assert id_text(fact.id) in told, fact
    trades = [row for row in facts if row["kind"] == "Trade"]
    assert [(row["fact"]["qty"], row["fact"]["maker_order_id"], row["account"]) for row in trades[:2]] == [
        ("40", OTHER, "ALICE"), ("10", OTHER, "ALICE"),
    ]  # fmt: skip
    assert [(row["fact"]["maker_fee"], row["fact"]["taker_fee"]) for row in trades] == [
        ("", "0.40"), ("", "0.10"), ("0.05", ""),
    ], "the other side's fee is none of this client's"  # fmt: skip
    assert (trades[2]["account"], trades[2]["fact"]["taker_order_id"]) == ("SHARED", OTHER)
    assert [row["fact"]["name"] for row in facts if row["kind"] == "Halted"] == ["ALICE"]
    assert all(row["origin"] is None or "BOB" not in row["origin"]["session"] for row in facts)


def test_its_tables_messages_and_stories(alice: dict[str, bytes]) -> None:
    orders = {row["cl_ord_id"]: row for row in table(alice["orders.csv"])}
    assert {"AX1", "AX2", "AX4"} <= set(orders)
    assert orders["AX1"]["status"] == "FILLED"
    fills = [(row["cl_ord_id"], row["last_qty"], row["last_px"]) for row in table(alice["executions.csv"])]
    assert [fill for fill in fills if fill[0].startswith("AX")] == [
        ("AX1", "40", "150.00"), ("AX2", "10", "151.00"), ("AX4", "5", "149.00"),
    ]  # fmt: skip
    positions = {(row["account"], row["symbol"]): row["qty"] for row in table(alice["positions.csv"])}
    assert positions == {("ALICE", "AAPL"): "50", ("SHARED", "AAPL"): "5"}
    assert {row["account"] for row in table(alice["accounts.csv"])} == {"ALICE", "SHARED"}
    assert {row["level"] for row in json.loads(alice["limits.json"])} == {"account ALICE", "account SHARED"}
    sent = alice["messages-out.txt"].decode()
    assert "|11=AX3|" in sent
    assert "|32=40|" in sent
    asked = [json.loads(line) for line in alice["messages-in.jsonl"].splitlines()]
    assert {row["who"] for row in asked} == {"ALICE-desk"}
    assert len(asked) == 4
    assert "bought 40 AAPL at 150.00" in alice["story-ALICE.txt"].decode()
    assert json.loads(alice["personal.json"]) == {"ALICE": {"surname": "Lee"}}


def test_the_manifest_and_the_places_in_the_signed_journal(alice: dict[str, bytes], config: Config) -> None:
    manifest = json.loads(alice["manifest.json"])
    assert (manifest["client"], manifest["accounts"]) == ("ALICE", ["ALICE", "SHARED"])
    for one in manifest["files"]:
        data = alice[one["name"]]
        assert (len(data), hashlib.sha256(data).hexdigest()) == (one["size"], one["sha256"])
    assert {one["name"] for one in manifest["files"]} == alice.keys() - {"manifest.json"}
    proof = json.loads(alice["proof.json"])
    leaves = [leaf_hash(bytes(one)).hex() for _, one in payloads(segments(config.data / "journal")[0])]
    assert all(leaves[row["record"]] == row["leaf"] for row in proof["records"])
    assert {number for row in proof["records"] for number in row["facts"]} >= {
        json.loads(line)["id"] for line in alice["facts.jsonl"].splitlines() if b'"kind": "Trade"' not in line
    }
    assert "brokerfix/BROKER/00/20261122" in proof["days"]["20261122"]["checkpoint"]


def test_that_it_was_made_is_on_record_and_it_is_for_its_owner_only(
    alice: dict[str, bytes], config: Config, tmp_path: Path
) -> None:
    last = [fact for record in read(config.data / "journal") for fact in record.facts][-1]
    assert isinstance(last, OperatorActed)
    assert (last.action, last.text) == ("read", "export ALICE")
    assert (tmp_path / "alice.zip").stat().st_mode & 0o777 == 0o600
    assert "is there already" in run("export", "ALICE", "--output", tmp_path / "alice.zip", "--config", config.path)
    assert "there is no client 'EVE'" in run("export", "EVE", "--output", tmp_path / "eve", "--config", config.path)
    assert not (tmp_path / "eve").exists()
    run("export", "BOB", "--output", tmp_path / "bob", "--config", config.path)
    assert sorted(path.name for path in (tmp_path / "bob").iterdir()) == sorted(
        {*alice, "story-BOB.txt"} - {"story-ALICE.txt"}
    )
    assert b"ALICE" not in (tmp_path / "bob" / "facts.jsonl").read_bytes()


def test_days_that_are_deleted_are_told(place: Callable[[str], Config]) -> None:
    config: Any = place(TWO_DAYS)
    whole = Gathered(config, "ALICE").gather()
    purge.delete(config)
    left = Gathered(config, "ALICE").gather()
    assert left.since == Place("20261124.journal", left.since.offset)
    kinds = [row["kind"] for row in left.facts]
    assert "OrderAccepted" in kinds, "the order that is still open"
    assert len(left.facts) < len(whole.facts)
