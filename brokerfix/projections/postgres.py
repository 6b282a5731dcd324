"""The PostgreSQL projection of the journal: the same tables as SQLite has, of several brokers in one database. A
process of its own that follows the journal.

`shard` is a part of every key. What is large has partitions: for each shard, and of what is written once for each
trading day, so that no broker is in another one's way. Rows come by COPY; those that change over time through a
temporary table. The journal is what counts: a commit does not wait for the server's disk, and what the server loses is
written again.
"""

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from operator import itemgetter
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from brokerfix.projections.lag import Lag
from brokerfix.projections.migrations import KEY, SCHEMA, NewerSchema, applied, check, migrate
from brokerfix.projections.projection import NOTHING, POLL_SECONDS, Progress, Projection
from brokerfix.projections.published import moment
from brokerfix.projections.reading import Unreadable
from brokerfix.projections.rows import Row, Rows
from brokerfix.projections.server import StoreRefused, advice_of, connect, place_of, told
from brokerfix.projections.tables import DAILY, ENDING, TABLES
from brokerfix.projections.tail import Anew, follow_until_ended
from brokerfix.record.journal import Place
from brokerfix.settings.load import load
from brokerfix.settings.sections import Config, ConfigError

log = logging.getLogger("brokerfix.projections.postgres")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
TRIM_AGAIN_SECONDS = 60.0
STUCK_SECONDS = 60.0
"""A server that has not taken a batch within this, though it is there, is let go."""
WATCH_SECONDS = 1.0
TAKE_TIMEOUT = "2s"
CLEAR_TIMEOUT = "2s"
LOCK_TIMEOUT = "1s"
"""For so long a drop may wait for readers, and others for it."""
NOT_TEXT = (None, "22021", "22P05")
"""Errors of text that has no place in the server's character set; None: psycopg has noticed it."""
SHARDED = (*DAILY, *ENDING)
CHANGING = {"orders": 70, "child_orders": 70}
"""Tables of which rows change several times: so full (percent) are their pages at first."""


class Postgres:
    """The rows of a configuration's shard in its database. Raises what `connect` does, NewerSchema, and StoreRefused
    where another process or broker has the shard."""

    def __init__(self, config: Config) -> None:
        self.config, self.shard = config, config.broker.shard
        self.connection = connect(config, f"brokerfix {config.broker.name} shard {self.shard}")
        self._days: set[tuple[str, str]] = set()
        self._trim_at = 0.0
        self._asked_at = 0.0
        try:
            self._take()
            for step in migrate(self.connection):
                log.warning("%s: the schema's step %s is made", place_of(config), step)
            self.connection.execute("set synchronous_commit = off")
            self._make_partitions()
            for name in TABLES.keys() - DAILY.keys():
                self.connection.execute(f"create temp table new_{name} (like brokerfix.{name}) on commit delete rows")
        except BaseException:
            self.connection.close()
            raise

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """What the server has to do here takes it a moment."""
        before, self._asked_at = self._asked_at, time.monotonic()
        try:
            yield
        finally:
            self._asked_at = before

    def cut_if_stuck(self) -> None:
        """For another thread: end the connection of a server that does not answer, for whoever waits for it."""
        asked_at = self._asked_at
        if asked_at and time.monotonic() - asked_at > STUCK_SECONDS:
            # It may have been closed meanwhile.
            with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.connection.fileno())) as same:
                same.shutdown(socket.SHUT_RDWR)

    def _take(self) -> None:
        """Be the only one who writes this shard, as long as the connection lives."""
        lock = [KEY, 1 + self.shard]
        try:
            with self.connection.transaction():
                # Who has just ended may still be there for a moment.
                self._run(f"set local lock_timeout = '{TAKE_TIMEOUT}'")
                self.connection.execute("select pg_advisory_lock(%s, %s)", lock)
            return
        except psycopg.errors.LockNotAvailable:
            pass
        holder = self.connection.execute(
            "select a.application_name, coalesce(host(a.client_addr), 'its own machine') from pg_locks l "
            "join pg_stat_activity a using (pid) where l.locktype = 'advisory' and l.granted and l.classid = %s "
            "and l.objid = %s and l.database = (select oid from pg_database where datname = current_database())",
            lock,
        ).fetchone()
        who = f"{holder[0]!r} from {holder[1]}" if holder is not None else "another process"
        raise StoreRefused(
            f"shard {self.shard} is being written by {who}: each broker needs a broker.shard of its own; this one waits"
        )

    # Partitions

    def _part(self, name: str, day: str = "") -> str:
        return f"{name}_{self.shard:02}" + (f"_{day}" if day else "")

    def _make_partitions(self) -> None:
        """This shard's. They are attached, and not made in their place: that would wait for whoever reads the table."""
        for name in SHARDED:
            part = self._part(name)
            with self.connection.transaction():
                self._hold_schema()
                if self._is_there(part):
                    continue
                by = f"partition by range ({DAILY[name]})" if name in DAILY else f"with (fillfactor = {CHANGING[name]})"
                self._run(f"create table brokerfix.{part} (like brokerfix.{name} including all) {by}")
                self._run(
                    f"alter table brokerfix.{name} attach partition brokerfix.{part} for values in ({self.shard})"
                )

    def _make_day(self, name: str, day: str) -> None:
        parent, part = self._part(name), self._part(name, day)
        if not self._is_there(part):
            # Numbers begin with their day and a dash; a full stop is the next sign.
            self._run(f"create table brokerfix.{part} (like brokerfix.{parent} including all)")
            self._run(
                f"alter table brokerfix.{parent} attach partition brokerfix.{part} "
                f"for values from ('{day}-') to ('{day}.')"
            )

    def _is_there(self, table: str) -> bool:
        found = self.connection.execute("select to_regclass(%s) is not null", [f"brokerfix.{table}"]).fetchone()
        return found is not None and bool(found[0])

    def _run(self, statement: str) -> None:
        """Execute what takes no parameters."""
        self.connection.execute(statement)

    def _hold_schema(self) -> None:
        """Nobody changes the schema until the transaction ends, and it is one that we know."""
        self.connection.execute("select pg_advisory_xact_lock_shared(%s, %s)", [KEY, SCHEMA])
        check(*applied(self.connection))

    # What a Store does

    def progress(self) -> Progress:
        """See `Store`. Raises StoreRefused where the shard is another broker's."""
        query = 'select segment, "offset", last_id, broker from brokerfix.progress where shard = %s'
        # Also of a server that has nothing to do, it is to be noticed that it hangs.
        with self._asking():
            row = self.connection.execute(query, [self.shard]).fetchone()
        if row is None:
            return NOTHING
        if row[3] != self.config.broker.name:
            raise StoreRefused(
                f"shard {self.shard} has the orders of broker {row[3]}, and this is {self.config.broker.name}: use "
                f"another broker.shard or database; `brokerfix rebuild` has it forget {row[3]}'s"
            )
        return Progress(Place(row[0], row[1]), row[2])

    def write(self, rows: Rows, old: Progress, new: Progress, written: int) -> None:
        """See `Store`. Text that PostgreSQL can't hold has signs of replacement in it."""
        try:
            with self._asking():
                self._write(rows, old, new, written)
        except (psycopg.DataError, UnicodeEncodeError) as error:
            if getattr(error, "sqlstate", None) not in NOT_TEXT:
                raise
            log.warning("%s: text that it can't hold is changed: %s", place_of(self.config), error)
            for changed in rows.tables.values():
                for row in changed.values():
                    row.update({name: _clean(value) for name, value in row.items()})
            with self._asking():
                self._write(rows, old, new, written)

    def _write(self, rows: Rows, old: Progress, new: Progress, written: int) -> None:
        days = {(name, row[key][:8]) for name, key in DAILY.items() for row in rows.tables[name].values()} - self._days
        with self.connection.transaction():
            self._hold_schema()
            if self.progress() != old:
                raise Anew
            for name, day in sorted(days):
                self._make_day(name, day)
            for name, changed in rows.tables.items():
                if not changed:
                    continue
                if name in DAILY:
                    self._copy(name, f"brokerfix.{name}", changed.values())
                else:
                    self._copy(name, f"new_{name}", changed.values())
                    self.connection.execute(UPSERTS[name])
            for change in rows.changes.values():
                self._change(change)
            self.connection.execute(
                'insert into brokerfix.progress (shard, broker, segment, "offset", last_id, written) '
                "values (%s, %s, %s, %s, %s, %s) on conflict (shard) do update set broker = excluded.broker, "
                'segment = excluded.segment, "offset" = excluded."offset", last_id = excluded.last_id, '
                "written = excluded.written",
                [self.shard, self.config.broker.name, *new.place, new.last_id, moment(written) if written else None],
            )
        # Now that it is committed.
        self._days |= days

    def _copy(self, name: str, table: str, rows: Iterable[Row]) -> None:
        columns = TABLES[name][0]
        values, shard = itemgetter(*columns), self.shard
        into = f"copy {table} (shard, {', '.join(columns)}) from stdin"
        with self.connection.cursor() as cursor, cursor.copy(into) as copy:
            for row in rows:
                copy.write_row((shard, *values(row)))

    def _change(self, change: Row) -> None:
        terms = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in change
        )
        query = sql.SQL("update brokerfix.executions set {} where shard = %(shard)s and exec_id = %(exec_id)s")
        self.connection.execute(query.format(terms), {**change, "shard": self.shard})

    def clear(self) -> None:
        """See `Store`. Other shards' rows are not touched."""
        with self.connection.transaction():
            # Who reads for long must not have all others wait behind us.
            self._run(f"set local lock_timeout = '{CLEAR_TIMEOUT}'")
            self._hold_schema()
            for name in SHARDED:
                self._run(f"truncate brokerfix.{self._part(name)}")
            for name in (*(TABLES.keys() - set(SHARDED)), "progress"):
                self.connection.execute(f"delete from brokerfix.{name} where shard = %s", [self.shard])

    def trim(self, first: str) -> bool:
        """See `Store`. Where somebody reads what is to go, it is tried again later."""
        if time.monotonic() < self._trim_at:
            return False
        self._trim_at = time.monotonic() + TRIM_AGAIN_SECONDS
        try:
            with self.connection.transaction():
                self._run(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
                self._hold_schema()
                for name in DAILY:
                    for day in self._days_before(name, first):
                        self._run(f"drop table brokerfix.{self._part(name, day)}")
                for name, key in ENDING.items():
                    self.connection.execute(
                        f"delete from brokerfix.{name} one where shard = %(shard)s and {key} < %(first)s and "
                        "leaves_qty = 0 and not exists (select from brokerfix.executions e "
                        "where e.shard = %(shard)s and e.order_id = one.order_id)",
                        {"shard": self.shard, "first": first},
                    )
        except psycopg.errors.LockNotAvailable:
            log.info("%s: somebody reads days before %s; they are dropped later", place_of(self.config), first)
            return False
        self._trim_at = 0.0
        self._days = {(name, day) for name, day in self._days if day >= first}
        return True

    def _days_before(self, name: str, first: str) -> list[str]:
        found = self.connection.execute(
            "select right(c.relname, 8) from pg_inherits i join pg_class c on c.oid = i.inhrelid "
            "where i.inhparent = to_regclass(%s) order by 1",
            [f"brokerfix.{self._part(name)}"],
        )
        return [day for (day,) in found if day < first]


def _upsert(name: str) -> str:
    columns, pk = TABLES[name]
    key = ", ".join(("shard", *pk))
    others = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in pk)
    listed = ", ".join(("shard", *columns))
    return (
        f"insert into brokerfix.{name} ({listed}) select {listed} from new_{name} "
        f"on conflict ({key}) do update set {others}"
    )


UPSERTS = {name: _upsert(name) for name in TABLES.keys() - DAILY.keys()}


def _clean(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


class Following:
    """The projection of a data folder's journal to PostgreSQL, through all that may happen to the server: what is wrong
    is said once, and tried again with growing pauses."""

    def __init__(self, data: Path, config: Config, lag: Lag) -> None:
        self.data, self.config, self.lag = data, config, lag
        self._store: Postgres | None = None
        self._projection: Projection | None = None
        self._told = ""
        self._pause, self._try_at = FIRST_PAUSE, 0.0

    def follow(self) -> int:
        """Project what is new, if the database takes it. Returns how many records that were."""
        if time.monotonic() < self._try_at:
            return 0
        try:
            projection = self._connected()
            count = projection.follow()
        except (psycopg.Error, NewerSchema, StoreRefused, ConfigError) as error:
            self._failed(error)
            return 0
        if self._told:
            log.warning("%s: takes the journal again", place_of(self.config))
        self._told, self._pause = "", FIRST_PAUSE
        return count

    def watch(self) -> None:
        """See that a server that hangs is told, in a thread of its own."""
        threading.Thread(target=self._watch, daemon=True, name="watch").start()

    def _watch(self) -> None:
        while True:
            store = self._store
            if store is not None:
                store.cut_if_stuck()
            time.sleep(WATCH_SECONDS)

    def _connected(self) -> Projection:
        if self._store is None:
            self._store = Postgres(self.config)
            if self._projection is not None:
                self._projection.store = self._store
                self._projection.go_on()
        if self._projection is None:
            self._projection = Projection(self.data, self._store, self.config.broker.store_days, self.lag)
        return self._projection

    def _failed(self, error: Exception) -> None:
        self.close()
        text = told(self.config, error)
        # A server that stops says one thing, and to be gone another: it is one trouble.
        trouble = advice_of(error) or text
        if trouble != self._told:
            log.error("%s", text)
        self._told = trouble
        self.lag.fails(text)
        self._try_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None


def forget(config: Config) -> None:
    """Have the projection make a shard's rows anew, which notices it or finds it at its next start. Raises
    Unreadable, ConfigError."""
    try:
        with connect(config, "brokerfix rebuild") as connection:
            version, fits = applied(connection)
            check(version, fits)
            if version:
                connection.execute("delete from brokerfix.progress where shard = %s", [config.broker.shard])
    except (psycopg.Error, NewerSchema) as error:
        raise Unreadable(f"the database can't be used now: {told(config, error)}") from error


def main() -> None:
    """Project the journal, see `follow_until_ended`; the third argument is the configuration."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")

    def begun(data: Path) -> Following:
        lag = Lag(data)
        lag.watch()
        following = Following(data, load(Path(sys.argv[3])), lag)
        following.watch()
        return following

    follow_until_ended(begun, "brokerfix.db.lock", "another process projects this journal", POLL_SECONDS).close()


if __name__ == "__main__":
    main()
