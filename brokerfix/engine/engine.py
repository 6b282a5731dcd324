"""decide(state, command) -> facts. Each command's handler, from the subjects' tables; none of them changes state.

`evolve` applies the facts; `observe` puts market data into the live view.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from brokerfix import commands as cmd
from brokerfix.commands import MarketUpdate
from brokerfix.domain import Side
from brokerfix.engine import currencies, days, jobs, marks, operator, records, reference, sessions, surveillance
from brokerfix.engine.evolve import evolve
from brokerfix.engine.making import maker, quoters, rfq
from brokerfix.engine.making.stir import stir
from brokerfix.engine.matching import phases
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders import accept, booking, cancel, cross, replace, status
from brokerfix.engine.risk import approvals, credit, kill, levels, moves, reduce, review, shards
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.engine.venues import breaks, fills, questions, reports, requests
from brokerfix.engine.waiting import moved
from brokerfix.facts import Fact

__all__ = ["State", "decide", "done", "evolve", "follow_up", "observe", "one_trade_at_a_time"]

SUBJECTS = (
    accept, cancel, replace, cross, status, reports, requests, questions, moved, phases, days, jobs, marks,
    operator, reference, sessions, levels, kill, review, credit, reduce,
    approvals, breaks, currencies, maker, rfq, quoters, shards, moves, records, surveillance,
)  # fmt: skip
TABLE = Decisions.of(subject.DECIDE for subject in SUBJECTS)
HANDLERS, MAY_BE_SILENT = TABLE.handlers, TABLE.silent
REPORT_HANDLERS = (fills, requests)
"""The modules that have handlers of exchanges' reports beside `reports` itself."""


def decide(state: State, command: cmd.Command) -> list[Fact]:
    """What happens because of the command. State stays as it is. An exception is a bug of ours, never an answer."""
    step = Step(command.at, state.last_id)
    HANDLERS[type(command)](state, command, step)
    assert step.facts or type(command) in MAY_BE_SILENT, command
    return step.facts


def observe(state: State, update: MarketUpdate) -> None:
    """Market data changes the live view only and leaves no fact. What waits for the market is put on the agenda."""
    state.market.apply(update)
    symbol = update.symbol
    if state.watching[symbol] or len(state.stops[symbol]) or _is_better_there(state, symbol):
        state.agenda[booking.MARKET_MOVED, symbol] = None
    if state.quoted and (update.levels or update.orders or update.snapshot):
        # Makers go by quotes: a trade alone is nothing to look at.
        stir(state, (symbol,))


def _is_better_there(state: State, symbol: str) -> bool:
    """Whether an exchange shows a price that an order in our book would take."""
    book, market = state.books[symbol], state.market
    if not book.entries:
        return False
    for side in Side:
        ours, theirs = book.best(side), market.best(symbol, side.opposite)
        if ours is not None and theirs is not None and at_least_as_good(side, theirs, ours):
            return True
    return False


def one_trade_at_a_time(update: MarketUpdate) -> list[MarketUpdate]:
    """The update in steps of one trade each: a stop must see every price that was traded, not only the last."""
    if len(update.trades) < 2 or update.snapshot:
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
    booking.REVIEW: cmd.ReviewAccount,
    booking.THROTTLED: cmd.StrategyFilled,
    booking.REDUCE: cmd.ReduceOnly,
    booking.REQUOTE: cmd.Requote,
    booking.MADE: cmd.MakerTraded,
    booking.QUOTED: cmd.QuoterTraded,
}
