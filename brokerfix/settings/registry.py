"""Clients and exchanges that are added to a running broker, and where a data folder has what."""

import json
from pathlib import Path
from typing import TypeVar

import msgspec

from brokerfix.settings.sections import ClientSection, Config, Section, VenueSection
from brokerfix.settings.whole import write_whole

S = TypeVar("S", bound=Section)
ADDED_CLIENTS, ADDED_VENUES = "clients.json", "venues.json"
"""What was added to a running broker, in its data folder: it is there after a restart too."""


def keep_client(data: Path, name: str, section: ClientSection) -> None:
    """Remember an added client for the next start."""
    _keep(data / ADDED_CLIENTS, name, section)


def keep_venue(data: Path, name: str, section: VenueSection) -> None:
    """Remember an added exchange for the next start."""
    _keep(data / ADDED_VENUES, name, section)


def added_clients(data: Path) -> dict[str, ClientSection]:
    """The clients that were added while the broker ran."""
    return _read(data / ADDED_CLIENTS, ClientSection)


def added_venues(data: Path) -> dict[str, VenueSection]:
    """The exchanges that were added while the broker ran."""
    return _read(data / ADDED_VENUES, VenueSection)


def complete(config: Config) -> None:
    """Put what was added into the configuration, which has the last word on what it names itself."""
    for name, client in added_clients(config.data).items():
        config.clients.setdefault(name, client)
    for name, venue in added_venues(config.data).items():
        config.venues.setdefault(name, venue)


def _keep(path: Path, name: str, section: Section) -> None:
    known = json.loads(path.read_text()) if path.exists() else {}
    known[name] = msgspec.to_builtins(section)
    write_whole(path, json.dumps(known, indent=2).encode(), synced=False)


def _read(path: Path, kind: type[S]) -> dict[str, S]:
    if not path.exists():
        return {}
    return msgspec.convert(json.loads(path.read_text()), dict[str, kind])  # type: ignore[valid-type]


def database_path(data: Path) -> Path:
    """The database of a data folder."""
    return data / "brokerfix.db"


def market_path(data: Path) -> Path:
    """The database of the market history in a data folder."""
    return data / "market.sqlite"
