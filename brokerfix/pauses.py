"""How long the loop's turns take: while one lasts, nothing else is read. The longest counts."""

from collections import deque

MINUTE = 60


class Pauses:
    """The longest turn, in nanoseconds: of this second, of each of the last 60, and since the start."""

    def __init__(self) -> None:
        self.this_second = 0
        self.ever = 0
        self._seconds: deque[int] = deque(maxlen=MINUTE)

    def end_second(self) -> None:
        self._seconds.append(self.this_second)
        self.ever = max(self.ever, self.this_second)
        self.this_second = 0

    @property
    def last_minute(self) -> int:
        return max((*self._seconds, self.this_second))

    def restart(self) -> None:
        """Forget what was, e.g. what a start takes."""
        self.this_second = self.ever = 0
        self._seconds.clear()
