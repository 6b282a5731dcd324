"""The SQLite projection of the journal, for people and tools to query. A process of its own that follows the journal.

Amounts are decimal text, exact. The database can be deleted at any time: it is made again from the journal.
"""

import sys
from pathlib import Path

from brokerfix.projections.database import Database
from brokerfix.projections.lag import Lag
from brokerfix.projections.projection import NOTHING, POLL_SECONDS, Progress, Projection
from brokerfix.projections.rows import Rows
from brokerfix.projections.tables import DAILY, ENDING, TABLES, WHOLE, pages
from brokerfix.projections.tail import Anew, follow_until_ended
from brokerfix.record.journal import Place
from brokerfix.settings.registry import database_path

SCHEMA = 6
PROGRESS = {"id": int, "segment": str, "offset": int, "last_id": int}
INDEXES = {
    "orders": (pages("order_id"), "client, cl_ord_id"),
    "executions": (pages("exec_id"),),
}


class Sqlite:
    """The database of a data folder."""

    def __init__(self, data: Path) -> None:
        self.path = database_path(data)
        self._open()

    def _open(self) -> None:
        """Open it; one of another schema is made anew."""
        db = Database(self.path)
        if db.table_names() and db.execute("pragma user_version").fetchone()[0] != SCHEMA:
            db.close()
            remove(self.path)
            db = Database(self.path)
        self._is_empty = not db.table_names()
        db.enable_wal()
        for name, (columns, pk) in TABLES.items():
            if name not in db.table_names():
                types = {column: int if kind is WHOLE else str for column, kind in columns.items()}
                db.table(name).create(types, pk=pk if len(pk) > 1 else pk[0])
        db.table("progress").create(PROGRESS, pk="id", if_not_exists=True)
        for name, indexes in INDEXES.items():
            for at, columns_of in enumerate(indexes):
                db.execute(f"create index if not exists {name}_{at} on {name} ({columns_of})")
        db.execute(f"pragma user_version = {SCHEMA}")
        self.db = db

    def progress(self) -> Progress:
        """See `Store`."""
        stored = next(iter(self.db.query("select segment, offset, last_id from progress")), None)
        return Progress(Place(stored["segment"], stored["offset"]), stored["last_id"]) if stored else NOTHING

    def write(self, rows: Rows, old: Progress, new: Progress, written: int) -> None:
        """See `Store`."""
        self._is_empty = False
        with self.db.atomic():
            if self.progress() != old:
                raise Anew
            for name, changed in rows.tables.items():
                if changed:
                    self.db.table(name).upsert_all(list(changed.values()), pk=TABLES[name][1])
            for change in rows.changes.values():
                terms = ", ".join(f"{column} = :{column}" for column in change)
                self.db.execute(f"update executions set {terms} where exec_id = :exec_id", change)
            stored = {"id": 1, **new.place._asdict(), "last_id": new.last_id}
            self.db.table("progress").upsert(stored, pk="id")

    def clear(self) -> None:
        """See `Store`. The file is another one then, and for a moment there is none. One that was just made stays."""
        if self._is_empty:
            return
        self.db.close()
        remove(self.path)
        self._open()

    def trim(self, first: str) -> bool:
        """See `Store`."""
        with self.db.atomic():
            for name, key in DAILY.items():
                self.db.execute(f"delete from {name} where {key} < ?", [first])
            for name, key in ENDING.items():
                done = "cast(leaves_qty as real) = 0 and order_id not in (select order_id from executions)"
                self.db.execute(f"delete from {name} where {key} < ? and {done}", [first])
        return True

    def forget(self) -> None:
        """Have the projection make it anew, which notices it or finds it at its next start."""
        self.db.execute("delete from progress")
        self.db.conn.commit()

    def close(self) -> None:
        self.db.close()


def remove(path: Path) -> None:
    """Delete a database with the files that SQLite has beside it."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def projected(data: Path, keep_days: int = 0) -> Projection:
    """The projection of a data folder's journal to its database."""
    return Projection(data, Sqlite(data), keep_days)


def main() -> None:
    """Project the journal, see `follow_until_ended`; the third argument is for how many days."""

    def begun(data: Path) -> Projection:
        lag = Lag(data)
        lag.watch()
        return Projection(data, Sqlite(data), int(sys.argv[3]), lag)

    follow_until_ended(begun, "brokerfix.db.lock", "another process projects this journal", POLL_SECONDS)


if __name__ == "__main__":
    main()
