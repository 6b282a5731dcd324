"""How much of every limit is used, reckoned once for all pages that ask, and the less often the longer it takes."""

import asyncio
import time
from typing import NamedTuple
from weakref import WeakKeyDictionary

from brokerfix.console.accounts import limits_of, losses
from brokerfix.console.desk import Desk
from brokerfix.console.parts import yielding
from brokerfix.domain import Level

SECONDS = 1.0
SHARE = 10
"""So many times as long as it took passes until it is reckoned again."""


class Use(NamedTuple):
    """A limit: what share of it is used, which it is, its number, and how much is used (scaled by MONEY_DIGITS; None:
    nothing counts towards it)."""

    percent: float
    name: str
    level: Level
    limit: str
    most: int
    used: int | None


class Utilised:
    """Of one desk."""

    def __init__(self) -> None:
        self._found: list[Use] = []
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def all(self, desk: Desk) -> list[Use]:
        """Every limit that is set."""
        async with self._lock:
            began = time.monotonic()
            if began >= self._until:
                self._found = await self._reckon(desk)
                took = time.monotonic() - began
                self._until = time.monotonic() + max(SECONDS, SHARE * took)
        return self._found

    @staticmethod
    async def _reckon(desk: Desk) -> list[Use]:
        at, found = time.time_ns(), []
        async for bound in yielding(list(desk.feed.state.bounds.values())):
            level = f"{bound.level}"
            found += [
                Use(percent, f"{level} {name}", bound.level, name, most, used)
                for percent, name, most, used in limits_of(desk.feed.state, bound, at)
            ]
        for percent, name, account in losses(desk.feed.state):
            lost = max(0, account.opened_with - account.value)
            level_of = Level("account", name)
            found.append(Use(percent, f"{level_of} max_loss", level_of, "max_loss", account.most_lost, lost))
        return found


_UTILISED: WeakKeyDictionary[Desk, Utilised] = WeakKeyDictionary()


async def utilised(desk: Desk) -> list[Use]:
    return await _UTILISED.setdefault(desk, Utilised()).all(desk)
