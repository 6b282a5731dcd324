"""The HTTP door as its users have it: a broker, its gateway and `brokerfix http` as processes, and clients."""

import base64
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from brokerfix.doors.desk import hash_of, make_key
from brokerfix.tools.demo import Process, free_port
from tests import starter
from tests.live import EXCHANGE, INSTRUMENT, NO_TLS

CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "data"
{instrument}
[gateway]
plain = "127.0.0.1"
[gateway.budgets]
orders = {{ rate = 0 }}
requests = {{ rate = 0 }}
cancels = {{ rate = 0 }}
[http]
port = {http}
stream_messages = 50
failures_before_lockout = 1000
[accounts.ALICE]
cash = "1000000"
[accounts.BOB]
cash = "1000000"
[accounts.CAROL]
cash = "1000000"
[clients.ALICE]
accounts = ["ALICE"]
[clients.DESK]
accounts = ["BOB", "CAROL"]
[clients.FEW]
accounts = ["CAROL"]
budgets = {{ orders = {{ rate = 1, burst = 1 }} }}
"""
KEY = """
[api_keys.{name}]
hash = "{hash}"
client = "{client}"
scopes = {scopes}
accounts = {accounts}
"""
Keys = dict[str, tuple[str, list[str], list[str]]]
KEYS: Keys = {
    "desk": ("DESK", ["read", "trade", "market"], []),
    "bob": ("DESK", ["read", "trade"], ["BOB"]),
    "reader": ("DESK", ["read"], []),
    "few": ("FEW", ["read", "trade"], []),
}


class Exchange:
    """The exchange that the broker of a place has."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        config = folder / "XNAS.toml"
        config.write_text(EXCHANGE.format(port=self.port, instrument=INSTRUMENT))
        self.process = Process("XNAS", config, folder / "XNAS.log", self.port)
        self.process.start()

    def pause(self) -> None:
        assert self.process._process is not None
        os.kill(self.process._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process._process is not None
        os.kill(self.process._process.pid, signal.SIGCONT)


class Place:
    """The processes, and the API with each key."""

    def __init__(self, folder: Path, config: str = CONFIG, keys: Keys = KEYS, **terms: object) -> None:
        """`config` is a template for `terms`, the ports and the instrument."""
        self.folder = folder
        self.sockets: list[socket.socket] = []
        self.port, self.http = free_port(), free_port()
        self.keys = {name: make_key(name) for name in keys}
        text = config.format(port=self.port, http=self.http, instrument=INSTRUMENT, **terms)
        for name, (client, scopes, accounts) in keys.items():
            text += KEY.format(
                name=name, hash=hash_of(self.keys[name]), client=client, scopes=json.dumps(scopes),
                accounts=json.dumps(accounts),
            )  # fmt: skip
        self.scopes, self.has_store = keys, "store = false" not in text
        self.config = folder / "broker.toml"
        self.config.write_text(text)
        self.broker = Process("BROKER", self.config, folder / "log", self.port)
        self.broker.start()
        self.start_http()

    def start_http(self) -> None:
        with (self.folder / "http.log").open("ab") as log:
            command = [sys.executable, "-m", "brokerfix", "http", str(self.config)]
            self.process = starter.start(command, log)
        deadline = time.monotonic() + 20
        name = next(name for name, (_, scopes, _) in self.scopes.items() if "read" in scopes)
        while time.monotonic() < deadline:
            try:
                with self.api(name) as api:
                    # Without a database there never are positions.
                    is_read = api.get("/v1/positions").status_code == 200 or not self.has_store
                    if api.get("/healthz").json()["up"] and is_read:
                        return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError((self.folder / "http.log").read_text())

    def stop(self) -> None:
        for one in self.sockets:
            one.close()
        self.stop_http()
        self.broker.stop()
        assert "Traceback" not in (self.folder / "http.log").read_text()

    def stop_http(self) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    def api(self, name: str = "desk") -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.keys[name]}"}, timeout=20, verify=NO_TLS
        )


def order(cl_ord_id: str, **terms: Any) -> dict[str, Any]:
    return {"cl_ord_id": cl_ord_id, "symbol": "AAPL", "side": "buy", "qty": "10", "price": "140.00", **terms}


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def problem(answer: httpx.Response, status: int) -> str:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    detail: str = answer.json()["detail"]
    return detail


class WebSocket:
    """A WebSocket client that reads as slowly as a test likes: the handshake and unmasked frames of RFC 6455."""

    def __init__(self, place: Place, key: str, path: str) -> None:
        self.socket = socket.socket()
        place.sockets.append(self.socket)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", place.http))
        asked = [
            f"GET {path} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            f"Authorization: Bearer {place.keys[key]}",
        ]  # fmt: skip
        self.socket.sendall("\r\n".join([*asked, "", ""]).encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.socket.recv(4096)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])

    def _take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("closed")
            self.buffer += data
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def read(self) -> Any:
        """The next message; the code of a close frame."""
        first, second = self._take(2)
        length = second & 127
        if length == 126:
            length = int.from_bytes(self._take(2), "big")
        payload = self._take(length)
        if first & 15 == 8:
            return int.from_bytes(payload[:2], "big")
        return json.loads(payload) if first & 15 == 1 else self.read()
