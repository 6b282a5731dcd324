"""What the broker's process does by the clock."""

import logging
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from brokerfix import commands as cmd
from brokerfix.engine.making.desk import waits_for_time
from brokerfix.engine.sessions import is_due
from brokerfix.engine.venues.questions import is_owed
from brokerfix.process.clock import clock_state
from brokerfix.settings.sections import MAKER
from brokerfix.simulate.maker import RandomWalk

if TYPE_CHECKING:
    from brokerfix.process.broker import Broker

log = logging.getLogger("brokerfix")

MILLISECOND = 10**6
SECOND = 10**9
HOUR = 3600 * SECOND
EXPIRE_EVERY = 60 * SECOND
OPERATOR_EVERY = 10 * MILLISECOND
WATCH_EVERY = 50 * MILLISECOND
STIRRED_EVERY = 10 * MILLISECOND
LOOK_EVERY = 250 * MILLISECOND
QUIET_LOOKS = 4
MOST_LOOKS = 20
"""Makers' symbols that are looked at in one turn of the loop."""
MOST_RECORDED = 50
"""Symbols whose prices are put on record in one turn of the loop."""


class Timer:
    """An action every `interval` ns; while there is no news (see `Timers.rest_until`), of those that are not `always`
    there is nothing to do."""

    def __init__(self, interval: int, action: Callable[[int], None], always: bool = True) -> None:
        self.interval = interval
        self.action = action
        self.always = always
        self.due = 0


class Timers:
    """The timers of a broker; `next_due` is when the first of `every` is due, and `to_record` the symbols whose prices
    are to be put on record, `to_look` the makers' that are to be looked at, in the loop's next turns."""

    def __init__(self, broker: "Broker") -> None:
        self.broker = broker
        self.every: list[Timer] = []
        self.next_due = self._always_due = 0
        self.to_record: dict[str, None] = {}
        self.to_look: dict[tuple[str, str], None] = {}
        self._looks = 0
        self._expire_due = 0
        self._reset_due = False
        # The first time one interval after the start, which asks about all that is in doubt.
        self._reconcile_due = broker.clock() + broker.config.broker.reconcile_seconds * SECOND

    def run(self, now: int) -> None:
        """Do what is due."""
        for timer in self.every:
            if now >= timer.due:
                timer.due = now + timer.interval
                self.fire(timer, now)
        self.next_due = min((timer.due for timer in self.every), default=now)
        self._always_due = min((timer.due for timer in self.every if timer.always), default=now)

    @property
    def rest_until(self) -> int:
        """When the loop has to turn again although nothing has come (ns)."""
        broker, state, receiver = self.broker, self.broker.state, self.broker.receiver
        has_news = state.market.dirty or state.stirred or receiver.feed.is_late or receiver.has_watchers
        return self.next_due if has_news or broker.admin.is_busy else self._always_due

    def fire(self, timer: Timer, now: int) -> None:
        try:
            timer.action(now)
        except Exception as error:
            log.exception("a timer failed")
            self.broker.receiver.failed("timer", f"{type(error).__name__}: {error}", "")

    def begin(self) -> None:
        """Have all timers run from now on."""
        config = self.broker.config
        timers = [
            Timer(config.broker.market_data_interval_ms * MILLISECOND, self._publish, always=False),
            Timer(config.broker.record_interval_ms * MILLISECOND, self._record),
            Timer(WATCH_EVERY, self._watch_clock),
            # What operators send ends a rest by itself.
            Timer(OPERATOR_EVERY, lambda now: self.broker.admin.poll(), always=False),
            Timer(SECOND, self._look_after),
            Timer(HOUR, self._check_clock),
        ]
        if config.maker is not None:
            maker = config.maker
            floor = maker.levels + maker.spread_ticks + 1
            walk = RandomWalk(config.instruments, maker.seed, maker.step_ticks, floor)
            timers.append(Timer(maker.interval_ms * MILLISECOND, lambda now: self._walk(walk, now)))
        if config.makers:
            timers.append(Timer(STIRRED_EVERY, self._requote_stirred, always=False))
            timers.append(Timer(LOOK_EVERY, self._requote_all))
        if self.broker.member is not None:
            timers.append(Timer(WATCH_EVERY, self.broker.cluster_watch.look))
            if self.broker.member.section.check_seconds:
                every = self.broker.member.section.check_seconds * SECOND
                timers.append(Timer(every, self._begin_check))
        if self.broker.chaos is not None:
            timers.append(Timer(MILLISECOND, self.broker.chaos.release))
        self.every = timers

    def _begin_check(self, now: int) -> None:
        self.broker.pipeline.submit(cmd.BeginCheck(now))

    def _publish(self, now: int) -> None:
        self.broker.receiver.publish(now)
        if self.broker.receiver.securities.watchers:
            self.broker.receiver.flush_securities(now)
        if self.broker.receiver.feed.session_watchers:
            self.broker.receiver.tell(self.broker.receiver.feed.flush_session_status(self.broker.state))

    def _record(self, now: int) -> None:
        """Have the prices that have moved put on record, in the loop's next turns."""
        market = self.broker.state.market
        market.unrecorded, self.to_record = {}, {**self.to_record, **market.unrecorded}

    def record_some(self, now: int) -> None:
        symbols = tuple(islice(self.to_record, MOST_RECORDED))
        for symbol in symbols:
            del self.to_record[symbol]
        if not self.broker.pipeline.submit(cmd.RecordQuotes(now, symbols)):
            self.broker.state.market.unrecorded |= dict.fromkeys(symbols)

    def _walk(self, walk: RandomWalk, now: int) -> None:
        for symbol, mid in walk.round():
            self.broker.pipeline.submit(cmd.Requote(now, (MAKER, symbol), mid))

    def _requote_stirred(self, now: int) -> None:
        """Makers that look at the market no more often than so often have their turn."""
        state = self.broker.state
        for name, symbol in list(state.stirred):
            desk = state.makers[name].desks[symbol]
            if now - desk.decided_at >= desk.quoting.refresh:
                del state.stirred[name, symbol]
                self.broker.pipeline.submit(cmd.Requote(now, (name, symbol)))

    def _requote_all(self, now: int) -> None:
        """What comes with time: references that grow old, pauses that end, quotes that are too old, hedges. Those of
        which nothing is expected have their turn every QUIET_LOOKS times."""
        self._looks += 1
        number = self._looks
        for name, making in self.broker.state.makers.items():
            for symbol, desk in making.desks.items():
                number += 1
                if number % QUIET_LOOKS == 0 or waits_for_time(making, desk):
                    self.to_look[name, symbol] = None

    def look_some(self, now: int) -> None:
        """Have a few makers look at their quotes: all at once would keep the loop from orders."""
        ends = self.broker.day_ends(now)
        for of in list(islice(self.to_look, MOST_LOOKS)):
            del self.to_look[of]
            self.broker.pipeline.submit(cmd.Requote(now, of, day_ends=ends))

    def _look_after(self, now: int) -> None:
        """Once a second: the trading day, a disk that was full, the projection's process."""
        broker = self.broker
        day = broker.trading_day(now)
        if day > broker.state.day:
            self.roll(day, now)
        elif broker.state.overdue and now >= self._expire_due:
            # An order of the day before may have been waiting for an exchange at the roll.
            self._expire_due = now + EXPIRE_EVERY
            broker.pipeline.submit(cmd.RollDay(now, broker.state.day))
        if any(one.until <= now for one in broker.state.overrides.values()):
            broker.pipeline.submit(cmd.ExpireOverrides(now))
        for one in broker.receiver.copies.check(broker.state, now):
            broker.pipeline.submit(one)
        every = broker.config.broker.reconcile_seconds * SECOND
        if every and now >= self._reconcile_due:
            self._reconcile_due = now + every
            for venue in broker.state.venues:
                broker.pipeline.submit(cmd.Reconcile(now, venue))
        if self._reset_due and not broker.state.jobs:
            self._reset_due = False
            broker.sessions.reset_all()
        broker.pipeline.look_after()
        if broker.journal.watch_space():
            log.error("%s: the disk is %s", broker.journal.folder, "full" if broker.journal.full else "free again")
        broker.receiver.record_sessions()
        broker.pauses.end_second()
        for helper in broker.helpers:
            helper.look_after()

    def _check_clock(self, now: int) -> None:
        state = clock_state()
        if state is not None:
            self.broker.pipeline.submit(cmd.CheckClock(now, *state))

    def roll(self, day: int, now: int) -> None:
        """Begin a trading day: Day orders expire and, when all is told, sequence numbers begin anew where they are
        configured to."""
        if self.broker.pipeline.submit(cmd.RollDay(now, day)):
            self._reset_due = self.broker.config.broker.session_reset == "daily"

    def _watch_clock(self, now: int) -> None:
        """Phases that begin, orders and quotes whose time has come, pegs that may follow the market, margin calls."""
        for symbol, hours in self.broker.hours.items():
            phase = hours.phase(now)
            if self.broker.state.phases.get(symbol) is not phase:
                self.broker.pipeline.submit(cmd.ChangePhase(now, symbol, phase))
        self.broker.receiver.look_at_sources(now)
        for name in list(self.broker.state.away):
            if is_due(self.broker.state.clients[name], now):
                self.broker.pipeline.submit(cmd.ClientAway(now, name))
        for name in list(self.broker.state.called):
            self.broker.pipeline.submit(cmd.ReviewAccount(now, name))
        if is_owed(self.broker.state, now):
            self.broker.pipeline.submit(cmd.AskAgain(now))
        if self.broker.state.expiries and self.broker.state.expiries.keys()[0][0] <= now:
            self.broker.pipeline.submit(cmd.ExpireOrders(now))
        if self.broker.state.firm and self.broker.state.firm.keys()[0][0] < now:
            self.broker.pipeline.submit(cmd.ExpireQuotes(now))
        for symbol, watched in self.broker.state.watching.items():
            if watched:
                self.broker.pipeline.submit(cmd.MarketMoved(now, symbol))
