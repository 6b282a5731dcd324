"""decide, append, evolve, send: the way of every command, and what happens when the disk is full or slow.

Once a record is in the journal the state must follow: where that fails the process ends at once, because the next fact
would be given a number twice, and a restart has it right. A message that can't be made or sent costs no other one.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from operator import attrgetter

from brokerfix import commands as cmd
from brokerfix.domain import BusinessRejectReason, id_text
from brokerfix.engine.engine import State, decide, done, evolve, follow_up
from brokerfix.engine.step import Step
from brokerfix.facts import (
    Alerted,
    CheckBegun,
    ClientDown,
    ClientUp,
    Fact,
    MessageRefused,
    ReportsResent,
    StateChecked,
    Stopped,
)
from brokerfix.fix.outgoing import encode
from brokerfix.fix.outgoing.encode import Out
from brokerfix.fix.session.mailbox import Mailbox
from brokerfix.record.checked import Checker, Comparison
from brokerfix.record.journal import (
    OURS,
    START,
    DiskFull,
    Journal,
    JournalError,
    Origin,
    Place,
    Record,
    TooLarge,
    Torn,
    places,
)
from brokerfix.record.kept import BadState, Keeper, begin, belongs, kept_states, read_head
from brokerfix.record.oplog import LINES
from brokerfix.record.outbox import Outbox
from brokerfix.record.place import position_of

log = logging.getLogger("brokerfix")

USES_RESERVE = (
    cmd.OperatorCommand,
    cmd.CancelOrder,
    cmd.MassCancel,
    cmd.VenueReport,
    cmd.VenueCancelReject,
    cmd.VenueOther,
    cmd.SessionUp,
    cmd.SessionDown,
    cmd.WorkOff,
    cmd.AskAgain,
    cmd.Stop,
)
"""What is still recorded, out of the journal's reserve, when the disk is full."""
UNAVAILABLE = "orders can't be recorded now and are not taken; cancels are"
BUG = "the broker could not handle this message; its operator has been told"
MOST_AT_ONCE = 50
"""What is on the agenda beyond this waits for the loop's next turn, so that no message waits long."""
MAX_FOLLOW_UPS = 100_000
"""More than this without an end is a circle."""
KEEP_AGAIN = 300.0
"""Seconds until a state that could not be kept is tried again."""
KEEP_EVERY = 500_000
"""Facts after which the state is kept within a day too: what a restart replays at most, some seconds' worth."""
MOST_RESENT = 1000
"""Messages of one record that sends again what was missed."""
CAUGHT_UP = 60 * 10**9
"""Nanoseconds after which a client whose session is up has had what it missed resent."""
_TO_VENUE = attrgetter("to_venue")
CHECKS = frozenset((CheckBegun, StateChecked))
FOLLOWED = frozenset((ClientUp, ClientDown, ReportsResent))
"""The facts that say what a client may have missed."""
TELL_EVERY = 2.0
"""Seconds of a replay between lines that tell how far it is."""
BREATHE_EVERY = 0.2


DIVERGED = "the broker stops at once; start it again, and it recovers from the journal"
MOST_ALERTS = 10
MOST_RAW = 4096
"""Characters of a command that an alert shows."""
EXIT_DIVERGED = 70
"""The exit code of a process whose state is not what its journal says (EX_SOFTWARE of sysexits.h)."""


def _die() -> None:
    """End the process as it stands: nothing more may be decided, and no exception may leave a callback."""
    logging.shutdown()
    os._exit(EXIT_DIVERGED)


class Pipeline:
    """The state, its journal and the one way to change both. `send` hands a message that is posted to its session,
    `tell` one that no record stands behind; `decided` are the facts of the last command that was submitted; `follows`:
    this is a standby, that compares states as the primary says. `takes_orders`: what is not more urgent is taken too;
    `behind` are clients that have yet to be told what they missed before their numbers began anew. Without `posts` (a
    simulated exchange with faults, which sends other messages than those that follow from its facts) nothing is posted
    here."""

    def __init__(
        self,
        journal: Journal,
        send: Callable[[Out], None],
        tell: Callable[[Out], None],
        outbox: Outbox,
        *,
        posts: bool = True,
        die: Callable[[], None] = _die,
    ) -> None:
        self.state = State()
        self.journal = journal
        self.send = send
        self.tell = tell
        self.outbox = outbox
        self.posts = posts
        self.keeper = Keeper(journal.folder)
        self._die = die
        self._bugs: list[str] = []
        self._follow_ups = 0
        self._kept_at = self._kept_day = 0
        self._kept_again = 0.0
        self._oversized = False
        self.failed: OSError | None = None
        self.takes_orders = True
        self.checker = Checker()
        self.comparison = Comparison(self.checker)
        self.decided: list[Fact] = []
        self._up_since: dict[str, int] = {}
        self.behind: dict[str, None] = {}
        self._held: deque[tuple[int, list[Out], Iterable[tuple[Mailbox, int]]]] = deque()
        self._place: Place | None = None
        # Where the last record that was replayed begins.
        self._last = START
        self._torn: Torn | None = None
        self._unsent: list[Out] = []
        self._replayed = 0
        self.follows = False
        self.breathe: Callable[[], None] = lambda: None
        """Called from time to time in a long replay."""

    def recover(self, first_day: int) -> list[Out]:
        """Replay the journal into the state and the outbox, and open it (`first_day` names a first segment).

        Returns what an older version, which did not know its sessions' numbers, may not have sent before it died: the
        messages of its last record. Raises JournalError.
        """
        started, before = time.perf_counter(), self.state.last_id
        self.follow()
        self.journal.open(self.state.day or first_day, self._torn, self._last)
        if self._torn is not None:
            tail = self._torn
            log.warning("%s: cut %d bytes of a torn last record at byte %d", tail.segment, tail.size, tail.offset)
        if self._replayed and self.state.last_id != before:
            seconds = time.perf_counter() - started
            log.info("replayed %d facts in %.2f s: %d orders", self._replayed, seconds, len(self.state.orders))
        if self.journal.full:
            log.error("%s: the disk is full: %s", self.journal.folder, UNAVAILABLE)
        return self._unsent

    def follow(self, until: int | None = None) -> int:
        """Replay the journal's next whole records, those that end up to a position (all that are there); the first call
        begins with the newest kept state. Returns how many those were. Raises JournalError."""
        if self._place is None:
            self._place = self._load_kept(until)
        self._torn = None
        count, told, breathed = 0, time.perf_counter(), time.perf_counter()
        for record, place in places(self.journal.folder, self._is_torn, self._place):
            if until is not None and position_of(place) > until:
                break
            self._replay_record(record)
            self._last, self._place = self._place, place
            self._replayed += len(record.facts)
            count += 1
            now = time.perf_counter()
            if now - breathed > BREATHE_EVERY:
                breathed = now
                self.breathe()
            if now - told > TELL_EVERY:
                told = now
                log.info("replaying the journal: %d facts so far", self._replayed)
        return count

    def _is_torn(self, torn: Torn) -> None:
        self._torn = torn

    def _replay_record(self, record: Record) -> None:
        if not record.is_old:
            self.outbox.replay(record.noted, record.origin.session, record.origin.seq_num)
        outs: list[Out] = []
        for fact in record.facts:
            self._replay(fact)
            outs += self._messages(fact)
            if type(fact) in FOLLOWED:
                self._follow(fact)
            elif self.follows and type(fact) in CHECKS:
                self._check(fact)
        if self.state.copies:
            outs += self._copies(outs)
        self._unsent = []
        if not record.is_old:
            self._post(outs, record.written)
        elif not isinstance(record.facts[-1], Stopped):
            self._unsent = sorted(outs, key=_TO_VENUE, reverse=True)
        self._bugs.clear()

    @property
    def position(self) -> int:
        """Up to where the journal is replayed."""
        return position_of(self._place) if self._place is not None else 0

    def _load_kept(self, until: int | None) -> Place:
        """Begin with the newest kept state that is of use, and not beyond a position. Returns where the facts after it
        begin."""
        folder = self.journal.folder
        self.keeper.clean_up()
        for path in kept_states(folder):
            with suppress(BadState):
                if not belongs(folder, read_head(path)):
                    log.warning("%s: this kept state is not one of this journal; it is let go", path)
                    path.unlink()
        state, outbox, since = begin(folder, log.warning, until)
        if state.last_id:
            self.state.become(state)
            self._kept_day, self._kept_at = state.day_began, state.last_id
        if outbox:
            self.outbox.load(outbox)
        return since

    def _post(self, outs: list[Out], at: int) -> None:
        """Number the messages of a record that was written at a time."""
        if self.posts and outs:
            self.outbox.post(outs, at, self.state.away)

    def _follow(self, fact: Fact) -> None:
        """A client's session that begins or ends: if it was up for long, the client has got what it had missed. What is
        told after a new beginning is no longer missed."""
        if isinstance(fact, ClientUp):
            self._up_since[fact.client] = fact.at
        elif isinstance(fact, ReportsResent):
            self.outbox.box(False, fact.client).has({text for text, _ in fact.messages})
        elif isinstance(fact, ClientDown) and fact.at - self._up_since.pop(fact.client, fact.at) >= CAUGHT_UP:
            self.outbox.box(False, fact.client).has_all()

    def _check(self, fact: Fact) -> None:
        """The state is as the primary had it when it counted its hash; or here is what it has counted."""
        if isinstance(fact, CheckBegun):
            self.checker.begin(self.state)
        elif isinstance(fact, StateChecked):
            self.comparison.told(fact.of, fact.parts, fact.state_hash)

    def _replay(self, fact: Fact) -> None:
        try:
            evolve(self.state, fact)
        except Exception as error:
            log.exception("fact %s can't be applied: %r", fact.id, fact)
            raise JournalError(
                f"{self.journal.folder}: fact {id_text(fact.id)} ({type(fact).__name__}) can't be applied "
                f"({type(error).__name__}: {error}): this is a defect of this version; start with the one before it"
            ) from error

    def _messages(self, fact: Fact) -> list[Out]:
        """What a fact makes us send. One that can't be made is told to the operator."""
        encoder = encode.ENCODERS.get(type(fact))
        if encoder is None:
            return []
        try:
            return encoder(self.state, fact)
        except Exception as error:
            log.exception("the messages of fact %s can't be made: %r", fact.id, fact)
            self._bugs.append(f"the messages of fact {id_text(fact.id)} can't be made: {type(error).__name__}: {error}")
            return []

    def _send(self, outs: list[Out]) -> None:
        """Exchanges first: an order's way to the market is not kept waiting by reports."""
        for out in sorted(outs, key=_TO_VENUE, reverse=True) if len(outs) > 1 else outs:
            try:
                self.send(out)
            except Exception as error:
                log.exception("a message to %s can't be sent: %r", out.comp_id, out.text)
                self._bugs.append(f"a message to {out.comp_id} can't be sent: {type(error).__name__}: {error}")

    def resend(self, unsent: Sequence[Out]) -> None:
        """Send what an older version may not have sent, with PossResend(97)=Y: its receivers know it by its ExecIDs or
        ClOrdIDs if they had it before."""
        for out in unsent:
            self.tell(encode.resent(out))

    def client_is_back(self, client: str, at: int, anew: bool) -> None:
        """A client whose sequence numbers have begun anew gets what it has missed before with PossResend(97)=Y: FIX's
        own resend knows nothing of it. That is done in parts, one in each turn."""
        box = self.outbox.box(False, client)
        if anew:
            if at - self._up_since.get(client, at) >= CAUGHT_UP:
                box.has_all()
            self._up_since[client] = at
        if box.first_missed(1):
            self.behind[client] = None

    def _catch_up(self, at: int) -> None:
        """A part of what a client has missed. One that is away again gets the rest when it is back."""
        client = next(iter(self.behind))
        missed = [] if client in self.state.away else self.outbox.box(False, client).first_missed(MOST_RESENT)
        part = tuple((one.text, one.groups) for one in missed)
        resent = ReportsResent(at, self.state.last_id + 1, client, part)
        if not part or not self.commit([resent], cmd.Stop(at), OURS):
            del self.behind[client]

    def look_after(self) -> None:
        """Keep the state, in a process beside, when a day's begin is worked off or many facts have come since."""
        self.keeper.look_after()
        state, now = self.state, time.monotonic()
        if self.keeper.failed and now > self._kept_again:
            self._kept_day, self._kept_again = 0, now + KEEP_AGAIN
        due = state.day_began != self._kept_day or state.last_id - self._kept_at > KEEP_EVERY
        # What is on the agenda stands in no file.
        if due and not state.jobs and not state.agenda and not self.journal.full and self.keep():
            self._kept_day, self._kept_at = state.day_began, state.last_id

    def keep_followed(self) -> None:
        """As a standby: keep the state as `look_after` does."""
        state, place = self.state, self._place
        due = state.day_began != self._kept_day or state.last_id - self._kept_at > KEEP_EVERY
        if not due or state.jobs or state.agenda or place is None or not place.segment:
            return
        if self.keeper.keep(state, *place, self.outbox.dump):
            self._kept_day, self._kept_at = state.day_began, state.last_id

    def keep(self) -> bool:
        """Have the state as it is now kept beside the journal. Returns whether that is under way."""
        # What waits for the disk is sent first: a recovery does not look behind the kept state.
        self.flush()
        if self._held:
            return False
        return self.keeper.keep(self.state, *self.journal.place, self.outbox.dump)

    def submit(self, command: cmd.Command, origin: Origin = OURS) -> bool:
        """Take a command, that the origin tells of, and what follows from it. Returns whether it is dealt with; if
        not, the message must be brought again."""
        try:
            facts = decide(self.state, command)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one command is refused and the broker goes on
            facts = self._undecided(command, error)
        self.decided = facts
        taken = not facts or self.commit(facts, command, origin)
        if self.state.agenda:
            self.follow_up(command.at)
        return taken

    def turn(self, at: int) -> bool:
        """Go on with what was too much for one turn of the loop. Returns whether there was anything."""
        if self.behind:
            self._catch_up(at)
            return True
        if self.state.agenda:
            self.follow_up(at)
            return True
        return bool(self.state.jobs) and self.submit(cmd.WorkOff(at))

    def follow_up(self, at: int) -> None:
        """Decide what is on the agenda, one command after the other, until nothing more follows or it is enough for one
        turn."""
        for _ in range(MOST_AT_ONCE):
            command = follow_up(self.state, at)
            if command is None:
                self._follow_ups = 0
                return
            try:
                facts = decide(self.state, command)
            except Exception as error:  # noqa: BLE001
                facts = self._undecided(command, error)
                # It would fail again, and what waits behind it has its turn.
                done(self.state)
            if not facts:
                done(self.state)
            elif not self.commit(facts, command, OURS):
                # The disk is full: it stays on the agenda.
                return
            elif self._oversized:
                self._oversized = False
                done(self.state)
        self._follow_ups += MOST_AT_ONCE
        if self._follow_ups > MAX_FOLLOW_UPS:
            log.error("the agenda does not end: %s", list(self.state.agenda)[:3])
            self.state.agenda.clear()

    def _undecided(self, command: cmd.Command, error: Exception) -> list[Fact]:
        log.exception("%s could not be decided: %r", type(command).__name__, command)
        return self._refusal(command, error)

    def commit(self, facts: list[Fact], command: cmd.Command, origin: Origin) -> bool:
        """Append the facts, apply them, send what they tell. Returns as `submit`."""
        if (self.journal.full or not self.takes_orders) and not isinstance(command, USES_RESERVE):
            return self._unrecorded(command)
        noted = self.outbox.take_noted()
        written = time.time_ns()
        try:
            position = self.journal.append(facts, origin, written, noted)
        except DiskFull as error:
            self.outbox.note_again(noted)
            return self._disk_full(facts, command, origin, error)
        except TooLarge as error:
            self.outbox.note_again(noted)
            self._oversized = True
            self.decided = self._undecided(command, error)
            return self.commit(self.decided, command, origin)
        outs: list[Out] = []
        state = self.state
        for fact in facts:
            try:
                evolve(state, fact)
            except Exception:
                log.exception("fact %s could not be applied: %r", fact.id, fact)
                log.critical("fact %s is in the journal but not in the state: %s", id_text(fact.id), DIVERGED)
                self._die()
                raise
            outs += self._messages(fact)
            if type(fact) in FOLLOWED:
                self._follow(fact)
        if facts and type(facts[0]) is CheckBegun:
            self.checker.begin(state)
        self._log(facts)
        if state.copies:
            outs += self._copies(outs)
        self._post(outs, written)
        if self.journal.waits:
            self._held.append((position, outs, self.outbox.noted_waits() if noted else ()))
        else:
            if self.journal.replica is not None:
                self.journal.replica.check()
            self._send(outs)
        self.journal.link()
        if self._bugs:
            self._alert_bugs(command.at)
        return True

    def _log(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            line = LINES.get(type(fact))
            if line is not None:
                try:
                    log.log(*line(fact))
                except Exception:
                    log.exception("fact %s can't be told: %r", fact.id, fact)

    def _copies(self, outs: list[Out]) -> list[Out]:
        try:
            return encode.copies(self.state, outs)
        except Exception as error:
            log.exception("copies can't be made of %r", outs)
            self._bugs.append(f"copies for drop-copy sessions can't be made: {type(error).__name__}: {error}")
            return []

    def _alert_bugs(self, at: int) -> None:
        bugs, self._bugs = self._bugs, []
        step = Step(at, self.state.last_id)
        for text in bugs[:MOST_ALERTS]:
            step.emit(Alerted, "broker", "BUG", text)
        self.commit(step.facts, cmd.Stop(at), OURS)

    def release(self) -> None:
        """Send the messages whose facts have reached the disk. If the disk has failed, `failed` says how."""
        if not self._held or self.failed is not None:
            return
        try:
            synced = self.journal.synced
        except OSError as error:
            self.failed = error
            return
        while self._held and self._held[0][0] <= synced:
            _, outs, counted = self._held.popleft()
            self.outbox.noted_is_safe(counted)
            self._send(outs)

    @property
    def holds(self) -> bool:
        """Whether messages wait for the disk."""
        return bool(self._held)

    def flush(self) -> None:
        """Sync, and send what waits for it."""
        if self.failed is None:
            self.journal.wait_synced()
            self.release()

    def note_numbers(self) -> None:
        """Note in the journal, without a fact, which numbers the sessions have used; on disk before any more are."""
        noted = self.outbox.take_noted()
        try:
            self.journal.append([], OURS, time.time_ns(), noted)
            self.journal.wait_synced()
            # With that, what other records have noted before it is there too.
            self.release()
        except (JournalError, OSError) as error:
            self.outbox.note_again(noted)
            log.error("%s: the sessions' numbers can't be noted: %s", self.journal.folder, error)

    def close(self) -> None:
        """Close the journal. What was not flushed is asked for by its receivers after the next start."""
        self.keeper.wait()
        self.journal.close()
        self.outbox.close()

    def _refusal(self, command: cmd.Command, error: Exception) -> list[Fact]:
        """For a command that we failed to decide: it is refused and the operator told; the state is as it was."""
        what = f"{type(command).__name__} failed: {type(error).__name__}: {error}"
        source = getattr(command, "client", "") or getattr(command, "venue", "") or "broker"
        raw = (getattr(command, "raw", "") or repr(command))[:MOST_RAW]
        step = Step(command.at, self.state.last_id)
        step.emit(Alerted, source, "BUG", what, raw)
        if isinstance(command, cmd.ClientCommand):
            refused = _refused(command, step.next_id, BusinessRejectReason.OTHER, BUG)
            step.repeat(refused, ref_id=refused.ref_id[:MOST_RAW])
        return step.facts

    def _disk_full(self, facts: list[Fact], command: cmd.Command, origin: Origin, error: DiskFull) -> bool:
        """Nothing of the record is in the journal. Free the reserve for what must go on; refuse the rest."""
        if not self.journal.full:
            self.journal.full = True
            log.error("%s: %s", error, UNAVAILABLE)
            if self.journal.release_reserve() and isinstance(command, USES_RESERVE):
                return self.commit(facts, command, origin)
        return self._unrecorded(command)

    def _unrecorded(self, command: cmd.Command) -> bool:
        """A command that can't be recorded changes nothing. A client's gets an answer that promises nothing."""
        if not isinstance(command, cmd.ClientCommand):
            return False
        for out in self._messages(_refused(command, 0, BusinessRejectReason.NOT_AVAILABLE, UNAVAILABLE)):
            self.tell(out)
        return True


def _refused(command: cmd.ClientCommand, number: int, reason: BusinessRejectReason, text: str) -> MessageRefused:
    if isinstance(command, cmd.RefuseMessage):
        ref_seq_num, ref_msg_type, ref_id = command.ref_seq_num, command.ref_msg_type, command.ref_id
    else:
        names = ("cl_ord_id", "req_id", "cross_id", "list_id", "quote_req_id", "quote_resp_id")
        ref_id = next((value for name in names if (value := getattr(command, name, ""))), "")
        ref_seq_num, ref_msg_type = 0, command.MSG_TYPE
    return MessageRefused(
        command.at,
        number,
        client=command.client,
        ref_seq_num=ref_seq_num,
        ref_msg_type=ref_msg_type,
        reason=reason,
        text=text,
        ref_id=ref_id,
    )
