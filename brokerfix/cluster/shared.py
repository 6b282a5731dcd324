"""What the broker's process and the agent beside it tell each other: a small mapped file of 64-bit numbers, each
written in one go by the one that it is of."""

import mmap
import os
import time
from enum import IntEnum
from pathlib import Path

from brokerfix.record.confirmed import FILE

SLOTS = 64
ENDLESS = (1 << 64) - 1


def clock() -> int:
    """The time that a lease is counted by, in ns: it never goes back, and goes on while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Role(IntEnum):
    """What this node is. LOST: it was the primary, and has to stop at once. REFUSED: it can't take part; the agent's
    file says why."""

    STARTING = 0
    STANDBY = 1
    PRIMARY = 2
    LOST = 3
    REFUSED = 4


class Check(IntEnum):
    """What came of comparing states with the primary."""

    NONE = 0
    SAME = 1
    DIFFERENT = 2


class Slot(IntEnum):
    """The agent's, from ROLE on, and the broker's, from TAIL on. Positions are those of `record.place`, times those of
    CLOCK_MONOTONIC in ns, but for the lease's."""

    ROLE = 0
    EPOCH = 1
    CONFIRMED = 2
    """Up to where the stream has the journal."""
    DEADLINE = 3
    """Until when this node is the primary, unless it is renewed, by `clock`."""
    QUORUM = 4
    """Whether the stream takes what is appended."""
    FOLLOWED = 5
    """Up to where this node's segments are those of the stream."""
    WENT_ON = 6
    """Whether the primary before this one was this node as well, and nobody since."""
    STREAM_END = 7
    UNCONFIRMED_SINCE = 8
    """When the oldest message was published that the stream has not confirmed; 0: none."""
    STANDBYS = 9
    """How many standbys follow closely."""
    SWITCHED = 10
    """1: the lease was given to another node, as SWITCH asked; 2: that is refused; the agent's file says why."""
    TAIL = 24
    """Up to where the journal is written."""
    SWITCH = 25
    """1: hand the lease over to the best standby, or to the one that is named, once all is confirmed."""
    CHECKED = 26
    """A Check: how the last comparison of states went."""
    CHECKED_AT = 27
    """The number of the fact that it was at."""
    INSTANCE = 28
    """Which start of this node it is: the agent holds the lease under it, and goes on with it when it was killed."""
    APPLIED = 29
    """Up to where a standby's state is."""
    TURNED = 30
    """Counts the turns of the broker's loop, as a standby and as the primary; 0: it is in none."""
    WAITS = 31
    """1: messages wait for the stream, so what it has not confirmed is not told to others, see `record.confirmed`."""


NAME_AT, NAME_SIZE = (SLOTS - 8) * 8, 64
"""Where the name of the node stands that SWITCH is for."""


class Shared:
    """The file, as one of both has it mapped."""

    def __init__(self, data: Path) -> None:
        self._descriptor = os.open(data / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.posix_fallocate(self._descriptor, 0, SLOTS * 8)
        self._map = mmap.mmap(self._descriptor, SLOTS * 8)
        self._slots = memoryview(self._map).cast("Q")

    def __getitem__(self, slot: Slot) -> int:
        return self._slots[slot]

    def __setitem__(self, slot: Slot, value: int) -> None:
        self._slots[slot] = value

    def clear(self) -> None:
        """Begin with nothing: no agent may have it."""
        for slot in range(SLOTS):
            self._slots[slot] = 0

    @property
    def role(self) -> Role:
        return Role(self._slots[Slot.ROLE])

    @property
    def is_over(self) -> bool:
        """Whether the lease is over."""
        return clock() >= self._slots[Slot.DEADLINE]

    @property
    def name(self) -> str:
        """The node that a switch is for; "": any."""
        return bytes(self._map[NAME_AT : NAME_AT + NAME_SIZE]).rstrip(b"\0").decode()

    @name.setter
    def name(self, name: str) -> None:
        self._map[NAME_AT : NAME_AT + NAME_SIZE] = name.encode()[:NAME_SIZE].ljust(NAME_SIZE, b"\0")

    def close(self) -> None:
        self._slots.release()
        self._map.close()
        os.close(self._descriptor)
