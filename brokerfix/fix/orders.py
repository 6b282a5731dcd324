"""A client's single orders and requests: tag -> value in the words of FIX 4.4 -> command, with exact integers."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from brokerfix.commands import AskMassStatus, AskStatus, CancelOrder, Command, NewOrder, ReplaceOrder
from brokerfix.domain import (
    ExecInst,
    Inexact,
    Instructions,
    Instrument,
    OrdRejReason,
    OrdType,
    Reject,
    Side,
    TimeInForce,
    id_number,
    to_money,
    to_scaled,
)
from brokerfix.fix.text import Fields, at_of, possible_duplicate

Instruments = Mapping[str, Instrument]


def new_order(message: Fields, client: str, at: int, instruments: Instruments, unsupported: str) -> Command:
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
        possible_duplicate(message),
        Reject(OrdRejReason.UNSUPPORTED, unsupported) if unsupported else terms.defect,
        terms.instructions,
        terms.cash,
    )


def _cancel_order(message: Fields, client: str, at: int, instruments: Instruments, unsupported: str) -> Command:
    # A cancel always passes: a tag that we do not take can't change what it means.
    ids = message["11"] or "", message["41"] or ""
    return CancelOrder(at, client, *ids, possible_duplicate(message), id_number(message["37"] or ""))


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
        possible_duplicate(message),
        Reject(OrdRejReason.UNSUPPORTED, unsupported) if unsupported else terms.defect,
        terms.instructions,
        id_number(message["37"] or ""),
    )


def _ask_status(message: Fields, client: str, at: int, instruments: Instruments, unsupported: str) -> Command:
    if message["11"] is None and message["37"] is None:
        return AskMassStatus(at, client, message["790"] or "", False, message["55"] or "", message["1"] or "")
    side = SIDES[message["54"] != "2"]
    order_id = id_number(message["37"] or "")
    return AskStatus(at, client, message["11"] or "", message["55"] or "", side, message["790"] or "", order_id)


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
    if ord_type == OrdType.PEGGED and ExecInst.TRAILING_STOP not in asked.exec_inst:
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


ORD_TYPES: dict[str | None, OrdType] = {str(ord_type): ord_type for ord_type in OrdType}
TIMES_IN_FORCE: dict[str | None, TimeInForce] = {str(time_in_force): time_in_force for time_in_force in TimeInForce}
SIDES = (Side.SELL, Side.BUY)
"""By whether Side(54) is "1". A side that we do not take is refused by the dialect's values, and told as a sell."""


DECODERS: dict[str, Callable[[Fields, str, int, Instruments, str], Command]] = {
    "D": new_order,
    "F": _cancel_order,
    "G": _replace_order,
    "H": _ask_status,
}
