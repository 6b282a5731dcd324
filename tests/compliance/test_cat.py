"""CAT's events: a small day in full, corrections and repairs, formats, and chaotic days whose counts have to agree."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, settings

from brokerfix import facts as f
from brokerfix.compliance.cat import CORRECTED, NEW, REPAIRED, Cat
from brokerfix.compliance.cat_fields import OF_TYPE, wrong
from brokerfix.compliance.cat_files import BadRepairs, csv_row, read_repairs, write_cat
from brokerfix.compliance.day import Walk, count
from brokerfix.compliance.events import COUNTED
from brokerfix.domain import Hold, Instructions, OrdStatus, OrdType, Strategy, TimeInForce, day_of, id_text
from brokerfix.settings.compliance import ComplianceSection
from brokerfix.settings.load import load
from tests.compliance.tape import BEGIN, BUY, DAY, SELL, Tape, small_day
from tests.engine.test_invariants import BrokerMachine
from tests.scenario import SCENARIO_FILES, World, run_step
from tests.scenario import load as scenarios

Row = dict[str, Any]
SMALL_DAY = Path(__file__).parent / "small_day_cat.jsonl"


def made(tape: Tape, folder: Path, day: int = DAY, section: ComplianceSection | None = None) -> Cat:
    """A day's events; every fact is accounted for."""
    config = load(tape.write(folder))
    counted = count(config.data / "journal", day)
    walk = Walk(day, counted.changed)
    cat = Cat(section or config.compliance, walk)
    for event in walk.read(config.data / "journal"):
        cat.take(event)
    assert cat.ledger.differences(counted.facts) == []
    return cat


def written(tape: Tape, folder: Path, form: str, repairs: dict[str, int] | None = None) -> tuple[list[str], Row]:
    """The files of the day and what is told of them."""
    config = load(tape.write(folder))
    journal = config.data / "journal"
    paths, told = write_cat(folder / "out", journal, DAY, config.compliance, form, repairs or {})
    return [path.read_text() for path in paths[:-1]], told


def problems_of(cat: Cat) -> set[tuple[str, str, str]]:
    every = (record for part in (NEW, CORRECTED, REPAIRED) for record in cat.kept[part])
    return {(record["type"], *found) for record in every for found in wrong(record)}


def told(records: Iterable[Row], *names: str) -> list[list[Any]]:
    return [[record.get(name) for name in names] for record in records]


def test_a_small_day_in_full(tmp_path: Path) -> None:
    (new, corrected, marks), told = written(small_day(), tmp_path, "json")
    assert new + corrected == SMALL_DAY.read_text()
    assert {row["field"] for row in told["problems"]} == {"capacity", "tapeTradeID"}
    assert marks.splitlines()[:3] == [
        "order,account,side,large_trader,locate,capacity",
        "20261123-00-7,ALICE,B,12345678-0001,,A",
        "20261123-00-13,DEALER,SS,,N,P",
    ]


def test_every_fact_of_it_is_accounted_for(tmp_path: Path) -> None:
    tape = small_day()
    ledger = made(tape, tmp_path).ledger
    assert ledger.facts == Counter(type(fact).__name__ for fact in tape.facts if type(fact) in COUNTED)
    assert ledger.records["MENO"] + ledger.records["MEOA"] == ledger.facts["OrderAccepted"] == 5
    assert all(row.becomes or row.reason for row in ledger.rows)


def test_what_is_counted_otherwise_is_told(tmp_path: Path) -> None:
    ledger = made(small_day(), tmp_path).ledger
    counted = ledger.facts + Counter({"Trade": 1, "OrderHeld": 1})
    assert ledger.differences(counted) == [
        "OrderHeld: 1 accounted for, 2 in the journal",
        "Trade: 1 accounted for, 2 in the journal",
    ]


def test_a_trade_of_the_day_before_is_corrected_by_its_own_name(tmp_path: Path) -> None:
    tape = Tape()
    short, phoned = tape.order(1, "ALICE", SELL, 50, 150_00), tape.order(1, "BOB", BUY, 50, 150_00)
    trade = tape.trade(1, short, phoned, 50, 150_00)
    tape.on(20261124)
    tape.corrected(86_400, trade - 1, 40, 150_00)
    tape.corrected(86_400, trade, 40, 150_00)
    cat = made(tape, tmp_path, day=20261124)
    assert cat.kept[NEW] == []
    names = "actionType", "firmROEID", "eventTimestamp", "quantity", "cancelFlag"
    first = f"20261123_20261123-00-{trade % 10**9}"
    assert told(cat.kept[CORRECTED], *names) == [["COR", first, "20261123T093001.000000000", 40, False]]


def test_what_is_long_over_is_forgotten_but_for_what_is_taken_back(tmp_path: Path) -> None:
    tape = Tape()
    tape.add(0, f.DayRolled, DAY)
    short, phoned = tape.order(1, "ALICE", SELL, 50, 150_00), tape.order(1, "BOB", BUY, 50, 150_00)
    trade = tape.trade(1, short, phoned, 50, 150_00)
    waits = tape.order(2, "ALICE", BUY, 50, 140_00)
    child = tape.route(3, tape.order(3, "BOB", BUY, 10, 150_00), 10, 150_00)
    for day in (20261124, 20261125, 20261126):
        tape.on(day)
        tape.add(100_000, f.DayRolled, day)
    tape.add(
        100_001, f.FillReversed, client="BOB", account="BOB", symbol="AAPL", side=BUY, exec_id=trade, order_id=phoned,
        cl_ord_id="C1", order_qty=50, cum=50, qty=50, price=150_00, operator="carol",
    )  # fmt: skip
    tape.add(100_002, f.OrderCanceled, waits, "")
    tape.end(100_003, child, OrdStatus.CANCELED)
    cat = made(tape, tmp_path, day=20261126)
    assert {*cat.walk.orders} == {waits, cat.walk.children[child].order.order_id}
    names = "actionType", "cancelFlag", "quantity", "buyDetails"
    details = [{"orderKeyDate": "20261123T000000", "orderID": id_text(phoned), "side": "B"}]
    assert told(cat.kept[CORRECTED], *names) == [["COR", True, 50, details]]
    assert told(cat.kept[NEW], "type", "orderID") == [["MEOC", id_text(waits)]]


def test_an_exchanges_correction_is_its_own(tmp_path: Path) -> None:
    tape = Tape()
    order = tape.order(1, "ALICE", BUY, 50, 150_00)
    fill = tape.fill(2, tape.route(1, order, 50, 150_00), 50, 150_00)
    tape.busted(3, fill)
    tape.busted(4, 17)
    ledger = made(tape, tmp_path).ledger
    reasons = {row.reason for row in ledger.rows if row.fact == "TradeBusted"}
    assert reasons == {"executed by an exchange, which reports it", "of an order from before the journal"}


def test_repairs_have_the_error_and_replace_the_new_event(tmp_path: Path) -> None:
    file = tmp_path / "feedback.csv"
    file.write_text("\ufefferrorROEID,firmROEID\n77,20261123_20261123-00-7\n78,20261123_nothing\n")
    (new, _, repaired, _), told = written(small_day(), tmp_path, "json", read_repairs(file))
    assert [line[:46] for line in repaired.splitlines()] == ['{"actionType":"RPR","errorROEID":77,"firmROEID']
    assert '"firmROEID":"20261123_20261123-00-7"' in repaired
    assert '"firmROEID":"20261123_20261123-00-7"' not in new
    assert (told["new"], told["repaired"]) == (21, 1)
    why = "20261123_nothing is no event of the day"
    assert {"record": "repairs", "field": "firmROEID", "problem": why, "records": 1} in told["problems"]


@pytest.mark.parametrize("text", ["firmROEID\n1_1\n", "errorROEID,firmROEID\nx,1_1\n"])
def test_bad_repairs(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(BadRepairs, match="needs the columns"):
        read_repairs(tmp_path / "bad.csv")


def test_csv_has_a_place_for_every_field(tmp_path: Path) -> None:
    for record in made(small_day(), tmp_path / "kept").kept[NEW]:
        assert len(csv_row(record)) == len(OF_TYPE[record["type"]].names)
    (text, corrections, _), _ = written(small_day(), tmp_path, "csv")
    assert text.splitlines()[0] == (
        "NEW,,20261123_20261123-00-7,MENO,BRKR,20261123T000000,20261123-00-7,AAPL,20261123T093001.000000000,false,"
        "false,,,,A,false,,B,150.02,100,,LMT,IOC,REG,,false,F-ALICE,I,false,,,false,N,,,,,,,,,,,,,"
    )
    assert ",STOP=149.00," in text
    # Both sides of the trade: elements have | between, their parts @.
    assert "20261123T000000@20261123-00-15@B@@@@,20261123T000000@20261123-00-13@SS@@@@," in corrections


def test_without_a_configuration_it_is_all_left_out(tmp_path: Path) -> None:
    cat = made(small_day(), tmp_path, section=ComplianceSection())
    first = cat.kept[NEW][0]
    for name in ("CATReporterIMID", "deptType", "firmDesignatedID", "accountHolderType", "affiliateFlag"):
        assert name not in first
    lacking = {(kind, name) for kind, name, why in problems_of(cat) if why == "is missing"}
    assert {("MENO", "deptType"), ("MENO", "firmDesignatedID"), ("MEOR", "destinationType")} <= lacking
    # An operator's entry does not say when the client spoke.
    assert told(cat.kept[NEW], "eventTimestamp").count([None]) == 1


DAY_ONLY = {"DAY": "20261123"}
LIMIT = {"price": 149_00}


@pytest.mark.parametrize(
    ("terms", "kind", "price", "in_force", "handling"),
    [
        ({**LIMIT, "time_in_force": TimeInForce.FOK}, "LMT", "149.00", {"IOC": True}, {"FOK": True}),
        ({**LIMIT, "time_in_force": TimeInForce.GTC}, "LMT", "149.00", {"GTC": True}, None),
        ({"price": 0, "time_in_force": TimeInForce.OPENING}, "MKT", None, DAY_ONLY, {"MOO": True}),
        ({**LIMIT, "time_in_force": TimeInForce.CLOSING}, "LMT", "149.00", DAY_ONLY, {"LOC": True}),
        (
            {**LIMIT, "time_in_force": TimeInForce.GTD, "instructions": Instructions(expire_day=20261130)},
            "LMT", "149.00", {"GTD": "20261130"}, None,
        ),
        (
            {**LIMIT, "time_in_force": TimeInForce.GTD, "instructions": Instructions(expire_at=BEGIN)},
            "LMT", "149.00", {"GTT": "20261123T093000.000000000"}, None,
        ),
        ({"price": 0, "ord_type": OrdType.MARKET_TO_LIMIT}, "MKT", None, DAY_ONLY, {"MTL": True}),
        (
            {**LIMIT, "ord_type": OrdType.STOP_LIMIT, "instructions": Instructions(stop_px=149_50)},
            "LMT", "149.00", DAY_ONLY, {"STOP": Decimal("149.50")},
        ),
        (
            {"price": 0, "ord_type": OrdType.PEGGED, "instructions": Instructions(exec_inst=("M",), limit=149_20)},
            "LMT", "149.20", DAY_ONLY, {"PEG": True, "M": True},
        ),
        (
            {"price": 0, "ord_type": OrdType.PEGGED, "instructions": Instructions(exec_inst=("a",), peg_offset=3)},
            "MKT", None, DAY_ONLY, {"TS": True},
        ),
        ({**LIMIT, "instructions": Instructions(exec_inst=("6", "G"))}, "LMT", "149.00", DAY_ONLY,
         {"ALO": True, "AON": True}),
        ({**LIMIT, "instructions": Instructions(max_floor=10)}, "LMT", "149.00", DAY_ONLY, {"RSV": True}),
        ({**LIMIT, "ex_destination": "XNAS"}, "LMT", "149.00", DAY_ONLY, {"DIR": True}),
        ({**LIMIT, "instructions": Instructions(strategy=Strategy("twap"))}, "LMT", "149.00", DAY_ONLY,
         {"ALG": True, "NH": True}),
        ({**LIMIT, "instructions": Instructions(manual=True)}, "LMT", "149.00", DAY_ONLY, {"NH": True}),
        ({"price": 0, "cash": "1000.50"}, "MKT", None, DAY_ONLY, {"CASH": Decimal("1000.50")}),
    ],
)  # fmt: skip
def test_terms_as_cat_has_them(
    tmp_path: Path, terms: Row, kind: str, price: str | None, in_force: Row, handling: Row | None
) -> None:
    tape = Tape()
    tape.order(1, **{"client": "ALICE", "side": BUY, "qty": 100, **terms})
    cat = made(tape, tmp_path)
    names = "orderType", "price", "timeInForce", "handlingInstructions"
    wanted = [kind, Decimal(price) if price else None, in_force, handling]
    assert told(cat.kept[NEW], *names) == [wanted]
    assert not problems_of(cat)


def test_sweeps_and_desks(tmp_path: Path) -> None:
    tape = Tape()
    order = tape.order(1, "ALICE", BUY, 100, 150_00, time_in_force=TimeInForce.GTC)
    for tif in (TimeInForce.IOC, TimeInForce.DAY):
        tape.route(1, order, 10, 150_00, time_in_force=tif, instructions=Instructions(exec_inst=("f",), min_qty=5))
    tape.add(2, f.OrderHeld, order, 80, Hold.MANUAL)
    tape.add(3, f.OrderHeld, order, 70, Hold.MANUAL)
    tape.add(4, f.OrderReleased, order, Hold.MANUAL, operator="carol")
    cat = made(tape, tmp_path)
    names = "type", "isoInd", "minQty", "receivingDeskType", "quantity"
    assert told(cat.kept[NEW], *names)[1:] == [
        ["MEOR", "ISOI", 5, None, 10],
        ["MEOR", "ISOD", 5, None, 10],
        ["MEIR", None, None, "T", 80],
    ]
    assert not problems_of(cat)


def test_an_order_for_an_amount_of_money_has_no_quantity(tmp_path: Path) -> None:
    tape = Tape()
    order = tape.order(1, "ALICE", BUY, 66, 0, cash="10000")
    tape.route(1, order, 66, 150_00)
    tape.add(2, f.OrderCanceled, order, "")
    names = "type", "quantity", "cancelQty", "leavesQty"
    assert told(made(tape, tmp_path).kept[NEW], *names) == [
        ["MENO", 0, None, None],
        ["MEOR", 66, None, None],
        ["MEOC", None, 0, 0],
    ]


def test_all_orders_of_a_client_that_is_not_held(tmp_path: Path) -> None:
    tape = Tape()
    tape.order(1, "ALICE", BUY, 66, 150_00)
    section = msgspec.convert({"clients": {"ALICE": {"not_held": True}}}, ComplianceSection)
    assert told(made(tape, tmp_path, section=section).kept[NEW], "handlingInstructions") == [[{"NH": True}]]


def test_a_split_is_a_change_of_the_orders_that_wait(tmp_path: Path) -> None:
    tape = Tape()
    order = tape.order(
        1, "ALICE", BUY, 50, 150_00, time_in_force=TimeInForce.GTC, instructions=Instructions(min_qty=10)
    )  # fmt: skip
    tape.add(2, f.SplitApplied, "AAPL", 2, 1, "carol")
    tape.add(2, f.OrderRestated, order_id=order, reason="0", qty=100, price=75_00, operator="carol")
    tape.add(3, f.OrderRestated, order_id=order, reason="1", qty=100, price=75_00)
    cat = made(tape, tmp_path)
    names = "type", "initiator", "quantity", "minQty", "price", "leavesQty"
    assert told(cat.kept[NEW], *names)[1:] == [["MEOM", "F", 100, 20, Decimal("75.00"), 100]]
    assert not problems_of(cat)


def test_a_replace_at_an_exchange_has_what_is_asked_for_now(tmp_path: Path) -> None:
    tape = Tape()
    order = tape.order(1, "ALICE", SELL, 50, 0, ord_type=OrdType.STOP, instructions=Instructions(stop_px=149_00))
    child = tape.route(1, order, 50, 0, ord_type=OrdType.STOP, instructions=Instructions(stop_px=149_00))
    for at, stop_px in ((2, 148_00), (3, 147_00)):
        moved = tape.add(at, f.ChildReplaceSent, child, 50, 0, Instructions(stop_px=stop_px))
        tape.add(at, f.ChildReplaced, child, moved, "R", 50, 0)
    cat = made(tape, tmp_path)
    stops = [record["handlingInstructions"]["STOP"] for record in cat.kept[NEW] if record["type"] == "MEMR"]
    assert stops == [Decimal("148.00"), Decimal("147.00")]
    assert cat.walk.children[child].instructions == Instructions(stop_px=147_00)


GOOD: Row = {
    "actionType": "NEW", "firmROEID": "20261123_1", "type": "MEOC", "CATReporterIMID": "BRKR",
    "orderKeyDate": "20261123T000000", "orderID": "1", "symbol": "AAPL", "eventTimestamp": "20261123T093001.5",
    "manualFlag": False, "cancelQty": 1, "leavesQty": Decimal("0.5"), "initiator": "C",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("symbol", "A|B"), ("orderID", "x" * 65), ("eventTimestamp", "2026-11-23"), ("manualFlag", "false"),
        ("cancelQty", Decimal("1.1234567")), ("leavesQty", -1), ("initiator", "X"), ("CATReporterIMID", "TOOLONGX"),
        ("firmROEID", "1"), ("actionType", "NEU"), ("price", 1), ("errorROEID", 5), ("cancelQty", True),
        ("electronicTimestamp", "20261123T093001"), ("symbol", None),
    ],
)  # fmt: skip
def test_what_is_not_as_described_is_found(name: str, value: Any) -> None:
    assert not [*wrong(GOOD)]
    assert [field for field, _ in wrong({**GOOD, name: value})] == [name]


def expected(facts: list[f.Fact]) -> Counter[str]:
    """How many events there have to be of facts, counted without the walk. Fills are of exchanges in CAT."""
    kinds = Counter(type(fact) for fact in facts)
    return Counter(
        {
            "MENO": kinds[f.OrderAccepted], "MEOR": kinds[f.OrderRouted], "MECR": kinds[f.ChildCancelSent],
            "MEMR": kinds[f.ChildReplaceSent], "MEOT": kinds[f.Trade],
            "MEOC": kinds[f.OrderCanceled] + kinds[f.OrderRefused],
            "MEORS": sum(isinstance(fact, f.ChildEnded) and fact.status is OrdStatus.REJECTED for fact in facts),
        }
    )  # fmt: skip


def corrections(facts: list[f.Fact]) -> int:
    """How many corrections there have to be of trades in our own book: those that say something new."""
    trades = {fact.id: (fact.qty, fact.price) for fact in facts if isinstance(fact, f.Trade)}
    found = 0
    for fact in facts:
        if not isinstance(fact, f.TradeBusted | f.TradeCorrected):
            continue
        trade = fact.exec_id if fact.exec_id in trades else fact.exec_id + 1
        terms = (fact.qty, fact.price) if isinstance(fact, f.TradeCorrected) else (0, 0)
        if trade in trades and trades[trade] != terms:
            trades[trade] = terms
            found += 1
    return found


def taken(facts: list[f.Fact], day: int) -> Cat:
    kinds = f.TradeBusted | f.TradeCorrected | f.FillReversed
    walk = Walk(day, frozenset(fact.exec_id for fact in facts if isinstance(fact, kinds) and day_of(fact.id) == day))
    known = {"cat": "X", "cat_type": "E"}
    accounts = {fact.account for fact in facts if isinstance(fact, f.OrderAccepted)}
    section = {
        "imid": "BRKR", "crd": "1", "dept_type": "A", "trading_session": "REG", "unsolicited": True, "manual_desk": "T",
        "book_desk": "T", "market_center": "BRKR", "entered_at_once": True,
        "venues": {"XNAS": known, "XNYS": known},
        "accounts": {name: {"fdid": name, "holder": "I"} for name in accounts},
    }  # fmt: skip
    cat = Cat(msgspec.convert(section, ComplianceSection), walk)
    for event in walk.apply(facts):
        cat.take(event)
    return cat


# The engine alone takes orders that are good till no date at all.
UNKNOWABLE = {("MEOT", "capacity"), ("MEOT", "tapeTradeID")} | {
    (kind, "timeInForce") for kind in ("MENO", "MEOR", "MEIR", "MEOM", "MEMR")
}


def check_day(facts: list[f.Fact], day: int) -> Counter[str]:
    """The counts of a day agree, and its events are as described."""
    cat = taken(facts, day)
    of_day = [fact for fact in facts if day_of(fact.id) == day]
    counted = Counter(type(fact).__name__ for fact in of_day if type(fact) in COUNTED)
    assert cat.ledger.differences(counted) == []
    records = cat.ledger.records
    for kind, number in expected(of_day).items():
        assert records[kind] == number, kind
    assert records.total() == len(cat.kept[NEW]) + len(cat.kept[CORRECTED])
    names = [record["firmROEID"] for record in cat.kept[NEW]]
    assert len(set(names)) == len(names)
    bad = {one for one in problems_of(cat) if one[:2] not in UNKNOWABLE}
    assert not bad, bad
    return records


def check_state(world: World) -> None:
    """What the walk holds of orders that work is what the engine holds."""
    walk = Walk(DAY)
    for _ in walk.apply(world.facts):
        pass
    for order in world.state.orders.values():
        if order.ended is None:
            seen = walk.orders[order.order_id]
            held = seen.qty, seen.price, seen.cum, seen.in_book, seen.stop_px, seen.instructions
            asked = order.instructions or Instructions()
            assert held == (order.qty, order.price, order.cum, order.in_book, order.stop_px, asked), order
    for child in world.state.children.values():
        if child.open:
            sent = walk.children[child.child_id]
            at_venue = sent.qty, sent.price, sent.cum, sent.instructions
            assert at_venue == (child.qty, child.price, child.cum, child.instructions or Instructions()), child


@pytest.mark.parametrize("file", SCENARIO_FILES, ids=lambda path: path.stem)
def test_scenarios_add_up(file: Path) -> None:
    for scenario in scenarios(file):
        world = World(**scenario.settings)
        for step, _ in scenario.steps:
            run_step(world, step)
        for day in {day_of(fact.id) for fact in world.facts}:
            check_day(world.facts, day)
        check_state(world)


class FiledMachine(BrokerMachine):
    """Random clients and exchanges; in the end every day's facts are told."""

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        facts = self.world.facts
        days = {day_of(fact.id) for fact in facts}
        records = [check_day(facts, day) for day in days]
        check_state(self.world)
        assert sum(found["MEOT COR"] for found in records) == corrections(facts)


TestChaoticDay = FiledMachine.TestCase
TestChaoticDay.settings = settings(max_examples=8, stateful_step_count=50, deadline=None, phases=[Phase.generate])
