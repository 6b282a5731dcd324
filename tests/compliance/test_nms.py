"""Rules 605 and 606: a quarter whose numbers are worked out by hand, the schema's structure, and who is left out."""

import csv
import io
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import msgspec
import pytest

from brokerfix import facts as f
from brokerfix.compliance import rule606, rule606_customer
from brokerfix.compliance.rule605 import write_month
from brokerfix.compliance.rule606 import quarter_of, write_public
from brokerfix.compliance.rule606_customer import NoCustomer, first_day, write_customer
from brokerfix.compliance.rule606_fields import wrong
from brokerfix.domain import (
    ExecInst,
    Instructions,
    Instrument,
    Maker,
    OptionTerms,
    OrdStatus,
    OrdType,
    Strategy,
    TimeInForce,
)
from brokerfix.settings.load import load
from brokerfix.settings.sections import Config
from tests.compliance.tape import BUY, DAY, SELL, Tape

IOC = {"time_in_force": TimeInForce.IOC}
WORKED = Instructions(strategy=Strategy("twap"))


def quarter() -> Tape:
    """November: one market order of 200 swept over two exchanges, a marketable limit order in our book, one that is not
    marketable, one that is directed, one that is worked, and a quote of a market maker of ours."""
    tape = Tape()
    tape.quote(0, 149_90, 150_10)
    market = tape.order(1, "ALICE", BUY, 200, 0)
    first, second = tape.route(1, market, 100, 150_10, **IOC), tape.route(1, market, 100, 150_12, "XLON", **IOC)
    tape.fill(2, first, 100, 150_08)
    tape.fill(13, second, 100, 150_10)
    resting = tape.order(20, "BOB", SELL, 600, 150_10)
    tape.add(20, f.OrderBooked, resting, 600)
    tape.trade(21, resting, tape.order(21, "ALICE", BUY, 100, 150_10, cl_ord_id="C2"), 100, 150_10)
    directed = tape.order(30, "ALICE", BUY, 100, 150_10, ex_destination="XNAS", cl_ord_id="C3")
    tape.fill(30.5, tape.route(30, directed, 100, 150_10), 100, 150_10)
    worked = tape.order(40, "BOB", BUY, 300, 150_10, instructions=WORKED, cl_ord_id="B2")
    waits = tape.route(40, worked, 200, 149_90)
    tape.fill(42, waits, 100, 149_90, liquidity="1")
    tape.end(44, waits, OrdStatus.CANCELED)
    tape.fill(45, tape.route(45, worked, 100, 150_10, **IOC), 100, 150_10)
    tape.quote(400, 150_00, 150_20)
    tape.quote(900, 150_00, 150_20)
    return tape


def loaded(tape: Tape, folder: Path, more: str = "") -> Config:
    config = tape.write(folder)
    config.write_text(config.read_text() + more)
    return load(config)


def public(folder: Path, tape: Tape, more: str = "") -> tuple[Xml.Element, dict[str, Any]]:
    (file, _), told = write_public(folder / "out", loaded(tape, folder, more), DAY)
    assert "notcertified" in file.name
    assert "Not certified" in file.read_text()
    return Xml.parse(file).getroot(), told


def texts(parent: Xml.Element) -> dict[str, str]:
    return {child.tag: child.text or "" for child in parent if not len(child)}


def test_the_public_report(tmp_path: Path) -> None:
    root, told = public(tmp_path, quarter())
    assert told["orders"] == {"held, in the report": 4, "not held": 1}
    assert (told["accepted"], told["differences"]) == (5, [])
    assert [*wrong(root)] == []
    head = texts(root)
    assert head == {"version": "1.3", "bd": "Broker LLC", "year": "2026", "qtr": "4"}
    months = [(texts(month)["mon"], [part.tag for part in month][2:]) for month in root.findall("rMonthly")]
    assert months == [("10", []), ("11", ["rOtherStocks"])]
    stocks = root.findall("rMonthly")[1].find("rOtherStocks")
    assert stocks is not None
    # Of 4 held orders one is directed; of the rest one is a market order, and the limit orders meet the offer.
    assert texts(stocks) == {
        "ndoPct": "75.00", "ndoMarketPct": "33.33", "ndoMarketableLimitPct": "33.33", "ndoNonmarketableLimitPct":
        "33.33", "ndoOtherPct": "0.00",
    }  # fmt: skip


def test_its_venues(tmp_path: Path) -> None:
    root, _ = public(tmp_path, quarter())
    venues = {texts(venue)["name"]: texts(venue) for venue in root.iter("rVenue")}
    assert [*venues] == ["Broker LLC", "XLON", "Nasdaq"]
    # The market order took 100 at Nasdaq for 0.003 each: 0.30 paid, which is 30 cents for a hundred shares.
    assert venues["Nasdaq"] == {
        "name": "Nasdaq", "mic": "XNAS", "orderPct": "33.33", "marketPct": "100.00", "marketableLimitPct": "0.00",
        "nonMarketableLimitPct": "0.00", "otherPct": "", "netPmtPaidRecvMarketOrdersUsd": "-0.30",
        "netPmtPaidRecvMarketOrdersCph": "-30.0000", "netPmtPaidRecvMarketableLimitOrdersUsd": "",
        "netPmtPaidRecvMarketableLimitOrdersCph": "", "netPmtPaidRecvNonMarketableLimitOrdersUsd": "",
        "netPmtPaidRecvNonMarketableLimitOrdersCph": "", "netPmtPaidRecvOtherOrdersUsd": "",
        "netPmtPaidRecvOtherOrdersCph": "", "materialAspects": "",
    }  # fmt: skip
    own = venues["Broker LLC"]
    assert (own["mic"], own["marketableLimitPct"], own["nonMarketableLimitPct"]) == ("BRKX", "100.00", "100.00")
    assert own["netPmtPaidRecvMarketableLimitOrdersUsd"] == "0.00"


def test_sections_and_whose_orders_count(tmp_path: Path) -> None:
    group = '[symbol_groups.SPX]\nsymbols = ["AAPL"]\n'
    config = loaded(quarter(), tmp_path, group)
    text = (tmp_path / "broker.toml").read_text().replace('clock = "member"', 'clock = "member"\nsp500 = "SPX"')
    text = text.replace('fdid = "F-BOB"\nholder = "A"', 'fdid = "F-BOB"\nholder = "P"')
    (tmp_path / "broker.toml").write_text(text)
    (file, _), told = write_public(tmp_path, load(config.path), DAY)
    assert told["orders"] == {"held, in the report": 3, "the firm's own": 2}
    assert told["problems"] == []
    assert Xml.parse(file).getroot().find(".//rSP500") is not None


def test_a_maker_of_then_is_no_customer(tmp_path: Path) -> None:
    tape = Tape()
    tape.add(0, f.MakerDefined, maker=Maker("BOB", "BOB"))
    tape.order(1, "BOB", BUY, 100, 150_00)
    assert public(tmp_path, tape)[1]["orders"] == {"the firm's own": 1}


def test_a_month_that_began_the_evening_before(tmp_path: Path) -> None:
    tape = Tape()
    tape.on(20261201)
    tape.order(0, "BOB", BUY, 100, 150_00)
    root, _ = public(tmp_path, tape)
    assert [texts(month)["mon"] for month in root.findall("rMonthly")] == ["10", "11", "12"]


def test_the_same_journal_gives_the_same_file_at_another_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = loaded(quarter(), tmp_path)

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Later":
            return cls(2099, 1, 1, tzinfo=tz)

    def made(folder: Path) -> list[bytes]:
        paths = [*write_public(folder, config, DAY)[0], *write_customer(folder, config, "BOB", DAY)[0]]
        return [path.read_bytes() for path in paths]

    first = made(tmp_path / "a")
    for module in (rule606, rule606_customer):
        monkeypatch.setattr(module, "datetime", Later, raising=False)
    assert made(tmp_path / "b") == first


def test_quarters_and_half_years() -> None:
    assert quarter_of(20261123) == (2026, 4, 20261001, 20261231)
    assert quarter_of(20260131) == (2026, 1, 20260101, 20260331)
    assert (first_day(20261123), first_day(20260315)) == (20260601, 20251001)


def test_a_customers_report(tmp_path: Path) -> None:
    (file, _), told = write_customer(tmp_path, loaded(quarter(), tmp_path), "BOB", DAY)
    root = Xml.parse(file).getroot()
    assert [*wrong(root)] == []
    assert told["orders"] == {"held": 1, "not held, in the report": 1}
    assert (texts(root)["customer"], texts(root)["startDate"], texts(root)["endDate"]) == (
        "BOB", "2026-06-01", "2026-11-23",
    )  # fmt: skip
    month = root.find("hNondirected/hMonthly")
    assert month is not None
    assert texts(month)["sentShr"] == "300"
    (venue,) = [texts(found) for found in root.iter("iVenue")]
    # 100 posted at the bid for a rebate of 0.002, 100 taken at the offer for 0.003; 300 were routed.
    assert venue == {
        "venueName": "Nasdaq", "mic": "XNAS", "routedShr": "300", "iocRoutedShr": "100", "furtherRoutableShr": "",
        "orderSizeShr": "150", "executedShr": "200", "filledPct": "66.67", "fillSizeShr": "100",
        "netFeeOrRebateCph": "-5.0000", "midpointShr": "0", "midpointPct": "0.00", "nearsideShr": "100",
        "nearsidePct": "50.00", "farsideShr": "100", "farsidePct": "50.00", "providedLiqudityShr": "100",
        "providedLiquidityPct": "50.00", "orderDurationMsec": "4000", "providedLiquidityNetCph": "20.0000",
        "removedLiquidityShr": "100", "removedLiquidityPct": "50.00", "removedLiquidityNetCph": "-30.0000",
    }  # fmt: skip


def test_a_customer_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoCustomer, match="'NOBODY'"):
        write_customer(tmp_path, loaded(quarter(), tmp_path), "NOBODY", DAY)


def test_names_that_are_no_file_names_and_no_xml(tmp_path: Path) -> None:
    tape = Tape()
    tape.order(1, "DESK/1", BUY, 100, 150_00, account="BOB")
    config = loaded(tape, tmp_path)
    compliance = msgspec.structs.replace(config.compliance, broker="A <&> \x01 B")
    config = msgspec.structs.replace(config, compliance=compliance)
    (file, _), _ = write_customer(tmp_path / "out", config, "DESK/1", DAY)
    assert file.name == f"606b3-DESK%2F1-{DAY}-notcertified.xml"
    assert texts(Xml.parse(file).getroot())["bd"] == "A <&> \ufffd B"


def test_fills_against_the_firm_are_as_principal(tmp_path: Path) -> None:
    tape = Tape()
    tape.quote(0, 149_90, 150_10)
    maker = tape.order(1, "BOB", SELL, 100, 150_00)
    tape.trade(2, maker, tape.order(2, "ALICE", BUY, 40, 150_00, instructions=Instructions(manual=True)), 40, 150_00)
    config = loaded(tape, tmp_path)
    config.path.write_text(config.path.read_text().replace('fdid = "F-BOB"\nholder = "A"', 'holder = "O"'))
    (file, _), _ = write_customer(tmp_path, load(config.path), "ALICE", DAY)
    root = Xml.parse(file).getroot()
    month = root.find("hNondirected/hMonthly")
    assert month is not None
    assert texts(month)["executedAsPrincipalShr"] == "40"
    (venue,) = [texts(found) for found in root.iter("iVenue")]
    assert (venue["venueName"], venue["executedShr"], venue["midpointPct"]) == ("Broker LLC", "40", "100.00")


def document(text: str) -> list[str]:
    return [why for _, why in wrong(Xml.fromstring(text))]


def test_what_is_not_as_the_schema_has_it() -> None:
    bad = "<heldOrderRoutingPublicReport><version>1.3</version><bd/><qtr>5</qtr><year>2026</year><x/>"
    found = document(bad + "<rMonthly><year>26</year><mon>13</mon></rMonthly></heldOrderRoutingPublicReport>")
    assert "does not belong into heldOrderRoutingPublicReport" in found
    assert "has its elements in another order" in found
    assert "is empty" in found
    assert {"is not as it should be: 5", "is not as it should be: 26", "is not as it should be: 13"} <= {*found}
    assert "stands 0 times in heldOrderRoutingPublicReport" in document(
        "<heldOrderRoutingPublicReport><version>1.3</version></heldOrderRoutingPublicReport>"
    )
    assert "has no name and no mic" in document("<rVenue/>")
    twice = "<rVenue><mic>XNAS</mic></rVenue>" * 2
    assert "is that of several venues" in document(f"<rVenues>{twice}</rVenues>")


def rows(folder: Path, tape: Tape) -> tuple[list[dict[str, str]], dict[str, Any]]:
    (file, _), told = write_month(folder / "out", loaded(tape, folder), DAY)
    return [*csv.DictReader(io.StringIO(file.read_text()))], told


def test_execution_quality_of_the_month(tmp_path: Path) -> None:
    found, told = rows(tmp_path, quarter())
    assert told["orders"] == {"covered, in the report": 4, "not held": 1}
    assert (told["accepted"], told["differences"]) == (5, [])
    kinds = [(row["order_type"], row["size"], row["orders"], row["shares"]) for row in found]
    # The two marketable limit orders are one row; the one that waits is at the offer.
    assert kinds == [("11", "21", "1", "200"), ("12", "21", "2", "200"), ("14", "22", "1", "600")]
    # 100 at 150.08 after a second and 100 at 150.10 after twelve, with the mid at 150.00 then and five minutes later:
    # spreads of 0.16 and 0.20.
    market = found[0]
    assert {name: market[name] for name in market if name not in ("market_center", "month", "symbol")} == {
        "order_type": "11", "order_type_name": "market", "size": "21", "size_name": "100-499", "orders": "1",
        "shares": "200", "canceled_shares": "0", "executed_here_shares": "0", "executed_away_shares": "200",
        "shares_0_9s": "100", "shares_10_29s": "100", "shares_30_59s": "0", "shares_60_299s": "0",
        "shares_5_30min": "0", "realised_spread": "0.18", "effective_spread": "0.18", "improved_shares": "100",
        "improved_per_share": "0.02", "improved_seconds": "1.00", "at_quote_shares": "100", "at_quote_seconds": "12.00",
        "outside_shares": "0", "outside_per_share": "", "outside_seconds": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"price": 0, "qty": 99}, "below 100 shares"),
        ({"instructions": Instructions(min_qty=10)}, "all or none, or a minimum quantity"),
        ({"instructions": Instructions(exec_inst=(ExecInst.ALL_OR_NONE,))}, "all or none, or a minimum quantity"),
        ({"ord_type": OrdType.STOP, "instructions": Instructions(stop_px=1)}, "stop: no kind of the rule"),
        ({"time_in_force": TimeInForce.OPENING}, "other: no kind of the rule"),
        ({"price": 100_00}, "non-marketable limit: no kind of the rule"),
        ({"price": 150_10, "time_in_force": TimeInForce.FOK}, "fill or kill"),
        ({"symbol": "AAPL-C"}, "of an option"),
        ({"symbol": "VOD"}, "not in US dollars"),
        ({"symbol": "GONE"}, "of an instrument from before the journal"),
    ],
)
def test_who_is_not_covered(tmp_path: Path, more: dict[str, Any], why: str) -> None:
    tape = Tape()
    tape.quote(0, 149_90, 150_10)
    option = Instrument("AAPL-C", 2, 0, 1, 1, "never", "venue", option=OptionTerms("call", "AAPL", "150"))
    for instrument in (option, Instrument("VOD", 2, 0, 1, 1, "never", "venue", currency="GBP")):
        tape.add(0, f.InstrumentDefined, instrument=instrument)
    values = {"client": "ALICE", "side": BUY, "qty": 100, "price": 150_00, **more}
    tape.order(1, **values)
    assert rows(tmp_path, tape)[1]["orders"] == {why: 1}


def test_what_a_replace_takes_away_is_canceled(tmp_path: Path) -> None:
    tape = Tape()
    tape.quote(0, 149_90, 150_10)
    for number, (qty, filled) in enumerate(((150, 150), (400, 300))):
        order = tape.order(number, "ALICE", BUY, 200, 150_00, cl_ord_id=f"C{number}")
        tape.add(
            number + 0.1, f.OrderReplaced, order_id=order, cl_ord_id=f"R{number}", qty=qty, price=150_00,
            risk_price=150_00,
        )  # fmt: skip
        tape.fill(number + 0.2, tape.route(number + 0.1, order, qty, 150_00), filled, 150_00)
        if filled < qty:
            tape.add(number + 0.3, f.OrderCanceled, order, "")
    ((row,), _) = rows(tmp_path, tape)
    names = ("shares", "canceled_shares", "executed_away_shares")
    assert [row[name] for name in names] == ["600", "150", "450"]


def test_without_a_quote_nothing_is_covered(tmp_path: Path) -> None:
    tape = Tape()
    tape.order(1, "ALICE", BUY, 100, 150_00)
    found, told = rows(tmp_path, tape)
    assert (found, told["orders"]) == ([], {"no quote at receipt": 1})
