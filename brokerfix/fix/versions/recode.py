"""The versions of FIX: everything here speaks FIX 4.4, and what another version says differently is recoded at its
session's edge. What differs is data, in `specs/`; only FIX 4.2's ExecTransType needs a rule.

A FIX 4.2 report says what it is in two tags: ExecTransType(20) new, cancel, correct or status, and ExecType(150), which
for the last three repeats OrdStatus; a fill's ExecType is 1 (partial fill) or 2 (fill).
"""

from collections.abc import Callable
from functools import cache

from brokerfix.domain import ExecType, OrdStatus
from brokerfix.fix.text import SOH, Fields, pairs
from brokerfix.fix.versions.dialect import Same, dialect

FIX_42, FIX_44 = "FIX.4.2", "FIX.4.4"
NEW, CANCEL, CORRECT, STATUS = "0", "1", "2", "3"
TRANSACTIONS = {ExecType.TRADE_CANCEL: CANCEL, ExecType.TRADE_CORRECT: CORRECT, ExecType.ORDER_STATUS: STATUS}
EXEC_TYPES = {transaction: exec_type for exec_type, transaction in TRANSACTIONS.items()}
FILLS = ("1", "2")
REPLACED = "5"
WORKS_NOW, TRIGGERED = ("636", "Y"), ExecType.TRIGGERED.value
"""A stop that the market has reached: FIX 4.4 says so by WorkingIndicator(636), FIX 5.0 by an ExecType too."""
REFUSED = ("150", ExecType.REJECTED.value)
SEVERAL = "18"
"""ExecInst may hold several values, separated by spaces."""


@cache
def outgoing(begin_string: str) -> Callable[[str], str] | None:
    """The function that makes a message of ours one of the version, or None for FIX 4.4."""
    if begin_string == FIX_44:
        return None
    spoken = dialect(begin_string)
    lacks = {str(tag) for tag in spoken.lacks}
    names = {ours: theirs for theirs, ours in spoken.recode.rename.items()}
    same = spoken.recode.incoming
    values = spoken.recode.outgoing, spoken.recode.outgoing | spoken.recode.asked

    def recode(text: str) -> str:
        is_asked = f"{SOH}131=" in text or f"{SOH}693=" in text
        said = values[is_asked]
        fields = [(tag, said.get(tag, {}).get(value, value)) for tag, value in pairs(text) if tag not in lacks]
        if begin_string == FIX_42:
            fields = _with_transaction(_as_42_has_quotes(_as_42_has_securities(fields), is_asked))
        elif REFUSED in fields:
            fields = _with_reason(fields, spoken.recode.reasons)
        elif WORKS_NOW in fields:
            fields = [("150", TRIGGERED) if tag == "150" else (tag, value) for tag, value in fields]
        for one in same:
            fields = _said_as(fields, one)
        return "".join(f"{names.get(tag, tag)}={value}{SOH}" for tag, value in fields)

    return recode


def _with_reason(fields: list[tuple[str, str]], reasons: dict[str, str]) -> list[tuple[str, str]]:
    """A refusal with the version's own OrdRejReason(103), where it has one for the code in its text."""
    code = next((value for tag, value in fields if tag == "58"), "").partition(":")[0]
    return [("103", reasons.get(code, value)) if tag == "103" else (tag, value) for tag, value in fields]


def _as_42_has_securities(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """FIX 4.2 wants a SecurityDefinition(d) to say how many there are: ours is the only one. A SecurityStatus(f) has no
    Text there."""
    if ("35", "f") in fields:
        return [(tag, value) for tag, value in fields if tag != "58"]
    if ("35", "d") not in fields:
        return fields
    at = next(index for index, (tag, _) in enumerate(fields) if tag == "322")
    return [*fields[: at + 1], ("393", "1"), *fields[at + 1 :]]


def _as_42_has_quotes(fields: list[tuple[str, str]], is_asked: bool) -> list[tuple[str, str]]:
    """FIX 4.2 has less in a Quote(S), and answers all else about quotes with a QuoteAcknowledgement(b), whose entries
    have no prices. `is_asked`: it is about a quote that the client has asked for."""
    kind = dict(fields)["35"]
    if kind == "b":
        return [(tag, value) for tag, value in fields if tag not in PRICES_OF_QUOTES]
    if kind == "S":
        has = set(map(str, dialect(FIX_42).outgoing["S"].tags))
        return [(tag, value) for tag, value in fields if tag in has or tag in ("8", "9", "35", "97", "10")]
    if kind not in ("AG", "AI"):
        return fields
    return _as_refusal(dict(fields)) if is_asked else _as_acknowledgement(fields)


PRICES_OF_QUOTES = ("132", "133", "134", "135")


def _as_refusal(message: dict[str, str]) -> list[tuple[str, str]]:
    """That there is no quote, or no more: a QuoteAcknowledgement(b), rejected."""
    said = message | {"35": "b", "297": REJECTED}
    if said.get("658") in REASONS_OF_42:
        said["300"] = REASONS_OF_42[said["658"]]
    told = ("8", "9", "35", "97", "131", "117", "297", "300", "58", "10")
    return [(tag, said[tag]) for tag in told if tag in said]


REJECTED = "5"
"""QuoteStatus(297)."""
REASONS_OF_42 = {"1": "1", "2": "2", "3": "3", "4": "4", "6": "9"}
"""QuoteRequestRejectReason(658) -> QuoteRejectReason(300), where that has it."""


def _as_acknowledgement(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """How a client's own quote stands: a QuoteAcknowledgement(b), which has the prices in its text."""
    message = dict(fields)
    sides = [f"{side} {message[size]}@{message[price]}" for side, price, size in SIDES_OF_QUOTES if size in message]
    about = [message["55"]] if message["55"] != "[N/A]" and "302" not in message else []
    text = ": ".join(filter(None, (" ".join((*about, *sides)), message.get("58", ""))))
    said = [("35", "b") if tag == "35" else (tag, value) for tag, value in fields if tag in OF_QUOTES]
    group: list[tuple[str, str]] = []
    if "302" in message:
        entry = [("299", message["299"]), ("55", message["55"])]
        group = [("296", "1"), ("302", message["302"]), ("304", "1"), ("295", "1"), *entry]
    return [*said, *([("58", text)] if text else []), *group, ("10", "000")]


SIDES_OF_QUOTES = (("bid", "132", "134"), ("offer", "133", "135"))
OF_QUOTES = ("8", "9", "35", "97", "117", "297")
"""What a QuoteStatusReport(AI) and a QuoteAcknowledgement(b) of FIX 4.2 both have, before its text."""


def _with_transaction(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """An ExecutionReport(8) with FIX 4.2's ExecTransType."""
    message = dict(fields)
    if message["35"] != "8":
        return fields
    exec_type = message["150"]
    said = exec_type
    if exec_type == ExecType.TRADE:
        said = "1" if message["151"].strip("0.") else "2"
    elif exec_type in TRANSACTIONS:
        said = message["39"]
    if exec_type == ExecType.TRADE_CANCEL:
        said = "1"
    elif exec_type == ExecType.TRADE_CORRECT:
        said = "1" if message["151"].strip("0.") else "2"
    status = message["39"]
    if exec_type == ExecType.REPLACED and status == OrdStatus.NEW:
        # FIX 4.2 puts Replaced above New (its volume 1, ExecutionReport: precedence of OrdStatus).
        status = REPLACED
    at = next(index for index, (tag, _) in enumerate(fields) if tag == "17")
    recoded = [(tag, {"150": said, "39": status}.get(tag, value)) for tag, value in fields]
    return [*recoded[: at + 1], ("20", TRANSACTIONS.get(ExecType(exec_type), NEW)), *recoded[at + 1 :]]


def _said_as(fields: list[tuple[str, str]], one: Same) -> list[tuple[str, str]]:
    """The fields with what FIX 4.4 says in `one.becomes` said in the version's own tag."""
    message = dict(fields)
    if not all(value in message.get(tag, "").split(" ") for tag, value in one.becomes.items()):
        return fields
    said: list[tuple[str, str]] = []
    for tag, value in fields:
        if tag == str(one.tag):
            said.append((tag, one.value))
        elif tag in one.becomes:
            kept = [each for each in value.split(" ") if each != one.becomes[tag]]
            said += [(tag, " ".join(kept))] if kept else []
        else:
            said.append((tag, value))
    if str(one.tag) not in message:
        said.insert(len(said) - 1, (str(one.tag), one.value))
    return said


@cache
def incoming(begin_string: str) -> Callable[[Fields], None] | None:
    """The function that changes a message's fields of the version to what FIX 4.4 would say; None for FIX 4.4."""
    if begin_string == FIX_44:
        return None
    spoken = dialect(begin_string)
    recode = spoken.recode
    none: Fields = dict.fromkeys(map(str, spoken.lacks))

    def to_ours(message: Fields) -> None:
        message.update(none)
        for theirs, ours in recode.rename.items():
            if message.get(theirs) is not None:
                message[ours] = message[theirs]
        for one in recode.incoming:
            if message.get(str(one.tag)) == one.value:
                for tag, value in one.becomes.items():
                    had = message.get(tag)
                    message[tag] = f"{had} {value}" if tag == SEVERAL and had else value

    return to_ours


def report_to_44(message: Fields) -> None:
    """Change a FIX 4.2 exchange's ExecutionReport to what FIX 4.4 would say."""
    transaction = message["20"] or NEW
    if transaction in EXEC_TYPES:
        message["150"] = EXEC_TYPES[transaction]
    elif message["150"] in FILLS:
        message["150"] = ExecType.TRADE
