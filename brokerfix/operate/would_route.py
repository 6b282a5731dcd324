"""What the router would do with an order this moment, and why, in words. Nothing is sent and nothing is on record."""

from typing import Any

from brokerfix import facts as f
from brokerfix.domain import (
    Instrument,
    OrdType,
    Side,
    TimeInForce,
    average_text,
    id_text,
    money_text,
    to_money,
    to_text,
)
from brokerfix.engine.orders.order import Order
from brokerfix.engine.routing.evidence import evidence
from brokerfix.engine.routing.plan import plan
from brokerfix.engine.routing.plans import Plan
from brokerfix.engine.state import State
from brokerfix.operate.order_alternatives import not_taken
from brokerfix.operate.order_evidence import OrderDecision

OUR_BOOK = "our own book"


def would_route(
    state: State, client: str, account: str, symbol: str, side: Side, qty: int, price: int, at: int
) -> dict[str, Any]:
    """The plan for `qty` (scaled) of a Day order of the client's at `price` (0: a market order), `at` ns UTC: where
    which part goes and what it costs, what is not taken and why, and all of it in words. Quantities and prices are
    decimal text."""
    order = _asked(client, account, symbol, side, qty, price, at)
    planned = plan(state, order, qty, at=at)
    told = evidence(state, order, qty, planned, at)
    decision = OrderDecision(number=0, fact=f.RouteDecided(at=at, id=0, **told), limit=price)
    instrument = state.instruments[symbol]
    crossed = sum(cross.qty for cross in planned.crosses)
    parts = [*_crosses(planned, instrument), *_routes(planned, instrument)]
    rest = _rest(planned, qty, instrument)
    others = not_taken(decision, side, instrument)
    answer = {
        "symbol": symbol, "side": side.name.lower(), "qty": to_text(qty, instrument.qty_digits), "mode": planned.mode,
        "client": client, "parts": parts, "rest": rest, "not_taken": others,
        "expected_qty": to_text(told["expected_qty"] + crossed, instrument.qty_digits),
        "expected_px": _average(planned, instrument),
        "fees": told["expected_fee"] or "0",
        "best": parts[0]["exchange"] if parts else "",
    }  # fmt: skip
    return {**answer, "words": _words(answer, side, instrument, planned)}


def _asked(client: str, account: str, symbol: str, side: Side, qty: int, price: int, at: int) -> Order:
    kind = OrdType.LIMIT if price else OrdType.MARKET
    return Order(0, at, client, "", account, symbol, side, kind, TimeInForce.DAY, qty, price, price, "")


def _crosses(planned: Plan, instrument: Instrument) -> list[dict[str, Any]]:
    return [
        {
            "exchange": "", "qty": to_text(cross.qty, instrument.qty_digits),
            "price": to_text(cross.price, instrument.price_digits), "first_px": "", "fee": "", "all_in": "",
            "why": f"it meets order {id_text(cross.maker_order_id)} in our own book",
        }
        for cross in planned.crosses
    ]  # fmt: skip


def _routes(planned: Plan, instrument: Instrument) -> list[dict[str, Any]]:
    """Each child: its limit, and what a unit costs all in at the first quote that it aims at."""
    rows = []
    for route in planned.routes:
        aimed = next((seen for seen in planned.seen if seen.venue == route.venue and seen.aimed), None)
        all_in, fee, first = "", "", ""
        if aimed is not None:
            fee, first = aimed.fee or "0", to_text(aimed.price, instrument.price_digits)
            worth = aimed.price * instrument.money_factor * 10**instrument.qty_digits
            all_in = money_text(worth + to_money(fee))
        rows.append(
            {
                "exchange": route.venue,
                "qty": to_text(route.qty, instrument.qty_digits),
                "price": to_text(route.price, instrument.price_digits) if route.price else "at market",
                "first_px": first,
                "fee": fee,
                "all_in": all_in,
                "why": route.why.value,
            }
        )
    return rows


def _average(planned: Plan, instrument: Instrument) -> str:
    """The average price of what is expected to be filled at once, "" of nothing."""
    taken = [(one.aimed, one.price) for one in planned.seen if one.aimed]
    taken += [(cross.qty, cross.price) for cross in planned.crosses]
    total = sum(qty for qty, _ in taken)
    return (
        (average_text(sum(qty * price for qty, price in taken), total, instrument.price_digits) or "") if total else ""
    )


def _rest(planned: Plan, qty: int, instrument: Instrument) -> str:
    """What becomes of what is not placed at an exchange or crossed, "" of nothing."""
    digits = instrument.qty_digits
    if planned.book:
        return f"{to_text(planned.book, digits)} would rest in our own book"
    if planned.held:
        why = f" ({planned.hold.value})" if planned.hold is not None else ""
        return f"{to_text(planned.held, digits)} would be held with us{why}"
    left = qty - sum(route.qty for route in planned.routes) - sum(cross.qty for cross in planned.crosses)
    if left > 0 and planned.waits:
        return f"{to_text(left, digits)} would wait for the first part to be answered"
    return f"{to_text(left, digits)} would not be placed: {planned.why_left or planned.note}" if left > 0 else ""


def _words(answer: dict[str, Any], side: Side, instrument: Instrument, planned: Plan) -> list[str]:
    parts = answer["parts"]
    verb, symbol = side.name.capitalize(), instrument.symbol
    if not parts:
        return [f"{verb} {answer['qty']} {symbol}: nothing could be had now.", *filter(None, [answer["rest"]])]
    first = parts[0]
    told = [f"{first['exchange'] or OUR_BOOK} is best for the first {first['qty']}: {_part(first)} ({first['why']})."]
    told += [f"Then {one['qty']} from {one['exchange'] or OUR_BOOK}: {_part(one)} ({one['why']})." for one in parts[1:]]
    if answer["expected_px"]:
        fees = answer["fees"]
        paid = f"{fees} of exchanges' fees" if not fees.startswith("-") else f"{fees[1:]} of rebates from exchanges"
        told.append(f"Expected: {answer['expected_qty']} at {answer['expected_px']} on average, with {paid}.")
    if planned.note:
        told.append(f"Decided {planned.note}.")
    if answer["rest"]:
        told.append(f"{answer['rest']}.")
    return told


def _part(part: dict[str, Any]) -> str:
    fee, first = part["fee"], part["first_px"]
    is_swept = first and first != part["price"]
    at = f"from {first} to {part['price']}" if is_swept else f"at {part['price']}"
    if not fee or fee == "0":
        return at + (", no fee" if fee else "")
    what = f"a fee of {fee}" if not fee.startswith("-") else f"a rebate of {fee[1:]}"
    return f"{at}, {what} a unit, {part['all_in']} all in{' at first' if is_swept else ''}"
