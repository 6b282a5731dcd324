"""What the rules find in a whole journal."""

from collections.abc import Iterator
from pathlib import Path

from brokerfix.domain import Finding
from brokerfix.record.journal import read
from brokerfix.record.kept import oldest
from brokerfix.settings.surveillance import SurveillanceSection
from brokerfix.surveillance.detector import Detector


def scanned(folder: Path, section: SurveillanceSection, calendars: dict[str, str]) -> Iterator[Finding]:
    """In a journal's folder, oldest first. What waits for a time that has not come is not found. Raises
    JournalError."""
    detector = Detector(section, calendars)
    state, since = oldest(folder)
    if state.last_id:
        detector.begin_with(state)
    for record in read(folder, since=since):
        for fact in record.facts:
            yield from detector.apply(fact)
