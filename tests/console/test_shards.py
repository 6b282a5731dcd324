"""The page "Shards" with two real shards: what it shows, who has not confirmed what was asked of all, and what it says
when a shard, or the agent beside it, is not there."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from brokerfix.facts import Fact, Halted, LimitsSet, Resumed
from brokerfix.record.journal import read
from tests.console.desk import needs_browser, open_page, serious, speaks
from tests.console.shards_desk import ShardsDesk
from tests.live import until

pytestmark = needs_browser


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShardsDesk]:
    made = ShardsDesk(tmp_path_factory.mktemp("shards"))
    made.start()
    try:
        made.order("NORTH", "N1", "1", 10, "150.00")
        made.order("EAST", "E1", "2", 10, "150.00")
        made.order("NORTH", "N2", "1", 20, "149.00")
        made.order("SOUTH", "S1", "1", 30, "149.00")
        yield made
    finally:
        made.stop()


def facts(shards: ShardsDesk, shard: int, kind: type[Fact]) -> list[Any]:
    """Those of a kind that are in a shard's journal."""
    return [fact for record in read(shards.data[shard] / "journal") for fact in record.facts if isinstance(fact, kind)]


def row(page: Any, table: str, *words: str) -> Any:
    """The rows of a table in which some words are."""
    found = page.get_by_role("table", name=table, exact=True).get_by_role("row")
    for word in words:
        found = found.filter(has_text=word)
    return found


def test_all_shards_are_shown_with_what_they_have(shards: ShardsDesk, browser: Any) -> None:
    page = open_page(browser, shards, "vera", "/")
    page.get_by_text("This stops shard 1 alone.").wait_for()
    page.get_by_text("2 of 2 are up").wait_for()
    page.wait_for_selector(".head .pill.good")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/shards")
    speaks(page)
    row(page, "Shards", "1 (here)", "node-1", "up", "0 of 0").wait_for()
    row(page, "Shards", "node-2", "up").wait_for()
    row(page, "Orders of all shards", "NORTH", "149.00").wait_for()
    row(page, "Orders of all shards", "SOUTH", "149.00").wait_for()
    page.get_by_text("2 at work").wait_for()
    page.get_by_label("Words: an account, a symbol, shard 2").fill("south aapl")
    row(page, "Orders of all shards", "NORTH").wait_for(state="detached")
    page.get_by_text("1 as asked for").wait_for()
    row(page, "Positions of all shards", "EAST", "-10").wait_for()
    row(page, "Sums over all shards", "cash", "2,500,000.50").wait_for()
    # 20 and 30 units open at 149.00, 10 each long and short at 150.00.
    row(page, "Limits that all share", "max_gross", "100,000", "(10,450)").wait_for()
    page.get_by_text("A viewer sees what is stopped, and stops nothing.").wait_for()
    for name in ("Kill", "Halt", "Resume"):
        assert page.get_by_role("button", name=name, exact=True).count() == 0
    assert serious(page) == []
    page.get_by_label("Dark or light").click()
    page.wait_for_selector("body.body--dark")
    page.wait_for_timeout(500)
    assert serious(page, "color-contrast") == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1")
    assert page.troubles == []


def test_who_has_not_confirmed_is_red_until_it_has(shards: ShardsDesk, browser: Any) -> None:
    """A limit that all confirm; then a shard hangs, which keeps the others from nothing, and is told of a kill."""
    page = open_page(browser, shards, "rita", "/shards", height=1400)
    page.wait_for_selector(".head .pill.good")
    page.get_by_label("new max_gross").fill("90000")
    page.get_by_label("Why").fill("less of it")
    page.get_by_role("button", name="Set", exact=True).click()
    answers = page.get_by_role("status", name="What each shard answered")
    answers.get_by_text("Set firm: max_gross 90000").wait_for()
    assert answers.get_by_text("set, from the next order on").count() == 2
    row(page, "Limits that all share", "max_gross", "90,000").wait_for()
    for shard in (1, 2):
        assert [(one.operator, one.text) for one in facts(shards, shard, LimitsSet)][-1:] == [("rita", "less of it")]

    shards.brokers[2].send_signal(signal.SIGSTOP)
    try:
        page.get_by_role("button", name="Kill", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Type all").fill("all")
        dialog.get_by_role("button", name="Kill", exact=True).click()
        answers.get_by_text("killed, 1 order is being canceled").wait_for()
        answers.get_by_text("it does it before it takes orders again").wait_for()
        assert answers.locator(".pill.bad").inner_text() == "! shard 2"
        row(page, "Shards", "node-2", "away").wait_for()
        page.get_by_text("Shard 2 (node node-2) is away: nothing was heard of it for").wait_for()
        page.get_by_text("! Without what these have: shard 2: its broker does not answer").first.wait_for()
        row(page, "Positions of all shards", "EAST", "-10").wait_for()
        row(page, "Shards", "node-2", "! 1 of 2").wait_for()
    finally:
        shards.brokers[2].send_signal(signal.SIGCONT)

    answers.get_by_text("has carried it out since").wait_for()
    row(page, "Shards", "node-2", "up", "2 of 2").wait_for()
    for shard in (1, 2):
        # One that hung may have been asked more than once.
        assert {(one.kind, one.operator, one.kill) for one in facts(shards, shard, Halted)} == {("all", "rita", True)}
        until(lambda shard=shard: shards.told(shard, "working")["orders"] == [])
    page.get_by_role("button", name="Resume all at all shards").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    page.get_by_text("Nothing is stopped.").wait_for()
    assert answers.get_by_text("goes on").count() == 2
    assert [[one.operator for one in facts(shards, shard, Resumed)] for shard in (1, 2)] == [["rita"], ["rita"]]

    # The agent ends with its broker.
    shards.lose(1)
    page.get_by_text("The cluster's agent on this machine does not answer.", exact=True).wait_for()
    page.get_by_text("From here nobody can be asked now.").wait_for()
    page.get_by_role("table", name="Orders of all shards").wait_for(state="hidden")
    assert page.troubles == []
