"""What all shards say, as rows for people: pure functions of what the cluster's agent answers."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from brokerfix.cluster.door import beside
from brokerfix.console.accounts import BAD_PERCENT, WARN_PERCENT, grouped
from brokerfix.console.elements.listing import bar, coloured, pill
from brokerfix.console.needs import BAD, Need, lasted, of_shards
from brokerfix.domain import to_money, to_text
from brokerfix.engine.risk.controls import number as as_number

Told = Mapping[str, Any]
Cells = dict[str, Any]
SO_ALREADY = ("is halted already", "is not halted by an operator")
"""The ends of refusals of what is so: halted by a halt, or going on by a resume."""
MOST_SHOWN = 300
"""Rows of one table."""


def answers(told: Told) -> list[dict[str, Any]]:
    """What each shard has answered, by its number."""
    return sorted(told.get("answers", ()), key=lambda answer: int(answer["shard"]))


def answered(told: Told, field: str) -> dict[int, dict[str, Any]]:
    """Of those that have answered, by shard. One without the field is of an older version."""
    return {one["shard"]: one for one in answers(told) if one["ok"] and field in one}


def missing(told: Told, field: str) -> list[str]:
    """Who has not, in words."""
    told_by = answered(told, field)
    return [
        f"shard {one['shard']}: {one.get('error', 'its version does not tell this')}"
        for one in answers(told)
        if one["shard"] not in told_by
    ]


def first_sentence(text: str) -> str:
    return f"{text.partition('. ')[0].removesuffix('.')}."


# Who is there


def shard_rows(shards: Told, status: Told) -> list[Cells]:
    """Every shard that has ever taken part: how it is heard of, and what it says of itself."""
    said = {one["shard"]: one for one in answers(status)}
    return [_shard_row(one, said.get(one["shard"]), shards) for one in shards.get("shards", ())]


def _shard_row(one: Told, said: Told | None, shards: Told) -> Cells:
    is_up, speaks = one["state"] == "up", said is not None and said["ok"]
    state = pill("up", "good") if is_up and (speaks or said is None) else pill("no answer" if is_up else "away", "bad")
    left = shards["asked"] - one["standing"]
    done = f"{one['standing']:,} of {shards['asked']:,}"
    row: Cells = {
        "shard": f"{one['shard']}{' (here)' if one['shard'] == shards['here'] else ''}", "node": one["node"],
        "state": state, "heard": _heard(one["heard_s"]), "epoch": one["epoch"], "accounts": f"{one['accounts']:,}",
        "done": coloured(f"! {done}", "bad" if not is_up else "warn") if left > 0 else done,
    }  # fmt: skip
    if speaks:
        assert said is not None
        row |= {
            "day": said["day"], "facts": f"{said['facts']:,}", "working": f"{said['working']:,}",
            "alerts": f"{said['alerts']:,}", "pause": f"{said['pause_ms']['last_minute']:.1f} ms",
        }  # fmt: skip
    return row


def _heard(seconds: float) -> str:
    return f"{seconds:.1f} s ago" if seconds < 10 else f"{lasted(int(seconds))} ago"


def troubles(shards: Told, status: Told) -> list[Need]:
    """What is wrong, and what to do."""
    found = list(of_shards(shards))
    up = {one["shard"] for one in shards.get("shards", ()) if one["state"] == "up"}
    for one in answers(status):
        if one["shard"] in up and not one["ok"]:
            found.append(Need(BAD, f"Shard {one['shard']} does not tell how it is: {one['error']}.", "See its log. "
                              "What stops trading is kept for it, and carried out once it can."))  # fmt: skip
    return found


# What was asked of all


class Line(NamedTuple):
    """What came of it at a shard: `kind` is good, warn or bad."""

    shard: int
    kind: str
    text: str


def outcome(told: Told, done: str, shards: Told) -> list[Line]:
    """What each shard has answered to a request to all; `shards` is how they are since."""
    since = {one["shard"]: one["standing"] for one in shards.get("shards", ())}
    free = beside(answers(told), told["kept"])
    return [
        Line(one["shard"], *_came(told, one, done, since.get(one["shard"], 0)))
        if one["shard"] not in free
        else Line(one["shard"], "good", f"has nothing to do: {one['error'].partition(': ')[2]}")
        for one in answers(told)
    ]


def _came(told: Told, one: Told, done: str, standing: int) -> tuple[str, str]:
    if one["ok"]:
        if "proposal" in one:
            return "warn", f"waits for a second person: {one['proposal']}"
        if "orders" not in one:
            return "good", done
        return "good", f"{done}, {one['orders']:,} {'order is' if one['orders'] == 1 else 'orders are'} being canceled"
    if f"{one['error']}".endswith(SO_ALREADY):
        return "good", one["error"]
    if not one.get("away"):
        return "bad", f"refuses it: {one['error']}"
    if told["kept"]:
        if standing >= told["number"]:
            return "good", "has carried it out since"
        return "bad", f"{one['error']}: it does it before it takes orders again"
    return "bad", f"{one['error']}, and it is NOT kept for it ({told['error']}): ask again once it is back"


def stopped(told: Told) -> list[tuple[str, str, str, bool, str]]:
    """What is stopped anywhere: kind, name, by whom, whether it is killed, and where it is not stopped, in words ("":
    it is at all shards)."""
    told_by = answered(told, "stopped")
    found: dict[tuple[str, str], list[tuple[int, str, bool]]] = {}
    for shard, answer in told_by.items():
        for one in answer["stopped"]:
            found.setdefault((one["kind"], one["name"]), []).append((shard, one["by"], one["killed"]))
    rows = []
    for (kind, name), at in found.items():
        where = {shard for shard, _, _ in at}
        free = [f"{shard}" for shard in told_by if shard not in where]
        rows.append((kind, name, at[0][1], any(killed for _, _, killed in at), _not_at(free)))
    return rows


def _not_at(shards: list[str]) -> str:
    return f"not at shard {', '.join(shards)}" if shards else ""


def wanted(text: str) -> list[str]:
    """The words of a text; "shard 2" is one, which only that shard's rows have."""
    return re.sub(r"shard\s+(\d+)", r"shard:\1;", text.lower()).split()


# Orders


def order_rows(told: Told, text: str, time: Callable[[int], str], most: int = MOST_SHOWN) -> tuple[list[Cells], str]:
    """The orders that work, the newest first, in which all words of a text are; and how many there are, in words."""
    words, found = wanted(text), []
    for shard, answer in answered(told, "orders").items():
        for one in answer["orders"]:
            searched = f"shard:{shard}; {' '.join(map(str, one.values()))}".lower()
            if all(word in searched for word in words):
                found.append((one.get("at", 0), shard, one))
    found.sort(key=lambda one: (one[0], one[2]["order_id"]), reverse=True)
    rows = [_order_row(shard, at, one, time) for at, shard, one in found[:most]]
    count = f"the newest {len(rows):,} of {len(found):,}" if len(found) > len(rows) else f"{len(found):,}"
    older = [
        f"shard {shard} has {answer['more']:,} older ones besides"
        for shard, answer in answered(told, "orders").items()
        if answer.get("more")
    ]
    return rows, "; ".join([f"{count} {'as asked for' if words else 'at work'}", *older])


def _order_row(shard: int, at: int, one: Told, time: Callable[[int], str]) -> Cells:
    return {
        "order": one["order_id"], "shard": f"{shard}", "at": time(at) if at else "", "client": one["client"],
        "account": one["account"], "side": coloured(one["side"], "buy" if one["side"] == "buy" else "sell"),
        "symbol": one["symbol"], "qty": grouped(one["qty"]), "leaves": grouped(one["leaves_qty"]),
        "price": one["price"], "name": one["cl_ord_id"],
    }  # fmt: skip


# Positions


def exact(texts: Iterable[str]) -> str:
    """The sum of decimal texts, with nothing rounded."""
    known = list(texts)
    digits = max((len(text.partition(".")[2]) for text in known), default=0)
    return to_text(sum(_scaled(text, digits) for text in known), digits)


def _scaled(text: str, digits: int) -> int:
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(digits, "0"))


def sum_rows(told: Told) -> list[Cells]:
    """What all shards hold by symbol, and cash by currency. Where one has not answered, no sum is shown as if it were
    all."""
    told_by = answered(told, "sums")
    is_whole = not missing(told, "sums")
    found: dict[str, dict[int, str]] = {}
    for shard, answer in told_by.items():
        for currency, amount in answer["cash"].items():
            found.setdefault(f"cash in {currency}" if currency else "cash", {})[shard] = amount
        for symbol, qty in answer["sums"].items():
            found.setdefault(symbol, {})[shard] = qty
    rows = []
    for what, by_shard in sorted(found.items(), key=lambda one: (not one[0].startswith("cash"), one[0])):
        total = grouped(exact(by_shard.values()))
        parts = ", ".join(f"shard {shard}: {grouped(amount)}" for shard, amount in by_shard.items())
        rows.append({"what": what, "sum": total if is_whole else coloured(f"! {total}", "bad"), "parts": parts})
    return rows


def position_rows(told: Told, text: str, most: int = MOST_SHOWN) -> tuple[list[Cells], str]:
    """What accounts hold, of which all words of a text are in the row; and how many there are, in words."""
    words, found = wanted(text), []
    for shard, answer in answered(told, "sums").items():
        for one in answer["positions"]:
            if all(word in f"shard:{shard}; {one['account']} {one['symbol']}".lower() for word in words):
                found.append((one["account"], one["symbol"], shard, one["qty"]))
    found.sort()
    rows = [
        {"key": f"{account} {symbol} {shard}", "account": account, "shard": f"{shard}", "symbol": symbol,
         "qty": grouped(qty)}
        for account, symbol, shard, qty in found[:most]
    ]  # fmt: skip
    count = f"{len(rows):,} of {len(found):,}" if len(found) > len(rows) else f"{len(found):,}"
    more = [f"shard {shard} has {answer['more']:,} more" for shard, answer in answered(told, "sums").items()
            if answer["more"]]  # fmt: skip
    return rows, "; ".join([f"{count} position{'' if len(found) == 1 else 's'}", *more])


# Limits that all share


class Part(NamedTuple):
    """What a shard has of a limit (money): how much it may use, how much it does, the limit as it has it (None: it is
    away, and this is what the cluster has on record)."""

    shard: int
    part: int
    used: int
    whole: int | None

    @property
    def counts(self) -> int:
        """Of the limit nobody else may have this: one that is away may use all that it was given."""
        return self.used if self.whole is not None else max(self.part, self.used)


def part_rows(told: Told, kept: Told, most: int = MOST_SHOWN) -> tuple[list[Cells], str]:
    """Every divided limit, that of which most is used first: each shard's part, and what of it is used. `kept` is what
    the cluster has on record, which is all there is of a shard that is away."""
    rows = []
    for (kind, name, limit), parts in _by_limit(told, kept):
        wholes = {one.whole for one in parts if one.whole is not None}
        whole, taken = min(wholes, default=0), sum(one.counts for one in parts)
        percent = 100 * taken / whole if whole else 0.0
        shade = "bad" if percent >= BAD_PERCENT else "warn" if percent >= WARN_PERCENT else ""
        level = f"{kind} {name}".strip()
        most_of_all = grouped(as_number(whole))
        row = {
            "key": f"{level} {limit}", "level": level, "limit": limit,
            "most": most_of_all if len(wholes) < 2 else coloured(f"! {most_of_all}", "bad"),
            "used": bar(percent, f"{percent:.1f} % ({grouped(as_number(taken))})", shade),
            "parts": "; ".join(map(_part_text, parts)),
        }  # fmt: skip
        rows.append((-percent, level, limit, row))
    rows.sort(key=lambda one: one[:3])
    differing = sum(isinstance(row["most"], dict) for *_, row in rows)
    count = f"{len(rows):,} limit{'' if len(rows) == 1 else 's'}"
    notes = [count if len(rows) <= most else f"{most:,} of {count}, those of which most is used"]
    if differing:
        notes.append(f"! of {differing:,} shards have different numbers: the lowest counts")
    return [row for *_, row in rows[:most]], "; ".join(notes)


def _by_limit(told: Told, kept: Told) -> Iterator[tuple[tuple[str, str, str], list[Part]]]:
    found: dict[tuple[str, str, str], list[Part]] = {}
    told_by = answered(told, "parts")
    for shard, answer in told_by.items():
        for one in answer["parts"]:
            amounts = (to_money(one[name]) for name in ("part", "used", "whole"))
            found.setdefault((one["kind"], one["name"], one["limit"]), []).append(Part(shard, *amounts))
    for one in kept.get("parts", ()):
        parts = found.get((one["kind"], one["name"], one["limit"]), [])
        for name, entry in one["shards"].items():
            if int(name) not in told_by:
                parts.append(Part(int(name), to_money(entry["amount"]), to_money(entry["used"]), None))
    for key, parts in found.items():
        yield key, sorted(parts)


def _part_text(one: Part) -> str:
    told = f"shard {one.shard}: {grouped(as_number(one.used))} of {grouped(as_number(one.part))}"
    return told if one.whole is not None else f"{told} (away: all of it counts)"


def pending_rows(told: Told) -> list[dict[str, Any]]:
    """The changes of limits that wait for a second person anywhere: the same change is one row, with its number at each
    shard (`at`)."""
    found: dict[tuple[str, str, str, str], dict[int, str]] = {}
    for shard, answer in answered(told, "pending").items():
        for one in answer["pending"]:
            found.setdefault((one["level"], one["change"], one["by"], one["text"]), {})[shard] = one["number"]
    return [
        {"level": level, "change": change, "by": by, "text": text, "at": at}
        for (level, change, by, text), at in found.items()
    ]
