"""Orders from RabbitMQ.

Senders publish to the exchange `SUBJECT.orders`, which fills the quorum queue of that name. Reports go to the topic
exchange `SUBJECT.reports` with the account as routing key; the stream `SUBJECT.reports` keeps all for some days, and a
desk binds queues of its own. Dead letters are in the quorum queue `SUBJECT.dead`. What the operator has made is used as
it is.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelClosed, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused

from brokerfix.intake.messages import DeadLetter, dead_letter
from brokerfix.intake.queue import MOST_IN_HAND, Delivery, Told
from brokerfix.queues.away import ServerAway
from brokerfix.queues.rabbitmq import connect
from brokerfix.settings.base import ConfigError
from brokerfix.settings.sections import Config

log = logging.getLogger("brokerfix.intake")
for _name in ("aiormq", "aio_pika"):
    # They tell of every try to connect, with tracebacks. Who uses them tells of it once.
    logging.getLogger(_name).setLevel(logging.CRITICAL)
REQUEST_SECONDS = 5.0
RECONNECT_SECONDS = 0.2
NO_LIMIT = 1_000_000_000
"""Redeliveries after which the server would drop a message: since RabbitMQ 4 it would be 20."""
DIRECT = ("amq.rabbitmq.reply-to", "amq.gen-")
AWAY = (AMQPError, OSError, RuntimeError, TimeoutError, asyncio.TimeoutError, asyncio.InvalidStateError)
QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": NO_LIMIT}


class RabbitQueue:
    """The queue of the section `orders_from.NAME`, at RabbitMQ servers."""

    def __init__(self, config: Config, name: str) -> None:
        self._config, self._name = config, name
        self._section = config.orders_from[name]
        self._orders, self._reports, self._dead = (
            f"{self._section.subject}.{kind}" for kind in ("orders", "reports", "dead")
        )
        self._take: Callable[[Delivery], None] | None = None
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._exchange: AbstractExchange | None = None
        self._staying: asyncio.Task[None] | None = None

    async def open(self) -> None:
        section = self._config.queues[self._section.queue]
        key = f"queues.{self._section.queue}"
        self._connection = await connect(self._config.path, key, section, f"orders_from.{self._name}")
        try:
            await asyncio.wait_for(self._declare(self._connection), REQUEST_SECONDS)
        except (ChannelAccessRefused, ChannelPreconditionFailed) as error:
            await self._close_connection()
            told = f"{self._config.path}: orders_from.{self._name}: its queues can't be made or used: {error.reason}"
            raise ConfigError(told) from error
        except AWAY as error:
            await self._close_connection()
            raise ServerAway(f"orders_from.{self._name}: its queues can't be looked at: {_words(error)}") from error

    async def _declare(self, connection: AbstractConnection) -> None:
        """Make what is not there, each on a channel of its own: the server closes one for what it refuses."""
        replicas = {"x-quorum-initial-group-size": self._section.replicas}
        stream: dict[str, Any] = {"x-queue-type": "stream"}
        if self._section.keep_days:
            stream["x-max-age"] = f"{self._section.keep_days}D"
        await self._queue(connection, self._orders, {**QUORUM, **replicas, "x-single-active-consumer": True})
        await self._queue(connection, self._dead, {**QUORUM, **replicas})
        await self._queue(connection, self._reports, stream)
        await self._exchange_of(connection, self._orders, ExchangeType.FANOUT, "")
        await self._exchange_of(connection, self._reports, ExchangeType.TOPIC, "#")
        self._channel = await connection.channel()
        await self._channel.set_qos(prefetch_count=MOST_IN_HAND)
        self._exchange = await self._channel.get_exchange(self._reports, ensure=False)

    @staticmethod
    async def _queue(connection: AbstractConnection, name: str, arguments: dict[str, Any]) -> None:
        with contextlib.suppress(ChannelClosed):
            async with connection.channel() as channel:
                await channel.declare_queue(name, durable=True, arguments=arguments)
                return
        async with connection.channel() as channel:
            await channel.declare_queue(name, passive=True)

    @staticmethod
    async def _exchange_of(connection: AbstractConnection, name: str, kind: ExchangeType, key: str) -> None:
        with contextlib.suppress(ChannelClosed):
            async with connection.channel() as channel:
                exchange = await channel.declare_exchange(name, kind, durable=True)
                queue = await channel.get_queue(name, ensure=False)
                await queue.bind(exchange, key)
                return
        async with connection.channel() as channel:
            await channel.declare_exchange(name, passive=True)

    async def follow(self, take: Callable[[Delivery], None]) -> None:
        self._take = take
        await self._consume()
        if self._staying is None:
            self._staying = asyncio.create_task(self._stay())

    async def _consume(self) -> None:
        channel = self._open_channel()
        try:
            queue = await channel.get_queue(self._orders, ensure=False)
            await queue.consume(self._came, timeout=REQUEST_SECONDS)
        except AWAY as error:
            raise ServerAway(f"orders can't be taken from the queue {self._orders}: {_words(error)}") from error

    async def _stay(self) -> None:
        """Connect anew when the connection is over. What was handed over before comes again then."""
        while True:
            await asyncio.sleep(RECONNECT_SECONDS)
            connection, channel = self._connection, self._channel
            if connection is not None and not connection.is_closed and channel is not None and not channel.is_closed:
                continue
            await self._close_connection()
            try:
                await self.open()
                await self._consume()
                log.info("connected to RabbitMQ again")
            except (ServerAway, ConfigError) as error:
                log.debug("%s", error)

    async def _came(self, message: AbstractIncomingMessage) -> None:
        headers = _headers(message)

        async def ack() -> None:
            try:
                await message.ack()
            except AWAY as error:
                # It comes again, and is answered as it was.
                log.debug("a message could not be acknowledged: %s", _words(error))

        number = message.message_id or f"#{message.delivery_tag}"
        delivery = Delivery(
            message.body, headers, f"{self._orders} {number}", ack, message.reply_to or "", message.correlation_id or ""
        )
        assert self._take is not None
        self._take(delivery)

    def may_reply(self, to: str) -> bool:
        return to.startswith(DIRECT) or to.startswith(f"{self._section.subject}.replies")

    def _open_channel(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed:
            raise ServerAway(f"orders_from.{self._name}: there is no connection to RabbitMQ now")
        return self._channel

    async def _publish(self, exchange: AbstractExchange, key: str, message: Message) -> None:
        """Publish, and wait until the server has it. Raises ServerAway."""
        try:
            await asyncio.wait_for(exchange.publish(message, key, mandatory=False), REQUEST_SECONDS)
        except AWAY as error:
            raise ServerAway(f"RabbitMQ does not take a message: {_words(error)}") from error

    async def reply(self, delivery: Delivery, body: bytes) -> None:
        message = _message(body, {}, correlation_id=delivery.correlation_id or None)
        await self._publish(self._open_channel().default_exchange, delivery.reply_to, message)

    async def report(self, told: list[Told]) -> None:
        self._open_channel()
        exchange = self._exchange
        assert exchange is not None
        publishing = [
            self._publish(exchange, one.account, _message(one.body, {}, message_id=one.id)) for one in told
        ]  # fmt: skip
        for answer in await asyncio.gather(*publishing, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer

    async def bury(self, delivery: Delivery, headers: Mapping[str, str]) -> None:
        message = _message(delivery.body, {**delivery.headers, **headers}, message_id=f"{time.time_ns():x}")
        message.reply_to, message.correlation_id = delivery.reply_to or None, delivery.correlation_id or None
        await self._publish(self._open_channel().default_exchange, self._dead, message)

    @contextlib.asynccontextmanager
    async def _letters(self) -> AsyncIterator[list[AbstractIncomingMessage]]:
        """All dead letters, in our hands for the moment: what is not acknowledged goes back to its place."""
        self._open_channel()
        assert self._connection is not None
        try:
            async with self._connection.channel() as channel:
                queue = await channel.get_queue(self._dead, ensure=False)
                found: list[AbstractIncomingMessage] = []
                while (message := await queue.get(fail=False, timeout=REQUEST_SECONDS)) is not None:
                    found.append(message)
                yield found
        except AWAY as error:
            raise ServerAway(f"the dead letters can't be read: {_words(error)}") from error

    async def dead(self) -> list[DeadLetter]:
        async with self._letters() as found:
            return [dead_letter(message.message_id or "", message.body, _headers(message)) for message in found]

    async def requeue(self, id_: str) -> None:
        async with self._letters() as found:
            message = {one.message_id: one for one in found}[id_]
            letter = dead_letter(id_, message.body, _headers(message))
            again = _message(letter.body, letter.headers, message_id=f"dead-{id_}")
            again.reply_to, again.correlation_id = message.reply_to, message.correlation_id
            await self._publish(self._open_channel().default_exchange, self._orders, again)
            await message.ack()

    async def drop(self, id_: str) -> None:
        async with self._letters() as found:
            await {one.message_id: one for one in found}[id_].ack()

    async def close(self) -> None:
        if self._staying is not None:
            self._staying.cancel()
        await self._close_connection()

    async def _close_connection(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        with contextlib.suppress(*AWAY):
            if connection is not None:
                await asyncio.wait_for(connection.close(), REQUEST_SECONDS)


def _headers(message: AbstractIncomingMessage) -> dict[str, str]:
    """A message's own headers as text, without what the server counts."""
    return {
        name.lower(): value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for name, value in message.headers.items()
        if not name.startswith("x-")
    }


def _message(
    body: bytes, headers: Mapping[str, str], message_id: str | None = None, correlation_id: str | None = None
) -> Message:
    return Message(
        body, headers=dict(headers), content_type="application/json", delivery_mode=DeliveryMode.PERSISTENT,
        message_id=message_id, correlation_id=correlation_id,
    )  # fmt: skip


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
