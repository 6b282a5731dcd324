"""What clients send about quotes of their own in our book: MassQuote, Quote, QuoteCancel, QuoteStatusRequest."""

from collections.abc import Callable

from brokerfix.commands import AskQuoteStatus, CancelQuotes, Command, SetQuotes
from brokerfix.domain import Inexact, OrdType, QuoteEntry, QuoteReject, to_scaled
from brokerfix.fix.incoming.orders import Instruments
from brokerfix.fix.text import Fields, pairs, possible_duplicate

IN_ENTRY = frozenset(("40", "55", "132", "133", "134", "135"))


def _mass_quote(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> Command:
    """MassQuote(i). An entry without sizes has those of the message (DefBidSize, DefOfferSize), one without a symbol
    that of its set (UnderlyingSymbol)."""
    entries: list[dict[str, str]] = []
    of_set: dict[str, str] = {}
    in_entry = False
    for tag, value in pairs(text):
        if tag == "302":
            of_set, in_entry = {"302": value}, False
        elif tag == "311":
            of_set["55"] = value
        elif tag == "299":
            entries.append({**of_set, "299": value})
            in_entry = True
        elif in_entry and tag in IN_ENTRY:
            entries[-1][tag] = value
    sizes = message["293"] or "0", message["294"] or "0"
    found = tuple(_entry(one, instruments, sizes) for one in entries)
    ids = message["117"] or "", found, message["301"] or "0", message.get("1") or ""
    return SetQuotes(at, client, *ids, False, possible_duplicate(message))


def _quote(text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str) -> Command:
    """Quote(S), whose QuoteID is its name."""
    quote_id = message["117"] or ""
    fields = {tag: value for tag in IN_ENTRY if (value := message[tag]) is not None}
    entry = _entry({**fields, "302": "", "299": quote_id}, instruments, ("0", "0"))
    ids = quote_id, (entry,), message["301"] or "0", message.get("1") or ""
    return SetQuotes(at, client, *ids, True, possible_duplicate(message))


def _entry(fields: dict[str, str], instruments: Instruments, sizes: tuple[str, str]) -> QuoteEntry:
    """An entry with scaled numbers, or with why it can't be read."""
    symbol = fields.get("55", "")
    name = fields["302"], fields["299"], symbol
    instrument = instruments.get(symbol)
    if instrument is None:
        return QuoteEntry(*name, 0, 0, 0, 0, QuoteReject.UNKNOWN_SYMBOL, f"UNKNOWN_SYMBOL: value={symbol}")
    if fields.get("40", OrdType.LIMIT) != OrdType.LIMIT:
        told = f"UNSUPPORTED: tag 40 limit=2, value={fields['40']}"
        return QuoteEntry(*name, 0, 0, 0, 0, QuoteReject.OTHER, told)
    try:
        return QuoteEntry(
            *name,
            to_scaled(fields.get("132", "0"), instrument.price_digits),
            to_scaled(fields.get("134", sizes[0]), instrument.qty_digits),
            to_scaled(fields.get("133", "0"), instrument.price_digits),
            to_scaled(fields.get("135", sizes[1]), instrument.qty_digits),
        )
    except Inexact as error:
        return QuoteEntry(*name, 0, 0, 0, 0, QuoteReject.PRICE, f"PRICE: {error}")


def _quote_cancel(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> Command:
    kind = message["298"] or ""
    symbols = tuple(dict.fromkeys(value for tag, value in pairs(text) if tag == "55")) if kind == "1" else ()
    return CancelQuotes(at, client, message["117"] or "", kind, symbols, message["301"] or "2")


def _quote_status(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> Command:
    return AskQuoteStatus(at, client, message["117"] or "", message["55"] or "", message["649"] or "")


DECODERS: dict[str, Callable[[str, Fields, str, int, Instruments, str], Command]] = {
    "i": _mass_quote,
    "S": _quote,
    "Z": _quote_cancel,
    "a": _quote_status,
}
