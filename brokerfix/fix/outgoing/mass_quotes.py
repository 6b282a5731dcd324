"""What clients are told of quotes of their own in our book: MassQuoteAcknowledgement, QuoteStatusReport.

Quotes' orders have no execution reports but for fills. In FIX 4.2, where there is no QuoteStatusReport, each becomes a
QuoteAcknowledgement (see `recode`).
"""

from collections.abc import Iterable

from brokerfix import facts as f
from brokerfix.domain import OwnQuote, QuoteEntry, QuoteStatus, id_text, to_text
from brokerfix.engine.making.guard import PROTECTION
from brokerfix.engine.making.quoters import TOLD_OTHERWISE
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State
from brokerfix.fix.outgoing.base import Encoders, Out
from brokerfix.fix.text import SOH, clean, timestamp

ENCODE = Encoders()
NONE, NEGATIVE = "0", "1"
"""QuoteResponseLevel(301)."""
ANY = "[N/A]"
"""Symbol(55) of a report that is about no single one."""


def own_quote_tags(own: OwnQuote) -> str:
    """Which quote an execution report is about."""
    told = (117, own.quote_id), (302, own.quote_set), (299, own.entry if own.quote_set else "")
    return "".join(f"{SOH}{tag}={value}" for tag, value in told if value)


@ENCODE.on(f.QuotesAcknowledged)
def _acknowledged(state: State, fact: f.QuotesAcknowledged) -> list[Out]:
    """What refuses a message whole is told at every level."""
    is_whole = not fact.entries and fact.status is QuoteStatus.REJECTED
    if fact.level == NONE and not is_whole:
        return []
    entries = [entry for entry in fact.entries if entry.reason or fact.level != NEGATIVE]
    if fact.level == NEGATIVE and not is_whole and not entries:
        return []
    if fact.is_single:
        symbol = fact.entries[0].symbol if fact.entries else ANY
        told = _sides(state, fact.entries[0]) if fact.entries else ""
        return [_report(fact.client, fact.at, fact.quote_id, symbol, fact.status, fact.text, told)]
    reason = f"\x01300={fact.reason}" if fact.reason else ""
    text = f"\x0158={clean(fact.text)}" if fact.text else ""
    body = f"35=b\x01117={fact.quote_id}\x01297={fact.status}{reason}\x01301={fact.level}{text}{_sets(state, entries)}"
    return [Out(False, fact.client, f"8=FIX.4.4\x019=0\x01{body}\x0110=000\x01", bool(entries))]


def _sets(state: State, entries: Iterable[QuoteEntry]) -> str:
    """The entries as groups, in the order in which their sets have come."""
    sets: dict[str, list[QuoteEntry]] = {}
    for entry in entries:
        sets.setdefault(entry.quote_set, []).append(entry)
    told = [f"\x01296={len(sets)}"] if sets else []
    for name, of_set in sets.items():
        told.append(f"\x01302={name}\x01304={len(of_set)}\x01295={len(of_set)}")
        for one in of_set:
            symbol = f"\x0155={one.symbol}" if one.symbol else ""
            reason = f"\x01368={one.reason}" if one.reason else ""
            told.append(f"\x01299={one.entry}{symbol}{_sides(state, one)}{reason}")
    return "".join(told)


def _sides(state: State, entry: QuoteEntry) -> str:
    """The sides that stand."""
    instrument = state.instruments.get(entry.symbol)
    if instrument is None:
        return ""
    prices, sizes = [], []
    for price, size, px, qty in ((132, 134, entry.bid, entry.bid_qty), (133, 135, entry.ask, entry.ask_qty)):
        if px and qty:
            prices.append(f"\x01{price}={to_text(px, instrument.price_digits)}")
            sizes.append(f"\x01{size}={to_text(qty, instrument.qty_digits)}")
    return "".join((*prices, *sizes))


def _report(
    client: str, at: int, quote_id: str, symbol: str, status: QuoteStatus, text: str = "", told: str = "",
    own: OwnQuote | None = None, status_req_id: str = "",
) -> Out:  # fmt: skip
    """A QuoteStatusReport(AI). `told` are tags of sides."""
    asked = f"\x01649={status_req_id}" if status_req_id else ""
    body = f"35=AI{asked}\x01117={quote_id or 'NONE'}\x0155={symbol or ANY}{told}\x0160={timestamp(at)}\x01297={status}"
    name = f"\x01302={own.quote_set}\x01299={own.entry}" if own is not None and own.quote_set else ""
    words = f"\x0158={clean(text)}" if text else ""
    # In FIX 4.2 it has groups.
    return Out(False, client, f"8=FIX.4.4\x019=0\x01{body}{words}{name}\x0110=000\x01", True)


def quote_ended(order: Order, at: int, status: QuoteStatus, text: str) -> list[Out]:
    """A side of a quote has ended; nothing where the client is told otherwise."""
    own = order.own_quote
    if own is None or text in TOLD_OTHERWISE:
        return []
    return [_report(order.client, at, own.quote_id, order.symbol, status, text, f"\x0154={order.side}", own)]


@ENCODE.on(f.QuotesPulled)
def _pulled(state: State, fact: f.QuotesPulled) -> list[Out]:
    """A client is told of a pull of all its quotes, or those of a symbol; its QuoteID is the pull's number."""
    if fact.maker not in state.quoters:
        return []
    status = QuoteStatus.CANCELED_FOR_SYMBOL if fact.symbol else QuoteStatus.CANCELED_ALL
    until = ""
    if fact.until > fact.at:
        until = f"; until {timestamp(fact.until)}"
    elif not fact.until:
        until = "; until it is reset"
    if until and fact.code == PROTECTION:
        until += f" (QuoteCancel, QuoteCancelType 4, QuoteID {id_text(fact.id)})"
    return [_report(fact.maker, fact.at, id_text(fact.id), fact.symbol, status, f"{fact.code}: {fact.text}{until}")]


@ENCODE.on(f.QuotesTakenBack)
def _taken_back(state: State, fact: f.QuotesTakenBack) -> list[Out]:
    if fact.level == NONE or (fact.level == NEGATIVE and fact.status is not QuoteStatus.REJECTED):
        return []
    return [
        _report(fact.client, fact.at, fact.quote_id, symbol, fact.status, fact.text)
        for symbol in fact.symbols or (ANY,)
    ]


@ENCODE.on(f.QuoteStatusTold)
def _status_told(state: State, fact: f.QuoteStatusTold) -> list[Out]:
    """A report for each quote that stands, or that there is none."""
    asked = fact.status_req_id
    if not fact.entries:
        missing = fact.quote_id, fact.symbol, QuoteStatus.NOT_FOUND, fact.text
        return [_report(fact.client, fact.at, *missing, status_req_id=asked)]
    return [
        _report(
            fact.client, fact.at, number, entry.symbol, QuoteStatus.ACCEPTED, "", _sides(state, entry),
            OwnQuote(number, entry.quote_set, entry.entry), asked,
        )
        for entry, number in zip(fact.entries, fact.ids, strict=True)
    ]  # fmt: skip
