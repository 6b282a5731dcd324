"""What is around every page."""

from typing import Any

from tests.console.desk import Desk, needs_browser, open_page

pytestmark = needs_browser


def test_a_page_says_how_the_broker_is(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "vera")
    page.wait_for_selector(".head .pill.good:has-text('day ')")
    assert page.title() == "Overview: BROKER"
    assert page.troubles == []


def test_keys_lead_to_pages(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "vera")
    page.wait_for_selector(".head .pill.good")
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url("**/orders")
    assert page.troubles == []
