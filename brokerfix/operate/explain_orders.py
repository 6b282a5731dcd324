"""Stories of orders, as many as are asked for in one pass over the journal: received, checked with every limit, planned
with the evidence, each child, each report, and who did what by hand."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from brokerfix import facts as f
from brokerfix.domain import id_number, id_text
from brokerfix.engine.state import State
from brokerfix.operate.explain_order import ABOUT, OrderStory
from brokerfix.operate.explain_replay import replay
from brokerfix.operate.order_evidence import Evidence
from brokerfix.operate.order_facts import ManyOrders, OrderFacts
from brokerfix.operate.order_limits import Question, Sources, Weighed, matching, weighed, weighed_of
from brokerfix.operate.refusals import refusal_text
from brokerfix.operate.sentences import Told, came_text, operator_of
from brokerfix.operate.told_clients import messages
from brokerfix.record.journal import Record


class OrdersTold:
    """Watches a replay; `found` has what it tells of each order that it has met."""

    def __init__(self, order_ids: Iterable[int]) -> None:
        self._orders = ManyOrders(order_ids)
        self.found = {order_id: Evidence(of) for order_id, of in self._orders.of.items()}
        self._stories = {order_id: OrderStory(of) for order_id, of in self._orders.of.items()}
        self._concerned: Sequence[OrderFacts] = ()
        self._sources = Sources()
        self._came: dict[int, Record] = {}

    def begin(self, state: State, sources: Sources) -> None:
        self._orders.begin(state)
        self._sources = sources

    def wants(self, fact: f.Fact) -> bool:
        self._concerned = self._orders.concerned(fact)
        return bool(self._concerned)

    def recall(self, fact: f.Fact, record: Record) -> None:
        for of in self._concerned:
            found = self.found[of.order_id]
            if isinstance(fact, f.OrderAccepted | f.OrderRejected):
                found.origin, found.written = record.origin, record.written
            found.apply(fact)
            found.story += self._told(of, fact, record)

    def _told(self, of: OrderFacts, fact: f.Fact, record: Record) -> list[Told]:
        about, who = ABOUT.get(type(fact), "work"), operator_of(fact)
        texts = self._stories[of.order_id].tell(fact)
        return [Told(fact.at, fact.id, text, about, who, origin=record.origin) for text in texts]

    def before(self, state: State, fact: f.Fact, record: Record) -> None:
        for of in self._concerned:
            found = self.found[of.order_id]
            if isinstance(fact, f.OrderAccepted | f.OrderRejected):
                found.origin, found.written = record.origin, record.written
                found.checks = weighed(state, self._sources, Question.of(state, fact))
                found.checked_after = state.last_id
            elif isinstance(fact, f.RequestRejected):
                found.refused_requests.append((fact, weighed_of(state, self._sources, fact)))

    def after(self, state: State, fact: f.Fact, record: Record) -> None:
        told = messages(state, fact)
        for of in self._concerned:
            found = self.found[of.order_id]
            if isinstance(fact, f.SplitApplied) and not found.leaves:
                # It was over: a split of what it has bought is no part of its story.
                continue
            came = came_text(record.origin)
            if came and self._came.get(of.order_id) is not record:
                self._came[of.order_id] = record
                found.story.append(Told(fact.at, fact.id, came, "received", origin=record.origin))
            found.apply(fact)
            found.story += self._told(of, fact, record)
            if isinstance(fact, f.OrderAccepted | f.OrderRejected):
                found.story += _checks_told(found, fact)
            if isinstance(fact, f.OrderRejected | f.RequestRejected) and fact.evidence is not None:
                of_request = isinstance(fact, f.RequestRejected)
                checks = found.refused_requests[-1][1] if of_request else found.checks
                found.story += _refusal_told(fact, checks)
            for message in told:
                # A refusal of a second order by the same ClOrdID is told with the number of the first.
                if message.is_about(of.order_id) or isinstance(fact, f.OrderRejected | f.RequestRejected):
                    found.messages.append(message)
                    found.story.append(Told(fact.at, fact.id, message.text, "report", origin=record.origin))

    def end(self) -> None:
        """The replay has ended."""
        self._orders.end()


def _checks_told(found: Evidence, fact: f.Fact) -> list[Told]:
    """The limits as a table's lines."""
    if not found.checks:
        return []
    rests = (found.checked_after, *dict.fromkeys(one.set_by for one in found.checks if one.set_by))
    many = f"{len(found.checks)} limits" if len(found.checks) > 1 else "one limit"
    lines = [f"it is weighed against {many}, by the state after {id_text(found.checked_after)}"]
    lines.append(f"    {'limit':<19} {'of':<26}{'is':>16}{'used before':>16}{'with it':>16}  set by")
    for one in found.checks:
        by = id_text(one.set_by) if one.set_by else "before the journal"
        mark = ", broken" if one.broken else ""
        note = f" ({one.note})" if one.note else ""
        lines.append(
            f"    {one.name:<19} {one.at:<26}{one.limit:>16}{one.used or '-':>16}{one.value:>16}  {by}{mark}{note}"
        )
    return [Told(fact.at, fact.id, text, "check", rests=rests) for text in lines]


def _refusal_told(fact: f.OrderRejected | f.RequestRejected, checks: Sequence[Weighed]) -> list[Told]:
    text = refusal_text(fact.evidence, checks)
    match = matching(checks, fact.evidence) if fact.evidence is not None else None
    rests = (match.set_by,) if match is not None and match.set_by else ()
    return [Told(fact.at, fact.id, text, "check", rests=rests)] if text else []


def orders_evidence(folder: Path, order_ids: Sequence[int]) -> dict[int, Evidence]:
    """What a journal's folder has of orders, which may be refused ones, by their numbers; those that it does not have
    are left out. Raises JournalError."""
    watcher = OrdersTold(order_ids)
    if order_ids:
        replay(folder, watcher, min(order_ids))
    watcher.end()
    return {order_id: found for order_id, found in watcher.found.items() if found.of.is_known}


def order_evidence(folder: Path, order: str) -> Evidence:
    """The same of one order by its OrderID. Raises JournalError, and LookupError where there never was such an
    order."""
    number = id_number(order)
    found = orders_evidence(folder, [number]).get(number) if number else None
    if found is None:
        raise LookupError(f"there is no order {order} in {folder}")
    return found
