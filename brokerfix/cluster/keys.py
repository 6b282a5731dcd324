"""The cluster's keys: a bucket of NATS JetStream, in which each key has a revision that it can be written over."""

import asyncio
from typing import Any

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import api
from nats.js.client import JetStreamContext

from brokerfix.cluster.lease import Away, Stale

WRONG_LAST = (10071, 10164)
"""The server's codes for another last sequence than the one that was expected."""
ASK_SECONDS = 1.0
NO_ANSWER = "no server answers for it: the servers have no quorum, or JetStream is off there: their log says why"
FAILURES = (nats.errors.Error, OSError, asyncio.TimeoutError)
"""What the servers' absence, in all its forms, is told by."""


def why(error: BaseException) -> str:
    """What a failure of the servers is, for people."""
    if isinstance(error, nats.js.errors.NoStreamResponseError | nats.js.errors.ServiceUnavailableError):
        return NO_ANSWER
    if isinstance(error, nats.js.errors.APIError):
        return f"the servers refuse it: {error.description} (code {error.err_code})"
    if isinstance(error, nats.errors.TimeoutError | asyncio.TimeoutError):
        return "the servers do not answer in time: they can't be reached, or have no quorum"
    return str(error) or type(error).__name__


def stream_of(cluster: str) -> str:
    """The stream behind the cluster's bucket."""
    return f"KV_{cluster}"


async def open_keys(js: JetStreamContext, cluster: str, replicas: int) -> None:
    """Make the cluster's bucket where it is not there. Raises Away."""
    try:
        try:
            await js.stream_info(stream_of(cluster))
        except nats.js.errors.NotFoundError:
            await js.create_key_value(
                api.KeyValueConfig(cluster, replicas=replicas, history=1, storage=api.StorageType.FILE)
            )
    except FAILURES as error:
        raise Away(why(error)) from error


class Keys:
    """The keys of a cluster. Nothing here is asked of a server that may be behind."""

    def __init__(self, client: Client, cluster: str, seconds: float = ASK_SECONDS) -> None:
        """Each request may take so many seconds."""
        self._js = client.jetstream(timeout=seconds)
        self.cluster = cluster

    async def read(self, key: str) -> tuple[int, bytes] | None:
        """A key's revision and value; None where there is none. Raises Away."""
        try:
            message = await self._js.get_msg(stream_of(self.cluster), subject=f"$KV.{self.cluster}.{key}")
        except nats.js.errors.NotFoundError:
            return None
        except FAILURES as error:
            raise Away(why(error)) from error
        assert message.seq is not None
        if message.headers and message.headers.get("KV-Operation") in ("DEL", "PURGE"):
            return None
        return message.seq, message.data or b""

    async def write(self, key: str, value: bytes, over: int | None = None) -> int:
        """Write a key, over a revision (0: there is none; None: whatever there is). Returns its revision. Raises
        Stale, and Away: then it may be written or not."""
        headers: dict[str, Any] | None = None
        if over is not None:
            headers = {api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(over)}
        try:
            return (await self._js.publish(f"$KV.{self.cluster}.{key}", value, headers=headers)).seq
        except nats.js.errors.APIError as error:
            if error.err_code in WRONG_LAST:
                raise Stale(key) from error
            raise Away(why(error)) from error
        except FAILURES as error:
            raise Away(why(error)) from error

    async def below(self, prefix: str) -> dict[str, tuple[int, bytes]]:
        """Every key that begins so (with whole words), with its revision and value. Raises Away."""
        head = f"$KV.{self.cluster}."
        try:
            info = await self._js.stream_info(stream_of(self.cluster), subjects_filter=f"{head}{prefix}>")
        except FAILURES as error:
            raise Away(why(error)) from error
        names = sorted(subject.removeprefix(head) for subject in info.state.subjects or {})
        found = {name: await self.read(name) for name in names}
        return {name: read for name, read in found.items() if read is not None}


class OneKey:
    """One of the keys, for a lease."""

    def __init__(self, keys: Keys, name: str) -> None:
        self._keys, self._name = keys, name

    async def read(self) -> tuple[int, bytes] | None:
        return await self._keys.read(self._name)

    async def write(self, value: bytes, over: int) -> int:
        return await self._keys.write(self._name, value, over)
