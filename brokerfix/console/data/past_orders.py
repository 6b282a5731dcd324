"""Orders of a day that is over, out of the database, as the blotter fetches them."""

import asyncio
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Path, Query, Response

from brokerfix.console.data.orders import MOST_ROWS, ORDER_FIELDS, json_of
from brokerfix.console.desk import Desk
from brokerfix.domain import id_number
from brokerfix.projections.reading import Reading, Row, Unreadable, reading_of
from brokerfix.projections.tables import number_of

NAMES = {
    "type": "ord_type", "tif": "time_in_force", "cum": "cum_qty", "leaves": "leaves_qty",
    "destination": "ex_destination",
}  # fmt: skip
"""Columns of the blotter that the database calls otherwise."""
NOT_KEPT = ("notional", "held", "venues", "marks", "operator")
QUERY = f"""
    select * from orders
    where order_id >= :first and order_id < :beyond and {number_of("order_id")} > :after
    order by {number_of("order_id")} limit :most"""


def rows_of(reading: Reading, day: int, after: int) -> list[tuple[Any, ...]]:
    """The orders of a trading day after the one with that number, by ORDER_FIELDS. Raises Unreadable."""
    values = {"first": f"{day}", "beyond": f"{day + 1}", "after": after, "most": MOST_ROWS}
    return [fields_of(row) for row in reading.query(QUERY, values)]


def fields_of(row: Row) -> tuple[Any, ...]:
    """A row of the database's by ORDER_FIELDS; what it does not keep is empty."""
    known = {field: row.get(NAMES.get(field, field)) or "" for field in ORDER_FIELDS if field not in NOT_KEPT}
    known["entered"] = round(datetime.fromisoformat(row["entered"]).timestamp() * 1000)
    return tuple(known.get(field, "") for field in ORDER_FIELDS)


def add(app: FastAPI, desk: Desk) -> None:
    """The route /data/orders/of/YYYYMMDD."""

    @app.get("/data/orders/of/{day}", include_in_schema=False)
    async def orders_of(day: int = Path(ge=19700101, le=99991231), after: str = Query("", max_length=24)) -> Response:
        """The orders of a trading day after an OrderID, so many at most."""
        try:
            async with desk.reading:
                rows = await asyncio.to_thread(_read, desk, day, id_number(after) if after else 0)
        except Unreadable as error:
            return json_of({"trouble": f"{error}"}, 503)
        return json_of({"fields": ORDER_FIELDS, "rows": rows, "more": len(rows) == MOST_ROWS})


def _read(desk: Desk, day: int, after: int) -> list[tuple[Any, ...]]:
    reading = reading_of(desk.config, 20)
    try:
        return rows_of(reading, day, after)
    finally:
        reading.close()
