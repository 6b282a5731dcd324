"""The stream at NATS JetStream: `SUBJECT.facts.<shard>.<kind>.<account>`, a stream of the server for each shard.

Every message says which sequence number it expects to be behind (Nats-Expected-Last-Sequence) and, but for a session's
first, which message (Nats-Expected-Last-Msg-Id), so that the server takes them in order, without a gap and from one
publisher only, and one confirmation is enough for many. The number alone would not do: of a batch that comes behind two
messages of somebody else, the third one has the right number again.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from datetime import UTC, datetime
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.errors import APIError, NotFoundError

from brokerfix.domain import id_number, id_text
from brokerfix.projections.events.checkpoints import number_of
from brokerfix.projections.events.destination import (
    CONFIRM_SECONDS,
    SILENT,
    Has,
    ServerAway,
    What,
    Where,
    first_away,
    token,
)
from brokerfix.projections.events.form import DECODERS, Message
from brokerfix.queues.nats import connect

log = logging.getLogger("brokerfix.projections.events")
DUPLICATE_SECONDS = 120
"""For so long the server knows a message by its id."""
MSG_ID, EXPECTED, EXPECTED_ID = "Nats-Msg-Id", "Nats-Expected-Last-Sequence", "Nats-Expected-Last-Msg-Id"
NEXT_SECONDS, ASK_SECONDS = 0.5, 2.0
WRONG_SEQUENCE = 10071, 10070
"""The server's errors that a message is not behind the one that it expects to be behind, by number and by id."""
OTHERS = "it has other messages than this publisher has sent: does another one write there?"
HAD = (
    "it has had these messages before: does another one write there? Where they were deleted, it takes them again "
    "within two minutes"
)
NO_LEADER = "nobody takes messages for it: it has no leader now, or was deleted"
HUNG_UP = "the server has hung up"
FIRST = "-first"
"""Ends the reply subject of a batch's first message."""
HEADERS_BYTES = 4096
"""A message's headers count as well."""


def refusal(data: bytes) -> str:
    """Why the server has not taken a message, as its answer says; "": it has."""
    # An empty answer: nobody has the stream.
    answer: dict[str, Any] = json.loads(data) if data else {"error": {"description": NO_LEADER}}
    error = answer.get("error", {})
    if error.get("err_code") in WRONG_SEQUENCE:
        return OTHERS
    if answer.get("duplicate"):
        return HAD
    return str(error.get("description", error)) if error else ""


class Names:
    """What a destination's streams and subjects are called."""

    def __init__(self, where: Where) -> None:
        subject, shard = where.section.subject, where.shard
        self.facts, self.market = f"{subject}-facts-{shard}", f"{subject}-market-{shard}"
        self.checkpoints, self.checkpoints_subject = f"{subject}-checkpoints-{shard}", f"{subject}.checkpoints.{shard}"
        self.facts_subject, self.market_subject = f"{subject}.facts.{shard}", f"{subject}.market.{shard}"


def kept(now: StreamConfig, wanted: StreamConfig) -> StreamConfig:
    """A stream that is there as it has to be: an operator's limit of its age, or more replicas, are not taken away by
    what nobody has configured."""
    replicas = max(now.num_replicas or 1, wanted.num_replicas or 1)
    return now.evolve(max_age=wanted.max_age or now.max_age, num_replicas=replicas)


class NatsDestination:
    """See `Destination`."""

    def __init__(self, where: Where) -> None:
        self.where, self.names = where, Names(where)
        self._told = f"{where.path}: events.{where.name}: NATS stream {self.names.facts}"
        self._client: Client | None = None
        self._sequence = self._checkpoints_sequence = 0
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._last_id = ""
        self._inbox, self._asked = "", 0
        self._is_away = False
        self.most_bytes = 0

    async def open(self) -> Has:
        where, names = self.where, self.names
        self._is_away = False
        self._client = client = await connect(where.path, where.key, where.queue, where.client, self._disconnected)
        self.most_bytes = client.max_payload - HEADERS_BYTES
        try:
            stream = client.jetstream(timeout=ASK_SECONDS)
            info = await self._ensure(stream, self._facts_config())
            if where.section.market_data_ms:
                await self._ensure(stream, self._market_config())
            checkpoint = await self._last_checkpoint(stream) if where.checkpoints else 0
            self._inbox = client.new_inbox()
            await client.subscribe(f"{self._inbox}.*", cb=self._confirmed)
            # By its number alone: a server that was restarted knows the last message's id for some minutes only.
            self._sequence, self._last_id = info.state.last_seq, ""
            if not info.state.messages:
                return Has(0, "", 0, lambda message: True, info.state.last_seq > 0, checkpoint)
            # The last sequence number may be that of one that its owner has deleted since.
            last = await stream.get_last_msg(names.facts, f"{names.facts_subject}.>")
        except (NatsError, APIError, TimeoutError, OSError) as error:
            raise first_away(error, self._told) from error
        number = id_number((last.headers or {}).get(MSG_ID, ""))
        if not number:
            raise ServerAway(f"{self._told}: its last message is none of ours: use another subject")
        at = DECODERS[where.section.format](last.data or b"")["at"]
        return Has(number, at, number, lambda message: message.number > number, checkpoint=checkpoint)

    async def _last_checkpoint(self, stream: JetStreamContext) -> int:
        """The number of the last one that is there."""
        info = await self._ensure(stream, self._checkpoints_config())
        self._checkpoints_sequence = info.state.last_seq
        if not info.state.messages:
            return 0
        last = await stream.get_last_msg(self.names.checkpoints, self.names.checkpoints_subject)
        return number_of(DECODERS[self.where.section.format](last.data or b""))

    def _facts_config(self) -> StreamConfig:
        section, names = self.where.section, self.names
        keep = float(self.where.keep_seconds)
        return StreamConfig(
            name=names.facts, subjects=[f"{names.facts_subject}.>"], storage=StorageType.FILE,
            num_replicas=section.replicas, max_age=keep, duplicate_window=float(DUPLICATE_SECONDS),
        )  # fmt: skip

    def _checkpoints_config(self) -> StreamConfig:
        names = self.names
        return self._facts_config().evolve(name=names.checkpoints, subjects=[names.checkpoints_subject])

    def _market_config(self) -> StreamConfig:
        names = self.names
        return StreamConfig(
            name=names.market, subjects=[f"{names.market_subject}.*"], storage=StorageType.FILE,
            num_replicas=self.where.section.replicas, max_msgs_per_subject=1,
        )  # fmt: skip

    @staticmethod
    async def _ensure(stream: JetStreamContext, wanted: StreamConfig) -> StreamInfo:
        """Make a stream, or have of it at least the replicas and, if it is limited, the age that are now configured;
        what else an operator has set of it stays."""
        assert wanted.name is not None
        try:
            info = await stream.stream_info(wanted.name)
        except NotFoundError:
            return await stream.add_stream(wanted)
        now, asked = info.config, kept(info.config, wanted)
        return info if asked == now else await stream.update_stream(asked)

    async def send(self, messages: Sequence[Message]) -> Awaitable[None]:
        client, prefix = self._client, self.names.facts_subject
        assert client is not None
        if self._is_away:
            raise ServerAway(f"{self._told}: {HUNG_UP}")
        self._asked += 1
        reply, reply_first = f"{self._inbox}.{self._asked}", f"{self._inbox}.{self._asked}{FIRST}"
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[reply] = waiting
        first, last = messages[0], messages[-1]
        try:
            for message in messages:
                told = {MSG_ID: id_text(message.number), EXPECTED: str(self._sequence)}
                if self._last_id:
                    told[EXPECTED_ID] = self._last_id
                await client.publish(
                    f"{prefix}.{message.kind}.{token(message.account)}",
                    message.body,
                    # If one before was refused, so is the last; why, the first one's answer says at the next try.
                    reply if message is last else reply_first if message is first else "",
                    told,
                )
                self._sequence, self._last_id = self._sequence + 1, told[MSG_ID]
        except (NatsError, OSError) as error:
            raise first_away(error, self._told) from error
        return asyncio.wait_for(waiting, CONFIRM_SECONDS)

    async def _confirmed(self, msg: Msg) -> None:
        is_last, reply = not msg.subject.endswith(FIRST), msg.subject.removesuffix(FIRST)
        waiting = self._waiting.get(reply)
        if waiting is None or waiting.done():
            return
        refused = refusal(msg.data)
        if refused:
            waiting.set_exception(ServerAway(f"{self._told}: {refused}"))
            # Perhaps nobody waits for it yet.
            waiting.exception()
        elif is_last:
            waiting.set_result(None)
        if waiting.done():
            del self._waiting[reply]

    async def _disconnected(self) -> None:
        self._is_away = True
        self._fail(HUNG_UP)

    def _fail(self, why: str) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ServerAway(f"{self._told}: {why}"))
                # Perhaps nobody waits for it any more.
                waiting.exception()
        self._waiting.clear()

    async def send_market(self, messages: Sequence[Message]) -> None:
        client = self._client
        assert client is not None
        try:
            for message in messages:
                await client.publish(f"{self.names.market_subject}.{token(message.symbol)}", message.body)
        except (NatsError, OSError) as error:
            raise first_away(error, self._told) from error

    async def send_checkpoint(self, message: Message) -> None:
        client = self._client
        assert client is not None
        headers = {MSG_ID: str(message.number), EXPECTED: str(self._checkpoints_sequence)}
        try:
            stream = client.jetstream(timeout=CONFIRM_SECONDS)
            answer = await stream.publish(self.names.checkpoints_subject, message.body, headers=headers)
        except (NatsError, APIError, TimeoutError, OSError) as error:
            raise first_away(error, f"{self._told}: {self.names.checkpoints}") from error
        self._checkpoints_sequence = answer.seq

    async def close(self) -> None:
        client, self._client = self._client, None
        self._fail("closed")
        if client is not None:
            # What waits in it is sent again.
            with contextlib.suppress(Exception):
                await client.close()


class NatsReader:
    """See `Reader`."""

    def __init__(self, where: Where, what: What) -> None:
        self.where, names = where, Names(where)
        self.stream, self.subject = {
            "facts": (names.facts, f"{names.facts_subject}.>"),
            "market": (names.market, f"{names.market_subject}.*"),
            "checkpoints": (names.checkpoints, names.checkpoints_subject),
        }[what]
        self._told = f"{where.path}: events.{where.name}: NATS stream {self.stream}"

    async def read(self, since: int, follow: bool) -> AsyncGenerator[bytes, None]:
        where = self.where
        is_away = asyncio.Event()

        async def disconnected() -> None:
            is_away.set()

        client = await connect(where.path, where.key, where.queue, f"{where.client}-reader", disconnected)
        try:
            stream = client.jetstream()
            info = await stream.stream_info(self.stream)
            end = info.state.last_seq
            if not follow and not info.state.messages:
                return
            config = ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_TIME if since else DeliverPolicy.ALL,
                opt_start_time=datetime.fromtimestamp(since / 10**9, UTC) if since else None,
            )  # fmt: skip
            found = await stream.subscribe(self.subject, stream=self.stream, ordered_consumer=True, config=config)
            consumer = await found.consumer_info()
            came = consumer.delivered.consumer_seq if consumer.delivered is not None else 0
            if not follow and not (consumer.num_pending or came):
                return
            quiet_since = time.monotonic()
            while True:
                try:
                    msg = await found.next_msg(NEXT_SECONDS)
                except TimeoutError:
                    if is_away.is_set():
                        # The server has forgotten this consumer.
                        raise ServerAway(f"{self._told}: {HUNG_UP}") from None
                    if not follow and time.monotonic() - quiet_since > CONFIRM_SECONDS:
                        raise ServerAway(f"{self._told}: {SILENT}") from None
                    continue
                quiet_since = time.monotonic()
                yield msg.data
                # The last ones may have been deleted: nothing is pending then.
                told = msg.metadata
                if not follow and (told.sequence.stream >= end or not told.num_pending):
                    return
        except NotFoundError as error:
            raise ServerAway(f"{self._told}: there is no such stream: has its broker published anything?") from error
        except (NatsError, APIError, OSError) as error:
            raise first_away(error, self._told) from error
        finally:
            with contextlib.suppress(Exception):
                await client.close()
