"""Bringing a maker's orders to what it has decided to quote: only what has to change does."""

from collections.abc import Mapping
from typing import NamedTuple

from brokerfix.domain import (
    Instrument,
    OrdStatus,
    OrdType,
    QuotedPrice,
    Request,
    RestatementReason,
    Side,
    WantedQuote,
)
from brokerfix.engine.making.desk import AGAIN_AFTER, Desk, Making, slot_name
from brokerfix.engine.making.quotes import Room, is_off
from brokerfix.engine.making.reference import is_waiting, quotes_of
from brokerfix.engine.making.resting import POST_ONLY, accept, rest
from brokerfix.engine.making.room import best_of_others
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.ending import cancel, is_cancelable
from brokerfix.engine.orders.order import Child, Order, Pending
from brokerfix.engine.orders.replace import replace_with
from brokerfix.engine.orders.settle import replace_and_work
from brokerfix.engine.orders.work import work
from brokerfix.engine.risk.batch import Batch
from brokerfix.engine.risk.checks import Terms, check_terms
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.facts import Alerted, OrderUnbooked, QuoteMoved, QuotesDecided

WITHDRAWN = "its market maker takes the quote back"


class Change(NamedTuple):
    """What is to become of a slot's order (None: there is none): the quote that is wanted (None: none)."""

    name: str
    order: Order | None
    quote: WantedQuote | None


def place(
    state: State,
    making: Making,
    symbol: str,
    quotes: list[WantedQuote],
    priced: QuotedPrice,
    room: Room,
    standing: Mapping[str, Order],
    step: Step,
    anchor: int = 0,
    is_fresh: bool = True,
    is_news: bool = False,
) -> None:
    """Bring the orders (`standing` are those there are, by slot) to the quotes. Nothing is said where all stand as they
    should, unless there `is_news`. `is_fresh`: there is a market to go by."""
    desk, instrument = making.desks[symbol], state.instruments[symbol]
    changes, kept = _changes(state, making, desk, symbol, quotes, room, standing, step.at)
    changes, stay = _apart(desk, changes, standing, _hedge_in(state, making, symbol))
    kept += stay
    changes, why = _allowed(state, making, instrument, changes, step.at)
    is_new = why.partition(":")[0] != desk.why.partition(":")[0]
    if not (changes or is_news or is_new):
        return
    told = (*kept, *(change.quote for change in changes if change.quote is not None))
    ordered = tuple(sorted(told, key=lambda quote: (quote.side, quote.level, quote.venue)))
    step.emit(
        QuotesDecided,
        maker=making.maker.maker,
        symbol=symbol,
        priced=priced,
        quotes=ordered,
        why=why,
        anchor=anchor,
        is_fresh=is_fresh,
    )
    if why and is_new:
        step.emit(Alerted, "making", "QUOTE_REFUSED", f"{making.maker.maker} can't quote {symbol} as it would: {why}")
    takes = False
    for change in changes:
        would_take = change.quote is not None and _would_take(state, making, symbol, change.quote)
        # What one takes is still there to be seen for the next: that is placed at the look that follows the trade.
        if not (takes and would_take):
            _carry_out(state, making, symbol, change, step)
        takes = takes or would_take


def withdraw_all(state: State, making: Making, symbol: str, step: Step, text: str, operator: str = "") -> None:
    """Take back all quotes of a symbol."""
    desk = making.desks[symbol]
    for name, order in quotes_of(state, making, desk).items():
        if is_cancelable(order) and desk.may_ask(name, step.at):
            cancel(order, "", step, RestatementReason.MARKET_OPTION, text, operator)


def _changes(
    state: State,
    making: Making,
    desk: Desk,
    symbol: str,
    quotes: list[WantedQuote],
    room: Room,
    standing: Mapping[str, Order],
    at: int,
) -> tuple[list[Change], list[WantedQuote]]:
    """What has to change, cancels first, and the quotes that stay as they stand."""
    wanted = {slot_name(symbol, (quote.venue, quote.side, quote.level)): quote for quote in quotes}
    changes = [
        Change(name, order, None)
        for name, order in standing.items()
        if (name not in wanted or order.account != making.maker.account)
        and is_cancelable(order)
        and desk.may_ask(name, at)
    ]
    kept: dict[str, WantedQuote] = {}
    for name, quote in wanted.items():
        order = standing.get(name)
        if order is None:
            if not _was_rejected(state, making, name, at, desk.quoting.reference == OWN):
                changes.append(Change(name, None, quote))
        elif order.account != making.maker.account:
            # It is of the account that the maker had before.
            continue
        elif not quote.venue and order.in_book != order.leaves:
            # Something holds it, as of an auction: it is placed anew.
            changes += [Change(name, order, None)] if is_cancelable(order) else []
        elif desk.may_ask(name, at) and _is_to_move(desk, order, quote, room, at):
            changes.append(Change(name, order, quote))
        else:
            kept[name] = WantedQuote(quote.venue, quote.side, quote.level, order.price, order.leaves)
    if kept and _meet([*kept.values(), *(change.quote for change in changes if change.quote is not None)]):
        # A tolerance must not have a quote stand where the other side is wanted.
        for name in [
            name for name, quote in kept.items() if quote != wanted[name] and _may_move(desk, standing[name], at)
        ]:
            changes.append(Change(name, standing[name], wanted[name]))
            del kept[name]
    return changes, list(kept.values())


def _may_move(desk: Desk, order: Order, at: int) -> bool:
    return not is_waiting(order) and desk.may_ask(order.cl_ord_id, at)


def _was_rejected(state: State, making: Making, name: str, at: int, takes: bool) -> bool:
    """Whether the last quote of a slot was rejected by its exchange, ended before it was sent there or, where quotes
    may take, so that it meets what it must not trade with, before it was filled, a moment ago: that would be so
    again."""
    known = state.clients[making.maker.maker].requests.get(name)
    if not isinstance(known, Order) or known.ended is None or at - known.at >= AGAIN_AFTER:
        return False
    if takes and not known.cum:
        return True
    return known.ended is OrdStatus.REJECTED or bool(known.ex_destination and not known.routes)


def _hedge_in(state: State, making: Making, symbol: str) -> tuple[Child, ...]:
    """Where a hedge in the symbol is under way."""
    under_way = making.hedges.get(symbol)
    order = state.orders.get(under_way.order_id) if under_way is not None else None
    return order.children if order is not None else ()


def _apart(
    desk: Desk, changes: list[Change], standing: Mapping[str, Order], hedge: tuple[Child, ...]
) -> tuple[list[Change], list[WantedQuote]]:
    """The changes without those that would meet the other side of ours at an exchange, as it has that until it has
    answered, or a hedge: they wait, and what stands of them does. What goes away from the other side is done first."""
    there: dict[tuple[str, Side], list[int]] = {}
    for child in hedge:
        there[child.venue, child.side] = [child.price]
    for name, order in standing.items():
        venue, side, _ = desk.slots[name]
        for child in order.children if venue else ():
            prices = there.setdefault((venue, side), [])
            prices += [child.price, child.asked_price] if child.request is Request.REPLACE else [child.price]
    if not there:
        return changes, []
    away, towards, stay = [], [], []
    for change in changes:
        quote, had = change.quote, change.order
        if quote is None or (had is not None and at_least_as_good(quote.side.opposite, had.price, quote.price)):
            away.append(change)
        elif any(
            at_least_as_good(quote.side, price, quote.price)
            for price in there.get((quote.venue, quote.side.opposite), ())
        ):
            if had is not None:
                stay.append(WantedQuote(quote.venue, quote.side, quote.level, had.price, had.leaves))
        else:
            towards.append(change)
    return away + towards, stay


def _is_to_move(desk: Desk, order: Order, quote: WantedQuote, room: Room, at: int) -> bool:
    """Whether the order of a slot is to be changed now: not while a request for it is under way, nor before its least
    life is over unless others' prices or the bounds ask for it."""
    quoting = desk.quoting
    if is_waiting(order):
        return False
    met = room.lowest_ask if quote.side is Side.BUY else room.highest_bid
    must = bool(met) and (order.price >= met if quote.side is Side.BUY else order.price <= met)
    must = must or order.leaves > quote.qty
    age = at - max(order.at, order.repriced_at, *(child.sent_at for child in order.children))
    if must:
        return True
    if age < quoting.min_life:
        return False
    return is_off(quoting, order.price, order.leaves, quote) or bool(quoting.max_age and age >= quoting.max_age)


def _meet(quotes: list[WantedQuote]) -> bool:
    """Whether a bid would be at or above an offer of ours."""
    bids = [quote.price for quote in quotes if quote.side is Side.BUY]
    asks = [quote.price for quote in quotes if quote.side is Side.SELL]
    return bool(bids and asks) and max(bids) >= min(asks)


def _allowed(
    state: State, making: Making, instrument: Instrument, changes: list[Change], at: int
) -> tuple[list[Change], str]:
    """The changes as far as the account's and client's limits allow them, all together, and what they do not allow. A
    quote that may not be is taken back."""
    client, account = state.clients[making.maker.maker], state.accounts[making.maker.account]
    batch = Batch()
    allowed, why = [], ""
    for change in changes:
        quote, order = change.quote, change.order
        if quote is not None:
            qty = quote.qty + (order.cum if order is not None else 0)
            terms = Terms(quote.side, OrdType.LIMIT, qty, quote.price, quote.price)
            refused = check_terms(state, client, account, instrument, terms, at, order, batch=batch)
            if refused is not None:
                why = why or refused.text
                if order is None:
                    continue
                change = Change(change.name, order, None)
        allowed.append(change)
    return allowed, why


def _carry_out(state: State, making: Making, symbol: str, change: Change, step: Step) -> None:
    name, order, quote = change
    if quote is None:
        assert order is not None
        cancel(order, "", step, RestatementReason.MARKET_OPTION, WITHDRAWN)
    elif order is None:
        takes = _would_take(state, making, symbol, quote)
        instructions = None if making.desks[symbol].quoting.reference == OWN else POST_ONLY
        of_quote = quote.side, quote.qty, quote.price, quote.venue, instructions
        accepted = accept(step, making.maker.maker, name, making.maker.account, symbol, *of_quote)
        if quote.venue or takes:
            work(state, Order.from_fact(accepted), quote.qty, step)
        else:
            rest(accepted, step)
    elif quote.venue:
        terms = Pending(Request.REPLACE, name, order.cum + quote.qty, quote.price, quote.price, order.instructions)
        replace_with(state, order, terms, step)
    elif _would_take(state, making, symbol, quote):
        step.emit(OrderUnbooked, order.order_id)
        terms = Pending(Request.REPLACE, name, order.cum + quote.qty, quote.price, quote.price)
        replace_and_work(state, order, order.cum, terms, step)
    else:
        step.emit(QuoteMoved, order.order_id, order.cum + quote.qty, quote.price)


OWN = "own"


def _would_take(state: State, making: Making, symbol: str, quote: WantedQuote) -> bool:
    """Whether a quote that goes by where a simulation has the market meets others' orders in our book: it trades with
    them, as the market has come to their price."""
    if quote.venue or making.desks[symbol].quoting.reference != OWN:
        return False
    best = best_of_others(state, making, symbol, quote.side.opposite)
    return bool(best) and at_least_as_good(quote.side, best, quote.price)
