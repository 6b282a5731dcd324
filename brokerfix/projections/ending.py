"""SIGTERM as something that a loop can wait for."""

import os
import select
import signal


class Ending:
    """Whether SIGTERM has come.

    It is not a `threading.Event`: a handler that sets one while the same thread holds the event's lock, for a moment in
    each `wait`, waits for ever.
    """

    def __init__(self) -> None:
        self._told = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        signal.signal(signal.SIGTERM, lambda number, frame: os.eventfd_write(self._told, 1))

    def fileno(self) -> int:
        """For a loop that waits for other things too: it is readable once SIGTERM has come."""
        return self._told

    def wait(self, seconds: float = 0) -> bool:
        """Wait for it so long at most. Returns whether it has come."""
        return bool(select.select([self._told], [], [], seconds)[0])
