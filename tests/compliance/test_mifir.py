"""Order records (RTS 24), transaction reports (RTS 22) and evidence of the clock (RTS 25)."""

from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import msgspec
import pytest

from brokerfix import facts as f
from brokerfix.compliance.clock import clock_of, step_of
from brokerfix.compliance.day import Walk
from brokerfix.compliance.events import COUNTED
from brokerfix.compliance.rts22 import DEALS, Rts22, write_rts22
from brokerfix.compliance.rts22_fields import wrong as wrong_report
from brokerfix.compliance.rts24 import Rts24, write_rts24
from brokerfix.compliance.rts24_fields import wrong as wrong_record
from brokerfix.domain import Hold, OrdType, OwnQuote, TimeInForce, day_of, id_text
from brokerfix.record.journal import Record
from brokerfix.settings.compliance import ComplianceSection
from brokerfix.settings.load import load
from tests.compliance.tape import BEGIN, BUY, DAY, SELL, Tape, small_day
from tests.scenario import SCENARIO_FILES, World, run_step
from tests.scenario import load as scenarios

NAME = "{urn:iso:std:iso:20022:tech:xsd:auth.016.001.01}"


def records(tape: Tape, section: ComplianceSection | None = None) -> Rts24:
    walk = Walk(tape.day)
    made = Rts24(section or ComplianceSection(), walk)
    for event in walk.apply(tape.facts):
        made.take(event)
    made.finish()
    return made


def reports(tape: Tape, folder: Path) -> tuple[Rts22, ComplianceSection]:
    section = load(tape.write(folder)).compliance
    walk = Walk(tape.day)
    made = Rts22(section, walk)
    for event in walk.apply(tape.facts):
        made.take(event)
    return made, section


def told(tape: Tape) -> list[str]:
    names = "21_event", "20_order_id", "33_order_status", "36_initial_quantity", "37_remaining_quantity"
    made = records(tape).records
    return [
        " ".join(str(record[name]) for name in names) + f" shown {record['38_displayed_quantity']}" for record in made
    ]


def test_the_records_of_a_small_day() -> None:
    assert told(small_day()) == [
        "NEWO 20261123-00-7 ACTI 100 100 shown 0",
        "NEWO 20261123-00-13 ACTI 200 200 shown 200",
        "NEWO 20261123-00-15 ACTI 50 50 shown 0",
        "PARF 20261123-00-13 ACTI 200 150 shown 150",
        "FILL 20261123-00-15 ACTI 50 0 shown 0",
        "REME 20261123-00-13 ACTI 150 100 shown 100",
        "CAME 20261123-00-13 INAC 150 0 shown 0",
        "NEWO 20261123-00-22 INAC 30 30 shown 0",
        "TRIG 20261123-00-22 ACTI 30 30 shown 0",
        "CAMO 20261123-00-22 INAC 30 0 shown 0",
        "NEWO 20261123-00-28 ACTI 10 10 shown 0",
        "REME 20261123-00-28 ACTI 10 10 shown 0",
        "EXPI 20261123-00-28 INAC 10 0 shown 0",
        "REMO 20261123-00-39 INAC 1 0 shown 0",
    ]


def test_a_record_in_full(tmp_path: Path) -> None:
    section = load(small_day().write(tmp_path)).compliance
    fill = records(small_day(), section).records[3]
    assert {name: str(value) for name, value in fill.items()} == {
        "01_submitting_entity": "DEALERLEI00000000010", "02_direct_electronic_access": "false",
        "03_client_id": "DEALERLEI00000000010", "07_trading_capacity": "DEAL", "08_liquidity_provision": "false",
        "09_date_and_time": "2026-11-23T14:30:20.500000Z", "10_validity_period": "DAVY",
        "13_priority_time": "2026-11-23T14:30:10.000000Z", "15_sequence_number": "4", "16_segment_mic": "BRKX",
        "17_order_book_code": "AAPL", "18_instrument": "US0378331005",
        "19_date_of_receipt": "2026-11-23T14:30:10.000000Z", "20_order_id": "20261123-00-13", "21_event": "PARF",
        "22_order_type": "limit", "23_order_type_classification": "LMTO", "24_limit_price": "150.10",
        "28_transaction_price": "150.10", "29_price_currency": "USD", "31_price_notation": "MONE",
        "32_buy_sell": "SELL", "33_order_status": "ACTI", "34_quantity_notation": "UNIT",
        "36_initial_quantity": "200", "37_remaining_quantity": "150", "38_displayed_quantity": "150",
        "39_traded_quantity": "50", "43_passive_only": "false", "44_passive_or_aggressive": "PASV",
        "48_transaction_id": "20261123-00-17",
    }  # fmt: skip
    assert [*wrong_record(fill)] == []
    assert ("28_transaction_price", "is of a fill, and every fill has it") in wrong_record({**fill, "21_event": "NEWO"})
    assert [*wrong_record({**fill, "18_instrument": "AAPL"})] == [("18_instrument", "is not an ISIN")]


def test_less_at_the_same_price_keeps_its_place_in_the_book() -> None:
    tape = Tape()
    order = tape.order(1, "ALICE", BUY, 10, 149_00)
    tape.add(1, f.OrderBooked, order, 10)

    def changed(at: float, kind: type[f.Fact], qty: int, price: int, **more: Any) -> None:
        tape.add(at, kind, order_id=order, qty=qty, price=price, **more)

    changed(2, f.OrderReplaced, 8, 149_00, cl_ord_id="C2", risk_price=149_00)
    changed(3, f.OrderRestated, 6, 149_00, reason="5")
    tape.add(4, f.OrderUnbooked, order)
    changed(4, f.OrderReplaced, 6, 149_01, cl_ord_id="C3", risk_price=149_01)
    tape.add(4, f.OrderBooked, order, 6)
    changed(5, f.QuoteMoved, 6, 149_01)
    tape.add(6, f.SplitApplied, "AAPL", 2, 1, "carol")
    changed(6, f.OrderRestated, 12, 74_50, reason="0", operator="carol")
    made = [f"{record['21_event']} {record['13_priority_time'][17:19]}" for record in records(tape).records]
    assert made == ["NEWO 01", "REME 01", "REMA 01", "REME 04", "REME 05", "REMH 05"]


def test_a_split_is_a_change_by_an_operator() -> None:
    tape = Tape()
    order = tape.order(1, "ALICE", BUY, 50, 150_00, time_in_force=TimeInForce.GTC)
    tape.add(2, f.SplitApplied, "AAPL", 2, 1, "carol")
    tape.add(2, f.OrderRestated, order_id=order, reason="0", qty=100, price=75_00, operator="carol")
    assert told(tape)[1:] == [f"REMH {id_text(order)} ACTI 100 100 shown 0"]


def test_an_account_of_the_firm_is_no_clients() -> None:
    tape = Tape()
    tape.order(1, "ALICE", BUY, 10, 149_00)
    accounts = {"ALICE": {"holder": "P", "lei": "BOBBOBLEI00000000010"}}
    (record,) = records(tape, msgspec.convert({"accounts": accounts}, ComplianceSection)).records
    names = "03_client_id", "07_trading_capacity", "08_liquidity_provision", "33_order_status"
    assert [record.get(name) for name in names] == [None, "DEAL", "false", "ACTI"]


def test_only_quotes_are_firm() -> None:
    tape = Tape()
    tape.order(1, "ALICE", BUY, 10, 149_00, own_quote=OwnQuote("Q1", "", "1"))
    tape.order(1, "ALICE", BUY, 10, 149_00)
    made = records(tape).records
    assert [record["33_order_status"] for record in made] == ["ACTI,FIRM", "ACTI"]
    assert not [one for record in made for one in wrong_record(record) if one[0] == "33_order_status"]


def test_holds_by_operators_and_priorities() -> None:
    tape = Tape()
    order = tape.order(1, "ALICE", BUY, 10, 149_00, time_in_force=TimeInForce.OPENING)
    tape.add(1, f.OrderHeld, order, 10, Hold.MANUAL)
    tape.add(2, f.OrderReleased, order, Hold.MANUAL, operator="carol")
    tape.add(3, f.OrderRestated, order_id=order, reason="4", qty=8, price=149_00, operator="carol")
    tape.add(4, f.OrderRestated, order_id=order, reason="1", qty=8, price=149_00)
    made = records(tape)
    names = "21_event", "33_order_status", "13_priority_time", "11_order_restriction"
    assert [[record.get(name) for name in names] for record in made.records] == [
        ["NEWO", "ACTI", "2026-11-23T14:30:01.000000Z", "VFAR"],
        ["CHMO", "INAC", "2026-11-23T14:30:01.000000Z", "VFAR"],
        ["CHMO", "ACTI", "2026-11-23T14:30:01.000000Z", "VFAR"],
        ["REMH", "ACTI", "2026-11-23T14:30:03.000000Z", "VFAR"],
    ]


@pytest.mark.parametrize("file", SCENARIO_FILES[::3], ids=lambda path: path.stem)
def test_scenarios_add_up(file: Path) -> None:
    """Every fact has its records or a reason, and every fill its report."""
    for scenario in scenarios(file):
        world = World(**scenario.settings)
        for step, _ in scenario.steps:
            run_step(world, step)
        for day in {day_of(fact.id) for fact in world.facts}:
            walk = Walk(day)
            kept, filed = Rts24(ComplianceSection(), walk), Rts22(ComplianceSection(), walk)
            for event in walk.apply(world.facts):
                kept.take(event)
                filed.take(event)
            kept.finish()
            of_day = [fact for fact in world.facts if day_of(fact.id) == day]
            kinds = Counter(type(fact) for fact in of_day)
            assert kept.ledger.differences({kind.__name__: kinds[kind] for kind in COUNTED}) == []
            assert filed.ledger.differences({kind.__name__: kinds[kind] for kind in DEALS}) == []
            events = Counter(record["21_event"] for record in kept.records)
            assert events["NEWO"] == kinds[f.OrderAccepted]
            assert events["PARF"] + events["FILL"] == 2 * kinds[f.Trade]
            new = [report for kind, report in filed.reports if kind == "New"]
            assert len(new) >= kinds[f.Trade] + kinds[f.ChildFilled]
            assert len({report["TxId"] for report in new}) == len(new)


def test_transactions_and_their_corrections(tmp_path: Path) -> None:
    made, _ = reports(small_day(), tmp_path)
    found = [(kind, report["TxId"][-2:], report.get("Tx/Pric/Pric/MntryVal/Amt")) for kind, report in made.reports]
    assert [(kind, number, str(price or "")) for kind, number, price in found] == [
        ("New", "10", "149.99"),
        ("New", "11", "150.01"),
        ("New", "17", "150.10"),
        ("Cxl", "17", ""),
        ("New", "40", "150.08"),
        ("Cxl", "40", ""),
        ("Cxl", "11", ""),
        ("New", "44", "150.01"),
    ]
    problems = {one for kind, report in made.reports for one in wrong_report(kind, report)}
    assert problems == {("Tx/TradgCpcty", "is missing")}
    # The dealer's and the client's capacity say different things of us.
    assert [report["TxId"][-2:] for kind, report in made.reports if [*wrong_report(kind, report)]] == ["17", "40"]


def text_of(parent: Xml.Element, path: str) -> str | None:
    found = parent.find("/".join(NAME + name for name in path.split("/")))
    return found.text if found is not None else None


def test_transactions_as_a_document(tmp_path: Path) -> None:
    config = load(small_day().write(tmp_path))
    (file, beside), _ = write_rts22(tmp_path, config.data / "journal", DAY, config.compliance, "xml")
    assert "notcertified" in file.name
    assert "notcertified" in beside.name
    assert "Not certified" in file.read_text()
    trade = Xml.parse(file).getroot()[0][2][0]
    assert [one.tag.removeprefix(NAME) for one in trade] == [
        "TxId", "ExctgPty", "InvstmtPtyInd", "SubmitgPty", "Buyr", "Sellr", "OrdrTrnsmssn", "Tx", "FinInstrm",
        "ExctgPrsn", "AddtlAttrbts",
    ]  # fmt: skip
    assert text_of(trade, "Buyr/AcctOwnr/Id/LEI") == "BOBBOBLEI00000000010"
    assert text_of(trade, "Sellr/AcctOwnr/Id/LEI") == "DEALERLEI00000000010"
    assert text_of(trade, "AddtlAttrbts/ShrtSellgInd") == "SESH"
    amount = trade.find(f".//{NAME}Amt")
    assert amount is not None
    assert (amount.text, amount.attrib) == ("150.10", {"Ccy": "USD"})


def test_a_makers_fill_is_a_deal_of_ours(tmp_path: Path) -> None:
    tape = Tape()
    maker = tape.order(1, "BOB", SELL, 10, 150_00)
    tape.trade(2, maker, tape.order(2, "ALICE", BUY, 10, 150_00), 10, 150_00)
    section = load(tape.write(tmp_path)).compliance
    walk = Walk(DAY)
    walk.makers.add("BOB")
    made = Rts22(section, walk)
    for event in walk.apply(tape.facts):
        made.take(event)
    ((_, report),) = made.reports
    names = "Sellr/AcctOwnr/Id/LEI", "Tx/TradgCpcty", "InvstmtDcsnPrsn/Algo", "ExctgPrsn/Algo"
    assert [report[name] for name in names] == ["BROKERLEI00000000010", "DEAL", "BOB", "BOB"]
    assert [*wrong_report("New", report)] == []


def clock(*checks: tuple[float, bool, int, int], tier: str = "member") -> list[dict[str, Any]]:
    tape = Tape()
    for at, synchronized, offset, error in checks:
        tape.add(at, f.ClockChecked, synchronized, offset, error)
        tape.order(at + 0.5001, "ALICE", BUY, 10, 0, ord_type=OrdType.MARKET)
    return clock_of([Record([fact]) for fact in tape.facts], DAY, tier).rows


def test_checks_of_the_clock() -> None:
    before, good, loose = clock((60, True, -20_000, 300_000), (120, True, 900_000, 200_000))
    assert before["checked"] == "none"
    assert good == {
        "checked": "2026-11-23T14:31:00.000000000Z", "until": "2026-11-23T14:31:00.500100000Z", "synchronized": True,
        "offset_ns": -20_000, "max_error_ns": 300_000, "divergence_ns": 320_000, "limit_ns": 1_000_000, "within": True,
        "records": 2, "facts": 2, "granularity_ns": 100_000, "granularity_limit_ns": 1_000_000, "fine_enough": True,
    }  # fmt: skip
    assert (loose["divergence_ns"], loose["within"]) == (1_100_000, False)


def test_a_clock_that_is_kept_with_none_is_not_within() -> None:
    assert [row.get("within") for row in clock((1, False, 0, 0), tier="venue-fast")] == [False, False]
    assert "limit_ns" not in clock((1, True, 0, 0), tier="")[1]


def test_the_step_of_a_time() -> None:
    assert [step_of(at) for at in (BEGIN, BEGIN + 1, BEGIN + 1000, BEGIN + 250_000_000)] == [10**9, 1, 1000, 10**7]


def test_files_of_records(tmp_path: Path) -> None:
    config = load(small_day().write(tmp_path))
    for form in ("json", "csv"):
        (file, _), sidecar = write_rts24(tmp_path, config.data / "journal", DAY, config.compliance, form)
        assert len(file.read_text().splitlines()) == 14 + (form == "csv")
        assert sidecar["differences"] == []
        assert sidecar["problems"] == [
            {"record": "order record", "field": "07_trading_capacity", "problem": "is missing", "records": 7}
        ]
