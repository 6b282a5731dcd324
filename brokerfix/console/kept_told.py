"""What helper processes have told, kept for a while: however many pages want it, it is made once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

MOST_KEPT = 16


class Told(NamedTuple):
    """What a command has printed, and when (seconds since 1970) it was asked."""

    output: bytes
    at: float


class KeptTold:
    """The newest answers of `run`, so many at `most`, which starts a command of `brokerfix` and raises where it fails.
    `clock` is in seconds."""

    def __init__(
        self, run: Callable[..., Awaitable[bytes]], most: int = MOST_KEPT, clock: Callable[[], float] = time.time
    ) -> None:
        self._run, self._most, self._clock = run, most, clock
        self._told: dict[tuple[str, ...], Told] = {}
        self._asking: dict[tuple[str, ...], asyncio.Lock] = {}

    async def ask(self, *words: str, seconds: float, anew: bool = False) -> Told:
        """What the command prints, not older than so many seconds; `anew`: not older than this question. Raises what
        `run` does."""
        asked = self._clock()
        async with self._asking.setdefault(words, asyncio.Lock()):
            known = self._told.get(words)
            if known is not None and known.at >= (asked if anew else asked - seconds):
                return known
            at = self._clock()
            self._told.pop(words, None)
            try:
                told = self._told[words] = Told(await self._run(*words), at)
            except BaseException:
                self._asking.pop(words, None)
                raise
            for old in list(self._told)[: max(0, len(self._told) - self._most)]:
                del self._told[old]
                self._asking.pop(old, None)
            return told
