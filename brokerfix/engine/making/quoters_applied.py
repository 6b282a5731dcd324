"""What facts of clients that quote change."""

import msgspec

from brokerfix import facts as f
from brokerfix.domain import QuoteStatus
from brokerfix.engine import touched
from brokerfix.engine.making import protection
from brokerfix.engine.making.desk import UNTIL_OVER, UNTIL_RESET, Window
from brokerfix.engine.making.guard import PROTECTION
from brokerfix.engine.making.quoter import KEPT_IDS, Quoter, Stop
from brokerfix.engine.risk.checks import RATE
from brokerfix.engine.state import State
from brokerfix.engine.tables import Evolution

EVOLVE = Evolution()


@EVOLVE.on(f.QuoterDefined, touched.nothing)
def _quoter_defined(state: State, fact: f.QuoterDefined) -> None:
    name = fact.quoting.client
    quoter = state.quoters.get(name)
    if quoter is None:
        quoter = state.quoters[name] = Quoter(fact.quoting)
    quoter.quoting, quoter.gone = fact.quoting, fact.gone
    quoter.limits = {symbol: limits for symbol, limits in fact.quoting.each if limits.window}


@EVOLVE.on(f.QuotesAcknowledged, touched.nothing)
def _quotes_acknowledged(state: State, fact: f.QuotesAcknowledged) -> None:
    """Quotes go by the QuoteID of the message that has last named them."""
    client, quoter = state.clients[fact.client], state.quoters.get(fact.client)
    if not fact.text.startswith(RATE):
        client.recent.append(fact.at)
    if quoter is None or (fact.status is QuoteStatus.REJECTED and not fact.entries):
        return
    for entry in fact.entries:
        for number in quoter.quotes.get((entry.quote_set, entry.entry), ()):
            order = state.orders.get(number)
            if order is not None and order.own_quote is not None and order.own_quote.quote_id != fact.quote_id:
                order.own_quote = msgspec.structs.replace(order.own_quote, quote_id=fact.quote_id)
    if fact.quote_id not in quoter.recent:
        quoter.recent.append(fact.quote_id)
        del quoter.recent[:-KEPT_IDS]


@EVOLVE.on(f.QuotesTraded, touched.nothing)
def _quotes_traded(state: State, fact: f.QuotesTraded) -> None:
    quoter = state.quoters[fact.client]
    done = {exec_id for exec_id, _ in fact.fills}
    quoter.new = [deal for deal in quoter.new if deal.exec_id not in done]
    fills = [(fact.at, abs(qty), qty) for _, qty in fact.fills]
    own = quoter.limits.get(fact.symbol)
    if own is not None:
        window = quoter.windows.setdefault(fact.symbol, Window())
        window.fills = protection.with_fills(window, own, fact.at, fills)
    quoter.window.fills = protection.with_fills(quoter.window, quoter.quoting.protection, fact.at, fills)


def pulled(quoter: Quoter, fact: f.QuotesPulled) -> None:
    """Unless it is over already the client may not quote from now on."""
    if fact.until in (UNTIL_RESET, UNTIL_OVER) or fact.until > fact.at:
        stops = quoter.stops.setdefault(fact.symbol, {})
        stops[fact.code] = Stop(fact.text, fact.until, fact.id)


def resumed(quoter: Quoter, fact: f.QuotesResumed) -> None:
    """The client may quote again in a symbol ("": what was stopped in all, by an operator in every symbol too). What
    its protection has counted there is forgotten."""
    every = fact.operator and not fact.symbol
    for symbol in list(quoter.stops) if every else (fact.symbol,):
        stops = quoter.stops.get(symbol, {})
        for code in fact.codes or list(stops):
            stops.pop(code, None)
        if not stops:
            quoter.stops.pop(symbol, None)
    if fact.operator or PROTECTION in fact.codes:
        if fact.symbol:
            quoter.windows.pop(fact.symbol, None)
        else:
            quoter.window = Window()
        if every:
            quoter.windows = {}


EVOLVE.only_tells(f.QuotesTakenBack, f.QuoteStatusTold)
