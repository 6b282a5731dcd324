"""What the router says itself is FIX, in each version."""

from functools import cache
from typing import Any

import pytest
import quickfix

from brokerfix.fix.versions.dialect import standard_dictionary
from brokerfix.router.asks import ask
from brokerfix.router.refusals import Answer, business_reject, no_change, no_order, nothing, reject
from brokerfix.router.text import Names, value, without
from tests.router.hubs import fields

ORDER = fields("11=C1|1=NORTH|55=AAPL|54=1|60=20261127-10:00:00.000|38=100|40=2|44=150.00|59=0|21=1")
CANCEL = fields("11=C2|41=C1|55=AAPL|54=1|60=20261127-10:00:00.000")
VERSIONS = {"FIX.4.2": "FIX42.xml", "FIX.4.4": "FIX44.xml", "FIXT.1.1": "FIX50SP2.xml"}
REPORT = "37=20261127-00-1|17=20261127-00-2|150=I|39=0|11=C1|1=NORTH|55=AAPL|54=1|151=100|14=0|6=0|584=M|911=1|912=Y"


def check(begin_string: str, answer: Answer) -> None:
    """Raises quickfix.Exception where the message breaks the standard's dictionary."""
    text = Names(begin_string, "BROKER", "ALICE").message(answer[0], 7, answer[1]).decode()
    standard = dictionary(VERSIONS[begin_string])
    if begin_string != "FIXT.1.1":
        standard.validate(quickfix.Message(text, standard, True), True)
    elif answer[0] == b"3":
        dictionary("FIXT11.xml").validate(quickfix.Message(text, dictionary("FIXT11.xml"), True), True)
    else:
        standard.validate(quickfix.Message(text, dictionary("FIXT11.xml"), standard, True), True)


@cache
def dictionary(name: str) -> Any:
    return quickfix.DataDictionary(str(standard_dictionary(name)))


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_refusals_are_messages_of_the_standard(begin_string: str) -> None:
    check(begin_string, no_order(begin_string, ORDER, "ROUTER-20261127-7", "SHARD_DOWN: shard 3 is down"))
    check(begin_string, no_order(begin_string, CANCEL, "ROUTER-20261127-8", "UNKNOWN_ORDER: C1", b"I"))
    check(begin_string, no_change(b"F", CANCEL, "UNKNOWN_ORDER: C1"))
    check(begin_string, no_change(b"G", CANCEL, "UNKNOWN_ORDER: C1"))
    check(begin_string, business_reject(b"F", CANCEL, 5, 4, "SHARD_DOWN: shard 3 is down"))
    check(begin_string, reject(begin_string, 5, b"D", 52, 10, "SendingTime accuracy problem"))


@pytest.mark.parametrize("begin_string", ["FIX.4.4", "FIXT.1.1"])
def test_answers_of_several_shards_are_messages_of_the_standard(begin_string: str) -> None:
    mass_status = ask(b"AF", fields("584=M|585=7"))
    mass_status.part(3, b"8", fields(REPORT))
    mass_status.part(0, b"", b"")
    kind, rest = mass_status.answer()
    check(begin_string, (kind, rest))
    assert (value(rest, 911), value(rest, 912)) == (b"1", b"Y")
    # What was held has been told, as something newer came behind it, and no other shard answers.
    told: Any = ask(b"AF", fields("584=M|585=7"))
    told.part(3, b"8", fields(REPORT))
    told.released()
    told.part(0, b"j", fields("372=AF|379=M|380=0|58=MASS_STATUS: the last one is still being answered"))
    kind, rest = told.answer(nothing(begin_string, told.kind, told.rest, "ROUTER-1"))
    check(begin_string, (kind, rest))
    found = [value(rest, tag) for tag in (17, 37, 150, 584, 911, 912)]
    assert found == [b"ROUTER-1", b"NONE", b"I", b"M", b"1", b"Y"]
    assert b"shard 0: MASS_STATUS" in value(rest, 58)
    canceled = ask(b"q", fields("11=Q|530=7|60=20261127-10:00:00.000"))
    canceled.part(0, b"", b"")
    check(begin_string, canceled.answer())
    canceled.part(3, b"r", fields("11=Q|37=1|1369=1|530=7|531=7|533=2|60=20261127-10:00:00.000"))
    kind, rest = canceled.answer()
    check(begin_string, (kind, rest if begin_string == "FIXT.1.1" else without(rest, 1369)))


def test_risk_limits_of_several_shards_have_one_last_report() -> None:
    limits = ask(b"CL", fields("1666=R|1760=3"))
    limits.part(0, b"CM", fields("1667=R-1|1666=R|1760=3|1511=0|1512=1|893=Y|1677=1|1671=1|1691=NORTH|1692=D|1693=24"))
    assert value(limits.not_last(limits.held), 893) == b"N"  # type: ignore[union-attr]
    limits.part(3, b"", b"")
    kind, rest = limits.answer()
    assert (kind, value(rest, 893), value(rest, 1512), value(rest, 1691)) == (b"CM", b"Y", b"1", b"NORTH")
    assert value(rest, 58) == b"SHARD_DOWN: shard 3 did not answer"
