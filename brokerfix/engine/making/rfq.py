"""Quotes that clients ask for: given, taken, countered, passed on, expired and taken back.

A quote is firm until its time, whatever the market does; only a maker that is pulled takes it back. Its quantity may be
taken in parts, on either side: what is taken on one is no longer there on the other. What is taken becomes two orders,
the client's and the maker's, which go through the checks of any order and trade with each other at once.
"""

from typing import NamedTuple

import msgspec

from brokerfix.commands import AnswerQuote, AskQuote, ExpireQuotes, NewOrder, TakeQuote
from brokerfix.domain import (
    AskedQuote,
    NoQuote,
    OrderTags,
    OrdRejReason,
    OrdType,
    QuotedPrice,
    QuoteStatus,
    Reject,
    Side,
    TimeInForce,
    id_text,
    to_text,
)
from brokerfix.engine.entities import Client
from brokerfix.engine.fees import trade
from brokerfix.engine.making.desk import GivenQuote
from brokerfix.engine.making.offers import RFQ, Declined, Offer, best_offer, maker_refused, offer
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.accept import is_known, reject
from brokerfix.engine.orders.order import Order
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.facts import (
    Alerted,
    OrderAccepted,
    QuoteEnded,
    QuoteGiven,
    QuoteRepeated,
    QuoteRequestRefused,
    QuoteResponseRefused,
    QuoteTaken,
)

DECIDE = Decisions()
MOST_FIRM = 100
"""Quotes that a client may have at once that it can take."""
MOST_EXPIRED = 500
"""Quotes that expire at once; the others do at the next look."""
MILLISECOND = 10**6
HIT, COUNTER, PASS = "1", "2", "6"
"""QuoteRespType(694)."""
AT_ONCE = (TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK)


@DECIDE.on(AskQuote)
def ask_quote(state: State, c: AskQuote, step: Step) -> None:
    """Each symbol gets a quote, or a refusal."""
    known = state.asked.get(c.client, {}).get(c.quote_req_id)
    if known is not None and c.possible_duplicate:
        for answer in known:
            if isinstance(answer, int):
                step.emit(QuoteRepeated, answer)
            else:
                step.repeat(answer, known_as_new=False)
        return
    seen: dict[str, None] = {}
    more = 0
    for one in c.asked:
        found: Offer | Declined
        if known is not None:
            found = Declined(NoQuote.OTHER, f"DUPLICATE: QuoteReqID={c.quote_req_id}")
        elif one.symbol in seen:
            found = Declined(NoQuote.OTHER, f"DUPLICATE: {one.symbol} stands twice in the request")
        else:
            found = _asked(state, state.clients[c.client], one, more, c.at)
        seen[one.symbol] = None
        if isinstance(found, Declined):
            step.emit(
                QuoteRequestRefused, client=c.client, quote_req_id=c.quote_req_id, symbol=one.symbol, side=one.side,
                reason=found.reason, text=found.text, known_as_new=known is None,
            )  # fmt: skip
        else:
            more += 1
            _give(found, c.client, c.quote_req_id, one, step)


def _asked(state: State, client: Client, one: AskedQuote, more: int, at: int) -> Offer | Declined:
    """What a client would be quoted of a symbol; `more` quotes are given to it with this one."""
    refused = risk.check_market(state, client, one.account or client.accounts[0], one.symbol)
    if refused is not None:
        return Declined(REASONS.get(refused.reason, NoQuote.OTHER), refused.text)
    if one.defect:
        return Declined(NoQuote.OTHER, one.defect)
    if (one.expires and one.expires <= at) or (one.until and one.until <= at):
        return Declined(NoQuote.TOO_LATE, "TOO_LATE: the request, or the time that the quote is wanted until, is over")
    instrument = state.instruments[one.symbol]
    if one.qty < 0 or one.qty % instrument.lot:
        limit, value = (to_text(qty, instrument.qty_digits) for qty in (instrument.lot, one.qty))
        return Declined(NoQuote.OTHER, f"LOT: limit={limit}, value={value}")
    if client.firm + more >= MOST_FIRM:
        return Declined(NoQuote.EXCEEDS_LIMIT, f"MOST_QUOTES: limit={MOST_FIRM}, value={client.firm + more + 1}")
    return best_offer(state, client, one, at)


REASONS = {
    OrdRejReason.UNKNOWN_SYMBOL: NoQuote.UNKNOWN_SYMBOL,
    OrdRejReason.UNKNOWN_ACCOUNT: NoQuote.NOT_AUTHORIZED,
    OrdRejReason.EXCHANGE_CLOSED: NoQuote.CLOSED,
}


def _give(found: Offer, client: str, quote_req_id: str, one: AskedQuote, step: Step, quote_resp_id: str = "") -> None:
    until = step.at + found.maker.valid
    if one.until:
        until = min(until, one.until)
    step.emit(
        QuoteGiven, client=client, quote_req_id=quote_req_id, account=one.account, symbol=one.symbol, side=one.side,
        bid=found.bid, bid_qty=found.bid_qty, ask=found.ask, ask_qty=found.ask_qty,
        # Messages have milliseconds: it is firm as long as the client is told.
        valid_until=until // MILLISECOND * MILLISECOND, maker=found.maker.maker, priced=found.priced,
        spread=found.spread, quote_resp_id=quote_resp_id,
    )  # fmt: skip


@DECIDE.on(TakeQuote)
def take_quote(state: State, c: TakeQuote, step: Step) -> None:
    """An order against a quote: it trades at the quote's price, or is refused."""
    if is_known(state, c.order, step):
        return
    quote = _quote_of(state, c.client, c.quote_id)
    gone = _gone(quote, c.order.symbol, c.at, c.order.told.get("117") or "")
    if gone is not None:
        return reject(c.order, step, gone[1])
    assert quote is not None
    _take(state, quote, c.order, step)


@DECIDE.on(AnswerQuote)
def answer_quote(state: State, c: AnswerQuote, step: Step) -> None:
    """A hit is an order against the quote, a counter an order or another quote, a pass the quote's end."""
    order, quote = c.order, _quote_of(state, c.client, c.quote_id)
    if c.kind != PASS and order.cl_ord_id and is_known(state, order, step):
        return
    if quote is not None and quote.next_id and quote.answer == c.quote_resp_id:
        # The counter came before, and this quote is its answer.
        step.emit(QuoteRepeated, quote.next_id)
        return
    gone = _gone(quote, order.symbol, c.at, c.named)
    if gone is not None:
        return _refuse(c, *gone, step)
    assert quote is not None
    if c.kind == PASS:
        step.emit(
            QuoteEnded, quote_id=quote.quote_id, status=QuoteStatus.PASS, text=PASSED, quote_resp_id=c.quote_resp_id
        )
        return
    if not c.side:
        if quote.bid and quote.ask:
            return _refuse(c, QuoteStatus.REJECTED, Reject(OrdRejReason.OTHER, "SIDE", "the quote has two"), step)
        order = msgspec.structs.replace(order, side=Side.BUY if quote.ask else Side.SELL)
    if c.kind == HIT or order.defect is not None:
        return _take(state, quote, order, step)
    _counter(state, c, quote, order, step)


PASSED = "the client has passed"


def _counter(state: State, c: AnswerQuote, quote: GivenQuote, order: NewOrder, step: Step) -> None:
    """A counter at a price that the quote is as good as, or that the maker would quote itself now, trades. Any other
    one ends the quote, and the client is given what the maker would quote now."""
    side, quoted = order.side, quote.price(order.side)
    qty = order.qty or quote.left(side)
    unfit = _unfit(state, quote, msgspec.structs.replace(order, price=0))
    if unfit is None and order.price <= 0:
        unfit = Reject(OrdRejReason.OTHER, "PRICE", limit="above 0", value=_px(state, quote, order.price))
    if unfit is not None:
        return _refuse(c, QuoteStatus.REJECTED, unfit, step)
    if at_least_as_good(side, quoted, order.price):
        return _take(state, quote, order, step)
    one = AskedQuote(quote.symbol, str(side), qty, quote.account)
    found = offer(state, state.makers[quote.maker], state.clients[c.client], one, c.at, quote)
    if isinstance(found, Declined):
        return _refuse(c, QuoteStatus.REJECTED, Reject(OrdRejReason.BROKER_OPTION, "PASS", NO_COUNTER), step)
    now = found.ask if side is Side.BUY else found.bid
    if at_least_as_good(side, now, order.price):
        return _take(state, quote, order, step, found.priced)
    step.emit(
        QuoteEnded, quote_id=quote.quote_id, status=QuoteStatus.CANCELED, text=COUNTERED,
        quote_resp_id=c.quote_resp_id, next_id=step.next_id + 1,
    )  # fmt: skip
    _give(found, c.client, quote.quote_req_id, one, step, c.quote_resp_id)


NO_COUNTER = "the counter is not agreed to, and no other quote is given now"
COUNTERED = "another quote was given for the client's counter"


def _refuse(c: AnswerQuote, status: QuoteStatus, why: Reject, step: Step) -> None:
    """Refuse an answer: what would be an order is told as a refused order."""
    if c.kind != PASS and c.order.cl_ord_id:
        return reject(c.order, step, why)
    step.emit(
        QuoteResponseRefused, client=c.client, quote_resp_id=c.quote_resp_id, named=c.named, symbol=c.order.symbol,
        status=status, text=why.text,
    )  # fmt: skip


def _quote_of(state: State, client: str, quote_id: int) -> GivenQuote | None:
    quote = state.given.get(quote_id)
    return quote if quote is not None and quote.client == client else None


class Gone(NamedTuple):
    """Why a quote can't be taken: for a QuoteStatusReport, and for an order."""

    status: QuoteStatus
    why: Reject


def _gone(quote: GivenQuote | None, symbol: str, at: int, named: str) -> Gone | None:
    """Why a quote can't be taken, or None if it can."""
    if quote is None:
        return Gone(QuoteStatus.NOT_FOUND, Reject(OrdRejReason.UNKNOWN_ORDER, "UNKNOWN_QUOTE", value=named))
    if quote.symbol != symbol:
        return Gone(QuoteStatus.REJECTED, Reject(OrdRejReason.OTHER, "SYMBOL", limit=quote.symbol, value=symbol))
    status = quote.ended or (QuoteStatus.EXPIRED if at > quote.valid_until else None)
    if status is None:
        return None
    words = quote.text or OVER
    if quote.next_id:
        words += f", {id_text(quote.next_id)}"
    return Gone(status, Reject(OrdRejReason.TOO_LATE, f"QUOTE_{status.name}", words))


OVER = "it was firm until its ValidUntilTime"


def _unfit(state: State, quote: GivenQuote, order: NewOrder) -> Reject | None:
    """Why an order can't take a quote that is firm."""
    if order.defect is not None:
        return order.defect
    if order.cash or order.instructions is not None or order.ex_destination or order.time_in_force not in AT_ONCE:
        told = "an order against a quote is of a quantity, and filled at once; it takes no instructions"
        return Reject(OrdRejReason.UNSUPPORTED, "UNSUPPORTED", told)
    quoted, left = quote.price(order.side), quote.left(order.side)
    digits = state.instruments[quote.symbol].qty_digits
    if not quoted:
        return Reject(OrdRejReason.OTHER, "SIDE", "the quote does not have it")
    if order.qty > left:
        limit, value = (to_text(qty, digits) for qty in (left, order.qty))
        return Reject(OrdRejReason.INCORRECT_QUANTITY, "QUANTITY", limit=limit, value=value)
    if order.price and not at_least_as_good(order.side, quoted, order.price):
        limit, value = _px(state, quote, quoted), _px(state, quote, order.price)
        return Reject(OrdRejReason.OTHER, "PRICE", limit=limit, value=value)
    return None


def _px(state: State, quote: GivenQuote, price: int) -> str:
    return to_text(price, state.instruments[quote.symbol].price_digits)


def _take(state: State, quote: GivenQuote, order: NewOrder, step: Step, countered: QuotedPrice | None = None) -> None:
    """Trade at the quote's price or, where the maker agrees to a counter (by what it has priced now, `countered`), at
    the order's. What the checks of either side do not allow is refused, and the quote stays as it is."""
    counters = countered is not None
    unfit = _unfit(state, quote, msgspec.structs.replace(order, price=0) if counters else order)
    if unfit is not None:
        return reject(order, step, unfit)
    client, making = state.clients[order.client], state.makers[quote.maker]
    qty, price = order.qty or quote.left(order.side), order.price if counters else quote.price(order.side)
    tags = order.tags
    name, symbol = order.account or quote.account or client.accounts[0], quote.symbol
    strategy = f"{order.client}/{tags.strategy}" if tags is not None and tags.strategy else ""
    refused = risk.check_session(state, client, name, symbol, step.at, strategy)
    if refused is not None:
        return reject(order, step, refused)
    terms = risk.Terms(order.side, OrdType.LIMIT, qty, price, price, is_located=tags is not None and tags.locate == "N")
    account, own = state.accounts[name], state.accounts[making.maker.account]
    refused = risk.check_terms(state, client, account, state.instruments[symbol], terms, step.at)
    if refused is not None:
        return reject(order, step, refused)
    theirs = terms._replace(side=order.side.opposite, is_located=False)
    refused = maker_refused(state, making, symbol, theirs.side, qty, price, step.at)
    sides = (client, account, terms), (state.clients[quote.maker], own, theirs)
    refused = refused or risk.check_together(state, symbol, sides, step.at)
    if refused is not None:
        told = f"{quote.maker} can't keep quote {id_text(quote.quote_id)} to {order.client}: {refused.text}"
        step.emit(Alerted, "making", "QUOTE_NOT_KEPT", told)
        return reject(order, step, Reject(OrdRejReason.BROKER_OPTION, "PASS", "the market maker can't trade now"))
    accepted = step.emit(
        OrderAccepted, client=order.client, cl_ord_id=order.cl_ord_id, account=name, symbol=symbol, side=order.side,
        ord_type=OrdType.PREVIOUSLY_QUOTED, time_in_force=order.time_in_force, qty=qty, price=price, risk_price=price,
        capacity=order.capacity, tags=tags, quote_id=quote.quote_id,
    )  # fmt: skip
    step.emit(
        QuoteTaken, quote_id=quote.quote_id, order_id=accepted.id, qty=qty, price=price, bid=quote.bid, ask=quote.ask,
        maker=quote.maker, priced=countered or quote.priced, is_counter=counters,
    )  # fmt: skip
    other = step.emit(
        OrderAccepted, client=quote.maker, cl_ord_id=f"R-{step.next_id}", account=own.account, symbol=symbol,
        side=theirs.side, ord_type=OrdType.LIMIT, time_in_force=TimeInForce.DAY, qty=qty, price=price,
        risk_price=price, tags=OrderTags(strategy=RFQ), quote_id=quote.quote_id,
    )  # fmt: skip
    trade(state, Order.from_fact(other), Order.from_fact(accepted), qty, price, step, True)
    if max(quote.bid_left, quote.ask_left) <= qty:
        step.emit(QuoteEnded, quote_id=quote.quote_id, status=QuoteStatus.TRADED, text=USED)


USED = "all of it is taken"


@DECIDE.on(ExpireQuotes, silent="no quote's time is over")
def expire_quotes(state: State, c: ExpireQuotes, step: Step) -> None:
    """Quotes whose time is over can't be taken any more."""
    for number, (until, quote_id) in enumerate(state.firm):
        if until >= c.at or number >= MOST_EXPIRED:
            break
        step.emit(QuoteEnded, quote_id=quote_id, status=QuoteStatus.EXPIRED)


def take_back(state: State, maker: str, symbol: str, text: str, step: Step) -> None:
    """A maker takes back the quotes of a symbol ("": of all) that clients have of it."""
    for _, quote_id in state.firm:
        quote = state.given[quote_id]
        if quote.maker == maker and symbol in ("", quote.symbol):
            step.emit(QuoteEnded, quote_id=quote_id, status=QuoteStatus.CANCELED, text=text)
