"""Two shards with one exchange, a router and a gateway before them, as real processes."""

import os
import sys
import time
from pathlib import Path

from brokerfix.access.vouch import VOUCHER, voucher
from brokerfix.tools.client import Client
from brokerfix.tools.demo import Process, free_port
from tests.live import EXCHANGE, INSTRUMENT, Processes

SHARDS = (0, 3)
BROKER = """
[broker]
name = "BROKER"
port = {port}
data = "{data}"
shard = {shard}
store = false
{instrument}
[gateway]
plain = "127.0.0.1"
upstream = "127.0.0.1:{upstream}"
secret = "secret"
[gateway.budgets]
logons = {{ rate = 0 }}
orders = {{ rate = 0 }}
mass_requests = {{ rate = 0 }}
[accounts.NORTH]
cash = "100000000"
[accounts.SOUTH]
cash = "100000000"
{south}
[clients.ALICE]
accounts = {accounts}
[clients.OLD]
accounts = {accounts}
fix = "FIX.4.2"
[clients.NEW]
accounts = {accounts}
fix = "FIXT.1.1"
[clients.BOB]
accounts = {accounts}
[clients.ONE]
accounts = ["SOUTH"]
"""
VENUE = """
[venues.XNAS]
host = "127.0.0.1"
port = {port}
sender = "{sender}"
target = "XNAS"
"""
ROUTER = """
[router]
listen = "127.0.0.1:{listen}"
shards = {{ {shards} }}
data = "router"
{more}
"""


class Router(Process):
    """`brokerfix router`, and the gateway before it."""

    def __init__(self, config: Path, log: Path, port: int, command: str = "router") -> None:
        super().__init__(command, config, log, port)
        self.command = [sys.executable, "-m", "brokerfix", command, str(config)]


class Market(Processes):
    """An exchange, a broker for each shard, the router, and the gateway."""

    def __init__(self, folder: Path, more: str = "", accounts: str = '["NORTH", "SOUTH"]') -> None:
        self.exchange_port, self.listen, self.door = free_port(), free_port(), free_port()
        self.upstreams = {shard: free_port() for shard in SHARDS}
        folder.mkdir(exist_ok=True)
        (folder / "secret").write_bytes(os.urandom(32))
        subscribers = "".join(f'[clients.SHARD{shard}]\naccounts = ["ALL"]\n' for shard in SHARDS)
        texts = {"XNAS": EXCHANGE.format(port=self.exchange_port, instrument=INSTRUMENT) + subscribers}
        common = {"instrument": INSTRUMENT, "accounts": accounts}
        for shard, upstream in self.upstreams.items():
            texts[f"SHARD{shard}"] = BROKER.format(
                port=free_port(), data=f"shard{shard}", shard=shard, upstream=upstream, south="", **common
            ) + VENUE.format(port=self.exchange_port, sender=f"SHARD{shard}")
        ports = {"XNAS": self.exchange_port, **{f"SHARD{shard}": port for shard, port in self.upstreams.items()}}
        super().__init__(folder, ports, texts)
        # Of shard 3 there is a second address: nobody listens at the first.
        north, south = self.upstreams.values()
        shards = f'0 = "127.0.0.1:{north}", 3 = "127.0.0.1:{free_port()}, 127.0.0.1:{south}"'
        config = folder / "router.toml"
        config.write_text(
            BROKER.format(port=self.door, data="door", shard=0, upstream=self.listen, south="shard = 3", **common)
            + ROUTER.format(listen=self.listen, shards=shards, more=more)
        )
        self.router = self.processes["router"] = Router(config, folder / "router.log", self.listen)
        self.gateway = self.processes["gateway"] = Router(config, folder / "gateway.log", self.door, "gateway")

    def shard(self, number: int) -> Process:
        return self.processes[f"SHARD{number}"]

    def session(self, name: str = "ALICE", begin_string: str = "FIX.4.4", **options: object) -> Client:
        """A client that comes through the gateway."""
        return Client(name, "BROKER", "127.0.0.1", self.door, begin_string=begin_string, **options)  # type: ignore[arg-type]

    def direct(self, name: str = "ALICE", begin_string: str = "FIX.4.4") -> Client:
        """A client that comes to the router as the gateway does."""
        secret = (self.folder / "secret").read_bytes()

        def vouch(number: int, sent: str, reset: bool) -> tuple[int, str]:
            return VOUCHER, voucher(secret, name, "BROKER", str(number), sent, "Y" if reset else "")

        return Client(name, "BROKER", "127.0.0.1", self.listen, begin_string=begin_string, vouch=vouch)

    def wait_for_exchange(self) -> None:
        """Until both shards trade with the exchange."""
        lp = self.client("LP", self.processes["XNAS"], "XNAS")
        for number in range(1, 4):
            lp.new_order(f"LP-{number}", "2", "1000000", "AAPL", f"15{number}.00")
        with_orders = self.session()
        with_orders.connect()
        for account in ("NORTH", "SOUTH"):
            deadline = time.monotonic() + 30
            number = 0
            while True:
                number += 1
                name = f"wait-{account}-{number}"
                with_orders.new_order(name, "1", "1", "AAPL", "151.00", tif="3", t1=account)
                final = with_orders.receive_until(lambda m, n=name: m.get(11) == n and m.get(39) in ("2", "4", "8"))
                if final[39] == "2":
                    break
                assert time.monotonic() < deadline, final
                time.sleep(0.05)
        with_orders.logout()
