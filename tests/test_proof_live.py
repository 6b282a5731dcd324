"""A running broker signs its journal, a witness signs too, a fill is proven without the journal, and who changes the
journal is found."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerfix.cli import main
from brokerfix.domain import id_number
from brokerfix.record import keys
from brokerfix.record.checkpoints import read_notes
from brokerfix.record.notes import is_signed_by, parse_vkey
from brokerfix.tools.demo import free_port
from tests.live import BROKER, Market, of_others, report, run_cli, until
from tests.servers import Nats, new_subject

PROOF = """
[proof]
seconds = 0.1
copies = ["audit"]
"""
EVENTS = """
[queues.bus]
kind = "nats"
servers = {urls}
[events.all]
queue = "bus"
subject = "{subject}"
"""
WITNESS = """
[proof.witnesses.auditor]
url = "http://127.0.0.1:{port}"
key = "{key}"
"""


def cli(*arguments: str) -> str:
    done = run_cli(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def covers(printed: str, fact: str) -> bool:
    """Whether one of the checkpoints that `events` has printed covers a fact."""
    rows = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return any(id_number(row["id"]) >= id_number(fact) for row in rows)


class Witness:
    """A witness server: the package aics-witness, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = str(folder / "witness.json")
        self.key = self._run("init", "--name", "witness.example/w1", "--listen", f"127.0.0.1:{self.port}")
        self.key = next(word for word in self.key.split() if word.startswith("witness.example/w1+"))
        self.process: subprocess.Popen[bytes] | None = None

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "aics_witness", arguments[0], "--config", self._config, *arguments[1:]]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    def trust(self, vkey: str) -> None:
        self._run("add-log", "--origin", vkey.split("+")[0], "--vkey", vkey)

    def start(self) -> None:
        command = [sys.executable, "-m", "aics_witness", "serve", "--config", self._config]
        self.process = subprocess.Popen(command, env={**os.environ, "PYTHONWARNINGS": "ignore"})

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    of_others("aics_witness")
    made = Witness(tmp_path)
    yield made
    made.stop()


def notes(folder: Path) -> list[str]:
    return [signed.note for path in sorted(folder.glob("*.notes")) for _, signed in read_notes(path)]


def test_a_fill_is_proven_and_a_change_found(tmp_path: Path) -> None:
    market = Market(tmp_path, broker=BROKER.replace("store = true", "store = false") + PROOF)
    config = str(market.broker.config)
    public = cli("keys", "make", config).split("public key ")[1].split()[0]
    market.start()
    try:
        alice = market.client("ALICE")
        alice.new_order("A1", "1", "1", "AAPL", "151.00")
        fill = report(alice, "A1", "F")
        until(lambda: run_cli("prove", fill[17], "--config", config).returncode == 0)
        out = str(tmp_path / "proof.json")
        told = cli("prove", fill[37], "--config", config, "--out", out)
        assert "OrderAccepted" in told
        assert "ChildFilled" in told
        assert "proofs hold" in cli("check-proof", out, "--key", public)
        # Another key has not signed this.
        other = run_cli("check-proof", out, "--key", "A" * 43 + "=")
        assert other.returncode == 1
        assert "does not hold" in other.stderr
    finally:
        market.stop()
    # What was recorded at the stop is signed too.
    assert "behind the newest are 0 records" in cli("verify", str(tmp_path / "broker"), "--key", public)
    assert notes(tmp_path / "audit") == notes(tmp_path / "broker" / "checkpoints")
    segment = next((tmp_path / "broker" / "journal").glob("*.journal"))
    segment.write_bytes(segment.read_bytes()[:-40])
    found = run_cli("verify", str(tmp_path / "broker"), "--key", public)
    assert found.returncode == 1
    assert "TAMPERED" in found.stdout
    assert "some were taken away" in found.stdout


def test_a_subscriber_of_the_event_stream_has_each_checkpoint(tmp_path: Path, nats_server: Nats) -> None:
    told = PROOF + EVENTS.format(urls=json.dumps(nats_server.urls), subject=new_subject())
    market = Market(tmp_path, broker=BROKER.replace("store = true", "store = false") + told)
    config, data = str(market.broker.config), tmp_path / "broker"
    public = keys.make(data / "keys").public
    market.start()
    try:
        alice = market.client("ALICE")
        alice.new_order("A1", "1", "1", "AAPL", "149.00")
        order = report(alice, "A1", "0")[37]
        read = ("events", "--filter", "kind=Checkpoint", "--json", "--config", config)
        until(lambda: covers(CliRunner().invoke(main, read).stdout, order))
        kept = tmp_path / "kept.jsonl"
        kept.write_text(CliRunner().invoke(main, read).stdout)
    finally:
        market.stop()
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [row["note"] for row in rows] == notes(data / "checkpoints")[: len(rows)]
    assert f"checkpoints: {len(rows)};" in cli("verify", str(data), "--key", public, "--checkpoints", str(kept))


def test_a_witness_signs_what_goes_on_from_the_one_before(tmp_path: Path, witness: Witness) -> None:
    told = PROOF + WITNESS.format(port=witness.port, key=witness.key)
    market = Market(tmp_path, broker=BROKER.replace("store = true", "store = false") + told)
    config = str(market.broker.config)
    cli("keys", "make", config)
    market.broker.config.write_text(market.broker.config.read_text())
    day = datetime.now(UTC).strftime("%Y%m%d")
    witness.trust(json.loads(cli("keys", "show", config, "--day", day, "--json"))[0]["vkey"])
    market.start()
    try:
        folder = tmp_path / "broker" / "checkpoints"
        until(lambda: bool(notes(folder)))
        # It was away until now, and has nothing; then it signs what goes on from what it has.
        witness.start()
        alice = market.client("ALICE")
        vkey = parse_vkey(witness.key)
        for number in range(2):
            alice.new_order(f"A{number}", "1", "1", "AAPL", "149.00")
            report(alice, f"A{number}", "0")
            until(lambda wanted=number + 1: sum(is_signed_by(note, vkey) for note in notes(folder)) >= wanted)
    finally:
        market.stop()
    assert "no record was changed" in cli("verify", str(tmp_path / "broker"))
