"""What clients send about quotes: QuoteRequest(R), QuoteResponse(AJ). An order that takes one is a NewOrderSingle."""

from collections.abc import Callable

import msgspec

from brokerfix.commands import AnswerQuote, AskQuote, Command, RefuseMessage, TakeQuote
from brokerfix.domain import AskedQuote, BusinessRejectReason, Inexact, OrderTags, OrdType, id_number, to_scaled
from brokerfix.fix.incoming.orders import Instruments, new_order
from brokerfix.fix.incoming.requests import entries_of, refused
from brokerfix.fix.text import Fields, at_of, possible_duplicate
from brokerfix.fix.versions.rules import RULES

MOST_ASKED = 50
"""Symbols of a QuoteRequest."""
COUNTER = "2"
"""QuoteRespType(694)."""
TWO_SIDED = "7"
"""Side(54) undisclosed: the client does not say what it would do."""


def _quote_request(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> AskQuote | RefuseMessage:
    entries = entries_of(text, "55")
    if not 0 < len(entries) <= MOST_ASKED:
        told = f"QUOTES: a request is of 1 to {MOST_ASKED} symbols, not {len(entries)}"
        return refused("R", message, client, at, BusinessRejectReason.OTHER, told)
    asked = tuple(_asked(entry, instruments) for entry in entries)
    return AskQuote(at, client, message["131"] or "", asked, possible_duplicate(message))


def _asked(entry: Fields, instruments: Instruments) -> AskedQuote:
    symbol, side, account = entry.get("55") or "", entry.get("54") or TWO_SIDED, entry.get("1") or ""
    instrument = instruments.get(symbol)
    told = "" if side == TWO_SIDED else side
    if instrument is None:
        return AskedQuote(symbol, told, account=account)
    if side not in ("1", "2", TWO_SIDED):
        return AskedQuote(symbol, told, account=account, defect=f"UNSUPPORTED: tag 54 limit=1/2/7, value={side}")
    try:
        qty = to_scaled(entry.get("38") or "0", instrument.qty_digits)
        until, expires = (at_of(entry.get(tag) or "") if entry.get(tag) else 0 for tag in ("62", "126"))
    except (Inexact, ValueError) as error:
        return AskedQuote(symbol, told, account=account, defect=f"QUOTE: {error}")
    return AskedQuote(symbol, told, qty, account, until, expires)


def _quote_response(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> AnswerQuote:
    """As what it would become: an order of the client's. A counter's price is Price, or BidPx to sell and OfferPx to
    buy at; its quantity OrderQty, or BidSize and OfferSize."""
    side = message["54"]
    if side is None and message["694"] == COUNTER and bool(message["132"]) is not bool(message["133"]):
        side = "2" if message["132"] else "1"
    price, qty = ("133", "135") if side == "1" else ("132", "134")
    as_order: Fields = dict.fromkeys(RULES[begin_string]["D"].reader.tags) | message
    as_order |= {
        "40": str(OrdType.PREVIOUSLY_QUOTED), "54": side, "44": message["44"] or message[price],
        "38": message["38"] or message[qty],
    }  # fmt: skip
    made = new_order(as_order, client, at, instruments, "")
    assert isinstance(made, TakeQuote)
    quote_resp_id = message["693"] or ""
    order = msgspec.structs.replace(
        made.order, tags=msgspec.structs.replace(made.order.tags or OrderTags(), quote_resp_id=quote_resp_id)
    )
    named = message["117"] or ""
    return AnswerQuote(
        at, client, quote_resp_id, id_number(named), message["694"] or "", order, named, str(order.side) if side else ""
    )


QUOTES: dict[str, Callable[[str, Fields, str, int, Instruments, str], Command]] = {
    "R": _quote_request,
    "AJ": _quote_response,
}
"""As `requests.WITH_GROUPS`."""
