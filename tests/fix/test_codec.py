"""The codec: what is decoded is what was encoded, and the dialect says all that is taken and sent."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.commands import CancelOrder, MarketUpdate, NewOrder, ReplaceOrder, VenueReport
from brokerfix.domain import (
    Inexact,
    Instructions,
    Instrument,
    OrdType,
    Side,
    TimeInForce,
    average_text,
    id_number,
    id_text,
    money_text,
    to_money,
    to_scaled,
    to_text,
)
from brokerfix.fix.incoming.decode import from_client
from brokerfix.fix.incoming.reports import from_venue
from brokerfix.fix.outgoing import encode
from brokerfix.fix.outgoing.base import instruction_tags
from brokerfix.fix.text import Reader, pairs
from brokerfix.fix.versions.dialect import dialect
from brokerfix.fix.versions.recode import outgoing
from brokerfix.fix.versions.rules import RULES
from brokerfix.live.feed import Increment, Snapshot
from tests.scenario import SCENARIO_FILES, World, load, run_step

SOH = "\x01"
INSTRUMENTS = {
    "AAPL": Instrument("AAPL", 2, 0, 1, 1, "never", "venue"),
    "BTC": Instrument("BTC", 2, 6, 1, 1, "never", "venue"),
}
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)


@given(st.integers(-(10**14), 10**14), st.integers(0, 9))
def test_decimals_go_round(value: int, digits: int) -> None:
    assert to_scaled(to_text(value, digits), digits) == value


@pytest.mark.parametrize("text", ["", ".", "-", "1.2.3", "1e5", "abc", "1.001", "9" * 30, "NaN", "+1", "1_0", "\u0661"])
def test_what_is_not_exact_is_refused(text: str) -> None:
    with pytest.raises(Inexact):
        to_scaled(text, 2)


@pytest.mark.parametrize(("text", "scaled"), [("1", 100), ("1.5", 150), ("-0.05", -5), ("001.50000", 150), (".5", 50)])
def test_decimals_as_people_write_them(text: str, scaled: int) -> None:
    assert to_scaled(text, 2) == scaled


@given(st.decimals(-(10**9), 10**9, places=6))
def test_money_goes_round(amount: object) -> None:
    assert to_money(money_text(to_money(str(amount)))) == to_money(str(amount))


@pytest.mark.parametrize("text", ["", "x", "1e-13", "NaN", "Infinity"])
def test_money_that_is_none(text: str) -> None:
    with pytest.raises(Inexact):
        to_money(text)


@given(st.integers(20000101, 99991231), st.integers(0, 10**9 - 1))
def test_ids_go_round(day: int, sequence: int) -> None:
    number = day * 10**9 + sequence
    assert id_number(id_text(number)) == number


@pytest.mark.parametrize("text", ["", "1-1", "20261122-", "20261122-01", "20261122-1x", "x", "20261122-9999999999"])
def test_foreign_ids_number_nothing(text: str) -> None:
    assert id_number(text) == 0


def test_average_price_is_rounded_half_up_beyond_the_price() -> None:
    assert average_text(0, 0, 2) == "0"
    assert average_text(100 * 15000, 100, 2) == "150.00"
    assert average_text(2, 3, 2) == "0.00666667"
    assert average_text(2, 3, 0) == "0.666667"
    assert average_text(6, 3, 0) == "2"


@given(st.dictionaries(st.sampled_from([11, 1, 38, 44, 54, 21, 58, 388, 453]), VALUES), st.booleans())
def test_the_fast_reader_and_the_slow_one_agree(body: dict[int, str], possible_duplicate: bool) -> None:
    """The same message in FIX's order (one regular expression) and out of order (field by field)."""
    reader = RULES["FIX.4.4"]["D"].reader
    flag = f"43=Y{SOH}" if possible_duplicate else ""
    head = f"8=FIX.4.4{SOH}9=1{SOH}35=D{SOH}34=7{SOH}{flag}49=A{SOH}52=t{SOH}56=B{SOH}"
    ordered = "".join(f"{tag}={body[tag]}{SOH}" for tag in sorted(body))
    shuffled = "".join(f"{tag}={body[tag]}{SOH}" for tag in sorted(body, reverse=True))
    fast, usual = reader.read(f"{head}{ordered}10=000{SOH}")
    slow, _ = reader.read(f"{head}{shuffled}10=000{SOH}")
    assert {tag: fast[tag] for tag in reader.tags} == {tag: slow[tag] for tag in reader.tags}
    assert usual == (388 not in body)


def test_a_second_value_hidden_in_another_is_not_read() -> None:
    reader = Reader("D", (11, 38), (58,))
    read, usual = reader.read(
        f"8=FIX.4.4{SOH}9=1{SOH}35=D{SOH}34=1{SOH}11=a{SOH}38=5{SOH}58=x{SOH}38=999{SOH}10=0{SOH}"
    )
    assert (read["38"], usual) == ("5", False)


QTYS_AND_PRICES = st.integers(1, 10**8)
ORDERS = st.tuples(
    st.sampled_from(["AAPL", "BTC"]),
    st.sampled_from(Side),
    st.sampled_from([TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]),
    QTYS_AND_PRICES,
    QTYS_AND_PRICES,
)


@given(ORDERS)
def test_an_order_goes_round(order: tuple[str, Side, TimeInForce, int, int]) -> None:
    symbol, side, tif, qty, price = order
    instrument = INSTRUMENTS[symbol]
    priced = to_text(price, instrument.price_digits)
    text = (
        f"8=FIX.4.4|9=1|35=D|34=1|49=A|52=t|56=B|11=c|38={to_text(qty, instrument.qty_digits)}|40=2"
        f"|44={priced}|54={side}|55={symbol}|59={tif}|60=t|10=0|"
    ).replace("|", SOH)
    command = from_client(text, "A", 1, INSTRUMENTS)
    assert isinstance(command, NewOrder)
    assert (command.told["38"], command.told["44"]) == (to_text(qty, instrument.qty_digits), priced)
    plain = NewOrder(1, "A", "c", "", symbol, side, OrdType.LIMIT, tif, qty, price)
    assert msgspec.structs.replace(command, told={}) == msgspec.structs.replace(plain, told={})


MOMENTS = st.integers(1_600_000_000_000, 1_900_000_000_000).map(lambda ms: ms * 10**6)
ASKED = st.builds(
    Instructions,
    stop_px=st.integers(1, 10**6),
    expire_at=st.just(0) | MOMENTS,
    expire_day=st.just(20261130),
    max_floor=st.integers(0, 10**6),
    min_qty=st.integers(0, 10**6),
    peg_offset=st.integers(-1000, 1000),
    exec_inst=st.lists(st.sampled_from(["6", "G", "R", "o"]), unique=True).map(tuple) | st.just(("6", "a")),
)


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
@given(asked=ASKED, ord_type=st.sampled_from([OrdType.STOP_LIMIT, OrdType.LIMIT]), tif=st.sampled_from(TimeInForce))
def test_instructions_go_round_in_every_version(
    begin_string: str, asked: Instructions, ord_type: OrdType, tif: TimeInForce
) -> None:
    """What we write of an order to an exchange is read as the same order by an exchange of ours, in any version."""
    instrument = INSTRUMENTS["AAPL"]
    text = f"8=X|9=1|35=D|11=c|38=5|40={ord_type}|44=150.00|59={tif}".replace("|", SOH)
    text += instruction_tags(asked, instrument) + f"{SOH}10=0{SOH}"
    recode = outgoing(begin_string)
    sent = pairs(recode(text) if recode is not None else text)
    body = sorted([*sent[3:-1], ["54", "1"], ["55", "AAPL"], ["60", "t"]], key=lambda field: int(field[0]))
    wire = f"8=FIX{SOH}9=1{SOH}35=D{SOH}34=1{SOH}" + "".join(f"{tag}={value}{SOH}" for tag, value in body)
    command = from_client(f"{wire}10=0{SOH}", "A", 1, INSTRUMENTS, begin_string)
    assert isinstance(command, NewOrder), command
    assert (command.defect, command.ord_type, command.time_in_force) == (None, ord_type, tif)
    read = command.instructions or Instructions()
    assert (set(read.exec_inst), msgspec.structs.replace(read, exec_inst=())) == (
        set(asked.exec_inst), msgspec.structs.replace(asked, exec_inst=()),
    )  # fmt: skip


def test_what_we_send_to_an_exchange_is_what_an_exchange_takes() -> None:
    """Our own engine is the exchange: its codec reads the child orders, cancels and replaces that ours writes."""
    world = World()
    run_step(world, "venue XNAS up")
    seen: list[object] = []
    for step in ("client ALICE new C1 buy 100 AAPL 149.00", "client ALICE replace R1 C1 buy 50 AAPL 149.10",
                 "venue XNAS replaced c2 c1", "client ALICE cancel X1 R1 buy AAPL"):  # fmt: skip
        run_step(world, step)
        for out in (out for fact in world.last_facts for out in encode.messages(world.state, fact) if out.to_venue):
            body = sorted(pairs(out.text)[3:-1], key=lambda field: int(field[0]))
            text = f"8=FIX.4.4|9=1|{out.text.split(SOH)[2]}|34=1|49=B|52=t|56=X|".replace("|", SOH)
            text += "".join(f"{tag}={value}{SOH}" for tag, value in body) + f"10=0{SOH}"
            seen.append(from_client(text, "BROKER", 1, world.state.instruments))
    order, replace, cancel = seen
    assert isinstance(order, NewOrder)
    assert (order.qty, order.price, order.side, order.defect) == (100, 14900, Side.BUY, None)
    assert isinstance(replace, ReplaceOrder)
    assert (replace.orig_cl_ord_id, replace.qty, replace.price) == (order.cl_ord_id, 50, 14910)
    assert isinstance(cancel, CancelOrder)
    assert cancel.orig_cl_ord_id == replace.cl_ord_id


def test_what_we_report_is_what_a_broker_reads() -> None:
    world = World(venues="none")
    run_step(world, "client ALICE new C1 buy 100 AAPL 150.00")
    run_step(world, "client BOB new C1 sell 40 AAPL 149.00")
    trade = world.last_facts[-1]
    maker, _ = encode.messages(world.state, trade)
    read = from_venue(maker.text.replace("35=8\x01", "35=8\x0134=1\x01"), "XNAS", 1, world.state.instruments)
    assert isinstance(read, VenueReport)
    assert (read.exec_type, read.qty, read.price, read.cum, read.avg_px) == ("F", 40, 15000, 40, "150.00")
    assert read.exec_id == id_text(trade.id - 1)


def test_market_data_goes_round() -> None:
    world = World()
    levels = (("0", 14990, 5, ""), ("1", 15010, 7, "XNYS"), ("2", 15000, 1, ""))
    snapshot = encode.market_data(world.state, Snapshot("BROKER", "m", "AAPL", levels))
    head = "8=FIX.4.4|9=0|35=W|34=1|".replace("|", SOH)
    told = from_venue(
        snapshot.text.replace(f"8=FIX.4.4{SOH}9=0{SOH}35=W{SOH}", head), "XNAS", 1, world.state.instruments
    )
    assert told == [MarketUpdate("XNAS", "AAPL", True, ((Side.BUY, 14990, 5), (Side.SELL, 15010, 7)), ((15000, 1),))]
    changes = (("2", ("0", 14990, 5, "")), ("1", ("1", 15010, 9, "")))
    increment = encode.market_data(world.state, Increment("BROKER", "m", "AAPL", changes))
    told = from_venue(increment.text, "XNAS", 1, world.state.instruments)
    assert told == [MarketUpdate("XNAS", "AAPL", False, ((Side.BUY, 14990, 0), (Side.SELL, 15010, 9)))]


ENTRY_VALUES = {
    "269": ["0", "1", "2", "J"], "278": ["a", "b"], "280": ["r"], "55": ["AAPL", "BTC", "NONE"], "48": ["i"],
    "270": ["1.5", "2", "x", "1.234567", ""], "15": ["USD"], "271": ["5", "0", "7.5", "x"], "58": ["279=1"],
    "83": ["1", "2", "3", "x"], "1023": ["1"],
}  # fmt: skip
"""The fields of an entry of market data, in the order in which QuickFIX gives them, and values of each."""
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from("012"),
        st.fixed_dictionaries({}, optional={tag: st.sampled_from(values) for tag, values in ENTRY_VALUES.items()}),
    ),
    max_size=4,
)


@given(ENTRIES, st.sampled_from("WX"), st.sampled_from(["", "55=BTC|", "55=AAPL|83=9|"]))
def test_the_order_of_an_entrys_fields_changes_nothing(
    entries: list[tuple[str, dict[str, str]]], message_type: str, head: str
) -> None:
    told = []
    for is_usual in (True, False):
        text = f"8=FIX.4.4|9=0|35={message_type}|34=1|{head}268={len(entries)}|"
        for action, values in entries:
            fields = [(tag, values[tag]) for tag in ENTRY_VALUES if tag in values]
            first = ("279", action)
            if message_type == "W":
                first = ("269", values.get("269", "0"))
                fields = [field for field in fields if field[0] != "269"]
            fields = [first, *(fields if is_usual else reversed(fields))]
            text += "".join(f"{tag}={value}|" for tag, value in fields)
        told.append(from_venue(f"{text}10=000|".replace("|", SOH), "XNAS", 1, INSTRUMENTS))
    assert told[0] == told[1]


def test_every_tag_that_we_send_is_in_the_dialect() -> None:
    sent: dict[tuple[bool, str], set[int]] = {}
    for path in SCENARIO_FILES:
        for scenario in load(path):
            world = World(**scenario.settings)
            for step, _ in scenario.steps:
                run_step(world, step)
                for fact in world.last_facts:
                    for out in encode.messages(world.state, fact):
                        kind = re.search("\x0135=([^\x01]*)", out.text)
                        assert kind is not None
                        tags = {int(tag) for tag, _ in pairs(out.text)} - {8, 9, 10, 35}
                        sent.setdefault((out.to_venue, kind[1]), set()).update(tags)
    for (to_venue, kind), tags in sent.items():
        listed = (dialect().venue if to_venue else dialect().outgoing)[kind].tags
        assert tags <= set(listed), (kind, tags - set(listed))
    assert {kind for to_venue, kind in sent if to_venue} == set(dialect().venue)
    assert {"8", "9", "j"} <= {kind for to_venue, kind in sent if not to_venue}


def test_trial_5_a_rejection_repeats_the_order_as_it_came() -> None:
    world = World()
    head = "8=FIX.4.4|9=1|35=D|34=1|49=ALICE|52=t|56=BROKER|"
    text = f"{head}1=ALICE|11=C1|38=7.50|40=2|44=1.2345|54=1|55=NOPE|59=1|60=t|10=0|".replace("|", SOH)
    command = from_client(text, "ALICE", 1, world.state.instruments)
    assert isinstance(command, NewOrder)
    world.submit(command)
    told = dict(pairs(world.sent[-1].text))
    assert {tag: told.get(tag) for tag in ("1", "38", "40", "44", "59", "103")} == {
        "1": "ALICE", "38": "7.50", "40": "2", "44": "1.2345", "59": "1", "103": "1",
    }  # fmt: skip


@pytest.mark.parametrize("original", ["", "122=20261122-09:00:00.000|"])
def test_trial_8_rejects_of_two_sessions_of_a_day_are_two_events(original: str) -> None:
    """After an intraday reset MsgSeqNums come again. What is resent has its first time of sending."""
    sent = "8=FIX.4.4|9=1|35=j|34=7|49=XNAS|52={time}|56=BROKER|{original}45=3|372=D|379=20261122-5|380=0|58=no|10=0|"

    def exec_id(time: str, original: str = "") -> str:
        text = sent.format(time=time, original=original).replace("|", SOH)
        told = from_venue(text, "XNAS", 1, INSTRUMENTS)
        assert isinstance(told, VenueReport)
        return told.exec_id

    first, second = exec_id("20261122-09:00:00.000"), exec_id("20261122-11:00:00.000", original)
    assert (first == second) == bool(original)
