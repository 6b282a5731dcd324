"""The page "Market": depth and exchanges live from a real broker, candles, and where an order would go."""

from contextlib import closing
from typing import Any

import httpx

from brokerfix.console.bars import Bars
from brokerfix.console.data.market import bars_of, own_orders
from brokerfix.facts import OrderAccepted
from tests.console.desk import Desk, needs_browser, open_page
from tests.console.test_activity import UP, quoted, told
from tests.console.test_kill import facts
from tests.live import report
from tests.scenario import World

pytestmark = needs_browser


def provide(desk: Desk, venue: str, side: str, qty: str, price: str) -> str:
    """Have an order rest at an exchange, of somebody else's."""
    lp = desk.client("LP", desk.processes[venue], venue) if venue == "XNAS" else _second(desk)
    cl_ord_id = f"{venue}-{lp.next_out}"
    lp.new_order(cl_ord_id, side, qty, "AAPL", price)
    report(lp, cl_ord_id, "0")
    return cl_ord_id


def _second(desk: Desk) -> Any:
    """The same name at the other exchange."""
    known = desk._clients.get("LP@XNYS")
    if known is None:
        from brokerfix.tools.client import Client

        known = desk._clients["LP@XNYS"] = Client("LP", "XNYS", "127.0.0.1", desk.processes["XNYS"].port)
        known.connect()
    return known


def test_a_person_sees_depth_who_is_best_and_why_and_own_fills(desk: Desk, browser: Any) -> None:
    provide(desk, "XNAS", "2", "300", "150.10")
    provide(desk, "XNYS", "2", "400", "150.12")
    provide(desk, "XNYS", "1", "200", "149.90")
    page = open_page(browser, desk, "vera", "/market")
    ladder = page.get_by_role("table", name="Depth of AAPL")
    best_ask = ladder.get_by_role("row").filter(has_text="150.10")
    best_ask.get_by_text("XNAS").wait_for()
    best_ask.get_by_text("best ask").wait_for()
    assert "300" in best_ask.inner_text()
    exchange = page.get_by_role("table", name="Exchanges behind the depth").get_by_role("row").filter(has_text="XNYS")
    exchange.get_by_text("✓ count").wait_for()
    page.get_by_text("No trade of AAPL is on record today yet").wait_for()

    page.get_by_label("OrderQty").fill("500")
    page.get_by_text("XNAS is best for the first 300: at 150.10").wait_for()
    page.get_by_text("Then 200 from XNYS: at 150.12").wait_for()
    assert facts(desk, OrderAccepted) == [], "to ask is not to trade"

    alice = desk.client("ALICE")
    alice.new_order("M1", "1", "100", "AAPL", "150.10")
    report(alice, "M1", "F")
    page.get_by_role("img", name="1 fills of ours").wait_for()
    best_ask.get_by_text("200", exact=True).wait_for()
    assert page.troubles == []


def test_what_an_exchange_that_is_gone_showed_is_said_not_to_count(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "tom", "/market?symbol=AAPL")
    row = page.get_by_role("table", name="Exchanges behind the depth").get_by_role("row").filter(has_text="XNYS")
    row.wait_for()
    desk.processes["XNYS"].stop()
    row.get_by_text("✕ down").wait_for()
    row.get_by_text("its session is down").wait_for()
    page.get_by_role("table", name="Depth of AAPL").get_by_text("150.12").wait_for(state="detached")
    desk.processes["XNYS"].start()
    row.get_by_text("✓ count").or_(row.get_by_text("! left out")).first.wait_for()
    assert page.troubles == []


def test_who_is_not_logged_in_is_told_nothing_of_the_market(desk: Desk) -> None:
    for path in ("/data/market/depth?symbol=AAPL", "/data/market/bars?symbol=AAPL"):
        answer = httpx.get(f"{desk.url}{path}")
        assert answer.status_code in (303, 401, 403)
        assert "bids" not in answer.text
    with closing(desk.login("vera")) as client:
        assert "no symbol" in client.get("/data/market/depth?symbol=%3Cscript%3E").json()["trouble"]
        assert client.get("/data/market/bars?symbol=AAPL&minutes=2").json()["trouble"] == "no such bars"


def test_a_browser_gets_what_is_new_alone() -> None:
    bars = Bars()
    world = told(bars, UP + "client ALICE new C1 buy 300 AAPL 150.10\nvenue XNAS fill c1 300@150.10 cum 300")
    whole = bars_of(bars, world.state, "AAPL", 5, "trades", 0, 0)
    assert [len(whole["bars"]), whole["fills"][0][1:]] == [1, (15010, 300, "buy", "XNAS")]
    after = bars.symbols["AAPL"].fills[-1][0]
    again = bars_of(bars, world.state, "AAPL", 5, "trades", whole["bars"][-1][0], after)
    assert (len(again["bars"]), again["fills"], again["prints"]) == (1, [], [])
    later = quoted(after + 1, 10**9 + 3600, 15020, 500)
    bars.note(world.state, later, None)  # type: ignore[arg-type]
    new = bars_of(bars, world.state, "AAPL", 5, "trades", whole["bars"][-1][0], after)
    assert [len(new["bars"]), len(new["prints"]), new["after"] != whole["after"]] == [2, 1, True]
    assert bars_of(bars, world.state, "MSFT", 1, "mid", 0, 0)["bars"] == []


def test_how_much_of_a_price_is_ours() -> None:
    world = told(Bars(), UP + "client ALICE new C1 buy 300 AAPL 149.90\nclient BOB new B1 buy 50 AAPL 149.90")
    assert own_orders(world.state, "AAPL") == {"bids": {14990: 350}, "asks": {}}
    assert own_orders(World().state, "AAPL") == {"bids": {}, "asks": {}}
