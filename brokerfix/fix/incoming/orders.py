"""A client's single orders and requests: tag -> value in the words of FIX 4.4 -> command, with exact integers."""

from collections.abc import Callable, Mapping

import msgspec

from brokerfix.commands import AskMassStatus, AskStatus, CancelOrder, Command, NewOrder, ReplaceOrder, TakeQuote
from brokerfix.domain import (
    ExecInst,
    Inexact,
    Instructions,
    Instrument,
    OrderTags,
    OrdRejReason,
    OrdType,
    Reject,
    Side,
    TimeInForce,
    id_number,
    to_money,
    to_scaled,
)
from brokerfix.fix.incoming.strategies import strategy
from brokerfix.fix.text import Fields, at_of, day_of, possible_duplicate

Instruments = Mapping[str, Instrument]


def new_order(message: Fields, client: str, at: int, instruments: Instruments, unsupported: str) -> Command:
    """A NewOrderSingle(D): an order, or one that takes a quote."""
    quoted = message["40"] == OrdType.PREVIOUSLY_QUOTED
    if not quoted and message.get("117"):
        unsupported = unsupported or f"tag 117 needs tag 40={OrdType.PREVIOUSLY_QUOTED}"
    qty, price, defect, asked, cash = _terms(message, instruments, at)
    tags = None
    if "583" in message or message["54"] in SHORT:
        tags = _tags(message)
    order = NewOrder(
        at,
        client,
        message["11"] or "",
        message["1"] or "",
        message["55"] or "",
        SIDES[message["54"] == "1"],
        ORD_TYPES.get(message["40"], OrdType.LIMIT),
        TIMES_IN_FORCE.get(message["59"], TimeInForce.DAY),
        qty,
        price,
        message["100"] or "",
        message["43"] == "Y" or message["97"] == "Y",
        Reject(OrdRejReason.UNSUPPORTED, "UNSUPPORTED", unsupported) if unsupported else defect,
        asked,
        cash,
        capacity=message.get("528") or "",
        tags=tags,
        told=message,
    )
    return TakeQuote(at, client, order, id_number(message.get("117") or "")) if quoted else order


def _tags(message: Fields) -> OrderTags | None:
    """What an order says of itself beside its terms."""
    short_sale = message["54"] if message["54"] in SHORT else ""
    locate = message.get("114") or "" if short_sale else ""
    tags = OrderTags(message.get("583") or "", message.get("2362") or "", short_sale or "", locate)
    return tags if tags != NO_TAGS else None


def _cancel_order(message: Fields, client: str, at: int, instruments: Instruments, unsupported: str) -> Command:
    # A cancel always passes: a tag that we do not take can't change what it means.
    ids = message["11"] or "", message["41"] or ""
    return CancelOrder(at, client, *ids, possible_duplicate(message), id_number(message["37"] or ""))


def _replace_order(message: Fields, client: str, at: int, instruments: Instruments, unsupported: str) -> Command:
    qty, price, defect, asked, _ = _terms(message, instruments, at)
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
        qty,
        price,
        possible_duplicate(message),
        Reject(OrdRejReason.UNSUPPORTED, "UNSUPPORTED", unsupported) if unsupported else defect,
        asked,
        id_number(message["37"] or ""),
        (message["54"] or "") if message["54"] in SHORT else "",
    )


def _ask_status(message: Fields, client: str, at: int, instruments: Instruments, unsupported: str) -> Command:
    if message["11"] is None and message["37"] is None:
        return AskMassStatus(at, client, message["790"] or "", False, message["55"] or "", message["1"] or "")
    side = SIDES[message["54"] != "2"]
    order_id = id_number(message["37"] or "")
    return AskStatus(at, client, message["11"] or "", message["55"] or "", side, message["790"] or "", order_id)


_Terms = tuple[int, int, Reject | None, Instructions | None, str]
"""An order's quantity and price, scaled, 0 where there is none or it is not exact; what is wrong with them; what else
it asks for; and its CashOrderQty."""


def _terms(message: Fields, instruments: Instruments, at: int) -> _Terms:
    instrument = instruments.get(message["55"] or "")
    if instrument is None:
        return 0, 0, None, None, ""
    ord_type = message["40"]
    try:
        what, cash, qty = "QUANTITY", "", 0
        if message["38"] is not None:
            qty = to_scaled(message["38"], instrument.qty_digits)
        else:
            what, cash = "CASH_ORDER_QTY", message.get("152") or ""
            to_money(cash or "0")
        what, price = "PRICE", 0
        if ord_type not in UNPRICED:
            price = to_scaled(message["44"] or "0", instrument.price_digits)
        plain = ord_type in PLAIN_TYPES and message["59"] in PLAIN_TIMES and message["21"] != MANUAL
        if plain and ("99" not in message or not any(map(message.get, ASKED))):
            return qty, price, None, None, cash
        what = "INSTRUCTIONS"
        asked = _asked(message, instrument)
        if any(map(message.get, STRATEGY)):
            what = "STRATEGY"
            worked, display = strategy(message, at)
            shown = to_scaled(display or "0", instrument.qty_digits) or asked.max_floor
            asked = msgspec.structs.replace(asked, strategy=worked, max_floor=shown)
    except (Inexact, ValueError) as error:
        reason = OrdRejReason.INCORRECT_QUANTITY if what == "QUANTITY" else OrdRejReason.OTHER
        return 0, 0, Reject(reason, what, str(error)), None, ""
    if ord_type == OrdType.PEGGED and ExecInst.TRAILING_STOP not in asked.exec_inst:
        asked, price = msgspec.structs.replace(asked, limit=price), 0
    return qty, price, None, asked, cash


def _asked(message: Fields, instrument: Instrument) -> Instructions:
    """What an order asks for besides. Raises Inexact or ValueError."""
    qty_digits, price_digits = instrument.qty_digits, instrument.price_digits
    return Instructions(
        to_scaled(message.get("99") or "0", price_digits),
        at_of(message.get("126") or "") if message.get("126") else 0,
        day_of(message.get("432") or "") if message.get("432") else 0,
        to_scaled(message.get("111") or "0", qty_digits),
        to_scaled(message.get("110") or "0", qty_digits),
        to_scaled(message.get("211") or "0", price_digits),
        exec_inst=tuple((message.get("18") or "").split()),
        manual=message["21"] == MANUAL,
    )


STRATEGY = ("847", "848", "849", "957")
"""TargetStrategy, and its parameters."""
MANUAL = "3"
"""HandlInst(21): manual order, best execution."""
UNPRICED = frozenset(map(str, (OrdType.MARKET, OrdType.STOP, OrdType.MARKET_TO_LIMIT)))
PLAIN_TYPES = frozenset(map(str, (OrdType.MARKET, OrdType.LIMIT, OrdType.PREVIOUSLY_QUOTED)))
PLAIN_TIMES = frozenset((None, "0", "1", "3", "4"))
ASKED = ("18", "99", "110", "111", "126", "211", "432", "847", "848", "849", "957")
"""The tags that ask for more than a plain order does."""


ORD_TYPES: dict[str | None, OrdType] = {str(ord_type): ord_type for ord_type in OrdType}
TIMES_IN_FORCE: dict[str | None, TimeInForce] = {str(time_in_force): time_in_force for time_in_force in TimeInForce}
SHORT = ("5", "6")
"""Side(54) of orders to sell short, or short exempt."""
NO_TAGS = OrderTags()
SIDES = (Side.SELL, Side.BUY)
"""By whether Side(54) is "1". A side that we do not take is refused by the dialect's values, and told as a sell."""


DECODERS: dict[str, Callable[[Fields, str, int, Instruments, str], Command]] = {
    "D": new_order,
    "F": _cancel_order,
    "G": _replace_order,
    "H": _ask_status,
}
