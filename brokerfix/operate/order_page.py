"""The evidence of an order as one HTML page that needs nothing else: what happened in sentences, its picture, and the
tables of each decision."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from brokerfix.operate.order_told import decimal_sum
from brokerfix.operate.quality_page import STYLE, picture, table
from brokerfix.operate.quality_words import OWN_BOOK
from brokerfix.operate.sentences import Row

OWN_STYLE = """
h3 { font-size: .95rem; margin: 1.1rem 0 .35rem; color: var(--soft); }
ol { list-style: none; margin: 0; padding: 0; font-size: .9rem; }
ol li { padding: .15rem 0 .15rem 9.5rem; text-indent: -9.5rem; }
time { display: inline-block; width: 9.5rem; text-indent: 0; color: var(--soft); font-variant-numeric: tabular-nums; }
summary { cursor: pointer; font-weight: 600; font-size: 1.15rem; }
details ol { margin-top: .8rem; }
ol small { color: #9aa5ae; font-size: .72rem; white-space: nowrap; }
ol.days li { padding-left: 13rem; text-indent: -13rem; }
ol.days time { width: 13rem; }
"""
MOST_TOLD = 40
"""Sentences that are shown at once; a longer story is to be opened."""


def page(told: Row, image: bytes | None, missing: str) -> str:
    """Of what `order_told.told` has. `image` is a PNG, or `missing` says why there is none."""
    order = told["order"]
    title = f"Order {order['order_id']}: {_terms(order)}"
    parts = [
        f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<style>{STYLE}{OWN_STYLE}</style></head><body><main><h1>{escape(title)}</h1>",
        f"<p class='scope'>{escape(_scope(order))}</p>",
        *(f"<p class='warning'>{escape(note)}</p>" for note in told["notes"]),
        f"<section><h2>What became of it</h2>{_paragraphs(summary(told))}</section>",
    ]
    if image is not None:
        seen = "The best bid and ask around the order, its fills by exchange, and how much of it was filled when"
        parts.append(f"<section>{picture(seen, image)}</section>")
    else:
        parts.append(f"<section><p>No picture: {escape(missing)}</p></section>")
    parts += [f"<section><h2>{name}</h2>{table(rows)}</section>" for name, rows in _checked(told) if rows]
    parts.append(sentences_list(told["story"]))
    parts += [_decision(order, one) for one in told["decisions"]]
    if told["other_children"]:
        rows = _children(told["other_children"])
        parts.append(f"<section><h2>Children of no decision on record</h2>{table(rows)}</section>")
    if told["fills"]:
        parts.append(f"<section><h2>Fills</h2>{table(_fills(told['fills']))}</section>")
    if told["reports"]:
        parts.append(f"<section><h2>What clients were told</h2>{table(_reports(told['reports']))}</section>")
    notes = "".join(f"<li>{note}</li>" for note in NOTES)
    return "\n".join([*parts, f"<section><h2>How to read it</h2><ul>{notes}</ul></section></main></body></html>\n"])


def _checked(told: Row) -> list[tuple[str, list[Row]]]:
    """What the order was weighed against, its requests that were refused, and what was done by hand."""
    checks = [
        {"limit": row["name"], "of": row["at"], "is": row["limit"], "used before": row["used"], "with it": row["value"],
         "note": "; ".join(filter(None, ("broken" if row["broken"] else "", row["note"]))) or None,
         "set by": row["set_by"]}
        for row in told["checks"]
    ]  # fmt: skip
    refused = [
        {name: row[name] for name in ("time", "request", "cl_ord_id", "orig_cl_ord_id", "text")}
        for row in told["refused_requests"]
    ]
    by_hand = [{name: row[name] for name in ("time", "who", "what")} for row in told["by_hand"]]
    return [("Limits that it was weighed against", checks), ("Refused requests", refused), ("By hand", by_hand)]


def _reports(reports: Iterable[Row]) -> list[Row]:
    names = ("exec_type", "ord_status", "cl_ord_id", "last_qty", "last_px", "cum_qty", "leaves_qty", "exec_id", "text")
    return [{"time": row["time"][11:], "to": row["client"]} | {name: row[name] for name in names} for row in reports]


NOTES = (
    "Every number is out of the journal. Times are UTC. Behind each sentence are the numbers of its facts.",
    "Fee is what exchanges take by their configured fees (below 0: they give); charged is what the fills cost the "
    "account.",
    "Expected is what a decision takes at exchanges at once, without what it crosses in our own book or lets rest.",
    "Slippage compares what exchanges filled first, as much as was expected, with what was expected of it; above 0 is "
    "worse for the order.",
)


def _terms(order: Row) -> str:
    qty = f" {order['qty']}" if order["qty"] is not None else ""
    return f"{order['side']}{qty} {order['symbol']}" + (f" at {order['price']}" if order["price"] else "")


def _scope(order: Row) -> str:
    by = f", entered by {order['operator']}" if order["operator"] else ""
    where = f", for {order['exchange']}" if order["exchange"] else ""
    return (
        f"{order['cl_ord_id']} of {order['client']}, account {order['account']}{by}: {order['type']}, "
        f"{order['time_in_force']}{where}; received {order['time']} UTC"
    )


def summary(told: Row) -> list[str]:
    """What became of the order, in a few sentences."""
    order, end = told["order"], told["end"]
    if "filled" not in end or (end["status"] == "rejected" and not told["fills"]):
        return [f"It was refused: {end['text']}."]
    how = f"It was {end['status']} at {end['time']}" if end["time"] else f"It works: it is {end['status']}"
    how += f": {end['text']}." if end["text"] else "."
    if end["avg_px"] is None:
        lines = [f"{how} Nothing of {order['qty_now']} was filled."]
    else:
        lines = [f"{how} {end['filled']} of {order['qty_now']} were filled at an average of {end['avg_px']}."]
        places = decimal_sum((fill["exchange"], fill["qty"]) for fill in told["fills"])
        lines.append("Filled: " + ", ".join(f"{qty} {_where(name)}" for name, qty in places) + ".")
        lines.append(f"Exchanges took {end['fee']} in fees; the account was charged {end['charged']}.")
    decisions, children = told["decisions"], [child for one in told["decisions"] for child in one["children"]]
    if decisions:
        sent = many(len(children), "child order") if children else "nothing"
        lines.append(
            f"{many(len(decisions), 'decision')} sent {sent} to exchanges"
            + ("; those after the first placed what was left or due." if decisions[1:] else ".")
        )
    return lines


def _where(exchange: str) -> str:
    return "in our own book" if exchange == OWN_BOOK else f"at {exchange}"


def many(count: int, name: str) -> str:
    return f"{count} {name}" + ("" if count == 1 else "s")


def sentences_list(rows: Sequence[Row], by_day: bool = False) -> str:
    """The sentences, each with the numbers of its facts; their tables are told elsewhere. `by_day`: with the days."""
    told = [row for row in rows if not row["what happened"].startswith(" ")]
    since = 0 if by_day else 11
    lines = "".join(
        f"<li><time>{escape(row['time'][since:])}</time>{escape(row['what happened'])} "
        f"<small title='the facts that it rests on'>{escape(', '.join(_short(row['facts'])))}</small></li>"
        for row in told
    )
    is_open = " open" if len(told) <= MOST_TOLD else ""
    kind = " class='days'" if by_day else ""
    return (
        f"<section><details{is_open}><summary>The story, {many(len(told), 'sentence')}</summary><ol{kind}>{lines}</ol>"
        "</details></section>"
    )


def _short(facts: Sequence[str]) -> list[str]:
    """The numbers of facts; behind the first, those of the same day without it."""
    head = facts[0].rpartition("-")[0] + "-"
    return [facts[0], *(one.removeprefix(head) for one in facts[1:])]


def _decision(order: Row, one: Row) -> str:
    head = f"<h2>Decision {one['number']}: {one['qty']} placed, mode {escape(one['mode'])}, {one['time'][11:]}</h2>"
    parts: list[tuple[str, Sequence[Row]]] = [
        ("Quotes that were looked at, best first", one["quotes"]),
        ("Exchanges", one["scores"]),
        ("Not taken, and why", one["not_taken"]),
        ("Expected and realised", _compared(one)),
        ("Sent", _children(one["children"])),
    ]
    tables = "".join(f"<h3>{name}</h3>{table(rows)}" for name, rows in parts if rows)
    return f"<section>{head}{_paragraphs(sentences(order, one))}{tables}</section>"


def sentences(order: Row, one: Row) -> list[str]:
    """What a decision saw, expected and got."""
    best = [f"{name} {one[name]['qty']} at {one[name]['price']}" for name in ("bid", "ask") if one[name] is not None]
    lines = [f"The market was {', '.join(best)}." if best else "Nobody showed a price."]
    if one["note"]:
        lines.append(f"What else mattered: {one['note']}.")
    expected, realised = one["expected"], one["realised"]
    if expected["px"] is not None:
        lines.append(
            f"Expected to take {expected['qty']} at exchanges at once, at {expected['px']} on average, for fees of "
            f"{expected['fee']}."
        )
    if realised["px"] is None:
        lines.append("No fill came of it.")
    else:
        ours = f", {realised['in_our_book']} of it in our own book" if realised["in_our_book"].strip("0.") else ""
        lines.append(f"Realised {realised['qty']} at {realised['px']} on average{ours}, for fees of {realised['fee']}.")
    slippage = realised["slippage"]
    if slippage is not None:
        worse = _against(slippage["per_unit"])
        missed = f"; {slippage['missed']} of what was expected did not come" if slippage["missed"].strip("0.") else ""
        money = f" ({slippage['money'].lstrip('-')} {order['currency']}".rstrip() + " in all)" if worse != "as" else ""
        told = f"{slippage['per_unit'].lstrip('-')} a unit {worse} than" if worse != "as" else "as"
        lines.append(f"What exchanges filled of it, {slippage['qty']}, was {told} expected{money}{missed}.")
    return lines


def _against(per_unit: str) -> str:
    if not per_unit.strip("-0."):
        return "as"
    return "better" if per_unit.startswith("-") else "worse"


def _compared(one: Row) -> list[Row]:
    """Expected, realised, and the slippage as rows of one table."""
    expected, realised, slippage = one["expected"], one["realised"], one["realised"]["slippage"]
    if expected["px"] is None and realised["px"] is None:
        return []
    rows = [_line("expected", expected["qty"], expected["px"], None, expected["fee"], None)]
    rows.append(_line("realised", realised["qty"], realised["px"], None, realised["fee"], realised["charged"]))
    if slippage is not None:
        rows.append(_line("realised of what was expected", slippage["qty"], slippage["px"], None, None, None))
        per_unit, money, fee = slippage["per_unit"], slippage["money"], slippage["fee"]
        rows.append(_line("slippage", slippage["qty"], per_unit, money, fee, None))
    return rows


def _line(*cells: str | None) -> Row:
    return dict(zip(("what", "qty", "price", "in all", "fee", "charged"), cells, strict=True))


def _children(children: Iterable[Row]) -> list[Row]:
    names = ("child_id", "exchange", "qty", "price", "time_in_force", "rule", "status", "filled", "ack_ms",
             "first_fill_ms", "text")  # fmt: skip
    return [{name: child[name] for name in names} for child in children]


def _fills(fills: Iterable[Row]) -> list[Row]:
    rows: list[Row] = []
    for fill in fills:
        told: dict[str, Any] = {"time": fill["time"][11:], "decision": fill["decision"], "exchange": fill["exchange"]}
        told |= {name: fill[name] for name in ("qty", "price", "fee", "charged")}
        told["liquidity"] = "added" if fill["adds_liquidity"] else "taken"
        told["exec_id"] = fill["exec_id"] + (" (taken back)" if fill["taken_back"] else "")
        rows.append(told | {"of": fill["child_id"] or f"with order {fill['with_order']}"})
    return rows


def _paragraphs(lines: Iterable[str]) -> str:
    return "".join(f"<p>{escape(line)}</p>" for line in lines)
