"""How long the loop's turns take: while one lasts, nothing else is read. The longest counts."""

from collections import deque

MINUTE = 60


class Pauses:
    """The longest turn, in nanoseconds: of this second, of each of the last 60, since the start, and since it was asked
    for last."""

    def __init__(self) -> None:
        self.this_second = 0
        self.ever = 0
        self._asked = 0
        self._seconds: deque[int] = deque(maxlen=MINUTE)

    def end_second(self) -> None:
        self._seconds.append(self.this_second)
        self.ever = max(self.ever, self.this_second)
        self._asked = max(self._asked, self.this_second)
        self.this_second = 0

    @property
    def last_minute(self) -> int:
        return max((*self._seconds, self.this_second))

    def since_asked(self) -> int:
        """The longest since this was called last."""
        longest = max(self._asked, self.this_second)
        self._asked = 0
        return longest
