"""Where a broker's database is: none, SQLite in its data folder, or PostgreSQL, by a connection URI of libpq's."""

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from brokerfix.settings.base import ConfigError

if TYPE_CHECKING:
    from brokerfix.settings.sections import BrokerSection, Config

PASSWORD = "BROKERFIX_STORE_PASSWORD"
NEEDS = "broker.store: needs psycopg: pip install 'brokerfix[postgres]'"
SCHEMES = ("postgresql", "postgres")


def in_postgres(config: "Config") -> bool:
    """Whether the broker's database is a PostgreSQL server's."""
    return isinstance(config.broker.store, str)


def password_of(config: "Config") -> str | None:
    """The password for the database: out of its file or, where none is named, of the environment; None: libpq looks for
    one in its own ways. Raises ConfigError where the file can't be read."""
    named = config.broker.store_password_file
    if not named:
        return os.environ.get(PASSWORD)
    file = (config.path.parent / named).resolve()
    try:
        password = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{config.path}: broker.store_password_file: {file} can't be read: {why}") from error
    if not password:
        raise ConfigError(f"{config.path}: broker.store_password_file: {file} is empty")
    return password


def check_store(path: Path, broker: "BrokerSection") -> None:
    """Raises ConfigError where the database can't be meant so."""
    store = broker.store
    if not isinstance(store, str):
        if broker.store_password_file:
            raise ConfigError(f"{path}: broker.store_password_file: is for a store in PostgreSQL")
        return
    try:
        parts = urlsplit(store)
        password = parts.password
    except ValueError as error:
        raise ConfigError(f"{path}: broker.store: is no address: {error}") from error
    # What may be a password is not told.
    if parts.scheme not in SCHEMES or not store.startswith(f"{parts.scheme}://"):
        told = 'is true, false, or an address like "postgresql://broker@db.example:5432/desk?sslmode=verify-full"'
        raise ConfigError(f"{path}: broker.store: {told}")
    # Written in another way, libpq would not take it for one; it would stand in the file all the same, and be told.
    named = any("password" in key.lower() for key, _ in parse_qsl(parts.query, keep_blank_values=True))
    if password is not None or named or ":" in unquote(parts.username or ""):
        raise ConfigError(
            f"{path}: broker.store: a password does not belong into this file, which others read too: put it into a "
            f"file that broker.store_password_file names, or into the environment as {PASSWORD}"
        )
