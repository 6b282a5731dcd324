"""decide, append, evolve, send: the way of every command, and what happens when the disk is full or slow."""

import logging
import os
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from struct import Struct

from brokerfix import commands as cmd
from brokerfix.domain import BusinessRejectReason
from brokerfix.engine.engine import State, decide, done, evolve, follow_up
from brokerfix.engine.snapshot import dump
from brokerfix.facts import Alerted, ClientUp, Fact, MessageRefused, StateKept
from brokerfix.fix import encode
from brokerfix.fix.encode import Out
from brokerfix.journal import MAX_RECORD, DiskFull, Journal, Torn, read
from brokerfix.oplog import LINES

log = logging.getLogger("brokerfix")

MSG_TYPES: dict[type[cmd.Command], str] = {
    cmd.NewOrder: "D",
    cmd.CancelOrder: "F",
    cmd.ReplaceOrder: "G",
    cmd.AskStatus: "H",
    cmd.AskMassStatus: "AF",
    cmd.MassCancel: "q",
    cmd.CrossOrder: "s",
    cmd.AskListStatus: "E",
}
"""The commands that are messages of clients."""
USES_RESERVE = (
    cmd.OperatorCommand,
    cmd.CancelOrder,
    cmd.MassCancel,
    cmd.VenueReport,
    cmd.VenueCancelReject,
    cmd.VenueOther,
    cmd.SessionUp,
    cmd.SessionDown,
    cmd.Stop,
)
"""What is still recorded, out of the journal's reserve, when the disk is full."""
UNAVAILABLE = "orders can't be recorded now and are not taken; cancels are"
BUG = "the broker could not handle this message; its operator has been told"
ROLLS = (cmd.Start, cmd.RollDay)
MAX_FOLLOW_UPS = 100_000
"""More than this in one go is a circle."""
MISSABLE = re.compile("\x0135=[89jrN]\x01")
"""The messages that a client must not miss: reports and rejects, and no market data."""
MOST_MISSED = 100_000
"""How many messages are remembered for a client that is away: the latest."""
MARK = Struct("<Q")
TELL_EVERY = 2.0
"""Seconds of a replay between lines that tell how far it is."""


class Pipeline:
    """The state, its journal and the one way to change both. `send` hands a message to its session; `decided` are the
    facts of the last command that was submitted."""

    def __init__(self, journal: Journal, send: Callable[[Out], None]) -> None:
        self.state = State()
        self.journal = journal
        self.send = send
        self.failed: OSError | None = None
        self.decided: list[Fact] = []
        self.missed: dict[str, deque[Out]] = {}
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
        for record in read(self.journal.folder, torn.append, since_kept=True):
            if mark is None:
                unsent.clear()
            outs: list[Out] = []
            for fact in record:
                evolve(self.state, fact)
                outs += encode.messages(self.state, fact)
                if type(fact) is StateKept:
                    self.missed.clear()
                    for client, text, groups in fact.missed:
                        self.missed.setdefault(client, deque(maxlen=MOST_MISSED)).append(
                            Out(False, client, text, groups)
                        )
                elif type(fact) is ClientUp:
                    self.missed.pop(fact.client, None)
            if self.state.copies:
                outs += encode.copies(self.state, outs)
            self._note_missed(outs)
            if mark is None or self.state.last_id > mark:
                unsent += _venues_first(outs)
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

    def resend(self, unsent: Sequence[Out]) -> None:
        """Send the messages of `recover` with PossResend(97)=Y: their receivers know them by their ExecIDs or
        ClOrdIDs if they had them before."""
        for out in unsent:
            self.send(encode.resent(out))
        self._mark_sent(self.state.last_id)

    def _note_missed(self, outs: list[Out]) -> None:
        """Remember what goes to clients that are away: FIX has it resent, unless they begin their session anew."""
        for out in outs:
            if not out.to_venue and out.comp_id in self.state.away and MISSABLE.search(out.text):
                self.missed.setdefault(out.comp_id, deque(maxlen=MOST_MISSED)).append(out)

    def client_is_back(self, client: str, anew: bool) -> None:
        """What the client has missed is sent again with PossResend(97)=Y, if its sequence numbers have begun anew: then
        FIX's own resend knows nothing of it."""
        for out in self.missed.pop(client, ()):
            if anew:
                self.send(encode.resent(out))

    def _before_roll(self, command: cmd.Command) -> None:
        assert isinstance(command, ROLLS)
        if command.day > self.state.day:
            self.keep_state(command.day, command.at)

    def keep_state(self, day: int, at: int) -> None:
        """Begin the segment of a trading day with the state as it is. Where there is no space for it the day begins
        without, and a recovery begins further back."""
        state = self.state
        if not state.last_id or self.journal.full:
            return
        # What waits for the disk is sent first: a recovery does not look behind the kept state.
        self.flush()
        missed = tuple((out.comp_id, out.text, out.groups) for outs in self.missed.values() for out in outs)
        fact = StateKept(at, state.last_id, day, state.hash(), dump(state), missed)
        if len(fact.data) > MAX_RECORD // 2:
            log.error("the state is too large to be kept (%d bytes); a recovery reads the days before", len(fact.data))
            return
        try:
            self.journal.append([fact])
        except DiskFull as error:
            log.error("%s: the state of the day's begin is not kept", error)

    def submit(self, command: cmd.Command) -> bool:
        """Take a command, and what follows from it. Returns whether it is dealt with; if not, the message must be
        brought again."""
        if type(command) in ROLLS:
            self._before_roll(command)
        try:
            facts = decide(self.state, command)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one command is refused and the broker goes on
            facts = self._undecided(command, error)
        self.decided = facts
        taken = not facts or self.commit(facts, command)
        if self.state.agenda:
            self.follow_up(command.at)
        return taken

    def follow_up(self, at: int) -> None:
        """Decide what is on the agenda, one command after the other, until nothing more follows."""
        for _ in range(MAX_FOLLOW_UPS):
            command = follow_up(self.state, at)
            if command is None:
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
        outs: list[Out] = []
        state = self.state
        for fact in facts:
            evolve(state, fact)
            encoder = encode.ENCODERS.get(type(fact))
            if encoder is not None:
                outs += encoder(state, fact)
            if type(fact) in LINES:
                log.log(*LINES[type(fact)](fact))
        if state.copies:
            outs += encode.copies(state, outs)
        if state.away:
            self._note_missed(outs)
        if self.journal.disk:
            self._held.append((position, state.last_id, outs))
        else:
            for out in _venues_first(outs):
                self.send(out)
        return True

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
            for out in _venues_first(outs):
                self.send(out)
        if last_id:
            self._mark_sent(last_id)

    def flush(self) -> None:
        """Sync, and send what waits for it."""
        if self.failed is None:
            self.journal.wait_synced()
            self.release()

    def close(self) -> None:
        """Close the journal. What was not flushed is sent after the next start."""
        self.journal.close()
        if self._mark >= 0:
            os.close(self._mark)

    def _refusal(self, command: cmd.Command, error: Exception) -> list[Fact]:
        """For a command that we failed to decide: it is refused and the operator told; the state is as it was."""
        what = f"{type(command).__name__} failed: {type(error).__name__}: {error}"
        source = getattr(command, "client", "") or getattr(command, "venue", "") or "broker"
        number = self.state.last_id + 1
        raw = getattr(command, "raw", "") or repr(command)
        facts: list[Fact] = [Alerted(command.at, number, source, "BUG", what, raw)]
        if type(command) in MSG_TYPES:
            facts.append(_refused(command, number + 1, BusinessRejectReason.OTHER, BUG))
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
        if type(command) not in MSG_TYPES and not isinstance(command, cmd.RefuseMessage):
            return False
        refused = _refused(command, 0, BusinessRejectReason.NOT_AVAILABLE, UNAVAILABLE)
        for out in encode.messages(self.state, refused):
            self.send(out)
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


def _venues_first(outs: list[Out]) -> list[Out]:
    """What goes to exchanges goes first: an order's way to the market is not kept waiting by reports."""
    return sorted(outs, key=lambda out: not out.to_venue) if len(outs) > 1 else outs


def _refused(command: cmd.Command, number: int, reason: BusinessRejectReason, text: str) -> MessageRefused:
    if isinstance(command, cmd.RefuseMessage):
        return MessageRefused(
            command.at, number, command.client, command.ref_seq_num, command.ref_msg_type, reason, text, command.ref_id
        )
    ref_id = getattr(command, "cl_ord_id", "") or getattr(command, "req_id", "") or getattr(command, "cross_id", "")
    ref_id = ref_id or getattr(command, "list_id", "")
    client: str = command.client  # type: ignore[attr-defined]
    return MessageRefused(command.at, number, client, 0, MSG_TYPES[type(command)], reason, text, ref_id)
