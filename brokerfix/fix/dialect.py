"""Our FIX dialect (`specs/FIX44.toml`) and the QuickFIX dictionaries made from it."""

import importlib.metadata
import tomllib
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from brokerfix.shipped import folder

GROUPS = (146, 267)
"""Group counts that we require: the standard does too."""


class Conditional(msgspec.Struct, frozen=True, rename={"value_in": "is"}):
    """A tag that must be there, always or `when` another tag has one of the values `is`."""

    tag: int
    when: int = 0
    value_in: list[str] = []


class Taken(msgspec.Struct, frozen=True):
    """What we take of a message. Tags are FIX tag numbers."""

    name: str
    required: list[int]
    taken: list[int]
    ignored: list[int]
    values: dict[str, list[str]]
    conditional: list[Conditional]


class Sent(msgspec.Struct, frozen=True):
    """The tags of a message that we send."""

    name: str
    tags: list[int]


class Read(msgspec.Struct, frozen=True):
    """What we read of an exchange's message, and what usually comes with it."""

    name: str
    taken: list[int]
    ignored: list[int]


class OwnField(msgspec.Struct, frozen=True):
    """A tag that we add to the standard, and the message types that may carry it."""

    name: str
    type: str
    messages: list[str]


class Dialect(msgspec.Struct, frozen=True, rename={"incoming": "in", "outgoing": "out"}, forbid_unknown_fields=True):
    """A version's dialect: message type -> what is taken or sent."""

    begin_string: str
    fields: dict[str, OwnField]
    incoming: dict[str, Taken]
    outgoing: dict[str, Sent]
    venue: dict[str, Sent]
    report: dict[str, Read]


@cache
def dialect() -> Dialect:
    """The FIX 4.4 dialect that the package ships."""
    text = (folder("specs") / "FIX44.toml").read_text()
    return msgspec.convert(tomllib.loads(text), Dialect)


def standard_dictionary() -> Path:
    """The FIX44.xml that the quickfix package installs. Raises FileNotFoundError if it is not there."""
    for file in importlib.metadata.files("quickfix") or []:
        if file.name == "FIX44.xml":
            return Path(str(file.locate())).resolve()
    raise FileNotFoundError("the quickfix package has not installed its FIX44.xml; install quickfix again")


def write_lenient_dictionary(path: Path) -> None:
    """Write the standard dictionary for sessions with exchanges: it knows the repeating groups, and refuses nothing
    that an exchange may send (no enumerated values, no required fields, no types)."""
    tree = ET.parse(standard_dictionary())
    root = tree.getroot()
    for field in _section(root, "fields"):
        if field.get("type") != "NUMINGROUP":
            field.set("type", "STRING")
        for value in field.findall("value"):
            field.remove(value)
    for place in ("messages", "components"):
        for element in _section(root, place).iter():
            if element.get("required") is not None:
                element.set("required", "N")
    tree.write(path)


def write_dictionary(path: Path) -> None:
    """Write the standard dictionary with our own tags, what we require, and without any field of type DATA.

    QuickFIX trusts the length that a peer gives for a data field while it parses, before any callback. Fields
    that are no data fields are read up to their end like all others, so a false length can't hurt.
    """
    tree = ET.parse(standard_dictionary())
    root = tree.getroot()
    fields = _section(root, "fields")
    data = {field.get("name") for field in fields if field.get("type") == "DATA"}
    for field in fields:
        if field.get("type") == "DATA":
            field.set("type", "STRING")
    for parent in root.iter():
        for field in parent.findall("field"):
            if field.get("name") in data and parent is not fields:
                parent.remove(field)
    messages = {message.get("msgtype"): message for message in _section(root, "messages")}
    names = {int(field.get("number") or 0): field.get("name") for field in fields}
    for message_type, taken in dialect().incoming.items():
        # What we require may stand in a component that the standard does not require it in (Symbol).
        listed = {field.get("name"): field for field in messages[message_type].findall("field")}
        for tag in taken.required:
            if names[tag] in listed:
                listed[names[tag]].set("required", "Y")
            elif tag not in GROUPS:
                ET.SubElement(messages[message_type], "field", name=names[tag], required="Y")
    for number, own in dialect().fields.items():
        ET.SubElement(fields, "field", number=number, name=own.name, type=own.type)
        for message_type in own.messages:
            ET.SubElement(messages[message_type], "field", name=own.name, required="N")
    tree.write(path)


def _section(root: Any, name: str) -> Any:
    section = root.find(name)
    assert section is not None, name
    return section
