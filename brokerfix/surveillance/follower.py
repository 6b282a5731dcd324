"""Follows a journal, and has the running broker put on record what the rules find, each once.

What is found waits until the journal's end is reached: what is on record already, by an earlier process, is then known.
What was raised and is not seen in the journal yet is raised again; the broker takes no id twice.

What the rules remember is kept as a file, with the place in the journal that it is of, so that a start goes on from
there. With other settings the journal is read anew from its beginning; then nothing is raised of facts that were looked
at with the settings before.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from brokerfix.domain import Finding
from brokerfix.facts import AlertDisposed, SurveillanceAlerted
from brokerfix.operate.admin import ActionRefused, NotRunning, ask
from brokerfix.record.journal import Place, checksum_before, told_before
from brokerfix.record.kept import oldest
from brokerfix.record.onward import Onward
from brokerfix.settings.surveillance import SurveillanceSection
from brokerfix.surveillance.detector import Detector, dump, load
from brokerfix.surveillance.kept import VERSION, Head, Kept, read_kept, settings_of, write_kept
from brokerfix.surveillance.register import Register

log = logging.getLogger("brokerfix.surveillance")
BATCH = 2000
"""Records between two looks at what else there is to do."""


class Follower:
    """Of the journal of a data folder. `tell` has a finding put on record, and returns whether that was done."""

    def __init__(
        self, data: Path, section: SurveillanceSection, calendars: dict[str, str],
        tell: Callable[[Finding], bool] | None = None,
    ) -> None:  # fmt: skip
        self.data, self.folder, self.section = data, data / "journal", section
        self._calendars = calendars
        self._settings = settings_of(section, calendars)
        self._tell = tell or (lambda found: raise_alert(data, found))
        self.register = Register()
        self.pending: dict[str, Finding] = {}
        self.last_id = 0
        self._onward = Onward(self.folder, self._begin())
        self._kept_at = self.place

    @property
    def place(self) -> Place:
        """Behind the last record that was looked at."""
        return self._onward.place

    def _begin(self) -> Place:
        """What is known already. Returns where to go on."""
        kept = read_kept(self.data)
        if kept is not None and kept.head.settings == self._settings:
            self.register, self.pending, self.floor = kept.register, kept.pending, kept.head.floor
            self.last_id = kept.head.last_id
            self.detector = Detector(self.section, self._calendars, load(kept.memory))
            return Place(kept.head.segment, kept.head.offset)
        self.floor = kept.head.last_id if kept is not None else 0
        # What was found by the settings before, and is not on record yet, is still to be raised.
        self.pending = kept.pending if kept is not None else {}
        self.detector = Detector(self.section, self._calendars)
        state, place = oldest(self.folder)
        if state.last_id:
            self.detector.begin_with(state)
            for fact in (fact for record in told_before(self.folder) for fact in record.facts):
                self.register.note(fact)
        return place

    def follow(self) -> int:
        """Look at what the journal has beyond what was looked at, then raise what was found. Returns how many records
        that were."""
        total = self.look()
        self._raise()
        return total

    def look(self) -> int:
        """Only look: what is found is raised another time."""
        total = 0
        while count := self._read():
            total += count
        return total

    def _read(self) -> int:
        count = 0
        for record, _ in self._onward.take(BATCH):
            for fact in record.facts:
                if isinstance(fact, SurveillanceAlerted | AlertDisposed):
                    self.register.note(fact)
                    if isinstance(fact, SurveillanceAlerted):
                        self.pending.pop(fact.finding.alert, None)
                for found in self.detector.apply(fact):
                    if found.alert not in self.register.alerts and fact.id > self.floor:
                        self.pending[found.alert] = found
                self.last_id = fact.id
            count += 1
        return count

    def _raise(self) -> None:
        for found in list(self.pending.values()):
            if not self._tell(found):
                return
            self.pending.pop(found.alert, None)

    def keep(self) -> None:
        """Write what is known, whole or not at all."""
        if self.place == self._kept_at:
            return
        head = Head(
            VERSION, self._settings, *self.place, self.last_id, checksum_before(self.folder, self.place), self.floor
        )  # fmt: skip
        write_kept(self.data, Kept(head, self.register, self.pending, dump(self.detector.memory)))
        self._kept_at = self.place


def raise_alert(data: Path, found: Finding) -> bool:
    """Have the broker that runs on a data folder put a finding on record. Returns whether that was done."""
    try:
        ask(data, {"action": "raise-alert", "finding": msgspec.to_builtins(found)})
    except ActionRefused as error:
        # To ask again would bring the same, and keep those behind it waiting.
        log.error("alert %s is refused by the broker, and is not on record: %s", found.alert, error)
    except (NotRunning, OSError) as error:
        log.warning("alert %s is not on record yet: %s", found.alert, error)
        return False
    return True
