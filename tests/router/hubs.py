"""A hub with its file, and shards and a client that note what they are sent."""

from collections.abc import Mapping
from pathlib import Path

from brokerfix.router.hub import Hub
from brokerfix.router.log import Log
from brokerfix.router.routes import Routes
from brokerfix.router.state import SHARD_ANEW
from brokerfix.router.text import Cut, Names, cut, now_ms, timestamp, value
from brokerfix.router.where import Configured
from brokerfix.settings.sections import ClientSection
from brokerfix.settings.servers import RouterSection

ACCOUNTS = {"NORTH": 0, "SOUTH": 3}
SECTION = RouterSection(listen="127.0.0.1:1", shards={"0": "127.0.0.1:2", "3": "127.0.0.1:3"}, data="router")


class Shard:
    """One end of a session with a shard: what is written is in `written`."""

    def __init__(self, hub: Hub, shard: int) -> None:
        self.names = Names(hub.begin_string, "ALICE", "BROKER")
        self.is_up, self.is_new = False, 0
        self.written: list[Cut] = []
        self.hub, self.shard, self.sent_to = hub, shard, 0

    def write(self, data: bytes) -> None:
        self.written += [cut(one) for one in whole(data)]
        self.sent_to = self.hub.state.shard(self.shard).next_out - 1

    def has_sent(self, number: int) -> bool:
        return number <= self.sent_to

    def take(self) -> list[Cut]:
        """What was written since."""
        written, self.written = self.written, []
        return written


class Bench:
    """One client's hub under test. `told` is what the client was sent."""

    def __init__(
        self, folder: Path, fix: str = "FIX.4.4", accounts: Mapping[str, int] = ACCOUNTS, **more: float
    ) -> None:
        self.folder, self.fix, self.accounts, self.more = folder, fix, accounts, more
        self.told: list[Cut] = []
        self.failures: list[Exception] = []
        self.begin()

    def begin(self) -> None:
        """The router starts, or starts again after a kill, and the client and its shards log on."""
        self.where = Configured(self.accounts)
        routes = Routes(list(self.accounts), self.where.shard, [0, 3])
        section = RouterSection(
            listen=SECTION.listen,
            shards=SECTION.shards,
            data="router",
            **self.more,  # type: ignore[arg-type]
        )
        client = ClientSection(accounts=tuple(self.accounts), fix=self.fix)  # type: ignore[arg-type]
        self.hub = Hub(
            "ALICE", "BROKER", client, section, routes, Log(self.folder / "ALICE.log"),
            self._open, self.where.learn, lambda hub, error: self.failures.append(error),  # type: ignore[arg-type]
        )  # fmt: skip
        self.shards = {shard: Shard(self.hub, shard) for shard in (0, 3)}
        self.hub.links = dict(self.shards)  # type: ignore[arg-type]
        for shard in self.shards.values():
            shard.is_up = True
        self.hub.to_client = lambda data: self.told.extend(cut(one) for one in whole(data))
        self.come = {0: 0, 3: 0}

    def _open(self, hub: Hub, shard: int) -> Shard:
        """A shard that there was no session with: it is not up yet."""
        found = self.shards[shard] = Shard(hub, shard)
        found.is_new = 5
        hub.emit(SHARD_ANEW, shard, 20261127)
        return found

    def client(self, kind: str, text: str, *, again: bool = False) -> int:
        """A message of the client: "11=C1|1=NORTH". Returns its number."""
        number = self.hub.state.next_in
        self.hub.take(number + 1)
        self.hub.from_client(Cut(kind.encode(), number, timestamp(now_ms()), again, fields(text)))
        self.hub.flush()
        return number

    def shard(self, shard: int, kind: str, text: str) -> int:
        """A message of a shard."""
        number = self.hub.state.shard(shard).next_in
        self.hub.from_shard(shard, Cut(kind.encode(), number, timestamp(now_ms()), False, fields(text)))
        self.hub.flush()
        return number

    def down(self, shard: int) -> None:
        self.shards[shard].is_up = False
        self.hub.shard_down(shard)
        self.hub.flush()

    def up(self, shard: int) -> None:
        self.shards[shard].is_up = True
        self.hub.shard_up(shard)
        self.hub.flush()

    def take(self) -> list[Cut]:
        """What the client was sent since."""
        told, self.told = self.told, []
        return told


def fields(text: str) -> bytes:
    return b"".join(one.encode() + b"\x01" for one in text.split("|"))


def whole(data: bytes) -> list[bytes]:
    """The messages of some bytes."""
    return [b"8=FIX" + one for one in data.split(b"8=FIX")[1:]]


def text(message: Cut, *tags: int) -> str:
    """Some of a message, as people read it: "8 11=C1 39=0"."""
    return " ".join([message.kind.decode(), *(f"{tag}={value(message.rest, tag).decode()}" for tag in tags)])
