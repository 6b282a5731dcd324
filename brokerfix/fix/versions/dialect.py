"""Our FIX dialects (`specs/`) and the QuickFIX dictionaries made from it."""

import importlib.metadata
import tomllib
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from brokerfix.access.vouch import REFUSAL, REFUSED_BY, VOUCHER
from brokerfix.settings.shipped import folder

GROUPS = (73, 146, 267, 295, 296, 552)
"""Group counts that we require: the standard does too."""


class Conditional(msgspec.Struct, frozen=True, rename={"value_in": "is"}):
    """A tag that must be there, always or `when` another tag has one of the values `is`, `unless` a third is there."""

    tag: int
    when: int = 0
    value_in: list[str] = []
    unless: int = 0


class Taken(msgspec.Struct, frozen=True):
    """What we take of a message. Tags are FIX tag numbers. `optional` are tags that the standard requires and we do
    not; `rare` are taken tags that most messages don't have, which makes reading the others quicker."""

    name: str
    required: list[int]
    taken: list[int]
    ignored: list[int]
    values: dict[str, list[str]]
    conditional: list[Conditional]
    optional: list[int] = []
    rare: list[int] = []


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
    """A tag that we add to the standard, or to messages that do not have it there, and the message types that may carry
    it; TYPE-GROUP: in a group's entries."""

    name: str
    type: str
    messages: list[str]


class Same(msgspec.Struct, frozen=True, rename={"value": "is"}):
    """A value of another version that FIX 4.4 says in other tags: what it `becomes`. A tag that may hold several values
    (ExecInst) gets the new one beside those it has."""

    tag: int
    value: str
    becomes: dict[str, str]


class Recode(msgspec.Struct, frozen=True, rename={"outgoing": "out", "incoming": "in"}):
    """How messages of a version differ from FIX 4.4's beyond their tags. `rename` is the version's tag -> ours;
    `outgoing` is tag -> our value -> the version's, `asked` the same of messages about quotes that the client has asked
    for, which have a QuoteReqID(131) or QuoteRespID(693); `reasons` is the code that Text(58) of a refusal begins with
    -> the version's own OrdRejReason(103)."""

    rename: dict[str, str] = {}
    outgoing: dict[str, dict[str, str]] = {}
    asked: dict[str, dict[str, str]] = {}
    incoming: list[Same] = []
    reasons: dict[str, str] = {}


class Dialect(msgspec.Struct, frozen=True, rename={"incoming": "in", "outgoing": "out"}, forbid_unknown_fields=True):
    """A version's dialect: message type -> what is taken or sent. `values` are enumerated values that we add to the
    standard's; a tag with none may have any. `transport` is the session layer's dictionary where it is one of its own
    (FIXT)."""

    begin_string: str
    dictionary: str
    fields: dict[str, OwnField]
    incoming: dict[str, Taken]
    outgoing: dict[str, Sent]
    venue: dict[str, Sent]
    report: dict[str, Read]
    values: dict[str, list[str]] = {}
    lacks: frozenset[int] = frozenset()
    transport: str = ""
    appl_ver_id: str = ""
    recode: Recode = Recode()


SPECS = {"FIX.4.2": "FIX42", "FIX.4.4": "FIX44", "FIXT.1.1": "FIX50SP2"}
"""BeginString -> the file in specs/ that says what we take and send. FIXT 1.1 carries FIX 5.0 SP2."""


@cache
def dialect(begin_string: str = "FIX.4.4") -> Dialect:
    """The dialect of a version, as the package ships it."""
    spec = _read(SPECS[begin_string])
    like = spec.pop("like", None)
    if like is None:
        return msgspec.convert(spec, Dialect)
    merged = _read(like)
    lacks = set(spec.get("lacks", ()))
    for place in ("in", "out", "venue", "report"):
        # A message type that the version does not have is listed as empty.
        for message_type, changed in spec.pop(place, {}).items():
            if changed:
                merged[place].setdefault(message_type, {}).update(changed)
            else:
                del merged[place][message_type]
        for message in merged[place].values():
            for key in ("required", "taken", "ignored", "tags"):
                if key in message:
                    message[key] = [tag for tag in message[key] if tag not in lacks]
    return msgspec.convert(merged | spec, Dialect)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((folder("specs") / f"{name}.toml").read_text())


def standard_dictionary(name: str = "FIX44.xml") -> Path:
    """A dictionary that the quickfix package installs. Raises FileNotFoundError if it is not there."""
    for file in importlib.metadata.files("quickfix") or []:
        if file.name == name:
            return Path(str(file.locate())).resolve()
    raise FileNotFoundError(f"the quickfix package has not installed its {name}; install quickfix again")


def write_lenient_dictionary(name: str, path: Path) -> None:
    """Write the standard dictionary `name` for sessions with exchanges: it knows the repeating groups, and refuses
    nothing that an exchange may send (no enumerated values, no required fields, no types). Entries of market data may
    have an RptSeq(83), as in FIX 5.0: a tag that a group is not known to have would tear it apart."""
    tree = ET.parse(standard_dictionary(name))
    root = tree.getroot()
    for field in _section(root, "fields"):
        if field.get("type") != "NUMINGROUP":
            field.set("type", "STRING")
        for value in field.findall("value"):
            field.remove(value)
    for place in ("messages", "components"):
        for group in root.iterfind(f"{place}//group[@name='NoMDEntries']"):
            _with_numbers(root, group)
        for element in root.iterfind(f"{place}//"):
            if element.get("required") is not None:
                element.set("required", "N")
    tree.write(path)


def write_dictionary(path: Path, begin_string: str = "FIX.4.4", for_gateway: bool = False) -> None:
    """Write the version's standard dictionary with our own tags and values, what we require, and without any field of
    type DATA; `for_gateway` with what the gateway says to the broker besides."""
    spoken = dialect(begin_string)
    tree = ET.parse(standard_dictionary(spoken.dictionary))
    root = tree.getroot()
    _without_data(root)
    fields = _section(root, "fields")
    messages = {message.get("msgtype"): message for message in _section(root, "messages")}
    for field in fields:
        # A date in local time looks as one in UTC does, and only that type is checked.
        if field.get("type") == "LOCALMKTDATE":
            field.set("type", "UTCDATEONLY")
    numbered = {str(field.get("number")): field for field in fields}
    for number, values in spoken.values.items():
        for value in values:
            ET.SubElement(numbered[number], "value", enum=value, description=f"VALUE_{value}")
        for value in numbered[number].findall("value") if not values else ():
            numbered[number].remove(value)
    names = {int(number): field.get("name") for number, field in numbered.items()}
    for message_type, taken in spoken.incoming.items():
        # What we require may stand in a component that the standard does not require it in (Symbol).
        listed = {field.get("name"): field for field in messages[message_type].findall("field")}
        for tag in taken.required:
            if names[tag] in listed:
                listed[names[tag]].set("required", "Y")
            elif tag not in GROUPS:
                ET.SubElement(messages[message_type], "field", name=names[tag], required="Y")
        for tag in taken.optional:
            if names[tag] in listed:
                listed[names[tag]].set("required", "N")
    for number, own in spoken.fields.items():
        if number not in numbered:
            ET.SubElement(fields, "field", number=number, name=own.name, type=own.type)
        for place in own.messages:
            message_type, _, group = place.partition("-")
            for parent in messages[message_type].iter("group") if group else (messages[message_type],):
                if group in ("", parent.get("name")):
                    ET.SubElement(parent, "field", name=own.name, required="N")
    for message_type in ("D", "G"):
        _with_strategy_parameters(root, messages[message_type])
    if for_gateway:
        _with_gateway(root)
        refusal = ET.SubElement(_section(root, "messages"), "message", name="GatewayRefusal", msgtype=REFUSAL)
        refusal.set("msgcat", "app")
        for tag in (371, 372, 379, 58):
            ET.SubElement(refusal, "field", name=str(names[tag]), required="N")
        ET.SubElement(fields, "field", number=str(REFUSED_BY), name="RefusedBy", type="STRING")
        ET.SubElement(refusal, "field", name="RefusedBy", required="Y")
    tree.write(path)


def write_groups_dictionary(path: Path) -> None:
    """Write the dictionary of the repeating groups that we send: FIX 4.4's, and of messages that only a later version
    has the groups as far as we fill them."""
    tree = ET.parse(standard_dictionary())
    root = tree.getroot()
    for group in root.iterfind("components/component[@name='MDIncGrp']/group"):
        _with_numbers(root, group)
    ours = dialect().outgoing
    later = dialect("FIXT.1.1")
    other = ET.parse(standard_dictionary(later.dictionary)).getroot()
    components = {str(one.get("name")): one for one in _section(other, "components")}
    fields = {str(one.get("name")): one for one in _section(other, "fields")}
    known = {one.get("number") for one in _section(root, "fields")}
    for message_type in later.outgoing.keys() - ours.keys():
        tags = {str(tag) for tag in later.outgoing[message_type].tags}
        names = {name for name, one in fields.items() if one.get("number") in tags}
        found = other.find(f"messages/message[@msgtype='{message_type}']")
        assert found is not None, message_type
        made = ET.SubElement(_section(root, "messages"), "message", dict(found.attrib))
        _fill(made, found, components, names)
        _section(root, "fields").extend(
            fields[name] for name in sorted(names) if fields[name].get("number") not in known
        )
    tree.write(path)


def _with_strategy_parameters(root: Any, message: Any) -> None:
    """The group NoStrategyParameters, which came with FIX 5.0."""
    fields = _section(root, "fields")
    known = {one.get("number") for one in fields}
    if message.find("component[@name='StrategyParametersGrp']") is not None:
        return
    names = {"957": "NoStrategyParameters"} | STRATEGY_PARAMETERS
    for number, name in names.items():
        if number not in known:
            ET.SubElement(fields, "field", number=number, name=name, type="NUMINGROUP" if number == "957" else "STRING")
    group = ET.SubElement(message, "group", name=names["957"], required="N")
    for name in STRATEGY_PARAMETERS.values():
        ET.SubElement(group, "field", name=name, required="N")


STRATEGY_PARAMETERS = {"958": "StrategyParameterName", "959": "StrategyParameterType", "960": "StrategyParameterValue"}


def _with_numbers(root: Any, group: Any) -> None:
    """Versions before FIX 5.0 number no market data entries (RptSeq, MDPriceLevel); exchanges and clients do."""
    there = {one.get("name") for one in group}
    fields = _section(root, "fields")
    for number, name in (("83", "RptSeq"), ("1023", "MDPriceLevel")):
        if name not in there:
            ET.SubElement(group, "field", name=name, required="N")
            if not any(one.get("number") == number for one in fields):
                ET.SubElement(fields, "field", number=number, name=name, type="INT")


def _fill(made: Any, found: Any, components: dict[str, Any], names: set[str]) -> None:
    """Add to an element what another one has, with its components' parts in their places, as far as it is wanted."""
    for one in found:
        name = str(one.get("name"))
        if one.tag == "component":
            _fill(made, components[name], components, names)
        elif name in names:
            part = ET.SubElement(made, one.tag, name=name, required="N")
            _fill(part, one, components, names)


def write_transport_dictionary(name: str, path: Path, for_gateway: bool = False) -> None:
    """Write the session layer's standard dictionary `name` without any field of type DATA."""
    tree = ET.parse(standard_dictionary(name))
    _without_data(tree.getroot())
    if for_gateway:
        _with_gateway(tree.getroot())
    tree.write(path)


def _with_gateway(root: Any) -> None:
    """The voucher of a Logon and the type of a refusal, where this dictionary has the Logon and the types."""
    for field in _section(root, "fields"):
        if field.get("number") == "35" and len(field):
            ET.SubElement(field, "value", enum=REFUSAL, description="GATEWAY_REFUSAL")
    logon = root.find("messages/message[@msgtype='A']")
    if logon is not None:
        ET.SubElement(_section(root, "fields"), "field", number=str(VOUCHER), name="GatewayVoucher", type="STRING")
        ET.SubElement(logon, "field", name="GatewayVoucher", required="N")


def _without_data(root: Any) -> None:
    """QuickFIX trusts the length that a peer gives for a data field while it parses, before any callback. Fields
    that are no data fields are read up to their end like all others, so a false length can't hurt."""
    fields = _section(root, "fields")
    data = {field.get("name") for field in fields if field.get("type") in ("DATA", "XMLDATA")}
    for field in fields:
        if field.get("name") in data:
            field.set("type", "STRING")
    for parent in root.iter():
        for field in parent.findall("field"):
            if field.get("name") in data and parent is not fields:
                parent.remove(field)


def _section(root: Any, name: str) -> Any:
    section = root.find(name)
    assert section is not None, name
    return section
