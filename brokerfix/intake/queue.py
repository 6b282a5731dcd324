"""What the door needs of a queue. Each kind of queue has its own way, and all keep the same promises: a message is
handed over until it is acknowledged, in order of arrival; what is published is confirmed."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from brokerfix.intake.messages import DeadLetter

MOST_KEPT = 256 << 10
"""Bytes of a message that is too large for an order by far, as a dead letter."""
MOST_KEPT_HEADERS = 16 << 10
MOST_NAME = 255
"""Bytes of the place where an answer goes, and of what it is known by there: as many as AMQP has, and of what others
would take as much they could not send."""
MOST_IN_HAND = 100
"""Messages that are handed over and not acknowledged."""


class Delivery:
    """A message that was handed over. `place` is which one of the queue it is; the names of `headers` are in lower
    case; `ack` tells the queue that it is dealt with."""

    __slots__ = ("ack", "body", "correlation_id", "headers", "place", "reply_to")

    def __init__(
        self, body: bytes, headers: Mapping[str, str], place: str, ack: Callable[[], Awaitable[None]],
        reply_to: str = "", correlation_id: str = "",
    ) -> None:  # fmt: skip
        self.body, self.headers, self.place, self.ack = body, headers, place, ack
        self.reply_to, self.correlation_id = reply_to, correlation_id

    @property
    def has_short_names(self) -> bool:
        """Whether an answer can be addressed at all."""
        return all(len(name.encode(errors="replace")) <= MOST_NAME for name in (self.reply_to, self.correlation_id))


def as_letter(delivery: Delivery) -> Delivery:
    """A message as it becomes a dead letter: one that is nearly as large as the queue takes would be too large with the
    reason, so that what is beyond MOST_KEPT of its body, and headers of as much, are left out."""
    headers = delivery.headers
    if sum(len(name) + len(value) for name, value in headers.items()) > MOST_KEPT_HEADERS:
        headers = {}
    if len(delivery.body) <= MOST_KEPT and headers is delivery.headers:
        return delivery
    body = delivery.body[:MOST_KEPT]
    return Delivery(body, headers, delivery.place, delivery.ack, delivery.reply_to, delivery.correlation_id)


class Told(msgspec.Struct, frozen=True):
    """A report to be published: whose, the id by which one that comes twice is known, and the JSON."""

    account: str
    id: str
    body: bytes


class Queue(Protocol):
    """One queue of orders and what belongs to it. Everything but `close` raises ServerAway while its server is away."""

    async def open(self) -> None:
        """Connect, and make what is not there yet. Raises ConfigError for what can't be used."""

    async def follow(self, take: Callable[[Delivery], None]) -> None:
        """Begin to hand over, with the first message that is not acknowledged; and go on after an interruption."""

    def may_reply(self, to: str) -> bool:
        """Whether an answer may be sent there: not into what others rely on to be from somebody else."""

    async def reply(self, delivery: Delivery, body: bytes) -> None: ...

    async def report(self, told: list[Told]) -> None:
        """Publish, and wait until all are kept."""

    async def bury(self, delivery: Delivery, headers: Mapping[str, str]) -> None:
        """Put a message to the dead letters, with these headers beside its own."""

    async def dead(self) -> list[DeadLetter]:
        """The dead letters, oldest first."""

    async def requeue(self, id_: str) -> None:
        """Put a dead letter back to the orders, behind all that waits. Raises KeyError where there is none."""

    async def drop(self, id_: str) -> None:
        """Delete a dead letter. Raises KeyError where there is none."""

    async def close(self) -> None: ...
