"""A small day, written by hand: Monday 2026-11-23, times are seconds after 09:30 in New York (14:30 UTC)."""

from itertools import count
from pathlib import Path
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import (
    ClientOptions,
    CxlRejReason,
    Hold,
    Instructions,
    Instrument,
    OrderTags,
    OrdRejReason,
    OrdStatus,
    OrdType,
    Request,
    RouteRule,
    Side,
    TimeInForce,
    Venue,
    first_of_day,
)
from brokerfix.record.journal import Journal

DAY = 20261123
BEGIN = 1_795_444_200 * 10**9
BUY, SELL = Side.BUY, Side.SELL
SETTINGS = """
[broker]
name = "BROKER"
port = 9876
data = "data"
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
reference = "150.00"
[accounts.ALICE]
cash = "1000000"
[accounts.BOB]
cash = "1000000"
[accounts.DEALER]
cash = "1000000"
[clients.ALICE]
accounts = ["ALICE"]
[clients.BOB]
accounts = ["BOB"]
[clients.DEALER]
accounts = ["DEALER"]
[venues.XNAS]
host = "127.0.0.1"
port = 9001
sender = "BROKER"
target = "XNAS"
[venues.XLON]
host = "127.0.0.1"
port = 9002
sender = "BROKER"
target = "XLON"
"""
COMPLIANCE = """
[compliance]
broker = "Broker LLC"
imid = "BRKR"
submitter = "9999"
crd = "123"
lei = "BROKERLEI00000000010"
country = "US"
mic = "BRKX"
currency = "USD"
dept_type = "A"
trading_session = "REG"
manual_desk = "T"
market_center = "BRKR"
mifid_firm = true
unsolicited = true
entered_at_once = true
executing = "NORE"
clock = "member"
[compliance.venues.XNAS]
cat = "NSDQ"
cat_type = "E"
session = "S1"
mic = "XNAS"
name = "Nasdaq"
lei = "NASDAQLEI00000000010"
[compliance.venues.XLON]
cat = "LSEX"
cat_type = "N"
foreign = true
mic = "XLON"
lei = "LONDONLEI00000000010"
[compliance.accounts.ALICE]
fdid = "F-ALICE"
holder = "I"
large_trader = "12345678-0001"
person = "GB19800101ALICESMITH"
person_scheme = "CONCAT"
first_name = "ALICE"
surname = "SMITH"
born = "1980-01-01"
country = "GB"
[compliance.accounts.BOB]
fdid = "F-BOB"
holder = "A"
lei = "BOBBOBLEI00000000010"
[compliance.accounts.DEALER]
lei = "DEALERLEI00000000010"
[compliance.clients.DEALER]
imid = "DEAL"
crd = "456"
sender_type = "F"
lei = "DEALERLEI00000000010"
[compliance.instruments.AAPL]
isin = "US0378331005"
"""
"""What the firm knows of itself, its clients and exchanges, all of it made up."""


class Tape:
    """Facts in their order."""

    def __init__(self, day: int = DAY) -> None:
        self.facts: list[f.Fact] = []
        self.day = day
        self.ids = count(first_of_day(day, 0) + 1)
        self.add(0, f.InstrumentDefined, instrument=Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "venue"))
        for client in ("ALICE", "BOB", "DEALER"):
            self.add(0, f.ClientDefined, client=client, accounts=(client,), max_rate=0, options=ClientOptions())
        for venue in ("XNAS", "XLON"):
            self.add(0, f.VenueDefined, venue=Venue(venue, taker_fee="0.003", maker_fee="-0.002"))

    def on(self, day: int) -> None:
        """What follows is of another trading day."""
        self.day, self.ids = day, count(first_of_day(day, 0) + 1)

    def add(self, at: float, kind: Any, *values: Any, **more: Any) -> int:
        number = next(self.ids)
        self.facts.append(kind(BEGIN + round(at * 10**9), number, *values, **more))
        return number

    def order(self, at: float, client: str, side: Side, qty: int, price: int, **more: Any) -> int:
        known: dict[str, Any] = {
            "cl_ord_id": "C1", "account": client, "symbol": "AAPL", "risk_price": price,
            "ord_type": OrdType.LIMIT if price else OrdType.MARKET, "time_in_force": TimeInForce.DAY,
        }  # fmt: skip
        return self.add(at, f.OrderAccepted, client=client, side=side, qty=qty, price=price, **known | more)

    def quote(self, at: float, bid: int, ask: int, qty: int = 500, venue: str = "XNAS") -> None:
        sides = ((bid, qty, venue),), ((ask, qty, venue),)
        self.add(at, f.Quoted, symbol="AAPL", bids=sides[0], asks=sides[1], last=None, mark=0)

    def route(self, at: float, order: int, qty: int, price: int, venue: str = "XNAS", **more: Any) -> int:
        known: dict[str, Any] = {"ord_type": OrdType.LIMIT, "time_in_force": TimeInForce.DAY}
        why = RouteRule.BEST_PRICE
        return self.add(
            at, f.OrderRouted, order_id=order, venue=venue, qty=qty, price=price, why=why, **known | more
        )  # fmt: skip

    def fill(self, at: float, child: int, qty: int, price: int, liquidity: str = "2") -> int:
        return self.add(
            at, f.ChildFilled, child_id=child, venue_exec_id=f"X{at}", qty=qty, price=price, liquidity=liquidity
        )

    def end(self, at: float, child: int, status: OrdStatus = OrdStatus.FILLED) -> int:
        return self.add(at, f.ChildEnded, child, f"E{at}", status, "")

    def trade(self, at: float, maker: int, taker: int, qty: int, price: int) -> int:
        next(self.ids)
        return self.add(at, f.Trade, maker, taker, qty, price)

    def corrected(self, at: float, exec_id: int, qty: int, price: int) -> int:
        return self.add(
            at, f.TradeCorrected, exec_id=exec_id, ref_id=exec_id, venue_exec_id="", qty=qty, price=price,
            operator="carol",
        )  # fmt: skip

    def busted(self, at: float, exec_id: int) -> int:
        return self.add(
            at, f.TradeBusted, exec_id=exec_id, ref_id=exec_id, venue_exec_id="", reinstated=False, operator="carol"
        )

    def write(self, folder: Path) -> Path:
        """A journal with the facts, and a configuration. Returns the configuration."""
        folder.mkdir(exist_ok=True)
        journal = Journal(folder / "data" / "journal")
        journal.open(self.day)
        journal.append(self.facts)
        journal.close()
        config = folder / "broker.toml"
        config.write_text(SETTINGS + COMPLIANCE)
        return config


def small_day() -> Tape:
    """Some of everything that an order may come to."""
    tape = Tape()
    # A person buys 100 at once: 60 from Nasdaq, 40 from London.
    swept = tape.order(1, "ALICE", BUY, 100, 150_02, time_in_force=TimeInForce.IOC, capacity="A")
    at_once = {"time_in_force": TimeInForce.IOC}
    nasdaq, london = tape.route(1, swept, 60, 150_00, **at_once), tape.route(1, swept, 40, 150_01, "XLON", **at_once)
    tape.fill(1.001, nasdaq, 60, 149_99)
    abroad = tape.fill(1.002, london, 40, 150_01)
    tape.end(1.002, nasdaq)
    # A dealer sells short; it rests in our book, and an operator enters a client's order that meets it.
    short = tape.order(
        10, "DEALER", SELL, 200, 150_10, cl_ord_id="D1", tags=OrderTags(short_sale="5", locate="N"), capacity="P"
    )  # fmt: skip
    tape.add(10, f.OrderBooked, short, 200)
    phoned = tape.order(20.5, "BOB", BUY, 50, 150_10, cl_ord_id="", operator="carol", capacity="A")
    trade = tape.trade(20.5, short, phoned, 50, 150_10)
    # The dealer takes less of it, asks for something that can't be, and takes the rest back.
    tape.add(30, f.OrderReplaced, order_id=short, cl_ord_id="D2", qty=150, price=150_10, risk_price=150_10)
    tape.add(
        31, f.RequestRejected, client="DEALER", order_id=short, cl_ord_id="D3", orig_cl_ord_id="D2",
        response_to=Request.CANCEL, reason=CxlRejReason.OTHER, text="",
    )  # fmt: skip
    tape.add(32, f.CancelPending, order_id=short, cl_ord_id="D4")
    tape.add(32.001, f.OrderCanceled, short, "D4")
    # A stop is held, reached, and refused by the exchange.
    stop = tape.order(
        40, "ALICE", SELL, 30, 0, ord_type=OrdType.STOP, cl_ord_id="C2", instructions=Instructions(stop_px=149_00)
    )  # fmt: skip
    tape.add(40, f.OrderHeld, stop, 30, Hold.STOP)
    tape.add(41, f.OrderReleased, stop, Hold.STOP, 149_00)
    child = tape.route(41, stop, 30, 0, ord_type=OrdType.MARKET)
    tape.end(41.001, child, OrdStatus.REJECTED)
    tape.add(41.001, f.OrderRefused, stop, OrdRejReason.OTHER, "closed")
    # One waits at the exchange, is moved there, once in vain, and ends with the day.
    waits = tape.order(50, "ALICE", BUY, 10, 149_00, cl_ord_id="C3")
    child = tape.route(50, waits, 10, 149_00)
    tape.add(
        51, f.ReplacePending, order_id=waits, cl_ord_id="C4", qty=10, price=149_05, risk_price=149_05
    )  # fmt: skip
    moved = tape.add(51, f.ChildReplaceSent, child, 10, 149_05)
    tape.add(51.001, f.ChildReplaced, child, moved, "R1", 10, 149_05)
    tape.add(51.001, f.OrderReplaced, order_id=waits, cl_ord_id="C4", qty=10, price=149_05, risk_price=149_05)
    tape.add(52, f.ChildReplaceSent, child, 10, 149_06)
    tape.add(52.001, f.ChildRequestRejected, child, "0", "too late")
    tape.add(53, f.ChildCancelSent, child)
    tape.end(53.001, child, OrdStatus.CANCELED)
    tape.add(54, f.OrderExpired, waits)
    tape.add(
        55, f.OrderRejected, client="BOB", cl_ord_id="B9", account="BOB", symbol="AAPL", side=BUY,
        ord_type=OrdType.LIMIT, time_in_force=TimeInForce.DAY, qty=1, price=1, reason=OrdRejReason.OTHER, text="",
    )  # fmt: skip
    # The trade in our book was at another price, and then it was none; the fill abroad was of less.
    for price in (150_08, 0):
        for exec_id in (trade - 1, trade):
            if price:
                tape.corrected(60, exec_id, 50, price)
            else:
                tape.busted(70, exec_id)
    tape.corrected(80, abroad, 30, 150_01)
    return tape
