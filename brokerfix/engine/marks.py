"""Best prices and risk marks on record, at a conflated rate."""

from itertools import islice

from brokerfix.commands import RecordQuotes
from brokerfix.domain import Side
from brokerfix.engine import touched
from brokerfix.engine.orders import booking
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution
from brokerfix.facts import Quoted

DECIDE, EVOLVE = Decisions(), Evolution()
RECORDED_LEVELS = 5
"""How many levels of each side a Quoted fact keeps."""


@DECIDE.on(RecordQuotes, silent="no price has moved")
def record_quotes(state: State, c: RecordQuotes, step: Step) -> None:
    for symbol in state.instruments if c.symbols is None else c.symbols:
        bids, asks = (_recorded(state, symbol, side) for side in (Side.BUY, Side.SELL))
        last = state.market.last.get(symbol)
        if state.recorded.get(symbol, ((), (), None)) != (bids, asks, last):
            mark = (bids[0][0] + asks[0][0]) // 2 if bids and asks else last[0] if last else 0
            step.emit(Quoted, symbol, bids, asks, last, mark)


def _recorded(state: State, symbol: str, side: Side) -> tuple[tuple[int, int, str], ...]:
    """The best levels of a side as (price, quantity, venue), our own book's with no venue, best first."""
    levels = [(price, qty, "") for price, qty in islice(state.books[symbol].levels(side), RECORDED_LEVELS)]
    quotes = islice(state.market.walk(symbol, side), RECORDED_LEVELS)
    levels += [(quote.price, quote.qty, quote.key[0]) for quote in quotes]
    levels.sort(key=lambda level: -level[0] if side is Side.BUY else level[0])
    return tuple(levels[:RECORDED_LEVELS])


@EVOLVE.on(Quoted, touched.positions_in_symbol)
def _quoted(state: State, fact: Quoted) -> None:
    state.recorded[fact.symbol] = (fact.bids, fact.asks, fact.last)
    if fact.mark and fact.mark != state.marks.get(fact.symbol):
        state.marks[fact.symbol] = fact.mark
        for account in state.accounts.values():
            position = account.positions.get(fact.symbol)
            if position is not None and (position.qty < 0 or account.exposures):
                booking.reload(state, account, position, state.instruments[fact.symbol])
