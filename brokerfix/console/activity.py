"""How much happens, and how fast: counted as facts come, so that a page that shows it walks nothing."""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

import msgspec

from brokerfix import facts as f
from brokerfix.domain import id_number
from brokerfix.engine.state import State
from brokerfix.operate.operations import ACKNOWLEDGED
from brokerfix.record.journal import Record

SECOND = 10**9
SECONDS = 120
"""For so long each second is kept."""
MOST_LATENCIES = 2_000
"""The latest times to the first report that are kept."""
MOST_ALERTS = 1_000
"""The day's latest alerts that are kept."""
ORDERS, FILLS, REJECTS = range(3)
Counts = list[int]


class Rates:
    """What was counted in each of the last seconds, by the facts' own time."""

    def __init__(self) -> None:
        self._seconds: OrderedDict[int, Counts] = OrderedDict()

    def count(self, at: int, what: int) -> None:
        """One more at a time (ns UTC)."""
        second = at // SECOND
        counts = self._seconds.get(second)
        if counts is None:
            counts = self._seconds[second] = [0, 0, 0]
            while len(self._seconds) > SECONDS:
                self._seconds.popitem(last=False)
        counts[what] += 1

    def last(self, now: int, seconds: int = 60) -> list[Counts]:
        """Of each of the whole seconds before `now` (ns UTC), oldest first."""
        end = now // SECOND
        return [self._seconds.get(second, [0, 0, 0]) for second in range(end - seconds, end)]


class Exchange(msgspec.Struct):
    """An exchange today: when it has told something last (ns UTC; 0: nothing yet), since when its session is as it is,
    how often it was lost, and what it has done."""

    heard: int = 0
    since: int = 0
    lost: int = 0
    sent: int = 0
    fills: int = 0
    rejects: int = 0


class Seen(msgspec.Struct):
    """An alert of the day, and who has acknowledged it when ("", 0: nobody)."""

    alert: f.Alerted
    by: str = ""
    at: int = 0


class Activity:
    """A listener of the feed's. `sessions` are since when clients' sessions are as they are, `halted` since when what
    is halted is, `clock` the newest check of it, `orders`, `fills` and `rejects` the day's."""

    def __init__(self) -> None:
        self.rates = Rates()
        self._begin()
        self.clock: f.ClockChecked | None = None
        self.sessions: dict[str, int] = {}
        self.halted: dict[tuple[str, str], int] = {}
        self.began = 0
        self._takes: dict[type[f.Fact], Callable[[State, Any, Record], object]] = {
            f.OrderAccepted: self._accepted, f.OrderRejected: self._rejected, f.RequestRejected: self._refused,
            f.Trade: self._traded, f.OrderRouted: self._routed, f.ChildFilled: self._filled,
            f.ChildAccepted: self._heard, f.ChildReplaced: self._heard, f.ChildNoted: self._heard,
            f.ChildConfirmed: self._heard, f.ChildRequestRejected: self._heard, f.ChildEnded: self._ended,
            f.VenueUp: self._venue, f.VenueDown: self._venue, f.ClientUp: self._client, f.ClientDown: self._client,
            f.Alerted: self._alerted, f.OperatorActed: self._acted, f.Halted: self._halted, f.Resumed: self._resumed,
            f.ClockChecked: self._checked, f.DayRolled: self._rolled, f.Started: self._started,
        }  # fmt: skip

    def _begin(self) -> None:
        self.exchanges: dict[str, Exchange] = {}
        self.alerts: OrderedDict[int, Seen] = OrderedDict()
        self.orders = self.fills = self.rejects = 0
        self.latencies: deque[int] = deque(maxlen=MOST_LATENCIES)

    def note(self, state: State, fact: f.Fact, record: Record) -> None:
        """Take a fact."""
        take = self._takes.get(type(fact))
        if take is not None:
            take(state, fact, record)

    def exchange(self, name: str) -> Exchange:
        found = self.exchanges.get(name)
        if found is None:
            found = self.exchanges[name] = Exchange()
        return found

    # Orders

    def _accepted(self, state: State, fact: f.OrderAccepted, record: Record) -> None:
        self.orders += 1
        self.rates.count(fact.at, ORDERS)
        if record.origin.received and record.written:
            self.latencies.append(record.written - record.origin.received)

    def _rejected(self, state: State, fact: f.OrderRejected, record: Record) -> None:
        self.orders += 1
        self.rates.count(fact.at, ORDERS)
        self._refused(state, fact, record)

    def _refused(self, state: State, fact: f.OrderRejected | f.RequestRejected, record: Record) -> None:
        self.rejects += 1
        self.rates.count(fact.at, REJECTS)

    def _traded(self, state: State, fact: f.Trade, record: Record) -> None:
        self.fills += 1
        self.rates.count(fact.at, FILLS)

    # Exchanges

    def _routed(self, state: State, fact: f.OrderRouted, record: Record) -> None:
        self.exchange(fact.venue).sent += 1

    def _heard(self, state: State, fact: Any, record: Record) -> Exchange | None:
        child = state.children.get(fact.child_id)
        if child is None:
            return None
        exchange = self.exchange(child.venue)
        exchange.heard = fact.at
        return exchange

    def _filled(self, state: State, fact: f.ChildFilled, record: Record) -> None:
        exchange = self._heard(state, fact, record)
        if exchange is not None:
            exchange.fills += 1
        self.fills += 1
        self.rates.count(fact.at, FILLS)

    def _ended(self, state: State, fact: f.ChildEnded, record: Record) -> None:
        exchange = self._heard(state, fact, record)
        if exchange is not None and fact.status.name == "REJECTED":
            exchange.rejects += 1

    def _venue(self, state: State, fact: f.VenueUp | f.VenueDown, record: Record) -> None:
        exchange = self.exchange(fact.venue)
        exchange.since = fact.at
        exchange.lost += isinstance(fact, f.VenueDown)
        if isinstance(fact, f.VenueUp):
            exchange.heard = fact.at

    def _client(self, state: State, fact: f.ClientUp | f.ClientDown, record: Record) -> None:
        self.sessions[fact.client] = fact.at

    # What people must see, and do

    def _alerted(self, state: State, fact: f.Alerted, record: Record) -> None:
        self.alerts[fact.id] = Seen(fact)
        if len(self.alerts) > MOST_ALERTS:
            self.alerts.popitem(last=False)

    def _acted(self, state: State, fact: f.OperatorActed, record: Record) -> None:
        if fact.action == ACKNOWLEDGED:
            seen = self.alerts.get(id_number(fact.text))
            if seen is not None and not seen.by:
                seen.by, seen.at = fact.operator, fact.at

    def _halted(self, state: State, fact: f.Halted, record: Record) -> None:
        self.halted[fact.kind, fact.name] = fact.at

    def _resumed(self, state: State, fact: f.Resumed, record: Record) -> None:
        self.halted.pop((fact.kind, fact.name), None)

    # The process

    def _checked(self, state: State, fact: f.ClockChecked, record: Record) -> None:
        self.clock = fact

    def _started(self, state: State, fact: f.Started, record: Record) -> None:
        self.began = fact.at
        # Every session was down then.
        for name in self.sessions:
            self.sessions[name] = fact.at
        for exchange in self.exchanges.values():
            exchange.since = fact.at

    def _rolled(self, state: State, fact: f.DayRolled, record: Record) -> None:
        since = {name: one.since for name, one in self.exchanges.items()}
        self._begin()
        for name, at in since.items():
            self.exchange(name).since = at

    # What is told of it

    def latency(self) -> dict[str, int]:
        """Percentiles (ns) of the latest times from an order's arrival to its record, which its first report follows at
        once; {} without any."""
        ordered = sorted(self.latencies)
        if not ordered:
            return {}
        return {name: percentile(ordered, part) for name, part in (("p50", 50), ("p99", 99), ("max", 100))}


def percentile(ordered: list[int], percent: int) -> int:
    """The least of the values (in ascending order, at least one) that so many percent are not above."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
