"""The orders, as the blotter fetches them."""

import asyncio
from typing import Any

import msgspec
from fastapi import FastAPI, Query, Response

from brokerfix.console.desk import Desk
from brokerfix.domain import average_text, id_text, to_text
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State

MOST_ROWS = 5_000
IN_ONE_GO = 250
"""Rows that are made before others have their turn."""
ORDER_FIELDS = (
    "order_id", "entered", "client", "account", "cl_ord_id", "symbol", "side", "type", "tif", "qty", "price", "status",
    "cum", "leaves", "avg_px", "notional", "at_venues", "in_book", "held", "venues", "marks", "destination", "stop_px",
    "exec_inst", "operator",
)  # fmt: skip
"""The columns of an order's row: `entered` in ms since 1970, amounts as decimal text. `notional` is what was filled,
`venues` are the exchanges that hold some of it, `marks` words that tell more of how it stands (MARKS)."""
MARKS = ("in doubt", "manual", "paused")
"""An exchange that holds some of it was lost since it has confirmed that; it waits for a hand; an operator has it
pause. What else holds an order with us is named by `Hold`."""


def order_fields(state: State, order: Order) -> tuple[Any, ...]:
    """An order's row, by ORDER_FIELDS."""
    instrument = state.instruments[order.symbol]
    prices, qtys = instrument.price_digits, instrument.qty_digits
    asked = order.instructions
    return (
        id_text(order.order_id),
        order.at // 10**6,
        order.client,
        order.account,
        order.cl_ord_id,
        order.symbol,
        order.side.name,
        order.ord_type.name,
        order.time_in_force.name,
        to_text(order.qty, qtys),
        to_text(order.price, prices) if order.price else "",
        order.status.name,
        to_text(order.cum, qtys),
        to_text(order.leaves, qtys),
        average_text(order.notional, order.cum, prices) if order.cum else "",
        to_text(order.notional, prices + qtys),
        to_text(order.at_venues, qtys),
        to_text(order.in_book, qtys),
        to_text(order.held, qtys),
        *_places(state, order),
        order.ex_destination,
        to_text(order.stop_px, prices) if order.stop_px else "",
        " ".join(asked.exec_inst) if asked is not None else "",
        order.operator,
    )


def _places(state: State, order: Order) -> tuple[str, str]:
    """Which exchanges hold some of it, and its marks."""
    children = [child for child in order.children if child.leaves]
    marks = [MARKS[0]] if any(state.in_doubt(child) for child in children) else []
    if order.held and order.hold is not None:
        marks.append(order.hold.value)
    if order.paused and not order.done:
        marks.append(MARKS[2])
    return " ".join(dict.fromkeys(child.venue for child in children)), ", ".join(marks)


def json_of(told: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(told), status, media_type="application/json")


def add(app: FastAPI, desk: Desk) -> None:
    """The route /data/orders."""

    @app.get("/data/orders", include_in_schema=False)
    async def orders(since: int = Query(0, ge=0), generation: int = Query(0, ge=0)) -> Response:
        """The orders that have changed after the version `since` of a generation, so many at most; all that there are
        where it is another one now."""
        changes, state = desk.feed.orders, desk.feed.state
        now = changes.generation
        numbers, version = changes.since(since if generation == now else 0, MOST_ROWS)
        rows: list[tuple[Any, ...]] = []
        for first in range(0, len(numbers), IN_ONE_GO):
            for number in numbers[first : first + IN_ONE_GO]:
                order = state.orders.get(number)
                if order is not None:
                    rows.append(order_fields(state, order))
            await asyncio.sleep(0)
        return json_of(
            {
                "generation": f"{now}",
                "version": version,
                "more": len(numbers) == MOST_ROWS,
                "fields": ORDER_FIELDS,
                "rows": rows,
            }
        )
