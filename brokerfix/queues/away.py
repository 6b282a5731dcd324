"""What every queue's connection tells when its servers can't be used."""

from pathlib import Path

from brokerfix.settings.base import ConfigError
from brokerfix.settings.servers import ServersSection

FIRST_CONNECT_SECONDS = 4.0
"""Within which one of the servers has to be there."""
UNREADABLE = "brokerfix-unreadable"
"""The only header of a message whose own can't be read; it says why."""


class ServerAway(Exception):
    """No server of a section can be used now: which, why, and what to do."""


def told(path: Path, key: str, section: ServersSection, error: Exception | str, is_refused: bool = False) -> str:
    """Why servers can't be used, for people. `is_refused`: they do not let us in."""
    where = f"{path}: {key}.servers: {', '.join(section.servers)}"
    if is_refused:
        who = f"user {section.user!r}" if section.user else "a client without a name"
        return f"{where}: {who} is not let in: look at {key}.user and its password"
    why = str(error) or type(error).__name__
    return f"{where}: can't connect: {why}: is a server running there?"


def file_of(path: Path, key: str, name: str) -> str:
    """The full name of a file that a section names, for a library that reads it itself. Raises ConfigError."""
    file = (path.parent / name).resolve()
    if not file.is_file():
        raise ConfigError(f"{path}: {key}: {file} can't be read: there is no such file")
    return str(file)
