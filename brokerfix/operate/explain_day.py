"""The story of a trading day out of a journal's folder."""

from pathlib import Path

from brokerfix import facts as f
from brokerfix.domain import day_of, first_of_day, id_text
from brokerfix.engine.state import State
from brokerfix.operate.day_story import TELLERS, tell
from brokerfix.operate.day_totals import KINDS, Totals
from brokerfix.operate.explain_replay import replay
from brokerfix.operate.order_limits import Sources
from brokerfix.operate.sentences import Row, Told, by_hand, operator_of, time_text
from brokerfix.record.journal import Record, segments

MOST_ALIKE = 20
"""Alerts of one code from one source that are told one by one; of more there is the number."""


class DayTold:
    """Watches a replay for a day, YYYYMMDD."""

    def __init__(self, day: int) -> None:
        self.day = day
        self.story: list[Told] = []
        self.totals = Totals()
        self.alerts: dict[tuple[str, str], list[f.Alerted]] = {}
        self.facts = 0

    def begin(self, state: State, sources: Sources) -> None:
        """The state is what the days before have left."""

    def recall(self, fact: f.Fact, record: Record) -> None:
        """What days that were deleted have left tells nothing here."""

    def wants(self, fact: f.Fact) -> bool:
        if day_of(fact.id) != self.day:
            return False
        self.facts += 1
        return type(fact) in TELLERS or type(fact) in KINDS or bool(operator_of(fact))

    def before(self, state: State, fact: f.Fact, record: Record) -> None:
        if type(fact) in KINDS:
            self.totals.before(state, fact)

    def after(self, state: State, fact: f.Fact, record: Record) -> None:
        if type(fact) in KINDS:
            self.totals.after(state, fact)
        if isinstance(fact, f.Alerted):
            alike = self.alerts.setdefault((fact.source, fact.code), [])
            alike.append(fact)
            if len(alike) > MOST_ALIKE:
                return
        about, text = tell(state, fact)
        if text:
            who = "" if isinstance(fact, f.OperatorRefused) else operator_of(fact)
            self.story.append(Told(fact.at, fact.id, text, about, who, origin=record.origin))

    def end(self) -> None:
        """Tell of the alerts that were not told one by one."""
        for (source, code), alike in self.alerts.items():
            more = alike[MOST_ALIKE:]
            if more:
                text = f"{len(more)} more alerts {code} from {source} since {time_text(more[0].at)}"
                rests = tuple(one.id for one in more[:MOST_ALIKE])
                self.story.append(Told(more[-1].at, more[-1].id, text, "alert", rests=rests))
        self.story.sort(key=lambda one: one.fact)


def day_told(folder: Path, day: int) -> Row:
    """The story of a trading day, YYYYMMDD: `totals` by account, symbol and exchange, see `day_totals`, `alerts` by
    source and code, `by_hand` what somebody did, `story` the sentences. Raises JournalError, and LookupError where
    there was no such day."""
    if not any(segment.stem == str(day) for segment in segments(folder)):
        raise LookupError(f"there is no trading day {day} in {folder}")
    watcher = DayTold(day)
    replay(folder, watcher, first_of_day(day, 0), day)
    watcher.end()
    alerts: list[Row] = [
        {"source": source, "code": code, "count": len(alike), "first": time_text(alike[0].at),
         "last": time_text(alike[-1].at), "facts": [id_text(one.id) for one in alike[:MOST_ALIKE]]}
        for (source, code), alike in watcher.alerts.items()
    ]  # fmt: skip
    return {
        "kind": "day",
        "day": str(day),
        "facts": watcher.facts,
        "totals": watcher.totals.rows(),
        "alerts": alerts,
        "by_hand": by_hand(watcher.story),
        "story": [one.row() for one in watcher.story],
    }
