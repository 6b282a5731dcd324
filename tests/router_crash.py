"""A router that ends itself with SIGKILL the n-th time it comes to a point: `router_crash CONFIG POINT N`."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brokerfix.router import log as record
from brokerfix.router.hub import Hub
from brokerfix.router.link import Link
from brokerfix.router.process import run
from brokerfix.router.session import Session
from brokerfix.settings.load import load
from tests.crash_broker import Bomb

POINTS = (
    "before a message is written",
    "in the middle of writing",
    "after a message is written",
    "before the client is sent",
    "after the client was sent",
    "before a shard is sent",
    "after a shard was sent",
    "before a shard's Logon",
    "while the shards log on",
)


def arm(bomb: Bomb) -> None:
    """Put the bomb where things are written and sent."""
    append = record.Log.append

    def bombed_append(self: record.Log, events: list[Any]) -> None:
        # Its own numbers only are written by a session's own messages.
        if not any(event[0] in (0, 1) for event in events):
            return append(self, events)
        bomb.at(POINTS[0])
        if bomb.point == POINTS[1] and bomb.left == 1:
            data = record._encode(events)
            os.pwrite(self._descriptor, (record.RECORD.pack(len(data), 0) + data)[: len(data) // 2 + 5], self.end)
        bomb.at(POINTS[1])
        append(self, events)
        bomb.at(POINTS[2])

    record.Log.append = bombed_append  # type: ignore[method-assign]
    around(bomb, Session, "write", POINTS[3], POINTS[4])
    around(bomb, Link, "write", POINTS[5], POINTS[6])
    around(bomb, Link, "_log_on", POINTS[7], "")
    around(bomb, Hub, "shard_up", "", POINTS[8])


def around(bomb: Bomb, of: type, name: str, before: str, after: str) -> None:
    inner: Callable[..., Any] = getattr(of, name)

    def bombed(*arguments: Any) -> Any:
        bomb.at(before)
        result = inner(*arguments)
        bomb.at(after)
        return result

    setattr(of, name, bombed)


def main() -> None:
    config, point, count = sys.argv[1:]
    arm(Bomb(point, int(count)))
    sys.exit(run(load(Path(config))))


if __name__ == "__main__":
    main()
