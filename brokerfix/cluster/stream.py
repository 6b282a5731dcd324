"""The journal's stream: each message is a run of a segment's bytes, and says where it belongs; the beginning of an
epoch is a message without any.

A message is appended only behind the sequence that its writer expects to be the last: a writer that another one has
come after is refused. What it had under way besides can still meet the sequence that it expects, behind the message of
the next epoch: it is never confirmed, as those before it are refused, and it is void for every reader, as a message of
an epoch is behind one of a later epoch.
"""

import asyncio
import json
from contextlib import suppress
from typing import Any, Self

import msgspec
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import api
from nats.js.client import NO_RESPONDERS_STATUS

from brokerfix.cluster.keys import ASK_SECONDS, FAILURES, NO_ANSWER, WRONG_LAST, why
from brokerfix.cluster.lease import Away, Stale
from brokerfix.record.place import OFFSET_BITS

HEADER = "Journal"
MOST_BYTES = 256 << 10
"""Of one message."""
PATIENCE = 0.25
"""Seconds that a read waits for something new."""
MORE_SECONDS = 0.01
MOST_AT_ONCE = 64
IN_FLIGHT = 4
"""Messages that a writer has under way at most."""
LOOK_BACK = 2 * IN_FLIGHT
"""So many messages before one tell whether it is void: those that are follow on the message of a later epoch."""


class Refused(Exception):
    """This node can't take part as it is. The text says why, and what to do."""


class Head(msgspec.Struct, array_like=True, frozen=True):
    """Where a message's bytes belong: in the segment of a day, from an offset on. `crc` is the CRC32 of all bytes of
    the segment up to the message's end; `before`, of a segment's first bytes, is the position and CRC32 of the end of
    the segment before (0, 0: there is none). Who wrote it: the node, its instance and epoch. With `size` 0 it is where
    an epoch begins."""

    day: int
    offset: int
    size: int
    crc: int
    epoch: int
    node: str
    instance: int
    before: tuple[int, int] = (0, 0)

    @property
    def is_epoch(self) -> bool:
        return not self.size

    @property
    def start(self) -> int:
        """The position of its first byte."""
        return self.day << OFFSET_BITS | self.offset

    @property
    def end(self) -> int:
        """The position behind its last byte."""
        return self.start + self.size

    @property
    def segment(self) -> str:
        return f"{self.day}.journal"

    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, headers: dict[str, str] | None) -> Self:
        """What a message's headers say. Raises Refused for one that nobody of us wrote."""
        try:
            return msgspec.json.decode((headers or {})[HEADER], type=cls)
        except (KeyError, msgspec.MsgspecError) as error:
            raise Refused("the stream has a message that brokerfix did not write: it is of something else") from error


class Message(msgspec.Struct):
    """A message of the stream; `more` is how many are behind it, where it came to a reader that follows."""

    seq: int
    head: Head
    data: bytes
    more: int = 0


class Stream:
    """The stream of one shard, as one of its readers and writers has it."""

    def __init__(self, client: Client, cluster: str, shard: int, seconds: float = ASK_SECONDS) -> None:
        self.client = client
        self.js = client.jetstream(timeout=seconds)
        self.name = f"{cluster}-{shard}-journal"
        self.subject = f"{cluster}.{shard}.journal"
        self._publishing = seconds
        self._consumer: Any = None
        self._inbox = ""
        self._count = 0
        self._answers: dict[str, asyncio.Future[int]] = {}

    async def open(self, replicas: int) -> None:
        """Make it where it is not there. Raises Away."""
        try:
            try:
                await self.js.stream_info(self.name)
            except nats.js.errors.NotFoundError:
                await self.js.add_stream(
                    api.StreamConfig(
                        self.name,
                        subjects=[self.subject],
                        num_replicas=replicas,
                        storage=api.StorageType.FILE,
                        deny_delete=True,
                        discard=api.DiscardPolicy.NEW,
                    )
                )
        except FAILURES as error:
            raise Away(why(error)) from error

    async def ends(self) -> tuple[int, int]:
        """The sequences of its first and last message; the first is larger where there is none. Raises Away."""
        try:
            state = (await self.js.stream_info(self.name)).state
        except FAILURES as error:
            raise Away(why(error)) from error
        return state.first_seq if state.messages else state.last_seq + 1, state.last_seq

    async def get(self, seq: int) -> Message | None:
        """The message of a sequence. Raises Away, Refused."""
        try:
            found = await self.js.get_msg(self.name, seq=seq)
        except nats.js.errors.NotFoundError:
            return None
        except FAILURES as error:
            raise Away(why(error)) from error
        assert found.seq is not None
        return Message(found.seq, Head.of(found.headers), found.data or b"")

    async def last_data(self, before: int, first: int) -> Message | None:
        """The last message before a sequence, from another on, that has bytes and is not void. Raises Away, Refused."""
        for seq in range(before - 1, first - 1, -1):
            found = await self.get(seq)
            if found is None or found.head.is_epoch:
                continue
            if found.head.epoch >= await self.highest_epoch(seq):
                return found
        return None

    async def highest_epoch(self, until: int) -> int:
        """The latest epoch of the messages up to one, which it is near. Raises Away, Refused."""
        highest = 0
        for seq in range(max(1, until - LOOK_BACK), until + 1):
            found = await self.get(seq)
            if found is not None:
                highest = max(highest, found.head.epoch)
        return highest

    async def publish(self, head: Head, data: bytes, behind: int) -> "asyncio.Future[int]":
        """Append behind a sequence. The future has the message's own or, as an exception, Stale, or Away: then it may
        be appended or not. Raises Away."""
        if not self._inbox:
            # The client's own futures never hear that a message was refused.
            self._inbox = self.client.new_inbox()
            await self.client.subscribe(f"{self._inbox}.*", cb=self._answered)
        self._count += 1
        token = str(self._count)
        headers = {HEADER: head.text(), api.Header.EXPECTED_LAST_SEQUENCE.value: str(behind)}
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._answers[token] = future
        future.add_done_callback(lambda future: self._answers.pop(token, None))
        try:
            await self.client.publish(self.subject, data, reply=f"{self._inbox}.{token}", headers=headers)
        except FAILURES as error:
            future.cancel()
            raise Away(why(error)) from error
        return future

    async def _answered(self, message: Msg) -> None:
        future = self._answers.get(message.subject.rpartition(".")[2])
        if future is None or future.done():
            return
        if message.headers and message.headers.get(api.Header.STATUS) == NO_RESPONDERS_STATUS:
            future.set_exception(Away(NO_ANSWER))
            return
        told = json.loads(message.data)
        error = told.get("error")
        if error is None:
            future.set_result(int(told["seq"]))
        elif error.get("err_code") in WRONG_LAST:
            future.set_exception(Stale(error.get("description")))
        else:
            code, text = error.get("err_code"), error.get("description")
            future.set_exception(Away(f"the servers refuse it: {text} (code {code})"))

    async def append(self, head: Head, data: bytes, behind: int) -> int:
        """Append behind a sequence, and wait for it. Returns its sequence. Raises Stale, and Away: then it may be
        appended or not."""
        future = await self.publish(head, data, behind)
        try:
            return await asyncio.wait_for(future, self._publishing)
        except TimeoutError as error:
            raise Away(why(error)) from error

    async def following(self, seq: int) -> list[Message]:
        """The messages after a sequence, as many as there are, up to a bound; waits a little for the first. They follow
        each other without a gap. Raises Away, Refused."""
        try:
            if self._consumer is None or self._consumer[0] != seq:
                await self.forget()
                config = api.ConsumerConfig(
                    deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
                    opt_start_seq=seq + 1,
                    ack_policy=api.AckPolicy.NONE,
                    inactive_threshold=30,
                    mem_storage=True,
                    num_replicas=1,
                )
                self._consumer = seq, await self.js.pull_subscribe(self.subject, stream=self.name, config=config)
            got = await self._fetch(seq)
        except FAILURES as error:
            await self.forget()
            raise Away(why(error)) from error
        messages: list[Message] = []
        for message in got:
            number = message.metadata.sequence.stream
            if number != seq + 1:
                await self.forget()
                if messages:
                    break
                first, _ = await self.ends()
                if first > seq + 1:
                    raise Gap(first)
                # It was lost on the way: what a server hands over unasked for it does not hand over again.
                return await self.following(seq)
            messages.append(Message(number, Head.of(message.headers), message.data, message.metadata.num_pending))
            seq = number
        if self._consumer is not None:
            self._consumer = seq, self._consumer[1]
        return messages

    async def _fetch(self, seq: int) -> list[Any]:
        """What comes to our place at the server."""
        try:
            got: list[Any] = await self._consumer[1].fetch(1, timeout=PATIENCE)
        except TimeoutError:
            if (await self.ends())[1] > seq:
                # There are some, and they do not come: the server that had our place is gone.
                await self.forget()
            return []
        with suppress(TimeoutError):
            # Asked for several, the client waits until they are all there: so not for long.
            got += await self._consumer[1].fetch(MOST_AT_ONCE - 1, timeout=MORE_SECONDS)
        return got

    async def forget(self) -> None:
        """Let go of our place at the server."""
        if self._consumer is not None:
            _, consumer = self._consumer
            self._consumer = None
            try:
                await consumer.unsubscribe()
            except FAILURES:
                return


class Gap(Exception):
    """The messages after the one that was asked for are gone; the first that is there is told."""
