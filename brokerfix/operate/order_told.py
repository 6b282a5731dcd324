"""The evidence of an order as rows and decimal text, for programs and for its page.

Money is in the instrument's currency. `fee` is what exchanges take by their configured fees (below 0: they give), and
`charged` what the fills cost the account.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from brokerfix import facts as f
from brokerfix.domain import Instructions, average_text, id_text, money_text, to_money, to_text
from brokerfix.operate.order_alternatives import not_taken
from brokerfix.operate.order_evidence import Evidence, OrderChild, OrderDecision, OrderFill
from brokerfix.operate.order_limits import Weighed, limit_row, refusal_row
from brokerfix.operate.quality_words import OWN_BOOK, decimal
from brokerfix.operate.sentences import Row, by_hand, origin_row, time_text

MS_DIGITS = 6


def told(found: Evidence) -> Row:
    """All of it, see `order_row`, `decision_row`, `fill_row` and `end_row`. `received` is what brought it, `checks` are
    the limits that it was weighed against, by the state after the fact `checked_after`, `refusal` what refused it,
    `other_children` are those of no decision on record, `reports` what clients were told; `by_hand` is what somebody
    did so; the `story` are sentences, each with its facts; `notes` is what to know in reading it."""
    known = found.accepted or found.rejected
    assert known is not None
    evidence = found.rejected.evidence if found.rejected is not None else None
    return {
        "kind": "order",
        "order": order_row(found),
        "received": (origin_row(found.origin) or {})
        | {"written": time_text(found.written) if found.written > 1 else None},
        "checked_after": id_text(found.checked_after) if found.checks else None,
        "checks": [limit_row(one) for one in found.checks],
        "refusal": refusal_row(evidence, found.checks),
        "decisions": [decision_row(found, one) for one in found.decisions],
        "other_children": [child_row(found, child) for child in found.strays],
        "fills": [fill_row(found, fill) for fill in found.fills],
        "refused_requests": [request_row(fact, checks) for fact, checks in found.refused_requests],
        "reports": [message.row() for message in found.messages],
        "end": end_row(found),
        "by_hand": by_hand(found.story),
        "story": [one.row() for one in found.story],
        "notes": notes(found),
    }


def request_row(fact: f.RequestRejected, checks: Iterable[Weighed]) -> Row:
    """A cancel or replace that was refused."""
    return {
        "time": time_text(fact.at), "fact": id_text(fact.id), "client": fact.client, "cl_ord_id": fact.cl_ord_id,
        "orig_cl_ord_id": fact.orig_cl_ord_id, "request": fact.response_to.name.lower(), "reason": fact.reason.name,
        "text": fact.text, "refusal": refusal_row(fact.evidence, checks),
    }  # fmt: skip


def notes(found: Evidence) -> list[str]:
    if not found.of.is_split:
        return []
    return [
        "The instrument was split since the order came: prices and quantities before and after are of other shares."
    ]


def order_row(found: Evidence) -> Row:
    """The order's terms as they came, and its quantity and price as they are now (None: no price)."""
    known = found.accepted or found.rejected
    assert known is not None
    accepted = found.accepted
    row: Row = {
        "order_id": id_text(known.id), "time": time_text(known.at), "client": known.client, "account": known.account,
        "cl_ord_id": known.cl_ord_id, "symbol": known.symbol, "side": known.side.name.lower(),
        "type": known.ord_type.name.lower().replace("_", " "), "time_in_force": known.time_in_force.name,
    }  # fmt: skip
    if found.of.is_known_instrument:
        row |= {"qty": found.of.qty(known.qty), "price": _price(found, known.price)}
        row |= {"qty_now": found.of.qty(found.qty), "price_now": _price(found, found.price)}
        row["currency"] = found.of.instrument.currency
    else:
        row |= dict.fromkeys(("qty", "price", "qty_now", "price_now", "currency"))
    row["operator"] = accepted.operator if accepted is not None else ""
    row["exchange"] = accepted.ex_destination if accepted is not None else ""
    asked = accepted.instructions if accepted is not None else None
    return row | {"instructions": _instructions(found, asked) if asked is not None else {}}


def _instructions(found: Evidence, asked: Instructions) -> Row:
    """Those that are not at their defaults."""
    defaults, row = Instructions(), msgspec.to_builtins(asked)
    row = {name: value for name, value in row.items() if getattr(asked, name) != getattr(defaults, name)}
    for names, text in (
        (("stop_px", "peg_offset", "limit"), found.of.price),
        (("max_floor", "min_qty"), found.of.qty),
        (("expire_at",), time_text),
    ):
        row |= {name: text(row[name]) for name in names if name in row}
    return dict(row)


def end_row(found: Evidence) -> Row:
    """How it stands: `time` is when it ended (None: it works), `text` why, `left` what is not filled of it: of
    that `leaves` may still be, and `canceled` is gone. `fills` are those that stand."""
    text = found.end[2] if found.end is not None else found.rejected.text if found.rejected is not None else ""
    row: Row = {"status": found.status, "time": time_text(found.ended) if found.ended else None, "text": text}
    if not found.of.is_known_instrument:
        return row
    left = max(0, found.qty - found.filled_now)
    row |= {"filled": found.of.qty(found.filled_now), "left": found.of.qty(left)}
    row |= {"canceled": found.of.qty(found.canceled), "leaves": found.of.qty(found.leaves)}
    row |= {"children": len(found.children), "fills": sum(fill.qty > 0 for fill in found.fills)}
    return row | {
        "avg_px": _average(found, found.fills),
        "fee": _fee(found, found.fills),
        "charged": _charged(found.fills),
    }


def decision_row(found: Evidence, one: OrderDecision) -> Row:
    """A decision: the market as it saw it, what it weighed, what it expected of what it takes at exchanges at once, and
    what came of it."""
    fact, qty = one.fact, found.of.qty
    bid, ask = (
        {"price": found.of.price(side[0]), "qty": qty(side[1])} if side is not None else None
        for side in (fact.bid, fact.ask)
    )
    quotes = [
        {"exchange": seen.venue or OWN_BOOK, "price": found.of.price(seen.price), "fee": seen.fee or "0",
         "qty": qty(seen.qty), "taken": qty(seen.aimed)}
        for seen in fact.seen
    ]  # fmt: skip
    scores = [
        {"exchange": score.venue, "cost": score.cost or None, "shown": qty(score.qty), "gets": qty(score.gets),
         "why": score.why}
        for score in fact.scores
    ]  # fmt: skip
    return {
        "number": one.number, "time": time_text(fact.at), "fact": id_text(fact.id), "mode": fact.mode,
        "qty": qty(fact.qty), "note": fact.note, "bid": bid, "ask": ask, "quotes": quotes, "scores": scores,
        "not_taken": not_taken(one, found.side, found.of.instrument), "expected": _expected(found, one),
        "realised": _realised(found, one), "children": [child_row(found, child) for child in one.children],
    }  # fmt: skip


def _expected(found: Evidence, one: OrderDecision) -> Row:
    qty, px, fee = one.fact.expected_qty, one.fact.expected_px or None, one.fact.expected_fee or "0.00"
    return {"qty": found.of.qty(qty), "px": px, "fee": fee if qty else None}


def _realised(found: Evidence, one: OrderDecision) -> Row:
    """What its children were filled and what the order traded in our book for it; `in_our_book` of `qty` there."""
    crossed = sum(fill.qty for fill in one.fills if not fill.venue)
    qty = sum(fill.qty for fill in one.fills)
    return {
        "qty": found.of.qty(qty), "in_our_book": found.of.qty(crossed), "px": _average(found, one.fills),
        "fee": _fee(found, one.fills) if qty else None, "charged": _charged(one.fills) if qty else None,
        "slippage": _slippage(found, one),
    }  # fmt: skip


def _slippage(found: Evidence, one: OrderDecision) -> Row | None:
    """What exchanges filled first, as much as was expected (`qty` of it; `missed` is the rest), against what was
    expected of it: `per_unit` in price, `money` for all of it, `fee` what exchanges took more; above 0 is worse. None
    where nothing was expected, or nothing came."""
    instrument, left, notional, fee = found.of.instrument, one.fact.expected_qty, 0, Fraction(0)
    for fill in sorted((fill for fill in one.fills if fill.venue and fill.qty), key=lambda fill: fill.at):
        part = min(left, fill.qty)
        left -= part
        notional += part * fill.price
        fee += Fraction(fill.exchange_fee(instrument) * part, fill.qty)
    got = one.fact.expected_qty - left
    if not got:
        return None
    px = Fraction(notional, got)
    per_unit = found.sign * (px - _expected_px(one, instrument.price_digits))
    expected_fee = Fraction(to_money(one.fact.expected_fee or "0") * got, one.fact.expected_qty)
    return {
        "qty": found.of.qty(got), "missed": found.of.qty(left),
        "px": average_text(notional, got, instrument.price_digits),
        "per_unit": decimal(per_unit / 10**instrument.price_digits, MS_DIGITS + instrument.price_digits),
        "money": _money(per_unit * got * instrument.money_factor), "fee": _money(fee - expected_fee),
    }  # fmt: skip


def _expected_px(one: OrderDecision, price_digits: int) -> Fraction:
    """Ticks. Exact from the quotes that it aims at; the text is rounded."""
    aimed = sum(seen.aimed for seen in one.fact.seen)
    if aimed == one.fact.expected_qty:
        return Fraction(sum(seen.aimed * seen.price for seen in one.fact.seen), aimed)
    scale: int = 10**price_digits
    return Fraction(one.fact.expected_px) * scale


def child_row(found: Evidence, child: OrderChild) -> Row:
    """A child as it is now, with its fills; latencies from its sending in ms (None: no such answer)."""
    sent = child.sent
    first = min((fill.at for fill in child.fills), default=0)
    return {
        "child_id": id_text(sent.id), "exchange": sent.venue, "time": time_text(child.at),
        "exchange_order_id": child.venue_order_id, "qty": found.of.qty(child.qty), "price": _price(found, child.price),
        "time_in_force": sent.time_in_force.name, "rule": str(sent.why), "status": child.status, "text": child.text,
        "filled": found.of.qty(child.filled), "ack_ms": _ms(child.accepted - child.at) if child.accepted else None,
        "first_fill_ms": _ms(first - child.at) if first else None,
        "fills": [fill_row(found, fill) for fill in child.fills],
    }  # fmt: skip


def fill_row(found: Evidence, fill: OrderFill) -> Row:
    """A fill with its last terms; one that was `taken_back` has no quantity any more."""
    return {
        "time": time_text(fill.at), "exec_id": id_text(fill.exec_id), "exchange": fill.venue or OWN_BOOK,
        "child_id": id_text(fill.child_id) if fill.child_id else None, "decision": fill.decision or None,
        "with_order": id_text(fill.other) if fill.other else None, "qty": found.of.qty(fill.qty),
        "price": found.of.price(fill.price), "fee": _fee(found, [fill]), "charged": fill.fee or "0.00",
        "adds_liquidity": fill.is_maker, "taken_back": fill.taken_back,
    }  # fmt: skip


def by_exchange(found: Evidence) -> Iterator[tuple[str, list[OrderFill]]]:
    """The fills that stand, by exchange in the order of the first ones."""
    fills = [fill for fill in found.fills if fill.qty]
    for venue in dict.fromkeys(fill.venue for fill in fills):
        yield venue or OWN_BOOK, [fill for fill in fills if fill.venue == venue]


def decimal_sum(parts: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Decimal texts added up by name, in the order of the names' first ones; names with nothing are left out."""
    totals: dict[str, Decimal] = {}
    for name, text in parts:
        totals[name] = totals.get(name, Decimal(0)) + Decimal(text)
    return [(name, f"{total:f}") for name, total in totals.items() if total]


def _price(found: Evidence, price: int) -> str | None:
    return found.of.price(price) if price else None


def _average(found: Evidence, fills: Sequence[OrderFill]) -> str | None:
    qty = sum(fill.qty for fill in fills)
    notional = sum(fill.qty * fill.price for fill in fills)
    return average_text(notional, qty, found.of.instrument.price_digits) if qty else None


def _fee(found: Evidence, fills: Iterable[OrderFill]) -> str:
    return money_text(sum(fill.exchange_fee(found.of.instrument) for fill in fills))


def _charged(fills: Iterable[OrderFill]) -> str:
    return money_text(sum(to_money(fill.fee) for fill in fills if fill.fee and fill.qty))


def _money(money: Fraction) -> str:
    return money_text(round(money)) if money >= 0 else f"-{money_text(round(-money))}"


def _ms(ns: int) -> str:
    return to_text(ns, MS_DIGITS)
