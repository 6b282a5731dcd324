"""A broker that nobody can be sure of: a supervisor ends it, and its next start kills everything; who may operate."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerfix.facts import Halted, LimitsSet
from brokerfix.operate.killfile import Kill, leave, left
from brokerfix.operate.supervisor import Supervisor, owner_of
from brokerfix.record.journal import read
from tests.live import UNSTORED, Market, desk, report, run_cli, until

OPERATORS = UNSTORED + '\n[operators.nobody]\nrole = "risk"\n'
APPROVALS = '\n[approvals]\nraise_above = "2"\n[limits]\nmax_gross = "1000000"\n'
ASK_AS_NOBODY = """
import os, pwd, sys
from pathlib import Path
from brokerfix.operate.admin import ask, NotRunning, ActionRefused
import json
os.setgid(pwd.getpwnam(sys.argv[3]).pw_gid); os.setuid(pwd.getpwnam(sys.argv[3]).pw_uid)
try:
    print(json.dumps(ask(Path(sys.argv[1]), json.loads(sys.argv[2]))))
except (NotRunning, ActionRefused) as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    market = Market(tmp_path_factory.mktemp("supervised"), broker=OPERATORS + APPROVALS)
    market.start()
    yield market
    market.stop()


def data_of(market: Market) -> Path:
    return market.folder / "broker"


def test_a_broker_that_does_not_answer_is_ended_and_begins_with_a_kill(market: Market) -> None:
    alice = market.client("ALICE")
    alice.new_order("W1", "1", "5", "AAPL", "140.00")
    report(alice, "W1", "0")
    data = data_of(market)
    supervisor = Supervisor(data, heartbeat=1.0, on_breaks=False)
    assert supervisor.look() == ""
    owner = owner_of(data)
    assert owner is not None
    os.kill(owner, signal.SIGSTOP)
    done = ""
    while not done:
        done = supervisor.look()
    assert done == f"process {owner} has not answered for 1 s: it is ended, and its next start kills all"
    until(lambda: owner_of(data) is None)
    assert "no broker runs" in supervisor.look()
    assert supervisor.look() == "", "that is told once"
    market.broker.stop()
    alice.close()
    market.broker.start()
    alice = market.client("ALICE")
    assert report(alice, "W1", "4")[58].startswith("KILLED")
    alice.new_order("W2", "1", "5", "AAPL", "140.00")
    assert report(alice, "W2", "8")[58] == "HALTED: all, by the broker's operator"
    halts = [fact for record in read(data / "journal") for fact in record.facts if isinstance(fact, Halted)]
    assert [(fact.kind, fact.operator, fact.kill) for fact in halts] == [("all", "supervisor", True)]
    assert not (data / "kill").exists()
    desk(market, "resume", "all")
    alice.new_order("W3", "1", "5", "AAPL", "140.00")
    report(alice, "W3", "0")


def test_breaks_kill_where_that_is_asked_for(tmp_path: Path) -> None:
    asked: list[str] = []
    breaks = [0, 1, 1, 2, 0, 1]

    def answer(data: Path, request: dict[str, object], timeout: float) -> dict[str, object]:
        asked.append(str(request["action"]))
        return {"breaks": breaks.pop(0)} if request["action"] == "status" else {}

    supervisor = Supervisor(tmp_path, 1.0, True, answer)
    done = [supervisor.look() for _ in range(6)]
    assert [bool(one) for one in done] == [False, True, False, True, False, True]
    assert asked.count("kill") == 3


def test_a_kill_of_a_broker_that_is_down_waits_for_its_start(market: Market) -> None:
    market.broker.stop()
    done = run_cli("kill", "client", "BOB", "--config", str(market.broker.config))
    assert done.returncode == 1
    assert "its next start kills client BOB" in done.stderr
    assert [(kill.kind, kill.name) for kill in left(data_of(market))] == [("client", "BOB")]
    market.client("ALICE").close()
    market.broker.start()
    # It answers a client when it is up.
    market.client("ALICE")
    facts = [fact for record in read(data_of(market) / "journal") for fact in record.facts]
    assert [fact.name for fact in facts if isinstance(fact, Halted)][-1] == "BOB"
    desk(market, "resume", "client", "BOB")


def test_a_kill_that_is_not_readable_kills_all(tmp_path: Path) -> None:
    leave(tmp_path, Kill("client", "BOB", "carol"))
    with (tmp_path / "kill").open("a") as file:
        file.write("{torn\n")
    assert left(tmp_path) == [Kill("client", "BOB", "carol"), Kill("all", "", "unknown")]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_another_operator_approves_and_a_stranger_may_not_ask(market: Market) -> None:
    for folder in (data_of(market), *data_of(market).parents):
        folder.chmod(folder.stat().st_mode | 0o011)
    told = desk(market, "limits", "set", "firm", "max_gross=5000000", "--text", "a large client comes")
    number = told.split()[-1]
    assert "another operator has to approve" in told
    refused = run_cli("limits", "approve", number, "--config", str(market.broker.config))
    assert "was proposed by root: another operator has to approve it" in refused.stderr
    request = json.dumps({"action": "answer-limits", "proposal": number, "approve": 1})
    command = [sys.executable, "-c", ASK_AS_NOBODY, str(data_of(market)), request]
    stranger = subprocess.run([*command, "daemon"], capture_output=True, text=True, timeout=30, check=False)
    assert (stranger.returncode, "hung up" in stranger.stderr) == (1, True), stranger.stderr
    approved = subprocess.run([*command, "nobody"], capture_output=True, text=True, timeout=30, check=False)
    assert approved.returncode == 0, approved.stderr
    facts = [fact for record in read(data_of(market) / "journal") for fact in record.facts]
    last = [fact for fact in facts if isinstance(fact, LimitsSet)][-1]
    assert (last.operator, last.approver, last.limits.max_gross) == ("root", "nobody", "5000000")
    roll = subprocess.run([*command[:-1], '{"action": "roll"}', "nobody"], capture_output=True, text=True, check=False)
    assert roll.stderr == "nobody: the role risk may not do this; operator and administrator may\n"
    desk(market, "limits", "set", "firm", "max_gross=4000000", "--minutes", "5")
    rows = json.loads(desk(market, "limits", "--json"))
    assert next(row for row in rows if row["limit"] == "max_gross")["until"].endswith("Z")


def test_a_broker_that_recovers_is_given_time(tmp_path: Path) -> None:
    """It has the lock, and answers later."""
    (tmp_path / "lock").write_text("")
    code = (
        "import fcntl,os,sys,time; f=open(sys.argv[1],'r+'); fcntl.flock(f,2); f.write(str(os.getpid())); f.flush(); "
    )
    code += "print(1, flush=True); time.sleep(60)"
    now = [0.0]
    supervisor = Supervisor(tmp_path, 5.0, False, clock=lambda: now[0])
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "lock")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(100):
            now[0] += 8
            assert supervisor.look() == ""
        now[0] += 900
        assert "has not answered for 900 s" in supervisor.look()
        assert process.wait(10) == -signal.SIGKILL
    assert left(tmp_path) == [Kill("all", "", "supervisor")]
