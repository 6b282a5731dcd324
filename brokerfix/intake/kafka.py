"""Orders from Kafka.

Topics: `SUBJECT.orders`, whose senders give what belongs together, as all of an account, one key; `SUBJECT.reports`,
keyed by account, and `SUBJECT.replies`; `SUBJECT.dead`, which is compacted: a dead letter that is put back or deleted
is a key without a value. What is acknowledged is committed for the group SUBJECT.orders-from, up to the first message
of a partition that is not. A topic that the operator has made is used as it is.
"""

import asyncio
import contextlib
import logging
import re
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_STORED,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from brokerfix.intake.messages import DeadLetter, dead_letter
from brokerfix.intake.queue import MOST_IN_HAND, Delivery, Told
from brokerfix.queues.away import ServerAway
from brokerfix.queues.kafka import check_reachable, client_settings
from brokerfix.settings.sections import Config

log = logging.getLogger("brokerfix.intake")
PARTITIONS = 8
"""Of a topic that we make."""
REQUEST_SECONDS = 5.0
POLL_SECONDS = 0.1
RETRY_SECONDS = 1.0
LOOK_SECONDS = 10.0
"""How often it is looked whether the topic has more partitions."""
DAY_MS = 86_400_000
NO_TOPIC = (
    KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_EXCEPTION,
)  # fmt: skip
TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
"""What a topic may be called: the client library takes no other name, or gets no answer about it."""
PRODUCER = {"enable.idempotence": True, "linger.ms": 1, "message.timeout.ms": 10_000}
CONSUMER = {"enable.auto.commit": False, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50}


class NoTopic(ServerAway):
    """A topic is not there, or not for us."""


class Partition:
    """What of a partition is in our hands: all before `floor` is acknowledged. The thread that reads takes, the loop is
    done with it."""

    def __init__(self) -> None:
        self.floor = self.committed = -1
        self._waiting: dict[int, bool] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def took(self, offset: int) -> None:
        with self._lock:
            self._waiting[offset] = False
            if self.floor < 0:
                self.floor = self.committed = offset

    def done(self, offset: int) -> None:
        with self._lock:
            self._waiting[offset] = True
            # Offsets may have holes; in the order in which they were taken there are none.
            while self._waiting and self._waiting[first := next(iter(self._waiting))]:
                del self._waiting[first]
                self.floor = first + 1


class KafkaQueue:
    """The queue of the section `orders_from.NAME`, at Kafka brokers. A thread reads; all else is on the loop."""

    def __init__(self, config: Config, name: str) -> None:
        self._config, self._name = config, name
        self._section = config.orders_from[name]
        subject = self._section.subject
        self._orders, self._reports, self._replies, self._dead = (
            f"{subject}.{kind}" for kind in ("orders", "reports", "replies", "dead")
        )
        self._where = config.path, f"queues.{self._section.queue}", config.queues[self._section.queue]
        self._client = f"orders_from.{name}"
        self._partitions: dict[int, Partition] = {}
        self._reading: threading.Thread | None = None
        self._stop = threading.Event()
        self._producer: Producer | None = None
        self._flushing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._settings = client_settings(*self._where, self._client)
        await asyncio.to_thread(self._make_all)
        self._producer = Producer(self._settings | PRODUCER)
        self._flushing = asyncio.create_task(self._flush())

    def _make_all(self) -> None:
        topics = check_reachable(*self._where, self._client)
        days = self._section.keep_days
        keep = {"retention.ms": str(days * DAY_MS if days else -1)}
        compact = {"cleanup.policy": "compact"}
        wanted: dict[str, dict[str, str]] = {
            self._orders: {}, self._reports: keep, self._replies: keep, self._dead: compact,
        }  # fmt: skip
        for topic, config in wanted.items():
            if topic not in topics:
                self._make(topic, config)

    def _make(self, topic: str, config: dict[str, str]) -> None:
        """Make a topic, or have the server make it when it is named. Raises ServerAway."""
        admin = AdminClient(self._settings)
        try:
            cluster = admin.list_topics(timeout=REQUEST_SECONDS)
            if cluster.controller_id in cluster.brokers:
                new = NewTopic(topic, PARTITIONS, self._section.replicas, config=config)
                # Where that is not allowed the server may do so by itself.
                with contextlib.suppress(KafkaException):
                    admin.create_topics([new], request_timeout=REQUEST_SECONDS)[topic].result()
            found = admin.list_topics(topic, timeout=REQUEST_SECONDS).topics[topic]
        except KafkaException as error:
            raise ServerAway(f"{self._client}: the topic {topic} can't be looked at: {error}") from error
        if found.error is not None or not found.partitions:
            raise ServerAway(f"{self._client}: there is no topic {topic}, and it can't be made: {found.error}: make it")

    # What comes

    async def follow(self, take: Callable[[Delivery], None]) -> None:
        self._reading = threading.Thread(
            target=self._read, args=(take, asyncio.get_running_loop()), name="kafka", daemon=True
        )
        self._reading.start()

    def _read(self, take: Callable[[Delivery], None], loop: asyncio.AbstractEventLoop) -> None:
        """The thread: read for ever."""
        while not self._stop.is_set():
            try:
                self._consume(take, loop)
            except KafkaException as error:
                # What was handed over and not committed comes again, and is answered as it was.
                log.warning("orders can't be read from Kafka: %s: it is tried again", error)
                self._stop.wait(RETRY_SECONDS)

    def _consume(self, take: Callable[[Delivery], None], loop: asyncio.AbstractEventLoop) -> None:
        """Hand over to the loop, and commit what is acknowledged. The partitions are taken, and not given to us:
        whoever has the clients' sessions is the only reader. Raises KafkaException."""
        consumer = Consumer(self._settings | CONSUMER | {"group.id": f"{self._section.subject}.orders-from"})
        self._partitions = {}
        looked, is_paused = -LOOK_SECONDS, False
        try:
            while not self._stop.is_set():
                if loop.time() - looked > LOOK_SECONDS:
                    looked = loop.time()
                    self._assign(consumer)
                is_full = sum(map(len, self._partitions.values())) >= MOST_IN_HAND
                if is_full != is_paused:
                    (consumer.pause if is_full else consumer.resume)(consumer.assignment())
                    is_paused = is_full
                message = consumer.poll(POLL_SECONDS)
                if message is not None and message.error():
                    log.debug("%s", message.error())
                elif message is not None:
                    self._took(message, take, loop)
                if offsets := self._to_commit():
                    consumer.commit(offsets=offsets, asynchronous=True)
        finally:
            with contextlib.suppress(KafkaException):
                if offsets := self._to_commit():
                    consumer.commit(offsets=offsets, asynchronous=False)
            consumer.close()

    def _took(self, message: Any, take: Callable[[Delivery], None], loop: asyncio.AbstractEventLoop) -> None:
        partition = self._partitions[message.partition()]
        partition.took(message.offset())
        loop.call_soon_threadsafe(self._came, take, message, partition)

    def _assign(self, consumer: Consumer) -> None:
        """Read all partitions, new ones too, from what is committed."""
        with contextlib.suppress(KafkaException):
            there = consumer.list_topics(self._orders, timeout=REQUEST_SECONDS).topics[self._orders].partitions
            new = [number for number in sorted(there) if number not in self._partitions]
            if new:
                for number in new:
                    self._partitions[number] = Partition()
                consumer.incremental_assign([TopicPartition(self._orders, number, OFFSET_STORED) for number in new])

    def _to_commit(self) -> list[TopicPartition]:
        offsets = []
        for number, one in self._partitions.items():
            floor = one.floor
            if floor != one.committed:
                one.committed = floor
                offsets.append(TopicPartition(self._orders, number, floor))
        return offsets

    def _came(self, take: Callable[[Delivery], None], message: Any, partition: Partition) -> None:
        offset = message.offset()

        async def ack() -> None:
            partition.done(offset)

        headers = _headers(message)
        take(
            Delivery(
                message.value() or b"", headers, f"{self._orders} {message.partition()}-{offset}", ack,
                headers.get("reply-to", ""), headers.get("correlation-id", ""),
            )
        )  # fmt: skip

    # What goes

    async def _flush(self) -> None:
        """Have the producer's answers told."""
        while True:
            assert self._producer is not None
            self._producer.poll(0)
            await asyncio.sleep(0.002)

    def _publish(self, topic: str, body: bytes | None, key: str, headers: Mapping[str, str]) -> asyncio.Future[None]:
        """Publish. The result comes once the server has it, or is ServerAway."""
        assert self._producer is not None
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        told = partial(self._published, answer)
        try:
            self._producer.produce(
                topic, body, key.encode(), headers=[(name, value.encode()) for name, value in headers.items()],
                on_delivery=told,
            )  # fmt: skip
        except (BufferError, KafkaException) as error:
            answer.set_exception(ServerAway(f"Kafka does not take a message: {error}"))
        return answer

    def _published(self, answer: asyncio.Future[None], error: Any, message: Any) -> None:
        if answer.done():
            return
        if error is not None and error.code() in NO_TOPIC:
            answer.set_exception(NoTopic(f"{message.topic()}: {error.str()}"))
        elif error is not None:
            answer.set_exception(ServerAway(f"Kafka does not take a message for {message.topic()}: {error.str()}"))
        else:
            answer.set_result(None)

    def may_reply(self, to: str) -> bool:
        return (to == self._replies or to.startswith(f"{self._replies}.")) and bool(TOPIC.fullmatch(to))

    async def reply(self, delivery: Delivery, body: bytes) -> None:
        headers = {"correlation-id": delivery.correlation_id} if delivery.correlation_id else {}
        try:
            await self._publish(delivery.reply_to, body, delivery.correlation_id, headers)
        except NoTopic as error:
            log.warning("message %s gets no answer: %s", delivery.place, error)

    async def report(self, told: list[Told]) -> None:
        publishing = [self._publish(self._reports, one.body, one.account, {"id": one.id}) for one in told]
        for answer in await asyncio.gather(*publishing, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer

    async def bury(self, delivery: Delivery, headers: Mapping[str, str]) -> None:
        key = delivery.place.rpartition(" ")[2]
        await self._publish(self._dead, delivery.body, key, {**delivery.headers, **headers})

    # Dead letters

    async def dead(self) -> list[DeadLetter]:
        return await asyncio.to_thread(self._read_dead)

    def _read_dead(self) -> list[DeadLetter]:
        consumer = Consumer(self._settings | CONSUMER | {"group.id": f"{self._section.subject}.dead-letters"})
        found: dict[str, DeadLetter] = {}
        try:
            there = consumer.list_topics(self._dead, timeout=REQUEST_SECONDS).topics[self._dead].partitions
            ends = {number: self._end(consumer, number) for number in there}
            left = {number for number, (first, end) in ends.items() if end > first}
            consumer.assign([TopicPartition(self._dead, number, OFFSET_BEGINNING) for number in left])
            while left:
                message: Any = consumer.poll(REQUEST_SECONDS)
                if message is None or message.error():
                    raise ServerAway("the dead letters can't be read: Kafka does not answer")
                key = (message.key() or b"").decode("utf-8", "replace")
                found.pop(key, None)
                if message.value() is not None:
                    found[key] = dead_letter(key, message.value(), _headers(message))
                if message.offset() + 1 >= ends[message.partition()][1]:
                    left.discard(message.partition())
        except KafkaException as error:
            raise ServerAway(f"the dead letters can't be read: {error}") from error
        finally:
            consumer.close()
        return sorted(found.values(), key=lambda letter: letter.at)

    def _end(self, consumer: Consumer, number: int) -> tuple[int, int]:
        first, end = consumer.get_watermark_offsets(TopicPartition(self._dead, number), timeout=REQUEST_SECONDS)
        return first, end

    async def requeue(self, id_: str) -> None:
        letter = {one.id: one for one in await self.dead()}[id_]
        await self._publish(self._orders, letter.body, letter.id, letter.headers)
        await self._publish(self._dead, None, id_, {})

    async def drop(self, id_: str) -> None:
        if id_ not in {one.id for one in await self.dead()}:
            raise KeyError(id_)
        await self._publish(self._dead, None, id_, {})

    async def close(self) -> None:
        self._stop.set()
        if self._reading is not None:
            await asyncio.to_thread(self._reading.join, REQUEST_SECONDS)
        if self._flushing is not None:
            self._flushing.cancel()
        if self._producer is not None:
            await asyncio.to_thread(self._producer.flush, REQUEST_SECONDS)


def _headers(message: Any) -> dict[str, str]:
    return {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in message.headers() or ()}
