"""What became of each of a day's facts in a report: a record, or a reason why there is none."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple


class Row(NamedTuple):
    """`becomes` is the kind of record, or empty with the reason."""

    fact: str
    becomes: str
    reason: str
    facts: int


class Ledger:
    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def made(self, fact: Any, record: str) -> None:
        self._counts[type(fact).__name__, record, ""] += 1

    def left_out(self, fact: Any, reason: str) -> None:
        self._counts[type(fact).__name__, "", reason] += 1

    @property
    def rows(self) -> list[Row]:
        ordered = sorted(self._counts.items(), key=lambda item: (item[0][0], not item[0][1], item[0]))
        return [Row(*key, count) for key, count in ordered]

    @property
    def records(self) -> Counter[str]:
        """How many there are of each kind of record."""
        found: Counter[str] = Counter()
        for row in self.rows:
            if row.becomes:
                found[row.becomes] += row.facts
        return found

    @property
    def facts(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for row in self.rows:
            found[row.fact] += row.facts
        return found

    def differences(self, counted: Mapping[str, int]) -> list[str]:
        """Where the totals are other than an independent count of the facts."""
        facts = self.facts
        return [
            f"{name}: {facts[name]} accounted for, {counted.get(name, 0)} in the journal"
            for name in sorted({*facts, *counted})
            if facts[name] != counted.get(name, 0)
        ]
