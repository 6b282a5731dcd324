"""The rules of engagement say what the codec does: each line of the document is tried on it."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

from brokerfix.commands import Command, NewOrder, RefuseMessage, ReplaceOrder
from brokerfix.domain import Instrument, Maker, Model, Quoting
from brokerfix.engine.risk.controls import CONTROLS
from brokerfix.fix.incoming.decode import from_client
from brokerfix.fix.versions.dialect import dialect, standard_dictionary
from brokerfix.operate.rules import document, html, write_client_dictionary
from brokerfix.settings.load import from_tables
from brokerfix.settings.sections import Config

SOH = "\x01"
VERSIONS = ["FIX.4.2", "FIX.4.4", "FIXT.1.1"]
INSTRUMENTS = {"AAPL": Instrument("AAPL", 2, 0, 1, 1, "never", "venue")}
GOOD = {
    "D": {11: "c", 21: "1", 38: "10", 40: "2", 44: "150.00", 54: "1", 55: "AAPL", 60: "t"},
    "F": {11: "x", 41: "c", 54: "1", 55: "AAPL", 60: "t"},
    "G": {11: "r", 41: "c", 21: "1", 38: "10", 40: "2", 44: "150.00", 54: "1", 55: "AAPL", 60: "t"},
}
ALONE = {18, 21, 40, 54, 59}
"""Tags whose every value can be tried in an otherwise good message."""


def config_of(fix: str) -> Config:
    return from_tables(
        Path("broker.toml"),
        {
            "broker": {"name": "BROKER", "port": 9876, "data": "data"},
            "instruments": {"AAPL": {"price_digits": 2, "qty_digits": 0, "tick": "0.01", "lot": "1"}},
            "accounts": {"ALICE": {"cash": "1000000", "limits": {"max_order_qty": "500"}}},
            "clients": {"ALICE": {"accounts": ["ALICE"], "fix": fix, "cancel_on_disconnect": "day"}},
        },
    )


def section_of(text: str, message_type: str) -> list[list[str]]:
    """The rows (tag, name, need, values) that the document has of a message that clients send."""
    sent = text.split("## Messages that you get")[0]
    part = re.split(rf"### \w+ \({message_type}\)", sent)[1].split("### ")[0]
    rows = [line for line in part.splitlines() if line[:2] == "| " and line[2].isdigit()]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows]


def said(kind: str, fields: dict[int, str], fix: str) -> object:
    body = "".join(f"{tag}={value}{SOH}" for tag, value in sorted(fields.items()))
    return from_client(f"8={fix}{SOH}9=0{SOH}35={kind}{SOH}34=1{SOH}{body}10=0{SOH}", "ALICE", 1, INSTRUMENTS, fix)


def refusal(command: object) -> str:
    """Why the codec refuses it as unsupported, or ''."""
    if isinstance(command, NewOrder | ReplaceOrder) and command.defect is not None:
        text = command.defect.text
        return text if text.startswith("UNSUPPORTED") else ""
    if isinstance(command, RefuseMessage):
        return command.text
    assert isinstance(command, Command)
    return ""


def test_every_limit_and_every_code_of_a_refusal_is_in_the_document() -> None:
    text = document(config_of("FIX.4.4"), "ALICE")
    assert "| account ALICE | max_order_qty | 500 |" in text
    for control in CONTROLS.values():
        assert f"| {control.code} | {control.reason} | {control.words} |" in text


def test_quotes_are_explained_where_somebody_gives_them() -> None:
    config = config_of("FIX.4.4")
    assert "## Quotes" not in document(config, "ALICE")
    quoting = Quoting("AAPL", Model(), 100, 1000, -1000)
    makers = {"MM": Maker("MM", "MM", (quoting,), valid=5 * 10**9)}
    assert "- Firm for so many seconds: AAPL 5." in document(msgspec.structs.replace(config, makers=makers), "ALICE")


@pytest.mark.parametrize("kind", ["D", "G"])
@pytest.mark.parametrize("fix", VERSIONS)
def test_the_codec_takes_every_tag_and_value_of_the_document_and_no_other(fix: str, kind: str) -> None:
    text = document(config_of(fix), "ALICE")
    rows = {int(row[0]): row for row in section_of(text, kind)}
    dictionary = ET.parse(standard_dictionary(dialect(fix).dictionary)).getroot()
    numbers = {field.get("name"): int(field.get("number") or 0) for field in dictionary.find("fields") or ()}
    message = next(m for m in dictionary.find("messages") or () if m.get("msgtype") == kind)
    for tag in [numbers[field.get("name")] for field in message.findall("field")]:
        if tag in GOOD[kind] or tag in (99, 126, 432, 18, 211, 59, 152, 1094, 1138, 110, 111, 117):
            continue
        refused = refusal(said(kind, {**GOOD[kind], tag: "1"}, fix))
        assert bool(refused) == (tag not in rows), (tag, refused)
    for tag in ALONE & set(rows):
        values = [value.split()[0] for value in rows[tag][3].split("; ") if value]
        more = {99: "150.00", 18: "R", 432: "20261130"}
        for value in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
            wanted = {**GOOD[kind], **{tag_: text_ for tag_, text_ in more.items() if tag_ != tag}, tag: value}
            if (tag, value) == (40, "D"):
                wanted[117] = "20261122-7"
            recoded = fix == "FIX.4.2" and tag == 40 and value in "5B"
            refused = refusal(said(kind, wanted, fix))
            assert (refused == "") == (value in values or recoded), (tag, value, refused)


@pytest.mark.parametrize("fix", VERSIONS)
def test_what_the_document_calls_required_the_dictionary_requires(fix: str, tmp_path: Path) -> None:
    """QuickFIX checks messages with the same dictionary that the client gets."""
    config = config_of(fix)
    text = document(config, "ALICE")
    write_client_dictionary(config, "ALICE", tmp_path / "client.xml")
    root = ET.parse(tmp_path / "client.xml").getroot()
    names = {field.get("name"): int(field.get("number") or 0) for field in root.find("fields") or ()}
    for kind, taken in dialect(fix).incoming.items():
        message = next(m for m in root.find("messages") or () if m.get("msgtype") == kind)
        required = {names[field.get("name")] for field in message.findall("field") if field.get("required") == "Y"}
        rows = {int(row[0]) for row in section_of(text, kind) if row[2] == "required"}
        groups = {73, 146, 267, 295, 296, 552}
        assert rows - groups <= required, kind
        # What the standard requires besides is in repeating groups, which the tables don't know.
        assert required - rows <= {int(tag) for tag in taken.taken} | groups, kind


@pytest.mark.parametrize("fix", VERSIONS)
def test_conditions_in_the_document_are_those_of_the_codec(fix: str) -> None:
    text = document(config_of(fix), "ALICE")
    assert "- Price(44) must be there where OrdType(40) is 2 or 4." in text
    missing = said("D", {tag: value for tag, value in GOOD["D"].items() if tag != 44}, fix)
    assert isinstance(missing, RefuseMessage)
    assert missing.text.endswith("RefTagID=44")
    assert "- OrderQty(38) must be there always, unless CashOrderQty(152) is there." in text
    cash = said("D", {**{tag: value for tag, value in GOOD["D"].items() if tag != 38}, 152: "1000"}, fix)
    assert isinstance(cash, NewOrder)


@pytest.mark.parametrize("fix", VERSIONS)
def test_the_document_tells_the_clients_settings(fix: str) -> None:
    text = document(config_of(fix), "ALICE")
    for told in (f"| BeginString(8) | {fix} |", "| port | 9876 |", "| ALICE | 500 | none | checked |"):
        assert told in text
    assert "When the session is lost orders that are not good till cancel or a date are canceled" in text
    assert ("20=0|" in text) == (fix == "FIX.4.2"), "examples are in the client's version"
    page = html(text, "rules")
    assert page.count("<table>") == text.count("\n|---|")
    assert "<script" not in page
