"""FIX text -> domain: what clients and exchanges send us. One text decode per message, exact integers out.

Everything that the dialect says about a message (tags taken, values, conditions) is checked here; what
QuickFIX's dictionary has checked before (required tags, types, known enum values) is not checked again.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from brokerfix.commands import (
    AskStatus,
    CancelOrder,
    Command,
    MarketUpdate,
    NewOrder,
    RefuseMessage,
    ReplaceOrder,
    VenueCancelReject,
    VenueOther,
    VenueReport,
)
from brokerfix.domain import (
    BusinessRejectReason,
    ExecType,
    Inexact,
    Instructions,
    Instrument,
    OrdRejReason,
    OrdStatus,
    OrdType,
    Reject,
    Side,
    TimeInForce,
    id_number,
    to_money,
    to_scaled,
)
from brokerfix.engine.feed import MarketDataRequest
from brokerfix.fix.dialect import SPECS, Taken, dialect
from brokerfix.fix.recode import FIX_42, FIX_44, SEVERAL, incoming, report_to_44
from brokerfix.fix.text import Fields, Reader, at_of, pairs, printable

Instruments = Mapping[str, Instrument]

HEADER_AND_TRAILER = frozenset(
    [
        "8",
        "9",
        "35",
        "49",
        "56",
        "115",
        "128",
        "90",
        "91",
        "34",
        "50",
        "142",
        "57",
        "143",
        "116",
        "144",
        "129",
        "145",
        "43",
        "97",
        "52",
        "122",
        "212",
        "213",
        "347",
        "369",
        "10",
        "93",
        "89",
        "1128",
        "1129",
        "1156",
    ]
)


class _Rules:
    """The dialect's rules for one message, ready to read and check it with."""

    def __init__(self, message_type: str, taken: Taken, begin_string: str) -> None:
        self.to_ours = incoming(begin_string)
        self.reader = Reader(message_type, taken.taken, taken.ignored)
        self.tags = HEADER_AND_TRAILER | {str(tag) for tag in (*taken.taken, *taken.ignored)}
        self.values = [(tag, frozenset(values)) for tag, values in taken.values.items() if tag != SEVERAL]
        self.several = frozenset(taken.values.get(SEVERAL, ()))
        self.conditional = [
            (str(rule.tag), str(rule.when), frozenset(rule.value_in), str(rule.unless)) for rule in taken.conditional
        ]

    def missing(self, message: Fields) -> str:
        """The first conditionally required tag that is not there, or ''."""
        for tag, when, values, unless in self.conditional:
            if message[tag] is None and (when == "0" or message[when] in values) and message.get(unless) is None:
                return tag
        return ""

    def read(self, text: str) -> tuple[Fields, str]:
        """(the message in the words of FIX 4.4, the lowest tag in it that we do not take, or '')."""
        message, is_usual = self.reader.read(text)
        unknown = "" if is_usual or message.keys() <= self.tags else min(message.keys() - self.tags, key=int)
        if self.to_ours is not None:
            self.to_ours(message)
        return message, unknown

    def unsupported(self, message: Fields, unknown: str) -> str:
        """What we do not support in the message, as text, or ''."""
        if unknown:
            return f"UNSUPPORTED: tag {unknown} is not taken"
        for tag, values in self.values:
            value = message[tag]
            if value is not None and value not in values:
                return f"UNSUPPORTED: tag {tag} limit={'/'.join(sorted(values))}, value={value}"
        several = message.get(SEVERAL)
        if several is not None and self.several and not self.several.issuperset(several.split(" ")):
            return f"UNSUPPORTED: tag {SEVERAL} limit={'/'.join(sorted(self.several))}, value={several}"
        return ""


RULES = {
    begin_string: {
        message_type: _Rules(message_type, taken, begin_string)
        for message_type, taken in dialect(begin_string).incoming.items()
    }
    for begin_string in SPECS
}
UNKNOWN_TYPE = Reader("[^\x01]*", (11, 262), ())


def message_type_of(text: str) -> str:
    """MsgType(35) of a message as QuickFIX writes it: the third field."""
    start = text.index("\x0135=") + 4
    return text[start : text.index("\x01", start)]


def from_client(
    text: str, client: str, at: int, instruments: Instruments, begin_string: str = FIX_44
) -> Command | MarketDataRequest:
    """A client's application message -> its command, or RefuseMessage for one that gets a BusinessMessageReject."""
    message_type = message_type_of(text)
    rules = RULES[begin_string].get(message_type)
    if rules is None:
        message, _ = UNKNOWN_TYPE.read(text)
        reason = BusinessRejectReason.UNSUPPORTED_MESSAGE
        refusal = f"UNSUPPORTED: MsgType {message_type} is not taken"
        return _refused(message_type, message, client, at, reason, refusal)
    message, unknown = rules.read(text)
    missing = rules.missing(message)
    if missing:
        reason = BusinessRejectReason.CONDITIONALLY_REQUIRED_MISSING
        refusal = f"Conditionally required tag missing, RefTagID={missing}"
        return _refused(message_type, message, client, at, reason, refusal)
    unsupported = rules.unsupported(message, unknown)
    if message_type == "V":
        if unsupported:
            return _refused(message_type, message, client, at, BusinessRejectReason.OTHER, unsupported)
        return _market_data_request(text, message, client)
    return DECODERS[message_type](message, client, at, instruments, unsupported)


def unreadable(text: str, client: str, at: int) -> RefuseMessage:
    """The answer to a client's message that we could not take apart."""
    message, _ = UNKNOWN_TYPE.read(text)
    refusal = "this message can't be read; the broker's operator has been told"
    return _refused(message_type_of(text), message, client, at, BusinessRejectReason.OTHER, refusal)


def _refused(
    message_type: str, message: Fields, client: str, at: int, reason: BusinessRejectReason, text: str
) -> RefuseMessage:
    ref_id = message.get("11") or message.get("262") or ""
    return RefuseMessage(at, client, int(message["34"] or 0), message_type, reason, text, ref_id)


def _new_order(message: Fields, client: str, at: int, instruments: Instruments, unsupported: str) -> Command:
    terms = _terms(message, instruments)
    return NewOrder(
        at,
        client,
        message["11"] or "",
        message["1"] or "",
        message["55"] or "",
        SIDES[message["54"] == "1"],
        ORD_TYPES.get(message["40"], OrdType.LIMIT),
        TIMES_IN_FORCE.get(message["59"], TimeInForce.DAY),
        terms.qty,
        terms.price,
        message["100"] or "",
        _possible_duplicate(message),
        Reject(OrdRejReason.UNSUPPORTED, unsupported) if unsupported else terms.defect,
        terms.instructions,
        terms.cash,
    )


def _cancel_order(message: Fields, client: str, at: int, instruments: Instruments, unsupported: str) -> Command:
    # A cancel always passes: a tag that we do not take can't change what it means.
    ids = message["11"] or "", message["41"] or ""
    return CancelOrder(at, client, *ids, _possible_duplicate(message), id_number(message["37"] or ""))


def _replace_order(message: Fields, client: str, at: int, instruments: Instruments, unsupported: str) -> Command:
    terms = _terms(message, instruments)
    time_in_force = message["59"]
    return ReplaceOrder(
        at,
        client,
        message["11"] or "",
        message["41"] or "",
        message["55"] or "",
        SIDES[message["54"] == "1"],
        ORD_TYPES.get(message["40"], OrdType.LIMIT),
        TIMES_IN_FORCE.get(time_in_force, TimeInForce.DAY) if time_in_force else None,
        terms.qty,
        terms.price,
        _possible_duplicate(message),
        Reject(OrdRejReason.UNSUPPORTED, unsupported) if unsupported else terms.defect,
        terms.instructions,
        id_number(message["37"] or ""),
    )


def _ask_status(message: Fields, client: str, at: int, instruments: Instruments, unsupported: str) -> Command:
    side = SIDES[message["54"] == "1"]
    return AskStatus(at, client, message["11"] or "", message["55"] or "", side, message["790"] or "")


def _market_data_request(text: str, message: Fields, client: str) -> MarketDataRequest:
    every = pairs(text)
    return MarketDataRequest(
        client,
        message["262"] or "",
        message["263"] or "",
        int(message["264"] or 0),
        message["265"] or "0",
        tuple(value for tag, value in every if tag == "55"),
        tuple(value for tag, value in every if tag == "269"),
        message["266"] or "Y",
    )


DECODERS: dict[str, Callable[[Fields, str, int, Instruments, str], Command]] = {
    "D": _new_order,
    "F": _cancel_order,
    "G": _replace_order,
    "H": _ask_status,
}
ORD_TYPES: dict[str | None, OrdType] = {str(ord_type): ord_type for ord_type in OrdType}
TIMES_IN_FORCE: dict[str | None, TimeInForce] = {str(time_in_force): time_in_force for time_in_force in TimeInForce}
SIDES = (Side.SELL, Side.BUY)
"""By whether Side(54) is "1". A side that we do not take is refused by the dialect's values, and told as a sell."""


def _possible_duplicate(message: Fields) -> bool:
    return message["43"] == "Y" or message["97"] == "Y"


class _Terms(NamedTuple):
    """An order's quantity and price, scaled, 0 where there is none or it is not exact; what is wrong with them; and
    what else it asks for."""

    qty: int = 0
    price: int = 0
    defect: Reject | None = None
    instructions: Instructions | None = None
    cash: str = ""


def _terms(message: Fields, instruments: Instruments) -> _Terms:
    instrument = instruments.get(message["55"] or "")
    if instrument is None:
        return _Terms()
    cash = (message.get("152") or "") if message["38"] is None else ""
    try:
        what = "CASH_ORDER_QTY"
        to_money(cash or "0")
        what = "QUANTITY"
        qty = 0 if cash else to_scaled(message["38"] or "", instrument.qty_digits)
        what, ord_type = "PRICE", message["40"]
        priced = ord_type not in UNPRICED
        price = to_scaled(message["44"] or "0", instrument.price_digits) if priced else 0
        plain = ord_type in PLAIN_TYPES and message["59"] in PLAIN_TIMES and message["21"] != MANUAL
        if plain and not any(map(message.get, ASKED)):
            return _Terms(qty, price, cash=cash)
        what = "INSTRUCTIONS"
        asked = _asked(message, instrument)
    except (Inexact, ValueError) as error:
        reason = OrdRejReason.INCORRECT_QUANTITY if what == "QUANTITY" else OrdRejReason.OTHER
        return _Terms(defect=Reject(reason, f"{what}: {error}"))
    if ord_type == OrdType.PEGGED:
        asked, price = msgspec.structs.replace(asked, limit=price), 0
    return _Terms(qty, price, None, asked, cash)


def _asked(message: Fields, instrument: Instrument) -> Instructions:
    """What an order asks for besides. Raises Inexact or ValueError."""
    qty_digits, price_digits = instrument.qty_digits, instrument.price_digits
    return Instructions(
        to_scaled(message["99"] or "0", price_digits),
        at_of(message["126"]) if message["126"] else 0,
        int(message["432"] or 0),
        to_scaled(message["111"] or "0", qty_digits),
        to_scaled(message["110"] or "0", qty_digits),
        to_scaled(message["211"] or "0", price_digits),
        exec_inst=tuple((message["18"] or "").split()),
        manual=message["21"] == MANUAL,
    )


MANUAL = "3"
"""HandlInst(21): manual order, best execution."""
UNPRICED = (OrdType.MARKET, OrdType.STOP, OrdType.MARKET_TO_LIMIT)
PLAIN_TYPES = (OrdType.MARKET, OrdType.LIMIT)
PLAIN_TIMES = (None, TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)
ASKED = ("18", "99", "110", "111", "126", "211", "432")
"""The tags that ask for more than a plain order does."""


def from_venue(
    text: str, venue: str, at: int, instruments: Instruments, begin_string: str = FIX_44
) -> Command | list[MarketUpdate]:
    """An exchange's application message -> its command, or the market data in it."""
    message_type = message_type_of(text)
    if message_type == "8":
        return _execution_report(text, venue, at, instruments, begin_string)
    if message_type == "W" or message_type == "X":
        return _market_data(text, venue, message_type, instruments)
    message = dict(reversed(pairs(text)))
    told = message.get("58", "")
    if message_type == "9":
        ids = id_number(message["11"]), id_number(message["41"])
        return VenueCancelReject(at, venue, *ids, message["39"], message.get("102", ""), told, printable(text))
    if message_type == "j" and message.get("379"):
        return _refusal(text, message, venue, at)
    return VenueOther(at, venue, f"MSG_{message_type}", f"{venue} sent MsgType {message_type}: {told}", printable(text))


def from_venue_reject(text: str, sent: str, venue: str, at: int) -> Command:
    """An exchange's Reject(3) of the message `sent` (if it is known), as what it means for the order in it."""
    message, about = dict(reversed(pairs(text))), dict(reversed(pairs(sent)))
    if about.get("35") in ("D", "F", "G"):
        return _refusal(text, {**message, "372": about["35"], "379": about["11"]}, venue, at)
    told = f"{venue} rejected a message of ours: {message.get('58', '')}"
    return VenueOther(at, venue, "MSG_3", told, printable(f"{text} {sent}"))


def _refusal(text: str, message: dict[str, str], venue: str, at: int) -> Command:
    """A Reject(3) or BusinessMessageReject(j) of an order or request, as a report or cancel reject on it."""
    number, told, raw = id_number(message["379"]), message.get("58", ""), printable(text)
    if message.get("372") in ("F", "G"):
        return VenueCancelReject(at, venue, number, 0, "", "99", told, raw)
    exec_id = f"{message['35']}-{message['34']}"
    return VenueReport(at, venue, exec_id, ExecType.REJECTED, OrdStatus.REJECTED, number, 0, "", text=told, raw=raw)


REPORT = Reader("8", dialect().report["8"].taken, dialect().report["8"].ignored)


def _execution_report(text: str, venue: str, at: int, instruments: Instruments, begin_string: str) -> Command:
    message, _ = REPORT.read(text)
    if begin_string == FIX_42:
        report_to_44(message)
    defects: list[str] = []
    instrument = instruments.get(message["55"] or "")
    price_digits = instrument.price_digits if instrument else 0
    qty_digits = instrument.qty_digits if instrument else 0
    return VenueReport(
        at,
        venue,
        message["17"] or "",
        message["150"] or "",
        message["39"] or "",
        id_number(message["11"] or ""),
        id_number(message["41"] or ""),
        message["37"] or "",
        _told(message["32"], qty_digits, defects),
        _told(message["31"], price_digits, defects),
        _told(message["14"] or "-1", qty_digits, defects),
        message["6"] or "",
        message["103"] or "",
        message["58"] or "",
        text,
        "; ".join(defects),
        _possible_duplicate(message),
        _told(message["151"] or "-1", qty_digits, defects),
        _told(message["38"], qty_digits, defects),
        _told(message["44"], price_digits, defects),
        message["19"] or "",
        message["378"] or "",
    )


def _told(value: str | None, digits: int, defects: list[str]) -> int:
    """A number that an exchange tells. It has happened, so one that is not exact is rounded, and said."""
    if not value:
        return 0
    try:
        return to_scaled(value, digits)
    except Inexact as error:
        defects.append(str(error))
        try:
            return round(float(value) * int(10**digits))
        except (ValueError, OverflowError):
            return 0


def _market_data(text: str, venue: str, message_type: str, instruments: Instruments) -> list[MarketUpdate]:
    """W (one symbol, whole) or X (entries of any symbols). Entries that can't be read as quotes are left out: the
    view is better without them, and no order hangs on them."""
    snapshot = message_type == "W"
    delimiter = "269" if snapshot else "279"
    symbol = ""
    entries: list[dict[str, str]] = []
    for tag, value in pairs(text):
        if tag == delimiter:
            entries.append({})
        if entries:
            entries[-1][tag] = value
        elif tag == "55":
            symbol = value
    levels: dict[str, list[tuple[Side, int, int]]] = {symbol: []} if snapshot else {}
    trades: dict[str, list[tuple[int, int]]] = {}
    for entry in entries:
        name = entry.get("55", symbol)
        instrument = instruments.get(name)
        kind = entry.get("269", "")
        if instrument is None or (kind not in MD_SIDES and kind != MD_TRADE):
            continue
        try:
            price = to_scaled(entry.get("270", ""), instrument.price_digits)
            qty = to_scaled(entry.get("271", "0"), instrument.qty_digits)
        except Inexact:
            continue
        if kind == MD_TRADE:
            trades.setdefault(name, []).append((price, qty))
        else:
            deleted = entry.get("279") == "2"
            levels.setdefault(name, []).append((MD_SIDES[kind], price, 0 if deleted else qty))
    names = [name for name in levels | trades if name in instruments]
    return [
        MarketUpdate(venue, name, snapshot, tuple(levels.get(name, ())), tuple(trades.get(name, ()))) for name in names
    ]


MD_SIDES = {"0": Side.BUY, "1": Side.SELL}
MD_TRADE = "2"
