"""A journal that is read on and on, a part at a time."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from brokerfix.record.journal import Place, Record, places


class Onward:
    """Where a reader is in a journal's folder (`place`). A segment's rest is read once for many parts: each part by
    itself would read all that is behind it."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.folder, self.place = folder, place
        self._rest: Iterator[tuple[Record, Place]] | None = None

    def take(self, most: int) -> Iterator[tuple[Record, Place]]:
        """The next records, so many at most, each with the place behind it. Whoever does not take them to the end gets
        the one that he had last again. Raises JournalError."""
        rest, self._rest = self._rest, None
        count = 0
        # What is kept may be at its end, and more be written since.
        for source in (rest, None) if rest is not None else (None,):
            records = source if source is not None else places(self.folder, since=self.place)
            for record, place in islice(records, most):
                yield record, place
                self.place = place
                count += 1
            if count:
                break
        if count == most:
            self._rest = records
