"""decide(state, command) -> facts. One short handler per command; none of them changes state.

`evolve` applies the facts; `observe` puts market data into the live view.
"""

from collections.abc import Callable
from itertools import count, islice
from typing import Any

import msgspec

from brokerfix import commands as cmd
from brokerfix.commands import MarketUpdate
from brokerfix.domain import Side
from brokerfix.engine import days as day
from brokerfix.engine import jobs, operator, sessions
from brokerfix.engine.evolve import evolve
from brokerfix.engine.matching import auction
from brokerfix.engine.orders import booking, clients
from brokerfix.engine.orders import many as requests
from brokerfix.engine.orders.working import NewId
from brokerfix.engine.state import State
from brokerfix.engine.venues import questions
from brokerfix.engine.venues import reports as venues
from brokerfix.engine.waiting import watch as waiting
from brokerfix.facts import Fact, Quoted

RECORDED_LEVELS = 5
"""How many levels of each side a Quoted fact keeps."""

__all__ = ["State", "decide", "done", "evolve", "follow_up", "observe", "one_trade_at_a_time"]


def decide(state: State, command: cmd.Command) -> list[Fact]:
    """What happens because of the command. State stays as it is. An exception is a bug of ours, never an answer."""
    new_id = count(state.last_id + 1).__next__
    facts: list[Fact] = HANDLERS[type(command)](state, command, new_id)
    assert facts or type(command) in MAY_BE_SILENT, command
    return facts


def observe(state: State, update: MarketUpdate) -> None:
    """Market data changes the live view only and leaves no fact. What waits for the market is put on the agenda."""
    state.market.apply(update)
    symbol = update.symbol
    if state.watching[symbol] or len(state.books[symbol]) or len(state.stops[symbol]):
        state.agenda[booking.MARKET_MOVED, symbol] = None


def one_trade_at_a_time(update: MarketUpdate) -> list[MarketUpdate]:
    """The update in steps of one trade each: a stop must see every price that was traded, not only the last."""
    if len(update.trades) < 2:
        return [update]
    *earlier, last = update.trades
    steps = [msgspec.structs.replace(update, snapshot=False, levels=(), trades=(trade,)) for trade in earlier]
    return [*steps, msgspec.structs.replace(update, trades=(last,))]


def follow_up(state: State, at: int) -> cmd.Command | None:
    """What is to be decided next because of what was: it stays on the agenda until it yields no fact (`done`)."""
    for kind, what in state.agenda:
        return FOLLOW_UPS[kind](at, what)
    return None


def done(state: State) -> None:
    """The first item of the agenda has nothing more to do."""
    del state.agenda[next(iter(state.agenda))]


FOLLOW_UPS: dict[str, Callable[[int, Any], cmd.Command]] = {
    booking.MARKET_MOVED: cmd.MarketMoved,
    booking.NEXT_REQUEST: cmd.NextRequest,
    booking.PHASE_CHANGED: cmd.SettlePhase,
}


def record_quotes(state: State, c: cmd.RecordQuotes, new_id: NewId) -> list[Fact]:
    facts: list[Fact] = []
    for symbol in state.instruments if c.symbols is None else c.symbols:
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


HANDLERS: dict[type[Any], Callable[[State, Any, NewId], list[Fact]]] = {
    cmd.Start: day.start,
    cmd.Stop: day.stop,
    cmd.RollDay: day.roll_day,
    cmd.ExpireOrders: day.expire_orders,
    cmd.ChangePhase: auction.change_phase,
    cmd.SettlePhase: auction.settle_phase,
    cmd.NextRequest: clients.next_request,
    cmd.RecordQuotes: record_quotes,
    cmd.AskAgain: questions.ask_again,
    cmd.WorkOff: jobs.work_off,
    cmd.SessionUp: sessions.session_up,
    cmd.SessionDown: sessions.session_down,
    cmd.ClientAway: sessions.client_away,
    cmd.MarketMoved: waiting.market_moved,
    cmd.NewOrder: clients.new_order,
    cmd.CancelOrder: clients.cancel_order,
    cmd.ReplaceOrder: clients.replace_order,
    cmd.AskStatus: clients.ask_status,
    cmd.RefuseMessage: clients.refuse_message,
    cmd.AskMassStatus: requests.ask_mass_status,
    cmd.MassCancel: requests.mass_cancel,
    cmd.CrossOrder: requests.cross_order,
    cmd.AskListStatus: requests.ask_list_status,
    cmd.ClientOther: requests.client_other,
    cmd.Quote: clients.quote,
    cmd.OperatorActs: operator.operator_acts,
    cmd.DefineClient: operator.define_client,
    cmd.OperatorCancel: operator.operator_cancel,
    cmd.OperatorRelease: operator.operator_release,
    cmd.OperatorResolve: operator.operator_resolve,
    cmd.OperatorBust: operator.operator_bust,
    cmd.OperatorReverse: operator.operator_reverse,
    cmd.OperatorCorrect: operator.operator_correct,
    cmd.OperatorHalt: operator.operator_halt,
    cmd.OperatorResume: operator.operator_resume,
    cmd.OperatorSplit: operator.operator_split,
    cmd.VenueReport: venues.venue_report,
    cmd.VenueCancelReject: venues.venue_cancel_reject,
    cmd.VenueOther: venues.venue_other,
}

MAY_BE_SILENT: dict[type[cmd.Command], str] = {
    cmd.RollDay: "the trading day has begun already",
    cmd.AskAgain: "no exchange owes an answer",
    cmd.WorkOff: "no job is left",
    cmd.ExpireOrders: "no order's time has come",
    cmd.ChangePhase: "the instrument is in this phase already",
    cmd.SettlePhase: "the phase concerns no order any more",
    cmd.ClientAway: "the client is back, or nothing was left to do",
    cmd.NextRequest: "no request waits",
    cmd.RecordQuotes: "no price has moved",
    cmd.MarketMoved: "nothing that waits for the market may act",
    cmd.Quote: "the maker's orders stand as wished",
    cmd.VenueReport: "an acknowledgement or a resend of what is known",
    cmd.VenueCancelReject: "the request was answered before",
}
"""The commands that may yield no fact, and why. Every other command yields at least one."""
