"""Clients: their sessions, budgets, rules, certifications, and API keys that count while all runs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from brokerfix.console.certified import certified
from brokerfix.console.pages.clients_told import budget_rows, client_rows, key_rows, span
from brokerfix.facts import OperatorActed
from brokerfix.gateway.budgets import Budgets
from brokerfix.operate.certify import STEPS, Finding
from brokerfix.operate.certify import report as report_of
from brokerfix.record.journal import read
from brokerfix.settings.sections import Budget, BudgetsSection
from brokerfix.tools.demo import free_port
from tests.console.desk import Desk, needs_browser, open_page
from tests.live import until

MORE = """
[gateway]
plain = "127.0.0.1"
operation_port = {operation}
[http]
port = {http}
"""


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with a gateway, and [http]."""
    http = free_port()
    made = Desk(tmp_path_factory.mktemp("doors"), more=MORE.format(operation=free_port(), http=http))
    made.http_port = http
    folder = made.folder / "broker" / "certification"
    folder.mkdir(parents=True)
    (folder / "ALICE.md").write_text(report_of([Finding(STEPS[0][0], "a Logon", ["8=FIX"], "")], "ALICE", "FIX.4.4"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@contextmanager
def http_door(desk: Desk) -> Iterator[None]:
    with (desk.folder / "http.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "brokerfix", "http", str(desk.config)], stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def status_of(desk: Desk, key: str) -> int:
    with suppress(httpx.TransportError):
        url = f"http://127.0.0.1:{desk.http_port}/v1/orders"
        return httpx.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=20).status_code
    return 0


@needs_browser
def test_a_key_is_made_shown_once_and_revoked(doors: Desk, browser: Any) -> None:
    page = open_page(browser, doors, "ada", "/clients")
    page.get_by_role("button", name="Make a key").click()
    dialog = page.get_by_role("dialog", name="Make an API key")
    dialog.get_by_label("Name").fill("phone")
    dialog.get_by_label("Client", exact=True).click()
    page.get_by_role("option", name="BOB").click()
    dialog.get_by_role("button", name="Make", exact=True).click()
    key = page.get_by_label("API key", exact=True).inner_text()
    assert key.startswith("phone_")
    page.get_by_role("button", name="I have it").click()
    page.wait_for_selector("[aria-label='API keys'] tr:has-text('phone'):has-text('counts')")
    with http_door(doors):
        until(lambda: status_of(doors, key) == 200, 40)
        assert status_of(doors, f"{key}x") == 401
        page.get_by_label("Key", exact=True).click()
        page.get_by_role("option", name="phone").click()
        page.get_by_role("button", name="Revoke", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        page.wait_for_selector("[aria-label='API keys'] tr:has-text('phone'):has-text('revoked')")
        assert status_of(doors, key) == 401
    assert page.troubles == []
    facts = [fact for record in read(doors.folder / "broker" / "journal") for fact in record.facts]
    told = [(fact.operator, fact.action, fact.text) for fact in facts if isinstance(fact, OperatorActed)]
    assert ("ada", "add-api-key", "phone: client BOB, scopes read") in told
    assert ("ada", "revoke-api-key", "phone: client BOB, scopes read") in told
    kept = [path for path in doors.folder.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    assert kept == [], "the key itself is kept nowhere"


@needs_browser
def test_a_clients_session_budgets_and_rules_are_there(doors: Desk, browser: Any) -> None:
    doors.client("ALICE")
    page = open_page(browser, doors, "olga", "/clients")
    page.wait_for_selector("[aria-label='Clients'] tr:has-text('ALICE'):has-text('up'):has-text('127.0.0.1')")
    page.wait_for_selector("[aria-label='Budgets'] tr:has-text('orders'):has-text('0 %')")
    assert "1 of" in page.inner_text("[aria-label='Certifications']")
    assert "NOT passed" in page.inner_text("[aria-label='Certifications']")
    with page.expect_download() as kept:
        page.get_by_label("Rules of engagement as Markdown").click()
    assert "ALICE" in kept.value.path().read_text()
    assert page.get_by_role("button", name="Make a key").is_hidden(), "an operator makes no keys"
    page.get_by_role("button", name="Disconnect").click()
    page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
    page.wait_for_selector("[aria-label='Clients'] tr:has-text('ALICE'):has-text('down')")
    assert page.troubles == []
    viewer = doors.login("vera")
    assert viewer.get("/data/rules/ALICE?form=md").status_code == 200
    assert viewer.get("/data/rules/NOBODY?form=md").status_code == 404


def test_budgets_say_what_was_used() -> None:
    section = BudgetsSection(orders=Budget(10, 20), quotes=Budget(0, 1))
    budgets = Budgets(section, 0.0)
    for _ in range(5):
        budgets.of(b"D").take(0.0)
    rows = {row["name"]: row for row in budget_rows(section, budgets.rows(0.0))}
    assert (rows["orders"]["left"], rows["orders"]["used"]) == ("15", "25 %")
    assert (rows["quotes"]["rate"], rows["quotes"]["left"]) == ("no limit", "")
    assert {row["name"]: row for row in budget_rows(section, {})}["orders"]["left"] == ""
    assert budgets.rows(0.2)["orders"]["left"] == 17


def test_what_the_gateway_does_not_know_is_left_out() -> None:
    row = {"name": "ALICE", "kind": "client", "state": "down", "fix": "FIX.4.4", "next_in": 1, "next_out": 2}
    config: Any = SimpleNamespace(clients={"ALICE": SimpleNamespace(accounts=("A", "B"))})
    state: Any = SimpleNamespace(clients={})
    (shown,) = client_rows([row, {**row, "kind": "exchange"}], {}, config, state)
    assert (shown["accounts"], shown["from"], shown["messages_in"], shown["working"]) == ("A, B", "", "", 0)
    assert [span(seconds) for seconds in (5, 600, 90_000)] == ["5 s", "10 min", "25 h"]


def test_keys_are_rows_of_their_own_though_they_share_a_name() -> None:
    key = {"name": "k", "client": "A", "scopes": ["read"], "accounts": [], "made": "run time", "door": "HTTP"}
    rows = key_rows([{**key, "revoked": True}, {**key, "revoked": False}])
    assert [row["state"] for row in rows] == ["revoked", "counts"]
    assert len({row["key"] for row in rows}) == 2


def test_certifications_are_read_from_their_reports(tmp_path: Path) -> None:
    every = [Finding(title, "x", [], "") for title, _, _ in STEPS]
    (tmp_path / "old.md").write_text(report_of(every, "ALICE", "FIX.4.4"))
    failed = [Finding(STEPS[0][0], "x", [], "no Logon came")]
    (tmp_path / "new.md").write_text(report_of(failed, "BOB", "FIX.4.2"))
    (tmp_path / "other.md").write_text("# Shopping\n")
    os.utime(tmp_path / "old.md", ns=(1, 10**9))
    new, old = certified(tmp_path)
    assert (new.client, new.passed, new.ok, new.failed) == ("BOB", False, 0, "no Logon came")
    assert (old.client, old.passed, old.ok, old.steps) == ("ALICE", True, len(STEPS), len(STEPS))
    assert certified(tmp_path / "nowhere") == []
