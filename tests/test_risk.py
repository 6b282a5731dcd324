"""Limits and the kill switch over real sockets, in every version that clients speak."""

import json
import queue
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from brokerfix.facts import Alerted, Halted, LimitsSet
from brokerfix.record.journal import read
from brokerfix.tools import story
from brokerfix.tools.client import Client
from tests.live import BROKER, Market, desk, report, run_cli, until

LIMITS = """
[limits]
max_gross = "100000"
[groups.DESK]
accounts = ["ALICE", "OLD", "NEW"]
limits = {{ max_window_qty = "100000" }}
[accounts.OLD]
cash = "1000000"
symbols = {{ AAPL = {{ max_long = "100" }} }}
[accounts.NEW]
cash = "1000000"
symbols = {{ AAPL = {{ max_long = "100" }} }}
[clients.OLD]
accounts = ["OLD"]
fix = "FIX.4.2"
limits = {{ duplicates = "2" }}
[clients.NEW]
accounts = ["NEW"]
fix = "FIXT.1.1"
limits = {{ duplicates = "2" }}
self_match = "cancel-oldest"
"""
VERSIONS = {"OLD": "FIX.4.2", "NEW": "FIXT.1.1", "ALICE": "FIX.4.4"}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    market = Market(tmp_path_factory.mktemp("risk"), broker=BROKER + LIMITS)
    market.start()
    yield market
    market.stop()


def client(market: Market, name: str) -> Client:
    return market.client(name, begin_string=VERSIONS[name])


def test_an_order_that_would_meet_its_own_clients_at_the_exchange_has_it_called_back(market: Market) -> None:
    trader = client(market, "NEW")
    trader.new_order("O1", "2", "5", "AAPL", "150.00")
    report(trader, "O1", "0")
    watcher = client(market, "ALICE")
    watcher.subscribe("own", ["AAPL"])
    watcher.receive_until(lambda message: message[35] in "WX" and (270, "150.00") in watcher.last)
    trader.new_order("O2", "1", "5", "AAPL", "150.00")
    told = report(trader, "O1", "4")
    assert told[58].startswith("SELF_MATCH")
    trader.cancel("O3", "O2", "1", "AAPL")
    assert report(trader, "O3", "4")[14] == "0"
    market.drain(watcher)


@pytest.mark.parametrize("name", ["OLD", "NEW"])
def test_limits_on_new_orders_and_replaces(market: Market, name: str) -> None:
    """At the boundary it is taken, one beyond it is not: on D and on G, in FIX 4.2 and 5.0."""
    trader = client(market, name)
    trader.new_order("L1", "1", "101", "AAPL", "140.00")
    told = report(trader, "L1", "8")
    assert (told[103], told[58]) == ("3", f"LONG_LIMIT: limit=100, value=101, at=account {name} AAPL")
    trader.new_order("L2", "1", "99", "AAPL", "140.00")
    report(trader, "L2", "0")
    trader.replace("L3", "L2", "1", "101", "AAPL", "140.00")
    told = trader.receive_until(lambda message: message[35] == "9")
    assert (told[102], told[58]) == ("2", f"LONG_LIMIT: limit=100, value=101, at=account {name} AAPL")
    trader.replace("L4", "L2", "1", "98", "AAPL", "140.00")
    report(trader, "L4", "5")
    for number, reason in ((5, "0"), (6, "0"), (7, "8")):
        trader.new_order(f"L{number}", "1", "1", "AAPL", "139.00")
        told = report(trader, f"L{number}", reason)
    assert (told[103], told[58]) == ("6", f"DUPLICATE_CONTENT: limit=2, value=3, at=client {name}")


def test_limits_are_shown_and_set_while_the_broker_runs(market: Market) -> None:
    alice = client(market, "ALICE")
    alice.new_order("S1", "1", "10", "AAPL", "140.00")
    report(alice, "S1", "0")
    rows = {(row["level"], row["limit"]): row for row in json.loads(desk(market, "limits", "--json"))}
    assert rows["firm", "max_gross"]["most"] == "100000"
    assert float(rows["firm", "max_gross"]["used"]) >= 1400
    desk(market, "limits", "set", "account", "ALICE", "max_order_qty=9", "--text", "too large for her")
    alice.new_order("S2", "1", "10", "AAPL", "140.01")
    assert report(alice, "S2", "8")[58] == "MAX_ORDER_QTY: limit=9, value=10, at=account ALICE"
    desk(market, "limits", "set", "account", "ALICE", "max_order_qty=")
    alice.new_order("S3", "1", "10", "AAPL", "140.01")
    report(alice, "S3", "0")
    for words, told in (
        (("account", "NOBODY", "max_gross=1"), "there is no account NOBODY"),
        (("firm", "max_gross=much"), "not a decimal number"),
        (("firm", "max_fun=1"), "max_fun"),
        (("firm", "max_gross=-1"), "must not be below 0"),
    ):
        done = run_cli("limits", "set", *words, "--config", str(market.broker.config))
        assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    facts = [fact for record in read(market.folder / "broker" / "journal") for fact in record.facts]
    set_by_hand = [fact for fact in facts if isinstance(fact, LimitsSet) and fact.operator]
    assert [fact.text for fact in set_by_hand] == ["too large for her", ""]


def test_a_kill_cancels_all_at_the_exchange_and_takes_nothing_new(market: Market) -> None:
    alice = client(market, "ALICE")
    for number in range(20):
        alice.new_order(f"K{number}", "1", "1", "AAPL", f"130.{number:02}")
        report(alice, f"K{number}", "0")
    told = desk(market, "kill", "group", "DESK")
    assert "group DESK: the last of" in told
    ended = {alice.receive_until(lambda message: message[35] == "8" and message[150] == "4")[11] for _ in range(22)}
    assert {f"K{number}" for number in range(20)} <= ended
    alice.new_order("K20", "1", "1", "AAPL", "130.00")
    assert report(alice, "K20", "8")[58] == "HALTED: group DESK, by the broker's operator"
    desk(market, "resume", "group", "DESK")
    alice.new_order("K21", "1", "1", "AAPL", "130.50")
    report(alice, "K21", "0")
    facts = [fact for record in read(market.folder / "broker" / "journal") for fact in record.facts]
    assert any(isinstance(fact, Halted) and fact.kill for fact in facts)


def test_a_margin_call_from_the_warning_to_its_end(tmp_path: Path) -> None:
    """The demo's story, and what the journal, the broker and the rules of engagement say of it."""
    told: list[str] = []
    assert story.run(tmp_path / "story", told.append) == 0
    # Valued at what was paid, or at the market's middle where that has been recorded since.
    assert {"    MARGIN: limit=250.00, value=2250.00", "    MARGIN: limit=246.75, value=2250.75"} & {*told}
    standings = [line.strip().partition("  ")[2] for line in told if "  the account is" in line]
    assert [standing.split("equity")[0].split(":")[0] for standing in standings] == [
        "the account is set up",
        "the account is warned",
        "the account is in a margin call",
        "the account is liquidated",
        "the account is in order (restored)",
    ]
    assert any(line.endswith("the position frees 48 % of its value") for line in told)
    config = str(tmp_path / "story" / "broker.toml")
    explained = run_cli("explain", "MARGE", "--config", config, "--json")
    rows = json.loads(explained.stdout)["story"]
    assert rows[-1]["what happened"].startswith("the account is in order (restored): equity 8686.60")
    assert "there is no account" in run_cli("explain", "NOBODY", "--config", config).stderr
    slices = [
        row for row in rows if row["what happened"].startswith("order ") and "liquidation" in row["what happened"]
    ]
    order = slices[0]["what happened"].split()[1]
    lines = [
        row["what happened"].strip()
        for row in json.loads(run_cli("explain", order, "--config", config, "--json").stdout)["story"]
        if row["about"] not in ("check", "report")
    ]
    because = next(line for line in lines if line.startswith("it is a part of the liquidation of MARGE: the excess "))
    lines.remove(because)
    assert lines[0].startswith("liquidation enters for MARGE for account MARGE: sell ")
    assert " of it are placed (best): the market is bid " in lines[1]
    assert lines[2].split() == ["seen", "price", "fee", "quantity", "taken"]
    assert any(line.endswith(": best price") for line in lines)
    assert any(" fills " in line for line in lines)
    assert "there is no order" in run_cli("explain", "20200101-00-1", "--config", config).stderr
    rules = run_cli("rules", "MARGE", "--config", config).stdout
    assert "An account with margin may open positions" in rules
    assert "| AAPL | 0.5 | 0.48 | 0.5 | 0.3 |" in re.sub(" +", " ", rules)


def test_recorded_orders_against_other_limits(tmp_path: Path) -> None:
    stage = story.Stage(tmp_path / "story")
    stage.start()
    try:
        stage.quote(14_995)
        stage.order("M1", "1", 100, "150.00")
        stage.order("M2", "1", 10, "150.00")
    finally:
        stage.stop()
    config = stage.folder / "broker.toml"
    proposed = stage.folder / "proposed.toml"
    proposed.write_text(config.read_text() + '[limits]\nmax_gross = "16000"\nmax_order_qty = "100"\n')
    run = run_cli("risk-test", "--limits", str(proposed), "--config", str(config), "--json")
    told = json.loads(run.stdout)
    (refused,) = told["refused"]
    assert refused["refused"].startswith("GROSS_LIMIT: limit=16000, value=16")
    assert told["controls"] == [{"control": "GROSS_LIMIT", "refused": 1}]
    (reached,) = (row for row in told["reached"] if row["limit"] == "max_gross")
    assert reached["percent"] > 100
    assert [(row["marks"], row["called"]) for row in told["shocks"]] == [("-10 %", ""), ("-30 %", "yes")]
    picture = stage.folder / "tried.svg"
    again = "risk-test", "--limits", str(proposed), "--config", str(config), "--rate", "2", "--plot", str(picture)
    assert "GROSS_LIMIT" in run_cli(*again).stdout
    assert "proposed limits" in picture.read_text()
    wrong = run_cli(*again[:-1], str(stage.folder / "tried.nothing"))
    assert (wrong.returncode, "nothing" in wrong.stderr) == (1, True), wrong.stderr
    lines = run_cli("risk-test", "--limits", str(proposed), "--config", str(config)).stdout
    assert lines.startswith("2 orders and replaces weighed, 1 would have been refused")
    none = run_cli("risk-test", "--limits", str(config), "--config", str(config), "--day", "19990101").stdout
    assert none.startswith("0 orders and replaces weighed")


def test_positions_against_a_clearing_file(tmp_path: Path) -> None:
    stage = story.Stage(tmp_path / "story")
    stage.start()
    try:
        stage.quote(14_995)
        stage.order("M1", "1", 100, "150.00")
        config = str(stage.folder / "broker.toml")
        clearing = tmp_path / "clearing.csv"
        clearing.write_text("Acct,symbol,Quantity\nMARGE,AAPL,60\nMARGE,AAPL,40\nOTHER,AAPL,0\n")
        titles = ("--column", "account=Acct", "--column", "qty=Quantity", "--config", config)
        agreed = run_cli("reconcile", str(clearing), *titles)
        assert (agreed.returncode, agreed.stderr) == (0, "no breaks\n")
        clearing.write_text("Acct,symbol,Quantity\nMARGE,AAPL,90\nMARGE,MSFT,5\n")
        broken = run_cli("reconcile", str(clearing), *titles, "--json")
        assert broken.returncode == 1
        assert json.loads(broken.stdout) == [
            {"account": "MARGE", "symbol": "AAPL", "ours": "100", "theirs": "90", "difference": "-10"},
            {"account": "MARGE", "symbol": "MSFT", "ours": "0", "theirs": "5", "difference": "5"},
        ]
        facts = [fact for record in read(stage.data / "journal") for fact in record.facts]
        (alert,) = (fact for fact in facts if isinstance(fact, Alerted) and fact.code == "BREAK")
        assert alert.text == "2 breaks: MARGE AAPL: we have 100, clearing 90; MARGE MSFT: we have 0, clearing 5"
        clearing.write_text("Acct,symbol,Quantity\nMARGE,AAPL,many\n")
        wrong = run_cli("reconcile", str(clearing), *titles)
        assert "line 2: 'many' is not a decimal number" in wrong.stderr
        assert "there is no column 'account'" in run_cli("reconcile", str(clearing), "--config", config).stderr
    finally:
        stage.stop()


def test_an_operator_sees_how_accounts_stand_and_holds_a_liquidation(tmp_path: Path) -> None:
    stage = story.Stage(tmp_path / "story")
    stage.start()
    try:
        stage.quote(14_995)
        stage.order("M1", "1", 130, "150.00")
        config = str(tmp_path / "story" / "broker.toml")
        assert run_cli("margin", "hold", "MARGE", "--config", config).stdout == "MARGE: its liquidation is held\n"
        for cents in (14_500, 13_990):
            stage.quote(cents)
        until(lambda: stage.standing() == "liquidating")
        (row,) = json.loads(run_cli("margin", "--config", config, "--json").stdout)
        assert (row["standing"], row["excess"], row["kind"]) == ("liquidating", "-42.76", "reg-t")
        stage.client.new_order("M3", "2", "1", "AAPL", "139.85")
        assert report(stage.client, "M3", "F")[31] == "139.85", "closing is never refused"
        assert run_cli("margin", "resume", "MARGE", "--config", config).returncode == 0
        assert stage.until_liquidated()[32] == "7"
        assert "is not held" in run_cli("margin", "resume", "MARGE", "--config", config).stderr
    finally:
        stage.stop()


def test_a_risk_desk_asks_for_its_limits_in_fix_50(market: Market) -> None:
    """PartyRiskLimitsRequest(CL): what NEW may do and has used, by RiskLimitType(1530)."""
    trader = client(market, "NEW")
    market.drain(trader)
    trader.send("CL", [(1666, "Q1"), (1760, "3")])
    told = trader.receive_until(lambda message: message[35] == "CM")
    assert (told[1666], told[1511], told[1512], told[893], told[1691], told[1693]) == ("Q1", "0", "1", "Y", "NEW", "24")
    limits: dict[str, dict[int, str]] = {}
    for tag, value in trader.last:
        if tag == 1530:
            limits[value] = {}
        elif limits:
            limits[next(reversed(limits))][tag] = value
    assert (limits["4"][1531], limits["4"][1536]) == ("100.00", "AAPL")
    used = float(limits["4"][1766])
    assert float(limits["4"][1765]) == pytest.approx(used / 100)
    assert float(limits["0"][1531]) > float(limits["0"][1766]) >= 0
    trader.new_order("CL1", "1", "1", "AAPL", "138.77")
    report(trader, "CL1", "0")
    trader.send("CL", [(1666, "Q2"), (1760, "2"), (1668, "1"), (1530, "4")])
    trader.receive_until(lambda message: message[35] == "CM")
    tags = dict(trader.last)
    assert (tags[1530], float(tags[1766]), 1531 in tags) == ("4", used + 1, False)
    trader.send("CL", [(1666, "Q3"), (453, "1"), (448, "ALICE"), (447, "D"), (452, "24")])
    refused = trader.receive_until(lambda message: message[35] == "CM")
    assert (refused[1511], refused[58]) == ("3", "UNKNOWN_ACCOUNT: value=ALICE")


def test_alerts_are_posted_within_a_second(tmp_path: Path) -> None:
    """From the order that brings it about to the server that is told."""
    got: queue.Queue[tuple[float, dict[str, str]]] = queue.Queue()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.put((time.monotonic(), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    broker = BROKER + f'[alerts]\nwebhook = "http://127.0.0.1:{server.server_port}/"\n[limits]\nmax_long = "10"\n'
    market = Market(tmp_path, broker=broker)
    try:
        market.start()
        alice = market.client("ALICE")
        # What is told while the helper starts is not what is timed.
        alice.new_order("H1", "1", "9", "AAPL", "140.00")
        report(alice, "H1", "0")
        began = time.monotonic()
        alice.new_order("H2", "1", "1", "AAPL", "140.00")
        at, body = got.get(timeout=30)
        assert (body["source"], body["code"]) == ("risk", "LIMIT_NEAR")
        assert body["text"] == "firm: max_long is 10, and 10 of it is used"
        assert at - began < 10, "about a quarter of a second where the machine has time"
    finally:
        market.stop()
        server.shutdown()
        server.server_close()
        thread.join()
