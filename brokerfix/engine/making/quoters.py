"""Clients that quote in our own book: market makers of their own, with quotes by MassQuote, Quote and QuoteCancel.

Each side of a quote is an order that only ever rests: what would take is refused. Fills count towards the client's
protection as our makers' do (see `protection`): a limit that is reached pulls the quotes in one step, and no others are
taken until the frozen time is over, an operator resets it, or the client does by a QuoteCancel(Z) of all quotes that
names the report of the pull in QuoteID(117). Quotes do not outlive their client's session, nor continuous trading.
"""

from brokerfix.commands import AskQuoteStatus, CancelQuotes, QuoterTraded, SetQuotes, Start
from brokerfix.domain import OwnQuote, Phase, QuoteEntry, QuoteReject, QuoteStatus, Side, id_text
from brokerfix.engine.making import protection
from brokerfix.engine.making.desk import PULLED_BY_OPERATOR, UNTIL_RESET, Pull
from brokerfix.engine.making.entries import Change, Planner
from brokerfix.engine.making.guard import PROTECTION
from brokerfix.engine.making.quoter import Name, Quoter
from brokerfix.engine.making.resting import accept, rest
from brokerfix.engine.orders.ending import cancel, is_cancelable
from brokerfix.engine.orders.order import Order
from brokerfix.engine.risk.checks import rate_reject, too_fast
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.facts import (
    Alerted,
    OrderCanceled,
    QuoteMoved,
    QuoterDefined,
    QuotesAcknowledged,
    QuotesPulled,
    QuotesResumed,
    QuotesTakenBack,
    QuoteStatusTold,
    QuotesTraded,
)

DECIDE = Decisions()
DISCONNECTED, PHASE = "DISCONNECTED", "PHASE"
TAKEN_BACK, PULLED = "QUOTE: its client takes it back", "QUOTE: its client's quotes are pulled"
TOLD_OTHERWISE = frozenset((TAKEN_BACK, PULLED))
"""Why quotes end that the answer to their client's message, or the report of the pull, tells of."""
QUIET = frozenset((DISCONNECTED, PHASE, PULLED_BY_OPERATOR))
"""What is as it should be is no alert."""
OF_SYMBOLS, ALL, SINGLE = "1", "4", "5"
"""QuoteCancelType(298)."""
MOST_ENTRIES = 1000
"""Of a message: some ten milliseconds' worth of work."""
Refused = tuple[QuoteReject, str]


def define(state: State, c: Start, step: Step) -> None:
    """What clients may quote, as far as it differs from what the journal says. Quotes do not outlive the process: no
    session has."""
    wanted = {quoting.client: quoting for quoting in c.quoters}
    for name, quoting in wanted.items():
        known = state.quoters.get(name)
        if known is None or known.gone or known.quoting != quoting:
            step.emit(QuoterDefined, quoting)
    for name, quoter in state.quoters.items():
        lost(state, name, step)
        if name not in wanted and not quoter.gone:
            step.emit(QuoterDefined, quoter.quoting, True)


@DECIDE.on(SetQuotes)
def set_quotes(state: State, c: SetQuotes, step: Step) -> None:
    """Bring the quotes to what the message says, all entries together: what is taken back first."""
    client, quoter = state.clients[c.client], state.quoters.get(c.client)
    account = c.account or client.accounts[0]
    if quoter is not None and c.possible_duplicate and c.quote_id in quoter.recent:
        return _acknowledge(
            c, step, (), QuoteStatus.ACCEPTED, "", "DUPLICATE: it was taken before; nothing has changed"
        )
    if quoter is not None:
        _resume(state, quoter, step)
    refused = _refused(state, quoter, c, account)
    if quoter is None or refused is not None:
        reason, text = refused or (QuoteReject.NOT_AUTHORIZED, "")
        return _acknowledge(c, step, (), QuoteStatus.REJECTED, reason, text)
    changes, entries = Planner(state, quoter, c, account).plan()
    for change in changes:
        if change.order is not None and not change.moves:
            cancel(change.order, "", step, "", TAKEN_BACK)
    for change in changes:
        if change.qty:
            _place(c, account, change, step)
    wrong = [entry for entry in entries if entry.reason]
    status = QuoteStatus.REJECTED if wrong and len(wrong) == len(entries) else QuoteStatus.ACCEPTED
    _acknowledge(c, step, entries, status, wrong[0].reason if wrong and c.is_single else "", _told(wrong))


def _refused(state: State, quoter: Quoter | None, c: SetQuotes, account: str) -> Refused | None:
    """Why a message is refused as a whole."""
    client = state.clients[c.client]
    if quoter is None or quoter.gone:
        return QuoteReject.NOT_AUTHORIZED, f"NOT_AUTHORIZED: {c.client} may not quote"
    if account not in client.accounts or account not in state.accounts:
        return QuoteReject.OTHER, f"UNKNOWN_ACCOUNT: value={account}"
    if client.max_rate and too_fast(client, c.at):
        return QuoteReject.EXCEEDS_LIMIT, rate_reject(client).text
    if len(c.entries) > MOST_ENTRIES:
        return QuoteReject.EXCEEDS_LIMIT, f"MAX_ENTRIES: limit={MOST_ENTRIES}, value={len(c.entries)}"
    stopped = quoter.stopped("", c.at)
    return (QuoteReject.OTHER, f"{stopped[0]}: {stopped[1].text}") if stopped is not None else None


def _told(wrong: list[QuoteEntry]) -> str:
    """What was wrong with entries, the first in words."""
    if not wrong:
        return ""
    more = f" ({len(wrong)} entries are refused)" if len(wrong) > 1 else ""
    return f"{wrong[0].text}{more}"


def _acknowledge(
    c: SetQuotes, step: Step, entries: tuple[QuoteEntry, ...], status: QuoteStatus, reason: str, text: str
) -> None:
    step.emit(
        QuotesAcknowledged, client=c.client, quote_id=c.quote_id, entries=entries, level=c.level, status=status,
        reason=str(reason), text=text, is_single=c.is_single,
    )  # fmt: skip


def _place(c: SetQuotes, account: str, change: Change, step: Step) -> None:
    entry, order = change.entry, change.order
    if change.moves and order is not None:
        step.emit(QuoteMoved, order.order_id, change.qty, change.price)
        return
    own = OwnQuote(c.quote_id, entry.quote_set, entry.entry)
    terms = entry.symbol, change.side, change.qty, change.price
    rest(accept(step, c.client, "", account, *terms, own_quote=own), step)


def _resume(state: State, quoter: Quoter, step: Step) -> None:
    """What the clock has ended is over."""
    for symbol, stops in quoter.stops.items():
        over = tuple(code for code, stop in stops.items() if stop.is_over(step.at))
        if over:
            step.emit(QuotesResumed, maker=quoter.quoting.client, symbol=symbol, codes=over)


@DECIDE.on(CancelQuotes)
def cancel_quotes(state: State, c: CancelQuotes, step: Step) -> None:
    """Take quotes back, and reset the protection where the message names its report."""
    quoter = state.quoters.get(c.client)
    unknown = [symbol for symbol in c.symbols if symbol not in state.instruments]
    if quoter is None:
        return _take_back(state, c, (), QuoteStatus.REJECTED, step, f"NOT_AUTHORIZED: {c.client} may not quote")
    if c.kind == OF_SYMBOLS:
        if unknown or not c.symbols:
            told = f"UNKNOWN_SYMBOL: value={unknown[0]}" if unknown else "UNKNOWN_SYMBOL: it names none"
            return _take_back(state, c, (), QuoteStatus.REJECTED, step, told)
        found = [order for order in _orders(state, quoter) if order.symbol in c.symbols]
        return _take_back(state, c, found, QuoteStatus.CANCELED_FOR_SYMBOL, step)
    if c.kind == SINGLE:
        found = _of_name(state, quoter, ("", c.quote_id))
        if not found:
            return _take_back(state, c, (), QuoteStatus.REJECTED, step, f"UNKNOWN_QUOTE: value={c.quote_id}")
        return _take_back(state, c, found, QuoteStatus.CANCELED_FOR_SYMBOL, step)
    reset = [
        symbol
        for symbol, stops in quoter.stops.items()
        if PROTECTION in stops and id_text(stops[PROTECTION].number) == c.quote_id
    ]
    _take_back(state, c, _orders(state, quoter), QuoteStatus.CANCELED_ALL, step, "RESET: protection" if reset else "")
    for symbol in reset:
        step.emit(QuotesResumed, maker=c.client, symbol=symbol, codes=(PROTECTION,))


def _take_back(
    state: State, c: CancelQuotes, orders: list[Order] | tuple[()], status: QuoteStatus, step: Step, text: str = ""
) -> None:
    symbols = c.symbols or tuple(dict.fromkeys(order.symbol for order in orders if c.kind == SINGLE))
    step.emit(
        QuotesTakenBack, client=c.client, quote_id=c.quote_id, status=status, symbols=symbols, count=len(orders),
        level=c.level, text=text,
    )  # fmt: skip
    for order in orders:
        cancel(order, "", step, "", TAKEN_BACK)


@DECIDE.on(AskQuoteStatus)
def ask_quote_status(state: State, c: AskQuoteStatus, step: Step) -> None:
    """Tell what stands, each quote by itself."""
    quoter = state.quoters.get(c.client)
    entries: list[QuoteEntry] = []
    ids: list[str] = []
    for name in quoter.quotes if quoter is not None else ():
        assert quoter is not None
        of_quote = _of_name(state, quoter, name)
        own = of_quote[0].own_quote
        if own is not None and c.symbol in ("", of_quote[0].symbol) and c.quote_id in ("", own.quote_id, own.entry):
            entries.append(_standing(name, of_quote))
            ids.append(own.quote_id)
    stopped = None
    if quoter is not None and not entries:
        stopped = quoter.stopped("", c.at) or quoter.stopped(c.symbol, c.at)
    text = f"{stopped[0]}: {stopped[1].text}" if stopped is not None else ""
    told = text or ("" if entries else "UNKNOWN_QUOTE: none stands")
    step.emit(
        QuoteStatusTold, client=c.client, quote_id=c.quote_id, symbol=c.symbol, status_req_id=c.status_req_id,
        entries=tuple(entries), ids=tuple(ids), text=told,
    )  # fmt: skip


def _standing(name: Name, orders: list[Order]) -> QuoteEntry:
    """A quote as its orders are now."""
    sides = {order.side: (order.price, order.leaves) for order in orders}
    bid, ask = sides.get(Side.BUY, (0, 0)), sides.get(Side.SELL, (0, 0))
    return QuoteEntry(*name, orders[0].symbol, *bid, *ask)


def _of_name(state: State, quoter: Quoter, name: Name) -> list[Order]:
    return [state.orders[number] for number in quoter.quotes.get(name, ()) if number]


def _orders(state: State, quoter: Quoter) -> list[Order]:
    """All orders that are sides of a client's quotes, also those that another has taken the place of."""
    working = state.clients[quoter.quoting.client].working.values()
    return [order for order in working if order.own_quote is not None and is_cancelable(order)]


@DECIDE.on(QuoterTraded, silent="its fills have been counted")
def quoter_traded(state: State, c: QuoterTraded, step: Step) -> None:
    """Count fills of a client's quotes, and pull all of them in the symbol, or everywhere, if a limit is reached. Where
    both are, both are pulled: each is reset by itself."""
    quoter = state.quoters[c.client]
    fills: dict[str, list[tuple[int, int]]] = {}
    for deal in quoter.new:
        signed = deal.qty if deal.side is Side.BUY else -deal.qty
        fills.setdefault(state.orders[deal.order_id].symbol, []).append((deal.exec_id, signed))
    for symbol, of_symbol in fills.items():
        step.emit(QuotesTraded, c.client, symbol, tuple(of_symbol))
    pulled: dict[str, None] = {}
    counted = [(step.at, abs(qty), qty) for of_symbol in fills.values() for _, qty in of_symbol]
    for symbol, of_symbol in fills.items():
        own = [(step.at, abs(qty), qty) for _, qty in of_symbol]
        for where, window, limits in quoter.protections(symbol):
            so_far = protection.with_fills(window, limits, step.at, own if where else counted)
            told = protection.reached(so_far, limits)
            if told and quoter.stopped(where, step.at) is None and where not in pulled:
                pulled[where] = None
                until = step.at + limits.frozen if limits.frozen else UNTIL_RESET
                pull(state, quoter, where, Pull(PROTECTION, told, until), step)


def pull(state: State, quoter: Quoter, symbol: str, why: Pull, step: Step, operator: str = "") -> None:
    """Take back all quotes of a client in a symbol ("": all), and take none until then."""
    name = quoter.quoting.client
    ended = {fact.order_id for fact in step.facts if isinstance(fact, OrderCanceled)}
    step.emit(QuotesPulled, maker=name, symbol=symbol, code=why.code, text=why.text, until=why.until, operator=operator)
    if why.code not in QUIET:
        step.emit(Alerted, "making", why.code, f"{name} quotes no {symbol or 'instrument'} any more: {why.text}")
    for order in _orders(state, quoter):
        if symbol in ("", order.symbol) and order.order_id not in ended:
            cancel(order, "", step, "", PULLED, operator)


def lost(state: State, client: str, step: Step) -> None:
    """A client's session is lost, or the process has begun anew: no quote outlives that."""
    quoter = state.quoters.get(client)
    if quoter is not None and _orders(state, quoter):
        pull(state, quoter, "", Pull(DISCONNECTED, "the session was lost", step.at), step)


def phase_began(state: State, symbol: str, phase: Phase, step: Step) -> None:
    """Quotes are for continuous trading: in an auction they could be the ones that take."""
    if phase is Phase.CONTINUOUS:
        return
    for quoter in state.quoters.values():
        if any(order.symbol == symbol for order in _orders(state, quoter)):
            pull(state, quoter, symbol, Pull(PHASE, f"{symbol} begins its {phase} phase", step.at), step)
