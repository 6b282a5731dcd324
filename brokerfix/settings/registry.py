"""Clients that are added to a running broker, and where a data folder has what."""

import json
from pathlib import Path

import msgspec

from brokerfix.settings.sections import (
    ClientSection,
)

ADDED_CLIENTS = "clients.json"
"""Clients that were added to a running broker, in its data folder: they are there after a restart too."""


def keep_client(data: Path, name: str, section: ClientSection) -> None:
    """Remember an added client for the next start."""
    path = data / ADDED_CLIENTS
    known = json.loads(path.read_text()) if path.exists() else {}
    known[name] = msgspec.to_builtins(section)
    written = path.with_suffix(".new")
    written.write_text(json.dumps(known, indent=2))
    written.replace(path)


def added_clients(data: Path) -> dict[str, ClientSection]:
    """The clients that were added while the broker ran."""
    path = data / ADDED_CLIENTS
    if not path.exists():
        return {}
    return msgspec.convert(json.loads(path.read_text()), dict[str, ClientSection])


def database_path(data: Path) -> Path:
    """The database of a data folder."""
    return data / "brokerfix.db"
