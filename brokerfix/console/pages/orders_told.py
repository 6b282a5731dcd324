"""An order's tables: rows for people, out of the state, the database and the story that `explain` tells."""

from collections.abc import Callable, Sequence
from typing import Any

from brokerfix.console.data.orders import ORDER_FIELDS, order_fields
from brokerfix.console.data.past_orders import fields_of
from brokerfix.console.pages.orders_read import Known, nanoseconds
from brokerfix.domain import id_number, id_text, to_text
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State

Row = dict[str, Any]
Time = Callable[[int], str]
"""ns -> a time in the desk's zone."""
IN_DOUBT = "in doubt"


def words(name: str) -> str:
    """A status or type as words."""
    return name.replace("_", " ").lower()


def terms_of(state: State, order_id: int, known: Known) -> Row | None:
    """The order by ORDER_FIELDS: as it is now, or as the database has it; None: there is none."""
    order = state.orders.get(order_id)
    if order is not None:
        return dict(zip(ORDER_FIELDS, order_fields(state, order), strict=True))
    return dict(zip(ORDER_FIELDS, fields_of(known.order), strict=True)) if known.order is not None else None


def terms_told(told: Row) -> Row:
    """The same of an order that only the journal knows any more: one that was refused, or the database is not there."""
    order, end = told["order"], told["end"]
    found: Row = dict.fromkeys(ORDER_FIELDS, "")
    same = ("order_id", "client", "account", "cl_ord_id", "symbol", "operator")
    return found | {name: order[name] or "" for name in same} | {
        "entered": nanoseconds(order["time"].replace(" ", "T")) // 10**6, "side": order["side"].upper(),
        "type": order["type"], "tif": order["time_in_force"], "qty": order["qty_now"] or "",
        "price": order["price_now"] or "", "status": end["status"], "cum": end.get("filled") or "",
        "leaves": end.get("left") or "" if not end["time"] else "0", "avg_px": end.get("avg_px") or "",
        "destination": order["exchange"],
    }  # fmt: skip


def headline(terms: Row) -> str:
    """The order's terms in a sentence."""
    price = f" at {terms['price']}" if terms["price"] else ""
    stop = f", stop {terms['stop_px']}" if terms["stop_px"] else ""
    return (
        f"{terms['side'].capitalize()} {terms['qty']} {terms['symbol']}{price}: {words(terms['type'])}{stop}, "
        f"{terms['tif']}"
    )


def children_rows(state: State, order: Order | None, known: Known, told: Row | None) -> list[Row]:
    """The order's children, newest first: those that exchanges hold as they are now."""
    rows: dict[str, Row] = {}
    for one in (
        [*told["other_children"], *(child for each in told["decisions"] for child in each["children"])] if told else ()
    ):
        rows[one["child_id"]] = {
            "child_id": one["child_id"], "exchange": one["exchange"], "theirs": one["exchange_order_id"],
            "status": words(one["status"]), "qty": one["qty"], "price": one["price"] or "market", "cum": one["filled"],
            "leaves": "", "text": one["text"],
        }  # fmt: skip
    for one in known.children:
        before = rows.get(one["child_id"], {"text": ""})
        rows[one["child_id"]] = before | {
            "child_id": one["child_id"], "exchange": one["venue"], "theirs": one["venue_order_id"],
            "status": words(one["status"]) + (f", {IN_DOUBT}" if one["in_doubt"] else ""), "qty": one["qty"],
            "price": one["price"] if float(one["price"] or 0) else "market", "cum": one["cum_qty"],
            "leaves": one["leaves_qty"],
        }  # fmt: skip
    for child in order.children if order is not None else ():
        instrument = state.instruments[child.symbol]
        qtys, number = instrument.qty_digits, id_text(child.child_id)
        rows[number] = rows.get(number, {"text": ""}) | {
            "child_id": number, "exchange": child.venue, "theirs": child.venue_order_id,
            "status": words(child.status.name) + (f", {IN_DOUBT}" if state.in_doubt(child) else ""),
            "qty": to_text(child.qty, qtys), "cum": to_text(child.cum, qtys), "leaves": to_text(child.leaves, qtys),
            "price": to_text(child.price, instrument.price_digits) if child.price else "market",
        }  # fmt: skip
    return sorted(rows.values(), key=lambda row: id_number(row["child_id"]), reverse=True)


def _told_children(told: Row) -> list[Row]:
    return [*told["other_children"], *(child for one in told["decisions"] for child in one["children"])]


def fill_rows(known: Known, told: Row | None) -> list[Row]:
    """The order's fills by the database's columns, newest first; where there is no database, as the journal has
    them."""
    if known.fills or told is None:
        return known.fills
    return [
        {
            "exec_id": one["exec_id"], "at": f"{one['time'].replace(' ', 'T')}Z", "last_qty": one["qty"],
            "last_px": one["price"], "venue": one["exchange"] if one["child_id"] else "", "fee": one["charged"],
            "state": "busted" if one["taken_back"] else "booked",
        }
        for one in reversed(told["fills"])
    ]  # fmt: skip


def shown_fills(fills: Sequence[Row], time: Time) -> list[Row]:
    """The same for a table."""
    return [
        {
            "exec_id": one["exec_id"], "time": time(nanoseconds(one["at"])), "exchange": one["venue"] or "our book",
            "qty": one["last_qty"], "price": one["last_px"], "fee": one["fee"], "state": one["state"],
        }
        for one in fills
    ]  # fmt: skip


def sentences(told: Row, time: Time) -> list[Row]:
    """The story's sentences. Its tables are with the decisions."""
    rows = []
    for number, one in enumerate(told["story"]):
        if not one["what happened"].startswith(" "):
            facts = one.get("facts") or [one.get("fact", "")]
            facts = [facts] if isinstance(facts, str) else facts
            rows.append(
                {
                    "n": number, "time": time(nanoseconds(one["time"].replace(" ", "T"))), "what": one["what happened"],
                    "fact": " ".join(facts),
                }
            )  # fmt: skip
    return rows


def decision_rows(told: Row, time: Time) -> list[Row]:
    """The routing decisions: the market that each saw, what it expected, what came of it."""
    rows = []
    for one in told["decisions"]:
        expected, realised, slippage = one["expected"], one["realised"], one["realised"]["slippage"]
        rows.append(
            {
                "number": one["number"], "time": time(nanoseconds(one["time"].replace(" ", "T"))), "mode": one["mode"],
                "qty": one["qty"], "bid": _quote(one["bid"]), "ask": _quote(one["ask"]),
                "sent": ", ".join(f"{child['qty']} {child['exchange']}" for child in one["children"]),
                "expected": f"{expected['qty']} @ {expected['px']}" if expected["px"] is not None else "",
                "realised": f"{realised['qty']} @ {realised['px']}" if realised["px"] is not None else "",
                "slippage": slippage["per_unit"] if slippage is not None else "", "note": one["note"],
            }
        )  # fmt: skip
    return rows


def evidence_rows(one: Row) -> list[tuple[str, Sequence[str], list[Row]]]:
    """What a decision has looked at: tables of (title, columns, rows) as text."""
    tables = (
        ("Quotes that were looked at, best first", one["quotes"]),
        ("Exchanges", one["scores"]),
        ("Not taken, and why", one["not_taken"]),
    )
    return [
        (
            title,
            list(rows[0]),
            [{name: "" if value is None else f"{value}" for name, value in row.items()} for row in rows],
        )
        for title, rows in tables
        if rows
    ]


def _quote(side: Row | None) -> str:
    return f"{side['qty']} @ {side['price']}" if side is not None else ""
