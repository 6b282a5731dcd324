"""What is on the other side of the door for queues: a broker, `brokerfix orders-from` as a process, a queue's server,
and a desk that sends orders through it with the queue's own client library."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

from nats.aio.client import Client
from nats.js.errors import NotFoundError

from brokerfix.doors.desk import hash_of, make_key
from brokerfix.tools.demo import Process, free_port
from brokerfix.tools.nats_servers import NatsServers
from tests.live import INSTRUMENT, until

CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "data"
store = false
{instrument}
[gateway]
plain = "127.0.0.1"
[gateway.budgets]
orders = {{ rate = 0 }}
requests = {{ rate = 0 }}
cancels = {{ rate = 0 }}
[queues.bus]
kind = "{kind}"
servers = {servers}
[orders_from.desk]
queue = "bus"
subject = "trial"
api_keys = ["desk", "bob", "reader", "few"]
answer_seconds = 0.5
tries = 2
[accounts.BOB]
cash = "1000000000"
limits = {{ max_order_qty = "1000" }}
[accounts.CAROL]
cash = "1000000000"
[clients.DESK]
accounts = ["BOB", "CAROL"]
[clients.FEW]
accounts = ["CAROL"]
budgets = {{ orders = {{ rate = 5, burst = 1 }} }}
"""
KEY = """
[api_keys.{name}]
hash = "{hash}"
client = "{client}"
scopes = {scopes}
accounts = {accounts}
"""
KEYS: dict[str, tuple[str, list[str], list[str]]] = {
    "desk": ("DESK", ["read", "trade"], []),
    "bob": ("DESK", ["read", "trade"], ["BOB"]),
    "reader": ("DESK", ["read"], []),
    "few": ("FEW", ["read", "trade"], []),
}
T = TypeVar("T")


class Server(Protocol):
    """The server of a queue."""

    def kill(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class Desk:
    """Sends to the queue, and reads what has come back. Its connection runs on a loop in a thread of its own."""

    def __init__(self, urls: list[str], keys: dict[str, str]) -> None:
        self.urls, self.keys = urls, keys
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.run(self.connect())

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(30)

    def stop(self) -> None:
        self.run(self.disconnect())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def send(
        self, body: dict[str, Any] | bytes, key: str | None = "desk", reply_to: str = "", number: str = "", **more: str
    ) -> None:
        """Send a message, confirmed by the queue. Its reply goes to `reply_to` with this `number`."""
        headers = dict(more)
        if key is not None:
            headers["authorization"] = f"Bearer {self.keys.get(key, key)}"
        self.run(
            self.publish(body if isinstance(body, bytes) else json.dumps(body).encode(), headers, reply_to, number)
        )

    def ask(self, body: dict[str, Any] | bytes, key: str | None = "desk") -> dict[str, Any]:
        """Send a message, and wait for its reply."""
        number = f"ask-{time.time_ns()}"
        self.send(body, key, self.replies_to, number)
        return self.reply(number)

    def reply(self, number: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        until(lambda: bool(found.extend(self.answers(number)) or found))
        return found[0]

    def answers(self, number: str) -> list[dict[str, Any]]:
        """All replies with this number."""
        return [json.loads(body) for told, body in self.run(self.replies()) if told == number]

    def reports(self, account: str, cl_ord_id: str = "") -> list[dict[str, Any]]:
        """The reports of an account, or of one of its orders, that are there."""
        every = [json.loads(body) for body in self.run(self.reported(account))]
        return [one for one in every if cl_ord_id in ("", one["order"]["cl_ord_id"])]

    replies_to = ""

    async def connect(self) -> None: ...
    async def disconnect(self) -> None: ...
    async def publish(self, body: bytes, headers: dict[str, str], reply_to: str, number: str) -> None: ...
    async def replies(self) -> list[tuple[str, bytes]]:
        raise NotImplementedError

    async def reported(self, account: str) -> list[bytes]:
        raise NotImplementedError

    def waiting(self) -> int:
        """How many messages are not acknowledged. Nobody takes any."""
        raise NotImplementedError


class NatsDesk(Desk):
    replies_to = "trial.replies.desk"

    async def connect(self) -> None:
        self.client = Client()
        await self.client.connect(self.urls, max_reconnect_attempts=-1, reconnect_time_wait=0.05)  # type: ignore[arg-type]
        self.js = self.client.jetstream(timeout=2)

    async def disconnect(self) -> None:
        await self.client.close()

    async def publish(self, body: bytes, headers: dict[str, str], reply_to: str, number: str) -> None:
        told = {**headers, **({"reply-to": reply_to, "correlation-id": number} if reply_to else {})}
        await self.js.publish("trial.orders", body, headers=told)

    async def _messages(self, subject: str) -> list[tuple[str, bytes]]:
        found: list[tuple[str, bytes]] = []
        number = 1
        with contextlib.suppress(NotFoundError):
            while True:
                message = await self.js.get_msg("trial-reports", number, subject=subject, next=True)
                found.append(((message.headers or {}).get("correlation-id", ""), message.data or b""))
                number = (message.seq or 0) + 1
        return found

    async def replies(self) -> list[tuple[str, bytes]]:
        return await self._messages(self.replies_to)

    async def reported(self, account: str) -> list[bytes]:
        return [body for _, body in await self._messages(f"trial.reports.{account}")]

    def waiting(self) -> int:
        return self.run(self.js.stream_info("trial-orders")).state.messages


class OneNats:
    """A NATS server."""

    def __init__(self, folder: Path) -> None:
        self.servers = NatsServers(folder, free_port)

    @property
    def urls(self) -> list[str]:
        return self.servers.urls

    def start(self) -> None:
        self.servers.start()

    def kill(self) -> None:
        self.servers.kill(0)

    def stop(self) -> None:
        self.servers.stop()


class Place:
    """Server, broker and door; and desks."""

    def __init__(self, folder: Path, kind: str, server: Any, desk: Callable[[list[str], dict[str, str]], Desk]) -> None:
        self.folder, self.kind, self.server = folder, kind, server
        self.port = free_port()
        self.keys = {name: make_key(name) for name in KEYS}
        text = CONFIG.format(port=self.port, instrument=INSTRUMENT, kind=kind, servers=json.dumps(server.urls))
        for name, (client, scopes, accounts) in KEYS.items():
            text += KEY.format(
                name=name, hash=hash_of(self.keys[name]), client=client, scopes=json.dumps(scopes),
                accounts=json.dumps(accounts),
            )  # fmt: skip
        self.config = folder / "broker.toml"
        self.config.write_text(text)
        self.broker = Process("BROKER", self.config, folder / "log", self.port)
        self.broker.start()
        self.door: subprocess.Popen[bytes] | None = None
        self.start_door()
        self.desk = desk(server.urls, self.keys)

    @property
    def log(self) -> str:
        return (self.folder / "door.log").read_text()

    def start_door(self) -> None:
        """Start it, and wait until it takes orders."""
        before = self.log.count("are taken") if (self.folder / "door.log").exists() else 0
        with (self.folder / "door.log").open("ab") as log:
            command = [sys.executable, "-m", "brokerfix", "orders-from", str(self.config)]
            self.door = subprocess.Popen(command, stderr=log)
        until(lambda: self.log.count("are taken") > before)

    def kill_door(self) -> None:
        """End it with SIGKILL."""
        assert self.door is not None
        self.door.kill()
        self.door.wait()

    def pause_door(self) -> None:
        assert self.door is not None
        self.door.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.door is not None
        self.door.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.desk.stop()
        assert self.door is not None
        self.door.terminate()
        assert self.door.wait(20) == 0, self.log
        self.broker.stop()
        assert "Traceback" not in self.log, self.log


def order(cl_ord_id: str, **terms: Any) -> dict[str, Any]:
    return {
        "action": "new", "cl_ord_id": cl_ord_id, "symbol": "AAPL", "side": "buy", "qty": "10", "price": "140.00",
        "account": "BOB", **terms,
    }  # fmt: skip
