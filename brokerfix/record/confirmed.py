"""Up to where a journal may be told to others, as projections and checkpoints do it.

Where messages wait for the replicated stream, a record that it has not confirmed is not yet a fact: a standby that
takes over may not have it, and it is then cut. Everywhere else what is written counts.
"""

import mmap
import os
from pathlib import Path
from struct import Struct

FILE = "cluster.shared"
"""What the cluster's agent and the broker share, see `cluster.shared`; these are the slots that matter here."""
ROLE, CONFIRMED, WAITS = 0, 2, 31
PRIMARY, LOST = 2, 3
NUMBER = Struct("@Q")


class Confirmed:
    """Looks at a data folder's cluster, if it has one."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILE
        self._map: mmap.mmap | None = None

    def limit(self) -> int | None:
        """The position (`record.place`) up to which the journal counts, None for all that there is. What a standby has
        is the stream's."""
        if self._map is None:
            if not self._path.exists():
                return None
            descriptor = os.open(self._path, os.O_RDONLY)
            try:
                self._map = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
            finally:
                os.close(descriptor)
        if not self._slot(WAITS) or self._slot(ROLE) not in (PRIMARY, LOST):
            return None
        return self._slot(CONFIRMED)

    def _slot(self, number: int) -> int:
        assert self._map is not None
        value: int = NUMBER.unpack_from(self._map, number * NUMBER.size)[0]
        return value
