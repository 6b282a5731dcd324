"""decide, append, evolve, send: the way of every command, and what happens when the disk is full or slow.

Once a record is in the journal the state must follow: where that fails the process ends at once, because the next fact
would be given a number twice, and a restart has it right. A message that can't be made or sent costs no other one.
"""

import logging
import os
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from struct import Struct

import msgspec

from brokerfix import commands as cmd
from brokerfix.domain import BusinessRejectReason, id_text
from brokerfix.engine.engine import State, decide, done, evolve, follow_up
from brokerfix.facts import Alerted, ClientDown, ClientUp, Fact, MessageRefused, StateKept
from brokerfix.fix.outgoing import encode
from brokerfix.fix.outgoing.encode import Out
from brokerfix.record.journal import DiskFull, Journal, JournalError, Place, TooLarge, Torn, read
from brokerfix.record.kept import BadState, Keeper, Missed, begin, belongs, kept_states, read_head
from brokerfix.record.oplog import LINES

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
KEEP_EVERY = 2_000_000
"""Facts after which the state is kept within a day too."""
MISSABLE = re.compile("\x0135=[89jrN]\x01")
"""The messages that a client must not miss: reports and rejects, and no market data."""
MOST_MISSED = 100_000
"""How many messages are remembered for a client that is away: the latest."""
CAUGHT_UP = 60 * 10**9
"""Nanoseconds after which a client whose session is up has had what it missed resent."""
MARK = Struct("<Q")
TELL_EVERY = 2.0
"""Seconds of a replay between lines that tell how far it is."""


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
    """The state, its journal and the one way to change both. `send` hands a message to its session; `decided` are the
    facts of the last command that was submitted."""

    def __init__(self, journal: Journal, send: Callable[[Out], None], die: Callable[[], None] = _die) -> None:
        self.state = State()
        self.journal = journal
        self.send = send
        self.keeper = Keeper(journal.folder)
        self._die = die
        self._bugs: list[str] = []
        self._follow_ups = 0
        self._kept_at = self._kept_day = 0
        self._kept_again = 0.0
        self._oversized = False
        self.failed: OSError | None = None
        self.decided: list[Fact] = []
        self.missed: dict[str, deque[Out]] = {}
        self._up_since: dict[str, int] = {}
        self._held: deque[tuple[int, int, list[Out]]] = deque()
        self._mark = -1

    def recover(self, first_day: int) -> list[Out]:
        """Replay the journal into the state and open it (`first_day` names a first segment).

        Returns what may not have been sent before the process died: the messages of the last record or, with
        durability "disk", of all records after the last that is known to be sent. Raises JournalError.
        """
        torn: list[Torn] = []
        started = told = time.perf_counter()
        facts = 0
        mark = self._open_mark()
        unsent: list[Out] = []
        for record in read(self.journal.folder, torn.append, self._load_kept()):
            if mark is None:
                unsent.clear()
            outs: list[Out] = []
            for fact in record:
                self._replay(fact)
                outs += self._messages(fact)
                if type(fact) is StateKept:
                    self.missed.clear()
                    self._miss(fact.missed)
                elif type(fact) is ClientUp:
                    self._up_since[fact.client] = fact.at
                elif type(fact) is ClientDown:
                    self.let_go_missed(fact.client, fact.at)
            if self.state.copies:
                outs += self._copies(outs)
            self._note_missed(outs)
            self._bugs.clear()
            if mark is None or self.state.last_id > mark:
                unsent += sorted(outs, key=lambda out: not out.to_venue)
            facts += len(record)
            if time.perf_counter() - told > TELL_EVERY:
                told = time.perf_counter()
                log.info("replaying the journal: %d facts so far", facts)
        self.journal.open(self.state.day or first_day, torn[0] if torn else None)
        for tail in torn:
            log.warning("%s: cut %d bytes of a torn last record at byte %d", tail.segment, tail.size, tail.offset)
        if facts:
            seconds = time.perf_counter() - started
            log.info("replayed %d facts in %.2f s: %d orders", facts, seconds, len(self.state.orders))
        if self.journal.full:
            log.error("%s: the disk is full: %s", self.journal.folder, UNAVAILABLE)
        return unsent

    def _load_kept(self) -> Place:
        """Begin with the newest kept state that is of use. Returns where the facts after it begin."""
        folder = self.journal.folder
        self.keeper.clean_up()
        for path in kept_states(folder):
            with suppress(BadState):
                if not belongs(folder, read_head(path)):
                    log.warning("%s: this kept state is not one of this journal; it is let go", path)
                    path.unlink()
        state, head, since = begin(folder, log.warning)
        if head is not None:
            self.state.become(state)
            self._miss(head.missed)
            self._kept_day, self._kept_at = self.state.day_began, head.last_id
        return since

    def _miss(self, missed: Sequence[Missed]) -> None:
        for client, text, groups in missed:
            self.missed.setdefault(client, deque(maxlen=MOST_MISSED)).append(Out(False, client, text, groups))

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
        for out in sorted(outs, key=lambda out: not out.to_venue) if len(outs) > 1 else outs:
            try:
                self.send(out)
            except Exception as error:
                log.exception("a message to %s can't be sent: %r", out.comp_id, out.text)
                self._bugs.append(f"a message to {out.comp_id} can't be sent: {type(error).__name__}: {error}")

    def resend(self, unsent: Sequence[Out]) -> None:
        """Send the messages of `recover` with PossResend(97)=Y: their receivers know them by their ExecIDs or
        ClOrdIDs if they had them before."""
        self._send([encode.resent(out) for out in unsent])
        self._mark_sent(self.state.last_id)

    def _note_missed(self, outs: list[Out]) -> None:
        """Remember what goes to clients that are away: FIX has it resent, unless they begin their session anew."""
        for out in outs:
            if not out.to_venue and out.comp_id in self.state.away and MISSABLE.search(out.text):
                self.missed.setdefault(out.comp_id, deque(maxlen=MOST_MISSED)).append(out)

    def client_is_back(self, client: str, at: int, anew: bool) -> None:
        """What the client has missed is sent again with PossResend(97)=Y, if its sequence numbers have begun anew: then
        FIX's own resend knows nothing of it. Else it may do so before it has asked for what it missed."""
        self._up_since[client] = at
        if anew:
            self._send([encode.resent(out) for out in self.missed.pop(client, ())])

    def let_go_missed(self, client: str, at: int) -> None:
        """The session of a client ends or begins anew: if it was up for long the client has got what it had missed."""
        if at - self._up_since.get(client, at) >= CAUGHT_UP:
            self.missed.pop(client, None)

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

    def keep(self) -> bool:
        """Have the state as it is now kept beside the journal. Returns whether that is under way."""
        # What waits for the disk is sent first: a recovery does not look behind the kept state.
        self.flush()
        if self._held:
            return False
        missed = tuple((out.comp_id, out.text, out.groups) for outs in self.missed.values() for out in outs)
        return self.keeper.keep(self.state, *self.journal.place, missed)

    def submit(self, command: cmd.Command) -> bool:
        """Take a command, and what follows from it. Returns whether it is dealt with; if not, the message must be
        brought again."""
        try:
            facts = decide(self.state, command)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one command is refused and the broker goes on
            facts = self._undecided(command, error)
        self.decided = facts
        taken = not facts or self.commit(facts, command)
        if self.state.agenda:
            self.follow_up(command.at)
        return taken

    def turn(self, at: int) -> bool:
        """Go on with what was too much for one turn of the loop. Returns whether there was anything."""
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
            elif not self.commit(facts, command):
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

    def commit(self, facts: Sequence[Fact], command: cmd.Command) -> bool:
        """Append the facts, apply them, send what they tell. Returns as `submit`."""
        if self.journal.full and not isinstance(command, USES_RESERVE):
            return self._unrecorded(command)
        try:
            position = self.journal.append(facts)
        except DiskFull as error:
            return self._disk_full(facts, command, error)
        except TooLarge as error:
            self._oversized = True
            self.decided = self._undecided(command, error)
            return self.commit(self.decided, command)
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
        self._log(facts)
        if state.copies:
            outs += self._copies(outs)
        if state.away:
            self._note_missed(outs)
        if self.journal.disk:
            self._held.append((position, state.last_id, outs))
        else:
            self._send(outs)
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
        for number, text in enumerate(bugs[:MOST_ALERTS], self.state.last_id + 1):
            self.commit([Alerted(at, number, "broker", "BUG", text)], cmd.Stop(at))

    def release(self) -> None:
        """Send the messages whose facts have reached the disk. If the disk has failed, `failed` says how."""
        if not self._held or self.failed is not None:
            return
        try:
            synced = self.journal.synced
        except OSError as error:
            self.failed = error
            return
        last_id = 0
        while self._held and self._held[0][0] <= synced:
            _, last_id, outs = self._held.popleft()
            self._send(outs)
        if last_id:
            self._mark_sent(last_id)

    @property
    def holds(self) -> bool:
        """Whether messages wait for the disk."""
        return bool(self._held)

    def flush(self) -> None:
        """Sync, and send what waits for it."""
        if self.failed is None:
            self.journal.wait_synced()
            self.release()

    def close(self) -> None:
        """Close the journal. What was not flushed is sent after the next start."""
        self.keeper.wait()
        self.journal.close()
        if self._mark >= 0:
            os.close(self._mark)

    def _refusal(self, command: cmd.Command, error: Exception) -> list[Fact]:
        """For a command that we failed to decide: it is refused and the operator told; the state is as it was."""
        what = f"{type(command).__name__} failed: {type(error).__name__}: {error}"
        source = getattr(command, "client", "") or getattr(command, "venue", "") or "broker"
        number = self.state.last_id + 1
        raw = (getattr(command, "raw", "") or repr(command))[:MOST_RAW]
        facts: list[Fact] = [Alerted(command.at, number, source, "BUG", what, raw)]
        if isinstance(command, cmd.ClientCommand):
            refused = _refused(command, number + 1, BusinessRejectReason.OTHER, BUG)
            facts.append(msgspec.structs.replace(refused, ref_id=refused.ref_id[:MOST_RAW]))
        return facts

    def _disk_full(self, facts: Sequence[Fact], command: cmd.Command, error: DiskFull) -> bool:
        """Nothing of the record is in the journal. Free the reserve for what must go on; refuse the rest."""
        if not self.journal.full:
            self.journal.full = True
            log.error("%s: %s", error, UNAVAILABLE)
            if self.journal.release_reserve() and isinstance(command, USES_RESERVE):
                return self.commit(facts, command)
        return self._unrecorded(command)

    def _unrecorded(self, command: cmd.Command) -> bool:
        """A command that can't be recorded changes nothing. A client's gets an answer that promises nothing."""
        if not isinstance(command, cmd.ClientCommand):
            return False
        self._send(self._messages(_refused(command, 0, BusinessRejectReason.NOT_AVAILABLE, UNAVAILABLE)))
        return True

    def _open_mark(self) -> int | None:
        """The number of the last fact that is known to be sent, or None if only the last record can be unsent."""
        path: Path = self.journal.folder / "sent"
        if not self.journal.disk:
            path.unlink(missing_ok=True)
            return None
        self._mark = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        stored = os.pread(self._mark, MARK.size, 0)
        return int(MARK.unpack(stored)[0]) if len(stored) == MARK.size else None

    def _mark_sent(self, last_id: int) -> None:
        if self._mark >= 0:
            os.pwrite(self._mark, MARK.pack(last_id), 0)


def _refused(command: cmd.ClientCommand, number: int, reason: BusinessRejectReason, text: str) -> MessageRefused:
    if isinstance(command, cmd.RefuseMessage):
        ref_seq_num, ref_msg_type, ref_id = command.ref_seq_num, command.ref_msg_type, command.ref_id
    else:
        names = ("cl_ord_id", "req_id", "cross_id", "list_id")
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
