"""What helper processes have told, kept for a while: however many pages want it, it is made once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

MOST_KEPT = 16
T = TypeVar("T")


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
            told = self._told[words] = Told(await self._run(*words), at)
            for old in list(self._told)[: max(0, len(self._told) - self._most)]:
                del self._told[old]
                self._asking.pop(old, None)
            return told


class Shared(Generic[T]):
    """The newest answer to one question that all pages ask, not older than `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = float("-inf")
        self._lock = asyncio.Lock()
        self._answer: T | None = None

    async def get(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, asked for where it is older. Raises what `ask` does."""
        async with self._lock:
            if self._answer is None or time.monotonic() - self._at > self._seconds:
                self._answer = None
                self._answer = await ask()
                self._at = time.monotonic()
            return self._answer
