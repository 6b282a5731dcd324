"""The tables that a broker's journal is projected to, whatever database they are in.

Amounts are exact decimals and times are UTC with microseconds, which readers get as text: "150.10" and
"2026-11-22T09:30:00.000000Z". What is not known or not there is NULL. JSON stays the text that it was written as.
"""

from enum import Enum

from brokerfix.domain import SEQUENCES, SHARDS


class Kind(Enum):
    """What a column holds. SQLite has all but whole numbers as text, PostgreSQL has types of its own."""

    TEXT = "text"
    WHOLE = "integer"
    AMOUNT = "numeric"
    MOMENT = "timestamp with time zone"
    JSON = "json"


TEXT, WHOLE, AMOUNT, MOMENT, JSON = Kind.TEXT, Kind.WHOLE, Kind.AMOUNT, Kind.MOMENT, Kind.JSON

TABLES: dict[str, tuple[dict[str, Kind], tuple[str, ...]]] = {
    "orders": (
        {
            "order_id": TEXT, "cl_ord_id": TEXT, "client": TEXT, "account": TEXT, "symbol": TEXT, "side": TEXT,
            "ord_type": TEXT, "time_in_force": TEXT, "qty": AMOUNT, "price": AMOUNT, "status": TEXT,
            "cum_qty": AMOUNT, "leaves_qty": AMOUNT, "avg_px": AMOUNT, "in_book": AMOUNT, "at_venues": AMOUNT,
            "entered": MOMENT, "stop_px": AMOUNT, "min_qty": AMOUNT, "max_floor": AMOUNT, "expire_time": MOMENT,
            "expire_date": TEXT, "peg_offset": AMOUNT, "limit_px": AMOUNT, "exec_inst": TEXT,
            "ex_destination": TEXT, "cash_order_qty": AMOUNT, "manual": WHOLE,
        },
        ("order_id",),
    ),
    "child_orders": (
        {
            "child_id": TEXT, "order_id": TEXT, "venue": TEXT, "venue_order_id": TEXT, "symbol": TEXT,
            "side": TEXT, "qty": AMOUNT, "price": AMOUNT, "time_in_force": TEXT, "status": TEXT,
            "cum_qty": AMOUNT, "leaves_qty": AMOUNT, "in_doubt": WHOLE,
        },
        ("child_id",),
    ),
    "executions": (
        {
            "exec_id": TEXT, "at": MOMENT, "order_id": TEXT, "cl_ord_id": TEXT, "client": TEXT, "account": TEXT,
            "symbol": TEXT, "side": TEXT, "last_qty": AMOUNT, "last_px": AMOUNT, "venue": TEXT,
            "venue_exec_id": TEXT, "state": TEXT, "changed_by": TEXT, "fee": AMOUNT,
        },
        ("exec_id",),
    ),
    "positions": (
        {
            "account": TEXT, "symbol": TEXT, "qty": AMOUNT, "bought": AMOUNT, "sold": AMOUNT, "mark": AMOUNT,
            "open_buy_qty": AMOUNT, "open_sell_qty": AMOUNT,
        },
        ("account", "symbol"),
    ),
    "accounts": (
        {
            "account": TEXT, "paid_in": AMOUNT, "cash": AMOUNT, "buying_power": AMOUNT, "kind": TEXT,
            "standing": TEXT, "balances": JSON, "equity": AMOUNT, "maintenance": AMOUNT, "excess": AMOUNT,
            "credit": AMOUNT, "checks_power": WHOLE, "limits": JSON,
        },
        ("account",),
    ),
    "quotes": (
        {
            "id": TEXT, "at": MOMENT, "symbol": TEXT, "bid_px": AMOUNT, "bid_qty": AMOUNT, "ask_px": AMOUNT,
            "ask_qty": AMOUNT, "mark": AMOUNT,
        },
        ("id",),
    ),
    "trades": (
        {"id": TEXT, "at": MOMENT, "symbol": TEXT, "qty": AMOUNT, "price": AMOUNT, "venue": TEXT},
        ("id",),
    ),
    "books": (
        {
            "symbol": TEXT, "at": MOMENT, "bids": JSON, "asks": JSON, "last": TEXT, "mid": AMOUNT,
            "weighted": AMOUNT, "spread_bps": AMOUNT, "state": TEXT, "open": AMOUNT, "high": AMOUNT,
            "low": AMOUNT, "volume": AMOUNT, "vwap": AMOUNT, "sources": WHOLE, "fresh": WHOLE, "left_out": JSON,
        },
        ("symbol",),
    ),
    "route_decisions": (
        {
            "id": TEXT, "at": MOMENT, "order_id": TEXT, "mode": TEXT, "qty": AMOUNT, "quotes": JSON,
            "exchanges": JSON, "expected_qty": AMOUNT, "expected_px": AMOUNT, "expected_fee": AMOUNT, "note": TEXT,
        },
        ("id",),
    ),
    "sessions": ({"kind": TEXT, "name": TEXT, "state": TEXT, "since": MOMENT}, ("kind", "name")),
}  # fmt: skip
"""By name: columns and key. Each database has its progress beside them, in its own way."""

DAILY = {"executions": "exec_id", "trades": "id", "quotes": "id", "route_decisions": "id"}
"""Tables whose rows are written once, with the number that begins with the trading day that they are of."""
ENDING = {"orders": "order_id", "child_orders": "child_id"}
"""Tables whose rows are done with when nothing is left (`leaves_qty`)."""


def number_of(column: str) -> str:
    """The SQL that makes the number of an id's text: ids sort as numbers, not as text. Both databases read it, and
    their indexes are made of it."""
    day, shard = f"cast(substr({column}, 1, 8) as bigint)", f"cast(substr({column}, 10, 2) as bigint)"
    with_shard = f"({day} * {SHARDS} + {shard}) * {SEQUENCES} + cast(substr({column}, 13) as bigint)"
    without = f"{day} * {SEQUENCES} + cast(substr({column}, 10) as bigint)"
    return f"(case substr({column}, 12, 1) when '-' then {with_shard} else {without} end)"


def pages(column: str) -> str:
    """What the HTTP door's pages are read by."""
    return f"client, {number_of(column)}"
