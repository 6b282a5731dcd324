"""The composition root: build, recover, run the loop, stop. One thread does everything that touches state."""

import gc
import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from brokerfix import commands as cmd
from brokerfix.access.vouch import make_secret
from brokerfix.domain import BusinessRejectReason, ClientOptions, OrdStatus, id_text, sequence_of
from brokerfix.engine.engine import observe, one_trade_at_a_time
from brokerfix.engine.operator import left_behind
from brokerfix.engine.orders.order import Order
from brokerfix.engine.sessions import is_due
from brokerfix.engine.venues.questions import is_owed
from brokerfix.facts import Fact
from brokerfix.fix.incoming.decode import GatewayRefusal, from_client, route_of, unreadable
from brokerfix.fix.incoming.reports import from_venue, from_venue_reject
from brokerfix.fix.outgoing import encode
from brokerfix.fix.outgoing.encode import Out
from brokerfix.fix.session.sessions import Sessions, SessionsError
from brokerfix.fix.text import printable
from brokerfix.live.feed import Feed, MarketDataRequest, Told
from brokerfix.operate.admin import Door, Refused
from brokerfix.operate.operations import Operations
from brokerfix.process.idle import Idle
from brokerfix.process.pauses import Pauses
from brokerfix.process.warm import warm_up
from brokerfix.record.journal import Journal, JournalError, lock
from brokerfix.record.pipeline import Pipeline
from brokerfix.settings.config import MAKER, ClientSection, Config, ConfigError, StartError, added_clients
from brokerfix.settings.schedule import Hours, trading_day
from brokerfix.simulate.chaos import Chaos
from brokerfix.simulate.maker import RandomWalk

log = logging.getLogger("brokerfix")

MILLISECOND = 10**6
SECOND = 10**9
HELD_REST = 100e-6
"""The longest rest while messages wait for the disk."""
LOGOUT_SECONDS = 3
HELPER_SECONDS = 30
BEHIND_ORDERS = 10
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
EXPIRE_EVERY = 60 * SECOND
OPERATOR_EVERY = 10 * MILLISECOND
WATCH_EVERY = 50 * MILLISECOND
MOST_RECORDED = 50
"""Symbols whose prices are put on record in one turn of the loop."""


class Timer:
    """An action every `interval` ns."""

    def __init__(self, interval: int, action: Callable[[int], None]) -> None:
        self.interval = interval
        self.action = action
        self.due = 0


class Helper:
    """A process of ours beside the broker's: started again when it ends, until it is stopped."""

    def __init__(self, name: str, *module: str, niceness: int = 0) -> None:
        """`niceness` (setpriority(2)) keeps it from taking the processor from orders."""
        self.name = name
        self._command = [sys.executable, "-m", *module]
        self._niceness = niceness
        self._pause = FIRST_PAUSE
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(self._command)
        self._started = time.monotonic()
        if self._niceness:
            os.setpriority(os.PRIO_PROCESS, self._process.pid, self._niceness)

    def look_after(self) -> None:
        """Start it again if it has ended; later each time, if it does so at once."""
        lived = time.monotonic() - self._started
        if self._process.poll() is None:
            if lived > LONGEST_PAUSE:
                self._pause = FIRST_PAUSE
        elif lived > self._pause:
            log.error("%s ended with code %d; starting it again", self.name, self._process.returncode)
            self._start()
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(HELPER_SECONDS)
        except subprocess.TimeoutExpired:
            log.error("%s does not end; it is killed", self.name)
            self._process.kill()
            self._process.wait()


def _hours(config: Config) -> dict[str, Hours]:
    """The trading hours of the instruments that have some. Raises ConfigError."""
    hours = {}
    for symbol, instrument in config.instruments.items():
        try:
            hours[symbol] = Hours(instrument, config.calendars.get(symbol, ""))
        except ValueError as error:
            raise ConfigError(f"{config.path}: instruments.{symbol}.calendar: {error}") from error
    return {symbol: one for symbol, one in hours.items() if not one.always_open}


class Broker:
    """One broker, or one simulated exchange."""

    def __init__(self, config: Config, clock: Callable[[], int] = time.time_ns) -> None:
        for name, section in added_clients(config.data).items():
            config.clients.setdefault(name, section)
        self.config = config
        self.clock = clock
        self.sessions = Sessions(config, self)
        self.journal = Journal(config.data / "journal", config.broker.durability == "disk")
        self.pipeline = Pipeline(self.journal, self.sessions.send if config.chaos is None else self._spoil)
        self.state = self.pipeline.state
        self.feed = Feed()
        self.chaos = (
            Chaos(config.chaos, self.sessions.send, self.sessions.disconnect, self._client_message, self._status_of)
            if config.chaos is not None
            else None
        )
        self.hours = _hours(config)
        self.pauses = Pauses()
        self.timers: list[Timer] = []
        self.running = False
        self._next_timer = 0
        self._expire_due = 0
        self._reset_due = False
        self._to_record: dict[str, None] = {}
        self._unrecorded: deque[cmd.Command] = deque()
        self._lock = -1
        self._helpers: list[Helper] = []

    def start(self) -> None:
        """Take the data folder, replay the journal, open the sessions. Raises StartError."""
        config = self.config
        try:
            config.data.mkdir(parents=True, exist_ok=True)
            self._lock = lock(config.data)
            self._idle = Idle()
            unsent = self.pipeline.recover(self._trading_day(self.clock()))
            self._check_digits()
        except (JournalError, OSError) as error:
            raise StartError(str(error)) from error
        if config.gateway is not None:
            self.sessions.secret = make_secret(config)
        warm_up()
        missed_a_roll = 0 < self.state.day < self._trading_day(self.clock())
        try:
            self.sessions.start(anew=missed_a_roll and config.broker.session_reset == "daily")
        except SessionsError as error:
            key = "" if config.gateway is not None else "broker.port: "
            raise StartError(f"{config.path}: {key}{error}") from error
        self.pipeline.resend(unsent)
        if not self.pipeline.submit(self._start_command()):
            self.sessions.close()
            raise StartError(f"{self.journal.folder}: the disk is full: the start itself can't be recorded")
        for line in left_behind(self.state, config.venues, config.accounts, (*config.clients, MAKER)):
            log.warning("%s", line)
        self.state.market.is_told = True
        self.door = Door(config.data, Operations(self).handle)
        self._start_timers()
        if config.broker.store:
            told = str(config.data), str(os.getpid())
            self._helpers.append(
                Helper("the SQLite projection", "brokerfix.projections.sqlite", *told, niceness=BEHIND_ORDERS)
            )
        if config.gateway is not None and not config.gateway.upstream:
            self._helpers.append(Helper("the gateway", "brokerfix.gateway", str(config.path), str(os.getpid())))
        gc.collect()
        gc.freeze()
        # The hot path makes no cycles, and a full collection would stop it for as long as there are orders.
        gc.set_threshold(50_000, 50, 1000)
        log.info("%s is up on port %d, data in %s", config.broker.name, config.broker.port, config.data)

    def _check_digits(self) -> None:
        """The journal's prices and quantities are scaled by the digits it was written with."""
        for symbol, known in self.state.instruments.items():
            wanted = self.config.instruments.get(symbol, known)
            for key in ("price_digits", "qty_digits"):
                was, now = getattr(known, key), getattr(wanted, key)
                if was != now:
                    raise StartError(
                        f"{self.config.path}: instruments.{symbol}.{key}: is {now}, but the journal was written with "
                        f"{was}, and digits can't change: use another symbol, or another data folder"
                    )

    def run(self) -> int:
        """Run until SIGINT or SIGTERM. Returns the process's exit code."""
        # QuickFIX resets SIGINT when it is imported, so the handlers are set here.
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)
        self.running = True
        if self.config.broker.idle == "spin":
            while self.running:
                self.turn()
        else:
            self._run_with_rests()
        return self.stop()

    def _run_with_rests(self) -> None:
        operator = Timer(OPERATOR_EVERY, lambda now: self.door.poll())
        while self.running:
            seconds = (self._next_timer - self.clock()) / SECOND
            if self.pipeline.holds:
                seconds = min(seconds, HELD_REST)
            woken = self._idle.rest(self.sessions.activity, seconds)
            before = self.sessions.activity
            self.turn()
            if woken and self.sessions.activity == before:
                # It was no message: perhaps an operator's request, that need not wait for its timer.
                self._fire(operator, self.clock())

    def turn(self) -> None:
        """One turn of the loop: sessions, held messages, timers."""
        began = time.perf_counter_ns()
        self.sessions.poll()
        if self.journal.disk:
            self.pipeline.release()
            if self.pipeline.failed is not None:
                log.critical("%s: the disk has failed: %s; stopping", self.journal.folder, self.pipeline.failed)
                self.running = False
        now = self.clock()
        if (self.state.agenda or self.state.jobs) and self.pipeline.turn(now):
            # There may be more: the loop must not sleep.
            self.sessions.activity += 1
        if self._to_record:
            self._record_some(now)
        if now >= self._next_timer:
            for timer in self.timers:
                if now >= timer.due:
                    timer.due = now + timer.interval
                    self._fire(timer, now)
            self._next_timer = min((timer.due for timer in self.timers), default=now)
        took = time.perf_counter_ns() - began
        if took > self.pauses.this_second:
            self.pauses.this_second = took

    def _fire(self, timer: Timer, now: int) -> None:
        try:
            timer.action(now)
        except Exception as error:
            log.exception("a timer failed")
            self.failed("timer", f"{type(error).__name__}: {error}", "")

    def stop(self) -> int:
        """Log out, record the stop, close. Orders stay as they are. Returns the exit code."""
        self.timers.clear()
        deadline = self.clock() + LOGOUT_SECONDS * SECOND
        while self.sessions.logout() and self.clock() < deadline:
            self.turn()
        if self.pipeline.failed is None:
            self.pipeline.submit(cmd.Stop(self.clock()))
            self.pipeline.flush()
        self.door.close()
        self.sessions.close()
        self.pipeline.close()
        self._idle.close()
        for helper in self._helpers:
            helper.stop()
        os.close(self._lock)
        log.info("%s is down; its orders stay", self.config.broker.name)
        return 0 if self.pipeline.failed is None else 1

    # What an operator asks for

    def carry_out(self, command: cmd.Command) -> list[Fact]:
        """Submit an operator's command. Returns its facts; raises Refused where it can't be recorded."""
        if not self.pipeline.submit(command):
            raise Refused("it can't be recorded: the disk is full")
        return self.pipeline.decided

    def next_day(self) -> int:
        """The date after the trading day that it is now."""
        today = datetime.strptime(str(self.state.day), "%Y%m%d")
        return int((today + timedelta(days=1)).strftime("%Y%m%d"))

    def list_sessions(self) -> list[dict[str, Any]]:
        """Every session: its name, kind, version, whether it is up, and the next MsgSeqNums of both sides."""
        rows = []
        for peer in (*self.sessions.clients.values(), *self.sessions.venues.values()):
            ours, theirs = self.sessions.numbers(peer.name)
            section = self.config.venues[peer.name] if peer.is_venue else self.config.clients[peer.name]
            kind, state = "exchange" if peer.is_venue else "client", "up" if peer.is_up else "down"
            rows.append(
                {
                    "name": peer.name,
                    "kind": kind,
                    "fix": section.fix,
                    "state": state,
                    "next_out": ours,
                    "next_in": theirs,
                }
            )
        return rows

    def status(self) -> dict[str, Any]:
        """How the broker is: its day, what it holds, and the loop's longest pauses in milliseconds."""
        state, pauses = self.state, self.pauses
        return {
            "day": state.day,
            "facts": sequence_of(state.last_id),
            "orders": len(state.orders),
            "working": sum(len(client.working) for client in state.clients.values()),
            "jobs": [f"{job.kind}: {len(job.left)}" for job in state.jobs],
            "disk_full": self.journal.full,
            "pause_ms": {
                "last_minute": round(pauses.last_minute / MILLISECOND, 3),
                "since_asked": round(pauses.since_asked() / MILLISECOND, 3),
                "since_start": round(max(pauses.ever, pauses.last_minute) / MILLISECOND, 3),
                "fork": round(self.pipeline.keeper.pause * 1000, 3),
            },
            "unanswered": sum(len(link.awaited) + len(link.asked) for link in state.links.values()),
        }

    def disconnect(self, name: str) -> None:
        self.sessions.disconnect(name)

    def reset_session(self, name: str) -> None:
        self.sessions.reset(name)

    def add_client(self, name: str, section: ClientSection) -> None:
        """Open a session for a new client. Raises Refused, e.g. where its port is taken."""
        self.config.clients[name] = section
        try:
            self.sessions.add(name)
        except SessionsError as error:
            del self.config.clients[name]
            self.sessions.forget(name)
            raise Refused(str(error)) from error

    # What the sessions bring

    def client_message(self, client: str, text: str) -> bool:
        if self.chaos is not None and self.chaos.holds(client, text, self.clock()):
            return True
        return self._client_message(client, text)

    def _status_of(self, client: str, cl_ord_id: str) -> tuple[str, str]:
        known = self.state.clients[client].requests.get(cl_ord_id)
        return (id_text(known.order_id), known.status) if isinstance(known, Order) else ("NONE", OrdStatus.REJECTED)

    def _client_message(self, client: str, text: str) -> bool:
        try:
            version = self.config.clients[client].fix
            command = from_client(text, client, self.clock(), self.state.instruments, version)
        except Exception as error:
            log.exception("a message of %s can't be read", client)
            self.failed(client, f"a message can't be read: {type(error).__name__}: {error}", printable(text))
            return self.pipeline.submit(unreadable(text, client, self.clock()))
        if isinstance(command, cmd.Command):
            if isinstance(command, cmd.RefuseMessage):
                self.sessions.route(client, command.ref_seq_num, route_of(text))
            return self.pipeline.submit(command)
        if isinstance(command, GatewayRefusal):
            return self._gateway_refuses(client, text, command)
        if isinstance(command, list):
            # Of a list that comes again, what was taken is known by its ClOrdIDs.
            taken = [self.pipeline.submit(one) for one in command]
            return all(taken)
        if isinstance(command, MarketDataRequest):
            self._tell(self.feed.request(self.state, command))
        else:
            self._tell(self.feed.request_session_status(self.state, command))
        return True

    def _gateway_refuses(self, client: str, text: str, refusal: GatewayRefusal) -> bool:
        """The gateway has us answer a message of the client."""
        if self.config.gateway is None:
            return self.pipeline.submit(unreadable(text, client, self.clock()))
        if refusal.answer == "5":
            self.sessions.disconnect(client, refusal.text)
            # It stands in no message's place: its number is the client's next.
            return False
        if refusal.answer == "3":
            self.sessions.reject(client, refusal)
            # A SequenceReset that is refused has no number of its own.
            return refusal.ref_msg_type != "4"
        else:
            self.sessions.route(client, refusal.ref_seq_num, refusal.route)
            told = refusal.ref_seq_num, refusal.ref_msg_type, BusinessRejectReason(str(refusal.reason)), refusal.text
            return self.pipeline.submit(cmd.RefuseMessage(self.clock(), client, *told, refusal.ref_id))
        return True

    def venue_message(self, venue: str, text: str) -> bool:
        at = self.clock()
        try:
            told = from_venue(text, venue, at, self.state.instruments, self.config.venues[venue].fix)
        except Exception as error:
            log.exception("a message of %s can't be read", venue)
            what = f"{venue} sent a message that can't be read: {type(error).__name__}: {error}"
            told = cmd.VenueOther(at, venue, "UNREADABLE", what, printable(text))
        if isinstance(told, cmd.Command):
            return self.pipeline.submit(told)
        for update in told:
            for step in one_trade_at_a_time(update):
                observe(self.state, step)
                self.pipeline.follow_up(at)
        return True

    def venue_reject(self, venue: str, text: str, sent: str) -> bool:
        return self.pipeline.submit(from_venue_reject(text, sent, venue, self.clock()))

    def session_changed(self, comp_id: str, is_venue: bool, is_up: bool, anew: bool) -> None:
        if not is_venue:
            self.feed.forget(comp_id)
        now = self.clock()
        if not is_venue and not is_up:
            # Before the end of the session is recorded: what that makes us tell is missed too.
            self.pipeline.let_go_missed(comp_id, now)
        change = cmd.SessionUp(now, comp_id, is_venue, anew) if is_up else cmd.SessionDown(now, comp_id, is_venue)
        self._unrecorded.append(change)
        self._record_sessions()
        if is_up and not is_venue:
            self.pipeline.client_is_back(comp_id, now, anew)

    def client_began_anew(self, client: str) -> None:
        now = self.clock()
        self.pipeline.let_go_missed(client, now)
        self.pipeline.client_is_back(client, now, True)

    def _record_sessions(self) -> None:
        """What could not be recorded on a full disk is tried again every second, in its order."""
        while self._unrecorded and self.pipeline.submit(self._unrecorded[0]):
            self._unrecorded.popleft()

    def failed(self, source: str, text: str, raw: str) -> None:
        """A callback of ours failed outside of the engine: on record and in the log, and the broker goes on."""
        self.pipeline.submit(cmd.VenueOther(self.clock(), source, "BUG", text, raw))

    def _spoil(self, out: Out) -> None:
        assert self.chaos is not None
        self.chaos.send(out, self.clock())

    def _tell(self, told: list[Told]) -> None:
        for one in told:
            self.sessions.send(encode.market_data(self.state, one))

    # Time

    def _start_timers(self) -> None:
        config = self.config
        timers = [
            Timer(config.broker.market_data_interval_ms * MILLISECOND, self._publish),
            Timer(config.broker.record_interval_ms * MILLISECOND, self._record),
            Timer(WATCH_EVERY, self._watch_clock),
            Timer(OPERATOR_EVERY, lambda now: self.door.poll()),
            Timer(SECOND, self._look_after),
        ]
        if config.maker is not None:
            maker = config.maker
            walk = RandomWalk(
                maker.account, config.instruments, config.maker_qty, maker.seed, maker.levels, maker.spread_ticks,
                maker.step_ticks,
            )  # fmt: skip
            timers.append(Timer(maker.interval_ms * MILLISECOND, lambda now: self._requote(walk, now)))
        if self.chaos is not None:
            timers.append(Timer(MILLISECOND, self.chaos.release))
        self.timers = timers

    def _publish(self, now: int) -> None:
        self._tell(self.feed.flush(self.state))
        if self.feed.session_watchers:
            self._tell(self.feed.flush_session_status(self.state))

    def _record(self, now: int) -> None:
        """Have the prices that have moved put on record, in the loop's next turns."""
        market = self.state.market
        market.unrecorded, self._to_record = {}, {**self._to_record, **market.unrecorded}

    def _record_some(self, now: int) -> None:
        symbols = tuple(islice(self._to_record, MOST_RECORDED))
        for symbol in symbols:
            del self._to_record[symbol]
        if not self.pipeline.submit(cmd.RecordQuotes(now, symbols)):
            self.state.market.unrecorded |= dict.fromkeys(symbols)

    def _requote(self, walk: RandomWalk, now: int) -> None:
        for quote in walk.quotes(MAKER, now):
            self.pipeline.submit(quote)

    def _look_after(self, now: int) -> None:
        """Once a second: the trading day, a disk that was full, the projection's process."""
        day = self._trading_day(now)
        if day > self.state.day:
            self.roll(day, now)
        elif self.state.overdue and now >= self._expire_due:
            # An order of the day before may have been waiting for an exchange at the roll.
            self._expire_due = now + EXPIRE_EVERY
            self.pipeline.submit(cmd.RollDay(now, self.state.day))
        if self._reset_due and not self.state.jobs:
            self._reset_due = False
            self.sessions.reset_all()
        self.pipeline.look_after()
        if self.journal.watch_space():
            log.error("%s: the disk is %s", self.journal.folder, "full" if self.journal.full else "free again")
        self._record_sessions()
        self.pauses.end_second()
        for helper in self._helpers:
            helper.look_after()

    def roll(self, day: int, now: int) -> None:
        """Begin a trading day: Day orders expire and, when all is told, sequence numbers begin anew where they are
        configured to."""
        if self.pipeline.submit(cmd.RollDay(now, day)):
            self._reset_due = self.config.broker.session_reset == "daily"

    def _trading_day(self, now: int) -> int:
        return trading_day(now, self.config.day_start, self.config.broker.time_zone)

    def _watch_clock(self, now: int) -> None:
        """Phases that begin, orders whose time has come, pegs that may follow the market again."""
        for symbol, hours in self.hours.items():
            phase = hours.phase(now)
            if self.state.phases.get(symbol) is not phase:
                self.pipeline.submit(cmd.ChangePhase(now, symbol, phase))
        for name in list(self.state.away):
            if is_due(self.state.clients[name], now):
                self.pipeline.submit(cmd.ClientAway(now, name))
        if is_owed(self.state, now):
            self.pipeline.submit(cmd.AskAgain(now))
        if self.state.expiries and self.state.expiries.keys()[0][0] <= now:
            self.pipeline.submit(cmd.ExpireOrders(now))
        for symbol, watched in self.state.watching.items():
            if watched:
                self.pipeline.submit(cmd.MarketMoved(now, symbol))

    def _start_command(self) -> cmd.Start:
        config = self.config
        limits = config.limits
        options = config.options
        clients = [
            (name, client.accounts, client.max_orders_per_second, options[name])
            for name, client in config.clients.items()
        ]
        if config.maker is not None:
            clients.append((MAKER, (config.maker.account,), 0, ClientOptions()))
        now = self.clock()
        return cmd.Start(
            now,
            self._trading_day(now),
            tuple(config.instruments.values()),
            tuple((name, account.cash, limits[name]) for name, account in config.accounts.items()),
            tuple(clients),
            config.domain_venues,
            tuple((symbol, hours.phase(now)) for symbol, hours in self.hours.items()),
        )

    def _on_signal(self, number: int, frame: object) -> None:
        log.info("stopping on %s", signal.Signals(number).name)
        self.running = False
