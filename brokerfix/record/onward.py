"""A journal that is read on and on, a part at a time, up to where it counts."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from brokerfix.record.confirmed import Confirmed
from brokerfix.record.journal import Place, Record, places
from brokerfix.record.place import position_of


class Onward:
    """Where a reader is in a journal's folder: `place`. What a cluster has not confirmed is not there yet. A segment's
    rest is read once for many parts: each part by itself would read all that is behind it."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.folder, self.place = folder, place
        self._confirmed = Confirmed(folder.parent)
        self._rest: Iterator[tuple[Record, Place]] | None = None

    def take(self, most: int) -> Iterator[tuple[Record, Place]]:
        """The next records, so many at most, each with the place behind it. Whoever does not take them to the end gets
        the one that he had last again. A last record may be in the middle of its write: it is whole at the next look.
        Raises JournalError."""
        limit = self._confirmed.limit()
        rest, self._rest = self._rest, None
        count = 0
        # What is kept may be at its end, and more be written since.
        for source in (rest, None) if rest is not None else (None,):
            records = source if source is not None else places(self.folder, since=self.place)
            for record, place in islice(records, most):
                if limit is not None and position_of(place) > limit:
                    return
                yield record, place
                self.place = place
                count += 1
            if count:
                break
        if count == most:
            self._rest = records
