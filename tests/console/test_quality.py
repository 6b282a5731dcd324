"""Execution quality: its figures, how old they are, and for whom."""

from typing import Any

from brokerfix.console.pages.quality_charts import slippage_bars, wait_bars
from brokerfix.console.pages.quality_words import SCORES, TABLES, age, scores, table_rows
from brokerfix.operate.quality import Tally, row, slippage_spread
from tests.console.desk import Desk, needs_browser, open_page
from tests.console.test_audit import bought
from tests.live import until


@needs_browser
def test_a_days_quality_is_counted_and_shown_by_exchange_and_client(desk: Desk, browser: Any) -> None:
    lp = desk.client("LP", desk.processes["XNAS"], "XNAS")
    lp.new_order("LP-1", "2", "500", "AAPL", "150.00")
    lp.new_order("LP-2", "1", "500", "AAPL", "149.00")
    lp.receive_until(lambda message: message.get(150) == "0")
    alice = desk.client("ALICE")
    until(lambda: bought(alice))
    page = open_page(browser, desk, "rita", "/quality")
    page.wait_for_selector("text=Not a certified filing.")
    assert "received on this day; counted" in page.inner_text("main")
    orders = page.get_by_label("Orders", exact=True)
    assert "XNAS" in orders.inner_text()
    page.get_by_role("button", name="By client").click()
    until(lambda: "ALICE" in orders.inner_text())
    assert page.locator(".quality-chart canvas, .quality-chart svg").count() == 2
    now = page.get_by_label("Exchanges now")
    until(lambda: "XNAS" in now.inner_text())
    with page.expect_download() as kept:
        page.get_by_label("Download as CSV").click()
    assert "ALICE" in kept.value.path().read_text()
    assert page.troubles == []


@needs_browser
def test_who_may_not_read_reports_sees_what_exchanges_are_like(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "tom", "/quality")
    page.wait_for_selector("text=is for risk, operator, compliance and administrator")
    assert page.get_by_label("Exchanges now").count() == 1
    assert page.get_by_label("Trading day").count() == 0


def test_every_column_and_score_is_one_of_the_report() -> None:
    fields = row(("all", "all", ""), Tally())
    named = {name.lstrip("#") for columns in TABLES.values() for name, _ in columns}
    assert named | {field for _, field, _ in SCORES} <= set(fields)
    (shown,) = table_rows([fields], "orders")
    assert shown["orders"] == 0
    assert dict(scores([fields]))["Effective spread"] == "-"


def test_currencies_are_told_apart_in_a_scorecard() -> None:
    rows = [row(("all", "all", one), Tally()) | {"fill_rate_pct": "50.00"} for one in ("USD", "EUR")]
    assert dict(scores(rows))["Fill rate, %"] == "50.00 USD, 50.00 EUR"


def test_slippage_is_spread_over_its_steps() -> None:
    tally = Tally()
    tally.slippages[0], tally.slippages[6] = 5 * 10**8, 10**9
    told = slippage_spread([tally, tally])
    assert [one["from"] for one in told[:2]] == [None, "-20"]
    assert told[-1] == {"from": "20", "below": None, "shares": "0"}
    bars = slippage_bars(told)
    assert bars["xAxis"]["data"][:2] == ["< -20", "-20 to -10"]
    assert bars["xAxis"]["data"][-1] == "20 +"
    assert sum(bars["series"][0]["data"]) > 0
    assert wait_bars([])["series"][0]["data"] == [0] * 8


def test_ages_are_for_people() -> None:
    assert [age(seconds) for seconds in (-1, 59.9, 60, 7199, 7200)] == ["0 s", "59 s", "1 min", "119 min", "2 h"]
