"""decide(state, command) -> facts. One short handler per command; none of them changes state.

`evolve` applies the facts; `observe` puts market data into the live view.
"""

from collections.abc import Callable
from itertools import count, islice
from typing import Any

import msgspec

from brokerfix import commands as cmd
from brokerfix.commands import MarketUpdate
from brokerfix.domain import DAY, Request, Side, TimeInForce, to_money
from brokerfix.engine import clients, venues
from brokerfix.engine.book import at_least_as_good
from brokerfix.engine.evolve import evolve
from brokerfix.engine.orders import Order
from brokerfix.engine.state import State
from brokerfix.engine.working import NewId, withdraw, work
from brokerfix.facts import (
    AccountDefined,
    CancelPending,
    ChildStatusAsked,
    ClientDefined,
    ClientDown,
    ClientUp,
    DayRolled,
    Fact,
    InstrumentDefined,
    OrderExpired,
    OrderRouted,
    OrderUnbooked,
    Quoted,
    Started,
    Stopped,
    VenueDefined,
    VenueDown,
    VenueUp,
)

RECORDED_LEVELS = 5
"""How many levels of each side a Quoted fact keeps."""

__all__ = ["State", "decide", "evolve", "observe"]


def decide(state: State, command: cmd.Command) -> list[Fact]:
    """What happens because of the command. State stays as it is. An exception is a bug of ours, never an answer."""
    new_id = count(state.last_id + 1).__next__
    facts: list[Fact] = HANDLERS[type(command)](state, command, new_id)
    assert facts or type(command) in MAY_BE_SILENT, command
    return facts


def observe(state: State, update: MarketUpdate) -> None:
    """Market data changes the live view only and leaves no fact."""
    state.market.apply(update)


def start(state: State, c: cmd.Start, new_id: NewId) -> list[Fact]:
    """The configuration, as far as it differs from what the journal says."""
    facts: list[Fact] = []
    if c.day > state.day:
        facts += _roll(state, c.day, c.at, new_id)
        new_id = count(facts[-1].id + 1).__next__
    facts.append(Started(c.at, new_id()))
    for instrument in c.instruments:
        if state.instruments.get(instrument.symbol) != instrument:
            facts.append(InstrumentDefined(c.at, new_id(), instrument))
    wanted = {instrument.symbol for instrument in c.instruments}
    for symbol, known in state.instruments.items():
        if symbol not in wanted and not known.halted:
            # Its orders and positions stay; nothing new is taken for what is no longer configured.
            facts.append(InstrumentDefined(c.at, new_id(), msgspec.structs.replace(known, halted=True)))
    for name, cash, limits in c.accounts:
        account = state.accounts.get(name)
        if account is None or (account.paid_in, account.limits) != (to_money(cash), limits):
            facts.append(AccountDefined(c.at, new_id(), name, cash, limits))
    for name, accounts, max_rate in c.clients:
        client = state.clients.get(name)
        if client is None or (client.accounts, client.max_rate) != (accounts, max_rate):
            facts.append(ClientDefined(c.at, new_id(), name, accounts, max_rate))
    for venue in c.venues:
        if state.venues.get(venue.venue) != venue:
            facts.append(VenueDefined(c.at, new_id(), venue))
    return facts


def stop(state: State, c: cmd.Stop, new_id: NewId) -> list[Fact]:
    return [Stopped(c.at, new_id())]


def roll_day(state: State, c: cmd.RollDay, new_id: NewId) -> list[Fact]:
    return _roll(state, c.day, c.at, new_id) if c.day > state.day else _expire(state, c.day, c.at, new_id)


def _roll(state: State, day: int, at: int, new_id: NewId) -> list[Fact]:
    """A new trading day: what was for the day before expires."""
    return [DayRolled(at, day * DAY, day), *_expire(state, day, at, count(day * DAY + 1).__next__)]


def _expire(state: State, day: int, at: int, new_id: NewId) -> list[Fact]:
    """Day orders of earlier days expire, those at an exchange once it has let go of them. One that waits for an
    exchange's answer is left for the next time; one that an exchange would not let go of is asked for again."""
    facts: list[Fact] = []
    for client in state.clients.values():
        for order in client.working.values():
            if order.time_in_force is not TimeInForce.DAY or order.order_id // DAY >= day:
                continue
            children = order.open_children()
            if order.pending is not None and order.pending.request is not Request.EXPIRE:
                continue
            if children and all(child.request is not None for child in children):
                continue
            if children:
                facts.append(CancelPending(at, new_id(), order.order_id, "", Request.EXPIRE))
                facts += withdraw(order, at, new_id)
            else:
                facts.append(OrderExpired(at, new_id(), order.order_id, "end of the trading day"))
    return facts


def session_up(state: State, c: cmd.SessionUp, new_id: NewId) -> list[Fact]:
    """A venue that is back is asked about every child whose fate is in doubt."""
    if not c.venue:
        return [ClientUp(c.at, new_id(), c.comp_id)]
    facts: list[Fact] = [VenueUp(c.at, new_id(), c.comp_id)]
    for child in state.open_children[c.comp_id].values():
        if child.in_doubt:
            facts.append(ChildStatusAsked(c.at, new_id(), child.child_id))
    return facts


def session_down(state: State, c: cmd.SessionDown, new_id: NewId) -> list[Fact]:
    return [VenueDown(c.at, new_id(), c.comp_id) if c.venue else ClientDown(c.at, new_id(), c.comp_id)]


def record_quotes(state: State, c: cmd.RecordQuotes, new_id: NewId) -> list[Fact]:
    facts: list[Fact] = []
    for symbol in state.instruments:
        bids, asks = (_recorded(state, symbol, side) for side in (Side.BUY, Side.SELL))
        last = state.market.last.get(symbol)
        if state.recorded.get(symbol, ((), (), None)) != (bids, asks, last):
            mark = (bids[0][0] + asks[0][0]) // 2 if bids and asks else last[0] if last else 0
            facts.append(Quoted(c.at, new_id(), symbol, bids, asks, last, mark))
    return facts


def _recorded(state: State, symbol: str, side: Side) -> tuple[tuple[int, int, str], ...]:
    """The best levels of a side as (price, quantity, venue), our own book's with no venue, best first."""
    levels = [(price, qty, "") for price, qty in islice(state.books[symbol].levels(side), RECORDED_LEVELS)]
    quotes = islice(state.market.walk(symbol, side), RECORDED_LEVELS)
    levels += [(quote.price, quote.qty, quote.key[0]) for quote in quotes]
    levels.sort(key=lambda level: -level[0] if side is Side.BUY else level[0])
    return tuple(levels[:RECORDED_LEVELS])


def market_moved(state: State, c: cmd.MarketMoved, new_id: NewId) -> list[Fact]:
    """An order that rests in our book goes to a venue that now shows a price it would take.

    One order a side: what it takes changes the view, so the next move of the market is asked for again.
    """
    book = state.books[c.symbol]
    if not len(book):
        return []
    for side in Side:
        best = state.market.best(c.symbol, side.opposite)
        if best is None:
            continue
        for entry in book.walk(side):
            if not at_least_as_good(side, best, entry.price):
                break
            facts = _send_out(state, state.orders[entry.key], c.at, count(state.last_id + 1).__next__)
            if facts:
                return facts
    return []


def _send_out(state: State, order: Order, at: int, new_id: NewId) -> list[Fact]:
    unbooked = OrderUnbooked(at, new_id(), order.order_id)
    placed = work(state, order, order.in_book, at, new_id, others_open=True)
    return [unbooked, *placed] if any(isinstance(fact, OrderRouted) for fact in placed) else []


HANDLERS: dict[type[Any], Callable[[State, Any, NewId], list[Fact]]] = {
    cmd.Start: start,
    cmd.Stop: stop,
    cmd.RollDay: roll_day,
    cmd.RecordQuotes: record_quotes,
    cmd.SessionUp: session_up,
    cmd.SessionDown: session_down,
    cmd.MarketMoved: market_moved,
    cmd.NewOrder: clients.new_order,
    cmd.CancelOrder: clients.cancel_order,
    cmd.ReplaceOrder: clients.replace_order,
    cmd.AskStatus: clients.ask_status,
    cmd.RefuseMessage: clients.refuse_message,
    cmd.Quote: clients.quote,
    cmd.VenueReport: venues.venue_report,
    cmd.VenueCancelReject: venues.venue_cancel_reject,
    cmd.VenueOther: venues.venue_other,
}

MAY_BE_SILENT: dict[type[cmd.Command], str] = {
    cmd.RollDay: "the trading day has begun already",
    cmd.RecordQuotes: "no price has moved",
    cmd.MarketMoved: "nothing that rests has become marketable",
    cmd.Quote: "the maker's orders stand as wished",
    cmd.VenueReport: "an acknowledgement or a resend of what is known",
    cmd.VenueCancelReject: "the request was answered before",
}
"""The commands that may yield no fact, and why. Every other command yields at least one."""
