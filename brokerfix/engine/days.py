"""The broker's own times: the start, the trading day, what expires."""

from itertools import islice

from brokerfix import commands as cmd
from brokerfix import facts as f
from brokerfix.commands import ChangePhase
from brokerfix.domain import day_of, shard_of
from brokerfix.engine import currencies, parts, reference, touched
from brokerfix.engine.entities import OF_A_DAYS_BEGIN, Job, JobKind
from brokerfix.engine.fees import begin_interest
from brokerfix.engine.jobs import begin_day
from brokerfix.engine.making import applied as making
from brokerfix.engine.making import maker, quoters, rfq_applied
from brokerfix.engine.matching.phases import change_phase
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.expire import expire
from brokerfix.engine.risk import daily, levels, shards
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution

DECIDE, EVOLVE = Decisions(), Evolution()
MOST_SEEN = 20_000
MOST_EXPIRED = 50
"""Orders that expire at once; the others do at the next look."""


@DECIDE.on(cmd.Start)
def start(state: State, c: cmd.Start, step: Step) -> None:
    """The day and, as far as it differs from what the journal says, the configuration."""
    if c.day > state.day:
        step.begin_day(c.day, c.shard)
    step.emit(f.Started)
    shards.define(state, c, step)
    currencies.define(state, c, step)
    reference.define(state, c, step)
    levels.define(state, c, step)
    maker.define(state, c, step)
    quoters.define(state, c, step)
    for symbol, phase in c.phases:
        change_phase(state, ChangePhase(c.at, symbol, phase), step)


@EVOLVE.on(f.Started, touched.open_anywhere)
def _started(state: State, fact: f.Started) -> None:
    state.market.up.clear()
    for client in state.clients.values():
        if client.is_up:
            client.is_up, client.down_at = False, fact.at
            state.away[client.client] = None
    for link in state.links.values():
        link.lost += 1


@DECIDE.on(cmd.Stop)
def stop(state: State, c: cmd.Stop, step: Step) -> None:
    step.emit(f.Stopped)


@DECIDE.on(cmd.CheckClock)
def check_clock(state: State, c: cmd.CheckClock, step: Step) -> None:
    step.emit(f.ClockChecked, c.synchronized, c.offset, c.max_error)


@DECIDE.on(cmd.BeginCheck)
def begin_check(state: State, c: cmd.BeginCheck, step: Step) -> None:
    step.emit(f.CheckBegun)


@DECIDE.on(cmd.StateCounted)
def state_counted(state: State, c: cmd.StateCounted, step: Step) -> None:
    step.emit(f.StateChecked, c.of, c.parts, c.state_hash)


EVOLVE.only_tells(f.Stopped, f.ClockChecked, f.CheckBegun, f.StateChecked)


@DECIDE.on(cmd.RollDay, silent="the trading day has begun already")
def roll_day(state: State, c: cmd.RollDay, step: Step) -> None:
    """A new trading day begins; what that means for the orders is a job. On the same day, those that an exchange would
    not let go of are asked for again."""
    if c.day > state.day:
        return step.begin_day(c.day, shard_of(state.last_id))
    expired = 0
    for order_id in islice(state.overdue, MOST_SEEN):
        expired += expire(state.orders[order_id], step, "end of the trading day")
        if expired >= MOST_EXPIRED:
            break


@EVOLVE.on(f.DayRolled, touched.nothing)
def _day_rolled(state: State, fact: f.DayRolled) -> None:
    # An ExecID is unique for a day; yesterday's are kept for what is sent again over the roll. To let all others go at
    # once would take a while.
    old = [exec_id for execs in state.old_venue_execs.values() for exec_id in execs]
    state.old_venue_execs = state.venue_execs
    state.venue_execs = {venue: {} for venue in state.venues}
    before = day_of(state.day_began) if state.day_began else 0
    state.previous_day_began, state.day_began = state.day_began, fact.id
    state.market.begin_day()
    for account in state.accounts.values():
        # What accounts lose is counted by the day.
        account.opened_with, account.lost = account.value, 0
        if account.margin != "cash":
            daily.begin_day(state, account)
    making.begin_day(state)
    rfq_applied.begin_day(state)
    # A strategy that was stopped stays so.
    state.executions.clear()
    state.jobs = [job for job in state.jobs if job.kind not in OF_A_DAYS_BEGIN]
    begin_day(state)
    begin_interest(state, before)
    booking.begin_job(state, Job(JobKind.FREE, old))


@EVOLVE.on(f.StateKept, touched.nothing)
def _state_kept(state: State, fact: f.StateKept) -> None:
    """An older version has kept the state here. It is taken as it was kept, also where the facts before it were
    replayed: a replay from the first fact and one from here are then the same."""
    kept = State()
    parts.load(fact.data, kept)
    state.become(kept)
    state.last_id = fact.id


@DECIDE.on(cmd.ExpireOrders, silent="no order's time has come")
def expire_orders(state: State, c: cmd.ExpireOrders, step: Step) -> None:
    """Orders that are good till a time expire when it has come."""
    expired = 0
    for expire_at, order_id in state.expiries:
        if expire_at > c.at or expired >= MOST_EXPIRED:
            break
        order = state.orders[order_id]
        if order.pending is None and not order.queue:
            expire(order, step, "its ExpireTime has come")
            expired += 1
