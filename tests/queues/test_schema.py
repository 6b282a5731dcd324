"""The schema of the event stream: what is sent of each kind of fact is what it says."""

import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from click.testing import CliRunner
from msgspec import inspect as types
from rstream import amqp_decoder

from brokerfix.cli import main
from brokerfix.domain import DayTotals, Instrument
from brokerfix.facts import KINDS, Fact, Quoted, Trade
from brokerfix.projections.events import amqp
from brokerfix.projections.events.form import TOLD, Form
from brokerfix.projections.events.schema import kinds, schema
from brokerfix.projections.events.values import Digits, moment_of, moment_text
from brokerfix.record.journal import Origin

AT, NUMBER = 1_795_805_238_123_456_789, 2026112703000000042
INSTRUMENT = Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "venue")
FORM = Form(Digits({"AAPL": INSTRUMENT}))
ORIGIN = Origin("c:ALICE", 7, AT, "20261127-18:47:18.123")


def example(kind: types.Type, name: str, is_full: bool) -> Any:
    """A value of a type; with `is_full` nothing that may be there is left out."""
    if isinstance(kind, types.Metadata):
        return example(kind.type, name, is_full)
    if isinstance(kind, types.StructType):
        values = {field.name: example(field.type, field.name, is_full) for field in kind.fields}
        return kind.cls(**values)
    if isinstance(kind, types.UnionType):
        some = next(one for one in kind.types if not isinstance(one, types.NoneType))
        return example(some, name, is_full) if is_full else None
    if isinstance(kind, types.VarTupleType):
        return (example(kind.item_type, name, is_full),) * 2 if is_full else ()
    if isinstance(kind, types.TupleType):
        return tuple(example(one, name, is_full) for one in kind.item_types)
    if isinstance(kind, types.EnumType):
        return list(kind.cls)[-1]
    if isinstance(kind, types.StrType):
        return "AAPL" if name == "symbol" else "0"
    return {types.IntType: AT if is_full else 0, types.BoolType: is_full, types.FloatType: 0.5}[type(kind)]


def told(fact: Fact, symbol: str = "AAPL") -> dict[str, Any]:
    body = FORM.message(NUMBER, fact, ("ALICE", symbol), ORIGIN).body
    row: dict[str, Any] = json.loads(body)
    return row


@pytest.mark.parametrize("kind", TOLD)
def test_what_is_sent_of_a_kind_is_as_its_schema_says(kind: str) -> None:
    check = jsonschema_rs.validator_for(schema(kind))
    for is_full in (True, False):
        fact = example(types.type_info(TOLD[kind]), "", is_full)
        for symbol in ("AAPL", "UNKNOWN"):
            row = told(fact, symbol)
            check.validate(row)
            assert not check.is_valid(row | {"kind": "Other"})
            assert not check.is_valid({name: row[name] for name in row if name != "fact"})


def test_all_kinds_are_told_but_for_the_state_that_older_versions_kept() -> None:
    assert {kind.__name__ for kind in KINDS} - set(TOLD) == {"StateKept"}
    everything = jsonschema_rs.validator_for(schema())
    everything.validate(told(Trade(AT, NUMBER, NUMBER - 3, NUMBER - 2, 100, 15010)))
    assert set(kinds()) == {*TOLD, "Market", "Checkpoint"}


def test_numbers_times_and_amounts_as_others_read_them() -> None:
    row = told(Trade(AT, NUMBER, NUMBER - 3, NUMBER - 2, 100, 15010, maker_fee="0.10"))
    assert row == {
        "v": 1, "id": "20261127-03-42", "at": "2026-11-27T18:47:18.123456789Z", "kind": "Trade", "shard": 3,
        "account": "ALICE", "symbol": "AAPL",
        "origin": {
            "session": "c:ALICE", "seq_num": 7, "received": "2026-11-27T18:47:18.123456789Z",
            "sending_time": "20261127-18:47:18.123", "transact_time": "", "who": "",
        },
        "fact": {
            "maker_order_id": "20261127-03-39", "taker_order_id": "20261127-03-40", "qty": "100", "price": "150.10",
            "auction": False, "maker_fee": "0.10", "taker_fee": "",
        },
    }  # fmt: skip
    assert moment_of(moment_text(AT)) == AT
    unknown = told(Trade(AT, NUMBER, 1, 2, 100, 15010), "UNKNOWN")
    assert (unknown["fact"]["qty"], unknown["fact"]["price"]) == (100, 15010), "whose digits nobody knows"


def test_a_days_turnover_is_money() -> None:
    day = DayTotals.of(15000, 15020, 14990, 300, 4_503_000)
    row = told(Quoted(AT, NUMBER, symbol="AAPL", bids=((15000, 5, "XNAS"),), asks=(), last=None, mark=0, day=day))
    assert row["fact"]["day"] == {
        "open": "150.00", "high": "150.20", "low": "149.90", "volume": "300", "told_turnover": "45030.00",
    }  # fmt: skip
    assert row["fact"]["bids"] == [["150.00", "5", "XNAS"]]


def test_messagepack_has_the_same_names() -> None:
    fact = Trade(AT, NUMBER, NUMBER - 3, NUMBER - 2, 100, 15010)
    packed = Form(Digits({"AAPL": INSTRUMENT}), "msgpack").message(NUMBER, fact, ("ALICE", "AAPL"), ORIGIN).body
    assert msgspec.msgpack.decode(packed) == told(fact)


def test_the_command_prints_the_schema() -> None:
    printed = CliRunner().invoke(main, ["schema", "Trade"])
    assert json.loads(printed.output) == schema("Trade")
    names = CliRunner().invoke(main, ["schema", "--kinds"])
    assert names.output.split() == kinds()
    refused = CliRunner().invoke(main, ["schema", "Trad"])
    assert (refused.exit_code, "there is no kind Trad" in refused.output) == (1, True)


def test_a_rabbitmq_stream_message_is_amqp() -> None:
    """Its client library reads what we have written by hand."""
    properties = {"id": "20261127-03-42", "kind": "Trade", "account": "", "symbol": "ÄPL"}
    read = amqp_decoder(amqp.encode(properties, b"body"))
    assert read.body == b"body"
    assert {name.decode(): value.decode() for name, value in read.application_properties.items()} == properties
