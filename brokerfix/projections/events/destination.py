"""What a queue has to do for the stream. All that can go wrong with one ends in one way: it is opened anew, tells what
it has, and gets what it lacks."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, Protocol
from urllib.parse import quote

from brokerfix.projections.events.form import CHECKPOINT, Message
from brokerfix.queues.away import ServerAway as ServerAway
from brokerfix.settings.servers import EventsSection, QueueSection

CONFIRM_SECONDS = 5.0
"""Within which a queue has to confirm what it was sent."""
SILENT = "it does not send what it has"
NOBODY = "_"
"""Stands in a subject for no account."""
DAY = 86_400
What = Literal["facts", "market", "checkpoints"]
"""The streams of a destination."""


class Where(NamedTuple):
    """A destination: the section `[events.NAME]` of the configuration `path`, its queue, the broker's shard, and
    whether its journal is signed."""

    path: Path
    name: str
    section: EventsSection
    queue: QueueSection
    shard: int
    is_signed: bool = False

    @property
    def checkpoints(self) -> bool:
        """Whether the journal's checkpoints go there too."""
        return self.is_signed and (not self.section.kinds or CHECKPOINT in self.section.kinds)

    @property
    def key(self) -> str:
        """The section of the queue, as the file calls it."""
        return f"queues.{self.section.queue}"

    @property
    def client(self) -> str:
        """What the servers show of us."""
        return f"brokerfix-{self.name}-{self.shard}"

    @property
    def keep_seconds(self) -> int:
        return self.section.keep_days * DAY


class Has(NamedTuple):
    """What a destination has: the number of its last fact (0: none), and when that was as its message says ("": that
    can't be told). All before the number `after` is there, and `lacks` says of a message behind it whether it is not.
    `has_forgotten`: there was something, and it was older than `keep_days`. `checkpoint` is the number of its last
    checkpoint (0: none)."""

    last: int
    at: str
    after: int
    lacks: Callable[[Message], bool]
    has_forgotten: bool = False
    checkpoint: int = 0


class Destination(Protocol):
    """A queue that the stream goes to. What is wrong with it is a ServerAway; then it is to be closed, and may be
    opened again. Once it is open, `most_bytes` are what a message may have."""

    most_bytes: int

    async def open(self) -> Has:
        """Connect, make what is missing there, and tell what it has."""

    async def send(self, messages: Sequence[Message]) -> Awaitable[None]:
        """Send messages, in their order and behind all before. What is returned is done when they are confirmed, or
        has the ServerAway."""

    async def send_market(self, messages: Sequence[Message]) -> None:
        """Send market data: the latest of each symbol is what counts. It is not confirmed."""

    async def send_checkpoint(self, message: Message) -> None:
        """Send a checkpoint, and wait until it is confirmed."""

    async def close(self) -> None:
        """Disconnect. Never raises."""


class Reader(Protocol):
    """The other end."""

    def read(self, since: int, follow: bool) -> AsyncGenerator[bytes, None]:
        """The bodies of the messages in their order: those that the queue has got since a time (ns; 0: all).
        With `follow` it goes on with what comes. Raises ServerAway."""


def first_away(error: BaseException, told: str) -> ServerAway:
    """An error of a queue's library as what it is to us."""
    return error if isinstance(error, ServerAway) else ServerAway(f"{told}: {str(error) or type(error).__name__}")


@lru_cache(maxsize=4096)
def token(text: str) -> str:
    """A name as a part of a subject: what has a meaning there is %XX, and none is `_`."""
    return quote(text, safe="").replace(".", "%2E").replace("~", "%7E") if text else NOBODY
