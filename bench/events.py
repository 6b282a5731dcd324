"""The event stream: how many facts a second a publisher has at a queue, confirmed: `python bench/events.py`, for NATS,
RabbitMQ and Kafka's mock cluster side by side as far as they are installed. `--engines nats`: only this one.
"""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from recovery import write
from table import middle, show

from brokerfix.projections.events.destination import Where
from brokerfix.projections.events.publisher import Publisher
from brokerfix.projections.events.queues import destination_of
from brokerfix.projections.events.source import Source
from brokerfix.projections.lag import Lag
from brokerfix.settings.servers import EventsSection, QueueSection
from brokerfix.tools.demo import free_port
from brokerfix.tools.kafka_mock import KafkaMock
from brokerfix.tools.nats_servers import NatsServers
from brokerfix.tools.rabbitmq_server import RabbitServer, is_installed

POLL_SECONDS = 0.002


@contextmanager
def nats(folder: Path) -> Iterator[list[str]]:
    servers = NatsServers(folder, free_port)
    servers.start()
    try:
        yield servers.urls
    finally:
        servers.stop()


@contextmanager
def rabbitmq(folder: Path) -> Iterator[list[str]]:
    server = RabbitServer(folder / "rabbitmq", free_port)
    server.start()
    try:
        yield server.urls
    finally:
        server.stop()


@contextmanager
def kafka(folder: Path) -> Iterator[list[str]]:
    server = KafkaMock()
    server.start()
    try:
        yield server.urls
    finally:
        server.stop()


ENGINES: dict[str, Callable[..., object]] = {"nats": nats, "rabbitmq": rabbitmq, "kafka": kafka}


async def publish(where: Where, folder: Path, last: int) -> tuple[float, float]:
    """Seconds until the last fact of a journal is confirmed, and how many the publisher has worked of these."""
    lag = Lag(folder)
    publisher = Publisher(where, folder / "journal", destination_of(where), lag)
    is_done = False
    started, worked = time.perf_counter(), time.process_time()
    running = asyncio.create_task(publisher.run(lambda: is_done))
    while publisher.confirmed < last:
        await asyncio.sleep(POLL_SECONDS)
        if running.done():
            running.result()
    took = time.perf_counter() - started, time.process_time() - worked
    is_done = True
    await running
    return took


def made(folder: Path, format: str) -> tuple[float, float]:
    """The same of a journal's messages alone, without a queue."""
    started, worked = time.perf_counter(), time.process_time()
    source = Source(folder / "journal", 0, format)
    while source.read(256):
        pass
    return time.perf_counter() - started, time.process_time() - worked


def row(name: str, format: str, count: int, times: list[tuple[float, float]]) -> list[str]:
    took, worked = (middle([pair[at] for pair in times]) for at in (0, 1))
    return [name, format, f"{count / took:,.0f}", f"{worked / count * 1e6:.0f}"]


@click.command()
@click.option("--orders", default=10_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--engines", default=",".join(ENGINES), show_default=True)
@click.option("--format", "formats", default="json,msgpack", show_default=True)
def main(orders: int, rounds: int, engines: str, formats: str) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        count, _ = write(folder / "journal", orders)
        last = Source(folder / "journal", 0)
        while last.read(10_000):
            pass
        rows = []
        for format in formats.split(","):
            rows.append(row("made, and sent nowhere", format, count, [made(folder, format) for _ in range(rounds)]))
        for engine in engines.split(","):
            if engine == "rabbitmq" and not is_installed():
                click.echo("rabbitmq: not installed, left out", err=True)
                continue
            with ENGINES[engine](folder) as urls:  # type: ignore[attr-defined]
                queue = QueueSection(kind=engine, servers=tuple(urls))  # type: ignore[arg-type]
                for format in formats.split(","):
                    times = []
                    for number in range(rounds):
                        section = EventsSection(queue="bus", subject=f"{format}{number}", format=format)  # type: ignore[arg-type]
                        where = Where(folder / "broker.toml", "all", section, queue, 0)
                        times.append(uvloop.run(publish(where, folder, last.last_id)))
                    rows.append(row(engine, format, count, times))
        show(f"Event stream ({count:,} facts)", ["queue", "format", "facts/s", "CPU us a fact"], rows)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
