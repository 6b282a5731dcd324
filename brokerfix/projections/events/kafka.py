"""The stream at Kafka: the topic `SUBJECT.facts.<shard>`, a message's key is its account, so that all of an account are
in one partition and in order.

Each message says, in its header `confirmed`, up to which number all partitions had everything when it was sent. With
the last message of each partition that tells exactly what is missing.
"""

import asyncio
import contextlib
import time
import zlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Sequence
from functools import partial
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from brokerfix.domain import id_number, id_text
from brokerfix.projections.events.checkpoints import number_of
from brokerfix.projections.events.destination import CONFIRM_SECONDS, NOBODY, SILENT, Has, ServerAway, What, Where
from brokerfix.projections.events.form import DECODERS, Message
from brokerfix.queues.kafka import check_reachable, client_settings

PARTITIONS = 6
"""Of a topic that we make."""
REQUEST_SECONDS = 4.0
BUSY_SECONDS, QUIET_SECONDS = 0.002, 0.05
PRODUCER = {
    "enable.idempotence": True,
    # One that is lost ends all behind it: no gap is ever passed over.
    "enable.gapless.guarantee": True,
    "acks": "all",
    "linger.ms": 1,
    "delivery.timeout.ms": round(CONFIRM_SECONDS * 1000),
    "queue.buffering.max.messages": 100_000,
}
MOST_BYTES = 900_000
"""Kafka's own limit is 1,000,000 unless it is configured otherwise."""
MOST_AHEAD, FEW_AHEAD = 10_000, 1_000
"""Messages of a partition that wait for those of others before they are told."""


def facts_topic(where: Where) -> str:
    return f"{where.section.subject}.facts.{where.shard}"


def checkpoints_topic(where: Where) -> str:
    return f"{where.section.subject}.checkpoints.{where.shard}"


def market_topic(where: Where) -> str:
    return f"{where.section.subject}.market.{where.shard}"


def key_of(account: str) -> bytes:
    return (account or NOBODY).encode()


def partition_of(key: bytes, partitions: int) -> int:
    """As the client library's own "consistent" partitioner has it."""
    return zlib.crc32(key) % partitions


class Batch:
    """A batch that is not confirmed: how many of it are not, and its last number."""

    def __init__(self, messages: Sequence[Message], done: "asyncio.Future[None]") -> None:
        self.left, self.last, self.done = len(messages), messages[-1].number, done


class KafkaDestination:
    """See `Destination`."""

    most_bytes = MOST_BYTES

    def __init__(self, where: Where) -> None:
        self.where, self.topic = where, facts_topic(where)
        self._told = f"{where.path}: events.{where.name}: Kafka topic {self.topic}"
        self._producer: Producer | None = None
        self._poller: asyncio.Task[None] | None = None
        self._batches: deque[Batch] = deque()
        self._partitions = 1
        self._confirmed = 0

    async def open(self) -> Has:
        try:
            has = await asyncio.to_thread(self._open)
        except KafkaException as error:
            raise ServerAway(f"{self._told}: {_why(error)}") from error
        self._poller = asyncio.create_task(self._poll())
        return has

    def _open(self) -> Has:
        where = self.where
        topics = check_reachable(where.path, where.key, where.queue, where.client, REQUEST_SECONDS)
        settings = client_settings(where.path, where.key, where.queue, where.client)
        keep = {"retention.ms": str(where.keep_seconds * 1000 if where.keep_seconds else -1)}
        self._partitions = topics.get(self.topic) or self._make(settings, self.topic, PARTITIONS, keep)
        market = market_topic(where)
        if where.section.market_data_ms and market not in topics:
            self._make(settings, market, 1, {"cleanup.policy": "compact"})
        checkpoint = 0
        if where.checkpoints:
            topic = checkpoints_topic(where)
            if topic not in topics:
                self._make(settings, topic, 1, keep)
            (one,) = self._last_of_each(settings, topic, 1).values() or (None,)
            checkpoint = number_of(DECODERS[where.section.format](one.value())) if one is not None else 0
        last = self._last_of_each(settings, self.topic, self._partitions)
        self._producer = Producer(settings | PRODUCER)
        return self._has(last)._replace(checkpoint=checkpoint)

    def _make(self, settings: dict[str, Any], topic: str, partitions: int, config: dict[str, str]) -> int:
        """Make a topic, or have the server make it when it is named. Returns its partitions."""
        admin = AdminClient(settings)
        new = NewTopic(topic, partitions, self.where.section.replicas, config=config)
        cluster = admin.list_topics(timeout=REQUEST_SECONDS)
        if cluster.controller_id in cluster.brokers:
            # Where that is not allowed, or there is nobody to ask, the server may do so by itself.
            with contextlib.suppress(KafkaException):
                admin.create_topics([new], request_timeout=REQUEST_SECONDS)[topic].result()
        found = admin.list_topics(topic, timeout=REQUEST_SECONDS).topics[topic]
        if found.error is not None or not found.partitions:
            raise ServerAway(f"{self._told}: there is no topic {topic}, and it can't be made: {found.error}: make it")
        return len(found.partitions)

    def _last_of_each(self, settings: dict[str, Any], topic: str, partitions: int) -> dict[int, Any]:
        """The last message of each partition of a topic; None of one that has forgotten all it had."""
        consumer = Consumer(settings | {"group.id": self.where.client, "enable.auto.commit": False})
        found: dict[int, Any] = {}
        try:
            for number in range(partitions):
                low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=REQUEST_SECONDS)
                if high > low:
                    found[number] = _last(consumer, topic, number, high)
                    if found[number] is None:
                        raise ServerAway(f"{self._told}: its last message can't be read")
                elif high:
                    found[number] = None
        finally:
            consumer.close()
        return found

    def _has(self, last: dict[int, Any]) -> Has:
        numbers = {partition: _header(message, "id") for partition, message in last.items() if message is not None}
        if not numbers:
            self._confirmed = 0
            return Has(0, "", 0, lambda message: True, has_forgotten=bool(last))
        confirmed = max(_header(message, "confirmed") for message in last.values() if message is not None)
        newest = max(numbers, key=lambda partition: numbers[partition])
        # Where all are somebody else's, what is ours is sent again.
        at = DECODERS[self.where.section.format](last[newest].value())["at"] if numbers[newest] else ""
        self._confirmed = confirmed
        partitions = self._partitions

        def lacks(message: Message) -> bool:
            return message.number > numbers.get(partition_of(key_of(message.account), partitions), 0)

        return Has(numbers[newest], at, confirmed, lacks)

    async def send(self, messages: Sequence[Message]) -> Awaitable[None]:
        producer, topic, partitions = self._producer, self.topic, self._partitions
        assert producer is not None
        batch = Batch(messages, asyncio.get_running_loop().create_future())
        self._batches.append(batch)
        delivered = partial(self._delivered, batch)
        confirmed = id_text(self._confirmed) if self._confirmed else ""
        try:
            for message in messages:
                key = key_of(message.account)
                headers: dict[str, Any] = {"id": id_text(message.number), "kind": message.kind, "confirmed": confirmed}
                producer.produce(
                    topic, message.body, key, partition_of(key, partitions), delivered, headers=headers
                )  # fmt: skip
        except (KafkaException, BufferError) as error:
            raise ServerAway(f"{self._told}: {_why(error)}") from error
        producer.poll(0)
        # The library has its own time limit, and tells what it could not deliver.
        return asyncio.wait_for(batch.done, 2 * CONFIRM_SECONDS)

    def _delivered(self, batch: Batch, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._fail(error.str())
            return
        batch.left -= 1
        while self._batches and not self._batches[0].left:
            done = self._batches.popleft()
            self._confirmed = max(self._confirmed, done.last)
            if not done.done.done():
                done.done.set_result(None)

    def _fail(self, why: str) -> None:
        for batch in self._batches:
            if not batch.done.done():
                batch.done.set_exception(ServerAway(f"{self._told}: {why}"))
                # Perhaps nobody waits for it any more.
                batch.done.exception()
        self._batches.clear()

    async def _poll(self) -> None:
        """What has been delivered is told in this thread."""
        while self._producer is not None:
            self._producer.poll(0)
            await asyncio.sleep(BUSY_SECONDS if self._batches else QUIET_SECONDS)

    async def send_market(self, messages: Sequence[Message]) -> None:
        assert self._producer is not None
        topic = market_topic(self.where)
        try:
            for message in messages:
                self._producer.produce(
                    topic, message.body, message.symbol.encode(), headers={"id": id_text(message.number)}
                )
        except (KafkaException, BufferError) as error:
            raise ServerAway(f"{self._told}: {_why(error)}") from error

    async def send_checkpoint(self, message: Message) -> None:
        assert self._producer is not None
        batch = Batch([message], asyncio.get_running_loop().create_future())
        # Its number is none of a fact.
        batch.last = 0
        self._batches.append(batch)
        try:
            delivered = partial(self._delivered, batch)
            self._producer.produce(checkpoints_topic(self.where), message.body, partition=0, on_delivery=delivered)
        except (KafkaException, BufferError) as error:
            raise ServerAway(f"{self._told}: {_why(error)}") from error
        try:
            await asyncio.wait_for(batch.done, 2 * CONFIRM_SECONDS)
        except TimeoutError as error:
            raise ServerAway(f"{self._told}: it does not confirm a checkpoint") from error

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        self._fail("closed")
        if self._poller is not None:
            self._poller.cancel()
            self._poller = None
        if producer is not None:
            # What waits in it is sent again.
            producer.purge()
            await asyncio.to_thread(producer.flush, 0)


def _last(consumer: Consumer, topic: str, partition: int, high: int) -> Any:
    """The last message of a partition; None where it can't be had."""
    consumer.assign([TopicPartition(topic, partition, high - 1)])
    message = consumer.poll(REQUEST_SECONDS)
    return None if message is None or message.error() else message


def _why(error: BaseException) -> str:
    told = error.args[0] if error.args else error
    return told.str() if isinstance(told, KafkaError) else str(told)


def _header(message: Any, name: str) -> int:
    """The number that a header of a message has (0: none)."""
    found = dict(message.headers() or ()).get(name, b"")
    return id_number((found or b"").decode(errors="replace"))


class KafkaReader:
    """See `Reader`. Partitions are told as one, in the order of the facts, up to where they ended when it began; behind
    that as messages come."""

    def __init__(self, where: Where, what: What) -> None:
        names = {"facts": facts_topic, "market": market_topic, "checkpoints": checkpoints_topic}
        self.where, self.topic = where, names[what](where)
        self._told = f"{where.path}: events.{where.name}: Kafka topic {self.topic}"
        self._consumer: Consumer | None = None
        self._ahead: dict[int, deque[tuple[int, bytes]]] = {}
        self._ends: dict[int, int] = {}
        self._paused: set[int] = set()

    async def read(self, since: int, follow: bool) -> AsyncGenerator[bytes, None]:
        try:
            await asyncio.to_thread(self._open, since)
            quiet_since = time.monotonic()
            while self._ends:
                bodies = await asyncio.to_thread(self._next)
                if bodies:
                    quiet_since = time.monotonic()
                elif not follow and time.monotonic() - quiet_since > 2 * CONFIRM_SECONDS:
                    raise ServerAway(f"{self._told}: {SILENT}")
                for body in bodies:
                    yield body
            while follow:
                for body in await asyncio.to_thread(self._next):
                    yield body
        except KafkaException as error:
            raise ServerAway(f"{self._told}: {_why(error)}") from error
        finally:
            if self._consumer is not None:
                await asyncio.to_thread(self._consumer.close)

    def _open(self, since: int) -> None:
        where = self.where
        topics = check_reachable(where.path, where.key, where.queue, f"{where.client}-reader")
        if self.topic not in topics:
            raise ServerAway(f"{self._told}: there is no such topic: has its broker published anything?")
        settings = client_settings(where.path, where.key, where.queue, f"{where.client}-reader")
        group = {"group.id": f"{where.client}-reader", "enable.auto.commit": False}
        self._consumer = consumer = Consumer(settings | group)
        begins = []
        for number in range(topics[self.topic]):
            low, high = consumer.get_watermark_offsets(TopicPartition(self.topic, number), timeout=REQUEST_SECONDS)
            begin = TopicPartition(self.topic, number, low)
            if since:
                at = TopicPartition(self.topic, number, since // 10**6)
                (found,) = consumer.offsets_for_times([at], timeout=REQUEST_SECONDS)
                begin.offset = found.offset if found.offset >= 0 else self._begin(number, since, low, high)
            begins.append(begin)
            self._ahead[number] = deque()
            if high > begin.offset:
                self._ends[number] = high - 1
        consumer.assign(begins)

    def _begin(self, partition: int, since: int, low: int, high: int) -> int:
        """Where to begin though the server does not know where it was at that time: either it has nothing so late, or
        it can't tell."""
        assert self._consumer is not None
        last = _last(self._consumer, self.topic, partition, high) if high > low else None
        return low if last is not None and last.timestamp()[1] * 10**6 >= since else high

    def _next(self) -> list[bytes]:
        """What can be told next."""
        assert self._consumer is not None
        taken: list[Any] = self._consumer.consume(500, 0.1)
        for message in taken:
            if message.error():
                raise KafkaException(message.error())
            number = message.partition()
            self._ahead[number].append((_header(message, "id"), message.value()))
            if message.offset() >= self._ends.get(number, 0):
                self._ends.pop(number, None)
        found = []
        waits = [self._ahead[number] for number in self._ends]
        while all(waits):
            heads = [(ahead[0][0], number) for number, ahead in self._ahead.items() if ahead]
            if not heads:
                break
            found.append(self._ahead[min(heads)[1]].popleft()[1])
        self._hold_back()
        return found

    def _hold_back(self) -> None:
        """A partition that is far ahead of the others waits."""
        assert self._consumer is not None
        for number, ahead in self._ahead.items():
            part = [TopicPartition(self.topic, number)]
            if number in self._paused and len(ahead) < FEW_AHEAD:
                self._paused.discard(number)
                self._consumer.resume(part)
            elif number not in self._paused and len(ahead) > MOST_AHEAD and self._ends:
                self._paused.add(number)
                self._consumer.pause(part)
