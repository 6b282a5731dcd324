"""The configurations of a cluster that runs on one machine for trying: two shards behind one router and gateway, a
standby for one of them, two exchanges. They are commented, so that a person can start the parts by hand."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

NODES = {"a": 1, "b": 1, "c": 2}
"""Each machine of the cluster, and its shard. a and b are one broker: one is the primary, the other its standby."""
ACCOUNTS = {"NORTH": 1, "SOUTH": 2}
CLIENTS = ("ALICE", "BOB", "CAROL")
BY_HAND = "DAVE"
"""A client that the demo leaves alone: its numbers begin with 1."""
SENDERS = {1: "SHARD1", 2: "SHARD2"}
"""What each shard is called at exchanges."""
EXCHANGES = {"XNAS": 7, "XNYS": 11}
"""The exchanges, and the seeds of their prices."""
BROKER, CLUSTER = "BROKER", "demo"
INSTRUMENTS = """\
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
reference = "150.00"
{more}
[instruments.MSFT]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
reference = "400.00"
{more}"""
EXCHANGE = """\
# A simulated exchange. Start it with: brokerfix start config/{file}   (all keys: config/broker.toml of brokerfix)

[broker]
name = "{name}"
port = {port}
data = "../var/{file_name}"
store = false

{instruments}
# Each shard has a session, and an account, of its own.
[accounts.SHARD1]
cash = "0"
limits = {{ buying_power = false }}
[accounts.SHARD2]
cash = "0"
limits = {{ buying_power = false }}
[clients.SHARD1]
accounts = ["SHARD1"]
rpt_seq = true
[clients.SHARD2]
accounts = ["SHARD2"]
rpt_seq = true

# Built-in liquidity: quotes around a seeded random walk.
[accounts.MAKER]
cash = "0"
limits = {{ buying_power = false }}
[maker]
account = "MAKER"
seed = {seed}
interval_ms = 250
levels = 5
spread_ticks = 2
qty = "400"
step_ticks = 1
"""
SHARD = """\
# Shard {shard}, on machine {node}. Start it with: brokerfix {command} config/{file}
# {what}

[broker]
name = "{broker}"
shard = {shard}                           # the first part of the numbers that it gives
port = {port}
data = "../var/shard-{shard}-{node}"
durability = "cluster"              # a message leaves when its record is confirmed by a majority of the NATS servers
{store}
record_interval_ms = 250

[gateway]                           # runs by itself, with the router between: they connect here
plain = "127.0.0.1"
upstream = "127.0.0.1:{upstream}"        # the primary listens
secret = "gateway.secret"

[cluster]
servers = {servers}
name = "{cluster}"
node = "{node}"
replicas = 3
lease_seconds = {lease}
check_seconds = 2
shards = true                       # one of several brokers that share accounts and the firm's limits

{desk}
{venues}"""
VENUE = """\
[venues.{name}]
host = "127.0.0.1"
port = {port}
sender = "{sender}"
target = "{name}"
"""
DESK = """\
# What all shards, the router and the gateway have in common.

{instruments}
[limits]
max_long = "{most_long}"                  # of the firm: each shard has a part of it, together never more

# Where each account begins; `brokerfix move-account` moves it.
[accounts.NORTH]
cash = "100000000"
shard = 1
[accounts.SOUTH]
cash = "100000000"
shard = 2
{clients}"""
CLIENT = """
[clients.{name}]
accounts = ["NORTH", "SOUTH"]
"""
DOOR = """\
# The gateway, where clients log on, and the router behind it, which makes one session of those with both shards.
# Start them with: brokerfix router config/{file}   and   brokerfix gateway config/{file}

[broker]
name = "{broker}"
port = {port}                        # clients log on here, as ALICE, BOB, CAROL or DAVE
data = "../var/door"

[gateway]
plain = "127.0.0.1"
upstream = "127.0.0.1:{listen}"        # the router
secret = "gateway.secret"           # which vouches for clients: gateway, router and shards have the same
operation_port = {operation}

[gateway.budgets]
requests = {{ rate = 200, burst = 200 }}

[router]
listen = "127.0.0.1:{listen}"
data = "../var/router"

[router.shards]                     # of a shard with a standby both addresses: the one that listens is the primary
{shards}

[cluster]
servers = {servers}
name = "{cluster}"
shards = true

{desk}"""
MARKET = 'cross = "at-or-better"\npost = "venue"\ncollar = "0.10"\n'
MOST_LONG = 50_000


class Files:
    """Where the configurations are, and the ports in them. `ports` are where nodes listen for the router."""

    def __init__(
        self, folder: Path, free_port: Callable[[], int], servers: Sequence[str], stores: Mapping[int, str],
        lease: float,
    ) -> None:  # fmt: skip
        """Write them. `stores` are the lines that say which database a shard has."""
        self.folder = folder / "config"
        self.folder.mkdir(exist_ok=True)
        self.var = folder / "var"
        secret = self.folder / "gateway.secret"
        secret.touch(mode=0o600)
        secret.write_bytes(os.urandom(32))
        self.exchange_ports = {name: free_port() for name in EXCHANGES}
        self.ports = {node: free_port() for node in NODES}
        self.door_port, self.listen = free_port(), free_port()
        self._servers = "[" + ", ".join(f'"{url}"' for url in servers) + "]"
        self._desk = DESK.format(
            instruments=INSTRUMENTS.format(more=MARKET), most_long=MOST_LONG,
            clients="".join(CLIENT.format(name=name) for name in (*CLIENTS, BY_HAND)),
        )  # fmt: skip
        for name, seed in EXCHANGES.items():
            self._write_exchange(name, seed)
        for node, shard in NODES.items():
            self._write_shard(node, shard, free_port(), stores[shard], lease)
        self._write_door(free_port())

    def exchange(self, name: str) -> Path:
        return self.folder / f"exchange-{name.lower()}.toml"

    def shard(self, node: str) -> Path:
        return self.folder / f"shard-{NODES[node]}-{node}.toml"

    @property
    def door(self) -> Path:
        """The gateway's and the router's."""
        return self.folder / "door.toml"

    def data(self, node: str) -> Path:
        """The data folder of a node."""
        return self.var / f"shard-{NODES[node]}-{node}"

    def _write_exchange(self, name: str, seed: int) -> None:
        path = self.exchange(name)
        text = EXCHANGE.format(
            file=path.name, file_name=name.lower(), name=name, port=self.exchange_ports[name], seed=seed,
            instruments=INSTRUMENTS.format(more=""),
        )  # fmt: skip
        path.write_text(text)

    def _write_shard(self, node: str, shard: int, port: int, store: str, lease: float) -> None:
        others = [other for other, of in NODES.items() if of == shard and other != node]
        first = node == min(one for one, of in NODES.items() if of == shard)
        what = f"Machine {others[0]} has the same broker; one is the primary, the other follows." if others else (
            "It has no standby here."
        )  # fmt: skip
        path = self.shard(node)
        venues = "\n".join(
            VENUE.format(name=name, port=at, sender=SENDERS[shard]) for name, at in self.exchange_ports.items()
        )
        text = SHARD.format(
            shard=shard, node=node, command="start" if first else "standby", file=path.name, what=what,
            broker=BROKER, port=port, store=store, upstream=self.ports[node], servers=self._servers, cluster=CLUSTER,
            lease=lease, desk=self._desk, venues=venues,
        )  # fmt: skip
        path.write_text(text)

    def _write_door(self, operation: int) -> None:
        lines = []
        for shard in sorted(set(NODES.values())):
            places = ", ".join(f"127.0.0.1:{self.ports[node]}" for node, of in NODES.items() if of == shard)
            lines.append(f'{shard} = "{places}"')
        text = DOOR.format(
            file=self.door.name, broker=BROKER, port=self.door_port, listen=self.listen, operation=operation,
            shards="\n".join(lines), servers=self._servers, cluster=CLUSTER, desk=self._desk,
        )  # fmt: skip
        self.door.write_text(text)
