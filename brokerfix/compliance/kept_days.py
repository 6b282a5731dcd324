"""Whether a journal still has the days that a report is of: a file made anew without them would take the place of the
one that had them."""

from pathlib import Path

from brokerfix.record.before import deletions, told_gone
from brokerfix.record.journal import JournalError, before_path, segments


def check_kept(journal: Path, first: int, last: int) -> None:
    """Raises JournalError where a day from `first` to `last` (YYYYMMDD) was deleted, or there is no journal at all."""
    oldest = next(iter(segments(journal)), None)
    if oldest is None:
        raise JournalError(f"{journal}: there is no journal: has a broker run with this configuration?")
    if not before_path(oldest).exists() or first >= int(oldest.stem):
        return
    days = (one.file.name.removesuffix(".journal") for one in deletions(journal) if one.file.what == "journal")
    if any(first <= int(day) <= last and int(day) < int(oldest.stem) for day in days):
        raise JournalError(
            f"{journal}: {told_gone(journal)}: what was reported of it can't be made again, and what was made stays as "
            "it is"
        )
