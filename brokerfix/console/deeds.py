"""Who did what: the day's facts that a person stands behind, as they come."""

from collections import Counter, deque
from typing import NamedTuple

import msgspec

from brokerfix.domain import id_text
from brokerfix.engine.state import State
from brokerfix.facts import DayRolled, Fact, OperatorActed, OperatorRefused
from brokerfix.projections.events.words import spaced
from brokerfix.record.journal import Record

MOST = 5_000
MOST_TEXT, MOST_VALUE = 300, 150
LEFT_OUT = ("at", "id", "operator", "by", "action")


class Deed(NamedTuple):
    """What somebody did: when (ns), the fact's number, who, what, and the rest of it."""

    at: int
    fact: int
    who: str
    what: str
    text: str
    is_refused: bool


class Deeds:
    """The newest deeds, the oldest first. `version` is another one whenever there is one more; `records` how many
    records the trading day has, as far as they are read."""

    def __init__(self) -> None:
        self.rows: deque[Deed] = deque(maxlen=MOST)
        self.people: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.version = self.records = 0
        self._record: Record | None = None

    def note(self, state: State, fact: Fact, record: Record) -> None:
        """As a feed tells it."""
        if isinstance(fact, DayRolled):
            self.records = 0
            self._record = None
        if record is not self._record:
            self._record = record
            self.records += 1
        who = getattr(fact, "operator", "") or getattr(fact, "by", "")
        if not who:
            return
        deed = deed_of(fact, who)
        self.rows.append(deed)
        self.people[deed.who] += 1
        self.actions[deed.what] += 1
        self.version += 1

    def found(self, who: str, what: str, text: str, most: int) -> list[Deed]:
        """The newest deeds of a person ("": of all), of a kind, with a text in them; the newest first."""
        text, rows = text.lower(), []
        for deed in reversed(self.rows):
            if (who and deed.who != who) or (what and deed.what != what):
                continue
            if text and text not in f"{deed.who} {deed.what} {deed.text} {id_text(deed.fact)}".lower():
                continue
            rows.append(deed)
            if len(rows) >= most:
                break
        return rows


def deed_of(fact: Fact, who: str) -> Deed:
    """A fact that `who` stands behind."""
    if isinstance(fact, OperatorActed | OperatorRefused):
        is_refused = isinstance(fact, OperatorRefused) or fact.action == "refused"
        return Deed(fact.at, fact.id, who, fact.action, fact.text, is_refused)
    fields = [
        f"{spaced(name)} {_value(name, value)}"
        for name, value in ((name, getattr(fact, name)) for name in fact.__struct_fields__ if name not in LEFT_OUT)
        if value not in ("", 0, None, (), False)
    ]
    return Deed(fact.at, fact.id, who, spaced(type(fact).__name__), ", ".join(fields)[:MOST_TEXT], False)


def _value(name: str, value: object) -> str:
    if name.endswith("_id") and isinstance(value, int):
        return id_text(value)
    if isinstance(value, msgspec.Struct):
        fields = ((key, getattr(value, key)) for key in value.__struct_fields__)
        return f"({', '.join(f'{spaced(key)} {one}' for key, one in fields if one)})"[:MOST_VALUE]
    return "yes" if value is True else f"{value}"[:MOST_VALUE]
