"""Two shards with a NATS server, and the console of the first one: all that the page "Shards" needs, and no more."""

import signal
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from brokerfix.operate.admin import ActionRefused, NotRunning, ask
from brokerfix.tools.client import Client
from brokerfix.tools.demo import Process, free_port
from brokerfix.tools.nats_servers import NatsServers
from tests.console.everybody import everybody
from tests.live import INSTRUMENT, until

SHARDS = (1, 2)
ACCOUNTS = {"NORTH": 1, "EAST": 1, "SOUTH": 2}
"""Each account, and its shard."""
CONFIG = """
[broker]
name = "DESK"
port = {port}
data = "shard-{shard}"
store = false
shard = {shard}
durability = "process"
[cluster]
servers = ["{nats}"]
name = "desk"
node = "node-{shard}"
replicas = 1
shards = true
lease_seconds = 3.0
[limits]
max_gross = "{gross}"
{instrument}
post = "book"
[accounts.NORTH]
cash = "1000000"
shard = 1
[accounts.EAST]
cash = "1000000"
shard = 1
[accounts.SOUTH]
cash = "500000.50"
shard = 2
[clients.T]
accounts = ["NORTH", "EAST", "SOUTH"]
[console]
port = {console}
zone = "Europe/London"
second_factor = false
failures_before_lockout = 1000
"""
GROSS = 100_000


class ShardsDesk:
    """The processes. Both shards have a [console] in their configuration; that of the first one runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nats = NatsServers(folder, free_port)
        self.brokers: dict[int, Process] = {}
        self.data = {shard: folder / f"shard-{shard}" for shard in SHARDS}
        self.console_port = free_port()
        for shard in SHARDS:
            port, config = free_port(), folder / f"shard-{shard}.toml"
            config.write_text(CONFIG.format(
                port=port, shard=shard, nats=self.nats.urls[0], gross=GROSS, instrument=INSTRUMENT.strip(),
                console=self.console_port,
            ))  # fmt: skip
            self.brokers[shard] = Process(f"shard {shard}", config, folder / f"shard-{shard}.log", port)
        config = folder / "shard-1.toml"
        self.console = Process("console", config, folder / "console.log", self.console_port, "console")
        everybody(self.data[1] / "console" / "people.json")
        self.clients: dict[int, Client] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.console_port}"

    def start(self) -> None:
        """All at once."""
        try:
            self.nats.start()
            for process in (*self.brokers.values(), self.console):
                process.begin()
            for process in (*self.brokers.values(), self.console):
                process.wait()
            for account, shard in ACCOUNTS.items():
                until(lambda shard=shard, account=account: self.told(shard, "placed").get("here", {}).get(account))
        except BaseException:
            self.stop()
            raise

    def told(self, shard: int, action: str, **request: Any) -> dict[str, Any]:
        """What a broker says; {} where it does not answer."""
        with suppress(NotRunning, ActionRefused):
            return ask(self.data[shard], {"action": action, **request})
        return {}

    def order(self, account: str, name: str, side: str, qty: int, price: str) -> None:
        """Have a client send an order for an account, to its shard, until it is taken: a part of the firm's limit may
        have to come first."""
        shard = ACCOUNTS[account]
        client = self.clients.get(shard)
        if client is None:
            client = self.clients[shard] = Client("T", "DESK", "127.0.0.1", self.brokers[shard].port)
            client.connect()
        names = (f"{name}{'.' * tries}" for tries in count())

        def is_taken() -> bool:
            sent = next(names)
            client.new_order(sent, side, f"{qty}", "AAPL", price, t1=account)
            told = client.receive_until(lambda message: message.get(11) == sent and message[35] == "8")
            assert told[150] != "8" or "more is asked for" in told[58], told[58]
            return told[150] != "8"

        until(is_taken)

    def lose(self, shard: int) -> None:
        """As a machine that is lost."""
        self.brokers[shard].stop(signal.SIGKILL)
        if shard in self.clients:
            self.clients.pop(shard).close()

    def stop(self) -> None:
        for client in self.clients.values():
            client.close()
        for process in (self.console, *self.brokers.values()):
            process.stop()
        self.nats.stop()
        assert "Traceback" not in (self.folder / "console.log").read_text()
