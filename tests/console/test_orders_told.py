"""What the page of orders says, without a browser."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from brokerfix.console.elements.blotter import columns_of
from brokerfix.console.pages import orders_chart, orders_told
from brokerfix.console.pages.orders_acts import outcome
from brokerfix.console.pages.orders_enter import notional
from brokerfix.console.pages.orders_read import Known, fewer, nanoseconds, window
from brokerfix.domain import Inexact, Instrument

AAPL = Instrument("AAPL", 2, 0, 1, 1, "never", "venue")
NOON = nanoseconds("2026-07-01T12:00:00Z")


def test_what_is_kept_of_columns_is_what_a_grid_can_have() -> None:
    told = [
        {"colId": "qty", "width": 9_999, "hide": True, "sort": "desc", "sortIndex": 0, "pinned": "left", "x": "<b>"},
        {"colId": "symbol", "width": "wide", "sort": "sideways", "pinned": 3},
        {"colId": "__proto__", "width": 10},
        "text",
    ]
    assert columns_of(told) == [
        {"colId": "qty", "width": 1000, "hide": True, "sort": "desc", "sortIndex": 0, "pinned": "left"},
        {"colId": "symbol", "width": 90, "hide": False, "sort": None, "sortIndex": None, "pinned": None},
    ]


@pytest.mark.parametrize("told", [None, "text", {"colId": "qty"}, [{"colId": "qty"}, {"colId": "qty"}]])
def test_columns_that_can_not_be_so_are_as_at_first(told: Any) -> None:
    assert columns_of(told) == []


def test_what_came_of_an_action_is_counted_with_the_reasons() -> None:
    assert outcome("canceled", 1, []) == "1 order canceled"
    assert outcome("canceled", 0, ["it is filled"]) == "0 orders canceled; 1 not: it is filled"
    told = outcome("canceled", 3, ["it is filled", "it is filled", "there is no order 7"])
    assert told == "3 orders canceled; 3 not: it is filled (2); there is no order 7 (1)"


def test_the_notional_is_exact() -> None:
    assert notional(AAPL, "3", "0.10", 0) == "0.30"
    assert notional(AAPL, "900719925474099", "10.01", 0) == "9016206453995730.99"
    assert notional(AAPL, "2", "", 15_000) == "300.00"
    assert notional(AAPL, "2", "", 0) == ""


@pytest.mark.parametrize(
    ("qty", "price"), [("0", "1"), ("-1", "1"), ("1", "0.001"), ("x", ""), ("1.5", ""), ("1", "0")]
)
def test_what_is_no_order_has_no_notional(qty: str, price: str) -> None:
    with pytest.raises(Inexact):
        notional(AAPL, qty, price, 15_000)


TERMS = {"side": "BUY", "price": "150.00", "entered": NOON // 10**6}
QUOTES = [
    {"at": "2026-07-01T12:00:00.000000Z", "bid_px": "149.90", "ask_px": "150.10"},
    {"at": "2026-07-01T12:00:01.000000Z", "bid_px": None, "ask_px": "150.05"},
]
FILLS = [
    {"at": "2026-07-01T12:00:01.500000Z", "last_px": "150.05", "last_qty": "5", "venue": "", "state": "booked"},
    {"at": "2026-07-01T12:00:01.000000Z", "last_px": "150.05", "last_qty": "10", "venue": "XNAS", "state": "booked"},
    {"at": "2026-07-01T12:00:01.000000Z", "last_px": "150.05", "last_qty": "0", "venue": "XNYS", "state": "busted"},
]


def test_the_chart_has_the_market_the_fills_and_the_price() -> None:
    told = orders_chart.options(TERMS, FILLS, QUOTES, window(NOON, NOON), ZoneInfo("Europe/London"), NOON + 10**9)
    names = [one.get("name") for one in told["series"]]
    assert names == ["Best bid", "Best ask", "Fills at XNAS", "Fills in our book", None]
    bid, _, fills, _, lines = told["series"]
    summer_time = 3_600_000
    assert bid["data"] == [[TERMS["entered"] + summer_time, 149.90], [TERMS["entered"] + summer_time + 1000, None]]
    assert fills["data"][0]["value"][1:] == [150.05, "10"]
    assert [line.get("yAxis") for line in lines["markLine"]["data"]] == [None, None, 150.0]
    assert told["yAxis"]["min"] < 149.90 < 150.10 < told["yAxis"]["max"]


def test_a_price_far_away_does_not_press_the_market_flat() -> None:
    told = orders_chart.options({**TERMS, "price": "90.00"}, [], QUOTES, window(NOON, NOON), ZoneInfo("UTC"), 0)
    assert told["yAxis"]["min"] > 149


def test_an_order_without_a_market_has_a_chart_all_the_same() -> None:
    told = orders_chart.options({**TERMS, "price": ""}, [], [], window(NOON, NOON), ZoneInfo("UTC"), 0)
    assert told["yAxis"]["min"] is None
    told = orders_chart.options(TERMS, [], [], window(NOON, NOON), ZoneInfo("UTC"), 0)
    assert told["yAxis"]["min"] < 150 < told["yAxis"]["max"]


def test_the_last_of_many_quotes_is_kept() -> None:
    rows = [{"n": n} for n in range(1001)]
    some = fewer(rows, 100)
    assert len(some) <= 101
    assert (some[0], some[-1]) == (rows[0], rows[-1])


def test_fills_are_the_journals_where_there_is_no_database() -> None:
    told = {
        "fills": [
            {"exec_id": "20261127-00-7", "time": "2026-11-27 10:00:00.000001", "qty": "5", "price": "1.00",
             "exchange": "XNAS", "child_id": "20261127-00-5", "charged": "0.00", "taken_back": False},
        ]
    }  # fmt: skip
    rows = orders_told.fill_rows(Known(trouble="there is no database yet"), told)
    assert orders_told.shown_fills(rows, lambda at: f"{at % 10**9}") == [
        {"exec_id": "20261127-00-7", "time": "1000", "exchange": "XNAS", "qty": "5", "price": "1.00", "fee": "0.00",
         "state": "booked"},
    ]  # fmt: skip


@pytest.mark.parametrize("facts", [{"fact": "20261127-00-7"}, {"facts": ["20261127-00-7"]}])
def test_a_storys_tables_are_left_to_the_decisions(facts: dict[str, Any]) -> None:
    story = [
        {"time": "2026-11-27 10:00:00.000", "what happened": "it is canceled", **facts},
        {"time": "2026-11-27 10:00:00.000", "what happened": "    seen   price", **facts},
    ]
    rows = orders_told.sentences({"story": story}, lambda at: "10:00")
    assert rows == [{"n": 0, "time": "10:00", "what": "it is canceled", "fact": "20261127-00-7"}]
