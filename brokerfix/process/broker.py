"""The composition root: build, recover, run the loop, stop. One thread does everything that touches state."""

import gc
import logging
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import Any

from brokerfix import commands as cmd
from brokerfix.access.vouch import make_secret
from brokerfix.domain import sequence_of, shard_of
from brokerfix.engine.operator import left_behind
from brokerfix.engine.surveillance import open_alerts
from brokerfix.facts import Fact, OperatorRefused
from brokerfix.fix.outgoing.encode import Out
from brokerfix.fix.session.sessions import Sessions, SessionsError
from brokerfix.operate import killfile
from brokerfix.operate.admin import ActionRefused, AdminSocket
from brokerfix.operate.operations import Operations
from brokerfix.process.clustered import ClusterWatch
from brokerfix.process.helpers import Helper
from brokerfix.process.idle import LONGEST_REST, Idle
from brokerfix.process.member import Ended, Member, begin_anew
from brokerfix.process.pauses import Pauses
from brokerfix.process.receiver import Receiver
from brokerfix.process.timers import MILLISECOND, OPERATOR_EVERY, SECOND, Timer, Timers
from brokerfix.process.warm import warm_up
from brokerfix.projections.lag import events_lag, lag_of
from brokerfix.queues.needed import check_cluster_installed, check_installed
from brokerfix.record.confirmed import FILE as SHARED
from brokerfix.record.journal import OURS, Journal, JournalError, Origin, lock
from brokerfix.record.outbox import Outbox
from brokerfix.record.pipeline import Pipeline
from brokerfix.settings.registry import complete
from brokerfix.settings.schedule import day_ends, trading_day
from brokerfix.settings.sections import ClientSection, Config, StartError, VenueSection
from brokerfix.settings.start import hours_of, start_command
from brokerfix.settings.store import NEEDS, in_postgres
from brokerfix.simulate.chaos import Chaos

log = logging.getLogger("brokerfix")

HELD_REST = 100e-6
"""The longest rest while messages wait for the disk."""
LOGOUT_SECONDS = 3
BEHIND_ORDERS = 10


class Broker:
    """One broker, or one simulated exchange."""

    def __init__(self, config: Config, clock: Callable[[], int] = time.time_ns, may_begin: bool = True) -> None:
        """`may_begin`: in a cluster it may be the first primary of all."""
        complete(config)
        self.config = config
        self.clock = clock
        self.receiver = Receiver(config, clock)
        self.outbox = Outbox(config.broker.resend_messages, tuple(config.makers), config.data / "missed")
        self.sessions = Sessions(config, self.receiver, self.outbox, clock)
        self.member = Member(config, may_begin) if config.cluster is not None else None
        durability = config.broker.durability
        self.journal = Journal(
            config.data / "journal", "disk" in durability, self.member, awaited="cluster" in durability
        )
        send = self.sessions.send if config.chaos is None else self._spoil
        self.pipeline = Pipeline(self.journal, send, self.sessions.tell, self.outbox, posts=config.chaos is None)
        self.state = self.pipeline.state
        self.chaos = (
            Chaos(
                config.chaos,
                self.sessions.tell,
                self.sessions.disconnect,
                self.receiver.bring,
                self.receiver.status_of,
            )
            if config.chaos is not None
            else None
        )
        self.receiver.sessions, self.receiver.pipeline, self.receiver.chaos = self.sessions, self.pipeline, self.chaos
        self.hours = hours_of(config)
        self.pauses = Pauses()
        self.timers = Timers(self)
        self.running = False
        self._lock = -1
        self._switched = ("", "")
        self.helpers: list[Helper] = []

    def start(self) -> None:
        """Take the data folder, replay the journal, open the sessions; in a cluster, once this node is the primary.
        Raises StartError, and Ended of a standby that is told to end."""
        config = self.config
        if config.broker.history and find_spec("pyarrow") is None:
            raise StartError(f"{config.path}: broker.history: needs pyarrow: pip install 'brokerfix[history]'")
        if config.cluster is not None:
            check_cluster_installed(config.path)
        for name, events in config.events.items():
            check_installed(config.path, f"events.{name}", config.queues[events.queue].kind)
        if in_postgres(config) and find_spec("psycopg") is None:
            raise StartError(f"{config.path}: {NEEDS}")
        try:
            config.data.mkdir(parents=True, exist_ok=True)
            self._lock = lock(config.data)
            self._idle = Idle()
            if self.member is not None:
                self._follow(self.member)
            else:
                # One of before, when there was a cluster, would hold projections back.
                (config.data / SHARED).unlink(missing_ok=True)
            unsent = self.pipeline.recover(self.trading_day(self.clock()))
            self.outbox.open(config.data / "sessions", config.data / "fix", self.sessions.file_names())
            self._check_journal()
        except (JournalError, OSError) as error:
            raise StartError(str(error)) from error
        if config.gateway is not None:
            self.sessions.secret = make_secret(config)
        if self.member is None:
            warm_up(versions=[client.fix for client in config.clients.values()])
        missed_a_roll = 0 < self.state.day < self.trading_day(self.clock())
        try:
            self.sessions.start(anew=missed_a_roll and config.broker.session_reset == "daily")
        except SessionsError as error:
            key = "" if config.gateway is not None else "broker.port: "
            raise StartError(f"{config.path}: {key}{error}") from error
        self.pipeline.resend(unsent)
        if not self.pipeline.submit(start_command(config, self.hours, self.clock())):
            self.sessions.close()
            raise StartError(f"{self.journal.folder}: the disk is full: the start itself can't be recorded")
        if self.member is not None:
            self.cluster_watch = ClusterWatch(self, self.member)
            self.cluster_watch.took_over()
        self._carry_out_kills()
        for line in left_behind(self.state, config.venues, config.accounts, (*config.clients, *config.makers)):
            log.warning("%s", line)
        self.state.market.is_told = True
        self.admin = AdminSocket(config.data, Operations(self).handle, operators=config.login_names)
        self.timers.begin()
        self._start_helpers()
        gc.collect()
        gc.freeze()
        # The hot path makes no cycles, and a full collection would stop it for as long as there are orders.
        gc.set_threshold(50_000, 50, 1000)
        log.info("%s is up on port %d, data in %s", config.broker.name, config.broker.port, config.data)

    def _follow(self, member: Member) -> None:
        """Be a standby as long as this node is not the primary."""
        member.helpers = self.helpers
        member.start()
        warm_up(versions=[client.fix for client in self.config.clients.values()])
        self.sessions.prepare()
        # What is loaded stays: the collection at the takeover need not look at it.
        gc.collect()
        gc.freeze()
        try:
            member.follow(self.pipeline)
        except Ended:
            self._idle.close()
            os.close(self._lock)
            raise

    def _start_helpers(self) -> None:
        """The processes beside this one."""
        config, told = self.config, (str(self.config.data), str(os.getpid()))
        if in_postgres(config):
            store = "the PostgreSQL projection", "brokerfix.projections.postgres", *told, str(config.path)
        else:
            store = "the SQLite projection", "brokerfix.projections.sqlite", *told, str(config.broker.store_days)
        history = "the market history", "brokerfix.projections.history", *told
        for is_wanted, helper in ((config.broker.store, store), (config.broker.history, history)):
            if is_wanted:
                self.helpers.append(Helper(*helper, niceness=BEHIND_ORDERS))
        if config.proof is not None:
            told = str(config.path), str(os.getpid())
            signing = Helper("the checkpoints", "brokerfix.projections.checkpoints", *told, niceness=BEHIND_ORDERS)
            self.helpers.append(signing)
        if config.surveillance is not None and config.surveillance.start:
            told = str(config.path), str(os.getpid())
            looking = Helper("surveillance", "brokerfix.surveillance.process", *told, niceness=BEHIND_ORDERS)
            self.helpers.append(looking)
        if config.alerts.webhook:
            place = self.journal.place
            posts = str(config.data), config.alerts.webhook, str(os.getpid()), place.segment, str(place.offset)
            webhook = Helper("the alerts' webhook", "brokerfix.projections.webhook", *posts, niceness=BEHIND_ORDERS)
            self.helpers.append(webhook)
        for name in config.events:
            stream = f"the event stream {name}", "brokerfix.process.events", str(config.path), name
            self.helpers.append(Helper(*stream, str(os.getpid()), niceness=BEHIND_ORDERS))
        if config.gateway is not None and not config.gateway.upstream:
            self.helpers.append(Helper("the gateway", "brokerfix.gateway", str(config.path), str(os.getpid())))

    def _carry_out_kills(self) -> None:
        """Begin with the kills that were left for this start. Raises StartError where they can't be recorded."""
        for kill in killfile.left(self.config.data):
            told = f"{kill.kind} {kill.name}".strip()
            command = cmd.OperatorHalt(self.clock(), kill.operator, kill.kind, kill.name, True)
            if not self.pipeline.submit(command, Origin(who=kill.operator)):
                self.sessions.close()
                raise StartError(f"{self.journal.folder}: the disk is full: the kill of {told} can't be recorded")
            refused = next((fact for fact in self.pipeline.decided if isinstance(fact, OperatorRefused)), None)
            if refused is None:
                log.critical("%s: killed before the start, by %s", told, kill.operator)
            else:
                log.critical("%s: %s wanted a kill before the start: %s", told, kill.operator, refused.text)
        killfile.done(self.config.data)

    def _check_journal(self) -> None:
        """The journal's numbers are of a shard, and its prices and quantities scaled by the digits it was written with.
        Raises StartError where the configuration says otherwise."""
        shard = shard_of(self.state.last_id)
        if self.state.last_id and shard != self.config.broker.shard:
            raise StartError(
                f"{self.config.path}: broker.shard: is {self.config.broker.shard}, but the journal's numbers are of "
                f"shard {shard}, and that can't change: use another data folder"
            )
        for symbol, known in self.state.instruments.items():
            wanted = self.config.instruments.get(symbol, known)
            is_held = bool(self.state.holders.get(symbol))
            for key in ("multiplier", "currency") if is_held else ():
                if getattr(known, key) != getattr(wanted, key):
                    was = getattr(known, key) or "the desk's own"
                    raise StartError(
                        f"{self.config.path}: instruments.{symbol}.{key}: was {was}, and can't change where "
                        "accounts have or had some of it: use another symbol"
                    )
            for key in ("price_digits", "qty_digits"):
                was, now = getattr(known, key), getattr(wanted, key)
                if was != now:
                    raise StartError(
                        f"{self.config.path}: instruments.{symbol}.{key}: is {now}, but the journal was written with "
                        f"{was}, and digits can't change: use another symbol, or another data folder"
                    )

    def run(self) -> int:
        """Run until SIGINT or SIGTERM. Returns the process's exit code."""
        self.running = True
        # QuickFIX resets SIGINT when it is imported, so the handlers are set here.
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)
        if self.member is not None and self.member.is_to_end:
            self.running = False
        if self.config.broker.idle == "spin":
            while self.running:
                self.turn()
        else:
            self._run_with_rests()
        return self.stop()

    def _run_with_rests(self) -> None:
        operator = Timer(OPERATOR_EVERY, lambda now: self.admin.poll())
        while self.running:
            before = self.sessions.activity
            woken = not self._idle.is_awake(before) and self._rest(before)
            self.turn()
            if woken and self.sessions.activity == before:
                # It was no message: perhaps an operator's request, that need not wait for its timer.
                self.timers.fire(operator, self.clock())

    def _rest(self, activity: int) -> bool:
        """Sleep until there is something to do. Returns whether that is something to read."""
        seconds = (self.timers.rest_until - self.clock()) / SECOND
        if self.pipeline.holds:
            seconds = min(seconds, HELD_REST)
        if self.member is not None:
            # What the agent says of the lease is on no socket.
            seconds = min(seconds, LONGEST_REST)
        return self._idle.rest(activity, seconds, self.sessions.changes)

    def turn(self) -> None:
        """One turn of the loop: sessions, held messages, timers."""
        began = time.perf_counter_ns()
        if self.member is not None:
            self.member.turn()
        self.sessions.poll()
        if self.journal.waits:
            self.pipeline.release()
            if self.pipeline.failed is not None:
                log.critical("%s: the disk has failed: %s; stopping", self.journal.folder, self.pipeline.failed)
                self.running = False
        now = self.clock()
        if (self.state.agenda or self.state.jobs or self.pipeline.behind) and self.pipeline.turn(now):
            # There may be more: the loop must not sleep.
            self.sessions.activity += 1
        if self.timers.to_record:
            self.timers.record_some(now)
        if self.timers.to_look:
            self.timers.look_some(now)
        if now >= self.timers.next_due:
            self.timers.run(now)
        took = time.perf_counter_ns() - began
        if took > self.pauses.this_second:
            self.pauses.this_second = took

    def stop(self) -> int:
        """Log out, record the stop, close. Orders stay as they are. Returns the exit code."""
        self.timers.every.clear()
        if self.member is not None:
            self.member.begin_stop()
        deadline = self.clock() + LOGOUT_SECONDS * SECOND
        while self.sessions.logout() and self.clock() < deadline:
            self.turn()
        if self.pipeline.failed is None:
            self.pipeline.submit(cmd.Stop(self.clock()), Origin(who=self._switched[0]) if self._switched[0] else OURS)
            self.pipeline.flush()
        self.admin.close()
        self.sessions.close()
        if self.member is not None:
            self.member.settle(self.journal.position)
        self.pipeline.close()
        self._idle.close()
        if self.member is not None:
            self.member.hand_over(self._switched[1])
            self.member.close()
        for helper in self.helpers:
            helper.stop()
        os.close(self._lock)
        if self._switched[0]:
            log.info("%s is down here; this node begins anew as a standby", self.config.broker.name)
            begin_anew()
        log.info("%s is down; its orders stay", self.config.broker.name)
        return 0 if self.pipeline.failed is None else 1

    # What an operator asks for

    def carry_out(self, command: cmd.Command) -> list[Fact]:
        """Submit an operator's command. Returns its facts; raises ActionRefused where it can't be recorded."""
        origin = Origin(who=command.operator) if isinstance(command, cmd.OperatorCommand) else OURS
        if not self.pipeline.submit(command, origin):
            raise ActionRefused("it can't be recorded: the disk is full")
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

    def heard(self, venue: str, symbol: str) -> int:
        """When (ns UTC) an exchange has told something of a symbol's market last; 0: not since its session is up."""
        return self.receiver.sources.heard.get((venue, symbol), 0)

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
            "cluster": self._cluster_status(),
            "alerts": state.alert_count,
            "breaks": len(state.breaks),
            "surveillance": self._surveillance_status(),
            "unanswered": sum(len(link.awaited) + len(link.asked) for link in state.links.values()),
            "events": {
                name: lag_of(self.config.data, state.last_id, self.clock(), events_lag(name))
                for name in self.config.events
            },
            "store": lag_of(self.config.data, state.last_id, self.clock()) if self.config.broker.store else None,
        }

    def _surveillance_status(self) -> dict[str, Any]:
        """How many of its alerts are open, and how far the process that looks is behind (None: none looks)."""
        section = self.config.surveillance
        looks = section is not None and section.start
        lag = lag_of(self.config.data, self.state.last_id, self.clock(), "surveillance") if looks else None
        return {"open": open_alerts(self.state), "lag": lag}

    def _cluster_status(self) -> dict[str, Any]:
        """What of the cluster is for everyday: {} in none."""
        if self.member is None:
            return {}
        told = self.member.status()
        keys = ("node", "role", "epoch", "quorum", "standbys", "behind_bytes", "behind_ms")
        return {key: told[key] for key in keys}

    def cluster(self) -> dict[str, Any]:
        """How this node sees the cluster. Raises ActionRefused where it is in none."""
        if self.member is None:
            raise ActionRefused(f"{self.config.path}: has no [cluster]")
        return self.member.status()

    def switch(self, operator: str, to: str) -> str:
        """Hand over to a standby, `to` or the one that is closest, and be a standby. Returns its name. Raises
        ActionRefused where there is none that could take over at once."""
        if self.member is None:
            raise ActionRefused(f"{self.config.path}: has no [cluster]")
        chosen = self.member.successor(to)
        log.warning("operator %s hands over to node %s", operator, chosen)
        self._switched = operator, chosen
        self.running = False
        return chosen

    def disconnect(self, name: str) -> None:
        self.sessions.disconnect(name)

    def reset_session(self, name: str) -> None:
        self.sessions.reset(name)

    def add_client(self, name: str, section: ClientSection) -> None:
        """Open a session for a new client. Raises ActionRefused, e.g. where its port is taken."""
        self.config.clients[name] = section
        try:
            self.sessions.add_client(name)
        except SessionsError as error:
            del self.config.clients[name]
            raise ActionRefused(str(error)) from error

    def add_venue(self, name: str, section: VenueSection) -> None:
        """Begin to connect to a new exchange. Raises ActionRefused."""
        self.config.venues[name] = section
        try:
            self.sessions.add_venue(name)
        except SessionsError as error:
            del self.config.venues[name]
            raise ActionRefused(str(error)) from error

    def _spoil(self, out: Out) -> None:
        assert self.chaos is not None
        self.chaos.send(out, self.clock())

    def roll(self, day: int, now: int) -> None:
        self.timers.roll(day, now)

    def day_ends(self, now: int) -> int:
        """When the trading day ends (ns)."""
        return day_ends(now, self.config.day_start, self.config.broker.time_zone)

    def trading_day(self, now: int) -> int:
        return trading_day(now, self.config.day_start, self.config.broker.time_zone)

    def _on_signal(self, number: int, frame: object) -> None:
        log.info("stopping on %s", signal.Signals(number).name)
        self.running = False
