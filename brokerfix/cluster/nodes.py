"""How the nodes of a shard are: each has a key, that it writes anew every moment."""

import time
from typing import TYPE_CHECKING

import msgspec

from brokerfix import __version__
from brokerfix.cluster.shared import Check, Role, Shared, Slot
from brokerfix.cluster.told import Told
from brokerfix.record.place import place_at

if TYPE_CHECKING:
    from brokerfix.cluster.keys import Keys

TELL_SECONDS = 0.5
GONE_SECONDS = 2.5
"""A node whose key was not written for so long is away."""
CLOSE_BYTES = 1 << 20
"""A standby that is no further behind follows closely."""
ENDLESS_BYTES = 1 << 50
HANGS = "not reacting"
"""The role of a standby whose broker does not turn."""


def bytes_behind(end: int, so_far: int) -> int:
    """How many bytes one position is behind another; ENDLESS_BYTES where it is in an earlier segment."""
    return min(max(0, end - so_far), ENDLESS_BYTES)


class Node(msgspec.Struct):
    """What a node tells of itself: `position` is up to where it has the journal and its state, `behind` how many bytes
    the primary has more of the same segment; `check` how its state compares, at the fact `checked_at`."""

    node: str
    role: str
    version: str
    epoch: int
    position: int
    behind: int
    check: str
    checked_at: int
    beat: int
    alive: bool = True

    @property
    def place(self) -> str:
        place = place_at(self.position)
        return f"{place.segment}:{place.offset}"

    @property
    def is_ready(self) -> bool:
        """Whether it could take over at once."""
        close = self.behind <= CLOSE_BYTES
        return self.alive and self.role == "standby" and close and self.check != "different"


class Nodes:
    """The nodes of a shard, as one of them knows them."""

    def __init__(self, keys: "Keys", shard: int, me: str) -> None:
        self.keys = keys
        self.shard = shard
        self.me = me
        self.every = TELL_SECONDS
        self.known: dict[str, Node] = {}
        self._seen: dict[str, tuple[int, float]] = {}
        self._beat = 0
        self.primary_has = 0
        """Up to where the primary has its journal, by its last word; 0: there is none."""

    def is_eligible(self, shared: Shared) -> bool:
        """Whether this node's state is what its segments say, or close, and not known to be another than the
        primary's."""
        is_close = shared[Slot.FOLLOWED] - shared[Slot.APPLIED] <= CLOSE_BYTES
        return is_close and shared[Slot.CHECKED] != Check.DIFFERENT

    async def tell(self, shared: Shared, is_primary: bool, told: Told, reacts: bool = True) -> None:
        """Tell how this node is, and whether its broker reacts, and find out how the others are. Raises Away."""
        self._beat += 1
        role = shared.role
        shared[Slot.STREAM_END] = max(shared[Slot.STREAM_END], self.primary_has)
        has = shared[Slot.TAIL] if is_primary else shared[Slot.APPLIED]
        end, so_far = (has, shared[Slot.CONFIRMED]) if is_primary else (shared[Slot.STREAM_END], has)
        name = "primary" if is_primary and role is Role.PRIMARY else role.name.lower()
        if role is Role.STANDBY and not reacts:
            name = HANGS
        node = Node(
            self.me, name, __version__,
            shared[Slot.EPOCH], has, bytes_behind(end, so_far), Check(shared[Slot.CHECKED]).name.lower(),
            shared[Slot.CHECKED_AT], self._beat,
        )  # fmt: skip
        await self.keys.write(f"node.{self.shard}.{self.me}", msgspec.json.encode(node))
        await self.look()
        shared[Slot.STANDBYS] = sum(one.is_ready for one in self.known.values())
        told.update(nodes={name: msgspec.to_builtins(one) for name, one in self.known.items()})

    async def look(self) -> None:
        """Find out how the nodes are. Raises Away."""
        now = time.monotonic()
        for name, (revision, value) in (await self.keys.below(f"node.{self.shard}.")).items():
            node = msgspec.json.decode(value, type=Node)
            before, since = self._seen.get(name, (0, now))
            if revision != before:
                since = now
            self._seen[name] = revision, since
            node.alive = now - since < GONE_SECONDS
            self.known[node.node] = node
        others = (node for node in self.known.values() if node.alive and node.role == "primary")
        self.primary_has = max((node.position for node in others if node.node != self.me), default=0)
