"""What clients are told of quotes: Quote(S), QuoteCancel(Z), QuoteRequestReject(AG), QuoteStatusReport(AI)."""

from brokerfix import facts as f
from brokerfix.domain import QuoteStatus, id_text, to_text
from brokerfix.engine.making.desk import GivenQuote
from brokerfix.engine.state import State
from brokerfix.fix.outgoing.base import Encoders, Out
from brokerfix.fix.text import clean, timestamp

ENCODE = Encoders()
TRADEABLE = "1"
"""QuoteType(537)."""
FOR_SYMBOL = "1"
"""QuoteCancelType(298), of the quote that is named; FIX 5.0 has a value of its own for it."""
STATUS = {QuoteStatus.CANCELED: "1", QuoteStatus.TRADED: "6"}
"""What FIX 4.4 calls it in QuoteStatus(297): canceled for the symbol, removed from the market."""


def _out(client: str, body: str, groups: bool = False) -> list[Out]:
    return [Out(False, client, f"8=FIX.4.4\x019=0\x01{body}\x0110=000\x01", groups)]


@ENCODE.on(f.QuoteGiven)
def _given(state: State, fact: f.QuoteGiven) -> list[Out]:
    return _quote(state, state.given[fact.id])


def _quote(state: State, quote: GivenQuote) -> list[Out]:
    """A quote, with what of it can still be taken."""
    instrument = state.instruments[quote.symbol]
    sides = ((132, 134, quote.bid, quote.bid_left), (133, 135, quote.ask, quote.ask_left))
    prices = "".join(
        f"\x01{px}={to_text(price, instrument.price_digits)}\x01{size}={to_text(qty, instrument.qty_digits)}"
        for px, size, price, qty in sides
        if price and qty
    )
    answers = f"\x01693={quote.quote_resp_id}" if quote.quote_resp_id else ""
    side = f"\x0154={quote.side}" if quote.side else ""
    account = f"\x011={quote.account}" if quote.account else ""
    return _out(
        quote.client,
        f"35=S\x01131={quote.quote_req_id}\x01117={id_text(quote.quote_id)}{answers}\x01537={TRADEABLE}"
        f"\x0155={quote.symbol}{side}{account}{prices}\x0162={timestamp(quote.valid_until)}"
        f"\x0160={timestamp(quote.at)}",
    )


@ENCODE.on(f.QuoteRepeated)
def _repeated(state: State, fact: f.QuoteRepeated) -> list[Out]:
    """The quote or, where it is over, what has become of it."""
    quote = state.given[fact.quote_id]
    if quote.ended is None:
        return _quote(state, quote)
    return _status(quote, quote.ended, quote.quote_resp_id)


@ENCODE.on(f.QuoteRequestRefused)
def _request_refused(state: State, fact: f.QuoteRequestRefused) -> list[Out]:
    side = f"\x0154={fact.side}" if fact.side else ""
    body = f"35=AG\x01131={fact.quote_req_id}\x01658={fact.reason}\x01146=1\x0155={fact.symbol}{side}"
    return _out(fact.client, f"{body}\x0158={clean(fact.text)}", True)


@ENCODE.on(f.QuoteEnded)
def _ended(state: State, fact: f.QuoteEnded) -> list[Out]:
    """Only what a client can't know by itself is told: that a quote is taken back. A pass has its answer."""
    quote = state.given[fact.quote_id]
    if fact.status is QuoteStatus.PASS:
        return _status(quote, fact.status, fact.quote_resp_id)
    if fact.status is not QuoteStatus.CANCELED or fact.next_id:
        return []
    body = f"35=Z\x01131={quote.quote_req_id}\x01117={id_text(quote.quote_id)}\x01298={FOR_SYMBOL}"
    return _out(quote.client, f"{body}\x01295=1\x0155={quote.symbol}", True)


def _status(quote: GivenQuote, status: QuoteStatus, quote_resp_id: str) -> list[Out]:
    text = f"\x0158={clean(quote.text)}" if quote.text else ""
    answers = f"\x01693={quote_resp_id}" if quote_resp_id else ""
    body = f"35=AI\x01131={quote.quote_req_id}\x01117={id_text(quote.quote_id)}{answers}\x0155={quote.symbol}"
    return _out(quote.client, f"{body}\x01297={STATUS.get(status, status)}{text}")


@ENCODE.on(f.QuoteResponseRefused)
def _response_refused(state: State, fact: f.QuoteResponseRefused) -> list[Out]:
    body = f"35=AI\x01117={fact.named}\x01693={fact.quote_resp_id}\x0155={fact.symbol}"
    return _out(fact.client, f"{body}\x01297={STATUS.get(fact.status, fact.status)}\x0158={clean(fact.text)}")
