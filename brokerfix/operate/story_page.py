"""Stories of fills, refused requests, accounts and days as HTML pages that need nothing else; an order's is
`order_page`."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from brokerfix.operate.order_page import OWN_STYLE, many, sentences_list
from brokerfix.operate.quality_page import STYLE, picture, table
from brokerfix.operate.sentences import Row

Section = tuple[str, Sequence[Row]]


def page(told: Row, image: bytes | None = None, missing: str = "") -> str:
    """Of what `explain` has of anything but an order. `image` is a PNG of the market around it, or `missing` says why
    there is none."""
    title, lines, sections = PAGES[told["kind"]](told)
    parts = [
        f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<style>{STYLE}{OWN_STYLE}</style></head><body><main><h1>{escape(title)}</h1>",
    ]
    if lines:
        shown = "".join(f"<p>{escape(line)}</p>" for line in lines)
        parts.append(f"<section><h2>In short</h2>{shown}</section>")
    if image is not None:
        parts.append(f"<section>{picture('The market around the order, and all its fills', image)}</section>")
    elif missing:
        parts.append(f"<section><p>No picture: {escape(missing)}</p></section>")
    parts += [
        f"<section><h2>{escape(name)}</h2>{table(_without_empty(rows))}</section>" for name, rows in sections if rows
    ]
    parts.append(sentences_list(told["story"], by_day=told["kind"] == "account"))
    note = "Every number is out of the journal. Times are UTC. The numbers at the right are those of the facts."
    parts.append(f"<section><h2>How to read it</h2><ul><li>{note}</li></ul></section></main></body></html>\n")
    return "\n".join(parts)


def _exec(told: Row) -> tuple[str, list[str], list[Section]]:
    one, other = told["exec"], told["other_side"]
    done = "bought" if one["side"] == "buy" else "sold"
    lines = [
        f"{one['account']} {done} {one['qty']} {one['symbol']} at {one['price']} ({one['exchange']}), "
        f"{one['time']}, by order {one['order_id']}, {one['client']}'s {one['cl_ord_id'] or 'by telephone'}."
    ]
    now = one["now"]
    if now["taken_back"]:
        lines.append("It was taken back: it counts for nothing.")
    elif told["changes"]:
        lines.append(f"As corrected it is {now['qty']} at {now['price']}.")
    sides = [_side(side) for side in (one, other) if side is not None]
    changes = [_flat(row, ("time", "what", "exec_id", "qty", "price", "who", "text")) for row in told["changes"]]
    shown = [
        {"what": name.replace("_", " ")} | {f"fill {side['exec_id']}": side[name] for side in sides}
        for name in sides[0]
        if name != "exec_id"
    ]
    return f"Fill {one['exec_id']}", lines, [
        ("Both sides" if other is not None else "The fill", shown), ("Since then", changes),
        ("What clients were told", _reports(told["reports"])),
    ]  # fmt: skip


def _side(side: Row) -> Row:
    names = ("exec_id", "order_id", "account", "side", "qty", "price", "charged", "exchange", "child_id",
             "exchange_exec_id", "exchange_fee")  # fmt: skip
    row = _flat(side, names)
    for name in ("position", "cash"):
        row |= {f"{name}_before": side[name]["before"], f"{name}_after": side[name]["after"]}
    return row


def _request(told: Row) -> tuple[str, list[str], list[Section]]:
    one = told["request"]
    lines = [f"{one['client']}'s {one['request']} {one['cl_ord_id']} was refused: {one['text']}."]
    return f"Refused request {one['fact']}", lines, [("What the client was told", _reports(told["reports"]))]


def _account(told: Row) -> tuple[str, list[str], list[Section]]:
    orders, refused = (sum(row[name] for row in told["symbols"]) for name in ("orders", "refused"))
    fills = sum(row["fills"] for row in told["symbols"])
    lines = [f"{many(orders, 'order')} accepted, {refused} refused; {many(fills, 'fill')}."]
    if told["standings"]:
        lines.append(f"Its margin: {told['standings'][-1]['standing']} since {told['standings'][-1]['time']}.")
    credit = [
        _flat(row, ("time", "score", "may_use_percent", "who")) | {"reasons": "; ".join(row["reasons"])}
        for row in told["credit"]
    ]
    return f"Account {told['account']}", lines, [
        ("What it traded", told["symbols"]), ("Limits", _without_facts(told["limits"])),
        ("Refusals, the last ones", [_refused(row) for row in told["refusals"][-MOST_ROWS:]]),
        ("Margin", _without_facts(told["standings"])), ("Credit", credit), ("By hand", _without_facts(told["by_hand"])),
    ]  # fmt: skip


MOST_ROWS = 100


def _refused(row: Row) -> Row:
    told = _flat(row, ("time", "request", "cl_ord_id", "symbol", "side", "text"))
    return told | {name: (row["refusal"] or {}).get(name) for name in ("limit", "used", "asked")}


def _day(told: Row) -> tuple[str, list[str], list[Section]]:
    totals = told["totals"]["all"]
    lines = [
        f"{many(totals['received'], 'order')} received: {totals['accepted']} accepted, {totals['refused']} refused; of "
        f"all that worked {totals['filled']} were filled, {totals['canceled']} canceled, {totals['expired']} expired.",
        f"{many(totals['fills'], 'fill')}, {totals['corrected']} corrected, {totals['taken_back']} taken back; "
        f"{many(sum(row['count'] for row in told['alerts']), 'alert')}; {told['facts']} facts.",
    ]
    alerts = [_flat(row, ("source", "code", "count", "first", "last")) for row in told["alerts"]]
    return f"Trading day {told['day']}", lines, [
        ("By account", told["totals"]["accounts"]), ("By symbol", told["totals"]["symbols"]),
        ("By exchange", told["totals"]["exchanges"]), ("Alerts", alerts), ("By hand", _without_facts(told["by_hand"])),
    ]  # fmt: skip


PAGES = {"exec": _exec, "request": _request, "account": _account, "day": _day}


def _reports(rows: Iterable[Row]) -> list[Row]:
    names = ("time", "client", "message", "exec_type", "ord_status", "last_qty", "last_px", "cum_qty", "leaves_qty",
             "exec_id", "text")  # fmt: skip
    return [_flat(row, names) for row in rows]


def _flat(row: Row, names: Iterable[str]) -> Row:
    """Some of a row; texts that are empty are none."""
    return {name: _shown(row[name]) for name in names}


def _without_facts(rows: Iterable[Row]) -> list[Row]:
    return [_flat(row, (name for name in row if name != "fact")) for row in rows]


def _without_empty(rows: Sequence[Row]) -> list[Row]:
    """Without the columns that have nothing in any row."""
    names = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    return [{name: row[name] for name in names} for row in rows]


def _shown(value: Any) -> Any:
    return None if value == "" else value
