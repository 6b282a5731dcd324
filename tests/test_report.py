"""Reports on execution quality and order routing: journals written by hand, whose numbers are worked out by hand."""

import csv
import io
import json
from collections.abc import Iterable
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from brokerfix import facts as f
from brokerfix.cli import main
from brokerfix.domain import (
    ClientOptions,
    DayTotals,
    Hold,
    Instructions,
    Instrument,
    OrdType,
    RouteRule,
    Seen,
    Side,
    Strategy,
    TimeInForce,
    Venue,
    first_of_day,
)
from brokerfix.operate import plots
from brokerfix.operate.order_routing import periods, routing
from brokerfix.operate.quality import quality
from brokerfix.operate.quality_orders import Quote, Timeline
from brokerfix.operate.quality_read import Orders
from brokerfix.operate.quality_words import THEMES, decimal, table
from brokerfix.record.journal import Journal
from tests.live import INSTRUMENT

SECOND, MS = 10**9, 10**6
BEGIN = 1_795_000_000 * SECOND
BUY, SELL = Side.BUY, Side.SELL
Row = dict[str, Any]


class Tape:
    """A journal's facts, written by hand. Times are seconds after BEGIN; prices are in cents, quantities in units."""

    def __init__(self, day: int = 20261123, shard: int = 0) -> None:
        self.facts: list[f.Fact] = []
        self.shard = shard
        self._ids = count(first_of_day(day, shard) + 1)
        for symbol in ("AAPL", "MSFT"):
            self.add(0, f.InstrumentDefined, instrument=Instrument(symbol, 2, 0, 1, 1, "at-or-better", "venue"))
        self.add(0, f.VenueDefined, venue=Venue("XNAS", taker_fee="0.003", maker_fee="-0.002"))
        self.add(0, f.VenueDefined, venue=Venue("XNYS", taker_fee="0.001"))
        self.add(0, f.ClientDefined, client="ALICE", accounts=("ALICE",), max_rate=0, options=ClientOptions())

    def on(self, day: int) -> None:
        """What follows is of another trading day."""
        self._ids = count(first_of_day(day, self.shard) + 1)

    def add(self, at: float, kind: Any, **values: Any) -> int:
        number = next(self._ids)
        self.facts.append(kind(at=BEGIN + round(at * SECOND), id=number, **values))
        return number

    def quote(
        self, at: float, bid: int, ask: int, qty: int = 500, venue: str = "XNAS", symbol: str = "AAPL",
        volume: int = 0, turnover: int = 0,
    ) -> None:  # fmt: skip
        day = DayTotals.of(0, 0, 0, volume, turnover)
        sides = ((bid, qty, venue),) if bid else (), ((ask, qty, venue),) if ask else ()
        self.add(at, f.Quoted, symbol=symbol, bids=sides[0], asks=sides[1], last=None, mark=0, day=day)

    def order(self, at: float, side: Side, qty: int, price: int = 0, client: str = "ALICE", **values: Any) -> int:
        known: dict[str, Any] = {
            "cl_ord_id": "C", "account": client, "symbol": "AAPL", "risk_price": price,
            "ord_type": OrdType.LIMIT if price else OrdType.MARKET, "time_in_force": TimeInForce.DAY,
        }  # fmt: skip
        return self.add(at, f.OrderAccepted, client=client, side=side, qty=qty, price=price, **known | values)

    def route(
        self, at: float, order: int, qty: int, price: int, venue: str = "XNAS", tif: TimeInForce = TimeInForce.IOC
    ) -> int:
        return self.add(
            at, f.OrderRouted, order_id=order, venue=venue, qty=qty, price=price, ord_type=OrdType.LIMIT,
            time_in_force=tif, why=RouteRule.BEST_PRICE,
        )  # fmt: skip

    def fill(self, at: float, child: int, qty: int, price: int, fee: str = "", liquidity: str = "2") -> int:
        return self.add(
            at, f.ChildFilled, child_id=child, venue_exec_id=f"X{child}", qty=qty, price=price, fee=fee,
            liquidity=liquidity,
        )  # fmt: skip

    def bought(self, at: float, qty: int, limit: int, price: int, side: Side = BUY, client: str = "ALICE") -> int:
        """An order that is filled 2 ms later at XNAS. Returns the fill's ExecID."""
        order = self.order(at, side, qty, limit, client)
        return self.fill(at + 0.002, self.route(at, order, qty, limit), qty, price)

    def rows(self, *by: str) -> dict[str, Row]:
        found = Orders()
        found.apply(self.facts)
        return {row["name"]: row for row in quality([found], by).rows}

    def all(self) -> Row:
        return self.rows()["all"]

    def write(self, folder: Path) -> Path:
        """The journal in a folder with a configuration, whose path is returned."""
        journal = Journal(folder / "data" / "journal")
        journal.open(20261123)
        for fact in self.facts:
            journal.append([fact])
        journal.close()
        return config_in(folder)


def config_in(folder: Path) -> Path:
    path = folder / "broker.toml"
    sections = '[accounts.ALICE]\ncash = "1"\n[clients.ALICE]\naccounts = ["ALICE"]\n'
    path.write_text(f'[broker]\nname = "BROKER"\nport = 9876\ndata = "data"\n{INSTRUMENT}{sections}')
    return path


def told(row: Row, *names: str) -> list[Any]:
    return [row[name] for name in names]


def example() -> Tape:
    """Buy 100 to 10.05 with a quote of 10.00 / 10.04, filled at 10.03."""
    tape = Tape()
    tape.quote(0, 1000, 1004)
    tape.bought(1, 100, 1005, 1003)
    return tape


def test_the_worked_example() -> None:
    row = example().rows("type")["marketable limit"]
    assert told(row, "quoted_spread", "effective_spread", "eq_pct") == ["0.04", "0.02", "50.00"]
    # 2 x (10.03 - 10.02) / 10.02 is 19.96 basis points.
    assert told(row, "midpoint", "effective_bps") == ["10.02", "19.9601"]
    assert told(row, "improved_shares", "improved_fills", "improved_per_share") == ["100", 1, "0.01"]
    assert told(row, "improvement", "at_quote_shares", "outside_shares") == ["1.00", "0", "0"]
    assert told(row, "orders", "shares", "filled_shares", "here_shares", "away_shares") == [1, "100", "100", "0", "100"]
    assert told(row, "fill_rate_pct", "latency_mean_ms", "under_10ms") == ["100.00", "2.00", "100"]
    # XNAS takes 0.003 a share.
    assert told(row, "exchange_fees", "slippage_arrival") == ["0.30", "0.01"]


def test_an_order_to_sell_is_measured_the_other_way_round() -> None:
    tape = Tape()
    tape.quote(0, 1000, 1004)
    tape.bought(1, 100, 999, 999, SELL)
    tape.bought(2, 300, 999, 1000, SELL)
    row = tape.all()
    # 2 x (10.02 - 9.99) = 0.06 for 100, 2 x (10.02 - 10.00) = 0.04 for 300: 0.045.
    assert told(row, "effective_spread", "eq_pct") == ["0.045", "112.50"]
    assert told(row, "outside_shares", "outside_per_share", "at_quote_shares") == ["100", "0.01", "300"]
    assert told(row, "improved_shares", "improvement") == ["0", "0.00"]
    # 0.03 for 100 and 0.02 for 300.
    assert row["slippage_arrival"] == "0.0225"


def test_realized_spreads_look_at_the_newest_mid_after_the_execution() -> None:
    tape = example()
    tape.quote(5, 1002, 1006)
    tape.quote(40, 1000, 1002)
    tape.quote(100, 1000, 1002)
    # Filled at 1.002 s for 10.03: the mid is 10.02 until 5 s, 10.04 until 40 s, then 10.01.
    row = tape.all()
    assert told(row, "realised_50ms", "realised_1s", "realised_15s", "realised_1m") == ["0.02", "0.02", "-0.02", "0.04"]
    # The journal ends before five minutes have passed.
    assert told(row, "realised_5m", "no_realised_5m_shares") == [None, "100"]


def test_what_the_market_was_while_no_process_ran_is_not_known() -> None:
    tape = example()
    tape.add(2.5, f.Stopped)
    tape.add(3, f.Started)
    tape.bought(4, 50, 0, 1004)
    tape.quote(30, 1000, 1004)
    row = tape.all()
    assert told(row, "no_quote_orders", "no_quote_shares", "filled_shares") == [1, "50", "150"]
    # Of the fills at 1.002 and 4.002 only the first has a mid one second later; both have none after 15 s.
    assert told(row, "no_realised_1s_shares", "no_realised_15s_shares") == ["50", "150"]
    assert told(row, "effective_spread", "improved_shares") == ["0.02", "100"]


def test_without_a_quote_nothing_is_guessed() -> None:
    tape = Tape()
    tape.bought(1, 100, 1005, 1003)
    tape.quote(2, 1000, 0)
    tape.order(3, BUY, 50)
    rows = tape.rows("type")
    assert told(rows["limit, no quote"], "orders", "no_quote_orders", "no_quote_shares") == [1, 1, "100"]
    assert told(rows["market"], "orders", "no_quote_orders", "filled_shares") == [1, 1, "0"]
    for name in ("quoted_spread", "effective_spread", "eq_pct", "realised_1s", "slippage_arrival", "slippage_vwap"):
        assert rows["all"][name] is None, name
    assert told(rows["all"], "improved_shares", "at_quote_shares", "outside_shares") == ["0", "0", "0"]
    assert told(rows["all"], "no_slippage_arrival_shares", "no_slippage_twap_shares") == ["100", "100"]


def test_busted_fills_are_left_out_and_corrected_ones_are_as_corrected() -> None:
    tape = example()
    busted = tape.bought(2, 500, 1005, 1005)
    corrected = tape.bought(3, 200, 1005, 1004)
    values = {"ref_id": 0, "venue_exec_id": ""}
    tape.add(4, f.TradeBusted, exec_id=busted, reinstated=False, **values)
    tape.add(5, f.TradeCorrected, exec_id=corrected, qty=100, price=1002, fee="0.07", **values)
    row = tape.all()
    assert told(row, "filled_shares", "improved_shares", "outside_shares", "fees") == ["200", "200", "0", "0.07"]
    # 0.02 for 100 of the example, and 0.00 for 100 at the mid.
    assert told(row, "effective_spread", "eq_pct", "improvement") == ["0.01", "25.00", "3.00"]
    # By the fees of XNAS: 200 x 0.003.
    assert row["exchange_fees"] == "0.60"
    assert tape.rows("exchange")["XNAS"]["filled_shares"] == "200"


@pytest.mark.parametrize(
    ("side", "price", "kind"),
    [
        (BUY, 0, "market"),
        (BUY, 1004, "marketable limit"),
        (BUY, 1003, "inside-the-quote limit"),
        (BUY, 1000, "at-the-quote limit"),
        (BUY, 990, "near-the-quote limit"),
        (BUY, 989, "non-marketable limit"),
        (SELL, 1000, "marketable limit"),
        (SELL, 1001, "inside-the-quote limit"),
        (SELL, 1004, "at-the-quote limit"),
        (SELL, 1014, "near-the-quote limit"),
        (SELL, 1015, "non-marketable limit"),
    ],
)
def test_the_kinds_of_orders(side: Side, price: int, kind: str) -> None:
    tape = Tape()
    tape.quote(0, 1000, 1004)
    tape.order(1, side, 100, price)
    assert list(tape.rows("type")) == ["all", kind]


def test_orders_that_wait_have_no_spread_at_receipt() -> None:
    """A limit at the midpoint or better has, one at the best bid has not."""
    tape = Tape()
    tape.quote(0, 1000, 1004)
    tape.bought(1, 100, 1000, 1000)
    assert told(tape.all(), "effective_spread", "filled_shares", "slippage_arrival") == [None, "100", "-0.02"]
    tape.bought(2, 100, 1002, 1002)
    assert told(tape.all(), "effective_spread", "quoted_spread") == ["0.00", "0.04"]


def test_what_waits_is_no_part_of_the_realized_spread_of_what_takes() -> None:
    """Of both sides of a trade together it would always be nothing."""
    tape = Tape()
    tape.quote(0, 1000, 1004)
    maker = tape.order(1, SELL, 100, 1004, client="BOB")
    taker = tape.order(2, BUY, 100, 1004)
    tape.add(2, f.OrderNoted, order_id=taker, status=None)
    tape.add(2, f.Trade, maker_order_id=maker, taker_order_id=taker, qty=100, price=1004)
    tape.quote(9, 1000, 1004)
    rows = tape.rows("type", "client", "exchange")
    assert [rows[name]["realised_1s"] for name in ("all", "own book", "ALICE", "marketable limit")] == ["0.04"] * 4
    assert [rows[name]["realised_1s"] for name in ("BOB", "at-the-quote limit")] == [None, "-0.04"]


def test_a_stop_is_measured_from_when_it_is_triggered() -> None:
    tape = Tape()
    tape.quote(0, 1000, 1004)
    order = tape.order(1, BUY, 100, ord_type=OrdType.STOP)
    tape.quote(2, 1010, 1012)
    tape.add(3, f.OrderReleased, order_id=order, hold=Hold.STOP)
    tape.fill(3.5, tape.route(3, order, 100, 1013), 100, 1012)
    row = tape.rows("type")["stop"]
    assert told(row, "quoted_spread", "effective_spread", "latency_mean_ms") == ["0.02", "0.02", "500.00"]


def test_the_first_routing_decision_is_the_quote_at_receipt() -> None:
    tape = Tape()
    tape.quote(0, 1000, 1010)
    order = tape.order(1, BUY, 300, 1006)
    seen = (Seen("XNYS", 1005, 100, 100), Seen("XNAS", 1006, 400, 100))
    tape.add(
        1, f.RouteDecided, order_id=order, mode="price", qty=300, bid=(1002, 100), ask=(1004, 100), seen=seen,
        expected_qty=200, expected_px="10.055", expected_fee="0.40",
    )  # fmt: skip
    first, second = tape.route(1, order, 100, 1005, "XNYS"), tape.route(1, order, 100, 1006)
    tape.add(2, f.RouteDecided, order_id=order, mode="price", qty=100, bid=(1000, 1), ask=(1020, 1))
    tape.fill(2, first, 100, 1004)
    tape.fill(2, second, 50, 1006)
    row = tape.all()
    # The mid at receipt is 10.03: 0.02 for 100 and 0.06 for 50, by a quoted spread of 0.02.
    assert told(row, "quoted_spread", "effective_spread") == ["0.02", "0.033333"]
    # Exchanges alone showed 10.05, with our book it was 10.04.
    assert told(row, "improved_shares", "improvement", "outside_shares") == ["100", "1.00", "50"]
    assert told(row, "displayed_improved_shares", "displayed_at_quote_shares") == ["0", "100"]
    # 150 of 200 came, for (100 x 10.04 + 50 x 10.06) / 150 instead of 10.055; three quarters of the fee was expected,
    # 100 x 0.001 + 50 x 0.003 it was.
    assert told(row, "expected_shares", "expected_got_shares", "expected_px") == ["200", "150", "10.055"]
    assert told(row, "realised_px", "expected_px_missed") == ["10.046667", "-0.008333"]
    assert told(row, "expected_fee", "realised_fee") == ["0.30", "0.25"]
    # Of any order's decision: 10.10 is the mid from then on.
    found = Orders()
    found.apply(tape.facts)
    assert found.twice_mid("AAPL", BEGIN + 2 * SECOND) == 2020


def test_only_so_much_as_was_expected_is_weighed_against_it() -> None:
    tape = Tape()
    order = tape.order(1, SELL, 300, 1000)
    values = {"expected_qty": 100, "expected_px": "10.01", "expected_fee": "0"}
    tape.add(1, f.RouteDecided, order_id=order, mode="price", qty=300, bid=(1001, 100), ask=(1004, 100), **values)
    child = tape.route(1, order, 300, 1000, tif=TimeInForce.DAY)
    tape.fill(2, child, 60, 1001)
    tape.fill(3, child, 240, 1000, liquidity="1")
    row = tape.all()
    # 60 at 10.01 and 40 of 240 at 10.00: 10.006, 0.004 less than expected.
    assert told(row, "expected_got_shares", "realised_px", "expected_px_missed") == ["100", "10.006", "0.004"]
    # 60 x 0.003 taken, and 40 x 0.002 given.
    assert row["realised_fee"] == "0.10"


def test_size_improvement_is_what_is_filled_beyond_what_was_displayed() -> None:
    tape = Tape()
    tape.quote(0, 1000, 1004, qty=120)
    order = tape.order(1, BUY, 300, 1005)
    child = tape.route(1, order, 300, 1005)
    tape.fill(1.1, child, 200, 1004)
    tape.fill(1.2, child, 100, 1005)
    # 200 at the quote, 120 were displayed there; what is outside does not count.
    assert tape.all()["size_improved_shares"] == "80"


def test_by_exchange_and_in_our_own_book() -> None:
    tape = Tape()
    tape.quote(0, 1000, 1004)
    maker = tape.order(1, SELL, 500, 1003, client="BOB")
    tape.add(1, f.OrderBooked, order_id=maker, qty=500)
    taker = tape.order(2, BUY, 400, 1004)
    tape.add(2, f.OrderNoted, order_id=taker, status=None)
    tape.add(2, f.Trade, maker_order_id=maker, taker_order_id=taker, qty=100, price=1003, taker_fee="0.5")
    tape.fill(2.004, tape.route(2, taker, 200, 1004), 200, 1004)
    nothing = tape.route(2.01, taker, 100, 1004, "XNYS")
    tape.add(2.02, f.ChildEnded, child_id=nothing, venue_exec_id="", status="4", text="")
    tape.add(3, f.OrderCanceled, order_id=taker, cl_ord_id="")
    rows = tape.rows("exchange", "client")
    assert list(rows) == ["all", "XNAS", "XNYS", "own book", "ALICE", "BOB"]
    assert told(rows["ALICE"], "here_shares", "away_shares", "canceled_orders") == ["100", "200", 1]
    assert told(rows["ALICE"], "canceled_shares", "fill_rate_pct", "fees") == ["100", "75.00", "0.50"]
    assert told(rows["BOB"], "here_shares", "fill_rate_pct", "canceled_shares") == ["100", "20.00", "0"]
    assert told(rows["XNAS"], "orders", "shares", "fill_rate_pct", "canceled_orders") == [1, "200", "100.00", 0]
    assert told(rows["XNYS"], "orders", "shares", "filled_shares", "canceled_shares") == [1, "100", "0", "100"]
    # The maker's 500 and the taker's 100.
    assert told(rows["own book"], "orders", "shares", "filled_shares") == [2, "600", "200"]
    # 100 at 10.03 of both, 0.01 better than the offer for the taker; the maker was inside at the midpoint or worse.
    assert told(rows["own book"], "improved_shares", "effective_spread") == ["100", "0.02"]
    # The taker's 300: 0.02 for 100 and 0.04 for 200.
    assert rows["ALICE"]["effective_spread"] == "0.033333"


def test_both_sides_of_a_trade_in_our_book_are_busted_by_their_own_numbers() -> None:
    tape = Tape()
    maker = tape.order(1, SELL, 100, 1003, client="BOB")
    taker = tape.order(2, BUY, 100, 1004)
    tape.add(2, f.OrderNoted, order_id=taker, status=None)
    trade = tape.add(2, f.Trade, maker_order_id=maker, taker_order_id=taker, qty=100, price=1003)
    values = {"ref_id": 0, "venue_exec_id": "", "reinstated": False}
    tape.add(3, f.TradeBusted, exec_id=trade - 1, **values)
    assert [tape.rows("client")[name]["filled_shares"] for name in ("BOB", "ALICE")] == ["0", "100"]
    tape.add(3, f.TradeBusted, exec_id=trade, **values)
    assert tape.all()["filled_shares"] == "0"


def test_what_our_book_takes_and_what_rests_there_is_what_it_was_sent() -> None:
    tape = Tape()
    maker = tape.order(1, SELL, 100, 1003, client="BOB")
    taker = tape.order(2, BUY, 300, 1003)
    values = {"expected_qty": 100, "expected_px": "10.02"}
    tape.add(2, f.RouteDecided, order_id=taker, mode="price", qty=300, bid=(1001, 9), ask=(1003, 100), **values)
    tape.add(2, f.Trade, maker_order_id=maker, taker_order_id=taker, qty=100, price=1003)
    tape.add(2, f.OrderBooked, order_id=taker, qty=50)
    rows = tape.rows("exchange")
    # 100 of the maker; 100 taken and 50 that rest.
    assert told(rows["own book"], "orders", "shares", "filled_shares") == [2, "250", "200"]
    assert told(rows["all"], "expected_got_shares", "expected_px_missed") == ["100", "0.01"]


def test_a_replaced_order_has_its_last_quantity() -> None:
    tape = Tape()
    order = tape.order(1, BUY, 100, 1000)
    child = tape.route(1, order, 100, 1000, tif=TimeInForce.DAY)
    tape.add(2, f.ChildReplaced, child_id=child, request_id=1, venue_exec_id="", qty=80, price=1000)
    tape.add(2, f.OrderReplaced, order_id=order, cl_ord_id="C2", qty=80, price=1000, risk_price=1000)
    tape.fill(3, child, 40, 1000)
    rows = tape.rows("exchange")
    assert [told(rows[name], "shares", "fill_rate_pct") for name in ("all", "XNAS")] == [["80", "50.00"]] * 2


def test_slippage_against_the_markets_averages() -> None:
    tape = Tape()
    tape.quote(0, 1000, 1004, volume=1000, turnover=1000 * 1000)
    order = tape.order(1, BUY, 100, 1010)
    child = tape.route(1, order, 100, 1010, tif=TimeInForce.DAY)
    tape.fill(1, child, 50, 1004)
    tape.quote(2, 1002, 1006, volume=1100, turnover=1000 * 1000 + 100 * 1005)
    tape.fill(6, child, 50, 1006)
    tape.quote(6, 1002, 1006, volume=1300, turnover=1000 * 1000 + 100 * 1005 + 200 * 1002)
    row = tape.all()
    # The arrival mid is 10.02: 0.02 and 0.04.
    assert row["slippage_arrival"] == "0.03"
    # (100 x 10.05 + 200 x 10.02) / 300 = 10.03; 10.05 was paid.
    assert row["slippage_vwap"] == "0.02"
    # The totals on record at the last fill's own time are those: later ones are of more than its time.
    tape.quote(7, 1002, 1006, volume=9999, turnover=9999 * 9999)
    assert tape.all()["slippage_vwap"] == "0.02"
    # A second of 10.02 and four of 10.04: 10.036.
    assert row["slippage_twap"] == "0.014"


def test_an_interval_of_two_days_or_without_trades_has_no_vwap() -> None:
    tape = example()
    tape.quote(3, 1000, 1004, volume=0)
    assert told(tape.all(), "slippage_vwap", "no_slippage_vwap_shares") == [None, "100"]
    tape = example()
    tape.on(20261124)
    tape.quote(3, 1000, 1004, volume=500, turnover=500 * 1000)
    assert tape.all()["slippage_vwap"] is None


def test_the_speed_of_fills_is_weighted_by_shares() -> None:
    tape = Tape()
    tape.quote(0, 1000, 1004)
    for number, (wait, qty) in enumerate(((0.00005, 10), (0.0005, 30), (0.005, 50), (20, 9), (400, 1))):
        order = tape.order(number, BUY, qty, 1004)
        tape.fill(number + wait, tape.route(number, order, qty, 1004), qty, 1004)
    row = tape.all()
    assert told(row, "under_100us", "under_1ms", "under_10ms", "under_1s") == ["10", "30", "50", "0"]
    assert told(row, "under_10s", "under_30s", "under_5m", "from_5m") == ["0", "9", "0", "1"]
    # (10 x 0.05 + 30 x 0.5 + 50 x 5 + 9 x 20000 + 400000) / 100 ms.
    assert told(row, "latency_mean_ms", "latency_median_ms", "latency_p99_ms") == ["5802.655", "5.00", "20000.00"]


def test_orders_over_a_split_are_left_out_and_counted() -> None:
    tape = example()
    tape.order(2, BUY, 100, 990)
    tape.add(3, f.SplitApplied, symbol="AAPL", numerator=2, denominator=1, operator="me")
    found = Orders()
    found.apply(tape.facts)
    assert (quality([found], ()).split, quality([found], ()).orders) == (1, 1)
    assert quality([found], ()).rows[0]["orders"] == 1
    assert found.twice_mid("AAPL", BEGIN + 3 * SECOND) is None


def test_currencies_are_not_added() -> None:
    tape = example()
    euro = Instrument("MSFT", 2, 0, 1, 1, "at-or-better", "venue", currency="EUR")
    tape.add(2, f.InstrumentDefined, instrument=euro)
    tape.order(3, BUY, 10, 100, symbol="MSFT")
    found = Orders()
    found.apply(tape.facts)
    rows = quality([found], ()).rows
    assert [(row["currency"], row["orders"]) for row in rows] == [("", 1), ("EUR", 1)]
    assert "currency" in table(rows, "orders")[0]


def test_a_timeline_knows_what_it_does_not_know() -> None:
    timeline = Timeline()
    assert (timeline.quote(5), timeline.twap(0, 5), timeline.vwap(0, 5)) == (None, None, None)
    timeline.add(10, Quote(100, 102))
    timeline.add(20, None)
    assert timeline.quote(9) is None
    assert timeline.twap(12, 12) == timeline.twap(10, 19) == 101
    assert timeline.twap(5, 15) is timeline.twap(12, 21) is None


@pytest.mark.parametrize(("value", "text"), [(Fraction(1, 3), "0.333333"), (Fraction(-5, 2), "-2.50"), (None, None)])
def test_numbers_as_text(value: Fraction | None, text: str | None) -> None:
    assert decimal(value) == text


def routed(shard: int = 0) -> Tape:
    """Five orders on two days: a market order at both exchanges, marketable and non-marketable limits, a stop, and a
    directed one."""
    tape = Tape(20260930, shard)
    tape.quote(0, 1000, 1004)
    tape.add(0, f.SymbolGroupDefined, group="tech", symbols=("AAPL",))
    market = tape.order(1, BUY, 300)
    for venue in ("XNAS", "XNYS"):
        tape.fill(1.1, tape.route(1, market, 100, 1005, venue), 100, 1004)
    tape.on(20261001)
    rests = tape.order(2, BUY, 200, 1000)
    tape.fill(3, tape.route(2, rests, 200, 1000, tif=TimeInForce.DAY), 200, 1000, liquidity="1")
    tape.route(4, tape.order(4, SELL, 100, 1000), 100, 1000, "XNYS")
    tape.order(5, BUY, 100, ord_type=OrdType.STOP)
    tape.route(6, tape.order(6, BUY, 100, 1004, ex_destination="XNAS"), 100, 1004)
    return tape


def test_order_routing() -> None:
    found = Orders()
    found.apply(routed().facts)
    report = routing([found])
    assert [(row["section"], row["period"], row["orders"]) for row in report.sections] == [
        ("tech", "2026-Q3", 1), ("tech", "2026-09", 1), ("tech", "2026-Q4", 4), ("tech", "2026-10", 4),
    ]  # fmt: skip
    section = report.sections[3]
    assert told(section, "non_directed", "non_directed_pct") == [3, "75.00"]
    assert told(section, "market_pct", "marketable_pct", "non_marketable_pct") == ["0.00", "33.33", "33.33"]
    assert told(section, "other_pct", "no_quote_pct") == ["33.33", "0.00"]
    rows = {(row["period"], row["exchange"]): row for row in report.exchanges}
    assert told(rows["2026-09", "XNAS"], "routed", "routed_pct", "market_pct") == [1, "100.00", "100.00"]
    assert told(rows["2026-09", "XNAS"], "net", "net_per_100", "net_market") == ["-0.30", "-0.30", "-0.30"]
    assert told(rows["2026-09", "XNYS"], "net", "net_per_100", "marketable_pct") == ["-0.10", "-0.10", None]
    # The directed order of XNAS does not count; its resting one got 200 x 0.002.
    assert told(rows["2026-10", "XNAS"], "routed", "routed_pct", "non_marketable_pct") == [1, "33.33", "100.00"]
    assert told(rows["2026-10", "XNAS"], "net", "net_per_100", "shares") == ["0.40", "0.20", "200"]
    assert told(rows["2026-10", "XNYS"], "routed", "net", "net_per_100") == [1, "0.00", None]


def test_symbols_in_no_group_are_a_section_of_their_own() -> None:
    tape = routed()
    tape.order(7, BUY, 1, symbol="MSFT")
    found = Orders()
    found.apply(tape.facts)
    assert {row["section"] for row in routing([found]).sections} == {"tech", "other"}
    without = Orders()
    without.apply(fact for fact in tape.facts if not isinstance(fact, f.SymbolGroupDefined))
    assert {row["section"] for row in routing([without]).sections} == {"all"}
    assert (periods(20260331), periods(20261231)) == (("2026-03", "2026-Q1"), ("2026-12", "2026-Q4"))


def run(report: str, config: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["report", report, "--config", str(config), *words])


def rows_of(result: Result) -> list[Row]:
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    return list(found["rows"] if "rows" in found else found["exchanges"])


@pytest.mark.parametrize("report", ["execution-quality", "order-routing"])
def test_every_output_says_that_it_is_no_filing(report: str, tmp_path: Path) -> None:
    config = routed().write(tmp_path)
    for form in ("table", "csv", "json", "html"):
        shown = run(report, config, "--format", form)
        assert shown.exit_code == 0, shown.output
        assert "Not a certified filing." in shown.stdout
        assert "XNAS" in shown.stdout
        file = tmp_path / f"report.{form}"
        written = run(report, config, "--format", form, "--output", str(file))
        assert (written.exit_code, written.stdout) == (0, ""), written.output
        assert file.read_text() == shown.stdout
    assert file.read_text().count("data:image/png;base64,") == 1
    assert "http" not in file.read_text().split("data:image")[0]


def test_csv_and_json_have_the_same_numbers(tmp_path: Path) -> None:
    config = example().write(tmp_path)
    first, *lines = run("execution-quality", config, "--format", "csv").stdout.splitlines()
    assert first.startswith("# ")
    told_csv = list(csv.DictReader(io.StringIO("\n".join(lines))))
    told_json = rows_of(run("execution-quality", config, "--format", "json"))
    assert told_csv == [{k: "" if v is None else str(v) for k, v in row.items()} for row in told_json]
    assert {name for columns in THEMES.values() for name in columns} <= set(told_csv[0])
    assert [row["name"] for row in told_csv] == ["all", "XNAS", "ALICE", "marketable limit"]
    assert [told_csv[0][name] for name in ("effective_spread", "eq_pct")] == ["0.02", "50.00"]


def test_which_orders_and_rows(tmp_path: Path) -> None:
    tape = routed()
    tape.order(9, BUY, 1, client="BOB")
    config = tape.write(tmp_path)

    def orders(*words: str) -> list[tuple[str, int]]:
        rows = rows_of(run("execution-quality", config, "--format", "json", *words))
        return [(row["name"], row["orders"]) for row in rows]

    assert orders("--by", "client") == [("all", 6), ("ALICE", 5), ("BOB", 1)]
    assert orders("--by", "client", "--by", "client", "--client", "BOB") == [("all", 1), ("BOB", 1)]
    assert orders("--by", "type", "--day", "2026-09-30") == [("all", 1), ("market", 1)]
    assert orders("--by", "client", "--from", "2026-10-01", "--client", "ALICE") == [("all", 4), ("ALICE", 4)]
    assert orders("--by", "client", "--to", "2026-09-30") == [("all", 1), ("ALICE", 1)]
    assert orders("--by", "algorithm") == [("all", 6), ("at once", 6)]
    assert orders("--symbol", "MSFT") == []
    assert orders("--day", "2026-01-01") == []
    assert orders("--client", "ALICE", "--by", "exchange") == [("all", 5), ("XNAS", 3), ("XNYS", 2)]


def test_orders_that_are_worked_over_time_are_told_by_their_algorithm() -> None:
    tape = Tape()
    tape.quote(0.5, 14_990, 15_010)
    tape.order(1, BUY, 100, instructions=Instructions(strategy=Strategy("twap", 0, 60 * SECOND)))
    tape.order(2, BUY, 100, instructions=Instructions(strategy=Strategy("vwap", 0, 60 * SECOND)))
    tape.order(3, BUY, 100)
    rows = tape.rows("algorithm")
    assert {name: row["shares"] for name, row in rows.items()} == {
        "all": "300",
        "at once": "100",
        "twap": "100",
        "vwap": "100",
    }


def test_a_report_is_of_all_shards_whose_journals_are_named(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    config = routed().write(here)
    routed(shard=3).write(there)
    alone = rows_of(run("order-routing", config, "--format", "json"))
    both = rows_of(run("order-routing", config, "--format", "json", "--with", str(there / "data")))
    assert [row["routed"] for row in both] == [2 * row["routed"] for row in alone]
    assert [(row["net"], row["net_per_100"]) for row in both][:1] == [("-0.60", alone[0]["net_per_100"])]
    rows = rows_of(run("execution-quality", config, "--format", "json", "--with", str(there / "data" / "journal")))
    assert rows[0]["orders"] == 10
    twice = run("execution-quality", config, "--with", str(here / "data"))
    assert twice.exit_code == 1
    assert "both are of one shard; name each once" in twice.output
    nothing = run("execution-quality", config, "--with", str(tmp_path))
    assert (nothing.exit_code, "there is no journal here" in nothing.output) == (1, True)


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["--client", "NOBODY"], 1, "there is no client 'NOBODY'; it has ALICE"),
        (["--symbol", "APPL"], 1, "there is no symbol 'APPL'; it has AAPL, MSFT"),
        (["--day", "yesterday"], 2, "does not match the format"),
        (["--day", "2026-01-01", "--to", "2026-01-02"], 2, "--day is one day"),
        (["--from", "2026-01-03", "--to", "2026-01-02"], 2, "--from is after --to"),
        (["--output", "/nowhere/report"], 1, "/nowhere/report"),
    ],
)
def test_what_is_asked_for_wrongly_is_told_to_people(
    words: list[str], code: int, expected: str, tmp_path: Path
) -> None:
    result = run("execution-quality", example().write(tmp_path), "--format", "json", *words)
    assert result.exit_code == code
    assert expected in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("report", ["execution-quality", "order-routing"])
@pytest.mark.parametrize("form", ["table", "csv", "json", "html"])
def test_an_empty_journal(report: str, form: str, tmp_path: Path) -> None:
    result = run(report, config_in(tmp_path), "--format", form)
    assert result.exit_code == 0, result.output
    assert "Not a certified filing." in result.stdout
    assert ("no orders" in result.stdout.lower()) == (form in ("table", "html"))
    unknown = run(report, config_in(tmp_path), "--client", "ALICE")
    assert (unknown.exit_code, "it is empty" in unknown.output) == (1, True)


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    config = example().write(tmp_path)
    segment = next((tmp_path / "data" / "journal").glob("*.journal"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)
    result = run("execution-quality", config)
    assert result.exit_code == 1
    assert "is damaged" in result.output


def test_without_matplotlib_the_page_has_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise plots.NoPlots("plots need matplotlib: pip install 'brokerfix[plots]'")

    monkeypatch.setattr(plots, "drawing", missing)
    result = run("execution-quality", example().write(tmp_path), "--format", "html")
    assert result.exit_code == 0
    assert "data:image" not in result.stdout
    assert "pip install 'brokerfix[plots]'" in result.stderr
    assert "<td>50.00</td>" in result.stdout


def test_names_on_the_page_are_escaped(tmp_path: Path) -> None:
    tape = Tape()
    tape.order(1, BUY, 1, client="<b>&")
    assert "&lt;b&gt;&amp;" in run("execution-quality", tape.write(tmp_path), "--format", "html").stdout


def replaced(facts: Iterable[f.Fact], kind: type[f.Fact], **values: Any) -> list[f.Fact]:
    return [msgspec.structs.replace(fact, **values) if isinstance(fact, kind) else fact for fact in facts]


def test_fractions_of_a_share_and_other_digits() -> None:
    """Half a share of an instrument with three decimals: the same ticks are a tenth of the price."""
    tape = example()
    tape.facts = replaced(
        tape.facts, f.InstrumentDefined, instrument=Instrument("AAPL", 3, 2, 1, 1, "at-or-better", "venue")
    )
    row = tape.all()
    assert told(row, "shares", "effective_spread", "improvement") == ["1", "0.002", "0.001"]
    assert told(row, "midpoint", "eq_pct", "exchange_fees") == ["1.002", "50.00", "0.003"]
