"""The schema of the PostgreSQL database, step by step. `NNNN_name.sql` is a step; its first line says which version a
program has to know at least to go on with a database that has it: `-- fits: N`.

A step is never changed once it was released: what is to be different is a new one.
"""

import re
from pathlib import Path
from typing import NamedTuple

import psycopg

KEY = 0x62726F6B
"""Of our advisory locks, with a number: 0 is the schema's, shards have theirs behind it."""
SCHEMA = 0
_FITS = re.compile(r"-- fits: (\d+)\n")


class Step(NamedTuple):
    """A step: what it makes the database's version, its name, and which version a program has to know for it."""

    number: int
    name: str
    fits: int
    sql: str


class NewerSchema(Exception):
    """The database is of a version that this program does not know."""


def steps() -> list[Step]:
    """All that there are, in their order."""
    found = []
    for path in sorted(Path(__file__).parent.glob("[0-9]*.sql")):
        number, _, name = path.stem.partition("_")
        sql = path.read_text()
        fits = _FITS.match(sql)
        assert fits is not None, path
        found.append(Step(int(number), name, int(fits[1]), sql))
    return found


STEPS = steps()


def applied(connection: psycopg.Connection) -> tuple[int, int]:
    """The version of a database, and the one that a program has to know for it; 0 where it has no schema."""
    there = connection.execute("select to_regclass('brokerfix.migrations') is not null").fetchone()
    if there is None or not there[0]:
        return 0, 0
    row = connection.execute("select coalesce(max(number), 0), coalesce(max(fits), 0) from brokerfix.migrations")
    version, fits = row.fetchone() or (0, 0)
    return version, fits


def check(version: int, fits: int) -> None:
    """Raises NewerSchema."""
    known = STEPS[-1].number
    if fits > known:
        raise NewerSchema(
            f"its schema is version {version}, which needs a brokerfix that knows version {fits}; this one knows "
            f"{known}: install the newer brokerfix here too"
        )


def migrate(connection: psycopg.Connection) -> list[str]:
    """Bring a database to the newest version, in one transaction, while nobody else writes to it. Returns the names of
    the steps that were made. Raises NewerSchema."""
    version, fits = applied(connection)
    check(version, fits)
    if version >= STEPS[-1].number:
        return []
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s, %s)", [KEY, SCHEMA])
        # Another broker may have done it meanwhile.
        version, fits = applied(connection)
        check(version, fits)
        if version == 0:
            connection.execute("create schema if not exists brokerfix")
            connection.execute(
                "create table brokerfix.migrations (number integer primary key, name text not null, "
                "fits integer not null, made_at timestamptz not null default now())"
            )
        made = [step for step in STEPS if step.number > version]
        for step in made:
            connection.execute(step.sql)
            row = [step.number, step.name, step.fits]
            connection.execute("insert into brokerfix.migrations (number, name, fits) values (%s, %s, %s)", row)
    return [step.name for step in made]
