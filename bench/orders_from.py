"""Orders from a queue: how many a second, how long one takes from its publication to its answer, and what it costs each
process: `python bench/orders_from.py`. A NATS server, a broker with its own book, `brokerfix orders-from`, this one.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg

sys.path.insert(0, str(Path(__file__).parent))

from table import middle, percentile, show

from brokerfix.doors.desk import hash_of, make_key
from brokerfix.tools.demo import Process, free_port
from brokerfix.tools.nats_servers import NatsServers

ACCOUNTS = 16
CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "data"
store = false
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
post = "book"
reference = "150.00"
[gateway]
plain = "127.0.0.1"
[gateway.budgets]
orders = {{ rate = 0 }}
[queues.bus]
kind = "nats"
servers = ["{url}"]
[orders_from.desk]
queue = "bus"
subject = "bench"
api_keys = ["desk"]
[api_keys.desk]
hash = "{hash}"
client = "DESK"
scopes = ["trade"]
[clients.DESK]
accounts = [{accounts}]
"""
ACCOUNT = """
[accounts.A{number}]
cash = "1000000000000"
"""


class Desk:
    """Publishes orders, and gets their answers."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key
        self.answers: dict[str, float] = {}
        self.came = asyncio.Event()
        self._number = 0

    async def connect(self) -> None:
        self.client = Client()
        await self.client.connect(self.url)
        self.stream = self.client.jetstream(timeout=30)
        self.inbox = self.client.new_inbox()
        await self.client.subscribe(self.inbox, cb=self._answered)

    async def _answered(self, message: Msg) -> None:
        assert json.loads(message.data)["status"] == 201, message.data
        self.answers[(message.headers or {})["correlation-id"]] = time.perf_counter()
        self.came.set()

    async def send(self) -> str:
        """Publish an order, confirmed. Returns its ClOrdID."""
        self._number += 1
        name = f"B{self._number}"
        body = {
            "action": "new", "cl_ord_id": name, "account": f"A{self._number % ACCOUNTS}", "symbol": "AAPL",
            "side": "buy", "qty": "1", "price": "140.00",
        }  # fmt: skip
        headers = {"authorization": f"Bearer {self.key}", "reply-to": self.inbox, "correlation-id": name}
        await self.stream.publish("bench.orders", json.dumps(body).encode(), headers=headers)
        return name

    async def one(self) -> float:
        """Microseconds from an order's publication to its answer."""
        started = time.perf_counter()
        name = await self.send()
        while name not in self.answers:
            self.came.clear()
            await self.came.wait()
        return (self.answers[name] - started) * 1e6

    async def many(self, count: int) -> float:
        """Orders answered a second, of so many that are published as fast as the server confirms 200 at a time."""
        before, started = len(self.answers), time.perf_counter()
        for first in range(0, count, 200):
            await asyncio.gather(*(self.send() for _ in range(min(200, count - first))))
        while len(self.answers) < before + count:
            self.came.clear()
            await self.came.wait()
        return count / (time.perf_counter() - started)


def worked(pids: list[int]) -> list[float]:
    """Seconds of a processor that each of these processes has had."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return [(int(one[11]) + int(one[12])) / os.sysconf("SC_CLK_TCK") for one in fields]


async def measure(
    url: str, key: str, pids: list[int], orders: int, rounds: int
) -> tuple[list[float], list[float], list[float]]:
    """Microseconds of single orders, orders a second of each round, and microseconds of a processor that an order of
    these took of each process."""
    desk = Desk(url, key)
    await desk.connect()
    await desk.many(200)
    times = [await desk.one() for _ in range(500)]
    before = worked(pids)
    rates = [await desk.many(orders) for _ in range(rounds)]
    costs = [(late - early) / (orders * rounds) * 1e6 for early, late in zip(before, worked(pids), strict=True)]
    await desk.client.close()
    return times, rates, costs


@click.command()
@click.option("--orders", default=3_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(orders: int, rounds: int) -> None:
    folder = Path(tempfile.mkdtemp())
    server = NatsServers(folder, free_port)
    server.start()
    key, port = make_key("desk"), free_port()
    config = folder / "broker.toml"
    accounts = ", ".join(f'"A{number}"' for number in range(ACCOUNTS))
    text = CONFIG.format(port=port, url=server.urls[0], hash=hash_of(key), accounts=accounts)
    config.write_text(text + "".join(ACCOUNT.format(number=number) for number in range(ACCOUNTS)))
    broker = Process("BROKER", config, folder / "log", port)
    broker.start()
    log = folder / "door.log"
    with log.open("wb") as file:
        door = subprocess.Popen([sys.executable, "-m", "brokerfix", "orders-from", str(config)], stderr=file)
    try:
        while "are taken" not in log.read_text():
            time.sleep(0.1)
        nats = server.processes[0]
        assert nats is not None
        pids = [door.pid, broker.pid, nats.pid]
        times, rates, costs = uvloop.run(measure(server.urls[0], key, pids, orders, rounds))
        head = ["one: p50 us", "p99 us", "orders/s", "CPU us an order: door", "broker", "NATS"]
        figures = [percentile(times, 0.5), percentile(times, 0.99), middle(rates), *costs]
        show("Orders from NATS", head, [[f"{figure:,.0f}" for figure in figures]])
    finally:
        door.terminate()
        door.wait()
        broker.stop()
        server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
