"""What is on the other side of the door for queues: a broker, `brokerfix orders-from` as a process, a queue's server,
and a desk that sends orders through it with the queue's own client library."""

import asyncio
import contextlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import aio_pika
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from brokerfix.doors.desk import hash_of, make_key
from brokerfix.tools.demo import Process, free_port
from tests import starter
from tests.door import Exchange
from tests.live import INSTRUMENT, until
from tests.servers import Kafka, Nats, Rabbit

CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "data"
store = false
resend_messages = 100
{instrument}post = "book"
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
[accounts.DAVE]
cash = "1000000000"
[clients.DAVE]
accounts = ["DAVE"]
[venues.XNAS]
host = "127.0.0.1"
port = {venue_port}
sender = "BROKER"
target = "XNAS"
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
RABBIT_AWAY = (aio_pika.exceptions.AMQPError, OSError, TimeoutError, asyncio.TimeoutError, RuntimeError)


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
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.run(self.publish(text, headers, reply_to, number))

    def ask(self, body: dict[str, Any] | bytes, key: str | None = "desk") -> dict[str, Any]:
        """Send a message, and wait for its reply."""
        number = f"ask-{time.time_ns()}"
        self.send(body, key, self.replies_to, number)
        return self.reply(number)

    def reply(self, number: str) -> dict[str, Any]:
        until(lambda: bool(self.answers(number)))
        return self.answers(number)[0]

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


class RabbitDesk(Desk):
    replies_to = "trial.replies.desk"

    async def connect(self) -> None:
        url = next(url for url in self.urls if url.startswith("amqp"))
        self.connection = await aio_pika.connect(url, timeout=5)
        self.channel = await self.connection.channel()
        self.exchange = await self.channel.get_exchange("trial.orders", ensure=False)
        await self.channel.declare_queue(self.replies_to, durable=True, arguments={"x-queue-type": "stream"})
        self.read: dict[str, list[tuple[str, bytes]]] = {}

    async def disconnect(self) -> None:
        await self.connection.close()

    async def publish(self, body: bytes, headers: dict[str, str], reply_to: str, number: str) -> None:
        message = aio_pika.Message(body, headers=dict(headers), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        if reply_to:
            message.reply_to, message.correlation_id = reply_to, number
        while True:
            try:
                await self.exchange.publish(message, "", timeout=5)
                return
            except RABBIT_AWAY:
                await self._connect_again()

    async def _connect_again(self) -> None:
        """The server has been started again, as we know, and may not be ready for all queues."""
        await asyncio.sleep(0.1)
        with contextlib.suppress(*RABBIT_AWAY):
            await self.connection.close()
        with contextlib.suppress(*RABBIT_AWAY):
            await self.connect()

    async def _messages(self, stream: str) -> list[tuple[str, bytes]]:
        """All that a stream has: on the first call it begins to read."""
        while self.connection.is_closed or self.channel.is_closed:
            await self._connect_again()
        if stream not in self.read:
            found = self.read[stream] = []

            async def came(message: Any) -> None:
                found.append((message.correlation_id or message.routing_key, message.body))
                await message.ack()

            channel = await self.connection.channel()
            await channel.set_qos(prefetch_count=500)
            queue = await channel.get_queue(stream, ensure=False)
            await queue.consume(came, arguments={"x-stream-offset": "first"})
        return self.read[stream]

    async def replies(self) -> list[tuple[str, bytes]]:
        return await self._messages(self.replies_to)

    async def reported(self, account: str) -> list[bytes]:
        return [body for key, body in await self._messages("trial.reports") if key == account]

    def waiting(self) -> int:
        return self.run(self._waiting())

    async def _waiting(self) -> int:
        async with self.connection.channel() as channel:
            queue = await channel.declare_queue("trial.orders", passive=True)
            return queue.declaration_result.message_count or 0


class KafkaDesk(Desk):
    replies_to = "trial.replies"

    async def connect(self) -> None:
        settings = {"bootstrap.servers": ",".join(self.urls), "log_level": 2}
        self.producer = Producer(settings | {"enable.idempotence": True})
        self.consumer = Consumer(settings | {"group.id": "desk", "auto.offset.reset": "earliest"})
        self.found: dict[str, list[tuple[str, bytes]]] = {"trial.replies": [], "trial.reports": []}
        there = self.consumer.list_topics(timeout=10).topics
        self.consumer.assign(
            [TopicPartition(name, number, OFFSET_BEGINNING) for name in self.found for number in there[name].partitions]
        )

    async def disconnect(self) -> None:
        self.consumer.close()

    async def publish(self, body: bytes, headers: dict[str, str], reply_to: str, number: str) -> None:
        told = {**headers, **({"reply-to": reply_to, "correlation-id": number} if reply_to else {})}
        account = re.search(rb'"account": "([A-Z]+)"', body)
        key = account[1] if account else b"BOB"
        self.producer.produce("trial.orders", body, key, headers=[(name, one.encode()) for name, one in told.items()])
        assert self.producer.flush(10) == 0

    async def _messages(self, topic: str) -> list[tuple[str, bytes]]:
        poll: Callable[[float], Any] = self.consumer.poll
        while (message := poll(0.02)) is not None:
            if not message.error():
                key = (message.key() or b"").decode()
                self.found[message.topic()].append((key, message.value()))
        return self.found[topic]

    async def replies(self) -> list[tuple[str, bytes]]:
        return await self._messages("trial.replies")

    async def reported(self, account: str) -> list[bytes]:
        return [body for key, body in await self._messages("trial.reports") if key == account]

    def waiting(self) -> int:
        settings = {"bootstrap.servers": ",".join(self.urls), "log_level": 2}
        group = Consumer(settings | {"group.id": "trial.orders-from"})
        try:
            there = group.list_topics("trial.orders", timeout=10).topics["trial.orders"].partitions
            every = [TopicPartition("trial.orders", number) for number in there]
            ends = {one.partition: group.get_watermark_offsets(one, timeout=10)[1] for one in every}
            return sum(ends[one.partition] - max(0, one.offset) for one in group.committed(every, timeout=10))
        finally:
            group.close()


NUMBERS: dict[str, tuple[int, ...]] = {"nats": (0,), "rabbitmq": (), "kafka": ()}


class Place:
    """Server, broker and door; and desks."""

    def __init__(self, folder: Path, server: Nats | Rabbit | Kafka) -> None:
        self.folder, self.kind, self.server = folder, server.kind, server
        kind = server.kind
        self.exchange = Exchange(folder) if kind == "nats" else None
        self.port = free_port()
        self.keys = {name: make_key(name) for name in (*KEYS, "later")}
        self.config = folder / "broker.toml"
        self.config.write_text(
            CONFIG.format(
                port=self.port, instrument=INSTRUMENT, kind=kind, servers=json.dumps(server.urls),
                venue_port=self.exchange.port if self.exchange is not None else free_port(),
            )
        )  # fmt: skip
        for name in KEYS:
            self.add_key(name)
        self.broker = Process("BROKER", self.config, folder / "log", self.port)
        self.broker.start()
        self.door: starter.Started | None = None
        self.start_door()
        self.desk = DESKS[kind](server.urls, self.keys)

    def pause_server(self) -> None:
        """Have the server stand still, until `server_goes_on`."""
        self.server.pause(*NUMBERS[self.kind])

    def server_goes_on(self) -> None:
        self.server.go_on(*NUMBERS[self.kind])

    def add_key(self, name: str) -> None:
        client, scopes, accounts = KEYS.get(name, ("DESK", ["trade"], []))
        with self.config.open("a") as config:
            config.write(
                KEY.format(
                    name=name, hash=hash_of(self.keys[name]), client=client, scopes=json.dumps(scopes),
                    accounts=json.dumps(accounts),
                )
            )  # fmt: skip

    @property
    def log(self) -> str:
        return (self.folder / "door.log").read_text()

    def start_door(self) -> None:
        """Start it, and wait until it takes orders."""
        before = self.log.count("are taken") if (self.folder / "door.log").exists() else 0
        with (self.folder / "door.log").open("ab") as log:
            command = [sys.executable, "-m", "brokerfix", "orders-from", str(self.config)]
            self.door = starter.start(command, log)
        until(lambda: self.log.count("are taken") > before)

    def kill_door(self) -> None:
        """End it with SIGKILL."""
        assert self.door is not None
        self.door.kill()
        self.door.wait()

    def stop(self) -> None:
        self.desk.stop()
        assert self.door is not None
        if self.door.poll() is None:
            self.door.terminate()
            assert self.door.wait(20) == 0, self.log
        self.broker.stop()
        if self.exchange is not None:
            self.exchange.process.stop()
        assert "Traceback" not in self.log, self.log


def order(cl_ord_id: str, **terms: Any) -> dict[str, Any]:
    return {
        "action": "new", "cl_ord_id": cl_ord_id, "symbol": "AAPL", "side": "buy", "qty": "10", "price": "140.00",
        "account": "BOB", **terms,
    }  # fmt: skip


DESKS: dict[str, type[Desk]] = {"nats": NatsDesk, "rabbitmq": RabbitDesk, "kafka": KafkaDesk}


def main() -> None:
    """Send as many orders as the command line says, and say after each that the queue has it."""
    kind, urls, key, prefix, count = sys.argv[1:]
    desk = DESKS[kind](urls.split(","), {"desk": key})
    for number in range(int(count)):
        desk.send(order(f"{prefix}{number}"))
        print(number, flush=True)


if __name__ == "__main__":
    main()
