"""How the console is served, and to whom."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from brokerfix.settings.base import ConfigError, Section


class ConsoleSection(Section, frozen=True):
    """The console in a browser: where it listens, in which time zone it tells times, and how long a person who does
    nothing stays logged in. `names` are the host names that browsers reach it by beside the address. `people` is the
    file of who may log in, `certification` the folder of reports of `certify`."""

    port: Annotated[int, Meta(ge=1, le=65535)]
    address: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    certificate: str = ""
    key: str = ""
    zone: str = "UTC"
    people: str = ""
    certification: str = ""
    idle_minutes: Annotated[float, Meta(gt=0, le=1440)] = 30.0
    session_hours: Annotated[float, Meta(gt=0, le=24)] = 12.0
    second_factor: bool = True
    failures_before_lockout: Annotated[int, Meta(ge=1, le=1000)] = 5
    lockout_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 300.0

    def people_file(self, path: Path, data: Path) -> Path:
        """Where the people are, for the configuration `path` with its data folder."""
        return (path.parent / self.people).resolve() if self.people else data / "console" / "people.json"

    def certification_folder(self, path: Path, data: Path) -> Path:
        """Where `certify` has left its reports, for the configuration `path` with its data folder."""
        return (path.parent / self.certification).resolve() if self.certification else data / "certification"


def check_console(path: Path, read: dict[str, Any]) -> ConsoleSection | None:
    """The section of the file's tables, checked. Raises ConfigError."""
    section: ConsoleSection | None = read.get("console")
    if section is None:
        return None
    if bool(section.certificate) != bool(section.key):
        raise ConfigError(f"{path}: console: certificate and key go together")
    try:
        is_local = ip_address(section.address).is_loopback
    except ValueError as error:
        raise ConfigError(f"{path}: console.address: {section.address!r} is no IP address") from error
    if not is_local and not section.certificate:
        raise ConfigError(f"{path}: console.address: beyond 127.0.0.1 it needs TLS: certificate and key")
    try:
        ZoneInfo(section.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"{path}: console.zone: there is no time zone {section.zone!r}") from error
    return section
