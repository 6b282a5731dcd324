"""A TOML file -> frozen settings. Anything wrong is a ConfigError that names the file, the key and the reason."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from brokerfix.settings.checks import checked
from brokerfix.settings.sections import SECTIONS, TABLES, Config, ConfigError


def load(path: Path) -> Config:
    """Read and check a configuration. Raises ConfigError."""
    try:
        raw = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    return from_tables(path, raw)


def from_tables(path: Path, raw: Mapping[str, Any]) -> Config:
    """Check the tables of a file. Raises ConfigError."""
    unknown = [name for name in raw if name not in SECTIONS and name not in TABLES]
    if unknown:
        known = ", ".join((*SECTIONS, *TABLES))
        raise ConfigError(f"{path}: {unknown[0]}: no such section; there are {known}")
    if "broker" not in raw:
        raise ConfigError(f"{path}: broker: the section is missing")
    read: dict[str, Any] = {name: {} for name in TABLES}
    for name, section in SECTIONS.items():
        if name in raw:
            read[name] = _convert(path, name, raw[name], section)
    for name, section in TABLES.items():
        table = raw.get(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name}: must be tables, [{name}.NAME]")
        read[name] = {key: _convert(path, f"{name}.{key}", value, section) for key, value in table.items()}
    return checked(path, read)


def _convert(path: Path, key: str, value: object, section: type[msgspec.Struct]) -> Any:
    if isinstance(value, dict):
        # One by one: of a table of tables the whole would not say which is wrong.
        for field in msgspec.structs.fields(section):
            tables = value.get(field.name)
            if get_origin(field.type) is dict and isinstance(tables, dict):
                of = get_args(field.type)[1]
                if isinstance(of, type) and issubclass(of, msgspec.Struct):
                    for name, one in tables.items():
                        _convert(path, f"{key}.{field.name}.{name}", one, of)
    try:
        return msgspec.convert(value, section)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$")
        inner = where.rstrip("`").lstrip(".")
        raise ConfigError(f"{path}: {key}{'.' + inner if inner else ''}: {reason}") from error
