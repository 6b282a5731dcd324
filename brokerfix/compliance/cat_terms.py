"""An order's terms as CAT has them."""

from decimal import Decimal
from typing import Any

from brokerfix.compliance.events import Child, Order
from brokerfix.compliance.words import eastern, price_of, qty_of
from brokerfix.domain import (
    AT_AUCTION,
    ExecInst,
    Instructions,
    Instrument,
    OrdType,
    Side,
    TimeInForce,
    day_of,
)
from brokerfix.operate.quality_read import is_worked

AT_MARKET = (OrdType.MARKET, OrdType.STOP, OrdType.MARKET_TO_LIMIT)
OF_EXEC_INST = {
    ExecInst.POST_ONLY: ("ALO",), ExecInst.ALL_OR_NONE: ("AON",), ExecInst.PRIMARY_PEG: ("PEG", "R"),
    ExecInst.MARKET_PEG: ("PEG", "P"), ExecInst.MID_PEG: ("PEG", "M"), ExecInst.TRAILING_STOP: ("TS",),
}  # fmt: skip
AUCTIONS = {
    (TimeInForce.OPENING, True): "MOO", (TimeInForce.OPENING, False): "LOO", (TimeInForce.CLOSING, True): "MOC",
    (TimeInForce.CLOSING, False): "LOC",
}  # fmt: skip
CAPACITIES = {"A": "A", "P": "P", "R": "R"}
"""OrderCapacity(528) -> CAT's capacity, as far as there is one."""


def side_of(order: Order) -> str:
    """A sale is short where its order is marked so, Side(54) 5 or 6."""
    if order.side is Side.BUY:
        return "B"
    return {"5": "SS", "6": "SX"}.get(order.tags.short_sale, "SL")


def in_force(tif: TimeInForce, asked: Instructions, day: int) -> dict[str, Any] | None:
    """`day` is the trading day that a day order is of. None: good till a date that is not on record."""
    if tif is TimeInForce.GTC:
        return {"GTC": True}
    if tif in (TimeInForce.IOC, TimeInForce.FOK):
        return {"IOC": True}
    if tif is TimeInForce.GTD:
        if asked.expire_at:
            return {"GTT": eastern(asked.expire_at)}
        return {"GTD": str(asked.expire_day)} if asked.expire_day else None
    return {"DAY": str(day)}


def _kind(ord_type: OrdType, price: int, limit: int, instrument: Instrument) -> dict[str, Any]:
    """Market or limit, with its price: of a peg that it never goes beyond."""
    price = limit if ord_type is OrdType.PEGGED else price
    if ord_type in AT_MARKET or not price:
        return {"orderType": "MKT"}
    return {"price": price_of(price, instrument), "orderType": "LMT"}


def _handling(
    ord_type: OrdType, tif: TimeInForce, asked: Instructions, stop_px: int, instrument: Instrument
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in asked.exec_inst:
        found |= dict.fromkeys(OF_EXEC_INST.get(ExecInst(one), ()), True)
    if asked.max_floor:
        found["RSV"] = True
    if asked.strategy is not None and asked.strategy.name:
        found["ALG"] = True
    if tif is TimeInForce.FOK:
        found["FOK"] = True
    if tif in AT_AUCTION:
        found[AUCTIONS[tif, ord_type in AT_MARKET]] = True
    if ord_type is OrdType.MARKET_TO_LIMIT:
        found["MTL"] = True
    if stop_px and ord_type in (OrdType.STOP, OrdType.STOP_LIMIT):
        found["STOP"] = price_of(stop_px, instrument)
    return found


def _shared(asked: Instructions, handling: dict[str, Any], instrument: Instrument) -> dict[str, Any]:
    found: dict[str, Any] = {"minQty": qty_of(asked.min_qty, instrument)} if asked.min_qty else {}
    return found | ({"handlingInstructions": handling} if handling else {})


def order_terms(order: Order, instrument: Instrument, not_held: bool = False) -> dict[str, Any]:
    """As the client has given them. One for an amount of money has that, and no quantity. `not_held`: all orders of its
    client are; others are where an algorithm or an operator has their time and price."""
    asked = order.instructions
    handling = _handling(order.ord_type, order.time_in_force, asked, order.stop_px, instrument)
    if order.ex_destination:
        handling["DIR"] = True
    if not_held or is_worked(asked):
        handling["NH"] = True
    if order.cash:
        handling["CASH"] = Decimal(order.cash)
    return (
        {"side": side_of(order), "quantity": 0 if order.cash else qty_of(order.qty, instrument)}
        | _kind(order.ord_type, order.price, asked.limit, instrument)
        | {"timeInForce": in_force(order.time_in_force, asked, day_of(order.order_id))}
        | _shared(asked, handling, instrument)
    )


def child_terms(child: Child, instrument: Instrument, qty: int, price: int, asked: Instructions) -> dict[str, Any]:
    """As an exchange is given them, with what it is itself asked for."""
    handling = _handling(child.ord_type, child.time_in_force, asked, asked.stop_px, instrument)
    return (
        {"side": side_of(child.order), "quantity": qty_of(qty, instrument)}
        | _kind(child.ord_type, price, asked.limit, instrument)
        | {"timeInForce": in_force(child.time_in_force, asked, day_of(child.child_id))}
        | _shared(asked, handling, instrument)
        | {"isoInd": iso_of(asked, child.time_in_force)}
    )


def iso_of(asked: Instructions, tif: TimeInForce) -> str:
    if ExecInst.INTERMARKET_SWEEP not in asked.exec_inst:
        return "NA"
    return "ISOI" if tif in (TimeInForce.IOC, TimeInForce.FOK) else "ISOD"
