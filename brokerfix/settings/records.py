"""How long records are kept, what a legal hold keeps beyond that, and where clients' personal data are: [records]."""

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from brokerfix.settings.base import ConfigError, Section

Days = Annotated[int, Meta(ge=0, le=36_500)]
"""0: for ever."""
Day = Annotated[str, Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")]
FIRST, LAST = "0001-01-01", "9999-12-31"


class HoldSection(Section, frozen=True):
    """Nothing that it covers is deleted or erased. It covers the clients and accounts that it names (none: all), from
    the day `first` to `last` ("": from the beginning, until it ends); a day's files have everybody's facts, so that one
    client's hold keeps the whole day. `by` has put it on `since` a day."""

    reason: Annotated[str, Meta(min_length=1, max_length=400)]
    by: Annotated[str, Meta(min_length=1, max_length=64)]
    since: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    clients: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    first: Day = ""
    last: Day = ""

    def covers_day(self, day: str) -> bool:
        """Whether something of a day, 2026-11-27, is held."""
        return (self.first or FIRST) <= day <= (self.last or LAST)

    def covers(self, names: Collection[str]) -> bool:
        """Whether it is about one of these clients or accounts."""
        return not (self.clients or self.accounts) or any(name in names for name in (*self.clients, *self.accounts))


class OutputSection(Section, frozen=True):
    """Other files, as reports and logs: `files` is a pattern beside the configuration; a file's day is that of its last
    change."""

    files: Annotated[str, Meta(min_length=1)]
    days: Annotated[int, Meta(ge=1, le=36_500)]


class RecordsSection(Section, frozen=True):
    """Days that records are kept, 0: for ever. `personal` is the folder of clients' personal data, `personal_keys` that
    of their keys ("": below the data folder)."""

    journal_days: Days = 0
    history_days: Days = 0
    personal_days: Days = 0
    personal: str = ""
    personal_keys: str = ""
    outputs: dict[str, OutputSection] = msgspec.field(default_factory=dict)
    holds: dict[str, HoldSection] = msgspec.field(default_factory=dict)

    def personal_folder(self, path: Path, data: Path) -> Path:
        """Where the personal data are, for the configuration `path` with its data folder."""
        return (path.parent / self.personal).resolve() if self.personal else data / "personal"

    def key_folder(self, path: Path, data: Path) -> Path:
        """Where their keys are."""
        return (path.parent / self.personal_keys).resolve() if self.personal_keys else data / "personal-keys"

    def hold_of_day(self, day: str) -> str:
        """Which hold keeps a day, as words; "": none does."""
        return next((_words(name, one) for name, one in self.holds.items() if one.covers_day(day)), "")

    def hold_of(self, names: Collection[str]) -> str:
        """Which hold is about one of these clients or accounts, as words; "": none is."""
        return next((_words(name, one) for name, one in self.holds.items() if one.covers(names)), "")


def _words(name: str, hold: HoldSection) -> str:
    return f"records.holds.{name}: {hold.reason} (by {hold.by}, since {hold.since})"


def check_records(path: Path, read: Mapping[str, Any]) -> RecordsSection:
    """Raises ConfigError where a day is none. A hold may name clients and accounts that are not configured any more."""
    section: RecordsSection = read.get("records") or RecordsSection()
    for name, hold in section.holds.items():
        for key in ("since", "first", "last"):
            try:
                date.fromisoformat(getattr(hold, key) or FIRST)
            except ValueError as error:
                raise ConfigError(f"{path}: records.holds.{name}.{key}: {getattr(hold, key)} is no day") from error
        if hold.first and hold.last and hold.first > hold.last:
            raise ConfigError(f"{path}: records.holds.{name}.last: is before its first day")
    if section.personal_keys and section.personal_keys == section.personal:
        raise ConfigError(f"{path}: records.personal_keys: keys are kept apart from what they open: another folder")
    return section
