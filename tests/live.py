"""A broker and exchanges as real processes, and clients that are not QuickFIX."""

import importlib
import os
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import simplefix

from brokerfix.settings.passwords import make_hash
from brokerfix.settings.registry import database_path
from brokerfix.tools.client import Client, Message, utc_now
from brokerfix.tools.demo import Process, free_port
from tests import starter

SECRET = "correct horse"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For HTTP clients that speak no TLS: each would read all authorities that there are anew."""

INSTRUMENT = """
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
collar = "0.10"
reference = "150.00"
"""
MAKER = """
[accounts.MM]
cash = "10000000"
[makers.MM]
account = "MM"
[makers.MM.quotes.AAPL]
size = "100"
most_long = "1000"
most_short = "-1000"
bid_spread = "0.03"
ask_spread = "0.03"
"""
"""It quotes 0.03 around the mid; protections are each test's own."""
EXCHANGE = """
[broker]
name = "XNAS"
port = {port}
data = "xnas"
store = false
{instrument}
[accounts.ALL]
cash = "0"
limits = {{ buying_power = false }}
[clients.BROKER]
accounts = ["ALL"]
[clients.LP]
accounts = ["ALL"]
"""
BROKER = """
[broker]
name = "BROKER"
port = {port}
data = "broker"
store = true
record_interval_ms = 50
{instrument}
[accounts.ALICE]
cash = "1000000"
limits = {{ max_order_qty = "10000" }}
[accounts.BOB]
cash = "1000000"
[clients.ALICE]
accounts = ["ALICE"]
[clients.BOB]
accounts = ["BOB"]
username = "bob"
password_hash = "{password_hash}"
[venues.XNAS]
host = "127.0.0.1"
port = {venue_port}
sender = "BROKER"
target = "XNAS"
"""
UNSTORED = BROKER.replace("store = true", "store = false")
"""For tests that don't look at the database."""


class Processes:
    """The processes of one test module, and the clients that it made."""

    def __init__(self, folder: Path, ports: dict[str, int], texts: dict[str, str]) -> None:
        """A process for each name in `texts`, the configurations. They are started in that order."""
        self.folder = folder
        self.processes = {}
        for name, text in texts.items():
            config = folder / f"{name}.toml"
            config.write_text(text)
            self.processes[name] = Process(name, config, folder / f"{name}.log", ports[name])
        self._clients: dict[str, Client] = {}

    @property
    def broker(self) -> Process:
        return self.processes["BROKER"]

    def start(self) -> None:
        """Start all, until they are ready; where one is not, none is left behind."""
        try:
            for process in self.processes.values():
                process.start()
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def wait_until_ready(self) -> None:
        """What is to be waited for once all listen."""

    def client(
        self,
        name: str,
        process: Process | None = None,
        target: str = "BROKER",
        password: str = "",
        begin_string: str = "FIX.4.4",
    ) -> Client:
        """A logged-on client session; one for each name."""
        client = self._clients.get(name)
        if client is None:
            port = (process or self.broker).port
            client = self._clients[name] = Client(
                name, target, "127.0.0.1", port, password=password, begin_string=begin_string
            )
        if not client.connected:
            client.connect()
        return client

    @staticmethod
    def drain(client: Client) -> None:
        """Throw away what has come."""
        client.poll(0.05)
        client.messages.clear()
        client.received_pairs.clear()

    def stop(self) -> None:
        for client in self._clients.values():
            client.close()
        for process in reversed(self.processes.values()):
            process.stop()


@cache
def secret_hash() -> str:
    """Of SECRET. It takes its time."""
    return make_hash(SECRET)


class Market(Processes):
    """A broker and one exchange."""

    def __init__(self, folder: Path, exchange: str = EXCHANGE, broker: str = BROKER) -> None:
        ports = {"XNAS": free_port(), "BROKER": free_port()}
        texts = {
            "XNAS": exchange.format(port=ports["XNAS"], instrument=INSTRUMENT),
            "BROKER": broker.format(
                port=ports["BROKER"], venue_port=ports["XNAS"], instrument=INSTRUMENT, password_hash=secret_hash()
            ),
        }
        super().__init__(folder, ports, texts)

    @property
    def exchange(self) -> Process:
        return self.processes["XNAS"]

    def wait_until_ready(self) -> None:
        self.wait_for_exchange()

    def wait_for_exchange(self) -> None:
        """Until the broker has a session with the exchange: then its book has a price of the exchange's."""
        lp = self.client("LP", self.exchange, "XNAS")
        lp.new_order(f"LP-{lp.next_out}", "2", "1", "AAPL", "151.00")
        alice = self.client("ALICE")
        alice.subscribe(f"wait-{alice.next_out}", ["AAPL"])
        alice.receive_until(lambda message: message[35] in "WX" and (270, "151.00") in alice.last)
        self.drain(alice)


def connected(port: int) -> socket.socket:
    """A connection to a port of loopback."""
    return socket.create_connection(("127.0.0.1", port), 10)


class Wire:
    """A connection on which every byte is ours. `last` is the last message that was read, field by field."""

    def __init__(self, connection: socket.socket, name: str, version: str = "FIX.4.4", target: str = "BROKER") -> None:
        self.socket, self.name, self.version, self.target = connection, name, version, target
        self.last: list[tuple[int, str]] = []
        self.parser = simplefix.FixParser()

    def pack(
        self, kind: str, number: int, *body: tuple[int, str], sent: str = "", sender: str = "", target: str = ""
    ) -> bytes:
        message = simplefix.FixMessage()
        head = (8, self.version), (35, kind), (49, sender or self.name), (56, target or self.target), (34, number)
        for tag, value in (*head, (52, sent or utc_now()), *body):
            message.append_pair(tag, value)
        packed: bytes = message.encode()
        return packed

    def send(self, kind: str, number: int, *body: tuple[int, str], **more: str) -> None:
        self.socket.sendall(self.pack(kind, number, *body, **more))

    def logon(self, number: int = 1, *body: tuple[int, str], **more: str) -> dict[int, str]:
        self.send("A", number, (98, "0"), (108, "30"), *body, **more)
        return self.read()

    def read(self) -> dict[int, str]:
        """The next message; {} when the connection has been closed."""
        while (parsed := self.parser.get_message()) is None:
            try:
                data = self.socket.recv(1 << 16)
            except (ConnectionError, ssl.SSLError):
                data = b""
            if not data:
                return {}
            self.parser.append_buffer(data)
        self.last = [(int(tag), value.decode()) for tag, value in parsed.pairs]
        return dict(reversed(self.last))

    def read_until(self, kind: str) -> dict[int, str]:
        while (message := self.read()) and message[35] != kind:
            pass
        return message

    def is_cut(self) -> bool:
        while self.read():
            pass
        return True


def report(client: Client, cl_ord_id: str, exec_type: str) -> Message:
    """The next report of this ExecType on the order or request."""
    return client.receive_until(lambda m: m[35] == "8" and m.get(11) == cl_ord_id and m[150] == exec_type)


def desk(market: Processes, *arguments: str) -> str:
    """An operator's command on the running broker: what it prints."""
    done = run_cli(*arguments, "--config", str(market.broker.config))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(market: Processes, query: str) -> list[dict[str, Any]]:
    """What the broker's database has; nothing while it is not there yet."""
    path = database_path(market.folder / "broker")
    with closing(sqlite3.connect(path if path.exists() else ":memory:")) as database:
        database.row_factory = sqlite3.Row
        with suppress(sqlite3.OperationalError):
            return [dict(row) for row in database.execute(query)]
    return []


def until(true: Callable[[], bool], timeout: float = 30.0) -> None:
    """Wait for something that only another process can tell, by looking."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def run_cli(*arguments: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """The brokerfix command in a process of its own."""
    command = [sys.executable, "-m", "brokerfix", *arguments]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = starter.start(command, output, errors)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(command, code, output.read().decode(), errors.read().decode())


def files_with(folder: Path, secret: str) -> Iterable[Path]:
    """The files below a folder that contain a text."""
    return [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def listening(pid: int) -> list[str]:
    """Where a process listens on TCP: ["127.0.0.1:9876", ...], from the kernel's tables (proc(5), /proc/net/tcp)."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(descriptor.readlink().name)
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                address, port = fields[1].split(":")
                raw = bytes.fromhex(address)
                words = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
                found.append(f"{ip_address(words)}:{int(port, 16)}")
    return sorted(found)


def of_others(package: str) -> Any:
    """A package that the proofs are compared with: where it is not there the test is skipped, or fails where it has to
    be. It asks for Python 3.12 and runs on 3.11."""
    try:
        return importlib.import_module(package)
    except ImportError:
        told = f"needs {package}: pip install --ignore-requires-python --no-deps {package.replace('_', '-')}"
        if os.environ.get("BROKERFIX_REQUIRE_TLOG"):
            pytest.fail(told)
        pytest.skip(told)
