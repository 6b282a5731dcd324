"""Positions and risk: limits with four eyes, what would be, a liquidation as it happens."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from brokerfix.facts import LimitsProposed, LimitsSet, LiquidationSliced, MarginChanged, OperatorRefused
from brokerfix.operate.admin import ask
from brokerfix.record.journal import read
from brokerfix.tools.client import Message
from tests.console.desk import BROKER, Desk, needs_browser, open_page
from tests.live import INSTRUMENT, until

pytestmark = needs_browser
MARGIN = """
[margin]
grace_seconds = 1
[groups.DESK]
accounts = ["ALICE", "BOB"]
limits = { max_gross = "100000" }
[accounts.MARGE]
cash = "10000"
margin = "reg-t"
[clients.MARGE]
accounts = ["MARGE"]
"""
BORROWED = INSTRUMENT + 'margin = {{ initial = "0.5", maintenance = "0.48" }}\n'


class Stage:
    """The desk with margin, MARGE, and the market that LP makes at XNAS."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder, MARGIN, BROKER.replace("{instrument}", BORROWED))
        self._quotes: list[tuple[str, str]] = []
        self._number = 0

    def start(self) -> None:
        self.desk.start()
        self.lp = self.desk.client("LP", self.desk.processes["XNAS"], "XNAS")
        self.marge = self.desk.client("MARGE")
        self.marge.subscribe("market", ["AAPL"])
        self.quote(15_000)

    def quote(self, middle: int) -> None:
        """XNAS shows prices 5 cents (`middle` too) beside this, and the broker sees them."""
        for cl_ord_id, side in self._quotes:
            self._number += 1
            self.lp.cancel(f"Q{self._number}", cl_ord_id, side, "AAPL")
        self._quotes = []
        for side, price in (("1", middle - 5), ("2", middle + 5)):
            self._number += 1
            self.lp.new_order(f"Q{self._number}", side, "500", "AAPL", f"{price / 100:.2f}")
            self._quotes.append((f"Q{self._number}", side))
        best = (270, f"{(middle + 5) / 100:.2f}")
        self.marge.receive_until(lambda message: message[35] in "WX" and best in self.marge.last)

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for it, with the sessions kept up."""

        def look() -> bool:
            self.lp.poll()
            self.marge.poll()
            return true()

        until(look, 60.0)

    def order(self, cl_ord_id: str, side: str, qty: int, price: str, until_type: str) -> Message:
        self.marge.new_order(cl_ord_id, side, f"{qty}", "AAPL", price)
        return self.marge.receive_until(
            lambda message: message[35] == "8" and message.get(11) == cl_ord_id and message[150] == until_type
        )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("risk"))
    try:
        made.start()
        made.order("M1", "1", 130, "150.05", "F")
        made.order("M2", "1", 1, "136.00", "0")
        yield made
    finally:
        made.desk.stop()


@pytest.fixture(scope="module")
def desk(stage: Stage) -> Desk:
    return stage.desk


def facts(desk: Desk, *kinds: type) -> list[Any]:
    return [fact for one in read(desk.folder / "broker" / "journal") for fact in one.facts if isinstance(fact, kinds)]


def row_of(page: Any, label: str, key: str) -> Any:
    """A row of a table, by what names it."""
    return page.locator(f'table[aria-label="{label}"] tr[data-key="{key}"]')


def has(element: Any, text: str) -> bool:
    return element.count() > 0 and text in element.first.inner_text()


def test_a_limit_is_raised_with_a_second_person(stage: Stage, browser: Any) -> None:
    desk = stage.desk
    rita, rob, vera = (open_page(browser, desk, name, "/risk") for name in ("rita", "rob", "vera"))
    row_of(rita, "Accounts", "ALICE").click()
    wanted = rita.get_by_label("new max_order_qty")
    stage.until(lambda: wanted.input_value() == "10000")
    wanted.fill("20000")
    rita.get_by_label("Why", exact=True).fill("a larger client")
    rita.get_by_role("button", name="Set", exact=True).click()
    stage.until(lambda: len(facts(desk, LimitsProposed)) == 1)
    for page in (rita, rob, vera):
        page.locator("#waiting").wait_for()
        stage.until(lambda page=page: has(page.locator("#waiting"), "max_order_qty"))
        assert "account ALICE: max_order_qty 10000 -> 20000" in page.locator("#waiting").inner_text()
        assert "rita says: a larger client" in page.locator("#waiting").inner_text()
    rita.get_by_role("button", name="Approve").click()
    rita.wait_for_selector(".q-notification:has-text('another operator has to approve it')")
    assert [one.operator for one in facts(desk, OperatorRefused)] == ["rita"]
    assert vera.get_by_role("button", name="Approve").count() == 0
    rob.get_by_role("button", name="Approve").click()
    used = row_of(vera, "Limits and how much of each is used", "account ALICE max_order_qty")
    stage.until(lambda: has(used, "20,000"))
    stage.until(lambda: not rita.locator("#waiting").is_visible())
    (fact,) = [one for one in facts(desk, LimitsSet) if one.operator]
    assert (fact.operator, fact.approver, fact.limits.max_order_qty) == ("rita", "rob", "20000")
    changed = rita.locator("section:has(> :text-is('Limits changed today'))")
    stage.until(lambda: has(changed, "approved by rob (a larger client)"))
    for page in (rita, rob, vera):
        assert page.troubles == []


def test_a_viewer_sets_nothing(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "vera", "/risk")
    row_of(page, "Accounts", "BOB").click()
    page.wait_for_selector("text=account BOB")
    assert page.get_by_role("button", name="Set", exact=True).is_disabled()
    assert page.get_by_label("new max_gross").is_disabled()
    assert page.get_by_role("button", name="Hold its liquidation").count() == 0
    assert page.troubles == []


def test_what_would_be(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "rita", "/risk")
    row_of(page, "Accounts", "MARGE").click()
    page.get_by_label("Percent").fill("-20")
    page.get_by_label("Try this shock").click()
    row = row_of(page, "Accounts at other prices", "MARGE")
    row.wait_for()
    # 130 bought at 150.05 are worth a fifth less than at 150.00.
    assert "CALL" in row.inner_text()
    assert "-3,900.00" in row.inner_text()
    page.get_by_label("Quantity").fill("100")
    page.get_by_label("Symbol", exact=True).fill("AAPL")
    page.get_by_label("Price, or empty").fill("150.00")
    page.get_by_label("Try this order").click()
    page.wait_for_selector("text=It would be refused: MARGIN: limit=")
    weighed = row_of(page, "Limits that the order is weighed against", "account MARGE margin")
    assert "refused" in weighed.inner_text()
    assert ask(desk.folder / "broker", {"action": "margin"})["margin"][0]["standing"] in ("ok", "warning")
    assert page.troubles == []


def test_a_liquidation_is_watched(stage: Stage, browser: Any) -> None:
    desk = stage.desk
    page = open_page(browser, desk, "rita", "/risk")
    row_of(page, "Accounts", "MARGE").click()
    stage.quote(13_900)
    story = page.get_by_label("Its story")
    for told in (
        "is in a margin call",
        "canceled",
        "the account is liquidated: all its orders are canceled",
        "liquidation: sell",
        "AAPL at 138.95",
    ):
        stage.until(lambda told=told: has(story, told))
    row = row_of(page, "Accounts", "MARGE")
    stage.until(lambda: has(row, "OK") or has(row, "WARNING"))
    standings = [fact.standing for fact in facts(desk, MarginChanged)]
    assert standings.index("call") < standings.index("liquidating") < len(standings) - 1
    (slice_,) = facts(desk, LiquidationSliced)
    left = 130 - slice_.qty
    stage.until(lambda: has(row_of(page, "Positions of the account", "AAPL"), f"{left}"))
    assert page.troubles == []


def test_a_liquidation_is_held_by_hand(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "rita", "/risk")
    row_of(page, "Accounts", "MARGE").click()
    page.get_by_role("button", name="Hold its liquidation").click()
    page.get_by_role("button", name="Hold it", exact=True).click()
    page.wait_for_selector("text=its liquidation is held by rita")
    page.get_by_role("button", name="Let its liquidation go on").click()
    page.get_by_role("button", name="Hold its liquidation").wait_for()
    assert page.troubles == []


def test_a_desk_without_makers_is_told_how_to_have_one(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "tom", "/making")
    page.wait_for_selector("text=This desk has no market maker")
    page.wait_for_selector("text=[makers.MM.quotes.AAPL]")
    assert page.troubles == []
