"""Certification: a client that does all passes, one that does something wrong is told what."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brokerfix.operate.certify import STEPS
from brokerfix.tools.client import Client, Disconnected, Message
from brokerfix.tools.demo import free_port


class Candidate(Client):
    """A client under certification: what it does is told by the reports that it gets."""

    def until(self, exec_type: str, status: str = "") -> Message:
        fills = {"F": ("F", "1", "2")}.get(exec_type, (exec_type,))
        return self.receive_until(lambda m: m[35] == "8" and m[150] in fills and status in ("", m[39]), 5)

    def go_through(self, wrong: str = "") -> None:
        """The whole script; `wrong` names what it does other than it should."""
        self.connect()
        self.new_order("a-1", "1", "200" if wrong == "quantity" else "100", "AAPL", "150.00")
        self.until("F")
        self.cancel("a-2", "nonsense" if wrong == "orig" else "a-1", "1", "AAPL")
        self.receive_until(lambda m: m[35] == "9", 5)
        self.new_order("b-1", "1", "100", "AAPL", "150.00")
        self.until("0")
        self.replace("b-2", "b-1", "1", "110", "AAPL", "150.10")
        self.until("5")
        self.replace("b-3", "b-1" if wrong == "chain" else "b-2", "1", "120", "AAPL", "150.20")
        self.until("5")
        assert self.until("F")[14] == "10"
        assert self.until("F")[14] == "20", "what was left out comes before"
        try:
            while True:
                self.poll(5)
        except Disconnected:
            self.connect(reset=wrong == "reset")
        assert self.until("F")[39] == "2"
        self.logout()


@contextmanager
def certification(folder: Path, fix: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    command = [sys.executable, "-m", "brokerfix", "certify", "--fix", fix, "--port", str(port), "--patience", "5"]
    process = subprocess.Popen(
        [*command, "--report", str(folder / "report")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        assert "waiting for CLIENT" in process.stdout.readline()
        yield process, port
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("fix", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_a_good_client_passes(tmp_path: Path, fix: str) -> None:
    with certification(tmp_path, fix) as (process, port):
        Candidate("CLIENT", "BROKER", "127.0.0.1", port, begin_string=fix).go_through()
        told, _ = process.communicate(timeout=20)
    assert process.returncode == 0, told
    text = (tmp_path / "report.md").read_text()
    assert text.count("| ok |") == len(STEPS)
    assert "<table>" in (tmp_path / "report.html").read_text()
    assert "Cancel race" in told


@pytest.mark.parametrize(
    ("wrong", "step", "failure"),
    [
        ("quantity", "New order", "the order is for 200 at 150.00, not 100 at 150.00"),
        ("orig", "Cancel race", "OrigClOrdID(41) is 'nonsense', not 'a-1'"),
        ("chain", "Replace chain", "OrigClOrdID(41) is 'b-1', not 'b-2', the last that was accepted"),
        ("reset", "Disconnect", "the client began its sequence numbers anew"),
    ],
)
def test_a_client_that_errs_is_told_what(tmp_path: Path, wrong: str, step: str, failure: str) -> None:
    with certification(tmp_path, "FIX.4.4") as (process, port):
        with pytest.raises((Disconnected, TimeoutError)):
            Candidate("CLIENT", "BROKER", "127.0.0.1", port).go_through(wrong)
        told, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert f"FAILED: {failure}" in told
    assert f"| {step} | failed: {failure}" in (tmp_path / "report.md").read_text()
    assert "not passed" in (tmp_path / "report.md").read_text()
