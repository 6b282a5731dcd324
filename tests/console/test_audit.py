"""The audit: who did what, facts, stories, proofs, and files to download."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from brokerfix.console.checkpoints import Shown, newest
from brokerfix.console.deeds import Deeds, deed_of
from brokerfix.console.pages.audit_proof import standing, words_of
from brokerfix.console.pages.audit_records import due_lines
from brokerfix.facts import Halted, OperatorActed, OperatorRefused
from brokerfix.operate.admin import ask
from brokerfix.record.journal import Record, read
from brokerfix.record.keys import make
from brokerfix.record.notes import BadNote
from tests.console.desk import Desk, needs_browser, open_page
from tests.live import until

NOTHING: Any = None


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk whose journal is signed, with a fill and what people did."""
    made = Desk(tmp_path_factory.mktemp("signed"), more="[proof]\nseconds = 0.2\n[compliance]\n")
    make(made.folder / "broker" / "keys")
    try:
        made.start()
        lp = made.client("LP", made.processes["XNAS"], "XNAS")
        lp.new_order("LP-1", "2", "500", "AAPL", "150.00")
        lp.receive_until(lambda message: message.get(150) == "0")
        alice = made.client("ALICE")
        until(lambda: bought(alice))
        ask(made.folder / "broker", {"action": "halt", "kind": "symbol", "name": "AAPL", "by": "rita", "role": "risk"})
        yield made
    finally:
        made.stop()


def bought(client: Any) -> bool:
    """Whether an order of the client's is filled: the exchange's price may be on its way."""
    number = getattr(client, "tried", 0) + 1
    client.tried = number
    client.new_order(f"A{number}", "1", "100", "AAPL", "150.10", tif="3")
    report = client.receive_until(lambda message: message.get(39) in ("2", "4", "8"))
    return bool(report.get(39) == "2")


@needs_browser
def test_a_fill_is_followed_from_the_blotter_to_its_proof(signed: Desk, browser: Any) -> None:
    page = open_page(browser, signed, "carl", "/audit")
    rows = page.evaluate("async () => (await (await fetch('/data/orders')).json()).rows")
    order = next(row[0] for row in rows if row[11] == "FILLED")
    page.get_by_label("OrderID, ExecID, account or day").fill(order)
    page.get_by_role("button", name="Explain").click()
    page.wait_for_selector(".audit-story li")
    assert "buy 100 AAPL at 150.10" in page.inner_text(".audit-story")
    assert page.get_by_role("link", name=f"Order {order}").get_attribute("href") == f"/orders/{order}"
    fill = page.get_by_role("link", name="Prove fill").first
    number = fill.inner_text().removeprefix("Prove fill ")
    fill.click()
    page.wait_for_selector(".audit-proofs .pill:has-text('proven')")
    assert page.locator(".audit-proofs .pill.good").count() == 1
    assert "hashes" in page.inner_text(".audit-proofs")
    with page.expect_download() as kept:
        page.get_by_label("Download the proof").click()
    proofs = json.loads(kept.value.path().read_bytes())
    assert number in json.dumps(proofs)
    assert page.troubles == []
    read_by = [(fact.operator, fact.text) for fact in acted(signed) if fact.action == "read"]
    assert ("carl", f"journal prove {number}") in read_by, "who reads is on record too"


def acted(desk: Desk) -> list[OperatorActed]:
    facts = [fact for record in read(desk.folder / "broker" / "journal") for fact in record.facts]
    return [fact for fact in facts if isinstance(fact, OperatorActed)]


def refused(desk: Desk) -> list[tuple[str, str]]:
    facts = [fact for record in read(desk.folder / "broker" / "journal") for fact in record.facts]
    return [(fact.operator, fact.action) for fact in facts if isinstance(fact, OperatorRefused)]


@needs_browser
def test_who_did_what_is_there_and_the_journal_is_verified(signed: Desk, browser: Any) -> None:
    page = open_page(browser, signed, "ada", "/audit")
    page.wait_for_selector("tr:has-text('rita'):has-text('halted')")
    page.get_by_label("Text or fact").fill("symbol")
    until(lambda: "console login" not in page.inner_text("[aria-label='What people did']"))
    assert "name AAPL" in page.inner_text("[aria-label='What people did']")
    until(lambda: ", 0 behind them not yet" in page.inner_text("main"))
    page.get_by_role("button", name="Verify the journal").click()
    page.wait_for_selector("text=Every invariant holds, and no record was changed.")
    assert page.troubles == []


@needs_browser
def test_facts_are_searched_page_by_page(signed: Desk, browser: Any) -> None:
    page = open_page(browser, signed, "tom", "/audit")
    page.get_by_label("OrderID or ClOrdID").fill("A1")
    page.get_by_role("button", name="Search").click()
    page.wait_for_selector(".audit-facts li")
    assert "Order accepted (ALICE, AAPL)" in page.inner_text(".audit-facts")
    page.get_by_label("JSON of").first.click()
    until(lambda: '"cl_ord_id": "A1"' in page.inner_text(".audit-facts"))
    page.get_by_label("OrderID or ClOrdID").fill("no such order")
    page.get_by_role("button", name="Search").click()
    page.wait_for_selector("text=No fact;")
    assert page.troubles == []


@needs_browser
def test_reports_are_for_some_roles(signed: Desk, browser: Any) -> None:
    day = f"{acted(signed)[0].id // 10**11}"
    day = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    page = open_page(browser, signed, "carl", "/audit")
    with page.expect_download() as kept:
        page.get_by_label("CAT order events as ZIP").click()
    names = zipfile.ZipFile(io.BytesIO(kept.value.path().read_bytes())).namelist()
    assert "NOT-CERTIFIED.txt" in names
    assert len(names) > 1
    assert ("carl", f"reports cat of {day}") in [(fact.operator, fact.text) for fact in acted(signed)]
    viewer = signed.login("vera")
    for path in (f"/data/reports/cat?day={day}", f"/data/reports/execution-quality?day={day}&form=csv"):
        assert viewer.get(path).status_code == 403
        assert ("vera", "read") in refused(signed)
        assert signed.http().get(path).status_code in (303, 401), "nobody without a session"
    assert signed.login("carl").get(f"/data/reports/gossip?day={day}").status_code == 404
    assert signed.login("carl").get("/data/reports/cat?day=--help").status_code == 404
    hidden = open_page(browser, signed, "vera", "/audit")
    hidden.wait_for_selector("text=The journal is read by trader, risk, operator, compliance and administrator.")


def fact_of(number: int, fact: type, *fields: Any) -> Any:
    return fact(number * 10**9, 20261127_00_000000000 + number, *fields)


def told(deeds: Deeds, *facts: Any) -> None:
    for fact in facts:
        deeds.note(NOTHING, fact, Record([fact]))


def test_deeds_are_found_by_person_action_and_text() -> None:
    deeds = Deeds()
    told(
        deeds,
        fact_of(1, OperatorActed, "ann", "disconnect", "ALICE"),
        fact_of(2, Halted, "symbol", "AAPL", "bob"),
        fact_of(3, OperatorRefused, "ann", "kill", "the role viewer may not"),
    )
    assert [deed.what for deed in deeds.found("", "", "", 10)] == ["kill", "halted", "disconnect"]
    assert [deed.text for deed in deeds.found("bob", "", "", 10)] == ["kind symbol, name AAPL"]
    assert [deed.is_refused for deed in deeds.found("ann", "", "", 10)] == [True, False]
    assert [deed.who for deed in deeds.found("", "", "aapl", 10)] == ["bob"]
    assert deeds.records == deeds.version == 3


def test_what_a_person_stands_behind_is_told_in_words() -> None:
    deed = deed_of(fact_of(2, Halted, "symbol", "AAPL", "bob"), "bob")
    assert (deed.who, deed.what, deed.text) == ("bob", "halted", "kind symbol, name AAPL")


def test_the_newest_checkpoint_stands_to_the_days_records() -> None:
    one = Shown("2026-11-27T08:00:00Z", "20261127", 10, "ab", ("w1",))
    assert standing([], 20261127, 3) == "There is no checkpoint yet."
    assert standing([one], 20261127, 12) == (
        "10 records of 20261127 are signed, 2 behind them not yet; cosigned by w1."
    )
    assert "none of this trading day's 3 records" in standing([one], 20261128, 3)


def test_checkpoints_that_are_none_are_named(tmp_path: Any) -> None:
    (tmp_path / "checkpoints").mkdir()
    assert newest(tmp_path, 3) == []
    (tmp_path / "checkpoints" / "20261127.notes").write_text("gossip\n")
    with pytest.raises(BadNote, match=r"20261127\.notes: a line is no checkpoint"):
        newest(tmp_path, 3)


def test_a_verdict_is_told_in_words() -> None:
    proof = {"linked": 9, "checkpoints": 2, "uncovered": 1, "problems": [], "days_without": [], "deleted": []}
    report = {"facts": 20, "records": 10, "state_hash": "ab" * 16, "problems": [], "torn": "", "proof": proof}
    assert [kind for kind, _ in words_of(report)] == ["good", "soft", "soft", "warn"]
    bad = list(words_of({**report, "proof": {**proof, "problems": ["record 3 was changed"]}}))
    assert bad[0] == ("bad", "TAMPERED OR BROKEN: 1 problem")
    assert ("bad", "record 3 was changed") in bad


def test_what_is_due_is_told_in_lines() -> None:
    assert due_lines(b'{"items": []}') == ["Nothing is older than it is to be kept."]
    row = {"what": "journal", "name": "20200101.journal", "size": 12, "day": "2020-01-01", "why": "hold X"}
    assert due_lines(json.dumps({"items": [row]}).encode()) == [
        "journal 20200101.journal (12 bytes, 2020-01-01): stays: hold X"
    ]
