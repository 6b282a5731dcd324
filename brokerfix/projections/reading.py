"""A broker's database for those who read it, whichever it is: SQLite in the data folder, or PostgreSQL.

A query is written once, in the SQL that both know: parameters are `:names`, and what differs is asked of the reading
(`one_of`, `joined`, `milliseconds`). Rows have text for amounts, times and JSON, and numbers for what is whole. Of
PostgreSQL's tables a query sees its own broker's rows alone.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any, Protocol

from brokerfix.projections.tables import Kind
from brokerfix.settings.registry import database_path
from brokerfix.settings.sections import Config
from brokerfix.settings.store import NEEDS, in_postgres

Row = dict[str, Any]


class Unreadable(Exception):
    """Why the database can't be used now, for people."""


class Reading(Protocol):
    """A database that is read, by several threads if need be."""

    @property
    def exists(self) -> bool:
        """Whether there may be anything in it."""

    def query(self, sql: str, values: Mapping[str, Any]) -> list[Row]:
        """The rows of a query. Raises Unreadable."""

    def one_of(self, name: str, kind: Kind = Kind.TEXT) -> str:
        """SQL for the values of the parameter `name`, a JSON list of any length, to be behind IN."""

    def joined(self, text: str) -> str:
        """SQL for all rows' texts, with commas between."""

    def milliseconds(self, moment: str) -> str:
        """SQL for a time without what is less than a millisecond."""

    def moment(self, name: str) -> str:
        """SQL for the parameter `name`, ISO 8601 in UTC with milliseconds, to be compared with `milliseconds`."""

    def close(self) -> None:
        """Let go of what is kept for the next query."""


class SqliteReading:
    """SQLite in a data folder."""

    def __init__(self, config: Config) -> None:
        self.path = database_path(config.data)

    @property
    def exists(self) -> bool:
        return self.path.exists()

    def query(self, sql: str, values: Mapping[str, Any]) -> list[Row]:
        if not self.exists:
            raise Unreadable(f"{self.path}: there is no database yet; start the broker with store = true")
        # Most commands read nothing.
        from brokerfix.projections.database import Database

        database = Database(self.path)
        try:
            return list(database.query(sql, dict(values)))
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR and not str(error).startswith("no such"):
                raise
            # It is being made, or made anew.
            raise Unreadable(
                f"the database can't be read now ({error}); is the broker's projection running?"
            ) from error
        finally:
            database.close()

    def one_of(self, name: str, kind: Kind = Kind.TEXT) -> str:
        return f"(select value from json_each(:{name}))"

    def joined(self, text: str) -> str:
        return f"group_concat({text}, ', ')"

    def milliseconds(self, moment: str) -> str:
        return f"substr({moment}, 1, 23) || 'Z'"

    def moment(self, name: str) -> str:
        return f":{name}"

    def close(self) -> None:
        """Nothing is kept."""


def reading_of(config: Config, seconds: float = 0) -> Reading:
    """How the database of a configuration is read; a query may take so many seconds, 0: as long as it takes. Raises
    Unreadable where what that needs is not installed."""
    if not in_postgres(config):
        return SqliteReading(config)
    try:
        # Who has SQLite needs no psycopg.
        from brokerfix.projections.reading_postgres import PostgresReading
    except ImportError as error:
        raise Unreadable(f"{config.path}: {NEEDS}") from error
    return PostgresReading(config, seconds)
