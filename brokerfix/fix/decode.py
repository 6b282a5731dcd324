"""FIX text -> domain: what clients and exchanges send us. One text decode per message, exact integers out.

Everything that the dialect says about a message (tags taken, values, conditions) is checked here; what
QuickFIX's dictionary has checked before (required tags, types, known enum values) is not checked again.
"""

from collections.abc import Callable, Mapping


from brokerfix.domain import (
    AskStatus,
    BusinessRejectReason,
    CancelOrder,
    Command,
    Inexact,
    Instrument,
    MarketUpdate,
    NewOrder,
    OrdRejReason,
    OrdType,
    RefuseMessage,
    Reject,
    ReplaceOrder,
    Side,
    TimeInForce,
    VenueCancelReject,
    VenueOther,
    VenueReport,
    id_number,
    to_scaled,
)
from brokerfix.engine.feed import MarketDataRequest
from brokerfix.fix.dialect import Taken, dialect
from brokerfix.fix.text import fields, pairs, printable

Instruments = Mapping[str, Instrument]
Fields = dict[str, str]

HEADER_AND_TRAILER = frozenset(
    "8 9 35 49 56 115 128 90 91 34 50 142 57 143 116 144 129 145 43 97 52 122 212 213 347 369 10 93 89".split()
)


class _Rules:
    """The dialect's rules for one message, ready to check a message's fields with."""

    def __init__(self, taken: Taken) -> None:
        self.tags = HEADER_AND_TRAILER | {str(tag) for tag in (*taken.taken, *taken.ignored)}
        self.values = [(tag, frozenset(values)) for tag, values in taken.values.items()]
        self.conditional = [(str(rule.tag), str(rule.when), frozenset(rule.value_in)) for rule in taken.conditional]

    def missing(self, message: Fields) -> str:
        """The first conditionally required tag that is not there, or ''."""
        for tag, when, values in self.conditional:
            if tag not in message and (when == "0" or message.get(when) in values):
                return tag
        return ""

    def unsupported(self, message: Fields) -> str:
        """What we do not support in the message, as text, or ''."""
        if not message.keys() <= self.tags:
            tag = min(message.keys() - self.tags, key=int)
            return f"UNSUPPORTED: tag {tag} is not taken"
        for tag, values in self.values:
            value = message.get(tag)
            if value is not None and value not in values:
                return f"UNSUPPORTED: tag {tag} limit={'/'.join(sorted(values))}, value={value}"
        return ""


RULES = {message_type: _Rules(taken) for message_type, taken in dialect().incoming.items()}


def from_client(text: str, client: str, at: int, instruments: Instruments) -> Command | MarketDataRequest:
    """A client's application message -> its command, or RefuseMessage for one that gets a BusinessMessageReject."""
    message = fields(text)
    message_type = message["35"]
    rules = RULES.get(message_type)
    if rules is None:
        reason = BusinessRejectReason.UNSUPPORTED_MESSAGE
        return _refused(message, client, at, reason, f"UNSUPPORTED: MsgType {message_type} is not taken")
    missing = rules.missing(message)
    if missing:
        reason = BusinessRejectReason.CONDITIONALLY_REQUIRED_MISSING
        return _refused(message, client, at, reason, f"Conditionally required tag missing, RefTagID={missing}")
    return DECODERS[message_type](text, message, client, at, instruments, rules.unsupported(message))


def _refused(message: Fields, client: str, at: int, reason: BusinessRejectReason, text: str) -> RefuseMessage:
    ref_id = message.get("11") or message.get("262", "")
    return RefuseMessage(at, client, int(message["34"]), message["35"], reason, text, ref_id)


def _new_order(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, unsupported: str
) -> Command:
    qty, price, defect = _terms(message, instruments)
    if unsupported:
        defect = Reject(OrdRejReason.UNSUPPORTED, unsupported)
    return NewOrder(
        at,
        client,
        message["11"],
        message.get("1", ""),
        message["55"],
        _side(message),
        ORD_TYPES.get(message["40"], OrdType.LIMIT),
        TIMES_IN_FORCE.get(message.get("59", "0"), TimeInForce.DAY),
        qty,
        price,
        message.get("100", ""),
        _possible_duplicate(message),
        defect,
    )


def _cancel_order(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, unsupported: str
) -> Command:
    # A cancel always passes: a tag that we do not take can't change what it means.
    return CancelOrder(at, client, message["11"], message["41"], _possible_duplicate(message))


def _replace_order(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, unsupported: str
) -> Command:
    qty, price, defect = _terms(message, instruments)
    if unsupported:
        defect = Reject(OrdRejReason.UNSUPPORTED, unsupported)
    return ReplaceOrder(
        at,
        client,
        message["11"],
        message["41"],
        message["55"],
        _side(message),
        ORD_TYPES.get(message["40"], OrdType.LIMIT),
        TIMES_IN_FORCE.get(message["59"], TimeInForce.DAY) if "59" in message else None,
        qty,
        price,
        _possible_duplicate(message),
        defect,
    )


def _ask_status(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, unsupported: str
) -> Command:
    return AskStatus(at, client, message["11"], message["55"], _side(message), message.get("790", ""))


def _market_data_request(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, unsupported: str
) -> Command | MarketDataRequest:
    if unsupported:
        return _refused(message, client, at, BusinessRejectReason.OTHER, unsupported)
    every = pairs(text)
    return MarketDataRequest(
        client,
        message["262"],
        message["263"],
        int(message["264"]),
        message.get("265", "0"),
        tuple(value for tag, value in every if tag == "55"),
        tuple(value for tag, value in every if tag == "269"),
        message.get("266", "Y"),
    )


DECODERS: dict[str, Callable[[str, Fields, str, int, Instruments, str], Command | MarketDataRequest]] = {
    "D": _new_order,
    "F": _cancel_order,
    "G": _replace_order,
    "H": _ask_status,
    "V": _market_data_request,
}
ORD_TYPES = {str(ord_type): ord_type for ord_type in OrdType}
TIMES_IN_FORCE = {str(time_in_force): time_in_force for time_in_force in TimeInForce}


def _side(message: Fields) -> Side:
    """The side; one that we do not take is refused by the dialect's values, and told as a sell."""
    return Side.BUY if message["54"] == "1" else Side.SELL


def _possible_duplicate(message: Fields) -> bool:
    return message.get("43") == "Y" or message.get("97") == "Y"


def _terms(message: Fields, instruments: Instruments) -> tuple[int, int, Reject | None]:
    """(quantity, price, what is wrong with them), both scaled; 0 where there is none or it is not exact."""
    instrument = instruments.get(message["55"])
    if instrument is None:
        return 0, 0, None
    try:
        qty = to_scaled(message["38"], instrument.qty_digits)
    except Inexact as error:
        return 0, 0, Reject(OrdRejReason.INCORRECT_QUANTITY, f"QUANTITY: {error}")
    if message["40"] == OrdType.MARKET:
        return qty, 0, None
    try:
        return qty, to_scaled(message.get("44", "0"), instrument.price_digits), None
    except Inexact as error:
        return qty, 0, Reject(OrdRejReason.OTHER, f"PRICE: {error}")


def from_venue(text: str, venue: str, at: int, instruments: Instruments) -> Command | list[MarketUpdate]:
    """An exchange's application message -> its command, or the market data in it."""
    message_type = text[text.index("\x0135=") + 4 : text.index("\x01", text.index("\x0135=") + 1)]
    if message_type == "W" or message_type == "X":
        return _market_data(text, venue, message_type, instruments)
    message = fields(text)
    if message_type == "8":
        return _execution_report(text, message, venue, at, instruments)
    if message_type == "9":
        return VenueCancelReject(
            at,
            venue,
            id_number(message["11"]),
            id_number(message["41"]),
            message["39"],
            message.get("102", ""),
            message.get("58", ""),
            printable(text),
        )
    told = message.get("58", "")
    return VenueOther(at, venue, f"MSG_{message_type}", f"{venue} sent MsgType {message_type}: {told}", printable(text))


def _execution_report(text: str, message: Fields, venue: str, at: int, instruments: Instruments) -> Command:
    get = message.get
    defects: list[str] = []
    instrument = instruments.get(get("55", ""))
    price_digits = instrument.price_digits if instrument else 0
    qty_digits = instrument.qty_digits if instrument else 0
    return VenueReport(
        at,
        venue,
        message["17"],
        message["150"],
        message["39"],
        id_number(get("11", "")),
        id_number(get("41", "")),
        message["37"],
        _told(get("32", "0"), qty_digits, defects),
        _told(get("31", "0"), price_digits, defects),
        _told(get("14", "-1"), qty_digits, defects) if "14" in message else -1,
        get("6", ""),
        _told(get("38", "0"), qty_digits, defects),
        _told(get("44", "0"), price_digits, defects),
        get("103", ""),
        get("58", ""),
        printable(text),
        "; ".join(defects),
        _possible_duplicate(message),
    )


def _told(value: str, digits: int, defects: list[str]) -> int:
    """A number that an exchange tells. It has happened, so one that is not exact is rounded, and said."""
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
    entries: list[Fields] = []
    for tag, value in pairs(text):
        if tag == delimiter:
            entries.append({})
        if entries:
            entries[-1][tag] = value
        elif tag == "55":
            symbol = value
    levels: dict[str, list[tuple[Side, int, int]]] = {symbol: []} if snapshot else {}
    trades: dict[str, tuple[int, int]] = {}
    for entry in entries:
        name = entry.get("55", symbol)
        instrument = instruments.get(name)
        kind = entry.get("269", "")
        if instrument is None or kind not in MD_SIDES and kind != MD_TRADE:
            continue
        try:
            price = to_scaled(entry.get("270", ""), instrument.price_digits)
            qty = to_scaled(entry.get("271", "0"), instrument.qty_digits)
        except Inexact:
            continue
        if kind == MD_TRADE:
            trades[name] = (price, qty)
        else:
            deleted = entry.get("279") == "2"
            levels.setdefault(name, []).append((MD_SIDES[kind], price, 0 if deleted else qty))
    names = [name for name in levels | trades if name in instruments]
    return [MarketUpdate(venue, name, snapshot, tuple(levels.get(name, ())), trades.get(name)) for name in names]


MD_SIDES = {"0": Side.BUY, "1": Side.SELL}
MD_TRADE = "2"

