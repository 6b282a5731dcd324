"""A replay as exchanges' market data: subscribers log on, ask for the book, and are told what changes of it at the
recording's pace.

A subscriber is never told more than it can take: from time to time it is sent a TestRequest, and while too many entries
are not yet covered by an answer the replay waits. So the feed's rate is what the subscriber really deals with.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from brokerfix.fix.session.acceptor import Acceptors, Line
from brokerfix.fix.versions.rules import message_type_of
from brokerfix.simulate.answers import (
    SUBSCRIBE,
    UNSUBSCRIBE,
    Wish,
    entries_text,
    full_refresh,
    incomplete,
    incremental_refresh,
    refused,
)
from brokerfix.simulate.recording import Contents, Event, events
from brokerfix.simulate.replay import Entry, Replica

SECOND = 10**9
ASK_EVERY = 2000
"""Entries between two TestRequests to a subscriber."""
MOST_UNANSWERED = 16_000
"""Entries that may be on their way to a subscriber."""
REST, LONG_REST = 200e-6, 2e-3
LOGOUT_SECONDS = 3.0
MARK = "FEED-"


class Options(msgspec.Struct, frozen=True):
    """How a recording is replayed: `speed` times as fast as it was (0: as fast as it is taken), `loop` over and over,
    `duration` seconds at most (0: to its end), beginning when the subscribers have "all" subscribed at every exchange,
    "first": when one has somewhere, or "logon": when one has logged on. Every `lose`-th incremental message is left out
    (0: none). `stays`: sessions stay when it is over."""

    speed: float = 1.0
    loop: bool = False
    duration: float = 0.0
    begin: str = "all"
    lose: int = 0
    stays: bool = False


class Subscriber:
    """One session: whether it is up, the MDReqIDs that stand, and how many entries it was `told` of; of these, those
    that had been when it was last asked, and when it last answered."""

    def __init__(self) -> None:
        self.is_up = False
        self.standing: dict[str, None] = {}
        self.told = self.asked = self.answered = 0

    def changed(self, is_up: bool) -> None:
        self.is_up = is_up
        self.standing.clear()
        self.told = self.asked = self.answered = 0


class Counts(msgspec.Struct):
    """What was sent: incremental messages and their entries; and messages that were lost on purpose."""

    messages: int = 0
    levels: int = 0
    lost: int = 0


class Schedule:
    """When the events of a recording are due: ns of a clock that never goes back."""

    def __init__(self, contents: Contents, speed: float, began: int) -> None:
        self._speed = speed
        self._began = began
        self._first = contents.first

    def due(self, at: int) -> int:
        """When what was recorded `at` is due; at once without a speed."""
        return self._began + round((at - self._first) / self._speed) if self._speed else 0


class Feed:
    """The process: exchanges by CompID, each with the recorded venue that it has its book of."""

    def __init__(
        self,
        path: Path,
        contents: Contents,
        exchanges: Mapping[str, tuple[str, Replica]],
        options: Options,
        tell: Callable[[str], None],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`exchanges`: CompID -> (recorded venue, book). `tell` gets a line for people; `clock` gives ns."""
        self.path, self.contents, self.options = path, contents, options
        self.exchanges = exchanges
        self.counts = Counts()
        self.running = True
        self.position = contents.first
        self._tell, self._clock = tell, clock
        self._lines: dict[Line, Subscriber] = {}
        self._of_venue: dict[str, list[str]] = {}
        for name, (venue, replica) in exchanges.items():
            self._of_venue.setdefault(venue, []).append(name)
            if venue in contents.opening:
                replica.open(contents.opening[venue])
        self._answers = 0
        self._tries = 0
        self._laps = self._began = 0
        self._shown = Counts()
        self._shown_at = 0
        self._behind = 0
        self._acceptors: Acceptors

    def attach(self, acceptors: Acceptors) -> None:
        """Use these sessions."""
        self._acceptors = acceptors
        self._lines = {line: Subscriber() for line in acceptors.lines}

    # What the sessions bring

    def changed(self, line: Line, is_up: bool) -> None:
        subscriber = self._lines[line]
        if subscriber.is_up != is_up:
            self._tell(f"{line[1]} has logged {'on to' if is_up else 'out of'} {line[0]}")
            subscriber.changed(is_up)

    def answered(self, line: Line, reference: str) -> None:
        mark = reference.removeprefix(MARK)
        if mark.isdecimal():
            subscriber = self._lines[line]
            subscriber.answered = max(subscriber.answered, min(int(mark), subscriber.told))

    def came(self, line: Line, text: str) -> None:
        if message_type_of(text) != "V":
            self._answers += 1
            self._acceptors.send(line, refused(text, self._answers))
            return
        wish, subscriber = Wish(text), self._lines[line]
        replica = self.exchanges[line[0]][1]
        refusal = wish.refusal(replica.terms.symbol, frozenset(subscriber.standing)) if wish.md_req_id else ""
        if refusal or not wish.md_req_id:
            self._acceptors.send(line, refusal or incomplete(text))
        elif wish.kind == UNSUBSCRIBE:
            del subscriber.standing[wish.md_req_id]
        else:
            self._acceptors.send(line, full_refresh(replica, wish.md_req_id))
            if wish.kind == SUBSCRIBE:
                subscriber.standing[wish.md_req_id] = None

    # The replay

    def run(self) -> None:
        """Replay until it is over or `running` is no more; then log everybody out."""
        try:
            self._wait_for_subscribers()
            self._began = self._clock()
            while self._goes_on():
                self._replay()
                if not self.options.loop:
                    break
                self._laps += 1
            self._tell(self.summary(self._clock() - self._began))
            while self.running and self.options.stays:
                self._turn(LONG_REST)
        finally:
            self._log_out()

    def _replay(self) -> None:
        """The recording once, from now on."""
        schedule = Schedule(self.contents, self.options.speed, self._clock())
        for event in self._events():
            due = schedule.due(event.at)
            while self._goes_on() and ((now := self._clock()) < due or not self._has_room()):
                self._turn(min(LONG_REST, (due - now) / SECOND) if now < due else REST)
            if not self._goes_on():
                return
            self._behind = max(0, self._clock() - due) if due else 0
            self.position = event.at
            self.replay(event)
            self._turn(0)

    def _events(self) -> Iterator[Event]:
        return (event for event in events(self.path, self._of_venue) if self.contents.is_told(event))

    def replay(self, event: Event) -> None:
        """Take an event in, and tell it to the subscribers of its exchanges."""
        for name in self._of_venue[event.venue]:
            replica = self.exchanges[name][1]
            entries = replica.apply(event)
            if entries:
                self._publish(name, replica, entries)

    def _publish(self, name: str, replica: Replica, entries: list[Entry]) -> None:
        if self.options.lose:
            self._tries += 1
            if self._tries % self.options.lose == 0:
                self.counts.lost += 1
                return
        text = ""
        for line, subscriber in self._lines.items():
            if line[0] != name or not subscriber.standing:
                continue
            text = text or entries_text(replica.terms, entries, replica.rpt_seq - len(entries) + 1)
            for md_req_id in subscriber.standing:
                self._acceptors.send(line, incremental_refresh(md_req_id, text))
                self.counts.messages += 1
                self.counts.levels += len(entries)
                subscriber.told += len(entries)
            if subscriber.told - subscriber.asked >= ASK_EVERY:
                subscriber.asked = subscriber.told
                self._acceptors.ask(line, f"{MARK}{subscriber.told}")

    def _has_room(self) -> bool:
        """Whether every subscriber keeps up; as fast as it is taken, somebody must take it."""
        known = self._lines.values()
        if any(subscriber.told - subscriber.answered > MOST_UNANSWERED for subscriber in known):
            return False
        return bool(self.options.speed) or any(subscriber.standing for subscriber in known)

    def _wait_for_subscribers(self) -> None:
        while self.running and not self._may_begin():
            self._turn(LONG_REST)

    def _may_begin(self) -> bool:
        known = self._lines.values()
        if self.options.begin == "logon":
            return any(subscriber.is_up for subscriber in known)
        return (all if self.options.begin == "all" else any)(subscriber.standing for subscriber in known)

    def _goes_on(self) -> bool:
        seconds = self.options.duration
        return self.running and not (seconds and self._clock() - self._began >= seconds * SECOND)

    def _turn(self, rest: float) -> None:
        """Deal with what has come; if that is nothing, rest for so many seconds."""
        before = self._acceptors.activity
        self._acceptors.poll()
        self._show(self._clock())
        if rest > 0 and self._acceptors.activity == before:
            time.sleep(rest)

    def _log_out(self) -> None:
        self._acceptors.logout("the feed ends")
        deadline = self._clock() + LOGOUT_SECONDS * SECOND
        while any(one.is_up for one in self._lines.values()) and self._clock() < deadline:
            self._turn(REST)

    # What people are told

    def _show(self, now: int) -> None:
        """A line a second."""
        if now - self._shown_at < SECOND:
            return
        seconds = (now - self._shown_at) / SECOND if self._shown_at else 1.0
        counts, shown = self.counts, self._shown
        self._shown_at, self._shown = now, msgspec.structs.replace(counts)
        place = f"{(self.position - self.contents.first) / SECOND:.1f} s of {self._length:.1f} s"
        lap = f", lap {self._laps + 1}" if self._laps else ""
        waits = [f"{name} for {other}" for (name, other), one in self._lines.items() if not one.standing]
        waiting = f"; not subscribed: {', '.join(waits)}" if waits else ""
        behind = f", {self._behind / SECOND:.1f} s behind" if self._behind > SECOND / 10 else ""
        lost = f", {counts.lost:,} lost on purpose" if counts.lost else ""
        self._tell(
            f"{place}{lap}: {(counts.messages - shown.messages) / seconds:,.0f} messages/s, "
            f"{(counts.levels - shown.levels) / seconds:,.0f} levels/s{behind}{lost}{waiting}"
        )

    @property
    def _length(self) -> float:
        return (self.contents.last - self.contents.first) / SECOND

    def summary(self, took: int) -> str:
        """What was sent in all; `took` is in ns."""
        counts, seconds = self.counts, max(took, 1) / SECOND
        return (
            f"sent {counts.messages:,} messages with {counts.levels:,} levels and trades in {seconds:.1f} s: "
            f"{counts.levels / seconds:,.0f} levels/s; {counts.lost:,} messages lost on purpose"
        )
