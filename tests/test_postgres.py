"""The PostgreSQL projection on a real server: the same rows as SQLite has, whatever happens to it or to the server."""

import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from brokerfix.cli import main
from brokerfix.doors.archive import Archive, Wanted
from brokerfix.projections import migrations
from brokerfix.projections.lag import Lag, lag_of
from brokerfix.projections.migrations import NewerSchema, applied
from brokerfix.projections.postgres import Following, Postgres, forget
from brokerfix.projections.projection import NOTHING, Projection
from brokerfix.projections.reading import Reading, Unreadable, reading_of
from brokerfix.projections.server import told as told_of
from brokerfix.projections.sqlite import projected
from brokerfix.projections.tables import TABLES, Kind, number_of
from brokerfix.record.before import prepare, remove
from brokerfix.record.journal import Journal
from brokerfix.settings.load import load
from brokerfix.settings.sections import Config
from brokerfix.tools.certificates import Authority
from brokerfix.tools.postgres_server import PostgresServer
from tests.live import INSTRUMENT, until
from tests.postgres_server import tls_proxy
from tests.scenario import FACTS, World, run_step
from tests.test_scenarios import SCENARIOS
from tests.test_store import CHANGES, STEPS

CONFIG = """
[broker]
name = "{name}"
port = 9876
data = "{data}"
store = {store}
shard = {shard}
{more}
{instrument}
"""
SAMPLE = SCENARIOS[::25]
"""A few of every kind."""


@pytest.fixture(scope="module", autouse=True)
def _password(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROKERFIX_STORE_PASSWORD", "of the broker")
        yield


def config_of(folder: Path, store: str, shard: int = 0, name: str = "BROKER", more: str = "") -> Config:
    """A broker's configuration in a folder; `store` is the address of its database, or "true"."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{shard}.toml"
    store = store if store == "true" else f'"{store}"'
    path.write_text(CONFIG.format(name=name, data=folder, store=store, shard=shard, more=more, instrument=INSTRUMENT))
    return load(path)


class Desk:
    """A broker without sockets, and its journal in a folder."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data, self.world = data, World(**settings)
        self.journal = Journal(data / "journal")
        self.journal.open(20261122)
        self._written = 0
        self._numbers = itertools.count(1)

    def do(self, *steps: str) -> None:
        for step in steps:
            run_step(self.world, step)
        for record in self.world.records[self._written :]:
            self.journal.append(FACTS.decode(record))
        self._written = len(self.world.records)

    def trade(self, times: int = 1) -> None:
        """An order that an exchange fills, so many times."""
        for _ in range(times):
            number, child = next(self._numbers), len(self.world.names) + 1
            self.do(
                f"client ALICE new N{number} buy 100 AAPL 150.10",
                f"venue XNAS ack c{child}",
                f"venue XNAS fill c{child} 100@150.10 cum 100",
            )

    def expected(self) -> dict[str, list[dict[str, Any]]]:
        """What a new SQLite database has of it."""
        for path in self.data.glob("brokerfix.db*"):
            path.unlink()
        projection = projected(self.data)
        projection.follow()
        projection.store.close()  # type: ignore[attr-defined]
        return rows(reading_of(config_of(self.data, "true")))


def begun(data: Path) -> Desk:
    """A desk with an exchange that quotes."""
    desk = Desk(data)
    desk.do("venue XNAS up", "quote XNAS AAPL bid 90000@149.90 ask 90000@150.10", "record")
    return desk


def rows(reading: Reading) -> dict[str, list[dict[str, Any]]]:
    """All that readers see."""
    found = {
        name: reading.query(f"select * from {name} order by {', '.join(key)}", {}) for name, (_, key) in TABLES.items()
    }
    reading.close()
    return found


def in_postgres(config: Config) -> dict[str, list[dict[str, Any]]]:
    return rows(reading_of(config))


def following(config: Config, lag: Lag | None = None) -> Following:
    return Following(config.data, config, lag or Lag(config.data))


def projected_once(config: Config) -> None:
    """Project what there is."""
    store = Postgres(config)
    Projection(config.data, store, config.broker.store_days).follow()
    store.close()


# What is in it


def test_both_databases_have_the_same_rows_of_what_scenarios_do(postgres: PostgresServer, tmp_path: Path) -> None:
    address = postgres.make("parity")
    found = dict.fromkeys(TABLES, 0)
    journals: list[tuple[list[str], dict[str, str]]] = [(STEPS, {}), (CHANGES, {})]
    journals += [([step for step, _ in one.steps], one.settings) for one in SAMPLE]
    assert len(journals) < 100
    for shard, (steps, settings) in enumerate(journals):
        desk = Desk(tmp_path / str(shard), **settings)
        desk.do(*steps)
        config = config_of(desk.data, address, shard)
        projected_once(config)
        expected = desk.expected()
        assert in_postgres(config) == expected, steps
        for name, of_table in expected.items():
            found[name] += len(of_table)
    assert all(found.values()), found


def test_the_schema_has_the_tables_that_the_rows_are_of(postgres: PostgresServer, tmp_path: Path) -> None:
    Postgres(config_of(tmp_path, postgres.make("tables"))).close()
    columns = (
        "select column_name, data_type, collation_name from information_schema.columns "
        "where table_schema = 'brokerfix' and table_name = %s order by ordinal_position"
    )
    with postgres.connect("tables") as connection:
        for name, (expected, key) in TABLES.items():
            found = connection.execute(columns, [name]).fetchall()
            assert found[0] == ("shard", "smallint", None)
            assert [(column, kind) for column, kind, _ in found[1:]] == [
                (column, kind.value) for column, kind in expected.items()
            ]
            # Sorted as SQLite does, byte by byte.
            assert {collation for _, kind, collation in found if kind == "text"} <= {"C"}
            index = connection.execute(
                "select pg_get_indexdef(indexrelid) from pg_index where indisprimary and indrelid = to_regclass(%s)",
                [f"brokerfix.{name}"],
            ).fetchone()
            assert index is not None
            assert f"(shard, {', '.join(key)})" in index[0]


def test_text_that_postgres_can_not_hold_is_changed(postgres: PostgresServer, tmp_path: Path) -> None:
    config = config_of(tmp_path, postgres.make("text"))
    desk = begun(tmp_path)
    desk.trade()
    store = Postgres(config)
    projection = Projection(tmp_path, store)
    for _ in iter(lambda: projection.tail.follow(projection._note, 100), 0):
        for row in projection.rows.tables["executions"].values():
            row["venue_exec_id"] = "E\0\udcff1"
    projection._flush()
    (execution,) = in_postgres(config)["executions"]
    assert execution["venue_exec_id"] == "E\ufffd?1"
    store.close()


def test_pages_are_read_by_an_index_of_one_days_partitions(postgres: PostgresServer, tmp_path: Path) -> None:
    config = config_of(tmp_path, postgres.make("plans"))
    desk = begun(tmp_path)
    desk.trade(30)
    projected_once(config)
    reading = reading_of(config)
    for table, key in (("orders", "order_id"), ("executions", "exec_id")):
        number = number_of(key)
        query = f"select * from {table} where client = :client and {number} < :below order by {number} desc limit 5"
        reading.query("select 1 as one from orders where client = :client", {"client": "x"})
        plan = reading.query(
            # The tables of a query are another broker's to nobody: the planner sees one shard's.
            f"select * from ({query}) found", {"client": "ALICE", "below": 2**62},
        )  # fmt: skip
        assert len(plan) == 5
        with postgres.connect("plans") as connection:
            connection.execute("set enable_seqscan = off")
            statement = reading._of_the_shard(query).replace("with ", "explain with ", 1)  # type: ignore[attr-defined]
            told = connection.execute(statement, {"client": "ALICE", "below": 2**62}).fetchall()
        lines = [line for (line,) in told]
        assert any(f"{table}_00" in line and "Index Scan" in line for line in lines), lines
        assert not any("Sort" in line for line in lines), lines
    reading.close()


# Several brokers


def test_two_brokers_at_once_in_one_database(postgres: PostgresServer, tmp_path: Path) -> None:
    address = postgres.make("two")
    desks = [begun(tmp_path / name) for name in ("a", "b")]
    configs = [config_of(desk.data, address, 1 + at, f"B{at}") for at, desk in enumerate(desks)]
    followings = [following(config) for config in configs]
    for turn in range(4):
        for desk, one in zip(desks, followings, strict=True):
            desk.trade(1 + turn)
            assert one.follow()
    desks[1].do("client ALICE new X1 buy 100 AAPL 149.00", "operator jo split AAPL 2 1")
    followings[1].follow()
    for desk, config in zip(desks, configs, strict=True):
        assert in_postgres(config) == desk.expected()
    with postgres.connect("two") as connection:
        counts = connection.execute("select shard, count(*) from brokerfix.executions group by 1 order by 1").fetchall()
    assert counts == [(1, 10), (2, 10)]
    for one in followings:
        one.close()


def test_a_shard_has_one_writer(postgres: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    address = postgres.make("writers")
    desk = begun(tmp_path / "a")
    first, second = following(config_of(desk.data, address, 7)), following(config_of(desk.data, address, 7))
    assert first.follow()
    assert second.follow() == 0
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "shard 7 is being written by 'brokerfix BROKER shard 7' from 127.0.0.1" in record.message
    first.close()
    desk.trade()
    until(lambda: second.follow() > 0)
    assert in_postgres(second.config) == desk.expected()
    second.close()


def test_a_shard_of_another_broker_is_not_taken(
    postgres: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = postgres.make("taken")
    ours, theirs = begun(tmp_path / "a"), begun(tmp_path / "b")
    theirs.trade(2)
    projected_once(config_of(theirs.data, address, 0, "DESK-B"))
    config = config_of(ours.data, address, 0, "DESK-A")
    one = following(config)
    assert one.follow() == 0
    assert "shard 0 has the orders of broker DESK-B, and this is DESK-A" in caplog.text
    assert in_postgres(config) == theirs.expected()
    forget(config)
    until(lambda: one.follow() > 0)
    assert in_postgres(config) == ours.expected()
    one.close()


def test_another_journal_takes_the_place_of_this_shards_rows_alone(postgres: PostgresServer, tmp_path: Path) -> None:
    """As after a power loss, when the journal has lost its end and goes on with other facts."""
    address = postgres.make("anew")
    other = begun(tmp_path / "other")
    other.trade(2)
    projected_once(config_of(other.data, address, 2, "OTHER"))
    desk = begun(tmp_path / "desk")
    end = desk.journal.place
    desk.trade(3)
    config = config_of(desk.data, address, 1)
    projected_once(config)
    desk.journal.close()
    os.truncate(desk.journal.folder / end.segment, end.offset)
    projected_once(config)
    found = in_postgres(config)
    assert not found["executions"]
    assert found == desk.expected()
    assert in_postgres(config_of(other.data, address, 2, "OTHER")) == other.expected()


def test_one_shard_is_made_anew_while_another_writes(postgres: PostgresServer, tmp_path: Path) -> None:
    address = postgres.make("rebuilt")
    desk, other = begun(tmp_path / "desk"), begun(tmp_path / "other")
    desk.trade(3)
    one = following(config_of(desk.data, address, 1))
    two = following(config_of(other.data, address, 2, "OTHER"))
    one.follow()
    two.follow()
    with postgres.connect("rebuilt") as connection:
        connection.execute("update brokerfix.orders set status = 'SPOILED'")
        connection.execute("delete from brokerfix.executions where shard = 1")
    command = [sys.executable, "-m", "brokerfix", "rebuild", "--config", str(one.config.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "shard 1 is forgotten" in done.stdout
    other.trade()
    two.follow()
    # It looks once a second.
    until(lambda: one.follow() > 0)
    assert in_postgres(one.config) == desk.expected()
    assert in_postgres(two.config) == other.expected()
    one.close()
    two.close()


def test_a_shard_that_somebody_reads_is_made_anew_later(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("brokerfix.projections.postgres.CLEAR_TIMEOUT", "50ms")
    config = config_of(tmp_path, postgres.make("busy"))
    desk = begun(tmp_path)
    desk.trade(2)
    projected_once(config)
    forget(config)
    one = following(config)
    with postgres.connect("busy") as reader, reader.transaction():
        reader.execute("select * from brokerfix.executions").fetchall()
        assert one.follow() == 0
        assert "canceling statement due to lock timeout; somebody reads or changes these tables" in caplog.text
        assert len(in_postgres(config)["executions"]) == 2, "nobody waits"
    until(lambda: one.follow() > 0)
    assert in_postgres(config) == desk.expected()
    one.close()


# What may happen to the server


@contextmanager
def held(postgres: PostgresServer, database: str) -> Iterator[Callable[[], bool]]:
    """Nobody can commit meanwhile: a projection waits in the middle of its transaction, with its rows written. Tells
    whether one does."""
    waits = "select count(*) from pg_stat_activity where datname = %s and wait_event_type = 'Lock'"
    with postgres.connect(database) as holder, postgres.connect() as watcher:
        holder.execute("begin; lock table brokerfix.progress in exclusive mode")

        def is_waited_for() -> bool:
            found = watcher.execute(waits, [database]).fetchone()
            return found is not None and bool(found[0])

        yield is_waited_for


def test_a_server_that_is_killed_in_the_middle(
    postgres: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(tmp_path, postgres.make("killed"))
    desk, lag = begun(tmp_path), Lag(tmp_path)
    one = following(config, lag)
    desk.trade(2)
    assert one.follow()
    lag.tell()
    told = lag_of(tmp_path, desk.world.state.last_id, time.time_ns())
    assert told == {"facts": 0, "seconds": 0.0, "trouble": ""}
    desk.trade(2)
    followed: list[int] = []
    try:
        with suppress(psycopg.OperationalError), held(postgres, "killed") as is_waited_for:
            writer = threading.Thread(target=lambda: followed.append(one.follow()))
            writer.start()
            until(is_waited_for)
            postgres.stop(signal.SIGQUIT)
        writer.join()
        assert followed == [0]
        desk.trade()
        until(lambda: one.follow() == 0 and one._pause > 1)
        lag.tell()
        told = lag_of(tmp_path, desk.world.state.last_id, time.time_ns())
        assert told is not None
        assert told["facts"] > 0
        assert "is the server running" in told["trouble"]
        with pytest.raises(Unreadable, match=r"can't be read now: postgresql://broker_killed@127\.0\.0\.1:"):
            in_postgres(config)
    finally:
        postgres.start()
    desk.trade()
    until(lambda: one.follow() > 0)
    assert in_postgres(config) == desk.expected()
    lag.tell()
    assert lag_of(tmp_path, desk.world.state.last_id, time.time_ns()) == {"facts": 0, "seconds": 0.0, "trouble": ""}
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1, "what is wrong is said once"
    assert "takes the journal again" in caplog.text
    one.close()


@pytest.mark.parametrize("is_idle", [False, True], ids=["with something to write", "with nothing to do"])
def test_a_server_that_hangs_is_let_go(
    postgres: PostgresServer, tmp_path: Path, is_idle: bool, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr("brokerfix.projections.projection.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("brokerfix.projections.postgres.STUCK_SECONDS", 0.2)
    config = config_of(tmp_path, postgres.make(f"hung_{is_idle}".lower()))
    desk = begun(tmp_path)
    one = following(config)
    assert one.follow()
    assert one._store is not None
    backend = one._store.connection.info.backend_pid
    if not is_idle:
        desk.trade()
    followed: list[int] = []

    def cut() -> bool:
        store = one._store
        if store is not None:
            store.cut_if_stuck()
        return bool(followed)

    os.kill(backend, signal.SIGSTOP)
    try:
        writer = threading.Thread(target=lambda: followed.append(one.follow()))
        writer.start()
        until(cut)
        writer.join()
        assert followed == [0]
        assert "is the server running, and can it be reached from here?" in caplog.text
    finally:
        os.kill(backend, signal.SIGCONT)
    desk.trade()
    until(lambda: one.follow() > 0)
    assert in_postgres(config) == desk.expected()
    one.close()


@pytest.mark.parametrize("is_done", [True, False])
def test_a_connection_that_is_cut_while_a_batch_is_committed(
    postgres: PostgresServer, tmp_path: Path, is_done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows then whether it was."""
    config = config_of(tmp_path, postgres.make("cut"))
    desk = begun(tmp_path)
    one = following(config)
    one.follow()
    desk.trade(2)
    write = Postgres._write

    def cut(self: Postgres, *arguments: Any) -> None:
        monkeypatch.setattr(Postgres, "_write", write)
        if is_done:
            write(self, *arguments)
        self.close()
        raise psycopg.OperationalError("the connection is closed")

    monkeypatch.setattr(Postgres, "_write", cut)
    assert one.follow() == 0
    desk.trade()
    until(lambda: one.follow() > 0)
    assert in_postgres(config) == desk.expected()
    one.close()


def test_a_wrong_password_is_told_once_and_a_right_one_needs_no_restart(
    postgres: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    config = config_of(tmp_path, postgres.make("secret"), more='store_password_file = "secret"')
    desk = begun(tmp_path)
    one = following(config)
    until(lambda: one.follow() == 0 and one._pause > 1)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"postgresql://broker_secret@127.0.0.1:{postgres.port}/secret: " in record.message
    assert "password authentication failed" in record.message
    assert "broker.store_password_file, or BROKERFIX_STORE_PASSWORD in the environment, has to be" in record.message
    assert "wrong" not in record.message
    secret.write_text("of the broker\n")
    until(lambda: one.follow() > 0)
    assert in_postgres(config) == desk.expected()
    one.close()


def test_a_process_that_is_killed_in_the_middle_goes_on_exactly_where_it_was(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    config = config_of(tmp_path, postgres.make("process"))
    desk = begun(tmp_path)
    desk.trade(3)
    projected_once(config)
    before = in_postgres(config)
    desk.trade(3)
    arguments = "-m", "brokerfix.projections.postgres", str(tmp_path), str(os.getpid()), str(config.path)
    with held(postgres, "process") as is_waited_for:
        process = subprocess.Popen([sys.executable, *arguments])
        until(is_waited_for)
        process.kill()
        process.wait()
    assert in_postgres(config) == before
    process = subprocess.Popen([sys.executable, *arguments])
    until(lambda: len(in_postgres(config)["executions"]) == 6)
    process.terminate()
    assert process.wait(20) == 0
    assert in_postgres(config) == desk.expected()


def test_the_servers_certificate_is_looked_at(
    postgres: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The server of the package has no TLS: it has a proxy here that has."""
    for name in ("right", "wrong"):
        Authority(tmp_path / name).issue("server", ["localhost"])
    address = postgres.make("tls").replace("@127.0.0.1:", "@localhost:")
    certificate = tmp_path / "right" / "server.pem"
    with tls_proxy(certificate, certificate.with_suffix(".key"), postgres.port) as port:
        address = address.replace(str(postgres.port), str(port))
        for name in ("wrong", "right"):
            desk = begun(tmp_path / f"desk-{name}")
            # The certificate's path is relative to the configuration.
            config = config_of(desk.data, f"{address}?sslmode=verify-full&sslrootcert=../{name}/ca.pem")
            one = following(config)
            assert bool(one.follow()) == (name == "right"), caplog.text
            assert one._store is None or one._store.connection.pgconn.ssl_in_use
            one.close()
    assert "certificate verify failed; sslmode and sslrootcert in broker.store have to be right" in caplog.text


# Versions


def test_an_old_schema_is_brought_up_while_another_broker_writes(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.make("upgraded")
    old, new = begun(tmp_path / "old"), begun(tmp_path / "new")
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", migrations.STEPS[:1])
        patch.setattr(Postgres, "_progress_columns", ("broker", "segment", "offset", "last_id"), raising=False)
        one = following(config_of(old.data, address, 1, "OLD"))
        old.trade(3)
        assert one.follow()
        with postgres.connect("upgraded") as connection:
            assert applied(connection) == (1, 1)
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            old.trade()
            one.follow()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        new.trade(3)
        projected_once(config_of(new.data, address, 2, "NEW"))
    finally:
        ended.set()
        writer.join()
    with postgres.connect("upgraded") as connection:
        assert applied(connection)[0] == migrations.STEPS[-1].number
    until(lambda: one.follow() == 0)
    assert in_postgres(one.config) == old.expected()
    assert in_postgres(config_of(new.data, address, 2, "NEW")) == new.expected()
    one.close()


def test_a_newer_schema_is_refused_unless_it_fits(
    postgres: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(tmp_path, postgres.make("newer"))
    desk = begun(tmp_path)
    one = following(config)
    assert one.follow()
    insert = "insert into brokerfix.migrations (number, name, fits) values ({0}, 'of later', {1})"
    known = migrations.STEPS[-1].number
    postgres.administer(insert.format(known + 1, known), database="newer")
    desk.trade()
    assert one.follow(), "a step that older programs can live with"
    postgres.administer(insert.format(known + 2, known + 1), database="newer")
    desk.trade()
    assert one.follow() == 0
    told = f"its schema is version {known + 2}, which needs a brokerfix that knows version {known + 1}"
    assert told in caplog.text
    one.close()
    with pytest.raises(NewerSchema):
        Postgres(config)
    with pytest.raises(Unreadable, match="install the newer brokerfix here too"):
        in_postgres(config)
    one.close()


# Days


def test_days_that_are_too_old_are_dropped(postgres: PostgresServer, tmp_path: Path) -> None:
    address = postgres.make("days")
    desk = begun(tmp_path / "desk")
    desk.do("client BOB new B1 buy 100 AAPL 149.00 GTC")
    for day in (20261123, 20261124, 20261125):
        desk.trade()
        desk.do(f"day {day}", "record")
    desk.trade()
    other = config_of(desk.data, address, 2, "OTHER")
    projected_once(other)
    expected = desk.expected()
    config = config_of(desk.data, address, 1, more="store_days = 1")
    store = Postgres(config)
    Projection(desk.data, store, config.broker.store_days).follow()
    found = in_postgres(config)
    kept = [row["exec_id"][:8] for row in found["executions"]]
    assert kept == ["20261124", "20261125"]
    assert found["executions"] == [row for row in expected["executions"] if row["exec_id"][:8] in kept]
    # What still works stays, however old it is.
    assert [row["cl_ord_id"] for row in found["orders"]] == ["B1", "N3", "N4"]
    assert found["positions"] == expected["positions"]
    with postgres.connect("days") as connection:
        parts = connection.execute(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'brokerfix.executions_01'::regclass"
        ).fetchall()
    assert sorted(parts) == [("brokerfix.executions_01_20261124",), ("brokerfix.executions_01_20261125",)]
    assert in_postgres(other) == expected, "another broker has its own days"
    sqlite = projected(desk.data, 1)
    sqlite.follow()
    sqlite.store.trim("20261124")
    of_sqlite = rows(reading_of(config_of(desk.data, "true")))
    assert of_sqlite == found
    store.close()


def test_a_journal_whose_days_were_deleted_is_followed_and_made_anew(postgres: PostgresServer, tmp_path: Path) -> None:
    desk = begun(tmp_path / "desk")
    desk.do("client BOB new B1 buy 100 AAPL 149.00 GTC")
    for day in (20261123, 20261124, 20261125):
        desk.trade()
        desk.do(f"day {day}", "record")
    config = config_of(desk.data, postgres.make("deleted"))
    projected_once(config)
    whole = in_postgres(config)
    gone = [file.name for file in prepare(desk.journal.folder, 2)]
    remove(desk.journal.folder, gone)
    desk.trade()
    projected_once(config)
    found = in_postgres(config)
    assert len(found["executions"]) == len(whole["executions"]) + 1, "what the database has it keeps"
    forget(config)
    projected_once(config)
    anew = in_postgres(config)
    assert anew == desk.expected()
    assert [row["exec_id"][:8] for row in anew["executions"]] == ["20261124", "20261125"]
    assert anew["orders"][0]["cl_ord_id"] == "B1", "what is still open is there"
    assert anew["positions"] == found["positions"]


def test_a_day_that_somebody_reads_is_dropped_later(postgres: PostgresServer, tmp_path: Path) -> None:
    config = config_of(tmp_path, postgres.make("read"))
    desk = begun(tmp_path)
    desk.trade()
    desk.do("day 20261123")
    store = Postgres(config)
    Projection(tmp_path, store).follow()
    with postgres.connect("read") as reader, reader.transaction():
        reader.execute("select * from brokerfix.executions").fetchall()
        assert not store.trim("20261123")
        assert len(in_postgres(config)["executions"]) == 1, "nobody waits for it"
    assert not store.trim("20261123"), "not at once"
    store._trim_at = 0.0
    assert store.trim("20261123")
    assert not in_postgres(config)["executions"]
    store.close()


# Readers


def test_the_http_door_reads_the_same_from_both(postgres: PostgresServer, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.do(*STEPS, "client ALICE new C9 sell 10 AAPL 155.00 GTC")
    desk.do("quote XNAS AAPL bid 90000@149.90 ask 90000@150.10")
    desk.trade(12)
    config = config_of(tmp_path, postgres.make("door"))
    projected_once(config)
    desk.expected()
    archives = [Archive(config_of(tmp_path, "true")), Archive(config)]
    every = rows(archives[0].database)
    middle = every["orders"][len(every["orders"]) // 2]
    below = desk.world.state.last_id
    accounts = ("ALICE", "BOB")
    wanted = [
        Wanted(accounts), Wanted(("BOB",)), Wanted(accounts, ("AAPL",)), Wanted(accounts, ("NONE",)),
        Wanted(accounts, side="sell"), Wanted(accounts, statuses=("open",)), Wanted(accounts, statuses=("closed",)),
        Wanted(accounts, statuses=("filled", "open")), Wanted(accounts, below=below - 9),
        Wanted(accounts, order_id=middle["order_id"]),
        Wanted(accounts, after=f"{middle['entered'][:23]}Z"), Wanted(accounts, until=f"{middle['entered'][:23]}Z"),
    ]  # fmt: skip
    found = 0
    for one in wanted:
        for most in (3, 100):
            for known in ([], [below - 4, below - 8]):
                of = [
                    [archive.orders("ALICE", one, known, most) for archive in archives],
                    # Executions have no status.
                    [archive.executions("ALICE", replace(one, statuses=()), known, most) for archive in archives],
                ]
                for of_sqlite, of_postgres in of:
                    assert of_sqlite == of_postgres, one
                    found += len(of_sqlite)
    assert found > 100
    first, second = ([
        archive.order("ALICE", "C1"), archive.order("ALICE", "none"), archive.by_id([middle["order_id"], "x"]),
        archive.accounts(accounts), archive.positions(accounts), archive.has_logon("ALICE", 1),
    ] for archive in archives)  # fmt: skip
    assert first == second
    archives[1].close()


def test_commands_print_the_same_from_both(postgres: PostgresServer, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.do(*STEPS, "client ALICE new C9 sell 10 AAPL 155.00 GTC", "quote XNAS AAPL bid 500@149.90 ask 500@150.10")
    desk.do("record")
    config = config_of(tmp_path, postgres.make("commands"), 1)
    projected_once(config)
    desk.expected()
    sqlite = config_of(tmp_path, "true")
    for command in (("orders", "--json"), ("orders", "--all", "--client", "ALICE", "--json"), ("executions", "--json"),
                    ("positions", "--json"), ("book", "AAPL", "--json")):  # fmt: skip
        told = [CliRunner().invoke(main, [*command, "--config", str(one.path)]).output for one in (sqlite, config)]
        assert len(told[0]) > 20
        assert told[0] == told[1], command


def test_a_database_that_is_not_there_is_told_to_people(postgres: PostgresServer, tmp_path: Path) -> None:
    address = postgres.make("empty")
    for store, told in (
        (address, 'relation "brokerfix.executions" does not exist'),
        (address.replace("/empty", "/nowhere"), 'database "nowhere" does not exist; the user and the database'),
        (f"{address}?sslmode=require", "server does not support SSL"),
        (f"{address}?no_such=1", 'invalid URI query parameter: "no_such"; broker.store takes libpq'),
    ):
        config = config_of(tmp_path, store)
        done = CliRunner().invoke(main, ["executions", "--config", str(config.path)])
        assert done.exit_code == 1
        assert done.output.startswith("Error: the database can't be read"), done.output
        assert told in done.output


def test_lists_of_numbers_and_names_are_looked_up(postgres: PostgresServer, tmp_path: Path) -> None:
    config = config_of(tmp_path, postgres.make("lists"))
    Postgres(config).close()
    reading = reading_of(config)
    query = f"select 7 in {reading.one_of('numbers', Kind.WHOLE)} as one, 'a:b' in {reading.one_of('names')} as two"
    found = reading.query(
        f"{query} from (select 1) x left join accounts on false", {"numbers": "[7]", "names": '["a:b"]'}
    )
    assert found == [{"one": True, "two": True}]
    reading.close()


def test_without_psycopg_it_is_said_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_spec("psycopg") is not None
    config = config_of(tmp_path, "postgresql://broker@127.0.0.1/desk")
    code = (
        "import sys; sys.modules['psycopg'] = None; sys.argv = ['brokerfix', *sys.argv[1:]]; "
        "from brokerfix.cli import main; main()"
    )
    for command in (["start", str(config.path)], ["orders", "--config", str(config.path)]):
        done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
        assert "broker.store: needs psycopg: pip install 'brokerfix[postgres]'" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_check_tells_where_the_database_is_and_whether_its_password_is(tmp_path: Path) -> None:
    config = config_of(tmp_path, "postgresql://broker@db/desk", 7, more='store_password_file = "secret"')
    done = CliRunner().invoke(main, ["check", str(config.path)])
    assert done.exit_code == 1
    assert f"broker.store_password_file: {tmp_path / 'secret'} can't be read: No such file" in done.output
    (tmp_path / "secret").write_text("x")
    done = CliRunner().invoke(main, ["check", str(config.path)])
    assert "  database: shard 7 of postgresql://broker@db/desk\n" in done.output


def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path) -> None:
    config = config_of(tmp_path, "postgresql://broker@db:5433/desk")
    error = psycopg.errors.DiskFull('could not extend file "base/1": No space left on device')
    assert told_of(config, error) == (
        'postgresql://broker@db:5433/desk: could not extend file "base/1": No space left on device; '
        "the server's disk is full: make room there"
    )


def test_nothing_is_known_of_a_new_database(postgres: PostgresServer, tmp_path: Path) -> None:
    store = Postgres(config_of(tmp_path, postgres.make("new")))
    assert store.progress() == NOTHING
    store.close()
