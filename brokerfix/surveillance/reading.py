"""The register for others: for the command line, the console and whoever else asks. What is given is plain: dicts of
texts, numbers and lists."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from brokerfix.domain import OVER, Finding, Instrument, id_text
from brokerfix.record.journal import START, Place, read
from brokerfix.surveillance.evidence import told_facts
from brokerfix.surveillance.kept import read_kept
from brokerfix.surveillance.register import Alert, Register


def register_of(data: Path) -> Register:
    """The alerts on record in a data folder, as of now. What the follower has kept spares most of the journal. Raises
    JournalError."""
    kept = read_kept(data)
    found, since = (kept.register, Place(kept.head.segment, kept.head.offset)) if kept is not None else (None, START)
    found = found or Register()
    for record in read(data / "journal", since=since):
        for fact in record.facts:
            found.note(fact)
    return found


def alerts(
    data: Path, day: int = 0, rule: str = "", only_open: bool = False, account: str = "", symbol: str = ""
) -> list[dict[str, Any]]:
    """The alerts of a data folder, oldest first: of a trading day (YYYYMMDD; 0: of all), a rule, an account and a
    symbol ("": of all), and with `only_open` those about which something is left to be done. Raises JournalError."""
    return [row_of(one) for one in _chosen(register_of(data).alerts.values(), day, rule, only_open, account, symbol)]


def _chosen(
    every: Iterable[Alert], day: int, rule: str, only_open: bool, account: str, symbol: str
) -> Iterable[Alert]:  # fmt: skip
    for one in every:
        found = one.finding
        is_meant = (not day or found.day == day) and rule in ("", found.rule) and symbol in ("", found.symbol)
        if is_meant and (not account or account in found.accounts) and not (only_open and one.status in OVER):
            yield one


def alert(data: Path, name: str) -> dict[str, Any]:
    """One alert with all that is on record of it. Raises LookupError where there is none, and JournalError."""
    return row_of(_found(data, name))


def _found(data: Path, name: str) -> Alert:
    found = register_of(data).alerts.get(name)
    if found is None:
        raise LookupError(f"there is no alert {name} in {data / 'journal'}")
    return found


def alert_with_evidence(data: Path, name: str, instruments: dict[str, Instrument]) -> dict[str, Any]:
    """One alert, with `facts`: each fact of its evidence in words, {"fact", "time", "kind", "what happened"}. Prices
    and quantities are those of these instruments. Raises as `alert` does."""
    found = _found(data, name)
    return row_of(found) | {"facts": told_facts(data / "journal", found.finding.evidence, instruments)}


def row_of(one: Alert) -> dict[str, Any]:
    """An alert as others get it: ids of facts as text, times as ISO text (UTC)."""
    last = one.steps[-1] if one.steps else None
    return {
        **of_finding(one.finding),
        "raised": moment(one.at),
        "fact": id_text(one.fact),
        "status": str(one.status),
        "by": last.operator if last is not None else "",
        "why": last.text if last is not None else "",
        "dispositions": [
            {"at": moment(step.at), "fact": id_text(step.fact), "status": str(step.status), "by": step.operator,
             "text": step.text}
            for step in one.steps
        ],
    }  # fmt: skip


def of_finding(found: Finding) -> dict[str, Any]:
    """A finding in the same way."""
    return {
        "alert": found.alert,
        "rule": found.rule,
        "severity": found.severity,
        "score": found.score,
        "accounts": list(found.accounts),
        "symbol": found.symbol,
        "day": found.day,
        "began": moment(found.began),
        "ended": moment(found.ended),
        "sentences": list(found.sentences),
        "evidence": [id_text(number) for number in found.evidence],
        "values": dict(found.values),
        "thresholds": dict(found.thresholds),
    }


def moment(at: int) -> str:
    """Nanoseconds UTC -> 2026-11-27T14:30:05.123Z."""
    return f"{datetime.fromtimestamp(at // 10**9, UTC):%Y-%m-%dT%H:%M:%S}.{at % 10**9 // 10**6:03d}Z"
