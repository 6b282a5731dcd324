"""FIX text -> domain: what exchanges send us. Nothing is refused: what can't be read is rounded, and said."""

import re
from collections.abc import Callable, Mapping

from brokerfix.commands import Command, MarketStatus, MarketUpdate, VenueCancelReject, VenueOther, VenueReport
from brokerfix.domain import (
    MAX_DIGITS,
    BusinessRejectReason,
    ExecType,
    Inexact,
    Instrument,
    OrdStatus,
    Side,
    id_number,
    to_scaled,
)
from brokerfix.facts import NO_STATUS
from brokerfix.fix.text import Reader, pairs, printable
from brokerfix.fix.versions.dialect import dialect
from brokerfix.fix.versions.recode import FIX_42, FIX_44, report_to_44
from brokerfix.fix.versions.rules import message_type_of

Instruments = Mapping[str, Instrument]


def from_venue(
    text: str, venue: str, at: int, instruments: Instruments, begin_string: str = FIX_44
) -> Command | list[MarketUpdate] | MarketStatus:
    """An exchange's application message -> its command, or what it tells of its market."""
    message_type = message_type_of(text)
    if message_type == "8":
        return _execution_report(text, venue, at, instruments, begin_string)
    if message_type == "W" or message_type == "X":
        return _market_data(text, venue, message_type, instruments)
    message = dict(reversed(pairs(text)))
    told = message.get("58", "")
    if message_type == "h" or message_type == "f":
        return _status(message, venue, instruments)
    if message_type == "9":
        ids = id_number(message["11"]), id_number(message["41"])
        return VenueCancelReject(at, venue, *ids, message["39"], message.get("102", ""), told, printable(text))
    if message_type == "j" and message.get("379"):
        return _refusal(text, message, venue, at)
    return VenueOther(at, venue, f"MSG_{message_type}", f"{venue} sent MsgType {message_type}: {told}", printable(text))


def _status(message: dict[str, str], venue: str, instruments: Instruments) -> MarketStatus:
    """TradingSessionStatus(h), of a symbol where its TradingSessionID(336) is one, or SecurityStatus(f)."""
    if message["35"] == "f":
        # One of no symbol of ours is about nothing: all would be too much.
        symbol, trades = message.get("55", "") or "-", message.get("326", "") not in NOT_TRADING
    else:
        session = message.get("336", "")
        symbol, trades = session if session in instruments else "", message.get("340", "") not in SESSION_NOT_TRADING
    return MarketStatus(venue, symbol, trades, message.get("58", ""))


NOT_TRADING = ("1", "2", "4", "5", "18", "19", "20", "21", "22")
"""SecurityTradingStatus(326) without continuous trading: opening delay, halt, no open or resume, imbalances on both
sides, not available, not traded, unknown, pre-open, opening rotation."""
SESSION_NOT_TRADING = ("1", "3", "4")
"""TradSesStatus(340): halted, closed, pre-open."""


def from_venue_reject(text: str, sent: str, venue: str, at: int) -> Command:
    """An exchange's Reject(3) of the message `sent` (if it is known), as what it means for the order in it."""
    message, about = dict(reversed(pairs(text))), dict(reversed(pairs(sent)))
    if about.get("35") in ("D", "F", "G"):
        return _refusal(text, {**message, "372": about["35"], "379": about["11"]}, venue, at)
    told = f"{venue} rejected a message of ours: {message.get('58', '')}"
    return VenueOther(at, venue, "MSG_3", told, printable(f"{text} {sent}"))


def _refusal(text: str, message: dict[str, str], venue: str, at: int) -> Command:
    """A Reject(3) or BusinessMessageReject(j) of an order or request, as a report or cancel reject on it. That of
    anything else changes nothing."""
    number, told, raw = id_number(message["379"]), message.get("58", ""), printable(text)
    about = message.get("372", "")
    if about in ("F", "G"):
        return VenueCancelReject(at, venue, number, 0, "", "99", told, raw)
    if about == "H" and message.get("380") == BusinessRejectReason.UNSUPPORTED_MESSAGE:
        return VenueOther(at, venue, NO_STATUS, f"{venue} answers no OrderStatusRequest; it is not asked again", raw)
    if about != "D":
        return VenueOther(at, venue, f"MSG_{message['35']}", f"{venue} rejected MsgType {about}: {told}", raw)
    # MsgSeqNums come again when a session begins anew within the day; the times of sending do not.
    exec_id = f"{message['35']}-{message.get('122') or message['52']}-{message['34']}"
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
    orig, last_qty, last_px, cum, leaves, order_qty, price = map(message.get, NUMBERS)
    return VenueReport(
        at,
        venue,
        message["17"] or "",
        message["150"] or "",
        message["39"] or "",
        id_number(message["11"] or ""),
        id_number(orig) if orig else 0,
        message["37"] or "",
        _told(last_qty, qty_digits, defects) if last_qty else 0,
        _told(last_px, price_digits, defects) if last_px else 0,
        _told(cum, qty_digits, defects) if cum else -1,
        message["6"] or "",
        message["103"] or "",
        message["58"] or "",
        text,
        "; ".join(defects) if defects else "",
        message["43"] == "Y" or message["97"] == "Y",
        _told(leaves, qty_digits, defects) if leaves else -1,
        _told(order_qty, qty_digits, defects) if order_qty else 0,
        _told(price, price_digits, defects) if price else 0,
        message["19"] or "",
        message["378"] or "",
        message["851"] or "",
    )


NUMBERS = ("41", "32", "31", "14", "151", "38", "44")
"""OrigClOrdID, LastQty, LastPx, CumQty, LeavesQty, OrderQty, Price."""


def _told(value: str, digits: int, defects: list[str]) -> int:
    """A number that an exchange tells. It has happened, so one that is not exact is rounded, and said."""
    try:
        return to_scaled(value, digits)
    except Inexact as error:
        defects.append(str(error))
        try:
            number = round(float(value) * int(10**digits))
        except (ValueError, OverflowError):
            return 0
        return number if abs(number) < 10**MAX_DIGITS else 0


def _market_data(text: str, venue: str, message_type: str, instruments: Instruments) -> list[MarketUpdate]:
    """W (one symbol, whole) or X (entries of any symbols). Entries that can't be read as quotes are left out: the
    view is better without them, and no order hangs on them. Only the tags that are needed are looked at."""
    is_whole = message_type == "W"
    head, entries = _entries(text, *(WHOLE if is_whole else CHANGES))
    symbol = head.get("55", "")
    # A snapshot's RptSeq is that of the last change that is in it.
    of_symbol = {symbol: _Told(symbol, _number(head.get("83", "")))} if is_whole else {}
    told: _Told | None = None
    price_digits = qty_digits = 0
    for action, kind, entry_id, name, price_text, qty_text, number in entries:
        # An entry of the same symbol as the one before may leave it out.
        symbol = name or symbol
        if told is None or symbol != told.symbol:
            instrument = instruments.get(symbol)
            if instrument is None:
                continue
            price_digits, qty_digits = instrument.price_digits, instrument.qty_digits
            told = of_symbol.get(symbol)
            if told is None:
                told = of_symbol[symbol] = _Told(symbol)
        if number:
            told.last = _number(number)
            told.first = told.first or told.last
        is_gone = action == MD_DELETE
        try:
            price = to_scaled(price_text or ("0" if is_gone else ""), price_digits)
            qty = to_scaled(qty_text or "0", qty_digits)
        except Inexact:
            continue
        side = MD_SIDES.get(kind)
        if kind == MD_TRADE:
            if not is_gone and price > 0 and qty > 0:
                told.trades.append((price, qty))
            continue
        if price_text and price <= 0:
            # Nobody trades at that.
            continue
        if is_gone:
            qty = 0
        if entry_id and (side is not None or is_gone):
            told.orders.append((action or MD_NEW, entry_id, side or Side.BUY, price, qty))
        if side is not None and price_text:
            told.levels.append((side, price, qty))
    return [
        MarketUpdate(
            venue, name, is_whole, tuple(told.levels), tuple(told.trades), tuple(told.orders), told.first, told.last
        )
        for name, told in of_symbol.items()
        if name in instruments
    ]


class _Told:
    """What a message tells of one symbol, and the RptSeq of the first and the last entry."""

    __slots__ = ("first", "last", "levels", "orders", "symbol", "trades")

    def __init__(self, symbol: str, number: int = 0) -> None:
        self.symbol = symbol
        self.levels: list[tuple[Side, int, int]] = []
        self.trades: list[tuple[int, int]] = []
        self.orders: list[tuple[str, str, Side, int, int]] = []
        self.first = self.last = number


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < MAX_DIGITS else 0


MdEntries = list[tuple[str, ...]]
"""The values of MD_TAGS; "" where an entry does not have one, and EMPTY where it has it without a value."""


def _entries(text: str, mark: str, usual: Callable[[str], MdEntries]) -> tuple[dict[str, str], MdEntries]:
    """The fields before the entries, each of which begins with `mark`, and the entries. One regular expression takes an
    entry as it nearly always is; a message that it does not take all of is read field by field. Both give the same."""
    found = usual(text)
    if found and len(found) == text.count(mark):
        # What stands before changes is of no use where the first of them has a symbol.
        is_told = found[0][0] and found[0][3]
        return {} if is_told else dict(MD_FIELDS(text, 0, text.index(mark))), found
    head: dict[str, str] = {}
    entries: list[dict[str, str]] = []
    entry = head
    for tag, value in MD_FIELDS(text):
        if tag == mark[1:-1]:
            entry = {}
            entries.append(entry)
        entry[tag] = value or EMPTY
    return head, [tuple([entry.get(tag, "") for tag in MD_TAGS]) for entry in entries]


MD_TAGS = ("279", "269", "278", "55", "270", "271", "83")
"""MDUpdateAction, MDEntryType, MDEntryID, Symbol, MDEntryPx, MDEntrySize, RptSeq: in the order in which QuickFIX gives
an entry's fields."""
EMPTY = "?"
MD_FIELDS = re.compile(f"\x01({'|'.join(MD_TAGS)})=([^\x01]*)").findall


def _pattern(first: str) -> Callable[[str], MdEntries]:
    """Finds the entries that begin with the tag `first`, have the others of MD_TAGS behind it in their order or not at
    all, and end where the next begins or the message ends. No field is gone back to."""
    other = f"(?:\x01(?!(?:10|{'|'.join(MD_TAGS)})=)[^\x01]*+)*+"
    at = MD_TAGS.index(first)
    # Between action, type and ID stands nothing else that is usual.
    fields = [f"(?:\x01{tag}=([^\x01]++))?+{'' if tag == '269' else other}" for tag in MD_TAGS[at + 1 :]]
    end = f"(?=\x01(?:{first}=|10=[^\x01]*+\x01?\\Z))"
    return re.compile(f"{'()' * at}\x01{first}=([^\x01]++){''.join(fields)}{end}").findall


WHOLE, CHANGES = ("\x01269=", _pattern("269")), ("\x01279=", _pattern("279"))
MD_NEW, MD_DELETE = "0", "2"
MD_SIDES = {"0": Side.BUY, "1": Side.SELL}
MD_TRADE = "2"
