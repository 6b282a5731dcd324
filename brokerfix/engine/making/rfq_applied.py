"""What facts of quotes that clients ask for change."""

from brokerfix import facts as f
from brokerfix.domain import QuoteStatus
from brokerfix.engine import touched
from brokerfix.engine.making.desk import GivenQuote
from brokerfix.engine.orders import booking
from brokerfix.engine.state import State
from brokerfix.engine.tables import Evolution

EVOLVE = Evolution()


@EVOLVE.on(f.QuoteGiven, touched.nothing)
def _quote_given(state: State, fact: f.QuoteGiven) -> None:
    quote = GivenQuote(
        fact.id, fact.at, fact.client, fact.quote_req_id, fact.account, fact.symbol, fact.side, fact.bid, fact.bid_qty,
        fact.ask, fact.ask_qty, fact.valid_until, fact.maker, fact.priced, fact.quote_resp_id,
    )  # fmt: skip
    state.given[fact.id] = quote
    state.firm[fact.valid_until, fact.id] = None
    state.clients[fact.client].firm += 1
    _open(state, quote, quote.bid_left, quote.ask_left)
    if not fact.quote_resp_id:
        state.asked.setdefault(fact.client, {}).setdefault(fact.quote_req_id, []).append(fact.id)


@EVOLVE.on(f.QuoteRequestRefused, touched.nothing)
def _request_refused(state: State, fact: f.QuoteRequestRefused) -> None:
    if fact.known_as_new:
        state.asked.setdefault(fact.client, {}).setdefault(fact.quote_req_id, []).append(fact)


@EVOLVE.on(f.QuoteTaken, touched.nothing)
def _quote_taken(state: State, fact: f.QuoteTaken) -> None:
    quote = state.given[fact.quote_id]
    buys, sells = min(quote.bid_left, fact.qty), min(quote.ask_left, fact.qty)
    quote.bid_left -= buys
    quote.ask_left -= sells
    _open(state, quote, -buys, -sells)


@EVOLVE.on(f.QuoteEnded, touched.nothing)
def _quote_ended(state: State, fact: f.QuoteEnded) -> None:
    quote = state.given[fact.quote_id]
    del state.firm[quote.valid_until, quote.quote_id]
    state.clients[quote.client].firm -= 1
    _open(state, quote, -quote.bid_left, -quote.ask_left)
    quote.bid_left = quote.ask_left = 0
    quote.ended, quote.text = fact.status, fact.text
    quote.answer, quote.next_id = fact.quote_resp_id, fact.next_id
    if fact.status is not QuoteStatus.TRADED and quote.symbol in state.makers[quote.maker].desks:
        # What it has kept of the bounds is free again; what is traded is looked at anyway.
        state.agenda[booking.REQUOTE, (quote.maker, quote.symbol)] = None


EVOLVE.only_tells(f.QuoteRepeated, f.QuoteResponseRefused)


def _open(state: State, quote: GivenQuote, buys: int, sells: int) -> None:
    """The maker may have to buy and sell so much more (or less)."""
    desk = state.makers[quote.maker].desks.get(quote.symbol)
    if desk is not None:
        desk.to_buy += buys
        desk.to_sell += sells


def begin_day(state: State) -> None:
    """Quotes that are over, and requests without a firm one, are forgotten."""
    state.given = {number: quote for number, quote in state.given.items() if quote.ended is None}
    kept = {client: _firm_ones(state, asked) for client, asked in state.asked.items()}
    state.asked = {client: asked for client, asked in kept.items() if asked}


def _firm_ones(
    state: State, asked: dict[str, list[int | f.QuoteRequestRefused]]
) -> dict[str, list[int | f.QuoteRequestRefused]]:
    return {
        name: [answer for answer in answers if not isinstance(answer, int) or answer in state.given]
        for name, answers in asked.items()
        if any(isinstance(answer, int) and answer in state.given for answer in answers)
    }
