"""The page of orders, as people have it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brokerfix import facts as f
from brokerfix.domain import id_number
from brokerfix.record.journal import read
from tests.console.desk import Desk, needs_browser, open_page, speaks
from tests.live import until

pytestmark = needs_browser

PROOF = """
[proof]
seconds = 0.2
"""
EVIL = '"><img src=x onerror=alert(1)>'
FORMULA = "=cmd|' /C calc'!A0"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that signs its journal, with an order that works, one that is filled and two with names that are not
    meant well."""
    made = Desk(tmp_path_factory.mktemp("desk"), PROOF)
    made_keys = [sys.executable, "-m", "brokerfix", "keys", "make", str(made.config)]
    subprocess.run(made_keys, check=True, capture_output=True)
    try:
        made.start()
        seller = made.client("LP", made.processes["XNAS"], "XNAS")
        seller.new_order("LP-1", "2", "100", "AAPL", "150.00")
        alice = made.client("ALICE")
        alice.subscribe("market", ["AAPL"])
        alice.receive_until(lambda message: message[35] in "WX" and (270, "150.00") in alice.last)
        alice.new_order("filled", "1", "30", "AAPL", "150.00")
        alice.receive_until(lambda message: message.get(39) == "2")
        for name in (EVIL, FORMULA, "works"):
            alice.new_order(name, "1", "10", "AAPL", "149.00")
            alice.receive_until(lambda message: message.get(150) == "0")
        yield made
    finally:
        made.stop()


def facts(desk: Desk, kind: type[Any]) -> list[Any]:
    """The facts of a kind that the broker has on record."""
    return [fact for record in read(desk.folder / "broker" / "journal") for fact in record.facts if type(fact) is kind]


def order_id(desk: Desk, cl_ord_id: str) -> str:
    number = next(fact.id for fact in facts(desk, f.OrderAccepted) if fact.cl_ord_id == cl_ord_id)
    day, sequence = divmod(number, 10**11)
    return f"{day}-{sequence // 10**9:02d}-{sequence % 10**9}"


def row(page: Any, cl_ord_id: str) -> Any:
    """The row of an order."""
    cell = page.locator('[col-id="cl_ord_id"]', has_text=re.compile(f"^{re.escape(cl_ord_id)}$"))
    return page.locator(".ag-center-cols-container .ag-row").filter(has=cell)


def choose(page: Any, cl_ord_id: str) -> None:
    """Tick an order's box."""
    row(page, cl_ord_id).wait_for()
    number = row(page, cl_ord_id).get_attribute("row-id")
    page.locator(f'.ag-pinned-left-cols-container [row-id="{number}"] input').check()


def blotter(browser: Any, desk: Desk, name: str) -> Any:
    page = open_page(browser, desk, name, "/orders")
    row(page, "works").wait_for()
    return page


def test_names_of_clients_are_text_everywhere(desk: Desk, browser: Any) -> None:
    page = blotter(browser, desk, "ada")
    assert row(page, EVIL).inner_text().count(EVIL) == 1
    row(page, EVIL).locator('[col-id="cl_ord_id"]').hover()
    page.wait_for_selector(f".ag-tooltip >> text={EVIL}")
    page.fill("input[aria-label='Find orders']", "ONERROR alice")
    until(lambda: "1 of 4 orders" in page.locator(".orders-counts").inner_text())
    row(page, EVIL).locator('[col-id="qty"]').click()
    page.wait_for_selector(f".orders-side >> text={EVIL} of ALICE")
    page.wait_for_selector(f".orders-story >> text=ALICE sends {EVIL}")
    assert page.locator("img").count() == 0
    assert page.troubles == []


def test_a_spreadsheet_takes_no_name_for_a_formula(desk: Desk, browser: Any) -> None:
    page = blotter(browser, desk, "vera")
    with page.expect_download() as kept:
        page.click("button[aria-label='Keep what is shown as a CSV file']")
    text = Path(kept.value.path()).read_text()
    assert f'"\'{FORMULA}"' in text
    assert f'"{EVIL.replace(chr(34), chr(34) * 2)}"' in text
    assert not re.search(r'(^|,)"?[=+@]', text, re.MULTILINE)
    assert '"150.00"' in text
    assert len(text.splitlines()) == 5


def test_sums_are_exact_and_cells_are_safe(desk: Desk, browser: Any) -> None:
    """What the browser counts with, asked of a page that has loaded it."""
    page = blotter(browser, desk, "vera")
    told = page.evaluate(
        """async () => {
            const { Groups, csvCell, rowOf } = await import("brokerfix-blotter");
            const groups = new Groups("venues"), amounts = { qty: "900719925474099.3", cum: "0", leaves: "0.1" };
            for (const venues of ["XNAS", "XNAS XNYS", ""]) groups.add({ venues, notional: "0.10", ...amounts });
            groups.add({ venues: "", notional: "0.10", ...amounts }, -1);
            const row = rowOf(["order_id", "qty", "price", "avg_px"], ["20261127-00-42", "10", "9.50", ""]);
            const cells = ["=1", "+1", "-1", "@a", "\\tb", "x=1"].map((text) => csvCell("account", { account: text }));
            const number = csvCell("price", { price: "-1.0" });
            return [groups.largest(9), row.n_qty > row.n_price, row.n_avg_px, cells, number];
        }"""
    )
    assert told == [
        [["XNAS", "2", "1,801,439,850,948,198.6", "0", "0.2", "0.20"],
         ["XNYS", "1", "900,719,925,474,099.3", "0", "0.1", "0.10"]],
        True, None, ["'=1", "'+1", "'-1", "'@a", "'\tb", "x=1"], "-1.0",
    ]  # fmt: skip


def test_rows_stay_as_if_sorted_and_filtered_anew(desk: Desk, browser: Any) -> None:
    """Random changes by each of some sorts and filters, against doing all of it anew."""
    page = blotter(browser, desk, "vera")
    told = page.evaluate(
        """async () => {
            const { Rows, passes } = await import("brokerfix-blotter");
            let seed = 7;
            const any = (most) => (seed = (seed * 48271) % 2147483647) % most;
            const sorts = [[], [{ colId: "price", sort: "asc" }], [{ colId: "status", sort: "desc" },
                { colId: "price", sort: "desc" }]];
            const number = (type, filter) => ({ filterType: "number", type, filter });
            const filters = [null, number("greaterThan", 5), { operator: "OR", conditions: [
                number("lessThan", 3), number("blank")] }];
            const fresh = () => ({ order_id: `20261127-00-${any(40)}`, status: "ABC"[any(3)],
                n_price: any(9) || null });
            const numbered = (row) => ({ ...row, n_order_id: Number(row.order_id.slice(12)) });
            for (const sort of sorts) for (const filter of filters) {
                const rows = new Rows(), all = new Map();
                const check = (row) => filter === null || passes(filter, row.n_price);
                rows.show(check, sort);
                for (let turn = 0; turn < 60; turn++) {
                    const changed = new Map();
                    for (let n = any(12); n >= 0; n--) {
                        const row = numbered(fresh());
                        changed.set(row.order_id, row);
                    }
                    for (const row of changed.values()) all.set(row.order_id, row);
                    rows.take([...changed.values()]);
                    const wanted = [...all.values()].filter(check).sort((a, b) => rows.order(a, b));
                    if (JSON.stringify(rows.shown) !== JSON.stringify(wanted)) return [sort, filter, turn];
                }
            }
            return "all the same";
        }"""
    )
    assert told == "all the same"


def test_what_is_chosen_is_canceled_in_the_persons_name(desk: Desk, browser: Any) -> None:
    alice = desk.client("ALICE")
    for name in ("one", "two"):
        alice.new_order(name, "1", "10", "AAPL", "148.00")
    page = blotter(browser, desk, "tom")
    choose(page, "one")
    choose(page, "two")
    choose(page, "filled")
    page.wait_for_selector("text=3 chosen")
    page.click("button:has-text('Cancel')")
    page.fill("text=Why (Text)", "client called")
    page.click("button:has-text('Cancel 3 orders')")
    page.wait_for_selector("text=2 orders canceled, or asked back; 1 not: ")
    for name in ("one", "two"):
        row(page, name).get_by_text("Canceled").wait_for()
    ended = [fact for fact in facts(desk, f.OrderCanceled) if fact.operator == "tom"]
    assert [fact.text for fact in ended] == ["client called", "client called"]
    assert page.troubles == []


def test_a_held_order_is_found_and_released(desk: Desk, browser: Any) -> None:
    desk.client("ALICE").new_order("by hand", "1", "10", "AAPL", "147.00", t21="3")
    page = blotter(browser, desk, "olga")
    page.select_option("select[aria-label='Which orders are shown']", "held")
    row(page, "by hand").get_by_text("manual").wait_for()
    until(lambda: "1 of" in page.locator(".orders-counts").inner_text())
    choose(page, "by hand")
    page.wait_for_selector("text=1 chosen")
    page.click("button:has-text('Release')")
    until(lambda: "0 of" in page.locator(".orders-counts").inner_text())
    assert [fact.operator for fact in facts(desk, f.OrderReleased)] == ["olga"]
    assert page.troubles == []


def test_an_order_by_telephone_is_checked_and_entered(desk: Desk, browser: Any) -> None:
    page = blotter(browser, desk, "tom")
    page.click("button:has-text('Order by telephone')")
    for field, value in (("Client", "BOB"), ("Symbol", "AAPL")):
        page.get_by_role("combobox", name=field).click()
        page.locator(".q-menu .q-item").get_by_text(value, exact=True).click()
    form = page.locator(".orders-form")
    form.get_by_label("OrderQty").fill("7")
    form.get_by_label("Price").fill("50.00")
    page.wait_for_selector("text=Notional 350.00")
    page.click("button:has-text('Sell')")
    page.click("button:has-text('Check and enter')")
    page.wait_for_selector("text=sell 7 AAPL at 50.00 for BOB, account BOB. Notional 350.00")
    page.click("button:has-text('Enter it')")
    refused = page.wait_for_selector("[role=alert]:has-text('Refused: ')")
    assert "COLLAR: limit=" in refused.inner_text()
    form.get_by_label("Price").fill("152.00")
    form.get_by_label("Note").fill("BOB from his car")
    page.click("button:has-text('Check and enter')")
    page.click("button:has-text('Enter it')")
    page.wait_for_selector("text=sell 7 AAPL at 152.00 for BOB")
    assert [fact.client for fact in facts(desk, f.OrderAccepted) if fact.operator == "tom"] == ["BOB"]
    until(lambda: any("BOB from his car" in fact.text for fact in facts(desk, f.OperatorActed)))
    assert page.troubles == []


def test_what_an_exchange_said_by_telephone_is_entered(desk: Desk, browser: Any) -> None:
    desk.client("ALICE").new_order("unclear", "1", "10", "AAPL", "146.00")
    page = blotter(browser, desk, "olga")
    row(page, "unclear").get_by_text("New").wait_for()
    choose(page, "unclear")
    page.wait_for_selector("text=1 chosen")
    page.click("button:has-text('Resolve')")
    page.fill("text=More was filled (LastQty)", "4")
    page.click("button:has-text('Go on') >> nth=-1")
    page.wait_for_selector("[role=alert]:has-text('a fill has a quantity and a price')")
    page.fill("text=At (LastPx)", "146.00")
    page.click("button:has-text('Go on') >> nth=-1")
    page.wait_for_selector("text=The exchange has said: 4 more were filled at 146.00.")
    page.click("button:has-text('Enter it')")
    row(page, "unclear").get_by_text("Partially filled").wait_for()
    assert [(fact.qty, fact.operator) for fact in facts(desk, f.ChildFilled)][-1] == (4, "olga")
    assert page.troubles == []


def test_a_fill_is_followed_from_the_blotter_to_its_proof(desk: Desk, browser: Any) -> None:
    page = blotter(browser, desk, "carl")
    row(page, "filled").locator('[col-id="order_id"]').click()
    page.keyboard.press("Enter")
    side = page.locator(".orders-side")
    side.get_by_text("Buy 30 AAPL at 150.00: limit, DAY").wait_for()
    assert side.get_by_text("Cancel", exact=True).count() == 0
    side.get_by_text("XNAS is sent 30 at 150.00").wait_for()
    side.get_by_text("30 XNAS").wait_for()
    side.locator("canvas").wait_for()
    side.get_by_text("As a page").click()
    page.wait_for_url(f"**/orders/{order_id(desk, 'filled')}")
    speaks(page)
    page.click("button:has-text('Proof')")
    page.wait_for_selector("text=it holds")
    filled = facts(desk, f.ChildFilled)[0]
    page.wait_for_selector(f"text=ChildFilled {str(filled.id)[:8]}")
    with page.expect_download() as kept:
        page.click("text=Keep the proof")
    assert filled.venue_exec_id in Path(kept.value.path()).read_text()
    assert page.troubles == []


def test_columns_and_groups_are_kept_for_each_person(desk: Desk, browser: Any) -> None:
    page = blotter(browser, desk, "rita")
    page.click("summary:has-text('Columns')")
    page.locator(".orders-columns label:has-text('AvgPx') input").uncheck()
    page.click("summary:has-text('Columns')")
    page.select_option("select[aria-label='Group by']", "status")
    page.click(".orders-groups button:has-text('Filled')")
    until(lambda: "1 of" in page.locator(".orders-counts").inner_text())
    kept = desk.folder / "broker" / "console" / "preferences" / "rita.json"
    until(lambda: kept.exists() and '"orders-columns"' in kept.read_text() and '"status"' in kept.read_text())
    again, other = blotter(browser, desk, "rita"), blotter(browser, desk, "rob")
    again.wait_for_selector(".orders-groups")
    assert again.locator('.ag-header-cell[col-id="avg_px"]').count() == 0
    assert other.locator('.ag-header-cell[col-id="avg_px"]').count() == 1
    assert other.locator(".orders-groups").count() == 0


def test_a_viewer_sees_and_does_nothing(desk: Desk, browser: Any) -> None:
    page = blotter(browser, desk, "vera")
    for name in ("Cancel", "Release", "Pause", "Resolve", "Order by telephone"):
        assert page.locator(f"button:has-text('{name}')").count() == 0
    page.goto(f"{desk.url}/orders/{order_id(desk, 'filled')}")
    page.wait_for_selector("text=A viewer does not read the journal.")
    page.wait_for_selector("td:has-text('XNAS')")
    assert page.locator("button:has-text('Proof')").count() == 0
    assert page.troubles == []


def test_orders_of_a_day_come_out_of_the_database(desk: Desk, browser: Any) -> None:
    page = blotter(browser, desk, "vera")
    day = order_id(desk, "filled")[:8]
    # Chosen while what there is now is on its way.
    held: list[Any] = []
    page.route("**/data/orders?since=*", lambda route: held.append(route))
    with page.expect_request("**/data/orders?since=*"):
        pass
    page.fill("input[aria-label='Day']", f"{day[:4]}-{day[4:6]}-{day[6:]}")
    page.wait_for_selector(".orders-counts:has-text('loading')")
    for one in held:
        one.continue_()
    page.unroute("**/data/orders?since=*")
    until(lambda: "out of the database" in page.locator(".orders-counts").inner_text())
    assert "Filled" in row(page, "filled").inner_text()
    page.fill("input[aria-label='Day']", "2020-01-01")
    page.wait_for_selector("text=There are no orders")
    assert id_number(order_id(desk, "filled"))
    assert page.troubles == []
