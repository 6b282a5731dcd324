"""Kills that wait for a broker that does not answer: it begins with them, before any order."""

import json
import logging
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger("brokerfix")


class Kill(NamedTuple):
    """What is to be killed, by whom."""

    kind: str
    name: str
    operator: str


def path_of(data: Path) -> Path:
    return data / "kill"


def leave(data: Path, kill: Kill) -> None:
    """Have a broker's next start begin with a kill. Raises OSError."""
    with path_of(data).open("a") as file:
        file.write(json.dumps(kill) + "\n")


def left(data: Path) -> list[Kill]:
    """The kills that were left for a start. What is not readable kills all: somebody wanted a kill."""
    try:
        lines = path_of(data).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    kills = []
    for line in lines:
        try:
            kills.append(Kill(*map(str, json.loads(line))))
        except (ValueError, TypeError):
            log.error("%s: %r is no kill; all is killed", path_of(data), line[:100])
            kills.append(Kill("all", "", "unknown"))
    return kills


def done(data: Path) -> None:
    """The kills are on record."""
    path_of(data).unlink(missing_ok=True)
