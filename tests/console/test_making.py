"""Making: a maker is seen, stopped, started and reset; its terms are changed; a desk without one says how."""

from collections.abc import Iterator
from typing import Any

import pytest

from brokerfix.facts import MakerDefined, QuotesPulled, QuotesResumed
from brokerfix.record.journal import read
from tests.console.desk import Desk, needs_browser, open_page
from tests.live import MAKER, report, until

pytestmark = needs_browser
PROTECTED = MAKER + 'protection = { window_ms = 600000, qty = "300" }\n'


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """XNAS shows 149.00 / 151.00; the maker has sold 40 at 150.03."""
    made = Desk(tmp_path_factory.mktemp("making"), PROTECTED)
    try:
        made.start()
        lp = made.client("LP", made.processes["XNAS"], "XNAS")
        lp.new_order("LP1", "1", "1000", "AAPL", "149.00")
        lp.new_order("LP2", "2", "1000", "AAPL", "151.00")
        alice = made.client("ALICE")
        alice.subscribe("market", ["AAPL"])
        alice.receive_until(lambda message: message[35] in "WX" and (270, "150.03") in alice.last)
        alice.new_order("C1", "1", "40", "AAPL", "150.03")
        report(alice, "C1", "F")
        yield made
    finally:
        made.stop()


def facts(desk: Desk, *kinds: type) -> list[Any]:
    return [fact for one in read(desk.folder / "broker" / "journal") for fact in one.facts if isinstance(fact, kinds)]


def board(page: Any) -> str:
    """The maker's row."""
    row = page.locator('table[aria-label="Market makers"] tr[data-key="MM AAPL"]')
    return str(row.first.inner_text()) if row.count() else ""


def test_a_maker_is_seen_against_the_market(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "vera", "/making")
    until(lambda: "QUOTES" in board(page))
    for told in ("149.97", "150.03", "150.00", "-40 of -1,000", "+1.20"):
        assert told in board(page)
    ladder = page.locator('table[aria-label="Quotes against the market"]')
    prices = ["151.00", "150.03", "149.97", "149.00"]
    until(lambda: ladder.locator("td.right").all_inner_texts() == prices)
    for price, qty in (("151.00", "1,000"), ("150.03", "100"), ("149.97", "100"), ("149.00", "1,000")):
        assert qty in ladder.locator(f'tr[data-key="{price}"]').inner_text()
    assert "qty 40/300 in 600 s" in page.locator("#main").inner_text()
    assert "1 of 40 in all" in page.locator("#main").inner_text()
    for name in ("Stop", "Start", "Reset"):
        assert page.get_by_role("button", name=name, exact=True).count() == 0, "a viewer only looks"
    assert page.get_by_label("new bid_spread").is_disabled()
    assert page.troubles == []


def test_the_day_is_reckoned(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "tom", "/making")
    page.get_by_role("button", name="Reckon the day").click()
    row = page.locator('table[aria-label="What it earned today"] tr[data-key="MM AAPL "]')
    row.wait_for()
    assert "+1.20" in row.inner_text()
    assert page.locator('table[aria-label="How it quoted today"] tr[data-key="MM AAPL"]').count() == 1
    assert page.troubles == []


def test_a_maker_is_stopped_started_and_reset(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "tom", "/making")
    until(lambda: "QUOTES" in board(page))
    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator(".dialog").get_by_role("button", name="Stop").click()
    until(lambda: "PULLED" in board(page))
    page.wait_for_selector("text=It quotes nothing: STOPPED: by an operator; until somebody starts or resets it.")
    page.wait_for_selector("text=MM AAPL quotes nothing more: STOPPED")
    assert facts(desk, QuotesPulled)[-1].operator == "tom"
    page.get_by_role("button", name="Start", exact=True).click()
    until(lambda: "QUOTES" in board(page))
    assert facts(desk, QuotesResumed)[-1].operator == "tom"
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_selector(".q-notification:has-text('MM AAPL runs already')")
    alice = desk.client("ALICE")
    alice.new_order("C2", "2", "60", "AAPL", "149.97")
    report(alice, "C2", "F")
    page.wait_for_selector("text=qty 60/300 in 600 s")
    page.get_by_role("button", name="Reset", exact=True).click()
    page.locator(".dialog").get_by_role("button", name="Reset").click()
    page.wait_for_selector("text=qty 0/300 in 600 s")
    assert page.troubles == []


def test_who_sets_limits_may_stop_and_not_start(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "rita", "/making")
    until(lambda: "QUOTES" in board(page))
    assert page.get_by_role("button", name="Stop", exact=True).is_visible()
    assert page.get_by_role("button", name="Start", exact=True).count() == 0
    assert page.troubles == []


def test_terms_are_changed(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "tom", "/making")
    field = page.get_by_label("new bid_spread")
    until(lambda: field.count() == 1 and field.input_value() == "0.03")
    field.fill("x")
    page.get_by_role("button", name="Set", exact=True).click()
    page.wait_for_selector(".q-notification:has-text('MM AAPL: bid_spread')")
    field.fill("0.05")
    page.get_by_role("button", name="Set", exact=True).click()
    page.wait_for_selector(".q-notification:has-text('bid_spread 0.05 (was 0.03)')")
    until(lambda: "149.95" in board(page))
    assert facts(desk, MakerDefined)[-1].operator == "tom"
    assert page.troubles == []
