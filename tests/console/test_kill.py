"""The kill switch, as a person uses it in the browser."""

from typing import Any

from brokerfix.domain import OrdStatus
from brokerfix.facts import ChildEnded, Fact, Halted, OrderRouted, Resumed
from brokerfix.record.journal import read
from tests.console.desk import Desk, needs_browser, open_page
from tests.live import report, until

pytestmark = needs_browser


def facts(desk: Desk, kind: type[Fact]) -> list[Any]:
    """Those of a kind that are in the journal."""
    journal = read(desk.folder / "broker" / "journal")
    return [fact for record in journal for fact in record.facts if isinstance(fact, kind)]


def choose(page: Any, scope: str, name: str = "") -> None:
    """Choose what is to be stopped."""
    page.get_by_role("combobox", name="What to stop").click()
    page.get_by_role("option", name=scope, exact=True).click()
    if name:
        page.get_by_role("combobox", name="Which", exact=True).click()
        page.get_by_role("option", name=name, exact=True).click()


def rest(desk: Desk, name: str, cl_ord_ids: list[str]) -> None:
    """Have a client's orders rest at an exchange."""
    client = desk.client(name)
    for cl_ord_id in cl_ord_ids:
        client.new_order(cl_ord_id, "1", "100", "AAPL", "149.00")
    for cl_ord_id in cl_ord_ids:
        report(client, cl_ord_id, "0")
    until(lambda: len(facts(desk, OrderRouted)) >= len(cl_ord_ids))


def test_a_client_is_killed_once_its_name_is_typed_and_goes_on_when_resumed(desk: Desk, browser: Any) -> None:
    rest(desk, "ALICE", ["K1", "K2", "K3"])
    page = open_page(browser, desk, "rita", "/")
    choose(page, "Client", "ALICE")
    page.get_by_role("button", name="Kill", exact=True).click()

    dialog = page.get_by_role("dialog")
    dialog.get_by_text("3 orders work there.").wait_for()
    go = dialog.get_by_role("button", name="Kill", exact=True)
    assert go.is_disabled()
    dialog.get_by_label("Type client ALICE").fill("client ALIC")
    assert go.is_disabled()
    dialog.get_by_label("Type client ALICE").fill("client ALICE")
    go.click()

    # What the person, the client and the exchanges see of it.
    page.get_by_text("client ALICE: all 3 orders that worked have ended").wait_for()
    page.get_by_text("Last kill: client ALICE: the last of 3 cancels went").wait_for()
    for cl_ord_id in ("K1", "K2", "K3"):
        assert report(desk.client("ALICE"), cl_ord_id, "4")[39] == "4"
    ended = [fact.status for fact in facts(desk, ChildEnded)]
    assert ended == [OrdStatus.CANCELED] * 3
    halted = facts(desk, Halted)
    assert [(one.kind, one.name, one.operator, one.kill) for one in halted] == [("client", "ALICE", "rita", True)]

    page.get_by_role("listitem").filter(has_text="client ALICE").get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    page.get_by_text("Nothing is stopped.").wait_for()
    assert [(one.name, one.operator) for one in facts(desk, Resumed)] == [("ALICE", "rita")]
    assert page.troubles == []


def test_who_may_not_stop_sees_what_is_stopped_and_has_no_button(desk: Desk, browser: Any) -> None:
    tom = open_page(browser, desk, "tom", "/")
    choose(tom, "Symbol", "AAPL")
    tom.get_by_role("button", name="Halt", exact=True).click()
    tom.get_by_role("dialog").get_by_role("button", name="Halt").click()
    tom.get_by_text("symbol AAPL", exact=True).wait_for()
    assert tom.get_by_role("button", name="Resume").count() == 0

    page = open_page(browser, desk, "vera", "/", 390, 844)
    page.get_by_text("symbol AAPL", exact=True).wait_for()
    page.get_by_text("A viewer sees what is stopped, and stops nothing.").wait_for()
    for name in ("Kill", "Halt", "Resume"):
        assert page.get_by_role("button", name=name, exact=True).count() == 0
    assert page.troubles == []
