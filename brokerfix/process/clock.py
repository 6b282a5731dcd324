"""How far the machine's clock is from the one that it is kept with."""

import ctypes
from typing import NamedTuple

UNSYNCHRONIZED = 0x0040
IN_NANOSECONDS = 0x2000
"""STA_UNSYNC and STA_NANO of adjtimex(2)."""


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>, as far as it is read; the kernel writes behind it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )


class ClockState(NamedTuple):
    """Whether the clock is kept with another, how far it is from that and how wrong it may be at most (ns)."""

    synchronized: bool
    offset: int
    max_error: int


def clock_state() -> ClockState | None:
    """How the clock is, or None where the system does not tell."""
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (AttributeError, OSError):
        return None
    told = _Timex()
    if adjtimex(ctypes.byref(told)) < 0:
        return None
    unit = 1 if told.status & IN_NANOSECONDS else 1000
    return ClockState(not told.status & UNSYNCHRONIZED, told.offset * unit, told.maxerror * 1000)
