"""Orders from NATS JetStream.

Streams: SUBJECT-orders is a work queue of `SUBJECT.orders` and what is below it; SUBJECT-reports keeps
`SUBJECT.reports.ACCOUNT` and `SUBJECT.replies.NAME` for some days; SUBJECT-dead keeps `SUBJECT.dead`. One that the
operator has made is used as it is.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError
from nats.js.errors import Error as JetStreamError

from brokerfix.intake.messages import DeadLetter, dead_letter
from brokerfix.intake.queue import MOST_IN_HAND, Delivery, Told
from brokerfix.queues.away import ServerAway
from brokerfix.queues.nats import connect
from brokerfix.settings.base import ConfigError
from brokerfix.settings.sections import Config

log = logging.getLogger("brokerfix.intake")
ACK_SECONDS = 5.0
"""Without a word from us for so long, the server hands a message over again."""
CONSUMER = "brokerfix"
DUPLICATES_SECONDS = 120.0
DAY_SECONDS = 86_400.0
REQUEST_SECONDS = 2.0
MESSAGE_ID = "Nats-Msg-Id"
INBOX = "_INBOX."
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A header's name (RFC 9110, 5.6.2)."""
AWAY = (nats.errors.Error, JetStreamError, OSError, TimeoutError, asyncio.TimeoutError)


class NatsQueue:
    """The queue of the section `orders_from.NAME`, at NATS servers."""

    def __init__(self, config: Config, name: str) -> None:
        self._config, self._name = config, name
        self._section = config.orders_from[name]
        self._subject = self._section.subject
        self._in_hand: dict[int, Msg] = {}
        self._keeping: asyncio.Task[None] | None = None
        self._subscription: JetStreamContext.PushSubscription | None = None
        self._take: Callable[[Delivery], None] | None = None

    async def open(self) -> None:
        section = self._config.queues[self._section.queue]
        key = f"queues.{self._section.queue}"
        self._client = await connect(self._config.path, key, section, f"orders_from.{self._name}")
        self._js = self._client.jetstream(timeout=REQUEST_SECONDS)
        subject, days = self._subject, self._section.keep_days
        await self._stream("orders", [f"{subject}.orders", f"{subject}.orders.>"], RetentionPolicy.WORK_QUEUE)
        await self._stream(
            "reports", [f"{subject}.reports.>", f"{subject}.replies.>"], RetentionPolicy.LIMITS, days * DAY_SECONDS
        )
        await self._stream("dead", [f"{subject}.dead"], RetentionPolicy.LIMITS)

    async def _stream(self, kind: str, subjects: list[str], retention: RetentionPolicy, age: float = 0) -> None:
        """Make a stream, if it is not there. Raises ServerAway, ConfigError."""
        name = f"{self._subject}-{kind}"
        config = StreamConfig(
            name=name, subjects=subjects, retention=retention, storage=StorageType.FILE, max_age=age,
            num_replicas=self._section.replicas, duplicate_window=DUPLICATES_SECONDS,
        )  # fmt: skip
        try:
            try:
                found = (await self._js.stream_info(name)).config
            except NotFoundError:
                await self._js.add_stream(config)
                return
        except APIError as error:
            told = f"{self._config.path}: orders_from.{self._name}: the stream {name} can't be made: "
            raise ConfigError(f"{told}{error.description}") from error
        except AWAY as error:
            raise ServerAway(f"the stream {name} can't be looked at: {error}") from error
        if kind == "orders" and found.retention != RetentionPolicy.WORK_QUEUE:
            where = f"{self._config.path}: orders_from.{self._name}"
            raise ConfigError(f"{where}: the stream {name} has to be a work queue: make it anew, with retention 'work'")

    async def follow(self, take: Callable[[Delivery], None]) -> None:
        self._take = take
        await self._consume()
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())

    async def _consume(self) -> None:
        """Have a new consumer: what the one before was handed and has not acknowledged comes first then, in order, and
        not some time after what is newer. A work queue holds nothing else."""
        if self._subscription is not None:
            with contextlib.suppress(*AWAY):
                await self._subscription.unsubscribe()
        stream = f"{self._subject}-orders"
        config = ConsumerConfig(
            durable_name=CONSUMER, ack_policy=AckPolicy.EXPLICIT, deliver_policy=DeliverPolicy.ALL,
            ack_wait=ACK_SECONDS, max_ack_pending=MOST_IN_HAND,
        )  # fmt: skip
        try:
            with contextlib.suppress(NotFoundError):
                await self._js.delete_consumer(stream, CONSUMER)
            # Without a filter, all of the stream's subjects.
            self._subscription = await self._js.subscribe(
                "", stream=stream, config=config, cb=self._came, manual_ack=True
            )
        except AWAY as error:
            raise ServerAway(f"orders can't be taken from the stream {stream}: {error}") from error

    async def _came(self, message: Msg) -> None:
        number = message.metadata.sequence.stream
        if number in self._in_hand:
            return
        self._in_hand[number] = message
        headers = {name.lower(): value for name, value in (message.headers or {}).items()}
        delivery = Delivery(
            message.data, headers, f"{self._subject}-orders {number}", lambda: self._acknowledge(number),
            headers.get("reply-to", ""), headers.get("correlation-id", ""),
        )  # fmt: skip
        assert self._take is not None
        self._take(delivery)

    async def _acknowledge(self, number: int) -> None:
        """Where it fails, the message comes again, and is answered as it was."""
        message = self._in_hand[number]
        try:
            await message.ack_sync(REQUEST_SECONDS)
        except AWAY as error:
            log.debug("message %d could not be acknowledged: %s", number, error)
        finally:
            del self._in_hand[number]

    async def _keep(self) -> None:
        """Tell the server that what we have is being worked on, and look whether it still hands over."""
        while True:
            await asyncio.sleep(ACK_SECONDS / 3)
            try:
                for message in list(self._in_hand.values()):
                    await message.in_progress()
                await self._js.consumer_info(f"{self._subject}-orders", CONSUMER)
            except NotFoundError:
                log.warning("the consumer %s of %s-orders is gone: it is made anew", CONSUMER, self._subject)
                with contextlib.suppress(ServerAway):
                    await self._consume()
            except AWAY as error:
                log.debug("%s", error)

    def may_reply(self, to: str) -> bool:
        is_one = to and not set(to) & set(" *>\t\r\n") and ".." not in to and not to.endswith(".")
        return bool(is_one) and to.startswith((INBOX, f"{self._subject}.replies."))

    async def reply(self, delivery: Delivery, body: bytes) -> None:
        headers = {"correlation-id": delivery.correlation_id} if delivery.correlation_id else None
        try:
            if delivery.reply_to.startswith(INBOX):
                await self._client.publish(delivery.reply_to, body, headers=headers)
                return
            try:
                await self._js.publish(delivery.reply_to, body, headers=headers)
            except NoStreamResponseError:
                # The operator's own stream may not keep answers: who listens now gets it.
                await self._client.publish(delivery.reply_to, body, headers=headers)
        except AWAY as error:
            raise ServerAway(f"an answer can't be sent: {error}") from error

    async def report(self, told: list[Told]) -> None:
        publishing = [
            self._js.publish(
                f"{self._subject}.reports.{quote(one.account, safe='')}", one.body, headers={MESSAGE_ID: one.id}
            )
            for one in told
        ]
        for answer in await asyncio.gather(*publishing, return_exceptions=True):
            if isinstance(answer, AWAY):
                raise ServerAway(f"reports can't be published: {answer}") from answer
            if isinstance(answer, BaseException):
                raise answer

    async def bury(self, delivery: Delivery, headers: Mapping[str, str]) -> None:
        # What the sender told the server about its message is not about this one.
        kept = {name: value for name, value in _sendable(delivery.headers).items() if not name.startswith("nats-")}
        told = {**kept, **headers, MESSAGE_ID: delivery.place}
        await self._confirmed(self._js.publish(f"{self._subject}.dead", delivery.body, headers=told))

    @staticmethod
    async def _confirmed(what: Awaitable[object]) -> None:
        try:
            await what
        except AWAY as error:
            raise ServerAway(f"a dead letter can't be kept: {error}") from error

    async def dead(self) -> list[DeadLetter]:
        stream, found = f"{self._subject}-dead", []
        try:
            state = (await self._js.stream_info(stream)).state
            number = state.first_seq
            while state.messages and number <= state.last_seq:
                message = await self._js.get_msg(stream, number, next=True, subject=f"{self._subject}.dead")
                assert message.seq is not None
                headers = {name.lower(): value for name, value in (message.headers or {}).items()}
                headers.pop(MESSAGE_ID.lower(), None)
                found.append(dead_letter(str(message.seq), message.data or b"", headers))
                number = message.seq + 1
        except NotFoundError:
            return found
        except AWAY as error:
            raise ServerAway(f"the dead letters can't be read: {error}") from error
        return found

    async def requeue(self, id_: str) -> None:
        letter = await self._letter(id_)
        headers = {**_sendable(letter.headers), MESSAGE_ID: f"dead-{id_}"}
        await self._confirmed(self._js.publish(f"{self._subject}.orders", letter.body, headers=headers))
        await self.drop(id_)

    async def _letter(self, id_: str) -> DeadLetter:
        return {letter.id: letter for letter in await self.dead()}[id_]

    async def drop(self, id_: str) -> None:
        await self._letter(id_)
        await self._confirmed(self._js.delete_msg(f"{self._subject}-dead", int(id_)))

    async def close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
        with contextlib.suppress(*AWAY):
            await self._client.close()


def _sendable(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of a message as they can be sent on: the server takes names that the client refuses to send."""
    return {name: value for name, value in headers.items() if TOKEN.fullmatch(name)}
