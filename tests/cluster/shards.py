"""Four shards as processes, with a NATS server, and a client's sessions with each."""

import json
import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from click.testing import CliRunner, Result

from brokerfix.cli import main
from brokerfix.operate.admin import ActionRefused, NotRunning, ask
from brokerfix.tools.client import Client, Disconnected, Message, utc_now
from brokerfix.tools.demo import Process, free_port
from brokerfix.tools.nats_servers import NatsServers
from tests.live import INSTRUMENT

SHARDS = range(4)
WITH_STANDBY = 2
"""The shard that has a standby, from when one is started."""
LIMIT, PRICE = 100, 150
"""The firm's limit in units, and what each is worth."""
SECONDS = 20.0
NO_SECONDS = 0.3
"""For so long an order is sent again that must not be taken."""
Found = TypeVar("Found")
CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "shard-{shard}"
store = false
shard = {shard}
durability = "{durability}"
[cluster]
servers = ["{nats}"]
name = "desk"
node = "node-{shard}"
replicas = 1
shards = true
lease_seconds = 4.0
[limits]
max_gross = "{gross}"
{instrument}
post = "book"
{accounts}
[clients.T]
accounts = ["A0", "A1", "A2", "A3", "B", "M"]
"""
ACCOUNT = """
[accounts.{name}]
cash = "1000000"
shard = {shard}
"""


def until(found: Callable[[], Found], seconds: float = SECONDS) -> Found:
    """What is found at last, when it is true."""
    deadline = time.monotonic() + seconds
    while not (what := found()):
        assert time.monotonic() < deadline, f"it has not come: {what}"
        time.sleep(0.02)
    return what


class Shards:
    """The cluster. Account An begins on shard n, B and M on shard 0."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nats = NatsServers(folder, free_port)
        placed = {**{f"A{shard}": shard for shard in SHARDS}, "B": 0, "M": 0}
        accounts = "".join(ACCOUNT.format(name=name, shard=shard) for name, shard in placed.items())
        self.processes: list[Process] = []
        for shard in SHARDS:
            port, config = free_port(), folder / f"shard-{shard}.toml"
            text = CONFIG.format(
                port=port, shard=shard, nats=self.nats.urls[0], gross=LIMIT * PRICE, accounts=accounts,
                instrument=INSTRUMENT.strip(), durability="cluster" if shard == WITH_STANDBY else "process",
            )  # fmt: skip
            config.write_text(text)
            self.processes.append(Process(f"shard {shard}", config, folder / f"shard-{shard}.log", port))
        self.clients = [Client("T", "BROKER", "127.0.0.1", one.port) for one in self.processes]
        self.folders = [folder / f"shard-{shard}" for shard in SHARDS]
        self.numbers = iter(range(1, 1_000_000))

    def start(self) -> None:
        self.nats.start()
        for shard in SHARDS:
            self.begin(shard)
        for shard in SHARDS:
            self.wait(shard)

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        for process in self.processes:
            process.stop()
        self.nats.stop()

    def wait(self, shard: int) -> None:
        """Until a shard's account takes orders, or is halted."""
        until(lambda: self.asked(shard, "placed").get("here", {}).get(f"A{shard}"))

    def asked(self, shard: int, action: str) -> dict[str, Any]:
        try:
            return ask(self.folders[shard], {"action": action})
        except (NotRunning, ActionRefused):
            return {}

    def told(self, shard: int, action: str) -> dict[str, Any]:
        """The same, once the shard is there: on a busy machine it may just have lost its lease."""
        return until(lambda: self.asked(shard, action), 60)

    def kill(self, shard: int) -> None:
        """As a machine that is lost, but for its disk."""
        self.processes[shard].stop(signal.SIGKILL)
        self.clients[shard].close()

    def begin(self, shard: int) -> None:
        """Start a shard, on a machine that may be busy."""
        with suppress(Disconnected):
            self.processes[shard].start()
        until(lambda: self._listens(self.processes[shard].port), 60)

    @staticmethod
    def _listens(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def lose(self, shard: int) -> None:
        """Have a standby of a shard follow it, then lose its machine, disk and all; the standby takes over."""
        was, port = self.processes[shard], free_port()
        text, config = was.config.read_text(), self.folder / "standby.toml"
        for old, new in (
            (f"port = {was.port}", f"port = {port}"),
            (f'"shard-{shard}"', '"standby"'),
            ("node-", "other-"),
        ):
            text = text.replace(old, new)
        config.write_text(text)
        standby = Process("the standby", config, self.folder / "standby.log", port)
        standby.command[3] = "standby"
        standby.begin()
        self.processes.append(standby)
        until(lambda: self.asked(shard, "cluster").get("nodes", {}).get(f"other-{shard}", {}).get("behind") == 0, 60)
        self.kill(shard)
        shutil.rmtree(self.folders[shard])
        self.processes[shard], self.folders[shard] = self.processes.pop(), self.folder / "standby"
        # Its client begins anew: what it has sent and got was the lost machine's.
        self.clients[shard] = Client("T", "BROKER", "127.0.0.1", port)
        until(lambda: self._listens(port), 60)
        self.clients[shard].connect(reset=True)

    def order(self, shard: int, account: str, side: str, qty: int, price: str = "150.00") -> Message:
        """Send an order. Returns the first report of it."""
        client = self.clients[shard]
        if not client.connected:
            client.connect()
        name = f"{shard}-{next(self.numbers)}"
        terms = (1, account), (11, name), (38, str(qty)), (40, "2"), (44, price), (54, side), (55, "AAPL")
        client.send("D", [*terms, (59, "0"), (60, utc_now())])
        return client.receive_until(lambda message: message.get(11) == name and message[35] == "8")

    def taken(self, shard: int, account: str, side: str, qty: int, seconds: float = SECONDS) -> bool:
        """Whether an order is taken. One that a part of the limit does not allow is sent again, for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            report = self.order(shard, account, side, qty)
            if report[150] != "8":
                return True
            if "more is asked for" not in report[58]:
                return False
            time.sleep(0.1)
        return False

    def fill(self, limit: int, *sizes: int) -> None:
        """All shards in turn buy so much at a time, until no more fits into the firm's limit (units). What fits is
        taken, by whomever; what does not is not."""
        units = int(sum(self.gross().values())) // PRICE
        for size in sizes:
            while units + size <= limit:
                for shard in SHARDS:
                    fits = units + size <= limit
                    assert self.taken(shard, f"A{shard}", "1", size, SECONDS if fits else NO_SECONDS) is fits, shard
                    units += size * fits
        assert units == limit
        for shard in SHARDS:
            assert not self.taken(shard, f"A{shard}", "1", 1, NO_SECONDS)
        assert sum(self.gross().values()) == limit * PRICE

    def gross(self) -> dict[int, float]:
        """By shard, what is used of the firm's limit."""
        rows = (self.told(shard, "parts")["parts"][0] for shard in SHARDS)
        return {shard: float(row["used"]) for shard, row in zip(SHARDS, rows, strict=True)}

    def parts(self) -> float:
        return sum(float(self.told(shard, "parts")["parts"][0]["part"]) for shard in SHARDS)

    def run(self, *words: str, shard: int = 0) -> Result:
        """A command, as an operator of a shard's machine runs it."""
        return CliRunner().invoke(main, [*words, "--config", str(self.processes[shard].config)])

    def answers(self, *words: str, shard: int = 0) -> list[dict[str, Any]]:
        """What all shards say."""
        found = self.run(*words, "--all-shards", "--json", shard=shard)
        return sorted(json.loads(found.output)["answers"], key=lambda answer: answer["shard"])

    def holdings(self, account: str) -> dict[int, str]:
        """By shard, what an account holds, where it holds something."""
        rows = {
            answer["shard"]: row["qty"]
            for answer in self.answers("positions")
            for row in answer.get("positions", ())
            if row["account"] == account
        }
        return {shard: qty for shard, qty in rows.items() if qty not in ("", "0")}

    def where(self, account: str, shard: int = 0) -> dict[str, Any]:
        """Where the cluster has an account."""
        from brokerfix.cluster.door import door_path
        from brokerfix.operate.admin import ask_at

        try:
            return ask_at(door_path(self.folders[shard]), {"action": "account", "account": account})
        except (NotRunning, ActionRefused):
            return {}


def is_refused(shards: Shards, shard: int, account: str, why: str) -> bool:
    """Whether an order is refused for a reason. One that is taken, or refused otherwise, is an error."""
    try:
        report = shards.order(shard, account, "1", 1)
    except Disconnected:
        return False
    assert report[150] == "8", report
    return why in report[58]
