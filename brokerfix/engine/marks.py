"""Best prices and risk marks on record, at a conflated rate."""

from itertools import islice

from brokerfix.commands import RecordQuotes, SetVolumeProfile
from brokerfix.domain import DayTotals, Side
from brokerfix.engine import touched
from brokerfix.engine.currencies import follow_mark
from brokerfix.engine.entities import Job, JobKind
from brokerfix.engine.market import uncrossed
from brokerfix.engine.orders import booking
from brokerfix.engine.risk.bounds import owned
from brokerfix.engine.routing.statistics import note_mark
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution
from brokerfix.facts import Quoted, VolumeProfileSet

DECIDE, EVOLVE = Decisions(), Evolution()
Levels = tuple[tuple[int, int, str], ...]
Last = tuple[int, int] | None
MOST_AT_ONCE = 200
"""Holders of a symbol that a new mark revalues at once; more are a job."""
NOTHING_YET = DayTotals()
NOT_RECORDED: tuple[object, ...] = ((), (), None, 0, ())
RECORDED_LEVELS = 5
"""How many levels of each side a Quoted fact keeps."""


@DECIDE.on(RecordQuotes, silent="no price has moved")
def record_quotes(state: State, c: RecordQuotes, step: Step) -> None:
    for symbol in state.instruments if c.symbols is None else c.symbols:
        bids, asks = (_recorded(state, symbol, side) for side in (Side.BUY, Side.SELL))
        last = state.market.last.get(symbol)
        sources = _sources(state, symbol)
        before, day = state.recorded.get(symbol, NOT_RECORDED), state.market.totals.get(symbol, NOTHING_YET)
        seen = bids, asks, last, day.volume, sources
        if before != seen and (seen[:4] != NOT_RECORDED[:4] or symbol in state.recorded):
            mark = _mark(bids, asks, last, before[2])
            step.emit(Quoted, symbol=symbol, bids=bids, asks=asks, last=last, mark=mark, day=day, sources=sources)


def _mark(bids: Levels, asks: Levels, last: Last, before: object) -> int:
    """The mid, of a locked or crossed market that of what is left when its quotes have traded with each other. A market
    that is one-sided, if only while its quotes are changed, is valued at a trade that is new; an old one says less than
    the mark there is, which stays (0)."""
    bid, ask = uncrossed(*(((price, qty) for price, qty, _ in side) for side in (bids, asks)))
    if bid is not None and ask is not None:
        return (bid[0] + ask[0]) // 2
    return last[0] if last is not None and last != before else 0


def _sources(state: State, symbol: str) -> tuple[tuple[str, str], ...]:
    """The exchanges that tell of the symbol's market, each with why it does not count, "" if it does."""
    market = state.market
    return tuple(
        (venue.venue, market.why_out(venue.venue, symbol) if market.up.get(venue.venue) else "down")
        for venue in state.venues.values()
        if venue.market_data and not venue.drop_copy and not venue.removed and symbol in (venue.symbols or (symbol,))
    )


def _recorded(state: State, symbol: str, side: Side) -> Levels:
    """The best levels of a side as (price, quantity, venue), our own book's with no venue, best first."""
    levels = [(price, qty, "") for price, qty in islice(state.books[symbol].levels(side), RECORDED_LEVELS)]
    quotes = islice(state.market.walk(symbol, side), RECORDED_LEVELS)
    levels += [(quote.price, quote.qty, quote.key[0]) for quote in quotes]
    levels.sort(key=lambda level: -level[0] if side is Side.BUY else level[0])
    return tuple(levels[:RECORDED_LEVELS])


@DECIDE.on(SetVolumeProfile)
def set_volume_profile(state: State, c: SetVolumeProfile, step: Step) -> None:
    step.emit(VolumeProfileSet, c.symbol, c.bucket, c.weights, c.operator)


@EVOLVE.on(VolumeProfileSet, touched.nothing)
def _volume_profile_set(state: State, fact: VolumeProfileSet) -> None:
    state.profiles[fact.symbol] = (fact.bucket, fact.weights)


@EVOLVE.on(Quoted, touched.positions_in_symbol)
def _quoted(state: State, fact: Quoted) -> None:
    state.recorded[fact.symbol] = (fact.bids, fact.asks, fact.last, fact.day.volume, fact.sources)
    state.market.totals[fact.symbol] = fact.day
    if fact.mark:
        note_mark(state, fact.symbol, fact.mark, fact.at)
    if fact.mark and fact.mark != state.marks.get(fact.symbol):
        state.marks[fact.symbol] = fact.mark
        if state.currencies:
            follow_mark(state, fact.symbol, fact.mark)
        _revalue_all(state, fact.symbol)
        for symbol in state.derived.get(fact.symbol, ()):
            _revalue_all(state, symbol)


def _revalue_all(state: State, symbol: str) -> None:
    """What all have of a symbol is worth something else now, or needs another margin."""
    holders = state.holders.get(symbol, {})
    # What is under way for the mark before has to begin anew.
    state.jobs = [job for job in state.jobs if job.kind is not JobKind.REVALUE or job.name != symbol]
    if len(holders) <= MOST_AT_ONCE:
        for name in holders:
            revalue(state, symbol, name)
    else:
        booking.begin_job(state, Job(JobKind.REVALUE, list(holders), symbol))


def revalue(state: State, symbol: str, name: str) -> None:
    """What an account has of a symbol is worth something else now."""
    account = state.accounts[name]
    position = account.positions[symbol]
    if account.exposed:
        owned(state, account, symbol, position)
    if position.qty < 0 or account.is_watched:
        booking.reload(state, account, position, state.instruments[symbol])
