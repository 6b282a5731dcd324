"""Evidence of the clock for RTS 25 (Regulation (EU) 2017/574): the day's checks of how far the machine's clock was from
the one that it is kept with, what was stamped between them, and how fine."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from brokerfix import facts as f
from brokerfix.compliance.kept_days import check_kept
from brokerfix.compliance.ledger import Ledger
from brokerfix.compliance.words import utc
from brokerfix.compliance.written import LABEL, Problems, sidecar, table, write
from brokerfix.domain import day_of
from brokerfix.record.journal import Record, read

SPECIFICATION = "Commission Delegated Regulation (EU) 2017/574 (RTS 25), annex"
MS, US = 10**6, 10**3
LIMITS = {
    "venue": (MS, MS), "venue-fast": (100 * US, US), "member": (MS, MS), "member-hft": (100 * US, US),
    "member-voice": (1000 * MS, 1000 * MS),
}  # fmt: skip
"""Row of the annex -> the most that clocks may diverge from UTC, and the coarsest granularity (ns)."""
NOTES = (
    "Divergence is as adjtimex(2) tells it: the kernel's offset from its source, and the most that it may be wrong by. "
    "How far that source is from UTC, and the chain to it, is for the firm to document.",
    "A row is a check and what was stamped from it until the next one. 'within' is whether the clock was kept, and "
    "offset and error together were within the limit. Events before the first check are of the check 'none'.",
    "Granularity is the finest step that the row's timestamps show: the journal keeps ns.",
)
NAMES = (
    "checked", "until", "synchronized", "offset_ns", "max_error_ns", "divergence_ns", "limit_ns", "within", "records",
    "facts", "granularity_ns", "granularity_limit_ns", "fine_enough",
)  # fmt: skip


class Batch:
    """What was stamped after a check (None: before the first)."""

    def __init__(self, check: f.ClockChecked | None, at: int) -> None:
        self.check = check
        self.since = self.until = at
        self.records = self.facts = 0
        self.step = 0

    def add(self, facts: list[f.Fact]) -> None:
        self.records += 1
        for fact in facts:
            self.facts += 1
            self.until = max(self.until, fact.at)
            step = step_of(fact.at)
            self.step = min(self.step, step) if self.step else step

    def row(self, tier: str) -> dict[str, Any]:
        limit, finest = LIMITS.get(tier, (None, None))
        told: dict[str, Any] = {"checked": utc(self.since, 9) if self.check else "none", "until": utc(self.until, 9)}
        divergence = None
        if self.check is not None:
            divergence = abs(self.check.offset) + self.check.max_error
            told |= {
                "synchronized": self.check.synchronized, "offset_ns": self.check.offset,
                "max_error_ns": self.check.max_error, "divergence_ns": divergence,
            }  # fmt: skip
        if limit is not None and finest is not None:
            kept = self.check is not None and self.check.synchronized
            told |= {
                "limit_ns": limit, "within": kept and divergence is not None and divergence <= limit,
                "granularity_limit_ns": finest, "fine_enough": self.step <= finest,
            }  # fmt: skip
        return told | {"records": self.records, "facts": self.facts, "granularity_ns": self.step}


def step_of(at: int) -> int:
    """The coarsest power of ten (ns, up to a second) that a time is a multiple of."""
    step = 1
    while step < 1000 * MS and at % (step * 10) == 0:
        step *= 10
    return step


class Clock(NamedTuple):
    rows: list[dict[str, Any]]
    ledger: Ledger
    tier: str

    @property
    def problems(self) -> Problems:
        problems = Problems()
        for row in self.rows:
            if row["checked"] == "none":
                problems.add("batch", [("checked", "has events before a check of the clock")])
            elif not row["synchronized"]:
                problems.add("batch", [("synchronized", "the clock was kept with no other")])
            if row.get("within") is False and row["checked"] != "none":
                problems.add("batch", [("divergence_ns", "is above the limit, or not known")])
            if row.get("fine_enough") is False:
                problems.add("batch", [("granularity_ns", "is coarser than the limit")])
        if not self.tier:
            problems.add("batch", [("limit_ns", "compliance.clock says no row of the annex")])
        return problems


def clock_of(records: Iterable[Record], day: int, tier: str) -> Clock:
    """The checks of a day, and what was stamped by each."""
    batches: list[Batch] = []
    ledger = Ledger()
    for record in records:
        facts: list[f.Fact] = [fact for fact in record.facts if day_of(fact.id) == day]
        if not facts:
            continue
        check = next((fact for fact in facts if isinstance(fact, f.ClockChecked)), None)
        if check is not None or not batches:
            batches.append(Batch(check, facts[0].at if check is None else check.at))
        batches[-1].add(facts)
        for fact in facts:
            if isinstance(fact, f.ClockChecked):
                ledger.made(fact, "batch")
    return Clock([batch.row(tier) for batch in batches], ledger, tier)


def write_clock(folder: Path, journal: Path, day: int, tier: str) -> tuple[list[Path], dict[str, Any]]:
    """Returns the files that are written, and what is told of them. Raises JournalError."""
    check_kept(journal, day, day)
    found = clock_of(read(journal), day, tier)
    told = sidecar("rts25", SPECIFICATION, day, NOTES, found.problems, found.ledger, tier=tier, batches=len(found.rows))
    name = f"rts25-clock-{day}-{LABEL}"
    return write(folder, {f"{name}.csv": table(NAMES, found.rows)}, f"{name}.meta.json", told), told
