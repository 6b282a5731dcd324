"""The PostgreSQL server that a broker's database is on: how it is connected to, and what its errors mean for people."""

import getpass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from brokerfix.settings.sections import Config
from brokerfix.settings.store import PASSWORD, password_of

DEFAULTS: dict[str, Any] = {
    # A server that is gone without a word is noticed within half a minute.
    "connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}  # fmt: skip
"""What the address does not say otherwise (libpq's connection parameters)."""
OF_THE_SERVER = "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3"
"""The server notices it too: what we have locked is free then."""
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
"""Relative to the configuration, as all paths in it; libpq takes them relative to where we were started."""
NO_FILES = ("system",)

WITH_PASSWORD = f"broker.store_password_file, or {PASSWORD} in the environment, has to be the password of this user"
BY_STATE = {
    "28P01": WITH_PASSWORD,
    "28000": "the server's pg_hba.conf has to let this user in from here",
    "3D000": "make the database first: createdb",
    "42501": "the database's owner has to allow it: grant create, connect, temporary on the database to this user",
    "53100": "the server's disk is full: make room there",
    "53300": "raise the server's max_connections",
    "55P03": "somebody reads or changes these tables for long; it is tried again",
    "25006": "this is a standby: connect to the primary, e.g. by target_session_attrs=read-write in the address",
}
BY_WORDS = {
    "password authentication failed": WITH_PASSWORD,
    "no password supplied": WITH_PASSWORD,
    "no pg_hba.conf entry": BY_STATE["28000"],
    "does not exist": "the user and the database have to be made first: createuser, createdb",
    "certificate": "sslmode and sslrootcert in broker.store have to be right for the server's certificate",
    "SSL": "sslmode and sslrootcert in broker.store have to be right for the server",
    "could not translate host name": "is the host's name right?",
    "too many": BY_STATE["53300"],
    "starting up": "the server is starting",
    "shutting down": "the server is stopping; start it again",
    "read-only": BY_STATE["25006"],
    "invalid": "broker.store takes libpq's connection parameters",
}
ANYWAY = "is the server running, and can it be reached from here?"


class StoreRefused(Exception):
    """Why this broker may not use the database, for the operator."""


def connect(config: Config, purpose: str) -> psycopg.Connection:
    """A connection to the database of a configuration; `purpose` is what the server's administrator sees. Each
    statement is a transaction of its own. Raises psycopg.Error, or ConfigError where the password can't be read."""
    given = _given(config)
    password = password_of(config)
    settings = {**DEFAULTS, "application_name": purpose[:63], **given}
    for name in FILES:
        if settings.get(name, "system") not in NO_FILES:
            settings[name] = str((config.path.parent / settings[name]).resolve())
    if password is not None:
        settings["password"] = password
    connection = psycopg.connect(make_conninfo("", **settings), autocommit=True)
    connection.execute(OF_THE_SERVER)
    connection.execute("set time zone 'UTC'")
    return connection


def place_of(config: Config) -> str:
    """What people call the database by: user, host, port and name."""
    given = _given(config)
    host = given.get("host") or given.get("hostaddr") or "local socket"
    user = given.get("user") or getpass.getuser()
    return f"postgresql://{user}@{host}:{given.get('port') or 5432}/{given.get('dbname') or user}"


def _given(config: Config) -> dict[str, Any]:
    assert isinstance(config.broker.store, str)
    return {name: value for name, value in conninfo_to_dict(config.broker.store).items() if value is not None}


def told(config: Config, error: Exception) -> str:
    """What is wrong, where, and what to do, in one line."""
    try:
        place = place_of(config)
    except psycopg.ProgrammingError:
        place = f"{config.path}: broker.store"
    text, advice = " ".join(str(error).split()) or type(error).__name__, advice_of(error)
    return f"{place}: {text}" + (f"; {advice}" if advice else "")


def advice_of(error: Exception) -> str:
    """What to do about an error; "": its text says it."""
    if not isinstance(error, psycopg.Error):
        return ""
    text = str(error)
    advice = BY_STATE.get(error.sqlstate or "")
    if advice is None:
        advice = next((what for words, what in BY_WORDS.items() if words in text), None)
    if advice is None:
        advice = ANYWAY if isinstance(error, psycopg.OperationalError) else ""
    return advice
