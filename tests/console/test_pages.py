"""Every page of the console with what a real desk has: that it shows, that anybody can use it, and that no text of a
client's becomes more than text."""

from typing import Any

import pytest

from brokerfix.console.frame import PAGES
from brokerfix.tools.client import Client
from tests.console.desk import Desk, needs_browser, open_page, serious
from tests.live import until

pytestmark = needs_browser

EVIL = '"><img src=x onerror=window.evil=1>'
EVIL_NAME = "{{window.evil=1}}<svg/onload=window.evil=1>"
PATHS = [entry.path for entry in PAGES]


def order(client: Client, cl_ord_id: str, side: str, qty: str, price: str, **more: str) -> None:
    client.new_order(cl_ord_id, side, qty, "AAPL", price, **more)


@pytest.fixture(scope="module")
def busy(desk: Desk) -> Desk:
    """A desk with prices, orders that rest, fills, and clients who send markup."""
    lp = desk.client("LP", desk.processes["XNAS"], "XNAS")
    order(lp, "LP-1", "2", "500", "150.00")
    order(lp, "LP-2", "1", "500", "149.00")
    alice = desk.client("ALICE")
    order(alice, "A1", "1", "100", "150.10")
    alice.receive_until(lambda message: message.get(150) == "F")
    for number, name in enumerate((EVIL, EVIL_NAME)):
        order(alice, name, "1", "10", f"14{number}.00", t58=name)
    order(alice, f"{EVIL}-refused", "1", "999999", "150.00", t58=EVIL)
    alice.receive_until(lambda message: message.get(150) == "8")
    alice.new_order(f"{EVIL}-symbol", "1", "10", EVIL, "150.00", t1=EVIL_NAME)
    alice.receive_until(lambda message: message.get(150) == "8")
    return desk


@pytest.mark.parametrize("path", PATHS)
def test_a_page_shows_anybody_can_use_it_and_nothing_of_a_clients_runs(busy: Desk, browser: Any, path: str) -> None:
    """With what axe-core finds, in light and dark."""
    page = open_page(browser, busy, "ada", path)
    page.wait_for_selector(".head .pill.good")
    page.wait_for_timeout(800)
    too_wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1")
    assert not too_wide, "the page is read at 1366 x 768 without moving it sideways"
    for turn in range(2):
        # A person's choice is kept: the second turn takes it back.
        was = page.evaluate("document.body.classList.contains('body--dark')")
        page.get_by_label("Dark or light").click()
        page.wait_for_selector("body.body--light" if was else "body.body--dark")
        page.wait_for_timeout(500)
        # What else it looks for is the same in both.
        assert serious(page, *["color-contrast"] * turn) == [], f"dark: {not was}"
    assert page.troubles == []
    assert page.evaluate("window.evil") is None
    assert page.locator("main img[src=x]").count() == 0


@pytest.mark.parametrize("path", ["/", "/risk"])
def test_a_telephone_shows_it_without_moving_sideways(busy: Desk, browser: Any, path: str) -> None:
    page = open_page(browser, busy, "ada", path, 390, 844)
    page.wait_for_selector(".head .pill.good")
    page.wait_for_timeout(1000)
    assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1")


def test_a_refused_orders_text_is_text_in_its_story(busy: Desk, browser: Any) -> None:
    page = open_page(browser, busy, "ada", "/orders")
    rows = page.evaluate("async () => (await (await fetch('/data/orders')).json()).rows")
    number = next(row[0] for row in rows if row[4] == EVIL)
    page.goto(f"{busy.url}/orders/{number}")
    page.wait_for_selector("#main")
    until(lambda: EVIL in page.inner_text("main"))
    assert page.evaluate("window.evil") is None
    assert page.troubles == []


def test_who_is_locked_out_while_looking_is_led_to_the_login(busy: Desk, browser: Any) -> None:
    page = open_page(browser, busy, "carl")
    page.wait_for_selector(".head .pill.good")
    busy.people.change("carl", disabled=True)
    try:
        page.wait_for_selector("#password")
    finally:
        busy.people.change("carl", disabled=False)
