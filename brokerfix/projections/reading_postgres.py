"""PostgreSQL for those who read it, see `reading`."""

import re
import threading
import time
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader

from brokerfix.projections.migrations import NewerSchema, applied, check
from brokerfix.projections.reading import Row, Unreadable
from brokerfix.projections.server import connect, told
from brokerfix.projections.tables import TABLES, Kind
from brokerfix.settings.sections import Config, ConfigError

MOST_IDLE = 8
"""Connections that are kept for the next query."""
DOWN_SECONDS = 1.0
"""For so long nobody waits for a server again that could not be connected to."""
_NAMED = re.compile(r"(?<![:\w]):([a-z_]+)")
_TABLE = re.compile(rf"\b({'|'.join(TABLES)})\b")


class MomentLoader(Loader):
    """A time of a session in UTC as the projections write it: ISO 8601 with microseconds."""

    def load(self, data: Buffer) -> str:
        # "2026-11-22 09:30:00.5+00"
        text = bytes(data).decode()
        return f"{text[:10]}T{text[11:19]}.{text[20:-3]:0<6}Z"


class PostgresReading:
    """PostgreSQL, of which one shard's rows are read. A query that takes longer than `seconds` (0: none does) fails."""

    def __init__(self, config: Config, seconds: float = 0) -> None:
        self.config, self.seconds = config, seconds
        self.exists = True
        self._idle: list[psycopg.Connection] = []
        self._lock = threading.Lock()
        self._down_until, self._down = 0.0, ""

    def query(self, sql: str, values: Mapping[str, Any]) -> list[Row]:
        """See `Reading`."""
        statement = self._of_the_shard(sql)
        try:
            while True:
                connection, is_new = self._connection()
                try:
                    with connection.cursor(row_factory=dict_row) as cursor:
                        rows = cursor.execute(statement, values).fetchall()
                except psycopg.Error as error:
                    # Since it was last used the server may have been started again, or the schema be another one.
                    is_outdated = connection.broken or isinstance(error, psycopg.ProgrammingError)
                    connection.close()
                    if is_new or not is_outdated:
                        raise
                    continue
                self._keep(connection)
                return rows
        except psycopg.errors.QueryCanceled as error:
            raise Unreadable(f"the database has not answered within {self.seconds:g} s") from error
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable, NewerSchema, ConfigError) as error:
            raise Unreadable(f"the database can't be read now: {told(self.config, error)}") from error
        except psycopg.ProgrammingError as error:
            if error.sqlstate is not None and not error.sqlstate.startswith("42501"):
                raise
            raise Unreadable(f"the database can't be read: {told(self.config, error)}") from error

    def _connection(self) -> tuple[psycopg.Connection, bool]:
        """One that nobody uses now, and whether it is new."""
        with self._lock:
            if self._idle:
                return self._idle.pop(), False
            if time.monotonic() < self._down_until:
                raise Unreadable(self._down)
        try:
            return self._connected(), True
        except psycopg.OperationalError as error:
            self._down = f"the database can't be read now: {told(self.config, error)}"
            self._down_until = time.monotonic() + DOWN_SECONDS
            raise Unreadable(self._down) from error

    def _connected(self) -> psycopg.Connection:
        connection = connect(self.config, f"brokerfix {self.config.broker.name} reads")
        try:
            check(*applied(connection))
            connection.execute("set default_transaction_read_only = on")
            connection.execute(f"set statement_timeout = {round(1000 * self.seconds)}")
        except BaseException:
            connection.close()
            raise
        for name in ("numeric", "json"):
            connection.adapters.register_loader(name, TextLoader)
        connection.adapters.register_loader("timestamptz", MomentLoader)
        return connection

    def _keep(self, connection: psycopg.Connection) -> None:
        with self._lock:
            if len(self._idle) < MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """See `Reading`."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _of_the_shard(self, sql: str) -> str:
        """A query whose tables are one shard's rows, without the column that says so: the planner puts their terms into
        it as if they stood there."""
        views = [
            f"{name} as not materialized (select {', '.join(TABLES[name][0])} from brokerfix.{name} "
            f"where shard = {self.config.broker.shard})"
            for name in dict.fromkeys(_TABLE.findall(sql))
        ]
        return f"with {', '.join(views)} " + _NAMED.sub(r"%(\1)s", sql.replace("%", "%%"))

    def one_of(self, name: str, kind: Kind = Kind.TEXT) -> str:
        number = kind is Kind.WHOLE
        value = "cast(value as bigint)" if number else "value"
        return f"(select {value} from json_array_elements_text(cast(:{name} as json)))"

    def joined(self, text: str) -> str:
        return f"string_agg({text}, ', ')"

    def milliseconds(self, moment: str) -> str:
        return f"date_trunc('milliseconds', {moment})"

    def moment(self, name: str) -> str:
        return f"cast(:{name} as timestamptz)"
