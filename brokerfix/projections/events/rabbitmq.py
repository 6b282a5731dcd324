"""The stream at RabbitMQ: `SUBJECT.facts.<shard>` is a stream, written by the stream protocol. The server knows our
last publishing id, which is the fact's number, and drops what it has got before."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from rstream import schema
from rstream.amqp import amqp_decoder
from rstream.client import Client
from rstream.constants import OffsetType
from rstream.exceptions import StreamAlreadyExists, StreamDoesNotExist

from brokerfix.domain import id_number, id_text
from brokerfix.projections.events import amqp
from brokerfix.projections.events.destination import CONFIRM_SECONDS, SILENT, Has, ServerAway, What, Where, first_away
from brokerfix.projections.events.form import DECODERS, Message
from brokerfix.queues.rabbitmq import FRAME_MAX, close_streams, connect_streams, leader_of

REFERENCE = "brokerfix"
"""Who publishes, as the server knows its last publishing id."""
FACTS, MARKET, CHECKPOINTS = 1, 2, 3
"""Publishers of a connection."""
SUBSCRIPTION = 0
CREDIT = 10
LAST_SECONDS = 2.0
"""For so long the last messages of a stream are waited for: an empty one has none."""
LOOK_SECONDS = 0.5
NS_OF_MS = 10**6
HALF_FRAME = FRAME_MAX // 2
MARKET_BYTES = 64 << 20
"""Market data are kept up to so much: only the latest counts."""
HUNG_UP = "the server has hung up"


def facts_stream(where: Where) -> str:
    return f"{where.section.subject}.facts.{where.shard}"


def checkpoints_stream(where: Where) -> str:
    return f"{where.section.subject}.checkpoints.{where.shard}"


def market_stream(where: Where) -> str:
    return f"{where.section.subject}.market.{where.shard}"


class Waiting(NamedTuple):
    """A batch that is not confirmed: which of its numbers are not."""

    numbers: set[int]
    done: asyncio.Future[None]


class RabbitDestination:
    """See `Destination`."""

    most_bytes = HALF_FRAME

    def __init__(self, where: Where) -> None:
        self.where, self.stream = where, facts_stream(where)
        self._told = f"{where.path}: events.{where.name}: RabbitMQ stream {self.stream}"
        self._client: Client | None = None
        self._waiting: deque[Waiting] = deque()
        self._is_away = False
        self._market_number = 0
        self._checkpoint: Waiting | None = None

    async def open(self) -> Has:
        where, self._is_away = self.where, False
        arguments = (where.path, where.key, where.queue, where.client, self._closed)
        self._client = client = await connect_streams(*arguments)
        try:
            await self._ensure(client, self.stream, self._kept())
            self._client = client = await leader_of(*arguments, client, self.stream)
            client.add_handler(schema.PublishConfirm, self._confirmed)
            client.add_handler(schema.PublishError, self._refused)
            await client.declare_publisher(self.stream, REFERENCE, FACTS)
            number = await client.query_publisher_sequence(self.stream, REFERENCE)
            if where.section.market_data_ms:
                await self._ensure(client, market_stream(where), {"max-length-bytes": str(MARKET_BYTES)})
                await client.declare_publisher(market_stream(where), "", MARKET)
            checkpoint = await self._last_checkpoint(client) if where.checkpoints else 0
            last = await _last(client, self.stream) if number else None
        except ServerAway:
            raise
        except Exception as error:
            raise first_away(error, self._told) from error
        at = ""
        message = amqp_decoder(last.get_messages()[-1]) if last is not None else None
        if message is not None and _number(message) == number:
            at = DECODERS[where.section.format](message.body)["at"]
        return Has(number, at, number, lambda message: message.number > number, checkpoint=checkpoint)

    def _kept(self) -> dict[str, str]:
        keep = self.where.keep_seconds
        return {"max-age": f"{keep}s"} if keep else {}

    async def _last_checkpoint(self, client: Client) -> int:
        """The number of the last one that was published."""
        stream = checkpoints_stream(self.where)
        await self._ensure(client, stream, self._kept())
        await client.declare_publisher(stream, REFERENCE, CHECKPOINTS)
        number: int = await client.query_publisher_sequence(stream, REFERENCE)
        return number

    async def _ensure(self, client: Client, stream: str, arguments: dict[str, str]) -> None:
        if await client.stream_exists(stream):
            return
        replicas = self.where.section.replicas
        if replicas > 1:
            arguments["initial-cluster-size"] = str(replicas)
        with suppress(StreamAlreadyExists):
            await client.create_stream(stream, arguments)

    async def send(self, messages: Sequence[Message]) -> Awaitable[None]:
        client = self._client
        assert client is not None
        self._check()
        waiting = Waiting({message.number for message in messages}, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        frame: list[schema.Message] = []
        size = 0
        for message in messages:
            properties = {"id": id_text(message.number), **_properties(message)}
            data = amqp.encode(properties, message.body)
            if size + len(data) > HALF_FRAME and frame:
                await client.send_publish_frame(schema.Publish(FACTS, frame))
                frame, size = [], 0
            frame.append(schema.Message(message.number, None, data))
            size += len(data)
        await client.send_publish_frame(schema.Publish(FACTS, frame))
        self._check()
        return asyncio.wait_for(waiting.done, CONFIRM_SECONDS)

    def _check(self) -> None:
        if self._is_away or self._client is None or not self._client.is_connection_alive():
            raise ServerAway(f"{self._told}: {HUNG_UP}")

    def _confirmed(self, frame: schema.PublishConfirm) -> None:
        confirmed = set(frame.publishing_ids)
        one = self._checkpoint
        if frame.publisher_id == CHECKPOINTS and one is not None and one.numbers <= confirmed and not one.done.done():
            one.done.set_result(None)
        if frame.publisher_id != FACTS:
            return
        for waiting in self._waiting:
            waiting.numbers.difference_update(confirmed)
        while self._waiting and not self._waiting[0].numbers:
            done = self._waiting.popleft().done
            if not done.done():
                done.set_result(None)

    def _refused(self, frame: schema.PublishError) -> None:
        if frame.publisher_id in (FACTS, CHECKPOINTS):
            codes = sorted({error.response_code for error in frame.errors})
            self._fail(f"it takes no messages (response codes {codes})")

    def _closed(self) -> None:
        self._is_away = True
        self._fail(HUNG_UP)

    def _fail(self, why: str) -> None:
        for waiting in (*self._waiting, *([self._checkpoint] if self._checkpoint is not None else ())):
            if not waiting.done.done():
                waiting.done.set_exception(ServerAway(f"{self._told}: {why}"))
                # Perhaps nobody waits for it any more.
                waiting.done.exception()
        self._waiting.clear()

    async def send_market(self, messages: Sequence[Message]) -> None:
        self._check()
        assert self._client is not None
        frame = []
        for message in messages:
            self._market_number += 1
            frame.append(
                schema.Message(self._market_number, None, amqp.encode(_properties(message), message.body))
            )  # fmt: skip
        await self._client.send_publish_frame(schema.Publish(MARKET, frame))

    async def send_checkpoint(self, message: Message) -> None:
        self._check()
        assert self._client is not None
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._checkpoint = Waiting({message.number}, done)
        data = amqp.encode({"kind": message.kind}, message.body)
        await self._client.send_publish_frame(
            schema.Publish(CHECKPOINTS, [schema.Message(message.number, None, data)])
        )  # fmt: skip
        self._check()
        try:
            await asyncio.wait_for(done, CONFIRM_SECONDS)
        except TimeoutError as error:
            raise ServerAway(f"{self._told}: it does not confirm a checkpoint") from error

    async def close(self) -> None:
        client, self._client = self._client, None
        self._fail("closed")
        if client is not None:
            await close_streams(client)


def _properties(message: Message) -> dict[str, str]:
    return {"kind": message.kind, "account": message.account, "symbol": message.symbol}


def _number(message: Any) -> int:
    """The fact's number that a message has (0: none)."""
    text = (message.application_properties or {}).get(b"id", b"")
    return id_number(text.decode(errors="replace")) if isinstance(text, bytes) else 0


async def _last(client: Client, stream: str) -> schema.Deliver | None:
    """The last chunk of a stream, None where there is none, or none comes in time."""
    chunks: asyncio.Queue[schema.Deliver] = asyncio.Queue()
    await _subscribe(client, stream, schema.OffsetSpec(OffsetType.LAST), chunks)
    try:
        return await asyncio.wait_for(chunks.get(), LAST_SECONDS)
    except TimeoutError:
        return None
    finally:
        await client.unsubscribe(SUBSCRIPTION)
        await client.stop_queue_listener_task(SUBSCRIPTION)


async def _subscribe(
    client: Client, stream: str, since: schema.OffsetSpec, chunks: "asyncio.Queue[schema.Deliver]"
) -> None:
    async def delivered(chunk: schema.Deliver) -> None:
        await chunks.put(chunk)

    client.add_handler(schema.Deliver, delivered, name=str(SUBSCRIPTION))
    await client.run_queue_listener_task(SUBSCRIPTION, delivered)
    await client.subscribe(stream, SUBSCRIPTION, since, CREDIT)


class RabbitReader:
    """See `Reader`."""

    def __init__(self, where: Where, what: What) -> None:
        names = {"facts": facts_stream, "market": market_stream, "checkpoints": checkpoints_stream}
        self.where, self.stream = where, names[what](where)
        self._told = f"{where.path}: events.{where.name}: RabbitMQ stream {self.stream}"

    async def read(self, since: int, follow: bool) -> AsyncGenerator[bytes, None]:
        where = self.where
        chunks: asyncio.Queue[schema.Deliver] = asyncio.Queue()
        gone = asyncio.Event()
        client = await connect_streams(where.path, where.key, where.queue, f"{where.client}-reader", gone.set)
        try:
            end = -1
            if not follow:
                last = await _last(client, self.stream)
                if last is None or last.timestamp * NS_OF_MS < since:
                    return
                end = last.chunk_first_offset + last.num_records
            spec: schema.OffsetSpec
            if since:
                spec = schema.OffsetSpecTimestamp(OffsetType.TIMESTAMP, since // NS_OF_MS)
            else:
                spec = schema.OffsetSpec(OffsetType.FIRST)
            await _subscribe(client, self.stream, spec, chunks)
            quiet_since = time.monotonic()
            while not (gone.is_set() and chunks.empty()):
                try:
                    chunk = await asyncio.wait_for(chunks.get(), LOOK_SECONDS)
                except TimeoutError:
                    if not follow and time.monotonic() - quiet_since > CONFIRM_SECONDS:
                        raise ServerAway(f"{self._told}: {SILENT}") from None
                    continue
                quiet_since = time.monotonic()
                await client.credit(SUBSCRIPTION, 1)
                for raw in chunk.get_messages():
                    yield amqp_decoder(raw).body
                if not follow and chunk.chunk_first_offset + chunk.num_records >= end:
                    return
            raise ServerAway(f"{self._told}: {HUNG_UP}")
        except StreamDoesNotExist as error:
            raise ServerAway(f"{self._told}: there is no such stream: has its broker published anything?") from error
        except ServerAway:
            raise
        except Exception as error:
            raise first_away(error, self._told) from error
        finally:
            await close_streams(client)
